//! The built-in program, and the story of how it tiers up.

use std::process::ExitCode;

use upshift::Module;

use crate::options::Options;
use crate::{report, run};

/// The built-in program: five chapters of about equal length, each hot in another way; see its
/// folder.
const PROGRAM: &[u8] = include_bytes!("../story/story.wasm");

const INTRODUCTION: &str = "\
No program given, so this is the built-in one. Each function starts in the baseline JIT;
the hot ones are recompiled by Cranelift while they run. `upshift --help` says more.

";

/// Runs the program and prints the story.
pub fn tell(options: &Options) -> ExitCode {
    let mut options = options.clone();
    options.file = "story.wasm".into();
    options.around.story = true;
    if let Err(error) = report::out(INTRODUCTION) {
        return report::failure(&error);
    }
    run::run_module(&options, |engine| Module::new(engine, PROGRAM))
}
