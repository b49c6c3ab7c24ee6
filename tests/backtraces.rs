//! What errors say, and backtraces: their frames, names, offsets, files and lines.

#![forbid(unsafe_code)]

mod support {
    pub mod modes;
}

use std::time::{Duration, Instant};

use upshift::{
    Caller, Config, Engine, Exit, Extern, FrameKind, Func, Instance, Linker, Module, Result, Store,
    Table, TimedOut, Trap, WasmBacktrace, WasmBacktraceDetails,
};

const LINES: &[u8] = include_bytes!("programs/debug/lines.wasm");

fn in_every_mode(test: impl Fn(&Engine)) {
    for (mode, engine) in support::modes::engines() {
        eprintln!("mode {mode}");
        test(engine);
    }
}

fn backtrace(error: &upshift::Error) -> &WasmBacktrace {
    error.downcast_ref().expect("a backtrace")
}

/// Calls an export without parameters and results, which fails.
fn failure(engine: &Engine, linker: &Linker<()>, wat: &str, export: &str) -> upshift::Error {
    let module = Module::new(engine, wat).unwrap();
    let mut store = Store::new(engine, ());
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let func = instance.get_typed_func::<(), ()>(&mut store, export);
    func.unwrap().call(&mut store, ()).unwrap_err()
}

#[derive(Debug)]
struct Own;

impl std::fmt::Display for Own {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("of its own kind")
    }
}

impl std::error::Error for Own {}

#[test]
fn an_error_is_named_first_and_everything_printed_once() {
    let wat = r#"(module (import "env" "fail" (func $fail (param i32)))
        (func (export "trap") (unreachable))
        (func (export "message") (call $fail (i32.const 0)))
        (func (export "io") (call $fail (i32.const 1)))
        (func (export "exit") (call $fail (i32.const 2)))
        (func (export "own") (call $fail (i32.const 3)))
        (func (export "context") (call $fail (i32.const 4))))"#;
    in_every_mode(|engine| {
        let mut linker = Linker::new(engine);
        let fail = |kind: i32| -> Result<()> {
            Err(match kind {
                0 => upshift::Error::msg("no such record"),
                1 => std::io::Error::other("the disk is full").into(),
                2 => Exit(3).into(),
                3 => Own.into(),
                _ => upshift::Error::new(Own).context("while reading"),
            })
        };
        linker.func_wrap("env", "fail", fail).unwrap();
        for (export, first) in [
            ("trap", "unreachable"),
            ("message", "no such record"),
            ("io", "the disk is full"),
            ("exit", "exited with status 3"),
        ] {
            let error = failure(engine, &linker, wat, export);
            assert_eq!(error.to_string(), first);
            let all = format!("{error:#}");
            let frames = backtrace(&error).to_string();
            assert_eq!(all, format!("{first}: {frames}"));
            let lines = format!("{error:?}");
            assert!(
                lines.starts_with(&format!("{first}\n\nCaused by:\n")),
                "{lines}"
            );
            assert!(
                lines.contains("error while executing WebAssembly"),
                "{lines}"
            );
            match export {
                "trap" => assert_eq!(error.downcast_ref(), Some(&Trap::Unreachable)),
                "exit" => assert_eq!(error.downcast_ref(), Some(&Exit(3))),
                "io" => assert!(error.is::<std::io::Error>()),
                _ => assert!(error.is::<&str>() || error.is::<String>()),
            }
        }
        for (export, causes) in [("own", "of its own kind"), ("context", "while reading")] {
            let error = failure(engine, &linker, wat, export);
            assert!(error.is::<Own>());
            let all = format!("{error:#}");
            assert_eq!(all.matches(causes).count(), 1, "{all}");
            assert_eq!(all.matches("of its own kind").count(), 1, "{all}");
            assert_eq!(all.matches("error while").count(), 1, "{all}");
        }
    });
}

