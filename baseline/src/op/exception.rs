//! Exceptions: blocks that catch them, and what throws.
//!
//! Both forms are one mechanism: a block opens a [region](crate::region), calls in it get handlers,
//! and where it ends its dispatch is written. The forms differ in where a clause continues: at the
//! label of a block around a `try_table`, as any branch does, or at a `catch` in the same block.
//!
//! On an exceptional edge all locals and operands are in their home slots, as at a loop's header
//! without registers: calls in a region store dirty locals, and what is below a block was stored
//! when it began. So neither a landing nor a dispatch depends on the call that it comes from.
//!
//! In a `catch` or `catch_all` the exception is the block's lowest operand, which validation does
//! not know of; `rethrow` throws it again.

use wasmparser::{BlockType, Catch, TryTable};

use upshift_abi::callconv::INT_ARGS;
use upshift_abi::exception::{self, VmException};
use upshift_abi::vmctx::VmOffset;
use upshift_abi::{Builtin, Kind, RelocationTarget, TagIndex, ValType};

use crate::alloc::{as_float, home};
use crate::asm::encode::{Alu, Mem, Op};
use crate::asm::{Cc, Label, Target};
use crate::control::BlockKind;
use crate::func_gen::FuncGen;
use crate::merge::result_reg;
use crate::op::call::BuiltinArg;
use crate::reg::Reg;
use crate::region::{Clause, ClauseTarget, Destination, Region, RegionIndex, Stage};
use crate::runs::{Base, INLINE, Way, exception_runs};
use crate::value::{Cond, Value};

/// Whether a clause passes on a reference to the exception.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Passes {
    Values,
    ValuesAndRef,
}

/// The register that has the exception at a landing and in a dispatch.
const CAUGHT: Reg = Reg::RAX;

/// A place in the exception that a register points to.
fn field(exception: Reg, offset: VmOffset) -> Mem {
    Mem::base(exception, offset.disp())
}

impl<'a> FuncGen<'a> {
    pub(crate) fn visit_try_table(&mut self, table: TryTable) {
        if !self.cursor.reachable {
            return self.push_control(BlockKind::TryTable, table.ty, 0);
        }
        let clauses = table.catches.iter().map(|catch| {
            let (tag, label, passes) = match *catch {
                Catch::One { tag, label } => (Some(tag), label, Passes::Values),
                Catch::OneRef { tag, label } => (Some(tag), label, Passes::ValuesAndRef),
                Catch::All { label } => (None, label, Passes::Values),
                Catch::AllRef { label } => (None, label, Passes::ValuesAndRef),
            };
            let frame = self.labels.target(label);
            Clause {
                tag: tag.map(TagIndex),
                target: match passes {
                    Passes::Values => ClauseTarget::Values(frame),
                    Passes::ValuesAndRef => ClauseTarget::ValuesAndRef(frame),
                },
            }
        });
        let clauses: Vec<Clause> = clauses.collect();
        let height = self.open_try(BlockKind::TryTable, table.ty);
        if !clauses.is_empty() {
            let frame = self.labels.len() - 1;
            self.regions.open(Stage::Table, frame, height);
            for clause in clauses {
                self.regions.add_clause(clause);
            }
        }
    }

    pub(crate) fn visit_try(&mut self, ty: BlockType) {
        if !self.cursor.reachable {
            return self.push_control(BlockKind::Try, ty, 0);
        }
        let height = self.open_try(BlockKind::Try, ty);
        let frame = self.labels.len() - 1;
        self.regions.open(Stage::Body, frame, height);
    }

    /// Opens a block; returns the number of operands below it and its parameters.
    fn open_try(&mut self, kind: BlockKind, ty: BlockType) -> usize {
        self.flush_stack(self.state.stack.len());
        let height = self.state.stack.len() - self.block_types(ty).0.len();
        self.push_control(kind, ty, height);
        height
    }

    pub(crate) fn visit_catch(&mut self, tag: u32) {
        self.begin_catch(BlockKind::Catch, Some(TagIndex(tag)));
    }

    pub(crate) fn visit_catch_all(&mut self) {
        self.begin_catch(BlockKind::CatchAll, None);
    }

    /// The body of a `try`, or a clause's block before, ends; another clause's begins.
    fn begin_catch(&mut self, kind: BlockKind, tag: Option<TagIndex>) {
        let frame = self.labels.len() - 1;
        self.jump_to_end(frame);
        self.labels[frame].kind = kind;
        if !self.labels[frame].live {
            return;
        }
        let region = self.regions.begin_catching();
        if !region.is_some_and(Region::is_used) {
            // Nothing throws in the body.
            return;
        }
        let height = self.labels[frame].height as usize;
        self.state.truncate(height);
        let target = ClauseTarget::Block(self.masm.begin_catch());
        self.regions.add_clause(Clause { tag, target });
        self.check_catch(height);
        self.cursor.reachable = true;
        self.state.regs.free.remove(CAUGHT);
        self.push_reg(Kind::Ref, CAUGHT);
        self.push_caught(self.caught_types(tag));
    }

