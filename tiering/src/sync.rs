//! Atomics, locks and queues of the protocols that [loom](https://docs.rs/loom) checks.
//!
//! They are the standard library's and crossbeam's. With `--cfg loom` (see `scripts/loom`) this
//! crate's own tests get loom's, which run a model in every order that the memory model allows.
//! Crossbeam's queue and channel are replaced there by locked ones with the same meaning: models
//! check how this crate uses them, not how they are made.

#[cfg(not(all(test, loom)))]
pub(crate) use crossbeam::queue::SegQueue;
#[cfg(not(all(test, loom)))]
pub(crate) use std::sync::atomic::{
    AtomicBool, AtomicI32, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering,
};
#[cfg(not(all(test, loom)))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};

#[cfg(all(test, loom))]
pub(crate) use loom::sync::atomic::{
    AtomicBool, AtomicI32, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering,
};
#[cfg(all(test, loom))]
pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};
#[cfg(all(test, loom))]
pub(crate) use models::{SegQueue, channel};

#[cfg(not(all(test, loom)))]
pub(crate) use crossbeam::channel;

#[cfg(all(test, loom))]
mod models {
    use std::collections::VecDeque;

    use super::Mutex;

    /// A queue with one lock.
    #[derive(Debug)]
    pub(crate) struct SegQueue<T>(Mutex<VecDeque<T>>);

    impl<T> Default for SegQueue<T> {
        fn default() -> Self {
            Self(Mutex::new(VecDeque::new()))
        }
    }

    impl<T> SegQueue<T> {
        pub(crate) fn push(&self, value: T) {
            self.0.lock().unwrap().push_back(value);
        }

        pub(crate) fn pop(&self) -> Option<T> {
            self.0.lock().unwrap().pop_front()
        }
    }

    /// A channel with one lock, whose ends are never closed.
    pub(crate) mod channel {
        use std::collections::VecDeque;
        use std::sync::Arc;

        use super::super::{Condvar, Mutex};

        #[derive(Debug)]
        struct Channel<T> {
            messages: Mutex<VecDeque<T>>,
            sent: Condvar,
        }

        #[derive(Debug)]
        pub(crate) struct Sender<T>(Arc<Channel<T>>);

        #[derive(Debug)]
        pub(crate) struct Receiver<T>(Arc<Channel<T>>);

        pub(crate) fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
            let channel = Arc::new(Channel {
                messages: Mutex::new(VecDeque::new()),
                sent: Condvar::new(),
            });
            (Sender(channel.clone()), Receiver(channel))
        }

        impl<T> Sender<T> {
            pub(crate) fn send(&self, message: T) -> Result<(), ()> {
                self.0.messages.lock().unwrap().push_back(message);
                self.0.sent.notify_one();
                Ok(())
            }
        }

        impl<T> Receiver<T> {
            pub(crate) fn recv(&self) -> Result<T, ()> {
                let mut messages = self.0.messages.lock().unwrap();
                loop {
                    if let Some(message) = messages.pop_front() {
                        return Ok(message);
                    }
                    messages = self.0.sent.wait(messages).unwrap();
                }
            }

            pub(crate) fn try_recv(&self) -> Result<T, ()> {
                self.0.messages.lock().unwrap().pop_front().ok_or(())
            }
        }
    }
}
