//! Stores whose data stays on its thread, and what of them may go to another.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use upshift::{
    CallHook, Caller, Func, Instance, Linker, Module, ResourceLimiter, Result, Store, StoreContext,
    StoreContextMut, StoreLimits, StoreLimitsBuilder,
};

use crate::in_every_mode;

/// Whether a type is `Send`, found out at compile time: an inherent constant, if there is one, is
/// preferred to that of a trait.
macro_rules! is_send {
    ($ty:ty) => {{
        #[allow(dead_code, reason = "used if the type is not `Send`")]
        trait Otherwise {
            const SEND: bool = false;
        }
        impl<T: ?Sized> Otherwise for Probe<T> {}
        struct Probe<T: ?Sized>(std::marker::PhantomData<T>);
        #[allow(dead_code, reason = "used if the type is `Send`")]
        impl<T: ?Sized + Send> Probe<T> {
            const SEND: bool = true;
        }
        Probe::<$ty>::SEND
    }};
}

const _: () = {
    assert!(is_send!(Store<u32>) && is_send!(Store<Cell<u32>>));
    assert!(!is_send!(Store<Rc<u32>>));
    assert!(is_send!(StoreContextMut<'static, u32>) && is_send!(Caller<'static, u32>));
    assert!(!is_send!(StoreContextMut<'static, Rc<u32>>) && !is_send!(Caller<'static, Rc<u32>>));
    assert!(!is_send!(StoreContext<'static, Rc<u32>>));
    // What belongs to no store, or names things of one.
    assert!(is_send!(Linker<Rc<u32>>) && is_send!(upshift::InstancePre<Rc<u32>>));
    assert!(is_send!(Func) && is_send!(Instance) && is_send!(upshift::Error));
};

/// The data of a store, with a limiter in it.
struct Local {
    log: Rc<RefCell<Vec<String>>>,
    limits: StoreLimits,
}

#[test]
fn data_may_stay_on_its_thread() {
    in_every_mode(|engine| {
        let log = Rc::new(RefCell::new(Vec::new()));
        let limits = StoreLimitsBuilder::new().memory_size(2 << 16).build();
        let local = Local {
            log: log.clone(),
            limits,
        };
        let mut store = Store::new(engine, local);
        store.limiter(|local| &mut local.limits as &mut dyn ResourceLimiter);
        store.call_hook(|store, change| {
            if change == CallHook::CallingWasm {
                store.data().log.borrow_mut().push("call".into());
            }
            Ok(())
        });
        let mut linker = Linker::<Local>::new(engine);
        let say = |caller: Caller<'_, Local>, number: i32| -> Result<i32> {
            caller.data().log.borrow_mut().push(format!("say {number}"));
            Ok(number + 1)
        };
        linker.func_wrap("host", "say", say).unwrap();
        let text = r#"(module (import "host" "say" (func $say (param i32) (result i32)))
            (memory 1)
            (func (export "run") (result i32)
                (i32.add (call $say (i32.const 7)) (memory.grow (i32.const 2)))))"#;
        let module = Module::new(engine, text).unwrap();
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let run = instance
            .get_typed_func::<(), i32>(&mut store, "run")
            .unwrap();
        assert_eq!(run.call(&mut store, ()).unwrap(), 8 - 1);
        let wrapped = Func::wrap(&mut store, |caller: Caller<'_, Local>| {
            caller.data().log.borrow_mut().push("wrapped".into());
        });
        wrapped.call(&mut store, &[], &mut []).unwrap();
        assert_eq!(*log.borrow(), ["call", "say 7", "call", "wrapped"]);
        assert_eq!(Rc::strong_count(&log), 2);
        drop(store.into_data());
        assert_eq!(Rc::strong_count(&log), 1);
    });
}
