//! Where two runs begin to differ: their event logs compared, decision by decision.
//!
//! Two runs of one program never have equal times, so decisions are compared function by function
//! and in their order: the nth decision about a function in one run with the nth in the other. They
//! are the same if the policy was asked about the same event and answered with the same requests
//! for the same reason; times and budgets may differ. Two policies have different reasons for the
//! same answer, so between them reasons may differ too. The first that is not the same is where the
//! runs part, and the figures that the policy saw say why.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;
use upshift_profiler::decided::Decided;
use upshift_profiler::reader::LogFile;
use upshift_profiler::{Event, FuncKey, Nanos};

/// A decision and its time.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    /// When, since the start of the log.
    pub at: Nanos,
    /// The decision.
    pub decision: Decided,
}

/// A decision that is not the same in two runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The function's name.
    pub function: String,
    /// The number of the decision among those about the function, from 1.
    pub number: usize,
    /// The decision in the first run; `None` if there was none anymore.
    pub first: Option<Taken>,
    /// The decision in the second run.
    pub second: Option<Taken>,
    /// What the policy saw in both runs, where that differs: name, first, second. What differs most
    /// comes first.
    pub figures: Vec<(String, String, String)>,
}

/// When a function was first requested at a level above 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The function's name.
    pub function: String,
    /// In the first run.
    pub first: Option<Nanos>,
    /// In the second run.
    pub second: Option<Nanos>,
}

/// What differs between two runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogDiff {
    /// What the headers say differently: name, first, second.
    pub headers: Vec<(String, String, String)>,
    /// The number of decisions that are the same.
    pub same: usize,
    /// The number of decisions that are not, or that only one run has.
    pub different: usize,
    /// The earliest decision that is not the same.
    pub earliest: Option<Difference>,
    /// The functions whose first request moved, in the order of how far; those that only one run
    /// requested are last.
    pub moved: Vec<Moved>,
}

impl LogDiff {
    /// Compares two logs.
    pub fn new(first: &LogFile, second: &LogFile) -> Self {
        let mut diff = Self {
            headers: changes(&header(first), &header(second)),
            ..Self::default()
        };
        let rule = |log: &LogFile| log.header.policy.split(':').next().map(str::to_owned);
        let reasons = match rule(first) == rule(second) {
            true => Reasons::Count,
            false => Reasons::AreTheirOwn,
        };
        let (mut ours, mut theirs) = (decisions(first), decisions(second));
        let mut names: Vec<String> = ours.keys().chain(theirs.keys()).cloned().collect();
        names.sort_unstable();
        names.dedup();
        let mut earliest: Option<(Nanos, Difference)> = None;
        for function in names {
            let ours = ours.remove(&function).unwrap_or_default();
            let theirs = theirs.remove(&function).unwrap_or_default();
            let requested = [&ours, &theirs].map(|taken| first_request(taken));
            let [before, after] = requested;
            if before != after {
                diff.moved.push(Moved {
                    function: function.clone(),
                    first: before,
                    second: after,
                });
            }
            let pairs = ours.iter().zip(&theirs);
            let same = pairs
                .take_while(|(ours, theirs)| is_same(ours, theirs, reasons))
                .count();
            diff.same += same;
            let longer = ours.len().max(theirs.len());
            diff.different += longer - same;
            if same == longer {
                continue;
            }
            let (first, second) = (ours.get(same).cloned(), theirs.get(same).cloned());
            let times = [&first, &second].map(|taken| taken.as_ref().map(|taken| taken.at));
            let at = times.into_iter().flatten().min().unwrap_or_default();
            if earliest.as_ref().is_none_or(|(earlier, _)| at < *earlier) {
                let figures = figures(first.as_ref(), second.as_ref());
                let difference = Difference {
                    function,
                    number: same + 1,
                    first,
                    second,
                    figures,
                };
                earliest = Some((at, difference));
            }
        }
        diff.earliest = earliest.map(|(_, difference)| difference);
        let distance = |moved: &Moved| match (moved.first, moved.second) {
            (Some(first), Some(second)) => first.0.abs_diff(second.0),
            _ => 0,
        };
        diff.moved
            .sort_by_key(|moved| std::cmp::Reverse(distance(moved)));
        diff
    }
}

