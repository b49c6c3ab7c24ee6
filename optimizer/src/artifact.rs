//! Conversion of Cranelift's result to the artifact that the tiers share.

use std::ops::Range;

use cranelift_codegen::ir::function::FunctionStencil;
use cranelift_codegen::ir::{DebugTag, ExternalName, Function, Inst, SourceLoc};
use cranelift_codegen::isa::unwind::UnwindInst;
use cranelift_codegen::{
    CompiledCode, FinalizedMachExceptionHandler, FinalizedMachReloc, FinalizedRelocTarget,
    MachDebugTagPos,
};
use upshift_abi::artifact::{CODE_ALIGN, CompileStats, SourceLocation};
use upshift_abi::sites::{ExceptionHandler, InlinedRun, SiteDetails};
use upshift_abi::{
    CallSite, CodeOffset, CompileRequest, CompiledFunction, Relocation, Sites, Tier, TrapSite,
    WasmOffset,
};

use crate::names::Symbol;
use crate::translate::Origins;
use crate::trap;
use crate::x64::{self, dispatch};

/// Bytes of code without a trap site behind which there is a landmark.
const LANDMARK_DISTANCE: u32 = 16;

/// How many runs are all kept as landmarks, 8 bytes each.
const FEW_RUNS: usize = 32;

/// Converts Cranelift's result; an error names what in the code has no meaning outside Cranelift.
pub(crate) fn convert(
    request: &CompileRequest<'_>,
    func: &Function,
    compiled: &CompiledCode,
    origins: &Origins,
) -> Result<CompiledFunction, String> {
    let mut sources = Sources::of(request, compiled, origins);
    let mut traps = traps(compiled, &mut sources)?;
    let mut code = code(compiled);
    copy_dispatch(compiled, &mut code, &mut traps, &mut sources);
    let buffer = &compiled.buffer;
    if buffer.alignment > CODE_ALIGN as u32 {
        return Err(format!("the code must be aligned to {}", buffer.alignment));
    }
    let relocations = buffer.relocs().iter();
    let layout = buffer.frame_layout();
    let sites = Sites {
        details: details(&sources, handlers(compiled)?),
        ..Sites::new(traps, calls(compiled, &sources))
    };
    let sources = match request.sources {
        true => sources.runs(),
        false => sources.landmarks(&sites),
    };
    Ok(CompiledFunction {
        code,
        relocations: relocations
            .map(|reloc| relocation(func, reloc))
            .collect::<Result<_, _>>()?,
        sites,
        sources,
        loops: Vec::new(),
        frame_size: layout.map_or(0, |layout| layout.frame_to_fp_offset),
        // Cranelift does not say where its constants begin.
        data_bytes: 0,
        frame_moves: frame_moves(compiled),
        stats: CompileStats {
            tier: Some(Tier::Optimizer),
            body_bytes: request.body().len() as u32,
            ..CompileStats::default()
        },
    })
}

/// The part of the prologue in which `rbp` leads to no frame.
///
/// A function with a tail call that passes more on the stack than the function itself was passed
/// makes room at its beginning: its prologue lowers `rsp` and `rbp` behind it, and only then copies
/// the frame record there. The unwind information says where the frame stands for good, and where
/// the record that is copied was pushed; what lies between includes the stack check, where
/// interruptions can wait as well.
fn frame_moves(compiled: &CompiledCode) -> Option<Range<CodeOffset>> {
    let mut pushed = None;
    for (offset, inst) in &compiled.buffer.unwind_info {
        match *inst {
            UnwindInst::PushFrameRegs {
                offset_upward_to_caller_sp: setup,
            } => pushed = Some((*offset, setup)),
            UnwindInst::DefineNewFrame {
                offset_upward_to_caller_sp: moved,
                ..
            } => {
                let (from, setup) = pushed?;
                return (moved > setup).then_some(CodeOffset(from)..CodeOffset(*offset));
            }
            _ => {}
        }
    }
    None
}

