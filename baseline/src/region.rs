//! Try regions: which clauses are around an operator, and the calls that have handlers.
//!
//! A *region* is the body of a `try_table` with clauses or of a `try`. Exceptions that are thrown
//! in it go to its *dispatch*, cold code that compares tags and branches, with the exception in
//! `rax` and everything else in the frame. A call in it has a handler, the region's *landing*:
//! what makes the registers of a dispatch out of those that an exceptional edge leaves. Both are
//! written where the block ends, when all clauses are known (those of a `try` come behind its
//! body), and only if something throws there.
//!
//! A dispatch that catches nothing goes on to the dispatch of the region around, which is further
//! out behind a `delegate`. So the clauses of a region are compiled once, whatever the number of
//! calls and of regions inside.

use std::ops::{Index, IndexMut};

use upshift_abi::sites::ExceptionHandler;
use upshift_abi::throw::{ThrowClause, ThrowDestination};
use upshift_abi::{ModuleFacts, TagIndex};

use crate::asm::{Label, Masm, Pos};

/// What a region's block has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// In the body of a `try_table`: all clauses are known.
    Table,
    /// In the body of a `try`, whose clauses follow.
    Body,
    /// In a block that catches what the body has thrown. What is thrown here leaves the region.
    Catching,
}

/// Where a clause continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClauseTarget {
    /// At the label of this control frame, with the exception's values.
    Values(usize),
    /// At the label of this control frame, with the exception's values and a reference to it.
    ValuesAndRef(usize),
    /// In main, at a `catch` or `catch_all` of the older form, with the exception in hand.
    Block(Pos),
}

/// A clause of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clause {
    /// The tag of the exceptions that it catches; `None` for all.
    pub(crate) tag: Option<TagIndex>,
    pub(crate) target: ClauseTarget,
}

impl Clause {
    fn in_throw(&self) -> ThrowClause<usize> {
        let label = match self.target {
            ClauseTarget::Values(frame) => Some(frame),
            ClauseTarget::ValuesAndRef(_) | ClauseTarget::Block(_) => None,
        };
        ThrowClause {
            tag: self.tag,
            label,
        }
    }
}

/// The index of an open region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RegionIndex(usize);

/// A region whose block is open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Region {
    /// The block's control frame.
    pub(crate) frame: usize,
    /// Operands below the block and its parameters: what its clauses find on the stack.
    pub(crate) height: usize,
    stage: Stage,
    /// The region around the block.
    around: Option<RegionIndex>,
    /// Where exceptions go that no clause catches; `None` for the caller.
    pub(crate) outer: Option<RegionIndex>,
    first_clause: usize,
    /// What waits for the dispatch.
    pub(crate) dispatch: Label,
    /// The number of the landing, if a call has a handler here.
    pub(crate) landing: Option<u32>,
}

impl Region {
    /// Whether anything throws in the body, as far as it was compiled.
    pub(crate) fn is_used(&self) -> bool {
        !self.dispatch.is_unused() || self.landing.is_some()
    }
}

/// Where a `throw` goes; labels are control frames.
pub(crate) type Destination = ThrowDestination<RegionIndex, usize>;

/// A call with a handler: its return address and the handler's number.
type Handler = (Pos, u32);

/// The regions around the current operator, and all handlers of the function. Few functions have
/// any, and what these need is set up at their first one.
#[derive(Default)]
pub(crate) struct Regions(Option<Box<Table>>);

/// The regions of a function that has some.
#[derive(Default)]
struct Table {
    open: Vec<Region>,
    innermost: Option<RegionIndex>,
    /// Of open regions, those of each behind those of the regions around it.
    clauses: Vec<Clause>,
    handlers: Vec<Handler>,
    landings: Vec<Option<Pos>>,
    to_caller: Option<Pos>,
}

impl Regions {
    /// The innermost region that the current operator is in.
    #[inline]
    pub(crate) fn innermost(&self) -> Option<RegionIndex> {
        self.0.as_ref()?.innermost
    }

    /// What belongs to a function that has had a region.
    fn table(&self) -> &Table {
        self.0.as_ref().expect("a region was opened")
    }

    fn table_mut(&mut self) -> &mut Table {
        self.0.as_mut().expect("a region was opened")
    }

