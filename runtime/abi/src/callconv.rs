//! The calling convention: Cranelift's `tail` convention on x86-64, spelled out.
//!
//! Every function, whichever tier compiled it, and every trampoline follows it:
//!
//! - `rdi` holds the callee's `VmContext*`. A function whose results do not all fit registers takes
//!   a pointer to its *result area* in `rsi`; WebAssembly parameters follow.
//! - Integers and references take `rsi, rdx, rcx, r8, r9` (from `rdx` behind a result area), floats
//!   and vectors `xmm0`–`xmm7`. The rest go to the stack, first one lowest, each in a word of 8
//!   bytes, a vector in 16 aligned bytes; the area is padded to 16 bytes. **The callee pops them**
//!   (`ret n`), which is what makes tail calls possible.
//! - Up to four integer results in `rax, rcx, rdx, rsi`, up to four floats and vectors in
//!   `xmm0`–`xmm3`. Each further result is stored by the callee in the result area: the k-th one of
//!   them at `16 * k`. The limit is ours, below Cranelift's own, so that its implicit areas never
//!   appear.
//! - **`rbx` and `r12`–`r15` survive a call** ([`CALLEE_SAVED`]), as do `rsp` and `rbp`; nothing
//!   else does. Bits of a register or word above a value's [`width`](crate::Kind::width) are
//!   undefined.
//! - `rsp + 8` is a multiple of 16 at the callee's first instruction (behind the return address),
//!   and every function keeps a frame pointer: `[rbp]` is the caller's `rbp`, `[rbp + 8]` the
//!   return address, stack arguments start at `rbp + 16`.
//!
//! For most signatures this is System V's convention as well, so Rust functions are called and call
//! with nothing moved: [`is_native`] says for which.
//!
//! `Locations` is the only place where these rules are computed.

mod x64;

pub use x64::*;

use crate::kind::{Kind, RegClass, WORD_BYTES};
use crate::types::{FuncType, ValType};

/// Bytes between two results in a result area.
pub const RESULT_AREA_STRIDE: u32 = 16;

/// The location of one argument at the callee's first instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgLocation {
    /// In a general-purpose register.
    Int(Gpr),
    /// In an SSE register.
    Float(Xmm),
    /// On the stack, at this offset from the lowest stack argument
    /// (`rsp + 8` on entry, `rbp + 16` once the frame stands).
    Stack(u32),
}

/// The location of one result when the callee has returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultLocation {
    /// In a general-purpose register.
    Int(Gpr),
    /// In an SSE register.
    Float(Xmm),
    /// In the result area, at this offset.
    Area(u32),
}

/// The kinds and locations of a signature's parameters and results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locations {
    /// The kind and location of each WebAssembly parameter.
    pub params: Box<[(Kind, ArgLocation)]>,
    /// The kind and location of each result.
    pub results: Box<[(Kind, ResultLocation)]>,
    /// Bytes of stack arguments, a multiple of 16; the callee pops them.
    pub stack_args: u32,
    /// Bytes of the result area; 0 if the signature has none.
    pub result_area: u32,
}

impl Locations {
    /// Computes the locations; linear in the signature's length.
    pub fn of(ty: &FuncType) -> Self {
        Self::with(kinds(&ty.params), kinds(&ty.results))
    }

    /// As [`of`](Self::of), from kinds.
    pub fn with(
        params: impl IntoIterator<Item = Kind>,
        results: impl IntoIterator<Item = Kind>,
    ) -> Self {
        let (results, result_area) = locate_results(results);
        let mut ints = INT_ARGS[if result_area > 0 { 2 } else { 1 }..].iter();
        let mut floats = 0..FLOAT_ARGS;
        let mut stack: u32 = 0;
        let params = params.into_iter().map(|kind| {
            let reg = match kind.class() {
                RegClass::Int => ints.next().copied().map(ArgLocation::Int),
                RegClass::Float => floats.next().map(|n| ArgLocation::Float(Xmm(n))),
            };
            let location = reg.unwrap_or_else(|| {
                let bytes = kind.words() * WORD_BYTES;
                let offset = stack.next_multiple_of(bytes);
                stack = offset + bytes;
                ArgLocation::Stack(offset)
            });
            (kind, location)
        });
        Self {
            params: params.collect(),
            results,
            stack_args: stack.next_multiple_of(16),
            result_area,
        }
    }

    /// Whether a Rust `extern "sysv64"` function can take these arguments and give this result in
    /// the same registers: all arguments in registers, at most one result, no vectors. See
    /// [`NativeResult`](crate::vmctx::NativeResult).
    pub fn is_native(&self) -> bool {
        let params = self.params.iter().map(|&(kind, _)| kind);
        let mut kinds = params.chain(self.results.iter().map(|&(kind, _)| kind));
        self.stack_args == 0 && self.results.len() <= 1 && kinds.all(|kind| kind != Kind::V128)
    }

    /// Whether the signature passes a pointer to a result area.
    pub fn has_result_area(&self) -> bool {
        self.result_area > 0
    }
}

