//! Reading sections of hints, of modules that can't be trusted.

use wasmparser::{BinaryReader, Parser, Payload};

use super::{CallTarget, CompilationHints, Frequency, Priority, Section};
use crate::FuncIndex;

/// A section that was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("section `{section}` is ignored: {reason}")]
pub struct MalformedHints {
    /// The section.
    pub section: Section,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// Reads the hints of a module, as far as they are well-formed.
///
/// # Errors
///
/// If the bytes are no module: sections can't be told apart.
pub fn read(wasm: &[u8]) -> Result<HintSections, wasmparser::BinaryReaderError> {
    let mut found = HintSections::default();
    let mut code_seen = false;
    for payload in Parser::new(0).parse_all(wasm) {
        match payload? {
            Payload::CodeSectionStart { .. } => code_seen = true,
            Payload::CustomSection(custom) => {
                if let Some(section) = Section::named(custom.name()) {
                    found.add(section, custom.data(), code_seen);
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

/// The hints of a module, and what was left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HintSections {
    /// The hints.
    pub hints: CompilationHints,
    /// The sections that were left out.
    pub malformed: Vec<MalformedHints>,
    seen: Vec<Section>,
}

impl HintSections {
    /// Adds a section of the module.
    pub fn add(&mut self, section: Section, data: &[u8], behind_code: bool) {
        let again = self.seen.contains(&section);
        self.seen.push(section);
        let mut hints = CompilationHints::default();
        let read = match (behind_code, again) {
            (true, _) => Err("it stands behind the code"),
            (_, true) => Err("it is there twice"),
            _ => read_section(section, data, &mut hints),
        };
        match read {
            Ok(()) => self.hints.merge(hints),
            Err(reason) => self.malformed.push(MalformedHints { section, reason }),
        }
    }
}

/// Reads a section into the hints, which are of no use if it is malformed.
///
/// # Errors
///
/// If it is malformed: what is wrong with it.
pub fn read_section(
    section: Section,
    data: &[u8],
    hints: &mut CompilationHints,
) -> Result<(), &'static str> {
    let mut reader = BinaryReader::new(data, 0);
    let mut last = None;
    for _ in 0..number(&mut reader)? {
        let func = FuncIndex(number(&mut reader)?);
        if last.replace(func).is_some_and(|last| last >= func) {
            return Err("its functions are not ascending");
        }
        let count = number(&mut reader)?;
        // In V8's form this is the offset of the only hint.
        let v8 = section == Section::CompilationPriority && count == 0;
        let mut last = None;
        for _ in 0..if v8 { 1 } else { count } {
            let offset = if v8 { 0 } else { number(&mut reader)? };
            if last.replace(offset).is_some_and(|last| last >= offset) {
                return Err("its offsets are not ascending");
            }
            let length = number(&mut reader)? as usize;
            let bytes = reader.read_bytes(length).map_err(|_| CUT_OFF)?;
            hint(section, func, offset, bytes, hints)?;
        }
    }
    match reader.eof() {
        true => Ok(()),
        false => Err("there are bytes behind its hints"),
    }
}

const CUT_OFF: &str = "it is cut off";

fn number(reader: &mut BinaryReader<'_>) -> Result<u32, &'static str> {
    reader.read_var_u32().map_err(|_| CUT_OFF)
}

/// Reads one hint.
fn hint(
    section: Section,
    func: FuncIndex,
    offset: u32,
    bytes: &[u8],
    hints: &mut CompilationHints,
) -> Result<(), &'static str> {
    let mut reader = BinaryReader::new(bytes, 0);
    let of_function = || match offset {
        0 => Ok(()),
        _ => Err("a hint of a function has an offset"),
    };
    let hints = hints.of(func);
    match section {
        Section::CompilationPriority => {
            of_function()?;
            let compilation = number(&mut reader)?;
            let optimization = match reader.eof() {
                true => None,
                false => Some(number(&mut reader)?),
            };
            if optimization.is_some_and(|priority| priority > Priority::RUN_ONCE) {
                return Err("an optimization priority is above 127");
            }
            // What follows belongs to later versions of the proposal.
            hints.priority = Some(Priority {
                compilation,
                optimization,
            });
        }
        Section::InstrFreq => match bytes {
            &[frequency @ (0..=64 | 127)] => {
                hints.frequencies.push((offset, Frequency(frequency)));
            }
            _ => return Err("a frequency is not one byte of 0 to 64 or 127"),
        },
        Section::CallTargets => {
            let mut targets = Vec::new();
            let mut sum = 0_u32;
            while !reader.eof() {
                let func = FuncIndex(number(&mut reader)?);
                let percent = number(&mut reader)?;
                sum = sum.saturating_add(percent);
                targets.push(CallTarget { func, percent });
            }
            if sum > 100 {
                return Err("a call has more than 100 percent of targets");
            }
            hints.targets.push((offset, targets));
        }
        Section::Units => {
            of_function()?;
            hints.units = Some(reader.read_var_u64().map_err(|_| CUT_OFF)?);
            if !reader.eof() {
                return Err("there are bytes behind a number of units");
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hints::{FunctionHints, strip, write};

    /// A module of two functions.
    fn module() -> Vec<u8> {
        let mut wasm = b"\0asm\x01\0\0\0".to_vec();
        wasm.extend([1, 4, 1, 0x60, 0, 0]);
        wasm.extend([3, 3, 2, 0, 0]);
        wasm.extend([10, 7, 2, 2, 0, 0x0b, 2, 0, 0x0b]);
        wasm
    }

    fn with(section: Section, data: &[u8]) -> Vec<u8> {
        let mut wasm = module();
        let code = wasm.split_off(19);
        assert_eq!(code[0], 10);
        let name = section.name().as_bytes();
        wasm.extend([0, (1 + name.len() + data.len()) as u8, name.len() as u8]);
        wasm.extend(name);
        wasm.extend(data);
        wasm.extend(code);
        wasm
    }

    fn random(rng: &mut fastrand::Rng) -> CompilationHints {
        let mut hints = CompilationHints::default();
        for func in 0..rng.u32(..5) {
            let of = hints.of(FuncIndex(func * rng.u32(1..1000)));
            if rng.bool() {
                of.priority = Some(Priority {
                    compilation: rng.u32(..),
                    optimization: rng.bool().then(|| rng.u32(..=127)),
                });
            }
            of.units = rng.bool().then(|| rng.u64(..));
            let mut offset = 0;
            for _ in 0..rng.u32(..4) {
                offset += rng.u32(1..300);
                of.frequencies.push((offset, Frequency(rng.u8(..=64))));
                let target = |percent| CallTarget {
                    func: FuncIndex(7),
                    percent,
                };
                let targets = [60, 40].map(target)[..rng.usize(..3)].to_vec();
                of.targets.push((offset, targets));
            }
        }
        // A function of which nothing is said is not in any section.
        hints
            .functions
            .retain(|_, of| *of != FunctionHints::default());
        hints
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut rng = fastrand::Rng::with_seed(1);
        for _ in 0..500 {
            let hints = random(&mut rng);
            let written = write(&module(), &hints).unwrap();
            let found = read(&written).unwrap();
            assert_eq!((found.hints, found.malformed), (hints, vec![]));
            // Once more replaces, and nothing stays behind.
            let again = random(&mut rng);
            let written = write(&written, &again).unwrap();
            assert_eq!(read(&written).unwrap().hints, again);
            assert_eq!(strip(&written).unwrap(), module());
        }
    }

    #[test]
    fn both_forms_of_priorities_are_read() {
        // V8's: functions 0 and 1; the proposal's, with the number of hints.
        let v8 = [2, 0, 0, 2, 5, 10, 1, 0, 1, 6];
        let proposal = [2, 0, 1, 0, 2, 5, 10, 1, 1, 0, 1, 6];
        let first = read(&with(Section::CompilationPriority, &v8))
            .unwrap()
            .hints;
        let second = read(&with(Section::CompilationPriority, &proposal))
            .unwrap()
            .hints;
        assert_eq!(first, second);
        let priority = |func| first.functions[&FuncIndex(func)].priority.unwrap();
        assert_eq!(priority(0).optimization, Some(10));
        assert_eq!(
            (priority(1).compilation, priority(1).optimization),
            (6, None)
        );
    }

    #[test]
    fn malformed_sections_are_left_out_with_a_reason() {
        use Section::{CallTargets, CompilationPriority, InstrFreq, Units};
        for (section, data, reason) in [
            (CompilationPriority, &[1, 0, 0, 2, 5][..], CUT_OFF),
            (CompilationPriority, &[1, 0, 0, 2, 5, 128], CUT_OFF),
            (
                CompilationPriority,
                &[1, 0, 1, 0, 3, 5, 128, 1],
                "an optimization priority is above 127",
            ),
            (CompilationPriority, &[], CUT_OFF),
            (
                CompilationPriority,
                &[0, 9],
                "there are bytes behind its hints",
            ),
            (
                CompilationPriority,
                &[2, 1, 0, 1, 5, 0, 0, 1, 5],
                "its functions are not ascending",
            ),
            (
                InstrFreq,
                &[1, 0, 2, 4, 1, 33, 4, 1, 33],
                "its offsets are not ascending",
            ),
            (
                InstrFreq,
                &[1, 0, 1, 4, 1, 65],
                "a frequency is not one byte of 0 to 64 or 127",
            ),
            (
                CallTargets,
                &[1, 0, 1, 4, 4, 1, 60, 2, 60],
                "a call has more than 100 percent of targets",
            ),
            (
                Units,
                &[1, 0, 1, 3, 1, 5],
                "a hint of a function has an offset",
            ),
            (Units, &[0xff, 0xff, 0xff, 0xff, 0x0f, 1], CUT_OFF),
        ] {
            let found = read(&with(section, data)).unwrap();
            assert_eq!(found.hints, CompilationHints::default(), "{reason}");
            assert_eq!(found.malformed, [MalformedHints { section, reason }]);
        }
    }

    /// Bytes at random, and damaged sections, are refused or read; nothing panics, and no length
    /// makes the reader take memory for what is not there.
    #[test]
    fn damaged_sections_never_panic() {
        let mut rng = fastrand::Rng::with_seed(2);
        for round in 0..20_000 {
            let section = Section::ALL[rng.usize(..Section::ALL.len())];
            let mut data: Vec<u8> = (0..rng.usize(..40)).map(|_| rng.u8(..)).collect();
            if round % 2 == 0 {
                data.iter_mut().for_each(|byte| *byte %= 4);
            }
            let _ = read_section(section, &data, &mut CompilationHints::default());
            let mut written = write(&module(), &random(&mut rng)).unwrap();
            for _ in 0..3 {
                let at = rng.usize(8..written.len());
                written[at] = rng.u8(..);
            }
            written.truncate(rng.usize(8..=written.len()));
            let _ = (read(&written), strip(&written));
        }
    }

    #[test]
    fn frequencies_are_logarithms() {
        assert_eq!(Frequency::of(1.0, 1.0), Frequency(32));
        assert_eq!(Frequency::of(1000.0, 1.0), Frequency(41));
        assert_eq!(Frequency::of(1.0, 1e30), Frequency(1));
        assert_eq!(Frequency::of(0.0, 5.0), Frequency(1));
        assert_eq!(Frequency::of(1e300, 0.0), Frequency(64));
        assert_eq!(Frequency(34).per_call(), Some(4.0));
        assert_eq!(Frequency::ALWAYS.per_call(), None);
    }
}
