//! What the command line asks for, as the rest of the command sees it.
//!
//! - `parse`: from arguments to [`Options`];
//! - `knobs`: the grouped options behind `-T`, `-C`, `-W` and `-D` that are the command's own;
//!   those of the engine are in [`upshift::knobs`];
//! - `guest`: what the program may see;
//! - `limits`: those of them that say what the program may take.

mod guest;
mod knobs;
mod limits;
mod parse;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use upshift::Config;

pub use guest::Guest;
pub use knobs::Around;
pub use parse::parse;

/// How `--stats` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StatsFormat {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// What to run, and how.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The program; `-` is standard input.
    pub file: PathBuf,
    /// What follows it.
    pub args: Vec<String>,
    /// What it may see.
    pub guest: Guest,
    /// The function to call.
    pub invoke: Option<String>,
    /// How to print statistics.
    pub stats: Option<StatsFormat>,
    /// How the engine works.
    pub config: Config,
    /// What else to do around the run.
    pub around: Around,
}

/// What the command line asks for.
pub enum Command {
    /// Run a program.
    Run(Box<Options>),
    /// Run the embedded example.
    Story(Box<Options>),
    /// Nothing more: help was printed, or an error.
    Done(ExitCode),
}