/// The kinds of types.
pub fn kinds(types: &[ValType]) -> impl Iterator<Item = Kind> {
    types.iter().map(|ty| ty.kind())
}

/// Result locations and the bytes of the result area.
fn locate_results(results: impl IntoIterator<Item = Kind>) -> (Box<[(Kind, ResultLocation)]>, u32) {
    let mut ints = INT_RESULTS.iter();
    let mut floats = 0..FLOAT_RESULTS;
    let mut area = 0;
    let locations = results.into_iter().map(|kind| {
        let reg = match kind.class() {
            RegClass::Int => ints.next().copied().map(ResultLocation::Int),
            RegClass::Float => floats.next().map(|n| ResultLocation::Float(Xmm(n))),
        };
        let location = reg.unwrap_or_else(|| {
            area += RESULT_AREA_STRIDE;
            ResultLocation::Area(area - RESULT_AREA_STRIDE)
        });
        (kind, location)
    });
    (locations.collect(), area)
}

/// [`Locations::is_native`], where the types are known at compile time.
pub const fn is_native(params: &[ValType], results: &[ValType]) -> bool {
    let (mut ints, mut floats) = (0, 0);
    let mut n = 0;
    if let [ValType::V128, ..] = results {
        return false;
    }
    while n < params.len() {
        if let ValType::V128 = params[n] {
            return false;
        }
        match params[n].kind().class() {
            RegClass::Int => ints += 1,
            RegClass::Float => floats += 1,
        }
        n += 1;
    }
    ints < INT_ARGS.len() && floats <= FLOAT_ARGS as usize && results.len() <= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_then_stack() {
        let locations = Locations::with([Kind::I32; 7], [Kind::I32]);
        assert_eq!(locations.params[0], (Kind::I32, ArgLocation::Int(Gpr::RSI)));
        assert_eq!(locations.params[4].1, ArgLocation::Int(Gpr::R9));
        assert_eq!(locations.params[5].1, ArgLocation::Stack(0));
        assert_eq!(locations.params[6].1, ArgLocation::Stack(8));
        assert_eq!(locations.stack_args, 16);
        assert_eq!(
            locations.results[0],
            (Kind::I32, ResultLocation::Int(Gpr::RAX))
        );
        assert!(!locations.has_result_area());
    }

    #[test]
    fn vectors_share_the_float_registers_and_are_aligned_on_the_stack() {
        let (int, float, vector) = (Kind::I64, Kind::F64, Kind::V128);
        let params = [[vector, float].repeat(4), [int; 6].to_vec()].concat();
        let params = [params, vec![vector, float, vector]].concat();
        let locations = Locations::with(params, [vector; 6]);
        let at = |n: usize| locations.params[n].1;
        assert_eq!(at(0), ArgLocation::Float(Xmm(0)));
        assert_eq!(at(7), ArgLocation::Float(Xmm(7)));
        // The result area takes `rsi`: four integers fit registers.
        assert_eq!(at(11), ArgLocation::Int(Gpr::R9));
        assert_eq!(
            (at(12), at(13)),
            (ArgLocation::Stack(0), ArgLocation::Stack(8))
        );
        assert_eq!(at(14), ArgLocation::Stack(16));
        assert_eq!(at(15), ArgLocation::Stack(32));
        assert_eq!(at(16), ArgLocation::Stack(48), "aligned behind a word");
        assert_eq!(locations.stack_args, 64);
        assert_eq!(locations.results[3].1, ResultLocation::Float(Xmm(3)));
        assert_eq!(locations.results[5], (vector, ResultLocation::Area(16)));
        assert_eq!(locations.result_area, 32);
    }

    #[test]
    fn native_signatures_are_those_without_memory() {
        let (int, float) = (ValType::I64, ValType::F32);
        let many: Vec<ValType> = [[int; 5].as_slice(), &[float; 8]].concat();
        let more_ints = [&many[..], &[int]].concat();
        let more_floats = [&many[..], &[float]].concat();
        let cases = [
            (&[][..], &[][..], true),
            (&many, &[int], true),
            (&more_ints, &[], false),
            (&more_floats, &[], false),
            (&[], &[int, float], false),
            (&[int, ValType::V128], &[], false),
            (&[int], &[ValType::V128], false),
        ];
        for (params, results, native) in cases {
            assert_eq!(is_native(params, results), native, "{params:?} {results:?}");
            let locations = Locations::with(kinds(params), kinds(results));
            assert_eq!(locations.is_native(), native);
        }
    }

    #[test]
    fn a_result_area_shifts_the_parameters() {
        let locations = Locations::with([Kind::I64], [Kind::I64; 6]);
        assert_eq!(locations.params[0].1, ArgLocation::Int(Gpr::RDX));
        assert_eq!(locations.results[4].1, ResultLocation::Area(0));
        assert_eq!(locations.results[5].1, ResultLocation::Area(16));
        assert_eq!(locations.result_area, 32);
    }
}