#[test]
fn a_timeout_is_named_before_the_interruption() {
    in_every_mode(|engine| {
        let module = Module::new(engine, r#"(module (func (export "f") (loop (br 0))))"#).unwrap();
        let mut store = Store::new(engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let f = instance.get_typed_func::<(), ()>(&mut store, "f").unwrap();
        let limit = store.arm_timeout(Duration::from_millis(20));
        let error = f.call(&mut store, ()).unwrap_err();
        drop(limit);
        assert_eq!(error.to_string(), "timed out after 20ms");
        assert!(format!("{error:#}").starts_with("timed out after 20ms: interrupt"));
        assert!(error.is::<TimedOut>());
        assert_eq!(error.downcast_ref(), Some(&Trap::Interrupt));
        assert_eq!(backtrace(&error).frames().len(), 1);
    });
}

/// Loops without a call, an access or anything else of which code has a site. An interruption finds
/// the loop all the same.
#[test]
fn the_interrupted_loop_is_told_in_code_without_sites() {
    let loops = r#"(module
        (func (export "first") (local i64)
            (loop (local.set 0 (i64.add (i64.rotl (local.get 0) (i64.const 3)) (i64.const 1)))
                (br 0)))
        (func (export "second") (local i64 i32)
            (drop (i32.div_u (i32.const 7) (local.get 1)))
            (loop
                (local.set 0 (i64.mul (local.get 0) (i64.const 3)))
                (br_if 0 (i64.ne (local.get 0) (i64.const 5)))
                (local.set 0 (i64.const 1))
                (loop
                    (local.set 0 (i64.xor (i64.rotl (local.get 0) (i64.const 7)) (i64.const 9)))
                    (br 0))))
        (func (export "third") (param i32) (local i64)
            (local.set 1 (i64.extend_i32_u (local.get 0)))
            (local.set 1 (i64.add (local.get 1) (i64.const 77)))
            (local.set 1 (i64.add (i64.rotl (local.get 1) (i64.const 5)) (i64.const 99)))
            (loop
                (local.set 1 (i64.add (i64.rotl (local.get 1) (i64.const 3)) (i64.const 1)))
                (local.set 1 (i64.xor (i64.rotl (local.get 1) (i64.const 7)) (i64.const 9)))
                (br 0))))"#;
    let wasm = wat::parse_str(
        loops
            .replace("(drop (i32.div_u (i32.const 7) (local.get 1)))", "")
            .replace(
                "(export \"third\") (param i32)",
                "(export \"third\") (local i32)",
            ),
    )
    .unwrap();
    let loop_at = |n: usize| {
        const LOOP: &[u8] = &[0x03, 0x40];
        let found = wasm.windows(2).enumerate().filter(|(_, op)| *op == LOOP);
        found.map(|(at, _)| at).nth(n).unwrap()
    };
    in_every_mode(|engine| {
        let module = Module::new(engine, &wasm).unwrap();
        for (export, first_loop) in [("first", 0), ("second", 1), ("third", 3)] {
            let mut store = Store::new(engine, ());
            let instance = Instance::new(&mut store, &module, &[]).unwrap();
            let f = instance
                .get_typed_func::<(), ()>(&mut store, export)
                .unwrap();
            for _ in 0..5 {
                let limit = store.arm_timeout(Duration::from_millis(10));
                let error = f.call(&mut store, ()).unwrap_err();
                drop(limit);
                let frames = backtrace(&error).frames();
                assert_eq!(frames.len(), 1);
                let offset = frames[0].module_offset().unwrap();
                let start = frames[0].func_start().unwrap();
                assert_eq!(frames[0].func_offset(), Some(offset - start));
                let body = loop_at(first_loop)..start + 100;
                assert!(
                    body.contains(&offset),
                    "{export}: {offset:#x} of {body:#x?}: {error:?}"
                );
            }
        }
    });
}

#[test]
fn host_functions_are_in_the_trace() {
    let wat = r#"(module $m
        (import "env" "fail" (func $imported))
        (import "env" "again" (func $again))
        (table (export "table") 1 funcref)
        (func (export "fail") (call $imported))
        (func (export "again") (call $again))
        (func (export "through") (call_indirect (i32.const 0))))"#;
    in_every_mode(|engine| {
        let mut linker = Linker::new(engine);
        let fail = || -> Result<()> { Err(upshift::Error::msg("failed")) };
        linker.func_wrap("env", "fail", fail).unwrap();
        let again = |mut caller: Caller<'_, ()>| -> Result<()> {
            let fail = caller
                .get_export("fail")
                .and_then(Extern::into_func)
                .unwrap();
            fail.typed::<(), ()>(&caller)?.call(&mut caller, ())
        };
        linker.func_wrap("env", "again", again).unwrap();
        let names = |error: &upshift::Error| -> Vec<_> {
            let frames = backtrace(error).frames().iter();
            frames
                .map(|frame| match frame.kind() {
                    FrameKind::Wasm => frame.func_name().unwrap().to_owned(),
                    FrameKind::Host => {
                        assert_eq!((frame.module_offset(), frame.tier()), (None, None));
                        format!("{:?}", frame.import())
                    }
                })
                .collect()
        };
        let (fail, again) = (r#"Some(("env", "fail"))"#, r#"Some(("env", "again"))"#);
        let error = failure(engine, &linker, wat, "fail");
        assert_eq!(names(&error), [fail, "fail"]);
        let text = backtrace(&error).to_string();
        assert!(
            text.contains("0:          - host function env::fail\n"),
            "{text}"
        );
        let error = failure(engine, &linker, wat, "again");
        assert_eq!(names(&error), [fail, "fail", again, "again"]);

        // A function that no instance imports has no name.
        let module = Module::new(engine, wat).unwrap();
        let mut store = Store::new(engine, ());
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let own = Func::wrap(&mut store, || -> Result<()> {
            Err(upshift::Error::msg("failed"))
        });
        let table: Table = instance.get_table(&mut store, "table").unwrap();
        table.set(&mut store, 0, own.into()).unwrap();
        let through = instance
            .get_typed_func::<(), ()>(&mut store, "through")
            .unwrap();
        let error = through.call(&mut store, ()).unwrap_err();
        assert_eq!(names(&error), ["None", "through"]);
        assert_eq!(backtrace(&error).frames()[0].func_index(), u32::MAX);
    });
}

