//! OSR entries: a body that is entered at a loop header.
//!
//! The body is translated from its beginning as always, but its first block has no predecessor. A
//! *landing* block, which the function's entry jumps to, reads all locals and operands from the
//! baseline frame's home slots and jumps to the header of the loop. Whatever is reachable only
//! from the body's beginning then disappears with Cranelift's first pass.
//!
//! Values computed before the loop don't dominate the code behind it any more, so all state that is
//! live across the header must be a variable of the frontend, which inserts the joins, or in
//! memory. Locals are one or the other anyway. Operands are stored to their home slots in the
//! baseline's frame when a frame that encloses the loop is opened (those below it: nothing inside
//! can touch them), and loaded when it ends. Where the function was entered by the landing block
//! they are there already. (Variables would be alive in each block on the way out: depth times
//! operands.)

use cranelift_codegen::ir::{Block, InstBuilder, Type, Value, types};
use cranelift_frontend::FunctionBuilder;
use upshift_abi::LoopIndex;
use upshift_abi::frame::HomeSlot;
use wasmparser::{FunctionBody, Operator};

use super::access;
use super::{Local, TranslateError, Translator, TypedVar};
use crate::signature::width;

/// The plan for an OSR entry and how far it has come.
pub(crate) struct Osr {
    target: LoopIndex,
    /// The frames that enclose the loop, itself last, as positions among the body's operators that
    /// open frames.
    enclosing: Vec<u32>,
    /// How many of `enclosing` have been opened.
    opened: usize,
    /// How many operators that open frames have been seen.
    seen: u32,
    /// Operands that were stored to their home slots: all below the innermost opened enclosing
    /// frame.
    kept: Kept,
    /// Set by `enter`: where the state is read, and the baseline frame's `rbp`.
    landing: Option<(Block, Value)>,
}

/// How many operands were stored to their home slots, and how many words those take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    operands: usize,
    words: u32,
}

impl Kept {
    /// Counts an operand of the type.
    fn count(&mut self, ty: Type) {
        self.operands += 1;
        self.words += width(ty).words();
    }
}

/// What opening a frame means for the OSR entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// Nothing: there is no OSR entry, or not inside this frame.
    Unrelated,
    /// The frame encloses the entry.
    Around,
    /// The frame is the loop to enter at.
    Target,
}

impl Osr {
    /// Finds the loop and the frames around it.
    pub(crate) fn plan(body: &FunctionBody<'_>, target: LoopIndex) -> Result<Self, TranslateError> {
        let mut operators = body.get_operators_reader()?;
        let mut open = Vec::new();
        let (mut frames, mut loops) = (0, 0);
        while !operators.eof() {
            let operator = operators.read()?;
            match operator {
                Operator::Block { .. }
                | Operator::Loop { .. }
                | Operator::If { .. }
                | Operator::Try { .. }
                | Operator::TryTable { .. } => {
                    open.push(frames);
                    frames += 1;
                }
                Operator::End | Operator::Delegate { .. } => drop(open.pop()),
                _ => {}
            }
            if matches!(operator, Operator::Loop { .. }) {
                if loops == target.0 {
                    return Ok(Self::new(target, open));
                }
                loops += 1;
            }
        }
        Err(TranslateError::NoSuchLoop(target.0))
    }

    fn new(target: LoopIndex, enclosing: Vec<u32>) -> Self {
        Self {
            target,
            enclosing,
            opened: 0,
            seen: 0,
            kept: Kept::default(),
            landing: None,
        }
    }

    /// Ends the function's entry block and stands in the body's first one.
    pub(crate) fn enter(mut self, builder: &mut FunctionBuilder<'_>) -> Self {
        let entry = builder.current_block().expect("in the entry block");
        let fp = *builder.block_params(entry).last().expect("vmctx and rbp");
        let landing = builder.create_block();
        builder.ins().jump(landing, &[]);
        builder.seal_block(landing);
        let start = builder.create_block();
        builder.switch_to_block(start);
        builder.seal_block(start);
        self.landing = Some((landing, fp));
        self
    }

    /// The baseline frame's `rbp`.
    pub(super) fn fp(&self) -> Value {
        self.landing.expect("entered").1
    }

