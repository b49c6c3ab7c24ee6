//! Runs a program in all engines and compares what they do.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread::{self, ScopedJoinHandle};

use fastrand::Rng;
use upshift::Trap;

use crate::configuration::{self, Configuration, Fuel, Nans, Vectors};
use crate::host::Machine;
use crate::oracle;
use crate::program::{Exports, Function, Program};
use crate::subject;
use crate::value::{Failure, Outcome, Value, argument, digest};

/// How often each export is called, with different arguments.
const CALLS: usize = 3;
/// In how many of the configurations with one option changed a program runs.
const ABLATIONS: usize = 3;
/// In how many of the configurations that pause by epochs a program runs.
const PAUSED: usize = 3;
/// In how many of the configurations with fuel a program runs.
const FUELED: usize = 4;
/// Fuel that is enough for any call that ends.
const AMPLE: u64 = 1 << 40;
/// The stack of a program's thread, in bytes.
const STACK: usize = 8 << 20;

/// One call, how it ended, and what every exported memory, table and global held then.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The call, as messages show it.
    pub call: String,
    /// How it ended.
    pub outcome: Outcome,
    /// What there was then, in the order of [`Exports::items`].
    pub state: Vec<Vec<Value>>,
    /// What was left of fuel, if the program consumed it.
    pub fuel: Option<u64>,
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
/// for every second number, some with one option changed, which follow from the number, some that
/// pause, and some with fuel.
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
    let mut few = |configurations: &'static [Configuration], count| {
        let mut few: Vec<_> = configurations.iter().collect();
        rng.shuffle(&mut few);
        few.truncate(count);
        few
    };
    let (paused, fueled) = (few(&all.paused, PAUSED), few(&all.fueled, FUELED));
    let configurations = all.modes.iter().chain(some).chain(paused).chain(fueled);
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
                && other.fuel == Fuel::Unlimited
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
        let oracle = oracle::load(program, &exports, nans, Fuel::Unlimited);
        let by_oracle = oracle.is_some();
        let seed = program.seed;
        let mut expected = oracle.map(|mut oracle| history(&mut oracle, &exports, seed, None));
        for &configuration in comparable {
            let actual = in_configuration(program, &exports, configuration, None)?;
            compare_or_keep(&mut expected, actual, &exports, configuration)?;
        }
        if agreement.history.is_empty() {
            agreement = Agreement {
                history: expected.unwrap_or_default(),
                by_oracle,
            };
        }
    }
    with_fuel(program, &exports, configurations)?;
    Ok(agreement)
}

/// Runs a program with fuel, enough or little of it. Threads may wait for each other in loops, so
/// what they use is left to chance.
fn with_fuel(
    program: &Program,
    exports: &Arc<Exports>,
    configurations: &[&Configuration],
) -> Result<(), Mismatch> {
    let fueled = |other: &&&Configuration| other.fuel == Fuel::Consumed;
    let mut fueled = configurations.iter().filter(fueled).peekable();
    if fueled.peek().is_none() || !exports.enter.is_empty() {
        return Ok(());
    }
    let mut rng = Rng::with_seed(program.seed);
    let (mut expected, fuel) = match rng.bool() {
        true => (fueled_oracle(program, exports), AMPLE),
        false => (None, rng.u64(..2000)),
    };
    for &configuration in fueled {
        let actual = in_configuration(program, exports, configuration, Some(fuel))?;
        compare_or_keep(&mut expected, actual, exports, configuration)?;
    }
    Ok(())
}

/// What a program does in Wasmtime with enough fuel. How much a call has used that did not return
/// is known there only about, as is what translated exceptions would have used; instances whose
/// globals and tables it initializes in code use some for that.
fn fueled_oracle(program: &Program, exports: &Arc<Exports>) -> Option<History> {
    let legacy = program.features().contains(&"legacy exceptions");
    let mut oracle = oracle::load(program, exports, Nans::Computed, Fuel::Consumed)?;
    let mut expected = history(&mut oracle, exports, program.seed, Some(AMPLE));
    for step in &mut expected {
        let known = step.outcome.is_ok() && !legacy && step.call != "instantiate";
        step.fuel = step.fuel.filter(|_| known);
    }
    Some(expected)
}

/// Compares with what was found before, if there is anything.
fn compare_or_keep(
    expected: &mut Option<History>,
    actual: History,
    exports: &Exports,
    configuration: &Configuration,
) -> Result<(), Mismatch> {
    let Some(expected) = expected else {
        *expected = Some(actual);
        return Ok(());
    };
    compare(expected, &actual, exports).map_err(|message| Mismatch {
        configuration: configuration.name.clone(),
        kind: Kind::Different,
        message,
    })
}

