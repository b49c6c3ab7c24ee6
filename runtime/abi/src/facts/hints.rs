//! Branch hints: what a module's producer says of the conditions of `if` and `br_if`, in the custom
//! section `metadata.code.branch_hint`.
//!
//! Hints change the layout of code and nothing else, and a custom section can't make a module
//! invalid: one that is malformed, comes behind the code or again, or names what is not there, is
//! ignored as a whole.

use std::ops::Range;

use wasmparser::BranchHintSectionReader;

use crate::WasmOffset;
use crate::index::FuncIndex;

/// What a hint says of a branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likelihood {
    /// The condition is most likely zero.
    NotTaken,
    /// The condition is most likely not zero.
    Taken,
}

/// The branch hints of a module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BranchHints {
    /// Offsets of branches in ascending order: in the module, or until the bodies' places are
    /// known, in the function's body.
    hints: Vec<(u32, Likelihood)>,
    /// Until then, the functions and how many hints end with theirs.
    funcs: Vec<(FuncIndex, usize)>,
    /// Whether there was a section.
    seen: bool,
}

impl BranchHints {
    /// The hint for the branch at an offset in the module.
    #[inline]
    pub fn at(&self, at: WasmOffset) -> Option<Likelihood> {
        if self.hints.is_empty() {
            return None;
        }
        self.find(at)
    }

    #[cold]
    fn find(&self, at: WasmOffset) -> Option<Likelihood> {
        let hint = self.hints.binary_search_by_key(&at.0, |&(at, _)| at);
        hint.ok().map(|n| self.hints[n].1)
    }

    /// The section's name.
    pub(super) const SECTION: &str = "metadata.code.branch_hint";

    /// Takes a section's hints, or none of a malformed one; a second section makes both mistakes.
    pub(super) fn add(&mut self, section: Option<Self>) {
        *self = match section {
            Some(hints) if !self.seen => hints,
            _ => Self::default(),
        };
        self.seen = true;
    }

    /// Reads a section; `None` if it is malformed.
    pub(super) fn read(section: BranchHintSectionReader<'_>) -> Option<Self> {
        let mut all = Self::default();
        for func in section {
            let func = func.ok()?;
            let index = FuncIndex(func.func);
            if all.funcs.last().is_some_and(|&(last, _)| last >= index) {
                return None;
            }
            let mut last = None;
            for hint in func.hints {
                let hint = hint.ok()?;
                if last.is_some_and(|last| last >= hint.func_offset) {
                    return None;
                }
                last = Some(hint.func_offset);
                let likelihood = match hint.taken {
                    true => Likelihood::Taken,
                    false => Likelihood::NotTaken,
                };
                all.hints.push((hint.func_offset, likelihood));
            }
            all.funcs.push((index, all.hints.len()));
        }
        Some(all)
    }

    /// Makes offsets in the module of those in bodies.
    pub(super) fn resolve(&mut self, imported_funcs: u32, bodies: &[Range<u32>]) {
        let mut first = 0;
        for (func, end) in std::mem::take(&mut self.funcs) {
            let body = func.0.checked_sub(imported_funcs);
            let body = body.and_then(|n| bodies.get(n as usize));
            let hints = &mut self.hints[first..end];
            let known = body.filter(|body| {
                let last = hints.last();
                last.is_none_or(|&(offset, _)| offset < body.end - body.start)
            });
            let Some(body) = known else {
                *self = Self::default();
                return;
            };
            for (offset, _) in hints {
                *offset += body.start;
            }
            first = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{ModuleFacts, decode};

    fn facts(wasm: &[u8]) -> ModuleFacts {
        decode(wasm)
            .expect("custom sections make no module invalid")
            .facts
    }

    /// A module with an import, two functions of `local.get 0, if, end, i32.const 0, br_if 0, end`,
    /// and a section of hints before or behind its code.
    fn module(hints: &[u8], behind: bool, twice: bool) -> Vec<u8> {
        let mut wasm = b"\0asm\x01\0\0\0".to_vec();
        wasm.extend([1, 5, 1, 0x60, 1, 0x7f, 0]);
        wasm.extend([2, 5, 1, 0, 0, 0, 0]);
        wasm.extend([3, 3, 2, 0, 0]);
        let name = b"metadata.code.branch_hint";
        let mut section = vec![0, (1 + name.len() + hints.len()) as u8, name.len() as u8];
        section.extend(name);
        section.extend(hints);
        let body = [11, 0, 0x20, 0, 0x04, 0x40, 0x0b, 0x41, 0, 0x0d, 0, 0x0b];
        let mut code = vec![10, 25, 2];
        code.extend(body);
        code.extend(body);
        for part in match (behind, twice) {
            (false, false) => vec![&section, &code],
            (false, true) => vec![&section, &section, &code],
            (true, _) => vec![&code, &section],
        } {
            wasm.extend(part);
        }
        wasm
    }

    /// The hints of a module, as offsets in bodies.
    fn found(wasm: &[u8]) -> Vec<(usize, u32, Likelihood)> {
        let facts = facts(wasm);
        let mut found = Vec::new();
        for (n, body) in facts.bodies.iter().enumerate() {
            for at in body.clone() {
                let hint = facts.branch_hints.at(WasmOffset(at));
                found.extend(hint.map(|hint| (n, at - body.start, hint)));
            }
        }
        found
    }

    #[test]
    fn hints_are_found_where_their_branches_are() {
        use Likelihood::{NotTaken, Taken};
        let hints = [2, 1, 2, 3, 1, 0, 8, 1, 1, 2, 1, 3, 1, 1];
        let expected = [(0, 3, NotTaken), (0, 8, Taken), (1, 3, Taken)];
        assert_eq!(found(&module(&hints, false, false)), expected);
        assert_eq!(found(&module(&[0], false, false)), []);
    }

    #[test]
    fn malformed_sections_are_ignored() {
        let good = [1, 1, 1, 3, 1, 0];
        assert_eq!(found(&module(&good, false, false)).len(), 1);
        assert_eq!(found(&module(&good, true, false)), [], "behind the code");
        assert_eq!(found(&module(&good, false, true)), [], "twice");
        for (bad, why) in [
            (&[1, 1, 1, 3, 1][..], "cut off"),
            (&[2, 1, 1, 3, 1, 0], "a function is missing"),
            (&[1, 1, 1, 3, 1, 0, 0], "bytes behind"),
            (&[1, 0, 1, 3, 1, 0], "of an import"),
            (&[1, 3, 1, 3, 1, 0], "of no function"),
            (&[1, 1, 1, 11, 1, 0], "behind the body"),
            (&[1, 1, 1, 3, 2, 0], "of two bytes"),
            (&[1, 1, 1, 3, 1, 2], "neither taken nor not"),
            (&[1, 1, 2, 8, 1, 0, 3, 1, 0], "descending offsets"),
            (&[1, 1, 2, 3, 1, 0, 3, 1, 0], "one branch twice"),
            (&[2, 2, 1, 3, 1, 0, 1, 1, 3, 1, 0], "descending functions"),
            (&[0xff, 0xff, 0xff, 0xff, 0x0f, 1], "too many"),
            (&[1, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 3], "too many of one"),
            (&[], "empty"),
        ] {
            assert_eq!(found(&module(bad, false, false)), [], "{why}");
        }
    }
}
