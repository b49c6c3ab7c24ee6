//! Exceptions: both forms of try blocks and clauses, and what throws.
//!
//! Everything behind a `throw` that does not know its clause, and behind an exceptional edge, is
//! cold code.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, InstBuilder, Value, types};
use upshift_abi::exception::{VmException, fields, words};
use upshift_abi::{Builtin, TagIndex, TrapCode, ValType};
use wasmparser::{BlockType, TryTable};

use crate::signature::{POINTER, clif_type};
use crate::translate::{
    Catch, Clause, Destination, FrameKind, Region, Takes, TranslateError, Translator, TryRegion,
    exception, fixed, trusted,
};
use crate::trap;

impl Clause {
    /// A clause in front of which so many frames are open.
    fn of(catch: wasmparser::Catch, frames: usize) -> Self {
        use wasmparser::Catch::{All, AllRef, One, OneRef};
        let (tag, takes, label) = match catch {
            One { tag, label } => (Some(tag), Takes::Values, label),
            OneRef { tag, label } => (Some(tag), Takes::ValuesAndException, label),
            All { label } => (None, Takes::Values, label),
            AllRef { label } => (None, Takes::ValuesAndException, label),
        };
        Self {
            tag: tag.map(TagIndex),
            takes,
            label: frames - 1 - label as usize,
        }
    }
}

