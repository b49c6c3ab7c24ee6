//! A symbolic checker of what moves: where every value of the program is, followed through the
//! instructions that were emitted, must be where the abstract state says, and at a branch where the
//! label's state promises.
//!
//! It is in the manner of register allocators' checkers: it does not repeat the generator's
//! reasoning but runs the program's side (locals, operand stack) and the machine's side (registers,
//! home slots, from the [record](crate::asm::record) of emitted instructions) next to each other,
//! as symbols ([`Machine`]). What an operator computes is taken on trust, as a new symbol in the
//! place where the generator says that the result is; that every value *stays* what it is until it
//! is used is checked:
//!
//! - operands that an operator reads, from registers and home slots;
//! - between operators: registers of locals and operands, which slots may be out of date, the
//!   context;
//! - the register in which an innermost loop keeps the budget;
//! - at each branch to a label, and where control falls into one: the registers that the label's
//!   state names, all other locals' slots, what the branch takes along, the operands below;
//! - that locals which a loop's header takes for dead are assigned before they are read or the loop
//!   is left;
//! - at a label: the registers that may be newer than their slots are at least those that were so
//!   on some way to it;
//! - at a loop's tier-up: every value is in its home slot, where an OSR entry looks for it;
//! - before a call and at a return: arguments and results, in registers and memory;
//! - on exceptional edges: all locals and the operands below the region are in their slots; what is
//!   thrown is in the exception, and what a clause takes from there where its label expects it.
//!
//! Debug builds check everything that they compile, and so do all tests and fuzzers; release builds
//! have no checker. It panics where it finds a fault, with the operator's offset and both sides.
//!
//! What it does not see: instructions of dynasm's that change a register which has an owner.

mod exception;
mod model;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;

use std::collections::HashMap;

use upshift_abi::callconv::{ArgLocation, ResultLocation};
use upshift_abi::frame::HomeSlot;
use upshift_abi::values::{PlacedValue, ValuePlace};
use upshift_abi::{Kind, RegClass, Width};

use crate::asm::record::Place;
use crate::control::BlockKind;
use crate::func_gen::FuncGen;
use crate::merge::{LabelState, result_reg};
use crate::reg::{Reg, RegSet};
use crate::signature::CallSignature;
use crate::value::Value;
use model::{Content, Machine, Symbol};

/// The checker's state for one function.
pub(crate) struct Checker {
    machine: Machine,
    /// By a label's state: registers that were newer than their slots on some way there.
    dirty_at: HashMap<(u32, RegSet), RegSet>,
    /// The exception that is being thrown.
    thrown: Option<Symbol>,
    /// A local that has its next value already, which the next operator is to assign.
    target: Option<u32>,
    /// Locals taken for dead at a loop's header and not assigned since, each with the loop's frame.
    dead: Vec<(usize, u32)>,
}

/// What becomes of an operand that is assigned to a local.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Assigned {
    /// It is popped, by `local.set`.
    Dropped,
    /// It stays, by `local.tee`.
    Kept,
}

impl Checker {
    /// The registers that a label's state names hold their locals, and every other local is in its
    /// slot unless it is dead; those whose slots are out of date are among `dirty`.
    fn check_label(&mut self, label: LabelState, map: &[u32], dirty: RegSet, dead: &[u32]) {
        let machine = &self.machine;
        let mut stale = RegSet::NONE;
        for (reg, &local) in label.regs.zip(map) {
            self.check_reg(
                reg,
                machine.local(local),
                width_of_local(machine, reg, local),
            );
            if machine.stale_locals.contains(&local) {
                stale.add(reg);
            }
        }
        let alive = machine
            .stale_locals
            .iter()
            .filter(|&local| !dead.contains(local));
        assert_eq!(
            stale.len() as usize,
            alive.count(),
            "of these locals, some are neither in their slots nor in a register of the label \
             ({:?}): {:?}",
            label.regs,
            machine.stale_locals
        );
        assert!(
            stale.minus(dirty).is_empty(),
            "the label takes the slots for up to date of {:?}",
            stale.minus(dirty)
        );
        let known = self.dirty_at.entry(label.id()).or_default();
        *known = known.or(stale);
        self.check_context();
    }

