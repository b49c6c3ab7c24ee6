//! `-D dump`: prints both compilers' code of one function.

use std::fmt::Write as _;

use anyhow::Context as _;
use iced_x86::{Decoder, DecoderOptions, Formatter as _, IntelFormatter};
use upshift::{CompiledFunction, Dump, Module, Printable, PrintableLines, Result, Tier};

use crate::report;

/// CLIF before and after optimization, then the machine code of both tiers.
pub fn print(module: &Module, func: &str) -> Result<()> {
    let found = module.find_func(func);
    let index =
        found.with_context(|| format!("the module defines no function `{}`", Printable(func)))?;
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

/// One instruction per line, with the WebAssembly offset where it changes, and notes from the
/// artifact's tables.
pub fn disassemble(function: &CompiledFunction, out: &mut String) {
    let code = function.instructions();
    let mut decoder = Decoder::with_ip(64, code, 0, DecoderOptions::NONE);
    let mut formatter = IntelFormatter::new();
    let mut sources = function.sources.iter().peekable();
    while decoder.can_decode() {
        let start = decoder.position() as u32;
        let instruction = decoder.decode();
        let end = decoder.position() as u32;
        let mut source = None;
        while let Some(next) = sources.next_if(|source| source.code.0 <= start) {
            source = Some(next.wasm);
        }
        let source = source.map_or_else(String::new, |wasm| format!("{:#x}", wasm.0));
        let mut text = String::new();
        formatter.format(&instruction, &mut text);
        let notes = notes(function, start, end);
        let _ = writeln!(out, "{source:>10}  {start:5x}  {text:<48}{notes}");
    }
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
