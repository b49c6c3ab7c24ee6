//! A screenful of text that shows how a run went: what happened when, and which function ran in
//! which tier.
//!
//! The log of a real program has thousands of events; a story follows the few functions whose code
//! changed, and adds up the rest.

mod bars;
mod functions;
mod timeline;

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use crate::key::{Nanos, grouped};
use crate::log::{EventLog, Record};
use crate::names::Names;
use functions::{Functions, OsrUse};

/// How long a story may be.
#[derive(Clone, Debug)]
pub struct StoryOptions {
    /// The highest number of lines of the timeline.
    pub lines: usize,
    /// The highest number of functions in the table and the bars.
    pub functions: usize,
    /// The number of columns of the bars.
    pub columns: usize,
}

impl Default for StoryOptions {
    fn default() -> Self {
        Self {
            lines: 20,
            functions: 8,
            columns: 50,
        }
    }
}

/// The story of a run; its `Display` writes it.
#[derive(Debug)]
pub struct Story {
    options: StoryOptions,
    records: Vec<Record>,
    names: Names,
    end: Nanos,
}

/// Creates the story of all events that the log has stored; the log must store
/// [events](crate::Detail::Events).
pub fn story(log: &EventLog) -> Story {
    Story::new(
        log.records(),
        log.names(),
        log.now(),
        StoryOptions::default(),
    )
}

impl Story {
    /// Creates the story of these events, which are sorted by time; `end` is when the run ended.
    pub fn new(records: Vec<Record>, names: Names, end: Nanos, options: StoryOptions) -> Self {
        Self {
            options,
            records,
            names,
            end,
        }
    }

    fn table(&self, functions: &Functions, out: &mut String) -> fmt::Result {
        let levels = self.names.levels();
        write!(out, "  {:<28}{:>10}", "function", "Wasm bytes")?;
        for level in &levels {
            write!(out, "  {level:>16}")?;
        }
        writeln!(out, "  loops entered")?;
        let costs = |costs: &BTreeMap<u8, Nanos>| {
            let cell = |level| costs.get(&level).map_or("-".to_owned(), Nanos::to_string);
            let cells = (0..levels.len()).map(|level| format!("  {:>16}", cell(level as u8)));
            cells.collect::<String>()
        };
        for history in functions.followed() {
            let bytes = history.body_bytes.map(|bytes| grouped(bytes.into()));
            writeln!(
                out,
                "  {:<28}{:>10}{}  {}",
                shortened(&self.names.of(history.func), 27),
                bytes.as_deref().unwrap_or("-"),
                costs(&history.costs),
                osr_column(&history.osr),
            )?;
        }
        let others = functions.others();
        if others.functions > 0 {
            writeln!(
                out,
                "  {:<28}{:>10}{}",
                format!("{} more", grouped(others.functions)),
                grouped(others.body_bytes),
                costs(&others.costs),
            )?;
        }
        Ok(())
    }
}

/// The table's column on a function's loops.
fn osr_column(loops: &[OsrUse]) -> String {
    let entered: Vec<_> = loops
        .iter()
        .filter(|osr| osr.entries > 0)
        .map(|osr| format!("loop {} x{}", osr.number, grouped(osr.entries)))
        .collect();
    entered.join(", ")
}

/// The text, escaped where it would control a terminal, and cut to `width` characters.
fn shortened(text: &str, width: usize) -> String {
    let text = upshift_abi::Printable(text).to_string();
    if text.chars().count() <= width {
        return text;
    }
    let mut cut: String = text.chars().take(width - 2).collect();
    cut.push_str("..");
    cut
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let functions = Functions::of(&self.records, self.options.functions);
        let mut out = String::new();
        timeline::write(
            &self.records,
            &functions,
            &self.names,
            self.options.lines,
            &mut out,
        )?;
        if !functions.is_empty() {
            out.push('\n');
            self.table(&functions, &mut out)?;
            out.push('\n');
            bars::draw(
                &functions,
                &self.names,
                self.end,
                self.options.columns,
                &mut out,
            )?;
        }
        f.write_str(&out)
    }
}

#[cfg(test)]
mod tests;
