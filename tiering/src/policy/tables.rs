//! Decision tables: what each built-in policy decides, worked out by hand from the formulas of its
//! source.
//!
//! The tables are the files in `golden/`. They are written, never made by a program: the arithmetic
//! stands in comments above the lines, and there is no switch that rewrites them. A line is one of
//!
//! - `policy SPEC`: what follows is about this policy, with an empty memo and the default view;
//! - `function`: the same policy, with an empty memo and the default view again;
//! - `EVENT FIELD=VALUE… => DECISION`: sets fields of the view, which stay set, and says what the
//!   policy decides at the event, as [`Decision`] is displayed. Numbers may differ in the ninth
//!   digit.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use upshift_abi::{DefinedFuncIndex, LoopIndex};
use upshift_profiler::Nanos;

use super::{
    Hint, Level, LoopPhase, LoopView, Memo, Phase, Policy, PolicyEvent, View, builtin, from_spec,
};

fn number<T: FromStr>(text: &str) -> T {
    let parsed = text.replace('_', "").parse();
    parsed.unwrap_or_else(|_| panic!("`{text}` is no such number"))
}

/// The phase of that name, as its variant is spelled, in lower case.
fn phase(name: &str) -> Phase {
    let phases = [
        Phase::Baseline,
        Phase::Queued,
        Phase::Optimizing,
        Phase::Trial,
        Phase::Optimized,
        Phase::Pinned,
    ];
    let named = |phase: &&Phase| format!("{phase:?}").to_lowercase() == name;
    *phases.iter().find(named).expect("a phase")
}

fn set(view: &mut View, field: &str, value: &str) {
    let count = || number::<u64>(value);
    let small = || number::<u32>(value);
    let ns = || Nanos(number(value));
    let hint = |view: &View| view.hint.unwrap_or_default();
    match field {
        "func" => view.func.func = DefinedFuncIndex(small()),
        "now" => view.now = ns(),
        "level" => view.level = Level(number(value)),
        "levels" => view.levels = number(value),
        "phase" => view.phase = phase(value),
        "body" => view.body_bytes = small(),
        "code" => view.code_bytes = small(),
        "module" => view.module_bytes = count(),
        "units" => view.units = count(),
        "calls" => view.calls = count(),
        "iterations" => view.iterations = count(),
        "since" => view.units_since_request = count(),
        "age-since" => view.age_since_request = ns(),
        "entries" => view.entry_exhaustions = small(),
        "quiet" => view.since_new_code = ns(),
        "rate" => view.rate = number(value),
        "queue" => view.queue_length = small(),
        "workers" => view.workers = small(),
        "cores" => view.cores = small(),
        "cost1" => view.level_views[1].ns_per_byte = Some(number(value)),
        "speedup1" => view.level_views[1].speedup = Some(number(value)),
        "expected" => {
            view.hint = Some(Hint {
                expected_units: Some(count()),
                ..hint(view)
            });
        }
        "optimization" => {
            view.hint = Some(Hint {
                optimization: Some(small()),
                ..hint(view)
            });
        }
        "run-once" => {
            view.hint = Some(Hint {
                run_once: value == "y",
                ..hint(view)
            });
        }
        _ => panic!("the view has no `{field}`"),
    }
}

fn event(text: &str) -> PolicyEvent {
    let mut parts = text.split(':');
    let name = parts.next().expect("a name");
    let argument = parts.next().unwrap_or("0");
    match name {
        "first-code" => PolicyEvent::FirstCode,
        "entry" => PolicyEvent::Entry,
        // `loop`, or `loop:N` for a loop whose ready OSR entry was taken N times.
        "loop" => PolicyEvent::Loop(LoopView {
            index: LoopIndex(0),
            depth: 0,
            phase: match text.contains(':') {
                true => LoopPhase::Ready,
                false => LoopPhase::Idle,
            },
            entries: number(argument),
        }),
        "dequeued" => PolicyEvent::Dequeued {
            level: Level(1),
            waited: Nanos(0),
        },
        "published" => PolicyEvent::Published(Level(number(argument))),
        "wake" => PolicyEvent::Wake,
        "sampled" => PolicyEvent::Sampled(number(argument)),
        _ => panic!("there is no event `{text}`"),
    }
}

