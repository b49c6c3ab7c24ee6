//! The metadata of a piece of placed code, readable in a signal handler.

use std::ops::Range;
use std::sync::Arc;

use upshift_abi::artifact::{CompileStats, SourceLocation};
use upshift_abi::sites::{LiveReference, Source};
use upshift_abi::{
    CallSite, CodeOffset, CompileUnit, CompiledFunction, DefinedFuncIndex, ModuleFacts,
    OsrEntryInfo, Relocation, Sites, Tier, TrapSite, WasmOffset,
};

use super::observer::Trampoline;
use crate::backtrace::ModuleSource;
use crate::module_id::ModuleId;

/// The kind of a piece of code.
#[derive(Debug)]
pub enum CodeKind {
    /// A trampoline between Rust and WebAssembly.
    Trampoline(Trampoline),
    /// Code of a function.
    Function(FunctionCode),
}

/// The function and the compile unit that a piece of code belongs to.
#[derive(Clone, Debug)]
pub struct FunctionCode {
    /// The module that the function belongs to.
    pub module: ModuleId,
    /// The module's declarations.
    pub facts: Arc<ModuleFacts>,
    /// The module's bytes.
    pub source: Arc<ModuleSource>,
    /// The index of the function.
    pub func: DefinedFuncIndex,
    /// The whole function, or one loop of it as an OSR entry.
    pub unit: CompileUnit,
    /// The tier that compiled the code.
    pub tier: Tier,
    /// The code's level in the engine's ladder; a figure for samples.
    pub level: u8,
}

/// The metadata of a piece of placed code. Immutable.
#[derive(Debug)]
pub struct CodeMeta {
    /// The address of the first byte.
    pub start: usize,
    /// The length in bytes.
    pub len: u32,
    /// The kind of the code.
    pub kind: CodeKind,
    /// The size of the code's frame in bytes, see [`CompiledFunction::frame_size`].
    pub frame_size: u32,
    frame_moves: Option<Range<CodeOffset>>,
    sites: Sites,
    sources: Box<[SourceLocation]>,
    /// What is kept of the artifact besides, if artifacts are kept.
    kept: Option<Box<Kept>>,
}

/// What of a compiled function is needed to place it elsewhere, and for nothing else.
#[derive(Debug)]
struct Kept {
    data_bytes: u32,
    relocations: Box<[Relocation]>,
    loops: Box<[OsrEntryInfo]>,
    stats: CompileStats,
}

impl CodeMeta {
    /// Moves the tables out of a compiled function; `keep` says whether all of them are needed.
    pub(super) fn new(
        start: usize,
        kind: CodeKind,
        compiled: &mut CompiledFunction,
        keep: bool,
    ) -> Self {
        let keep = keep && matches!(kind, CodeKind::Function(_));
        let kept = keep.then(|| {
            Box::new(Kept {
                data_bytes: compiled.data_bytes,
                relocations: std::mem::take(&mut compiled.relocations).into(),
                loops: std::mem::take(&mut compiled.loops).into(),
                stats: compiled.stats,
            })
        });
        Self {
            start,
            len: u32::try_from(compiled.code.len()).expect("the code space is smaller"),
            kind,
            frame_size: compiled.frame_size,
            frame_moves: compiled.frame_moves.clone(),
            sites: std::mem::take(&mut compiled.sites),
            sources: std::mem::take(&mut compiled.sources).into(),
            kept,
        }
    }

    /// The compiled function again, given the bytes that were placed; `None` if it was not kept.
    pub(super) fn artifact(&self, mut code: Vec<u8>) -> Option<CompiledFunction> {
        let kept = self.kept.as_deref()?;
        for relocation in &kept.relocations {
            let at = relocation.offset.index();
            code[at..at + 4].fill(0);
        }
        Some(CompiledFunction {
            code,
            data_bytes: kept.data_bytes,
            relocations: kept.relocations.to_vec(),
            sites: self.sites.clone(),
            sources: self.sources.to_vec(),
            loops: kept.loops.to_vec(),
            frame_size: self.frame_size,
            frame_moves: self.frame_moves.clone(),
            stats: kept.stats,
        })
    }

    /// The code, as it was placed.
    pub fn bytes(&self) -> &[u8] {
        let start = std::ptr::with_exposed_provenance::<u8>(self.start);
        // SAFETY: code is readable, is never changed where it lies, and is freed after its
        // metadata is.
        unsafe { std::slice::from_raw_parts(start, self.len as usize) }
    }

    /// The offset of a PC from the first byte.
    fn offset(&self, pc: usize) -> CodeOffset {
        CodeOffset((pc - self.start) as u32)
    }

    /// The trap site of the instruction at the PC.
    pub fn trap_at(&self, pc: usize) -> Option<&TrapSite> {
        self.sites.trap_at(self.offset(pc))
    }

    /// Whether the code at the PC is changing its frame, so that `rbp` leads to no frame; see
    /// [`CompiledFunction::frame_moves`].
    pub fn is_frame_moving(&self, pc: usize) -> bool {
        let moves = self.frame_moves.as_ref();
        moves.is_some_and(|moves| moves.contains(&self.offset(pc)))
    }

    /// The call that returns to the PC; `None` for a frame that backtraces skip.
    pub fn call_at(&self, return_address: usize) -> Option<&CallSite> {
        self.sites.call_at(self.offset(return_address))
    }

    /// The handler at which the call that returns to the PC continues if it throws.
    pub fn handler_of(&self, return_address: usize) -> Option<usize> {
        let target = self.sites.handler_of(self.offset(return_address))?;
        Some(self.start + target.index())
    }

    /// The references in the frame while the call runs that returns to the PC.
    pub fn references_at(&self, return_address: usize) -> &[LiveReference] {
        self.sites.references_at(self.offset(return_address))
    }

    /// The functions that are active at the PC, innermost first, the last one being the function
    /// itself; `wasm` is the WebAssembly instruction that the PC was compiled from.
    pub fn sources(&self, pc: usize, wasm: Option<WasmOffset>) -> impl Iterator<Item = Source> {
        self.sites.sources(self.offset(pc), wasm)
    }

    /// The instruction that the PC was compiled from, as far as known: the nearest call, trap or
    /// source location before it, of the function that the PC belongs to; exact where source
    /// locations were requested.
    pub fn wasm_offset_near(&self, pc: usize) -> Option<WasmOffset> {
        self.sites.nearest(self.offset(pc), &self.sources)
    }
}
