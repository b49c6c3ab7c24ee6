//! Deep stacks: exhaustion is a trap, in every shape that a call can have.

use upshift::{
    Caller, Config, Engine, Linker, Module, Result, Store, Strategy, Trap, WasmBacktrace,
};

use crate::{in_every_mode, instance};

#[test]
fn endless_recursion_is_a_trap_again_and_again() {
    in_every_mode(|engine| {
        let (mut store, instance) = instance(
            engine,
            r#"(module
                (type $f (func (param i64) (result i64)))
                (table funcref (elem $indirect))
                (func $direct (export "direct") (param i64) (result i64)
                    (i64.add (call $direct (local.get 0)) (i64.const 1)))
                (func $indirect (export "indirect") (param i64) (result i64)
                    (i64.add (call_indirect (type $f) (local.get 0) (i32.const 0)) (i64.const 1)))
                (func (export "fine") (param i64) (result i64) (local.get 0)))"#,
        );
        let fine = instance
            .get_typed_func::<i64, i64>(&mut store, "fine")
            .unwrap();
        for export in ["direct", "indirect", "direct"] {
            let func = instance
                .get_typed_func::<i64, i64>(&mut store, export)
                .unwrap();
            let error = func.call(&mut store, 1).unwrap_err();
            assert_eq!(error.downcast_ref(), Some(&Trap::StackOverflow));
            let backtrace = error.downcast_ref::<WasmBacktrace>().unwrap();
            assert_eq!(backtrace.frames()[1].func_name(), Some(export));
            assert_eq!(fine.call(&mut store, 5).unwrap(), 5);
        }
    });
}

/// The backtrace of a deep stack has both of its ends and a count, however deep it was.
#[test]
fn a_backtrace_keeps_both_ends_of_a_deep_stack() {
    const DEPTH: i32 = 5_000;
    in_every_mode(|engine| {
        let (mut store, instance) = instance(
            engine,
            r#"(module
                (func $down (param i32) (result i32)
                    (if (i32.eqz (local.get 0)) (then unreachable))
                    (i32.add (call $down (i32.sub (local.get 0) (i32.const 1))) (i32.const 1)))
                (func $begin (export "begin") (param i32) (result i32)
                    (i32.add (call $down (local.get 0)) (i32.const 1))))"#,
        );
        let begin = instance
            .get_typed_func::<i32, i32>(&mut store, "begin")
            .unwrap();
        for depth in [DEPTH, 30, 31] {
            let error = begin.call(&mut store, depth).unwrap_err();
            assert_eq!(error.downcast_ref(), Some(&Trap::Unreachable));
            let backtrace = error.downcast_ref::<WasmBacktrace>().unwrap();
            let frames = backtrace.frames();
            // One `begin`, and `depth + 1` times `down`.
            let all = depth as usize + 2;
            assert_eq!(frames.len(), all.min(2 * WasmBacktrace::KEPT));
            assert_eq!(frames.len() + backtrace.omitted(), all);
            assert_eq!(frames[0].func_name(), Some("down"));
            assert_ne!(frames[0].module_offset(), frames[1].module_offset());
            let outermost = frames.last().unwrap();
            assert_eq!(outermost.func_name(), Some("begin"));

            let text = backtrace.to_string();
            let omitted = backtrace.omitted();
            let note = format!("... {omitted} frames omitted ...");
            assert_eq!(text.contains(&note), omitted > 0, "{text}");
            let last = text.lines().last().unwrap().trim();
            assert!(last.starts_with(&format!("{}: ", all - 1)), "{text}");
        }
    });
}

/// A recursion is printed as its functions and how often they are there.
#[test]
fn repeated_frames_are_printed_once() {
    let engine = Engine::new(Config::new().strategy(Strategy::Baseline)).unwrap();
    let (mut store, instance) = instance(
        &engine,
        r#"(module
            (func $alone (param $n i32) (result i32)
                (if (i32.eqz (local.get $n)) (then unreachable))
                (i32.add (call $alone (i32.sub (local.get $n) (i32.const 1))) (i32.const 1)))
            (func $even (param $n i32) (result i32)
                (if (i32.eqz (local.get $n)) (then unreachable))
                (i32.add (call $odd (i32.sub (local.get $n) (i32.const 1))) (i32.const 1)))
            (func $odd (param $n i32) (result i32)
                (i32.add (call $even (i32.sub (local.get $n) (i32.const 1))) (i32.const 1)))
            (func (export "one") (param i32) (result i32)
                (i32.add (call $alone (local.get 0)) (i32.const 1)))
            (func (export "two") (param i32) (result i32)
                (i32.add (call $even (local.get 0)) (i32.const 1))))"#,
    );
    let mut lines = |export: &str, depth| {
        let func = instance
            .get_typed_func::<i32, i32>(&mut store, export)
            .unwrap();
        let error = func.call(&mut store, depth).unwrap_err();
        let text = error.downcast_ref::<WasmBacktrace>().unwrap().to_string();
        // Number and function of a frame, or the whole line of what is left out.
        let short = |line: &str| match line.trim().split_once(": ") {
            Some((number, frame)) => {
                let (_, name) = frame.rsplit_once('!').unwrap();
                format!("{number} {}", name.split(' ').next().unwrap())
            }
            None => line.trim().to_owned(),
        };
        text.lines().skip(1).map(short).collect::<Vec<_>>()
    };
    assert_eq!(lines("one", 1), ["0 alone", "1 alone", "2 one"]);
    assert_eq!(
        lines("one", 5),
        ["0 alone", "1 alone", "... this frame 5 times ...", "6 one"]
    );
    assert_eq!(
        lines("one", 1_000),
        [
            "0 alone",
            "1 alone",
            "... this frame 15 times ...",
            "... 970 frames omitted ...",
            "986 alone",
            "... this frame 15 times ...",
            "1001 one"
        ]
    );
    assert_eq!(
        lines("two", 6),
        [
            "0 even",
            "1 odd",
            "2 even",
            "... these 2 frames 3 times ...",
            "7 two"
        ]
    );
}

