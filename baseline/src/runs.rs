//! Copying many operands: by a loop, so that an operator of two bytes does not become a thousand
//! moves.
//!
//! A call, a branch or a return can take along as many values as a type has, which the body names
//! with a byte or two. Up to [`INLINE`] of them are moved one by one. More are first brought to
//! their home slots (each at most once for the operator that pushed it), where they lie side by
//! side, and copied from there by a loop of some fifty bytes. So code is bounded by the body: about
//! 200 bytes for a byte, where each branch stores and loads all registers.

use upshift_abi::callconv::{ArgLocation, RESULT_AREA_STRIDE, ResultLocation};
use upshift_abi::exception;
use upshift_abi::frame::{self, HomeSlot};
use upshift_abi::kind::WORD_BYTES;
use upshift_abi::{Kind, ValType, Width};

use crate::alloc::{as_words, home};
use crate::asm::Cc;
use crate::asm::asm;
use crate::asm::encode::{Alu, Mem, Op, OperandSize};
use crate::asm::record::Effect;
use crate::asm::record::faults::Fault;
use crate::fixed::{Held, Rax};
use crate::func_gen::FuncGen;
use crate::reg::{Reg, Scratch};
use crate::value::Value;

/// Values up to this number are moved one by one.
pub(crate) const INLINE: usize = 16;

/// Values of one size that lie side by side, in memory at ascending addresses and in home slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// What moves one of them.
    kind: Kind,
    /// Words of home slots that the list's values before the first one take.
    words_before: u32,
    /// Where the first one lies.
    pub(crate) offset: u32,
    count: u32,
    /// Bytes from one to the next.
    stride: u32,
}

/// The runs of a list's values: of those that have a place in memory, given with the distance to a
/// next one of the same size.
fn runs(list: impl Iterator<Item = (Kind, Option<(u32, u32)>)>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut words = 0;
    for (kind, place) in list {
        let words_before = words;
        words += kind.words();
        let Some((offset, stride)) = place else {
            continue;
        };
        let kind = as_words(kind);
        match runs.last_mut() {
            Some(run)
                if run.kind == kind
                    && run.words_before + kind.words() * run.count == words_before
                    && run.offset + stride * run.count == offset =>
            {
                run.count += 1;
            }
            _ => runs.push(Run {
                kind,
                words_before,
                offset,
                count: 1,
                stride,
            }),
        }
    }
    runs
}

/// The runs of arguments on the stack.
pub(crate) fn stack_arg_runs(params: &[(Kind, ArgLocation)]) -> Vec<Run> {
    runs(params.iter().map(|&(kind, location)| match location {
        ArgLocation::Stack(offset) => (kind, Some((offset, kind.words() * WORD_BYTES))),
        ArgLocation::Int(_) | ArgLocation::Float(_) => (kind, None),
    }))
}

/// The runs of results in a result area.
pub(crate) fn area_runs(results: &[(Kind, ResultLocation)]) -> Vec<Run> {
    runs(results.iter().map(|&(kind, location)| match location {
        ResultLocation::Area(offset) => (kind, Some((offset, RESULT_AREA_STRIDE))),
        ResultLocation::Int(_) | ResultLocation::Float(_) => (kind, None),
    }))
}

/// The runs of an exception's values.
pub(crate) fn exception_runs(types: &[ValType]) -> Vec<Run> {
    runs(exception::fields(types).map(|(kind, offset)| {
        let stride = kind.words() * WORD_BYTES;
        (kind, Some((offset.0, stride)))
    }))
}

/// What a run's offset is from.
pub(crate) enum Base {
    Reg(Reg),
    /// The scratch register, which changes.
    Scratch(Scratch),
}

/// Which way a run is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From home slots.
    Out,
    /// To home slots.
    In,
}

