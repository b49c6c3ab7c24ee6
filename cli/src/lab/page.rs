//! `upshift lab report`: results of an experiment as one HTML page.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use upshift::{Printable, Result};
use upshift_lab::experiment::Judgement;
use upshift_report::{Report, results};

use super::merge::Sources;

/// Write results as an HTML page: verdicts, cells, heat maps, Pareto fronts, bounds, warm-up
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    sources: Sources,

    /// Where to write the page
    #[arg(short, long, value_name = "FILE.html")]
    output: PathBuf,
}

/// Writes the page.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let gathered = arguments.sources.read()?;
    let mixing = arguments.sources.mixing();
    let judgement = Judgement::new(&gathered.experiment, &gathered.lines, mixing)?;
    let classify = &gathered.experiment.measure.classify;
    let report = Report {
        title: judgement.title.clone(),
        runs: Vec::new(),
        sections: results::sections(&gathered.lines, Some(&judgement), classify),
    };
    let path = Printable(arguments.output.display());
    std::fs::write(&arguments.output, report.render())
        .with_context(|| format!("cannot write `{path}`"))?;
    Ok(ExitCode::SUCCESS)
}
