//! Limits of a store's resources, and the cost of what is not used.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use upshift::{
    Engine, Instance, Memory, MemoryType, Module, Ref, RefType, ResourceLimiter, Result, Store,
    StoreLimits, StoreLimitsBuilder, Table, TableType, WasmBacktrace,
};

use crate::{in_every_mode, instance};

const GROWING: &str = r#"(module $growing
    (memory (export "memory") 1 100)
    (table (export "table") 1 100 funcref)
    (func $grow_memory (export "grow_memory") (param i32) (result i32) (memory.grow (local.get 0)))
    (func $grow_table (export "grow_table") (param i32) (result i32)
        (table.grow (ref.null func) (local.get 0))))"#;

fn limited<T: Send + 'static>(
    engine: &Engine,
    data: T,
    limiter: impl (FnMut(&mut T) -> &mut dyn ResourceLimiter) + Send + Sync + 'static,
) -> Store<T> {
    let mut store = Store::new(engine, data);
    store.limiter(limiter);
    store
}

fn with_limits(engine: &Engine, limits: StoreLimitsBuilder) -> Store<StoreLimits> {
    limited(engine, limits.build(), |limits| limits)
}

/// Calls an exported function of type `i32 -> i32`.
fn call<T: Send + 'static>(
    store: &mut Store<T>,
    instance: Instance,
    name: &str,
    argument: i32,
) -> Result<i32> {
    let func = instance.get_typed_func::<i32, i32>(&mut *store, name)?;
    func.call(store, argument)
}

#[test]
fn growth_stops_at_the_limit_and_not_before() {
    in_every_mode(|engine| {
        let limits = StoreLimitsBuilder::new()
            .memory_size(3 << 16)
            .table_elements(5);
        let mut store = with_limits(engine, limits);
        let module = Module::new(engine, GROWING).unwrap();
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let mut grow = |name, by| call(&mut store, instance, name, by).unwrap();
        assert_eq!(grow("grow_memory", 1), 1);
        assert_eq!(grow("grow_memory", 2), -1);
        assert_eq!(grow("grow_memory", 1), 2);
        assert_eq!(grow("grow_memory", 1), -1);
        assert_eq!(grow("grow_memory", 0), 3);
        assert_eq!(grow("grow_table", 5), -1);
        assert_eq!(grow("grow_table", 4), 1);
        assert_eq!(grow("grow_table", 1), -1);
        // The host is held to the same limits.
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        assert!(memory.grow(&mut store, 1).is_err());
        let table = instance.get_table(&mut store, "table").unwrap();
        assert!(table.grow(&mut store, 1, Ref::Func(None)).is_err());
    });
}

#[test]
fn failures_to_grow_can_trap() {
    in_every_mode(|engine| {
        let limits = StoreLimitsBuilder::new().memory_size(2 << 16);
        let mut store = with_limits(engine, limits.trap_on_grow_failure(true));
        let module = Module::new(engine, GROWING).unwrap();
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        for (name, by) in [
            ("grow_memory", 2),
            ("grow_memory", 200),
            ("grow_table", 100),
        ] {
            let error = call(&mut store, instance, name, by).unwrap_err();
            let message = format!("{error:#}");
            assert!(
                message.contains("failures to grow are to trap"),
                "{message}"
            );
            let backtrace = error.downcast_ref::<WasmBacktrace>().expect("frames");
            let [frame] = backtrace.frames() else {
                panic!("{backtrace}");
            };
            assert_eq!(frame.func_name(), Some(name));
        }
        assert_eq!(call(&mut store, instance, "grow_memory", 1).unwrap(), 1);
    });
}

/// A limiter that records what it is asked, and refuses what it is told to.
#[derive(Default)]
struct Recorder {
    seen: Vec<String>,
    error: bool,
    panic: bool,
}

impl Recorder {
    fn growing(&mut self, what: &str, sizes: (usize, usize, Option<usize>)) -> Result<bool> {
        assert!(!self.panic, "the limiter panics");
        anyhow::ensure!(!self.error, "the limiter fails");
        self.seen.push(format!("{what} {sizes:?}"));
        Ok(true)
    }

    fn failed(&mut self, what: &str) -> Result<()> {
        self.seen.push(format!("{what} failed"));
        Ok(())
    }
}

impl ResourceLimiter for Recorder {
    fn memory_growing(&mut self, from: usize, to: usize, max: Option<usize>) -> Result<bool> {
        self.growing("memory", (from, to, max))
    }

    fn memory_grow_failed(&mut self, _: upshift::Error) -> Result<()> {
        self.failed("memory")
    }

    fn table_growing(&mut self, from: usize, to: usize, max: Option<usize>) -> Result<bool> {
        self.growing("table", (from, to, max))
    }