    /// Pushes the values of the exception that is in its register and on the stack.
    fn push_caught(&mut self, types: &[ValType]) {
        if types.len() > INLINE {
            return self.push_many_caught(types);
        }
        self.state.regs.pins.add(CAUGHT);
        for (kind, offset) in exception::fields(types) {
            let reg = self.alloc(kind.class());
            self.load(kind, reg, field(CAUGHT, offset));
            self.push_reg(kind, reg);
        }
    }

    /// Pushes the exception's values, in their home slots.
    fn push_many_caught(&mut self, types: &[ValType]) {
        let before = self.state.slot_before(self.state.stack.len());
        for run in exception_runs(types) {
            self.copy_run(Way::In, before, Base::Reg(CAUGHT), run);
        }
        for ty in types {
            self.state.push_slot(ty.kind());
        }
    }

    pub(crate) fn visit_delegate(&mut self, depth: u32) {
        let frame = self.labels.len() - 1;
        if self.labels[frame].live {
            // The block itself does not count.
            self.regions.delegate(self.labels.target(depth + 1));
        }
        self.end_try(frame);
    }

    /// The end of a block that catches exceptions.
    pub(crate) fn end_try(&mut self, frame: usize) {
        let Some(region) = self.regions.close(frame) else {
            return self.end_block();
        };
        if region.is_used() {
            if self.cursor.reachable {
                self.fall_to_label(frame);
            }
            self.state.truncate(region.height);
            self.cold_dispatch(&region);
            if self.labels[frame].state.is_some() {
                self.begin_behind_block(frame);
            } else {
                self.labels.pop();
            }
        } else {
            self.end_block();
        }
        self.regions.drop_clauses(&region);
    }

    /// Before a call in a region, and before a jump to its dispatch: what its clauses find must be
    /// in home slots. Flags survive.
    pub(crate) fn prepare_exceptional_edge(&mut self, region: RegionIndex) {
        self.clean_all();
        let Region { frame, height, .. } = self.regions[region];
        self.check_exceptional_edge(frame, height);
    }

    /// Notes that the call before continues at a region's landing if it throws.
    pub(crate) fn add_handler(&mut self, region: RegionIndex) {
        self.frame.note_handler();
        let call = self.masm.pos();
        self.regions.add_handler(region, call);
    }

    /// In cold code: a region's landing, if one is needed, and its dispatch.
    pub(crate) fn emit_dispatch(&mut self, region: &Region) {
        debug_assert!(self.loop_counter.is_none(), "its loop has no blocks in it");
        self.check_begin_dispatch(CAUGHT, region.height);
        if let Some(landing) = region.landing {
            let at = self.masm.pos();
            self.regions.land(landing, at);
            self.emit_landing();
            self.report_unwinding(CAUGHT);
        }
        self.masm.bind_cold(region.dispatch);
        let count = self.regions.clause_count(region);
        let mut caught = false;
        for n in 0..count {
            let clause = self.regions.clause(region, n);
            self.emit_clause(clause, region.height);
            if clause.tag.is_none() {
                caught = true;
                break;
            }
        }
        if !caught {
            self.emit_throw_on(region.outer);
        }
        self.check_end_dispatch();
    }

    /// In a dispatch: continues at a clause if it catches the exception.
    fn emit_clause(&mut self, clause: Clause, height: usize) {
        let compared = clause.tag.map(|tag| self.compare_tag(tag));
        let (target, passes) = match clause.target {
            ClauseTarget::Block(pos) => return self.masm.jump(compared, Target::Pos(pos)),
            ClauseTarget::Values(target) => (target, Passes::Values),
            ClauseTarget::ValuesAndRef(target) => (target, Passes::ValuesAndRef),
        };
        let mut next = Label::new();
        if let Some(cond) = compared {
            self.masm
                .jump(Some(cond.negate()), Target::Label(&mut next));
        }
        let types = self.caught_types(clause.tag);
        self.check_begin_clause(CAUGHT, types);
        self.push_for_label(types, passes);
        self.emit_branch(target);
        self.state.truncate(height);
        self.check_end_clause(CAUGHT);
        self.masm.bind_cold(next);
    }

