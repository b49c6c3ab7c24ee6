//! Typed Rust bindings of WebAssembly modules: a struct for a module with a method for each
//! function that it exports, and a trait for each module that it imports functions from.
//!
//! What a function's `i32` stands for is taken from a [configuration](#configuration), else from
//! DWARF where the module has it, else it is a number. `upshift bindgen` prints the bindings;
//! `upshift::bindgen!` makes them while a program is compiled. They rest on `upshift::guest`.
//!
//! # Configuration
//!
//! ```toml
//! name = "Zlib"                            # the struct; else from the file's name
//! allocator = ["malloc", "free"]           # what takes and gives back the module's memory
//! skip = ["__*", "debug"]                  # exports without a method
//! dwarf = true                             # whether debug information is read
//! functions = [
//!     "crc32(crc: u32, data: &[u8]) -> u32",
//!     "version = zlibVersion() -> cstr",   # under another name
//! ]
//! imports = ["env.log(level: i32, text: &str)"]
//!
//! [structs]
//! Point = "x: f64, y: f64, tag: [u8; 8], next: *Point"
//! ```
//!
//! The notation of signatures: [`signature`].
//!
//! # Invariants
//!
//! - Knows no engine: reads a module, writes Rust.
//! - A signature that contradicts the function's type in the module is an error, with its line.

#![forbid(unsafe_code)]

mod config;
mod dwarf;
mod emit;
mod layout;
mod module;
mod names;
mod plan;
pub mod signature;

use std::collections::{BTreeMap, HashMap};

use crate::config::Config;
use crate::layout::Placed;
use crate::module::ModuleFacts;
use crate::plan::Plan;
use crate::signature::Signature;

/// Why there are no bindings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BindError(String);

impl BindError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    fn at_line(self, line: usize) -> Self {
        Self(format!("line {line}: {}", self.0))
    }
}

impl From<wasmparser::BinaryReaderError> for BindError {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        Self(format!("the module is damaged: {error}"))
    }
}

/// What debug information says.
#[derive(Debug, Default)]
pub(crate) struct Debug {
    /// Signatures by function, without names.
    functions: HashMap<u32, Signature>,
    structs: BTreeMap<String, Placed>,
}

/// What to make bindings of.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bindings<'a> {
    /// The module, in the binary format.
    pub wasm: &'a [u8],
    /// The name of the module: of the struct, in another spelling.
    pub name: &'a str,
    /// The text of a configuration; may be empty.
    pub config: &'a str,
    /// A path for `include_bytes!`: the bindings contain the module.
    pub include: Option<&'a str>,
}

impl Bindings<'_> {
    /// The bindings, as the text of Rust items.
    ///
    /// # Errors
    ///
    /// If the module is damaged or has what bindings do not support, or the configuration makes no
    /// sense or contradicts the module; says where.
    pub fn generate(&self) -> Result<String, BindError> {
        let config = Config::parse(self.config)?;
        let facts = ModuleFacts::read(self.wasm)?;
        let debug = match config.dwarf {
            true => dwarf::read(&facts)?,
            false => Debug::default(),
        };
        let plan = Plan::new(self.name, &facts, debug, &config)?;
        Ok(emit::items(&plan, self.include))
    }
}
