//! The compilation state: the register file, the locals and the abstract operand stack.
//!
//! # Invariants
//!
//! - A register is free, reserved, holds one local, belongs to one stack entry, or is a temporary
//!   of the current operator (none of the four sets has it).
//! - A local without a register has its value in its home slot; one with a register too, unless
//!   the register is *dirty*.
//! - Stack entries below `flushed` are in their home slots.
//! - `locals[x].aliases` is the number of stack entries `Value::Local(_, x)`.

use std::fmt;

use upshift_abi::Kind;
use upshift_abi::frame::HomeSlot;

use crate::reg::{Reg, RegSet};
use crate::value::Value;

/// One local of the function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Local {
    pub(crate) kind: Kind,
    /// The register of the local's value, if it is in one.
    pub(crate) reg: Option<Reg>,
    /// Stack entries that stand for its current value.
    pub(crate) aliases: u8,
    /// Where the value is, unless a register is newer.
    pub(crate) slot: HomeSlot,
}

/// The owners of all registers.
#[derive(Debug, Default)]
pub(crate) struct RegFile {
    /// Registers without an owner.
    pub(crate) free: RegSet,
    /// Registers that a local owns, which `holder` names.
    pub(crate) locals: RegSet,
    /// Registers that a stack entry owns, whose position `holder` names.
    pub(crate) stack: RegSet,
    /// Registers in `locals` whose value is newer than the home slot.
    pub(crate) dirty: RegSet,
    /// Registers that must keep their owner during the current operator.
    pub(crate) pins: RegSet,
    /// Registers that hold neither locals nor operands from one operator to the next.
    pub(crate) reserved: RegSet,
    /// Registers in `locals` that were read since registers last ran out.
    pub(crate) recent: RegSet,
    /// The local's index or the stack entry's position.
    pub(crate) holder: [u32; 32],
}

/// A stack entry of more than one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wide {
    position: u32,
    /// Words that entries up to this one take beyond one each.
    extra: u32,
}

/// The abstract state at one point of the function.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) regs: RegFile,
    pub(crate) locals: Vec<Local>,
    pub(crate) stack: Vec<Value>,
    /// Entries below are in their home slots.
    pub(crate) flushed: usize,
    /// The slot of the last local, which those of the stack follow.
    bottom: HomeSlot,
    /// The last slot that the function has used so far.
    pub(crate) end: HomeSlot,
    /// Pushes of one word below this position need no note: they lie within `end`, and no entry of
    /// more words has been on the stack.
    unnoted: usize,
    /// The entries of more than one word, from the bottom. Those that were popped stay until the
    /// next push.
    wide: Vec<Wide>,
    /// The lowest that it has been in the current operator, for the checker of debug builds.
    pub(crate) lowest: usize,
}

/// Whether the home slot of a local in a register has its value, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Home {
    /// The slot has the value.
    Current,
    /// The register is newer: it is *dirty*.
    Stale,
}

impl RegFile {
    /// The state of the home slot of a local that is in the register.
    pub(crate) fn home(&self, reg: Reg) -> Home {
        if self.dirty.has(reg) {
            Home::Stale
        } else {
            Home::Current
        }
    }
}

impl State {
    /// An empty stack and free registers.
    pub(crate) fn reset(&mut self) {
        self.regs = RegFile {
            free: RegSet::ALL,
            ..RegFile::default()
        };
        self.locals.clear();
        self.stack.clear();
        self.flushed = 0;
        self.bottom = HomeSlot::NONE;
        self.end = HomeSlot::NONE;
        self.unnoted = 0;
        self.wide.clear();
        self.lowest = 0;
    }

    /// Declares a function's parameters, as its first locals.
    pub(crate) fn declare_params(&mut self, kinds: impl Iterator<Item = Kind>) {
        let mut slot = HomeSlot::NONE;
        self.locals.extend(kinds.map(|kind| {
            slot = slot.next(kind.width());
            Local {
                kind,
                reg: None,
                aliases: 0,
                slot,
            }
        }));
        self.bottom = slot;
        self.end = slot;
    }

