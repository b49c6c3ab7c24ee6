//! The control stack: one frame for each enclosing block, loop and `if`, and the jumps to them.

use cranelift_codegen::ir::{Block, BlockArg, InstBuilder, Value};
use upshift_abi::ValType;
use upshift_abi::facts::Likelihood;
use wasmparser::BlockType;

use super::{Catch, Kept, TranslateError, Translator};

/// What a frame was opened by.
#[derive(Debug)]
pub(crate) enum FrameKind {
    /// `block`, or the function itself.
    Block,
    /// `loop`; a branch to it goes to the header.
    Loop { header: Block },
    /// `if`, before its `else`.
    If {
        otherwise: Block,
        params: Vec<Value>,
        hint: Option<Likelihood>,
    },
    /// `if`, behind its `else`.
    Else,
    /// `try_table`, or `try` before its first clause.
    Try,
    /// A clause of `try`.
    Catch(Catch),
}

/// What leads to a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reached {
    /// Nothing.
    Never,
    /// Only what hints say is unlikely to run.
    Unlikely,
    /// Other code.
    Likely,
}

/// One entry of the control stack.
#[derive(Debug)]
pub(crate) struct ControlFrame {
    pub(crate) kind: FrameKind,
    /// Where execution continues behind the frame; its parameters are the results.
    pub(crate) end: Block,
    /// Number of parameters.
    pub(crate) params: usize,
    /// Number of results.
    pub(crate) results: usize,
    /// Operands below the frame's own.
    pub(crate) height: usize,
    /// What jumps to `end` so far.
    pub(crate) end_reached: Reached,
    /// In an OSR compilation, for frames around the entry: the first of the operands that were
    /// stored to their home slots when the frame was opened; they end at `height`.
    pub(crate) kept_from: Option<Kept>,
}

/// The control stack and whether the current position is reachable.
#[derive(Debug, Default)]
pub(crate) struct ControlStack {
    frames: Vec<ControlFrame>,
    /// The positions of the loops among them.
    loops: Vec<usize>,
    /// Set by operators that don't continue.
    unreachable: bool,
    /// Frames opened in unreachable code: they are counted instead of pushed.
    skipped: u32,
    /// If the current position is unlikely to be reached: until this many frames are not open any
    /// more.
    unlikely: Option<usize>,
}

impl ControlStack {
    pub(crate) fn is_reachable(&self) -> bool {
        !self.unreachable
    }

    /// Whether the innermost frame was opened in unreachable code.
    pub(crate) fn is_skipping(&self) -> bool {
        self.skipped > 0
    }

    pub(crate) fn skip(&mut self) {
        self.skipped += 1;
    }

    pub(crate) fn end_skipped(&mut self) {
        self.skipped -= 1;
    }

    pub(crate) fn push(&mut self, frame: ControlFrame) {
        if let FrameKind::Loop { .. } = frame.kind {
            self.loops.push(self.frames.len());
        }
        self.frames.push(frame);
    }

    pub(crate) fn pop(&mut self) -> ControlFrame {
        let frame = self.frames.pop().expect("validated: the frame is there");
        if let FrameKind::Loop { .. } = frame.kind {
            self.loops.pop();
        }
        self.unlikely = self.unlikely.filter(|&open| open <= self.frames.len());
        frame
    }

    /// What runs from here to the end of the innermost frame, or its `else`, is unlikely to.
    pub(crate) fn expect_not_to_run(&mut self) {
        self.unlikely.get_or_insert(self.frames.len());
    }

    /// What a jump from here makes of its target.
    pub(crate) fn reaches(&self) -> Reached {
        match self.unlikely {
            Some(_) => Reached::Unlikely,
            None => Reached::Likely,
        }
    }

