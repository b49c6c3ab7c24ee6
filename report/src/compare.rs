//! Where two runs were decided on otherwise.
//!
//! Decisions of each function are compared in their order: what the policy was asked about, what it
//! requested or withdrew, and why. Times, budgets and figures differ between any two runs, and are
//! not compared. Two policies are asked at other times and give other reasons from the first
//! decision on; of their runs only what was requested or withdrawn is compared.

use std::collections::HashMap;

use serde_json::{Value, json};
use upshift_profiler::decided::{Answer, Asked, Decided};
use upshift_profiler::event::Event;
use upshift_profiler::{FuncKey, Nanos, Record};

use crate::run::{Functions, Input, is_shown};

/// How many functions are listed, those that differ first.
const LISTED: usize = 1_000;

/// The first decision on a function that differs between two runs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Difference {
    pub func: FuncKey,
    /// Which decision on the function it is, from 0.
    pub number: usize,
    /// When it was made, in the run in which that was earlier.
    pub at: Nanos,
    /// The places of the decisions among the shown events of each run; `None` if there is none.
    pub places: [Option<usize>; 2],
}

/// The comparison as an object for the script.
pub(crate) fn json(first: &Input, second: &Input, functions: &Functions) -> Value {
    let by = By::of(&first.log.header.policy, &second.log.header.policy);
    let (differences, same) = compare(&first.log.records, &second.log.records, by);
    let place = |place: Option<usize>| place.map_or(-1, |place| place as i64);
    let listed: Vec<_> = differences
        .iter()
        .filter_map(|difference| {
            let func = functions.place(difference.func)?;
            let [first, second] = difference.places.map(place);
            Some(json!({
                "func": func, "number": difference.number, "at": difference.at.0,
                "first": first, "second": second,
            }))
        })
        .take(LISTED)
        .collect();
    let by = match by {
        By::Decisions => "decisions",
        By::Requests => "requests",
    };
    json!({ "different": differences.len(), "same": same, "functions": listed, "by": by })
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// All decisions, with what they were about and why.
    Decisions,
    /// Decisions that request or withdraw something, and what.
    Requests,
}

impl By {
    /// What can be compared of runs with these policies: a name and parameters each.
    fn of(first: &str, second: &str) -> Self {
        let name = |policy: &str| policy.split(':').next().map(str::to_owned);
        match name(first) == name(second) {
            true => By::Decisions,
            false => By::Requests,
        }
    }
}

/// The first differing decision on each function, in the order of time, and how many functions were
/// decided on alike.
pub(crate) fn compare(first: &[Record], second: &[Record], by: By) -> (Vec<Difference>, usize) {
    let (mut first, mut second) = (decisions(first), decisions(second));
    if by == By::Requests {
        for made in first.values_mut().chain(second.values_mut()) {
            made.retain(|made| made.decision.answer.requests() || made.decision.answer.withdraw);
        }
    }
    let mut funcs: Vec<FuncKey> = first.keys().chain(second.keys()).copied().collect();
    funcs.sort_unstable();
    funcs.dedup();
    let total = funcs.len();
    let mut differences: Vec<Difference> = funcs
        .into_iter()
        .filter_map(|func| {
            let ours = first.remove(&func).unwrap_or_default();
            let theirs = second.remove(&func).unwrap_or_default();
            difference(func, &ours, &theirs, by)
        })
        .collect();
    differences.sort_by_key(|difference| (difference.at, difference.func));
    let same = total - differences.len();
    (differences, same)
}

/// A decision and where it stands.
struct Made<'a> {
    place: usize,
    at: Nanos,
    decision: &'a Decided,
}

fn decisions(records: &[Record]) -> HashMap<FuncKey, Vec<Made<'_>>> {
    let mut decisions: HashMap<FuncKey, Vec<Made<'_>>> = HashMap::new();
    let shown = records.iter().filter(|record| is_shown(&record.event));
    for (place, record) in shown.enumerate() {
        if let Event::Decided { func, decision } = &record.event {
            let at = record.at;
            decisions.entry(*func).or_default().push(Made {
                place,
                at,
                decision,
            });
        }
    }
    decisions
}

