//! `upshift-benches options`: what options cost that add to code, or watch it.
//!
//! Each job runs in each compiler without any of the options and with one of them: Upshift's
//! compilers with all, Wasmtime's with those that it has. All take turns in a random order, round
//! by round; Upshift's code lies in other places in each round. The cost is a ratio of processor
//! times, the least of all rounds, compilation left out: what disturbs a run makes it longer, so
//! the least is the best that a busy machine lets one see.

mod watch;

use std::fmt;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use upshift::{Config, Module, Strategy};

use crate::corpus::{self, Size};
use crate::engines::{Engine, Job, Loaded, Outcome, Wasmtime, run_upshift};
use crate::measure::Stopwatch;
use crate::stats::geomean;
use crate::table::Table;

/// The selection of what is measured.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Parts of the names of kernels; all if empty.
    pub cases: Vec<String>,
    /// The options; all if empty.
    pub options: Vec<CodeOption>,
    /// The number of timed runs of each kernel in each configuration, at least one.
    pub rounds: u32,
}

/// An option that adds to code, or watches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CodeOption {
    /// `epoch_interruption`, with a deadline that does not come.
    Epochs,
    /// `consume_fuel`, with more of it than is used.
    Fuel,
    /// `coredump_on_trap`, in runs without a trap.
    CoreDumps,
    /// `instrument`, for nothing.
    Unwatched,
    /// `instrument`: all blocks are counted.
    Blocks,
    /// `instrument`: all blocks and both directions of branches are counted.
    Coverage,
    /// `instrument`: each call is told to an observer that does nothing.
    Calls,
    /// The same with the observer switched off.
    CallsOff,
    /// `instrument`: each iteration of a loop is told to an observer that does nothing.
    Probes,
    /// The same with the observer switched off.
    ProbesOff,
}

impl CodeOption {
    fn is_wasmtimes(self) -> bool {
        matches!(self, Self::Epochs | Self::Fuel)
    }

    fn set(self, config: &mut Config) {
        match self {
            Self::Epochs => config.epoch_interruption(true),
            Self::Fuel => config.consume_fuel(true),
            Self::CoreDumps => config.coredump_on_trap(true),
            Self::Unwatched => config.instrument(watch::nothing),
            Self::Blocks => config.instrument(watch::blocks),
            Self::Coverage => config.instrument(watch::coverage),
            Self::Calls | Self::CallsOff => config.instrument(watch::calls),
            Self::Probes | Self::ProbesOff => config.instrument(watch::loops),
        };
    }
}

impl fmt::Display for CodeOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value().expect("no option is skipped");
        f.pad(value.get_name())
    }
}

/// A compiler of code that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compiler {
    /// Upshift's, alone.
    Upshift(Strategy),
    /// Wasmtime's optimizing compiler.
    Cranelift,
    /// Wasmtime's baseline compiler.
    Winch,
}

const COMPILERS: [Compiler; 4] = [
    Compiler::Upshift(Strategy::Baseline),
    Compiler::Upshift(Strategy::Optimizer),
    Compiler::Cranelift,
    Compiler::Winch,
];

impl fmt::Display for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upshift(strategy) => write!(f, "Upshift's {strategy}"),
            Self::Cranelift => f.write_str("Wasmtime's Cranelift"),
            Self::Winch => f.write_str("Wasmtime's Winch"),
        }
    }
}

impl Compiler {
    /// The options that the compiler has.
    fn options(self, wish: &Wish) -> Vec<CodeOption> {
        let all = match wish.options.as_slice() {
            [] => CodeOption::value_variants(),
            some => some,
        };
        let ours = matches!(self, Self::Upshift(_));
        let all = all.iter().copied();
        all.filter(|option| ours || option.is_wasmtimes()).collect()
    }
}