    /// Opens the region of a block with this control frame.
    pub(crate) fn open(&mut self, stage: Stage, frame: usize, height: usize) {
        let table = self.0.get_or_insert_default();
        let around = table.innermost;
        table.innermost = Some(RegionIndex(table.open.len()));
        table.open.push(Region {
            frame,
            height,
            stage,
            around,
            outer: around,
            first_clause: table.clauses.len(),
            dispatch: Label::new(),
            landing: None,
        });
    }

    /// Adds a clause to the region that was opened last.
    pub(crate) fn add_clause(&mut self, clause: Clause) {
        self.table_mut().clauses.push(clause);
    }

    /// The region that was opened last, behind its body: what follows is thrown to the region
    /// around.
    pub(crate) fn begin_catching(&mut self) -> Option<&Region> {
        let table = self.table_mut();
        let last = table.open.last_mut()?;
        last.stage = Stage::Catching;
        table.innermost = last.around;
        Some(last)
    }

    /// Makes the region that was opened last leave its exceptions to the regions that are active in
    /// a block further out.
    pub(crate) fn delegate(&mut self, frame: usize) {
        let Some((last, others)) = self.table_mut().open.split_last_mut() else {
            return;
        };
        let inside = others.partition_point(|region| region.frame <= frame);
        last.outer = inside.checked_sub(1).and_then(|i| match others[i].stage {
            Stage::Table | Stage::Body => Some(RegionIndex(i)),
            Stage::Catching => others[i].around,
        });
    }

    /// Closes the region of a block that ends, if it has one; its clauses stay until
    /// [`drop_clauses`](Self::drop_clauses).
    pub(crate) fn close(&mut self, frame: usize) -> Option<Region> {
        let table = self.0.as_mut()?;
        let region = table.open.pop_if(|region| region.frame == frame)?;
        table.innermost = region.around;
        Some(region)
    }

    /// How many clauses a region has that was closed last.
    pub(crate) fn clause_count(&self, region: &Region) -> usize {
        self.table().clauses.len() - region.first_clause
    }

    /// A clause of a region.
    pub(crate) fn clause(&self, region: &Region, n: usize) -> Clause {
        self.table().clauses[region.first_clause + n]
    }

    /// Forgets the clauses of a region that was closed last.
    pub(crate) fn drop_clauses(&mut self, region: &Region) {
        self.table_mut().clauses.truncate(region.first_clause);
    }

    /// Notes that the call with this return address has a region's handler.
    pub(crate) fn add_handler(&mut self, region: RegionIndex, call: Pos) {
        let table = self.table_mut();
        let landing = *table.open[region.0].landing.get_or_insert_with(|| {
            table.landings.push(None);
            table.landings.len() as u32 - 1
        });
        table.handlers.push((call, landing));
    }

    /// Sets the position of a landing.
    pub(crate) fn land(&mut self, landing: u32, at: Pos) {
        self.table_mut().landings[landing as usize] = Some(at);
    }

    /// The code that throws an exception to the caller, if there is one.
    pub(crate) fn to_caller(&self) -> Option<Pos> {
        self.table().to_caller
    }

    /// Sets the position of the code that throws an exception to the caller.
    pub(crate) fn set_to_caller(&mut self, at: Pos) {
        self.table_mut().to_caller = Some(at);
    }

    /// The handlers of the function, whose code is complete.
    pub(crate) fn handlers(&self, masm: &Masm) -> Vec<ExceptionHandler> {
        let Some(table) = &self.0 else {
            return Vec::new();
        };
        let handlers = table.handlers.iter().map(|&(call, landing)| {
            let target = table.landings[landing as usize];
            ExceptionHandler {
                call: masm.code_offset(call),
                target: masm.code_offset(target.expect("every region is closed")),
            }
        });
        handlers.collect()
    }

    /// Where an exception with the tag goes that is thrown by the current operator.
    pub(crate) fn destination(&self, facts: &ModuleFacts, thrown: TagIndex) -> Destination {
        let around = |index: &RegionIndex| self[*index].outer;
        let regions = std::iter::successors(self.innermost(), around);
        let regions = regions.map(|index| (index, self.known_clauses(index)));
        Destination::find(thrown, facts.imported_tags, regions)
    }