    /// The types of the values that a clause gets.
    fn caught_types(&self, tag: Option<TagIndex>) -> &'a [ValType] {
        tag.map_or(&[], |tag| self.input.facts.tag_params(tag))
    }

    /// Compares the tag of the exception in hand.
    fn compare_tag(&mut self, tag: TagIndex) -> Cond {
        let word = self.input.facts.layout.tag(tag);
        let scratch = self.masm.scratch();
        self.masm.rm(
            Op::MOV.wide(),
            scratch.reg(),
            Mem::base(Reg::VMCTX, word.disp()),
        );
        self.masm.rm(
            Alu::Cmp.op().wide(),
            scratch.reg(),
            field(CAUGHT, VmException::TAG),
        );
        Cond::Cc(Cc::E)
    }

    /// Pushes what a label takes from the exception in hand, as branches there have it: the topmost
    /// value in a register.
    fn push_for_label(&mut self, types: &[ValType], passes: Passes) {
        let in_slots = match passes {
            Passes::Values => types.len().saturating_sub(1),
            Passes::ValuesAndRef => types.len(),
        };
        if types.len() > INLINE {
            self.push_many_caught(types);
        } else {
            for (i, (kind, offset)) in exception::fields(types).enumerate() {
                if i < in_slots {
                    let slot = self.state.push_slot(kind);
                    self.copy(as_float(kind), home(slot), field(CAUGHT, offset));
                } else {
                    let reg = result_reg(kind.class());
                    self.load(kind, reg, field(CAUGHT, offset));
                    self.state.regs.free.remove(reg);
                    self.push_reg(kind, reg);
                }
            }
        }
        if passes == Passes::ValuesAndRef {
            self.state.regs.free.remove(CAUGHT);
            self.push_reg(Kind::Ref, CAUGHT);
            self.check_passed_ref();
        }
    }

    /// In a dispatch: throws the exception in hand to the region around, or to the caller.
    fn emit_throw_on(&mut self, outer: Option<RegionIndex>) {
        if let Some(outer) = outer {
            self.masm.jmp_label(&mut self.regions[outer].dispatch);
        } else if let Some(pos) = self.regions.to_caller() {
            self.masm.jmp(pos);
        } else {
            self.regions.set_to_caller(self.masm.pos());
            self.call_throw(Value::Reg(Kind::Ref, CAUGHT));
        }
    }

    pub(crate) fn visit_throw(&mut self, tag: u32) {
        let tag = TagIndex(tag);
        let types = self.input.facts.tag_params(tag);
        match self.regions.destination(self.input.facts, tag) {
            Destination::LabelWithValues(target) => self.branch(target),
            Destination::Label(target) => {
                self.state.truncate(self.state.stack.len() - types.len());
                self.branch(target);
            }
            Destination::Region(region) => self.throw_new(tag, Some(region)),
            Destination::Caller => self.throw_new(tag, None),
        }
    }

    /// Makes an exception of the topmost operands and throws it.
    fn throw_new(&mut self, tag: TagIndex, to: Option<RegionIndex>) {
        let types = self.input.facts.tag_params(tag);
        let counter = self.give_up_loop_counter();
        self.flush_many(types.len());
        let words = exception::words(types);
        let args = [BuiltinArg::Imm(tag.0), BuiltinArg::Imm(words)];
        self.call_builtin(Builtin::ExceptionNew, &args, Some(Kind::Ref));
        let made = self.state.pop();
        debug_assert_eq!(made, Value::Reg(Kind::Ref, CAUGHT));
        self.check_made_exception(CAUGHT);
        self.store_thrown(CAUGHT, types);
        self.state.release(CAUGHT);
        self.emit_throw(to, made);
        self.restore_loop_counter(counter);
    }

    /// Stores the topmost operands to an exception.
    fn store_thrown(&mut self, exception: Reg, types: &[ValType]) {
        self.check_begin_passing();
        let from = self.state.stack.len() - types.len();
        if types.len() > INLINE {
            let before = self.state.slot_before(from);
            for run in exception_runs(types) {
                self.copy_run(Way::Out, before, Base::Reg(exception), run);
            }
        } else {
            for (i, (_, offset)) in exception::fields(types).enumerate() {
                let value = self.state.stack[from + i];
                self.store_value(field(exception, offset), value);
            }
        }
        self.check_thrown_values(exception, types);
    }

    pub(crate) fn visit_throw_ref(&mut self) {
        let Some((_, reg)) = self.pop_non_null() else {
            return;
        };
        self.check_thrown_operand(self.state.stack.len());
        self.state.release(reg);
        self.emit_throw(self.regions.innermost(), Value::Reg(Kind::Ref, reg));
    }

    pub(crate) fn visit_rethrow(&mut self, depth: u32) {
        // The lowest operand of the block that has caught it.
        let caught = self.labels[self.labels.target(depth)].height as usize;
        self.check_thrown_operand(caught);
        self.emit_throw(self.regions.innermost(), self.state.stack[caught]);
    }

    /// Throws an exception to a region's dispatch or to the caller. Its register may be free.
    fn emit_throw(&mut self, to: Option<RegionIndex>, exception: Value) {
        self.store_loop_counter();
        if let Some(region) = to {
            self.prepare_exceptional_edge(region);
            self.load_value(CAUGHT, exception);
            self.check_thrown_in(CAUGHT);
            self.masm.jmp_label(&mut self.regions[region].dispatch);
        } else {
            self.call_throw(exception);
        }
        self.set_unreachable();
    }

    /// Throws an exception to the caller. Nothing of the function's is needed any more.
    fn call_throw(&mut self, exception: Value) {
        let argument = Reg::from(INT_ARGS[1]);
        self.load_value(argument, exception);
        self.check_thrown_in(argument);
        self.frame.note_call();
        self.masm
            .call_cell(RelocationTarget::Builtin(Builtin::Throw));
        self.call_here();
        // It does not return.
        self.masm.plain(Op::UD2);
    }
}
