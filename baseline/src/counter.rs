//! Budget counters: what calls and loop iterations take from their function's budget.
//!
//! The budget is a cell in memory that a function's entry and its loops share: one for all
//! instances of a module, or, where these may run on several threads, one in each context. Code
//! that finds it used up asks for tier-up out of line. Mostly the weight is subtracted from memory,
//! with one instruction. In a short loop that is the slowest part of an iteration, for each
//! subtraction waits for the one before to come back from memory. An innermost loop that was seen
//! whole, calls nothing and leaves a register free therefore has its budget there
//! ([`LoopCounter`]): loaded before the header, stored on each way out of the loop, and stored and
//! loaded around tier-up.
//!
//! What is counted is the same both ways, but for a loop that ends by a trap: then the cell stays
//! what it was when the loop was entered or last asked for tier-up.
//!
//! In a module that is recorded, each entry and loop has a cell of its own instead
//! ([`counted`](upshift_abi::counted)), from which 1 is taken by the same instructions; nothing is
//! compared and nothing is asked for.

use upshift_abi::frame::ENTRY_SITE;
use upshift_abi::{LoopIndex, OsrEntryInfo, RegClass, RelocationTarget};

use crate::asm::encode::{Alu, Mem, Op, OperandSize};
use crate::asm::{Cc, asm};
use crate::fixed::UNFIXED;
use crate::func_gen::FuncGen;
use crate::lookahead::{LOOP_TEMPORARIES, Lookahead};
use crate::reg::{Reg, RegSet};

/// The register that has the budget inside of a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LoopCounter {
    /// The loop's control frame.
    frame: usize,
    pub(crate) reg: Reg,
    cell: Cell,
}

