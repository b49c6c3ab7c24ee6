//! Deadlines by epochs: they end calls or run a callback in the middle of WebAssembly, whatever
//! code runs.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::anyhow;
use upshift::knobs::Group;
use upshift::{
    AsContextMut, Caller, Config, Engine, Instance, Linker, Module, Store, ThrownException, Trap,
    UpdateDeadline, WasmBacktrace,
};
use upshift_spectest::Mode;

use crate::support::configs::{changed, configs};

/// Engines whose code looks for deadlines, however it is made; some consume fuel, too.
pub(super) static ENGINES: LazyLock<Vec<(String, Engine)>> = LazyLock::new(|| {
    let mut configs = configs(&[
        (Mode::Zeal, Group::Wasm, "bounds", "explicit"),
        (Mode::Baseline, Group::Wasm, "bounds", "explicit"),
        (Mode::Optimizer, Group::Wasm, "bounds", "explicit"),
    ]);
    configs.extend(changed("fuel", |config| config.consume_fuel(true)));
    let engine = |(name, mut config): (String, Config)| {
        (name, Engine::new(config.epoch_interruption(true)).unwrap())
    };
    configs.into_iter().map(engine).collect()
});

/// Runs a test with each engine, and names the engine if it fails. Tests wait for each other, as
/// those that share an engine share its epoch.
pub(super) fn in_every_engine(test: impl Fn(&Engine)) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for (name, engine) in &*ENGINES {
        eprintln!("engine: {name}");
        test(engine);
    }
}

pub(super) fn store<T: Send + 'static>(engine: &Engine, data: T) -> Store<T> {
    let mut store = Store::new(engine, data);
    // Of those that consume it, for which this is not an error.
    let _ = store.set_fuel(u64::MAX);
    store
}

/// The instance of a module that imports nothing.
pub(super) fn instance<T: Send + 'static>(store: &mut Store<T>, text: &str) -> Instance {
    let module = Module::new(store.engine(), text).unwrap();
    Instance::new(store, &module, &[]).unwrap()
}

#[track_caller]
fn interrupted<T: std::fmt::Debug>(result: upshift::Result<T>) {
    let error = result.unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&Trap::Interrupt), "{error:#}");
}

/// Code that does not end, however it does not.
const ENDLESS: &[&str] = &[
    r#"(func (export "run") (loop (br 0)))"#,
    r#"(func (export "run") (loop (loop (br 1))))"#,
    r#"(func (export "run") (local $n i32)
        (loop
            (if (i32.and (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 1))
                (then (br 1)))
            (br 0)))"#,
    // An interpreter's dispatch.
    r#"(memory 1)
       (func (export "run") (local $pc i32)
        (loop $next
            (block $c (block $b (block $a
                (br_table $a $b $c (i32.load8_u (local.get $pc))))
                (local.set $pc (i32.and (i32.add (local.get $pc) (i32.const 1)) (i32.const 255)))
                (br $next))
                (local.set $pc (i32.const 3)) (br $next))
            (br $next)))"#,
    r#"(func $f (export "run") (return_call $f))"#,
    r#"(type $f (func)) (table funcref (elem $f))
       (func $f (export "run") (return_call_indirect (type $f) (i32.const 0)))"#,
    r#"(type $f (func)) (elem declare func $f)
       (func $f (export "run") (type $f) (return_call_ref $f (ref.func $f)))"#,
    r#"(func $f (export "run") (call $f) (call $f))"#,
    r#"(tag $t) (func $throw (throw $t))
       (func (export "run")
           (loop $next
               (block $caught (try_table (catch $t $caught) (call $throw)))
               (br $next)))"#,
    r#"(tag $t)
       (func (export "run") (loop $next (try_table (catch_all $next) (throw $t))))"#,
    r#"(tag $t)
       (func (export "run") (loop $next try (throw $t) catch_all (br $next) end))"#,
];

#[test]
fn what_does_not_end_is_ended() {
    in_every_engine(|engine| {
        for text in ENDLESS {
            let mut store = store(engine, 0);
            // As many looks as there is stack for.
            store.epoch_deadline_callback(|mut store| {
                *store.data_mut() += 1;
                Ok(match *store.data() {
                    2000.. => UpdateDeadline::Interrupt,
                    _ => UpdateDeadline::Continue(0),
                })
            });
            let instance = instance(&mut store, &format!("(module {text})"));
            let run = instance.get_typed_func::<(), ()>(&mut store, "run");
            let run = run.unwrap();
            interrupted(run.call(&mut store, ()));
            assert_eq!(*store.data(), 2000, "{text}");
            // The deadline has not moved, and the callback interrupts from now on.
            interrupted(run.call(&mut store, ()));
        }
    });
}

