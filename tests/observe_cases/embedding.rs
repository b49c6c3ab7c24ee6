//! What observers may do, how their errors and panics end calls, and what instrumentation leaves as
//! it is.

use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::bail;
use upshift::observe::{AbortReason, InstrumentedFunc, Observed, Observer, OperatorKind};
use upshift::{
    Config, Engine, ExternRef, Instance, Linker, Module, Result, Store, StoreContextMut, Tier, Val,
    WasmBacktrace,
};
use upshift_spectest::Mode;

use crate::{Told, Writer, assert_balanced, engines, run};

const TEXT: &str = r#"(module
    (global (export "global") (mut i32) (i32.const 0))
    (memory (export "memory") 1)
    (func $helper (export "helper") (param i32) (result i32)
        (i32.add (local.get 0) (i32.const 100)))
    (func $f (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
    (func $same (export "same") (param externref) (result externref) (local.get 0))
    (func $run (export "run") (param i32) (result i32)
        (local $sum i32)
        (loop $next
            (local.set $sum (i32.add (local.get $sum) (call $f (local.get 0))))
            (local.set $sum (i32.add (local.get $sum) (global.get 0)))
            (local.set $sum (i32.add (local.get $sum) (i32.load (i32.const 0))))
            (br_if $next (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
        (local.get $sum)))"#;

fn all(func: &mut InstrumentedFunc<'_>) {
    func.listen(u64::from(func.index()) + 10);
}

/// Fails, panics or works at the n-th event.
#[derive(Clone, Copy)]
enum At {
    Error(usize),
    Panic(usize),
}

/// Writes down as [`Writer`] does, and then fails.
struct Failing(At);

impl Failing {
    fn fail(&self, store: &StoreContextMut<'_, Told>) -> Result<()> {
        match self.0 {
            At::Error(n) if store.data().len() == n => bail!("the observer fails"),
            At::Panic(n) if store.data().len() == n => panic!("the observer panics"),
            At::Error(_) | At::Panic(_) => Ok(()),
        }
    }
}

impl Observer<Told> for Failing {
    fn before(
        &mut self,
        mut store: StoreContextMut<'_, Told>,
        func: &Observed<'_>,
        params: &[Val],
    ) -> Result<()> {
        assert_eq!(func.tag(), u64::from(func.index()) + 10);
        use upshift::AsContextMut as _;
        Writer.before(store.as_context_mut(), func, params)?;
        self.fail(&store)
    }

    fn after(
        &mut self,
        mut store: StoreContextMut<'_, Told>,
        func: &Observed<'_>,
        results: &[Val],
    ) -> Result<()> {
        use upshift::AsContextMut as _;
        Writer.after(store.as_context_mut(), func, results)?;
        self.fail(&store)
    }

    fn abort(&mut self, store: StoreContextMut<'_, Told>, func: &Observed<'_>, why: AbortReason) {
        Writer.abort(store, func, why);
    }
}

fn start<O: Observer<Told>>(engine: &Engine, observer: O) -> (Store<Told>, Instance) {
    let module = Module::new(engine, TEXT).unwrap();
    let mut store = Store::new(engine, Told::new());
    let _ = store.set_fuel(u64::MAX >> 1);
    store.set_epoch_deadline(1);
    store.observer(observer);
    let instance = Linker::new(engine)
        .instantiate(&mut store, &module)
        .unwrap();
    (store, instance)
}

#[test]
fn errors_and_panics_end_the_call() {
    for (mode, engine) in engines(all) {
        eprintln!("mode {mode}");
        for n in [1, 2, 3, 102] {
            let (mut store, instance) = start(&engine, Failing(At::Error(n)));
            let error = run(&mut store, &instance, 100).unwrap_err();
            assert_eq!(error.to_string(), "the observer fails");
            let backtrace = error.downcast_ref::<WasmBacktrace>().expect("a backtrace");
            let names = backtrace.frames().iter().map(|frame| frame.func_name());
            let names: Vec<_> = names
                .map(|name| name.unwrap_or_default().to_owned())
                .collect();
            match n {
                1 => assert_eq!(names, ["run"]),
                _ => assert_eq!(names, ["f", "run"]),
            }
            assert_balanced(store.data());
            assert!(store.data().last().unwrap().ends_with("run)!Error"));

            let (mut store, instance) = start(&engine, Failing(At::Panic(n)));
            let called = catch_unwind(AssertUnwindSafe(|| run(&mut store, &instance, 100)));
            assert_eq!(
                *called.unwrap_err().downcast::<&str>().unwrap(),
                "the observer panics"
            );
            assert_balanced(store.data());
            assert!(store.data().last().unwrap().ends_with("run)!Panic"));
            // And the store goes on.
            assert_eq!(run(&mut store, &instance, 3).unwrap(), 12);
            assert_balanced(store.data());
        }
    }
}

/// Calls a function of the instance, and changes what the program reads.
struct Busy;

impl Observer<Told> for Busy {
    fn before(
        &mut self,
        mut store: StoreContextMut<'_, Told>,
        func: &Observed<'_>,
        params: &[Val],
    ) -> Result<()> {
        if func.name() != Some("f") {
            return Ok(());
        }
        let instance = func.instance();
        let helper = instance.get_typed_func::<i32, i32>(&mut store, "helper")?;
        let result = helper.call(&mut store, params[0].unwrap_i32())?;
        let global = instance.get_global(&mut store, "global").unwrap();
        global.set(&mut store, Val::I32(result))?;
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        memory.write(&mut store, 0, &1000_i32.to_le_bytes())?;
        if memory.size(&store) < 3 {
            memory.grow(&mut store, 1)?;
        }
        store.data_mut().push(result.to_string());
        Ok(())
    }
}

#[test]
fn observers_call_and_change_what_the_program_uses() {
    for (mode, engine) in engines(all) {
        eprintln!("mode {mode}");
        let (mut store, instance) = start(&engine, Busy);
        let expected: i32 = (1..=150).map(|n| 2 * n + (n + 100) + 1000).sum();
        assert_eq!(run(&mut store, &instance, 150).unwrap(), expected);
        let told: Vec<String> = (1..=150).rev().map(|n| (n + 100).to_string()).collect();
        assert_eq!(*store.data(), told);
    }
}

/// Keeps nothing, and makes many values of the host while a reference is passed.
struct Collecting;

impl Observer<Told> for Collecting {
    fn before(
        &mut self,
        mut store: StoreContextMut<'_, Told>,
        _: &Observed<'_>,
        params: &[Val],
    ) -> Result<()> {
        for n in 0..2_000 {
            ExternRef::new(&mut store, n);
        }
        let value = params[0].unwrap_extern_ref().expect("not null");
        let data = value.data(&store).downcast_ref::<String>();
        let data = data.expect("a string").clone();
        store.data_mut().push(data);
        Ok(())
    }
}

#[test]
fn references_stay_while_they_are_told() {
    let same = |func: &mut InstrumentedFunc<'_>| {
        if func.name() == Some("same") {
            func.listen(0);
        }
    };
    for (mode, engine) in engines(same) {
        eprintln!("mode {mode}");
        let (mut store, instance) = start(&engine, Collecting);
        type Same = Option<ExternRef>;
        let same = instance
            .get_typed_func::<Same, Same>(&mut store, "same")
            .unwrap();
        for n in 0..3 {
            let value = ExternRef::new(&mut store, format!("value {n}"));
            let returned = same.call(&mut store, Some(value)).unwrap().unwrap();
            let data = returned.data(&store);
            assert_eq!(
                data.downcast_ref::<String>().unwrap(),
                &format!("value {n}")
            );
        }
        assert_eq!(store.data()[..], ["value 0", "value 1", "value 2"]);
    }
}

#[test]
fn observers_come_and_are_replaced() {
    for (mode, engine) in engines(all).take(7) {
        eprintln!("mode {mode}");
        let module = Module::new(&engine, TEXT).unwrap();
        let mut store = Store::new(&engine, Told::new());
        let instance = Linker::new(&engine)
            .instantiate(&mut store, &module)
            .unwrap();
        run(&mut store, &instance, 50).unwrap();
        assert_eq!(store.data().len(), 0);
        store.observer(Writer);
        run(&mut store, &instance, 1).unwrap();
        assert_eq!(store.data()[..], ["(run 1", "(f 1", "f)2", "run)2"]);
        store.observer(Failing(At::Error(6)));
        run(&mut store, &instance, 1).unwrap_err();
        assert_balanced(store.data());
    }
}

/// Fuel is what it is without instrumentation, and so are results.
#[test]
fn fuel_is_that_of_the_program() {
    let everything = |func: &mut InstrumentedFunc<'_>| {
        func.listen(10);
        for operator in &*func.operators() {
            func.count(operator.offset());
            func.probe_operand(operator.offset(), 0);
        }
    };
    let used = |config: &Config| {
        let engine = Engine::new(config).unwrap();
        let module = Module::new(&engine, include_str!("mixed.wat")).unwrap();
        let mut store = Store::new(&engine, Told::new());
        store.set_fuel(1_000_000).unwrap();
        let instance = Linker::new(&engine)
            .instantiate(&mut store, &module)
            .unwrap();
        let results = [4, 90].map(|n| run(&mut store, &instance, n).unwrap());
        let mut left = vec![store.get_fuel().unwrap()];
        // And it ends at the same place.
        store.set_fuel(777).unwrap();
        let error = run(&mut store, &instance, 90).unwrap_err();
        let frames = error.downcast_ref::<WasmBacktrace>().unwrap().frames();
        left.extend(frames.iter().map(|it| it.module_offset().unwrap() as u64));
        (results, left)
    };
    for mode in Mode::all() {
        eprintln!("mode {mode}");
        let mut config = mode.config();
        let without = used(config.consume_fuel(true));
        assert_eq!(used(config.instrument(everything)), without);
    }
}

/// An instrument that asks for nothing changes no code, and one that asks for something of one
/// function changes that one's.
#[test]
fn code_that_is_not_instrumented_is_the_same() {
    let some = |func: &mut InstrumentedFunc<'_>| {
        if func.name() == Some("f") {
            func.listen(0);
        }
    };
    let without = Engine::default();
    let with = Engine::new(Config::new().instrument(some)).unwrap();
    let modules = [&without, &with].map(|engine| Module::new(engine, TEXT).unwrap());
    for tier in [Tier::Baseline, Tier::Optimizer] {
        for index in 0..4 {
            let [a, b] = modules
                .each_ref()
                .map(|it| it.compile_func(index, tier).unwrap());
            // `run` has the body of `f` in it where that is inlined.
            let same = matches!((index, tier), (0 | 2, _) | (3, Tier::Baseline));
            assert_eq!(a.code == b.code, same, "{tier} {index}");
            assert_eq!(a.relocations == b.relocations, same);
        }
    }
}

#[test]
fn instrumented_code_is_not_stored() {
    let engine = Engine::new(Config::new().instrument(all)).unwrap();
    let module = Module::new(&engine, TEXT).unwrap();
    let error = module.serialize().unwrap_err();
    assert!(error.to_string().contains("instruments modules"));
    assert!(engine.precompile_module(TEXT.as_bytes()).is_err());
}

#[test]
fn programs_that_only_report_can_be_interrupted() {
    let text = r#"(module (func (export "run") (param i32) (result i32)
        (loop (br 0)) (i32.const 0)))"#;
    let loops = |func: &mut InstrumentedFunc<'_>| {
        for operator in &*func.operators() {
            if operator.kind() == OperatorKind::Loop {
                func.probe(operator.offset(), 0);
            }
        }
    };
    for (mode, engine) in engines(loops) {
        eprintln!("mode {mode}");
        let module = Module::new(&engine, text).unwrap();
        let mut store = Store::new(&engine, vec![String::new()]);
        let _ = store.set_fuel(u64::MAX >> 1);
        store.set_epoch_deadline(1);
        store.observer(Failing(At::Error(usize::MAX)));
        let instance = Linker::new(&engine)
            .instantiate(&mut store, &module)
            .unwrap();
        let handle = store.interrupt_handle();
        let stops = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(30));
            handle.interrupt();
        });
        let error = run(&mut store, &instance, 0).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&upshift::Trap::Interrupt));
        stops.join().unwrap();
    }
}
