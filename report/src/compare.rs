//! Where two runs were decided on otherwise.
//!
//! Decisions of each function are compared in their order: what the policy was asked about, what it
//! requested or withdrew, and why. Times, budgets and figures differ between any two runs, and are
//! not compared.

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
    let (differences, same) = compare(&first.log.records, &second.log.records);
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
    json!({ "different": differences.len(), "same": same, "functions": listed })
}

/// The first differing decision on each function, in the order of time, and how many functions were
/// decided on alike.
pub(crate) fn compare(first: &[Record], second: &[Record]) -> (Vec<Difference>, usize) {
    let (mut first, mut second) = (decisions(first), decisions(second));
    let mut funcs: Vec<FuncKey> = first.keys().chain(second.keys()).copied().collect();
    funcs.sort_unstable();
    funcs.dedup();
    let total = funcs.len();
    let mut differences: Vec<Difference> = funcs
        .into_iter()
        .filter_map(|func| {
            let ours = first.remove(&func).unwrap_or_default();
            let theirs = second.remove(&func).unwrap_or_default();
            difference(func, &ours, &theirs)
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

fn difference(func: FuncKey, ours: &[Made<'_>], theirs: &[Made<'_>]) -> Option<Difference> {
    let longest = ours.len().max(theirs.len());
    let number = (0..longest).find(|&n| match (ours.get(n), theirs.get(n)) {
        (Some(one), Some(other)) => essence(one.decision) != essence(other.decision),
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
fn essence(decision: &Decided) -> impl PartialEq + '_ {
    let site = decision.trigger.site.as_ref().map(|site| site.index);
    let Answer {
        function,
        osr,
        withdraw,
        ..
    } = &decision.answer;
    let asked = |asked: &'_ Option<Asked>| {
        let asked = asked.as_ref();
        asked.map(|asked| (asked.level, asked.lane.clone()))
    };
    let trigger = &decision.trigger.name;
    (
        (trigger, site, decision.trigger.level),
        (asked(function), asked(osr), *withdraw),
        &decision.reason,
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
        let (differences, same) = compare(&first, &second);
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
        assert_eq!(compare(&run, &run), (vec![], 2));
    }
}