/// Another thread begins epochs, as embedders do, and ends what runs on several threads at once.
#[test]
fn an_epoch_ends_all_stores_whose_deadline_it_is() {
    in_every_engine(|engine| {
        let text = format!("(module {})", ENDLESS[2]);
        let module = Module::new(engine, text).unwrap();
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let spin = |deadline| {
                let mut store = store(engine, ());
                store.set_epoch_deadline(deadline);
                let instance = Instance::new(&mut store, &module, &[]).unwrap();
                let run = instance.get_typed_func::<(), ()>(&mut store, "run");
                interrupted(run.unwrap().call(&mut store, ()));
            };
            let threads = [1, 3, 5].map(|deadline| scope.spawn(move || spin(deadline)));
            scope.spawn(|| {
                while !done.load(Relaxed) {
                    thread::sleep(Duration::from_millis(2));
                    engine.increment_epoch();
                }
            });
            threads
                .into_iter()
                .for_each(|thread| thread.join().unwrap());
            done.store(true, Relaxed);
        });
    });
}

#[test]
fn deadlines_are_so_many_epochs_ahead() {
    in_every_engine(|engine| {
        let mut store = store(engine, ());
        let text = r#"(module (func (export "run")))"#;
        let first = instance(&mut store, text);
        let first = first.get_typed_func::<(), ()>(&mut store, "run").unwrap();
        interrupted(first.call(&mut store, ()));
        store.set_epoch_deadline(2);
        // Instances from before and after.
        let second = instance(&mut store, text);
        let second = second.get_typed_func::<(), ()>(&mut store, "run").unwrap();
        for run in [first, second] {
            run.call(&mut store, ()).unwrap();
        }
        engine.increment_epoch();
        for run in [first, second] {
            run.call(&mut store, ()).unwrap();
        }
        engine.increment_epoch();
        for run in [first, second] {
            interrupted(run.call(&mut store, ()));
            interrupted(run.call(&mut store, ()));
        }
        store.set_epoch_deadline(u64::MAX);
        engine.increment_epoch();
        first.call(&mut store, ()).unwrap();
        store.set_epoch_deadline(0);
        interrupted(second.call(&mut store, ()));
        let mut other = self::store(engine, ());
        other.set_epoch_deadline(1);
        let other_run = instance(&mut other, text);
        let other_run = other_run.get_typed_func::<(), ()>(&mut other, "run");
        other_run.unwrap().call(&mut other, ()).unwrap();
    });
}

/// A program in which each look is inside handlers of all kinds.
const CATCHING: &str = r#"(module
    (tag $t)
    (func $spin (loop (br 0)))
    (func (export "run") (result i32)
        (block $caught
            (try_table (catch_all $caught)
                (loop $next (try_table (catch_all $next) (call $spin)))))
        (i32.const 1))
    (func (export "throw") (throw $t)))"#;

#[test]
fn no_handler_catches_what_a_callback_ends() {
    in_every_engine(|engine| {
        let mut store = store(engine, 0);
        let instance = instance(&mut store, CATCHING);
        let run = instance.get_typed_func::<(), i32>(&mut store, "run");
        let run = run.unwrap();
        interrupted(run.call(&mut store, ()));

        store.epoch_deadline_callback(|mut store| {
            *store.data_mut() += 1;
            match *store.data() {
                ..10 => Ok(UpdateDeadline::Continue(0)),
                10..20 => Err(anyhow!("look {}", store.data())),
                _ => panic!("look {}", store.data()),
            }
        });
        let error = run.call(&mut store, ()).unwrap_err();
        assert!(format!("{error:?}").contains("look 10"), "{error:?}");
        let frames = error.downcast_ref::<WasmBacktrace>().unwrap().frames();
        assert_eq!(frames.len(), 2, "{error:?}");
        *store.data_mut() = 19;
        let panicked = catch_unwind(AssertUnwindSafe(|| run.call(&mut store, ())));
        let panicked = panicked.unwrap_err();
        assert_eq!(panicked.downcast_ref(), Some(&"look 20".to_owned()));
        // Callback and store are as before.
        *store.data_mut() = 10;
        let error = run.call(&mut store, ()).unwrap_err();
        assert!(format!("{error:?}").contains("look 11"), "{error:?}");
        store.epoch_deadline_trap();
        interrupted(run.call(&mut store, ()));
        assert_eq!(*store.data(), 11);
        // Not even an exception of the guest.
        let throw = instance.get_typed_func::<(), ()>(&mut store, "throw");
        let throw = throw.unwrap();
        store.epoch_deadline_callback(move |mut store| {
            store.set_epoch_deadline(1);
            throw.call(&mut store, ())?;
            Ok(UpdateDeadline::Continue(1))
        });
        let error = run.call(&mut store, ()).unwrap_err();
        assert!(error.is::<ThrownException>(), "{error:?}");
        assert!(store.as_context_mut().take_pending_exception().is_some());
    });
}

/// A callback may set another, or none, from within.
#[test]
fn a_callback_may_be_replaced_by_itself() {
    in_every_engine(|engine| {
        let mut store = store(engine, 0);
        store.epoch_deadline_callback(|mut store| {
            *store.data_mut() += 1;
            store.epoch_deadline_callback(|mut store| {
                *store.data_mut() += 10;
                store.epoch_deadline_trap();
                Ok(UpdateDeadline::Continue(0))
            });
            Ok(UpdateDeadline::Continue(0))
        });
        let instance = instance(&mut store, &format!("(module {})", ENDLESS[0]));
        let run = instance.get_typed_func::<(), ()>(&mut store, "run");
        interrupted(run.unwrap().call(&mut store, ()));
        assert_eq!(*store.data(), 11);
    });
}

