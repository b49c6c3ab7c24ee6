//! Address space: the guards before memories, and spaces that are used again.

use std::fs;

use upshift::{
    Config, Engine, Func, Instance, Memory, MemoryBounds, MemoryType, Module, Store, Strategy,
};

/// Addresses and access rights of the mapping that contains an address, if there is one.
fn mapping(addr: usize) -> Option<(usize, usize, String)> {
    let text = fs::read_to_string("/proc/self/maps").unwrap();
    let parse = |line: &str| {
        let mut fields = line.split_whitespace();
        let (start, end) = fields.next().unwrap().split_once('-').unwrap();
        let hex = |digits| usize::from_str_radix(digits, 16).unwrap();
        (hex(start), hex(end), fields.next().unwrap().to_string())
    };
    let mut mappings = text.lines().map(parse);
    mappings.find(|(start, end, _)| (*start..*end).contains(&addr))
}

#[test]
fn nothing_accessible_lies_before_a_memory() {
    for (bounds, guard) in [
        (MemoryBounds::GuardPages, 64 << 20),
        (MemoryBounds::Explicit, 1 << 16),
    ] {
        let engine = Engine::new(Config::new().memory_bounds(bounds)).unwrap();
        let mut store = Store::new(&engine, ());
        // A context of some pages.
        let globals = "(global i64 (i64.const 7))".repeat(5000);
        let module = format!(r#"(module {globals} (memory (export "memory") 1))"#);
        let module = Module::new(&engine, module).unwrap();
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let defined = instance.get_memory(&mut store, "memory").unwrap();
        let host = Memory::new(&mut store, MemoryType::new(1, Some(2))).unwrap();
        for memory in [defined, host] {
            let base = memory.data(&store).as_ptr() as usize;
            let (_, _, rights) = mapping(base).unwrap();
            assert_eq!(rights, "rw-p", "{bounds:?}");
            let (start, end, rights) = mapping(base - 1).expect("a guard");
            assert_eq!((end, &*rights), (base, "---p"), "{bounds:?}");
            assert!(end - start >= guard, "{bounds:?}: {} bytes", end - start);
        }
    }
}

/// A module with all that an instance can leave behind in its space: a memory with an image, which
/// grows, globals, and references to functions. If there are very many of these, references are
/// filled on demand.
fn leaves_traces(funcs: i32) -> String {
    let one = |n| format!(r#"(func (export "f{n}") (result i32) i32.const 1)"#);
    let many: String = (0..funcs).map(one).collect();
    let data = "0123456789abcdef".repeat(1 << 10);
    format!(
        r#"(module
            (import "host" "number" (func $number (result i32)))
            {many}
            (type $number (func (result i32)))
            (table (export "table") {len} funcref)
            (elem (i32.const 1) func {elements})
            (elem (i32.const 0) func $number)
            (memory (export "memory") 2 20)
            (data (i32.const 4096) "{data}")
            (global (export "global") (mut i64) (i64.const 7))
            (func (export "load") (param i32) (result i32) (i32.load8_u (local.get 0)))
            (func (export "call") (param i32) (result i32)
                (call_indirect (type $number) (local.get 0)))
            (func (export "dirty")
                (drop (memory.grow (i32.const 5)))
                (memory.fill (i32.const 0) (i32.const 0xee) (i32.const 0x70000))
                (global.set 0 (i64.const 8))
                (table.fill (i32.const 0) (ref.func 5) (i32.const {len}))))"#,
        len = funcs + 1000,
        elements = (1..=funcs).map(|n| format!("{n} ")).collect::<String>(),
    )
}

#[test]
fn an_instance_in_a_used_space_is_as_in_a_new_one() {
    for (strategy, kept) in [
        (Strategy::Baseline, 2),
        (Strategy::Baseline, 0),
        (Strategy::Optimizer, 2),
        (Strategy::Tiered, 2),
    ] {
        for bounds in [MemoryBounds::GuardPages, MemoryBounds::Explicit] {
            let mut config = Config::new();
            config.strategy(strategy).memory_bounds(bounds);
            let engine = Engine::new(config.instance_spaces_kept(kept)).unwrap();
            // With a context of a few pages, and with one that is not kept in memory.
            for funcs in [20, 2000] {
                let module = Module::new(&engine, leaves_traces(funcs)).unwrap();
                for round in 0..5 {
                    eprintln!("{strategy:?}, {bounds:?}, {funcs} functions, round {round}");
                    use_instance(&module, funcs, round, kept > 0);
                }
            }
        }
    }
}

/// Checks a new instance of a module that [`leaves_traces`], and writes to all parts of it. Then
/// its space is kept, or not.
fn use_instance(module: &Module, funcs: i32, round: i32, is_kept: bool) {
    let mut store = Store::new(module.engine(), ());
    let number = Func::wrap(&mut store, move || round);
    let instance = Instance::new(&mut store, module, &[number.into()]).unwrap();
    let memory = instance.get_memory(&mut store, "memory").unwrap();
    let load = instance.get_typed_func::<i32, i32>(&mut store, "load");
    let load = load.unwrap();
    let call = instance.get_typed_func::<i32, i32>(&mut store, "call");
    let call = call.unwrap();
    let bytes = memory.data(&store);
    assert_eq!(bytes.len(), 2 << 16);
    assert!(bytes[..4096].iter().all(|&byte| byte == 0));
    assert_eq!(&bytes[4096..4112], b"0123456789abcdef");
    assert!(bytes[20480..].iter().all(|&byte| byte == 0));
    assert!(load.call(&mut store, 2 << 16).is_err(), "behind the memory");
    let global = instance.get_global(&mut store, "global").unwrap();
    assert_eq!(global.get(&mut store).i64(), Some(7));
    assert_eq!(call.call(&mut store, 0).unwrap(), round);
    assert_eq!(call.call(&mut store, funcs - 5).unwrap(), 1);
    assert!(
        call.call(&mut store, funcs + 500).is_err(),
        "a null element"
    );

    let dirty = instance.get_typed_func::<(), ()>(&mut store, "dirty");
    dirty.unwrap().call(&mut store, ()).unwrap();
    assert_eq!(load.call(&mut store, 6 << 16).unwrap(), 0xee);
    assert_eq!(call.call(&mut store, funcs + 500).unwrap(), 1);
    let memory = memory.data(&store).as_ptr() as usize;
    drop(store);
    if is_kept {
        let (_, _, rights) = mapping(memory).expect("the space is kept");
        assert_eq!(rights, "rw-p");
        let (_, _, rights) = mapping(memory + (2 << 16)).expect("the space is kept");
        assert_eq!(rights, "---p", "what it grew by");
    }
}

#[test]
fn spaces_are_kept_up_to_their_number_and_as_long_as_their_modules() {
    let engine = Engine::new(Config::new().instance_spaces_kept(2)).unwrap();
    let text = r#"(module (memory (export "memory") 1))"#;
    let modules: Vec<_> = (0..3)
        .map(|_| Module::new(&engine, text).unwrap())
        .collect();
    let mut stores = Vec::new();
    let mut bases = Vec::new();
    for module in &modules {
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, module, &[]).unwrap();
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        bases.push(memory.data(&store).as_ptr() as usize);
        stores.push(store);
    }
    let accessible = |base| mapping(base).is_some_and(|(_, _, rights)| rights == "rw-p");
    drop(stores);
    assert!(!accessible(bases[0]), "the oldest made room");
    assert!(accessible(bases[1]) && accessible(bases[2]));
    drop(modules);
    assert!(
        !bases.iter().any(|&base| accessible(base)),
        "their modules ended"
    );
}
