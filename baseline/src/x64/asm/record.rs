//! A record of where instructions move values, for the [checker](crate::check).
//!
//! Debug builds note each instruction of [`encode`](super::encode) that changes a register or
//! stores to the frame, as an [`Effect`]: exactly for those that move values, else just that a
//! register has other contents now. Release builds note nothing.
//!
//! Tests plant faults here: an instruction is then left out or emitted with another operand, and
//! noted as it was emitted.

use upshift_abi::Width;
use upshift_abi::frame::{self, HomeSlot};

use super::Masm;
use super::encode::{Mem, Op, OperandSize};
use crate::reg::Reg;

/// Memory that the checker knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    /// A home slot.
    Slot(HomeSlot),
    /// Where the frame keeps the `VmContext*`.
    Context,
    /// So many bytes from what another register points to: outgoing arguments, results.
    Outside(Reg, i32),
}

/// What an instruction, or a loop of them, does to registers and frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Move(Width, Reg, Reg),
    Constant(Reg, u64),
    Load(Width, Reg, Place),
    Store(Width, Place, Reg),
    /// Of a constant, sign-extended to 64 bits.
    StoreConstant(Width, Place, i32),
    /// The register has the function's budget.
    Budget(Reg),
    /// The register has other contents.
    Change(Reg),
    /// A call has changed all registers that calls do not preserve.
    Call,
    /// The words behind a home slot are copied to those behind another, the first one first.
    CopySlots {
        to: HomeSlot,
        from: HomeSlot,
        words: u32,
    },
    /// The slots behind one, so many of so many words each, are copied to places this many bytes
    /// apart.
    CopyOut {
        after: HomeSlot,
        to: (Reg, i32),
        run: (u32, u32),
        stride: u32,
    },
    /// The slots behind one, so many of so many words each, get what lies outside the frame, at
    /// places this many bytes apart.
    CopyIn {
        after: HomeSlot,
        from: (Reg, i32),
        run: (u32, u32),
        stride: u32,
    },
    /// The words behind a home slot are cleared.
    ClearSlots {
        after: HomeSlot,
        words: u32,
    },
    /// A word of a home slot is read by an instruction that computes.
    Read(HomeSlot),
    /// A word of a home slot has other contents.
    ChangeSlot(HomeSlot),
}

/// The effects since the checker has last seen them, and whether each is in cold code.
#[derive(Default)]
pub(crate) struct Record {
    pub(crate) effects: Vec<(Effect, bool)>,
    #[cfg(test)]
    pub(crate) plan: Option<faults::Plan>,
}

impl Record {
    /// Forgets the effects.
    pub(super) fn clear(&mut self) {
        self.effects.clear();
    }
}

impl Masm {
    /// Notes an effect.
    #[inline(always)]
    pub(crate) fn note(&mut self, effect: impl FnOnce() -> Effect) {
        if cfg!(debug_assertions) {
            self.record.effects.push((effect(), self.in_cold));
        }
    }

    /// Notes `op reg, rm`.
    #[inline(always)]
    pub(super) fn note_rr(&mut self, op: Op, reg: Reg, rm: Reg) {
        if !cfg!(debug_assertions) || op.only_compares() {
            return;
        }
        self.note(|| match op {
            _ if op == Op::MOV => Effect::Move(Width::W32, reg, rm),
            _ if op == Op::MOV.wide() => Effect::Move(Width::W64, reg, rm),
            _ if op == Op::MOVAPS => Effect::Move(Width::W128, reg, rm),
            _ if op == Op::XOR && reg == rm => Effect::Constant(reg, 0),
            _ => Effect::Change(reg),
        });
    }

    /// Notes `op reg, [mem]` or `op [mem], reg`.
    #[inline(always)]
    pub(super) fn note_rm(&mut self, op: Op, reg: Reg, mem: Mem) {
        if !cfg!(debug_assertions) {
            return;
        }
        let loads = [
            (Op::MOV, Width::W32),
            (Op::MOV.wide(), Width::W64),
            (Op::MOVSS, Width::W32),
            (Op::MOVSD, Width::W64),
            (Op::MOVUPS, Width::W128),
        ];
        let stores = [
            (Op::STORE, Width::W32),
            (Op::STORE.wide(), Width::W64),
            (Op::MOVSS_STORE, Width::W32),
            (Op::MOVSD_STORE, Width::W64),
            (Op::MOVUPS_STORE, Width::W128),
        ];
        let width = |table: &[(Op, Width)]| table.iter().find(|row| row.0 == op).map(|row| row.1);
        match (width(&loads), width(&stores), mem.place()) {
            (Some(width), _, Some(place)) => self.note(|| Effect::Load(width, reg, place)),
            (_, Some(width), Some(place)) => self.note(|| Effect::Store(width, place, reg)),
            (_, _, Some(Place::Slot(slot))) if op.stores() => {
                self.note(|| Effect::ChangeSlot(slot));
            }
            _ if op.stores() => {}
            (_, _, place) => {
                if let Some(Place::Slot(slot)) = place
                    && op != Op::LEA.wide()
                {
                    self.note(|| Effect::Read(slot));
                }
                if !op.only_compares() {
                    self.note(|| Effect::Change(reg));
                }
            }
        }
    }

