//! Runs integer operators with and without the optional processor features and compares with Rust's
//! own.
//!
//! The specification's tests run on whatever processor there is; these also run the sequences for
//! processors that lack an instruction. Functions that call nothing follow the platform's C
//! convention closely enough to be called directly.

use dynasmrt::AssemblyOffset;
use dynasmrt::mmap::MutableBuffer;
use upshift_abi::facts::decode;
use upshift_abi::{CompileRequest, Compiler, DefinedFuncIndex, TypeId};
use upshift_baseline::{Baseline, BaselineOptions, Features};

/// A compiled function of two integers.
struct Binary(dynasmrt::ExecutableBuffer);

impl Binary {
    fn new(text: &str, features: Features) -> Self {
        let wasm = wat::parse_str(text).expect("a valid module");
        let mut facts = decode(&wasm).expect("a valid module").facts;
        facts.type_ids = vec![TypeId(0); facts.types.len()];
        let compiler = Baseline::new(BaselineOptions {
            features,
            ..BaselineOptions::default()
        });
        let request = CompileRequest::new(&facts, &wasm, DefinedFuncIndex(0));
        let function = compiler.session().compile(request).expect("compiles");
        assert!(function.relocations.is_empty() && function.sites.calls.is_empty());
        let mut buffer = MutableBuffer::new(function.code.len()).expect("memory");
        buffer.set_len(function.code.len());
        buffer.copy_from_slice(&function.code);
        Self(buffer.make_exec().expect("executable memory"))
    }

    fn call(&self, a: u64, b: u64) -> u64 {
        // SAFETY: the code is a whole function that calls nothing, touches no memory but its frame,
        // and preserves what the C convention wants preserved; its context argument is not
        // followed.
        let code = unsafe {
            std::mem::transmute::<*const u8, extern "sysv64" fn(usize, u64, u64) -> u64>(
                self.0.ptr(AssemblyOffset(0)),
            )
        };
        code(0, a, b)
    }
}

const NUMBERS: [u64; 14] = [
    0,
    1,
    2,
    7,
    31,
    32,
    63,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x0123_4567_89ab_cdef,
    1 << 63,
    u64::MAX,
];

fn check(op: &str, unary: bool, wide: bool, expected: impl Fn(u64, u64) -> u64) {
    let ty = if wide { "i64" } else { "i32" };
    let operands = if unary {
        "(local.get 0)"
    } else {
        "(local.get 0) (local.get 1)"
    };
    let direct = format!("({ty}.{op} {operands})");
    // Operands that live on, and a result that goes to one of them.
    let kept = format!(
        "(local.set 1 {direct}) ({ty}.xor ({ty}.xor (local.get 1) (local.get 0)) (local.get 0))"
    );
    for body in [direct, kept] {
        let text = format!("(module (func (param {ty} {ty}) (result {ty}) {body}))");
        for features in [Features::default(), Features::host()] {
            let function = Binary::new(&text, features);
            for a in NUMBERS {
                for b in NUMBERS {
                    let mask = if wide { u64::MAX } else { 0xffff_ffff };
                    let result = function.call(a, b) & mask;
                    assert_eq!(
                        result,
                        expected(a, b) & mask,
                        "{body} of {a:#x}, {b:#x}, {features:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn counting() {
    check("clz", true, false, |a, _| {
        u64::from((a as u32).leading_zeros())
    });
    check("ctz", true, false, |a, _| {
        u64::from((a as u32).trailing_zeros())
    });
    check("popcnt", true, false, |a, _| {
        u64::from((a as u32).count_ones())
    });
    check("clz", true, true, |a, _| u64::from(a.leading_zeros()));
    check("ctz", true, true, |a, _| u64::from(a.trailing_zeros()));
    check("popcnt", true, true, |a, _| u64::from(a.count_ones()));
}

#[test]
fn shifts() {
    check("shl", false, false, |a, b| {
        u64::from((a as u32).wrapping_shl(b as u32))
    });
    check("shr_u", false, false, |a, b| {
        u64::from((a as u32).wrapping_shr(b as u32))
    });
    check("shr_s", false, false, |a, b| {
        (a as i32).wrapping_shr(b as u32) as u64
    });
    check("rotl", false, false, |a, b| {
        u64::from((a as u32).rotate_left(b as u32 % 32))
    });
    check("rotr", false, false, |a, b| {
        u64::from((a as u32).rotate_right(b as u32 % 32))
    });
    check("shl", false, true, |a, b| a.wrapping_shl(b as u32));
    check("shr_u", false, true, |a, b| a.wrapping_shr(b as u32));
    check("shr_s", false, true, |a, b| {
        (a as i64).wrapping_shr(b as u32) as u64
    });
    check("rotl", false, true, |a, b| a.rotate_left(b as u32 % 64));
    check("rotr", false, true, |a, b| a.rotate_right(b as u32 % 64));
}

#[test]
fn arithmetic_and_comparisons() {
    check("sub", false, false, |a, b| a.wrapping_sub(b));
    check("mul", false, true, |a, b| a.wrapping_mul(b));
    check("extend8_s", true, true, |a, _| a as i8 as u64);
    check("extend16_s", true, false, |a, _| a as i16 as u64);
    for wide in [false, true] {
        let name = if wide { "i64" } else { "i32" };
        let text = format!(
            "(module (func (param {name} {name}) (result i32)
                (if (result i32) ({name}.lt_s (local.get 0) (local.get 1))
                  (then (i32.const 1))
                  (else (i32.add (i32.const 2) ({name}.gt_u (local.get 0) (local.get 1)))))))"
        );
        let function = Binary::new(&text, Features::default());
        for a in NUMBERS {
            for b in NUMBERS {
                let (less, greater) = if wide {
                    ((a as i64) < b as i64, a > b)
                } else {
                    ((a as i32) < b as i32, a as u32 > b as u32)
                };
                let expected = if less { 1 } else { 2 + u64::from(greater) };
                assert_eq!(
                    function.call(a, b) & 0xffff_ffff,
                    expected,
                    "{a:#x}, {b:#x}"
                );
            }
        }
    }
}
