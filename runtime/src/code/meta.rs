//! What is known of a piece of placed code; readable in a signal handler.

use std::ops::Range;
use std::sync::Arc;

use upshift_abi::artifact::SourceLocation;
use upshift_abi::sites::Source;
use upshift_abi::{
    CallSite, CodeOffset, CompileUnit, CompiledFunction, DefinedFuncIndex, ModuleFacts, Sites,
    Tier, TrapSite, WasmOffset,
};

use crate::module_id::ModuleId;

/// What a piece of code is.
#[derive(Debug)]
pub enum CodeKind {
    /// Between Rust and WebAssembly.
    Trampoline,
    /// A function's code.
    Function(FunctionCode),
}

/// Which function, and which code of it.
#[derive(Clone, Debug)]
pub struct FunctionCode {
    /// The module.
    pub module: ModuleId,
    /// The module's declarations.
    pub facts: Arc<ModuleFacts>,
    /// The function.
    pub func: DefinedFuncIndex,
    /// The function from its beginning, or from a loop on.
    pub unit: CompileUnit,
    /// Who compiled it.
    pub tier: Tier,
}

/// A piece of placed code without its bytes. Immutable.
#[derive(Debug)]
pub struct CodeMeta {
    /// Address of its first byte.
    pub start: usize,
    /// Bytes.
    pub len: u32,
    /// What it is.
    pub kind: CodeKind,
    /// Bytes of stack that a frame takes.
    pub frame_size: u32,
    frame_moves: Option<Range<CodeOffset>>,
    sites: Sites,
    sources: Box<[SourceLocation]>,
}

impl CodeMeta {
    /// Takes the tables out of a compiled function.
    pub(super) fn new(start: usize, kind: CodeKind, compiled: &mut CompiledFunction) -> Self {
        Self {
            start,
            len: u32::try_from(compiled.code.len()).expect("the code space is smaller"),
            kind,
            frame_size: compiled.frame_size,
            frame_moves: compiled.frame_moves.clone(),
            sites: std::mem::take(&mut compiled.sites),
            sources: std::mem::take(&mut compiled.sources).into(),
        }
    }

    /// Offset of a PC from the first byte.
    fn offset(&self, pc: usize) -> CodeOffset {
        CodeOffset((pc - self.start) as u32)
    }

    /// The trap site of the instruction at the PC.
    pub fn trap_at(&self, pc: usize) -> Option<&TrapSite> {
        self.sites.trap_at(self.offset(pc))
    }

    /// Whether the code at the PC is moving its frame, so that `rbp` leads to no frame; see
    /// [`CompiledFunction::frame_moves`].
    pub fn is_frame_moving(&self, pc: usize) -> bool {
        let moves = self.frame_moves.as_ref();
        moves.is_some_and(|moves| moves.contains(&self.offset(pc)))
    }

    /// The call that returns to the PC; `None` for a frame that backtraces skip.
    pub fn call_at(&self, return_address: usize) -> Option<&CallSite> {
        self.sites.call_at(self.offset(return_address))
    }

    /// The functions that are active at the instruction that the PC is in, innermost first, the
    /// last one being the function itself; `wasm` is the WebAssembly instruction that it was
    /// compiled from.
    pub fn sources(&self, pc: usize, wasm: Option<WasmOffset>) -> impl Iterator<Item = Source> {
        self.sites.sources(self.offset(pc), wasm)
    }

    /// The instruction that the PC was compiled from, as far as known: exact where source locations
    /// were asked for, else the nearest call or trap before it.
    pub fn wasm_offset_near(&self, pc: usize) -> Option<WasmOffset> {
        let offset = self.offset(pc);
        let behind = self.sources.partition_point(|run| run.code <= offset);
        match self.sources[..behind].last() {
            Some(run) => Some(run.wasm),
            None => self.sites.nearest(offset),
        }
    }
}