    fn table_grow_failed(&mut self, _: upshift::Error) -> Result<()> {
        self.failed("table")
    }
}

#[test]
fn a_limiter_sees_every_request_and_every_failure() {
    in_every_mode(|engine| {
        let mut store = limited(engine, Recorder::default(), |recorder| recorder);
        let module = Module::new(engine, GROWING).unwrap();
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let max = Some(100 << 16);
        assert_eq!(
            std::mem::take(&mut store.data_mut().seen),
            [
                format!("memory {:?}", (0, 1 << 16, max)),
                format!("table {:?}", (0, 1, Some(100)))
            ]
        );
        assert_eq!(call(&mut store, instance, "grow_memory", 1).unwrap(), 1);
        assert_eq!(call(&mut store, instance, "grow_memory", 99).unwrap(), -1);
        assert_eq!(call(&mut store, instance, "grow_table", 100).unwrap(), -1);
        Memory::new(&mut store, MemoryType::new(0, None)).unwrap();
        Table::new(
            &mut store,
            TableType::new(RefType::FUNCREF, 2, None),
            Ref::Func(None),
        )
        .unwrap();
        assert_eq!(
            store.data().seen,
            [
                format!("memory {:?}", (1 << 16, 2 << 16, max)),
                format!("memory {:?}", (2 << 16, 101 << 16, max)),
                "memory failed".into(),
                format!("table {:?}", (1, 101, Some(100))),
                "table failed".into(),
                format!("memory {:?}", (0, 0, None::<usize>)),
                format!("table {:?}", (0, 2, None::<usize>)),
            ]
        );
    });
}

#[test]
fn a_limiters_errors_and_panics_pass_through_webassembly() {
    in_every_mode(|engine| {
        let mut store = limited(engine, Recorder::default(), |recorder| recorder);
        let module = Module::new(engine, GROWING).unwrap();
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        for name in ["grow_memory", "grow_table"] {
            store.data_mut().error = true;
            let error = call(&mut store, instance, name, 1).unwrap_err();
            assert_eq!(error.to_string(), "the limiter fails");
            store.data_mut().error = false;
            store.data_mut().panic = true;
            let called = AssertUnwindSafe(|| call(&mut store, instance, name, 1));
            assert!(catch_unwind(called).is_err());
            store.data_mut().panic = false;
            assert_eq!(call(&mut store, instance, name, 1).unwrap(), 1);
        }
        store.data_mut().error = true;
        let error = Instance::new(&mut store, &module, &[]).unwrap_err();
        assert_eq!(error.to_string(), "the limiter fails");
    });
}

#[test]
fn numbers_of_items_are_limited() {
    let engine = Engine::default();
    let module = Module::new(&engine, GROWING).unwrap();
    let limits = StoreLimitsBuilder::new;
    let funcs = TableType::new(RefType::FUNCREF, 0, None);
    for (limits, kind) in [
        (limits().instances(1), "2 instances"),
        (limits().memories(1), "2 memories"),
        (limits().tables(1), "2 tables"),
    ] {
        let mut store = with_limits(&engine, limits);
        Instance::new(&mut store, &module, &[]).unwrap();
        let error = Instance::new(&mut store, &module, &[])
            .unwrap_err()
            .to_string();
        assert!(error.contains(kind), "{error}");
    }
    let mut store = with_limits(&engine, limits().memories(1).tables(1));
    Memory::new(&mut store, MemoryType::new(0, None)).unwrap();
    assert!(Memory::new(&mut store, MemoryType::new(0, None)).is_err());
    Table::new(&mut store, funcs, Ref::Func(None)).unwrap();
    assert!(Table::new(&mut store, funcs, Ref::Func(None)).is_err());
    let mut store = with_limits(&engine, limits().memory_size(65_535));
    let error = Instance::new(&mut store, &module, &[])
        .unwrap_err()
        .to_string();
    assert_eq!(error, "a memory of 1 pages exceeds the store's limit");
}

/// The resident memory of this process, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages = status.split(' ').nth(1).expect("a second number");
    pages.parse::<usize>().expect("a number") * 4096
}

