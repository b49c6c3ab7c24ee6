//! `upshift lab validate`: whether simulations of a recorded program come true.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use upshift::profiler::{LogConfig, Record};
use upshift::tiering::TieringConfig;
use upshift::{Config, Printable, Result, Switching};
use upshift_lab::experiment::{SetupError, workers};
use upshift_lab::simulate::simulate;
use upshift_lab::stats::median;
use upshift_lab::trace::Trace;
use upshift_lab::workload::Workload;

use super::input::{Place, tiering, trace};
use super::misused;
use super::runs::{Program, Sampling};
use crate::options::{Command, RunArguments, interpret};
use crate::report;

/// The policies that are compared unless others are named: none was used to record the trace.
const POLICIES: [&str; 8] = [
    "cost-model",
    "cost-model:alpha=0.1",
    "fixed-budget:units=100000",
    "fixed-budget:units=10000000",
    "v8-budget:budget=1800000",
    "sm-cost",
    "jsc-points",
    "hotspot",
];

const AFTER_HELP: &str = "\
Runs the program for real under each policy and compares with what `lab simulate` says of its trace:
wall time from the program's begin to its end, and processor time of the program and of compile
threads. The arguments must be those that were recorded. An idle machine gives better times.";

/// Compare simulations of a recorded program with real runs of it
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub struct Arguments {
    /// The recorded run
    #[arg(long, value_name = "TRACE")]
    trace: PathBuf,

    /// A policy to compare, as for `-T policy=`; may be repeated [default: eight of the built-in]
    #[arg(long, value_name = "SPEC")]
    policy: Vec<String>,

    /// Runs under each policy, of which the median counts
    #[arg(
        long,
        value_name = "N",
        default_value = "5",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    runs: u32,

    #[command(flatten)]
    place: Place,

    /// Print one JSON object for each policy instead of a table
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    program: RunArguments,
}

/// What a program took under a policy: for real, or simulated.
#[derive(Clone, Debug, Default)]
struct Took {
    wall_ns: f64,
    /// Processor time of the program's thread and of compile threads.
    cpu_ns: f64,
    /// Processor time of compiling above the lowest tier.
    compile_ns: f64,
    /// The functions that got code above the lowest tier, by index.
    optimized: BTreeSet<u32>,
}