    /// No local is dead at a loop's header that may be read outside of the loop.
    fn check_dead(&self, target: usize) {
        let left = self.dead.iter().find(|&&(frame, _)| frame > target);
        assert!(
            left.is_none(),
            "a branch leaves a loop before an assignment: {left:?}"
        );
    }

    fn check_context(&self) {
        self.check_reg(Reg::VMCTX, Symbol::Context, Width::W64);
    }

    /// A register holds a value, in all bits or in as many as are asked for.
    #[track_caller]
    fn check_reg(&self, reg: Reg, symbol: Symbol, width: Width) {
        let content = self.machine.regs[reg.index()];
        assert!(
            content.holds(symbol, width),
            "{reg:?} holds {content} instead of {symbol}"
        );
    }

    /// A home slot holds a value.
    #[track_caller]
    fn check_slot(&self, slot: HomeSlot, symbol: Symbol, width: Width) {
        self.check_place(Place::Slot(slot), symbol, width);
    }

    /// Memory outside the frame holds a value.
    #[track_caller]
    fn check_outside(&self, base: Reg, disp: i32, symbol: Symbol, width: Width) {
        self.check_place(Place::Outside(base, disp), symbol, width);
    }

    #[track_caller]
    fn check_place(&self, place: Place, symbol: Symbol, width: Width) {
        for n in 0..width.words() {
            let content = self.machine.read(place, n);
            assert!(
                content.holds(symbol.word(width, n), width),
                "word {n} of {place:?} holds {content} instead of {symbol}"
            );
        }
    }

    /// Operands below a height are in their slots.
    #[track_caller]
    fn check_operands_below(&self, height: usize) {
        let first = self.machine.stale_operands.first();
        assert!(
            first.is_none_or(|&position| position as usize >= height),
            "of the operands below {height}, this one is not in its slot: {first:?}"
        );
    }
}

/// As much of a register as a value of the kind has to fill: integers are zero-extended.
fn width_in(reg: Reg, kind: Kind) -> Width {
    match reg.class() {
        RegClass::Int => Width::W64,
        RegClass::Float => kind.width(),
    }
}

/// As much of a register as a local has to fill.
fn width_of_local(machine: &Machine, reg: Reg, local: u32) -> Width {
    match reg.class() {
        RegClass::Int => Width::W64,
        RegClass::Float => machine.local_width(local),
    }
}

