//! Copying many operands: by a loop, so that an operator of two bytes does not become a thousand
//! moves.
//!
//! A call, a branch or a return can take along as many values as a type has, which the body names
//! with a byte or two. Up to [`INLINE`] of them are moved one by one. More are first brought to
//! their home slots (each at most once for the operator that pushed it), where they lie side by
//! side, and copied from there by a loop of some fifty bytes. So code is bounded by the body: about
//! 200 bytes for a byte, where each branch stores and loads all registers.

use upshift_abi::Kind;
use upshift_abi::frame::{self, home_slot};

use crate::alloc::home;
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

/// Values that lie side by side in memory, at ascending addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// The position of the first one in its list.
    pub(crate) first: usize,
    /// Where it lies.
    pub(crate) offset: u32,
    pub(crate) count: usize,
    /// Bytes from one to the next.
    pub(crate) stride: u32,
}

/// The runs of a list, of which some have a place in memory, so many bytes apart.
pub(crate) fn runs(places: impl Iterator<Item = Option<u32>>, stride: u32) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (position, place) in places.enumerate() {
        let Some(offset) = place else { continue };
        match runs.last_mut() {
            Some(run)
                if run.first + run.count == position
                    && run.offset + stride * run.count as u32 == offset =>
            {
                run.count += 1;
            }
            _ => runs.push(Run {
                first: position,
                offset,
                count: 1,
                stride,
            }),
        }
    }
    runs
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

    /// Copies home slots from one on to or from a run, whose offset is from `base`. Of registers
    /// only the scratch ones change; the context's is loaded again. Flags don't survive.
    pub(crate) fn copy_run(&mut self, way: Way, slot: u32, base: Base, run: Run) {
        let (base, held) = match base {
            Base::Reg(reg) => (reg, None),
            Base::Scratch(scratch) => (scratch.reg(), Some(scratch)),
        };
        let one = |this: &mut Self, inner: Mem, outer: Mem| {
            let (from, to) = match way {
                Way::Out => (inner, outer),
                Way::In => (outer, inner),
            };
            this.copy(Kind::F64, to, from);
        };
        let count = run.count as u32;
        if run.count <= INLINE {
            for i in 0..run.count as u32 {
                let outer = Mem::base(base, (run.offset + run.stride * i) as i32);
                one(self, home(slot + i), outer);
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
        let inner = Mem::element(Reg::RBP, index, home_slot(slot));
        one(self, inner, Mem::base(Reg::VMCTX, 0));
        asm!(self.masm, scratch; add vmctx, run.stride as i32; dec scratch);
        self.masm
            .ri(Alu::Cmp, OperandSize::S64, index, -(run.count as i32));
        self.masm.jcc(Cc::Ne, top);
        self.masm.rm(
            Op::MOV.wide(),
            Reg::VMCTX,
            Mem::base(Reg::RBP, frame::VMCTX),
        );
        self.masm.note(|| match way {
            Way::Out => Effect::CopyOut {
                slot,
                to: (base, run.offset as i32),
                stride: run.stride,
                count,
            },
            Way::In => Effect::CopyIn {
                slot,
                from: (base, run.offset as i32),
                stride: run.stride,
                count,
            },
        });
    }

    /// Copies home slots to others further down the operand stack.
    fn move_slots_down(&mut self, to: u32, from: u32, count: usize) {
        let count = count - usize::from(self.masm.goes_wrong(Fault::ShortCopy));
        let scratch = self.masm.scratch();
        let index = scratch.reg();
        self.masm.zero(index);
        let top = self.masm.pos();
        let slot = |slot| Mem::element(Reg::RBP, index, home_slot(slot));
        self.copy(Kind::F64, slot(to), slot(from));
        asm!(self.masm, scratch; dec scratch);
        self.masm
            .ri(Alu::Cmp, OperandSize::S64, index, -(count as i32));
        self.masm.jcc(Cc::Ne, top);
        let count = count as u32;
        self.masm.note(|| Effect::CopySlots { to, from, count });
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
            let (to, from) = (self.state.stack_slot(to), self.state.stack_slot(from));
            self.move_slots_down(to, from, count);
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
        let run = |first, offset, count| Run {
            first,
            offset,
            count,
            stride: 8,
        };
        let found = runs(places.into_iter(), 8);
        assert_eq!(found, [run(1, 0, 2), run(4, 16, 2), run(6, 40, 1)]);
    }
}
