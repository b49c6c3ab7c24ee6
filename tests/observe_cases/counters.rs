//! Counters: equal to what probes and the program itself count, and exact in every tier.

use std::sync::{Arc, Mutex};

use upshift::observe::{BranchCounter, InstrumentedFunc, OperatorKind, Probe, TableCounter};
use upshift::{Config, Engine, Linker, Module, Store};

use crate::{engines, run};

/// A program that counts for itself, in exported globals: entries of `$f`, its iterations, and the
/// directions of its branches.
const TEXT: &str = r#"(module
    (global $entries (export "entries") (mut i64) (i64.const 0))
    (global $iterations (export "iterations") (mut i64) (i64.const 0))
    (global $even (export "even") (mut i64) (i64.const 0))
    (global $odd (export "odd") (mut i64) (i64.const 0))
    (global $back (export "back") (mut i64) (i64.const 0))
    (func $add (param i64) (result i64) (i64.add (local.get 0) (i64.const 1)))
    (func $f (param i32) (result i32)
        (local $sum i32)
        (global.set $entries (call $add (global.get $entries)))
        (loop $next
            (global.set $iterations (call $add (global.get $iterations)))
            (if (i32.and (local.get 0) (i32.const 1))
                (then (global.set $odd (i64.add (global.get $odd) (i64.const 1))))
                (else (global.set $even (i64.add (global.get $even) (i64.const 1)))))
            (local.set $sum (i32.add (local.get $sum) (local.get 0)))
            (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
            (if (i32.gt_s (local.get 0) (i32.const 0))
                (then (global.set $back (i64.add (global.get $back) (i64.const 1)))))
            (br_if $next (i32.gt_s (local.get 0) (i32.const 0))))
        (local.get $sum))
    (func (export "run") (param i32) (result i32)
        (local $n i32) (local $sum i32)
        (local.set $n (local.get 0))
        (loop $next
            (local.set $sum (i32.add (local.get $sum) (call $f (local.get $n))))
            (local.set $n (i32.sub (local.get $n) (i32.const 1)))
            (br_if $next (local.get $n)))
        (local.get $sum)))"#;

/// What an instrument has asked for of `$f`.
#[derive(Clone, Default)]
struct Asked(Arc<Mutex<Counted>>);

#[derive(Default)]
struct Counted {
    entries: u32,
    iterations: u32,
    branches: Vec<BranchCounter>,
}

impl upshift::observe::Instrument for Asked {
    fn instrument(&self, func: &mut InstrumentedFunc<'_>) {
        if func.name() != Some("f") {
            return;
        }
        let mut asked = self.0.lock().unwrap();
        *asked = Counted::default();
        let operators = func.operators();
        asked.entries = func.count(operators[0].offset());
        for &operator in &*operators {
            match operator.kind() {
                OperatorKind::Loop => asked.iterations = func.count(operator.offset()),
                OperatorKind::If | OperatorKind::BrIf => {
                    let counted = func.count_branch(operator);
                    asked.branches.push(counted.expect("it is a branch"));
                }
                _ => assert_eq!(func.count_branch(operator), None),
            }
        }
    }
}

fn global(store: &mut Store<Vec<String>>, instance: &upshift::Instance, name: &str) -> u64 {
    let global = instance.get_global(&mut *store, name).unwrap();
    global.get(&mut *store).unwrap_i64() as u64
}

#[test]
fn counts_are_those_of_the_program() {
    for (mode, engine) in engines(Asked::default()) {
        eprintln!("mode {mode}");
        // The instrument of this engine, in which it notes what it asks for.
        let asked = Asked::default();
        let mut config = engine.config().clone();
        let engine = Engine::new(config.instrument(asked.clone())).unwrap();
        let module = Module::new(&engine, TEXT).unwrap();
        let mut totals = [0; 5];
        for arguments in [[1, 7], [80, 2]] {
            let mut store = Store::new(&engine, Vec::new());
            let _ = store.set_fuel(u64::MAX >> 1);
            store.set_epoch_deadline(1);
            let instance = Linker::new(&engine)
                .instantiate(&mut store, &module)
                .unwrap();
            for argument in arguments {
                run(&mut store, &instance, argument).unwrap();
            }
            let names = ["entries", "iterations", "odd", "even", "back"];
            for (total, name) in totals.iter_mut().zip(names) {
                *total += global(&mut store, &instance, name);
            }
            let counters = module.counters();
            let asked = asked.0.lock().unwrap();
            let [entries, iterations, odd, even, back] = totals;
            assert_eq!(counters[asked.entries as usize], entries);
            assert_eq!(counters[asked.iterations as usize], iterations);
            let directions = asked.branches.iter().map(|it| it.directions(&counters));
            let expected = [(odd, even), (back, entries), (back, entries)];
            assert!(directions.eq(expected), "{mode}");
        }
    }
}