impl Translator<'_> {
    pub(crate) fn visit_try_table(&mut self, table: TryTable) -> Result<(), TranslateError> {
        if table.catches.is_empty() {
            return self.visit_block(table.ty);
        }
        if self.control.is_reachable() {
            let frames = self.control.depth();
            let clauses = table.catches.iter();
            let clauses: Box<[Clause]> = clauses.map(|&catch| Clause::of(catch, frames)).collect();
            let facts = self.env.facts;
            let taken = |clause: &Clause| {
                // The comparison of the tag, and for each value its load and the branch's operand.
                4 + 2 * clause.tag.map_or(0, |tag| facts.tag_params(tag).len())
            };
            self.expect_operands(clauses.iter().map(taken).sum())?;
            self.regions.open(frames, Some(clauses));
        }
        self.open_block(table.ty, FrameKind::Try)
    }

    pub(crate) fn visit_try(&mut self, ty: BlockType) -> Result<(), TranslateError> {
        if self.control.is_reachable() {
            self.regions.open(self.control.depth(), None);
        }
        self.open_block(ty, FrameKind::Try)
    }

    pub(crate) fn visit_catch(&mut self, tag: u32) -> Result<(), TranslateError> {
        self.begin_catch(Some(TagIndex(tag)));
        Ok(())
    }

    pub(crate) fn visit_catch_all(&mut self) -> Result<(), TranslateError> {
        self.begin_catch(None);
        Ok(())
    }

    pub(crate) fn visit_delegate(&mut self, depth: u32) -> Result<(), TranslateError> {
        if !self.control.is_skipping() {
            // The label counts from outside of the `try`.
            let target = self.control.depth() - 2 - depth as usize;
            self.regions.delegate(target);
        }
        self.visit_end()
    }

    pub(crate) fn visit_throw(&mut self, tag: u32) {
        let (tag, facts) = (TagIndex(tag), self.env.facts);
        let regions = match self.regions.destination(tag, facts.imported_tags) {
            Destination::LabelWithValues(label) => {
                self.report_thrown_to(label);
                return self.visit_br(self.control.label_of(label));
            }
            Destination::Label(label) => {
                let below = self.stack.len() - facts.tag_params(tag).len();
                self.stack.truncate(below);
                self.report_thrown_to(label);
                return self.visit_br(self.control.label_of(label));
            }
            Destination::Region(count) => count,
            Destination::Caller => 0,
        };
        let exception = self.new_exception(tag);
        self.throw_to(regions, exception);
    }

    pub(crate) fn visit_throw_ref(&mut self) {
        let exception = self.pop();
        let null = trap::to_clif(TrapCode::NullReference);
        self.ins().trapz(exception, null);
        self.throw(exception);
    }

    pub(crate) fn visit_rethrow(&mut self, depth: u32) {
        let operand = self.control.frame(depth).height;
        let exception = self.caught(operand);
        self.throw(exception);
    }

    /// Pops the values of an exception with the tag and makes it.
    fn new_exception(&mut self, tag: TagIndex) -> Value {
        let types = self.env.facts.tag_params(tag);
        let [number, size] = [tag.0, words(types)]
            .map(|value| self.builder.ins().iconst(types::I32, i64::from(value)));
        let made = self.call_value_builtin(Builtin::ExceptionNew, &[number, size]);
        let values = self.stack.split_off(self.stack.len() - types.len());
        for (value, (kind, offset)) in values.into_iter().zip(fields(types)) {
            let flags = exception(self.builder.func, clif_type(kind));
            self.ins().store(flags, value, made, offset.disp());
        }
        made
    }

    /// Pushes the values of an exception with parameters of the types.
    fn push_values(&mut self, types: &[ValType], thrown: Value) {
        for (kind, offset) in fields(types) {
            let ty = clif_type(kind);
            let flags = exception(self.builder.func, ty);
            let value = self.ins().load(ty, flags, thrown, offset.disp());
            self.push(value);
        }
    }

    /// Branches by an exception's tag: to the first block if it is this one, else to the second.
    fn branch_by_tag(&mut self, thrown: Value, tag: TagIndex) -> [Block; 2] {
        let flags = trusted(self.builder.func, Region::Exception);
        let actual = VmException::TAG.disp();
        let actual = self.ins().load(POINTER, flags, thrown, actual);
        let flags = fixed(self.builder.func, Region::Context);
        let (vmctx, expected) = (self.vmctx, self.env.facts.layout.tag(tag).disp());
        let expected = self.ins().load(POINTER, flags, vmctx, expected);
        let is_same = self.ins().icmp(IntCC::Equal, actual, expected);
        let [same, other] = [(); 2].map(|()| self.builder.create_block());
        self.ins().brif(is_same, same, &[], other, &[]);
        self.builder.seal_block(same);
        self.builder.seal_block(other);
        [same, other]
    }

    /// Writes the dispatch block of a region that has ended.
    pub(super) fn dispatch(&mut self, region: &TryRegion) {
        let (block, thrown) = region.dispatch(self);
        self.builder.seal_block(block);
        self.continue_cold(block);
        self.forget_fuel();
        self.report_unwinding();
        for clause in region.clauses() {
            let Some(tag) = clause.tag else {
                return self.take(clause, thrown);
            };
            let [same, other] = self.branch_by_tag(thrown, tag);
            self.continue_cold(same);
            self.take(clause, thrown);
            self.continue_cold(other);
        }
        self.throw_to(region.outer(), thrown);
    }

    /// Branches to the label of a clause that fits.
    fn take(&mut self, clause: &Clause, thrown: Value) {
        let height = self.stack.len();
        if let Some(tag) = clause.tag {
            self.push_values(self.env.facts.tag_params(tag), thrown);
        }
        if clause.takes == Takes::ValuesAndException {
            self.push(thrown);
        }
        let label = self.control.label_of(clause.label);
        let (target, count) = self.control.unlikely_branch(label);
        self.jump(target, count);
        self.stack.truncate(height);
        self.set_unreachable();
    }

    /// Ends the body of a `try`, or its clause before, and begins a clause.
    fn begin_catch(&mut self, tag: Option<TagIndex>) {
        if self.control.is_skipping() {
            return;
        }
        let reaches = self.control.reaches();
        let mut frame = self.control.pop();
        if self.control.is_reachable() {
            self.jump(frame.end, frame.results);
            frame.end_reached = frame.end_reached.max(reaches);
        }
        self.stack.truncate(frame.height);
        let rest = match &frame.kind {
            FrameKind::Catch(catch) => self.leave_catch(catch),
            _ => self.regions.close().map(|region| {
                let (block, thrown) = region.dispatch(self);
                self.builder.seal_block(block);
                (block, thrown)
            }),
        };
        let catch = match rest {
            Some((block, thrown)) => self.catch(tag, block, thrown),
            None => {
                self.set_unreachable();
                Catch {
                    rest: None,
                    is_reached: false,
                }
            }
        };
        frame.kind = FrameKind::Catch(catch);
        self.control.push(frame);
        self.control.expect_not_to_run();
    }

    /// Begins a clause that an exception may fit, from a block.
    fn catch(&mut self, tag: Option<TagIndex>, block: Block, thrown: Value) -> Catch {
        self.continue_cold(block);
        self.forget_fuel();
        self.report_unwinding();
        let rest = tag.map(|tag| {
            let [same, other] = self.branch_by_tag(thrown, tag);
            self.continue_cold(same);
            (other, thrown)
        });
        self.regions.note_caught(self.stack.len());
        self.push(thrown);
        if let Some(tag) = tag {
            self.push_values(self.env.facts.tag_params(tag), thrown);
        }
        Catch {
            rest,
            is_reached: true,
        }
    }

    /// Notes the end of a clause; returns where exceptions go that did not fit.
    fn leave_catch(&mut self, catch: &Catch) -> Option<(Block, Value)> {
        if catch.is_reached {
            self.regions.forget_caught();
        }
        catch.rest
    }

    /// Ends the last clause of a `try`.
    pub(super) fn end_catch(&mut self, catch: &Catch) {
        if let Some((block, thrown)) = self.leave_catch(catch) {
            self.continue_cold(block);
            self.forget_fuel();
            self.throw(thrown);
        }
    }
}
