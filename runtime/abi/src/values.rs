//! Where the values of a program are while baseline code stands at a site: what core dumps read
//! frames by.
//!
//! No code carries these tables. A compiler that can says again, for one function and one of its
//! instructions, what it did ([`CompileSession::describe`](crate::CompileSession::describe)); as
//! compilations depend on the request only, that is so for code that was compiled long before. Who
//! reads a frame by it compares the code first.

use crate::artifact::CompiledFunction;
use crate::frame::HomeSlot;
use crate::index::CodeOffset;
use crate::kind::Kind;

/// The place of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValuePlace {
    /// Not known: nothing holds it any more, or the compiler can't tell.
    Unknown,
    /// Nowhere, as it is known: its bits.
    Constant(u64),
    /// In the frame.
    Slot(HomeSlot),
    /// In a register: the number by which instructions encode a general-purpose one, 16 more for
    /// one of SSE's. At a call, it is one that the callee preserves.
    Reg(u8),
}

/// A value and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlacedValue {
    /// The machine representation.
    pub kind: Kind,
    /// The place. Of 32 bits in a slot or register of 64, the low half is the value.
    pub place: ValuePlace,
}

/// The values of a function at an instruction that traps, or while a call runs.
#[derive(Clone, Debug, PartialEq)]
pub struct SiteValues {
    /// The instruction that traps, or the return address of the call.
    pub code: CodeOffset,
    /// The locals, parameters first.
    pub locals: Vec<PlacedValue>,
    /// The operand stack from its bottom: with the operands of an instruction that traps, without
    /// the arguments of a call.
    pub operands: Vec<PlacedValue>,
}

/// A function's code with the places of its values.
#[derive(Clone, Debug, PartialEq)]
pub struct DescribedCode {
    /// The code as it is compiled now: what the rest is true of.
    pub code: CompiledFunction,
    /// The caller's registers that a frame holds: the number as in [`ValuePlace::Reg`], and the
    /// offset from `rbp`. They are there from the function's head on.
    pub saved: Vec<(u8, i32)>,
    /// Its sites, sorted by code offset.
    pub sites: Vec<SiteValues>,
}

impl DescribedCode {
    /// The values at the site with exactly this offset.
    pub fn at(&self, code: CodeOffset) -> Option<&SiteValues> {
        let found = self.sites.binary_search_by_key(&code, |site| site.code);
        Some(&self.sites[found.ok()?])
    }

    /// Whether these are the bytes of this code, wherever they were placed.
    pub fn is_placed_as(&self, placed: &[u8]) -> bool {
        let code = &self.code.code;
        if code.len() != placed.len() {
            return false;
        }
        let mut from = 0;
        for relocation in &self.code.relocations {
            let at = relocation.offset.index();
            if at < from || code[from..at] != placed[from..at] {
                return false;
            }
            from = at + 4;
        }
        code[from..] == placed[from..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::{Relocation, RelocationTarget};

    #[test]
    fn code_is_compared_but_for_its_relocations() {
        let described = DescribedCode {
            code: CompiledFunction {
                code: vec![1, 2, 0, 0, 0, 0, 3],
                relocations: vec![Relocation {
                    offset: CodeOffset(2),
                    target: RelocationTarget::Start,
                    addend: -4,
                }],
                ..CompiledFunction::default()
            },
            saved: Vec::new(),
            sites: Vec::new(),
        };
        assert!(described.is_placed_as(&[1, 2, 9, 9, 9, 9, 3]));
        assert!(!described.is_placed_as(&[1, 2, 9, 9, 9, 9, 4]));
        assert!(!described.is_placed_as(&[1, 3, 9, 9, 9, 9, 3]));
        assert!(!described.is_placed_as(&[1, 2, 9, 9, 9, 9]));
    }
}
