//! Counters of sites: each call and each iteration is counted once, whatever the program does.

use upshift::{Config, Engine, Instance, Module, Store, Strategy};

/// A module with its counters, and what each site has counted so far.
struct Rig {
    store: Store<()>,
    instance: Instance,
    module: Module,
}

impl Rig {
    fn new(text: &str, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new();
        config.strategy(Strategy::Baseline).count_sites(true);
        change(&mut config);
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, text).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        Self {
            store,
            instance,
            module,
        }
    }

    fn call(&mut self, name: &str, value: i32) -> upshift::Result<i32> {
        let store = &mut self.store;
        let func = self.instance.get_typed_func::<i32, i32>(&mut *store, name);
        func.unwrap().call(store, value)
    }

    fn counts(&self) -> Vec<u32> {
        let mut cells = Vec::new();
        self.module.copy_site_counters(&mut cells);
        cells.iter().map(|cell| cell.wrapping_neg()).collect()
    }
}

/// `run(n)`: `n` rounds of an outer loop, each with three of a short inner one, and a call in each
/// second round. `deep(n)`: `n` calls of itself. `trap(n)`: traps in the `n`th round.
const TEXT: &str = r#"(module
    (func $odd (export "odd") (param i32) (result i32)
        (i32.and (local.get 0) (i32.const 1)))
    (func (export "run") (param $n i32) (result i32) (local $i i32) (local $sum i32)
        (loop $outer
            (local.set $i (i32.const 3))
            (loop $inner
                (local.set $sum (i32.add (local.get $sum) (local.get $i)))
                (br_if $inner (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
            (if (i32.and (local.get $n) (i32.const 1))
                (then (local.set $sum (i32.add (local.get $sum) (call $odd (local.get $n))))))
            (br_if $outer (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (local.get $sum))
    (func $deep (export "deep") (param i32) (result i32)
        (if (result i32) (local.get 0)
            (then (call $deep (i32.sub (local.get 0) (i32.const 1))))
            (else (i32.const 0))))
    (func (export "trap") (param i32) (result i32)
        (loop $next
            (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
            (drop (call $odd (i32.const 1)))
            (drop (i32.div_u (i32.const 1) (local.get 0)))
            (br $next))
        (unreachable)))"#;

#[test]
fn each_call_and_iteration_is_counted_once() {
    for eager in [false, true] {
        let mut rig = Rig::new(TEXT, |config| {
            config.eager(eager);
        });
        let functions = rig.module.counted_functions();
        let sites: Vec<usize> = functions.iter().map(|one| one.sites.len()).collect();
        assert_eq!(sites, [1, 3, 1, 2]);
        assert_eq!(functions[1].sites[2].depth, 1);
        assert_eq!(rig.counts(), [0; 7]);
        assert_eq!(rig.call("run", 10).unwrap(), 10 * 6 + 5);
        assert_eq!(rig.counts(), [5, 1, 10, 30, 0, 0, 0]);
        assert_eq!(rig.call("deep", 100).unwrap(), 0);
        rig.call("trap", 4).unwrap_err();
        assert_eq!(rig.counts(), [9, 1, 10, 30, 101, 1, 4]);
    }
}

#[test]
fn counters_belong_to_the_module_and_wrap_around() {
    let mut rig = Rig::new(TEXT, |_| {});
    let second = Instance::new(&mut rig.store, &rig.module, &[]).unwrap();
    rig.call("odd", 1).unwrap();
    rig.instance = second;
    rig.call("odd", 1).unwrap();
    assert_eq!(rig.counts()[0], 2);
}

/// Threads count in the module's cells, where others have budgets in their contexts.
#[test]
fn modules_of_threads_are_counted_too() {
    let mut rig = Rig::new(
        r#"(module
            (memory 1 1 shared)
            (func (export "run") (param $n i32) (result i32)
                (loop $next
                    (i32.store (i32.const 0) (local.get $n))
                    (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
                (i32.load (i32.const 0))))"#,
        |_| {},
    );
    assert_eq!(rig.call("run", 1000).unwrap(), 1);
    assert_eq!(rig.counts(), [1, 1000]);
}

#[test]
fn counting_needs_baseline_code() {
    let mut config = Config::new();
    config.count_sites(true);
    let error = Engine::new(&config).unwrap_err().to_string();
    assert!(error.contains("mode `baseline`"), "{error}");
    let engine = Engine::default();
    let module = Module::new(&engine, TEXT).unwrap();
    assert!(module.counted_functions().is_empty());
}
