//! Real programs in every execution mode, compared with Wasmtime.
//!
//! Each test is one program in one mode: `program/clang/zeal`. The expected result comes from
//! Wasmtime, in process, once per program; for libraries it is the checksum in their manifest, and
//! for programs whose digest is in theirs, that.
//! Kernels are in the source tree; libraries and large programs are in `corpus/`, and without it
//! their tests fail, naming the command that builds or fetches them.

mod real_program_cases {
    pub mod emscripten;
    pub mod shell;
    pub mod tensors;
}

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use libtest_mimic::{Arguments, Failed, Trial};
use real_program_cases::emscripten::{self, Subject};
use real_program_cases::{shell, tensors};
use upshift::{Config, Engine as UpshiftEngine, MemoryBounds, Module, Strategy, Switching};
use upshift_benches::corpus::{self, LoadOnly, Size};
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

/// A program, and its expected result.
struct Case {
    name: String,
    wasm: Box<dyn Fn() -> Result<Vec<u8>> + Send + Sync>,
    job: Job,
    expected: Expected,
}

/// The result of a correct run.
enum Expected {
    /// The oracle's outcome, which is computed when first needed.
    Oracle(Mutex<Option<Arc<Outcome>>>),
    /// A known outcome.
    Outcome(Outcome),
    /// The digest of a known outcome.
    Digest(String),
}

impl Case {
    /// The oracle's outcome; other threads that need it wait, as computing it can take half a
    /// minute.
    fn oracle(&self, expected: &Mutex<Option<Arc<Outcome>>>, wasm: &[u8]) -> Result<Arc<Outcome>> {
        let mut expected = expected.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(outcome) = &*expected {
            return Ok(Arc::clone(outcome));
        }
        let outcome = oracle(wasm).load(wasm)?.run(&self.job);
        let outcome = Arc::new(outcome.context("the oracle failed")?);
        Ok(Arc::clone(expected.insert(outcome)))
    }

    fn check(&self, mode: &str, config: Config) -> Result<()> {
        let wasm = (self.wasm)()?;
        let run = || Upshift::new(mode, config).load(&wasm)?.run(&self.job);
        let compare = |found: Outcome, expected: &Outcome| {
            ensure!(
                found == *expected,
                "found {found:#?}\nexpected {expected:#?}"
            );
            Ok(())
        };
        match &self.expected {
            Expected::Oracle(outcome) => {
                let expected = self.oracle(outcome, &wasm)?;
                compare(run()?, &expected)
            }
            Expected::Outcome(expected) => compare(run()?, expected),
            Expected::Digest(expected) => {
                let found = run()?;
                let digest = found.digest();
                ensure!(digest == *expected, "found {found:#?} with digest {digest}");
                Ok(())
            }
        }
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
        expected: Expected::Oracle(Mutex::default()),
    });
    let libraries = corpus::libraries()?.into_iter().map(|library| Case {
        name: format!("library/{}", library.name),
        job: library.job(Size::Test),
        expected: Expected::Outcome(library.outcome(Size::Test)),
        wasm: Box::new(move || library.wasm()),
    });
    let programs = corpus::programs()?.into_iter().map(|program| Case {
        name: format!("program/{}", program.name),
        job: program.job(Size::Test),
        expected: match program.digest(Size::Test) {
            Some(digest) => Expected::Digest(digest.to_owned()),
            None => Expected::Oracle(Mutex::default()),
        },
        wasm: Box::new(move || program.wasm()),
    });
    Ok(kernels.chain(libraries).chain(programs).collect())
}

/// Zeal compiles most functions many times; for modules of 70 MB that takes minutes.
const MINUTES: &[&str] = &["program/clang/zeal", "program/yosys_exceptions/zeal"];

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

/// Larger modules are compiled whole by the optimizer only if ignored tests are run: it takes
/// minutes.
const OPTIMIZED: u64 = 4_000_000;

/// The bytes of a module that imports more than WASI.
fn read(module: &LoadOnly) -> Result<Vec<u8>> {
    let path = module.path();
    let fetch = || {
        format!(
            "cannot read `{}`; run scripts/fetch-corpus first",
            path.display()
        )
    };
    std::fs::read(&path).with_context(fetch)
}

/// Compiles every function of a module that imports more than WASI.
fn compile(module: &LoadOnly, strategy: Strategy) -> Result<()> {
    let wasm = read(module)?;
    let mut config = Config::new();
    config.strategy(strategy).eager(true);
    Module::from_binary(&UpshiftEngine::new(&config)?, &wasm)?;
    Ok(())
}

