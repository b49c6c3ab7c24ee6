//! The history of each function, gathered from the events: what it cost at each level, and which
//! code its calls ran over time.

use std::collections::BTreeMap;

use upshift_abi::CompileUnit;

use crate::event::Event;
use crate::key::{CodeKey, FuncKey, Nanos};
use crate::log::Record;

/// The code that a function's calls run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Execution {
    /// The function has no code yet.
    Idle,
    /// Calls run code of this level.
    Level(u8),
    /// Calls run code of level 0, and a loop of the function has entered optimized code.
    Osr,
}

/// How often one loop entered its OSR entry.
#[derive(Clone, Debug)]
pub(super) struct OsrUse {
    pub number: u32,
    pub entries: u64,
}

/// The history of one function.
#[derive(Clone, Debug)]
pub(super) struct FunctionHistory {
    pub func: FuncKey,
    /// Bytes of its body, once it was compiled.
    pub body_bytes: Option<u32>,
    /// What its compilations at each level took, OSR entries included.
    pub costs: BTreeMap<u8, Nanos>,
    pub osr: Vec<OsrUse>,
    /// The times from which calls ran other code, in order.
    pub executions: Vec<(Nanos, Execution)>,
    /// Whether anything of the function was compiled at a level above 0.
    pub eventful: bool,
    units: u64,
}

impl FunctionHistory {
    fn new(func: FuncKey) -> Self {
        Self {
            func,
            body_bytes: None,
            costs: BTreeMap::new(),
            osr: Vec::new(),
            executions: Vec::new(),
            eventful: false,
            units: 0,
        }
    }

    /// The code that the function's calls ran at a time.
    pub(super) fn execution_at(&self, at: Nanos) -> Execution {
        let before = self.executions.iter().rev().find(|(since, _)| *since <= at);
        before.map_or(Execution::Idle, |&(_, execution)| execution)
    }

    fn finished(&mut self, code: CodeKey, body_bytes: u32, time: Nanos) {
        self.body_bytes.get_or_insert(body_bytes);
        self.costs.entry(code.level).or_default().0 += time.0;
        self.eventful |= code.level > 0;
    }

    fn entered(&mut self, at: Nanos, number: u32) {
        match self.osr.iter_mut().find(|osr| osr.number == number) {
            Some(osr) => osr.entries += 1,
            None => self.osr.push(OsrUse { number, entries: 1 }),
        }
        if self.execution_at(at) == Execution::Level(0) {
            self.executions.push((at, Execution::Osr));
        }
    }
}

/// Totals over the functions that the story does not follow.
#[derive(Debug, Default)]
pub(super) struct Others {
    pub functions: u64,
    pub body_bytes: u64,
    pub costs: BTreeMap<u8, Nanos>,
}

/// The histories of all functions, the followed ones first.
#[derive(Debug)]
pub(super) struct Functions {
    functions: Vec<FunctionHistory>,
    followed: usize,
}

impl Functions {
    /// Gathers the histories and chooses at most `limit` functions to follow: those with events
    /// beyond baseline code, busiest first, then those with the longest bodies.
    pub(super) fn of(records: &[Record], limit: usize) -> Self {
        let mut functions = BTreeMap::new();
        for record in records {
            gather(&mut functions, record);
        }
        let mut functions: Vec<FunctionHistory> = functions.into_values().collect();
        functions.sort_by_key(|history| {
            let size = history.body_bytes.unwrap_or(0);
            std::cmp::Reverse((history.eventful, history.units, size))
        });
        let followed = limit.min(functions.len());
        functions[..followed].sort_by_key(|history| history.executions.first().map(|(at, _)| *at));
        Self {
            functions,
            followed,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.functions.is_empty()
    }

    /// The followed functions, in the order of their first code.
    pub(super) fn followed(&self) -> &[FunctionHistory] {
        &self.functions[..self.followed]
    }

    /// Whether the story follows the function event by event.
    pub(super) fn follows(&self, func: FuncKey) -> bool {
        self.followed()
            .iter()
            .any(|history| history.func == func && history.eventful)
    }

    pub(super) fn others(&self) -> Others {
        let mut sum = Others::default();
        for history in &self.functions[self.followed..] {
            sum.functions += 1;
            sum.body_bytes += u64::from(history.body_bytes.unwrap_or(0));
            for (&level, time) in &history.costs {
                sum.costs.entry(level).or_default().0 += time.0;
            }
        }
        sum
    }
}

/// Adds one event to its function's history.
fn gather(functions: &mut BTreeMap<FuncKey, FunctionHistory>, record: &Record) {
    match record.event {
        Event::CompileFinished {
            code,
            body_bytes,
            time,
            ..
        } => {
            history(functions, code.func).finished(code, body_bytes, time);
        }
        Event::CompileFailed { code, .. } | Event::CompileRefused { code, .. } => {
            history(functions, code.func).eventful = true;
        }
        Event::BudgetExhausted { func, units, .. } => history(functions, func).units = units,
        Event::Published { code, .. } if code.unit == CompileUnit::Function => {
            let execution = Execution::Level(code.level);
            history(functions, code.func)
                .executions
                .push((record.at, execution));
        }
        Event::OsrEntered { code, .. } => {
            let number = code.loop_number().unwrap_or(0);
            history(functions, code.func).entered(record.at, number);
        }
        _ => {}
    }
}

fn history(
    functions: &mut BTreeMap<FuncKey, FunctionHistory>,
    func: FuncKey,
) -> &mut FunctionHistory {
    functions
        .entry(func)
        .or_insert_with(|| FunctionHistory::new(func))
}
