//! Structured control flow, branches and selections.
//!
//! Handlers of `block`, `loop`, `if`, `else` and `end` run in unreachable code too.

use std::collections::HashMap;
use std::mem;

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, InstBuilder, JumpTableData, Value};
use cranelift_frontend::FunctionBuilder;
use upshift_abi::TrapCode;
use upshift_abi::callconv::ResultLocation;
use upshift_abi::facts::Likelihood;
use wasmparser::{BlockType, BrTable, ValType};

use crate::translate::{
    ControlFrame, FrameKind, Opening, Reached, Region, TranslateError, Translator, trusted,
};
use crate::trap;

/// The most runs of a `br_table` that are told apart by comparisons.
const MAX_RUNS: usize = 4;

/// The blocks between a `br_table` and its targets, by the targets' depths.
#[derive(Default)]
struct Edges {
    known: HashMap<u32, Block>,
    in_order: Vec<(u32, Block)>,
}

impl Edges {
    fn to(&mut self, depth: u32, builder: &mut FunctionBuilder<'_>) -> Block {
        *self.known.entry(depth).or_insert_with(|| {
            let edge = builder.create_block();
            self.in_order.push((depth, edge));
            edge
        })
    }
}

/// A `br_table` as numbers at which runs of the same target begin; the last one has no end.
struct Runs(Vec<(u32, Block)>);

impl Runs {
    /// The runs, if they are few.
    fn of(entries: &[Block], default: Block) -> Option<Self> {
        let mut runs: Vec<(u32, Block)> = Vec::new();
        for (number, &target) in (0..).zip(entries.iter().chain([&default])) {
            if runs.last().is_none_or(|&(_, last)| last != target) {
                if runs.len() == MAX_RUNS {
                    return None;
                }
                runs.push((number, target));
            }
        }
        Some(Self(runs))
    }
}

