//! Tests of the format: round trips, damage at every byte, and rules.

use std::io::ErrorKind;

use fastrand::Rng;
use sha2::{Digest, Sha256};

use super::*;

/// A trace of random functions and slices that keeps all rules.
pub(crate) fn random_trace(random: &mut Rng) -> Trace {
    let level = |number: usize| Level {
        name: format!("level-{number}"),
        counting: if number == 0 {
            Counting::Counts
        } else {
            Counting::Silent
        },
    };
    let levels: Vec<_> = (0..random.usize(2..=3)).map(level).collect();
    let functions: Vec<_> = (0..random.u32(1..8))
        .map(|number| random_function(random, number * 3, levels.len()))
        .collect();
    let mut end = random.u64(..100);
    let slices = (0..random.usize(..12))
        .map(|_| {
            let slice = random_slice(random, end, &functions);
            end = slice.to + random.u64(..3);
            slice
        })
        .collect();
    let text = |random: &mut Rng| (0..random.usize(..6)).map(|_| random.char(..)).collect();
    Trace {
        header: Header {
            program: text(random),
            arguments: vec![text(random); random.usize(..3)],
            module: [random.u8(..); 32],
            settings: text(random),
            seed: random.u64(..),
            machine: text(random),
            module_bytes: random.u64(..),
            module_funcs: random.u32(..),
            ask_ns: random.f64() * 1000.0,
            slowdown: (0..random.usize(..4)).map(|_| 1.0 + random.f64()).collect(),
            levels,
        },
        functions,
        slices,
        complete: random.bool(),
    }
}

/// A function that higher levels make faster, each by less and at more cost.
fn random_function(random: &mut Rng, index: u32, levels: usize) -> Function {
    let loops: Vec<_> = (0..random.u32(..3))
        .map(|number| Loop {
            offset: number * 10 + random.u32(..10),
            depth: random.u32(..=number),
        })
        .collect();
    let mut compile_ns = random.f64() * 100.0;
    let mut unit_ns: Vec<f64> = (0..=loops.len())
        .map(|_| 1.0 + random.f64() * 9.0)
        .collect();
    let costs = (0..levels)
        .map(|_| {
            let cost = Cost {
                compile_ns,
                code_bytes: random.u32(..),
                unit_ns: unit_ns.clone(),
            };
            compile_ns *= 2.0 + random.f64() * 10.0;
            unit_ns
                .iter_mut()
                .for_each(|time| *time *= 0.3 + random.f64() * 0.6);
            cost
        })
        .collect();
    Function {
        index,
        name: format!("f{index}"),
        body_bytes: random.u32(..),
        osr_part: random.bool().then(|| random.f64()),
        lasting: if random.bool() { random.f64() } else { 0.0 },
        loops,
        costs,
    }
}

fn random_slice(random: &mut Rng, from: u64, functions: &[Function]) -> Slice {
    let mut counts = Vec::new();
    for (function, one) in (0..).zip(functions) {
        for site in 0..=one.loops.len() as u32 {
            if random.bool() {
                let units = 1 + (random.u64(..) >> random.u32(52..64));
                counts.push(Count {
                    function,
                    site,
                    units,
                });
            }
        }
    }
    let host_ns = random.u64(..50);
    Slice {
        from,
        to: from + host_ns + random.u64(1..5000),
        host_ns,
        counts,
    }
}

fn bytes(trace: &Trace) -> Vec<u8> {
    let mut bytes = Vec::new();
    trace.write(&mut bytes).expect("the trace keeps all rules");
    bytes
}

/// The file with another checksum, so that what stands before it is judged.
fn resealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.len() - 32;
    let digest = Sha256::digest(&bytes[..end]);
    bytes[end..].copy_from_slice(&digest);
    bytes
}

#[test]
fn what_is_written_is_read_back() {
    let mut random = Rng::with_seed(1);
    for case in 0..500 {
        let trace = random_trace(&mut random);
        assert_eq!(
            Trace::read(&bytes(&trace)).as_ref(),
            Ok(&trace),
            "case {case}"
        );
    }
}

#[test]
fn a_file_that_is_cut_at_any_byte_is_refused_there() {
    let mut random = Rng::with_seed(2);
    for _ in 0..20 {
        let whole = bytes(&random_trace(&mut random));
        for length in 0..whole.len() {
            let error = Trace::read(&whole[..length]).unwrap_err();
            assert!(error.offset <= length, "{length}: {error}");
            let cut = matches!(error.fault, Fault::Truncated | Fault::Length(_));
            assert!(cut, "{length}: {error}");
        }
        let longer = [&whole[..], &[0; 3]].concat();
        assert_eq!(Trace::read(&longer).unwrap_err().fault, Fault::TooLong(3));
    }
}

#[test]
fn any_changed_byte_is_noticed() {
    let mut random = Rng::with_seed(3);
    for _ in 0..10 {
        let mut changed = bytes(&random_trace(&mut random));
        for at in 0..changed.len() {
            let bit = 1 << random.u8(..8);
            changed[at] ^= bit;
            assert!(Trace::read(&changed).is_err(), "byte {at}");
            changed[at] ^= bit;
        }
    }
}

