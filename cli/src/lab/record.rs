//! `upshift lab record`: what a program does, and what its code costs at each level, as a trace.
//!
//! The program is run several times: twice while it counts, some times in code of each level, once
//! beside a thread that compiles, to see how much that disturbs it, and once with many questions to
//! the policy, to see what they take.

use std::borrow::Cow;
use std::io::BufWriter;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use sha2::{Digest as _, Sha256};
use upshift::profiler::LogConfig;
use upshift::tiering::policy::Budget;
use upshift::tiering::{Decision, Memo, Policy, PolicyEvent, TieringConfig, View};
use upshift::{Module, Printable, Result, Tier};
use upshift_lab::record::{Counted, LevelRun, Runs, levels};
use upshift_lab::trace::{Cell, Header, Recorder, Slice};

use super::misused;
use super::runs::{Program, Ran, Sampling, functions, level_run, places};
use crate::options::{Command, RunArguments, interpret};
use crate::output::Output;
use crate::report;

const AFTER_HELP: &str = "\
The program is run several times and must do the same each time: its clocks are virtual and its
random bytes seeded unless -W says otherwise, its input is read once, its output is dropped. It is
run twice with counters at each call and loop, then in code of each tier of `-T tiers=...`, beside a
thread that compiles, and with many questions to the policy. An idle machine gives better times.";

/// Record what a program does and what its code costs in each tier, for simulations
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub struct Arguments {
    /// The file for the trace
    #[arg(short, long, value_name = "TRACE")]
    output: PathBuf,

    /// Runs in each tier
    #[arg(
        long,
        value_name = "N",
        default_value = "3",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    runs: u32,

    /// Time between two copies of the counters, in milliseconds
    #[arg(long, value_name = "MS", default_value = "1")]
    slice_ms: f64,

    /// Record a program that does not do the same in each run: its trace is of one of them
    #[arg(long)]
    tolerate: bool,

    #[command(flatten)]
    program: RunArguments,
}

/// Records the program and writes its trace.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    if !(0.05..=1000.0).contains(&arguments.slice_ms) {
        return misused("--slice-ms: from 0.05 to 1000 is possible");
    }
    let options = match interpret(arguments.program.clone()) {
        Ok(Command::Run(options)) => *options,
        Ok(Command::Done(code)) => return Ok(code),
        Ok(_) => return misused("a program to record is needed: upshift lab record -o TRACE FILE"),
        Err(message) => return misused(&message),
    };
    let program = Program::new(options)?;
    let cannot = || format!("cannot write `{}`", Printable(arguments.output.display()));
    // Opened first, so that a name that can't be written is reported at once.
    let output = Output::create(&arguments.output).with_context(cannot)?;
    let trace = Recording {
        program: &program,
        arguments,
    }
    .record()?;
    let written = output.write(|file| trace.write(BufWriter::new(file)));
    written.with_context(cannot)?;
    Ok(ExitCode::SUCCESS)
}

/// The units after which functions come to a level above the lowest: some 100 us of work, so that
/// calls' targets are known.
const WARM_UNITS: f64 = 100_000.0;

/// The units between two questions to the policy, where their cost is measured.
const ASK_UNITS: u32 = 2_000;

/// What the log does with events of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Events {
    /// It counts them, as in usual runs.
    Counted,
    /// It keeps them.
    Kept,
}

/// The policy by which functions come to a level after [`WARM_UNITS`].
fn warm() -> String {
    format!("fixed-budget:units={WARM_UNITS}:slices=1")
}

struct Recording<'a> {
    program: &'a Program,
    arguments: &'a Arguments,
}

/// Options that all runs of one level have: no code is freed, nothing is tried.
const ALONE: [(&str, &str); 4] = [
    ("mode", "tiered"),
    ("switching", "sync"),
    ("retire", "n"),
    ("evidence", "n"),
];

