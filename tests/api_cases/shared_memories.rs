//! Memories that threads share: what the host sees of them.

use std::thread;

use upshift::{Engine, Extern, ExternType, Instance, Linker, Memory, MemoryType};
use upshift::{MemoryTypeBuilder, Module, SharedMemory, Store};

use crate::in_every_mode;

const PAGE: usize = 1 << 16;

#[test]
fn types_are_those_of_shared_memories() {
    let engine = Engine::default();
    let shared = MemoryType::shared(2, 5);
    let memory = SharedMemory::new(&engine, shared).unwrap();
    assert_eq!((memory.ty(), memory.ty().is_shared()), (shared, true));
    assert_eq!((memory.size(), memory.data_size()), (2, 2 * PAGE));
    assert_eq!((memory.page_size(), memory.page_size_log2()), (1 << 16, 16));
    assert_eq!(ExternType::from(shared).to_string(), "shared memory 2..=5");

    let mut store = Store::new(&engine, ());
    let error = Memory::new(&mut store, shared).unwrap_err();
    assert!(error.to_string().contains("SharedMemory::new"), "{error}");
    let private = MemoryType::new(2, Some(5));
    let error = SharedMemory::new(&engine, private).unwrap_err();
    assert!(error.to_string().contains("Memory::new"), "{error}");
    let error = MemoryTypeBuilder::new().shared(true).build().unwrap_err();
    assert!(error.to_string().contains("maximum"), "{error}");
    SharedMemory::new(&engine, MemoryType::shared(2, 1)).unwrap_err();
}

#[test]
fn bytes_are_copied_in_bounds() {
    in_every_mode(|engine| {
        let memory = SharedMemory::new(engine, MemoryType::shared(1, 2)).unwrap();
        memory.write(PAGE - 4, b"last").unwrap();
        memory.write(PAGE - 3, b"late").unwrap_err();
        memory.write(usize::MAX, b"far").unwrap_err();
        memory.write(PAGE, b"").unwrap();
        let mut bytes = [1; 4];
        memory.read(PAGE - 3, &mut bytes).unwrap_err();
        assert_eq!(bytes, [1; 4]);
        memory.read(PAGE - 4, &mut bytes).unwrap();
        assert_eq!(&bytes, b"last");
        assert_eq!(memory.data().len(), PAGE);
        assert_eq!(memory.grow(1).unwrap(), 1);
        memory.read(PAGE - 2, &mut bytes).unwrap();
        assert_eq!(&bytes, b"st\0\0");
        let error = memory.grow(1).unwrap_err();
        assert!(error.to_string().contains("grow"), "{error}");
        assert_eq!((memory.size(), memory.data().len()), (2, 2 * PAGE));
    });
}

/// Some threads grow a memory, others write to the last bytes of what they have seen of it.
#[test]
fn growth_races_with_accesses() {
    const PAGES: u32 = 600;
    let engine = Engine::default();
    let memory = SharedMemory::new(&engine, MemoryType::shared(1, PAGES)).unwrap();
    let sizes = thread::scope(|scope| {
        let grow = || {
            let mut sizes = Vec::new();
            while let Ok(size) = memory.grow(1) {
                sizes.push(size);
            }
            sizes
        };
        let growers = [scope.spawn(grow), scope.spawn(grow)];
        for n in 0..2 {
            let memory = &memory;
            scope.spawn(move || {
                let mut size = 0;
                while size < PAGES as usize * PAGE {
                    let now = memory.data_size();
                    assert!(now >= size, "it never shrinks");
                    size = now;
                    let mut bytes = [7; 4];
                    memory.write(size - 4 * (n + 1), &bytes).unwrap();
                    memory.read(size - 4 * (n + 1), &mut bytes).unwrap();
                    assert_eq!(bytes, [7; 4]);
                }
            });
        }
        let sizes = growers.map(|grower| grower.join().expect("no panic"));
        sizes.concat()
    });
    let mut sizes = sizes;
    sizes.sort_unstable();
    assert!(
        sizes.into_iter().eq(1..u64::from(PAGES)),
        "each growth has its own size before it"
    );
}

#[test]
fn the_last_user_frees_it() {
    let memory = {
        let engine = Engine::default();
        let memory = SharedMemory::new(&engine, MemoryType::shared(1, 1)).unwrap();
        let store = Store::new(&engine, ());
        let mut linker = Linker::new(&engine);
        linker.define(&store, "m", "m", memory.clone()).unwrap();
        drop(memory);
        let mut store = store;
        let item = linker.get(&mut store, "m", "m").expect("defined");
        assert!(matches!(&item, Extern::SharedMemory(_)), "{item:?}");
        assert!(item.clone().into_memory().is_none());
        item.into_shared_memory().expect("a shared one")
    };
    thread::spawn(move || {
        memory.write(9, b"alone").unwrap();
        let mut bytes = [0; 5];
        memory.read(9, &mut bytes).unwrap();
        assert_eq!(&bytes, b"alone");
    })
    .join()
    .expect("no panic");
}

/// The largest maximum takes address space only, and the memory can become as large as its type
/// and the indexes of its engine's code allow.
#[test]
fn a_huge_maximum_is_reserved_without_being_committed() {
    in_every_mode(|engine| {
        let memory = SharedMemory::new(engine, MemoryType::shared(1, 1 << 16)).unwrap();
        assert_eq!(memory.grow(65534).unwrap(), 1);
        memory.write(65535 * PAGE - 3, b"end").unwrap();
        memory.grow(1).unwrap_err();
        let error = SharedMemory::new(engine, MemoryType::shared(1 << 16, 1 << 16)).unwrap_err();
        assert!(error.to_string().contains("65536 pages"), "{error}");
    });
}

/// A store knows a shared memory by its address, which another one may have later: after a failed
/// instance has freed the memory that it defined.
#[test]
fn a_failed_instance_leaves_no_trace_of_its_shared_memory() {
    let engine = Engine::default();
    let module = |text: &str| Module::new(&engine, text).unwrap();
    let failing = module("(module (memory 1 1 shared) (table 10000001 funcref))");
    let user = module(
        r#"(module (import "" "" (memory 1 1 shared)) (import "" "" (memory 1 1 shared))
            (func (export "first") (result i32) (i32.load8_u (i32.const 9)))
            (func (export "second") (result i32) (i32.load8_u 1 (i32.const 9))))"#,
    );
    let mut store = Store::new(&engine, ());
    for n in 0..100_u8 {
        Instance::new(&mut store, &failing, &[]).unwrap_err();
        let [first, second] = [n, n + 100].map(|byte| {
            let memory = SharedMemory::new(&engine, MemoryType::shared(1, 1)).unwrap();
            memory.write(9, &[byte]).unwrap();
            memory
        });
        for _ in 0..2 {
            let imports = [first.clone().into(), second.clone().into()];
            let instance = Instance::new(&mut store, &user, &imports).unwrap();
            for (name, byte) in [("first", n), ("second", n + 100)] {
                let read = instance.get_typed_func::<(), i32>(&mut store, name);
                let read = read.unwrap().call(&mut store, ()).unwrap();
                assert_eq!(read, i32::from(byte));
            }
        }
    }
}
