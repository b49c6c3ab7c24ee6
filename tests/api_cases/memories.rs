//! Several memories, and memories with 64-bit addresses or small pages: what code, host and limits
//! see of them, in every mode.

use upshift::{Linker, Memory, MemoryType, Module, Store, StoreLimits, StoreLimitsBuilder, Trap};

use crate::{in_every_mode, instance};

const PAGE: u64 = 1 << 16;

/// A loop that walks out of a memory traps at the first access beyond its end, after growing too.
#[test]
fn loops_end_at_the_end_of_a_memory() {
    const TEXT: &str = r#"(module
        (memory (export "m") i64 1)
        (func (export "sum") (param $at i64) (result i64) (local $sum i64)
            (loop $again
                (local.set $sum (i64.add (i64.load8_u offset=16 (local.get $at)) (local.get $sum)))
                (local.set $sum (i64.add (i64.load8_u offset=24 (local.get $at)) (local.get $sum)))
                (global.set $last (local.get $at))
                (local.set $at (i64.add (local.get $at) (i64.const 1)))
                (br $again))
            unreachable)
        (global $last (export "last") (mut i64) (i64.const 0)))"#;
    in_every_mode(|engine| {
        let (mut store, instance) = instance(engine, TEXT);
        let sum = instance.get_typed_func::<i64, i64>(&mut store, "sum");
        let sum = sum.unwrap();
        let memory = instance.get_memory(&mut store, "m").unwrap();
        let last = instance.get_global(&mut store, "last").unwrap();
        for pages in 1..4 {
            let error = sum.call(&mut store, 0).expect_err("it has an end");
            assert_eq!(error.downcast_ref(), Some(&Trap::MemoryOutOfBounds));
            let found = last.get(&mut store).unwrap_i64() as u64;
            assert_eq!(found, pages * PAGE - 25);
            memory.grow(&mut store, 1).unwrap();
        }
    });
}

/// Memories of three kinds, with all bulk operations.
const BULK: &str = r#"(module
        (memory $a (export "a") 1)
        (memory $b (export "b") i64 1)
        (memory $c (export "c") 70000 (pagesize 1))
        (data $d "0123456789")
        (data (memory $b) (i64.const 5) "five")
        (data (memory $c) (i32.const 69996) "last")
        (func (export "ab") (param i32 i64 i32)
            (memory.copy $a $b (local.get 0) (local.get 1) (local.get 2)))
        (func (export "ba") (param i64 i32 i32)
            (memory.copy $b $a (local.get 0) (local.get 1) (local.get 2)))
        (func (export "bb") (param i64 i64 i64)
            (memory.copy $b $b (local.get 0) (local.get 1) (local.get 2)))
        (func (export "bc") (param i64 i32 i32)
            (memory.copy $b $c (local.get 0) (local.get 1) (local.get 2)))
        (func (export "short") (param i64 i32)
            (memory.copy $b $c (local.get 0) (local.get 1) (i32.const 13)))
        (func (export "fill") (param i64 i32 i64)
            (memory.fill $b (local.get 0) (local.get 1) (local.get 2)))
        (func (export "init") (param i64 i32 i32)
            (memory.init $b $d (local.get 0) (local.get 1) (local.get 2)))
        (func (export "size") (result i64) (memory.size $b))
        (func (export "grow") (param i64) (result i64) (memory.grow $b (local.get 0)))
        (func (export "grow small") (param i32) (result i32) (memory.grow $c (local.get 0)))
        (func (export "size small") (result i32) (memory.size $c)))"#;