#[test]
fn null_elements_cost_nothing() {
    let engine = Engine::default();
    let table = "(table 10000000 externref)";
    let text = format!(
        "(module {}
            (func (export \"f\") (param i32) (result i32)
                (table.grow 9 (ref.null extern) (local.get 0)))
            (table $grows (export \"t\") 10 externref))",
        table.repeat(9)
    );
    let before = resident();
    let (mut store, instance) = instance(&engine, &text);
    let grown = call(&mut store, instance, "f", 9_000_000).unwrap();
    assert_eq!(grown, 10);
    let table = instance.get_table(&mut store, "t").unwrap();
    assert_eq!(table.size(&store), 9_000_010);
    let last = table.get(&mut store, 9_000_009).expect("an element");
    assert!(last.is_null());
    let taken = resident().saturating_sub(before);
    // The table has 800 MB of elements.
    assert!(taken < 100 << 20, "{taken} bytes");
}

#[test]
fn elements_survive_growth() {
    in_every_mode(|engine| {
        let (mut store, instance) = instance(
            engine,
            r#"(module
                (table $t (export "t") 0 funcref)
                (func $seven (export "seven") (result i32) (i32.const 7))
                (type $i (func (result i32)))
                (func (export "grow") (param i32) (result i32)
                    (table.grow (ref.null func) (local.get 0)))
                (func (export "put") (param i32) (result i32)
                    (table.set (local.get 0) (ref.func $seven)) (i32.const 0))
                (func (export "call") (param i32) (result i32)
                    (call_indirect (type $i) (local.get 0))))"#,
        );
        let mut len = 0;
        for by in [1, 3, 500, 20, 1000, 1_000_000] {
            assert_eq!(call(&mut store, instance, "grow", by).unwrap(), len);
            len += by;
            call(&mut store, instance, "put", len - 1).unwrap();
            assert!(call(&mut store, instance, "call", len - 2).is_err() || by == 1);
        }
        for at in [0, 3, 503, 523, 1523, 1_001_523] {
            assert_eq!(call(&mut store, instance, "call", at).unwrap(), 7);
        }
        assert!(call(&mut store, instance, "call", len).is_err());
    });
}

#[test]
fn making_stores_is_linear() {
    let engine = Engine::default();
    let start = Instant::now();
    let stores: Vec<_> = (0..100_000).map(|_| Store::new(&engine, ())).collect();
    let elapsed = start.elapsed();
    // Half a second on a busy machine. Time quadratic in the count would be five billion steps.
    assert!(
        elapsed < Duration::from_secs(4),
        "{elapsed:?} for {} stores",
        stores.len()
    );
}

/// A module with a large table, whose chunks instances fill on demand: functions that return their
/// number, at every place but each hundredth.
fn large_table(len: u32, limits: &str) -> String {
    let mut text = format!(
        r#"(module
            (type $number (func (result i32)))
            (table $t (export "table") {limits} funcref)
            (global $first (export "first") funcref (ref.func $f0))
            (func (export "at") (param i32) (result i32)
                (call_indirect $t (type $number) (local.get 0)))
            (func (export "is_null") (param i32) (result i32)
                (ref.is_null (table.get $t (local.get 0))))
            (func (export "clear") (param i32) (result i32)
                (table.set $t (local.get 0) (ref.null func)) (i32.const 0))
            (func (export "copy") (param i32) (result i32)
                (table.copy $t $t (i32.const 0) (local.get 0) (i32.const 2)) (i32.const 0))
            (func (export "grow") (param i32) (result i32)
                (table.grow $t (ref.func $f7) (local.get 0)))"#
    );
    for n in 0..len {
        text.push_str(&format!("(func $f{n} (type $number) (i32.const {n}))"));
    }
    text.push_str("(elem (table $t) (i32.const 0) funcref ");
    for n in 0..len {
        match n % 100 {
            99 => text.push_str("(ref.null func)"),
            _ => text.push_str(&format!("(ref.func $f{n})")),
        }
    }
    text + "))"
}

#[test]
fn large_tables_hold_what_their_segments_say() {
    let wasm = wat::parse_str(large_table(5000, "5000 6000")).unwrap();
    in_every_mode(|engine| {
        let module = Module::new(engine, &wasm).unwrap();
        let new = || {
            let mut store = Store::new(engine, ());
            let instance = Instance::new(&mut store, &module, &[]).unwrap();
            (store, instance)
        };
        let (mut store, instance) = new();
        let mut at = |name, n| call(&mut store, instance, name, n);
        for n in [4998, 0, 2047, 2048, 1, 3000, 4097] {
            assert_eq!(at("at", n).unwrap(), n);
            assert_eq!(at("is_null", n).unwrap(), 0);
        }
        let null = at("at", 4999).unwrap_err();
        assert_eq!(
            null.downcast_ref(),
            Some(&upshift::Trap::UninitializedElement)
        );
        let beyond = at("at", 5000).unwrap_err();
        assert_eq!(
            beyond.downcast_ref(),
            Some(&upshift::Trap::UndefinedElement)
        );
        // A written element is not overwritten when its chunk is touched later.
        at("clear", 17).unwrap();
        assert_eq!(at("is_null", 17).unwrap(), 1);
        assert_eq!(at("at", 2049).unwrap(), 2049);
        assert_eq!(at("is_null", 17).unwrap(), 1);
        at("copy", 4000).unwrap();
        assert_eq!((at("at", 0).unwrap(), at("at", 1).unwrap()), (4000, 4001));
        // The table moves when it grows.
        assert_eq!(at("grow", 10).unwrap(), 5000);
        assert_eq!(
            (at("at", 5009).unwrap(), at("at", 1234).unwrap()),
            (7, 1234)
        );
        assert_eq!(at("is_null", 17).unwrap(), 1);
        // Instances don't share chunks, and the host may touch a chunk first.
        let (mut store, instance) = new();
        let table = instance.get_table(&mut store, "table").unwrap();
        let get = |store: &mut Store<()>, n| match table.get(store, n) {
            Some(Ref::Func(func)) => func,
            other => panic!("{other:?}"),
        };
        let func = get(&mut store, 17).expect("a function");
        assert_eq!(
            func.typed::<(), i32>(&store)
                .unwrap()
                .call(&mut store, ())
                .unwrap(),
            17
        );
        assert!(get(&mut store, 99).is_none());
        // A function has one handle, wherever it was found.
        let first = instance.get_global(&mut store, "first").unwrap();
        let first = first.get(&mut store).unwrap_func_ref().expect("a function");
        assert_eq!(Some(first), get(&mut store, 0));
        table.set(&mut store, 3, Ref::Func(Some(first))).unwrap();
        assert_eq!(call(&mut store, instance, "at", 3).unwrap(), 0);
    });
}

#[test]
fn other_instances_touch_tables_first() {
    let wasm = wat::parse_str(large_table(5000, "5000 5000")).unwrap();
    let user = r#"(module
        (type $number (func (result i32)))
        (import "a" "table" (table 5000 funcref))
        (import "a" "first" (global $first funcref))
        (table $own 1 funcref)
        (elem (table $own) (i32.const 0) funcref (global.get $first))
        (func (export "at") (param i32) (result i32)
            (i32.add
                (call_indirect (type $number) (local.get 0))
                (call_indirect $own (type $number) (i32.const 0)))))"#;
    in_every_mode(|engine| {
        let module = Module::new(engine, &wasm).unwrap();
        let mut store = Store::new(engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let mut linker = upshift::Linker::new(engine);
        linker.instance(&mut store, "a", instance).unwrap();
        let user = linker
            .instantiate(&mut store, &Module::new(engine, user).unwrap())
            .unwrap();
        assert_eq!(call(&mut store, user, "at", 4321).unwrap(), 4321);
        assert!(call(&mut store, user, "at", 4299).is_err());
    });
}

#[test]
fn segments_out_of_bounds_trap_after_those_before_them() {
    in_every_mode(|engine| {
        let mut text = large_table(3000, "3000 3000");
        text.truncate(text.len() - 1);
        text.push_str("(elem (table $t) (i32.const 2999) func $f1 $f2))");
        let mut store = Store::new(engine, ());
        let module = Module::new(engine, wat::parse_str(text).unwrap()).unwrap();
        let error = Instance::new(&mut store, &module, &[]).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&upshift::Trap::TableOutOfBounds));
    });
}

