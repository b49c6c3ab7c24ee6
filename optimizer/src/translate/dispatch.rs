//! Dispatch: loops whose header soon branches through a table, as those of interpreters do.
//!
//! Each way around such a loop ends in a jump back to the one indirect jump, whose target is then
//! hard to predict. The translation notes these jumps, and each of them gets a copy of the machine
//! code from the header to the indirect jump ([`x64::dispatch`](crate::x64::dispatch)).

use cranelift_codegen::ir::{Block, SourceLoc};

use super::Translator;
use crate::options::Dispatch;

/// The most bytes of body between a loop's beginning and its `br_table`, besides those of the
/// `block`s that begin there. What machine code lies between the two decides whether it is copied.
const MAX_BYTES: u32 = 100;

/// The bytes of a `block`.
const BLOCK_BYTES: u32 = 3;

/// The loops around the current position, and the jumps to those that dispatch.
#[derive(Default)]
pub(crate) struct Dispatches {
    loops: Vec<Loop>,
    /// How many of `loops` dispatch.
    dispatching: usize,
    jumps: Vec<SourceLoc>,
}

struct Loop {
    header: Block,
    begin: SourceLoc,
    /// Control frames around it.
    depth: usize,
    dispatches: bool,
}

impl Dispatches {
    /// The positions of the jumps to headers that dispatch, ascending.
    pub(super) fn into_jumps(mut self) -> Vec<SourceLoc> {
        self.jumps.sort_by_key(|jump| jump.bits());
        self.jumps
    }
}

impl Translator<'_> {
    /// Notes that a loop begins.
    pub(crate) fn open_dispatch(&mut self, header: Block) {
        self.dispatches.loops.push(Loop {
            header,
            begin: self.builder.srcloc(),
            depth: self.control.depth(),
            dispatches: false,
        });
    }

    /// Notes that a loop ends.
    pub(crate) fn close_dispatch(&mut self) {
        let closed = self.dispatches.loops.pop();
        self.dispatches.dispatching -= usize::from(closed.is_some_and(|it| it.dispatches));
    }

    /// Notes a branch through a table.
    pub(crate) fn note_table(&mut self) {
        let here = self.builder.srcloc().bits();
        if let Some(innermost) = self.dispatches.loops.last_mut()
            && self.env.config.options.dispatch == Dispatch::Copied
            && self.env.facts.observed.is_none()
            && !innermost.dispatches
            && here.wrapping_sub(innermost.begin.bits())
                <= MAX_BYTES + BLOCK_BYTES * (self.control.depth() - innermost.depth) as u32
        {
            innermost.dispatches = true;
            self.dispatches.dispatching += 1;
        }
    }

    /// Notes a jump to a block.
    pub(crate) fn note_jump(&mut self, target: Block) {
        let dispatches = &mut self.dispatches;
        if dispatches.dispatching > 0
            && dispatches
                .loops
                .iter()
                .any(|it| it.dispatches && it.header == target)
        {
            dispatches.jumps.push(self.builder.srcloc());
        }
    }
}
