//! A bounded look at the operators behind a `loop`, to choose the registers at its header.
//!
//! What it says of calls, reads and extent only steers register allocation, where a misjudgement
//! costs moves. That a local is [dead](Usage::Dead) at the header is relied on: branches back to
//! the header leave it where it is.

use crate::peek::{Ahead, Opcode, Operators};

/// Registers of each class that stay free at a loop header, for the loop's temporaries.
pub(crate) const LOOP_TEMPORARIES: u32 = 4;

/// Distinct locals that are remembered.
const MAX_LOCALS: usize = 24;

/// How the beginning of a loop uses a local.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Usage {
    /// It reads the local and does not assign it.
    #[default]
    Read,
    /// It reads the local and assigns it later.
    ReadFirst,
    /// It assigns the local before it reads it, on some ways through the loop.
    AssignedFirst,
    /// Every way from the header assigns the local before it reads it or leaves the loop: the value
    /// at the header is dead.
    Dead,
}

impl Usage {
    /// Whether the loop is not worth a register for the value at its header.
    pub(crate) fn assigns_first(self) -> bool {
        matches!(self, Usage::AssignedFirst | Usage::Dead)
    }
}

/// A local that the beginning of a loop uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LocalUse {
    pub(crate) local: u32,
    pub(crate) usage: Usage,
}

/// How much of a loop was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Its beginning: what follows may use other locals.
    #[default]
    Beginning,
    /// All of it, up to its end.
    Whole,
}

/// Where a call in a loop may continue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Calls {
    /// Behind it; where it throws, the function is left.
    Return,
    /// In a try region around the loop, too: at its handler.
    MayLeave,
}

/// The result of looking ahead.
#[derive(Debug, Default)]
pub(crate) struct Lookahead {
    locals: [LocalUse; MAX_LOCALS],
    count: usize,
    /// There is a call.
    pub(crate) call: bool,
    /// There is a loop.
    has_loop: bool,
    pub(crate) extent: Extent,
}

impl Lookahead {
    /// Reads at most `budget` operators from the start of a loop's body.
    pub(crate) fn scan(body: Operators<'_>, budget: u32, calls: Calls) -> Self {
        let mut seen = Self::default();
        let mut depth = 0;
        let mut left = false;
        for Ahead { op, index } in body.take(budget as usize) {
            match op {
                Opcode::Block | Opcode::If => depth += 1,
                Opcode::Loop => {
                    depth += 1;
                    seen.has_loop = true;
                }
                Opcode::End if depth == 0 => {
                    seen.extent = Extent::Whole;
                    break;
                }
                Opcode::End => depth -= 1,
                Opcode::Call | Opcode::CallIndirect | Opcode::CallRef => {
                    seen.call = true;
                    left |= calls == Calls::MayLeave;
                }
                Opcode::Throw | Opcode::ThrowRef | Opcode::Rethrow => left = true,
                Opcode::LocalGet => seen.note(index, Usage::Read),
                Opcode::LocalSet | Opcode::LocalTee if depth == 0 && !left => {
                    seen.note(index, Usage::Dead);
                }
                Opcode::LocalSet | Opcode::LocalTee => seen.note(index, Usage::AssignedFirst),
                Opcode::Br | Opcode::BrIf => left |= index > depth,
                // What it does with locals is not worth knowing.
                Opcode::MemoryGrow
                | Opcode::MemoryAtomicNotify
                | Opcode::MemoryAtomicWait32
                | Opcode::MemoryAtomicWait64 => break,
                _ if op.is_plain() => {}
                _ => break,
            }
        }
        seen
    }

    /// Whether all of the loop was looked at, and has neither loops nor calls in it.
    pub(crate) fn is_small_and_innermost(&self) -> bool {
        self.extent == Extent::Whole && !self.call && !self.has_loop
    }

    /// The locals used, in the order of their first use.
    pub(crate) fn locals(&self) -> &[LocalUse] {
        &self.locals[..self.count]
    }