/// Where the generator tells the checker what it does. In release builds these do nothing.
impl FuncGen<'_> {
    /// Runs a check, with all recorded effects applied, if there is a checker.
    #[inline(always)]
    fn checked(&mut self, check: impl FnOnce(&Self, &mut Checker)) {
        if cfg!(debug_assertions)
            && let Some(mut checker) = self.checker.take()
        {
            for (effect, cold) in self.masm.record.effects.drain(..) {
                checker.machine.apply(effect, cold);
            }
            check(self, &mut checker);
            self.checker = Some(checker);
        }
    }

    /// Before the prologue: arguments are where the caller has put them.
    pub(crate) fn check_start(&mut self) {
        if !cfg!(debug_assertions) {
            return;
        }
        let widths = self.state.locals.iter().map(|local| local.kind.width());
        let mut machine = Machine::new(widths.collect(), self.input.sig.params.len());
        for (local, &(_, location)) in self.input.sig.params.iter().enumerate() {
            let local = local as u32;
            match location {
                ArgLocation::Int(reg) => machine.receive(local, reg.into()),
                ArgLocation::Float(reg) => machine.receive(local, reg.into()),
                ArgLocation::Stack(offset) => {
                    machine.receive_on_stack(local, Reg::RBP, 16 + offset as i32);
                }
            }
        }
        self.masm.record.effects.clear();
        self.checker = Some(Box::new(Checker {
            machine,
            dirty_at: HashMap::new(),
            thrown: None,
            target: None,
            dead: Vec::new(),
        }));
    }

    /// Between two operators: takes over the results of the first one, and checks what is in
    /// registers.
    pub(crate) fn check_operator(&mut self) {
        self.checked(|this, checker| {
            checker.dead.retain(|&(frame, _)| frame < this.labels.len());
            checker.check_reads(this);
            checker.machine.truncate(this.state.lowest);
            if this.cursor.reachable {
                for position in this.state.lowest..this.state.stack.len() {
                    checker.push_result(this, position);
                }
                let target = checker.target.take();
                checker.check_registers(this, target);
            }
        });
        if cfg!(debug_assertions) {
            self.state.lowest = self.state.stack.len();
        }
    }

    /// A register is read as an operand's value: that of one that this operator has popped, or of a
    /// local.
    pub(crate) fn check_use(&mut self, value: Value, reg: Reg) {
        self.checked(|this, checker| {
            let content = checker.machine.regs[reg.index()];
            checker.check_popped(this, value, content, width_in(reg, value.kind()));
        });
    }

    /// `local.get`: pushes the local's value.
    pub(crate) fn check_local_get(&mut self, local: u32) {
        self.checked(|_, checker| {
            let is_dead = checker.dead.iter().any(|&(_, dead)| dead == local);
            assert!(
                !is_dead,
                "local{local} is read, but was taken for dead at a loop's header"
            );
            let machine = &mut checker.machine;
            machine.push(machine.local(local), machine.local_width(local));
        });
        self.check_no_result();
    }

    /// `local.set` and `local.tee`: assigns the topmost operand.
    pub(crate) fn check_local_set(&mut self, local: u32, assigned: Assigned) {
        self.checked(|_, checker| {
            let machine = &mut checker.machine;
            let symbol = *machine.operands.last().expect("an operand");
            if assigned == Assigned::Dropped {
                machine.truncate(machine.operands.len() - 1);
            }
            machine.set_local(local, symbol);
            checker.dead.retain(|&(_, dead)| dead != local);
        });
        self.check_no_result();
    }

    /// What is on the stack now was not computed by this operator.
    fn check_no_result(&mut self) {
        if cfg!(debug_assertions) {
            self.state.lowest = self.state.stack.len();
        }
    }

    /// The result on top of the stack is in this local's register before the local is assigned.
    pub(crate) fn check_target(&mut self, local: u32) {
        self.checked(|_, checker| checker.target = Some(local));
    }

    /// Before code that goes elsewhere, and whose effects do not count for what follows.
    pub(crate) fn check_begin_fork(&mut self) {
        self.checked(|_, checker| checker.machine.begin_fork());
    }

    /// Behind such code.
    pub(crate) fn check_end_fork(&mut self) {
        self.checked(|_, checker| checker.machine.end_fork());
    }

    /// The budget is in the register that a loop keeps it in.
    pub(crate) fn check_loop_counter(&mut self) {
        self.checked(|this, checker| checker.check_budget(this));
    }

    /// A jump to a label's state would be right here.
    pub(crate) fn check_edge(&mut self, target: usize) {
        self.checked(|this, checker| {
            if !this.leaves_loop_counter(target) {
                checker.check_budget(this);
            }
            let control = &this.labels[target];
            let label = control.state.expect("a label with branches has a state");
            checker.check_dead(target);
            let dead = this.labels.dead(target);
            checker.check_label(label, this.labels.map(label), label.dirty, dead);
            let types = this.label_types(target);
            let (height, from) = (
                control.height as usize,
                this.state.stack.len() - types.len(),
            );
            checker.check_operands_below(height);
            let in_slots = match control.kind {
                BlockKind::Loop => types.len(),
                _ => types.len().saturating_sub(1),
            };
            let mut slot = this.state.slot_before(height);
            for (i, &ty) in types.iter().enumerate() {
                let (kind, symbol) = (ty.kind(), checker.machine.operands[from + i]);
                if i < in_slots {
                    slot = slot.next(kind.width());
                    checker.check_slot(slot, symbol, kind.width());
                } else {
                    let reg = result_reg(kind.class());
                    checker.check_reg(reg, symbol, width_in(reg, kind));
                }
            }
        });
    }

    /// A jump to a state that was captured right here would be right, with all operands in their
    /// slots.
    pub(crate) fn check_captured(&mut self, label: LabelState) {
        self.checked(|this, checker| {
            checker.check_label(label, this.labels.map(label), label.dirty, &[]);
            checker.check_operands_below(this.state.stack.len());
            checker.check_budget(this);
        });
    }

    /// A loop's header, whose last operands are its parameters: from here on only its state counts.
    pub(crate) fn check_loop_header(&mut self, label: LabelState, params: usize) {
        self.check_captured(label);
        self.checked(|this, checker| {
            let machine = &mut checker.machine;
            let height = this.state.stack.len();
            machine.truncate(height);
            machine.begin_epoch(height - params);
            let frame = this.labels.len() - 1;
            let dead = this.labels.dead(frame).iter();
            checker.dead.extend(dead.map(|&local| (frame, local)));
            for (reg, &local) in label.regs.zip(this.labels.map(label)) {
                machine.put_local_in(reg, local, label.dirty.has(reg));
            }
            machine.put_budget_in(this.loop_counter);
        });
        self.check_no_result();
    }

    /// A label is bound, and its state taken over.
    pub(crate) fn check_label(&mut self, label: LabelState) {
        self.checked(|this, checker| {
            let height = this.state.stack.len();
            let machine = &mut checker.machine;
            machine.truncate(height);
            machine.begin_epoch(height);
            let dirty = checker.dirty_at.remove(&label.id()).unwrap_or_default();
            assert!(
                dirty.minus(label.dirty).is_empty(),
                "a label forgets that slots are out of date: {:?}",
                dirty.minus(label.dirty)
            );
            for (reg, &local) in label.regs.zip(this.labels.map(label)) {
                machine.put_local_in(reg, local, dirty.has(reg));
            }
            machine.put_budget_in(this.loop_counter);
        });
    }

    /// Every local and operand is in its home slot.
    pub(crate) fn check_home_slots(&mut self) {
        self.checked(|this, checker| {
            let stale = &checker.machine.stale_locals;
            assert!(
                stale.is_empty(),
                "locals that are not in their slots: {stale:?}"
            );
            checker.check_operands_below(this.state.stack.len());
        });
    }

    /// Locals and operands are where a description says.
    pub(crate) fn check_described(&mut self, locals: &[PlacedValue], operands: &[PlacedValue]) {
        self.checked(|_, checker| {
            for (local, &value) in (0..).zip(locals) {
                let is_dead = checker.dead.iter().any(|&(_, dead)| dead == local);
                assert!(
                    !is_dead || !matches!(value.place, ValuePlace::Slot(_)),
                    "local{local} is not in its slot, which a loop takes for dead"
                );
                checker.check_described(value, checker.machine.local(local));
            }
            for (&value, &symbol) in operands.iter().zip(&checker.machine.operands) {
                checker.check_described(value, symbol);
            }
        });
    }

    /// Before stores of arguments or results.
    pub(crate) fn check_begin_passing(&mut self) {
        self.checked(|_, checker| checker.machine.forget_outside());
    }

    /// The topmost operands are where a call expects its arguments.
    pub(crate) fn check_args(&mut self, sig: &CallSignature) {
        self.checked(|this, checker| {
            let from = this.state.stack.len() - sig.params.len();
            for (i, &(kind, location)) in sig.params.iter().enumerate() {
                let (symbol, width) = (checker.machine.operands[from + i], kind.width());
                match location {
                    ArgLocation::Int(reg) => checker.check_reg(reg.into(), symbol, width),
                    ArgLocation::Float(reg) => checker.check_reg(reg.into(), symbol, width),
                    ArgLocation::Stack(offset) => {
                        checker.check_outside(Reg::RSP, offset as i32, symbol, width);
                    }
                }
            }
        });
    }

    /// Registers hold a builtin's arguments: constants, and the operands from a position on.
    pub(crate) fn check_builtin_args(&mut self, assignments: &[(Value, Reg)], from: usize) {
        self.checked(|_, checker| {
            let mut operands = checker.machine.operands[from..].iter();
            let constants = assignments.len() - operands.len();
            for (i, &(value, reg)) in assignments.iter().enumerate() {
                let symbol = match value {
                    Value::Const(_, constant) if i < constants => Symbol::Constant(constant),
                    _ => *operands.next().expect("operands come last"),
                };
                checker.check_reg(reg, symbol, Width::W32);
            }
        });
    }

    /// The topmost operands are where the caller expects results.
    pub(crate) fn check_results(&mut self) {
        self.checked(|this, checker| {
            // What has the area's address while results are stored.
            let area = this.masm.scratch().reg();
            let from = this.state.stack.len() - this.input.sig.results.len();
            for (i, &(kind, location)) in this.input.sig.results.iter().enumerate() {
                let (symbol, width) = (checker.machine.operands[from + i], kind.width());
                match location {
                    ResultLocation::Int(reg) => checker.check_reg(reg.into(), symbol, width),
                    ResultLocation::Float(reg) => checker.check_reg(reg.into(), symbol, width),
                    ResultLocation::Area(offset) => {
                        checker.check_outside(area, offset as i32, symbol, width);
                    }
                }
            }
        });
    }
}

