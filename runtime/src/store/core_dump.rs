//! What a core dump has of a store: noted where WebAssembly is left because of a trap or a host
//! function's error, while its frames stand.
//!
//! Memories and globals are not copied: who writes a dump reads them from the store. Locals and
//! operands are, as far as the compiler of the code can say where they are
//! ([`TierHooks::describe`](crate::TierHooks::describe)) and nothing between there and here may
//! have changed the place. So registers are followed outwards from the trap: each described frame
//! says which of its caller's registers it holds; behind any other frame none is known.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use upshift_abi::callconv::CALLEE_SAVED;
use upshift_abi::values::{DescribedCode, PlacedValue, SiteValues, ValuePlace};
use upshift_abi::vmctx::VmContext;
use upshift_abi::{
    CodeOffset, CompileUnit, Counting, DefinedFuncIndex, Kind, Tier, TrapCode, WasmOffset, frame,
};

use super::walk::{Caller, TrapRecord, Visited, walk_callers};
use super::{GlobalId, InstanceId, MemoryId, Pending, Store, StoreId};
use crate::backtrace::{Frame, Place};
use crate::code::{CodeKind, CodeMeta, FunctionCode, PlacedCode};
use crate::ends::Ends;
use crate::module_id::ModuleId;

/// The most frames of a dump from each end of the stack.
const KEPT: usize = 4096;

/// The most locals and the most operands of a frame: a function can have 50,000.
const MOST_OF_FRAME: usize = 1000;

/// The most values of a dump: of frames beyond, none are listed.
const MOST_VALUES: usize = 1 << 20;

/// The most bytes of bodies that are compiled again for one dump.
const MOST_BODIES: u32 = 16 << 20;

/// A store where WebAssembly was left.
#[derive(Debug)]
pub struct CoreDump {
    /// The store.
    pub store: StoreId,
    /// The frames of WebAssembly, innermost first; if some are omitted, the same number from each
    /// end.
    pub frames: Vec<CoreFrame>,
    /// The number of frames that are left out in the middle.
    pub omitted: usize,
    /// The handles that [`Store::keep_module`] was given.
    pub modules: Vec<Arc<dyn Any + Send + Sync>>,
    /// All instances.
    pub instances: Vec<InstanceId>,
    /// All memories, shared ones included.
    pub memories: Vec<MemoryId>,
    /// All globals.
    pub globals: Vec<GlobalId>,
}

/// A frame of a core dump.
#[derive(Clone, Debug)]
pub struct CoreFrame {
    /// The function and its position.
    pub frame: Frame,
    /// The function's instance. Of optimized code it is known if the module has one instance in the
    /// store; else it is the latest.
    pub instance: Option<InstanceId>,
    /// Parameters and other locals; if there are very many, the first.
    pub locals: Vec<CoreValue>,
    /// The operands from the bottom of the stack; if there are very many, the first.
    pub operands: Vec<CoreValue>,
}

/// The value of a local or an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CoreValue {
    /// Not known, or of a type that dumps have not: vectors and references.
    Missing,
    /// A 32-bit integer.
    I32(i32),
    /// A 64-bit integer.
    I64(i64),
    /// The bits of a 32-bit float.
    F32(u32),
    /// The bits of a 64-bit float.
    F64(u64),
}

/// The general-purpose and the SSE registers of a thread at a trap, by the numbers of their
/// encodings; of the stack pointer and of the register that passes the context, other values.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct TrapRegisters {
    floats: [[u64; 2]; 16],
    ints: [u64; 16],
}

/// The registers that calls preserve, where WebAssembly is left, in the order of their numbers.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct PreservedRegisters([u64; CALLEE_SAVED.len()]);

/// A trap of which a dump is to be made, with what its registers held.
pub(super) struct Trapped {
    record: TrapRecord,
    registers: TrapRegisters,
}

/// Whatever is known of registers, by the numbers of [`ValuePlace::Reg`].
#[derive(Clone, Copy)]
struct Known([Option<u64>; 32]);

impl Known {
    const NOTHING: Self = Self([None; 32]);

    fn at_trap(registers: &TrapRegisters) -> Self {
        let mut known = Self::NOTHING;
        for (reg, &word) in known.0.iter_mut().zip(&registers.ints) {
            *reg = Some(word);
        }
        for (reg, words) in known.0[16..].iter_mut().zip(&registers.floats) {
            *reg = Some(words[0]);
        }
        known
    }