    /// The clauses of an open region; `None` if they are not known yet.
    fn known_clauses(
        &self,
        index: RegionIndex,
    ) -> Option<impl Iterator<Item = ThrowClause<usize>> + '_> {
        let table = self.table();
        let region = &self[index];
        let inner = table.open.get(index.0 + 1);
        let end = inner.map_or(table.clauses.len(), |inner| inner.first_clause);
        let clauses = &table.clauses[region.first_clause..end];
        (region.stage == Stage::Table).then(|| clauses.iter().map(|clause| clause.in_throw()))
    }
}

impl Index<RegionIndex> for Regions {
    type Output = Region;

    fn index(&self, index: RegionIndex) -> &Region {
        &self.table().open[index.0]
    }
}

impl IndexMut<RegionIndex> for Regions {
    fn index_mut(&mut self, index: RegionIndex) -> &mut Region {
        &mut self.table_mut().open[index.0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use upshift_abi::facts::decode;

    /// Two imported tags and two more.
    fn facts() -> ModuleFacts {
        let text = r#"(module (import "" "a" (tag)) (import "" "b" (tag)) (tag) (tag))"#;
        let wasm = wat::parse_str(text).expect("a valid module");
        decode(&wasm).expect("a valid module").facts
    }

    /// Regions of `try_table`s, each with clauses that go to the frame of the same number.
    fn tables(clauses: &[&[Option<u32>]]) -> Regions {
        let mut regions = Regions::default();
        for (frame, tags) in clauses.iter().enumerate() {
            regions.open(Stage::Table, frame, 0);
            for tag in *tags {
                regions.add_clause(Clause {
                    tag: tag.map(TagIndex),
                    target: ClauseTarget::Values(frame),
                });
            }
        }
        regions
    }

    #[test]
    fn a_throw_looks_at_the_clauses_of_each_region_from_the_innermost_on() {
        let facts = facts();
        let goes =
            |clauses: &[&[Option<u32>]], tag| tables(clauses).destination(&facts, TagIndex(tag));
        let values = Destination::LabelWithValues;
        assert_eq!(goes(&[], 0), Destination::Caller);
        assert_eq!(goes(&[&[Some(2)]], 3), Destination::Caller);
        assert_eq!(goes(&[&[Some(2)], &[Some(3), Some(0)]], 2), values(0));
        assert_eq!(goes(&[&[Some(2)], &[Some(3), Some(2)]], 2), values(1));
        assert_eq!(
            goes(&[&[Some(2)], &[], &[Some(3), None]], 2),
            Destination::Label(2)
        );
        let decides = Destination::Region(RegionIndex(0));
        assert_eq!(goes(&[&[Some(0)], &[Some(2)], &[Some(3)]], 1), decides);
    }

    #[test]
    fn a_try_is_left_to_its_dispatch_until_it_catches() {
        let facts = facts();
        let mut regions = tables(&[&[Some(2)]]);
        regions.open(Stage::Body, 1, 0);
        let thrown = TagIndex(2);
        let inner = Destination::Region(RegionIndex(1));
        assert_eq!(regions.destination(&facts, thrown), inner);
        regions.begin_catching();
        regions.add_clause(Clause {
            tag: None,
            target: ClauseTarget::Values(9),
        });
        let outer = Destination::LabelWithValues(0);
        assert_eq!(regions.destination(&facts, thrown), outer);
        // And so is what is in its catching block.
        regions.open(Stage::Table, 2, 0);
        assert_eq!(regions.destination(&facts, thrown), outer);
    }

    #[test]
    fn delegating_leaves_out_regions() {
        // Regions of the frames 1, 3 (which catches) and 5; blocks between them.
        let delegated = |frame| {
            let mut regions = Regions::default();
            regions.open(Stage::Body, 1, 0);
            regions.open(Stage::Body, 3, 0);
            regions.begin_catching();
            regions.open(Stage::Table, 5, 0);
            regions.open(Stage::Body, 7, 0);
            regions.delegate(frame);
            let region = regions.close(7).expect("it is open");
            assert_eq!(regions.innermost(), Some(RegionIndex(2)));
            region.outer
        };
        assert_eq!(delegated(6), Some(RegionIndex(2)));
        assert_eq!(delegated(5), Some(RegionIndex(2)));
        for frame in 1..5 {
            assert_eq!(delegated(frame), Some(RegionIndex(0)));
        }
        assert_eq!(delegated(0), None);
    }
}
