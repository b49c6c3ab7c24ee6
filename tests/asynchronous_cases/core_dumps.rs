//! Core dumps of calls on stacks of their own.

use upshift::{Caller, Config, Engine, Linker, Module, Store, Strategy, WasmCoreDump};

use super::reading::{frame, read};
use crate::{define_wait, host_fn, on_new_threads};

/// A call within a call, both of which wait: their stacks are apart, and each has been on other
/// threads.
#[test]
fn a_dump_has_the_frames_of_all_stacks() {
    let text = r#"(module
        (import "host" "wait" (func $wait (param i32) (result i32)))
        (import "host" "back" (func $back (param i32)))
        (func $inner (export "inner") (param i32) (local $a i32) (local $b i64)
            (local.set $a (call $wait (i32.const 2)))
            (local.set $b (i64.extend_i32_u (i32.add (local.get $a) (local.get 0))))
            (drop (i32.div_u (i32.const 1) (i32.sub (local.get $a) (i32.const 2)))))
        (func (export "outer") (param i32) (local $a i32)
            (local.set $a (call $wait (i32.const 3)))
            (call $back (local.get 0))
            (drop (i32.add (local.get $a) (local.get 0)))))"#;
    let mut baseline = Config::new();
    baseline.strategy(Strategy::Baseline);
    let mut optimizer = Config::new();
    optimizer.strategy(Strategy::Optimizer);
    for (mut config, all) in [(baseline, true), (optimizer, false)] {
        let engine = Engine::new(config.coredump_on_trap(true)).unwrap();
        let module = Module::new(&engine, text).unwrap();
        let mut linker = Linker::new(&engine);
        define_wait(&mut linker);
        let back = host_fn(|mut caller: Caller<'_, ()>, (n,): (i32,)| {
            Box::new(async move {
                let inner = caller.get_export("inner").and_then(|it| it.into_func());
                let inner = inner.unwrap().typed::<i32, ()>(&caller)?;
                inner.call_async(&mut caller, n + 1).await
            })
        });
        linker.func_wrap_async("host", "back", back).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let outer = instance
            .get_typed_func::<i32, ()>(&mut store, "outer")
            .unwrap();
        let (result, _) = on_new_threads(outer.call_async(&mut store, 40));
        let error = result.unwrap_err();
        let dump: &WasmCoreDump = error.downcast_ref().expect("a core dump");
        let names: Vec<_> = dump
            .frames()
            .iter()
            .map(|frame| frame.func_name())
            .collect();
        assert_eq!(names, [Some("inner"), Some("outer")]);
        let read = read(&dump.serialize(&mut store, "x"));
        let here = read
            .frames
            .iter()
            .all(|frame| frame.instance == 0 && frame.offset > 0);
        assert!(here && read.instances[0].memories.is_empty());
        assert!(read.instances[0].globals.is_empty());
        frame(&read.frames[0], all, &["41", "2", "43"], &["1", "!0"]);
        // Locals are in memory around a call that comes after another, or in registers that host
        // functions have changed since.
        frame(&read.frames[1], false, &["40", "3"], &[]);
    }
}
