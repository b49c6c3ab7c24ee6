//! Blocks, loops, conditionals and branches.

use wasmparser::{BlockType, BrTable};

use upshift_abi::facts::Likelihood;
use upshift_abi::{Kind, RegClass, TrapCode, ValType};

use crate::asm::encode::{Alu, OperandSize};
use crate::asm::{Cc, Label, Pos, Target, asm};
use crate::control::{BlockKind, ControlFrame};
use crate::func_gen::FuncGen;
use crate::lookahead::{Calls, Extent, LOOP_TEMPORARIES, LocalUse, Lookahead, Usage};
use crate::merge::result_reg;
use crate::reg::{Reg, RegSet};
use crate::state::{Home, Local};
use crate::value::{Cond, Value};

/// `br_table`s up to this length are compared one by one.
const SHORT_TABLE: u32 = 3;

impl FuncGen<'_> {
    pub(crate) fn visit_unreachable(&mut self) {
        self.emit_trap(TrapCode::Unreachable);
        self.set_unreachable();
    }

    pub(crate) fn push_control(&mut self, kind: BlockKind, ty: BlockType, height: usize) {
        self.labels
            .push(ControlFrame::new(kind, self.cursor.reachable, ty, height));
    }

    /// Opens a block: everything on the stack goes to its home slot. The stack is that of the
    /// block's entry whenever control leaves the block.
    pub(crate) fn visit_block(&mut self, ty: BlockType) {
        if !self.cursor.reachable {
            return self.push_control(BlockKind::Block, ty, 0);
        }
        self.flush_stack(self.state.stack.len());
        let params = self.block_types(ty).0.len();
        self.push_control(BlockKind::Block, ty, self.state.stack.len() - params);
    }

    pub(crate) fn visit_if(&mut self, ty: BlockType) {
        if !self.cursor.reachable {
            return self.push_control(BlockKind::If, ty, 0);
        }
        let condition = self.state.pop();
        // Stores and moves leave the flags alone, but a constant's test would not see them.
        self.flush_stack(self.state.stack.len());
        let cond = self.test(condition);
        let params = self.block_types(ty).0.len();
        self.push_control(BlockKind::If, ty, self.state.stack.len() - params);
        let without = if self.input.options.ablation.registers_across_labels {
            RegSet::NONE
        } else {
            self.clean_all();
            RegSet::ALL
        };
        let state = self.capture(without);
        let frame = self.labels.len() - 1;
        let label = &mut self.labels[frame].else_label;
        self.masm.jump(Some(cond.negate()), Target::Label(label));
        self.labels[frame].else_state = Some(state);
        self.masm.flags_live = false;
        self.check_captured(state);
    }

    /// Stores all dirty locals.
    pub(crate) fn clean_all(&mut self) {
        for reg in self.state.regs.dirty {
            self.clean(reg);
        }
    }

    pub(crate) fn visit_else(&mut self) {
        let frame = self.labels.len() - 1;
        self.jump_to_end(frame);
        let control = &mut self.labels[frame];
        control.kind = BlockKind::Else;
        if !control.live {
            return;
        }
        let (label, state) = (control.else_label, control.else_state);
        let (ty, height) = (control.ty, control.height as usize);
        self.masm.bind(label);
        self.state.truncate(height);
        self.adopt(state.expect("a live `if` has an else state"));
        self.cursor.reachable = true;
        self.push_slots(self.block_types(ty).0, height);
    }

    /// Between two parts of a block: if control comes from the first one, it goes to the label.
    pub(crate) fn jump_to_end(&mut self, frame: usize) {
        if self.cursor.reachable {
            self.flush_many(self.label_types(frame).len());
            self.emit_conform(frame);
            self.jump(None, frame);
            self.set_unreachable();
        }
    }

    /// Pushes a block's parameters or results, which are in their home slots.
    fn push_slots(&mut self, types: &[ValType], height: usize) {
        debug_assert_eq!(self.state.stack.len(), height);
        for ty in types {
            self.state.push_slot(ty.kind());
        }
        self.state.flushed = self.state.stack.len();
    }

    pub(crate) fn visit_loop(&mut self, ty: BlockType) {
        let index = self.cursor.enter_loop();
        if !self.cursor.reachable {
            return self.push_control(BlockKind::Loop, ty, 0);
        }
        self.flush_stack(self.state.stack.len());
        let params = self.block_types(ty).0.len();
        self.push_control(BlockKind::Loop, ty, self.state.stack.len() - params);
        let ablation = &self.input.options.ablation;
        if ablation.registers_across_labels && ablation.register_locals {
            self.choose_loop_registers();
        } else {
            self.clean_all();
            self.state.forget_local_registers(RegSet::NONE);
        }
        let state = self.capture(RegSet::NONE);
        let header = self.masm.begin_loop();
        self.note_source();
        let frame = self.labels.len() - 1;
        self.labels[frame].state = Some(state);
        self.labels[frame].header = Some(header);
        self.check_loop_header(state, params);
        self.emit_loop_counter(index);
        self.emit_epoch_check();
    }

    /// Decides which locals are in registers at a loop header: those that the loop is seen to read,
    /// as long as enough registers stay free; if it calls, only in registers that calls preserve.
    /// A small loop's budget is in one, too.
    fn choose_loop_registers(&mut self) {
        let budget = self.input.options.ablation.loop_lookahead;
        if budget == 0 {
            return;
        }
        let calls = match self.regions.innermost() {
            None => Calls::Return,
            Some(_) => Calls::MayLeave,
        };
        let body = self.input.peek.operators(self.cursor.pos);
        let seen = Lookahead::scan(body, budget, calls);
        let (useful, reserve) = if seen.call {
            (RegSet::CALLEE_SAVED, 0)
        } else {
            (RegSet::ALL, LOOP_TEMPORARIES)
        };
        let mut wanted = RegSet::NONE;
        let assigned_first = |used: &&LocalUse| used.usage.assigns_first();
        for used in seen.locals().iter().filter(|used| !assigned_first(used)) {
            let local = self.state.locals.get(used.local as usize);
            wanted.0 |= local
                .and_then(|local| local.reg)
                .map_or(0, |reg| reg.bit().0);
        }
        self.drop_unwanted(wanted, seen.extent);
        for used in seen.locals() {
            if (used.local as usize) < self.state.locals.len() {
                self.prepare_for_loop(*used, useful, reserve);
            }
        }
        for reg in self.state.regs.locals.minus(useful) {
            self.unbind_local(self.state.regs.holder[reg.index()]);
            self.state.regs.free.add(reg);
        }
        self.note_dead_locals(&seen);
        self.choose_loop_counter(&seen);
    }

    /// Notes at the innermost frame, a loop's, which locals are dead at the header and not in
    /// registers there. References are not among them: a stale one would look alive to a collector.
    fn note_dead_locals(&mut self, seen: &Lookahead) {
        let locals = &self.state.locals;
        let is_dead = |used: &&LocalUse| {
            let local = locals.get(used.local as usize);
            used.usage == Usage::Dead
                && local.is_some_and(|local| local.reg.is_none() && local.kind != Kind::Ref)
        };
        let dead = seen.locals().iter().filter(is_dead);
        self.labels.set_dead(dead.map(|used| used.local));
    }

    /// Gives a local that a loop uses a register out of a set, if more than a reserve are free.
    fn prepare_for_loop(&mut self, used: LocalUse, useful: RegSet, reserve: u32) {
        let Local { kind, reg, .. } = self.state.locals[used.local as usize];
        let mut home = match used.usage {
            Usage::Read => Home::Current,
            Usage::ReadFirst | Usage::AssignedFirst | Usage::Dead => Home::Stale,
        };
        if let Some(reg) = reg {
            // A register that the loop writes would have to be stored at each back edge if its slot
            // were to stay valid.
            if home == Home::Stale {
                self.state.regs.dirty.add(reg);
            }
            if useful.has(reg) {
                return;
            }
            home = self.state.regs.home(reg);
        }
        let free = self.usable(kind.class()).and(useful);
        if used.usage.assigns_first() || free.len() <= reserve {
            return;
        }
        let best = free
            .and(RegSet::UNTASKED)
            .minus(RegSet::CALLEE_SAVED)
            .first();
        let Some(chosen) = best
            .or(free.and(self.frame.saved()).first())
            .or(free.first())
        else {
            return;
        };
        self.grab(chosen);
        self.load_value(chosen, Value::Local(kind, used.local));
        if let Some(old) = self.state.unbind(used.local) {
            self.state.release(old);
        }
        self.state.bind(used.local, chosen, home);
    }

    /// Takes registers from locals that the loop was not seen to read: all of them if all of it was
    /// seen, else as many as its temporaries need.
    fn drop_unwanted(&mut self, wanted: RegSet, seen: Extent) {
        for class in RegClass::ALL {
            let class = RegSet::class(class);
            for reg in self.state.regs.locals.and(class).minus(wanted) {
                let enough = self.state.regs.free.and(class).len() >= LOOP_TEMPORARIES;
                if seen == Extent::Beginning && enough {
                    break;
                }
                self.unbind_local(self.state.regs.holder[reg.index()]);
                self.state.regs.free.add(reg);
            }
        }
    }

    pub(crate) fn visit_end(&mut self) {
        let frame = self.labels.len() - 1;
        let ControlFrame { kind, live, .. } = self.labels[frame];
        match kind {
            BlockKind::Func => self.end_function(),
            BlockKind::Loop => {
                self.end_loop_counter(frame);
                self.cursor.leave_loop();
                self.labels.pop();
            }
            BlockKind::If if live => self.end_if_without_else(frame),
            BlockKind::TryTable | BlockKind::Try | BlockKind::Catch | BlockKind::CatchAll => {
                self.end_try(frame);
            }
            _ => self.end_block(),
        }
    }

    fn end_function(&mut self) {
        if self.cursor.reachable {
            self.flush_many(self.input.sig.results.len());
            self.emit_return();
            self.set_unreachable();
        } else if self.frame.epilogue.is_unused() && self.frame.reported.is_unused() {
            self.labels.pop();
            return;
        }
        self.emit_epilogue();
        self.labels.pop();
    }

    /// Binds a forward label.
    pub(crate) fn end_block(&mut self) {
        let frame = self.labels.len() - 1;
        let control = self.labels[frame];
        if control.label.is_unused() {
            // Nothing branches here: the state goes on as it is, reachable or not.
            self.labels.pop();
            return;
        }
        if self.cursor.reachable {
            self.fall_to_label(frame);
        }
        self.begin_behind_block(frame);
    }

    /// Brings the state to a block's label, behind which code is written next.
    #[inline(always)]
    pub(crate) fn fall_to_label(&mut self, frame: usize) {
        self.flush_many(self.label_types(frame).len());
        self.emit_conform(frame);
        self.set_unreachable();
    }

    /// Closes the innermost block, whose label has a state, and binds the label.
    #[inline(always)]
    pub(crate) fn begin_behind_block(&mut self, frame: usize) {
        // Conforming may have widened the label's state.
        let control = self.labels[frame];
        self.labels.pop();
        self.masm.bind(control.label);
        self.state.truncate(control.height as usize);
        self.adopt(control.state.expect("a label with branches has a state"));
        self.cursor.reachable = true;
        self.push_results(control.ty, control.height as usize);
    }

    /// Pushes a block's results as its label has them: the topmost in a register.
    fn push_results(&mut self, ty: BlockType, height: usize) {
        let types = self.block_types(ty).1;
        self.push_slots(types, height);
        if let Some(ty) = types.last() {
            self.state.pop();
            let reg = result_reg(ty.kind().class());
            self.state.regs.free.remove(reg);
            self.push_reg(ty.kind(), reg);
        }
    }

    /// The end of an `if` without `else`.
    fn end_if_without_else(&mut self, frame: usize) {
        let control = self.labels[frame];
        let has_params = !self.block_types(control.ty).0.is_empty();
        let skipped = control.else_state.expect("a live `if` has an else state");
        if has_params || control.state.is_some() {
            self.visit_else();
            self.check_operator();
            return self.end_block();
        }
        // The state at the condition becomes the label's: skipping costs nothing.
        self.labels[frame].state = Some(skipped);
        if self.cursor.reachable {
            self.emit_conform(frame);
            self.set_unreachable();
        }
        let control = self.labels[frame];
        self.labels.pop();
        self.masm.bind(control.label);
        self.masm.bind(control.else_label);
        self.state.truncate(control.height as usize);
        self.adopt(control.state.unwrap_or(skipped));
        self.cursor.reachable = true;
    }

    pub(crate) fn visit_return(&mut self) {
        self.store_loop_counter();
        self.flush_many(self.input.sig.results.len());
        self.emit_early_return();
        self.set_unreachable();
    }

    pub(crate) fn visit_br(&mut self, depth: u32) {
        self.branch(self.labels.target(depth));
    }

    /// Goes to a label; what follows can't be reached.
    pub(crate) fn branch(&mut self, target: usize) {
        self.flush_many(self.label_types(target).len());
        self.emit_branch(target);
        self.set_unreachable();
    }

    /// Goes to a label, with whatever it takes.
    pub(crate) fn emit_branch(&mut self, target: usize) {
        if self.leaves_loop_counter(target) {
            self.store_loop_counter();
        }
        if self.labels[target].kind == BlockKind::Func {
            self.emit_early_return();
        } else {
            self.emit_conform(target);
            self.jump(None, target);
        }
    }

    pub(crate) fn visit_br_if(&mut self, depth: u32) {
        let condition = self.state.pop();
        let target = self.labels.target(depth);
        // Stores leave the flags alone, but a constant's test would not see them.
        self.flush_many(self.label_types(target).len());
        if let Value::Const(_, condition) = condition {
            if condition != 0 {
                self.emit_branch(target);
                self.set_unreachable();
            }
            return;
        }
        let cond = self.test(condition);
        self.emit_conditional_branch(cond, target);
        self.masm.flags_live = false;
    }

    /// Whether a branch is its jump alone. Widens the label's dirty set if so.
    fn is_direct(&mut self, target: usize) -> bool {
        self.labels[target].kind != BlockKind::Func
            && !self.leaves_loop_counter(target)
            && self.conforms(target)
    }

    pub(crate) fn emit_conditional_branch(&mut self, cond: Cond, target: usize) {
        if self.is_direct(target) {
            self.jump(Some(cond), target);
        } else if self.is_likely(target) {
            // No detour through cold code.
            let mut over = Label::new();
            self.masm
                .jump(Some(cond.negate()), Target::Label(&mut over));
            self.emit_branch(target);
            self.masm.bind(over);
        } else {
            let edge = self.cold_branch(target);
            self.masm.jump(Some(cond), Target::Pos(edge));
        }
    }

    /// Whether the branch that is compiled is likely taken: as its hint says, else if it is a back
    /// edge.
    fn is_likely(&self, target: usize) -> bool {
        match self.input.facts.branch_hints.at(self.wasm_offset()) {
            Some(hint) => hint == Likelihood::Taken,
            None => self.labels[target].kind == BlockKind::Loop,
        }
    }

    pub(crate) fn visit_br_table(&mut self, targets: BrTable<'_>) {
        let index = self.state.pop();
        let count = targets.len();
        // Reading can't fail: validation has read the table before.
        let depths = || targets.targets().map_while(Result::ok);
        if let Value::Const(_, index) = index {
            let depth = depths().nth(index as usize).unwrap_or(targets.default());
            return self.visit_br(depth);
        }
        self.labels.begin_table();
        // All targets take as many.
        let arity = self
            .label_types(self.labels.target(targets.default()))
            .len();
        self.flush_many(arity);
        if count <= SHORT_TABLE {
            let index = self.use_reg(index);
            for (i, depth) in depths().enumerate() {
                self.masm.ri(Alu::Cmp, OperandSize::S32, index, i as i32);
                self.jump_to_table_target(Some(Cc::E), depth);
            }
            self.jump_to_table_target(None, targets.default());
            self.state.release(index);
        } else {
            // Its own: it becomes the address. Any eviction happens before the targets see the
            // state.
            let index = self.own_reg(index);
            self.masm
                .ri(Alu::Cmp, OperandSize::S32, index, count as i32);
            self.jump_to_table_target(Some(Cc::Ae), targets.default());
            self.emit_jump_table(index, depths());
            self.state.release(index);
        }
        self.set_unreachable();
    }

    /// Prepares a table's target: `None` if its label can be jumped to directly, else a stub.
    fn table_target(&mut self, depth: u32) -> (usize, Option<Pos>) {
        let target = self.labels.target(depth);
        if !self.labels.first_of_table(target) {
            return (target, self.labels[target].table_stub);
        }
        let direct = self.is_direct(target);
        let stub = (!direct).then(|| self.cold_branch(target));
        self.labels[target].table_stub = stub;
        (target, stub)
    }

    fn jump_to_table_target(&mut self, cc: Option<Cc>, depth: u32) {
        let (target, stub) = self.table_target(depth);
        let cond = cc.map(Cond::Cc);
        match stub {
            Some(stub) => self.masm.jump(cond, Target::Pos(stub)),
            None => self.jump(cond, target),
        }
    }

    fn emit_jump_table(&mut self, index: Reg, depths: impl Iterator<Item = u32>) {
        let targets: Vec<_> = depths.map(|depth| self.table_target(depth)).collect();
        let table = self.masm.begin_table();
        for (target, stub) in targets {
            let control = &mut self.labels[target];
            let target = match stub.or(control.header) {
                Some(pos) => Target::Pos(pos),
                None => Target::Label(&mut control.label),
            };
            self.masm.table_entry(table, target);
        }
        let scratch = self.masm.scratch();
        self.masm.lea(scratch.reg(), table);
        asm!(self.masm, scratch;
            movsxd Rq(index), DWORD [scratch + 4 * Rq(index)]
            ; add scratch, Rq(index)
            ; jmp scratch
        );
    }
}
