//! The command that runs generated programs in all engines for as long as it is told, and keeps
//! what differs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Result;
use clap::Parser;
use upshift_differential::configuration::{self, Configuration};
use upshift_differential::program::Program;
use upshift_differential::run::{Agreement, Mismatch};
use upshift_differential::{case, generate, minimize, run, supervise};

/// How long a program is made smaller at most.
const MINIMIZING: Duration = Duration::from_secs(120);
/// How long a program may run in all its configurations, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// Runs generated programs in every configuration of Upshift and in Wasmtime, and compares.
///
/// Exits with 1 if there is a difference; the program is then in a file, made smaller.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// End after so many seconds
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,

    /// End after so many programs
    #[arg(long, value_name = "N")]
    count: Option<u64>,

    /// The number of the first program; else it follows from the time
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,

    /// Run only these programs, from files, in all configurations
    #[arg(long = "case", value_name = "FILE")]
    cases: Vec<PathBuf>,

    /// Where programs that differ are written
    #[arg(long, value_name = "DIR", default_value = "differential/cases")]
    save: PathBuf,

    /// Go on after a difference
    #[arg(long)]
    keep_going: bool,

    /// Where each program is written before it runs, so that a crash leaves it behind; else in the
    /// directory for temporary files
    #[arg(long, value_name = "FILE")]
    current: Option<PathBuf>,

    /// Run in this process, which nothing watches
    #[arg(long, hide = true)]
    worker: bool,
}

impl Options {
    fn current(&self) -> PathBuf {
        let current = self.current.clone();
        current.unwrap_or_else(|| {
            let name = format!("upshift-differential-{}.wat", std::process::id());
            std::env::temp_dir().join(name)
        })
    }
}

/// Counts of what ran, by which it is judged whether the programs are worth running.
#[derive(Default)]
struct Totals {
    programs: u64,
    modules: u64,
    by_oracle: u64,
    returned: u64,
    trapped: u64,
    features: BTreeMap<&'static str, u64>,
    mismatches: u64,
}

impl Totals {
    fn add(&mut self, program: &Program, run: &Agreement) {
        self.programs += 1;
        self.modules += program.modules.len() as u64;
        self.by_oracle += u64::from(run.by_oracle);
        let returned = run
            .history
            .iter()
            .filter(|step| step.outcome.is_ok())
            .count() as u64;
        self.returned += returned;
        self.trapped += run.history.len() as u64 - returned;
        for feature in program.features() {
            *self.features.entry(feature).or_default() += 1;
        }
    }

    fn print(&self, first: u64, time: Duration) {
        println!(
            "{} programs of {} modules from number {first} in {:.0} s, {} of them also in \
             Wasmtime; {} calls returned, {} trapped; {} differences",
            self.programs,
            self.modules,
            time.as_secs_f64(),
            self.by_oracle,
            self.returned,
            self.trapped,
            self.mismatches
        );
        for (feature, count) in &self.features {
            println!("  {count:>8} with {feature}");
        }
    }
}

fn main() -> Result<ExitCode> {
    let options = Options::parse();
    if !options.cases.is_empty() {
        return replay(&options.cases);
    }
    if options.worker {
        work(&options)
    } else {
        supervise(&options)
    }
}

/// Runs the programs in a process of their own.
fn supervise(options: &Options) -> Result<ExitCode> {
    let current = options.current();
    let mut command = Command::new(std::env::current_exe()?);
    command.args(std::env::args_os().skip(1)).arg("--worker");
    if options.current.is_none() {
        command.arg("--current").arg(&current);
    }
    let status = supervise::watch(&mut command, &current, PATIENCE)?;
    std::fs::remove_file(&current).ok();
    Ok(ExitCode::from(status.code().unwrap_or(1) as u8))
}

fn work(options: &Options) -> Result<ExitCode> {
    let first = options.seed.unwrap_or_else(|| {
        let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        time.map_or(0, |time| time.as_secs()) << 32
    });
    let start = Instant::now();
    let mut totals = Totals::default();
    let mut reported = start;
    for number in first.. {
        let over = options
            .seconds
            .is_some_and(|limit| start.elapsed().as_secs() >= limit);
        let enough = options.count.is_some_and(|limit| totals.programs >= limit);
        if over || enough {
            break;
        }
        let Some(program) = generate::generate(number) else {
            continue;
        };
        case::write(&options.current(), &program, &format!("program {number}"))?;
        match run::run(&program, &run::configurations_of(number)) {
            Ok(agreement) => totals.add(&program, &agreement),
            Err(mismatch) => {
                totals.mismatches += 1;
                keep(options, number, &program, &mismatch)?;
                if !options.keep_going {
                    break;
                }
            }
        }
        if reported.elapsed() >= Duration::from_secs(60) {
            reported = Instant::now();
            eprintln!("{} programs, at number {number}", totals.programs);
        }
    }
    totals.print(first, start.elapsed());
    Ok(ExitCode::from(u8::from(totals.mismatches > 0)))
}

fn replay(cases: &[PathBuf]) -> Result<ExitCode> {
    let all: Vec<&Configuration> = configuration::ALL.iter().collect();
    let mut differ = false;
    for path in cases {
        match run::run(&case::read(path)?, &all) {
            Ok(_) => println!("{}: all agree", path.display()),
            Err(mismatch) => {
                differ = true;
                println!("{}: {mismatch}", path.display());
            }
        }
    }
    Ok(ExitCode::from(u8::from(differ)))
}

/// Makes a program smaller that differs in one configuration, and writes it to a file.
fn keep(options: &Options, number: u64, program: &Program, mismatch: &Mismatch) -> Result<()> {
    println!("program {number} {mismatch}");
    let name = &mismatch.configuration;
    let mut configurations: Vec<_> = configuration::ALL
        .iter()
        .filter(|other| other.name == *name)
        .collect();
    // Without Wasmtime the first comparable configuration says what is right.
    let nans = configurations[0].nans;
    let mut others = configuration::ALL.iter();
    configurations.extend(others.find(|other| other.nans == nans && other.name != *name));
    configurations.reverse();
    let mut last = mismatch.clone();
    let current = options.current();
    let small = minimize::minimize(program, MINIMIZING, |candidate| {
        if case::write(&current, candidate, "while making a program smaller").is_err() {
            return false;
        }
        match run::run(candidate, &configurations) {
            Err(found) if found.kind == mismatch.kind => {
                last = found;
                true
            }
            _ => false,
        }
    });
    let path = options.save.join(format!("{number}.wat"));
    case::write(&path, &small, &format!("program {number} differed {last}"))?;
    println!("written to {}", path.display());
    Ok(())
}