fn difference(func: FuncKey, ours: &[Made<'_>], theirs: &[Made<'_>], by: By) -> Option<Difference> {
    let longest = ours.len().max(theirs.len());
    let number = (0..longest).find(|&n| match (ours.get(n), theirs.get(n)) {
        (Some(one), Some(other)) => essence(one.decision, by) != essence(other.decision, by),
        // What is asked after the other run's end is no difference unless something is requested.
        (Some(rest), None) | (None, Some(rest)) => rest.decision.answer.requests(),
        (None, None) => false,
    })?;
    let (one, other) = (ours.get(number), theirs.get(number));
    let times = one.into_iter().chain(other).map(|made| made.at);
    Some(Difference {
        func,
        number,
        at: times.min().unwrap_or_default(),
        places: [one, other].map(|made| made.map(|made| made.place)),
    })
}

/// What of a decision is compared.
fn essence(decision: &Decided, by: By) -> impl PartialEq + '_ {
    let site = decision.trigger.site.as_ref().map(|site| site.index);
    let Answer {
        function,
        osr,
        withdraw,
        ..
    } = &decision.answer;
    let is_alike = by == By::Decisions;
    let asked = |asked: &'_ Option<Asked>| {
        let asked = asked.as_ref();
        asked.map(|asked| (asked.level, is_alike.then(|| asked.lane.clone())))
    };
    // The loop is that of the request; what else a decision is about says when a policy is asked.
    let site = site.filter(|_| is_alike || osr.is_some());
    (
        (asked(function), asked(osr), *withdraw, site),
        is_alike.then_some((
            &decision.trigger.name,
            decision.trigger.level,
            &decision.reason,
        )),
    )
}

#[cfg(test)]
mod tests {
    use upshift_abi::DefinedFuncIndex;
    use upshift_profiler::ModuleKey;
    use upshift_profiler::decided::Trigger;

    use super::*;

    fn decided(at: u64, func: u32, trigger: &'static str, request: Option<u8>) -> Record {
        let func = FuncKey {
            module: ModuleKey(0),
            func: DefinedFuncIndex(func),
        };
        let mut decision = Decided {
            trigger: Trigger {
                name: trigger.into(),
                ..Trigger::default()
            },
            ..Decided::default()
        };
        decision.answer.budget = Some(at as u32);
        decision.answer.function = request.map(|level| Asked {
            level,
            ..Asked::default()
        });
        let decision = Box::new(decision);
        Record {
            at: Nanos(at),
            cpu: Nanos(0),
            thread: 0,
            event: Event::Decided { func, decision },
        }
    }

    #[test]
    fn the_first_difference_of_each_function_is_found() {
        let first = [
            decided(1, 0, "entry", None),
            decided(2, 1, "entry", None),
            decided(3, 0, "entry", Some(1)),
            decided(4, 1, "loop", None),
            decided(9, 2, "entry", None),
        ];
        let second = [
            decided(5, 0, "entry", None),
            decided(6, 0, "entry", Some(2)),
            decided(7, 1, "entry", None),
            decided(8, 1, "loop", None),
            decided(9, 1, "loop", Some(1)),
        ];
        let (differences, same) = compare(&first, &second, By::Decisions);
        let found: Vec<_> = differences
            .iter()
            .map(|d| (d.func.func.0, d.number, d.at.0, d.places))
            .collect();
        let expected = [(0, 1, 3, [Some(2), Some(1)]), (1, 2, 9, [None, Some(4)])];
        assert_eq!(found, expected);
        assert_eq!(same, 1);
    }

    #[test]
    fn a_run_is_like_itself() {
        let run = [decided(1, 0, "entry", Some(1)), decided(2, 3, "loop", None)];
        assert_eq!(compare(&run, &run, By::Decisions), (vec![], 2));
    }

    #[test]
    fn of_two_policies_only_requests_are_compared() {
        assert_eq!(By::of("jikes", "jikes:samples=3"), By::Decisions);
        assert_eq!(By::of("jikes", "truffle"), By::Requests);
        let first = [
            decided(1, 0, "entry", None),
            decided(2, 0, "entry", Some(1)),
            decided(3, 1, "entry", Some(1)),
            decided(4, 2, "entry", None),
        ];
        let second = [
            decided(5, 0, "loop", Some(1)),
            decided(6, 1, "loop", Some(2)),
            decided(7, 2, "loop", None),
            decided(8, 0, "entry", Some(1)),
        ];
        let (differences, same) = compare(&first, &second, By::Requests);
        let found: Vec<_> = differences
            .iter()
            .map(|d| (d.func.func.0, d.number, d.at.0, d.places))
            .collect();
        let expected = [(1, 0, 3, [Some(2), Some(1)]), (0, 1, 8, [None, Some(3)])];
        assert_eq!(found, expected);
        assert_eq!(same, 1);
    }
}
