//! Programs that once differed, and newly generated ones for some time, agree in all engines.
//!
//! The time is `UPSHIFT_FUZZ_SECONDS`, and the numbers start at `UPSHIFT_FUZZ_SEED`. They run in a
//! process of their own: where generated code crashes it or hangs, the program is in a file, which
//! the test's failure names.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use upshift_differential::configuration::{self, Configuration, Fuel, Nans, Pauses, Vectors};
use upshift_differential::program::Program;
use upshift_differential::run::{self, Kind};
use upshift_differential::supervise::{self, Failure};
use upshift_differential::value::Value;
use upshift_differential::{case, generate, minimize};
use wasmparser::{Operator, Parser, Payload};

/// How long generated programs run.
const SECONDS: u64 = 50;
/// How long one of them may run in all its configurations, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(240);
/// The fewest programs, and calls that return, in the time: below that the test has become
/// worthless.
const AT_LEAST: usize = 50;
/// The least share of the programs that run in Wasmtime too, in percent. The others have vector
/// operators of which the standard leaves the results open.
const BY_ORACLE: usize = 90;
/// What some of the programs have. (The rest is in most.)
const FEATURES: [&str; 7] = [
    "vectors",
    "typed references",
    "64-bit indexes",
    "atomics",
    "exceptions",
    "legacy exceptions",
    "two threads",
];

fn number(variable: &str, default: u64) -> u64 {
    let text = std::env::var(variable).ok();
    text.map_or(default, |text| text.parse().expect("a number"))
}

/// Names what a test's own process does when a test has started it to watch it.
const WATCHED: &str = "UPSHIFT_DIFFERENTIAL_WATCHED";

/// Runs a test in a process of its own, which the variable tells what to do.
fn watch(test: &str, what: &str, patience: Duration) -> Result<ExitStatus, Failure> {
    let mut command = Command::new(std::env::current_exe().expect("the test has a file"));
    command.args([test, "--exact", "--nocapture"]);
    command.env(WATCHED, what);
    supervise::watch(&mut command, &current(what), patience)
}

/// Where a program is while it runs.
fn current(what: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("differential-{what}.wat"))
}

#[test]
fn generated_programs_agree() {
    if std::env::var(WATCHED).is_ok() {
        return run_generated_programs();
    }
    let status = watch("generated_programs_agree", "generated", PATIENCE);
    let status = status.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(status.success(), "programs differ, see above");
}

#[test]
fn a_crash_and_a_hang_leave_their_program_behind() {
    let program = (0..)
        .find_map(generate::generate)
        .expect("some number leads to a program");
    if let Ok(what) = std::env::var(WATCHED) {
        case::write(&current(&what), &program, "it ends badly").expect("writable");
        match what.as_str() {
            "crash" => std::process::abort(),
            _ => loop {
                std::thread::park();
            },
        }
    }
    for (what, patience) in [("crash", PATIENCE), ("hang", Duration::from_secs(3))] {
        let file = current(what);
        std::fs::remove_file(&file).ok();
        let test = "a_crash_and_a_hang_leave_their_program_behind";
        let failure = watch(test, what, patience).expect_err("it does not end well");
        match (what, &failure) {
            ("crash", Failure::Crashed { .. }) | ("hang", Failure::Hung { .. }) => {}
            _ => panic!("{what}: {failure}"),
        }
        let message = failure.to_string();
        assert!(message.contains(&file.display().to_string()), "{message}");
        assert_eq!(case::read(&file).expect("a case").seed, program.seed);
    }
}

fn run_generated_programs() {
    let end = Instant::now() + Duration::from_secs(number("UPSHIFT_FUZZ_SECONDS", SECONDS));
    let (mut programs, mut by_oracle, mut linked, mut returned) = (0, 0, 0, 0);
    let mut features = HashSet::new();
    for number in number("UPSHIFT_FUZZ_SEED", 0).. {
        if Instant::now() >= end {
            break;
        }
        let Some(program) = generate::generate(number) else {
            continue;
        };
        let about = format!("program {number}");
        case::write(&current("generated"), &program, &about).expect("writable");
        let agreement = run::run(&program, &run::configurations_of(number));
        let agreement = agreement.unwrap_or_else(|mismatch| panic!("program {number} {mismatch}"));
        features.extend(program.features());
        programs += 1;
        by_oracle += usize::from(agreement.by_oracle);
        linked += usize::from(program.modules.len() > 1);
        let steps = agreement.history.iter();
        returned += steps.filter(|step| step.outcome.is_ok()).count();
    }
    println!(
        "{programs} programs, {by_oracle} of them also in Wasmtime, {linked} of several modules; \
         {returned} calls returned"
    );
    assert!(
        programs >= AT_LEAST && returned >= AT_LEAST,
        "too little in the time"
    );
    for feature in FEATURES {
        assert!(features.contains(feature), "no program has {feature}");
    }
    assert!(
        by_oracle * 100 >= programs * BY_ORACLE,
        "only {by_oracle} of {programs} programs ran in Wasmtime"
    );
    assert!(
        linked > programs / 10,
        "hardly a program has several modules"
    );
}

