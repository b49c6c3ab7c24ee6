//! `upshift hints`: compilation hints of a module, written from a run, read, and taken out.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use upshift::hints::{self, CallTarget, CompilationHints, Frequency, Priority};
use upshift::profiler::Event;
use upshift::tiering::Weights;
use upshift::{Config, Engine, Module, Printable, Result, Strategy};

use crate::options::{Command, Options, RunArguments, interpret};
use crate::{report, run};

const EXAMPLES: &str = "\
Examples:
  upshift hints write -o hinted.wasm x.wasm args      run x.wasm, and note what it did in a copy
  upshift hints read hinted.wasm                      what a module's hints say
  upshift hints strip hinted.wasm -o x.wasm           the module without them
  upshift -T policy=hinted-ski-rental hinted.wasm args    a policy that believes them, to a degree

Hints are custom sections, which change nothing that a program computes:
  metadata.code.compilation_priority  the order of first calls, and of optimization: about the
                                      negative logarithm (base 2) of a function's share of the work;
                                      127 runs once
  metadata.code.instr_freq            how often loops run for each call of their function
  metadata.code.call_targets          which function an indirect call calls
  metadata.code.upshift_units         the work of each function, in budget units; ours alone
The first three are a proposal to the standard (phase 2). With --experimental-wasm-compilation-hints
V8 14.6 (Node.js 26) reads them: it compiles first what the first ranks, in the form written here,
and of frequencies it uses those of calls; V8 11.3 (Node.js 20) knows only an older section that is
not written. Policies see the first and the last, the optimizer the targets.

Exit codes:
  0  done; of `write` the program's own, as `upshift run` has
  1  a file can't be read or written, or is no module
  2  wrong usage";

/// Reads and writes what a module says of its own functions: which matter, and when.
#[derive(Parser, Debug)]
#[command(
    name = "upshift hints",
    bin_name = "upshift hints",
    version,
    after_help = EXAMPLES,
    arg_required_else_help = true
)]
pub struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand, Debug)]
enum Task {
    Write(Box<WriteArguments>),
    Read(ReadArguments),
    Strip(StripArguments),
}

/// Run a program in code that counts, and write the module again with hints of what it did
#[derive(Args, Debug)]
struct WriteArguments {
    /// The file for the module with hints
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,

    #[command(flatten)]
    program: RunArguments,
}

/// Print a module's hints
#[derive(Args, Debug)]
struct ReadArguments {
    /// The module (.wasm)
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Write a module again without hints
#[derive(Args, Debug)]
struct StripArguments {
    /// The file for the module without hints
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,

