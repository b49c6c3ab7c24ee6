//! Programs as files: WebAssembly's text format, one module behind the other, with the seed of the
//! arguments in a comment.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail};
use wast::parser::{self, ParseBuffer};
use wast::{QuoteWat, Wast, WastDirective};

use crate::program::Program;

const SEED: &str = ";; arguments: ";

/// Writes a program to a file, below what is known of it.
///
/// # Errors
///
/// If the file can't be written, or a module not be printed.
pub fn write(path: &Path, program: &Program, about: &str) -> Result<()> {
    let mut text = String::new();
    for line in about.lines() {
        writeln!(text, ";; {line}")?;
    }
    writeln!(text, "{SEED}{}", program.seed)?;
    for wasm in &program.modules {
        text += &wasmprinter::print_bytes(wasm)?;
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, text).with_context(|| path.display().to_string())
}

/// Reads a program from a file.
///
/// # Errors
///
/// If the file can't be read, or is not one that [`write()`] makes.
pub fn read(path: &Path) -> Result<Program> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    parse(&text).with_context(|| path.display().to_string())
}

fn parse(text: &str) -> Result<Program> {
    let seed = text.lines().find_map(|line| line.strip_prefix(SEED));
    let seed = seed.context("no seed of arguments")?.parse()?;
    let buffer = ParseBuffer::new(text)?;
    let script: Wast = parser::parse(&buffer)?;
    let mut modules = Vec::new();
    for directive in script.directives {
        match directive {
            WastDirective::Module(mut module @ QuoteWat::Wat(_)) => modules.push(module.encode()?),
            _ => bail!("something else than a module"),
        }
    }
    Ok(Program { modules, seed })
}