impl Recording<'_> {
    fn record(&self) -> Result<upshift_lab::trace::Trace> {
        let tiers: Vec<&str> = self.program.options.config.tier_names().collect();
        let (counted, ran) = self.count(true)?;
        let (again, ran_again) = self.count(false)?;
        self.check_repeats(&ran, &ran_again)?;
        let same = totals(&counted.slices) == totals(&again.slices);
        self.check(
            same,
            "the second run did not call and repeat the same as the first",
        )?;
        let mut runs = Vec::new();
        for level in 0..tiers.len() {
            runs.push(self.at_level(&tiers, level, &ran, counted.functions.len())?);
        }
        let without_osr = self.without_osr(&tiers, counted.functions.len())?;
        let slowdown = self.slowdown(&tiers, &runs[0])?;
        let ask_ns = self.ask_ns(&tiers, &runs[0])?;
        let bytes = std::fs::read(&self.program.options.file)?;
        let options = &self.program.options;
        let header = Header {
            program: options.file.display().to_string(),
            arguments: options.args.clone(),
            module: Sha256::digest(&bytes).into(),
            settings: format!("tiers={}", tiers.join("+")),
            seed: options.around.random_seed.unwrap_or_default(),
            machine: super::input::this_machine(),
            levels: levels(tiers.iter().copied()),
            slowdown,
            ask_ns,
            ..Header::default()
        };
        let runs = Runs {
            counted,
            levels: runs,
            without_osr,
            weights: options.config.tiering_config().weights,
        };
        let trace = runs.trace(header)?;
        let seconds = |ns: u64| ns as f64 / 1e9;
        let slices = &trace.slices;
        progress(&format!(
            "{} functions, {:.2} s in {} slices",
            trace.functions.len(),
            seconds(slices.last().map_or(0, |slice| slice.to)),
            slices.len()
        ));
        Ok(trace)
    }

    /// A run with counters at all sites.
    fn count(&self, first: bool) -> Result<(Counted, Ran)> {
        progress(match first {
            true => "counting calls and iterations",
            false => "counting again, to see whether the program repeats itself",
        });
        let mut config = self.program.config(Sampling::On, &[("mode", "baseline")])?;
        config.count_sites(true).eager(true);
        let module = self.program.load(&config)?;
        let functions = functions(&module);
        let cells = functions.iter().enumerate().flat_map(|(number, code)| {
            let sites = 0..code.sites.len() as u32;
            sites.map(move |site| Cell {
                function: number as u32,
                site,
                weight: 1,
            })
        });
        let mut values = Vec::new();
        module.copy_site_counters(&mut values);
        let mut recorder = Recorder::new(cells.collect(), values.clone(), 0)?;
        let period = Duration::from_secs_f64(self.arguments.slice_ms / 1e3);
        let mut copied = Ok(());
        let ran = self.program.run(&module, |clock, ended| {
            let now = || clock.now().map(|time| time.as_nanos() as u64);
            let Some(start) = now() else { return };
            while !ended.load(Ordering::Acquire) && copied.is_ok() {
                thread::sleep(period);
                let Some(at) = now() else { return };
                module.copy_site_counters(&mut values);
                copied = recorder.snapshot(at - start, 0, &values);
            }
        })?;
        copied?;
        let mut values = Vec::new();
        module.copy_site_counters(&mut values);
        recorder.snapshot((ran.cpu_ns as u64).max(recorder.now()), 0, &values)?;
        let counted = Counted {
            functions,
            slices: recorder.finish(),
            places: places(&module.engine().event_log().records()),
        };
        Ok((counted, ran))
    }

    /// The runs that come to code of one level.
    fn at_level(
        &self,
        tiers: &[&str],
        level: usize,
        first: &Ran,
        functions: usize,
    ) -> Result<Vec<LevelRun>> {
        let all = self.arguments.runs;
        let mut runs = Vec::new();
        let (policy, after_units) = match level {
            0 => (Cow::from("never"), 0.0),
            _ => (warm().into(), WARM_UNITS),
        };
        let policy = [("policy", &*policy)];
        // Keeping events takes time with each function's first code: not in runs whose time counts.
        let events = if level == 0 {
            Events::Counted
        } else {
            Events::Kept
        };
        for number in 1..=all {
            progress(&format!("running in {}, {number} of {all}", tiers[level]));
            let (module, ran) = self.run_at(tiers, level, &policy, events, |_, _| {})?;
            self.check_repeats(first, &ran)?;
            let run = level_run(&ran, &module, level.min(1) as u8, functions);
            runs.push(LevelRun { after_units, ..run });
        }
        progress(&format!("compiling all functions in {}", tiers[level]));
        let policy = match level {
            0 => policy,
            _ => [("policy", "first-call")],
        };
        let (module, ran) = self.run_at(tiers, level, &policy, Events::Kept, |_, _| {})?;
        let costs = level_run(&ran, &module, level.min(1) as u8, functions);
        match level {
            0 => runs[0].compiled = costs.compiled,
            _ => runs.push(costs),
        }
        Ok(runs)
    }

    /// A run in which functions come to code of one level, with something else done beside it.
    fn run_at(
        &self,
        tiers: &[&str],
        level: usize,
        tiering: &[(&str, &str)],
        events: Events,
        beside: impl FnOnce(&Module, &AtomicBool),
    ) -> Result<(Module, Ran)> {
        let mut config = self
            .program
            .config(Sampling::On, &[&ALONE, tiering].concat())?;
        let top = tiers[level.max(1).min(tiers.len() - 1)];
        config.tiers([tiers[0], top]);
        if events == Events::Counted {
            config.event_log(LogConfig::default());
        }
        let module = self.program.load(&config)?;
        let beside = |_, ended: &AtomicBool| beside(&module, ended);
        let ran = self.program.run(&module, beside)?;
        Ok((module, ran))
    }

    /// A run in which loops stay in the code in which they began.
    fn without_osr(&self, tiers: &[&str], functions: usize) -> Result<Option<LevelRun>> {
        if tiers.len() < 2 {
            return Ok(None);
        }
        progress("running without OSR entries");
        let options = [("policy", &*warm()), ("osr", "n")];
        let (module, ran) =
            self.run_at(tiers, tiers.len() - 1, &options, Events::Kept, |_, _| {})?;
        Ok(Some(LevelRun {
            after_units: WARM_UNITS,
            ..level_run(&ran, &module, 1, functions)
        }))
    }

    /// What it takes to ask a policy at the end of a budget, in nanoseconds.
    fn ask_ns(&self, tiers: &[&str], alone: &[LevelRun]) -> Result<f64> {
        progress("running with many questions to the policy");
        let mut config = self.program.config(Sampling::On, &ALONE)?;
        config.tiers([tiers[0], tiers[tiers.len() - 1]]);
        let asking = TieringConfig {
            policy: Arc::new(Asking),
            ..config.tiering_config().clone()
        };
        // What is asked is counted, as in usual runs, and not kept.
        config.tiering(asking).event_log(LogConfig::default());
        let module = self.program.load(&config)?;
        let ran = self.program.run(&module, |_, _| {})?;
        let asked = module.engine().event_log().stats().budgets_exhausted;
        let more = ran.cpu_ns - least_cpu(alone);
        Ok((more / asked.max(1) as f64).max(0.0))
    }

    /// How much slower the program is beside no and beside one busy compile thread.
    fn slowdown(&self, tiers: &[&str], alone: &[LevelRun]) -> Result<Vec<f64>> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        if cores < 2 {
            return Ok(Vec::new());
        }
        progress("running beside a thread that compiles");
        let compiling = |module: &Module, ended: &AtomicBool| compile_until(module, ended);
        let (_, beside) =
            self.run_at(tiers, 0, &[("policy", "never")], Events::Counted, compiling)?;
        Ok(vec![1.0, (beside.cpu_ns / least_cpu(alone)).max(1.0)])
    }

    fn check_repeats(&self, first: &Ran, ran: &Ran) -> Result<()> {
        self.check(
            first.end == ran.end,
            "a further run wrote something else, or ended otherwise",
        )
    }

    fn check(&self, holds: bool, what: &str) -> Result<()> {
        if !holds && !self.arguments.tolerate {
            bail!("{what}: only programs that repeat themselves can be recorded (--tolerate)");
        }
        if !holds {
            report::warning(what);
        }
        Ok(())
    }
}