/// What the callback calls is WebAssembly like any other: its deadline has come, too.
#[test]
fn what_a_callback_calls_has_the_same_deadline() {
    in_every_engine(|engine| {
        let mut store = store(engine, None);
        let instance = instance(&mut store, r#"(module (func (export "run")))"#);
        let run = instance.get_typed_func::<(), ()>(&mut store, "run");
        let run = run.unwrap();
        *store.data_mut() = Some(run);
        store.epoch_deadline_callback(|mut store| {
            let run = store.data().unwrap();
            interrupted(run.call(&mut store, ()));
            store.set_epoch_deadline(1);
            run.call(&mut store, ()).unwrap();
            Ok(UpdateDeadline::Continue(1))
        });
        run.call(&mut store, ()).unwrap();
        run.call(&mut store, ()).unwrap();
    });
}

/// A host function is not stopped; the look behind it is.
#[test]
fn deadlines_come_during_host_calls() {
    const TEXT: &str = r#"(module
        (import "host" "tick" (func $tick (param i32)))
        (func $leaf)
        (func (export "run") (param $n i32)
            (loop
                (call $tick (local.get $n))
                (call $tick (i32.const -1))
                (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))"#;
    in_every_engine(|engine| {
        let mut linker = Linker::new(engine);
        let tick = |mut caller: Caller<'_, Vec<i32>>, n: i32| {
            caller.data_mut().push(n);
            if n == 5 {
                caller.engine().increment_epoch();
            }
        };
        linker.func_wrap("host", "tick", tick).unwrap();
        let module = Module::new(engine, TEXT).unwrap();
        let mut store = store(engine, Vec::new());
        store.set_epoch_deadline(1);
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let run = instance.get_typed_func::<i32, ()>(&mut store, "run");
        let run = run.unwrap();
        interrupted(run.call(&mut store, 7));
        assert_eq!(*store.data(), [7, -1, 6, -1, 5, -1]);
        // Or goes on: a later trap is at its own operator.
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut store| {
            store.data_mut().push(0);
            Ok(UpdateDeadline::Continue(1))
        });
        store.data_mut().clear();
        run.call(&mut store, 6).unwrap();
        let first = [6, -1, 5, -1, 0, 4, -1, 3, -1];
        assert_eq!(store.data()[..first.len()], first);
    });
}

/// Errors name the operator at which code has looked, and later traps their own.
#[test]
fn backtraces_begin_at_the_look() {
    const TEXT: &str = r#"(module
        (func $inner (param $n i32) (result i32)
            (loop (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (i32.div_u (i32.const 1) (local.get $n)))
        (func (export "run") (param $n i32) (result i32) (call $inner (local.get $n))))"#;
    let expected = RefCell::new([None, None]);
    in_every_engine(|engine| {
        let places = |error: upshift::Error| {
            let frames = error.downcast_ref::<WasmBacktrace>().unwrap().frames();
            let place = |frame: &upshift::FrameInfo| (frame.func_index(), frame.module_offset());
            frames.iter().map(place).collect::<Vec<_>>()
        };
        let mut store = store(engine, 0);
        store.epoch_deadline_callback(|mut store| {
            *store.data_mut() += 1;
            Ok(match *store.data() {
                10 => UpdateDeadline::Interrupt,
                _ => UpdateDeadline::Continue(0),
            })
        });
        let instance = instance(&mut store, TEXT);
        let run = instance.get_typed_func::<i32, i32>(&mut store, "run");
        let run = run.unwrap();
        let interrupted = places(run.call(&mut store, 50).unwrap_err());
        let divided = places(run.call(&mut store, 50).unwrap_err());
        assert!(interrupted[0].1 < divided[0].1);
        assert_eq!((interrupted.len(), divided.len()), (2, 2));
        let mut expected = expected.borrow_mut();
        for (expected, found) in expected.iter_mut().zip([interrupted, divided]) {
            assert_eq!(*expected.get_or_insert(found.clone()), found);
        }
    });
}

/// An interruption while the callback runs ends the call, and one by a deadline of the clock.
#[test]
fn interruptions_count_beside_epochs() {
    in_every_engine(|engine| {
        let mut store = store(engine, ());
        let handle = store.interrupt_handle();
        store.epoch_deadline_callback(move |_| {
            handle.interrupt();
            Ok(UpdateDeadline::Continue(u64::MAX))
        });
        let instance = instance(&mut store, &format!("(module {})", ENDLESS[2]));
        let run = instance.get_typed_func::<(), ()>(&mut store, "run");
        let run = run.unwrap();
        interrupted(run.call(&mut store, ()));
        // The deadline has not moved.
        interrupted(run.call(&mut store, ()));
        store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Continue(0)));
        let limit = store.arm_timeout(Duration::from_millis(20));
        let error = run.call(&mut store, ()).unwrap_err();
        assert!(error.is::<upshift::TimedOut>(), "{error:#}");
        drop(limit);
    });
}
