//! Loading and linking: what modules declare, and how bad ones are refused.

use upshift::{
    Config, Engine, Error, ExternType, Func, Instance, LinkError, Linker, Module, Store, Trap,
    UnknownImport, Val, ValType,
};

use crate::in_every_mode;

#[test]
fn declarations_are_visible() {
    in_every_mode(|engine| {
        let module = Module::new(
            engine,
            r#"(module $declared
                (import "a" "f" (func (param i32) (result i64)))
                (import "a" "g" (global f32))
                (memory (export "m") 1 2)
                (table (export "t") 3 externref)
                (func (export "h")))"#,
        )
        .unwrap();
        assert_eq!(module.name(), Some("declared"));
        let imports = module.imports();
        let imports = imports.map(|i| format!("{}.{}: {}", i.module(), i.name(), i.ty()));
        let imports: Vec<_> = imports.collect();
        assert_eq!(imports, ["a.f: func (i32) -> (i64)", "a.g: global f32"]);
        let exports = module
            .exports()
            .map(|e| format!("{}: {}", e.name(), e.ty()));
        let exports: Vec<_> = exports.collect();
        assert_eq!(
            exports,
            [
                "m: memory 1..=2",
                "t: table externref 3..",
                "h: func () -> ()"
            ]
        );
        assert!(matches!(module.get_export("h"), Some(ExternType::Func(_))));
        assert!(module.get_export("nothing").is_none());
    });
}

fn message(error: &Error) -> String {
    format!("{error:#}")
}

#[test]
fn missing_and_wrong_imports_are_named() {
    in_every_mode(|engine| {
        let text = r#"(module (import "env" "f" (func (param i32))))"#;
        let module = Module::new(engine, text).unwrap();
        let mut linker = Linker::<()>::new(engine);
        let mut store = Store::new(engine, ());
        let error = linker.instantiate(&mut store, &module).unwrap_err();
        assert_eq!(error.downcast_ref::<UnknownImport>().unwrap().name(), "f");
        let expected = "unknown import: `env::f` (func (i32) -> ()) has not been defined";
        assert_eq!(message(&error), expected);
        linker.func_wrap("env", "f", |_: i64| ()).unwrap();
        let error = linker.instantiate(&mut store, &module).unwrap_err();
        assert!(error.is::<LinkError>(), "{error:?}");
        assert!(message(&error).contains("`env::f`"), "{error:#}");
        let error = Instance::new(&mut store, &module, &[]).unwrap_err();
        assert!(error.is::<LinkError>(), "{error:?}");
        assert!(
            linker.func_wrap("env", "f", |_: i32| ()).is_err(),
            "the name is taken"
        );
        linker
            .allow_shadowing(true)
            .func_wrap("env", "f", |_: i32| ())
            .unwrap();
        linker.instantiate(&mut store, &module).unwrap();
    });
}

#[test]
fn unknown_imports_become_traps_or_defaults() {
    in_every_mode(|engine| {
        let module = Module::new(
            engine,
            r#"(module
                (import "env" "f" (func $f (result i32)))
                (func (export "run") (result i32) (call $f)))"#,
        )
        .unwrap();
        let mut store = Store::new(engine, ());
        let mut linker = Linker::new(engine);
        linker.define_unknown_imports_as_traps(&module).unwrap();
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let run = instance
            .get_typed_func::<(), i32>(&mut store, "run")
            .unwrap();
        assert!(run.call(&mut store, ()).unwrap_err().is::<UnknownImport>());
        let mut linker = Linker::new(engine);
        linker
            .define_unknown_imports_as_default_values(&mut store, &module)
            .unwrap();
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let run = instance
            .get_typed_func::<(), i32>(&mut store, "run")
            .unwrap();
        assert_eq!(run.call(&mut store, ()).unwrap(), 0);
    });
}

