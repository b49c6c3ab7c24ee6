//! The timeline: one sentence per step of the followed functions.

use std::collections::{HashMap, HashSet};
use std::fmt::{self, Write as _};

use super::functions::Functions;
use super::shortened;
use crate::decided::Decided;
use crate::event::Event;
use crate::key::{CodeKey, FuncKey, Nanos, grouped};
use crate::log::Record;
use crate::names::Names;
use crate::text::Real;

/// The importance of a line: lines with the highest values are dropped first when room is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Switch,
    Step,
    Minor,
    Detail,
}

struct Line {
    at: Nanos,
    weight: Weight,
    text: String,
}

/// Totals of the baseline compilations of functions that are not followed, up to the next line.
#[derive(Default)]
struct BaselineSummary {
    since: Nanos,
    functions: u64,
    bytes: u64,
    time: u64,
}

/// Writes the timeline, in at most `limit` lines.
pub(super) fn write(
    records: &[Record],
    functions: &Functions,
    names: &Names,
    limit: usize,
    out: &mut String,
) -> fmt::Result {
    let mut builder = TimelineBuilder {
        functions,
        names,
        lines: Vec::new(),
        summary: BaselineSummary::default(),
        entered: HashSet::new(),
        reasons: HashMap::new(),
    };
    for record in records {
        builder.add(record);
    }
    builder.flush_summary();
    let total = builder.lines.len();
    let lines = fit(builder.lines, limit);
    let left_out = total - lines.len();
    for line in lines {
        writeln!(out, "{:>10}  {}", line.at, line.text)?;
    }
    if left_out > 0 {
        writeln!(out, "{:>10}  ({left_out} smaller steps not shown)", "")?;
    }
    Ok(())
}

/// Drops the least important lines, the latest ones first, until `limit` are left.
fn fit(mut lines: Vec<Line>, limit: usize) -> Vec<Line> {
    for weight in [Weight::Detail, Weight::Minor, Weight::Step, Weight::Switch] {
        while lines.len() > limit {
            match lines.iter().rposition(|line| line.weight == weight) {
                Some(i) => drop(lines.remove(i)),
                None => break,
            }
        }
    }
    lines
}

struct TimelineBuilder<'a> {
    functions: &'a Functions,
    names: &'a Names,
    lines: Vec<Line>,
    summary: BaselineSummary,
    entered: HashSet<(FuncKey, Option<u32>)>,
    /// Why the policy last requested code of a function.
    reasons: HashMap<FuncKey, String>,
}