fn relocation(func: &Function, reloc: &FinalizedMachReloc) -> Result<Relocation, String> {
    let unknown = || format!("no such relocation: {reloc:?}");
    let FinalizedRelocTarget::ExternalName(ExternalName::User(name)) = reloc.target else {
        return Err(unknown());
    };
    let symbol = Symbol::from_name(&func.params.user_named_funcs()[name]).ok_or_else(unknown)?;
    Ok(Relocation {
        offset: CodeOffset(reloc.offset),
        target: x64::relocation_target(reloc.kind, symbol).ok_or_else(unknown)?,
        addend: i32::try_from(reloc.addend).map_err(|_| unknown())?,
    })
}

/// The trap sites. Loads that are merged into other instructions become known to `sources`.
fn traps(compiled: &CompiledCode, sources: &mut Sources<'_>) -> Result<Vec<TrapSite>, String> {
    let mut sites = Vec::with_capacity(compiled.buffer.traps().len());
    for site in compiled.buffer.traps() {
        let inst = sources.run_at(site.offset);
        let access = inst.and_then(|inst| sources.origins.of_access(site.code, inst));
        if let Some(access) = access.filter(|_| access != inst) {
            sources.merged.push((site.offset, access));
        }
        let source = access.or(inst);
        let trap = trap::from_clif(site.code);
        sites.push(TrapSite {
            code: CodeOffset(site.offset),
            wasm: source.map_or(sources.body, |source| sources.wasm(source)),
            trap: trap.ok_or_else(|| format!("no such trap: {}", site.code))?,
        });
    }
    sites.sort_by_key(|site| site.code);
    sources.merged.sort_by_key(|&(code, _)| code);
    Ok(sites)
}

/// Gives jumps to dispatch code copies of it, with traps and origins as the code has itself.
fn copy_dispatch(
    compiled: &CompiledCode,
    code: &mut Vec<u8>,
    traps: &mut Vec<TrapSite>,
    sources: &mut Sources<'_>,
) {
    if !sources.origins.dispatches() {
        return;
    }
    let relocations = compiled.buffer.relocs().iter().map(|reloc| reloc.offset);
    let mut relocations: Vec<u32> = relocations.collect();
    relocations.sort_unstable();
    let runs = sources.runs.iter();
    let jumps = runs.filter(|&&(.., source)| sources.origins.is_dispatching(source));
    let jumps = jumps.map(|&(start, end, _)| start..end);
    for copy in dispatch::copy_dispatch(code, jumps, &relocations) {
        let dispatch::Copy { original, at } = &copy;
        let begin = traps.partition_point(|site| site.code.0 < original.start);
        let end = traps.partition_point(|site| site.code.0 < original.end);
        for index in begin..end {
            let code = CodeOffset(traps[index].code.0 - original.start + at);
            traps.push(TrapSite {
                code,
                ..traps[index]
            });
        }
        sources.add_copy(&copy);
    }
    sources.size = code.len() as u32;
}

/// What instructions are marked as by a debug tag, which changes no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// A call of a builtin that walks no stack, so that it becomes no call site.
    Leaf,
    /// An instruction that leaves the function, so that its epilogue is found.
    Exit,
}

impl Mark {
    fn tag(self) -> DebugTag {
        DebugTag::User(self as u32)
    }

    /// Marks an instruction.
    pub(crate) fn set(self, func: &mut Function, inst: Inst) {
        func.debug_tags.set(inst, [self.tag()]);
    }

    /// Marks all instructions that leave the function. The verifier wants tags on calls only, so
    /// it must have seen the function before.
    pub(crate) fn set_exits(func: &mut Function) {
        let FunctionStencil {
            layout,
            dfg,
            debug_tags,
            ..
        } = &mut func.stencil;
        let last = layout.blocks().filter_map(|block| layout.last_inst(block));
        for exit in last.filter(|&inst| dfg.insts[inst].opcode().is_return()) {
            debug_tags.set(exit, [Self::Exit.tag()]);
        }
    }

