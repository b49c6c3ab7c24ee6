//! Checks of 64-bit addresses: what is inside a memory is read and written, everything else traps,
//! in every mode.

use upshift::{Instance, Store, Trap};

use crate::{in_every_mode, instance};

const PAGE: u64 = 1 << 16;

/// The largest offsets that the engine treats alike, and their neighbours, and where 64 bits end.
const OFFSETS: [u64; 16] = [
    0,
    1,
    7,
    0xffff,
    0x1_0000,
    (64 << 20) - 8,
    (64 << 20) - 1,
    64 << 20,
    (1 << 30) - 72,
    (1 << 30) - 64,
    (1 << 31) - 1,
    u32::MAX as u64,
    1 << 32,
    1 << 47,
    u64::MAX - 8,
    u64::MAX,
];

/// Calls an access and checks it against the memory's length.
fn check_access(
    store: &mut Store<()>,
    instance: Instance,
    (load, store_name): (&str, &str),
    (index, offset, bytes): (u64, u64, u64),
    len: u64,
) {
    let end = u128::from(index) + u128::from(offset) + u128::from(bytes);
    let fits = end <= u128::from(len);
    let load = instance
        .get_typed_func::<i64, i64>(&mut *store, load)
        .unwrap();
    let set = instance
        .get_typed_func::<(i64, i64), ()>(&mut *store, store_name)
        .unwrap();
    for result in [
        load.call(&mut *store, index as i64).map(drop),
        set.call(&mut *store, (index as i64, 0)),
    ] {
        match result {
            Ok(()) => assert!(fits, "{index:#x} + {offset:#x} of {len:#x}"),
            Err(error) => {
                let trap = error.downcast_ref::<Trap>();
                assert_eq!(trap, Some(&Trap::MemoryOutOfBounds), "{error:#}");
                assert!(!fits, "{index:#x} + {offset:#x} of {len:#x}");
            }
        }
    }
}

/// A module whose memory has accesses at all offsets, of one and eight bytes.
fn accesses(memory: &str) -> String {
    let mut text = format!("(module {memory}");
    for offset in OFFSETS {
        for (bytes, suffix) in [(1, "8"), (8, "")] {
            let load = if bytes == 1 { "load8_u" } else { "load" };
            text.push_str(&format!(
                "(func (export \"load {offset} {bytes}\") (param i64) (result i64)
                    (i64.{load} offset={offset} (local.get 0)))
                 (func (export \"store {offset} {bytes}\") (param i64 i64)
                    (i64.store{suffix} offset={offset} (local.get 0) (local.get 1)))"
            ));
        }
    }
    text + ")"
}

/// Indexes around a length, and where sums with offsets carry.
fn indexes(len: u64, offset: u64) -> Vec<u64> {
    let around = |x: u64| (0..18).map(move |d| x.wrapping_sub(9).wrapping_add(d));
    let bases = [
        0,
        len,
        len.wrapping_sub(offset),
        offset.wrapping_neg(),
        1 << 32,
        1 << 47,
        1 << 63,
        (1 << 63) + len,
    ];
    bases.into_iter().flat_map(around).collect()
}

#[test]
fn every_index_and_offset_is_inside_or_traps() {
    for (memory, pages) in [
        ("(memory i64 1)", PAGE),
        ("(memory i64 1 1)", PAGE),
        ("(memory i64 2 4)", PAGE),
        ("(memory i64 0)", PAGE),
        ("(memory i64 100 (pagesize 1))", 1),
        ("(memory 1) (memory i64 1) (export \"m\" (memory 1))", PAGE),
    ] {
        let text = accesses(memory);
        let text = match memory.starts_with("(memory 1)") {
            true => text.replace("offset=", "1 offset="),
            false => text,
        };
        in_every_mode(|engine| {
            let (mut store, instance) = instance(engine, &text);
            let min: u64 = match memory {
                "(memory i64 100 (pagesize 1))" => 100,
                "(memory i64 2 4)" => 2,
                "(memory i64 0)" => 0,
                _ => 1,
            };
            let len = min * pages;
            for offset in OFFSETS {
                for bytes in [1, 8] {
                    let names = (
                        &*format!("load {offset} {bytes}"),
                        &*format!("store {offset} {bytes}"),
                    );
                    for index in indexes(len, offset) {
                        check_access(&mut store, instance, names, (index, offset, bytes), len);
                    }
                }
            }
        });
    }
}