impl FuncGen<'_> {
    /// At a function's entry: counts the call, if code is to count.
    pub(crate) fn emit_entry_counter(&mut self) {
        let facts = self.input.facts;
        if let Some(sites) = &facts.sites {
            let site = RelocationTarget::Site(sites.entry(self.input.func));
            self.masm.sub_cell(site, 1);
        } else if let Some(weight) = self.input.options.counters.entry {
            self.take_from_budget_at_entry(weight);
        }
    }

    /// At a loop's header: counts the iteration, if code is to count.
    pub(crate) fn emit_loop_counter(&mut self, index: LoopIndex) {
        if self.input.facts.sites.is_some() {
            self.sub_in_loop(1, index);
        } else if let Some(weight) = self.input.options.counters.loops {
            self.take_from_budget_in_loop(weight, index);
        }
    }

    fn take_from_budget_at_entry(&mut self, weight: u32) {
        self.sub(self.budget(), immediate(weight));
        let func = self.input.func;
        self.out_of_line(Cc::S, |cold| {
            cold.tier_up(func, ENTRY_SITE);
            asm!(cold; add rsp, 16);
            cold.resume();
        });
    }

    fn take_from_budget_in_loop(&mut self, weight: u32, index: LoopIndex) {
        self.sub_in_loop(immediate(weight), index);
        // Not `js` where it can be avoided: processors don't fuse it with a subtraction.
        let in_register = self.loop_counter.is_some();
        self.loop_tier_up(if in_register { Cc::L } else { Cc::S }, index);
        if self.input.options.osr {
            let (wasm, depth) = (self.wasm_offset(), self.cursor.loop_depth - 1);
            self.records.loops.push(OsrEntryInfo { index, wasm, depth });
        }
    }

    /// Takes the weight from what the loop counts in.
    fn sub_in_loop(&mut self, weight: i32, index: LoopIndex) {
        match self.loop_counter {
            Some(LoopCounter { reg, .. }) => {
                self.masm.ri(Alu::Sub, OperandSize::S32, reg, weight);
                self.masm.note_budget(reg);
            }
            None => self.sub(self.loop_cell(index), weight),
        }
    }

    /// Out of line at a loop header: brings all home slots up to date and asks for an OSR entry.
    /// Constants and operands are in their slots already, and no register changes but the budget's.
    pub(crate) fn emit_loop_tier_up(&mut self, site: u32) {
        self.check_begin_fork();
        self.store_loop_counter();
        for reg in self.state.regs.dirty {
            let local = self.state.regs.holder[reg.index()];
            self.store_local(local, reg);
        }
        self.check_home_slots();
        self.masm.tier_up(self.input.func, site);
        let scratch = self.masm.scratch();
        asm!(self.masm, scratch; lea rsp, [rsp + 8]; pop scratch);
        if self.input.options.osr {
            let exit = self.osr_exit(&scratch);
            asm!(self.masm, scratch; test scratch, scratch);
            self.masm.jcc(Cc::Ne, exit);
        }
        self.load_loop_counter();
        self.check_end_fork();
    }

    /// Before the header of a loop whose control frame is the innermost: gives the budget a
    /// register if the loop is one of those that gain by it.
    pub(crate) fn choose_loop_counter(&mut self, seen: &Lookahead) {
        let rounds = self.input.options.features.sse41;
        let counts =
            self.input.options.counters.loops.is_some() || self.input.facts.sites.is_some();
        let free_of_calls = seen.is_small_and_innermost() && !self.has_probes();
        if !counts || !free_of_calls || !rounds {
            return;
        }
        let free = self.usable(RegClass::Int);
        let lasting = free.and(UNFIXED);
        let best = lasting.minus(RegSet::CALLEE_SAVED).first();
        let Some(reg) = best.or(lasting.and(self.frame.saved()).first()) else {
            return;
        };
        if free.len() <= LOOP_TEMPORARIES {
            return;
        }
        debug_assert!(
            self.loop_counter.is_none(),
            "no loop is in an innermost one"
        );
        self.grab(reg);
        self.state.regs.reserved.add(reg);
        let frame = self.labels.len() - 1;
        let cell = self.loop_cell(self.cursor.newest_loop());
        self.loop_counter = Some(LoopCounter { frame, reg, cell });
        self.load_loop_counter();
    }

    /// At the end of the loop with the control frame: the budget is in memory again.
    pub(crate) fn end_loop_counter(&mut self, frame: usize) {
        let Some(counter) = self.loop_counter.filter(|counter| counter.frame == frame) else {
            return;
        };
        if self.cursor.reachable {
            self.store_loop_counter();
        }
        self.loop_counter = None;
        self.state.regs.reserved.remove(counter.reg);
        self.state.regs.free.add(counter.reg);
    }

    /// Where all ways leave the loop, but by code that calls: the budget is in memory again, its
    /// register free until [`restore_loop_counter`](Self::restore_loop_counter).
    pub(crate) fn give_up_loop_counter(&mut self) -> Option<LoopCounter> {
        self.store_loop_counter();
        let counter = self.loop_counter.take()?;
        self.state.regs.reserved.remove(counter.reg);
        self.state.regs.free.add(counter.reg);
        Some(counter)
    }

    /// Behind code that gave up the loop's counter, where control does not arrive.
    pub(crate) fn restore_loop_counter(&mut self, counter: Option<LoopCounter>) {
        debug_assert!(!self.cursor.reachable && self.loop_counter.is_none());
        if let Some(LoopCounter { reg, .. }) = counter {
            debug_assert!(self.state.regs.free.has(reg), "{reg:?} has an owner");
            self.state.regs.free.remove(reg);
            self.state.regs.reserved.add(reg);
        }
        self.loop_counter = counter;
    }

    /// Whether a branch leaves a loop that has the budget in a register.
    #[inline]
    pub(crate) fn leaves_loop_counter(&self, target: usize) -> bool {
        self.loop_counter
            .is_some_and(|counter| target < counter.frame)
    }

    /// Brings the budget from its register, if it is in one, to memory. Flags survive.
    pub(crate) fn store_loop_counter(&mut self) {
        if let Some(LoopCounter { reg, cell, .. }) = self.loop_counter {
            self.check_loop_counter();
            match cell {
                Cell::OfModule(cell) => self.masm.store_cell(cell, reg),
                Cell::OfInstance(cell) => self.masm.rm(Op::STORE, reg, cell),
            }
        }
    }

    /// Brings the budget from memory to its register, if it has one.
    fn load_loop_counter(&mut self) {
        if let Some(LoopCounter { reg, cell, .. }) = self.loop_counter {
            match cell {
                Cell::OfModule(cell) => self.masm.load_cell(reg, cell),
                Cell::OfInstance(cell) => self.masm.rm(Op::MOV, reg, cell),
            }
            self.masm.note_budget(reg);
        }
    }

    fn sub(&mut self, cell: Cell, weight: i32) {
        match cell {
            Cell::OfModule(cell) => self.masm.sub_cell(cell, weight),
            Cell::OfInstance(cell) => self.masm.sub_mem_imm(OperandSize::S32, cell, weight),
        }
    }

    /// What a loop counts in: the function's budget, or a cell of its own.
    fn loop_cell(&self, index: LoopIndex) -> Cell {
        match &self.input.facts.sites {
            Some(sites) => Cell::OfModule(RelocationTarget::Site(
                sites.of_loop(self.input.func, index),
            )),
            None => self.budget(),
        }
    }

    /// The function's budget.
    fn budget(&self) -> Cell {
        let func = self.input.func;
        match self.input.facts.layout.budget(func) {
            Some(offset) => Cell::OfInstance(Mem::base(Reg::VMCTX, offset.disp())),
            None => Cell::OfModule(RelocationTarget::Budget(func)),
        }
    }
}

/// What code counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cell {
    /// All instances of the module have one.
    OfModule(RelocationTarget),
    /// Each instance has one, in its context: they may run on several threads.
    OfInstance(Mem),
}

/// A weight as an operand.
fn immediate(weight: u32) -> i32 {
    weight.min(i32::MAX as u32) as i32
}