/// With a checksum that fits, bytes may say anything: reading gives an error or a trace that keeps
/// all rules, and never panics.
#[test]
fn files_that_lie_are_refused_or_keep_the_rules() {
    let mut random = Rng::with_seed(4);
    let (mut refused, mut read) = (0, 0);
    for _ in 0..300 {
        let whole = bytes(&random_trace(&mut random));
        for _ in 0..100 {
            let mut changed = whole.clone();
            for _ in 0..random.usize(1..4) {
                let at = random.usize(8..changed.len() - 32);
                changed[at] = random.u8(..);
            }
            match Trace::read(&resealed(changed)) {
                Ok(trace) => {
                    read += 1;
                    assert_eq!(check::trace(&trace), Ok(()));
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(
        refused > 1000 && read > 1000,
        "{refused} refused, {read} read"
    );
}

#[test]
fn errors_say_what_and_where() {
    let mut random = Rng::with_seed(5);
    let whole = bytes(&random_trace(&mut random));
    let message = |bytes: &[u8]| Trace::read(bytes).unwrap_err().to_string();
    assert_eq!(
        message(b"\0asm\x01\0\0\0...."),
        "byte 8, in the start: not a trace"
    );
    let mut other = whole.clone();
    other[8] = 9;
    let expected = "byte 12, in the start: version 9 of the format; this program reads version 4";
    assert_eq!(message(&other), expected);
    let mut huge = whole[..12].to_vec();
    huge.extend([0xFF; 9]);
    huge.push(1);
    let expected = "byte 22, in the header: a length of 18446744073709551615, which is more than \
                    the file has";
    assert_eq!(message(&huge), expected);
    let end = whole.len();
    let mut changed = whole;
    changed[end - 1] ^= 1;
    let expected =
        format!("byte {end}, in the end: the checksum does not fit: the file was changed");
    assert_eq!(message(&changed), expected);
}

/// A trace of one function with a loop, and one slice.
fn small() -> Trace {
    let cost = Cost {
        compile_ns: 5.0,
        code_bytes: 7,
        unit_ns: vec![1.0, 2.0],
    };
    Trace {
        header: Header {
            levels: vec![Level::default(), Level::default()],
            ..Header::default()
        },
        functions: vec![Function {
            loops: vec![Loop::default()],
            costs: vec![cost.clone(), cost],
            ..Function::default()
        }],
        slices: vec![Slice {
            from: 10,
            to: 20,
            host_ns: 3,
            counts: vec![Count {
                function: 0,
                site: 1,
                units: 2,
            }],
        }],
        complete: true,
    }
}

/// What a broken rule is called, and what breaks it.
type Case = (&'static str, fn(&mut Trace));

#[test]
fn what_breaks_a_rule_is_neither_written_nor_read() {
    let cases: &[Case] = &[
        ("the header: 0 levels of code; there are 1 to 4", |trace| {
            trace.header.levels.clear()
        }),
        (
            "the header: a text of 70000 bytes; at most 65536",
            |trace| {
                trace.header.program = "x".repeat(70_000);
            },
        ),
        (
            "function 1: indexes of functions are not in ascending order",
            |trace| {
                trace.functions.push(trace.functions[0].clone());
            },
        ),
        ("function 0: loops are not in ascending order", |trace| {
            let function = &mut trace.functions[0];
            function.loops.push(Loop::default());
            function
                .costs
                .iter_mut()
                .for_each(|cost| cost.unit_ns.push(1.0));
        }),
        ("function 0: NaN is no time in nanoseconds", |trace| {
            trace.functions[0].costs[1].unit_ns[1] = f64::NAN;
        }),
        ("function 0: -1 is no time in nanoseconds", |trace| {
            trace.functions[0].costs[0].compile_ns = -1.0;
        }),
        ("function 0: inf is no time in nanoseconds", |trace| {
            trace.functions[0].costs[0].compile_ns = f64::INFINITY;
        }),
        (
            "slice 0: a slice from 10 to 20 ns with 11 ns outside of WebAssembly, after 0 ns",
            |trace| {
                trace.slices[0].host_ns = 11;
            },
        ),
        (
            "slice 0: a count of site 2 of function 0, which does not exist",
            |trace| {
                trace.slices[0].counts[0].site = 2;
            },
        ),
        (
            "slice 0: a count of site 0 of function 1, which does not exist",
            |trace| {
                trace.slices[0].counts[0].function = 1;
                trace.slices[0].counts[0].site = 0;
            },
        ),
        ("slice 0: a count of zero", |trace| {
            trace.slices[0].counts[0].units = 0
        }),
        ("slice 0: counts are not in ascending order", |trace| {
            let again = trace.slices[0].counts[0];
            trace.slices[0].counts.push(again);
        }),
    ];
    assert_eq!(Trace::read(&bytes(&small())), Ok(small()));
    for (expected, damage) in cases {
        let mut trace = small();
        damage(&mut trace);
        let error = trace.write(Vec::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        let (_, rule) = expected.split_once(": ").unwrap();
        assert_eq!(error.to_string(), rule);
        let read = Trace::read(&encode::trace(&trace)).unwrap_err();
        assert!(read.to_string().ends_with(expected), "{read}");
    }
}

#[test]
fn a_count_takes_few_bytes() {
    let mut trace = small();
    trace.slices[0].counts[0].units = 5000;
    let before = bytes(&trace).len();
    for number in 1..1000 {
        let from = number * 1_000_000;
        trace.slices.push(Slice {
            from,
            to: from + 1_000_000,
            ..trace.slices[0].clone()
        });
    }
    let each = (bytes(&trace).len() - before) / 999;
    assert!(each <= 13, "{each} bytes for a slice with one count");
}
