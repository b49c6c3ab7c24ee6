//! The benchmarks' command: `cargo run --release -p upshift-benches -- quick`.

#![forbid(unsafe_code)]

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use upshift_benches::corpus;
use upshift_benches::report::{Report, Table};
use upshift_benches::suites::{Options, compile, kernels, programs};

/// Measures Upshift against Wasmtime on this machine.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The headline figures: compile speed, kernels and whole programs.
    Quick(Common),
    /// Compile speed of large modules.
    Compile(Common),
    /// Run time of kernels.
    Kernels(Common),
    /// Whole programs, compilation included.
    Programs(Common),
    /// Check that every module of the corpus needs supported proposals only.
    Check,
}

#[derive(Args)]
struct Common {
    /// Interleaved rounds to take medians over.
    #[arg(long, default_value_t = 3, value_parser = at_least_one)]
    rounds: usize,
    /// Only kernels and programs with this in their name.
    #[arg(long, default_value = "")]
    only: String,
    /// Also measure what takes minutes: whole modules in optimizing compilers.
    #[arg(long)]
    slow: bool,
    /// Write the result to a file, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("a number of at least 1 is needed".into()),
        Ok(rounds) => Ok(rounds),
    }
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Quick(common) => report(&common, |options, slow, show| {
            show(compile::run(options, slow)?);
            kernels::run(options)?.into_iter().for_each(&mut *show);
            programs::run(options, slow)?.into_iter().for_each(show);
            Ok(())
        }),
        Command::Compile(common) => report(&common, |options, slow, show| {
            show(compile::run(options, slow)?);
            Ok(())
        }),
        Command::Kernels(common) => report(&common, |options, _, show| {
            kernels::run(options)?.into_iter().for_each(show);
            Ok(())
        }),
        Command::Programs(common) => report(&common, |options, slow, show| {
            programs::run(options, slow)?.into_iter().for_each(show);
            Ok(())
        }),
        Command::Check => check(),
    }
}

/// Runs suites, prints each table as soon as it is there, writes the JSON at the end.
fn report(
    common: &Common,
    suites: impl FnOnce(&Options, bool, &mut dyn FnMut(Table)) -> Result<()>,
) -> Result<()> {
    let options = Options {
        rounds: common.rounds,
        only: common.only.clone(),
    };
    let mut report = Report::new(options.rounds);
    println!(
        "{}; medians of {} interleaved rounds\n",
        report.machine, options.rounds
    );
    suites(&options, common.slow, &mut |table| {
        println!("{table}");
        report.tables.push(table);
    })?;
    if let Some(path) = &common.json {
        let json = serde_json::to_string_pretty(&report)?;
        std::fs::write(path, json).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

fn check() -> Result<()> {
    for kernel in corpus::kernels()? {
        corpus::check_features(&kernel.wasm()?).with_context(|| kernel.name.clone())?;
    }
    for program in corpus::programs()? {
        let wasm = program.wasm()?;
        corpus::check_features(&wasm).with_context(|| program.name.clone())?;
        let code = corpus::code_section_bytes(&wasm)? as f64 / 1e6;
        println!(
            "{:10} {:6.1} MB of code: {}",
            program.name, code, program.about
        );
    }
    Ok(())
}