/// Copies between memories of different kinds, fills and initial data, at the ends of ranges.
#[test]
fn bulk_operations_between_kinds_of_memories() {
    in_every_mode(|engine| {
        let (mut store, instance) = instance(engine, BULK);
        let [a, b, c] = ["a", "b", "c"].map(|name| instance.get_memory(&mut store, name).unwrap());
        assert_eq!(&b.data(&store)[5..9], b"five");
        assert_eq!(&c.data(&store)[69_996..], b"last");
        assert_eq!(c.data_size(&store), 70_000);
        let traps = |result: Result<(), upshift::Error>| {
            let error = result.expect_err("out of bounds");
            assert_eq!(error.downcast_ref(), Some(&Trap::MemoryOutOfBounds));
        };
        let ab = instance
            .get_typed_func::<(i32, i64, i32), ()>(&mut store, "ab")
            .unwrap();
        ab.call(&mut store, (100, 5, 4)).unwrap();
        assert_eq!(&a.data(&store)[100..104], b"five");
        traps(ab.call(&mut store, (0, 1 << 32, 1)));
        traps(ab.call(&mut store, (0, -1, 2)));
        traps(ab.call(&mut store, (0, i64::MIN, 0)));
        ab.call(&mut store, (0x1_0000, 0x1_0000, 0)).unwrap();
        let ba = instance
            .get_typed_func::<(i64, i32, i32), ()>(&mut store, "ba")
            .unwrap();
        ba.call(&mut store, (0xfffc, 100, 4)).unwrap();
        assert_eq!(&b.data(&store)[0xfffc..], b"five");
        traps(ba.call(&mut store, (0xfffd, 100, 4)));
        traps(ba.call(&mut store, (-2, 100, 4)));
        // A length of 32 bits is not sign-extended.
        traps(ba.call(&mut store, (0, 0, -1)));
        let bb = instance
            .get_typed_func::<(i64, i64, i64), ()>(&mut store, "bb")
            .unwrap();
        bb.call(&mut store, (6, 5, 4)).unwrap();
        assert_eq!(&b.data(&store)[5..10], b"ffive");
        traps(bb.call(&mut store, (0, 0, (1 << 32) + 1)));
        traps(bb.call(&mut store, (1, 0, -1)));
        let bc = instance
            .get_typed_func::<(i64, i32, i32), ()>(&mut store, "bc")
            .unwrap();
        bc.call(&mut store, (20, 69_996, 4)).unwrap();
        assert_eq!(&b.data(&store)[20..24], b"last");
        traps(bc.call(&mut store, (20, 69_997, 4)));
        let short = instance
            .get_typed_func::<(i64, i32), ()>(&mut store, "short")
            .unwrap();
        short.call(&mut store, (40, 69_987)).unwrap();
        assert_eq!(&b.data(&store)[49..53], b"last");
        traps(short.call(&mut store, (40, 69_988)));
        traps(short.call(&mut store, (-6, 0)));
        traps(short.call(&mut store, (1 << 32, 0)));
        let fill = instance
            .get_typed_func::<(i64, i32, i64), ()>(&mut store, "fill")
            .unwrap();
        fill.call(&mut store, (0xfffe, 7, 2)).unwrap();
        assert_eq!(&b.data(&store)[0xfffd..], b"i\x07\x07");
        traps(fill.call(&mut store, (0xfffe, 7, 3)));
        traps(fill.call(&mut store, (2, 7, -1)));
        let init = instance
            .get_typed_func::<(i64, i32, i32), ()>(&mut store, "init")
            .unwrap();
        init.call(&mut store, (60, 4, 6)).unwrap();
        assert_eq!(&b.data(&store)[60..66], b"456789");
        traps(init.call(&mut store, (60, 5, 6)));
        traps(init.call(&mut store, (1 << 32, 0, 1)));

        let size = instance
            .get_typed_func::<(), i64>(&mut store, "size")
            .unwrap();
        let grow = instance
            .get_typed_func::<i64, i64>(&mut store, "grow")
            .unwrap();
        assert_eq!(size.call(&mut store, ()).unwrap(), 1);
        assert_eq!(grow.call(&mut store, 2).unwrap(), 1);
        assert_eq!(size.call(&mut store, ()).unwrap(), 3);
        for delta in [1 << 31, 1 << 32, 1 << 47, 1 << 48, i64::MAX, -1] {
            assert_eq!(grow.call(&mut store, delta).unwrap(), -1, "{delta:#x}");
        }
        assert_eq!(b.data_size(&store) as u64, 3 * PAGE);
        let grow = instance
            .get_typed_func::<i32, i32>(&mut store, "grow small")
            .unwrap();
        let size = instance
            .get_typed_func::<(), i32>(&mut store, "size small")
            .unwrap();
        assert_eq!(grow.call(&mut store, 1).unwrap(), 70_000);
        assert_eq!(grow.call(&mut store, 5000).unwrap(), 70_001);
        assert_eq!(size.call(&mut store, ()).unwrap(), 75_001);
        assert!(c.data(&store)[70_000..].iter().all(|&byte| byte == 0));
        // 2^32 pages of a byte are one more than a size can say.
        assert_eq!(grow.call(&mut store, -1).unwrap(), -1);
        assert_eq!(grow.call(&mut store, -75_001).unwrap(), -1);
    });
}