    /// Adds one operator's use of a local.
    fn note(&mut self, local: u32, usage: Usage) {
        let known = &mut self.locals[..self.count];
        if let Some(known) = known.iter_mut().find(|known| known.local == local) {
            if known.usage == Usage::Read && usage.assigns_first() {
                known.usage = Usage::ReadFirst;
            }
        } else if self.count < MAX_LOCALS {
            self.locals[self.count] = LocalUse { local, usage };
            self.count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peek::Peek;

    /// The scan of a loop's body, behind the `loop` operator.
    fn scan(body: &[u8], budget: u32) -> Lookahead {
        let wasm = [&[0x03, 0x40], body].concat();
        Lookahead::scan(Peek::new(&wasm).operators(0), budget, Calls::Return)
    }

    #[test]
    fn uses_are_found_up_to_the_end() {
        // local.get 1, i32.const 300, i32.add, local.set 2, local.get 2, local.set 1, end
        let code = [
            0x20, 1, 0x41, 0xac, 0x02, 0x6a, 0x21, 2, 0x20, 2, 0x21, 1, 0x0b, 0x20, 7,
        ];
        let seen = scan(&code, 64);
        assert!(seen.extent == Extent::Whole && !seen.call);
        let expected = [
            LocalUse {
                local: 1,
                usage: Usage::ReadFirst,
            },
            LocalUse {
                local: 2,
                usage: Usage::Dead,
            },
        ];
        assert_eq!(seen.locals(), expected);
    }

    #[test]
    fn a_local_is_dead_if_nothing_gets_past_its_assignment() {
        let usage = |body: &[u8]| scan(body, 64).locals()[0].usage;
        let assign = [0x20, 9, 0x21, 1];
        let block = |label| [0x02, 0x40, 0x20, 0, 0x0d, label, 0x0b];
        let branch = |label| [0x20, 0, 0x0d, label];
        // Behind a branch to a block's end, to the header, and out of the loop.
        let with = |before: &[u8]| {
            let body = [before, &assign, &[0x0b]].concat();
            let seen = scan(&body, 64);
            let found = seen.locals().iter().find(|used| used.local == 1);
            found.expect("it is used").usage
        };
        assert_eq!(with(&block(0)), Usage::Dead);
        assert_eq!(with(&block(1)), Usage::Dead);
        assert_eq!(with(&block(2)), Usage::AssignedFirst);
        assert_eq!(with(&branch(0)), Usage::Dead);
        assert_eq!(with(&branch(1)), Usage::AssignedFirst);
        // In a block that may be left before, and after a read.
        assert_eq!(
            usage(&[0x02, 0x40, 0x41, 0, 0x21, 1, 0x0b, 0x0b]),
            Usage::AssignedFirst
        );
        assert_eq!(with(&[0x20, 1, 0x1a]), Usage::ReadFirst);
    }

    #[test]
    fn it_sees_calls_and_stops_at_the_budget() {
        let code = [0x20, 1, 0x10, 0, 0x20, 2, 0x0b];
        let seen = scan(&code, 64);
        assert!(seen.call && seen.extent == Extent::Whole);
        assert_eq!(seen.locals().len(), 2);
        assert_eq!(scan(&code, 1).locals().len(), 1);
        assert!(!scan(&code, 1).call);
    }

    #[test]
    fn it_reads_past_long_numbers_and_stops_at_newer_operators() {
        // call_indirect 0 (table 1, in three bytes), local.get 3, end
        let seen = scan(&[0x11, 0, 0x81, 0x80, 0, 0x20, 3, 0x0b], 64);
        assert_eq!(seen.extent, Extent::Whole);
        assert_eq!(seen.locals()[0].local, 3);
        // ref.null func, drop, local.get 3, end
        let seen = scan(&[0xd0, 0x70, 0x1a, 0x20, 3, 0x0b], 64);
        assert!(seen.extent == Extent::Beginning && seen.locals().is_empty());
    }

    #[test]
    fn it_survives_truncated_code() {
        assert_eq!(scan(&[0x44, 0], 64).extent, Extent::Beginning);
        assert_eq!(scan(&[0x20, 0xff, 0xff], 64).extent, Extent::Beginning);
    }
}
