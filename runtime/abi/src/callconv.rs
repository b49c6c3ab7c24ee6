//! Where arguments and results live at a call: Cranelift's `tail` convention on x86-64, spelled out.
//!
//! Every function, whichever tier compiled it, and every trampoline follows it:
//!
//! - `rdi` holds the callee's `VmContext*`. A function whose results do not all fit registers takes
//!   a pointer to its *result area* in `rsi`; WebAssembly parameters follow.
//! - Integers and references take `rsi, rdx, rcx, r8, r9` (from `rdx` behind a result area), floats
//!   `xmm0`–`xmm7`. The rest go to the stack in 8-byte slots, first one lowest, the area padded to
//!   16 bytes. **The callee pops them** (`ret n`), which is what makes tail calls possible.
//! - Up to four integer results in `rax, rcx, rdx, rsi`, up to four floats in `xmm0`–`xmm3`.
//!   Each further result is stored by the callee in the result area: the k-th one of them at
//!   `16 * k`. The limit is ours, below Cranelift's own, so that its implicit areas never appear.
//! - **`rbx` and `r12`–`r15` survive a call** ([`CALLEE_SAVED`]), as do `rsp` and `rbp`; nothing else
//!   does. Upper halves of 32-bit values and of `f32` are undefined.
//! - `rsp + 8` is a multiple of 16 at the callee's first instruction (behind the return address),
//!   and every function keeps a frame pointer: `[rbp]` is the caller's `rbp`, `[rbp + 8]` the return
//!   address, stack arguments start at `rbp + 16`.
//!
//! For most signatures this is System V's convention as well, so Rust functions are called and call with
//! nothing moved: [`is_native`] says for which.
//!
//! `Locations` is the only place where these rules are computed.

use crate::types::{FuncType, ValType};

/// A general-purpose register by its hardware encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Gpr(pub u8);

/// An SSE register by its hardware encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Xmm(pub u8);

#[allow(missing_docs)]
impl Gpr {
    pub const RAX: Gpr = Gpr(0);
    pub const RCX: Gpr = Gpr(1);
    pub const RDX: Gpr = Gpr(2);
    pub const RBX: Gpr = Gpr(3);
    pub const RSP: Gpr = Gpr(4);
    pub const RBP: Gpr = Gpr(5);
    pub const RSI: Gpr = Gpr(6);
    pub const RDI: Gpr = Gpr(7);
    pub const R8: Gpr = Gpr(8);
    pub const R9: Gpr = Gpr(9);
    pub const R10: Gpr = Gpr(10);
    pub const R11: Gpr = Gpr(11);
    pub const R12: Gpr = Gpr(12);
    pub const R13: Gpr = Gpr(13);
    pub const R14: Gpr = Gpr(14);
    pub const R15: Gpr = Gpr(15);
}

/// Where the callee's `VmContext*` is passed.
pub const VMCTX: Gpr = Gpr::RDI;

/// Where the pointer to the result area is passed, if the signature has one.
pub const RESULT_AREA: Gpr = Gpr::RSI;

/// Integer argument registers in order, `VMCTX` included.
pub const INT_ARGS: [Gpr; 6] = [Gpr::RDI, Gpr::RSI, Gpr::RDX, Gpr::RCX, Gpr::R8, Gpr::R9];

/// Registers that a function must give back as it found them, `rbp` and `rsp` aside: Cranelift's
/// `tail` convention preserves them, so optimized callers keep values there across calls.
pub const CALLEE_SAVED: [Gpr; 5] = [Gpr::RBX, Gpr::R12, Gpr::R13, Gpr::R14, Gpr::R15];

/// Number of float argument registers, from `xmm0`.
pub const FLOAT_ARGS: u8 = 8;

/// Integer result registers in order.
pub const INT_RESULTS: [Gpr; 4] = [Gpr::RAX, Gpr::RCX, Gpr::RDX, Gpr::RSI];

/// Number of float result registers, from `xmm0`.
pub const FLOAT_RESULTS: u8 = 4;

/// Bytes between two results in a result area.
pub const RESULT_AREA_STRIDE: u32 = 16;

/// Where one argument is at the callee's first instruction.
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

/// Where one result is when the callee has returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultLocation {
    /// In a general-purpose register.
    Int(Gpr),
    /// In an SSE register.
    Float(Xmm),
    /// In the result area, at this offset.
    Area(u32),
}

