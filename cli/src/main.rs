//! The `upshift` command: runs a WebAssembly program and shows what tiering did.
//!
//! - `options`: the command line;
//! - `run`: a program from its file to its end;
//! - `supervise`: the guest on a thread of its own, and signals that end it;
//! - `record`: the reports of a run;
//! - `profile`: the profiles that a run is given and writes;
//! - `output`: files that are replaced as a whole;
//! - `export`: reports from the file of a run's events;
//! - `bindgen`: Rust for the functions of a module;
//! - `hints`: compilation hints, written from a run, read, taken out;
//! - `lab`: the tiering lab: recorded runs, simulations, bounds, experiments;
//! - `invoke`: one function with arguments as text;
//! - `logger`: the engine's warnings;
//! - `compile`: code of a module, made ahead of time;
//! - `code`: code of a log's functions, for the HTML report;
//! - `calls`: the tree of calls; `coverage`: what has run and how often;
//! - `preload`: modules that the program imports from;
//! - `completion`, `man`: the command line for shells and manual pages;
//! - `dump`: both compilers' code of one function; `explore`: a page of many, in all forms;
//! - `text`: the text format of functions, with places;
//! - `report`, `color`: output, errors and warnings;
//! - `story`: the embedded example and its story;
//! - `timed`: what a call takes.
//!
//! Exit codes: the guest's own; 134 if it trapped; 124 if its time was over; 1 if it could not be
//! run or a report could not be written; 2 for wrong usage; 128 and the signal's number if a signal
//! ended it. Where its output is not read any more (`upshift … | head`) it ends without a word,
//! with 141, as if by SIGPIPE; a guest gets the error of its own output instead. Standard output
//! belongs to the guest; everything else goes to standard error.

mod bindgen;
mod calls;
mod code;
mod color;
mod compile;
mod completion;
mod core_dump;
mod coverage;
mod dump;
mod explore;
mod export;
mod hints;
mod invoke;
mod iterations;
mod lab;
mod logger;
mod man;
mod observed;
mod options;
mod output;
mod preload;
mod profile;
mod record;
mod report;
mod run;
mod story;
mod supervise;
mod text;
mod timed;

use std::process::ExitCode;

fn main() -> ExitCode {
    supervise::survive_file_size_limit();
    match options::parse(std::env::args_os()) {
        options::Command::Run(options) => run::program(&options),
        options::Command::Story(options) => story::tell(&options),
        options::Command::Report(arguments) => export::run(&arguments),
        options::Command::Bindgen(arguments) => bindgen::run(&arguments),
        options::Command::Hints(arguments) => hints::run(arguments),
        options::Command::Lab(arguments) => lab::run(&arguments),
        options::Command::Explore(arguments) => explore::run(&arguments),
        options::Command::Compile(arguments) => compile::run(&arguments),
        options::Command::Completion(arguments) => completion::run(&arguments),
        options::Command::Man(arguments) => man::run(&arguments),
        options::Command::Done(code) => code,
    }
}
