//! Try regions: where exceptions go.
//!
//! A *region* is the body of a `try_table` or `try`. A call in it ends its block and has a second
//! way out, an exceptional edge to the region's *dispatch block*, which takes the exception as its
//! parameter. The frontend joins the locals there as at any other block. `throw` jumps there too.
//! The code of the dispatch block follows where the region ends and all ways to it are known: it
//! compares the exception's tag with those of the clauses, and jumps to the dispatch block of the
//! next region where none fits. Regions and functions that are inlined nest as they stand in the
//! text, so what a copy throws finds the regions around the call.
//!
//! A region that nothing leads out of by exceptions has no dispatch block and no code.

use cranelift_codegen::ir::{Block, InstBuilder, Value};
use upshift_abi::frame::HomeSlot;
use upshift_abi::throw::{ThrowClause, ThrowDestination};
use upshift_abi::{Builtin, TagIndex, TrapCode};

use super::Translator;
use crate::signature::POINTER;
use crate::trap;

/// The regions around the current position, and the exceptions that were caught around it.
#[derive(Default)]
pub(crate) struct Regions {
    open: Vec<TryRegion>,
    caught: Vec<Caught>,
}

/// A try region.
pub(crate) struct TryRegion {
    /// The position of its frame in the control stack.
    frame: usize,
    /// The clauses of a `try_table`; those of a `try` are not known yet.
    clauses: Option<Box<[Clause]>>,
    /// How many of the regions around it, outermost first, may handle what it does not.
    outer: usize,
    /// Where exceptions go, if there can be any.
    dispatch: Option<Block>,
}

/// What a clause passes to its label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// The exception's values, if the clause has a tag.
    Values,
    /// These, then the exception.
    ValuesAndException,
}

/// A clause of a `try_table`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clause {
    /// The tag; `None` for one that fits all exceptions.
    pub(crate) tag: Option<TagIndex>,
    pub(crate) takes: Takes,
    /// The position of the label's frame in the control stack.
    pub(crate) label: usize,
}

/// Where a `throw` leads. A region is given by its place from the outermost one on, from 1; labels
/// are positions in the control stack.
pub(crate) type Destination = ThrowDestination<usize, usize>;

/// A clause of a `try`, in the control stack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Catch {
    /// Where exceptions go that none of the clauses so far fits, and the exception there.
    pub(crate) rest: Option<(Block, Value)>,
    /// Whether the clause's code can be reached: then the exception is the lowest of its operands.
    pub(crate) is_reached: bool,
}

/// An exception that a clause of a `try` has caught.
struct Caught {
    /// Its position in the operand stack.
    operand: usize,
    /// Its home slot, if an OSR entry is inside the clause.
    home: Option<HomeSlot>,
}

impl Clause {
    fn in_throw(&self) -> ThrowClause<usize> {
        ThrowClause {
            tag: self.tag,
            label: (self.takes == Takes::Values).then_some(self.label),
        }
    }
}

impl Regions {
    /// Opens a region, whose frame will have the position in the control stack.
    pub(crate) fn open(&mut self, frame: usize, clauses: Option<Box<[Clause]>>) {
        self.open.push(TryRegion {
            frame,
            clauses,
            outer: self.open.len(),
            dispatch: None,
        });
    }

    /// Closes the innermost region; returns it if there can be exceptions in it.
    pub(crate) fn close(&mut self) -> Option<TryRegion> {
        let region = self.open.pop().expect("a region for each frame");
        region.dispatch.is_some().then_some(region)
    }

    /// What the innermost region does not handle passes by the regions inside of the frame at a
    /// position in the control stack.
    pub(crate) fn delegate(&mut self, to: usize) {
        let outer = self.open.partition_point(|region| region.frame <= to);
        let region = self.open.last_mut().expect("a region to delegate from");
        region.outer = outer;
    }

    /// Notes that the uppermost operand will be an exception that was caught.
    pub(crate) fn note_caught(&mut self, operand: usize) {
        let home = None;
        self.caught.push(Caught { operand, home });
    }

    /// Notes the end of a clause that has caught an exception.
    pub(crate) fn forget_caught(&mut self) {
        self.caught.pop();
    }

    /// Notes that an operand is in its home slot, for an OSR entry further inside.
    pub(super) fn note_home(&mut self, operand: usize, slot: HomeSlot) {
        let found = self
            .caught
            .binary_search_by_key(&operand, |caught| caught.operand);
        if let Ok(index) = found {
            self.caught[index].home = Some(slot);
        }
    }

    /// Where an exception with a tag goes from the current position.
    pub(crate) fn destination(&self, thrown: TagIndex, imported: u32) -> Destination {
        let region = |count: usize| (count > 0).then_some(count);
        let outer = |&count: &usize| region(self.open[count - 1].outer);
        let regions = std::iter::successors(region(self.open.len()), outer);
        let regions = regions.map(|count| {
            let clauses = self.open[count - 1].clauses.as_deref();
            (
                count,
                clauses.map(|clauses| clauses.iter().map(Clause::in_throw)),
            )
        });
        Destination::find(thrown, imported, regions)
    }
}

