//! Address space: the guards before memories.

use std::fs;

use upshift::{Config, Engine, Instance, Memory, MemoryBounds, MemoryType, Module, Store};

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
