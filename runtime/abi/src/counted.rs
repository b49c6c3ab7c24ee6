//! Sites: the places at which functions count what they do, for recordings of whole runs.
//!
//! A site is a function's entry or one of its loops. Where a module's
//! [sites are numbered](CountedSites::scan), baseline code subtracts 1 from a cell of four bytes at
//! each of them, and leaves budgets alone: calls and iterations of each loop are then known apart,
//! and nothing is asked for while the program runs. Cells wrap around. They are shared by all
//! instances, and threads race on them with plain subtractions, so programs on several threads lose
//! counts.

use wasmparser::{BinaryReader, FunctionBody, Operator};

use crate::facts::ModuleFacts;
use crate::index::{DefinedFuncIndex, LoopIndex, SiteCell};

/// The sites of a module, numbered function by function: the entry, and its loops in their order.
#[derive(Clone, Debug, Default)]
pub struct CountedSites {
    /// For each function the number of its entry, and at the end the number of all sites.
    starts: Vec<u32>,
    sites: Vec<CountedSite>,
}

/// A place at which a function counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CountedSite {
    /// Where the loop begins, in bytes from the start of the function's body; 0 for the entry.
    pub offset: u32,
    /// The number of loops around the loop; 0 for the entry.
    pub depth: u32,
    /// The operators that are executed with each pass, if all are: those in no inner loop.
    pub operators: u32,
}

impl CountedSites {
    /// Numbers the sites of a module: reads all bodies. The sites of an invalid body are those up
    /// to its fault.
    pub fn scan(facts: &ModuleFacts, wasm: &[u8]) -> Self {
        let mut sites = Self::default();
        for range in &facts.bodies {
            sites.starts.push(sites.sites.len() as u32);
            let body = &wasm[range.start as usize..range.end as usize];
            sites.add(body, range.start);
        }
        sites.starts.push(sites.sites.len() as u32);
        sites
    }

    fn add(&mut self, body: &[u8], start: u32) {
        let first = self.sites.len();
        self.sites.push(CountedSite::default());
        let body = FunctionBody::new(BinaryReader::new(body, start.into()));
        let Ok(mut reader) = body.get_operators_reader() else {
            return;
        };
        // For each open block the site that its operators belong to.
        let mut blocks = vec![first];
        let mut depth = 0;
        while let Ok((operator, offset)) = reader.read_with_offset() {
            let Some(&site) = blocks.last() else {
                return;
            };
            self.sites[site].operators += 1;
            match operator {
                Operator::Loop { .. } => {
                    blocks.push(self.sites.len());
                    self.sites.push(CountedSite {
                        offset: (offset - u64::from(start)) as u32,
                        depth,
                        operators: 0,
                    });
                    depth += 1;
                }
                Operator::Block { .. }
                | Operator::If { .. }
                | Operator::Try { .. }
                | Operator::TryTable { .. } => blocks.push(site),
                Operator::End | Operator::Delegate { .. } => {
                    blocks.pop();
                    if blocks.last().is_some_and(|&outer| outer != site) {
                        depth -= 1;
                    }
                }
                _ => {}
            }
        }
    }

    /// The number of sites.
    pub fn count(&self) -> u32 {
        self.sites.len() as u32
    }

    /// A function's sites: its entry, and its loops in their order.
    pub fn of(&self, func: DefinedFuncIndex) -> &[CountedSite] {
        let (from, to) = (self.starts[func.index()], self.starts[func.index() + 1]);
        &self.sites[from as usize..to as usize]
    }

    /// The cell of a function's entry.
    pub fn entry(&self, func: DefinedFuncIndex) -> SiteCell {
        SiteCell(self.starts[func.index()])
    }

    /// The cell of a function's loop.
    pub fn of_loop(&self, func: DefinedFuncIndex, index: LoopIndex) -> SiteCell {
        SiteCell(self.starts[func.index()] + 1 + index.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::decode;

    #[test]
    fn entries_and_loops_are_numbered_with_what_each_pass_executes() {
        let wasm = wat::parse_str(
            "(module
                (func)
                (func (param i32)
                    (loop
                        (block (br_if 1 (local.get 0)))
                        (loop (nop) (nop)))
                    (if (local.get 0) (then (loop)) (else (nop))))
                (func unreachable (loop)))",
        )
        .unwrap();
        let facts = decode(&wasm).unwrap().facts;
        let sites = CountedSites::scan(&facts, &wasm);
        assert_eq!(sites.count(), 7);
        assert_eq!(sites.of(DefinedFuncIndex(0)).len(), 1);
        let second = sites.of(DefinedFuncIndex(1));
        let shown: Vec<_> = second.iter().map(|s| (s.depth, s.operators)).collect();
        // Entry: loop, local.get, if, loop, else, nop, end, end. Outer loop: block, local.get,
        // br_if, end, loop, end. Inner loop: nop, nop, end. Empty loop: end.
        assert_eq!(shown, [(0, 8), (0, 6), (1, 3), (0, 1)]);
        assert!(
            second
                .windows(2)
                .all(|pair| pair[0].offset < pair[1].offset)
        );
        assert_eq!(sites.entry(DefinedFuncIndex(1)), SiteCell(1));
        assert_eq!(
            sites.of_loop(DefinedFuncIndex(1), LoopIndex(2)),
            SiteCell(4)
        );
        assert_eq!(
            sites.of_loop(DefinedFuncIndex(2), LoopIndex(0)),
            SiteCell(6)
        );
    }
}