/// Each access goes to its memory; memories are defined, imported, imported twice and exported.
#[test]
fn several_memories_of_one_module() {
    const TEXT: &str = r#"(module
        (import "" "a" (memory $a 1))
        (import "" "a" (memory $again 1))
        (import "" "b" (memory $b i64 1))
        (memory $c (export "c") 1)
        (memory $d (export "d") i64 1)
        (func (export "run") (param $n i32) (result i64) (local $i i32) (local $wide i64)
            (loop $next
                (local.set $wide (i64.extend_i32_u (local.get $i)))
                (i32.store $a offset=8 (i32.const 0) (local.get $i))
                (i32.store8 $c (local.get $i) (i32.load $again offset=8 (i32.const 0)))
                (i64.store $b (local.get $wide) (i64.load8_u $c (local.get $i)))
                (i64.store $d offset=8 (local.get $wide)
                    (i64.add (i64.load $b (local.get $wide)) (i64.load $d (local.get $wide))))
                (local.set $i (i32.add (local.get $i) (i32.const 8)))
                (br_if $next (i32.lt_u (local.get $i) (local.get $n))))
            (i64.load $d (i64.extend_i32_u (local.get $n)))))"#;
    in_every_mode(|engine| {
        let mut store = Store::new(engine, ());
        let module = Module::new(engine, TEXT).unwrap();
        let mut linker = Linker::new(engine);
        let a = Memory::new(&mut store, MemoryType::new(1, None)).unwrap();
        let b = Memory::new(&mut store, MemoryType::new64(1, Some(1 << 48))).unwrap();
        linker.define(&mut store, "", "a", a).unwrap();
        linker.define(&mut store, "", "b", b).unwrap();
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let run = instance
            .get_typed_func::<i32, i64>(&mut store, "run")
            .unwrap();
        let expected: i64 = (0..60_000).step_by(8).map(|i| i64::from(i as u8)).sum();
        assert_eq!(run.call(&mut store, 60_000).unwrap(), expected);
        let d = instance.get_memory(&mut store, "d").unwrap();
        assert!(d.ty(&store).is_64() && !a.ty(&store).is_64());
        let error = run.call(&mut store, 70_000).expect_err("too far");
        assert_eq!(error.downcast_ref(), Some(&Trap::MemoryOutOfBounds));
    });
}

/// A limiter hears of bytes, whatever the pages are.
#[test]
fn limits_are_in_bytes() {
    in_every_mode(|engine| {
        let mut store = Store::new(engine, StoreLimits::default());
        *store.data_mut() = StoreLimitsBuilder::new().memory_size(3 << 16).build();
        store.limiter(|limits| limits);
        let text = r#"(module (memory (export "a") i64 1) (memory (export "b") 1 (pagesize 1))
            (func (export "a grow") (param i64) (result i64) (memory.grow 0 (local.get 0)))
            (func (export "b grow") (param i32) (result i32) (memory.grow 1 (local.get 0))))"#;
        let module = Module::new(engine, text).unwrap();
        let instance = Linker::new(engine)
            .instantiate(&mut store, &module)
            .unwrap();
        let a = instance
            .get_typed_func::<i64, i64>(&mut store, "a grow")
            .unwrap();
        let b = instance
            .get_typed_func::<i32, i32>(&mut store, "b grow")
            .unwrap();
        assert_eq!(a.call(&mut store, 3).unwrap(), -1);
        assert_eq!(a.call(&mut store, 2).unwrap(), 1);
        assert_eq!(b.call(&mut store, 3 << 16).unwrap(), -1);
        assert_eq!(b.call(&mut store, (3 << 16) - 1).unwrap(), 1);
    });
}

/// A memory with 64-bit addresses has room for more than 4 GiB, and code reaches it.
#[test]
fn more_than_4_gib() {
    const TEXT: &str = r#"(module (memory (export "m") i64 0x10002)
        (func (export "put") (param i64 i64) (i64.store (local.get 0) (local.get 1)))
        (func (export "get") (param i64) (result i64) (i64.load offset=8 (local.get 0)))
        (func (export "get far") (param i64) (result i64)
            (i64.load offset=0x100000008 (local.get 0))))"#;
    in_every_mode(|engine| {
        let (mut store, instance) = instance(engine, TEXT);
        let put = instance
            .get_typed_func::<(i64, i64), ()>(&mut store, "put")
            .unwrap();
        let get = instance
            .get_typed_func::<i64, i64>(&mut store, "get")
            .unwrap();
        let get_far = instance
            .get_typed_func::<i64, i64>(&mut store, "get far")
            .unwrap();
        let at = (1 << 32) + 0x1_2340;
        put.call(&mut store, (at, 77)).unwrap();
        assert_eq!(get.call(&mut store, at - 8).unwrap(), 77);
        assert_eq!(get_far.call(&mut store, 0x1_2338).unwrap(), 77);
        assert_eq!(get.call(&mut store, 0x1_2338).unwrap(), 0);
        assert!(get_far.call(&mut store, 0x1_fff8 - 7).is_err());
    });
}
