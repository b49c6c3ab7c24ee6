//! Targets of `call_indirect` and `call_ref`: what baseline code notes, and what the optimizer
//! learns from it.
//!
//! Each call has two cells of four bytes, found by its position in the module: the last target, and
//! all targets combined by a bitwise or. Both are equal as long as there has been one target. A
//! target is the distance of its function reference from the caller's context, which is the same
//! in each instance if the function belongs to the caller's own, and else some number.
//!
//! Cells are few, so calls may share them, and threads write them without synchronization. What
//! comes of that, as of references of other instances, is a wrong guess: the optimizer's code
//! compares before it believes.

use wasmparser::{BinaryReader, FunctionBody, Operator};

use crate::facts::ModuleFacts;
use crate::index::{DefinedFuncIndex, FuncIndex, TargetCell, WasmOffset};
use crate::vmctx::VmFuncRef;

/// Bytes of code for each pair of cells, about.
const BYTES_PER_PAIR: u32 = 32;

/// The most pairs of cells that a module has.
const MOST_PAIRS: u32 = 4096;

/// The cells of a module: a power of two, or none if it has neither tables nor functions that can
/// be referred to.
pub fn cells(facts: &ModuleFacts) -> u32 {
    match facts.tables.is_empty() && facts.ref_funcs.is_empty() {
        true => 0,
        false => {
            let pairs = (facts.code_section_bytes / BYTES_PER_PAIR).clamp(8, MOST_PAIRS);
            2 * pairs.next_power_of_two()
        }
    }
}

/// The cells of the last target and of all targets of the call at the offset.
///
/// # Panics
///
/// If the module has no cells.
pub fn cells_of(facts: &ModuleFacts, call: WasmOffset) -> [TargetCell; 2] {
    let last = call.0.wrapping_mul(2) & (cells(facts) - 1);
    [TargetCell(last), TargetCell(last + 1)]
}

/// An indirect call that has called one function only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownTarget {
    /// The function with the call.
    pub func: DefinedFuncIndex,
    /// Where the call is, in bytes from the start of the function's body.
    pub offset: u32,
    /// The function that was called.
    pub target: FuncIndex,
}

/// A copy of a module's cells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallTargets(pub Box<[u32]>);

impl CallTargets {
    /// The only function of the module that the call at the offset has called so far.
    pub fn only(&self, facts: &ModuleFacts, call: WasmOffset) -> Option<FuncIndex> {
        if self.0.is_empty() {
            return None;
        }
        let [last, _] = cells_of(facts, call);
        self.only_of(facts, last.index() / 2)
    }

    /// The function that the pair of cells has noted as its only target.
    fn only_of(&self, facts: &ModuleFacts, pair: usize) -> Option<FuncIndex> {
        let [last, all] = *self.0.get(2 * pair..2 * pair + 2)? else {
            return None;
        };
        let first = facts.layout.func_ref(0).0;
        let distance = last.checked_sub(first).filter(|_| last == all)?;
        let size = size_of::<VmFuncRef>() as u32;
        let reference = distance.is_multiple_of(size).then_some(distance / size)?;
        facts.ref_funcs.get(reference as usize).copied()
    }

    /// The pairs of cells that have noted one function of the module only, by their number.
    pub fn noted(&self, facts: &ModuleFacts) -> Vec<(u32, FuncIndex)> {
        let pairs = 0..self.0.len() / 2;
        let noted = pairs.filter_map(|pair| Some((pair as u32, self.only_of(facts, pair)?)));
        noted.collect()
    }

    /// Takes over what an earlier run has [`noted`](Self::noted), for pairs that have noted nothing
    /// yet. What names no pair, or no function that can be referred to, is skipped.
    pub fn fill(&mut self, facts: &ModuleFacts, noted: &[(u32, FuncIndex)]) {
        for &(pair, func) in noted {
            let reference = facts.func_refs.get(func.index()).copied();
            let Some(reference) = reference.filter(|&reference| reference != u32::MAX) else {
                continue;
            };
            let start = 2 * pair as usize;
            if let Some(cells @ [0, 0]) = self.0.get_mut(start..start + 2) {
                cells.fill(facts.layout.func_ref(reference).0);
            }
        }
    }

    /// The calls of a module that have called one function of it only, in the order of its code.
    /// Reads all bodies.
    pub fn all(&self, facts: &ModuleFacts, wasm: &[u8]) -> Vec<KnownTarget> {
        let mut all = Vec::new();
        for (func, body) in facts.defined_funcs().zip(&facts.bodies) {
            let bytes = &wasm[body.start as usize..body.end as usize];
            let parsed = FunctionBody::new(BinaryReader::new(bytes, body.start.into()));
            let Ok(mut reader) = parsed.get_operators_reader() else {
                continue;
            };
            while let Ok((operator, at)) = reader.read_with_offset() {
                let indirect = matches!(
                    operator,
                    Operator::CallIndirect { .. } | Operator::CallRef { .. }
                );
                let call = WasmOffset(at as u32);
                let target = indirect.then(|| self.only(facts, call)).flatten();
                all.extend(target.map(|target| KnownTarget {
                    func,
                    offset: call.0 - body.start,
                    target,
                }));
            }
        }
        all
    }
}
