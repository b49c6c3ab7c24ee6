//! Handles of what is in a code space: addresses, placed code, cells.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, RwLockReadGuard};

use upshift_abi::vmctx::VmSlot;
use upshift_abi::{CodeOffset, CompiledFunction};

use super::meta::{CodeKind, CodeMeta, FunctionCode};
use super::{CodeSpace, DISCARD_BYTES, POISON};

/// The address of executable code in a code space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CodeAddr(NonZeroUsize);

impl CodeAddr {
    pub(crate) fn new(addr: usize) -> Option<Self> {
        NonZeroUsize::new(addr).map(Self)
    }

    /// The address as a number.
    pub const fn get(self) -> usize {
        self.0.get()
    }

    pub(crate) fn pointer(self) -> NonNull<u8> {
        NonNull::new(self.get() as *mut u8).expect("the address is not zero")
    }
}

/// A guard that keeps all code of a code space placed while it exists.
///
/// [`CodeSpace::lookup`] relies on the thread that runs the code; here the address may come from
/// anywhere, a guest's stack for instance.
#[derive(Debug)]
pub struct PlacedCode<'s> {
    pub(super) space: &'s CodeSpace,
    pub(super) _no_frees: RwLockReadGuard<'s, ()>,
}

impl PlacedCode<'_> {
    /// The metadata of the code that contains the address, if any does.
    pub fn lookup(&self, addr: usize) -> Option<&CodeMeta> {
        // SAFETY: a piece of code leaves the registry, and then its metadata is freed, only under
        // the lock that `self` shares.
        unsafe { self.space.lookup(addr) }
    }
}

/// Zeroed memory in the data part, freed when dropped.
#[derive(Debug)]
pub struct Cells {
    pub(super) space: Arc<CodeSpace>,
    pub(super) offset: usize,
    pub(super) bytes: usize,
}

impl Cells {
    /// The address of the first byte, aligned to 64.
    pub fn base(&self) -> *mut u8 {
        self.space.space.base().wrapping_add(self.offset)
    }

    /// The cells as slots.
    pub fn slots(&self, count: usize) -> &[VmSlot] {
        assert!(count * size_of::<VmSlot>() <= self.bytes);
        // SAFETY: the range belongs to `self`, is aligned, zeroed (a valid null pointer) and only
        // accessed through atomics by Rust; generated code reads it with plain loads as `VmSlot`
        // allows.
        unsafe { std::slice::from_raw_parts(self.base().cast(), count) }
    }
}

impl Drop for Cells {
    fn drop(&mut self) {
        if !self.space.process.is_current() {
            return;
        }
        let mut data = self.space.data.lock().expect(POISON);
        data.free(self.offset, self.bytes);
    }
}

/// Placed code: a cheap clone of a shared handle. The bytes are freed with the last one, so
/// reachable code needs a handle that is kept until it is retired.
#[derive(Clone, Debug)]
pub struct CodeRef(pub(super) Arc<Placed>);

#[derive(Debug)]
pub(super) struct Placed {
    pub(super) space: Arc<CodeSpace>,
    /// The offsets of everything that was allocated for the code: a gap, the header, the code.
    pub(super) allocated: Range<usize>,
    /// Set once by `retire`, for the statistics only.
    pub(super) retired: AtomicBool,
    pub(super) meta: Box<CodeMeta>,
}

impl CodeRef {
    /// The address at which execution starts.
    pub fn addr(&self) -> CodeAddr {
        CodeAddr(NonZeroUsize::new(self.0.meta.start).expect("code is never at address zero"))
    }

    /// The length of the code in bytes.
    #[allow(clippy::len_without_is_empty, reason = "code is never empty")]
    pub fn len(&self) -> usize {
        self.0.meta.len as usize
    }

    /// The metadata of the code.
    pub fn meta(&self) -> &CodeMeta {
        &self.0.meta
    }

    /// The bytes as they are executed.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: placed code is never written again while a handle exists.
        unsafe { std::slice::from_raw_parts(self.0.meta.start as *const u8, self.len()) }
    }

    /// What the compiler made, to be placed elsewhere; `None` unless
    /// [`keep_artifacts`](crate::RuntimeConfig::keep_artifacts) is set, and of call counters.
    /// Copies the code and its tables.
    pub fn artifact(&self) -> Option<CompiledFunction> {
        self.0.meta.artifact(self.bytes().to_vec())
    }

    /// The function's part of the metadata.
    ///
    /// # Panics
    ///
    /// If the code is a trampoline.
    pub fn function(&self) -> &FunctionCode {
        match &self.0.meta.kind {
            CodeKind::Function(function) => function,
            CodeKind::Trampoline(_) => panic!("a trampoline is no function's code"),
        }
    }

    /// The offset of a PC in this code.
    pub fn offset_of(&self, pc: usize) -> CodeOffset {
        CodeOffset((pc - self.0.meta.start) as u32)
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        if !self.space.process.is_current() {
            return;
        }
        let len = self.meta.len as usize;
        if *self.retired.get_mut() {
            self.space.stats.lock().expect(POISON).retired -= len;
        } else {
            self.space.count(&self.meta.kind, -(len as isize));
        }
        self.space.stats.lock().expect(POISON).freed += len;
        let base = self.space.space.base() as usize;
        {
            let _no_lookups = self.space.freeing.write().expect(POISON);
            self.space.registry.remove(self.meta.start - base);
        }
        let mut code = self.space.code.lock().expect(POISON);
        code.free(self.allocated.start, self.allocated.len());
        if code.freed() >= DISCARD_BYTES {
            self.space.discard_free_pages(&mut code);
        }
    }
}
