//! Merges, where control flow joins: every branch to a label brings registers and stack to one
//! state.
//!
//! The first branch to a forward label decides which local is in which register there; a loop
//! header takes the state at its entry. Later branches conform by stores, moves and loads. A state
//! is as large as the register file, whatever the number of locals.
//!
//! Operands: all but the topmost result of a forward label are in their home slots, the topmost is
//! in `rax` or `xmm0`; a loop's parameters are all in their slots. Entries below a block were
//! flushed when it began.
//!
//! Which registers are *dirty* (newer than the slot) at a forward label is the union over its
//! branches, since it matters only behind the label; at a loop header it is fixed.

use upshift_abi::RegClass;
use upshift_abi::frame::HomeSlot;

use crate::alloc::home;
use crate::asm::Target;
use crate::asm::record::faults::Fault;
use crate::control::LabelAt;
use crate::func_gen::FuncGen;
use crate::reg::{Reg, RegSet, Scratch};
use crate::value::{Cond, Value};

/// Which local is in which register at a label.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LabelState {
    /// Registers that hold locals.
    pub(crate) regs: RegSet,
    /// Those of them that may be newer than the slot.
    pub(crate) dirty: RegSet,
    /// The range in `maps` of the locals, one for each register in order.
    start: u32,
}

impl LabelState {
    /// Tells label states of a function apart, as far as they have registers.
    pub(crate) fn id(self) -> (u32, RegSet) {
        (self.start, self.regs)
    }
}

/// Register moves that happen at once.
pub(crate) struct Moves {
    pending: RegSet,
    source: [Reg; 32],
    /// How many pending moves read the register.
    readers: [u8; 32],
}

impl Moves {
    /// No moves.
    pub(crate) fn new() -> Self {
        Self {
            pending: RegSet::NONE,
            source: [Reg::RAX; 32],
            readers: [0; 32],
        }
    }

    /// Adds a move; each destination once.
    pub(crate) fn add(&mut self, dst: Reg, src: Reg) {
        if dst != src {
            debug_assert!(!self.pending.has(dst));
            self.pending.add(dst);
            self.source[dst.index()] = src;
            self.readers[src.index()] += 1;
        }
    }
}

/// The register of a label's topmost value.
pub(crate) fn result_reg(class: RegClass) -> Reg {
    match class {
        RegClass::Int => Reg::RAX,
        RegClass::Float => Reg::XMM0,
    }
}

