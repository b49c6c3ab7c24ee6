//! Integer arithmetic with constants, which both compilers replace by cheaper instructions, and
//! branches on constants. Rust's arithmetic says what each must return.

use std::fmt::Write;

use upshift::{TypedFunc, WasmParams, WasmResults};

use crate::{in_every_mode, instance};

/// What an operator makes of two numbers, given their width; `None` if it traps.
type Operator = fn(i64, i64, u32) -> Option<i64>;

/// The operators' names and meanings. Operands are sign-extended, and results are yet to be.
const OPERATORS: [(&str, Operator); 15] = [
    ("add", |x, y, _| Some(x.wrapping_add(y))),
    ("sub", |x, y, _| Some(x.wrapping_sub(y))),
    ("mul", |x, y, _| Some(x.wrapping_mul(y))),
    ("div_s", |x, y, width| {
        let quotient = x.checked_div(y)?;
        (sign_extend(quotient, width) == quotient).then_some(quotient)
    }),
    ("div_u", |x, y, width| {
        let quotient = zero_extend(x, width).checked_div(zero_extend(y, width))?;
        Some(quotient as i64)
    }),
    ("rem_s", |x, y, _| match y {
        -1 => Some(0),
        _ => x.checked_rem(y),
    }),
    ("rem_u", |x, y, width| {
        let rest = zero_extend(x, width).checked_rem(zero_extend(y, width))?;
        Some(rest as i64)
    }),
    ("and", |x, y, _| Some(x & y)),
    ("or", |x, y, _| Some(x | y)),
    ("xor", |x, y, _| Some(x ^ y)),
    ("shl", |x, y, width| Some(x << amount(y, width))),
    ("shr_s", |x, y, width| Some(x >> amount(y, width))),
    ("shr_u", |x, y, width| {
        Some((zero_extend(x, width) >> amount(y, width)) as i64)
    }),
    ("rotl", |x, y, width| {
        Some(rotated(x, amount(y, width), width))
    }),
    ("rotr", |x, y, width| {
        Some(rotated(x, (width - amount(y, width)) % width, width))
    }),
];

fn sign_extend(x: i64, width: u32) -> i64 {
    x << (64 - width) >> (64 - width)
}

fn zero_extend(x: i64, width: u32) -> u64 {
    x as u64 & u64::MAX >> (64 - width)
}

fn amount(y: i64, width: u32) -> u32 {
    (y & i64::from(width - 1)) as u32
}

fn rotated(x: i64, amount: u32, width: u32) -> i64 {
    let bits = zero_extend(x, width);
    match amount {
        0 => x,
        _ => (bits << amount | bits >> (width - amount)) as i64,
    }
}

/// Constants of a width: small ones, and some around powers of two, with both signs.
fn constants(width: u32) -> Vec<i64> {
    let small = 0..=12;
    let larger = [
        15,
        16,
        24,
        25,
        27,
        60,
        100,
        125,
        255,
        641,
        1000,
        1_000_000,
        999_999_937,
    ];
    let around = [width / 2, width - 2, width - 1].map(|bit| 1i64.wrapping_shl(bit));
    let around = around
        .into_iter()
        .flat_map(|x| [x.wrapping_sub(1), x, x.wrapping_add(1)]);
    let all = small.chain(larger).chain(around);
    let all = all.flat_map(|x| [x, x.wrapping_neg()]);
    let mut all: Vec<i64> = all.map(|x| sign_extend(x, width)).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Calls all functions of a module, in every mode. Each exported function belongs to an operator
/// and a constant; it is called with all constants and its results are compared.
fn check<T: Copy + WasmParams, R: WasmResults>(
    width: u32,
    text: &str,
    args: &[(T, i64)],
    result: fn(R) -> i64,
) {
    in_every_mode(|engine| {
        let (mut store, instance) = instance(engine, text);
        for (name, operator) in OPERATORS {
            for constant in constants(width) {
                let name = format!("{name} {constant}");
                let func: TypedFunc<T, R> = instance.get_typed_func(&mut store, &name).unwrap();
                for &(arg, x) in args {
                    let expected = operator(x, constant, width).map(|y| sign_extend(y, width));
                    let found = func.call(&mut store, arg).ok().map(result);
                    assert_eq!(found, expected, "i{width}.{name} of {x}");
                }
            }
        }
    });
}

/// A module with a function of `x` for each operator and constant.
fn functions(width: u32) -> String {
    let mut text = String::from("(module");
    for (name, _) in OPERATORS {
        for constant in constants(width) {
            write!(
                text,
                "(func (export \"{name} {constant}\") (param i{width}) (result i{width})
                   (i{width}.{name} (local.get 0) (i{width}.const {constant})))"
            )
            .unwrap();
        }
    }
    text + ")"
}