/// Compares and prints.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let options = match interpret(arguments.program.clone()) {
        Ok(Command::Run(options)) => *options,
        Ok(Command::Done(code)) => return Ok(code),
        Ok(_) => return misused("a program is needed: upshift lab validate --trace TRACE FILE"),
        Err(message) => return misused(&message),
    };
    let settings = arguments.program.tiering_settings();
    let policies: Vec<&str> = match arguments.policy.is_empty() {
        true => POLICIES.to_vec(),
        false => arguments.policy.iter().map(String::as_str).collect(),
    };
    let mut configs = Vec::new();
    for policy in policies {
        let mut settings = settings.clone();
        settings.push(format!("policy={policy}"));
        match tiering(&settings) {
            Ok(config) => configs.push((policy, config)),
            Err(error) => return misused(&error.to_string()),
        }
    }
    let trace = trace(&arguments.trace)?;
    let program = Program::new(options)?;
    let matches = trace.header.arguments == program.options.args;
    if !matches {
        report::warning("the trace was recorded with other arguments");
    }
    run_on(arguments.place.cores())?;
    if !arguments.json {
        report::out(HEAD)?;
    }
    let mut errors = Vec::new();
    for (policy, config) in &configs {
        let simulated = match simulated(arguments, config, &trace) {
            Ok(simulated) => simulated,
            Err(error) if error.is::<SetupError>() => return misused(&error.to_string()),
            Err(error) => return Err(error),
        };
        let real = real(arguments, &program, config, policy)?;
        report::out(&line(arguments, policy, &real, &simulated, &trace))?;
        errors.push((
            error(simulated.wall_ns, real.wall_ns),
            error(simulated.cpu_ns, real.cpu_ns),
        ));
    }
    if !arguments.json {
        let of = |which: fn(&(f64, f64)) -> f64| {
            let sizes: Vec<f64> = errors.iter().map(|pair| which(pair).abs()).collect();
            (median(&sizes), sizes.iter().copied().fold(0.0, f64::max))
        };
        let ((wall, wall_worst), (cpu, cpu_worst)) = (of(|pair| pair.0), of(|pair| pair.1));
        report::out(&format!(
            "difference: wall {:.1} % in the median, {:.1} % at most; CPU {:.1} %, {:.1} %\n",
            wall * 100.0,
            wall_worst * 100.0,
            cpu * 100.0,
            cpu_worst * 100.0
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn simulated(arguments: &Arguments, config: &TieringConfig, trace: &Trace) -> Result<Took> {
    let setup = arguments.place.setup(config, trace)?;
    let workload = Workload::new(trace);
    let simulation = simulate(&workload, &setup).whole()?;
    let outcome = &simulation.outcome;
    // As the engine's totals, without what was under way at the end.
    let jobs = outcome.jobs.iter().map(|done| workload.job_ns(done.job));
    let compile_ns: f64 = jobs.sum();
    let indexes = outcome
        .jobs
        .iter()
        .map(|done| trace.functions[done.job.function].index);
    Ok(Took {
        wall_ns: outcome.wall_ns,
        cpu_ns: outcome.guest_ns + compile_ns,
        compile_ns,
        optimized: indexes.collect(),
    })
}

/// The median of real runs.
fn real(
    arguments: &Arguments,
    program: &Program,
    config: &TieringConfig,
    policy: &str,
) -> Result<Took> {
    let workers = workers(config, arguments.place.cores())?.to_string();
    let (mut all, mut optimized) = (Vec::new(), BTreeSet::new());
    for number in 1..=arguments.runs {
        let _ = report::err(&format!(
            "lab validate: {}, {number} of {}\n",
            Printable(policy),
            arguments.runs
        ));
        let config = program.config(Sampling::Off, &[("policy", policy), ("threads", &workers)])?;
        all.push(took(
            program,
            config.clone().event_log(LogConfig::default()),
        )?);
        if number == arguments.runs {
            // Its own run, as keeping events takes time.
            let module = program.load(&config)?;
            program.run(&module, |_, _| {})?;
            optimized = self::optimized(&module.engine().event_log().records());
        }
    }
    let of = |which: fn(&Took) -> f64| median(&all.iter().map(which).collect::<Vec<_>>());
    Ok(Took {
        wall_ns: of(|took| took.wall_ns),
        cpu_ns: of(|took| took.cpu_ns),
        compile_ns: of(|took| took.compile_ns),
        optimized,
    })
}

/// Runs the program once. A thread that compiles when it ends is not waited for.
fn took(program: &Program, config: &Config) -> Result<Took> {
    let module = program.load(config)?;
    let ran = program.run(&module, |_, _| {})?;
    let compile_ns = module.engine().event_log().stats().optimizer.cpu.0 as f64;
    let elsewhere = match config.tiering_config().switching {
        // The program's own thread compiles.
        Switching::Synchronous => 0.0,
        _ => compile_ns,
    };
    Ok(Took {
        wall_ns: ran.wall_ns,
        cpu_ns: ran.cpu_ns + elsewhere,
        compile_ns,
        optimized: BTreeSet::new(),
    })
}

/// The functions that got code above the lowest tier.
fn optimized(records: &[Record]) -> BTreeSet<u32> {
    let placed = records.iter().filter_map(|record| record.event.placed());
    let above = placed.filter(|(code, ..)| code.level > 0);
    above.map(|(code, ..)| code.func.func.0).collect()
}

/// How far the simulated value is from the real one, as part of that.
fn error(simulated: f64, real: f64) -> f64 {
    simulated / real - 1.0
}

/// The part of the work (in time at the lowest level) of functions that either optimized which is
/// in functions that both did.
fn overlap(real: &Took, simulated: &Took, trace: &Trace) -> f64 {
    let work = Workload::new(trace).level_ns();
    let sum = |wanted: &dyn Fn(&u32) -> bool| -> f64 {
        let functions = trace.functions.iter().zip(&work);
        let wanted = functions.filter(|(function, _)| wanted(&function.index));
        wanted.map(|(_, work)| work[0]).sum()
    };
    let (one, other) = (&real.optimized, &simulated.optimized);
    let both = sum(&|index| one.contains(index) && other.contains(index));
    let either = sum(&|index| one.contains(index) || other.contains(index));
    if either > 0.0 { both / either } else { 1.0 }
}

fn line(
    arguments: &Arguments,
    policy: &str,
    real: &Took,
    simulated: &Took,
    trace: &Trace,
) -> String {
    let overlap = overlap(real, simulated, trace);
    if arguments.json {
        let object = serde_json::json!({
            "program": trace.header.program,
            "arguments": trace.header.arguments,
            "policy": policy,
            "cores": arguments.place.cores(),
            "real_wall_ns": real.wall_ns,
            "simulated_wall_ns": simulated.wall_ns,
            "real_cpu_ns": real.cpu_ns,
            "simulated_cpu_ns": simulated.cpu_ns,
            "real_compile_ns": real.compile_ns,
            "simulated_compile_ns": simulated.compile_ns,
            "overlap": overlap,
        });
        return format!("{object}\n");
    }
    let mut line = format!("{:<28}", Printable(policy).to_string());
    for (real, simulated) in [
        (real.wall_ns, simulated.wall_ns),
        (real.cpu_ns, simulated.cpu_ns),
    ] {
        let percent = error(simulated, real) * 100.0;
        let (real, simulated) = (real / 1e6, simulated / 1e6);
        let _ = write!(line, "{real:10.1}{simulated:10.1}{percent:+7.1} %");
    }
    let (real, simulated) = (real.compile_ns / 1e6, simulated.compile_ns / 1e6);
    line + &format!("{real:10.1}{simulated:10.1}{overlap:9.2}\n")
}

/// The head of the table.
const HEAD: &str = "\
policy                        wall, ms simulated    error   CPU, ms simulated    error   compile \
simulated  overlap
";

/// Lets this process and all threads that it starts run on so many cores only.
fn run_on(cores: u32) -> Result<()> {
    let allowed = sched_getaffinity(None).context("cannot tell the cores of this process")?;
    let mut set = CpuSet::new();
    let mut left = cores;
    for core in (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core)) {
        if left == 0 {
            break;
        }
        set.set(core);
        left -= 1;
    }
    anyhow::ensure!(
        left == 0,
        "this process may use {} cores only, not {cores}",
        allowed.count()
    );
    sched_setaffinity(None, &set).context("cannot choose the cores of this process")
}
