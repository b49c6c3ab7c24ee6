//! The text format of some functions, line by line, with the place of each line in the module.

use std::collections::HashMap;
use std::io;
use std::ops::Range;

use upshift::{Module, Result};
use wasmprinter::{Config, Print};

/// A line of a function's body.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its offset in the module's bytes.
    pub offset: u32,
    /// Its text, with indentation.
    pub text: String,
}

/// The lines of some functions' bodies, by the functions' indexes. Prints the module once.
///
/// # Errors
///
/// If the module can't be printed.
pub fn lines(
    module: &Module,
    indexes: impl Iterator<Item = u32>,
) -> Result<HashMap<u32, Vec<Line>>> {
    let bodies = indexes.filter_map(|index| Some((module.body_range(index)?, index)));
    let mut bodies: Vec<_> = bodies.collect();
    bodies.sort_by_key(|(body, _)| body.start);
    bodies.dedup();
    let mut printer = Printer {
        lines: vec![Vec::new(); bodies.len()],
        bodies,
        chosen: None,
    };
    Config::new().print(module.wasm(), &mut printer)?;
    let found = printer.bodies.into_iter().zip(printer.lines);
    Ok(found.map(|((_, index), lines)| (index, lines)).collect())
}

/// Keeps the lines of some bodies, whose places in the module are known.
struct Printer {
    /// The bodies with their functions, in the order of their places.
    bodies: Vec<(Range<u32>, u32)>,
    lines: Vec<Vec<Line>>,
    /// The body that the current line belongs to.
    chosen: Option<usize>,
}

impl Print for Printer {
    fn write_str(&mut self, text: &str) -> io::Result<()> {
        let line = self.chosen.and_then(|chosen| self.lines[chosen].last_mut());
        if let Some(line) = line {
            line.text.push_str(text.trim_end_matches('\n'));
        }
        Ok(())
    }

    fn start_line(&mut self, offset: Option<u64>) {
        self.chosen = offset.and_then(|offset| {
            let offset = u32::try_from(offset).ok()?;
            let behind = self
                .bodies
                .partition_point(|(body, _)| body.start <= offset);
            let chosen = behind.checked_sub(1)?;
            self.bodies[chosen].0.contains(&offset).then(|| {
                let text = String::new();
                self.lines[chosen].push(Line { offset, text });
                chosen
            })
        });
    }
}