/// Wants to be asked often, and requests nothing.
#[derive(Debug)]
struct Asking;

impl Policy for Asking {
    fn spec(&self) -> String {
        "asking".into()
    }

    fn on(&self, _memo: &mut Memo, _event: PolicyEvent, _view: &View) -> Decision {
        Decision::wait(Budget::Units(ASK_UNITS))
    }
}

/// The processor time of the shortest run.
fn least_cpu(runs: &[LevelRun]) -> f64 {
    let cpu = runs.iter().map(|run| run.cpu_ns);
    cpu.fold(f64::INFINITY, f64::min)
}

/// Compiles the module's functions with the optimizer, one after the other and again, until told.
fn compile_until(module: &Module, ended: &AtomicBool) {
    let functions = module.defined_funcs();
    for function in functions.clone().cycle() {
        if ended.load(Ordering::Acquire) {
            return;
        }
        // What is refused took its time.
        let _ = module.compile_func(function, Tier::Optimizer);
    }
}

/// The passes of each site.
fn totals(slices: &[Slice]) -> std::collections::BTreeMap<(u32, u32), u64> {
    let mut totals = std::collections::BTreeMap::new();
    for count in slices.iter().flat_map(|slice| &slice.counts) {
        *totals.entry((count.function, count.site)).or_default() += count.units;
    }
    totals
}

/// A line on what is going on.
fn progress(what: &str) {
    let _ = report::err(&format!("lab record: {what}\n"));
}
