//! Host functions, memory and errors in one small embedding: `cargo run --example embed`.

use upshift::{Caller, Engine, Extern, Linker, Module, Result, Store, Trap, WasmBacktrace};

/// The host's data of each guest.
#[derive(Default)]
struct Host {
    lines: Vec<String>,
}

const GUEST: &str = r#"(module $guest
    (import "host" "log" (func $log (param i32 i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "hello from the guest")
    (func (export "greet") (call $log (i32.const 0) (i32.const 20)))
    (func $divide (param i32 i32) (result i32) (i32.div_u (local.get 0) (local.get 1)))
    (func (export "ratio") (param i32 i32) (result i32)
        (call $divide (local.get 0) (local.get 1))))"#;

/// The host function `log`: reads a line of text from the guest's memory.
fn log(mut caller: Caller<'_, Host>, start: u32, len: u32) -> Result<()> {
    let memory = caller.get_export("memory").and_then(Extern::into_memory);
    let memory = memory.ok_or_else(|| anyhow::anyhow!("the guest exports no memory"))?;
    let mut bytes = vec![0; len as usize];
    memory.read(&caller, start as usize, &mut bytes)?;
    caller.data_mut().lines.push(String::from_utf8(bytes)?);
    Ok(())
}

fn main() -> Result<()> {
    // Created once per process: threads share the engine and the module.
    let engine = Engine::default();
    let module = Module::new(&engine, GUEST)?;
    let mut linker = Linker::new(&engine);
    linker.func_wrap("host", "log", log)?;

    // Created once per guest.
    let mut store = Store::new(&engine, Host::default());
    let instance = linker.instantiate(&mut store, &module)?;
    let greet = instance.get_typed_func::<(), ()>(&mut store, "greet")?;
    greet.call(&mut store, ())?;
    println!("the guest says: {}", store.data().lines[0]);

    let ratio = instance.get_typed_func::<(u32, u32), u32>(&mut store, "ratio")?;
    println!("84 / 2 = {}", ratio.call(&mut store, (84, 2))?);
    let error = ratio
        .call(&mut store, (1, 0))
        .expect_err("a division by zero");
    let trap = error.downcast_ref::<Trap>().expect("it trapped");
    let backtrace = error
        .downcast_ref::<WasmBacktrace>()
        .expect("inside WebAssembly");
    println!("1 / 0: {trap}, in {} functions:", backtrace.frames().len());
    for frame in backtrace.frames() {
        println!("  {frame}");
    }
    Ok(())
}