/// The header with its settings by name.
fn header(log: &LogFile) -> Value {
    let mut header = serde_json::to_value(&log.header).unwrap_or_default();
    let settings = log.header.settings.iter();
    let settings = settings.map(|(name, value)| (name.clone(), Value::from(value.clone())));
    header["settings"] = Value::Object(settings.collect());
    // The policy stands in the header with all its parameters.
    if let Some(settings) = header["settings"].as_object_mut() {
        settings.remove("policy");
    }
    // Each run has others.
    for name in ["pid", "started"] {
        header[name] = Value::Null;
    }
    header
}

/// The decisions of a log about each function, by its name.
fn decisions(log: &LogFile) -> BTreeMap<String, Vec<Taken>> {
    let mut functions: BTreeMap<FuncKey, Vec<Taken>> = BTreeMap::new();
    for record in &log.records {
        if let Event::Decided { func, decision } = &record.event {
            functions.entry(*func).or_default().push(Taken {
                at: record.at,
                decision: (**decision).clone(),
            });
        }
    }
    let named = functions
        .into_iter()
        .map(|(func, taken)| (log.names.of(func), taken));
    let mut by_name = BTreeMap::<String, Vec<Taken>>::new();
    // Two functions of one name are told apart by their order.
    for (name, taken) in named {
        let mut unique = name.clone();
        let mut number = 2;
        while by_name.contains_key(&unique) {
            unique = format!("{name} ({number})");
            number += 1;
        }
        by_name.insert(unique, taken);
    }
    by_name
}

fn first_request(taken: &[Taken]) -> Option<Nanos> {
    let first = taken.iter().find(|taken| taken.decision.answer.requests());
    first.map(|taken| taken.at)
}

/// Whether reasons can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reasons {
    /// Both runs have the same policy.
    Count,
    /// Each run has a policy of its own.
    AreTheirOwn,
}

/// Whether two decisions are about the same event, with the same requests for the same reason.
fn is_same(ours: &Taken, theirs: &Taken, reasons: Reasons) -> bool {
    let essence = |taken: &Taken| {
        let Decided {
            trigger,
            answer,
            reason,
            ..
        } = &taken.decision;
        let site = trigger.site.as_ref().map(|site| site.index);
        let level = |asked: &Option<upshift_profiler::decided::Asked>| {
            asked.as_ref().map(|asked| asked.level)
        };
        let requests = (level(&answer.function), level(&answer.osr), answer.withdraw);
        (
            trigger.name.clone(),
            site,
            trigger.level,
            requests,
            (reasons == Reasons::Count).then(|| reason.clone()),
        )
    };
    essence(ours) == essence(theirs)
}

/// What the policy saw and computed, where it differs.
fn figures(first: Option<&Taken>, second: Option<&Taken>) -> Vec<(String, String, String)> {
    let (Some(first), Some(second)) = (first, second) else {
        return Vec::new();
    };
    let seen = |taken: &Taken| {
        let mut seen = serde_json::to_value(&taken.decision.view).unwrap_or_default();
        let numbers = taken.decision.numbers.iter();
        let numbers = numbers.map(|(name, number)| {
            let number = serde_json::to_value(number).unwrap_or_default();
            (format!("policy's {name}"), number)
        });
        if let Value::Object(fields) = &mut seen {
            fields.extend(numbers);
        }
        seen
    };
    changes(&seen(first), &seen(second))
}

