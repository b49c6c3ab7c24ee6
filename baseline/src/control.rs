//! The control stack.

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
    /// Of an `if`: where a false condition jumps, and the state there.
    pub(crate) else_label: Label,
    pub(crate) else_state: Option<LabelState>,
    /// The last `br_table` that has this target, and the stub that it made, if one.
    pub(crate) table: u32,
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
            else_label: Label::new(),
            else_state: None,
            table: 0,
            table_stub: None,
        }
    }

    /// wasmparser's name for the kind.
    pub(crate) fn frame_kind(&self) -> FrameKind {
        match self.kind {
            BlockKind::Func | BlockKind::Block => FrameKind::Block,
            BlockKind::Loop => FrameKind::Loop,
            BlockKind::If => FrameKind::If,
            BlockKind::Else => FrameKind::Else,
        }
    }
}

impl<'a> FuncGen<'a> {
    /// Parameters and results of a block.
    pub(crate) fn block_types(&self, ty: BlockType) -> (&'a [ValType], &'a [ValType]) {
        match ty {
            BlockType::Empty => (&[], &[]),
            BlockType::Type(ty) => (&[], single(ty)),
            BlockType::FuncType(index) => {
                let ty = &self.facts.types[index as usize];
                (&ty.params, &ty.results)
            }
        }
    }

    /// The types that a branch to a frame takes along.
    pub(crate) fn label_types(&self, target: usize) -> &'a [ValType] {
        let control = &self.control[target];
        let (params, results) = self.block_types(control.ty);
        if control.kind == BlockKind::Loop {
            params
        } else {
            results
        }
    }

    /// The frame that a branch of this depth goes to.
    pub(crate) fn target(&self, depth: u32) -> usize {
        self.control.len() - 1 - depth as usize
    }
}

/// A list of one type.
fn single(ty: wasmparser::ValType) -> &'static [ValType] {
    use upshift_abi::RefType;
    match ValType::from_wasm(ty) {
        Some(ValType::I32) => &[ValType::I32],
        Some(ValType::I64) => &[ValType::I64],
        Some(ValType::F32) => &[ValType::F32],
        Some(ValType::F64) => &[ValType::F64],
        Some(ValType::Ref(RefType::Func)) => &[ValType::Ref(RefType::Func)],
        Some(ValType::Ref(RefType::Extern)) => &[ValType::Ref(RefType::Extern)],
        // Validation has refused other types.
        None => &[],
    }
}