/// Whether both texts have the same words, and in their places the same numbers.
fn same(expected: &str, decided: &str) -> bool {
    let split = |text: &str| -> Vec<String> {
        let separators = [' ', ';', ',', '='];
        let words = text.split(separators).filter(|word| !word.is_empty());
        words.map(str::to_string).collect()
    };
    let (expected, decided) = (split(expected), split(decided));
    let word = |(expected, decided): (&String, &String)| {
        let expected_number = expected.replace('_', "").parse::<f64>();
        match (expected_number, decided.parse::<f64>()) {
            (Ok(a), Ok(b)) => (a - b).abs() <= 1e-9 * a.abs().max(1.0),
            _ => expected == decided,
        }
    };
    expected.len() == decided.len() && expected.iter().zip(&decided).all(word)
}

/// What a table has come to: a policy, and a function of it.
struct Row {
    policy: Arc<dyn Policy>,
    memo: Memo,
    view: View,
}

impl Row {
    /// A function of which the policy knows nothing, with more than one core.
    fn new(policy: Arc<dyn Policy>) -> Self {
        Self {
            policy,
            memo: Memo::default(),
            view: View {
                cores: 2,
                ..View::default()
            },
        }
    }

    /// Checks a line with an event; returns the complaint.
    fn check(&mut self, line: &str) -> Result<(), String> {
        let (given, expected) = line.split_once("=>").ok_or("no `=>`")?;
        let mut given = given.split_whitespace();
        let event = event(given.next().ok_or("no event")?);
        for field in given {
            let (field, value) = field.split_once('=').ok_or("no `=`")?;
            set(&mut self.view, field, value);
        }
        let decided = self
            .policy
            .on(&mut self.memo, event, &self.view)
            .to_string();
        match same(expected.trim(), &decided) {
            true => Ok(()),
            false => Err(format!("decides {decided}")),
        }
    }
}

/// The names of the policies that a table is about, and what is wrong in it.
fn check(path: &Path) -> (BTreeSet<String>, Vec<String>) {
    let text = fs::read_to_string(path).expect("a table");
    let (mut names, mut complaints) = (BTreeSet::new(), Vec::new());
    let mut row: Option<Row> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        let result = if line.is_empty() || line.starts_with('#') {
            Ok(())
        } else if let Some(spec) = line.strip_prefix("policy ") {
            names.insert(spec.split(':').next().expect("a name").to_string());
            from_spec(spec)
                .map(|policy| row = Some(Row::new(policy)))
                .map_err(|error| error.to_string())
        } else {
            let Row { policy, .. } = row.as_ref().expect("a line `policy`");
            match line {
                "function" => {
                    row = Some(Row::new(policy.clone()));
                    Ok(())
                }
                line => row.as_mut().expect("a policy").check(line),
            }
        };
        if let Err(error) = result {
            complaints.push(format!("{}:{number}: {line}\n    {error}", path.display()));
        }
    }
    (names, complaints)
}

#[test]
fn policies_decide_as_their_tables_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/policy/golden");
    let (mut named, mut complaints) = (BTreeSet::new(), Vec::new());
    for entry in fs::read_dir(folder).expect("the tables") {
        let (names, wrong) = check(&entry.expect("a table").path());
        named.extend(names);
        complaints.extend(wrong);
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
    let all: BTreeSet<String> = builtin().iter().map(|v| v.name.to_string()).collect();
    assert_eq!(named, all, "each policy has a table");
}

#[test]
fn tables_are_compared_by_words_and_numbers() {
    assert!(same(
        "budget 1_000 | a: b=0.333333333333",
        "budget 1000 | a: b=0.3333333333333"
    ));
    assert!(!same("budget 1000 | a: b=1", "budget 1001 | a: b=1"));
    assert!(!same("budget 1000 | a", "budget 1000; withdraw | a"));
}