/// The configuration allows 1 MiB, which these threads don't have.
#[test]
fn a_small_stack_is_exhausted_by_a_trap() {
    in_every_mode(|engine| {
        let module = Module::new(
            engine,
            r#"(module
                (func $f (export "f") (param i32) (result i32)
                    (i32.add (i32.const 1) (call $f (local.get 0)))))"#,
        )
        .unwrap();
        for size in [64 << 10, 256 << 10, 384 << 10, 1 << 20] {
            let thread = std::thread::Builder::new().stack_size(size);
            std::thread::scope(|scope| {
                let run = || {
                    let mut store = Store::new(engine, ());
                    let instance = upshift::Instance::new(&mut store, &module, &[]).unwrap();
                    let f = instance
                        .get_typed_func::<i32, i32>(&mut store, "f")
                        .unwrap();
                    let error = f.call(&mut store, 0).unwrap_err();
                    assert_eq!(error.downcast_ref(), Some(&Trap::StackOverflow), "{size}");
                };
                thread.spawn_scoped(scope, run).unwrap().join().unwrap();
            });
        }
    });
}

#[test]
fn a_thread_of_the_size_that_a_configuration_asks_for_has_the_whole_stack() {
    let mut config = upshift::Config::new();
    config.max_wasm_stack(16 << 20);
    assert_eq!(config.max_wasm_stack_bytes(), 16 << 20);
    let thread = std::thread::Builder::new().stack_size(config.thread_stack_size());
    let available = thread
        .spawn(|| upshift::available_stack().expect("the stack of a thread is known"))
        .unwrap()
        .join()
        .unwrap();
    assert!(available >= 16 << 20, "{available}");
}

#[test]
fn recursion_through_the_host_is_a_trap() {
    in_every_mode(|engine| {
        let module = Module::new(
            engine,
            r#"(module
                (import "host" "again" (func $again))
                (func (export "run") (call $again)))"#,
        )
        .unwrap();
        let mut linker = Linker::<()>::new(engine);
        let again = |mut caller: Caller<'_, ()>| -> Result<()> {
            let run = caller.get_export("run").unwrap().into_func().unwrap();
            run.typed::<(), ()>(&caller)?.call(&mut caller, ())
        };
        linker.func_wrap("host", "again", again).unwrap();
        // Host frames are larger than guest frames, so the stack must be too.
        let thread = std::thread::Builder::new().stack_size(64 << 20);
        std::thread::scope(|scope| {
            let run = || {
                let mut store = Store::new(engine, ());
                let instance = linker.instantiate(&mut store, &module).unwrap();
                let run = instance
                    .get_typed_func::<(), ()>(&mut store, "run")
                    .unwrap();
                let error = run.call(&mut store, ()).unwrap_err();
                assert_eq!(error.downcast_ref(), Some(&Trap::StackOverflow));
            };
            thread.spawn_scoped(scope, run).unwrap().join().unwrap();
        });
    });
}

#[test]
fn tail_calls_need_no_stack() {
    in_every_mode(|engine| {
        let (mut store, instance) = instance(
            engine,
            r#"(module
                (func $even (export "even") (param i32) (result i32)
                    (if (i32.eqz (local.get 0)) (then (return (i32.const 1))))
                    (return_call $odd (i32.sub (local.get 0) (i32.const 1))))
                (func $odd (param i32) (result i32)
                    (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))
                    (return_call $even (i32.sub (local.get 0) (i32.const 1)))))"#,
        );
        let even = instance
            .get_typed_func::<i32, i32>(&mut store, "even")
            .unwrap();
        assert_eq!(even.call(&mut store, 1_000_000).unwrap(), 1);
        assert_eq!(even.call(&mut store, 1_000_001).unwrap(), 0);
    });
}
