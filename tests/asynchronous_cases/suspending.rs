//! Values and code across suspensions: on the same thread and on another one each time.

use upshift::{
    AsContext, Caller, Config, Engine, Func, FuncType, Instance, Linker, Module, Store, Strategy,
    Switching, V128, Val, ValType,
};

use crate::{block_on, host_fn, in_every_mode, on_new_threads, pending, waiting_instance};

/// Values of every kind are live across a call that waits: in registers that functions preserve, in
/// others, on the stack; in a loop that gets hot meanwhile.
const LIVE: &str = r#"(module
    (import "host" "wait" (func $wait (param i32) (result i32)))
    (memory (export "memory") 1)
    (global $g (mut i64) (i64.const 1))
    (func $mix (param $a i64) (param $b f64) (param $n i32) (result i64)
        (local $i i32) (local $sum i64) (local $v v128) (local $f f32)
        (local.set $v (i64x2.splat (local.get $a)))
        (local.set $f (f32.convert_i32_s (local.get $n)))
        (loop $again
            (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_s
                (i32.mul (local.get $i) (call $wait (i32.rem_u (local.get $i) (i32.const 3)))))))
            (local.set $sum (i64.add (local.get $sum) (i64x2.extract_lane 1 (local.get $v))))
            (local.set $sum (i64.add (local.get $sum) (i64.trunc_f64_s (local.get $b))))
            (local.set $sum (i64.add (local.get $sum)
                (i64.trunc_f32_s (f32.add (local.get $f) (f32.const 0.5)))))
            (i64.store (i32.const 8) (local.get $sum))
            (global.set $g (i64.add (global.get $g) (i64.load (i32.const 8))))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $i) (local.get $n))))
        (i64.add (local.get $sum) (global.get $g)))
    (table funcref (elem $mix))
    (type $mixed (func (param i64 f64 i32) (result i64)))
    (func (export "mix") (param i64 f64 i32) (result i64)
        (call_indirect (type $mixed)
            (local.get 0) (local.get 1) (local.get 2) (i32.const 0))))"#;

/// What `mix` returns.
fn mixed(a: i64, b: f64, n: i32) -> i64 {
    let (mut sum, mut global) = (0_i64, 1_i64);
    for i in 0..n {
        sum += i64::from(i * (i % 3)) + a + b as i64 + i64::from(n);
        global += sum;
    }
    sum + global
}

#[test]
fn values_survive_suspensions() {
    in_every_mode(|engine| {
        let (mut store, instance) = waiting_instance(engine, LIVE);
        let mix = instance.get_typed_func::<(i64, f64, i32), i64>(&mut store, "mix");
        let mix = mix.unwrap();
        let sum = block_on(mix.call_async(&mut store, (1 << 40, -7.9, 500)));
        assert_eq!(sum.unwrap(), mixed(1 << 40, -7.9, 500));
    });
}

#[test]
fn values_survive_other_threads() {
    in_every_mode(|engine| {
        let (mut store, instance) = waiting_instance(engine, LIVE);
        let mix = instance.get_typed_func::<(i64, f64, i32), i64>(&mut store, "mix");
        let mix = mix.unwrap();
        let (sum, polls) = on_new_threads(mix.call_async(&mut store, (-3, 2.0, 60)));
        assert_eq!((sum.unwrap(), polls), (mixed(-3, 2.0, 60), 61));
    });
}

/// Loops are left for optimized code while the call that started them waits: with thresholds at
/// which the switch comes in the middle.
#[test]
fn tiers_change_while_calls_wait() {
    for switching in [Switching::Synchronous, Switching::Background] {
        let mut config = Config::new();
        config.strategy(Strategy::Tiered).switching(switching);
        let mut tiering = config.tiering_config().clone();
        tiering
            .set("policy", "fixed-budget:units=300,slices=1")
            .unwrap();
        config.tiering(tiering);
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, LIVE).unwrap();
        let mut linker = Linker::new(&engine);
        crate::define_wait(&mut linker);
        let mut calls = Vec::new();
        for n in 0..40 {
            let mut store = Store::new(&engine, ());
            let instance = linker.instantiate(&mut store, &module).unwrap();
            let mix = instance.get_typed_func::<(i64, f64, i32), i64>(&mut store, "mix");
            let mix = mix.unwrap();
            let call = Box::pin(async move { mix.call_async(&mut store, (n, 0.5, 90)).await });
            calls.push((n, call));
        }
        // All go on in turns, so that each has frames of code that the others have replaced.
        while !calls.is_empty() {
            calls.retain_mut(|(n, call)| match crate::poll_once(call.as_mut()) {
                std::task::Poll::Ready(sum) => {
                    assert_eq!(sum.unwrap(), mixed(*n, 0.5, 90));
                    false
                }
                std::task::Poll::Pending => true,
            });
            engine.wait_idle();
        }
    }
}