/// The locations of a signature's parameters and results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locations {
    /// One for each WebAssembly parameter.
    pub params: Box<[ArgLocation]>,
    /// One for each result.
    pub results: Box<[ResultLocation]>,
    /// Bytes of stack arguments, a multiple of 16; the callee pops them.
    pub stack_args: u32,
    /// Bytes of the result area; 0 if the signature has none.
    pub result_area: u32,
}

impl Locations {
    /// Computes the locations; linear in the signature's length.
    pub fn of(ty: &FuncType) -> Self {
        Self::with(&ty.params, &ty.results)
    }

    /// As [`of`](Self::of), from slices.
    pub fn with(params: &[ValType], results: &[ValType]) -> Self {
        let (results, result_area) = locate_results(results);
        let mut ints = INT_ARGS[if result_area > 0 { 2 } else { 1 }..].iter();
        let mut floats = 0..FLOAT_ARGS;
        let mut stack = 0;
        let params = params
            .iter()
            .map(|ty| {
                let reg = if ty.is_int_class() {
                    ints.next().copied().map(ArgLocation::Int)
                } else {
                    floats.next().map(|n| ArgLocation::Float(Xmm(n)))
                };
                reg.unwrap_or_else(|| {
                    stack += 8;
                    ArgLocation::Stack(stack - 8)
                })
            })
            .collect();
        Self {
            params,
            results,
            stack_args: stack.next_multiple_of(16),
            result_area,
        }
    }

    /// Whether a Rust `extern "sysv64"` function can take these arguments and give this result in the same
    /// registers: all arguments in registers, at most one result. See [`NativeResult`](crate::vmctx::NativeResult).
    pub fn is_native(&self) -> bool {
        self.stack_args == 0 && self.results.len() <= 1
    }

    /// Whether the signature passes a pointer to a result area.
    pub fn has_result_area(&self) -> bool {
        self.result_area > 0
    }
}

/// Result locations and the bytes of the result area.
fn locate_results(results: &[ValType]) -> (Box<[ResultLocation]>, u32) {
    let mut ints = INT_RESULTS.iter();
    let mut floats = 0..FLOAT_RESULTS;
    let mut area = 0;
    let locations = results
        .iter()
        .map(|ty| {
            let reg = if ty.is_int_class() {
                ints.next().copied().map(ResultLocation::Int)
            } else {
                floats.next().map(|n| ResultLocation::Float(Xmm(n)))
            };
            reg.unwrap_or_else(|| {
                area += RESULT_AREA_STRIDE;
                ResultLocation::Area(area - RESULT_AREA_STRIDE)
            })
        })
        .collect();
    (locations, area)
}

/// [`Locations::is_native`], where the types are known at compile time.
pub const fn is_native(params: &[ValType], results: &[ValType]) -> bool {
    let (mut ints, mut floats) = (0, 0);
    let mut n = 0;
    while n < params.len() {
        if params[n].is_int_class() {
            ints += 1;
        } else {
            floats += 1;
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
        let locations = Locations::with(&[ValType::I32; 7], &[ValType::I32]);
        assert_eq!(locations.params[0], ArgLocation::Int(Gpr::RSI));
        assert_eq!(locations.params[4], ArgLocation::Int(Gpr::R9));
        assert_eq!(locations.params[5], ArgLocation::Stack(0));
        assert_eq!(locations.params[6], ArgLocation::Stack(8));
        assert_eq!(locations.stack_args, 16);
        assert_eq!(locations.results[0], ResultLocation::Int(Gpr::RAX));
        assert!(!locations.has_result_area());
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
        ];
        for (params, results, native) in cases {
            assert_eq!(is_native(params, results), native, "{params:?} {results:?}");
            assert_eq!(Locations::with(params, results).is_native(), native);
        }
    }

    #[test]
    fn a_result_area_shifts_the_parameters() {
        let locations = Locations::with(&[ValType::I64], &[ValType::I64; 6]);
        assert_eq!(locations.params[0], ArgLocation::Int(Gpr::RDX));
        assert_eq!(locations.results[4], ResultLocation::Area(0));
        assert_eq!(locations.results[5], ResultLocation::Area(16));
        assert_eq!(locations.result_area, 32);
    }
}
