//! Asynchronous calls and host functions, in every execution mode, on executors of several kinds.

#![forbid(unsafe_code)]

mod support {
    pub mod modes;
}

mod asynchronous_cases {
    mod cancelling;
    mod core_dumps;
    mod crowds;
    mod hooks_and_limiters;
    mod interruption;
    mod leaving;
    mod nesting;
    mod references;
    mod stacks;
    mod suspending;
    mod yielding;

    #[path = "../api_cases/core_dumps/reading.rs"]
    mod reading;
}

use std::future::{Future, poll_fn};
use std::panic::resume_unwind;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use upshift::{Caller, Engine, Instance, Linker, Module, Store};

/// Runs a test in every mode, and names the mode if it fails.
fn in_every_mode(test: impl Fn(&Engine)) {
    for (mode, engine) in support::modes::engines() {
        eprintln!("mode {mode}");
        test(engine);
    }
}

/// An executor of one task, on the calling thread.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

/// An executor of one task, which polls each time on a new thread; returns the number of polls too.
fn on_new_threads<T: Send>(future: impl Future<Output = T> + Send) -> (T, usize) {
    let mut future = Box::pin(future);
    for polls in 1.. {
        if let Poll::Ready(value) = poll_on_new_thread(future.as_mut()) {
            return (value, polls);
        }
    }
    unreachable!("polls end")
}

fn poll_on_new_thread<T: Send>(future: Pin<&mut (impl Future<Output = T> + Send)>) -> Poll<T> {
    let poll = move || poll_once(future);
    let polled = thread::scope(|scope| scope.spawn(poll).join());
    polled.unwrap_or_else(|panic| resume_unwind(panic))
}

/// Polls once, on this thread.
fn poll_once<T>(future: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// A future that is pending so many times.
async fn pending(mut times: u32) {
    poll_fn(|context| {
        if times == 0 {
            return Poll::Ready(());
        }
        times -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// The closure, which the compiler takes for one with any lifetime of its caller.
fn host_fn<T, P, R, F>(func: F) -> F
where
    T: Send + 'static,
    F: for<'a> Fn(Caller<'a, T>, P) -> Box<dyn Future<Output = R> + Send + 'a>,
{
    func
}

/// Defines the host function `host.wait`, which is pending as often as its argument says and
/// returns that number.
fn define_wait<T: Send + 'static>(linker: &mut Linker<T>) {
    let wait = host_fn(|_: Caller<'_, T>, (times,): (i32,)| {
        Box::new(async move {
            pending(times as u32).await;
            times
        })
    });
    linker.func_wrap_async("host", "wait", wait).unwrap();
}

/// A store with an instance of a module that imports `host.wait` only.
fn waiting_instance(engine: &Engine, text: &str) -> (Store<()>, Instance) {
    let module = Module::new(engine, text).expect("a valid module");
    let mut linker = Linker::new(engine);
    define_wait(&mut linker);
    let mut store = Store::new(engine, ());
    let instance = linker.instantiate(&mut store, &module);
    (store, instance.expect("its imports are defined"))
}
