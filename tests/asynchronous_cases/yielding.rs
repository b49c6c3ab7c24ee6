//! Guests that yield to their executor in the middle of WebAssembly, by epochs or by fuel.

use std::cell::Cell;
use std::sync::LazyLock;
use std::task::Poll;

use upshift::{
    AsContextMut, Caller, Engine, ExternRef, Instance, Linker, Module, Store, Trap, TypedFunc,
    UpdateDeadline,
};
use upshift_spectest::Mode;

use crate::{block_on, on_new_threads, pending, poll_once};

/// Every mode, with code that looks for deadlines and consumes fuel.
static ENGINES: LazyLock<Vec<(Mode, Engine)>> = LazyLock::new(|| {
    let engine = |&mode: &Mode| {
        let mut config = mode.config();
        config.epoch_interruption(true).consume_fuel(true);
        (mode, Engine::new(&config).unwrap())
    };
    Mode::all().iter().map(engine).collect()
});

fn in_every_mode(test: impl Fn(&Engine)) {
    for (mode, engine) in &*ENGINES {
        eprintln!("mode {mode}");
        test(engine);
    }
}

const TEXT: &str = r#"(module
    (import "host" "note" (func $note (param i32)))
    (import "host" "make" (func $make (param i32) (result externref)))
    (import "host" "number" (func $number (param externref) (result i32)))
    (tag $t (param i32))
    (func (export "count") (param $n i32) (result i32) (local $done i32)
        (loop
            (local.set $done (i32.add (local.get $done) (i32.const 1)))
            (br_if 0 (i32.lt_u (local.get $done) (local.get $n))))
        (local.get $done))
    (func (export "notes") (param $n i32)
        (loop
            (call $note (local.get $n))
            (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
    (func $down (param $n i32) (result i32)
        (if (i32.eqz (local.get $n)) (then (throw $t (i32.const 7))))
        (i32.add (i32.const 1) (call $down (i32.sub (local.get $n) (i32.const 1)))))
    (func $tail (param $n i32) (result i32)
        (if (i32.eqz (local.get $n)) (then (return (call $down (i32.const 20)))))
        (return_call $tail (i32.sub (local.get $n) (i32.const 1))))
    (func (export "many") (param $n i32) (result i32) (local $kept externref) (local $sum i32)
        (local.set $kept (call $make (i32.const 100)))
        (loop
            (block $caught (result i32)
                (try_table (catch $t $caught)
                    (local.set $sum (i32.add (local.get $sum) (call $tail (local.get $n)))))
                (i32.const 0))
            (local.set $sum (i32.add (local.get $sum)))
            (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (i32.add (local.get $sum) (call $number (local.get $kept))))
    (func (export "divide") (param $n i32) (result i32)
        (loop (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (i32.div_u (i32.const 1) (local.get $n))))"#;

type Notes = Vec<i32>;

fn guest(engine: &Engine) -> (Store<Notes>, Instance) {
    let mut linker = Linker::<Notes>::new(engine);
    let note = |mut caller: Caller<'_, Notes>, n: i32| caller.data_mut().push(n);
    linker.func_wrap("host", "note", note).unwrap();
    let make = |caller: Caller<'_, Notes>, number: i32| Some(ExternRef::new(caller, number));
    linker.func_wrap("host", "make", make).unwrap();
    let number = |caller: Caller<'_, Notes>, value: Option<ExternRef>| {
        let data = value.unwrap().data(&caller).downcast_ref::<i32>();
        *data.unwrap()
    };
    linker.func_wrap("host", "number", number).unwrap();
    let module = Module::new(engine, TEXT).unwrap();
    let mut store = Store::new(engine, Vec::new());
    store.set_fuel(u64::MAX).unwrap();
    store.set_epoch_deadline(u64::MAX);
    let instance = linker.instantiate(&mut store, &module).unwrap();
    (store, instance)
}

fn function(store: &mut Store<Notes>, instance: Instance, name: &str) -> TypedFunc<i32, i32> {
    instance.get_typed_func(store, name).unwrap()
}

#[test]
fn each_look_may_yield_and_threads_may_change() {
    in_every_mode(|engine| {
        let (mut store, instance) = guest(engine);
        store.epoch_deadline_async_yield_and_update(0);
        store.set_epoch_deadline(0);
        let count = function(&mut store, instance, "count");
        let (result, polls) = on_new_threads(count.call_async(&mut store, 30));
        assert_eq!((result.unwrap(), polls), (30, 1 + 1 + 30));
        // Functions that are inlined don't look.
        let many = function(&mut store, instance, "many");
        let (result, polls) = on_new_threads(many.call_async(&mut store, 5));
        assert_eq!(result.unwrap(), 5 * 7 + 100);
        assert!(polls > 60, "{polls}");
        // A later trap is that of its operator.
        let divide = function(&mut store, instance, "divide");
        let (result, _) = on_new_threads(divide.call_async(&mut store, 4));
        let error = result.unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Trap::IntegerDivideByZero));
    });
}

#[test]
fn a_yield_waits_for_the_next_poll_and_for_the_next_epoch() {
    in_every_mode(|engine| {
        let (mut store, instance) = guest(engine);
        store.epoch_deadline_async_yield_and_update(1);
        store.set_epoch_deadline(1);
        let count = function(&mut store, instance, "count");
        engine.increment_epoch();
        let mut call = Box::pin(count.call_async(&mut store, 1_000));
        assert!(poll_once(call.as_mut()).is_pending());
        match poll_once(call.as_mut()) {
            Poll::Ready(result) => assert_eq!(result.unwrap(), 1_000),
            Poll::Pending => panic!("no epoch has begun since"),
        }
    });
}

/// Two guests that never wait take turns on one thread.
#[test]
fn guests_take_turns() {
    in_every_mode(|engine| {
        for by_fuel in [false, true] {
            let mut guests = [guest(engine), guest(engine)].map(|(mut store, instance)| {
                if by_fuel {
                    // An iteration of `notes`, from one charge to the next.
                    store.fuel_async_yield_interval(Some(8)).unwrap();
                } else {
                    store.epoch_deadline_async_yield_and_update(0);
                    store.set_epoch_deadline(0);
                }
                let notes = instance.get_typed_func::<i32, ()>(&mut store, "notes");
                (store, notes.unwrap())
            });
            let [(first, notes), (second, other_notes)] = &mut guests;
            let mut calls = [
                Box::pin(notes.call_async(&mut *first, 20)),
                Box::pin(other_notes.call_async(&mut *second, 20)),
            ];
            let mut ended = [0; 2];
            for round in 1..100 {
                for (call, ended) in calls.iter_mut().zip(&mut ended) {
                    if *ended == 0
                        && let Poll::Ready(result) = poll_once(call.as_mut())
                    {
                        result.unwrap();
                        *ended = round;
                    }
                }
            }
            drop(calls);
            assert_eq!(ended[0], ended[1]);
            assert!(ended[0] >= 8, "{ended:?}, by fuel: {by_fuel}");
            for (store, _) in guests {
                assert_eq!(store.into_data(), (1..=20).rev().collect::<Vec<_>>());
            }
        }
    });
}

#[test]
fn yields_by_fuel_change_no_count() {
    let expected = Cell::new(None);
    in_every_mode(|engine| {
        let run = |interval: Option<u64>, fuel: u64| {
            let (mut store, instance) = guest(engine);
            store.set_fuel(fuel).unwrap();
            store.fuel_async_yield_interval(interval).unwrap();
            let many = function(&mut store, instance, "many");
            let (result, polls) = on_new_threads(many.call_async(&mut store, 4));
            let result = result.map_err(|error| error.downcast_ref::<Trap>().copied());
            (result, store.get_fuel().unwrap(), polls)
        };
        let all = run(None, 1 << 40);
        assert_eq!((all.0, all.2), (Ok(4 * 7 + 100), 1));
        let used = (1 << 40) - all.1;
        for interval in [1, 7, 100, used] {
            let (result, left, polls) = run(Some(interval), 1 << 40);
            assert_eq!((result, left), (Ok(4 * 7 + 100), all.1));
            let most = 1 + used / interval;
            assert!(polls as u64 <= most, "{polls} polls, interval {interval}");
            assert!(
                interval == 1 || polls as u64 > most / 4,
                "{polls} polls, {interval}"
            );
            let ends: Vec<_> = [used, used - 1, used / 2, 0]
                .map(|fuel| run(Some(interval), fuel))
                .into_iter()
                .map(|(result, left, _)| (result, left))
                .collect();
            let without = [used, used - 1, used / 2, 0].map(|fuel| run(None, fuel));
            let without = without.map(|(result, left, _)| (result, left));
            assert_eq!(ends, without);
            assert_eq!(ends[0], (Ok(4 * 7 + 100), 0));
            assert_eq!(ends[3], (Err(Some(Trap::OutOfFuel)), 0));
        }
        let polls = run(Some(7), 1 << 40).2;
        assert_eq!(expected.get().unwrap_or(polls), polls);
        expected.set(Some(polls));
    });
}

#[test]
fn synchronous_calls_can_not_yield() {
    in_every_mode(|engine| {
        let (mut store, instance) = guest(engine);
        let count = function(&mut store, instance, "count");
        // Where a callback asks for it, the call ends.
        store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Yield(1)));
        store.set_epoch_deadline(0);
        let error = count.call(&mut store, 3).unwrap_err();
        assert!(format!("{error:?}").contains("`call_async`"), "{error:?}");
        store.epoch_deadline_callback(|_| Ok(UpdateDeadline::YieldCustom(1, Box::pin(pending(1)))));
        let error = count.call(&mut store, 3).unwrap_err();
        assert!(format!("{error:?}").contains("`call_async`"), "{error:?}");
        assert_eq!(block_on(count.call_async(&mut store, 3)).unwrap(), 3);
        assert_eq!(count.call(&mut store, 3).unwrap(), 3);

        // Where the store yields, it does not begin.
        store.fuel_async_yield_interval(None).unwrap();
        assert_eq!(count.call(&mut store, 3).unwrap(), 3);
        for by_fuel in [false, true] {
            let (mut store, instance) = guest(engine);
            let count = function(&mut store, instance, "count");
            match by_fuel {
                true => store.fuel_async_yield_interval(Some(1000)).unwrap(),
                false => store.epoch_deadline_async_yield_and_update(1),
            }
            let error = count.call(&mut store, 3).unwrap_err().to_string();
            assert!(
                error.contains("yields") && error.contains("`call_async`"),
                "{error}"
            );
            let empty = Module::new(engine, "(module)").unwrap();
            let error = Instance::new(&mut store, &empty, &[])
                .unwrap_err()
                .to_string();
            assert!(error.contains("yields"), "{error}");
            block_on(Instance::new_async(&mut store, &empty, &[])).unwrap();
            assert_eq!(block_on(count.call_async(&mut store, 3)).unwrap(), 3);
            // Nor within an asynchronous call.
            store.epoch_deadline_callback(move |mut store| {
                store.set_epoch_deadline(1);
                assert!(count.call(&mut store, 3).is_err());
                Ok(UpdateDeadline::Continue(1))
            });
            store.set_epoch_deadline(0);
            assert_eq!(block_on(count.call_async(&mut store, 3)).unwrap(), 3);
        }
    });
}

#[test]
fn a_callback_may_wait_for_a_future() {
    in_every_mode(|engine| {
        let (mut store, instance) = guest(engine);
        store.epoch_deadline_callback(|mut store| {
            store.data_mut().push(0);
            let waits = store.data().len() as u32;
            Ok(UpdateDeadline::YieldCustom(0, Box::pin(pending(waits))))
        });
        store.set_epoch_deadline(0);
        let count = function(&mut store, instance, "count");
        let (result, polls) = on_new_threads(count.call_async(&mut store, 4));
        // The entry, and four iterations.
        assert_eq!((result.unwrap(), polls), (4, 1 + 1 + 2 + 3 + 4 + 5));
    });
}

#[test]
fn calls_are_cancelled_and_interrupted_where_they_have_yielded() {
    in_every_mode(|engine| {
        for by_fuel in [false, true] {
            let (mut store, instance) = guest(engine);
            match by_fuel {
                true => store.fuel_async_yield_interval(Some(10)).unwrap(),
                false => {
                    store.epoch_deadline_async_yield_and_update(0);
                    store.set_epoch_deadline(0);
                }
            }
            let many = function(&mut store, instance, "many");
            for polls in 1..12 {
                let mut call = Box::pin(many.call_async(&mut store, 4));
                for _ in 0..polls {
                    assert!(poll_once(call.as_mut()).is_pending());
                }
                drop(call);
                store.as_context_mut().gc();
            }
            let handle = store.interrupt_handle();
            let mut call = Box::pin(many.call_async(&mut store, 4));
            assert!(poll_once(call.as_mut()).is_pending());
            handle.interrupt();
            let Poll::Ready(result) = poll_once(call.as_mut()) else {
                panic!("interrupted");
            };
            let error = result.unwrap_err();
            assert_eq!(error.downcast_ref(), Some(&Trap::Interrupt));
            drop(call);
            let result = block_on(many.call_async(&mut store, 4));
            assert_eq!(result.unwrap(), 4 * 7 + 100);
        }
    });
}

#[test]
fn intervals_need_fuel_and_are_not_zero() {
    let (mut store, _) = guest(&ENGINES[0].1);
    assert!(store.fuel_async_yield_interval(Some(0)).is_err());
    let mut store = Store::new(&Engine::default(), ());
    assert!(store.fuel_async_yield_interval(Some(5)).is_err());
}
