//! OSR entries: a body that is entered at a loop header.
//!
//! The body is translated from its beginning as always, but its first block has no predecessor. A
//! *landing* block, which the function's entry jumps to, reads all locals and operands from the
//! baseline frame's home slots and jumps to the header of the loop. Whatever is reachable only
//! from the body's beginning then disappears with Cranelift's first pass.
//!
//! Values computed before the loop don't dominate the code behind it any more, so all state that
//! is live across the header must be a variable of the frontend, which inserts the joins. Locals are
//! anyway. Operands are put into variables when a frame that encloses the loop is opened (for
//! those below it: nothing inside can touch them) and taken out again when it ends; so each
//! operand is kept once, and the variables' numbers are the operands' positions.

use std::ops::Range;

use cranelift_codegen::ir::{Block, InstBuilder, Value};
use cranelift_frontend::FunctionBuilder;
use upshift_abi::{LoopIndex, frame};
use wasmparser::{FunctionBody, Operator};

use super::{Region, TranslateError, Translator, TypedVar, fixed};

/// The plan for an OSR entry and how far it has come.
pub(crate) struct Osr {
    target: LoopIndex,
    /// The frames that enclose the loop, itself last, as positions among the body's `block`, `loop`
    /// and `if` operators.
    enclosing: Vec<u32>,
    /// How many of `enclosing` have been opened.
    opened: usize,
    /// How many `block`, `loop` and `if` operators have been seen.
    seen: u32,
    /// Operands that were put into variables: all below the innermost opened enclosing frame.
    kept: Vec<TypedVar>,
    /// Set by `enter`: where the state is read, and the baseline frame's `rbp`.
    landing: Option<(Block, Value)>,
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
                Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
                    open.push(frames);
                    frames += 1;
                }
                Operator::End => drop(open.pop()),
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
            kept: Vec::new(),
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
    /// Notes that a frame is being opened, reachable or not. Every `block`, `loop` and `if` begins
    /// with this.
    pub(crate) fn open_frame(&mut self) -> Result<Opening, TranslateError> {
        let reachable = self.control.is_reachable();
        let osr = self.osr.as_mut();
        osr.map_or(Ok(Opening::Unrelated), |osr| osr.open(reachable))
    }

    /// Puts the operands below `height` into variables, if an OSR entry is in the frame being opened.
    /// Returns the first of them.
    pub(crate) fn keep_operands(&mut self, opening: Opening, height: usize) -> Option<usize> {
        let osr = self
            .osr
            .as_mut()
            .filter(|_| opening != Opening::Unrelated)?;
        let from = osr.kept.len();
        for &value in &self.stack[from..height] {
            let ty = self.builder.func.dfg.value_type(value);
            osr.kept.push(TypedVar::new(&mut self.builder, ty, value));
        }
        Some(from)
    }

    /// Takes the operands at these positions out of their variables, behind the end of the frame that
    /// put them there.
    pub(crate) fn restore_operands(&mut self, positions: Range<usize>) {
        let Some(osr) = &self.osr else {
            return;
        };
        let operands = &mut self.stack[positions.clone()];
        for (operand, kept) in operands.iter_mut().zip(&osr.kept[positions]) {
            *operand = self.builder.use_var(kept.var);
        }
    }

    /// Writes the landing block: reads the baseline frame's state and jumps to the header with the
    /// loop's parameters.
    pub(crate) fn land(&mut self, header: Block) {
        let osr = self.osr.as_ref().expect("only an OSR entry has a target");
        let (landing, fp) = osr.landing.expect("entered");
        let vars: Vec<_> = self.locals.iter().chain(&osr.kept).copied().collect();
        let params = self.builder.block_params(header).to_vec();

        self.builder.switch_to_block(landing);
        // The baseline frame does not run any more, so its slots don't change: what the loop does not use is
        // read behind it.
        let flags = fixed(self.builder.func, Region::Home);
        let mut slots = (0..).map(frame::home_slot);
        for (TypedVar { var, ty }, slot) in vars.into_iter().zip(&mut slots) {
            let value = self.builder.ins().load(ty, flags, fp, slot);
            self.builder.def_var(var, value);
        }
        self.block_args.clear();
        for (param, slot) in params.into_iter().zip(&mut slots) {
            let ty = self.builder.func.dfg.value_type(param);
            let value = self.builder.ins().load(ty, flags, fp, slot);
            self.block_args.push(value.into());
        }
        self.builder.ins().jump(header, &self.block_args);
    }
}