/// The same as counters and as probes: blocks, and all operators that are no loops.
#[test]
fn counts_are_those_of_probes() {
    let texts = [TEXT, include_str!("mixed.wat")];
    for text in texts {
        let count = |func: &mut InstrumentedFunc<'_>| {
            for operator in &*func.operators() {
                func.count(operator.offset());
            }
            for block in func.blocks() {
                func.count_block(block);
            }
        };
        let probe = |func: &mut InstrumentedFunc<'_>| {
            for operator in &*func.operators() {
                func.probe(operator.offset(), operator.offset().into());
            }
        };
        let mut expected = None;
        for (mode, engine) in engines(count) {
            eprintln!("mode {mode}");
            let module = Module::new(&engine, text).unwrap();
            let told = crate::events(&engine, &module, &[4, 90, 3], &crate::nothing);
            let counts = (told, module.counters());
            match &expected {
                None => expected = Some(counts),
                Some(expected) => assert_eq!(*expected, counts, "{mode}"),
            }
        }
        let (_, counters) = expected.unwrap();
        let (_, engine) = engines(probe).next().unwrap();
        let module = Module::new(&engine, text).unwrap();
        let told = crate::events(&engine, &module, &[4, 90, 3], &crate::nothing);
        // Again with the numbers of both: counters in the order of operators, then of blocks.
        let mut config = Config::new();
        let order = Arc::new(Mutex::new(Vec::new()));
        let noted = order.clone();
        config.instrument(move |func: &mut InstrumentedFunc<'_>| {
            let mut order = noted.lock().unwrap();
            order.extend(func.operators().iter().map(|it| (it.offset(), it.kind())));
            let starts = func.blocks().into_iter().map(|block| block.start());
            order.extend(starts.map(|start| (start, OperatorKind::Other)));
        });
        Module::new(&Engine::new(&config).unwrap(), text).unwrap();
        let order = order.lock().unwrap();
        assert_eq!(order.len(), counters.len());
        for (&(offset, _), &counted) in order.iter().zip(&counters) {
            let mark = format!("@{offset} ");
            let probed = told.iter().filter(|line| line.contains(&mark)).count();
            // A block that begins with a loop is entered, where the loop's probe tells iterations.
            let is_loop = order.contains(&(offset, OperatorKind::Loop));
            assert!(
                counted as usize == probed || is_loop,
                "{offset:#x}: {counted}, {probed}"
            );
        }
    }
}

