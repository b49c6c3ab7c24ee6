//! `upshift lab verify`: committed results judged again.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use upshift::Result;
use upshift_lab::experiment::{Effect, Judgement, Outcome, Paper, table_of_papers};

use crate::report;

const NOTES: &str = "\
The folder of a paper has claim.toml (what is claimed), experiment.toml (what is run, and which
results decide), results/*.jsonl (what was measured), verdict.json (what that says) and README.md;
again/MACHINE/ has results and verdict of the same experiment elsewhere.
Nothing is measured: the results are judged again, and the verdict must be the one in the folder.

Examples:
  upshift lab verify papers/*                        every paper, in seconds
  upshift lab verify papers/kulkarni-2011 --bless    write the verdict of new results
  upshift lab verify papers/* --table > table.md     the verdicts of all as a Markdown table

Exit codes:
  0  every verdict is the one in its folder
  1  one is not, or a file can't be read";

/// Judge committed results again, and compare with the committed verdicts
#[derive(Args, Debug)]
#[command(after_help = NOTES)]
pub struct Arguments {
    /// Folders of papers; files among them are passed over
    #[arg(value_name = "FOLDER", required = true)]
    folders: Vec<PathBuf>,

    /// Write the verdicts instead of comparing them
    #[arg(long)]
    bless: bool,

    /// Print the verdicts as a Markdown table
    #[arg(long)]
    table: bool,
}

/// Verifies.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut papers = Vec::new();
    let mut failed = 0;
    for folder in &arguments.folders {
        if folder.is_file() {
            continue;
        }
        let verified = Paper::read(folder).and_then(|paper| {
            let done = match (arguments.bless, paper.is_pending()) {
                (true, false) => paper.bless(),
                _ => paper.verify(),
            };
            papers.push(paper);
            done
        });
        if let Err(error) = verified {
            failed += 1;
            report::error_line(&error.to_string());
        }
    }
    let mut text = String::new();
    match arguments.table {
        true => text = table_of_papers(&papers),
        false => {
            for paper in &papers {
                let _ = writeln!(text, "{}", paper.folder.display());
                match paper.is_pending() {
                    true => text += "  not run yet\n",
                    false => text += &rulings(&paper.judgement),
                }
            }
        }
    }
    report::out(&text)?;
    Ok(match failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// What results say about each statement, in lines.
pub fn rulings(judgement: &Judgement) -> String {
    let mut text = String::new();
    for ruling in &judgement.statements {
        let (id, verdict) = (&ruling.id, ruling.verdict.to_string());
        let _ = write!(text, "  {id:<8} {verdict:<18} {}", ruling.text);
        if let Some(Effect { value, low, high }) = ruling.effect {
            let _ = write!(text, ": {value:.4} [{low:.4}, {high:.4}]");
        }
        if let Some(reason) = &ruling.reason {
            let _ = write!(text, " ({reason})");
        }
        text.push('\n');
    }
    let Judgement {
        verdict,
        samples,
        missing,
        strangers,
        ..
    } = judgement;
    let verdict = match judgement.statements.is_empty() {
        true => "nothing is claimed".to_owned(),
        false if *verdict == Outcome::Undecided => "undecided".to_owned(),
        false => verdict.to_string(),
    };
    let _ = write!(text, "  {verdict}, by {samples} samples");
    if *missing > 0 {
        let _ = write!(text, "; {missing} cells have none");
    }
    if *strangers > 0 {
        let _ = write!(text, "; {strangers} more belong to no cell");
    }
    text.push('\n');
    text
}
