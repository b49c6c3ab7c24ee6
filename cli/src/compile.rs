//! `upshift compile`: a module with its code, compiled ahead of time; and how it is run.

#![allow(
    unsafe_code,
    reason = "the user vouches for code by --allow-precompiled"
)]

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use upshift::knobs::Group;
use upshift::{Engine, Module, Printable, Result};

use crate::invoke::UsageError;
use crate::options::{self, Options};
use crate::output::Output;
use crate::report;

const EXAMPLES: &str = "\
Examples:
  upshift compile app.wasm -o app.cwasm                     baseline code of all functions
  upshift compile -T mode=optimizer app.wasm -o app.cwasm   optimized code of all functions
  upshift --allow-precompiled app.cwasm a b                 run it, with arguments

Code is for this version of upshift, this processor and these options: run it with the same -C and
-W. With other ones it is refused, and the message says where they differ. Code is run as it is
found in the file, so run files only that you trust as you trust programs.

To begin with what was hot in the last run instead, without a file of your own: -C cache=DIR.

Exit codes:
  0  done
  1  a file can't be read or written, is no module, or a function can't be compiled
  2  wrong usage";

/// Compiles a module ahead of time.
#[derive(Parser, Debug)]
#[command(
    name = "upshift compile",
    bin_name = "upshift compile",
    version,
    after_help = EXAMPLES,
    arg_required_else_help = true
)]
pub struct Arguments {
    /// The file for the module with its code
    #[arg(short, long, value_name = "OUT", value_hint = clap::ValueHint::FilePath)]
    output: PathBuf,

    /// Tiering: `mode` chooses the compiler, the others are as for a run
    #[arg(short = 'T', value_name = "NAME=VALUE,...")]
    tiering: Vec<String>,

    /// Compilation: how code is made
    #[arg(short = 'C', value_name = "NAME=VALUE,...")]
    compile: Vec<String>,

    /// WebAssembly: what the module may use
    #[arg(short = 'W', value_name = "NAME=VALUE,...")]
    wasm: Vec<String>,

    /// The module (.wasm or .wat); `-` is standard input
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,
}

/// Compiles the module.
pub fn run(arguments: &Arguments) -> ExitCode {
    let options = options::of_groups(&[
        (Group::Tiering, &arguments.tiering),
        (Group::Compile, &arguments.compile),
        (Group::Wasm, &arguments.wasm),
    ]);
    match options.map(|options| compile(arguments, &options)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => report::failure(&error),
        Err(refused) => refused,
    }
}

fn compile(arguments: &Arguments, options: &Options) -> Result<()> {
    let engine = Engine::new(&options.config)?;
    let file = || Printable(arguments.file.display()).to_string();
    let read = if arguments.file == Path::new("-") {
        let mut bytes = Vec::new();
        let read = std::io::stdin().lock().read_to_end(&mut bytes);
        read.map(|_| bytes)
    } else {
        std::fs::read(&arguments.file)
    };
    let bytes = read.with_context(|| format!("cannot read `{}`", file()))?;
    let compiled = engine
        .precompile_module(&bytes)
        .with_context(|| format!("cannot compile `{}`", file()))?;
    let cannot = || format!("cannot write `{}`", Printable(arguments.output.display()));
    let output = Output::create_from(&arguments.output, &arguments.file).with_context(cannot)?;
    let written = output.write(|mut file| file.write_all(&compiled));
    written.with_context(cannot)
}

/// Which files with code are run, and how they are read.
#[derive(Clone, Copy, Debug)]
pub struct Allowed {
    /// Whether there are any: the user vouches for them.
    pub any: bool,
    /// Whether the file can be mapped, as the program can't change it.
    pub mapped: bool,
}

impl Allowed {
    /// What the options allow.
    pub fn by(options: &Options) -> Self {
        Self {
            any: options.allow_precompiled,
            mapped: !options.guest.writes(),
        }
    }
}

/// Loads a file that holds a module with its code; `None` if it is no such file.
///
/// A program that may write to files could change its own while it runs. So its file is not mapped:
/// shortened, it would end this process, and code would run that the user has not vouched for.
pub fn load(engine: &Engine, file: &Path, allowed: Allowed) -> Option<Result<Module>> {
    Engine::detect_precompiled_file(file).ok()??;
    let name = || format!("`{}`", Printable(file.display()));
    if !allowed.any {
        return Some(Err(not_allowed(&name())));
    }
    if allowed.mapped {
        // SAFETY: the user has vouched for the file.
        return Some(unsafe { Module::deserialize_file(engine, file) });
    }
    let read = || {
        let bytes = std::fs::read(file)?;
        // SAFETY: as above.
        unsafe { Module::deserialize(engine, bytes) }
    };
    Some(read().with_context(|| format!("cannot load {}", name())))
}

/// As [`load`], of bytes that were read from what messages call `name`.
pub fn load_bytes(
    engine: &Engine,
    bytes: &[u8],
    name: &str,
    allow: bool,
) -> Option<Result<Module>> {
    Engine::detect_precompiled(bytes)?;
    if !allow {
        return Some(Err(not_allowed(name)));
    }
    // SAFETY: the user has vouched for what it names.
    Some(unsafe { Module::deserialize(engine, bytes) })
}

fn not_allowed(name: &str) -> upshift::Error {
    let message = format!(
        "{name} holds compiled code, which is run as it is found: --allow-precompiled if you \
         trust it"
    );
    UsageError(message).into()
}