    /// Declares so many further locals of a kind, before anything is on the stack.
    pub(crate) fn declare_locals(&mut self, kind: Kind, count: u32) {
        debug_assert!(self.stack.is_empty());
        let first = self.locals.len();
        let local = Local {
            kind,
            reg: None,
            aliases: 0,
            slot: self.bottom,
        };
        self.locals.resize(first + count as usize, local);
        let words = kind.words();
        let mut slot = self.bottom;
        for local in &mut self.locals[first..] {
            slot = slot.down(words);
            local.slot = slot;
        }
        self.bottom = slot;
        self.end = slot;
    }

    /// The slot before that of a local: the one of the local before, if there is one.
    pub(crate) fn local_slot_before(&self, local: usize) -> HomeSlot {
        match local.checked_sub(1) {
            Some(last) => self.locals[last].slot,
            None => HomeSlot::NONE,
        }
    }

    /// The home slot of the stack entry at a position.
    #[inline]
    pub(crate) fn stack_slot(&self, position: usize) -> HomeSlot {
        self.slot_before(position + 1)
    }

    /// The slot before that of a position, which depends on the entries below only.
    #[inline]
    pub(crate) fn slot_before(&self, position: usize) -> HomeSlot {
        let slot = self.bottom.down(position as u32);
        if self.wide.is_empty() {
            return slot;
        }
        slot.down(self.extra_below(position))
    }

    /// Words that the entries below a position take beyond one each.
    #[cold]
    #[inline(never)]
    fn extra_below(&self, position: usize) -> u32 {
        let below = |wide: &Wide| (wide.position as usize) < position;
        let count = self.wide.partition_point(below);
        self.wide[..count].last().map_or(0, |wide| wide.extra)
    }

    /// Notes that an entry was pushed: one of more than one word, one beyond all before, or any
    /// where there was an entry of more than one word.
    #[inline(never)]
    fn note_push(&mut self, position: usize, kind: Kind) {
        if kind.words() > 1 || !self.wide.is_empty() {
            return self.note_beside_wide(position, kind);
        }
        self.unnoted = position + 1;
        self.end = self.bottom.down(self.unnoted as u32);
    }

    #[cold]
    #[inline(never)]
    fn note_beside_wide(&mut self, position: usize, kind: Kind) {
        let popped = |wide: &Wide| wide.position as usize >= position;
        while self.wide.last().is_some_and(popped) {
            self.wide.pop();
        }
        if kind.words() > 1 {
            self.wide.push(Wide {
                position: position as u32,
                extra: self.extra_below(position) + kind.words() - 1,
            });
        }
        self.end = self.end.max(self.stack_slot(position));
        self.unnoted = if self.wide.is_empty() {
            (self.end.words() - self.bottom.words()) as usize
        } else {
            0
        };
    }

    /// Pushes an operand that is in its home slot, and returns the slot.
    #[inline]
    pub(crate) fn push_slot(&mut self, kind: Kind) -> HomeSlot {
        let slot = self.slot_before(self.stack.len()).next(kind.width());
        self.push(Value::Slot(kind, slot));
        slot
    }

    /// Pushes an operand. A register becomes the entry's own.
    #[inline(always)]
    pub(crate) fn push(&mut self, value: Value) {
        let position = self.stack.len();
        match value {
            Value::Reg(_, reg) => {
                debug_assert!(!self.regs.free.has(reg) && !self.regs.locals.has(reg));
                self.regs.stack.add(reg);
                self.regs.holder[reg.index()] = position as u32;
            }
            Value::Local(_, local) => self.locals[local as usize].aliases += 1,
            _ => {}
        }
        self.stack.push(value);
        if position >= self.unnoted || value.is_wide() {
            self.note_push(position, value.kind());
        }
    }

