//! The code space: the address range of all machine code of an engine.
//!
//! ```text
//! base                                                              base + len
//! | first-call thunks | code ................................... | data        |
//!   RX                  RX                                         RW
//! ```
//!
//! One reservation below 2 GiB, so that everything reaches everything with a 32-bit displacement.
//! Thunks and code are `CodePages`: they are written through another mapping or by system calls,
//! and nothing that is executable is writable. The data part has the address table of builtins and
//! each module's slots and budgets; it becomes writable as it is used.
//!
//! Each piece of code is preceded by a pointer to its [`CodeMeta`]; the `Registry` finds the start
//! of the piece that contains a PC. Both can be read in a signal handler.

mod alloc;
mod data;
mod deferred;
mod epoch;
mod layout;
mod meta;
mod observer;
mod placed;
mod registry;
mod x64;

use std::fmt;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, RwLock};

use upshift_abi::artifact::CODE_ALIGN;
use upshift_abi::{Builtin, CodeOffset, CompiledFunction, RelocationTarget, Tier};

pub use deferred::Deferred;
pub use epoch::ActiveEpoch;
pub use meta::{CodeKind, CodeMeta, FunctionCode};
pub use observer::{CodeObserver, NewCode, NewCodeKind, Trampoline};
pub use placed::{Cells, CodeAddr, CodeRef, PlacedCode};

use crate::config::RuntimeConfig;
use crate::error::RuntimeError;
use crate::sys::{CodePages, PAGE, Process, Reservation};
use alloc::RangeAllocator;
use data::DataPart;
use epoch::{EntryFence, Reclaimer};
use layout::Layout;
use placed::Placed;
use registry::Registry;
use x64::{COUNTER_SIZE, CounterTargets, THUNK_SIZE};

/// Bytes for first-call thunks: one for each function that a valid module can have.
const THUNKS_BYTES: usize = MAX_FUNCS * THUNK_SIZE;
const MAX_FUNCS: usize = 1 << 20;

/// Bytes for slots, budgets and the builtin table, given the bytes for code.
fn data_bytes(code_bytes: usize) -> usize {
    (code_bytes / 2).clamp(16 << 20, 256 << 20)
}

/// Bytes for code, of those requested.
fn code_bytes(asked: usize) -> usize {
    asked.clamp(1 << 20, 1 << 30).next_multiple_of(1 << 16)
}

/// The address space of a code space with that many bytes for code.
pub(crate) fn code_space_bytes(asked: usize) -> usize {
    let code = code_bytes(asked);
    THUNKS_BYTES + code + data_bytes(code)
}

/// Bytes of freed code after which the memory of whole pages is returned to the system.
const DISCARD_BYTES: usize = 1 << 20;

/// Bytes before each piece of code: the pointer to its metadata, padded to the alignment.
const HEADER: usize = 16;

const POISON: &str = "no panic happens under this lock";

/// The addresses of builtins, by [`Builtin::index`].
pub type BuiltinAddresses = [usize; Builtin::ALL.len()];

/// The bytes of compiled code of an engine, by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CodeStats {
    /// Bytes of baseline code that can be called.
    pub baseline: usize,
    /// Bytes of optimized code that can be called, OSR entries included.
    pub optimizer: usize,
    /// Bytes of trampolines.
    pub trampolines: usize,
    /// Bytes of replaced code that waits until no thread can be running it.
    pub retired: usize,
    /// Bytes of code that has been freed, in total.
    pub freed: usize,
}

/// The code space of an engine.
pub struct CodeSpace {
    /// The process that runs and frees the code. In its children, dropping any of it does nothing:
    /// the pages are shared with it, and locks may be held by threads that the child does not have.
    process: Process,
    /// Thunks and code, at the beginning of `space`.
    pages: CodePages,
    space: Reservation,
    registry: Registry,
    code: Mutex<RangeAllocator>,
    layout: Layout,
    /// Whether artifacts of code are kept.
    keep_artifacts: bool,
    data: Mutex<DataPart>,
    /// The number of written first-call thunks. Grows under `code`'s lock, by a release store after
    /// the thunks were written.
    thunks: AtomicU32,
    /// The address of the table of builtins, in the data part.
    builtin_cells: usize,
    reclaimer: Reclaimer<CodeRef>,
    /// Locked to free a piece of code, and shared to find the code of an arbitrary address: see
    /// [`PlacedCode`].
    freeing: RwLock<()>,
    stats: Mutex<CodeStats>,
    /// See `observer.rs`. Set before anything is placed, if at all.
    observer: OnceLock<Box<dyn CodeObserver>>,
}