    /// The offsets of machine instructions that are marked so, at that position.
    fn offsets(
        self,
        compiled: &CompiledCode,
        position: MachDebugTagPos,
    ) -> impl Iterator<Item = u32> {
        let tags = compiled.buffer.debug_tags();
        let marked = tags.filter(move |tags| tags.pos == position && tags.tags == [self.tag()]);
        marked.map(|tags| tags.offset)
    }
}

/// The code, with better epilogues.
fn code(compiled: &CompiledCode) -> Vec<u8> {
    let mut code = compiled.buffer.data().to_vec();
    // What prepares an exit has marks too, and is not changed.
    for offset in Mark::Exit.offsets(compiled, MachDebugTagPos::Pre) {
        x64::relax_epilogue(&mut code, offset);
    }
    code
}

fn calls(compiled: &CompiledCode, sources: &Sources<'_>) -> Vec<CallSite> {
    // Marks of what prepares a call are in front of it.
    let leaves = Mark::Leaf.offsets(compiled, MachDebugTagPos::Post);
    let leaves: Vec<u32> = leaves.collect();
    let sites = compiled.buffer.call_sites();
    let mut sites: Vec<_> = sites
        .filter(|site| leaves.binary_search(&site.ret_addr).is_err())
        .map(|site| CallSite {
            code: CodeOffset(site.ret_addr),
            wasm: sources.at(site.ret_addr - 1),
        })
        .collect();
    sites.sort_by_key(|site| site.code);
    sites
}

/// The handlers of calls that have one.
fn handlers(compiled: &CompiledCode) -> Result<Vec<ExceptionHandler>, String> {
    let mut handlers = Vec::new();
    for site in compiled.buffer.call_sites() {
        let target = match *site.exception_handlers {
            [] => continue,
            [FinalizedMachExceptionHandler::Default(target)] => target,
            _ => return Err(format!("no such handlers: {:?}", site.exception_handlers)),
        };
        handlers.push(ExceptionHandler {
            call: CodeOffset(site.ret_addr),
            target: CodeOffset(target),
        });
    }
    handlers.sort_by_key(|handler| handler.call);
    Ok(handlers)
}

/// Which code belongs to functions that were inlined, and the handlers; `None` without any.
fn details(sources: &Sources<'_>, handlers: Vec<ExceptionHandler>) -> Option<Box<SiteDetails>> {
    let inlined = sources.origins.copies.frames().to_vec();
    if inlined.is_empty() {
        return (!handlers.is_empty()).then(|| {
            Box::new(SiteDetails {
                handlers,
                ..SiteDetails::default()
            })
        });
    }
    let mut runs: Vec<InlinedRun> = Vec::new();
    sources.each_run(|code, source| {
        let frame = source.and_then(|source| sources.origins.copies.resolve(source).0);
        if runs.last().and_then(|last| last.frame) != frame {
            runs.push(InlinedRun { code, frame });
        }
    });
    Some(Box::new(SiteDetails {
        inlined,
        runs,
        handlers,
        ..SiteDetails::default()
    }))
}

/// The origins of runs of code.
struct Sources<'a> {
    /// Start, end and origin of each run; sorted, without overlap.
    runs: Vec<(u32, u32, SourceLoc)>,
    /// Instructions that a load of linear memory was merged into, and the load's origin; sorted.
    merged: Vec<(u32, SourceLoc)>,
    /// Bytes of code.
    size: u32,
    origins: &'a Origins,
    /// The origin of the prologue and the epilogue.
    body: WasmOffset,
}

impl<'a> Sources<'a> {
    fn of(request: &CompileRequest<'_>, compiled: &CompiledCode, origins: &'a Origins) -> Self {
        let locations = compiled.buffer.get_srclocs_sorted().iter();
        Self {
            runs: locations.map(|run| (run.start, run.end, run.loc)).collect(),
            merged: Vec::new(),
            size: compiled.buffer.total_size(),
            origins,
            body: request.body_offset(),
        }
    }