impl Checker {
    fn check_described(&self, value: PlacedValue, symbol: Symbol) {
        let width = value.kind.width();
        match value.place {
            ValuePlace::Unknown => {}
            ValuePlace::Constant(bits) => assert_eq!(symbol, Symbol::Constant(bits)),
            ValuePlace::Slot(slot) => self.check_slot(slot, symbol, width),
            ValuePlace::Reg(reg) => self.check_reg(Reg::from_index(reg.into()), symbol, width),
        }
    }

    /// Takes an operator's result on trust, where the abstract stack says that it is.
    fn push_result(&mut self, this: &FuncGen<'_>, position: usize) {
        let value = this.state.stack[position];
        let width = value.kind().width();
        let machine = &mut self.machine;
        let symbol = match value {
            Value::Const(_, bits) => Symbol::Constant(bits),
            Value::Local(_, local) if self.target != Some(local) => machine.local(local),
            _ => machine.result(width),
        };
        machine.push(symbol, width);
        match value {
            Value::Reg(_, reg) => machine.regs[reg.index()] = Content::Whole(symbol),
            Value::Local(_, local) if self.target == Some(local) => {
                let reg = this.state.locals[local as usize].reg;
                let reg = reg.expect("what is computed for a local is in its register");
                machine.regs[reg.index()] = Content::Whole(symbol);
            }
            Value::Slot(_, slot) => {
                assert_eq!(slot, this.state.stack_slot(position), "a result's slot");
                machine.put_in_slot(position);
            }
            _ => {}
        }
    }