    /// Notes a store of a constant.
    #[inline(always)]
    pub(super) fn note_store_imm(&mut self, size: OperandSize, mem: Mem, imm: i32) {
        if cfg!(debug_assertions)
            && let Some(place) = mem.place()
        {
            self.note(|| Effect::StoreConstant(size.width(), place, imm));
        }
    }
}

impl Mem {
    /// What is known of the place; `None` for one that depends on an index.
    fn place(self) -> Option<Place> {
        let (base, disp) = self.without_index()?;
        if base != Reg::RBP {
            return Some(Place::Outside(base, disp));
        }
        if disp == frame::VMCTX {
            return Some(Place::Context);
        }
        Some(HomeSlot::at(disp).map_or(Place::Outside(base, disp), Place::Slot))
    }
}

/// Faults of the compiler, which tests make on purpose to see the checker find them.
pub(crate) mod faults {
    use super::super::Masm;
    use super::super::encode::{Mem, Op};
    use super::Place;
    use crate::alloc::home;
    use crate::reg::Reg;

    /// What goes wrong.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Fault {
        /// A move between registers is missing.
        SkippedMove,
        /// A move of a cycle to or from the scratch register is missing.
        BrokenCycle,
        /// A move goes to another register of the class.
        WrongRegister,
        /// A store to a home slot is missing.
        SkippedStore,
        /// A load or store goes to the home slot next to the right one.
        WrongSlot,
        /// A label does not learn that a register is newer than its slot.
        ForgottenDirty,
        /// What the next operator assigns is misread.
        WrongTarget,
        /// A loop that copies slots copies one too few.
        ShortCopy,
    }

    /// The fault is made at the occasion with this number, once.
    #[cfg(test)]
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Plan {
        pub(crate) fault: Fault,
        pub(crate) occasion: u32,
        pub(crate) done: bool,
    }

    impl Masm {
        /// Whether this is the occasion for the fault.
        #[cfg(test)]
        pub(crate) fn goes_wrong(&mut self, fault: Fault) -> bool {
            let Some(plan) = &mut self.record.plan else {
                return false;
            };
            if plan.fault != fault || plan.done {
                return false;
            }
            plan.done = plan.occasion == 0;
            plan.occasion = plan.occasion.wrapping_sub(1);
            plan.done
        }

        /// Faults are made in tests only.
        #[cfg(not(test))]
        #[inline(always)]
        pub(crate) fn goes_wrong(&mut self, _: Fault) -> bool {
            false
        }

        /// The registers of a move; `None` if it is left out.
        #[inline(always)]
        pub(in crate::x64::asm) fn move_or_fault(
            &mut self,
            dst: Reg,
            src: Reg,
        ) -> Option<(Reg, Reg)> {
            let in_cycle = src.is_scratch() || dst.is_scratch();
            if self.goes_wrong(Fault::SkippedMove)
                || in_cycle && self.goes_wrong(Fault::BrokenCycle)
            {
                return None;
            }
            if self.goes_wrong(Fault::WrongRegister) {
                let other = Reg::from_index(dst.index() as u32 ^ 1);
                return Some((other, src));
            }
            Some((dst, src))
        }

        /// The place of a load or store; `None` if it is left out.
        #[inline(always)]
        pub(in crate::x64::asm) fn access_or_fault(&mut self, op: Op, mem: Mem) -> Option<Mem> {
            if !cfg!(test) {
                return Some(mem);
            }
            let Some(Place::Slot(slot)) = mem.place() else {
                return Some(mem);
            };
            if op.stores() && self.goes_wrong(Fault::SkippedStore) {
                return None;
            }
            if self.goes_wrong(Fault::WrongSlot) {
                return Some(home(slot.down(1)));
            }
            Some(mem)
        }
    }
}
