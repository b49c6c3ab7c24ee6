//! Runs a program in all engines and compares what they do.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use fastrand::Rng;
use upshift::Trap;

use crate::configuration::{self, Configuration, Nans, Vectors};
use crate::host::Machine;
use crate::oracle;
use crate::program::{Exports, Program};
use crate::subject;
use crate::value::{Failure, Outcome, Value, argument, digest};

/// How often each export is called, with different arguments.
const CALLS: usize = 3;
/// In how many of the configurations with one option changed a program runs.
const ABLATIONS: usize = 3;

/// One call, how it ended, and what every exported memory, table and global held then.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The call, as messages show it.
    pub call: String,
    /// How it ended.
    pub outcome: Outcome,
    /// What there was then, in the order of [`Exports::items`].
    pub state: Vec<Vec<Value>>,
}

/// What a program did in one engine.
pub type History = Vec<Step>;

/// A program on which all engines agree.
#[derive(Debug, Default)]
pub struct Agreement {
    /// What it did.
    pub history: History,
    /// Whether Wasmtime ran it; otherwise Upshift's configurations agree with each other.
    pub by_oracle: bool,
}

/// A difference between two engines.
#[derive(Clone, Debug)]
pub struct Mismatch {
    /// The configuration of Upshift that differs.
    pub configuration: String,
    /// Which kind of difference it is.
    pub kind: Kind,
    /// What was expected and found.
    pub message: String,
}

/// Kinds of differences, which minimizing keeps apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A valid module is refused.
    Refused,
    /// The engine panicked.
    Panic,
    /// Results, traps or states differ.
    Different,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "in `{}`: {}", self.configuration, self.message)
    }
}

impl std::error::Error for Mismatch {}

/// The configurations in which a program with a number runs: all modes, those with canonical NaNs
/// for every second number, and some with one option changed, which follow from the number.
pub fn configurations_of(number: u64) -> Vec<&'static Configuration> {
    let all = &*configuration::ALL;
    let mut rng = Rng::with_seed(!number);
    let mut some: Vec<_> = all.ablations.iter().collect();
    rng.shuffle(&mut some);
    let canonical = number.is_multiple_of(2);
    let mut left = ABLATIONS;
    some.retain(|other| {
        let wanted = other.nans == Nans::Canonical || left > 0;
        left = left.saturating_sub(1);
        wanted
    });
    let configurations = all.modes.iter().chain(some);
    configurations
        .filter(|other| canonical || other.nans == Nans::Computed)
        .collect()
}

/// Runs a program in Wasmtime and in some configurations.
///
/// # Errors
///
/// The first difference.
///
/// # Panics
///
/// If a module is not valid.
pub fn run(program: &Program, configurations: &[&Configuration]) -> Result<Agreement, Mismatch> {
    let exports = Arc::new(program.exports().expect("programs are valid"));
    let features = program.features();
    let [vectors, relaxed] = ["vectors", "relaxed vectors"].map(|name| features.contains(&name));
    let mut agreement = Agreement::default();
    for nans in [Nans::Computed, Nans::Canonical] {
        let comparable = |other: &&&Configuration| {
            other.nans == nans
                && match other.vectors {
                    Vectors::Native => true,
                    Vectors::Other => !relaxed,
                    Vectors::None => !vectors,
                }
        };
        let mut comparable = configurations.iter().filter(comparable).peekable();
        if comparable.peek().is_none() {
            continue;
        }
        let oracle = oracle::load(program, &exports, nans);
        let by_oracle = oracle.is_some();
        let mut expected = oracle.map(|mut oracle| history(&mut oracle, &exports, program.seed));
        for &configuration in comparable {
            let actual = in_configuration(program, &exports, configuration)?;
            match &expected {
                Some(expected) => {
                    compare(expected, &actual, &exports).map_err(|message| Mismatch {
                        configuration: configuration.name.clone(),
                        kind: Kind::Different,
                        message,
                    })?;
                }
                None => expected = Some(actual),
            }
        }
        if agreement.history.is_empty() {
            agreement = Agreement {
                history: expected.unwrap_or_default(),
                by_oracle,
            };
        }
    }
    Ok(agreement)
}

fn in_configuration(
    program: &Program,
    exports: &Arc<Exports>,
    configuration: &Configuration,
) -> Result<History, Mismatch> {
    let mismatch = |kind, message| Mismatch {
        configuration: configuration.name.clone(),
        kind,
        message,
    };
    let run = || {
        let mut subject = subject::load(&configuration.engine, program, exports)?;
        anyhow::Ok(history(&mut subject, exports, program.seed))
    };
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(history)) => Ok(history),
        Ok(Err(error)) => Err(mismatch(Kind::Refused, format!("{error:#}"))),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string()));
            Err(mismatch(Kind::Panic, text.unwrap_or_default()))
        }
    }
}

/// Calls every export some times, each on fresh instances. Stops at a stack overflow: the depth at
/// which it happens is the one thing that may differ, and with it the state.
fn history(machine: &mut dyn Machine, exports: &Exports, seed: u64) -> History {
    let state = |machine: &mut dyn Machine| {
        let items = exports.items.iter();
        items.map(|item| machine.state(item)).collect()
    };
    let outcome = machine.instantiate();
    let failed = outcome.is_err();
    let mut history = vec![Step {
        call: "instantiate".to_string(),
        outcome,
        state: if failed { Vec::new() } else { state(machine) },
    }];
    if failed {
        return history;
    }
    for function in &exports.functions {
        if machine.instantiate().is_err() {
            return history;
        }
        // From the name, so that arguments stay the same where other exports are taken away.
        let of_function = digest(function.name.as_bytes()) ^ function.module as u64;
        let mut rng = Rng::with_seed(seed ^ of_function);
        for _ in 0..CALLS {
            let params = function.params.iter();
            let arguments: Vec<_> = params.map(|&ty| argument(ty, &mut rng)).collect();
            let outcome = machine.call(function, &arguments);
            let overflow = is_overflow(&outcome);
            history.push(Step {
                call: format!("m{}.{}({arguments:x?})", function.module, function.name),
                outcome,
                state: state(machine),
            });
            if overflow {
                return history;
            }
        }
    }
    history
}

fn is_overflow(outcome: &Outcome) -> bool {
    matches!(outcome, Err(Failure::Trap(Trap::StackOverflow)))
}

/// Checks that the histories are the same up to the first stack overflow in either.
///
/// # Errors
///
/// What differs, in words.
pub fn compare(expected: &History, actual: &History, exports: &Exports) -> Result<(), String> {
    for (expected, actual) in expected.iter().zip(actual) {
        if is_overflow(&expected.outcome) || is_overflow(&actual.outcome) {
            return Ok(());
        }
        let call = &expected.call;
        if (&expected.call, &expected.outcome) != (&actual.call, &actual.outcome) {
            let (expected, actual) = (&expected.outcome, &actual.outcome);
            return Err(format!("{call}: expected {expected:x?}, found {actual:x?}"));
        }
        for (index, item) in exports.items.iter().enumerate() {
            let (expected, actual) = (expected.state.get(index), actual.state.get(index));
            if expected != actual {
                let what = format!("{:?} m{}.{}", item.kind, item.module, item.name);
                return Err(format!(
                    "{what} after {call}: expected {expected:x?}, found {actual:x?}"
                ));
            }
        }
    }
    if expected.len() == actual.len() {
        return Ok(());
    }
    Err(format!(
        "expected {} calls, found {}",
        expected.len(),
        actual.len()
    ))
}