    /// The module (.wasm)
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Does the task.
pub fn run(arguments: Arguments) -> ExitCode {
    let done = match arguments.task {
        Task::Write(arguments) => write(*arguments),
        Task::Read(arguments) => read(&arguments),
        Task::Strip(arguments) => strip(&arguments),
    };
    done.unwrap_or_else(|error| report::failure(&error))
}

fn bytes_of(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read `{}`", Printable(path.display())))
}

fn write_to(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("cannot write `{}`", Printable(path.display())))
}

fn strip(arguments: &StripArguments) -> Result<ExitCode> {
    let stripped = hints::strip(&bytes_of(&arguments.file)?).with_context(|| {
        let file = Printable(arguments.file.display());
        format!("`{file}` is no module")
    })?;
    write_to(&arguments.output, &stripped)?;
    Ok(ExitCode::SUCCESS)
}

fn read(arguments: &ReadArguments) -> Result<ExitCode> {
    let bytes = bytes_of(&arguments.file)?;
    let file = Printable(arguments.file.display());
    let found = hints::read(&bytes).with_context(|| format!("`{file}` is no module"))?;
    for malformed in &found.malformed {
        report::warning(&malformed.to_string());
    }
    // Names come with the module, which hints don't need to be read.
    let module = Module::new(&Engine::new(&Config::new())?, &bytes);
    let name = |func: u32| match &module {
        Ok(module) => module.func_name(func),
        Err(_) => format!("func[{func}]"),
    };
    report::out(&table(&found.hints, name))?;
    Ok(ExitCode::SUCCESS)
}

/// The hints as a table, hottest first.
fn table(hints: &CompilationHints, name: impl Fn(u32) -> String) -> String {
    if hints.functions.is_empty() {
        return "the module has no compilation hints\n".into();
    }
    let mut rows: Vec<_> = hints.functions.iter().collect();
    let rank = |hints: &hints::FunctionHints| {
        let priority = hints.priority.unwrap_or_default();
        (
            priority.optimization.unwrap_or(u32::MAX),
            priority.compilation,
        )
    };
    rows.sort_by_key(|(_, hints)| rank(hints));
    let mut text = format!(
        "{:<32} {:>8} {:>9} {:>15}  {}\n",
        "function", "compile", "optimize", "units", "loops, calls"
    );
    for (func, hints) in rows {
        let priority = hints.priority;
        let number = |value: Option<u64>| value.map_or(String::new(), |n| n.to_string());
        let optimize = priority.and_then(|priority| priority.optimization);
        let optimize = match optimize {
            Some(Priority::RUN_ONCE) => "once".to_owned(),
            other => number(other.map(u64::from)),
        };
        let compile = number(priority.map(|priority| priority.compilation.into()));
        let units = number(hints.units);
        let mut sites = String::new();
        for (at, frequency) in &hints.frequencies {
            let times = frequency
                .per_call()
                .map_or("always".into(), |n| format!("{n}"));
            let _ = write!(sites, " +{at}: x{times}");
        }
        for (at, targets) in &hints.targets {
            for target in targets {
                let callee = name(target.func.0);
                let _ = write!(sites, " +{at}: {} % {}", target.percent, Printable(callee));
            }
        }
        let _ = writeln!(
            text,
            "{:<32} {compile:>8} {optimize:>9} {units:>15} {sites}",
            Printable(name(func.0)).to_string(),
        );
    }
    text
}

fn write(arguments: WriteArguments) -> Result<ExitCode> {
    let mut options = match interpret(arguments.program) {
        Ok(Command::Run(options)) => *options,
        Ok(Command::Done(code)) => return Ok(code),
        Ok(_) => return misused("a program is needed: upshift hints write -o OUT FILE"),
        Err(message) => return misused(&message),
    };
    if options.file == Path::new("-") {
        return misused("standard input is the program's; the module must be a file");
    }
    counting(&mut options);
    let (file, weights) = (options.file.clone(), options.config.weights());
    let (code, module) = run::program_and_module(&options);
    let Some(module) = module else {
        // It was not loaded; the reason has been printed.
        return Ok(code);
    };
    let hints = measured(&module, weights);
    let written = hints::write(module.wasm(), &hints)
        .with_context(|| format!("`{}` is no module", Printable(file.display())))?;
    write_to(&arguments.output, &written)?;
    report::err(&format!(
        "hints of {} functions written to `{}`\n",
        hints.functions.len(),
        Printable(arguments.output.display())
    ))?;
    Ok(code)
}

fn misused(message: &str) -> Result<ExitCode> {
    report::error_line(message);
    Ok(ExitCode::from(2))
}

/// Makes the run count: all sites, in baseline code, with targets and first calls noted.
fn counting(options: &mut Options) {
    options
        .config
        .strategy(Strategy::Baseline)
        .eager(false)
        .count_sites(true)
        .note_call_targets(true);
    // Whatever else the options make of the events.
    options.around.reads_events = true;
}

/// Work below which a function that was called once counts as one that runs once.
const LITTLE: u64 = 1_000;

/// The hints that a run of the module gives; `weights` say what calls and iterations count.
fn measured(module: &Module, weights: Weights) -> CompilationHints {
    let mut counters = Vec::new();
    module.copy_site_counters(&mut counters);
    // Cells count down from 0 and wrap around.
    let mut counts = counters.iter().map(|&cell| u64::from(cell.wrapping_neg()));
    let first = module.defined_funcs().start;
    let mut all = BTreeMap::new();
    for function in module.counted_functions() {
        let counts: Vec<u64> = counts.by_ref().take(function.sites.len()).collect();
        let calls = counts.first().copied().unwrap_or(0);
        let iterations: u64 = counts.iter().skip(1).sum();
        let units = calls * u64::from(weights.call) + iterations * u64::from(weights.iteration);
        if calls + iterations > 0 {
            all.insert(function.index, (function, counts, calls, units));
        }
    }
    let order = first_calls(module);
    // Functions of whose first call the log has lost the record come after the others.
    let called = order.len() as u32;
    let total: u64 = all.values().map(|(.., units)| units).sum();
    let mut hints = CompilationHints::default();
    for (index, (function, counts, calls, units)) in all {
        let own = hints.of(hints::FuncIndex(first + index));
        own.units = Some(units);
        own.priority = Some(Priority {
            compilation: order.get(&index).copied().unwrap_or(called + index),
            optimization: Some(match calls <= 1 && units < LITTLE {
                true => Priority::RUN_ONCE,
                false => rank(units, total),
            }),
        });
        let loops = function.sites.iter().zip(&counts).skip(1);
        own.frequencies = loops
            .filter(|&(_, &count)| count > 0)
            .map(|(site, &count)| (site.offset, Frequency::of(count as f64, calls as f64)))
            .collect();
    }
    for known in module.call_targets() {
        let own = hints.of(hints::FuncIndex(first + known.func.0));
        let target = CallTarget {
            func: known.target,
            percent: 100,
        };
        own.targets.push((known.offset, vec![target]));
    }
    hints
}

/// The optimization priority of a function: how many times its share must be doubled to be all.
fn rank(units: u64, total: u64) -> u32 {
    let share = units as f64 / total.max(1) as f64;
    (-share.log2())
        .round()
        .clamp(0.0, f64::from(Priority::RUN_ONCE - 1)) as u32
}

/// The place of each function in the order of first calls.
fn first_calls(module: &Module) -> BTreeMap<u32, u32> {
    let log = module.engine().event_log();
    let lost = log.stats().events_lost;
    if lost > 0 {
        report::warning(&format!(
            "{lost} events were lost: the order of first calls may have gaps"
        ));
    }
    let records = log.records();
    let called = records.iter().filter_map(|record| match record.event {
        Event::FirstCall { func } => Some(func.func.0),
        _ => None,
    });
    called.zip(0..).collect()
}

#[cfg(test)]
mod tests {
    use upshift::hints::Section;

    use super::*;

    #[test]
    fn priorities_are_shares_as_powers_of_two() {
        assert_eq!(rank(100, 100), 0);
        assert_eq!(rank(25, 100), 2);
        assert_eq!(rank(0, 100), 126);
        assert_eq!(rank(0, 0), 126);
    }

    #[test]
    fn all_sections_are_described() {
        for section in Section::ALL {
            assert!(EXAMPLES.contains(section.name()), "{section}");
        }
    }
}