#[test]
fn instances_call_each_other() {
    in_every_mode(|engine| {
        let library = r#"(module
            (global $calls (export "calls") (mut i32) (i32.const 0))
            (func (export "square") (param i32) (result i32)
                (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
                (i32.mul (local.get 0) (local.get 0))))"#;
        let program = r#"(module
            (import "math" "square" (func $square (param i32) (result i32)))
            (func (export "sum") (param $n i32) (result i32) (local $sum i32)
                (loop $next
                    (local.set $sum (i32.add (local.get $sum) (call $square (local.get $n))))
                    (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
                (local.get $sum)))"#;
        let mut store = Store::new(engine, ());
        let mut linker = Linker::new(engine);
        linker
            .module(&mut store, "math", &Module::new(engine, library).unwrap())
            .unwrap();
        let program = Module::new(engine, program).unwrap();
        let instance = linker.instantiate(&mut store, &program).unwrap();
        let sum = instance
            .get_typed_func::<i32, i32>(&mut store, "sum")
            .unwrap();
        assert_eq!(sum.call(&mut store, 1_000).unwrap(), 333_833_500);
        let calls = linker
            .get(&mut store, "math", "calls")
            .unwrap()
            .into_global()
            .unwrap();
        assert_eq!(calls.get(&mut store).i32(), Some(1_000));
    });
}

#[test]
fn a_trapping_start_function_fails_the_instantiation() {
    in_every_mode(|engine| {
        let module = Module::new(engine, "(module (func $f unreachable) (start $f))").unwrap();
        let mut store = Store::new(engine, ());
        let error = Instance::new(&mut store, &module, &[]).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Trap::Unreachable));
    });
}

#[test]
fn bad_modules_are_errors_in_lazy_and_eager_engines() {
    let mut eager = Config::new();
    eager.eager(true);
    for engine in [Engine::default(), Engine::new(&eager).unwrap()] {
        let refused = |bytes: &[u8]| message(&Module::new(&engine, bytes).unwrap_err());
        assert!(refused(b"").contains("not a WebAssembly module") || !refused(b"").is_empty());
        assert!(
            refused(b"\0asm\x01\0\0").contains("offset"),
            "{}",
            refused(b"\0asm\x01\0\0")
        );
        let body = wat::parse_str("(module (func (result i32) i64.const 0))").unwrap();
        assert!(
            refused(&body).contains("type mismatch"),
            "{}",
            refused(&body)
        );
        let gc = wat::parse_str("(module (type (struct)))").unwrap();
        assert!(refused(&gc).contains("`gc`"), "{}", refused(&gc));
        let valid =
            wat::parse_str("(module (func (export \"f\") (result i32) i32.const 1))").unwrap();
        for len in 0..valid.len() {
            // Truncation at a section boundary can leave a valid module; it must not panic.
            let _ = Module::from_binary(&engine, &valid[..len]);
        }
        Module::validate(&engine, &valid).unwrap();
        assert!(Module::validate(&engine, &body).is_err());
    }
}

#[test]
fn a_configuration_that_makes_no_sense_is_refused() {
    let mut config = Config::new();
    config.max_wasm_stack(0);
    assert!(Engine::new(&config).is_err());
    let mut config = Config::new();
    config.code_space(usize::MAX);
    assert!(Engine::new(&config).is_err());
}

#[test]
fn engines_do_not_mix() {
    let module = Module::new(&Engine::default(), "(module)").unwrap();
    let mut store = Store::new(&Engine::default(), ());
    let error = Instance::new(&mut store, &module, &[]).unwrap_err();
    assert!(message(&error).contains("different engines"), "{error:#}");
}