/// A compiler with at most one option, and what was measured of it.
struct Subject {
    compiler: Compiler,
    option: Option<CodeOption>,
    /// Wasmtime's code, which is the same in each round.
    kept: Option<Box<dyn Loaded>>,
    /// Seconds of the shortest run.
    least: f64,
}

impl Subject {
    fn new(compiler: Compiler, option: Option<CodeOption>, wasm: &[u8]) -> Result<Self> {
        let with = |wasmtime: Wasmtime| match option {
            Some(CodeOption::Epochs) => wasmtime.with_epochs(),
            Some(CodeOption::Fuel) => wasmtime.with_fuel(),
            _ => wasmtime,
        };
        let kept = match compiler {
            Compiler::Upshift(_) => None,
            Compiler::Cranelift => Some(with(Wasmtime::cranelift()).load(wasm)?),
            Compiler::Winch => Some(with(Wasmtime::winch()).load(wasm)?),
        };
        Ok(Self {
            compiler,
            option,
            kept,
            least: f64::INFINITY,
        })
    }

    /// Runs the job once more. Upshift compiles it anew, for other places of its code.
    fn run(&mut self, wasm: &[u8], job: &Job, round: u32) -> Result<Outcome> {
        let (outcome, time) = match (self.compiler, &self.kept) {
            (Compiler::Upshift(strategy), _) => {
                let mut config = Config::new();
                config.strategy(strategy).eager(true).layout_seed(round);
                if let Some(option) = self.option {
                    option.set(&mut config);
                }
                let module = Module::from_binary(&upshift::Engine::new(&config)?, wasm)?;
                let off = matches!(
                    self.option,
                    Some(CodeOption::CallsOff | CodeOption::ProbesOff)
                );
                timed(|| {
                    run_upshift(&module, job, |store| {
                        store.observer(watch::Silent);
                        store.set_observing(!off);
                    })
                })?
            }
            (_, Some(module)) => timed(|| module.run(job))?,
            (_, None) => unreachable!("Wasmtime's code is kept"),
        };
        self.least = self.least.min(time);
        Ok(outcome)
    }
}

/// The processor time of a run, in seconds.
fn timed(run: impl FnOnce() -> Result<Outcome>) -> Result<(Outcome, f64)> {
    let watch = Stopwatch::start();
    let outcome = run()?;
    Ok((outcome, watch.elapsed().cpu))
}

/// What was measured of one kernel in one compiler.
#[derive(Clone, Debug)]
struct Row {
    case: String,
    compiler: Compiler,
    /// Seconds without options.
    plain: f64,
    /// Time with an option as a part of that, in the order of options.
    ratios: Vec<f64>,
}

/// What was measured of all kernels.
#[derive(Clone, Debug)]
pub struct Report {
    wish: Wish,
    rows: Vec<Row>,
}

/// Measures the selected kernels. `done` is called with each kernel's name.
///
/// # Errors
///
/// If there is no such kernel, or one fails or gives different results.
pub fn compare(wish: &Wish, mut done: impl FnMut(&str)) -> Result<Report> {
    let wanted =
        |name: &str| wish.cases.is_empty() || wish.cases.iter().any(|part| name.contains(part));
    let kernels = corpus::kernels()?.into_iter().filter(|k| wanted(&k.name));
    let mut rows = Vec::new();
    for kernel in kernels {
        let job = kernel.job(Size::Iteration);
        let measured = measure(wish, &kernel.name, &kernel.wasm()?, &job);
        rows.extend(measured.with_context(|| kernel.name.clone())?);
        done(&kernel.name);
    }
    ensure!(!rows.is_empty(), "no kernel has such a name");
    let wish = wish.clone();
    Ok(Report { wish, rows })
}