#[test]
fn an_interrupted_host_function_is_in_the_trace() {
    let wat = r#"(module (import "env" "sleep" (func $sleep)) (func (export "f") (call $sleep)))"#;
    in_every_mode(|engine| {
        let mut linker = Linker::new(engine);
        let sleep = |caller: Caller<'_, ()>| {
            let begin = Instant::now();
            while !caller.interruption().is_pending() && begin.elapsed() < Duration::from_secs(20) {
                std::thread::yield_now();
            }
        };
        linker.func_wrap("env", "sleep", sleep).unwrap();
        let module = Module::new(engine, wat).unwrap();
        let mut store = Store::new(engine, ());
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let f = instance.get_typed_func::<(), ()>(&mut store, "f").unwrap();
        let limit = store.arm_timeout(Duration::from_millis(10));
        let error = f.call(&mut store, ()).unwrap_err();
        drop(limit);
        let frames = backtrace(&error).frames();
        assert_eq!(frames.len(), 2, "{error:?}");
        assert_eq!(frames[0].import(), Some(("env", "sleep")));
    });
}

#[test]
fn backtraces_can_be_switched_off_and_captured() {
    let wat = r#"(module (import "env" "look" (func $look))
        (func (export "f") (call $look) unreachable))"#;
    for on in [true, false] {
        let engine = Engine::new(Config::new().wasm_backtrace(on)).unwrap();
        let mut linker = Linker::new(&engine);
        let look = move |caller: Caller<'_, ()>| {
            let frames = |backtrace: WasmBacktrace| backtrace.frames().len();
            assert_eq!(
                frames(WasmBacktrace::capture(&caller)),
                if on { 2 } else { 0 }
            );
            assert_eq!(frames(WasmBacktrace::force_capture(&caller)), 2);
        };
        linker.func_wrap("env", "look", look).unwrap();
        let error = failure(&engine, &linker, wat, "f");
        assert_eq!(error.downcast_ref(), Some(&Trap::Unreachable));
        assert_eq!(error.is::<WasmBacktrace>(), on);
        let store = Store::new(&engine, ());
        assert!(WasmBacktrace::force_capture(&store).frames().is_empty());
    }
}

