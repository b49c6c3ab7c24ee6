//! The benchmarks' command: `cargo run --release -p upshift-benches -- quick`.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use upshift_benches::contender::Contender;
use upshift_benches::engines::Engine;
use upshift_benches::options::{self, CodeOption};
use upshift_benches::plan::{Plan, Wish};
use upshift_benches::record::{Results, Suite};
use upshift_benches::task::Task;
use upshift_benches::worker::{Handicap, Refused};
use upshift_benches::{
    compare, contender, corpus, page, places, run, summary, tables, tiers, worker,
};

/// Measures Upshift beside other engines on this machine.
///
/// Every measurement is a process of its own; the engines of a case take turns in random order.
/// Engines that are linked in always take part. Others do if they are installed: node, bun and
/// wazero from the path or from scripts/fetch-engines, native code from scripts/build-native.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// A checkout of Upshift with kernels and drivers; else UPSHIFT_TREE, else the one around the
    /// current folder or this program.
    #[arg(long, global = true, value_name = "DIR")]
    tree: Option<PathBuf>,
    /// The folder of large programs and other engines; else UPSHIFT_CORPUS, else corpus/ in the
    /// tree. Nothing is fetched: scripts/fetch-corpus does that, and cases without their program
    /// are left out.
    #[arg(long, global = true, value_name = "DIR")]
    corpus: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// The headline figures, in minutes.
    Quick(Common),
    /// Everything: all engines, all cases, several processes each; more than an hour.
    Full(Common),
    /// Say what changed between two runs beyond noise. Exit code 1 if something got worse.
    Compare {
        /// The earlier run.
        first: PathBuf,
        /// The later run.
        second: PathBuf,
    },
    /// Print the tables of a run.
    Show {
        /// The run.
        results: PathBuf,
        /// Only what it comes to, as Markdown.
        #[arg(long)]
        summary: bool,
    },
    /// Draw a run as one HTML page.
    Page {
        /// The run.
        results: PathBuf,
        /// The page.
        page: PathBuf,
    },
    /// Compare both tiers' code of each hot function, on the same inputs.
    Tiers(Tiers),
    /// Compare kernels with options that add to code, or watch it, to those without: in Upshift's
    /// compilers, and in Wasmtime's where they have the option.
    Options {
        /// Only kernels with this in their names; may be repeated.
        #[arg(long = "case", value_name = "PART")]
        cases: Vec<String>,
        /// Only this option; may be repeated.
        #[arg(long = "option", value_name = "OPTION")]
        options: Vec<CodeOption>,
        /// How often each kernel is run in each configuration; the least time counts.
        #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..))]
        rounds: u32,
    },
    /// List the engines that take part here, with versions and flags.
    Engines,
    /// Check that every module of the corpus needs supported proposals only.
    Check,
    /// Do one task in this process.
    #[command(hide = true)]
    Worker {
        #[arg(long)]
        engine: String,
        #[arg(long)]
        flags: String,
        #[arg(long)]
        suite: Suite,
        #[arg(long)]
        layout: u32,
        #[arg(long)]
        handicap: f64,
        task: String,
    },
}

#[derive(Args)]
struct Tiers {
    /// Only jobs of this suite: kernels, libraries or programs; may be repeated. [default: the
    /// first two]
    #[arg(long = "suite", value_name = "SUITE")]
    suites: Vec<Suite>,
    /// Only jobs with this in their names; may be repeated.
    #[arg(long = "case", value_name = "PART")]
    cases: Vec<String>,
    /// How often each job is run in each tier, with another layout of code each time.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Microseconds between two samples.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(20..))]
    interval: u64,
    /// The smallest share of a job's time with which a function is listed.
    #[arg(long, default_value_t = 0.02)]
    share: f64,
    /// The ratio of optimized over baseline time above which a function is a fault.
    #[arg(long, default_value_t = 1.03)]
    limit: f64,
    /// Compare with baseline code that counts calls and loops.
    #[arg(long)]
    counters: bool,
    /// Write both tiers' code of each function that is listed into this folder.
    #[arg(long, value_name = "DIR")]
    dump: Option<PathBuf>,
    /// Exit code 1 if there is a fault.
    #[arg(long)]
    check: bool,
}

