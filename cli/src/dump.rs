//! `-D dump`: prints both compilers' code of one function.

use std::fmt::Write as _;

use anyhow::Context as _;
use iced_x86::{Decoder, DecoderOptions, Formatter as _, IntelFormatter};
use upshift::{
    CompiledFunction, Dump, Module, Printable, PrintableLines, Result, Tier, WasmOffset,
};
use upshift_knobs::nearest;

use crate::report;

/// CLIF before and after optimization, then the machine code of both tiers.
///
/// # Errors
///
/// If the module defines no such function, or a compiler refuses it.
pub fn print(module: &Module, func: &str) -> Result<()> {
    let index = find(module, func)?;
    let mut out = String::new();
    for (title, dump) in [
        ("CLIF, as translated", Dump::Clif),
        ("CLIF, optimized", Dump::OptimizedClif),
    ] {
        let text = module.dump_func(index, dump)?;
        let _ = writeln!(out, ";; {title}\n{}\n", text.trim_end());
    }
    for tier in [Tier::Baseline, Tier::Optimizer] {
        let code = module.compile_func(index, tier)?;
        let (bytes, frame) = (code.code.len(), code.frame_size);
        let _ = writeln!(out, ";; {tier}: {bytes} bytes, a frame of {frame}");
        disassemble(&code, &mut out);
        out.push('\n');
    }
    report::out(&PrintableLines(&out).to_string())
}

/// The function that a name or index of the command line means.
///
/// # Errors
///
/// If the module defines none; the message says what was probably meant.
pub fn find(module: &Module, func: &str) -> Result<u32> {
    module.find_func(func).with_context(|| {
        let names: Vec<_> = module
            .defined_funcs()
            .map(|func| module.func_name(func))
            .collect();
        let near = nearest(func, names.iter().map(|name| &**name));
        let advice = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        Printable(format!("the module defines no function `{func}`{advice}")).to_string()
    })
}

/// An instruction of compiled code.
pub struct Instruction {
    /// Its offset in the code.
    pub start: u32,
    /// Its text.
    pub text: String,
    /// What the artifact's tables say of it.
    pub notes: String,
    /// The WebAssembly instruction that it was compiled from.
    pub source: Option<WasmOffset>,
    /// Whether that is another one than of the instruction before.
    pub is_first: bool,
}

/// Disassembles compiled code.
pub fn each_instruction(function: &CompiledFunction, mut visit: impl FnMut(Instruction)) {
    let code = function.instructions();
    let mut decoder = Decoder::with_ip(64, code, 0, DecoderOptions::NONE);
    let mut formatter = IntelFormatter::new();
    let mut sources = function.sources.iter().peekable();
    let mut source = None;
    while decoder.can_decode() {
        let start = decoder.position() as u32;
        let instruction = decoder.decode();
        let end = decoder.position() as u32;
        let mut is_first = false;
        while let Some(next) = sources.next_if(|source| source.code.0 <= start) {
            source = Some(next.wasm);
            is_first = true;
        }
        let mut text = String::new();
        formatter.format(&instruction, &mut text);
        let notes = notes(function, start, end);
        visit(Instruction {
            start,
            text,
            notes,
            source,
            is_first,
        });
    }
}

/// One instruction per line, with the WebAssembly offset where it changes, and notes from the
/// artifact's tables.
pub fn disassemble(function: &CompiledFunction, out: &mut String) {
    let code = function.instructions();
    each_instruction(function, |instruction| {
        let Instruction {
            start, text, notes, ..
        } = &instruction;
        let source = instruction.source.filter(|_| instruction.is_first);
        let source = source.map_or_else(String::new, |wasm| format!("{:#x}", wasm.0));
        let _ = writeln!(out, "{source:>10}  {start:5x}  {text:<48}{notes}");
    });
    let mut start = code.len();
    while start < function.code.len() {
        let end = (start + 1).next_multiple_of(16).min(function.code.len());
        let bytes = &function.code[start..end];
        let _ = writeln!(out, "{:>10}  {start:5x}  {bytes:02x?}", "data");
        start = end;
    }
}

/// The notes on an instruction from the artifact's tables.
fn notes(function: &CompiledFunction, start: u32, end: u32) -> String {
    let mut notes = Vec::new();
    let relocations = function.relocations.iter();
    for relocation in relocations.filter(|relocation| (start..end).contains(&relocation.offset.0)) {
        notes.push(relocation.target.to_string());
    }
    if let Some(site) = function
        .sites
        .traps
        .iter()
        .find(|site| site.code.0 == start)
    {
        notes.push(format!("trap: {}", site.trap));
    }
    if notes.is_empty() {
        return String::new();
    }
    format!("; {}", notes.join(", "))
}