    /// Pops an operand. A register becomes the caller's temporary.
    #[inline]
    pub(crate) fn pop(&mut self) -> Value {
        let value = self
            .stack
            .pop()
            .expect("validation keeps the stack from underflowing");
        match value {
            Value::Reg(_, reg) => self.regs.stack.remove(reg),
            Value::Local(_, local) => self.locals[local as usize].aliases -= 1,
            _ => {}
        }
        self.flushed = self.flushed.min(self.stack.len());
        if cfg!(debug_assertions) {
            self.lowest = self.lowest.min(self.stack.len());
        }
        value
    }

    /// Frees a temporary; leaves a local's register alone.
    #[inline]
    pub(crate) fn release(&mut self, reg: Reg) {
        debug_assert!(!self.regs.stack.has(reg));
        debug_assert!(!self.regs.free.has(reg), "{reg:?} is released twice");
        if !self.regs.locals.has(reg) && RegSet::ALL.has(reg) {
            self.regs.free.add(reg);
        }
    }

    /// Frees what a popped operand had.
    #[inline]
    pub(crate) fn discard(&mut self, value: Value) {
        if let Value::Reg(_, reg) = value {
            self.release(reg);
        }
    }

    /// Drops stack entries down to a height.
    pub(crate) fn truncate(&mut self, height: usize) {
        while self.stack.len() > height {
            let value = self.pop();
            self.discard(value);
        }
    }

    /// Gives a temporary register to a local that has none.
    #[inline]
    pub(crate) fn bind(&mut self, local: u32, reg: Reg, home: Home) {
        debug_assert!(self.locals[local as usize].reg.is_none());
        self.locals[local as usize].reg = Some(reg);
        self.regs.holder[reg.index()] = local;
        self.regs.locals.add(reg);
        self.regs.recent.add(reg);
        if home == Home::Stale {
            self.regs.dirty.add(reg);
        }
    }

    /// Takes a local's register away without storing it; it becomes a temporary.
    #[inline]
    pub(crate) fn unbind(&mut self, local: u32) -> Option<Reg> {
        let reg = self.locals[local as usize].reg.take()?;
        self.regs.locals.remove(reg);
        self.regs.dirty.remove(reg);
        self.regs.recent.remove(reg);
        Some(reg)
    }

    /// Takes all locals' registers away but some; none may be dirty unless its value is dead.
    pub(crate) fn forget_local_registers(&mut self, but: RegSet) {
        let regs = &mut self.regs;
        let lost = regs.locals.minus(but);
        for reg in lost {
            self.locals[regs.holder[reg.index()] as usize].reg = None;
        }
        regs.free = regs.free.or(lost);
        regs.locals = regs.locals.and(but);
        regs.dirty = regs.dirty.and(but);
        regs.recent = regs.recent.and(but);
    }

