//! `upshift lab merge` and `upshift lab export`: results of several runs as one file.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use upshift::{Printable, Result};
use upshift_lab::experiment::{Gathered, Judgement, Mixing, gather, write_csv};

use super::verify::rulings;
use crate::output::Output;
use crate::report;

const NOTES: &str = "\
The folders are those that `upshift lab run -o` wrote, in any number and order; a file or folder
that is named twice counts once. The claims are judged by all results together.

Times of several machines or builds are not comparable, so they are refused. With --by-machine each
program counts as one for each machine: ratios then compare runs of one machine only.

Examples:
  upshift lab merge out -o results.jsonl             the shards of one folder
  upshift lab merge out.* -o all.jsonl --by-machine  the folders of several machines";

/// What results are read.
#[derive(Args, Debug)]
pub struct Sources {
    /// Folders or files of results
    #[arg(value_name = "RESULTS", required = true)]
    results: Vec<PathBuf>,

    /// The experiment that they are of, if it is not in one of the folders
    #[arg(long, value_name = "FILE.toml")]
    experiment: Option<PathBuf>,

    /// Accept results of several machines, and compare within each
    #[arg(long)]
    by_machine: bool,
}

/// Put the results of shards together, and judge the claims by all of them
#[derive(Args, Debug)]
#[command(after_help = NOTES)]
pub struct Arguments {
    #[command(flatten)]
    sources: Sources,

    /// The file to write
    #[arg(short, long, value_name = "FILE.jsonl")]
    output: PathBuf,
}

/// Write results as a table (CSV): a row for each process, a column for each setting and metric
#[derive(Args, Debug)]
pub struct Export {
    #[command(flatten)]
    sources: Sources,

    /// The file to write; otherwise standard output
    #[arg(short, long, value_name = "FILE.csv")]
    output: Option<PathBuf>,
}

impl Sources {
    /// Whether builds or machines may differ.
    pub fn mixing(&self) -> Mixing {
        match self.by_machine {
            true => Mixing::ByMachine,
            false => Mixing::Refuse,
        }
    }

    /// Reads and merges them.
    pub fn read(&self) -> Result<Gathered> {
        let read = gather(&self.results, self.experiment.as_deref(), self.mixing());
        Ok(read?)
    }
}

/// Merges.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let gathered = arguments.sources.read()?;
    let path = Printable(arguments.output.display());
    let written = write(&arguments.output, |out| {
        for line in &gathered.lines {
            serde_json::to_writer(&mut *out, line)?;
            out.write_all(b"\n")?;
        }
        Ok(())
    });
    written.with_context(|| format!("cannot write `{path}`"))?;
    let mixing = arguments.sources.mixing();
    let judgement = Judgement::new(&gathered.experiment, &gathered.lines, mixing)?;
    report::out(&rulings(&judgement))?;
    Ok(ExitCode::SUCCESS)
}

/// Exports.
pub fn export(arguments: &Export) -> Result<ExitCode> {
    let gathered = arguments.sources.read()?;
    let classify = &gathered.experiment.measure.classify;
    match &arguments.output {
        Some(output) => {
            let written = write(output, |out| write_csv(&gathered.lines, classify, out));
            written.with_context(|| format!("cannot write `{}`", Printable(output.display())))?;
        }
        None => {
            let out = BufWriter::new(report::stdout());
            write_csv(&gathered.lines, classify, out).context("cannot write standard output")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes a file, which may be one of those that were read.
fn write(
    output: &Path,
    content: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    Output::create(output)?.write(|file| {
        let mut out = BufWriter::new(file);
        content(&mut out)?;
        out.flush()
    })
}