impl CodeSpace {
    /// Reserves the address space; commits nothing but the builtin table.
    pub fn new(
        config: &RuntimeConfig,
        process: Process,
        builtins: &BuiltinAddresses,
    ) -> Result<Arc<Self>, RuntimeError> {
        let code_bytes = code_bytes(config.code_space_bytes);
        let data_bytes = data_bytes(code_bytes).next_multiple_of(PAGE);
        let executable = THUNKS_BYTES + code_bytes;
        let space = Reservation::new(executable + data_bytes)?;
        let pages = CodePages::new(&space, executable, config.code_mapping, process)?;
        let mut data = DataPart::new(executable, data_bytes);
        let builtin_cells = data.allocate(&space, size_of_val(builtins))?;
        let code_space = Self {
            process,
            registry: Registry::new(executable)?,
            code: Mutex::new(RangeAllocator::new(THUNKS_BYTES, code_bytes)),
            layout: Layout::new(config.layout_seed),
            keep_artifacts: config.keep_artifacts,
            data: Mutex::new(data),
            thunks: AtomicU32::new(0),
            builtin_cells: space.base() as usize + builtin_cells,
            reclaimer: Reclaimer::new(EntryFence::cheapest()),
            freeing: RwLock::new(()),
            stats: Mutex::default(),
            observer: OnceLock::new(),
            space,
            pages,
        };
        // SAFETY: the cells were just allocated for this many words, and no other thread knows them
        // yet.
        unsafe { (code_space.builtin_cells as *mut BuiltinAddresses).write(*builtins) };
        Ok(Arc::new(code_space))
    }

    /// The address of the cell that contains the builtin's address.
    fn builtin_cell(&self, builtin: Builtin) -> usize {
        self.builtin_cells + 8 * builtin.index()
    }

    /// Places code: relocates and writes its bytes and registers its metadata. No slot leads to it
    /// yet.
    ///
    /// `resolve` returns the addresses of slots and budgets. Where writes are deferred, the code
    /// must not be called before they are done.
    pub fn place(
        this: &Arc<Self>,
        kind: CodeKind,
        compiled: CompiledFunction,
        resolve: &dyn Fn(RelocationTarget) -> usize,
        deferred: Option<&mut Deferred>,
    ) -> Result<CodeRef, RuntimeError> {
        let finish = |kind: &CodeKind, start, compiled: &mut CompiledFunction| {
            this.relocate(start, compiled, resolve);
            let kind = match kind {
                CodeKind::Function(function) => NewCodeKind::Function(function),
                CodeKind::Trampoline(direction) => NewCodeKind::Trampoline(*direction),
            };
            this.tell(kind, start, &compiled.code, &compiled.sources);
        };
        Self::place_with(this, kind, compiled, finish, deferred)
    }

    /// Places a call counter, as if it were code of the function that `kind` says: see
    /// `x64::counter`. Exhausted, it goes to the function's first-call thunk.
    pub fn place_counter(
        this: &Arc<Self>,
        function: FunctionCode,
        cell: usize,
        weight: u32,
        code: CodeAddr,
    ) -> Result<CodeRef, RuntimeError> {
        let targets = CounterTargets {
            cell,
            exhausted: this.thunk(function.func.0),
            code: code.get(),
        };
        let compiled = CompiledFunction {
            code: vec![0; COUNTER_SIZE],
            // There is no frame yet: an interruption strikes a little later.
            frame_moves: Some(CodeOffset(0)..CodeOffset(COUNTER_SIZE as u32)),
            ..CompiledFunction::default()
        };
        let observed = function.clone();
        let finish = |_: &CodeKind, start, compiled: &mut CompiledFunction| {
            compiled.code = x64::counter(start, weight, targets).into();
            this.tell(NewCodeKind::Counter(&observed), start, &compiled.code, &[]);
        };
        Self::place_with(this, CodeKind::Function(function), compiled, finish, None)
    }