#[derive(Args)]
struct Common {
    /// Processes per engine and case; medians are over them. [default: 1 for quick, 3 for full]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    launches: Option<u32>,
    /// Only this suite; may be repeated.
    #[arg(long = "suite", value_name = "SUITE")]
    suites: Vec<Suite>,
    /// Only cases with this in their names; may be repeated.
    #[arg(long = "case", value_name = "PART")]
    cases: Vec<String>,
    /// Only this engine, whether it is usually in the suite or not; may be repeated.
    #[arg(long = "engine", value_name = "ID")]
    engines: Vec<String>,
    /// One more configuration of Upshift, with options of the `upshift` command, which takes part
    /// everywhere; may be repeated: slots=mode=optimizer,self-calls=slot
    #[arg(long = "variant", value_name = "ID=OPTIONS", value_parser = variant)]
    variants: Vec<Contender>,
    /// Where the samples go, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Go on with the run in the JSON file, if there is one: what it has is not measured again.
    #[arg(long)]
    resume: bool,
    /// Make an engine slower by a share of its time, to see whether a comparison notices:
    /// upshift-baseline=0.1
    #[arg(long = "handicap", value_name = "ID=SHARE", value_parser = handicap)]
    handicaps: Vec<(String, f64)>,
}

fn variant(text: &str) -> Result<Contender, String> {
    contender::variant(text).map_err(|error| format!("{error:#}"))
}

fn handicap(text: &str) -> Result<(String, f64), String> {
    let (id, share) = text.split_once('=').ok_or("ID=SHARE is needed")?;
    let share = share
        .parse()
        .ok()
        .filter(|share| (0.0..=10.0).contains(share));
    Ok((
        id.into(),
        share.ok_or("the share is a number from 0 to 10")?,
    ))
}

