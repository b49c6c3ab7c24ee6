//! `upshift lab`: the tiering lab on the command line, one file for each task.

mod bounds;
mod check;
mod diff;
mod input;
mod merge;
mod page;
mod policies;
mod record;
mod run;
mod runs;
mod show;
mod simulate;
mod validate;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use upshift::Result;

use crate::report;

const EXAMPLES: &str = "\
Examples:
  upshift lab record -o x.trace x.wasm args     what the program does, and what its code costs
  upshift lab show x.trace                      which functions take how long in which tier
  upshift lab policies                          what decides on tier-up, with parameters
  upshift lab simulate x.trace -T policy=never  what that run would take under a policy
  upshift lab bounds x.trace --cores 2          how fast it could be at best
  upshift lab validate --trace x.trace x.wasm args  whether simulations of it come true
  upshift lab run x.toml -o out                 an experiment: a grid of settings, and claims
  upshift lab verify papers/*                   claims of papers, judged again by what was measured

Exit codes:
  0  done
  1  a file can't be read or written, or is none of the right kind
  2  wrong usage";

/// Studies tier-up: how far each policy is from the best that a run allows, and why.
#[derive(Parser, Debug)]
#[command(
    name = "upshift lab",
    bin_name = "upshift lab",
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
    Record(Box<record::Arguments>),
    Show(show::Arguments),
    Policies(policies::Arguments),
    Simulate(simulate::Arguments),
    Bounds(bounds::Arguments),
    Validate(Box<validate::Arguments>),
    Check(check::Arguments),
    Run(run::Arguments),
    Merge(merge::Arguments),
    Export(merge::Export),
    #[command(name = "report")]
    Page(page::Arguments),
    Verify(verify::Arguments),
    Diff(diff::Arguments),
}

/// Does the task.
pub fn run(arguments: &Arguments) -> ExitCode {
    let done = match &arguments.task {
        Task::Record(arguments) => record::run(arguments),
        Task::Show(arguments) => show::run(arguments),
        Task::Policies(arguments) => policies::run(arguments),
        Task::Simulate(arguments) => simulate::run(arguments),
        Task::Bounds(arguments) => bounds::run(arguments),
        Task::Validate(arguments) => validate::run(arguments),
        Task::Check(arguments) => check::run(arguments),
        Task::Run(arguments) => run::run(arguments),
        Task::Merge(arguments) => merge::run(arguments),
        Task::Export(arguments) => merge::export(arguments),
        Task::Page(arguments) => page::run(arguments),
        Task::Verify(arguments) => verify::run(arguments),
        Task::Diff(arguments) => diff::run(arguments),
    };
    done.unwrap_or_else(|error| report::failure(&error))
}

/// The end of a task that ran, but was asked for what doesn't exist.
fn misused(message: &str) -> Result<ExitCode> {
    report::error_line(message);
    Ok(ExitCode::from(2))
}
