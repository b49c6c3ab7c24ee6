//! Host functions: values of every type in both directions, errors, panics, calls back.

use std::panic::{AssertUnwindSafe, catch_unwind};

use upshift::{
    Caller, Exit, ExternRef, Func, FuncType, Linker, Module, Result, Store, Trap, Val, ValType,
    WasmBacktrace,
};

use crate::in_every_mode;

#[test]
fn every_type_goes_both_ways() {
    in_every_mode(|engine| {
        let module = Module::new(
            engine,
            r#"(module
                (import "host" "mix" (func $mix
                    (param i32 i64 f32 f64 funcref externref)
                    (result externref funcref f64 f32 i64 i32)))
                (export "mix" (func $mix))
                (func (export "pass")
                    (param i32 i64 f32 f64 funcref externref)
                    (result externref funcref f64 f32 i64 i32)
                    (call $mix (local.get 0) (local.get 1) (local.get 2) (local.get 3)
                        (local.get 4) (local.get 5))))"#,
        )
        .unwrap();
        let mut linker = Linker::new(engine);
        type Refs = (Option<Func>, Option<ExternRef>);
        let mix = |a: i32, b: i64, c: f32, d: f64, e: Option<Func>, f: Option<ExternRef>| {
            (f, e, d * 2.0, c * 2.0, b * 2, a * 2)
        };
        linker.func_wrap("host", "mix", mix).unwrap();
        let mut store = Store::new(engine, ());
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let callee = Func::wrap(&mut store, || 7_i32);
        let value = ExternRef::new(&mut store, String::from("value"));
        for export in ["mix", "pass"] {
            let func = instance.get_func(&mut store, export).unwrap();
            type Params = (i32, i64, f32, f64, Option<Func>, Option<ExternRef>);
            type Results = (Option<ExternRef>, Option<Func>, f64, f32, i64, i32);
            let typed = func.typed::<Params, Results>(&store).unwrap();
            let refs: Refs = (Some(callee), Some(value));
            let results = typed
                .call(&mut store, (-1, 1 << 40, 1.5, -2.5, refs.0, refs.1))
                .unwrap();
            assert_eq!(
                (results.2, results.3, results.4, results.5),
                (-5.0, 3.0, 2 << 40, -2)
            );
            let text = results.0.unwrap().data(&store).downcast_ref::<String>();
            assert_eq!(text.map(String::as_str), Some("value"));
            let seven = results.1.unwrap().typed::<(), i32>(&store).unwrap();
            assert_eq!(seven.call(&mut store, ()).unwrap(), 7);
            let nulls = typed
                .call(&mut store, (0, 0, 0.0, 0.0, None, None))
                .unwrap();
            assert!(nulls.0.is_none() && nulls.1.is_none());
        }
    });
}

#[test]
fn sixteen_parameters_and_results() {
    in_every_mode(|engine| {
        let types = "i64 ".repeat(16);
        let gets: String = (0..16).map(|i| format!("(local.get {i})")).collect();
        let text = format!(
            r#"(module
                (import "host" "f" (func $f (param {types}) (result {types})))
                (func (export "g") (param {types}) (result {types}) (call $f {gets})))"#
        );
        let module = Module::new(engine, text).unwrap();
        let ty = FuncType::new(engine, [ValType::I64; 16], [ValType::I64; 16]);
        let mut linker = Linker::<()>::new(engine);
        linker
            .func_new("host", "f", ty, |_, params, results| {
                results.copy_from_slice(params);
                results.reverse();
                Ok(())
            })
            .unwrap();
        let mut store = Store::new(engine, ());
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let func = instance.get_func(&mut store, "g").unwrap();
        let params: Vec<Val> = (0..16).map(Val::I64).collect();
        let mut results = vec![Val::I32(0); 16];
        func.call(&mut store, &params, &mut results).unwrap();
        let results: Vec<i64> = results.iter().map(Val::unwrap_i64).collect();
        assert_eq!(results, (0..16).rev().collect::<Vec<_>>());
    });
}

#[test]
fn a_host_function_calls_back_and_sees_its_caller() {
    in_every_mode(|engine| {
        let module = Module::new(
            engine,
            r#"(module
                (import "host" "twice" (func $twice (param i32) (result i32)))
                (memory (export "memory") 1)
                (func (export "add_one") (param i32) (result i32)
                    (i32.add (local.get 0) (i32.load8_u (i32.const 8))))
                (func (export "run") (param i32) (result i32) (call $twice (local.get 0))))"#,
        )
        .unwrap();
        let mut linker = Linker::new(engine);
        let twice = |mut caller: Caller<'_, u32>, value: i32| -> Result<i32> {
            *caller.data_mut() += 1;
            let memory = caller.get_export("memory").unwrap().into_memory().unwrap();
            memory.write(&mut caller, 8, &[10])?;
            let add = caller.get_export("add_one").unwrap().into_func().unwrap();
            let add = add.typed::<i32, i32>(&caller)?;
            let once = add.call(&mut caller, value)?;
            add.call(&mut caller, once)
        };
        linker.func_wrap("host", "twice", twice).unwrap();
        let mut store = Store::new(engine, 0);
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let run = instance
            .get_typed_func::<i32, i32>(&mut store, "run")
            .unwrap();
        for i in 0..100 {
            assert_eq!(run.call(&mut store, i).unwrap(), i + 20);
        }
        assert_eq!(store.into_data(), 100);
    });
}

#[derive(Debug, thiserror::Error)]
#[error("no such record: {0}")]
struct NoSuchRecord(u32);

