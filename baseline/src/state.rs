//! The compilation state: the register file, the locals and the abstract operand stack.
//!
//! # Invariants
//!
//! - A register is free, holds one local, belongs to one stack entry, or is a temporary of the
//!   current operator (none of the three sets has it).
//! - A local without a register has its value in its home slot; one with a register too, unless
//!   the register is *dirty*.
//! - Stack entries below `flushed` are in their home slots.
//! - `locals[x].aliases` is the number of stack entries `Value::Local(_, x)`.

use std::fmt;

use upshift_abi::Kind;

use crate::reg::{Reg, RegSet};
use crate::value::Value;

/// One local of the function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Local {
    pub(crate) kind: Kind,
    /// The register of the local's value, if it is in one.
    pub(crate) reg: Option<Reg>,
    /// Stack entries that stand for its current value.
    pub(crate) aliases: u32,
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
    /// Registers in `locals` that were read since registers last ran out.
    pub(crate) recent: RegSet,
    /// The local's index or the stack entry's position.
    pub(crate) holder: [u32; 32],
}

/// The abstract state at one point of the function.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) regs: RegFile,
    pub(crate) locals: Vec<Local>,
    pub(crate) stack: Vec<Value>,
    /// Entries below are in their home slots.
    pub(crate) flushed: usize,
    /// The highest that the stack has been.
    pub(crate) max_height: usize,
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
        self.max_height = 0;
        self.lowest = 0;
    }

    /// The home slot of a stack position.
    #[inline]
    pub(crate) fn stack_slot(&self, position: usize) -> u32 {
        (self.locals.len() + position) as u32
    }

    /// Pushes an operand. A register becomes the entry's own.
    #[inline]
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
        self.max_height = self.max_height.max(position + 1);
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
        let owned = regs.free.or(regs.locals).or(regs.stack);
        assert_eq!(
            owned,
            RegSet::ALL,
            "leaked registers: {:?}",
            RegSet::ALL.minus(owned)
        );
        let sum = regs.free.len() + regs.locals.len() + regs.stack.len();
        assert_eq!(sum, RegSet::ALL.len(), "a register has two owners");
        for reg in regs.locals {
            let local = regs.holder[reg.index()];
            assert_eq!(self.locals[local as usize].reg, Some(reg));
        }
        for reg in regs.stack {
            let entry = self.stack[regs.holder[reg.index()] as usize];
            assert!(matches!(entry, Value::Reg(_, r) if r == reg));
        }
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

    fn state(locals: usize) -> State {
        let mut state = State::default();
        state.reset();
        let local = Local {
            kind: Kind::I32,
            reg: None,
            aliases: 0,
        };
        state.locals.resize(locals, local);
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

    #[test]
    #[should_panic(expected = "leaked registers")]
    fn a_leak_is_found() {
        let mut state = state(0);
        state.regs.free.remove(Reg::RSI);
        state.check();
    }
}