    fn at_exit(preserved: &PreservedRegisters) -> Self {
        let mut known = Self::NOTHING;
        for (reg, &word) in CALLEE_SAVED.iter().zip(&preserved.0) {
            known.0[usize::from(reg.0)] = Some(word);
        }
        known
    }

    /// Those that a call preserves.
    fn preserved(&self) -> Self {
        let mut kept = Self::NOTHING;
        for reg in CALLEE_SAVED {
            kept.0[usize::from(reg.0)] = self.0[usize::from(reg.0)];
        }
        kept
    }
}

/// A frame, and the place at which it is.
struct FrameAt<'p> {
    meta: &'p CodeMeta,
    /// An address of the instruction.
    pc: usize,
    /// The instruction that it was compiled from.
    wasm: Option<WasmOffset>,
    /// The site that it is at, if it is at one.
    site: Option<CodeOffset>,
    fp: usize,
    /// The part of the stack that the frame lies in, all of it readable.
    range: Range<usize>,
}

impl FrameAt<'_> {
    /// A word of the frame, by its offset from the frame pointer; `None` outside of the frame.
    fn word(&self, offset: i32) -> Option<u64> {
        let address = self.fp.checked_add_signed(offset as isize)?;
        let inside = self.range.contains(&address) && address.is_multiple_of(align_of::<u64>());
        // SAFETY: aligned, and on the stack between two frames that stand.
        inside.then(|| unsafe { std::ptr::with_exposed_provenance::<u64>(address).read() })
    }
}

/// The collector of a dump's frames.
struct Collector<'s> {
    store: &'s Store,
    known: Known,
    /// Descriptions by the code's address and the instruction.
    described: HashMap<(usize, WasmOffset), Option<Rc<DescribedCode>>>,
    /// Bytes of bodies that were compiled for it.
    bodies: u32,
    values: usize,
    frames: Ends<CoreFrame>,
}

impl Store {
    /// Keeps the embedder's handle of a module for core dumps, if the runtime makes any.
    pub fn keep_module(
        &mut self,
        module: ModuleId,
        handle: impl FnOnce() -> Arc<dyn Any + Send + Sync>,
    ) {
        let kept = &mut self.kept_modules;
        if self.runtime.config().core_dumps && !kept.iter().any(|(id, _)| *id == module) {
            kept.push((module, handle()));
        }
    }

    /// The dump of the latest call that failed, once.
    #[cold]
    pub fn take_core_dump(&mut self) -> Option<Box<CoreDump>> {
        self.core_dump.take()
    }

    /// Remembers a trap's place and registers, if the runtime makes dumps.
    pub(crate) fn remember_trap(&mut self, record: &TrapRecord, registers: &TrapRegisters) {
        if self.runtime.config().core_dumps {
            self.trapped = Some(Box::new(Trapped {
                record: *record,
                registers: *registers,
            }));
        }
    }

    /// Makes a dump as an activation is left, if the runtime makes any and the reason is a trap or
    /// a host function's error.
    ///
    /// # Safety
    ///
    /// The calling thread is inside the store's innermost activation, which it is about to leave
    /// for the pending reason: the stack is unchanged since the trap that was remembered, or the
    /// exit frame stands.
    pub(super) unsafe fn record_core_dump(&mut self, preserved: &PreservedRegisters) {
        let is_error = match &self.pending {
            Some(Pending::Trap(..) | Pending::Host(..) | Pending::Callback(..)) => true,
            Some(Pending::Exception(_) | Pending::FirstCall(_) | Pending::Panic(_)) | None => false,
        };
        if !self.runtime.config().core_dumps || !self.process.is_current() || !is_error {
            return;
        }
        let trapped = self.trapped.take();
        let mut collector = Collector {
            store: self,
            known: Known::at_exit(preserved),
            described: HashMap::new(),
            bodies: 0,
            values: 0,
            frames: Ends::new(KEPT),
        };
        // SAFETY: guaranteed by the caller.
        unsafe { collector.collect(trapped.as_deref()) };
        let frames = collector.frames;
        self.core_dump = Some(Box::new(CoreDump {
            store: self.id,
            omitted: frames.omitted(),
            frames: frames.into_iter().collect(),
            modules: self.kept_modules.iter().map(|(_, m)| m.clone()).collect(),
            instances: (0..self.instances.len()).map(InstanceId::new).collect(),
            memories: (0..self.memories.len()).map(MemoryId::new).collect(),
            globals: (0..self.globals.len()).map(GlobalId::new).collect(),
        }));
    }
}

