//! What policies are told of functions before they run: the truth, another run, or the opposite.

use std::str::FromStr;

use upshift_tiering::Weights;
use upshift_tiering::policy::Hint;

use super::Recorded;
use super::rental::rentals;
use crate::simulate::hints_of;
use crate::workload::Workload;

/// Where a run's hints come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// `none`: there are none.
    #[default]
    None,
    /// `own`: the same run, so they are right.
    Own,
    /// `other`: a run of the same module with another input.
    Other,
    /// `wrong`: a run of another module, whose functions are taken for those of the same position.
    Wrong,
    /// `own-hot`: the same run, and only functions for which optimizing paid in it.
    OwnHot,
    /// `other-hot`: as `other`, and only functions for which optimizing paid in that run.
    OtherHot,
    /// `inverted`: the same run; the busiest function's units for the idlest, and so on.
    Inverted,
}

/// All origins by their names.
pub const ORIGINS: [(&str, Origin); 7] = [
    ("none", Origin::None),
    ("own", Origin::Own),
    ("other", Origin::Other),
    ("wrong", Origin::Wrong),
    ("own-hot", Origin::OwnHot),
    ("other-hot", Origin::OtherHot),
    ("inverted", Origin::Inverted),
];

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = ORIGINS.iter().find(|(name, _)| *name == text);
        found.map(|(_, origin)| *origin).ok_or_else(|| {
            let names: Vec<_> = ORIGINS.iter().map(|(name, _)| *name).collect();
            format!("hints come from one of {}, not `{text}`", names.join(", "))
        })
    }
}

/// The hints for a run's functions by position, from itself or the first of these runs that is of
/// the kind. `None` if none is.
pub fn hints(
    origin: Origin,
    own: Recorded<'_>,
    others: &[Recorded<'_>],
) -> Option<Vec<Option<Hint>>> {
    let module = |run: &Recorded<'_>| run.trace.header.module;
    let mut others = others.iter();
    match origin {
        Origin::None => Some(Vec::new()),
        Origin::Own => Some(units(own.workload)),
        Origin::OwnHot => Some(hot(own.workload)),
        Origin::Inverted => Some(inverted(&units(own.workload))),
        Origin::Other | Origin::OtherHot => {
            let other = others.find(|other| module(other) == module(&own))?;
            let (hints, rest) = match origin {
                Origin::OtherHot => (hot(other.workload), None),
                _ => (units(other.workload), Some(never_called())),
            };
            let functions = &other.trace.functions;
            let of_index = |index: u32| {
                let found = functions.binary_search_by_key(&index, |one| one.index).ok();
                found.and_then(|at| hints[at]).or(rest)
            };
            let own = own.trace.functions.iter();
            Some(own.map(|function| of_index(function.index)).collect())
        }
        Origin::Wrong => {
            let other = others.find(|other| module(other) != module(&own))?;
            let mut hints = units(other.workload);
            hints.resize(own.workload.functions(), Some(never_called()));
            Some(hints)
        }
    }
}

fn units(workload: &Workload) -> Vec<Option<Hint>> {
    hints_of(workload, Weights::default())
}

/// The hints for functions for which a clairvoyant buys: their rent comes to the price.
fn hot(workload: &Workload) -> Vec<Option<Hint>> {
    let mut hints = vec![None; workload.functions()];
    let all = units(workload);
    let paying = rentals(workload)
        .into_iter()
        .filter(|one| one.rent >= one.price);
    paying.for_each(|one| hints[one.function] = all[one.function]);
    hints
}

/// What a profile says of a function that it doesn't mention.
fn never_called() -> Hint {
    Hint {
        expected_units: Some(0),
        ..Hint::default()
    }
}

/// The same hints in the opposite order of their units.
fn inverted(hints: &[Option<Hint>]) -> Vec<Option<Hint>> {
    let units = |at: usize| hints[at].and_then(|hint| hint.expected_units);
    let mut order: Vec<usize> = (0..hints.len()).collect();
    order.sort_by_key(|&at| units(at));
    let mut inverted = vec![None; hints.len()];
    for (rank, &at) in order.iter().enumerate() {
        inverted[at] = hints[order[order.len() - 1 - rank]];
    }
    inverted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inverted_hints_swap_the_busiest_and_the_idlest() {
        let hint = |units| {
            Some(Hint {
                expected_units: Some(units),
                ..Hint::default()
            })
        };
        let hints = [hint(5), hint(100), hint(0), hint(7)];
        assert_eq!(inverted(&hints), [hint(7), hint(0), hint(100), hint(5)]);
    }
}
