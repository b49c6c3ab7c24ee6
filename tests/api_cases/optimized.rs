//! Programs made for what the optimizer assumes: random accesses of a few bytes, which are
//! forwarded or not, and random jump tables, whose selectors are compared or looked up. A model
//! says what each must return.

use std::fmt::Write;

use fastrand::Rng;

use crate::{in_every_mode, instance};

/// Programs of each kind.
const PROGRAMS: u64 = 30;

/// An access or whatever else changes what is known of memory.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Adds what is read to the result.
    Load {
        base: usize,
        offset: u32,
        load: Load,
    },
    /// Writes the result so far.
    Store { base: usize, offset: u32, size: u32 },
    /// Adds a global to the result.
    GlobalGet { global: usize },
    /// Writes the result so far to a global.
    GlobalSet { global: usize },
    /// Adds one to the first byte and to the first global, in another function.
    Call,
    /// Leaves if the result so far is a multiple of 16.
    Leave,
    /// Moves the second address, if the result so far is odd.
    Move,
}

#[derive(Clone, Copy, Debug)]
struct Load {
    name: &'static str,
    size: u32,
    signed: bool,
}

const LOADS: [Load; 7] = [
    Load {
        name: "i64.load8_u",
        size: 1,
        signed: false,
    },
    Load {
        name: "i64.load8_s",
        size: 1,
        signed: true,
    },
    Load {
        name: "i64.load16_u",
        size: 2,
        signed: false,
    },
    Load {
        name: "i64.load16_s",
        size: 2,
        signed: true,
    },
    Load {
        name: "i64.load32_u",
        size: 4,
        signed: false,
    },
    Load {
        name: "i64.load32_s",
        size: 4,
        signed: true,
    },
    Load {
        name: "i64.load",
        size: 8,
        signed: false,
    },
];

impl Step {
    fn random(rng: &mut Rng) -> Self {
        let base = rng.usize(0..2);
        let offset = rng.u32(0..10);
        let global = rng.usize(0..2);
        match rng.u32(0..16) {
            0..6 => Step::Load {
                base,
                offset,
                load: LOADS[rng.usize(0..LOADS.len())],
            },
            6..10 => Step::Store {
                base,
                offset,
                size: 1 << rng.u32(0..4),
            },
            10 => Step::GlobalGet { global },
            11 => Step::GlobalSet { global },
            12 => Step::Call,
            13 => Step::Leave,
            14 => Step::Move,
            _ => Step::Load {
                base,
                offset: 0,
                load: LOADS[6],
            },
        }
    }

    fn text(self) -> String {
        let add = |value: String| {
            format!("(local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 3)) {value}))\n")
        };
        match self {
            Step::Load { base, offset, load } => add(format!(
                "({} offset={offset} (local.get $p{base}))",
                load.name
            )),
            Step::Store { base, offset, size } => {
                let name = ["i64.store8", "i64.store16", "i64.store32", "i64.store"];
                let name = name[size.trailing_zeros() as usize];
                format!("({name} offset={offset} (local.get $p{base}) (local.get $sum))\n")
            }
            Step::GlobalGet { global } => add(format!("(global.get $g{global})")),
            Step::GlobalSet { global } => format!("(global.set $g{global} (local.get $sum))\n"),
            Step::Call => "(call $other)\n".into(),
            Step::Leave => {
                "(br_if $out (i64.eqz (i64.and (local.get $sum) (i64.const 15))))\n".into()
            }
            Step::Move => "(if (i32.wrap_i64 (i64.and (local.get $sum) (i64.const 1))) \
                           (then (local.set $p1 (i32.xor (local.get $p1) (i32.const 3)))))\n"
                .into(),
        }
    }
}

