//! What calls through bindings cost: `cargo run --release --example ffi_cost`.
//!
//! Each figure is the least of fifteen runs, so that it needs no quiet machine.

use std::hint::black_box;
use std::time::Instant;

use upshift::guest::GuestMemory;
use upshift::{Engine, Module, Result};

upshift::bindgen!(
    "tests/programs/bindings/shapes.wasm",
    config = "tests/programs/bindings/shapes.toml"
);

/// A host that does as little as possible.
struct Host;

impl HostImports for Host {
    fn log(&mut self, _: &mut GuestMemory<'_>, _: i32, _: &str) -> Result<()> {
        Ok(())
    }

    fn measure(&mut self, _: &mut GuestMemory<'_>, _: &Point, _: &mut Point) -> Result<(i32, u32)> {
        Ok((1, 1))
    }

    fn sort(&mut self, _: &mut GuestMemory<'_>, _: &mut [i32]) -> Result<()> {
        Ok(())
    }
}

/// Prints the nanoseconds of one call.
fn time(what: &str, calls: u32, mut call: impl FnMut() -> Result<()>) -> Result<()> {
    let mut least = f64::INFINITY;
    for _ in 0..15 {
        let start = Instant::now();
        for _ in 0..calls {
            call()?;
        }
        least = least.min(start.elapsed().as_nanos() as f64 / f64::from(calls));
    }
    println!("{least:9.1} ns  {what}");
    Ok(())
}

fn main() -> Result<()> {
    const CALLS: u32 = 1_000_000;
    let engine = Engine::default();
    let module = Module::new(&engine, Shapes::<Host>::WASM)?;
    let mut shapes = Shapes::new(&module, Host)?;
    let mut unbound = Shapes::new(&module, Host)?;
    let add = unbound.func::<(i32, i32), i32>("add")?;
    let (point, bytes) = (Point { x: 1.0, y: 2.0 }, vec![1; 1 << 20]);

    time("a typed function of the engine", CALLS, || {
        add.call(unbound.store_mut(), black_box((1, 2))).map(drop)
    })?;
    time("numbers", CALLS, || shapes.add(black_box(1), 2).map(drop))?;
    time("a slice of 16 bytes", CALLS, || {
        shapes.sum(&bytes[..16]).map(drop)
    })?;
    time("text of 16 bytes", CALLS, || {
        shapes.text_length("0123456789abcdef").map(drop)
    })?;
    time("two structs, and one by address", CALLS, || {
        shapes.middle(&point, &point).map(drop)
    })?;
    time("returned text", CALLS, || shapes.name_of(1).map(drop))?;
    time(
        "text, and three calls of the host with text, structs and a slice",
        CALLS,
        || shapes.ask("text").map(drop),
    )?;
    time("a slice of 1 MiB, each byte of which is added", 100, || {
        shapes.sum(&bytes).map(drop)
    })?;
    time("one more instance", 1_000, || {
        Shapes::new(&module, Host).map(drop)
    })
}