#[test]
fn constants_of_32_bits() {
    let args: Vec<(i32, i64)> = constants(32).iter().map(|&x| (x as i32, x)).collect();
    check::<i32, i32>(32, &functions(32), &args, i64::from);
}

#[test]
fn constants_of_64_bits() {
    let args: Vec<(i64, i64)> = constants(64).iter().map(|&x| (x, x)).collect();
    check::<i64, i64>(64, &functions(64), &args, |result| result);
}

/// Both operands are constants; the left ones are known after a call was inlined, or at once.
#[test]
fn constants_on_both_sides() {
    for width in [32, 64] {
        let few: Vec<i64> = constants(width).into_iter().step_by(7).collect();
        let mut text = String::from("(module");
        for (name, _) in OPERATORS {
            for (i, x) in few.iter().enumerate() {
                for (j, y) in few.iter().enumerate() {
                    write!(
                        text,
                        "(func (export \"{name} {i} {j}\") (result i{width})
                           (i{width}.{name} (i{width}.const {x}) (i{width}.const {y})))"
                    )
                    .unwrap();
                }
            }
        }
        text.push(')');
        in_every_mode(|engine| {
            let (mut store, instance) = instance(engine, &text);
            for (name, operator) in OPERATORS {
                for (i, &x) in few.iter().enumerate() {
                    for (j, &y) in few.iter().enumerate() {
                        let export = format!("{name} {i} {j}");
                        let found = match width {
                            32 => instance
                                .get_typed_func::<(), i32>(&mut store, &export)
                                .unwrap()
                                .call(&mut store, ())
                                .map(i64::from),
                            _ => instance
                                .get_typed_func::<(), i64>(&mut store, &export)
                                .unwrap()
                                .call(&mut store, ()),
                        };
                        let expected = operator(x, y, width).map(|z| sign_extend(z, width));
                        assert_eq!(found.ok(), expected, "i{width}.{name} of {x} and {y}");
                    }
                }
            }
        });
    }
}

/// Lower halves of numbers, some shifted before they are masked, by the mask's distance and others.
#[test]
fn halves_of_shifted_numbers() {
    const SHIFTS: [u32; 5] = [0, 1, 2, 31, 32];
    let mut text = String::from("(module");
    for shift in SHIFTS {
        for distance in SHIFTS {
            let mask = 0xffff_ffffu64 << distance;
            write!(
                text,
                "(func (export \"{shift} {distance}\") (param i64 i64) (result i64)
                   (i64.mul
                     (i64.and (i64.shl (local.get 0) (i64.const {shift})) (i64.const {mask}))
                     (i64.and (local.get 1) (i64.const 0xffffffff))))"
            )
            .unwrap();
        }
    }
    text.push(')');
    in_every_mode(|engine| {
        let (mut store, instance) = instance(engine, &text);
        for shift in SHIFTS {
            for distance in SHIFTS {
                let name = format!("{shift} {distance}");
                let func = instance.get_typed_func::<(i64, i64), i64>(&mut store, &name);
                let func = func.unwrap();
                for x in constants(64) {
                    let factor = 0x1234_5678_9abc_def1;
                    let masked = (x << shift) & (0xffff_ffffu64 << distance) as i64;
                    let expected = masked.wrapping_mul(factor & 0xffff_ffff);
                    let found = func.call(&mut store, (x, factor)).unwrap();
                    assert_eq!(found, expected, "{name} of {x}");
                }
            }
        }
    });
}

