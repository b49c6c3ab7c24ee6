//! The timeline: one sentence per step of the followed functions.

use std::collections::HashSet;
use std::fmt::{self, Write as _};

use upshift_abi::Tier;

use super::functions::Functions;
use super::shortened;
use crate::event::Event;
use crate::key::{CodeKey, FuncKey, Nanos, grouped};
use crate::log::{Names, Record};

/// How much a line would be missed: lines of the highest values go first when room is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Turn,
    Step,
    Minor,
    Detail,
}

struct Line {
    at: Nanos,
    weight: Weight,
    text: String,
}

/// Baseline code that nobody follows, summed up until the next line.
#[derive(Default)]
struct Crowd {
    since: Nanos,
    functions: u64,
    bytes: u64,
    time: u64,
}

/// Writes the timeline, at most so many lines of it.
pub(super) fn tell(
    records: &[Record],
    functions: &Functions,
    names: &Names,
    limit: usize,
    out: &mut String,
) -> fmt::Result {
    let mut teller = Teller {
        functions,
        names,
        lines: Vec::new(),
        crowd: Crowd::default(),
        entered: HashSet::new(),
    };
    for record in records {
        teller.hear(record);
    }
    teller.sum_up();
    let told = teller.lines.len();
    let lines = fit(teller.lines, limit);
    let left_out = told - lines.len();
    for line in lines {
        writeln!(out, "{:>10}  {}", line.at, line.text)?;
    }
    if left_out > 0 {
        writeln!(out, "{:>10}  ({left_out} smaller steps not shown)", "")?;
    }
    Ok(())
}

/// Drops the lines that are missed least, the latest ones first.
fn fit(mut lines: Vec<Line>, limit: usize) -> Vec<Line> {
    for weight in [Weight::Detail, Weight::Minor, Weight::Step, Weight::Turn] {
        while lines.len() > limit {
            match lines.iter().rposition(|line| line.weight == weight) {
                Some(i) => drop(lines.remove(i)),
                None => break,
            }
        }
    }
    lines
}

struct Teller<'a> {
    functions: &'a Functions,
    names: &'a Names,
    lines: Vec<Line>,
    crowd: Crowd,
    entered: HashSet<(FuncKey, Option<u32>)>,
}

impl Teller<'_> {
    fn say(&mut self, at: Nanos, weight: Weight, text: String) {
        self.sum_up();
        self.lines.push(Line { at, weight, text });
    }

    /// One line for the functions that went by since the last one.
    fn sum_up(&mut self) {
        let crowd = std::mem::take(&mut self.crowd);
        if crowd.functions > 0 {
            let s = if crowd.functions == 1 { "" } else { "s" };
            self.lines.push(Line {
                at: crowd.since,
                weight: Weight::Minor,
                text: format!(
                    "{} function{s} compiled by the baseline ({} bytes, {})",
                    grouped(crowd.functions),
                    grouped(crowd.bytes),
                    Nanos(crowd.time)
                ),
            });
        }
    }

    fn name(&self, func: FuncKey) -> String {
        format!("`{}`", shortened(&self.names.of(func), 48))
    }

    /// "`f`" or "loop 1 of `f`".
    fn subject(&self, code: CodeKey) -> String {
        let name = self.name(code.func);
        match code.loop_number() {
            None => name,
            Some(number) => format!("loop {number} of {name}"),
        }
    }

    fn hear(&mut self, record: &Record) {
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
                self.say(at, Weight::Step, text);
            }
            Event::CompileFinished {
                code,
                body_bytes,
                time,
                ..
            } => {
                self.hear_finished(at, *code, *body_bytes, *time);
            }
            Event::CompileFailed { code, reason } | Event::CompileRefused { code, reason } => {
                let text = format!("{} was not compiled: {reason}", self.subject(*code));
                self.say(at, Weight::Turn, text);
            }
            Event::Pinned { func, reason } => {
                let text = format!("{} stays as it is: {reason}", self.name(*func));
                self.say(at, Weight::Step, text);
            }
            Event::RequestQueued { code, .. } if self.functions.follows(code.func) => {
                let text = format!("{} is hot: asked the optimizer for it", self.subject(*code));
                self.say(at, Weight::Step, text);
            }
            Event::Published { code, .. } if self.functions.follows(code.func) => {
                self.hear_published(at, *code);
            }
            Event::OsrEntered { code } if self.functions.follows(code.func) => {
                self.hear_entered(at, *code);
            }
            _ => {}
        }
    }

    /// Tells of the first time only: a loop can be entered at each call.
    fn hear_entered(&mut self, at: Nanos, code: CodeKey) {
        if self.entered.insert((code.func, code.loop_number())) {
            let subject = self.subject(code);
            let text = format!("{subject}, running, went on in optimized code (OSR)");
            self.say(at, Weight::Turn, text);
        }
    }

    fn hear_finished(&mut self, at: Nanos, code: CodeKey, body_bytes: u32, time: Nanos) {
        let subject = self.subject(code);
        let bytes = grouped(body_bytes.into());
        match code.tier {
            Tier::Baseline if !self.functions.follows(code.func) => {
                if self.crowd.functions == 0 {
                    self.crowd.since = at;
                }
                self.crowd.functions += 1;
                self.crowd.bytes += u64::from(body_bytes);
                self.crowd.time += time.0;
            }
            Tier::Baseline => {
                let text = format!("{subject} compiled by the baseline ({bytes} bytes, {time})");
                self.say(at, Weight::Minor, text);
            }
            Tier::Optimizer if self.functions.follows(code.func) => {
                let text = format!("{subject} compiled by the optimizer ({bytes} bytes, {time})");
                self.say(at, Weight::Detail, text);
            }
            Tier::Optimizer => {}
        }
    }

    fn hear_published(&mut self, at: Nanos, code: CodeKey) {
        let name = self.name(code.func);
        match code.tier {
            // The line about its compilation has said so.
            Tier::Baseline => {}
            Tier::Optimizer => {
                let text = format!("calls of {name} run optimized code from now on");
                self.say(at, Weight::Turn, text);
            }
        }
    }
}