fn in_configuration(
    program: &Program,
    exports: &Arc<Exports>,
    configuration: &Configuration,
    fuel: Option<u64>,
) -> Result<History, Mismatch> {
    let mismatch = |kind, message| Mismatch {
        configuration: configuration.name.clone(),
        kind,
        message,
    };
    let run = || {
        let mut subject = subject::load(configuration, program, exports)?;
        anyhow::Ok(history(&mut subject, exports, program.seed, fuel))
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
fn history<M: Machine>(
    machines: &mut [M],
    exports: &Exports,
    seed: u64,
    fuel: Option<u64>,
) -> History {
    let instantiate = |machine: &mut M| {
        if fuel.is_some() {
            machine.set_fuel(AMPLE);
        }
        machine.instantiate()
    };
    let outcomes: Vec<_> = machines.iter_mut().map(instantiate).collect();
    let failed = outcomes.iter().any(Result::is_err);
    let steps = outcomes.into_iter().zip(&mut *machines);
    let mut history: History = steps
        .map(|(outcome, machine)| Step {
            call: "instantiate".to_string(),
            outcome,
            state: if failed {
                Vec::new()
            } else {
                state(machine, exports)
            },
            fuel: fuel.map(|_| machine.fuel()),
        })
        .collect();
    if failed {
        return history;
    }
    for function in &exports.functions {
        if !machines
            .iter_mut()
            .all(|machine| instantiate(machine).is_ok())
        {
            return history;
        }
        let steps = match machines {
            [machine] => calls(machine, 0, function, exports, seed, fuel, state),
            _ => on_threads(machines, function, exports, seed),
        };
        let mut overflows = steps.iter().filter(|step| is_overflow(&step.outcome));
        if let Some(overflow) = overflows.next() {
            // Other threads may have seen what this one did not do any more.
            let mut kept = steps.clone();
            kept.retain(|_| machines.len() == 1);
            history.extend(kept);
            history.push(overflow.clone());
            return history;
        }
        history.extend(steps);
    }
    history
}

/// What every exported item holds.
fn state<M: Machine>(machine: &mut M, exports: &Exports) -> Vec<Vec<Value>> {
    let items = exports.items.iter();
    items.map(|item| machine.state(item)).collect()
}

/// Calls an export some times on one thread.
fn calls<M: Machine>(
    machine: &mut M,
    thread: usize,
    function: &Function,
    exports: &Exports,
    seed: u64,
    fuel: Option<u64>,
    state: impl Fn(&mut M, &Exports) -> Vec<Vec<Value>>,
) -> Vec<Step> {
    // From the name, so that arguments stay the same where other exports are taken away.
    let of_function = digest(function.name.as_bytes()) ^ function.module as u64;
    let mut rng = Rng::with_seed(seed ^ of_function ^ ((thread as u64) << 32));
    let prefix = match exports.enter.is_empty() {
        true => String::new(),
        false => format!("thread {thread}: "),
    };
    let mut steps = Vec::new();
    for call in 0..CALLS {
        for enter in &exports.enter {
            let numbers = [Value::I32(thread as i32), Value::I32(call as i32)];
            machine.call(enter, &numbers).expect("all threads come");
        }
        let params = function.params.iter();
        let arguments: Vec<_> = params.map(|&ty| argument(ty, &mut rng)).collect();
        if let Some(fuel) = fuel {
            machine.set_fuel(fuel);
        }
        let outcome = machine.call(function, &arguments);
        for leave in &exports.leave {
            machine.call(leave, &[]).expect("all threads come");
        }
        let overflow = is_overflow(&outcome);
        steps.push(Step {
            call: format!(
                "{prefix}m{}.{}({arguments:x?})",
                function.module, function.name
            ),
            outcome,
            state: state(machine, exports),
            fuel: fuel.map(|_| machine.fuel()),
        });
        if overflow && exports.enter.is_empty() {
            break;
        }
    }
    steps
}

/// Calls an export some times on all threads at once. The state is looked at when all are done.
fn on_threads<M: Machine>(
    machines: &mut [M],
    function: &Function,
    exports: &Exports,
    seed: u64,
) -> Vec<Step> {
    let mut histories = thread::scope(|scope| {
        let machines = machines.iter_mut().enumerate();
        let threads = machines.map(|(number, machine)| {
            let none = |_: &mut M, _: &Exports| Vec::new();
            let calls = move || calls(machine, number, function, exports, seed, None, none);
            let builder = thread::Builder::new().stack_size(STACK);
            builder.spawn_scoped(scope, calls).expect("a thread starts")
        });
        let threads: Vec<_> = threads.collect();
        let histories = threads.into_iter().map(ScopedJoinHandle::join);
        let histories: Vec<_> = histories.collect();
        let histories = histories.into_iter();
        let histories = histories.map(|steps| steps.unwrap_or_else(|panic| resume_unwind(panic)));
        histories.collect::<Vec<_>>()
    });
    for (steps, machine) in histories.iter_mut().zip(machines) {
        steps.last_mut().expect("some calls").state = state(machine, exports);
    }
    histories.concat()
}

fn is_overflow(outcome: &Outcome) -> bool {
    matches!(outcome, Err(Failure::Trap(Trap::StackOverflow)))
}

/// Whether outcomes are the same. Where the address of a wait or notify is both unaligned and
/// beyond what its type can hold, the oracle traps for the second reason, as it adds the offset
/// first; the standard does not tell traps apart.
fn agree(expected: &Outcome, actual: &Outcome) -> bool {
    let both_apply = matches!(
        (expected, actual),
        (
            Err(Failure::Trap(Trap::MemoryOutOfBounds)),
            Err(Failure::Trap(Trap::UnalignedAtomic))
        )
    );
    both_apply || expected == actual
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
        if expected.call != actual.call || !agree(&expected.outcome, &actual.outcome) {
            let (expected, actual) = (&expected.outcome, &actual.outcome);
            return Err(format!("{call}: expected {expected:x?}, found {actual:x?}"));
        }
        if let Some((expected, actual)) = expected.fuel.zip(actual.fuel)
            && expected != actual
        {
            return Err(format!(
                "fuel left after {call}: expected {expected}, found {actual}"
            ));
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
