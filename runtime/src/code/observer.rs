//! [`CodeObserver`]: hears of each piece of code before it can run, for profilers of the system.

use upshift_abi::artifact::SourceLocation;

use super::{CodeSpace, FunctionCode};

/// Hears of each piece of code that is placed.
///
/// Called on the thread that places the code, before anything leads to it, so that what the
/// observer notes of an address precedes the first instruction that runs there, and follows the
/// last one of the code that was there before. If the code then can't be written, nothing runs
/// there until another piece is placed.
///
/// What it does delays the code: a first call waits for it. It must not place code itself.
pub trait CodeObserver: Send + Sync {
    /// The code is about to be written.
    fn placed(&self, code: &NewCode<'_>);
}

/// A piece of code that is being placed.
#[derive(Clone, Copy, Debug)]
pub struct NewCode<'a> {
    /// What the code is.
    pub kind: NewCodeKind<'a>,
    /// The address of the first byte.
    pub start: usize,
    /// The bytes, for that address.
    pub bytes: &'a [u8],
    /// The WebAssembly instruction of each run of code, sorted; empty unless the compilation was
    /// asked for them.
    pub sources: &'a [SourceLocation],
}

/// The kinds of code in a code space.
#[derive(Clone, Copy, Debug)]
pub enum NewCodeKind<'a> {
    /// A function or an OSR entry.
    Function(&'a FunctionCode),
    /// A call counter in front of a function's code.
    Counter(&'a FunctionCode),
    /// A trampoline between Rust and WebAssembly.
    Trampoline(Trampoline),
    /// A run of first-call thunks, which all modules share.
    FirstCallThunks,
}

/// The directions of trampolines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trampoline {
    /// From Rust into WebAssembly.
    Entry,
    /// From WebAssembly to a host function.
    Host,
}

impl CodeSpace {
    /// Makes the observer hear of all code from now on. Once for each code space, before anything
    /// is placed.
    ///
    /// # Panics
    ///
    /// If there is an observer.
    pub fn observe(&self, observer: Box<dyn CodeObserver>) {
        let first = self.observer.set(observer).is_ok();
        assert!(first, "a code space has one observer");
    }

    /// Tells the observer of a piece of code.
    pub(super) fn tell(
        &self,
        kind: NewCodeKind<'_>,
        start: usize,
        bytes: &[u8],
        sources: &[SourceLocation],
    ) {
        if let Some(observer) = self.observer.get() {
            observer.placed(&NewCode {
                kind,
                start,
                bytes,
                sources,
            });
        }
    }
}
