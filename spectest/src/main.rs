//! The command `upshift-spectest`, which runs specification scripts.

#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Parser, ValueEnum};
use upshift_spectest::{Mode, Report, run_script};

/// Runs WebAssembly specification scripts and counts their passed and failed directives.
///
/// Exits with 0 if all passed, with 1 if any failed, with 2 on wrong usage.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Arguments {
    /// Execution modes; may be given several times or as a list with commas.
    #[arg(
        long,
        short,
        value_name = "MODE",
        default_value = ALL_MODES,
        value_delimiter = ',',
        value_parser = PossibleValuesParser::new(mode_values()),
    )]
    mode: Vec<String>,

    /// Print only failures and totals.
    #[arg(long, short)]
    quiet: bool,

    /// `.wast` files, and folders to search for them.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

const ALL_MODES: &str = "all";

/// The values of `--mode`: the modes with their help, and one word for all of them.
fn mode_values() -> Vec<PossibleValue> {
    let modes = Mode::all().iter().filter_map(ValueEnum::to_possible_value);
    modes
        .chain([PossibleValue::new(ALL_MODES).help("Every mode")])
        .collect()
}

impl Arguments {
    fn modes(&self) -> Vec<Mode> {
        let chosen = |mode: &Mode| {
            self.mode
                .iter()
                .any(|name| name == ALL_MODES || *name == mode.to_string())
        };
        Mode::all().iter().copied().filter(chosen).collect()
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Runs all scripts in all chosen modes; returns whether all passed.
fn run(arguments: &Arguments) -> Result<bool> {
    let mut files = Vec::new();
    for path in &arguments.paths {
        let found = files.len();
        collect(path, &mut files)?;
        ensure!(files.len() > found, "no .wast file in {}", path.display());
    }
    let mut success = true;
    for mode in arguments.modes() {
        success &= run_mode(mode, &files, arguments.quiet)?;
    }
    Ok(success)
}

fn run_mode(mode: Mode, files: &[PathBuf], quiet: bool) -> Result<bool> {
    let engine = mode.engine().with_context(|| format!("the mode {mode}"))?;
    let (mut passed, mut failed) = (0, 0);
    for path in files {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let report = run_script(&engine, &text);
        print(mode, path, &report, quiet);
        passed += report.passed;
        failed += report.failures.len();
    }
    println!(
        "{mode}: {} files, {passed} passed, {failed} failed",
        files.len()
    );
    Ok(failed == 0)
}

fn print(mode: Mode, path: &Path, report: &Report, quiet: bool) {
    let path = path.display();
    for failure in &report.failures {
        eprintln!("{mode}: {path}:{failure}");
    }
    if !quiet {
        let (passed, failed) = (report.passed, report.failures.len());
        println!("{mode}: {path}: {passed} passed, {failed} failed");
    }
}

/// Adds a file, or every `.wast` file under a folder in the order of their names.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let context = || path.display().to_string();
    if !path.metadata().with_context(context)?.is_dir() {
        files.push(path.to_path_buf());
        return Ok(());
    }
    let entries = path.read_dir().with_context(context)?;
    let entries = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<Vec<_>>>();
    let mut entries = entries.with_context(context)?;
    entries.sort();
    for entry in entries {
        if entry.is_dir()
            || entry
                .extension()
                .is_some_and(|extension| extension == "wast")
        {
            collect(&entry, files)?;
        }
    }
    Ok(())
}
