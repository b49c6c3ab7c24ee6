//! Real programs in every execution mode, compared with Wasmtime.
//!
//! Each test is one program in one mode: `program/clang/zeal`. The expected result comes from
//! Wasmtime, in process, once per program; for libraries it is the checksum in their manifest.
//! Kernels are in the source tree; libraries and large programs are in `corpus/`, and without it
//! their tests fail, naming the command that builds or fetches them.

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use libtest_mimic::{Arguments, Failed, Trial};
use upshift::{Config, MemoryBounds, Strategy, Switching};
use upshift_benches::corpus::{self, Size};
use upshift_benches::engines::{Engine, Job, Outcome, Upshift, Wasmtime};

/// The execution modes: all must give the same result.
fn modes() -> Vec<(&'static str, Config)> {
    let mode = |name, set: fn(&mut Config)| {
        let mut config = Config::new();
        set(&mut config);
        (name, config)
    };
    vec![
        mode("baseline", |c| {
            c.strategy(Strategy::Baseline);
        }),
        mode("optimizer", |c| {
            c.strategy(Strategy::Optimizer);
        }),
        mode("tiered-sync", |c| {
            c.switching(Switching::Synchronous);
        }),
        mode("tiered-background", |_| ()),
        mode("zeal", |c| {
            c.switching(Switching::Zeal { seed: 1 });
        }),
        mode("explicit-bounds", |c| {
            c.memory_bounds(MemoryBounds::Explicit);
        }),
    ]
}

/// A program, and its expected result, which is computed when first needed.
struct Case {
    name: String,
    wasm: Box<dyn Fn() -> Result<Vec<u8>> + Send + Sync>,
    job: Job,
    expected: Mutex<Option<Arc<Outcome>>>,
}

impl Case {
    /// The expected result; other threads that need it wait, as computing it can take half a
    /// minute.
    fn expected(&self, wasm: &[u8]) -> Result<Arc<Outcome>> {
        let mut expected = self.expected.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(outcome) = &*expected {
            return Ok(Arc::clone(outcome));
        }
        let outcome = oracle(wasm).load(wasm)?.run(&self.job);
        let outcome = Arc::new(outcome.context("the oracle failed")?);
        Ok(Arc::clone(expected.insert(outcome)))
    }

    fn check(&self, mode: &str, config: Config) -> Result<()> {
        let wasm = (self.wasm)()?;
        let expected = self.expected(&wasm)?;
        let found = Upshift::new(mode, config).load(&wasm)?.run(&self.job)?;
        ensure!(
            found == *expected,
            "found {found:#?}\nexpected {expected:#?}"
        );
        Ok(())
    }
}

/// Wasmtime with Cranelift, but for large modules with Winch, which compiles ten times faster.
fn oracle(wasm: &[u8]) -> Wasmtime {
    if wasm.len() > 1_000_000 {
        Wasmtime::winch()
    } else {
        Wasmtime::cranelift()
    }
}

fn cases() -> Result<Vec<Case>> {
    let kernels = corpus::kernels()?.into_iter().map(|kernel| Case {
        name: format!("kernel/{}", kernel.name),
        job: kernel.job(Size::Test),
        wasm: Box::new(move || kernel.wasm()),
        expected: Mutex::default(),
    });
    let libraries = corpus::libraries()?.into_iter().map(|library| Case {
        name: format!("library/{}", library.name),
        job: library.job(Size::Test),
        expected: Mutex::new(Some(Arc::new(library.outcome(Size::Test)))),
        wasm: Box::new(move || library.wasm()),
    });
    let programs = corpus::programs()?.into_iter().map(|program| Case {
        name: format!("program/{}", program.name),
        job: program.job(Size::Test),
        wasm: Box::new(move || program.wasm()),
        expected: Mutex::default(),
    });
    Ok(kernels.chain(libraries).chain(programs).collect())
}

/// Zeal compiles most functions many times; for a compiler of 66 MB of code that takes minutes.
const MINUTES: &[&str] = &["program/clang/zeal"];

fn trial(case: &Arc<Case>, mode: &'static str, config: Config) -> Trial {
    let case = Arc::clone(case);
    let name = format!("{}/{mode}", case.name);
    let slow = MINUTES.contains(&name.as_str());
    let run = move || {
        let result = case.check(mode, config);
        result.map_err(|error| Failed::from(format!("{error:?}")))
    };
    Trial::test(name, run).with_ignored_flag(slow)
}

fn main() -> ExitCode {
    let args = Arguments::from_args();
    let cases = match cases() {
        Ok(cases) => cases,
        Err(error) => {
            eprintln!("cannot list the programs: {error:?}");
            return ExitCode::FAILURE;
        }
    };
    let trials = cases.into_iter().map(Arc::new).flat_map(|case| {
        let modes = modes().into_iter();
        modes.map(move |(mode, config)| trial(&case, mode, config))
    });
    libtest_mimic::run(&args, trials.collect()).exit_code()
}
