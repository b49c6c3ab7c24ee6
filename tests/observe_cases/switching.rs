//! Observers that are switched off and on while code runs.

use upshift::observe::InstrumentedFunc;
use upshift::{Caller, Linker, Module, Store};

use super::hosts::All;
use crate::{Told, Writer, assert_balanced, engines, nothing, run, same_everywhere};

fn all(func: &mut InstrumentedFunc<'_>) {
    func.listen(0);
    for operator in &*func.operators() {
        if operator.kind() == upshift::observe::OperatorKind::Loop {
            func.probe(operator.offset(), 7);
        }
    }
}

/// Turns the observer on and off in the middle of everything: in functions that are inlined or not,
/// in loops that become hot, between a throw and what catches it.
const TEXT: &str = r#"(module
    (import "host" "switch" (func $switch (param i32)))
    (tag $tag (param i32))
    (func $small (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
    (func $throw (param i32)
        (call $switch (local.get 0))
        (throw $tag (local.get 0)))
    (func $around (param i32) (result i32)
        (block $caught (result i32)
            (try_table (catch $tag $caught)
                (call $throw (call $small (local.get 0))))
            (unreachable)))
    (func $nested (param i32) (result i32)
        (block $caught (result i32)
            (try_table (catch $tag $caught)
                (drop (call $around (local.get 0)))
                (call $switch (i32.const 1))
                (call $throw (i32.const 3)))
            (unreachable)))
    (func $down (param i32) (result i32)
        (if (i32.eqz (local.get 0)) (then
            (call $switch (i32.const 1))
            (return (call $small (i32.const 0)))))
        (call $down (i32.sub (local.get 0) (i32.const 1))))
    (func $run (export "run") (param i32) (result i32)
        (local $sum i32)
        (loop $next
            (call $switch (i32.and (local.get 0) (i32.const 1)))
            (local.set $sum (i32.add (local.get $sum) (call $small (local.get 0))))
            (local.set $sum (i32.add (local.get $sum) (call $around (local.get 0))))
            (call $switch (i32.const 0))
            (local.set $sum (i32.add (local.get $sum) (call $around (i32.const 0))))
            (local.set $sum (i32.add (local.get $sum) (call $nested (i32.const 2))))
            (call $switch (i32.const 0))
            (local.set $sum (i32.add (local.get $sum) (call $down (i32.const 3))))
            (br_if $next (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
        (call $switch (i32.const 1))
        (call $small (local.get $sum))))"#;

/// Switches on for 1 and off for 0; leaves it as it is for others.
fn define(linker: &mut Linker<Told>) {
    let switch = |mut caller: Caller<'_, Told>, on: i32| {
        if matches!(on, 0 | 1) {
            caller.set_observing(on == 1);
        }
        caller.data_mut().push(format!("switch {on}"));
    };
    linker.func_wrap("host", "switch", switch).unwrap();
}

#[test]
fn observers_are_switched_in_the_middle_of_calls() {
    let told = same_everywhere(all, TEXT, &[1, 2, 300], &define);
    let expected = "\
        (run 1|run@7 None|switch 1|(small 1|small)2|(around 1|(small 1|small)2\
        |(throw 2|switch 2|throw)!Exception|around)2|switch 0|switch 1\
        |(nested 2|(around 2|(small 2|small)3|(throw 3|switch 3|throw)!Exception|around)3\
        |switch 1|(throw 3|switch 3|throw)!Exception|nested)3|switch 0|switch 1\
        |(small 0|small)1|switch 1|(small 9|small)10|= 10";
    assert_eq!(told.join("|").get(..expected.len()), Some(expected));
}

#[test]
fn functions_of_the_host_switch_while_they_are_told_of() {
    let told = same_everywhere(All, TEXT, &[1, 200], &define);
    let expected = "\
        (run 1|(switch 1|switch 1|switch)|(small 1|small)2|(around 1|(small 1|small)2\
        |(throw 2|(switch 2|switch 2|switch)|throw)!Exception|around)2|(switch 0|switch 0\
        |switch 1|(nested 2";
    assert_eq!(told.join("|").get(..expected.len()), Some(expected));
}

/// Switched between calls only, so that all trees are whole.
#[test]
fn what_is_switched_off_tells_nothing() {
    for (mode, engine) in engines(all) {
        eprintln!("mode {mode}");
        let text = r#"(module
            (func $small (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
            (func $run (export "run") (param i32) (result i32)
                (local $sum i32)
                (loop $next
                    (local.set $sum (i32.add (local.get $sum) (call $small (local.get 0))))
                    (br_if $next (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
                (local.get $sum)))"#;
        let module = Module::new(&engine, text).unwrap();
        let mut store = Store::new(&engine, Told::new());
        let _ = store.set_fuel(u64::MAX >> 1);
        store.set_epoch_deadline(1);
        store.observer(Writer);
        assert!(store.is_observing());
        let mut linker = Linker::new(&engine);
        nothing(&mut linker);
        let instance = linker.instantiate(&mut store, &module).unwrap();
        for (n, on) in [(50, true), (500, false), (3, true), (2, false), (1, true)] {
            store.data_mut().clear();
            store.set_observing(on);
            assert_eq!(store.is_observing(), on);
            run(&mut store, &instance, n).unwrap();
            assert_balanced(store.data());
            let lines = if on { 2 + 3 * n as usize } else { 0 };
            assert_eq!(store.data().len(), lines);
        }
    }
}

/// Switched off by the observer itself, and on again by the host.
#[test]
fn observers_switch_themselves_off() {
    struct Once;

    impl upshift::observe::Observer<Told> for Once {
        fn before(
            &mut self,
            mut store: upshift::StoreContextMut<'_, Told>,
            func: &upshift::observe::Observed<'_>,
            _: &[upshift::Val],
        ) -> upshift::Result<()> {
            store.set_observing(false);
            let name = crate::name(func);
            store.data_mut().push(name);
            Ok(())
        }

        fn abort(
            &mut self,
            _: upshift::StoreContextMut<'_, Told>,
            _: &upshift::observe::Observed<'_>,
            _: upshift::observe::AbortReason,
        ) {
            panic!("the calls are forgotten");
        }
    }

    for (mode, engine) in engines(all) {
        eprintln!("mode {mode}");
        let module = Module::new(&engine, TEXT).unwrap();
        let mut store = Store::new(&engine, Told::new());
        let _ = store.set_fuel(u64::MAX >> 1);
        store.set_epoch_deadline(1);
        store.observer(Once);
        let mut linker = Linker::new(&engine);
        linker.func_wrap("host", "switch", |_: i32| ()).unwrap();
        let instance = linker.instantiate(&mut store, &module).unwrap();
        for _ in 0..3 {
            run(&mut store, &instance, 100).unwrap();
            store.set_observing(true);
        }
        assert_eq!(store.data()[..], ["run", "run", "run"]);
    }
}
