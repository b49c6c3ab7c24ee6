//! Values and outcomes, comparable across engines.

use fastrand::Rng;
use upshift::Trap;

/// A value: floats by their bits, references only by being null or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// A 32-bit integer.
    I32(i32),
    /// A 64-bit integer.
    I64(i64),
    /// The bits of a 32-bit float.
    F32(u32),
    /// The bits of a 64-bit float.
    F64(u64),
    /// A vector.
    V128(u128),
    /// A null reference of any type.
    Null,
    /// A reference that is not null.
    NonNull,
    /// A digest of a memory's bytes.
    Digest(u64),
}

/// The type of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `i32`
    I32,
    /// `i64`
    I64,
    /// `f32`
    F32,
    /// `f64`
    F64,
    /// `v128`
    V128,
    /// Any type of nullable references.
    Ref,
}

impl From<wasmparser::ValType> for Type {
    fn from(ty: wasmparser::ValType) -> Self {
        match ty {
            wasmparser::ValType::I32 => Self::I32,
            wasmparser::ValType::I64 => Self::I64,
            wasmparser::ValType::F32 => Self::F32,
            wasmparser::ValType::F64 => Self::F64,
            wasmparser::ValType::V128 => Self::V128,
            wasmparser::ValType::Ref(_) => Self::Ref,
        }
    }
}

/// How a call ended without results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// By a trap. Traps that Wasmtime does not tell apart are one.
    Trap(Trap),
    /// By an error of the host.
    Host,
    /// By an exception that nothing caught.
    Exception {
        /// The first export that is the tag, if it is exported.
        tag: Option<String>,
        /// What the exception carries.
        values: Vec<Value>,
    },
    /// By a panic of the engine, which is a mismatch in any case.
    Panic(String),
}

/// Results, or how the call ended instead.
pub type Outcome = Result<Vec<Value>, Failure>;

/// A digest of bytes: quick, as it runs over all memories after each call.
pub fn digest(bytes: &[u8]) -> u64 {
    let mut sum = bytes.len() as u64;
    let mut add = |value: u64| {
        sum = (sum ^ value)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29);
    };
    let words = bytes.chunks_exact(8);
    for &byte in words.remainder() {
        add(u64::from(byte));
    }
    for word in words {
        add(u64::from_le_bytes(word.try_into().expect("eight bytes")));
    }
    sum
}

/// A digest of results, as a host function returns what it got from a call.
pub fn digest_of_values(values: &[Value]) -> u64 {
    let sum = values.iter().map(|value| match *value {
        Value::I32(value) => u64::from(value as u32),
        Value::I64(value) => value as u64,
        Value::F32(bits) => u64::from(bits),
        Value::F64(bits) | Value::Digest(bits) => bits,
        Value::V128(bits) => bits as u64 ^ (bits >> 64) as u64,
        Value::Null => 11,
        Value::NonNull => 13,
    });
    sum.fold(values.len() as u64, |sum, value| {
        (sum ^ value)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(31)
    })
}

const SPECIAL_INTEGERS: [u64; 9] = [
    0,
    1,
    2,
    7,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    u64::MAX,
    1 << 63,
];

const SPECIAL_FLOATS: [f64; 9] = [
    0.0,
    -0.0,
    1.0,
    -1.5,
    1e10,
    1e-310,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
];

/// An argument: mostly a small or special number, which takes more ways through a program than a
/// random one.
pub fn argument(ty: Type, rng: &mut Rng) -> Value {
    let integer = match rng.usize(..3) {
        0 => rng.u64(..),
        1 => rng.u64(..) % 256,
        _ => SPECIAL_INTEGERS[rng.usize(..SPECIAL_INTEGERS.len())],
    };
    let float = SPECIAL_FLOATS[rng.usize(..SPECIAL_FLOATS.len())];
    match ty {
        Type::I32 => Value::I32(integer as i32),
        Type::I64 => Value::I64(integer as i64),
        Type::F32 => Value::F32((float as f32).to_bits()),
        Type::F64 => Value::F64(float.to_bits()),
        Type::V128 => Value::V128(match rng.usize(..3) {
            0 => u128::from(integer) << 64 | u128::from(float.to_bits()),
            1 => u128::from((float as f32).to_bits()) * 0x0000_0001_0000_0001_0000_0001_0000_0001,
            _ => rng.u128(..),
        }),
        Type::Ref => Value::Null,
    }
}