impl Translator<'_> {
    pub(crate) fn visit_nop(&mut self) {}

    pub(crate) fn visit_unreachable(&mut self) {
        self.ins().trap(trap::to_clif(TrapCode::Unreachable));
        self.set_unreachable();
    }

    pub(crate) fn visit_block(&mut self, ty: BlockType) -> Result<(), TranslateError> {
        self.open_block(ty, FrameKind::Block)
    }

    /// Opens a frame whose label stands behind its end.
    pub(super) fn open_block(
        &mut self,
        ty: BlockType,
        kind: FrameKind,
    ) -> Result<(), TranslateError> {
        let opening = self.open_frame()?;
        if !self.control.is_reachable() {
            self.control.skip();
            return Ok(());
        }
        let (params, results) = self.block_type(ty)?;
        let height = self.stack.len() - params.len();
        let kept_from = self.keep_operands(opening, height);
        let end = self.block_with(&results);
        self.control.push(ControlFrame {
            kind,
            end,
            params: params.len(),
            results: results.len(),
            height,
            end_reached: Reached::Never,
            kept_from,
        });
        Ok(())
    }

    pub(crate) fn visit_loop(&mut self, ty: BlockType) -> Result<(), TranslateError> {
        let opening = self.open_frame()?;
        if !self.control.is_reachable() {
            self.control.skip();
            return Ok(());
        }
        let (params, results) = self.block_type(ty)?;
        let height = self.stack.len() - params.len();
        let kept_from = self.keep_operands(opening, height);
        self.enter_loop()?;
        let header = self.block_with(&params);
        let end = self.block_with(&results);
        self.jump(header, params.len());
        self.begin_early(opening);
        self.open_dispatch(header);
        if opening == Opening::Target {
            self.land(header);
        }
        self.control.push(ControlFrame {
            kind: FrameKind::Loop { header },
            end,
            params: params.len(),
            results: results.len(),
            height,
            end_reached: Reached::Never,
            kept_from,
        });
        self.continue_in(header);
        self.stack.truncate(height);
        self.push_block_params(header);
        self.check_epoch();
        Ok(())
    }

    pub(crate) fn visit_if(&mut self, ty: BlockType) -> Result<(), TranslateError> {
        let opening = self.open_frame()?;
        if !self.control.is_reachable() {
            self.control.skip();
            return Ok(());
        }
        let condition = self.pop();
        let (params, results) = self.block_type(ty)?;
        let height = self.stack.len() - params.len();
        let kept_from = self.keep_operands(opening, height);
        let then = self.builder.create_block();
        let otherwise = self.builder.create_block();
        let end = self.block_with(&results);
        let hint = self.branch_hint();
        self.branch_if(condition, then, 0, otherwise);
        self.builder.seal_block(then);
        self.builder.seal_block(otherwise);
        self.control.push(ControlFrame {
            kind: FrameKind::If {
                otherwise,
                params: self.peek(params.len()).to_vec(),
                hint,
            },
            end,
            params: params.len(),
            results: results.len(),
            height,
            end_reached: Reached::Never,
            kept_from,
        });
        if hint == Some(Likelihood::NotTaken) {
            self.control.expect_not_to_run();
        }
        self.fall_through(then);
        Ok(())
    }

    pub(crate) fn visit_else(&mut self) -> Result<(), TranslateError> {
        if self.control.is_skipping() {
            return Ok(());
        }
        let reaches = self.control.reaches();
        let mut frame = self.control.pop();
        if self.control.is_reachable() {
            self.jump(frame.end, frame.results);
            frame.end_reached = frame.end_reached.max(reaches);
        }
        let (kind, height) = (FrameKind::Else, frame.height);
        let before = mem::replace(&mut frame.kind, kind);
        self.control.push(frame);
        if let FrameKind::If {
            otherwise,
            params,
            hint,
        } = before
        {
            self.stack.truncate(height);
            self.stack.extend(params);
            if hint == Some(Likelihood::Taken) {
                self.control.expect_not_to_run();
            }
            self.continue_in(otherwise);
        }
        Ok(())
    }

    pub(crate) fn visit_end(&mut self) -> Result<(), TranslateError> {
        if self.control.is_skipping() {
            self.control.end_skipped();
            return Ok(());
        }
        let inside = self.control.reaches();
        let frame = self.control.pop();
        // A loop that is entered ends, however unlikely its end is in each iteration.
        let reaches = match frame.kind {
            FrameKind::Loop { .. } => self.control.reaches(),
            _ => inside,
        };
        let region = match frame.kind {
            FrameKind::Try => self.regions.close(),
            _ => None,
        };
        if region.is_none() && self.is_straight(&frame) {
            self.builder.seal_block(frame.end);
            return Ok(());
        }
        let mut reached = frame.end_reached;
        if self.control.is_reachable() {
            self.jump(frame.end, frame.results);
            reached = reached.max(reaches);
        }
        self.stack.truncate(frame.height);
        match frame.kind {
            FrameKind::Loop { header } => {
                self.builder.seal_block(header);
                self.end_early();
                self.close_dispatch();
                self.leave_loop();
            }
            FrameKind::If {
                otherwise,
                params,
                hint,
            } => {
                self.skip_if(otherwise, params, frame.end);
                if hint == Some(Likelihood::Taken) {
                    self.builder.set_cold_block(otherwise);
                } else {
                    reached = reached.max(self.control.reaches());
                }
                reached = reached.max(Reached::Unlikely);
            }
            FrameKind::Try => {
                if let Some(region) = region {
                    self.dispatch(&region);
                }
            }
            FrameKind::Catch(catch) => self.end_catch(&catch),
            FrameKind::Block | FrameKind::Else => {}
        }
        self.builder.seal_block(frame.end);
        match reached {
            Reached::Never => {
                self.set_unreachable();
                return Ok(());
            }
            Reached::Unlikely => self.control.expect_not_to_run(),
            Reached::Likely => {}
        }
        self.continue_in(frame.end);
        if let Some(from) = frame.kept_from {
            self.restore_operands(from, frame.height);
        }
        self.push_block_params(frame.end);
        if self.control.is_empty() {
            self.visit_return();
        }
        Ok(())
    }

    /// Whether a block that ends here, or an inlined function, needs no join: its end is reached
    /// from here only, and with the operands that were below it.
    fn is_straight(&self, frame: &ControlFrame) -> bool {
        let is_left = self.control.is_reachable() && !self.control.is_empty();
        let may_be = matches!(frame.kind, FrameKind::Block | FrameKind::Try);
        may_be && is_left && frame.end_reached == Reached::Never && frame.kept_from.is_none()
    }

    /// An `if` without `else` takes its parameters as results when the condition is zero.
    fn skip_if(&mut self, otherwise: Block, params: Vec<cranelift_codegen::ir::Value>, end: Block) {
        let height = self.stack.len();
        let count = params.len();
        self.continue_in(otherwise);
        self.stack.extend(params);
        self.jump(end, count);
        self.stack.truncate(height);
    }

    pub(crate) fn visit_br(&mut self, depth: u32) {
        let (target, count) = self.control.branch(depth);
        self.note_jump(target);
        self.jump(target, count);
        self.set_unreachable();
    }

    pub(crate) fn visit_br_if(&mut self, depth: u32) {
        let condition = self.pop();
        let hint = self.branch_hint();
        let (target, count) = match hint {
            Some(Likelihood::NotTaken) => self.control.unlikely_branch(depth),
            Some(Likelihood::Taken) | None => self.control.branch(depth),
        };
        let next = self.builder.create_block();
        self.branch_if(condition, target, count, next);
        self.builder.seal_block(next);
        if hint == Some(Likelihood::Taken) {
            self.control.expect_not_to_run();
        }
        self.fall_through(next);
    }

    /// One block per distinct target stands between the table and the targets, so that neither the
    /// targets' values nor those that SSA construction adds are repeated for each entry.
    pub(crate) fn visit_br_table(&mut self, table: BrTable<'_>) {
        let selector = self.pop();
        if let Some(selector) = self.known(selector) {
            let mut targets = table.targets().map_while(Result::ok);
            let target = targets.nth(selector as usize);
            return self.visit_br(target.unwrap_or(table.default()));
        }
        let mut edges = Edges::default();
        let entries: Vec<Block> = table
            .targets()
            .map_while(Result::ok)
            .map(|depth| edges.to(depth, &mut self.builder))
            .collect();
        let default = edges.to(table.default(), &mut self.builder);
        match Runs::of(&entries, default) {
            Some(runs) => self.compare_runs(selector, &runs.0),
            None => self.jump_table(selector, &entries, default),
        }
        for (depth, edge) in edges.in_order {
            self.builder.seal_block(edge);
            self.switch_to(edge);
            let (target, count) = self.control.branch(depth);
            self.jump(target, count);
        }
        self.set_unreachable();
    }

    /// Branches by comparisons: bisects the runs, which begin at ascending numbers.
    fn compare_runs(&mut self, selector: Value, runs: &[(u32, Block)]) {
        let [(first, target), rest @ ..] = runs else {
            unreachable!("there is a default")
        };
        if rest.is_empty() {
            self.ins().jump(*target, &[]);
            return;
        }
        let (low, high) = runs.split_at(runs.len() / 2);
        let start = high[0].0;
        let below = match low {
            [(_, target)] => *target,
            _ => self.builder.create_block(),
        };
        let above = match high {
            [(_, target)] => *target,
            _ => self.builder.create_block(),
        };
        // A run of one number, whose neighbour below is excluded already, is an equality.
        let is_below = if low.len() == 1 && start == first + 1 {
            self.ins()
                .icmp_imm_u(IntCC::Equal, selector, i64::from(*first))
        } else {
            self.ins()
                .icmp_imm_u(IntCC::UnsignedLessThan, selector, i64::from(start))
        };
        self.ins().brif(is_below, below, &[], above, &[]);
        for (block, runs) in [(below, low), (above, high)] {
            if runs.len() > 1 {
                self.builder.seal_block(block);
                self.switch_to(block);
                self.compare_runs(selector, runs);
            }
        }
    }

    /// Branches through a table. What is beyond it leaves by a comparison, so that the indirect
    /// jump's prediction is for the table's entries alone; nothing is, if the selector is known to
    /// have few bits.
    fn jump_table(&mut self, selector: Value, entries: &[Block], default: Block) {
        self.note_table();
        let len = i64::from(entries.len() as u32);
        if 1 << self.used_bits(selector) > len {
            let inside = self.builder.create_block();
            let outside = self
                .ins()
                .icmp_imm_u(IntCC::UnsignedGreaterThanOrEqual, selector, len);
            self.ins().brif(outside, default, &[], inside, &[]);
            self.builder.seal_block(inside);
            self.switch_to(inside);
        }
        let dfg = &mut self.builder.func.dfg;
        let calls = entries.iter().map(|&block| dfg.block_call(block, &[]));
        let calls: Vec<_> = calls.collect();
        let table = JumpTableData::new(calls[0], &calls);
        let table = self.builder.create_jump_table(table);
        self.ins().br_table(selector, table);
    }

    /// Returns the function's results, which lie uppermost.
    pub(crate) fn visit_return(&mut self) {
        if let Some(around) = self.inlining.frames_around() {
            let depth = self.control.depth() - around - 1;
            return self.visit_br(depth as u32);
        }
        self.report_return();
        let locations = self.results().to_vec();
        let values = self.peek(locations.len()).to_vec();
        let mut in_registers = Vec::new();
        for (value, (_, location)) in values.into_iter().zip(locations) {
            match (location, self.result_area) {
                (ResultLocation::Area(offset), Some(area)) => {
                    let flags = trusted(self.builder.func, Region::Results);
                    self.ins().store(flags, value, area, offset as i32);
                }
                _ => in_registers.push(value),
            }
        }
        self.ins().return_(&in_registers);
        self.set_unreachable();
    }

    pub(crate) fn visit_drop(&mut self) {
        self.pop();
    }

    pub(crate) fn visit_select(&mut self) {
        let (a, b, condition) = self.pop3();
        let result = match self.known(condition) {
            Some(0) => b,
            Some(_) => a,
            None => self.ins().select(condition, a, b),
        };
        self.push(result);
    }

    pub(crate) fn visit_typed_select(&mut self, _: ValType) {
        self.visit_select();
    }
}
