//! Coverage by the lines of the source, in the format that `lcov` and `genhtml` read.

use std::collections::{BTreeMap, HashMap};
use std::io;

use upshift::{Module, Printable, WasmOffset};

use super::Function;

/// The lines of a file: how often each has run.
#[derive(Debug, Default)]
pub(super) struct Lines {
    counts: BTreeMap<u32, u64>,
    /// Functions by the line of their first instruction, with how often they were called.
    functions: BTreeMap<(u32, String), u64>,
    /// Branches by line and offset.
    branches: BTreeMap<(u32, u32), (u64, u64)>,
}

/// The lines that the functions were made from, by file, as far as debug information tells. A line
/// has run as often as that of its instructions which has run most.
pub(super) fn lines(module: &Module, functions: &[Function<'_>]) -> BTreeMap<String, Lines> {
    let mut files: BTreeMap<String, Lines> = BTreeMap::new();
    for func in functions {
        let branches: HashMap<u32, (u64, u64)> = func.branches.iter().copied().collect();
        let mut is_named = false;
        for (offset, count) in func.instructions() {
            let symbols = module.symbols_at(WasmOffset(offset));
            let place = symbols.first().and_then(|it| it.file().zip(it.line()));
            let Some((file, line)) = place.filter(|&(_, line)| line > 0) else {
                continue;
            };
            let lines = files.entry(file.to_owned()).or_default();
            let known = lines.counts.entry(line).or_default();
            *known = count.max(*known);
            if let Some(&directions) = branches.get(&offset) {
                lines.branches.insert((line, offset), directions);
            }
            // What is inlined there is of another function.
            if !is_named && symbols.len() == 1 {
                is_named = true;
                let name = func.name.to_owned();
                lines.functions.insert((line, name), func.calls());
            }
        }
    }
    files
}

/// Writes a section for each file.
pub(super) fn write(files: &BTreeMap<String, Lines>, out: &mut impl io::Write) -> io::Result<()> {
    writeln!(out, "TN:")?;
    for (file, lines) in files {
        writeln!(out, "SF:{}", Printable(file))?;
        for (line, name) in lines.functions.keys() {
            writeln!(out, "FN:{line},{name}")?;
        }
        for ((_, name), calls) in &lines.functions {
            writeln!(out, "FNDA:{calls},{name}")?;
        }
        let called = lines.functions.values().filter(|&&calls| calls > 0);
        writeln!(out, "FNF:{}\nFNH:{}", lines.functions.len(), called.count())?;
        let mut gone = 0;
        for (&(line, offset), &(taken, not_taken)) in &lines.branches {
            for (direction, count) in [(0, taken), (1, not_taken)] {
                gone += usize::from(count > 0);
                match taken + not_taken {
                    0 => writeln!(out, "BRDA:{line},{offset},{direction},-")?,
                    _ => writeln!(out, "BRDA:{line},{offset},{direction},{count}")?,
                }
            }
        }
        writeln!(out, "BRF:{}\nBRH:{gone}", 2 * lines.branches.len())?;
        for (line, count) in &lines.counts {
            writeln!(out, "DA:{line},{count}")?;
        }
        let ran = lines.counts.values().filter(|&&count| count > 0);
        writeln!(out, "LF:{}\nLH:{}", lines.counts.len(), ran.count())?;
        writeln!(out, "end_of_record")?;
    }
    Ok(())
}