    /// Notes that a frame is being opened.
    fn open(&mut self, reachable: bool) -> Result<Opening, TranslateError> {
        let position = self.seen;
        self.seen += 1;
        if self.enclosing.get(self.opened) != Some(&position) {
            return Ok(Opening::Unrelated);
        }
        if !reachable {
            return Err(TranslateError::UnreachableLoop(self.target.0));
        }
        self.opened += 1;
        Ok(if self.opened == self.enclosing.len() {
            Opening::Target
        } else {
            Opening::Around
        })
    }
}

impl<'a> Translator<'a> {
    /// Notes that a frame is being opened, reachable or not. Every operator that opens one begins
    /// with this.
    pub(crate) fn open_frame(&mut self) -> Result<Opening, TranslateError> {
        if self.inlining.frames_around().is_some() {
            return Ok(Opening::Unrelated);
        }
        let reachable = self.control.is_reachable();
        let osr = self.osr.as_mut();
        osr.map_or(Ok(Opening::Unrelated), |osr| osr.open(reachable))
    }

    /// Stores the operands below `height` to their home slots, if an OSR entry is in the frame
    /// being opened. Returns what was stored there before.
    pub(crate) fn keep_operands(&mut self, opening: Opening, height: usize) -> Option<Kept> {
        let osr = self
            .osr
            .as_ref()
            .filter(|_| opening != Opening::Unrelated)?;
        let before = osr.kept;
        let kept = self.each_operand(before, height, |this, operand, slot| {
            this.store_home(slot, this.stack[operand]);
            this.regions.note_home(operand, slot);
        });
        if let Some(osr) = &mut self.osr {
            osr.kept = kept;
        }
        Some(before)
    }

    /// Loads the operands from a position up to a height, behind the end of the frame that stored
    /// them.
    pub(crate) fn restore_operands(&mut self, from: Kept, height: usize) {
        self.each_operand(from, height, |this, operand, slot| {
            let ty = this.builder.func.dfg.value_type(this.stack[operand]);
            this.stack[operand] = this.load_home(slot, ty);
        });
    }

    /// Visits the operands above some up to a height, with their home slots.
    fn each_operand(
        &mut self,
        from: Kept,
        height: usize,
        mut visit: impl FnMut(&mut Self, usize, HomeSlot),
    ) -> Kept {
        let mut kept = from;
        while kept.operands < height {
            let operand = kept.operands;
            kept.count(self.builder.func.dfg.value_type(self.stack[operand]));
            visit(self, operand, self.last_local_slot().down(kept.words));
        }
        kept
    }

    /// Writes the landing block: reads the baseline frame's state and jumps to the header with the
    /// loop's parameters.
    pub(crate) fn land(&mut self, header: Block) {
        let osr = self.osr.as_ref().expect("only an OSR entry has a target");
        let (landing, fp) = osr.landing.expect("entered");
        let mut slot = self.last_local_slot().down(osr.kept.words);
        let params = self.builder.block_params(header).to_vec();

        self.builder.switch_to_block(landing);
        self.forget_fuel();
        // These slots don't change any more: what the loop does not use is read behind it.
        for index in 0..self.locals.len() {
            if let Local::Variable(TypedVar { var, ty }) = self.locals[index] {
                let flags = access::fixed_home(self.builder.func, ty);
                let offset = self.local_slots[index].offset();
                let ins = self.builder.ins();
                let value = match ty {
                    types::I32 => ins.uload32(flags, fp, offset),
                    _ => ins.load(ty, flags, fp, offset),
                };
                self.builder.def_var(var, value);
            }
        }
        self.block_args.clear();
        for param in params {
            let ty = self.builder.func.dfg.value_type(param);
            let flags = access::fixed_home(self.builder.func, ty);
            slot = slot.next(width(ty));
            let value = self.builder.ins().load(ty, flags, fp, slot.offset());
            self.block_args.push(value.into());
        }
        self.builder.ins().jump(header, &self.block_args);
    }
}

#[cfg(test)]
mod tests {
    use upshift_abi::Kind;

    use super::*;
    use crate::signature::clif_type;

    /// The baseline's `state` has a test of the same numbers.
    #[test]
    fn kept_vectors_take_two_words() {
        let bottom = HomeSlot::NONE.down(6);
        let mut kept = Kept::default();
        let kinds = [Kind::I64, Kind::V128, Kind::I32, Kind::V128, Kind::Ref];
        let words = kinds.map(|kind| {
            kept.count(clif_type(kind));
            bottom.down(kept.words).words()
        });
        assert_eq!(words, [7, 9, 10, 12, 13]);
        assert_eq!(kept.operands, kinds.len());
    }
}
