//! `upshift lab diff`: where two runs begin to differ.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use upshift::profiler::reader::{self, LogFile};
use upshift::{Printable, Result};
use upshift_lab::log_diff::LogDiff;

use crate::report;

const NOTES: &str = "\
Decisions are compared function by function, in their order: the same event, the same requests, and
under one policy the same reason. Times and budgets may differ, as they do in any two runs.

Example:
  upshift -D events=a.ndjson prog.wasm
  upshift -D events=b.ndjson -T policy=v8-budget prog.wasm
  upshift lab diff a.ndjson b.ndjson

Exit codes:
  0  all decisions are the same
  1  some are not, or a file can't be read";

/// Show the first decision in which two runs differ, and what the policy saw there
#[derive(Args, Debug)]
#[command(after_help = NOTES)]
pub struct Arguments {
    /// The event log of the first run
    #[arg(value_name = "FIRST")]
    first: PathBuf,

    /// The event log of the second run
    #[arg(value_name = "SECOND")]
    second: PathBuf,
}

/// Compares.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let (first, second) = (read(&arguments.first)?, read(&arguments.second)?);
    let diff = LogDiff::new(&first, &second);
    report::out(&diff.to_string())?;
    Ok(match diff.different {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn read(path: &Path) -> Result<LogFile> {
    let cannot = || format!("cannot read `{}`", Printable(path.display()));
    let file = File::open(path).with_context(cannot)?;
    let log = reader::read(BufReader::new(file)).with_context(cannot)?;
    if log.broken > 0 {
        let (path, broken) = (Printable(path.display()), log.broken);
        report::warning(&format!("`{path}`: {broken} lines can't be read"));
    }
    Ok(log)
}