const FAILS: &str = r#"(module $failing
    (import "host" "fail" (func $fail))
    (func $inner (call $fail))
    (func $outer (export "run") (call $inner)))"#;

#[test]
fn a_host_error_comes_back_typed_with_a_backtrace() {
    in_every_mode(|engine| {
        let module = Module::new(engine, FAILS).unwrap();
        let mut linker = Linker::<()>::new(engine);
        let fail = || -> Result<()> { Err(NoSuchRecord(5).into()) };
        linker.func_wrap("host", "fail", fail).unwrap();
        let mut store = Store::new(engine, ());
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let run = instance
            .get_typed_func::<(), ()>(&mut store, "run")
            .unwrap();
        for _ in 0..3 {
            let error = run.call(&mut store, ()).unwrap_err();
            assert_eq!(error.downcast_ref::<NoSuchRecord>().unwrap().0, 5);
            let frames = error.downcast_ref::<WasmBacktrace>().unwrap().frames();
            let names: Vec<_> = frames
                .iter()
                .map(|frame| frame.func_name().unwrap())
                .collect();
            assert_eq!(names, ["fail", "inner", "outer"]);
            assert_eq!(frames[0].module_name(), Some("failing"));
        }
    });
}

#[test]
fn an_exit_is_an_error_with_the_code() {
    in_every_mode(|engine| {
        let module = Module::new(engine, FAILS).unwrap();
        let mut linker = Linker::<()>::new(engine);
        linker
            .func_wrap("host", "fail", || -> Result<()> { Err(Exit(3).into()) })
            .unwrap();
        let mut store = Store::new(engine, ());
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let run = instance
            .get_typed_func::<(), ()>(&mut store, "run")
            .unwrap();
        let error = run.call(&mut store, ()).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Exit(3)));
    });
}

#[test]
fn a_host_panic_crosses_as_a_panic_and_the_store_stays_usable() {
    in_every_mode(|engine| {
        let module = Module::new(engine, FAILS).unwrap();
        let mut linker = Linker::<bool>::new(engine);
        let fail = |caller: Caller<'_, bool>| assert!(!caller.data(), "as planned");
        linker.func_wrap("host", "fail", fail).unwrap();
        let mut store = Store::new(engine, true);
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let run = instance
            .get_typed_func::<(), ()>(&mut store, "run")
            .unwrap();
        let panic = catch_unwind(AssertUnwindSafe(|| run.call(&mut store, ()))).unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"as planned"));
        *store.data_mut() = false;
        run.call(&mut store, ()).unwrap();
    });
}

#[test]
fn errors_cross_nested_calls() {
    in_every_mode(|engine| {
        let module = Module::new(
            engine,
            r#"(module
                (import "host" "again" (func $again (param i32)))
                (func $down (export "down") (param i32)
                    (if (i32.eqz (local.get 0)) (then unreachable))
                    (call $again (i32.sub (local.get 0) (i32.const 1)))))"#,
        )
        .unwrap();
        let mut linker = Linker::<()>::new(engine);
        let again = |mut caller: Caller<'_, ()>, depth: i32| -> Result<()> {
            let down = caller.get_export("down").unwrap().into_func().unwrap();
            down.typed::<i32, ()>(&caller)?.call(&mut caller, depth)
        };
        linker.func_wrap("host", "again", again).unwrap();
        let mut store = Store::new(engine, ());
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let down = instance
            .get_typed_func::<i32, ()>(&mut store, "down")
            .unwrap();
        let error = down.call(&mut store, 10).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Trap::Unreachable));
        assert_eq!(
            error
                .downcast_ref::<WasmBacktrace>()
                .unwrap()
                .frames()
                .len(),
            // Eleven functions of the module, and ten calls of the host between them.
            21
        );
    });
}

#[test]
fn dynamic_calls_check_their_arguments() {
    in_every_mode(|engine| {
        let mut store = Store::new(engine, ());
        let add = Func::wrap(&mut store, |a: i32, b: i32| a + b);
        let mut results = [Val::I32(0)];
        let mut call = |params: &[Val], results: &mut [Val]| {
            add.call(&mut store, params, results)
                .map_err(|error| error.to_string())
        };
        assert_eq!(
            call(&[Val::I32(1)], &mut results).unwrap_err(),
            "expected 2 arguments, found 1"
        );
        let wrong = [Val::I32(1), Val::I64(1)];
        let message = "argument type mismatch: expected i32, found i64";
        assert_eq!(call(&wrong, &mut results).unwrap_err(), message);
        let message = "expected 1 result, found 0";
        assert_eq!(
            call(&[Val::I32(1), Val::I32(1)], &mut []).unwrap_err(),
            message
        );
        call(&[Val::I32(1), Val::I32(1)], &mut results).unwrap();
        assert_eq!(results[0].i32(), Some(2));
        assert!(add.typed::<(i32, i64), i32>(&store).is_err());
        assert!(add.typed::<(i32, i32), ()>(&store).is_err());
    });
}

#[test]
fn a_dynamic_host_function_must_return_what_it_promised() {
    in_every_mode(|engine| {
        let mut store = Store::new(engine, ());
        let ty = FuncType::new(engine, [], [ValType::I32]);
        let func = Func::new(&mut store, ty, |_, _, results| {
            results[0] = Val::F64(0);
            Ok(())
        });
        let error = func
            .typed::<(), i32>(&store)
            .unwrap()
            .call(&mut store, ())
            .unwrap_err();
        let message = "host function result type mismatch: expected i32, found f64";
        assert_eq!(error.to_string(), message);
    });
}
