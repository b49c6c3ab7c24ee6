//! The parts of stack frames that are read by other code than that which made them.
//!
//! # The baseline frame
//!
//! ```text
//! rbp + 16 + n   stack arguments
//! rbp + 8        return address
//! rbp            caller's rbp
//! rbp - 8        VmContext*                    (VMCTX)
//! rbp - 16       result area, if there is one  (RESULT_AREA)
//! rbp - 16 - 8k  word k of the home slots, from 1 on (HomeSlot)
//! ```
//!
//! Every local and every operand-stack position has a *home slot*: locals first (parameters
//! included), then the operand stack from its bottom. A slot takes as many words as its value, a
//! vector's two; both compilers number them with [`HomeSlot`]. 32-bit values occupy the low half of
//! their word, the high half is undefined. Slots are aligned to words, those of vectors too.
//!
//! # OSR entry
//!
//! At a loop header the baseline, out of budget, stores every local and every operand that lives in
//! a register or is a constant to its home slot and calls
//! [`Builtin::TierUp`](crate::Builtin::TierUp). If that returns an OSR entry, the frame's state now
//! belongs to the optimized code: it is called like a function with the loop function's results and
//! one `i64` parameter, the baseline frame's `rbp` (see [`osr_params`]), reads the home slots in
//! its prologue, runs to the end of the function, and its results are the function's results. The
//! baseline frame stays below it only to return. (Method: a per-loop entry compiled as a function
//! of its own, as JavaScriptCore did first; see RATIONALE.md.)
//!
//! # The entry frame
//!
//! The entry trampoline, called from Rust as
//! `extern "sysv64" fn(vmctx, code, values, store) -> u32`, saves all callee-saved registers, links
//! itself into the store's chain of activations and calls WebAssembly code. Unwinding continues at
//! the innermost exception handler (see [`sites`](crate::sites)) or, for all that is no exception,
//! at the entry frame, which is the outermost handler: `rbp = store.entry_fp`,
//! `rsp = rbp - ENTRY_FRAME_SIZE`, and code that unlinks the activation, restores the saved
//! registers and returns 1 in the trampoline's place. A call that returns has preserved them.
//!
//! The native entry trampoline, `extern "sysv64" fn(func, arguments...) -> NativeResult`, makes the
//! same frame. Unwinding returns 1 in `rax` and `rdx`, so that it is the status of either.
//!
//! # The host frame
//!
//! The host trampoline, called as a function of any tier, stores its own `rbp` to
//! `store.exit_fp` before it calls Rust: `[exit_fp + 8]` is the return address into the
//! calling WebAssembly function, `[exit_fp]` that function's frame.

use crate::kind::{Kind, WORD_BYTES, Width};

use crate::callconv::RESULT_AREA_STRIDE;
use crate::vmctx::VmVal;

/// Bytes below [`VmStore::stack_limit`](crate::vmctx::VmStore::stack_limit) that generated code may
/// use without a check.
///
/// The limit holds for frames with what their calls pass on the stack: each function that calls
/// anything compares before it writes there. Below it may lie, at once: one frame of a function
/// that calls nothing, the array of values of one host trampoline, or the stack arguments and the
/// result area that an entry trampoline makes for a host function at the limit; and the records of
/// a stub. The runtime, which sets the limit, leaves this many bytes of stack below it, and what
/// Rust needs in builtins, host functions and signal handlers below that.
pub const STACK_RESERVE: u32 = 64 << 10;

/// The bytes that a frame may take without a comparison with the stack limit, if the function
/// calls nothing.
pub const UNCHECKED: u32 = 1024;

/// The most parameters and the most results of one function: what validation allows.
pub const MAX_VALUES: u32 = 1000;

const _: () = {
    let host_trampoline = MAX_VALUES * size_of::<VmVal>() as u32;
    // The widest stack argument and the widest result.
    let entry_trampoline = MAX_VALUES * (Kind::V128.width().bytes() + RESULT_AREA_STRIDE);
    assert!(host_trampoline + entry_trampoline + (8 << 10) < STACK_RESERVE);
};

/// Offset from `rbp` of the saved `VmContext*`.
pub const VMCTX: i32 = -8;

/// Offset from `rbp` of the saved result area pointer.
pub const RESULT_AREA: i32 = -16;

/// A home slot, named by the words from the top of all slots to its own lowest address.
///
/// Slots lie side by side, downwards from the first local's on: the one that follows depends on the
/// width of its value only ([`next`](Self::next)), and a value's lowest address on its slot only
/// ([`offset`](Self::offset)). So the last slot of a frame is also its size in words.
///
/// Frames are limited to [`MAX_HOME_WORDS`], so offsets fit 32 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HomeSlot(u32);

