//! What observing costs: `cargo run --release --example observe_cost [FOLDER]`.
//!
//! Runs the kernels in the folder (those of the tests by default, of which each prints its result
//! to standard output) in both tiers: as they are, with all blocks counted, with all branches
//! counted besides, with all functions listened to by an observer that does nothing, and by one
//! that is switched off, with a probe that is switched off at each loop and branch, and with an
//! instrument that asks for nothing. Variants take turns; the least processor time of 15 runs each
//! is compared with that of the kernel as it is.

use std::path::{Path, PathBuf};
use std::time::Duration;

use upshift::observe::{InstrumentedFunc, Observer, OperatorKind};
use upshift::wasi::{WasiCtx, WasiCtxBuilder, add_to_linker};
use upshift::{Config, Engine, Linker, Module, Result, Store, Strategy, ThreadClock};

const ROUNDS: usize = 15;

/// Kernels of calls, short loops and long ones, and their arguments.
const KERNELS: &[(&str, &str)] = &[
    ("fib", "27"),
    ("collatz", "60000"),
    ("sieve", "2000000"),
    ("matmul", "120"),
    ("nbody", "100000"),
    ("quicksort", "300000"),
    ("interp", "20000"),
];

/// Is told everything, and does nothing.
struct Silent;

impl Observer<WasiCtx> for Silent {}

type Ask = fn(&mut InstrumentedFunc<'_>);

/// Whether the observer is switched on.
#[derive(Clone, Copy, PartialEq)]
enum Observing {
    On,
    Off,
}

use Observing::{Off, On};

fn nothing(_: &mut InstrumentedFunc<'_>) {}

fn blocks(func: &mut InstrumentedFunc<'_>) {
    for block in func.blocks() {
        func.count_block(block);
    }
}

fn coverage(func: &mut InstrumentedFunc<'_>) {
    blocks(func);
    for &operator in &*func.operators() {
        func.count_branch(operator);
    }
}

fn calls(func: &mut InstrumentedFunc<'_>) {
    func.listen(0);
}

fn probes(func: &mut InstrumentedFunc<'_>) {
    for operator in &*func.operators() {
        use OperatorKind::{BrIf, BrTable, If, Loop};
        if matches!(operator.kind(), Loop | If | BrIf | BrTable) {
            func.probe_operand(operator.offset(), 0);
        }
    }
}

const VARIANTS: &[(&str, Option<Ask>, Observing)] = &[
    ("as it is", None, On),
    ("nothing asked", Some(nothing), On),
    ("blocks", Some(blocks), On),
    ("coverage", Some(coverage), On),
    ("calls", Some(calls), On),
    ("calls, off", Some(calls), Off),
    ("probes, off", Some(probes), Off),
];

/// A kernel in an engine of one tier.
struct Subject {
    module: Module,
    linker: Linker<WasiCtx>,
    observing: Observing,
    least: Duration,
}

impl Subject {
    fn new(
        tier: Strategy,
        (ask, observing): (Option<Ask>, Observing),
        kernel: &Path,
    ) -> Result<Self> {
        let mut config = Config::new();
        config.strategy(tier);
        if let Some(ask) = ask {
            config.instrument(ask);
        }
        let engine = Engine::new(&config)?;
        let mut linker = Linker::new(&engine);
        add_to_linker(&mut linker, |wasi: &mut WasiCtx| wasi)?;
        Ok(Self {
            module: Module::from_file(&engine, kernel)?,
            linker,
            observing,
            least: Duration::MAX,
        })
    }

    fn run(&mut self, argument: &str) -> Result<()> {
        let wasi = WasiCtxBuilder::new().arg("kernel").arg(argument).build()?;
        let mut store = Store::new(self.module.engine(), wasi);
        store.observer(Silent);
        store.set_observing(self.observing == On);
        let instance = self.linker.instantiate(&mut store, &self.module)?;
        let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
        let clock = ThreadClock::of_this_thread()?;
        let began = clock.now();
        let ended = start.call(&mut store, ());
        let time = clock.now().zip(began).map(|(now, began)| now - began);
        self.least = self.least.min(time.unwrap_or(Duration::MAX));
        match ended {
            Err(error) if !error.is::<upshift::Exit>() => Err(error),
            _ => Ok(()),
        }
    }
}

fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| "tests/programs/kernels".into());
    for tier in [Strategy::Baseline, Strategy::Optimizer] {
        println!("{tier:?}: time of each variant, as a part of that of the kernel as it is");
        let mut logs = vec![0.0; VARIANTS.len()];
        for (name, argument) in KERNELS {
            let kernel = folder.join(name).with_extension("wasm");
            let subjects = VARIANTS
                .iter()
                .map(|&(_, ask, observing)| Subject::new(tier, (ask, observing), &kernel));
            let mut subjects = subjects.collect::<Result<Vec<_>>>()?;
            for round in 0..=ROUNDS {
                for subject in &mut subjects {
                    subject.run(argument)?;
                    if round == 0 {
                        // The first run has compiled.
                        subject.least = Duration::MAX;
                    }
                }
            }
            let base = subjects[0].least;
            print!("  {name:>10} {base:>10.2?}");
            for (subject, log) in subjects.iter().zip(&mut logs) {
                let ratio = subject.least.as_secs_f64() / base.as_secs_f64();
                *log += ratio.ln();
                print!("  {ratio:>6.3}");
            }
            println!();
        }
        print!("  {:>21}", "geometric mean");
        for (log, (name, ..)) in logs.iter().zip(VARIANTS) {
            print!("  {:>6.3} {name}", (log / KERNELS.len() as f64).exp());
        }
        println!();
    }
    Ok(())
}
