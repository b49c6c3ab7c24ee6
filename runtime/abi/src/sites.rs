//! Sites: places in compiled code that the runtime must find, namely instructions that trap and
//! calls.
//!
//! A site has a code offset and the WebAssembly instruction that it was compiled from. What few
//! sites have is in [`SiteDetails`], which most code does without: the functions that were inlined
//! there, exception handlers, and live references. So a site stays at eight bytes.
//!
//! # Inlining
//!
//! The functions inlined into a piece of code form a tree, from the root down: an [`InlinedFrame`]
//! is one copy of a function's body, and its parent is the copy (or the function itself) that
//! contained the call. Runs of code state which copy they belong to, so each PC has its chain of
//! functions, be it a trap, a call or the place where an interruption struck: [`Sites::sources`].
//!
//! # Exceptional edges
//!
//! A call that throws continues at the handler of its site, with the exception
//! ([`exception`](crate::exception)) in the first integer result register. **An exceptional edge
//! clobbers all other registers** but the stack and the frame pointer, callee-saved ones included
//! (Cranelift's rule): what a handler needs is in the frame, and a function with handlers saves
//! every callee-saved register for its caller. A handler gets every exception; its code compares
//! tags, which belong to the instance in its frame, and throws again what it does not catch. Where
//! a site has no handler, its function is left; where none has up to the entry frame, the
//! activation is. Traps, other errors of host functions and interruptions are no exceptions: they
//! leave the activation.

use crate::artifact::SourceLocation;
use crate::index::{CodeOffset, DefinedFuncIndex, InlinedIndex, WasmOffset};
use crate::trap::TrapCode;

/// An instruction that traps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrapSite {
    /// The faulting instruction.
    pub code: CodeOffset,
    /// The instruction it was compiled from, of the innermost function inlined there.
    pub wasm: WasmOffset,
    /// The trap that the fault stands for.
    pub trap: TrapCode,
}

/// A call that a backtrace shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallSite {
    /// The return address: the instruction behind the call.
    pub code: CodeOffset,
    /// The call instruction, of the innermost function inlined there.
    pub wasm: WasmOffset,
}

/// One copy of a function's body inside of another function's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InlinedFrame {
    /// The copy that the call stood in, which precedes this one in the list; `None` for the
    /// function itself.
    pub parent: Option<InlinedIndex>,
    /// The function that was inlined.
    pub func: DefinedFuncIndex,
    /// The call instruction, in the parent.
    pub wasm: WasmOffset,
}

/// Start of a run of code that belongs to one inlined copy, up to the next run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InlinedRun {
    /// First byte of the run.
    pub code: CodeOffset,
    /// The innermost copy; `None` for the function itself.
    pub frame: Option<InlinedIndex>,
}

/// The handler at which a call continues if it throws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExceptionHandler {
    /// The return address of the call.
    pub call: CodeOffset,
    /// The handler's first instruction.
    pub target: CodeOffset,
}

/// A word of the frame that contains a reference while a call runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveReference {
    /// The return address of the call.
    pub call: CodeOffset,
    /// The word's offset from `rbp`.
    pub frame_offset: i32,
}

/// The tables that only some code has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SiteDetails {
    /// Inlined copies, parents before their children.
    pub inlined: Vec<InlinedFrame>,
    /// Which code belongs to them, sorted; what precedes the first run is the function's own.
    pub runs: Vec<InlinedRun>,
    /// Exception handlers, sorted by call; each call has at most one.
    pub handlers: Vec<ExceptionHandler>,
    /// References that calls leave in the frame, sorted by call.
    pub references: Vec<LiveReference>,
}

/// The sites of a piece of code, sorted by code offset.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sites {
    /// Instructions that may fault or are `ud2`.
    pub traps: Box<[TrapSite]>,
    /// Return addresses of calls that a backtrace shows. A return address that is not listed
    /// belongs to a frame that backtraces skip (a baseline frame below its OSR entry).
    pub calls: Box<[CallSite]>,
    /// The details; `None` where they would be empty.
    pub details: Option<Box<SiteDetails>>,
}

/// An active function, and its instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The inlined function; `None` for the one that the code was compiled for.
    pub func: Option<DefinedFuncIndex>,
    /// The instruction, as far as it is known.
    pub wasm: Option<WasmOffset>,
}

impl Sites {
    /// Creates sites without details.
    pub fn new(traps: impl Into<Box<[TrapSite]>>, calls: impl Into<Box<[CallSite]>>) -> Self {
        Self {
            traps: traps.into(),
            calls: calls.into(),
            details: None,
        }
    }

    /// The trap site at exactly this offset.
    pub fn trap_at(&self, code: CodeOffset) -> Option<&TrapSite> {
        let i = self.traps.binary_search_by_key(&code, |site| site.code);
        i.ok().map(|i| &self.traps[i])
    }

    /// The call whose return address is exactly this offset.
    pub fn call_at(&self, code: CodeOffset) -> Option<&CallSite> {
        let i = self.calls.binary_search_by_key(&code, |site| site.code);
        i.ok().map(|i| &self.calls[i])
    }

