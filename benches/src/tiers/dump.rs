//! Both tiers' code of a function, as a file to look at.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use iced_x86::{Decoder, DecoderOptions, Formatter as _, IntelFormatter};
use upshift::{CompiledFunction, ExternType, Module, Tier};

use super::ratio::Compared;

/// Writes the file, named after the case and the function's index. The modules are one, loaded by
/// an engine of each tier.
///
/// # Errors
///
/// If a compiler refuses the function, or the file can't be written.
pub fn write(folder: &Path, case: &str, modules: &[Module; 2], function: &Compared) -> Result<()> {
    let imported = modules[0]
        .imports()
        .filter(|import| matches!(import.ty(), ExternType::Func(_)));
    let index = function.index + u32::try_from(imported.count())?;
    let mut text = format!(
        ";; {case}, {} (function {index}): {:.1} % of the time, optimized/baseline {:.2}\n",
        function.name,
        function.share * 100.0,
        function.ratio
    );
    for (tier, module) in [Tier::Baseline, Tier::Optimizer].into_iter().zip(modules) {
        let code = module.compile_func(index, tier)?;
        let _ = writeln!(text, "\n;; {tier}: {} bytes", code.code.len());
        disassemble(&code, &mut text);
    }
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let path = folder.join(format!("{case}-{index}.txt"));
    std::fs::write(&path, text).with_context(|| path.display().to_string())
}

/// One instruction per line, with its offset.
fn disassemble(function: &CompiledFunction, text: &mut String) {
    let mut decoder = Decoder::with_ip(64, function.instructions(), 0, DecoderOptions::NONE);
    let mut formatter = IntelFormatter::new();
    while decoder.can_decode() {
        let _ = write!(text, "{:6x}  ", decoder.position());
        formatter.format(&decoder.decode(), text);
        text.push('\n');
    }
}
