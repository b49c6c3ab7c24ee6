//! What policies are told of functions before they run: the truth, another run, or the opposite.

use std::str::FromStr;

use upshift_tiering::Weights;
use upshift_tiering::policy::Hint;

use super::Recorded;
use crate::simulate::hints_of;
use crate::workload::Workload;

/// Where a run's hints come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// `none`: there are none.
    #[default]
    None,
    /// `own`: the same run, so they are right.
    Own,
    /// `other`: a run of the same module with another input.
    Other,
    /// `wrong`: a run of another module, whose functions are taken for those of the same position.
    Wrong,
    /// `inverted`: the same run; the busiest function's units for the idlest, and so on.
    Inverted,
}

/// All sources by their names.
pub const SOURCES: [(&str, Source); 5] = [
    ("none", Source::None),
    ("own", Source::Own),
    ("other", Source::Other),
    ("wrong", Source::Wrong),
    ("inverted", Source::Inverted),
];

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = SOURCES.iter().find(|(name, _)| *name == text);
        found.map(|(_, source)| *source).ok_or_else(|| {
            let names: Vec<_> = SOURCES.iter().map(|(name, _)| *name).collect();
            format!("hints come from one of {}, not `{text}`", names.join(", "))
        })
    }
}

/// The hints for a run's functions by position, from itself or the first of these runs that is of
/// the kind. `None` if none is.
pub fn hints(
    source: Source,
    own: Recorded<'_>,
    others: &[Recorded<'_>],
) -> Option<Vec<Option<Hint>>> {
    let module = |run: &Recorded<'_>| run.trace.header.module;
    let mut others = others.iter();
    match source {
        Source::None => Some(Vec::new()),
        Source::Own => Some(units(own.workload)),
        Source::Inverted => Some(inverted(&units(own.workload))),
        Source::Other => {
            let other = others.find(|other| module(other) == module(&own))?;
            let hints = units(other.workload);
            let functions = &other.trace.functions;
            let of_index = |index: u32| {
                let found = functions.binary_search_by_key(&index, |one| one.index).ok();
                Some(found.and_then(|at| hints[at]).unwrap_or(never_called()))
            };
            let own = own.trace.functions.iter();
            Some(own.map(|function| of_index(function.index)).collect())
        }
        Source::Wrong => {
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