impl TryRegion {
    /// The clauses of a `try_table`; a `try` has none when it ends.
    pub(crate) fn clauses(&self) -> &[Clause] {
        self.clauses.as_deref().unwrap_or_default()
    }

    /// How many regions may handle what this one does not.
    pub(crate) fn outer(&self) -> usize {
        self.outer
    }

    /// The dispatch block, and the exception there.
    pub(crate) fn dispatch(&self, translator: &Translator<'_>) -> (Block, Value) {
        let block = self.dispatch.expect("closed with one");
        (block, translator.builder.block_params(block)[0])
    }
}

impl Translator<'_> {
    /// Where the exceptions of a call at the current position go, unless they leave the function.
    pub(crate) fn handler(&mut self) -> Option<Block> {
        self.dispatch_of(self.regions.open.len())
    }

    /// The dispatch block of the innermost one of some regions, outermost first.
    fn dispatch_of(&mut self, regions: usize) -> Option<Block> {
        let region = &mut self.regions.open[..regions].last_mut()?;
        let builder = &mut self.builder;
        Some(*region.dispatch.get_or_insert_with(|| {
            let block = builder.create_block();
            builder.append_block_param(block, POINTER);
            block
        }))
    }

    /// Throws an exception from the current position.
    pub(crate) fn throw(&mut self, exception: Value) {
        self.throw_to(self.regions.open.len(), exception);
    }

    /// Throws an exception so that some regions, outermost first, may handle it.
    pub(crate) fn throw_to(&mut self, regions: usize, exception: Value) {
        match self.dispatch_of(regions) {
            Some(dispatch) => {
                self.builder.ins().jump(dispatch, &[exception.into()]);
            }
            None => {
                self.call_builtin(Builtin::Throw, &[exception]);
                // It does not return.
                self.ins().trap(trap::to_clif(TrapCode::Unreachable));
            }
        }
        self.set_unreachable();
    }

    /// The exception that the innermost clause of a `try` up to the label has caught, which is the
    /// operand.
    pub(crate) fn caught(&mut self, operand: usize) -> Value {
        let caught = &self.regions.caught;
        let found = caught.binary_search_by_key(&operand, |caught| caught.operand);
        match found.ok().and_then(|index| caught[index].home) {
            Some(slot) => self.load_home(slot, POINTER),
            None => self.stack[operand],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clause(tag: Option<u32>, label: usize) -> Clause {
        Clause {
            tag: tag.map(TagIndex),
            takes: Takes::Values,
            label,
        }
    }

    fn regions(all: &[&[Clause]]) -> Regions {
        let mut regions = Regions::default();
        for (frame, &clauses) in all.iter().enumerate() {
            regions.open(frame, Some(clauses.into()));
        }
        regions
    }

    #[test]
    fn a_throw_looks_at_the_clauses_of_each_region_from_the_innermost_on() {
        let inner = [clause(Some(3), 0), clause(Some(0), 1)];
        let mut regions = regions(&[&[clause(Some(2), 2), clause(None, 3)], &inner]);
        let goes = |regions: &Regions, tag| regions.destination(TagIndex(tag), 2);
        assert_eq!(goes(&regions, 0), Destination::LabelWithValues(1));
        assert_eq!(goes(&regions, 1), Destination::Region(2));
        assert_eq!(goes(&regions, 2), Destination::LabelWithValues(2));
        assert_eq!(goes(&regions, 4), Destination::Label(3));
        regions.open.remove(0);
        regions.open[0].outer = 0;
        assert_eq!(goes(&regions, 4), Destination::Caller);
    }

    #[test]
    fn exceptions_and_later_clauses_need_objects() {
        let with_exception = Clause {
            takes: Takes::ValuesAndException,
            ..clause(Some(0), 0)
        };
        let other = [clause(Some(1), 0)];
        let needs_object = regions(&[&[with_exception], &other]);
        let destination = needs_object.destination(TagIndex(0), 0);
        assert_eq!(destination, Destination::Region(1));
        let mut older = regions(&[&[clause(None, 0)]]);
        older.open(1, None);
        assert_eq!(older.destination(TagIndex(0), 0), Destination::Region(2));
        older.delegate(0);
        assert_eq!(
            older.destination(TagIndex(0), 0),
            Destination::Region(2),
            "not closed yet"
        );
    }

    #[test]
    fn delegation_passes_regions_by() {
        let mut regions = regions(&[&[], &[], &[]]);
        regions.open(7, None);
        regions.delegate(1);
        assert_eq!(regions.open.last().unwrap().outer, 2);
        regions.delegate(0);
        assert_eq!(regions.open.last().unwrap().outer, 1);
    }
}