#[test]
fn host_functions_with_types_of_run_time() {
    in_every_mode(|engine| {
        let types = [
            ValType::I32,
            ValType::F64,
            ValType::V128,
            ValType::EXTERNREF,
        ];
        let results: Vec<_> = types.iter().rev().copied().collect();
        let mut store = Store::new(engine, 5_i32);
        let ty = FuncType::new(engine, types, results);
        let reverse = Func::new_async(&mut store, ty, |mut caller, params, results| {
            Box::new(async move {
                pending(2).await;
                *caller.data_mut() += 1;
                results.copy_from_slice(params);
                results.reverse();
                Ok(())
            })
        });
        let text = r#"(module
            (import "" "reverse" (func $f
                (param i32 f64 v128 externref) (result externref v128 f64 i32)))
            (func (export "run") (param i32 f64 v128 externref) (result externref v128 f64 i32)
                (call $f (local.get 0) (local.get 1) (local.get 2) (local.get 3))))"#;
        let module = Module::new(engine, text).unwrap();
        block_on(async {
            let instance = Instance::new_async(&mut store, &module, &[reverse.into()]).await?;
            for func in [instance.get_func(&mut store, "run").unwrap(), reverse] {
                let params = [
                    1.into(),
                    2.5.into(),
                    Val::V128(V128::from(3)),
                    Val::ExternRef(None),
                ];
                let mut results = [const { Val::I32(0) }; 4];
                func.call_async(&mut store, &params, &mut results).await?;
                assert!(matches!(results[0], Val::ExternRef(None)));
                assert_eq!(results[1].v128(), Some(V128::from(3)));
                assert_eq!((results[2].f64(), results[3].i32()), (Some(2.5), Some(1)));
            }
            upshift::Result::<()>::Ok(())
        })
        .unwrap();
        assert_eq!(*store.as_context().data(), 7);
    });
}

#[test]
fn errors_of_asynchronous_host_functions_arrive() {
    in_every_mode(|engine| {
        let module = r#"(module
            (import "host" "fail" (func $fail))
            (func (export "run") (call $fail)))"#;
        let module = Module::new(engine, module).unwrap();
        let mut linker = Linker::<()>::new(engine);
        let fail = host_fn(|_: Caller<'_, ()>, (): ()| {
            Box::new(async {
                pending(1).await;
                let error = std::io::Error::other("unreachable host");
                Err::<(), _>(upshift::Error::from(error))
            })
        });
        linker.func_wrap_async("host", "fail", fail).unwrap();
        let mut store = Store::new(engine, ());
        let ready = linker.instantiate_pre(&module).unwrap();
        let instance = block_on(ready.instantiate_async(&mut store)).unwrap();
        let run = instance
            .get_typed_func::<(), ()>(&mut store, "run")
            .unwrap();
        let (result, polls) = on_new_threads(run.call_async(&mut store, ()));
        let error = result.unwrap_err();
        assert!(error.is::<std::io::Error>() && error.is::<upshift::WasmBacktrace>());
        assert_eq!(polls, 2);
    });
}

#[test]
fn start_functions_wait() {
    in_every_mode(|engine| {
        let module = r#"(module
            (import "host" "wait" (func $wait (param i32) (result i32)))
            (global $g (export "g") (mut i32) (i32.const 0))
            (func $start (global.set $g (call $wait (i32.const 4))))
            (start $start))"#;
        let module = Module::new(engine, module).unwrap();
        let mut linker = Linker::<()>::new(engine);
        crate::define_wait(&mut linker);
        let mut store = Store::new(engine, ());
        assert!(linker.instantiate(&mut store, &module).is_err());
        let (instance, polls) = on_new_threads(linker.instantiate_async(&mut store, &module));
        let global = instance.unwrap().get_global(&mut store, "g").unwrap();
        assert_eq!((global.get(&mut store).i32(), polls), (Some(4), 5));
    });
}