impl TimelineBuilder<'_> {
    fn line(&mut self, at: Nanos, weight: Weight, text: String) {
        self.flush_summary();
        self.lines.push(Line { at, weight, text });
    }

    /// Adds one line for the functions compiled since the last line.
    fn flush_summary(&mut self) {
        let summary = std::mem::take(&mut self.summary);
        if summary.functions > 0 {
            let s = if summary.functions == 1 { "" } else { "s" };
            self.lines.push(Line {
                at: summary.since,
                weight: Weight::Minor,
                text: format!(
                    "{} function{s} compiled by {} ({} bytes, {})",
                    grouped(summary.functions),
                    compiler(&self.names.levels()[0]),
                    grouped(summary.bytes),
                    Nanos(summary.time)
                ),
            });
        }
    }

    fn name(&self, func: FuncKey) -> String {
        format!("`{}`", shortened(&self.names.of(func), 48))
    }

    /// The text "`f`" or "loop 1 of `f`".
    fn subject(&self, code: CodeKey) -> String {
        let name = self.name(code.func);
        match code.loop_number() {
            None => name,
            Some(number) => format!("loop {number} of {name}"),
        }
    }

    fn add(&mut self, record: &Record) {
        let at = record.at;
        match &record.event {
            Event::ModuleLoaded {
                functions,
                body_bytes,
                ..
            } => {
                let text = format!(
                    "module loaded: {} functions, {} bytes; nothing compiled yet",
                    grouped((*functions).into()),
                    grouped(*body_bytes)
                );
                self.line(at, Weight::Step, text);
            }
            Event::CompileFinished {
                code,
                body_bytes,
                time,
                ..
            } => {
                self.add_finished(at, *code, *body_bytes, *time);
            }
            Event::CompileFailed { code, reason, .. }
            | Event::CompileRefused { code, reason, .. } => {
                let text = format!("{} was not compiled: {reason}", self.subject(*code));
                self.line(at, Weight::Switch, text);
            }
            Event::Pinned { func, reason } => {
                let text = format!("{} stays as it is: {reason}", self.name(*func));
                self.line(at, Weight::Step, text);
            }
            Event::Decided { func, decision } if decision.answer.requests() => {
                self.reasons.insert(*func, reason(decision));
            }
            Event::RequestQueued { code, .. } if self.functions.follows(code.func) => {
                let reason = self.reasons.get(&code.func).map_or("", |reason| reason);
                let text = format!(
                    "{} is hot: asked {} for it{reason}",
                    self.subject(*code),
                    compiler(self.names.level(*code))
                );
                self.line(at, Weight::Step, text);
            }
            Event::Published { code, .. } if self.functions.follows(code.func) => {
                self.add_published(at, *code);
            }
            Event::OsrEntered { code, .. } if self.functions.follows(code.func) => {
                self.add_entered(at, *code);
            }
            _ => {}
        }
    }

    /// Adds a line for the first entry only: a loop can be entered at each call.
    fn add_entered(&mut self, at: Nanos, code: CodeKey) {
        if self.entered.insert((code.func, code.loop_number())) {
            let subject = self.subject(code);
            let kind = code_of(self.names.level(code));
            let text = format!("{subject}, running, went on in {kind} (OSR)");
            self.line(at, Weight::Switch, text);
        }
    }

    fn add_finished(&mut self, at: Nanos, code: CodeKey, body_bytes: u32, time: Nanos) {
        let subject = self.subject(code);
        let bytes = grouped(body_bytes.into());
        let compiler = compiler(self.names.level(code));
        let text = format!("{subject} compiled by {compiler} ({bytes} bytes, {time})");
        match (code.level, self.functions.follows(code.func)) {
            (0, false) => {
                if self.summary.functions == 0 {
                    self.summary.since = at;
                }
                self.summary.functions += 1;
                self.summary.bytes += u64::from(body_bytes);
                self.summary.time += time.0;
            }
            (0, true) => self.line(at, Weight::Minor, text),
            (_, true) => self.line(at, Weight::Detail, text),
            (_, false) => {}
        }
    }

    fn add_published(&mut self, at: Nanos, code: CodeKey) {
        // The line about its compilation implies that code of level 0 is published.
        if code.level > 0 {
            let name = self.name(code.func);
            let kind = code_of(self.names.level(code));
            let text = format!("calls of {name} run {kind} from now on");
            self.line(at, Weight::Switch, text);
        }
    }
}

/// The compiler of a level, in a sentence.
fn compiler(level: &str) -> String {
    match level {
        "baseline" | "optimizer" => format!("the {level}"),
        name => name.into(),
    }
}

/// The code of a level above 0, in a sentence.
fn code_of(level: &str) -> String {
    match level {
        "optimizer" => "optimized code".into(),
        name => format!("code of {name}"),
    }
}

/// The policy's reason in brackets, with a space before it; empty where it gave none.
fn reason(decision: &Decided) -> String {
    if decision.reason.is_empty() {
        return String::new();
    }
    let numbers = decision.numbers.iter();
    let numbers = numbers.map(|(name, number)| format!("{name} {}", short(*number)));
    let numbers = numbers.collect::<Vec<_>>().join(", ");
    let separator = if numbers.is_empty() { "" } else { ": " };
    format!(" ({}{separator}{numbers})", decision.reason)
}

/// The number with about three digits.
fn short(Real(number): Real) -> String {
    match number.abs() {
        size if size >= 1e15 => format!("{number:.2e}"),
        size if size >= 1_000.0 && number > 0.0 => grouped(number.round() as u64),
        size if size >= 100.0 || number == number.round() => format!("{number:.0}"),
        size if size >= 0.01 => format!("{number:.2}"),
        _ => format!("{number:.2e}"),
    }
}
