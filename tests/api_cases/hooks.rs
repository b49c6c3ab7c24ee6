//! The call hook is told of each change between the host and WebAssembly, and its errors end calls.

use anyhow::anyhow;
use upshift::CallHook::{self, CallingHost, CallingWasm, ReturningFromHost, ReturningFromWasm};
use upshift::{Caller, Engine, ExternRef, Func, Instance, Linker, Module, Store, Trap, Val};

use crate::in_every_mode;

const TEXT: &str = r#"(module
    (import "host" "f" (func $f (param i32) (result i32)))
    (import "host" "back" (func $back))
    (func (export "call") (param i32) (result i32) (call $f (local.get 0)))
    (func (export "back") (call $back))
    (func (export "nothing"))
    (func (export "trap") (unreachable))
    (func (export "same") (param externref) (result externref) (local.get 0)))"#;

/// What a hook was told, and the change at which it is to fail: the n-th.
#[derive(Default)]
struct Told {
    changes: Vec<CallHook>,
    fail_at: Option<usize>,
}

fn store(engine: &Engine) -> (Store<Told>, Instance) {
    let mut store = Store::new(engine, Told::default());
    store.call_hook(|mut store, change| {
        let told = store.data_mut();
        told.changes.push(change);
        match told.fail_at == Some(told.changes.len() - 1) {
            true => Err(anyhow!("the hook fails")),
            false => Ok(()),
        }
    });
    let mut linker = Linker::new(engine);
    let f = |number: i32| match number {
        0 => Err(anyhow!("the host fails")),
        number => Ok(number + 1),
    };
    linker.func_wrap("host", "f", f).unwrap();
    let back = |mut caller: Caller<'_, Told>| {
        let nothing = caller.get_export("nothing").and_then(|it| it.into_func());
        nothing.unwrap().call(&mut caller, &[], &mut [])
    };
    linker.func_wrap("host", "back", back).unwrap();
    let module = Module::new(engine, TEXT).unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    assert_eq!(store.data().changes, []);
    (store, instance)
}

fn told(store: &mut Store<Told>) -> Vec<CallHook> {
    std::mem::take(&mut store.data_mut().changes)
}

#[test]
fn it_is_told_of_each_change() {
    in_every_mode(|engine| {
        let (mut store, instance) = store(engine);
        let call = instance.get_typed_func::<i32, i32>(&mut store, "call");
        let call = call.unwrap();
        let all = [
            CallingWasm,
            CallingHost,
            ReturningFromHost,
            ReturningFromWasm,
        ];
        for _ in 0..20 {
            assert_eq!(call.call(&mut store, 1).unwrap(), 2);
            assert_eq!(told(&mut store), all);
        }
        // Untyped, and with an error of the host.
        let mut result = [Val::I32(0)];
        let func = instance.get_func(&mut store, "call").unwrap();
        let error = func.call(&mut store, &[Val::I32(0)], &mut result);
        assert_eq!(error.unwrap_err().to_string(), "the host fails");
        assert_eq!(told(&mut store), all);
        // A trap.
        let trap = instance.get_typed_func::<(), ()>(&mut store, "trap");
        let error = trap.unwrap().call(&mut store, ()).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Trap::Unreachable));
        assert_eq!(told(&mut store), [CallingWasm, ReturningFromWasm]);
        // A call in a call.
        let back = instance.get_typed_func::<(), ()>(&mut store, "back");
        back.unwrap().call(&mut store, ()).unwrap();
        let nested = [
            [CallingWasm, CallingHost],
            [CallingWasm, ReturningFromWasm],
            [ReturningFromHost, ReturningFromWasm],
        ];
        assert_eq!(told(&mut store), nested.concat());
    });
}

#[test]
fn its_errors_end_calls() {
    in_every_mode(|engine| {
        for fail_at in 0..4 {
            let (mut store, instance) = store(engine);
            let call = instance.get_typed_func::<i32, i32>(&mut store, "call");
            let call = call.unwrap();
            store.data_mut().fail_at = Some(fail_at);
            let error = call.call(&mut store, 1).unwrap_err();
            assert_eq!(error.to_string(), "the hook fails");
            let changes = match fail_at {
                0 => vec![CallingWasm],
                1 => vec![CallingWasm, CallingHost, ReturningFromWasm],
                _ => vec![
                    CallingWasm,
                    CallingHost,
                    ReturningFromHost,
                    ReturningFromWasm,
                ],
            };
            assert_eq!(told(&mut store), changes);
            // What failed once does not fail again.
            store.data_mut().fail_at = None;
            assert_eq!(call.call(&mut store, 1).unwrap(), 2);
        }
    });
}

/// What it calls itself it is not told, and references that are being passed stay alive.
#[test]
fn it_may_use_the_store() {
    in_every_mode(|engine| {
        let (mut store, instance) = store(engine);
        let same =
            instance.get_typed_func::<Option<ExternRef>, Option<ExternRef>>(&mut store, "same");
        let same = same.unwrap();
        let nothing = instance.get_typed_func::<(), ()>(&mut store, "nothing");
        let nothing = nothing.unwrap();
        store.call_hook(move |mut store, change| {
            store.data_mut().changes.push(change);
            for number in 0..1000 {
                ExternRef::new(&mut store, number);
            }
            nothing.call(&mut store, ())
        });
        for number in 0..20 {
            let given = ExternRef::new(&mut store, number + 7000);
            let got = same.call(&mut store, Some(given)).unwrap().unwrap();
            let value = got.data(&store).downcast_ref::<i32>().copied();
            assert_eq!(value, Some(number + 7000));
        }
        assert_eq!(told(&mut store).len(), 40);
        let host = Func::wrap(&mut store, || ());
        host.call(&mut store, &[], &mut []).unwrap();
        let all = [
            CallingWasm,
            CallingHost,
            ReturningFromHost,
            ReturningFromWasm,
        ];
        assert_eq!(told(&mut store), all);
        assert!(CallingWasm.exiting_host() && ReturningFromHost.exiting_host());
        assert!(CallingHost.entering_host() && ReturningFromWasm.entering_host());
    });
}