#[cfg(feature = "demangle")]
#[test]
fn names_are_demangled_beside_those_of_the_module() {
    let raw = "_ZN4core3fmt9Formatter9write_str17h0123456789abcdefE";
    let wat =
        format!(r#"(module (func $f (@name "{raw}") unreachable) (func (export "f") (call $f)))"#);
    let engine = Engine::default();
    let error = failure(&engine, &Linker::new(&engine), &wat, "f");
    let frame = &backtrace(&error).frames()[0];
    assert_eq!(frame.func_name(), Some(raw));
    assert_eq!(
        frame.demangled_name().unwrap(),
        "core::fmt::Formatter::write_str"
    );
    let text = backtrace(&error).to_string();
    assert!(
        text.contains("<unknown>!core::fmt::Formatter::write_str (baseline)"),
        "{text}"
    );
}

/// The error of `run` in the program with debug information.
#[cfg(feature = "addr2line")]
fn run_lines(config: &Config, wasm: &[u8]) -> Option<upshift::Error> {
    let engine = Engine::new(config).unwrap();
    let module = Module::new(&engine, wasm).ok()?;
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).ok()?;
    let run = instance.get_typed_func::<(u32, u32), u32>(&mut store, "run");
    run.ok()?.call(&mut store, (2, 0)).err()
}

#[cfg(feature = "addr2line")]
#[test]
fn files_lines_and_inlined_functions_are_those_of_the_source() {
    let source = include_str!("programs/debug/lines.rs");
    let line_of = |text: &str| {
        let found = source.lines().position(|line| line.contains(text));
        1 + found.unwrap() as u32
    };
    let expected = [
        vec![
            (
                "lines::tree::Node::checked",
                1 + line_of("if divisor == 0 {"),
            ),
            (
                "lines::tree::Node::walk",
                line_of("return self.checked(divisor)"),
            ),
        ],
        // The compiler has made a loop of the recursion.
        vec![("run", line_of("{ depth }.walk(divisor)"))],
    ];
    in_every_mode(|engine| {
        let module = Module::new(engine, LINES).unwrap();
        let mut store = Store::new(engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let run = instance.get_typed_func::<(u32, u32), u32>(&mut store, "run");
        let error = run.unwrap().call(&mut store, (2, 0)).unwrap_err();
        let frames = backtrace(&error).frames();
        assert_eq!(frames.len(), expected.len(), "{error:?}");
        for (frame, expected) in frames.iter().zip(&expected) {
            let symbols = frame.symbols().iter();
            // What the standard library has inlined is not of the program.
            let own = symbols.filter(|symbol| symbol.file().unwrap().ends_with("lines.rs"));
            let own = own.map(|symbol| (symbol.name().unwrap(), symbol.line().unwrap()));
            assert_eq!(own.collect::<Vec<_>>(), *expected, "{error:?}");
        }
        let text = format!("{error:?}");
        let (name, line) = expected[0][0];
        assert!(
            text.contains(&format!("inlined {name} at ./lines.rs:{line}:")),
            "{text}"
        );
    });
    let mut config = Config::new();
    config.wasm_backtrace_details(WasmBacktraceDetails::Disable);
    let error = run_lines(&config, LINES).unwrap();
    assert!(backtrace(&error).frames()[0].symbols().is_empty());
}

/// Every byte of the debug information is changed, in several ways. Whatever comes of it: frames
/// with or without lines, soon.
#[cfg(feature = "addr2line")]
#[test]
fn damaged_debug_information_is_harmless() {
    let config = Config::new();
    let from = LINES
        .windows(6)
        .position(|bytes| bytes == b".debug")
        .unwrap();
    let engine = Engine::new(&config).unwrap();
    let mut told = 0;
    for at in from..LINES.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut wasm = LINES.to_vec();
            wasm[at] ^= change;
            let Ok(module) = Module::new(&engine, &wasm) else {
                continue;
            };
            let mut store = Store::new(&engine, ());
            let instance = Instance::new(&mut store, &module, &[]).unwrap();
            let run = instance.get_typed_func::<(u32, u32), u32>(&mut store, "run");
            let error = run.unwrap().call(&mut store, (2, 0)).unwrap_err();
            let begin = Instant::now();
            told += usize::from(format!("{error:?}").contains("lines.rs"));
            let took = begin.elapsed();
            assert!(
                took < Duration::from_secs(2),
                "byte {at} ^ {change:#x}: {took:?}"
            );
        }
    }
    assert!(told > 1000, "{told}");
}