/// The leaves of two values that differ, by their path; numbers that differ most come first, then
/// what is no number.
fn changes(first: &Value, second: &Value) -> Vec<(String, String, String)> {
    let (mut ours, mut theirs) = (BTreeMap::new(), BTreeMap::new());
    leaves(String::new(), first, &mut ours);
    leaves(String::new(), second, &mut theirs);
    let mut found: Vec<(f64, (String, String, String))> = Vec::new();
    for (name, theirs) in theirs {
        let ours = ours.remove(&name).unwrap_or(Value::Null);
        if ours != theirs {
            found.push((distance(&ours, &theirs), (name, show(&ours), show(&theirs))));
        }
    }
    for (name, ours) in ours {
        found.push((0.0, (name, show(&ours), show(&Value::Null))));
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    found.into_iter().map(|(_, change)| change).collect()
}

fn leaves(path: String, value: &Value, found: &mut BTreeMap<String, Value>) {
    let below = |name: &str| match path.is_empty() {
        true => name.to_owned(),
        false => format!("{path}.{name}"),
    };
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                leaves(below(name), value, found);
            }
        }
        Value::Array(values) => {
            for (number, value) in values.iter().enumerate() {
                leaves(below(&number.to_string()), value, found);
            }
        }
        _ => {
            found.insert(path, value.clone());
        }
    }
}

/// How far two numbers are from each other, from 0 to 1; 0 for what is no number.
fn distance(first: &Value, second: &Value) -> f64 {
    match (first.as_f64(), second.as_f64()) {
        (Some(first), Some(second)) => {
            let larger = first.abs().max(second.abs());
            (first - second).abs() / larger.max(f64::MIN_POSITIVE)
        }
        _ => 0.0,
    }
}

fn show(value: &Value) -> String {
    match value {
        Value::Null => "none".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

impl fmt::Display for LogDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, first, second) in &self.headers {
            writeln!(f, "{name}: {first} / {second}")?;
        }
        let (same, different) = (self.same, self.different);
        writeln!(f, "{same} decisions are the same, {different} are not")?;
        if let Some(Difference {
            function,
            number,
            first,
            second,
            figures,
        }) = &self.earliest
        {
            writeln!(
                f,
                "\nThe first that differs is decision {number} about {function}:"
            )?;
            for (which, taken) in [("first", first), ("second", second)] {
                match taken {
                    Some(taken) => writeln!(f, "  {which:<7} {taken}")?,
                    None => writeln!(f, "  {which:<7} no such decision")?,
                }
            }
            if !figures.is_empty() {
                writeln!(f, "  what the policy saw:")?;
            }
            for (name, first, second) in figures.iter().take(12) {
                writeln!(f, "    {name:<24} {first} / {second}")?;
            }
        }
        if !self.moved.is_empty() {
            writeln!(f, "\nFirst request for optimized code:")?;
        }
        for moved in self.moved.iter().take(20) {
            let time = |at: Option<Nanos>| at.map_or("never".into(), |at| at.to_string());
            let (first, second) = (time(moved.first), time(moved.second));
            writeln!(f, "  {:<32} {first} / {second}", moved.function)?;
        }
        if let Some(more) = self.moved.len().checked_sub(20).filter(|more| *more > 0) {
            writeln!(f, "  and of {more} more functions")?;
        }
        Ok(())
    }
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.at, in_words(&self.decision))
    }
}

/// A decision in words: the event, what is requested, why, and when the policy wants to be asked
/// again.
pub fn in_words(decision: &Decided) -> String {
    let Decided {
        trigger,
        answer,
        reason,
        numbers,
        ..
    } = decision;
    let mut requests = Vec::new();
    if let Some(asked) = &answer.function {
        requests.push(format!("requests level {}", asked.level));
    }
    if let Some(asked) = &answer.osr {
        requests.push(format!("requests the loop at level {}", asked.level));
    }
    if answer.withdraw {
        requests.push("withdraws".into());
    }
    if requests.is_empty() {
        requests.push("waits".into());
    }
    let mut text = format!("{}: {} ({reason}", trigger.name, requests.join(", "));
    for (name, number) in numbers {
        text += &format!(", {name} {number}");
    }
    text.push(')');
    if let Some(units) = answer.budget {
        text += &format!(", next after {units} units");
    }
    if let Some(time) = answer.wake {
        text += &format!(", woken after {time}");
    }
    text
}

#[cfg(test)]
mod tests {
    use upshift_abi::DefinedFuncIndex;
    use upshift_profiler::decided::{Answer, Asked, Trigger, ViewFigures};
    use upshift_profiler::{ModuleKey, Record};

