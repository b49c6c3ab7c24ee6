//! The options of the command line.
//!
//! - `parse`: parses arguments to [`Options`];
//! - `knobs`: the grouped options behind `-T`, `-C`, `-W` and `-D` that are the command's own;
//!   those of the engine are in [`upshift::knobs`];
//! - `file`: the same options from a file;
//! - `guest`: what the program can access;
//! - `limits`: the options that limit the program's resources.

mod file;
mod guest;
mod knobs;
mod limits;
mod parse;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use upshift::Config;

use crate::calls::CallLog;
use crate::preload::Preloads;
use crate::{bindgen, compile, completion, explore, export, hints, lab, man};

pub use guest::{Clocks, Guest, Repeated, Streams};
pub use knobs::{Around, help};
pub use parse::{RunArguments, interpret, of_groups, parse, tree, unknown_command};

/// The format of `--stats`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StatsFormat {
    /// A table for people.
    Table,
    /// JSON for programs.
    Json,
}

/// The options of a run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The program's file; `-` is standard input.
    pub file: PathBuf,
    /// The program's arguments.
    pub args: Vec<String>,
    /// What the program can access.
    pub guest: Guest,
    /// The modules whose exports the program can import.
    pub preloads: Preloads,
    /// The exported function to call, instead of the program's start.
    pub invoke: Option<String>,
    /// How often the program runs, or the function is called, each time measured; `None` is once,
    /// without measuring.
    pub iterations: Option<u32>,
    /// The file with the profile of an earlier run.
    pub profile_in: Option<PathBuf>,
    /// The file for the profile of this run.
    pub profile_out: Option<PathBuf>,
    /// Whether the program's file may be one that `upshift compile` wrote.
    pub allow_precompiled: bool,
    /// The format of statistics, if they are to be printed.
    pub stats: Option<StatsFormat>,
    /// The configuration of the engine.
    pub config: Config,
    /// The command's own grouped options.
    pub around: Around,
    /// Where calls are written; no option sets it.
    pub call_log: Option<CallLog>,
}

/// The action that the command line requests.
pub enum Command {
    /// Run a program.
    Run(Box<Options>),
    /// Run the embedded example.
    Story(Box<Options>),
    /// Make a report from an event log.
    Report(export::Arguments),
    /// A task of the tiering lab.
    Lab(lab::Arguments),
    /// Write bindings.
    Bindgen(bindgen::Arguments),
    /// Read or write compilation hints.
    Hints(hints::Arguments),
    /// Make a page of a module's functions.
    Explore(explore::Arguments),
    /// Compile a module ahead of time.
    Compile(compile::Arguments),
    /// Print what completes the command line in a shell.
    Completion(completion::Arguments),
    /// Print or write manual pages.
    Man(man::Arguments),
    /// Exit: help was printed, or an error.
    Done(ExitCode),
}
