//! Code that is placed and not written yet, so that many pieces take one system call.
//!
//! Loading a module with all its functions places thousands of pieces one behind the other, and
//! nothing runs them before the module is loaded. They are collected here and written when they are
//! many, when the next one is elsewhere, and at the end.

use super::{CODE_ALIGN, CodeSpace, HEADER};
use crate::error::RuntimeError;

/// The number of collected bytes that are written at once.
const ENOUGH: usize = 256 << 10;

/// Adjacent pieces that are not written yet. If this is dropped with pieces in it, they are never
/// written: their places must not be used by others before.
#[derive(Debug, Default)]
pub struct Deferred {
    /// The address of the first piece.
    at: usize,
    bytes: Vec<u8>,
    /// The starts to register once the bytes are written.
    starts: Vec<usize>,
}

impl Deferred {
    /// Collects a piece of code with its header, for a place behind a gap.
    ///
    /// # Errors
    ///
    /// If the pieces can't be written; all collected ones are then lost.
    pub(super) fn push(
        &mut self,
        space: &CodeSpace,
        at: usize,
        gap: usize,
        parts: [&[u8]; 2],
    ) -> Result<(), RuntimeError> {
        if at != self.at + self.bytes.len() {
            self.flush(space)?;
            self.at = at;
        }
        self.starts.push(at + gap + HEADER);
        self.bytes.resize(self.bytes.len() + gap, 0);
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        let end = self.bytes.len().next_multiple_of(CODE_ALIGN);
        self.bytes.resize(end, 0);
        if self.bytes.len() < ENOUGH {
            return Ok(());
        }
        self.flush(space)
    }

    /// Writes the collected pieces.
    ///
    /// # Errors
    ///
    /// If they can't be written; they are then lost.
    pub(super) fn flush(&mut self, space: &CodeSpace) -> Result<(), RuntimeError> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        let written = space.pages.write(self.at, &[&self.bytes]);
        if written.is_ok() {
            for &start in &self.starts {
                space.registry.insert(start);
            }
        }
        self.at += self.bytes.len();
        self.bytes.clear();
        self.starts.clear();
        written
    }
}
