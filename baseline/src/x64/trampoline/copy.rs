//! Moves of one value between the places that trampolines know: a register, a word of the stack or
//! of a result area, an element of the array of values.
//!
//! Integers are moved as whole 64-bit words, whatever their width: the rest is undefined at a call,
//! and what reads a value knows its width. Floats are too; a vector takes 16 bytes, none of them
//! aligned.

use dynasm::dynasm;
use dynasmrt::DynasmApi;
use upshift_abi::callconv::{Gpr, Xmm};
use upshift_abi::kind::WORD_BYTES;
use upshift_abi::{Kind, Width};

use super::Assembler;

/// A place in memory: base register and displacement.
pub(super) type Place = (Gpr, i32);

/// Loads an integer or reference.
pub(super) fn load_int(asm: &mut Assembler, to: Gpr, (base, disp): Place) {
    dynasm!(asm ; .arch x64 ; mov Rq(to.0), [Rq(base.0) + disp]);
}

/// Stores an integer or reference.
pub(super) fn store_int(asm: &mut Assembler, (base, disp): Place, from: Gpr) {
    dynasm!(asm ; .arch x64 ; mov [Rq(base.0) + disp], Rq(from.0));
}

/// Loads a float or vector.
pub(super) fn load_float(asm: &mut Assembler, kind: Kind, to: Xmm, (base, disp): Place) {
    match kind.width() {
        Width::W32 | Width::W64 => dynasm!(asm ; .arch x64 ; movsd Rx(to.0), [Rq(base.0) + disp]),
        Width::W128 => dynasm!(asm ; .arch x64 ; movups Rx(to.0), [Rq(base.0) + disp]),
    }
}

/// Stores a float or vector.
pub(super) fn store_float(asm: &mut Assembler, kind: Kind, (base, disp): Place, from: Xmm) {
    match kind.width() {
        Width::W32 | Width::W64 => dynasm!(asm ; .arch x64 ; movsd [Rq(base.0) + disp], Rx(from.0)),
        Width::W128 => dynasm!(asm ; .arch x64 ; movups [Rq(base.0) + disp], Rx(from.0)),
    }
}

/// Copies a value of any kind between two places in memory; changes `through` only.
pub(super) fn copy_words(asm: &mut Assembler, kind: Kind, to: Place, from: Place, through: Gpr) {
    for word in 0..kind.words() {
        let offset = (word * WORD_BYTES) as i32;
        load_int(asm, through, (from.0, from.1 + offset));
        store_int(asm, (to.0, to.1 + offset), through);
    }
}