#[test]
fn exports_come_in_order() {
    in_every_mode(|engine| {
        let text = r#"(module (func (export "b")) (memory (export "a") 1) (func (export "c")))"#;
        let module = Module::new(engine, text).unwrap();
        let mut store = Store::new(engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let names: Vec<_> = instance
            .exports(&mut store)
            .map(|e| e.name().to_string())
            .collect();
        assert_eq!(names, ["b", "a", "c"]);
        assert!(instance.get_func(&mut store, "a").is_none());
        let error = instance
            .get_typed_func::<i32, ()>(&mut store, "b")
            .unwrap_err();
        let expected = "the exported function `b` has another type: \
            function type mismatch: expected (i32) -> (), found () -> ()";
        assert_eq!(message(&error), expected);
    });
}

#[test]
fn eager_engines_compile_everything_at_once() {
    let mut config = Config::new();
    config.eager(true);
    let engine = Engine::new(&config).unwrap();
    let module = Module::new(
        &engine,
        "(module (func) (func (export \"f\") (result i64) i64.const 5))",
    );
    assert_eq!(engine.event_log().stats().baseline.functions, 2);
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module.unwrap(), &[]).unwrap();
    let func: Func = instance.get_func(&mut store, "f").unwrap();
    assert_eq!(
        func.ty(&store).results().collect::<Vec<_>>(),
        [ValType::I64]
    );
    let mut results = [Val::I32(0)];
    func.call(&mut store, &[], &mut results).unwrap();
    assert_eq!(results[0].i64(), Some(5));
}

/// Enough data that instances after the first map it instead of copying it, with a part that
/// overlaps another, and a segment that was active.
#[test]
fn instances_start_alike_and_share_no_writes() {
    let text = format!(
        r#"(module (memory (export "m") 3)
            (data (i32.const 100) "{}")
            (data (i32.const 65530) "{}")
            (data (i32.const 110) "over")
            (func (export "init") (memory.init 2 (i32.const 0) (i32.const 0) (i32.const 1)))
            (func (export "get") (param i32) (result i32) (i32.load8_u (local.get 0)))
            (func (export "set") (param i32 i32) (i32.store8 (local.get 0) (local.get 1))))"#,
        "a".repeat(20_000),
        "b".repeat(70_000),
    );
    in_every_mode(|engine| {
        let module = Module::new(engine, &text).unwrap();
        let mut store = Store::new(engine, ());
        let mut kept = Vec::new();
        for _ in 0..4 {
            let instance = Instance::new(&mut store, &module, &[]).unwrap();
            let get = instance
                .get_typed_func::<i32, i32>(&mut store, "get")
                .unwrap();
            let set = instance
                .get_typed_func::<(i32, i32), ()>(&mut store, "set")
                .unwrap();
            let init = instance
                .get_typed_func::<(), ()>(&mut store, "init")
                .unwrap();
            let expected = [
                (0, 0),
                (99, 0),
                (100, b'a'),
                (109, b'a'),
                (110, b'o'),
                (113, b'r'),
                (114, b'a'),
                (20_099, b'a'),
                (20_100, 0),
                (65_529, 0),
                (65_530, b'b'),
                (135_529, b'b'),
                (135_530, 0),
            ];
            for (at, byte) in expected {
                assert_eq!(
                    get.call(&mut store, at).unwrap(),
                    i32::from(byte),
                    "at {at}"
                );
            }
            let error = init.call(&mut store, ()).unwrap_err();
            assert_eq!(error.downcast::<Trap>().unwrap(), Trap::MemoryOutOfBounds);
            for (at, _) in expected {
                set.call(&mut store, (at, 1)).unwrap();
            }
            kept.push(instance);
        }
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut store = Store::new(engine, ());
                    let instance = Instance::new(&mut store, &module, &[]).unwrap();
                    let memory = instance.get_memory(&mut store, "m").unwrap();
                    assert_eq!(memory.data(&store)[110..115], *b"overa");
                });
            }
        });
        let memory = kept[3].get_memory(&mut store, "m").unwrap();
        assert_eq!(memory.grow(&mut store, 1).unwrap(), 3);
        assert_eq!(memory.data(&store)[135_529], 1);
        assert_eq!(memory.data(&store)[135_528], b'b');
        assert!(memory.data(&store)[135_531..].iter().all(|&byte| byte == 0));
    });
}
