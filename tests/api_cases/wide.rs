//! Wide arithmetic: any of the operands constants, and in long loops. Rust's 128-bit integers say
//! what each must return.

use std::fmt::Write;

use crate::{in_every_mode, instance};

const NUMBERS: [i64; 9] = [
    0,
    1,
    -1,
    2,
    0x7fff_ffff,
    -0x8000_0001,
    0x1234_5678_9abc_def1,
    i64::MAX,
    i64::MIN,
];

/// The operators of two pairs, and their meanings.
type OfPairs = fn(i128, i128) -> i128;
const OF_PAIRS: [(&str, OfPairs); 2] = [
    ("add128", i128::wrapping_add),
    ("sub128", i128::wrapping_sub),
];

fn pair(low: i64, high: i64) -> i128 {
    i128::from(high) << 64 | i128::from(low as u64)
}

fn halves(number: i128) -> (i64, i64) {
    (number as i64, (number >> 64) as i64)
}

/// Operands: parameters where the mask says so, else constants.
fn operands(constants: &[i64], mask: usize) -> String {
    let operand = |(i, constant): (usize, &i64)| match mask >> i & 1 {
        1 => format!("(local.get {i})"),
        _ => format!("(i64.const {constant})"),
    };
    let operands: Vec<_> = constants.iter().enumerate().map(operand).collect();
    operands.join(" ")
}

#[test]
fn sums_and_differences() {
    let mut sets: Vec<[i64; 4]> = Vec::new();
    for (i, &a) in NUMBERS.iter().enumerate() {
        for (j, &b) in NUMBERS.iter().enumerate() {
            let at = |n: usize| NUMBERS[n % NUMBERS.len()];
            sets.push([a, at(i + 3 * j), b, at(5 * i + j)]);
        }
    }
    let mut text = String::from("(module");
    for (name, _) in OF_PAIRS {
        for (n, set) in sets.iter().enumerate() {
            for mask in 0..16 {
                write!(
                    text,
                    "(func (export \"{name} {n} {mask}\") (param i64 i64 i64 i64) (result i64 i64)
                       (i64.{name} {}))",
                    operands(set, mask)
                )
                .unwrap();
            }
        }
    }
    text.push(')');
    in_every_mode(|engine| {
        let (mut store, instance) = instance(engine, &text);
        for (name, meaning) in OF_PAIRS {
            for (n, &[a, b, c, d]) in sets.iter().enumerate() {
                let expected = halves(meaning(pair(a, b), pair(c, d)));
                for mask in 0..16 {
                    let name = format!("{name} {n} {mask}");
                    let func = instance.get_typed_func::<_, (i64, i64)>(&mut store, &name);
                    let found = func.unwrap().call(&mut store, (a, b, c, d)).unwrap();
                    assert_eq!(found, expected, "{name} of {a} {b} {c} {d}");
                }
            }
        }
    });
}

#[test]
fn products() {
    let mut text = String::from("(module");
    for (n, &a) in NUMBERS.iter().enumerate() {
        for (m, &b) in NUMBERS.iter().enumerate() {
            for mask in 0..4 {
                for sign in ["s", "u"] {
                    write!(
                        text,
                        "(func (export \"{sign} {n} {m} {mask}\") (param i64 i64) (result i64 i64)
                           (i64.mul_wide_{sign} {}))",
                        operands(&[a, b], mask)
                    )
                    .unwrap();
                }
            }
        }
    }
    text.push(')');
    in_every_mode(|engine| {
        let (mut store, instance) = instance(engine, &text);
        for (n, &a) in NUMBERS.iter().enumerate() {
            for (m, &b) in NUMBERS.iter().enumerate() {
                let signed = i128::from(a) * i128::from(b);
                let unsigned = u128::from(a as u64) * u128::from(b as u64);
                for mask in 0..4 {
                    for (sign, product) in [("s", signed), ("u", unsigned as i128)] {
                        let name = format!("{sign} {n} {m} {mask}");
                        let func = instance.get_typed_func::<_, (i64, i64)>(&mut store, &name);
                        let found = func.unwrap().call(&mut store, (a, b)).unwrap();
                        assert_eq!(found, halves(product), "{name} of {a} and {b}");
                    }
                }
            }
        }
    });
}

/// A generator of pseudorandom numbers with a state of 128 bits, whose loop has more locals than
/// there are registers, and numbers in all fixed ones.
#[test]
fn long_loops() {
    const TEXT: &str = r#"(module
        (func (export "run") (param $n i64) (result i64 i64)
            (local $low i64) (local $high i64) (local $carry i64) (local $top i64)
            (local $a i64) (local $b i64) (local $c i64) (local $d i64) (local $e i64)
            (local $f i64) (local $g i64) (local $h i64) (local $i i64)
            (local.set $low (i64.const 1))
            (loop $again
                (i64.mul_wide_u (local.get $low) (i64.const 0x2360ed051fc65da4))
                (local.set $top) (local.set $carry)
                (i64.sub128 (local.get $low) (local.get $high) (local.get $carry) (local.get $top))
                (i64.add128 (local.get $n) (i64.const -3))
                (local.set $high) (local.set $low)
                (i64.mul_wide_s (local.get $high) (local.get $low))
                (local.set $b (i64.add (local.get $b)))
                (local.set $a (i64.xor (local.get $a)))
                (i64.add128 (local.get $a) (local.get $b) (local.get $c) (local.get $d))
                (local.set $d) (local.set $c)
                (i64.sub128 (local.get $c) (local.get $d) (local.get $low) (local.get $e))
                (local.set $f) (local.set $e)
                (local.set $g (i64.add (local.get $g) (i64.rotl (local.get $e) (local.get $f))))
                (local.set $h (i64.div_u (local.get $g) (i64.or (local.get $h) (i64.const 1))))
                (local.set $i (i64.add (local.get $i) (local.get $h)))
                (br_if $again (i64.ne (i64.const 0)
                    (local.tee $n (i64.sub (local.get $n) (i64.const 1))))))
            (i64.add128 (local.get $low) (local.get $high) (local.get $g) (local.get $i))))"#;
    let run = |n: i64| {
        let (mut low, mut high) = (1i64, 0i64);
        let [mut a, mut b, mut c, mut d, mut e, mut g, mut h, mut i] = [0i64; 8];
        for n in (1..=n).rev() {
            let product = u128::from(low as u64) * 0x2360_ed05_1fc6_5da4;
            let state = pair(low, high).wrapping_sub(product as i128);
            (low, high) = halves(state.wrapping_add(pair(n, -3)));
            let (x, y) = halves(i128::from(high) * i128::from(low));
            b = b.wrapping_add(y);
            a ^= x;
            (c, d) = halves(pair(a, b).wrapping_add(pair(c, d)));
            let f;
            (e, f) = halves(pair(c, d).wrapping_sub(pair(low, e)));
            g = g.wrapping_add(e.rotate_left((f & 63) as u32));
            h = (g as u64 / (h as u64 | 1)) as i64;
            i = i.wrapping_add(h);
        }
        halves(pair(low, high).wrapping_add(pair(g, i)))
    };
    in_every_mode(|engine| {
        let (mut store, instance) = instance(engine, TEXT);
        let func = instance.get_typed_func::<i64, (i64, i64)>(&mut store, "run");
        let func = func.unwrap();
        for n in [1, 2, 100_000] {
            assert_eq!(func.call(&mut store, n).unwrap(), run(n), "{n} rounds");
        }
    });
}
