//! Accesses at a constant distance from an index that was accessed before, which need no addition,
//! beside those where nothing shows that the sum does not wrap.

use std::fmt::Write;

use crate::{in_every_mode, instance};

/// Constants that are added to indexes, as unsigned numbers.
const DISTANCES: [u32; 9] = [0, 1, 4, 255, 65534, 65535, 65536, 1 << 31, u32::MAX];

const INDEXES: [u32; 10] = [
    0,
    1,
    100,
    65534,
    65535,
    65536,
    1 << 31,
    u32::MAX - 65535,
    u32::MAX - 1,
    u32::MAX,
];

/// What functions do with an index `x` and `x + distance`, as the bytes that they read, in order.
type Reads = fn(u32, u32) -> Vec<u32>;

/// Bodies, of which `A` reads a byte at `x` and `B` one at `x + distance`.
const BODIES: [(&str, &str, Reads); 5] = [
    ("first", "A B", |x, y| vec![x, y]),
    ("second", "B A", |x, y| vec![y, x]),
    ("alone", "(i32.const 0) B", |_, y| vec![y]),
    (
        "joined",
        "(if (result i32) (i32.and (local.get 0) (i32.const 1))
            (then (i32.const 0)) (else A)) B",
        |x, y| if x % 2 == 1 { vec![y] } else { vec![x, y] },
    ),
    (
        "stored",
        "(i32.store8 (local.get 0) (i32.load8_u (local.get 0))) (i32.const 0) B",
        |x, y| vec![x, y],
    ),
];

fn text() -> String {
    let mut text = String::from("(module (memory (export \"memory\") 1)");
    for (name, body, _) in BODIES {
        for distance in DISTANCES {
            let body = body
                .replace('A', "(i32.load8_u (local.get 0))")
                .replace('B', "(i32.load8_u (i32.add (local.get 0) (i32.const D)))")
                .replace('D', &(distance as i32).to_string());
            write!(
                text,
                "(func (export \"{name} {distance}\") (param i32) (result i32 i32) {body})"
            )
            .unwrap();
        }
    }
    text + ")"
}

#[test]
fn sums_with_indexes_inside_the_memory() {
    in_every_mode(|engine| {
        let (mut store, instance) = instance(engine, &text());
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        let byte = |at: u32| (at * 7 + at / 256 + 3) as u8;
        for (at, place) in memory.data_mut(&mut store).iter_mut().enumerate() {
            *place = byte(at as u32);
        }
        for (name, _, reads) in BODIES {
            for distance in DISTANCES {
                let name = format!("{name} {distance}");
                let func = instance.get_typed_func::<u32, (u32, u32)>(&mut store, &name);
                let func = func.unwrap();
                for x in INDEXES {
                    let reads = reads(x, x.wrapping_add(distance));
                    let found = func.call(&mut store, x).ok();
                    let inside = reads.iter().all(|&at| at < 1 << 16);
                    assert_eq!(found.is_some(), inside, "{name} of {x}");
                    if let Some((_, last)) = found {
                        let expected = byte(*reads.last().unwrap());
                        assert_eq!(last, u32::from(expected), "{name} of {x}");
                    }
                }
            }
        }
    });
}

/// A memory can't have the bytes that the sums above could reach.
#[test]
fn a_memory_is_smaller_than_its_indexes_reach() {
    in_every_mode(|engine| {
        let text = r#"(module
            (memory 0)
            (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))"#;
        let (mut store, instance) = instance(engine, text);
        let grow = instance.get_typed_func::<u32, i32>(&mut store, "grow");
        let grow = grow.unwrap();
        assert_eq!(grow.call(&mut store, 1 << 16).unwrap(), -1);
        assert_eq!(grow.call(&mut store, 1).unwrap(), 0);
        assert_eq!(grow.call(&mut store, (1 << 16) - 1).unwrap(), -1);
    });
}