fn measure(wish: &Wish, case: &str, wasm: &[u8], job: &Job) -> Result<Vec<Row>> {
    let mut subjects = Vec::new();
    let has_options = |compiler: &Compiler| !compiler.options(wish).is_empty();
    for compiler in COMPILERS.into_iter().filter(has_options) {
        let plain = Subject::new(compiler, None, wasm);
        // Winch lacks some proposals; a kernel that it refuses is measured in the others.
        if compiler == Compiler::Winch && plain.is_err() {
            continue;
        }
        subjects.push(plain?);
        for option in compiler.options(wish) {
            subjects.push(Subject::new(compiler, Some(option), wasm)?);
        }
    }
    let mut expected = None;
    let mut random = fastrand::Rng::with_seed(7);
    let mut order: Vec<_> = (0..subjects.len()).collect();
    for round in 0..wish.rounds {
        random.shuffle(&mut order);
        for &index in &order {
            let outcome = subjects[index].run(wasm, job, round)?;
            let expected = expected.get_or_insert_with(|| outcome.clone());
            ensure!(outcome == *expected, "the results differ");
        }
    }
    let of_compiler = subjects.chunk_by(|one, next| one.compiler == next.compiler);
    let rows = of_compiler.filter_map(|subjects| {
        let (plain, others) = subjects.split_first()?;
        Some(Row {
            case: case.into(),
            compiler: plain.compiler,
            plain: plain.least,
            ratios: others.iter().map(|o| o.least / plain.least).collect(),
        })
    });
    Ok(rows.collect())
}

impl Report {
    /// A table for each compiler, with geometric means in the last row.
    pub fn tables(&self) -> Vec<Table> {
        let measured = |compiler: &Compiler| self.rows.iter().any(|r| r.compiler == *compiler);
        let compilers = COMPILERS.into_iter().filter(measured);
        compilers.map(|compiler| self.table(compiler)).collect()
    }

    fn table(&self, compiler: Compiler) -> Table {
        let options = compiler.options(&self.wish);
        let title = format!("{compiler}: processor time, and with each option as a part of it");
        let columns = options.iter().map(CodeOption::to_string);
        let mut table = Table::new(title, ["ms".to_string()].into_iter().chain(columns));
        let rows: Vec<_> = self
            .rows
            .iter()
            .filter(|r| r.compiler == compiler)
            .collect();
        for row in &rows {
            let ratios = row.ratios.iter().map(|ratio| format!("{ratio:.2}"));
            let plain = format!("{:.1}", row.plain * 1e3);
            table.push(&row.case, [plain].into_iter().chain(ratios).collect());
        }
        let means = (0..options.len()).map(|option| {
            let mean = geomean(rows.iter().map(|row| row.ratios[option]));
            mean.map_or_else(|| "-".into(), |mean| format!("{mean:.3}"))
        });
        table.push(
            "geometric mean",
            [String::new()].into_iter().chain(means).collect(),
        );
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compiler_has_its_own_options_and_means() {
        let wish = Wish {
            cases: Vec::new(),
            options: vec![CodeOption::Fuel, CodeOption::Blocks],
            rounds: 1,
        };
        let row = |case: &str, compiler, ratios: &[f64]| Row {
            case: case.into(),
            compiler,
            plain: 0.01,
            ratios: ratios.into(),
        };
        let baseline = Compiler::Upshift(Strategy::Baseline);
        let rows = vec![
            row("a", baseline, &[1.0, 2.0]),
            row("a", Compiler::Winch, &[3.0]),
            row("b", baseline, &[4.0, 2.0]),
        ];
        let tables = Report { wish, rows }.tables();
        assert_eq!(tables.len(), 2, "of those that were measured");
        assert_eq!(tables[0].columns, ["ms", "fuel", "blocks"]);
        assert_eq!(tables[0].rows[0].1, ["10.0", "1.00", "2.00"]);
        assert_eq!(tables[0].rows[2].1, ["", "2.000", "2.000"]);
        assert_eq!(tables[1].columns, ["ms", "fuel"]);
        assert_eq!(tables[1].rows[1].1, ["", "3.000"]);
        assert_eq!(CodeOption::CoreDumps.to_string(), "core-dumps");
    }
}
