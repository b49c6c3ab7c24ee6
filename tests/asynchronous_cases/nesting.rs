//! Calls within calls, synchronous and asynchronous ones mixed.

use upshift::{Caller, Engine, Func, Linker, Module, Store};

use crate::{
    block_on, define_wait, host_fn, in_every_mode, on_new_threads, pending, waiting_instance,
};

const WAITS: &str = r#"(module
    (import "host" "wait" (func $wait (param i32) (result i32)))
    (func (export "run") (param i32) (result i32) (call $wait (local.get 0)))
    (func (export "fine") (result i32) (i32.const 3)))"#;

#[test]
fn a_synchronous_call_says_what_is_wrong() {
    in_every_mode(|engine| {
        let (mut store, instance) = waiting_instance(engine, WAITS);
        let run = instance
            .get_typed_func::<i32, i32>(&mut store, "run")
            .unwrap();
        for times in [0, 1] {
            let error = run.call(&mut store, times).unwrap_err();
            let cause = error.to_string();
            assert!(cause.contains("call_async"), "{cause}");
        }
        let fine = instance
            .get_typed_func::<(), i32>(&mut store, "fine")
            .unwrap();
        assert_eq!(fine.call(&mut store, ()).unwrap(), 3);
        assert_eq!(block_on(fine.call_async(&mut store, ())).unwrap(), 3);
        assert_eq!(block_on(run.call_async(&mut store, 5)).unwrap(), 5);
    });
}

/// Calls `host.mid` in between: `run` ─► `mid` ─► `again`, which waits or not.
const MID: &str = r#"(module
    (import "host" "wait" (func $wait (param i32) (result i32)))
    (import "host" "mid" (func $mid (param i32) (result i32)))
    (func (export "run") (param i32) (result i32)
        (drop (call $wait (i32.const 1)))
        (i32.add (call $mid (local.get 0)) (call $wait (i32.const 100))))
    (func (export "again") (param i32) (result i32)
        (if (result i32) (i32.eqz (local.get 0))
            (then (i32.const 1000))
            (else (call $wait (local.get 0))))))"#;

fn again<T: Send>(caller: &mut Caller<'_, T>) -> Func {
    caller.get_export("again").unwrap().into_func().unwrap()
}

/// A synchronous call within an asynchronous one may do all but wait.
#[test]
fn synchronous_calls_within_asynchronous_ones_do_not_wait() {
    in_every_mode(|engine| {
        let module = Module::new(engine, MID).unwrap();
        let mut linker = Linker::<()>::new(engine);
        define_wait(&mut linker);
        linker
            .func_wrap("host", "mid", |mut caller: Caller<'_, ()>, n: i32| {
                let again = again(&mut caller).typed::<i32, i32>(&caller)?;
                again.call(&mut caller, n)
            })
            .unwrap();
        let mut store = Store::new(engine, ());
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let run = instance
            .get_typed_func::<i32, i32>(&mut store, "run")
            .unwrap();
        let (result, polls) = on_new_threads(run.call_async(&mut store, 0));
        assert_eq!((result.unwrap(), polls), (1100, 102));
        let error = block_on(run.call_async(&mut store, 2)).unwrap_err();
        let cause = error.to_string();
        assert!(cause.contains("call_async"), "{cause}");
        assert_eq!(block_on(run.call_async(&mut store, 0)).unwrap(), 1100);
    });
}

/// A synchronous host function may run an executor for an asynchronous call of its own.
#[test]
fn an_executor_within_a_call() {
    in_every_mode(|engine| {
        let module = Module::new(engine, MID).unwrap();
        let mut linker = Linker::<()>::new(engine);
        define_wait(&mut linker);
        linker
            .func_wrap("host", "mid", |mut caller: Caller<'_, ()>, n: i32| {
                let again = again(&mut caller).typed::<i32, i32>(&caller)?;
                block_on(again.call_async(&mut caller, n))
            })
            .unwrap();
        let mut store = Store::new(engine, ());
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let run = instance
            .get_typed_func::<i32, i32>(&mut store, "run")
            .unwrap();
        // Asynchronous around synchronous around asynchronous.
        assert_eq!(block_on(run.call_async(&mut store, 7)).unwrap(), 107);
        let mid = linker
            .get(&mut store, "host", "mid")
            .unwrap()
            .into_func()
            .unwrap();
        assert!(mid.typed::<i32, i32>(&store).is_ok());
    });
}

#[test]
fn asynchronous_calls_within_asynchronous_ones() {
    in_every_mode(|engine| {
        let module = Module::new(engine, MID).unwrap();
        let mut linker = Linker::<()>::new(engine);
        define_wait(&mut linker);
        let mid = host_fn(|mut caller: Caller<'_, ()>, (n,): (i32,)| {
            Box::new(async move {
                let again = again(&mut caller).typed::<i32, i32>(&caller)?;
                let mut sum = 0;
                for _ in 0..3 {
                    pending(1).await;
                    sum += again.call_async(&mut caller, n).await?;
                }
                // A synchronous call on the stack of the one around: frames of this function are
                // not on it.
                sum += again.call(&mut caller, 0)?;
                assert!(again.call(&mut caller, 1).is_err());
                Ok(sum)
            })
        });
        linker.func_wrap_async("host", "mid", mid).unwrap();
        let mut store = Store::new(engine, ());
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let run = instance
            .get_typed_func::<i32, i32>(&mut store, "run")
            .unwrap();
        let (result, polls) = on_new_threads(run.call_async(&mut store, 7));
        assert_eq!(result.unwrap(), 3 * 7 + 1000 + 100);
        assert_eq!(polls, 1 + 1 + 3 * (1 + 7) + 100);
        assert_eq!(block_on(run.call_async(&mut store, 0)).unwrap(), 4100);
    });
}

/// Two stores, each of which calls the other's functions while it waits itself.
#[test]
fn stores_within_stores() {
    in_every_mode(|engine: &Engine| {
        let module = Module::new(engine, MID).unwrap();
        let mut linker = Linker::<Option<Engine>>::new(engine);
        define_wait(&mut linker);
        let mid = host_fn(|caller: Caller<'_, Option<Engine>>, (n,): (i32,)| {
            Box::new(async move {
                let engine = caller.data().as_ref().unwrap();
                let (mut store, instance) = waiting_instance(engine, WAITS);
                let run = instance.get_typed_func::<i32, i32>(&mut store, "run")?;
                let trap = run.call_async(&mut store, n).await?;
                pending(2).await;
                Ok(trap + run.call_async(&mut store, n).await?)
            })
        });
        linker.func_wrap_async("host", "mid", mid).unwrap();
        let mut store = Store::new(engine, Some(engine.clone()));
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let run = instance
            .get_typed_func::<i32, i32>(&mut store, "run")
            .unwrap();
        assert_eq!(
            on_new_threads(run.call_async(&mut store, 6)).0.unwrap(),
            112
        );
    });
}