/// A constant is added to a sum with another one, which is used too; also where the two are
/// nothing together.
#[test]
fn sums_of_sums() {
    for width in [32, 64] {
        let few: Vec<i64> = constants(width).into_iter().step_by(5).collect();
        let zeros = few.iter().map(|&c| (c, c.wrapping_neg()));
        let pairs = few.iter().flat_map(|&c| few.iter().map(move |&d| (c, d)));
        let pairs: Vec<(i64, i64)> = pairs.chain(zeros).collect();
        let mut text = String::from("(module");
        for (number, (c, d)) in pairs.iter().enumerate() {
            write!(
                text,
                "(func (export \"{number}\") (param i64) (result i64) (local $x i{width})
                   (local.set $x ({reduce} (local.get 0)))
                   ({extend} (i{width}.mul
                     (i{width}.add
                       (local.tee $x (i{width}.add (i{width}.const {c}) (local.get $x)))
                       (i{width}.const {d}))
                     (local.get $x))))",
                reduce = if width == 32 { "i32.wrap_i64" } else { "" },
                extend = if width == 32 { "i64.extend_i32_s" } else { "" },
            )
            .unwrap();
        }
        let text = text.replace("( (local.get 0))", "(local.get 0)");
        let text = text.replace("( (i64.mul", "(return (i64.mul") + ")";
        in_every_mode(|engine| {
            let (mut store, instance) = instance(engine, &text);
            for (number, &(c, d)) in pairs.iter().enumerate() {
                let name = number.to_string();
                let func = instance.get_typed_func::<i64, i64>(&mut store, &name);
                let func = func.unwrap();
                for &x in &few {
                    let sum = x.wrapping_add(c);
                    let product = sum.wrapping_add(d).wrapping_mul(sum);
                    let found = func.call(&mut store, x).unwrap();
                    assert_eq!(found, sign_extend(product, width), "{x} + {c} + {d}");
                }
            }
        });
    }
}

/// Branches whose condition is a constant, in a loop that is entered in its middle too, and code
/// behind them that nothing reaches.
#[test]
fn branches_on_constants() {
    const TEXT: &str = r#"(module
        (func (export "run") (param $n i32) (result i32) (local $sum i32) (local $i i32)
            (loop $again
                (if (i32.const 0)
                    (then (local.set $sum (i32.const -1000)))
                    (else (local.set $sum (i32.add (local.get $sum) (i32.const 1)))))
                (if (i32.eqz (i32.const 0))
                    (then (local.set $sum (i32.add (local.get $sum) (i32.const 10))))
                    (else unreachable))
                (block $out (br_if $out (i32.lt_s (i32.const -1) (i32.const 0))) unreachable)
                (block $out (br_if $out (i32.lt_u (i32.const -1) (i32.const 0)))
                    (local.set $sum (i32.add (local.get $sum) (i32.const 100))))
                (block $a (block $b (block $c
                    (br_table $a $b $c (i32.const 1)))
                    unreachable)
                    (local.set $sum (i32.add (local.get $sum) (i32.const 1000))))
                (block $a (block $b (br_table $a $b (i32.const -1)))
                    (local.set $sum (i32.add (local.get $sum) (i32.const 10000))))
                (local.set $sum (i32.add (local.get $sum)
                    (select (i32.const 100000) (i32.const 7) (i32.const 2))))
                (if (i32.const 0) (then (loop $inner (local.set $sum (i32.const 0)) (br $inner))))
                (br_if $again (i32.lt_u
                    (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
            (local.get $sum)))"#;
    in_every_mode(|engine| {
        let (mut store, instance) = instance(engine, TEXT);
        let run = instance
            .get_typed_func::<i32, i32>(&mut store, "run")
            .unwrap();
        for n in [1, 2, 2000] {
            assert_eq!(run.call(&mut store, n).unwrap(), n * 111_111);
        }
    });
}