impl FuncGen<'_> {
    /// Emits moves in an order that overwrites nothing still needed, through scratch in cycles.
    pub(crate) fn emit_moves(&mut self, mut moves: Moves) {
        let mut held: [Option<Scratch>; 2] = [None, None];
        while !moves.pending.is_empty() {
            let mut progress = false;
            for dst in moves.pending {
                if moves.readers[dst.index()] == 0 {
                    let src = moves.source[dst.index()];
                    self.masm.mov(dst, src);
                    moves.readers[src.index()] -= 1;
                    moves.pending.remove(dst);
                    progress = true;
                }
            }
            if let (false, Some(blocked)) = (progress, moves.pending.first()) {
                let scratch = match blocked.class() {
                    RegClass::Int => held[0].get_or_insert_with(|| self.masm.scratch()),
                    RegClass::Float => held[1].get_or_insert_with(|| self.masm.fscratch()),
                };
                let scratch = scratch.reg();
                self.masm.mov(scratch, blocked);
                for dst in moves.pending {
                    if moves.source[dst.index()] == blocked {
                        moves.source[dst.index()] = scratch;
                        moves.readers[blocked.index()] -= 1;
                        moves.readers[scratch.index()] += 1;
                    }
                }
            }
        }
    }

    /// The current registers as a label state, without some.
    pub(crate) fn capture(&mut self, without: RegSet) -> LabelState {
        let regs = self.state.regs.locals.minus(without);
        let holder = &self.state.regs.holder;
        let start = self.labels.remember(regs.map(|reg| holder[reg.index()]));
        LabelState {
            regs,
            dirty: self.state.regs.dirty.minus(without),
            start,
        }
    }

    /// Makes sure that a label has a state: the current one if this is its first branch.
    pub(crate) fn ensure_label_state(&mut self, target: usize) -> LabelState {
        if let Some(state) = self.labels[target].state {
            return state;
        }
        let mut without = match self.label_types(target).last() {
            Some(&ty) => result_reg(ty.kind().class()).bit(),
            None => RegSet::NONE,
        };
        if !self.input.options.ablation.registers_across_labels {
            without = RegSet::ALL;
        } else if self.cursor.loop_depth == 0 {
            // Every other branch would have to load what is not in a register there: outside of
            // loops only locals that were used since the last label are worth it.
            let regs = &self.state.regs;
            without = without.or(regs.locals.minus(regs.dirty.or(regs.recent)));
        }
        let state = self.capture(without);
        self.labels[target].state = Some(state);
        state
    }

    /// The registers that are newer than their slots, and whose values matter at a label.
    fn dirty_for(&self, target: usize) -> RegSet {
        let regs = &self.state.regs;
        let dead = self.labels.dead(target);
        if dead.is_empty() {
            return regs.dirty;
        }
        let mut dirty = regs.dirty;
        for reg in regs.dirty {
            if dead.contains(&regs.holder[reg.index()]) {
                dirty.remove(reg);
            }
        }
        dirty
    }

    /// Whether a branch needs no code but the jump. Widens the label's dirty set if so.
    pub(crate) fn conforms(&mut self, target: usize) -> bool {
        let label = self.ensure_label_state(target);
        let dirty = self.dirty_for(target);
        let control = &self.labels[target];
        let regs = &self.state.regs;
        if !dirty.minus(label.regs).is_empty() || !label.regs.minus(regs.locals).is_empty() {
            return false;
        }
        let label_at = control.label_at();
        if label_at == LabelAt::Header && !dirty.minus(label.dirty).is_empty() {
            return false;
        }
        let mut held = label.regs.zip(self.labels.map(label));
        if held.any(|(reg, &local)| regs.holder[reg.index()] != local) {
            return false;
        }
        let types = self.label_types(target);
        let from = self.state.stack.len() - types.len();
        let mut slot = self.state.slot_before(control.height as usize);
        for (i, value) in self.state.stack[from..].iter().enumerate() {
            slot = slot.next(value.kind().width());
            let there = match value {
                Value::Reg(kind, reg) => {
                    label_at == LabelAt::End
                        && i + 1 == types.len()
                        && *reg == result_reg(kind.class())
                }
                Value::Slot(_, is) => {
                    (label_at == LabelAt::Header || i + 1 < types.len()) && *is == slot
                }
                _ => false,
            };
            if !there {
                return false;
            }
        }
        if label_at == LabelAt::End {
            self.widen_dirty(target, regs.dirty);
        }
        self.check_edge(target);
        true
    }

    fn widen_dirty(&mut self, target: usize, dirty: RegSet) {
        if let Some(state) = &mut self.labels[target].state {
            let dirty = dirty.and(state.regs).minus(state.dirty);
            if dirty.is_empty() || self.masm.goes_wrong(Fault::ForgottenDirty) {
                return;
            }
            state.dirty = state.dirty.or(dirty);
        }
    }

    /// Emits what brings the current state to a label's. The current state itself does not change,
    /// so that this may be out-of-line code of a conditional branch. Flags survive, unless many
    /// operands are moved ([`flush_many`](Self::flush_many) comes before, where the state may
    /// change).
    pub(crate) fn emit_conform(&mut self, target: usize) {
        let label = self.ensure_label_state(target);
        self.check_begin_fork();
        let types = self.label_types(target);
        let label_at = self.labels[target].label_at();
        let in_slots = match label_at {
            LabelAt::Header => types.len(),
            LabelAt::End => types.len().saturating_sub(1),
        };
        let height = self.labels[target].height as usize;
        let from = self.state.stack.len() - types.len();
        let many = self.conform_many(height, from, in_slots);
        // From the first one on: none is copied to where a later one still is.
        let mut slot = self.state.slot_before(height);
        for i in 0..if many { 0 } else { in_slots } {
            let value = self.state.stack[from + i];
            slot = slot.next(value.kind().width());
            self.copy_to_slot(value, slot);
        }
        let mut moves = Moves::new();
        let loads = self.plan_locals(target, label, label_at, &mut moves);
        let mut result = None;
        if let (LabelAt::End, Some(&ty)) = (label_at, types.last()) {
            let dst = result_reg(ty.kind().class());
            let value = self.state.stack[self.state.stack.len() - 1];
            match self.current_reg(value) {
                Some(src) => moves.add(dst, src),
                None => result = Some((dst, value)),
            }
        }
        self.emit_moves(moves);
        // Constants must not disturb the flags of a branch that is still to come.
        let flags = std::mem::replace(&mut self.masm.flags_live, true);
        for (i, reg) in label.regs.enumerate() {
            if loads.has(reg) {
                let local = self.labels.map(label)[i];
                self.load_local(local, reg);
            }
        }
        if let Some((dst, value)) = result {
            self.load_value(dst, value);
        }
        self.masm.flags_live = flags;
        self.check_edge(target);
        self.check_end_fork();
    }

    /// Stores the locals that must be in their slots, collects the moves between registers, and
    /// returns the registers to load.
    fn plan_locals(
        &mut self,
        target: usize,
        label: LabelState,
        label_at: LabelAt,
        moves: &mut Moves,
    ) -> RegSet {
        let mut loads = RegSet::NONE;
        let mut kept = RegSet::NONE;
        let mut dirty = RegSet::NONE;
        for (i, reg) in label.regs.enumerate() {
            let local = self.labels.map(label)[i];
            let Some(src) = self.state.locals[local as usize].reg else {
                loads.add(reg);
                continue;
            };
            if !self.state.regs.dirty.has(src) {
            } else if label_at == LabelAt::Header && !label.dirty.has(reg) {
                self.store_local(local, src);
            } else {
                dirty.add(reg);
            }
            moves.add(reg, src);
            kept.add(src);
        }
        for reg in self.dirty_for(target).minus(kept) {
            let local = self.state.regs.holder[reg.index()];
            self.store_local(local, reg);
        }
        if label_at == LabelAt::End {
            self.widen_dirty(target, dirty);
        }
        loads
    }

    /// The register that a value is in now.
    pub(crate) fn current_reg(&self, value: Value) -> Option<Reg> {
        match value {
            Value::Reg(_, reg) => Some(reg),
            Value::Local(_, local) => self.state.locals[local as usize].reg,
            _ => None,
        }
    }

    fn copy_to_slot(&mut self, value: Value, slot: HomeSlot) {
        if !matches!(value, Value::Slot(_, s) if s == slot) {
            self.store_value(home(slot), value);
        }
    }

    /// Takes over a label's state. The current one must own no register.
    pub(crate) fn adopt(&mut self, label: LabelState) {
        debug_assert!(self.state.regs.locals.is_empty() && self.state.regs.stack.is_empty());
        let regs = &mut self.state.regs;
        regs.locals = label.regs;
        regs.dirty = label.dirty;
        regs.recent = RegSet::NONE;
        regs.free = RegSet::ALL.minus(label.regs.or(regs.reserved));
        for (i, reg) in label.regs.enumerate() {
            let local = self.labels.map(label)[i];
            regs.holder[reg.index()] = local;
            self.state.locals[local as usize].reg = Some(reg);
        }
        self.check_label(label);
    }

    /// Code behind here can't be reached: drops what the current block has on the stack, and all
    /// registers.
    pub(crate) fn set_unreachable(&mut self) {
        let height = self
            .labels
            .last()
            .map_or(0, |control| control.height as usize);
        self.state.truncate(height);
        self.state.forget_local_registers(RegSet::NONE);
        self.cursor.reachable = false;
        self.masm.flags_live = false;
    }

    /// Jumps to a label whose state the current one conforms to, under a condition if there is one.
    pub(crate) fn jump(&mut self, cond: Option<Cond>, target: usize) {
        let control = &mut self.labels[target];
        let target = match control.header {
            Some(header) => Target::Pos(header),
            None => Target::Label(&mut control.label),
        };
        self.masm.jump(cond, target);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::with_gen;

    /// Runs moves on numbered registers and returns the values of all registers afterwards.
    fn simulate(pairs: &[(u32, u32)]) -> Vec<u8> {
        with_gen(|generator| {
            let mut moves = Moves::new();
            for &(dst, src) in pairs {
                moves.add(Reg::from_index(dst), Reg::from_index(src));
            }
            generator.emit_moves(moves);
            let mut regs: Vec<u8> = (0..16).collect();
            // Each move is REX.W 8B modrm.
            for code in generator.masm.buf.bytes().chunks(3) {
                let dst = (code[2] >> 3 & 7) | (code[0] & 4) << 1;
                let src = (code[2] & 7) | (code[0] & 1) << 3;
                regs[dst as usize] = regs[src as usize];
            }
            regs
        })
    }

    #[test]
    fn moves_happen_at_once() {
        let chain = simulate(&[(0, 1), (1, 2), (2, 3)]);
        assert_eq!(chain[..4], [1, 2, 3, 3]);
        let cycle = simulate(&[(0, 1), (1, 2), (2, 0), (8, 0)]);
        assert_eq!(cycle[..3], [1, 2, 0]);
        assert_eq!(cycle[8], 0);
        let two_cycles = simulate(&[(0, 1), (1, 0), (9, 10), (10, 9)]);
        assert_eq!((two_cycles[0], two_cycles[1]), (1, 0));
        assert_eq!((two_cycles[9], two_cycles[10]), (10, 9));
    }
}
