//! The history of each function, gathered from the events: what it cost in each tier, and when it
//! ran in which.

use std::collections::BTreeMap;

use upshift_abi::{CompileUnit, Tier};

use crate::event::Event;
use crate::key::{CodeKey, FuncKey, Nanos};
use crate::log::Record;

/// How a function's calls ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Execution {
    /// Not at all yet.
    Idle,
    /// In baseline code.
    Baseline,
    /// In baseline code whose loop went on in optimized code.
    Osr,
    /// In optimized code.
    Optimized,
}

/// What a function cost in one tier, loops included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    pub body_bytes: u32,
    pub time: Nanos,
}

/// One loop's OSR entry.
#[derive(Clone, Debug)]
pub(super) struct OsrUse {
    pub number: u32,
    pub entries: u64,
}

/// One function: cost and executions over time.
#[derive(Clone, Debug)]
pub(super) struct FunctionHistory {
    pub func: FuncKey,
    pub baseline: Option<Cost>,
    pub optimizer: Option<Cost>,
    pub osr: Vec<OsrUse>,
    /// When calls began to run in other code, in order.
    pub executions: Vec<(Nanos, Execution)>,
    /// Whether anything beyond baseline code was tried.
    pub eventful: bool,
    units: u64,
}

impl FunctionHistory {
    fn new(func: FuncKey) -> Self {
        Self {
            func,
            baseline: None,
            optimizer: None,
            osr: Vec::new(),
            executions: Vec::new(),
            eventful: false,
            units: 0,
        }
    }

    pub(super) fn body_bytes(&self) -> Option<u32> {
        self.baseline.or(self.optimizer).map(|cost| cost.body_bytes)
    }

    /// How its calls ran at a time.
    pub(super) fn execution_at(&self, at: Nanos) -> Execution {
        let before = self.executions.iter().rev().find(|(since, _)| *since <= at);
        before.map_or(Execution::Idle, |&(_, execution)| execution)
    }

    fn finished(&mut self, code: CodeKey, body_bytes: u32, time: Nanos) {
        let cost = match code.tier {
            Tier::Baseline => &mut self.baseline,
            Tier::Optimizer => &mut self.optimizer,
        };
        let before = cost.map_or(0, |cost| cost.time.0);
        *cost = Some(Cost {
            body_bytes,
            time: Nanos(before + time.0),
        });
        self.eventful |= code.tier == Tier::Optimizer;
    }

    fn entered(&mut self, at: Nanos, number: u32) {
        match self.osr.iter_mut().find(|osr| osr.number == number) {
            Some(osr) => osr.entries += 1,
            None => self.osr.push(OsrUse { number, entries: 1 }),
        }
        if self.execution_at(at) == Execution::Baseline {
            self.executions.push((at, Execution::Osr));
        }
    }
}

/// What the functions that the story does not follow add up to.
#[derive(Debug, Default)]
pub(super) struct Others {
    pub functions: u64,
    pub optimized: u64,
    pub body_bytes: u64,
    pub baseline_time: Nanos,
    pub optimizer_time: Nanos,
}

/// All functions, the followed ones first.
#[derive(Debug)]
pub(super) struct Functions {
    functions: Vec<FunctionHistory>,
    followed: usize,
}

impl Functions {
    /// Gathers histories; follows the functions that something happened to, busiest first, and fills
    /// up with the longest.
    pub(super) fn of(records: &[Record], limit: usize) -> Self {
        let mut functions = BTreeMap::new();
        for record in records {
            gather(&mut functions, record);
        }
        let mut functions: Vec<FunctionHistory> = functions.into_values().collect();
        functions.sort_by_key(|history| {
            let size = history.body_bytes().unwrap_or(0);
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
            sum.body_bytes += u64::from(history.body_bytes().unwrap_or(0));
            sum.baseline_time.0 += history.baseline.map_or(0, |cost| cost.time.0);
            if let Some(cost) = history.optimizer {
                sum.optimized += 1;
                sum.optimizer_time.0 += cost.time.0;
            }
        }
        sum
    }
}

/// Adds one event to the history that it belongs to.
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
            let execution = match code.tier {
                Tier::Baseline => Execution::Baseline,
                Tier::Optimizer => Execution::Optimized,
            };
            history(functions, code.func)
                .executions
                .push((record.at, execution));
        }
        Event::OsrEntered { code } => {
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
