//! `upshift bindgen`: Rust for the functions of a module.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use upshift::{Printable, Result};
use upshift_bindgen::Bindings;

use crate::output::apart;
use crate::report;

const EXAMPLES: &str = "\
Examples:
  upshift bindgen libfoo.wasm                       what can be called, as a module's own types say
  upshift bindgen libfoo.wasm -o src/foo.rs         the same as a file of a Rust program
  upshift bindgen --config foo.toml libfoo.wasm     with signatures of your own

A module compiled with debug information (-g) says itself what its functions take. What it can't
say (how long an array is, what is written to, who frees text) is in a file:
  functions = [
      \"crc32(crc: u32, data: &[u8]) -> u32\",     address and length
      \"open = db_open(path: cstr, db: out *Db) -> i32\",   text up to a zero; a further result
      \"version() -> cstr\",
  ]
  imports = [\"env.log(level: i32, text: &str)\"]
  [structs]
  Point = \"x: f64, y: f64\"
Types: bool, i8 to u64, f32, f64; *T an address; &T, &mut T, out T; &[T], &mut [T] with a length,
&[T; _] without; &str with a length, cstr without; results also `owned cstr`, which is freed.

The same without a file of bindings, while a program is compiled:
  upshift::bindgen!(\"libfoo.wasm\", config = \"foo.toml\");

Exit codes:
  0  done
  1  a file can't be read or written, or there are no bindings of this module
  2  wrong usage";

/// Writes typed Rust bindings of a module's functions.
#[derive(Parser, Debug)]
#[command(
    name = "upshift bindgen",
    bin_name = "upshift bindgen",
    version,
    after_help = EXAMPLES,
    arg_required_else_help = true
)]
pub struct Arguments {
    /// Signatures and more, in TOML
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// The name of the struct, instead of the module's file's
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// The file for the bindings, instead of standard output
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,

    /// The module (.wasm)
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Writes the bindings.
pub fn run(arguments: &Arguments) -> ExitCode {
    match write(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report::failure(&error),
    }
}

fn write(arguments: &Arguments) -> Result<()> {
    let file = Printable(arguments.file.display());
    let wasm = read(&arguments.file)?;
    let config = match &arguments.config {
        Some(path) => String::from_utf8(read(path)?)
            .with_context(|| format!("`{}` is no text", Printable(path.display())))?,
        None => String::new(),
    };
    let stem = arguments
        .file
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy();
    let bindings = Bindings {
        wasm: &wasm,
        name: arguments.name.as_deref().unwrap_or(&stem),
        config: &config,
        include: None,
    };
    let about = arguments
        .config
        .as_deref()
        .unwrap_or(&arguments.file)
        .display();
    let items = bindings
        .generate()
        .with_context(|| format!("no bindings of `{file}`: `{}`", Printable(about)))?;
    let text = format!("//! Bindings of `{file}`, made by `upshift bindgen`.\n\n{items}");
    match &arguments.output {
        None => report::out(&text),
        Some(path) => apart(path, &arguments.file)
            .and_then(|()| fs::write(path, text))
            .with_context(|| format!("cannot write `{}`", Printable(path.display()))),
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read `{}`", Printable(path.display())))
}