/// Constant indexes, of which some need no check, and some become valid when the memory grows.
#[test]
fn constant_indexes() {
    let indexes = [0, 8, 0xfff8, 0xfff9, 0x1_0000, 0x1_fff8, 0x1_fff9, u64::MAX];
    let mut text = String::from("(module (memory (export \"m\") i64 1)");
    for index in indexes {
        for offset in [0u64, 1, 1 << 32, u64::MAX] {
            text.push_str(&format!(
                "(func (export \"{index} {offset}\") (result i64)
                    (i64.load offset={offset} (i64.const {index})))"
            ));
        }
    }
    text.push(')');
    in_every_mode(|engine| {
        let (mut store, instance) = instance(engine, &text);
        let memory = instance.get_memory(&mut store, "m").unwrap();
        for len in [PAGE, 2 * PAGE] {
            for index in indexes {
                for offset in [0u64, 1, 1 << 32, u64::MAX] {
                    let name = format!("{index} {offset}");
                    let func = instance.get_typed_func::<(), i64>(&mut store, &name);
                    let result = func.unwrap().call(&mut store, ());
                    let end = u128::from(index) + u128::from(offset) + 8;
                    assert_eq!(result.is_ok(), end <= u128::from(len), "{name}");
                }
            }
            assert_eq!(memory.grow(&mut store, 1).unwrap(), len / PAGE);
        }
    });
}

/// A check that has passed stands for later accesses at the same index, but not for larger offsets,
/// nor where it may not have run.
#[test]
fn checks_stand_for_what_they_have_shown() {
    const TEXT: &str = r#"(module
        (memory i64 1)
        (memory $small i64 100 (pagesize 1))
        (func (export "larger") (param $at i64) (param $if i32) (result i64)
            (drop (i64.load offset=8 (local.get $at)))
            (i64.load offset=0x4000000 (local.get $at)))
        (func (export "sometimes") (param $at i64) (param $if i32) (result i64)
            (if (local.get $if) (then (drop (i64.load offset=16 (local.get $at)))))
            (i64.load offset=24 (local.get $at)))
        (func (export "wider") (param $at i64) (param $if i32) (result i64)
            (drop (i64.load8_u $small (local.get $at)))
            (i64.load $small (local.get $at)))
        (func (export "others") (param $at i64) (param $if i32) (result i64)
            (drop (i64.load8_u (local.get $at)))
            (i64.load8_u $small (local.get $at)))
        (func (export "changed") (param $at i64) (param $if i32) (result i64)
            (drop (i64.load8_u (local.get $at)))
            (local.set $at (i64.add (local.get $at) (i64.const 0x1_0000)))
            (i64.load8_u (local.get $at)))
        (func (export "grown") (param $at i64) (param $if i32) (result i64)
            (drop (i64.load8_u $small (local.get $at)))
            (drop (memory.grow $small (i64.const 1)))
            (i64.load8_u $small offset=1 (local.get $at))))"#;
    in_every_mode(|engine| {
        for (name, at, condition, fits) in [
            ("larger", 0, 0, false),
            ("sometimes", 0xffe0, 0, true),
            ("sometimes", 0xffe1, 0, false),
            ("sometimes", 1 << 40, 0, false),
            ("sometimes", 0xffe8, 1, false),
            ("wider", 92, 0, true),
            ("wider", 93, 0, false),
            ("others", 99, 0, true),
            ("others", 100, 0, false),
            ("changed", 0, 0, false),
            ("grown", 99, 0, true),
            ("grown", 100, 0, false),
        ] {
            let (mut store, instance) = instance(engine, TEXT);
            let func = instance.get_typed_func::<(i64, i32), i64>(&mut store, name);
            let result = func.unwrap().call(&mut store, (at, condition));
            assert_eq!(result.is_ok(), fits, "{name} at {at:#x}");
            if let Err(error) = result {
                assert_eq!(error.downcast_ref(), Some(&Trap::MemoryOutOfBounds));
            }
        }
    });
}
