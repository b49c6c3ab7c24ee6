//! `upshift completion`: what makes a shell complete the command line.

use std::process::ExitCode;

use clap::Parser;
use clap_complete::{Shell, generate};
use upshift::Result;

use crate::{options, report};

const EXAMPLES: &str = "\
Examples:
  upshift completion bash > ~/.local/share/bash-completion/completions/upshift
  upshift completion zsh > ~/.zfunc/_upshift         where ~/.zfunc is in $fpath
  upshift completion fish > ~/.config/fish/completions/upshift.fish
  source <(upshift completion bash)                  for this shell alone";

/// Prints the script by which a shell completes commands, options and file names.
#[derive(Parser, Debug)]
#[command(
    name = "upshift completion",
    bin_name = "upshift completion",
    version,
    after_help = EXAMPLES,
    arg_required_else_help = true
)]
pub struct Arguments {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Prints the script.
pub fn run(arguments: &Arguments) -> ExitCode {
    match print(arguments.shell) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report::failure(&error),
    }
}

fn print(shell: Shell) -> Result<()> {
    let mut script = Vec::new();
    generate(shell, &mut options::tree(), "upshift", &mut script);
    report::out(&String::from_utf8_lossy(&script))
}
