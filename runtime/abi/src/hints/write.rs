//! Writing sections of hints into a module, before its code, and taking them out.

use std::ops::Range;

use wasmparser::{BinaryReaderError, Parser, Payload};

use super::{CompilationHints, FunctionHints, Section};

/// The module with these hints instead of those that it has. All else is the same, byte by byte.
///
/// Priorities are written in V8's form, which other readers of today don't tell apart from the
/// proposal's by anything but the number of hints.
///
/// # Errors
///
/// If the bytes are no module: sections can't be told apart.
pub fn write(wasm: &[u8], hints: &CompilationHints) -> Result<Vec<u8>, BinaryReaderError> {
    let Outline { hints: old, code } = Outline::of(wasm)?;
    let before = code.unwrap_or(wasm.len());
    let mut out = Vec::with_capacity(wasm.len());
    copy(wasm, 0..before, &old, &mut out);
    for &section in Section::ALL {
        let contents = contents(section, hints);
        if !contents.is_empty() {
            let name = section.name();
            let mut body = Vec::new();
            number(&mut body, name.len() as u64);
            body.extend(name.bytes());
            body.extend(contents);
            out.push(0);
            number(&mut out, body.len() as u64);
            out.extend(body);
        }
    }
    copy(wasm, before..wasm.len(), &old, &mut out);
    Ok(out)
}

/// The module without compilation hints; those of branches stay. All else is the same, byte by
/// byte.
///
/// # Errors
///
/// If the bytes are no module: sections can't be told apart.
pub fn strip(wasm: &[u8]) -> Result<Vec<u8>, BinaryReaderError> {
    let outline = Outline::of(wasm)?;
    let mut out = Vec::with_capacity(wasm.len());
    copy(wasm, 0..wasm.len(), &outline.hints, &mut out);
    Ok(out)
}

/// Where a module's sections are.
struct Outline {
    /// The sections of hints, with their headers.
    hints: Vec<Range<usize>>,
    /// Where the code section begins, with its header.
    code: Option<usize>,
}

impl Outline {
    fn of(wasm: &[u8]) -> Result<Self, BinaryReaderError> {
        let mut outline = Self {
            hints: Vec::new(),
            code: None,
        };
        // A section's header ends where the contents begin, and begins where the one before ends.
        let mut end = 8;
        for payload in Parser::new(0).parse_all(wasm) {
            let payload = payload?;
            let Some((_, contents)) = payload.as_section() else {
                continue;
            };
            // The parser does not check the end of a code section without functions.
            let section = end..(contents.end as usize).min(wasm.len());
            end = section.end;
            match &payload {
                Payload::CodeSectionStart { .. } => {
                    outline.code.get_or_insert(section.start);
                }
                Payload::CustomSection(custom) if Section::named(custom.name()).is_some() => {
                    outline.hints.push(section);
                }
                _ => {}
            }
        }
        Ok(outline)
    }
}

/// Copies a part of the module but for what is left out.
fn copy(wasm: &[u8], part: Range<usize>, without: &[Range<usize>], out: &mut Vec<u8>) {
    let mut at = part.start;
    for gone in without.iter().filter(|gone| part.contains(&gone.start)) {
        out.extend(&wasm[at..gone.start]);
        at = gone.end;
    }
    out.extend(&wasm[at..part.end]);
}

/// The section's contents behind its name; empty if there is nothing to say.
fn contents(section: Section, hints: &CompilationHints) -> Vec<u8> {
    let mut count = 0_u64;
    let mut all = Vec::new();
    for (func, hints) in &hints.functions {
        let listed = listed(section, hints);
        if listed.is_empty() {
            continue;
        }
        count += 1;
        number(&mut all, func.0.into());
        // V8's form has no number of hints.
        if section != Section::CompilationPriority {
            number(&mut all, listed.len() as u64);
        }
        for (offset, bytes) in listed {
            number(&mut all, offset.into());
            number(&mut all, bytes.len() as u64);
            all.extend(bytes);
        }
    }
    let mut contents = Vec::new();
    if count > 0 {
        number(&mut contents, count);
        contents.extend(all);
    }
    contents
}

/// A function's hints of a section: offset and bytes of each.
fn listed(section: Section, hints: &FunctionHints) -> Vec<(u32, Vec<u8>)> {
    let bytes = |numbers: &[u64]| {
        let mut bytes = Vec::new();
        numbers.iter().for_each(|&n| number(&mut bytes, n));
        bytes
    };
    match section {
        Section::CompilationPriority => {
            let priority = hints.priority.iter().map(|priority| {
                let optimization = priority.optimization.map(u64::from);
                let numbers = [Some(priority.compilation.into()), optimization];
                (0, bytes(&numbers.into_iter().flatten().collect::<Vec<_>>()))
            });
            priority.collect()
        }
        Section::InstrFreq => {
            let frequencies = hints.frequencies.iter();
            frequencies.map(|&(at, f)| (at, vec![f.0])).collect()
        }
        Section::CallTargets => {
            let targets = hints.targets.iter().map(|(at, targets)| {
                let numbers = targets
                    .iter()
                    .flat_map(|target| [target.func.0, target.percent]);
                (*at, bytes(&numbers.map(u64::from).collect::<Vec<_>>()))
            });
            targets.collect()
        }
        Section::Units => hints
            .units
            .iter()
            .map(|&units| (0, bytes(&[units])))
            .collect(),
    }
}

/// Appends a number in LEB128.
fn number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