/// Targets of tables, long and short ones, with indexes in registers, locals, memory and constants,
/// within and beyond the table: counted as probes of the index tell.
#[test]
fn targets_of_tables_are_counted() {
    let text = r#"(module
        (memory 1)
        (func $short (param i32) (result i32)
            (block $default (block $b (block $a
                (br_table $a $b $a $default (local.get 0)))
                (return (i32.const 1)))
                (return (i32.const 2)))
            (i32.const 3))
        (func $long (param i32) (result i32)
            (block $default (block $b (block $a
                (br_table $a $b $a $b $a $a $a $b $b $a $b $a $b $default
                    (i32.mul (local.get 0) (i32.const 3))))
                (return (i32.const 1)))
                (return (i32.const 2)))
            (i32.const 3))
        (func $values (param i32) (result i32)
            (block $default (result i32) (block $a (result i32)
                (br_table $a $default $a $default
                    (i32.const 40) (i32.load8_u (local.get 0)))))
            (drop) (i32.const 5))
        (func $known (result i32)
            (block $default (block $b (block $a
                (br_table $a $b $default (i32.const 1)))
                (return (i32.const 1)))
                (return (i32.const 2)))
            (i32.const 3))
        (func $only (param i32) (result i32)
            (block $a (br_table $a (local.get 0))) (i32.const 6))
        (func (export "run") (param i32) (result i32)
            (local $sum i32)
            (i32.store (i32.const 1) (i32.const 0x01ff0302))
            (loop $next
                (local.set $sum (i32.add (local.get $sum) (call $short (local.get 0))))
                (local.set $sum (i32.add (local.get $sum)
                    (call $short (i32.sub (local.get 0) (i32.const 2)))))
                (local.set $sum (i32.add (local.get $sum) (call $long (local.get 0))))
                (local.set $sum (i32.add (local.get $sum) (call $values (local.get 0))))
                (local.set $sum (i32.add (local.get $sum) (call $known)))
                (local.set $sum (i32.add (local.get $sum) (call $only (local.get 0))))
                (br_if $next (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
            (local.get $sum)))"#;
    // With the numbers of counters, by the offsets of tables.
    type Tables = Arc<Mutex<Vec<(u32, TableCounter)>>>;
    let counted = Tables::default();
    let noted = counted.clone();
    let count = move |func: &mut InstrumentedFunc<'_>| {
        let mut tables = noted.lock().unwrap();
        if func.index() == 0 {
            tables.clear();
        }
        for &operator in &*func.operators() {
            func.count(operator.offset());
            let table = func.count_table(operator);
            let is_table = operator.kind() == OperatorKind::BrTable;
            assert_eq!(table.is_some(), is_table);
            tables.extend(table.map(|table| (operator.offset(), table)));
        }
    };
    let probe = |func: &mut InstrumentedFunc<'_>| {
        for operator in &*func.operators() {
            if operator.kind() == OperatorKind::BrTable {
                func.probe_operand(operator.offset(), operator.offset().into());
            }
        }
    };
    let (_, engine) = engines(probe).next().unwrap();
    let module = Module::new(&engine, text).unwrap();
    let arguments = [3, 1, 250];
    let told = crate::events(&engine, &module, &arguments, &crate::nothing);
    for (mode, engine) in engines(count) {
        eprintln!("mode {mode}");
        let module = Module::new(&engine, text).unwrap();
        crate::events(&engine, &module, &arguments, &crate::nothing);
        let counters = module.counters();
        for &(offset, table) in &*counted.lock().unwrap() {
            let targets = table.targets(&counters);
            let mut expected = vec![0; targets.len()];
            let mark = format!("@{offset} Some(\"");
            for line in &told {
                if let Some((_, index)) = line.split_once(&mark) {
                    let index: i32 = index.trim_end_matches("\")").parse().unwrap();
                    let last = targets.len() - 1;
                    expected[last.min(index as u32 as usize)] += 1;
                }
            }
            assert_eq!(targets, expected, "{mode}: {offset:#x}");
            assert_ne!(expected.iter().sum::<u64>(), 0);
        }
        assert_eq!(counted.lock().unwrap().len(), 5);
    }
}

/// Counters of instances that run on several threads at once, and of those that are gone.
#[test]
fn instances_count_apart_and_together() {
    for (mode, engine) in engines(Asked::default()).take(5) {
        eprintln!("mode {mode}");
        let module = Module::new(&engine, TEXT).unwrap();
        let alone = {
            let module = Module::new(&engine, TEXT).unwrap();
            let mut store = Store::new(&engine, Vec::new());
            let instance = Linker::new(&engine)
                .instantiate(&mut store, &module)
                .unwrap();
            run(&mut store, &instance, 300).unwrap();
            module.counters()
        };
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..4 {
                        let mut store = Store::new(&engine, Vec::new());
                        let instance = Linker::new(&engine)
                            .instantiate(&mut store, &module)
                            .unwrap();
                        run(&mut store, &instance, 300).unwrap();
                    }
                });
            }
        });
        let expected: Vec<u64> = alone.iter().map(|count| 12 * count).collect();
        assert_eq!(module.counters(), expected);
    }
}

#[test]
fn nothing_is_counted_without_an_instrument() {
    let module = Module::new(&Engine::default(), TEXT).unwrap();
    assert!(module.counters().is_empty());
}

#[allow(dead_code, reason = "the type is public")]
fn probes_are_copied(probe: &Probe) -> Probe {
    *probe
}
