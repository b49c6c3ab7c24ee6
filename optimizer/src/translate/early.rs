//! Values that are computed once, before they are needed: the base of a memory at the function's
//! entry, float constants in front of the loops that use them.
//!
//! Cranelift makes a float constant from an integer one, two instructions at each use, and without
//! its middle end (which moves constants back to their uses anyway) nothing else takes them or the
//! load of a memory's base out of a loop.

use std::collections::HashMap;

use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::immediates::{Ieee32, Ieee64};
use cranelift_codegen::ir::{Block, Inst, InstBuilder, Value};
use upshift_abi::MemoryIndex;
use upshift_abi::vmctx::{Place, VmMemory};

use super::{Opening, Region, Translator, fixed};
use crate::signature::POINTER;

/// The most float constants that are computed in front of a loop: more than registers hold, and a
/// value that was spilled is as quick to load as a constant.
const MAX_FLOATS: usize = 64;

/// What has been computed early, and where more can be.
pub(crate) struct Early {
    entry: Block,
    bases: Vec<(MemoryIndex, Value)>,
    /// Where things are computed for the outermost loop around the current position: in front of
    /// this instruction.
    before_loop: Option<Inst>,
    /// Float constants of that loop.
    floats: HashMap<FloatBits, Value>,
}

/// A float constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum FloatBits {
    F32(u32),
    F64(u64),
}

impl FloatBits {
    fn emit<'f>(self, ins: impl InstBuilder<'f>) -> Value {
        match self {
            FloatBits::F32(bits) => ins.f32const(Ieee32::with_bits(bits)),
            FloatBits::F64(bits) => ins.f64const(Ieee64::with_bits(bits)),
        }
    }

    /// Whether one instruction without a memory access makes the constant.
    fn is_cheap(self) -> bool {
        matches!(self, FloatBits::F32(0) | FloatBits::F64(0))
    }
}

impl Early {
    pub(super) fn new(entry: Block) -> Self {
        Self {
            entry,
            bases: Vec::new(),
            before_loop: None,
            floats: HashMap::new(),
        }
    }
}

impl Translator<'_> {
    /// Notes that the jump just made enters a loop.
    pub(crate) fn begin_early(&mut self, opening: Opening) {
        if !self.is_outermost_loop() {
            return;
        }
        // The code in front of a loop does not run if an OSR entry is in the loop.
        let block = match opening {
            Opening::Unrelated => self.builder.current_block(),
            Opening::Around | Opening::Target => Some(self.early.entry),
        };
        let last = |block| self.builder.func.layout.last_inst(block);
        self.early.before_loop = block.and_then(last);
    }

    /// Notes the end of a loop.
    pub(crate) fn end_early(&mut self) {
        if self.is_outermost_loop() {
            self.early.before_loop = None;
            self.early.floats.clear();
        }
    }

    /// A float constant.
    pub(crate) fn float_constant(&mut self, bits: FloatBits) -> Value {
        let before_loop = self.early.before_loop.filter(|_| !bits.is_cheap());
        let Some(before_loop) = before_loop else {
            return bits.emit(self.ins());
        };
        if let Some(&value) = self.early.floats.get(&bits) {
            return value;
        }
        if self.early.floats.len() >= MAX_FLOATS {
            return bits.emit(self.ins());
        }
        let mut cursor = FuncCursor::new(self.builder.func).at_inst(before_loop);
        let value = bits.emit(cursor.ins());
        self.early.floats.insert(bits, value);
        value
    }

    /// The address of a memory's first byte, which never changes, from the header at `place`.
    pub(crate) fn early_base(&mut self, memory: MemoryIndex, place: Place) -> Value {
        let known = self.early.bases.iter().find(|(known, _)| *known == memory);
        if let Some(&(_, value)) = known {
            return value;
        }
        let vmctx = self.vmctx;
        let flags = fixed(self.builder.func, Region::Context);
        let mut cursor = FuncCursor::new(self.builder.func);
        cursor.goto_first_insertion_point(self.early.entry);
        let (header, offset) = match place {
            Place::Inline(offset) => (vmctx, offset.disp()),
            Place::Pointer(offset) => (cursor.ins().load(POINTER, flags, vmctx, offset.disp()), 0),
        };
        let offset = offset + VmMemory::BASE.disp();
        let base = cursor.ins().load(POINTER, flags, header, offset);
        self.early.bases.push((memory, base));
        base
    }
}