impl Collector<'_> {
    /// Visits all frames, innermost first.
    ///
    /// # Safety
    ///
    /// As for [`Store::record_core_dump`].
    unsafe fn collect(&mut self, trapped: Option<&Trapped>) {
        let store = self.store;
        let placed = store.runtime().code().hold_placed();
        let (low, fp) = match trapped {
            Some(Trapped { record, registers }) => {
                self.known = Known::at_trap(registers);
                self.add_trapped(&placed, record);
                (record.sp, record.fp)
            }
            None => (store.exit_fp(), store.exit_fp()),
        };
        // The frame pointer of the frame inside of the next one.
        let mut inside = fp;
        // The first caller may be at a place that is no site: where its budget ran out.
        let mut innermost = trapped.is_none();
        let visit = |visited| match visited {
            Visited::Exit { fp } => {
                inside = fp;
                self.known = Known::NOTHING;
            }
            Visited::Caller(Caller {
                meta,
                return_address,
                fp,
            }) => {
                let low = std::mem::replace(&mut inside, fp);
                let site = meta.call_at(return_address);
                let wasm = match site {
                    Some(site) => Some(site.wasm),
                    None if innermost => meta.wasm_offset_near(return_address - 1),
                    None => None,
                };
                innermost = false;
                if wasm.is_none() {
                    // Backtraces skip it: the function goes on in the frame inside.
                    self.known = Known::NOTHING;
                    return;
                }
                self.add(&FrameAt {
                    meta,
                    pc: return_address - 1,
                    wasm,
                    site: site.map(|site| site.code),
                    fp,
                    range: low..fp,
                });
            }
        };
        // SAFETY: the stack is readable from the trap's stack pointer or the exit frame on.
        unsafe { walk_callers(&placed, store.entry_fp(), low, fp, visit) };
    }

    /// Adds the frame of the code that has trapped.
    fn add_trapped(&mut self, placed: &PlacedCode<'_>, trap: &TrapRecord) {
        let Some(meta) = placed.lookup(trap.pc) else {
            self.known = Known::NOTHING;
            return;
        };
        // An interruption strikes anywhere, also at a site that it has nothing to do with.
        let site = match trap.code {
            TrapCode::Interrupt => None,
            _ => meta.trap_at(trap.pc),
        };
        let at = FrameAt {
            meta,
            pc: trap.pc,
            wasm: site
                .map(|s| s.wasm)
                .or_else(|| meta.wasm_offset_near(trap.pc)),
            site: site.map(|site| site.code),
            fp: trap.fp,
            range: trap.sp..trap.fp,
        };
        let CodeKind::Function(code) = &meta.kind else {
            self.known = Known::NOTHING;
            return;
        };
        if trap.code == TrapCode::StackOverflow && site.is_some() {
            // In the head of either tier's code: it has stored nothing yet, and no register that
            // calls preserve is changed.
            let instance = self.store.instance_with(trap.context as u64);
            let instance = instance.or_else(|| self.latest_instance(code.module));
            self.push(&at, code, instance, None);
            self.known = self.known.preserved();
        } else {
            self.add(&at);
        }
    }

    /// Adds the functions that are active in a frame, and goes on to the registers of its caller.
    fn add(&mut self, at: &FrameAt<'_>) {
        let CodeKind::Function(code) = &at.meta.kind else {
            return;
        };
        let described = self.describe(at, code);
        let values = described.as_deref().zip(at.site);
        let values = values.and_then(|(described, site)| described.at(site));
        let own = (code.tier == Tier::Baseline).then(|| at.word(frame::VMCTX));
        let own = own
            .flatten()
            .and_then(|word| self.store.instance_with(word));
        let instance = own.or_else(|| self.latest_instance(code.module));
        self.push(at, code, instance, values);
        self.known = match (&described, values) {
            (Some(described), Some(_)) => {
                let mut known = self.known.preserved();
                for &(reg, offset) in &described.saved {
                    known.0[usize::from(reg)] = at.word(offset);
                }
                known
            }
            _ => Known::NOTHING,
        };
    }

    /// Adds the functions that were inlined where a frame is, of which no values are known, and its
    /// own function.
    fn push(
        &mut self,
        at: &FrameAt<'_>,
        code: &FunctionCode,
        instance: Option<InstanceId>,
        values: Option<&SiteValues>,
    ) {
        for source in at.meta.sources(at.pc, at.wasm) {
            let func = source.func.unwrap_or(code.func);
            let read = |list: &[PlacedValue]| {
                let list = list.iter().take(MOST_OF_FRAME);
                list.map(|value| self.read(at, value)).collect()
            };
            let (locals, operands) = match values {
                _ if self.values >= MOST_VALUES => (Vec::new(), Vec::new()),
                Some(values) if source.func.is_none() => {
                    (read(&values.locals), read(&values.operands))
                }
                _ => {
                    let count = count_locals(code, func).min(MOST_OF_FRAME);
                    (vec![CoreValue::Missing; count], Vec::new())
                }
            };
            self.values += locals.len() + operands.len();
            let body = || WasmOffset(code.facts.bodies[func.index()].start);
            let frame = Frame {
                module: code.module,
                facts: code.facts.clone(),
                source: code.source.clone(),
                func: Some(code.facts.func_index(func)),
                place: Place::Wasm {
                    wasm: source.wasm.unwrap_or_else(body),
                    tier: code.tier,
                },
            };
            self.frames.push(CoreFrame {
                frame,
                instance,
                locals,
                operands,
            });
        }
    }

    /// Where the values of a frame of baseline code are, if the compiler can say so of just this
    /// code.
    fn describe(&mut self, at: &FrameAt<'_>, code: &FunctionCode) -> Option<Rc<DescribedCode>> {
        let wasm = at.wasm?;
        if code.tier != Tier::Baseline || code.unit != CompileUnit::Function || at.site.is_none() {
            return None;
        }
        let key = (at.meta.start, wasm);
        if let Some(known) = self.described.get(&key) {
            return known.clone();
        }
        let bytes = code.facts.body_len(code.func);
        self.bodies = self.bodies.saturating_add(bytes);
        let described = match self.bodies <= MOST_BODIES {
            true => self.described_now(at.meta, code, wasm).map(Rc::new),
            false => None,
        };
        self.described.insert(key, described.clone());
        described
    }

    fn described_now(
        &self,
        meta: &CodeMeta,
        code: &FunctionCode,
        wasm: WasmOffset,
    ) -> Option<DescribedCode> {
        let instances = self.store.instances.iter();
        let module = instances
            .map(|i| &i.module)
            .find(|m| m.id() == code.module)?;
        let placed = meta.bytes();
        // Most code counts as configured; that of trials and of pinned functions does not count.
        [Counting::AsConfigured, Counting::Never]
            .into_iter()
            .filter_map(|counting| module.hooks().describe(module, code.func, wasm, counting))
            .find(|described| described.is_placed_as(placed))
    }

    fn read(&self, at: &FrameAt<'_>, value: &PlacedValue) -> CoreValue {
        let word = match value.place {
            ValuePlace::Unknown => None,
            ValuePlace::Constant(bits) => Some(bits),
            ValuePlace::Slot(slot) => at.word(slot.offset()),
            ValuePlace::Reg(reg) => self.known.0[usize::from(reg)],
        };
        match (word, value.kind) {
            (Some(word), Kind::I32) => CoreValue::I32(word as i32),
            (Some(word), Kind::I64) => CoreValue::I64(word as i64),
            (Some(word), Kind::F32) => CoreValue::F32(word as u32),
            (Some(word), Kind::F64) => CoreValue::F64(word),
            (None, _) | (Some(_), Kind::V128 | Kind::Ref) => CoreValue::Missing,
        }
    }

    fn latest_instance(&self, module: ModuleId) -> Option<InstanceId> {
        let instances = &self.store.instances;
        let latest = instances.iter().rposition(|i| i.module.id() == module);
        latest.map(InstanceId::new)
    }
}

impl Store {
    /// The instance whose context has this address.
    fn instance_with(&self, context: u64) -> Option<InstanceId> {
        let context = std::ptr::with_exposed_provenance_mut::<VmContext>(context as usize);
        let found = self.instances.iter().position(|i| i.vmctx() == context);
        found.map(InstanceId::new)
    }
}

/// The number of a function's locals, parameters included. Decodes the beginning of the body.
fn count_locals(code: &FunctionCode, func: DefinedFuncIndex) -> usize {
    code.facts.count_locals(func, code.source.wasm())
}

impl fmt::Debug for Trapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.record.fmt(f)
    }
}