    /// Replaces relocations of code for an address by what they refer to.
    fn relocate(
        &self,
        start: usize,
        compiled: &mut CompiledFunction,
        resolve: &dyn Fn(RelocationTarget) -> usize,
    ) {
        for relocation in &compiled.relocations {
            let target = match relocation.target {
                RelocationTarget::Start => start,
                RelocationTarget::Builtin(builtin) => self.builtin_cell(builtin),
                target => resolve(target),
            };
            let at = relocation.offset.index();
            let value = (target as i64 + i64::from(relocation.addend)) - (start + at) as i64;
            let value = i32::try_from(value).expect("the code space is smaller than 2 GiB");
            compiled.code[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
    }

    /// Places code, which `finish` makes ready for the address at which it will start, and tells
    /// the observer of.
    fn place_with(
        this: &Arc<Self>,
        kind: CodeKind,
        mut compiled: CompiledFunction,
        finish: impl FnOnce(&CodeKind, usize, &mut CompiledFunction),
        deferred: Option<&mut Deferred>,
    ) -> Result<CodeRef, RuntimeError> {
        this.process.check()?;
        let len = compiled.code.len();
        let gap = this.layout.gap();
        let allocated = (gap + HEADER + len).next_multiple_of(CODE_ALIGN);
        let allocated_at = this.allocate_code(allocated)?;
        let offset = allocated_at + gap;
        let start = this.space.base() as usize + offset + HEADER;
        finish(&kind, start, &mut compiled);
        let meta = Box::new(CodeMeta::new(
            start,
            kind,
            &mut compiled,
            this.keep_artifacts,
        ));
        let mut header = [0; HEADER];
        header[..8].copy_from_slice(&(&raw const *meta as usize).to_le_bytes());
        // The allocator gave the range to us alone. No thread executes there before the slot that
        // leads to it is published with a release store, which suffices on x86-64: see `x64`.
        let parts = [&header[..], &compiled.code];
        let written = match deferred {
            Some(deferred) => deferred.push(this, allocated_at, gap, parts),
            None => this
                .pages
                .write(offset, &parts)
                .map(|()| this.registry.insert(offset + HEADER)),
        };
        if let Err(error) = written {
            let mut code = this.code.lock().expect(POISON);
            code.free(allocated_at, allocated);
            return Err(error);
        }
        this.count(&meta.kind, len as isize);
        Ok(CodeRef(Arc::new(Placed {
            space: this.clone(),
            allocated: allocated_at..allocated_at + allocated,
            retired: AtomicBool::new(false),
            meta,
        })))
    }

    /// Writes the deferred code.
    ///
    /// # Errors
    ///
    /// If the system has no memory for the code: it is then lost.
    pub fn write_deferred(&self, deferred: &mut Deferred) -> Result<(), RuntimeError> {
        deferred.flush(self)
    }

    fn allocate_code(&self, bytes: usize) -> Result<usize, RuntimeError> {
        let take = || {
            let mut code = self.code.lock().expect(POISON);
            let Some(offset) = code.allocate(bytes, CODE_ALIGN) else {
                return Ok(None);
            };
            if let Err(error) = self.registry.cover(offset + bytes) {
                code.free(offset, bytes);
                return Err(error);
            }
            Ok(Some(offset))
        };
        if let Some(offset) = take()? {
            return Ok(offset);
        }
        self.collect();
        take()?.ok_or(RuntimeError::CodeSpaceFull { bytes })
    }

    /// The metadata of the code that contains the PC.
    ///
    /// Takes no lock and may be called in a signal handler.
    ///
    /// # Safety
    ///
    /// The code must stay placed while the reference is used: the PC belongs to a frame of a thread
    /// that is inside WebAssembly (retired code waits for it), or the caller holds its [`CodeRef`].
    pub unsafe fn lookup<'a>(&self, pc: usize) -> Option<&'a CodeMeta> {
        let offset = pc.checked_sub(self.space.base() as usize)?;
        let start = self.registry.start_before(offset)?;
        // SAFETY: a registered start is preceded by the pointer to its metadata, which lives as
        // long as the code does.
        let meta = unsafe {
            &*self
                .space
                .base()
                .add(start - HEADER)
                .cast::<*const CodeMeta>()
                .read()
        };
        (offset - start < meta.len as usize).then_some(meta)
    }

    /// Prevents all placed code from being freed, so that arbitrary addresses can be looked up. Not
    /// for signal handlers: it waits while a piece of code is being freed.
    pub fn hold_placed(&self) -> PlacedCode<'_> {
        PlacedCode {
            space: self,
            _no_frees: self.freeing.read().expect(POISON),
        }
    }

    /// The address of the n-th first-call thunk, which must be written: see
    /// [`ensure_thunks`](Self::ensure_thunks).
    pub fn thunk(&self, n: u32) -> usize {
        self.space.base() as usize + n as usize * THUNK_SIZE
    }

    /// Writes first-call thunks up to this number.
    ///
    /// Thunk n is `push n; jmp [first_call]`: all modules share them, as the callee's `VmContext*`,
    /// which is in a register, tells the module.
    ///
    /// # Errors
    ///
    /// If the system has no memory for them.
    pub fn ensure_thunks(&self, count: usize) -> Result<(), RuntimeError> {
        assert!(
            count <= MAX_FUNCS,
            "validation bounds the number of functions"
        );
        if self.thunks.load(Ordering::Acquire) as usize >= count {
            return Ok(());
        }
        self.process.check()?;
        let _guard = self.code.lock().expect(POISON);
        let written = self.thunks.load(Ordering::Acquire) as usize;
        let cell = self.builtin_cell(Builtin::FirstCall);
        let mut thunks = Vec::with_capacity(count.saturating_sub(written) * THUNK_SIZE);
        for n in written..count {
            let n = n as u32;
            thunks.extend_from_slice(&x64::thunk(n, self.thunk(n), cell));
        }
        if written < count {
            let start = self.thunk(written as u32);
            self.tell(NewCodeKind::FirstCallThunks, start, &thunks, &[]);
        }
        // Only this function writes the thunk part, under the lock, and no slot leads to these
        // thunks before the count below includes them.
        self.pages.write(written * THUNK_SIZE, &[&thunks])?;
        self.thunks.fetch_max(count as u32, Ordering::Release);
        Ok(())
    }

    /// Allocates zeroed cells in the data part.
    pub fn allocate_cells(this: &Arc<Self>, bytes: usize) -> Result<Cells, RuntimeError> {
        this.process.check()?;
        let bytes = DataPart::rounded(bytes);
        let offset = this
            .data
            .lock()
            .expect(POISON)
            .allocate(&this.space, bytes)?;
        let base = this.space.base().wrapping_add(offset);
        // SAFETY: the range is inside the writable data part and was just allocated.
        unsafe { ptr::write_bytes(base, 0, bytes) };
        Ok(Cells {
            space: this.clone(),
            offset,
            bytes,
        })
    }

    /// Retires code that nothing leads to any more; it is freed when no thread can be running it.
    pub fn retire(&self, code: CodeRef) {
        if !self.process.is_current() {
            return;
        }
        let len = code.len();
        if !code.0.retired.swap(true, Ordering::Relaxed) {
            self.count(&code.0.meta.kind, -(len as isize));
            self.stats.lock().expect(POISON).retired += len;
        }
        if self.reclaimer.retire(code, len) {
            self.collect();
        }
    }

    /// Frees the retired code that no thread can be running.
    pub fn collect(&self) {
        if !self.process.is_current() {
            return;
        }
        drop(self.reclaimer.collect());
    }

    /// Returns the memory of pages without code to the system.
    pub fn trim(&self) {
        if !self.process.is_current() {
            return;
        }
        self.discard_free_pages(&mut self.code.lock().expect(POISON));
    }

    fn discard_free_pages(&self, code: &mut RangeAllocator) {
        for pages in code.take_used_pages(PAGE) {
            if let Err(error) = self.pages.discard(pages.start, pages.len()) {
                log::warn!("freed code keeps its memory: {error}");
            }
        }
    }

    /// Registers a store with reclamation.
    pub fn register_activity(&self) -> Arc<ActiveEpoch> {
        if !self.process.is_current() {
            return Arc::default();
        }
        self.reclaimer.register()
    }

    /// Records that a store enters WebAssembly.
    #[inline]
    pub fn enter(&self, activity: &ActiveEpoch) {
        self.reclaimer.enter(activity);
    }

    /// The bytes of code by state. Takes a lock.
    pub fn stats(&self) -> CodeStats {
        *self.stats.lock().expect(POISON)
    }

    fn count(&self, kind: &CodeKind, bytes: isize) {
        let mut stats = self.stats.lock().expect(POISON);
        let field = match kind {
            CodeKind::Trampoline(_) => &mut stats.trampolines,
            CodeKind::Function(f) if f.tier == Tier::Baseline => &mut stats.baseline,
            CodeKind::Function(_) => &mut stats.optimizer,
        };
        *field = field.wrapping_add_signed(bytes);
    }
}

impl fmt::Debug for CodeSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodeSpace")
            .field("base", &self.space.base())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