impl FuncGen<'_> {
    /// Brings all operands to their home slots if so many are about to be moved. Emits stores only:
    /// flags survive.
    pub(crate) fn flush_many(&mut self, count: usize) {
        if count > INLINE {
            self.flush_stack(self.state.stack.len());
        }
    }

    /// Copies the home slots of a list's run to or from its place, whose offset is from `base`; the
    /// slots of the list follow the one given. Of registers only the scratch ones change; the
    /// context's is loaded again. Flags don't survive.
    pub(crate) fn copy_run(&mut self, way: Way, before: HomeSlot, base: Base, run: Run) {
        let (base, held) = match base {
            Base::Reg(reg) => (reg, None),
            Base::Scratch(scratch) => (scratch.reg(), Some(scratch)),
        };
        let one = |this: &mut Self, inner: Mem, outer: Mem| {
            let (from, to) = match way {
                Way::Out => (inner, outer),
                Way::In => (outer, inner),
            };
            this.copy(run.kind, to, from);
        };
        let words = run.kind.words();
        let after = before.down(run.words_before);
        if run.count as usize <= INLINE {
            for i in 0..run.count {
                let outer = Mem::base(base, (run.offset + run.stride * i) as i32);
                one(self, home(after.down(words * (i + 1))), outer);
            }
            return;
        }
        // Slots go downwards, the others upwards: a pointer for these, a falling index for those.
        self.masm.rm(
            Op::LEA.wide(),
            Reg::VMCTX,
            Mem::base(base, run.offset as i32),
        );
        let scratch = held.unwrap_or_else(|| self.masm.scratch());
        let index = scratch.reg();
        self.masm.zero(index);
        let top = self.masm.pos();
        let inner = Mem::element(Reg::RBP, index, after.down(words).offset());
        one(self, inner, Mem::base(Reg::VMCTX, 0));
        asm!(self.masm; add vmctx, run.stride as i32);
        for _ in 0..words {
            asm!(self.masm, scratch; dec scratch);
        }
        let end = -((words * run.count) as i32);
        self.masm.ri(Alu::Cmp, OperandSize::S64, index, end);
        self.masm.jcc(Cc::Ne, top);
        self.masm.rm(
            Op::MOV.wide(),
            Reg::VMCTX,
            Mem::base(Reg::RBP, frame::VMCTX),
        );
        self.masm.note(|| match way {
            Way::Out => Effect::CopyOut {
                after,
                to: (base, run.offset as i32),
                run: (run.count, words),
                stride: run.stride,
            },
            Way::In => Effect::CopyIn {
                after,
                from: (base, run.offset as i32),
                run: (run.count, words),
                stride: run.stride,
            },
        });
    }

    /// Copies so many words behind a home slot to those behind another one, closer to the operand
    /// stack's bottom.
    fn move_words_down(&mut self, to: HomeSlot, from: HomeSlot, words: u32) {
        let words = words - u32::from(self.masm.goes_wrong(Fault::ShortCopy));
        let scratch = self.masm.scratch();
        let index = scratch.reg();
        self.masm.zero(index);
        let top = self.masm.pos();
        let first =
            |after: HomeSlot| Mem::element(Reg::RBP, index, after.next(Width::W64).offset());
        self.copy(Kind::F64, first(to), first(from));
        asm!(self.masm, scratch; dec scratch);
        self.masm
            .ri(Alu::Cmp, OperandSize::S64, index, -(words as i32));
        self.masm.jcc(Cc::Ne, top);
        self.masm.note(|| Effect::CopySlots { to, from, words });
    }

    /// Brings so many operands from a position on to the home slots from position `to` on, if they
    /// are many and all of them are in their home slots; false if they are to be moved one by one.
    pub(crate) fn conform_many(&mut self, to: usize, from: usize, count: usize) -> bool {
        let in_home_slots = |position: usize| {
            let slot = self.state.stack_slot(position);
            matches!(self.state.stack[position], Value::Slot(_, s) if s == slot)
        };
        if count <= INLINE || !(from..from + count).all(in_home_slots) {
            return false;
        }
        if to != from {
            let end = self.state.slot_before(from + count);
            let (to, from) = (self.state.slot_before(to), self.state.slot_before(from));
            self.move_words_down(to, from, end.words() - from.words());
        }
        true
    }

    /// Moves a tail call's arguments from `rsp` on to `[rax + disp]`, the last one first. The
    /// return address is in `scratch` before and after; no float register but those of arguments is
    /// in use.
    pub(crate) fn move_outgoing(
        &mut self,
        scratch: &Scratch,
        rax: &Held<Rax>,
        disp: i32,
        count: usize,
    ) {
        let index = scratch.reg();
        let kept = Reg::from_index(16 + 8);
        self.masm.int_to_float(OperandSize::S64, kept, index);
        self.masm.mov_imm(index, count as u64);
        let top = self.masm.pos();
        let from = Mem::element(Reg::RSP, index, -8);
        let to = Mem::element(rax.reg(), index, disp - 8);
        self.copy(Kind::F64, to, from);
        asm!(self.masm, scratch; dec scratch);
        self.masm.jcc(Cc::Ne, top);
        self.masm.float_to_int(OperandSize::S64, index, kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_found() {
        let places = [None, Some(0), Some(8), None, Some(16), Some(24), Some(40)];
        let list = places.map(|place| (Kind::I64, place.map(|offset| (offset, 8))));
        let run = |words_before, offset, count| Run {
            kind: Kind::F64,
            words_before,
            offset,
            count,
            stride: 8,
        };
        let found = runs(list.into_iter());
        assert_eq!(found, [run(1, 0, 2), run(4, 16, 2), run(6, 40, 1)]);
    }

    #[test]
    fn vectors_make_runs_of_their_own() {
        let params = [
            (Kind::I32, ArgLocation::Stack(0)),
            (Kind::V128, ArgLocation::Stack(16)),
            (Kind::V128, ArgLocation::Stack(32)),
            (Kind::Ref, ArgLocation::Stack(48)),
        ];
        let run = |kind, words_before, offset, count, stride| Run {
            kind,
            words_before,
            offset,
            count,
            stride,
        };
        let expected = [
            run(Kind::F64, 0, 0, 1, 8),
            run(Kind::V128, 1, 16, 2, 16),
            run(Kind::F64, 5, 48, 1, 8),
        ];
        assert_eq!(stack_arg_runs(&params), expected);
    }
}