    /// Panics if an invariant between operators does not hold.
    pub(crate) fn check(&self) {
        let regs = &self.regs;
        let owned = regs.free.or(regs.reserved).or(regs.locals).or(regs.stack);
        assert_eq!(
            owned,
            RegSet::ALL,
            "leaked registers: {:?}",
            RegSet::ALL.minus(owned)
        );
        let sets = [regs.free, regs.reserved, regs.locals, regs.stack];
        let sum: u32 = sets.map(RegSet::len).iter().sum();
        assert_eq!(sum, RegSet::ALL.len(), "a register has two owners");
        for reg in regs.locals {
            let local = regs.holder[reg.index()];
            assert_eq!(self.locals[local as usize].reg, Some(reg));
        }
        for reg in regs.stack {
            let entry = self.stack[regs.holder[reg.index()] as usize];
            assert!(matches!(entry, Value::Reg(_, r) if r == reg));
        }
        if !self.wide.is_empty() {
            let is_wide = |&position: &usize| self.stack[position].is_wide();
            let wide = (0..self.stack.len()).filter(is_wide);
            let noted = self.wide.iter().map(|wide| wide.position as usize);
            assert!(wide.eq(noted.filter(|&position| position < self.stack.len())));
        }
        assert!(self.slot_before(self.stack.len()) <= self.end);
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (i, value) in self.stack.iter().enumerate() {
            write!(f, "{}{value}", if i == 0 { "" } else { ", " })?;
        }
        f.write_str("] locals {")?;
        for reg in self.regs.locals {
            let dirty = if self.regs.dirty.has(reg) { "*" } else { "" };
            write!(f, " {reg:?}=local{}{dirty}", self.regs.holder[reg.index()])?;
        }
        f.write_str(" }")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(locals: u32) -> State {
        let mut state = State::default();
        state.reset();
        state.declare_locals(Kind::I32, locals);
        state
    }

    #[test]
    fn aliases_are_counted() {
        let mut state = state(1);
        state.push(Value::Local(Kind::I32, 0));
        state.push(Value::Local(Kind::I32, 0));
        assert_eq!(state.locals[0].aliases, 2);
        state.truncate(0);
        assert_eq!(state.locals[0].aliases, 0);
        state.check();
    }

    #[test]
    fn registers_change_owners() {
        let mut state = state(1);
        state.regs.free.remove(Reg::RAX);
        state.push(Value::Reg(Kind::I32, Reg::RAX));
        state.check();
        assert_eq!(state.pop(), Value::Reg(Kind::I32, Reg::RAX));
        state.bind(0, Reg::RAX, Home::Stale);
        state.check();
        assert_eq!(state.to_string(), "[] locals { rax=local0* }");
        state.forget_local_registers(RegSet::NONE);
        state.check();
        assert_eq!(state.locals[0].reg, None);
    }

    /// The slots of the stack's entries.
    fn slots(state: &State) -> Vec<u32> {
        let positions = 0..state.stack.len();
        positions
            .map(|position| state.stack_slot(position).words())
            .collect()
    }

    #[test]
    fn vectors_take_two_words() {
        let mut state = state(1);
        state.declare_locals(Kind::V128, 2);
        state.declare_locals(Kind::F64, 1);
        let locals: Vec<u32> = state.locals.iter().map(|l| l.slot.words()).collect();
        assert_eq!(locals, [1, 3, 5, 6]);
        assert_eq!(state.local_slot_before(0), HomeSlot::NONE);
        assert_eq!(state.local_slot_before(2), state.locals[1].slot);
        assert_eq!(state.slot_before(0), state.locals[3].slot);

        for kind in [Kind::I64, Kind::V128, Kind::I32, Kind::V128, Kind::Ref] {
            let slot = state.push_slot(kind);
            assert_eq!(slot, state.stack_slot(state.stack.len() - 1));
        }
        state.check();
        assert_eq!(slots(&state), [7, 9, 10, 12, 13]);
        assert_eq!(state.end.words(), 13);
        // Without the upper vector, what is above the lower one moves up; the frame stays as large.
        state.truncate(3);
        state.push_slot(Kind::F32);
        state.check();
        assert_eq!(slots(&state), [7, 9, 10, 11]);
        assert_eq!(state.end.words(), 13);
    }

    #[test]
    fn words_are_counted_not_entries() {
        let mut state = state(2);
        for _ in 0..4 {
            state.push_slot(Kind::I64);
        }
        assert_eq!(state.end.words(), 6);
        // As many entries, the vector first.
        state.truncate(0);
        state.push_slot(Kind::V128);
        for words in [6, 6, 7, 8] {
            state.push(Value::Const(Kind::I32, 0));
            state.check();
            assert_eq!(state.end.words(), words);
        }
        // And one more without it.
        state.truncate(0);
        for words in [8, 8, 8, 8, 8, 8, 9] {
            state.push(Value::Const(Kind::I32, 0));
            state.check();
            assert_eq!(state.end.words(), words);
        }
    }

    #[test]
    #[should_panic(expected = "leaked registers")]
    fn a_leak_is_found() {
        let mut state = state(0);
        state.regs.free.remove(Reg::RSI);
        state.check();
    }
}
