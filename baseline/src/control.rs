//! The control stack.

use std::ops::{Index, IndexMut};

use wasmparser::{BlockType, FrameKind};

use upshift_abi::ValType;

use crate::asm::{Label, Pos};
use crate::func_gen::FuncGen;
use crate::merge::LabelState;

/// The instruction that opened a control frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockKind {
    Func,
    Block,
    Loop,
    If,
    Else,
    TryTable,
    /// The body of a `try`.
    Try,
    Catch,
    CatchAll,
}

/// Where a block's label is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LabelAt {
    /// At a loop's header: branches bring all parameters in home slots, and conform to dirty locals
    /// as the header has them.
    Header,
    /// At the end of another block: branches bring the topmost result in a register, and may widen
    /// the set of dirty locals.
    End,
}

/// One open block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ControlFrame {
    pub(crate) kind: BlockKind,
    /// Whether its first operator could be reached. Of the rest of a dead block only the nesting
    /// matters.
    pub(crate) live: bool,
    pub(crate) ty: BlockType,
    /// Stack entries below the block's parameters.
    pub(crate) height: u32,
    /// Where branches to the block wait for its end.
    pub(crate) label: Label,
    /// The header, of a loop.
    pub(crate) header: Option<Pos>,
    /// What branches to the block agree on.
    pub(crate) state: Option<LabelState>,
    /// Of a loop: the range in `maps` of the locals that are dead at its header.
    dead: (u32, u32),
    /// Of an `if`: where a false condition jumps, and the state there.
    pub(crate) else_label: Label,
    pub(crate) else_state: Option<LabelState>,
    /// The last `br_table` that has this target, and the stub that it made, if one.
    table: u32,
    pub(crate) table_stub: Option<Pos>,
}

impl ControlFrame {
    /// A frame that nothing has branched to yet.
    pub(crate) fn new(kind: BlockKind, live: bool, ty: BlockType, height: usize) -> Self {
        Self {
            kind,
            live,
            ty,
            height: height as u32,
            label: Label::new(),
            header: None,
            state: None,
            dead: (0, 0),
            else_label: Label::new(),
            else_state: None,
            table: 0,
            table_stub: None,
        }
    }

    /// Where the block's label is.
    #[inline]
    pub(crate) fn label_at(&self) -> LabelAt {
        if self.kind == BlockKind::Loop {
            LabelAt::Header
        } else {
            LabelAt::End
        }
    }

    /// wasmparser's name for the kind.
    pub(crate) fn frame_kind(&self) -> FrameKind {
        match self.kind {
            BlockKind::Func | BlockKind::Block => FrameKind::Block,
            BlockKind::Loop => FrameKind::Loop,
            BlockKind::If => FrameKind::If,
            BlockKind::Else => FrameKind::Else,
            BlockKind::TryTable => FrameKind::TryTable,
            BlockKind::Try => FrameKind::LegacyTry,
            BlockKind::Catch => FrameKind::LegacyCatch,
            BlockKind::CatchAll => FrameKind::LegacyCatchAll,
        }
    }
}

/// The control stack, and what its frames refer to.
#[derive(Default)]
pub(crate) struct Labels {
    frames: Vec<ControlFrame>,
    /// Locals of label states, which name a part of it each (see [`merge`](crate::merge)), and dead
    /// locals.
    maps: Vec<u32>,
    /// How many `br_table`s there were.
    tables: u32,
}

impl Labels {
    /// Forgets everything but the allocations.
    pub(crate) fn clear(&mut self) {
        self.frames.clear();
        self.maps.clear();
        self.tables = 0;
    }

    pub(crate) fn push(&mut self, frame: ControlFrame) {
        self.frames.push(frame);
    }

    pub(crate) fn pop(&mut self) {
        self.frames.pop();
    }

    pub(crate) fn last(&self) -> Option<&ControlFrame> {
        self.frames.last()
    }

    pub(crate) fn len(&self) -> usize {
        self.frames.len()
    }

    /// The frame that a branch of this depth goes to.
    pub(crate) fn target(&self, depth: u32) -> usize {
        self.frames.len() - 1 - depth as usize
    }

    /// Stores the locals of a label state; returns where.
    pub(crate) fn remember(&mut self, locals: impl Iterator<Item = u32>) -> u32 {
        let start = self.maps.len() as u32;
        self.maps.extend(locals);
        start
    }

    /// The locals of a label state, in the order of its registers.
    #[inline]
    pub(crate) fn map(&self, state: LabelState) -> &[u32] {
        let (start, regs) = state.id();
        &self.maps[start as usize..][..regs.len() as usize]
    }

    /// Notes which locals are dead at the header of the innermost frame's loop.
    pub(crate) fn set_dead(&mut self, locals: impl Iterator<Item = u32>) {
        let start = self.remember(locals);
        let end = self.maps.len() as u32;
        if let Some(frame) = self.frames.last_mut() {
            frame.dead = (start, end);
        }
    }

    /// The locals whose values do not matter at a frame's label.
    #[inline]
    pub(crate) fn dead(&self, target: usize) -> &[u32] {
        let (start, end) = self.frames[target].dead;
        &self.maps[start as usize..end as usize]
    }

    /// The locals that some open loop takes for dead at its header, each with the loop's frame.
    pub(crate) fn all_dead(&self) -> impl Iterator<Item = (usize, u32)> {
        let targets = 0..self.frames.len();
        targets.flat_map(|target| self.dead(target).iter().map(move |&local| (target, local)))
    }

    /// A `br_table` begins.
    pub(crate) fn begin_table(&mut self) {
        self.tables += 1;
    }

    /// Whether the current `br_table` branches to a frame for the first time, and notes that it
    /// does.
    pub(crate) fn first_of_table(&mut self, target: usize) -> bool {
        let table = self.tables;
        std::mem::replace(&mut self.frames[target].table, table) != table
    }
}

impl Index<usize> for Labels {
    type Output = ControlFrame;

    fn index(&self, frame: usize) -> &ControlFrame {
        &self.frames[frame]
    }
}

impl IndexMut<usize> for Labels {
    fn index_mut(&mut self, frame: usize) -> &mut ControlFrame {
        &mut self.frames[frame]
    }
}

impl<'a> FuncGen<'a> {
    /// Parameters and results of a block.
    pub(crate) fn block_types(&self, ty: BlockType) -> (&'a [ValType], &'a [ValType]) {
        match ty {
            BlockType::Empty => (&[], &[]),
            BlockType::Type(ty) => (&[], single(ty)),
            BlockType::FuncType(index) => {
                let ty = &self.input.facts.types[index as usize];
                (&ty.params, &ty.results)
            }
        }
    }

    /// The types that a branch to a frame takes along.
    pub(crate) fn label_types(&self, target: usize) -> &'a [ValType] {
        let control = &self.labels[target];
        let (params, results) = self.block_types(control.ty);
        match control.label_at() {
            LabelAt::Header => params,
            LabelAt::End => results,
        }
    }
}

/// A list of one type.
fn single(ty: wasmparser::ValType) -> &'static [ValType] {
    match ValType::from_wasm(ty) {
        Some(ValType::I32) => &[ValType::I32],
        Some(ValType::I64) => &[ValType::I64],
        Some(ValType::F32) => &[ValType::F32],
        Some(ValType::F64) => &[ValType::F64],
        Some(ValType::V128) => &[ValType::V128],
        // Of a reference nothing but its being one matters to code.
        Some(ValType::Ref(_)) => &[ValType::FUNCREF],
        // Validation has refused other types.
        None => &[],
    }
}