/// What the steps compute, and leave in memory.
fn model(steps: &[Step], mut bases: [usize; 2]) -> i64 {
    let mut memory = [0u8; 64];
    let mut globals = [0i64; 2];
    let mut sum = 1i64;
    for &step in steps {
        let mut add = |value: i64| sum = sum.wrapping_mul(3).wrapping_add(value);
        match step {
            Step::Load { base, offset, load } => {
                let at = bases[base] + offset as usize;
                let mut bytes = [0; 8];
                bytes[..load.size as usize].copy_from_slice(&memory[at..at + load.size as usize]);
                let unused = 64 - 8 * load.size;
                let value = i64::from_le_bytes(bytes) << unused;
                add(if load.signed {
                    value >> unused
                } else {
                    (value as u64 >> unused) as i64
                });
            }
            Step::Store { base, offset, size } => {
                let at = bases[base] + offset as usize;
                let bytes = &sum.to_le_bytes()[..size as usize];
                memory[at..at + size as usize].copy_from_slice(bytes);
            }
            Step::GlobalGet { global } => add(globals[global]),
            Step::GlobalSet { global } => globals[global] = sum,
            Step::Call => {
                memory[0] = memory[0].wrapping_add(1);
                globals[0] = globals[0].wrapping_add(1);
            }
            Step::Leave if sum & 15 == 0 => break,
            Step::Leave => {}
            Step::Move if sum & 1 == 1 => bases[1] ^= 3,
            Step::Move => {}
        }
    }
    let words = memory
        .chunks(8)
        .map(|word| i64::from_le_bytes(word.try_into().unwrap()));
    words
        .chain(globals)
        .fold(sum, |sum, word| sum.wrapping_mul(31).wrapping_add(word))
}

#[test]
fn what_is_forwarded_is_what_is_there() {
    for seed in 0..PROGRAMS {
        let mut rng = Rng::with_seed(seed);
        let steps: Vec<Step> = (0..60).map(|_| Step::random(&mut rng)).collect();
        let body: String = steps.iter().map(|step| step.text()).collect();
        let digest = (0..8).fold(String::new(), |mut text, word| {
            let value = format!("(i64.load offset={} (i32.const 0))", 8 * word);
            write!(
                text,
                "(local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 31)) {value}))"
            )
            .unwrap();
            text
        });
        let digest = (0..2).fold(digest, |mut text, global| {
            let value = format!("(global.get $g{global})");
            write!(
                text,
                "(local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 31)) {value}))"
            )
            .unwrap();
            text
        });
        let text = format!(
            "(module
               (memory 1)
               (global $g0 (mut i64) (i64.const 0))
               (global $g1 (mut i64) (i64.const 0))
               (func $other
                 (i32.store8 (i32.const 0) (i32.add (i32.load8_u (i32.const 0)) (i32.const 1)))
                 (global.set $g0 (i64.add (global.get $g0) (i64.const 1))))
               (func $reset
                 (memory.fill (i32.const 0) (i32.const 0) (i32.const 64))
                 (global.set $g0 (i64.const 0))
                 (global.set $g1 (i64.const 0)))
               (func (export \"run\") (param $p0 i32) (param $p1 i32) (result i64)
                 (local $sum i64)
                 (call $reset)
                 (local.set $sum (i64.const 1))
                 (block $out {body})
                 {digest}
                 (local.get $sum)))"
        );
        in_every_mode(|engine| {
            let (mut store, instance) = instance(engine, &text);
            let run = instance
                .get_typed_func::<(i32, i32), i64>(&mut store, "run")
                .unwrap();
            for bases in [[0, 0], [0, 1], [4, 8], [8, 5], [16, 24]] {
                let result = run.call(&mut store, (bases[0], bases[1])).unwrap();
                let expected = model(&steps, bases.map(|base| base as usize));
                assert_eq!(result, expected, "program {seed}, {bases:?}: {steps:#?}");
            }
        });
    }
}

#[test]
fn jump_tables_of_all_shapes() {
    for seed in 0..PROGRAMS {
        let mut rng = Rng::with_seed(seed);
        let targets = 1 + rng.u32(0..6);
        let mut last = 0;
        let table: Vec<u32> = (0..rng.usize(0..12))
            .map(|_| {
                if rng.bool() {
                    last = rng.u32(0..targets);
                }
                last
            })
            .collect();
        let default = rng.u32(0..targets);
        let labels = table
            .iter()
            .fold(String::new(), |text, label| text + &format!(" {label}"));
        let blocks = "(block ".repeat(targets as usize);
        let returns = (0..targets).fold(String::new(), |text, n| {
            text + &format!(") (return (i32.const {n}))")
        });
        let text = format!(
            "(module (func (export \"run\") (param i32) (result i32)
               {blocks} (br_table{labels} {default} (local.get 0)) {returns} unreachable))"
        );
        in_every_mode(|engine| {
            let (mut store, instance) = instance(engine, &text);
            let run = instance
                .get_typed_func::<i32, i32>(&mut store, "run")
                .unwrap();
            for selector in (0..16).chain([i32::MAX, i32::MIN, -1]) {
                let target = table.get(selector as u32 as usize).unwrap_or(&default);
                let result = run.call(&mut store, selector).unwrap();
                assert_eq!(
                    result as u32, *target,
                    "{table:?}, {default}, at {selector}"
                );
            }
        });
    }
}