    /// The number of open frames.
    pub(crate) fn depth(&self) -> usize {
        self.frames.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// The label of the frame at a position in the stack.
    pub(crate) fn label_of(&self, position: usize) -> u32 {
        (self.frames.len() - 1 - position) as u32
    }

    /// The frame that a label names.
    pub(crate) fn frame(&self, depth: u32) -> &ControlFrame {
        &self.frames[self.frames.len() - 1 - depth as usize]
    }

    /// The frame that a label names.
    pub(crate) fn frame_mut(&mut self, depth: u32) -> &mut ControlFrame {
        let index = self.frames.len() - 1 - depth as usize;
        &mut self.frames[index]
    }

    /// Where a branch to the label goes and how many values it takes along.
    pub(crate) fn branch(&mut self, depth: u32) -> (Block, usize) {
        let reached = self.reaches();
        self.branch_as(depth, reached)
    }

    /// Like [`branch`](Self::branch), for one that is unlikely to be taken. One that leaves a loop
    /// is taken as often as the loop ends, so that says nothing of what follows.
    pub(crate) fn unlikely_branch(&mut self, depth: u32) -> (Block, usize) {
        let target = self.frames.len() - 1 - depth as usize;
        match self
            .loops
            .last()
            .is_some_and(|&innermost| innermost > target)
        {
            true => self.branch(depth),
            false => self.branch_as(depth, Reached::Unlikely),
        }
    }

    fn branch_as(&mut self, depth: u32, reached: Reached) -> (Block, usize) {
        let frame = self.frame_mut(depth);
        match frame.kind {
            FrameKind::Loop { header } => (header, frame.params),
            _ => {
                frame.end_reached = frame.end_reached.max(reached);
                (frame.end, frame.results)
            }
        }
    }
}

impl<'a> Translator<'a> {
    /// The code that follows can't be reached.
    pub(crate) fn set_unreachable(&mut self) {
        self.control.unreachable = true;
    }

    /// Continues in a block that control reaches.
    pub(crate) fn continue_in(&mut self, block: Block) {
        self.contents.forget();
        self.extended.forget();
        self.fall_through(block);
    }

    /// Continues in a block that control reaches from the current position only.
    pub(crate) fn fall_through(&mut self, block: Block) {
        self.control.unreachable = false;
        self.switch_to(block);
    }

    /// Continues in a block that only exceptions lead to.
    pub(crate) fn continue_cold(&mut self, block: Block) {
        self.continue_in(block);
        self.builder.set_cold_block(block);
    }

    /// Goes on in a block; out of the way of others if it is unlikely to run.
    pub(crate) fn switch_to(&mut self, block: Block) {
        self.builder.switch_to_block(block);
        if self.control.reaches() == Reached::Unlikely {
            self.builder.set_cold_block(block);
        }
    }

    /// What the producer says of the branch that is translated.
    pub(crate) fn branch_hint(&self) -> Option<Likelihood> {
        self.env.facts.branch_hints.at(self.position)
    }

    /// The types of a block's parameters and results.
    pub(crate) fn block_type(
        &self,
        ty: BlockType,
    ) -> Result<(Vec<ValType>, Vec<ValType>), TranslateError> {
        Ok(match ty {
            BlockType::Empty => (Vec::new(), Vec::new()),
            BlockType::Type(ty) => {
                let ty = ValType::from_wasm(ty).ok_or(TranslateError::Unsupported("this type"))?;
                (Vec::new(), vec![ty])
            }
            BlockType::FuncType(index) => {
                let ty = &self.env.facts.types[index as usize];
                (ty.params.to_vec(), ty.results.to_vec())
            }
        })
    }

    /// Jumps to the block with the uppermost values, which stay on the stack.
    pub(crate) fn jump(&mut self, block: Block, count: usize) {
        self.collect_block_args(count);
        self.builder.ins().jump(block, &self.block_args);
    }

    /// Branches to `then`, with the uppermost values, if the condition is not zero.
    pub(crate) fn branch_if(
        &mut self,
        condition: Value,
        then: Block,
        count: usize,
        otherwise: Block,
    ) {
        match self.known(condition) {
            Some(0) => return self.jump(otherwise, 0),
            Some(_) => return self.jump(then, count),
            None => self.collect_block_args(count),
        }
        let ins = self.builder.ins();
        ins.brif(condition, then, &self.block_args, otherwise, &[]);
    }

    fn collect_block_args(&mut self, count: usize) {
        let values = &self.stack[self.stack.len() - count..];
        self.block_args.clear();
        let args = values.iter().map(|&value| BlockArg::Value(value));
        self.block_args.extend(args);
        self.meter.operands += count;
    }

    /// Pushes the block's parameters, which are the values that its label takes.
    pub(crate) fn push_block_params(&mut self, block: Block) {
        self.stack
            .extend_from_slice(self.builder.block_params(block));
    }
}