/// The tests of modules that are libraries of JavaScript: those that are fetched as programs are.
fn module_trials() -> Result<Vec<Trial>> {
    let mut trials = Vec::new();
    for module in corpus::modules()?
        .into_iter()
        .filter(|module| module.tested)
    {
        let size = std::fs::metadata(module.path()).map_or(0, |file| file.len());
        let strategies = [
            ("baseline", Strategy::Baseline),
            ("optimizer", Strategy::Optimizer),
        ];
        for (name, strategy) in strategies {
            let label = format!("module/{}/{name}", module.name);
            let slow = strategy == Strategy::Optimizer && size >= OPTIMIZED;
            let trial = {
                let module = module.clone();
                trial_of(label, move || compile(&module, strategy))
            };
            trials.push(trial.with_ignored_flag(slow));
        }
        let mut known = emscripten::MODULES.iter();
        if let Some(known) = known.find(|known| known.name == module.name) {
            let check = emscripten::check_constructors;
            trials.extend(emscripten_trials(&module, known, "constructors", check));
            if module.name == "ffmpeg" {
                let check = emscripten::check_ffmpeg;
                trials.extend(emscripten_trials(&module, known, "encode", check));
            }
        }
        if module.name == "tfjs" {
            for (mode, config) in modes() {
                let module = module.clone();
                let check = move || tensors::check(&read(&module)?, &config);
                trials.push(trial_of(format!("module/tfjs/tensors/{mode}"), check));
            }
        }
    }
    Ok(trials)
}

/// The tests that a module of Emscripten does the same in every mode, and in Wasmtime, which
/// compiles it whole first: that takes minutes.
fn emscripten_trials(
    module: &LoadOnly,
    known: &'static emscripten::Module,
    what: &str,
    check: fn(&[u8], &'static emscripten::Module, &Subject) -> Result<()>,
) -> Vec<Trial> {
    let trial = |mode: &str, subject: Subject| {
        let module = module.clone();
        let label = format!("module/{}/{what}/{mode}", module.name);
        trial_of(label, move || check(&read(&module)?, known, &subject))
    };
    let modes = modes().into_iter();
    let modes = modes.map(|(mode, config)| trial(mode, Subject::Upshift(Box::new(config))));
    let mut trials: Vec<_> = modes.collect();
    if known.in_wasmtime {
        trials.push(trial("wasmtime", Subject::Wasmtime).with_ignored_flag(true));
    }
    trials
}

fn trial_of(label: String, check: impl FnOnce() -> Result<()> + Send + 'static) -> Trial {
    let run = || check().map_err(|error| Failed::from(format!("{error:?}")));
    Trial::test(label, run)
}

/// The programs with exceptions, in C++ and Rust and in both forms, and what they print when they
/// are compiled for the machine itself.
const EXCEPTIONS: [(&str, &str); 4] = [
    ("standard", SHAPES),
    ("legacy", SHAPES),
    ("unwind-standard", UNWIND),
    ("unwind-legacy", UNWIND),
];
const SHAPES: &str = "exceptions 9046de23e2fe4fa3\nerror Error\n";
const UNWIND: &str = "unwind 727 899fb2cb35753f84\nlast number 5\n";

fn exceptions(name: &str, expected: &str, mode: &str, config: Config) -> Result<()> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/exceptions");
    let wasm = std::fs::read(format!("{folder}/{name}.wasm"))?;
    let job = Job {
        args: vec![name.to_owned()],
        ..Job::default()
    };
    let found = Upshift::new(mode, config).load(&wasm)?.run(&job)?;
    let stdout = String::from_utf8_lossy(&found.stdout);
    ensure!(found.exit == 0 && stdout == expected, "found {found:#?}");
    Ok(())
}

/// The tests of programs with exceptions.
fn exception_trials() -> impl Iterator<Item = Trial> {
    EXCEPTIONS.into_iter().flat_map(|(name, expected)| {
        modes().into_iter().map(move |(mode, config)| {
            let run = move || {
                let result = exceptions(name, expected, mode, config.clone());
                result.map_err(|error| Failed::from(format!("{error:?}")))
            };
            Trial::test(format!("exceptions/{name}/{mode}"), run)
        })
    })
}

/// The tests of Yosys's shell, which throws and catches exceptions.
fn shell_trials() -> Result<Vec<Trial>> {
    let yosys = corpus::programs()?.into_iter();
    let yosys: Vec<_> = yosys.filter(|p| p.name == "yosys_exceptions").collect();
    let trials = yosys.into_iter().flat_map(|program| {
        modes().into_iter().map(move |(mode, config)| {
            let program = program.clone();
            let run = move || {
                let wasm = program.wasm();
                let job = program.job(Size::Test);
                let result = wasm.and_then(|wasm| shell::check(&wasm, &job, &config));
                result.map_err(|error| Failed::from(format!("{error:?}")))
            };
            Trial::test(format!("program/yosys_exceptions/shell/{mode}"), run)
        })
    });
    Ok(trials.collect())
}

fn main() -> ExitCode {
    let args = Arguments::from_args();
    let listed = cases().and_then(|cases| {
        let mut others = module_trials()?;
        others.extend(shell_trials()?);
        Ok((cases, others))
    });
    let (cases, others) = match listed {
        Ok(found) => found,
        Err(error) => {
            eprintln!("cannot list the programs: {error:?}");
            return ExitCode::FAILURE;
        }
    };
    let trials = cases.into_iter().map(Arc::new).flat_map(|case| {
        let modes = modes().into_iter();
        modes.map(move |(mode, config)| trial(&case, mode, config))
    });
    libtest_mimic::run(
        &args,
        trials.chain(others).chain(exception_trials()).collect(),
    )
    .exit_code()
}