fn main() -> Result<ExitCode> {
    let Cli {
        command,
        tree,
        corpus,
    } = Cli::parse();
    if tree.is_some() || corpus.is_some() {
        places::name(tree, corpus)?;
    }
    match command {
        Command::Quick(common) => measure(common, false)?,
        Command::Full(common) => measure(common, true)?,
        Command::Compare { first, second } => {
            let (first, second) = (Results::read(&first)?, Results::read(&second)?);
            let comparison = compare::compare(&first, &second);
            print!("{comparison}");
            return Ok(ExitCode::from(u8::from(comparison.is_worse())));
        }
        Command::Show { results, summary } => {
            let results = Results::read(&results)?;
            if summary {
                summarize(&results);
            } else {
                show(&results);
            }
        }
        Command::Page { results, page } => {
            let html = page::render(&Results::read(&results)?);
            std::fs::write(&page, html).with_context(|| page.display().to_string())?;
        }
        Command::Tiers(options) => return compare_tiers(options),
        Command::Options {
            cases,
            options,
            rounds,
        } => {
            let wish = options::Wish {
                cases,
                options,
                rounds,
            };
            let report = options::compare(&wish, |case| eprintln!("{case}"))?;
            for table in report.tables() {
                println!("{table}");
            }
        }
        Command::Engines => engines()?,
        Command::Check => check()?,
        Command::Worker {
            engine,
            flags,
            suite,
            layout,
            handicap,
            task,
        } => {
            let engine = contender::linked_engine(&engine, &flags, suite, layout)?;
            work(engine.as_ref(), handicap, &task)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Measures, prints each table when its suite is done, and says where the results are.
fn measure(common: Common, full: bool) -> Result<()> {
    let began = Instant::now();
    let handicaps: BTreeMap<_, _> = common.handicaps.into_iter().collect();
    let plan = Plan::new(&Wish {
        full,
        suites: common.suites,
        cases: common.cases,
        engines: common.engines,
        variants: common.variants,
        launches: common.launches.unwrap_or(if full { 3 } else { 1 }),
    })?;
    eprint!("{}", plan.dropped);
    let name = if full { "full" } else { "quick" };
    let file = match common.json {
        Some(file) => file,
        None => {
            let folder = places::find()?.scratch()?;
            folder.join(name).with_extension("json")
        }
    };
    let last: BTreeMap<Suite, String> = plan
        .cases
        .iter()
        .map(|case| (case.info.suite, case.info.name.clone()))
        .collect();
    let before = match common.resume && file.exists() {
        true => Some(Results::read(&file)?),
        false => None,
    };
    let results = run::run(
        &plan,
        &file,
        before.as_ref(),
        &handicaps,
        |results, case| {
            let suite = case.info.suite;
            if last[&suite] == case.info.name {
                for table in tables::tables(results, suite) {
                    println!("{table}");
                }
            }
        },
    )?;
    for failure in tables::failures(&results) {
        println!("{failure}");
    }
    println!(
        "{} processes on {}, {} threads, in {:.0} s; samples in {}",
        plan.processes(),
        results.machine.cpu,
        results.machine.threads,
        began.elapsed().as_secs_f64(),
        file.display()
    );
    Ok(())
}

/// Prints a table for each job, and the faults of all at the end.
fn compare_tiers(options: Tiers) -> Result<ExitCode> {
    let wish = tiers::Wish {
        suites: options.suites,
        cases: options.cases,
        rounds: options.rounds,
        interval: Duration::from_micros(options.interval),
        share: options.share,
        limit: options.limit,
        counters: options.counters,
        dump: options.dump,
    };
    let mut faults = Vec::new();
    tiers::compare(&wish, |report| {
        println!("{}", report.table());
        let found = report.faults();
        faults.extend(found.map(|f| format!("{}: {} {:.2}", report.case, f.name, f.ratio)));
    })?;
    println!("{} faults", faults.len());
    for fault in &faults {
        println!("  {fault}");
    }
    Ok(ExitCode::from(u8::from(
        options.check && !faults.is_empty(),
    )))
}

fn summarize(results: &Results) {
    for table in summary::summary(results) {
        println!("{}:\n\n{}", table.title, table.markdown());
    }
}

fn show(results: &Results) {
    let machine = &results.machine;
    println!(
        "{}, {} threads, {}\n",
        machine.cpu, machine.threads, machine.kernel
    );
    let suites: std::collections::BTreeSet<_> = results.rows.iter().map(|row| row.suite).collect();
    for suite in suites {
        for table in tables::tables(results, suite) {
            println!("{table}");
        }
    }
    for failure in tables::failures(results) {
        println!("{failure}");
    }
}

fn engines() -> Result<()> {
    for contender in contender::all()? {
        let info = contender.info;
        println!(
            "{:24} {:24} {:12} {}",
            info.id, info.name, info.version, info.flags
        );
    }
    Ok(())
}

/// Runs a worker: does the task and prints the answer in the last line.
fn work(engine: &dyn Engine, handicap: f64, task: &str) -> Result<()> {
    let task: Task = serde_json::from_str(task)?;
    let answer = match worker::work(engine, &task, Handicap(handicap)) {
        Ok(launch) => serde_json::to_value(launch)?,
        Err(error) => {
            let why = error.root_cause().to_string();
            let why = why.lines().next().unwrap_or_default();
            match error.downcast_ref::<Refused>() {
                Some(_) => serde_json::json!({ "refused": why }),
                None => serde_json::json!({ "error": why }),
            }
        }
    };
    println!("{answer}");
    Ok(())
}

fn check() -> Result<()> {
    for kernel in corpus::kernels()? {
        corpus::check_features(&kernel.wasm()?).with_context(|| kernel.name.clone())?;
    }
    for library in corpus::libraries()? {
        corpus::check_features(&library.wasm()?).with_context(|| library.name.clone())?;
    }
    for program in corpus::programs()? {
        let wasm = program.wasm()?;
        corpus::check_features(&wasm).with_context(|| program.name.clone())?;
        print_size(&program.name, &program.path(), &program.about)?;
    }
    for module in corpus::modules()? {
        if Path::is_file(&module.path()) {
            let wasm = std::fs::read(module.path())?;
            let needs = match corpus::check_features(&wasm) {
                Ok(()) => String::new(),
                Err(why) => format!(" (needs {}: {why})", module.needs.join(", ")),
            };
            print_size(
                &module.name,
                &module.path(),
                &format!("{}{needs}", module.about),
            )?;
        }
    }
    Ok(())
}

fn print_size(name: &str, wasm: &Path, about: &str) -> Result<()> {
    let code = corpus::code_section_bytes(wasm)? as f64 / 1e6;
    println!("{name:12} {code:6.1} MB of code: {about}");
    Ok(())
}