#[test]
fn programs_that_once_differed_agree() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let all: Vec<&Configuration> = configuration::ALL.iter().collect();
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("the folder exists") {
        let path = entry.expect("readable").path();
        let program = case::read(&path).expect("a case");
        if let Err(mismatch) = run::run(&program, &all) {
            panic!("{} {mismatch}", path.display());
        }
        count += 1;
    }
    assert!(count > 0, "no case");
}

#[test]
fn a_difference_is_noticed() {
    let program = (0..)
        .find_map(generate::generate)
        .expect("some number leads to a program");
    let exports = program.exports().expect("valid");
    let run = run::run(&program, &run::configurations_of(0)).expect("it agrees");
    assert!(run::compare(&run.history, &run.history, &exports).is_ok());
    for step in 0..run.history.len() {
        let mut other = run.history.clone();
        match &mut other[step].outcome {
            Ok(results) => results.push(Value::I32(1)),
            Err(_) => other[step].outcome = Ok(Vec::new()),
        }
        assert!(
            run::compare(&run.history, &other, &exports).is_err(),
            "step {step}"
        );
        let mut other = run.history.clone();
        if let Some(item) = other[step].state.first_mut() {
            item.push(Value::Null);
            assert!(
                run::compare(&run.history, &other, &exports).is_err(),
                "step {step}"
            );
        }
    }
}

#[test]
fn a_refused_module_is_noticed() {
    let program = Program {
        // A module with an import that the host does not have a type for: not valid.
        modules: vec![b"\0asm\x01\0\0\0".to_vec()],
        seed: 0,
    };
    let mut config = upshift::Config::new();
    config.wasm_simd(false).wasm_relaxed_simd(false);
    let off = upshift::Engine::new(&config).expect("an engine");
    let configuration = Configuration {
        name: "without vectors".to_string(),
        engine: off,
        nans: Nans::Computed,
        vectors: Vectors::Native,
        fuel: Fuel::Unlimited,
        pauses: Pauses::None,
    };
    assert!(run::run(&program, &[&configuration]).is_ok());
    let vectors = case_of("(module (func (export \"f\") (result v128) v128.const i64x2 1 2))");
    let mismatch = run::run(&vectors, &[&configuration]).expect_err("it is refused");
    assert_eq!(mismatch.kind, Kind::Refused);
}

fn case_of(text: &str) -> Program {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("case.wat");
    std::fs::write(&path, format!(";; arguments: 7\n{text}")).expect("writable");
    case::read(&path).expect("a case")
}

#[test]
fn cases_are_read_as_they_were_written() {
    let program = (0..)
        .find_map(generate::generate)
        .expect("some number leads to a program");
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("written.wat");
    case::write(&path, &program, "two\nlines").expect("writable");
    let read = case::read(&path).expect("a case");
    assert_eq!(read.seed, program.seed);
    let all = run::configurations_of(0);
    let [before, after] = [&program, &read].map(|program| run::run(program, &all).expect("agree"));
    assert_eq!(before.history, after.history);
}

/// Whether a program has a multiplication: stands in for a difference that one causes.
fn multiplies(program: &Program) -> bool {
    let bodies = program
        .modules
        .iter()
        .flat_map(|wasm| Parser::new(0).parse_all(wasm));
    bodies.filter_map(Result::ok).any(|payload| match payload {
        Payload::CodeSectionEntry(body) => {
            let mut operators = body.get_operators_reader().expect("valid").into_iter();
            operators.any(|operator| matches!(operator, Ok(Operator::I32Mul)))
        }
        _ => false,
    })
}

#[test]
fn minimizing_leaves_little_more_than_the_cause() {
    let mut programs = (0..).filter_map(generate::generate);
    let program = programs.find(multiplies).expect("some program multiplies");
    let size = |program: &Program| program.modules.iter().map(Vec::len).sum::<usize>();
    let small = minimize::minimize(&program, Duration::from_secs(60), multiplies);
    assert!(multiplies(&small) && small.exports().is_ok());
    assert!(
        size(&small) * 3 < size(&program),
        "{} of {}",
        size(&small),
        size(&program)
    );
    // It still ends by itself.
    run::run(&small, &run::configurations_of(0)).expect("it agrees");
}