impl HomeSlot {
    /// What the first slot follows: no words.
    pub const NONE: HomeSlot = HomeSlot(0);

    /// The slot of a value of the width, behind this one.
    #[inline]
    pub const fn next(self, width: Width) -> Self {
        self.down(width.words())
    }

    /// The slot whose lowest address is so many words below this one's.
    #[inline]
    pub const fn down(self, words: u32) -> Self {
        HomeSlot(self.0 + words)
    }

    /// A word of this slot, counted upwards from its lowest address, as a slot of its own.
    #[inline]
    pub const fn word(self, n: u32) -> Self {
        HomeSlot(self.0 - n)
    }

    /// Words from the top of the first slot to the lowest address of this one.
    #[inline]
    pub const fn words(self) -> u32 {
        self.0
    }

    /// Offset from `rbp` of the lowest byte.
    #[inline]
    pub const fn offset(self) -> i32 {
        -(self.bytes_below_fp() as i32)
    }

    /// Bytes from `rbp` down to the slot's lowest address: the frame's, for its last slot.
    #[inline]
    pub const fn bytes_below_fp(self) -> u32 {
        RESULT_AREA.unsigned_abs() + WORD_BYTES * self.0
    }

    /// The slot at an offset from `rbp`, rounded down to a word; `None` above all slots.
    #[inline]
    pub const fn at(offset: i32) -> Option<Self> {
        let bytes = RESULT_AREA as i64 - offset as i64;
        if bytes > 0 {
            Some(HomeSlot((bytes as u32).div_ceil(WORD_BYTES)))
        } else {
            None
        }
    }

    /// Offset of a value of the width in memory where slots of the same words lie upwards, the
    /// first one at offset 0.
    #[inline]
    pub const fn offset_upwards(self, width: Width) -> u32 {
        WORD_BYTES * (self.0 - width.words())
    }
}

/// Words of home slots that one function may have: wasmparser allows 50,000 locals, and an operand
/// stack is no deeper than its body has bytes (7.6 MB), with two words each at most.
pub const MAX_HOME_WORDS: u32 = 1 << 24;

/// The parameters of an OSR entry, apart from `VmContext*` and result area: the baseline `rbp`.
pub const fn osr_params() -> &'static [Kind] {
    &[Kind::I64]
}

/// The site that [`Builtin::TierUp`](crate::Builtin::TierUp) gets when the budget ran out at a
/// function's entry; else it is the loop's index.
pub const ENTRY_SITE: u32 = u32::MAX;

/// Bytes of the entry frame below its `rbp`.
pub const ENTRY_FRAME_SIZE: i32 = 80;

/// Offsets from the entry frame's `rbp`.
pub mod entry {
    /// Saved `rbx`; `r12`–`r15` follow at 8 bytes each below.
    pub const RBX: i32 = -8;
    /// Saved `r12`.
    pub const R12: i32 = -16;
    /// Saved `r13`.
    pub const R13: i32 = -24;
    /// Saved `r14`.
    pub const R14: i32 = -32;
    /// Saved `r15`.
    pub const R15: i32 = -40;
    /// The `values` argument.
    pub const VALUES: i32 = -48;
    /// The `store` argument.
    pub const STORE: i32 = -56;
    /// `store.entry_fp` before this activation; 0 at the outermost.
    pub const PREVIOUS_ENTRY_FP: i32 = -64;
    /// `store.exit_fp` before this activation.
    pub const PREVIOUS_EXIT_FP: i32 = -72;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_lie_side_by_side_and_hold_their_values() {
        let mut slot = HomeSlot::NONE;
        let (mut top, mut upwards) = (RESULT_AREA, 0);
        for kind in Kind::ALL.into_iter().chain([Kind::V128, Kind::I32]) {
            let bytes = kind.words() * WORD_BYTES;
            assert_eq!(
                slot.next(kind.width()).offset_upwards(kind.width()),
                upwards
            );
            slot = slot.next(kind.width());
            assert_eq!(slot.offset() + bytes as i32, top, "{kind:?}");
            assert_eq!(HomeSlot::at(slot.offset()), Some(slot));
            for n in 0..kind.words() {
                let word = slot.offset() + (WORD_BYTES * n) as i32;
                assert_eq!(slot.word(n).offset(), word);
                assert_eq!(HomeSlot::at(word + 7), Some(slot.word(n)));
            }
            (top, upwards) = (slot.offset(), upwards + bytes);
        }
        assert_eq!(slot.words(), 10);
        assert_eq!(slot.bytes_below_fp() as i32, -top);
        assert_eq!(upwards, slot.words() * WORD_BYTES);
        assert_eq!(HomeSlot::at(RESULT_AREA), None);
        assert_eq!(HomeSlot::at(VMCTX), None);
    }
}