    /// Adds the origins of a copy of code, at the end.
    fn add_copy(&mut self, copy: &dispatch::Copy) {
        let dispatch::Copy { original, at } = copy;
        let moved = |code: u32| code - original.start + at;
        let begin = self
            .runs
            .partition_point(|&(_, end, _)| end <= original.start);
        let end = self
            .runs
            .partition_point(|&(start, ..)| start < original.end);
        for index in begin..end {
            let (start, end, source) = self.runs[index];
            let range = moved(start.max(original.start))..moved(end.min(original.end));
            self.runs.push((range.start, range.end, source));
        }
        let begin = self
            .merged
            .partition_point(|&(code, _)| code < original.start);
        let end = self
            .merged
            .partition_point(|&(code, _)| code < original.end);
        for index in begin..end {
            let (code, load) = self.merged[index];
            self.merged.push((moved(code), load));
        }
    }

    /// The source location of the run that the offset is in.
    fn run_at(&self, code: u32) -> Option<SourceLoc> {
        let behind = self.runs.partition_point(|&(start, ..)| start <= code);
        let &(_, end, source) = self.runs[..behind].last()?;
        (code < end).then_some(source)
    }

    /// The origin of the instruction that the offset is in.
    fn at(&self, code: u32) -> WasmOffset {
        self.run_at(code)
            .map_or(self.body, |source| self.wasm(source))
    }

    fn wasm(&self, source: SourceLoc) -> WasmOffset {
        if source.is_default() {
            self.body
        } else {
            self.origins.copies.resolve(source).1
        }
    }

    /// Visits all code in order: where a run begins, and its origin if it has one. An instruction
    /// that a load was merged into is a run as far as its first byte goes.
    fn each_run(&self, mut visit: impl FnMut(CodeOffset, Option<SourceLoc>)) {
        let mut covered = 0;
        let mut merged = self.merged.iter().peekable();
        for &(start, end, source) in &self.runs {
            if covered < start {
                visit(CodeOffset(covered), None);
            }
            if merged.peek().is_none_or(|&&(code, _)| code != start) {
                visit(CodeOffset(start), Some(source));
            }
            while let Some(&(code, load)) = merged.next_if(|&&(code, _)| code < end) {
                visit(CodeOffset(code), Some(load));
                visit(CodeOffset(code + 1), Some(source));
            }
            covered = end;
        }
        if covered < self.size {
            visit(CodeOffset(covered), None);
        }
    }

    /// Those of the [`runs`](Self::runs) that tell where an interruption has struck, beside the
    /// sites: all of them if they are few, else where no site and no other landmark is near, the
    /// function was inlined, or the instruction stands before that of the last one.
    fn landmarks(&self, sites: &Sites) -> Vec<SourceLocation> {
        let runs = self.runs();
        if runs.len() <= FEW_RUNS {
            return runs;
        }
        let mut landmarks: Vec<SourceLocation> = Vec::new();
        let mut known = sites
            .traps
            .iter()
            .map(|site| (site.code, site.wasm))
            .peekable();
        let mut last: Option<(CodeOffset, WasmOffset)> = None;
        for run in runs {
            while let Some(site) = known.next_if(|site| site.0 <= run.code) {
                last = last.max(Some(site));
            }
            let is_told = last.is_some_and(|(code, wasm)| {
                run.code.0 - code.0 < LANDMARK_DISTANCE
                    && run.wasm >= wasm
                    && sites.frame_at(code) == sites.frame_at(run.code)
            });
            if !is_told {
                landmarks.push(run);
                last = Some((run.code, run.wasm));
            }
        }
        landmarks
    }

    /// Converts to the shared form, in which each entry holds until the next one; code between runs
    /// is the body's.
    fn runs(&self) -> Vec<SourceLocation> {
        let mut result: Vec<SourceLocation> = Vec::new();
        self.each_run(|code, source| {
            let wasm = source.map_or(self.body, |source| self.wasm(source));
            if result.last().is_none_or(|last| last.wasm != wasm) {
                result.push(SourceLocation { code, wasm });
            }
        });
        result
    }
}