    use super::*;

    /// A log with decisions: time, function, units, whether it requests.
    fn log(settings: &str, decisions: &[(u64, u32, u64, bool)]) -> LogFile {
        let mut log = LogFile::default();
        log.header.settings = vec![("-T policy".into(), settings.into())];
        for &(at, func, units, requests) in decisions {
            let decision = Decided {
                trigger: Trigger {
                    name: "entry".into(),
                    ..Trigger::default()
                },
                view: ViewFigures {
                    units,
                    now: Nanos(at),
                    ..ViewFigures::default()
                },
                answer: Answer {
                    function: requests.then(|| Asked {
                        level: 1,
                        ..Asked::default()
                    }),
                    ..Answer::default()
                },
                reason: if requests { "enough" } else { "not yet" }.into(),
                ..Decided::default()
            };
            let key = FuncKey {
                module: ModuleKey(0),
                func: DefinedFuncIndex(func),
            };
            log.records.push(Record {
                at: Nanos(at),
                cpu: Nanos(0),
                thread: 0,
                event: Event::Decided {
                    func: key,
                    decision: Box::new(decision),
                },
            });
        }
        log
    }

    #[test]
    fn runs_part_at_the_first_decision_that_is_not_the_same() {
        let first = log(
            "a",
            &[(10, 0, 5, false), (20, 1, 5, false), (30, 0, 9, true)],
        );
        let second = log(
            "b",
            &[
                (11, 0, 6, false),
                (19, 1, 500, true),
                (50, 0, 9, true),
                (60, 1, 600, true),
            ],
        );
        let diff = LogDiff::new(&first, &second);
        assert_eq!((diff.same, diff.different), (2, 2));
        let earliest = diff.earliest.clone().unwrap();
        assert_eq!(earliest.number, 1);
        assert_eq!(earliest.first.unwrap().at, Nanos(20));
        assert_eq!(earliest.second.unwrap().at, Nanos(19));
        assert_eq!(
            earliest.figures[0],
            ("units".into(), "5".into(), "500".into())
        );
        // The first function was requested at 30 and 50, the other one in the second run only.
        let moved: Vec<_> = diff
            .moved
            .iter()
            .map(|moved| (moved.first, moved.second))
            .collect();
        assert_eq!(
            moved,
            [(Some(Nanos(30)), Some(Nanos(50))), (None, Some(Nanos(19)))]
        );
        let policy = "settings.-T policy".to_owned();
        assert_eq!(diff.headers, [(policy, "a".into(), "b".into())]);
        let text = diff.to_string();
        assert!(text.contains("waits (not yet)"), "{text}");
        assert!(text.contains("requests level 1 (enough)"), "{text}");
    }

    #[test]
    fn reasons_of_two_policies_are_no_difference() {
        let first = log("a", &[(10, 0, 5, false), (30, 0, 9, true)]);
        let mut second = first.clone();
        for record in &mut second.records {
            if let Event::Decided { decision, .. } = &mut record.event {
                decision.reason = "because".into();
            }
        }
        let one = LogDiff::new(&first, &second);
        assert_eq!((one.same, one.different), (0, 2));
        second.header.policy = "another:units=1".into();
        let two = LogDiff::new(&first, &second);
        assert_eq!((two.same, two.different), (2, 0));
        assert_eq!(two.headers.len(), 1);
    }

    #[test]
    fn a_run_does_not_differ_from_itself() {
        let one = log("a", &[(10, 0, 5, false), (30, 0, 9, true)]);
        let diff = LogDiff::new(&one, &one);
        let nothing = LogDiff {
            same: 2,
            ..LogDiff::default()
        };
        assert_eq!(diff, nothing);
        // Times alone are no difference of decisions.
        let later = log("a", &[(15, 0, 5, false), (35, 0, 9, true)]);
        let diff = LogDiff::new(&one, &later);
        assert_eq!((diff.same, diff.different, diff.moved.len()), (2, 0, 1));
    }
}