/// A module that declares `2^bits` function types, and one function of the last of them.
fn many_types(bits: u32, extra: &str) -> String {
    let mut text = String::from("(module ");
    for n in 0..1_u32 << bits {
        text.push_str("(type (func (param");
        for bit in 0..bits {
            text.push_str([" i32", " f64"][(n >> bit & 1) as usize]);
        }
        text.push_str(")))");
    }
    text + extra + ")"
}

#[test]
fn types_are_freed_and_burden_no_other_store() {
    let engine = Engine::default();
    let own = r#"(type $own (func (param i64 f32 i64)))
        (table 1 funcref) (elem (i32.const 0) $f)
        (func $f (type $own))
        (func (export "f") (param i32) (result i32)
            (call_indirect (type $own) (i64.const 1) (f32.const 2) (i64.const 3) (i32.const 0))
            (local.get 0))"#;
    let many = wat::parse_str(many_types(15, own)).unwrap();
    let small = wat::parse_str(format!("(module {own})")).unwrap();
    let run = |wasm: &[u8]| {
        let module = Module::new(&engine, wasm).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        assert_eq!(call(&mut store, instance, "f", 5).unwrap(), 5);
        store
    };
    drop(run(&many));
    let before = resident();
    for _ in 0..20 {
        drop(run(&many));
    }
    // Each time would leave 10 MB behind.
    let grown = resident().saturating_sub(before);
    assert!(grown < 50 << 20, "{grown} bytes");
    // While a store of many types exists, others are as small as without it.
    let _large = run(&many);
    let before = resident();
    let stores: Vec<_> = (0..500).map(|_| run(&small)).collect();
    // Each store would have a vector of 32,768 entries of 24 bytes.
    let grown = resident().saturating_sub(before);
    assert!(
        grown < 150 << 20,
        "{grown} bytes for {} stores",
        stores.len()
    );
}