    /// The instruction of the nearest trap, call or source location at or before the offset, of the
    /// function that the offset belongs to. `sources` are the code's.
    pub fn nearest(&self, code: CodeOffset, sources: &[SourceLocation]) -> Option<WasmOffset> {
        let frame = self.frame_at(code);
        let trap = self.traps.partition_point(|site| site.code <= code);
        let call = self.calls.partition_point(|site| site.code <= code);
        let source = sources.partition_point(|run| run.code <= code);
        let mut traps = self.traps[..trap].iter().rev();
        let mut calls = self.calls[..call].iter().rev();
        let mut sources = sources[..source].iter().rev();
        let trap = traps.find(|site| self.frame_at(site.code) == frame);
        let before = |site: &CallSite| CodeOffset(site.code.0.saturating_sub(1));
        let call = calls.find(|site| self.frame_at(before(site)) == frame);
        let source = sources.find(|run| self.frame_at(run.code) == frame);
        let trap = trap.map(|site| (site.code, site.wasm));
        let call = call.map(|site| (site.code, site.wasm));
        let source = source.map(|run| (run.code, run.wasm));
        // Of a return address and what begins there, the latter.
        trap.max(call)
            .filter(|site| source.is_none_or(|source| source.0 < site.0))
            .or(source)
            .map(|(_, wasm)| wasm)
    }

    /// The innermost inlined copy that an instruction belongs to; `None` for the function itself.
    pub fn frame_at(&self, code: CodeOffset) -> Option<InlinedIndex> {
        self.details.as_deref()?.frame_at(code)
    }

    /// The functions that are active at an instruction, innermost first: those inlined there, then
    /// the one that the code was compiled for. `wasm` is the WebAssembly instruction that the
    /// innermost one is at.
    pub fn sources(
        &self,
        code: CodeOffset,
        wasm: Option<WasmOffset>,
    ) -> impl Iterator<Item = Source> {
        let details = self.details.as_deref();
        let mut frame = details.and_then(|details| details.frame_at(code));
        let mut next = Some(wasm);
        std::iter::from_fn(move || {
            let wasm = next.take()?;
            let copy = frame.and_then(|frame| details?.inlined.get(frame.index()));
            frame = copy.and_then(|copy| copy.parent);
            next = copy.map(|copy| Some(copy.wasm));
            Some(Source {
                func: copy.map(|copy| copy.func),
                wasm,
            })
        })
    }

    /// The first instruction of a call's exception handler.
    pub fn handler_of(&self, call: CodeOffset) -> Option<CodeOffset> {
        let handlers = &self.details.as_deref()?.handlers;
        let found = handlers.binary_search_by_key(&call, |handler| handler.call);
        Some(handlers[found.ok()?].target)
    }

    /// The references that a call leaves in its function's frame.
    pub fn references_at(&self, call: CodeOffset) -> &[LiveReference] {
        let Some(details) = self.details.as_deref() else {
            return &[];
        };
        let references = &details.references[..];
        let start = references.partition_point(|live| live.call < call);
        let len = references[start..].partition_point(|live| live.call == call);
        &references[start..start + len]
    }
}

impl SiteDetails {
    /// The innermost inlined copy that an instruction belongs to.
    fn frame_at(&self, code: CodeOffset) -> Option<InlinedIndex> {
        let behind = self.runs.partition_point(|run| run.code <= code);
        self.runs[..behind].last()?.frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(parent: Option<u32>, func: u32, wasm: u32) -> InlinedFrame {
        InlinedFrame {
            parent: parent.map(InlinedIndex),
            func: DefinedFuncIndex(func),
            wasm: WasmOffset(wasm),
        }
    }

    fn run(code: u32, frame: Option<u32>) -> InlinedRun {
        InlinedRun {
            code: CodeOffset(code),
            frame: frame.map(InlinedIndex),
        }
    }

    fn sources(sites: &Sites, code: u32) -> Vec<(Option<u32>, u32)> {
        let wasm = Some(WasmOffset(1));
        let sources = sites.sources(CodeOffset(code), wasm);
        let plain = |source: Source| (source.func.map(|func| func.0), source.wasm.unwrap().0);
        sources.map(plain).collect()
    }

    #[test]
    fn an_instruction_belongs_to_a_chain_of_functions() {
        let sites = Sites {
            details: Some(Box::new(SiteDetails {
                inlined: vec![
                    frame(None, 7, 100),
                    frame(Some(0), 8, 200),
                    frame(None, 9, 300),
                ],
                runs: vec![run(10, Some(0)), run(20, Some(1)), run(30, None)],
                ..SiteDetails::default()
            })),
            ..Sites::default()
        };
        assert_eq!(sources(&sites, 9), [(None, 1)]);
        assert_eq!(sources(&sites, 10), [(Some(7), 1), (None, 100)]);
        let deepest = [(Some(8), 1), (Some(7), 200), (None, 100)];
        assert_eq!(sources(&sites, 29), deepest);
        assert_eq!(sources(&sites, 30), [(None, 1)]);
        assert_eq!(sources(&Sites::default(), 30), [(None, 1)]);
    }

    #[test]
    fn handlers_and_references_belong_to_their_call() {
        let handler = |call, target| ExceptionHandler {
            call: CodeOffset(call),
            target: CodeOffset(target),
        };
        let live = |call, frame_offset| LiveReference {
            call: CodeOffset(call),
            frame_offset,
        };
        let sites = Sites {
            details: Some(Box::new(SiteDetails {
                handlers: vec![handler(5, 50), handler(9, 40)],
                references: vec![live(5, -24), live(5, -32), live(8, -24)],
                ..SiteDetails::default()
            })),
            ..Sites::default()
        };
        let target = |call| sites.handler_of(CodeOffset(call)).map(|target| target.0);
        assert_eq!((target(5), target(9)), (Some(50), Some(40)));
        assert_eq!((target(7), target(10)), (None, None));
        let references = |call| sites.references_at(CodeOffset(call));
        assert_eq!(references(5), [live(5, -24), live(5, -32)]);
        assert!(references(9).is_empty());
        assert_eq!(Sites::default().handler_of(CodeOffset(5)), None);
    }
}