    /// What instructions that compute have read from home slots was popped.
    fn check_reads(&mut self, this: &FuncGen<'_>) {
        let popped = self
            .machine
            .operands
            .get(this.state.lowest..)
            .unwrap_or(&[]);
        for (slot, content) in &self.machine.reads {
            let is_of = |symbol: &Symbol| {
                content.holds(*symbol, Width::W32)
                    || (0..Width::W128.words())
                        .any(|n| content.holds(symbol.word(Width::W128, n), Width::W64))
            };
            assert!(
                popped.iter().any(is_of),
                "{slot:?} is read, which holds {content}, for one of {popped:?}"
            );
        }
        self.machine.reads.clear();
    }

    /// Some operand that was popped has these contents, or the local that the value stands for.
    fn check_popped(&self, this: &FuncGen<'_>, value: Value, content: Content, width: Width) {
        let local = match value {
            // It was in the flags.
            Value::Flags(_) => return,
            Value::Local(_, local) => Some(self.machine.local(local)),
            _ => None,
        };
        let popped = self
            .machine
            .operands
            .get(this.state.lowest..)
            .unwrap_or(&[]);
        assert!(
            popped
                .iter()
                .copied()
                .chain(local)
                .any(|symbol| content.holds(symbol, width)),
            "{value} is read as {content} instead of one of {popped:?}"
        );
    }

    /// What the abstract state says of registers is true, and it knows which locals' slots are out
    /// of date; but for a local that is about to be assigned.
    fn check_registers(&self, this: &FuncGen<'_>, target: Option<u32>) {
        let (state, machine) = (&this.state, &self.machine);
        for reg in state.regs.locals {
            let local = state.regs.holder[reg.index()];
            if target != Some(local) {
                self.check_reg(
                    reg,
                    machine.local(local),
                    width_of_local(machine, reg, local),
                );
            }
        }
        for reg in state.regs.stack {
            let position = state.regs.holder[reg.index()] as usize;
            let kind = state.stack[position].kind();
            self.check_reg(reg, machine.operands[position], width_in(reg, kind));
        }
        for &local in &machine.stale_locals {
            let reg = state.locals[local as usize].reg;
            assert!(
                target == Some(local) || reg.is_some_and(|reg| state.regs.dirty.has(reg)),
                "local{local} is taken to be in its slot"
            );
        }
        self.check_operands_below(state.flushed);
        self.check_context();
        self.check_budget(this);
    }

    /// The register that is to have the budget has it.
    fn check_budget(&self, this: &FuncGen<'_>) {
        if let Some(counter) = this.loop_counter {
            self.check_reg(counter.reg, Symbol::Budget, Width::W32);
        }
    }
}
