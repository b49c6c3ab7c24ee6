//! Instrumentation: what a module's code reports of its run, and where.
//!
//! An embedder can have a module's functions *listened to* (each call, and how it ends), operators
//! *probed*, and operators *counted*. A [`Plan`] says so for each function before anything is
//! compiled, and both compilers ask it, so all tiers report the same events in the same order, and
//! code of a module without a plan is what it would be if there were no instrumentation at all.
//!
//! Counting is an addition to a cell of the instance ([`VmLayout::counters`]). All else is a call
//! of a builtin, with values in an array of [`VmVal`]. What belongs to an operator is done in front
//! of it, in the order of the plan; only a `loop` begins at its header, with each iteration.
//!
//! Code that calls the runtime looks first whether the store wants to know anything
//! ([`VmStore::observing`]): so an observer can be switched off and on while code runs.
//!
//! # Calls
//!
//! A function that is listened to reports its beginning, once it has its arguments, and its end by
//! returning or by a tail call. The runtime keeps the calls that have begun and not ended. What
//! ends otherwise, by a trap or an exception, is found out by the runtime: where an activation is
//! left, all its calls have ended; where a function handles an exception, those of the frames below
//! it, and of the copies of functions in its own frame that are no longer active. How many are
//! depends on the place only, and the code of each handler says it, as the code of each beginning
//! says how many are around. Of calls that are under way some may have begun while the store did
//! not want to know: always the outermost ones.
//!
//! Functions of the host report nothing: the runtime, which calls them, knows.
//!
//! [`VmLayout::counters`]: crate::vmctx::VmLayout::counters
//! [`VmStore::observing`]: crate::vmctx::VmStore::observing
//! [`VmVal`]: crate::vmctx::VmVal

mod operands;
mod operators;

pub use operands::operand_types;
pub use operators::{Block, Operator, OperatorKind, blocks, operators};

use crate::index::{DefinedFuncIndex, FuncIndex, WasmOffset};
use crate::types::ValType;

/// What the code of a module reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    funcs: Vec<FuncPlan>,
    /// The embedder's number for each imported function that is listened to if it is one of the
    /// host. Shorter if the last ones are not.
    imports: Vec<Option<u64>>,
    counters: u32,
}

/// What the code of a function reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FuncPlan {
    /// The embedder's number for the function, if it is listened to.
    pub listener: Option<u64>,
    /// What operators report, in the order in which it is done.
    sites: Box<[Site]>,
}

/// What is done at an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// The operator's offset in the module.
    pub at: WasmOffset,
    /// The offset of the operator in front of which it is done: the same, or for a `loop` that of
    /// the one that follows, which each iteration begins with.
    before: WasmOffset,
    /// What is done.
    pub action: Action,
}

/// What is done where control reaches an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// 1 is added to a counter.
    Count(u32),
    /// 1 is added to one of so many counters, of which the topmost operand, the index of a
    /// `br_table`, chooses one; the last one if it is beyond.
    CountTarget {
        /// The first of the counters.
        first: u32,
        /// Their number.
        count: u32,
    },
    /// The embedder is told.
    Probe {
        /// The embedder's number for the place.
        tag: u64,
        /// The type of the topmost operand, if that is passed on; of a reference to a function, the
        /// type of them all.
        operand: Option<ValType>,
    },
    /// The call ends, as a tail call is about to be made.
    TailCall,
}

impl Site {
    /// What is done at the operator at an offset, behind which another one begins at `next`.
    pub fn new(at: u32, next: u32, is_loop: bool, action: Action) -> Self {
        Self {
            at: WasmOffset(at),
            before: WasmOffset(if is_loop { next } else { at }),
            action,
        }
    }
}

impl FuncPlan {
    /// Puts sites in order. Those of one operator stay in the order in which they are given.
    pub fn new(listener: Option<u64>, mut sites: Vec<Site>) -> Self {
        sites.sort_by_key(|site| (site.before.0, site.at.0));
        Self {
            listener,
            sites: sites.into(),
        }
    }

    /// What operators report.
    pub fn sites(&self) -> &[Site] {
        &self.sites
    }

    /// The sites that are reached one after the other.
    pub fn cursor(&self) -> Cursor<'_> {
        Cursor { rest: &self.sites }
    }

    /// The number of one of these sites.
    pub fn number_of(&self, site: &Site) -> u32 {
        let number = self
            .sites
            .iter()
            .position(|other| std::ptr::eq(site, other));
        number.expect("a site of this function") as u32
    }

    /// Whether the code calls the runtime at one of its operators.
    pub fn has_probes(&self) -> bool {
        let counts =
            |site: &Site| matches!(site.action, Action::Count(_) | Action::CountTarget { .. });
        !self.sites.iter().all(counts)
    }
}

impl Plan {
    /// The plan of a module with these functions, the embedder's numbers for imported ones that are
    /// listened to, and so many counters.
    pub fn new(funcs: Vec<FuncPlan>, imports: Vec<Option<u64>>, counters: u32) -> Self {
        Self {
            funcs,
            imports,
            counters,
        }
    }

    /// Whether any imported function is listened to.
    pub fn has_imports(&self) -> bool {
        !self.imports.is_empty()
    }

    /// The embedder's number for an imported function, if it is listened to.
    pub fn import(&self, func: FuncIndex) -> Option<u64> {
        self.imports.get(func.index()).copied().flatten()
    }

    /// What a function reports.
    pub fn of(&self, func: DefinedFuncIndex) -> &FuncPlan {
        &self.funcs[func.index()]
    }

    /// The number of counters.
    pub fn counters(&self) -> u32 {
        self.counters
    }
}

/// The sites of a function that its compilation has not come to. The default has none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cursor<'p> {
    rest: &'p [Site],
}

impl<'p> Cursor<'p> {
    /// What is done in front of the operator at an offset. Called for each operator of the body,
    /// reachable or not, in their order.
    #[inline]
    pub fn at(&mut self, offset: u32) -> &'p [Site] {
        if self.rest.is_empty() {
            return &[];
        }
        let count = self.rest.partition_point(|site| site.before.0 <= offset);
        let (here, rest) = self.rest.split_at(count);
        self.rest = rest;
        here
    }

    /// Whether something is done in front of an operator that the compilation has not come to.
    #[inline]
    pub fn stops_at(&self, offset: u32) -> bool {
        let found = self
            .rest
            .binary_search_by_key(&offset, |site| site.before.0);
        found.is_ok()
    }
}

/// The offset of a counter from the first one of an instance.
pub fn counter_offset(counter: u32) -> i32 {
    (size_of::<u64>() as u32 * counter) as i32
}

/// The most counters that a module can have, so that their offsets fit a displacement.
pub const MAX_COUNTERS: u32 = (i32::MAX as u32) / size_of::<u64>() as u32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_report_at_their_header_and_before_what_they_begin_with() {
        let count = Action::Count;
        let plan = FuncPlan::new(
            None,
            vec![
                Site::new(12, 14, false, count(0)),
                Site::new(10, 12, true, count(1)),
                Site::new(8, 10, true, count(2)),
                Site::new(12, 14, false, count(3)),
            ],
        );
        let mut cursor = plan.cursor();
        let mut done = |at| cursor.at(at).iter().map(|s| s.action).collect::<Vec<_>>();
        assert_eq!(done(8), []);
        assert_eq!(done(10), [count(2)]);
        assert_eq!(done(12), [count(1), count(0), count(3)]);
        assert_eq!(done(14), []);
        assert!(plan.cursor().stops_at(10) && !plan.cursor().stops_at(8));
        assert!(!plan.has_probes());
    }
}
