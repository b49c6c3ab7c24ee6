//! Where a `throw` goes, as far as that is known when it is compiled: one rule for both compilers.
//!
//! A compiler passes the try regions around the instruction, and gets the clause that certainly
//! catches what is thrown, if there is one: then `throw` is a branch, and no exception is made.

use crate::index::TagIndex;

/// The most clauses that are looked at for one `throw`. Beyond, the region's own code decides.
pub const MAX_CLAUSES: usize = 64;

/// What a clause is to a `throw`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThrowClause<L> {
    /// The tag of the exceptions that the clause catches; `None` for all.
    pub tag: Option<TagIndex>,
    /// Where it branches, if it takes the values of the exception or nothing; `None` if it takes
    /// the exception itself.
    pub label: Option<L>,
}

/// Where a `throw` goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThrowDestination<R, L> {
    /// To a label, with the values that are thrown.
    LabelWithValues(L),
    /// To a label, without them.
    Label(L),
    /// With an exception to the clauses of this region and of those around it, which decide.
    Region(R),
    /// With an exception to the caller.
    Caller,
}

impl<L> ThrowClause<L> {
    /// Whether the clause catches exceptions with a tag; `None` if that depends on the instance:
    /// tags with different indexes can be the same one only if both are imported.
    fn catches(&self, thrown: TagIndex, imported_tags: u32) -> Option<bool> {
        match self.tag {
            None => Some(true),
            Some(tag) if tag == thrown => Some(true),
            Some(tag) if tag.0 < imported_tags && thrown.0 < imported_tags => None,
            Some(_) => Some(false),
        }
    }
}

impl<R, L> ThrowDestination<R, L> {
    /// Where an exception with a tag goes in the regions around a `throw`: those to which
    /// exceptions go one after the other, innermost first. A region comes with its clauses, or with
    /// `None` if they are not known yet.
    pub fn find<C>(
        thrown: TagIndex,
        imported_tags: u32,
        regions: impl Iterator<Item = (R, Option<C>)>,
    ) -> Self
    where
        C: Iterator<Item = ThrowClause<L>>,
    {
        let mut left = MAX_CLAUSES;
        for (region, clauses) in regions {
            let Some(clauses) = clauses else {
                return Self::Region(region);
            };
            for clause in clauses {
                if left == 0 {
                    return Self::Region(region);
                }
                left -= 1;
                match (clause.catches(thrown, imported_tags), clause.label) {
                    (Some(false), _) => {}
                    (Some(true), Some(label)) if clause.tag.is_some() => {
                        return Self::LabelWithValues(label);
                    }
                    (Some(true), Some(label)) => return Self::Label(label),
                    _ => return Self::Region(region),
                }
            }
        }
        Self::Caller
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two tags are imported. A clause with a label has that of its region.
    fn goes(regions: &[&[(Option<u32>, bool)]], thrown: u32) -> ThrowDestination<usize, usize> {
        let regions = regions.iter().enumerate().rev().map(|(region, clauses)| {
            let clauses = clauses.iter().map(move |&(tag, has_label)| ThrowClause {
                tag: tag.map(TagIndex),
                label: has_label.then_some(region),
            });
            (region, Some(clauses))
        });
        ThrowDestination::find(TagIndex(thrown), 2, regions)
    }

    /// Clauses that take the values.
    fn values<const N: usize>(tags: [Option<u32>; N]) -> [(Option<u32>, bool); N] {
        tags.map(|tag| (tag, true))
    }

    use ThrowDestination::{Caller, Label, LabelWithValues, Region};

    #[test]
    fn a_throw_goes_to_the_first_clause_that_is_certain() {
        let own = values([Some(2)]);
        assert_eq!(goes(&[], 0), Caller);
        assert_eq!(goes(&[&own], 2), LabelWithValues(0));
        assert_eq!(goes(&[&own], 3), Caller);
        assert_eq!(
            goes(&[&own, &values([Some(3), Some(0)])], 2),
            LabelWithValues(0)
        );
        assert_eq!(goes(&[&own, &values([Some(3), None])], 2), Label(1));
    }

    #[test]
    fn two_imports_may_be_one_tag() {
        assert_eq!(goes(&[&values([Some(1), Some(0)])], 0), Region(0));
        let own = values([Some(2)]);
        assert_eq!(
            goes(&[&values([Some(0)]), &own, &values([Some(3)])], 1),
            Region(0)
        );
        // One that is defined here is no other.
        assert_eq!(
            goes(&[&values([Some(0), Some(2), Some(1)])], 2),
            LabelWithValues(0)
        );
        assert_eq!(goes(&[&values([Some(2), Some(1)])], 1), LabelWithValues(0));
    }

    #[test]
    fn clauses_that_take_the_exception_need_one() {
        let takes_it = [(Some(2), false), (Some(3), true)];
        assert_eq!(goes(&[&takes_it], 2), Region(0));
        assert_eq!(goes(&[&takes_it], 3), LabelWithValues(0));
        assert_eq!(goes(&[&values([None]), &[(None, false)]], 2), Region(1));
    }

    #[test]
    fn unknown_clauses_and_many_decide_by_themselves() {
        let unknown = [(7, None::<std::iter::Empty<ThrowClause<usize>>>)];
        let found = ThrowDestination::find(TagIndex(0), 0, unknown.into_iter());
        assert_eq!(found, Region(7));
        let many = values([Some(3); MAX_CLAUSES]);
        let own = values([Some(2)]);
        assert_eq!(goes(&[&own, &many[1..]], 2), LabelWithValues(0));
        assert_eq!(goes(&[&own, &many], 2), Region(0));
        assert_eq!(goes(&[&many, &values([Some(0)])], 2), Region(0));
    }
}
