//! The `upshift` command: runs a WebAssembly program and shows what tiering did.
//!
//! - `options`: the command line;
//! - `run`: a program from its file to its end;
//! - `invoke`: one function with arguments as text;
//! - `logger`: the engine's warnings;
//! - `dump`: what both compilers make of one function;
//! - `report`: what is printed after a run, and how errors look;
//! - `story`: the embedded example and how it is told.
//!
//! Exit codes: the guest's own; 134 if it trapped; 124 if its time was over; 1 if it could not be run; 2
//! for a command line that makes no sense. Standard output belongs to the guest; everything else goes to standard error.

mod dump;
mod invoke;
mod logger;
mod options;
mod report;
mod run;
mod story;

use std::process::ExitCode;

fn main() -> ExitCode {
    match options::parse(std::env::args_os()) {
        options::Command::Run(options) => run::program(&options),
        options::Command::Story(options) => story::tell(&options),
        options::Command::Done(code) => code,
    }
}
