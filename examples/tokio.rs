//! Many guests on a multi-threaded executor: host functions that wait, timeouts, guests that never
//! end, and such that share a thread.
//!
//! ```sh
//! cargo run --release --example tokio
//! ```

use std::future::Future;
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};
use upshift::{Caller, Config, Engine, InstancePre, Linker, Module, Result, Store, TimedOut};

/// A guest that fetches a few pages, one after the other, and adds their sizes.
const GUEST: &str = r#"(module
    (import "host" "fetch" (func $fetch (param i32) (result i32)))
    (func (export "crawl") (param $page i32) (param $pages i32) (result i32) (local $bytes i32)
        (loop $next
            (local.set $bytes (i32.add (local.get $bytes) (call $fetch (local.get $page))))
            (local.set $page (i32.add (local.get $page) (i32.const 1)))
            (br_if $next (local.tee $pages (i32.sub (local.get $pages) (i32.const 1)))))
        (local.get $bytes))
    (func (export "spin") (loop (br 0))))"#;

/// The embedder's data of one guest.
#[derive(Default)]
struct Host {
    fetched: u32,
}

/// Pretends to fetch a page: takes some milliseconds, in which the thread runs other guests.
fn fetch<'a>(
    mut caller: Caller<'a, Host>,
    (page,): (u32,),
) -> Box<dyn Future<Output = u32> + Send + 'a> {
    Box::new(async move {
        sleep(Duration::from_millis(u64::from(5 + page % 10))).await;
        caller.data_mut().fetched += 1;
        1000 + page
    })
}

/// Runs one guest, with a limit of the time that it may take in all.
async fn crawl(ready: InstancePre<Host>, page: u32, pages: u32) -> Result<(u32, u32)> {
    let mut store = Store::new(ready.module().engine(), Host::default());
    store.set_deadline(Some(Instant::now() + Duration::from_secs(10)));
    let instance = ready.instantiate_async(&mut store).await?;
    let crawl = instance.get_typed_func::<(u32, u32), u32>(&mut store, "crawl")?;
    let bytes = crawl.call_async(&mut store, (page, pages)).await?;
    Ok((bytes, store.data().fetched))
}

async fn run() -> Result<()> {
    let engine = Engine::default();
    let module = Module::new(&engine, GUEST)?;
    let mut linker = Linker::<Host>::new(&engine);
    linker.func_wrap_async("host", "fetch", fetch)?;
    let ready = linker.instantiate_pre(&module)?;

    // A thousand guests wait at the same time, on few threads.
    let began = Instant::now();
    let guests: Vec<_> = (0..1000)
        .map(|page| tokio::spawn(crawl(ready.clone(), page, 10)))
        .collect();
    let mut pages = 0;
    for guest in guests {
        pages += guest.await??.1;
    }
    println!(
        "1000 guests fetched {pages} pages in {:.2?}",
        began.elapsed()
    );

    // A timeout drops the call, wherever it waits, and with it the host function's future.
    let slow = timeout(
        Duration::from_millis(50),
        crawl(ready.clone(), 0, 1_000_000),
    );
    match slow.await {
        Ok(_) => println!("the slow guest was faster than expected"),
        Err(elapsed) => println!("the slow guest was cancelled: {elapsed}"),
    }

    // A guest that never waits keeps its thread, so its end must come from elsewhere: a deadline.
    let mut store = Store::new(&engine, Host::default());
    let instance = ready.instantiate_async(&mut store).await?;
    let spin = instance.get_typed_func::<(), ()>(&mut store, "spin")?;
    store.set_deadline(Some(Instant::now() + Duration::from_millis(50)));
    let error = spin.call_async(&mut store, ()).await.unwrap_err();
    assert!(error.is::<TimedOut>());
    println!("the endless guest was interrupted: {error}");
    Ok(())
}

/// A guest that never ends: it yields at each epoch, so that its timeout, too, has a turn.
async fn spin(engine: Engine, module: Module) -> Result<()> {
    let mut store = Store::new(&engine, ());
    store.epoch_deadline_async_yield_and_update(1);
    store.set_epoch_deadline(1);
    let instance = Linker::new(&engine)
        .instantiate_async(&mut store, &module)
        .await?;
    let spin = instance.get_typed_func::<(), ()>(&mut store, "spin")?;
    let ended = timeout(Duration::from_millis(50), spin.call_async(&mut store, ())).await;
    assert!(ended.is_err());
    Ok(())
}

/// Runs endless guests on one thread, while another one begins an epoch every millisecond.
async fn share_a_thread() -> Result<()> {
    let engine = Engine::new(Config::new().epoch_interruption(true))?;
    let module = Module::new(&engine, r#"(module (func (export "spin") (loop (br 0))))"#)?;
    let ticking = engine.clone();
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_millis(1));
            ticking.increment_epoch();
        }
    });
    let guests = [(); 3].map(|()| tokio::spawn(spin(engine.clone(), module.clone())));
    for guest in guests {
        guest.await??;
    }
    println!("three endless guests have shared a thread");
    Ok(())
}

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_time()
        .build()?;
    runtime.block_on(run())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    runtime.block_on(share_a_thread())
}
