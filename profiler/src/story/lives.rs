//! The life of each function, gathered from the events: what it cost in each tier, and when it
//! ran in which.

use std::collections::BTreeMap;

use upshift_abi::{CompileUnit, Tier};

use crate::event::Event;
use crate::key::{CodeKey, FuncKey, Nanos};
use crate::log::Record;

/// How a function's calls ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gear {
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
pub(super) struct OsrLife {
    pub number: u32,
    pub entries: u64,
}

/// One function's life.
#[derive(Clone, Debug)]
pub(super) struct Life {
    pub func: FuncKey,
    pub baseline: Option<Cost>,
    pub optimizer: Option<Cost>,
    pub osr: Vec<OsrLife>,
    /// When its gear changed, in order.
    pub gears: Vec<(Nanos, Gear)>,
    /// Whether anything beyond baseline code was tried.
    pub eventful: bool,
    units: u64,
}

impl Life {
    fn new(func: FuncKey) -> Self {
        Self {
            func,
            baseline: None,
            optimizer: None,
            osr: Vec::new(),
            gears: Vec::new(),
            eventful: false,
            units: 0,
        }
    }

    pub(super) fn body_bytes(&self) -> Option<u32> {
        self.baseline.or(self.optimizer).map(|cost| cost.body_bytes)
    }

    /// The gear at a time.
    pub(super) fn gear_at(&self, at: Nanos) -> Gear {
        let before = self.gears.iter().rev().find(|(since, _)| *since <= at);
        before.map_or(Gear::Idle, |&(_, gear)| gear)
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
            None => self.osr.push(OsrLife { number, entries: 1 }),
        }
        if self.gear_at(at) == Gear::Baseline {
            self.gears.push((at, Gear::Osr));
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
pub(super) struct Lives {
    lives: Vec<Life>,
    heroes: usize,
}

impl Lives {
    /// Gathers lives; follows the functions that something happened to, busiest first, and fills
    /// up with the longest.
    pub(super) fn of(records: &[Record], limit: usize) -> Self {
        let mut lives = BTreeMap::new();
        for record in records {
            gather(&mut lives, record);
        }
        let mut lives: Vec<Life> = lives.into_values().collect();
        lives.sort_by_key(|life| {
            let size = life.body_bytes().unwrap_or(0);
            std::cmp::Reverse((life.eventful, life.units, size))
        });
        let heroes = limit.min(lives.len());
        lives[..heroes].sort_by_key(|life| life.gears.first().map(|(at, _)| *at));
        Self { lives, heroes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lives.is_empty()
    }

    /// The followed functions, in the order of their first code.
    pub(super) fn heroes(&self) -> &[Life] {
        &self.lives[..self.heroes]
    }

    /// Whether the story follows the function event by event.
    pub(super) fn follows(&self, func: FuncKey) -> bool {
        self.heroes()
            .iter()
            .any(|life| life.func == func && life.eventful)
    }

    pub(super) fn others(&self) -> Others {
        let mut sum = Others::default();
        for life in &self.lives[self.heroes..] {
            sum.functions += 1;
            sum.body_bytes += u64::from(life.body_bytes().unwrap_or(0));
            sum.baseline_time.0 += life.baseline.map_or(0, |cost| cost.time.0);
            if let Some(cost) = life.optimizer {
                sum.optimized += 1;
                sum.optimizer_time.0 += cost.time.0;
            }
        }
        sum
    }
}

/// Adds one event to the life that it belongs to.
fn gather(lives: &mut BTreeMap<FuncKey, Life>, record: &Record) {
    match record.event {
        Event::CompileFinished {
            code,
            body_bytes,
            time,
            ..
        } => {
            life(lives, code.func).finished(code, body_bytes, time);
        }
        Event::CompileFailed { code, .. } | Event::CompileRefused { code, .. } => {
            life(lives, code.func).eventful = true;
        }
        Event::BudgetExhausted { func, units, .. } => life(lives, func).units = units,
        Event::Published { code, .. } if code.unit == CompileUnit::Function => {
            let gear = match code.tier {
                Tier::Baseline => Gear::Baseline,
                Tier::Optimizer => Gear::Optimized,
            };
            life(lives, code.func).gears.push((record.at, gear));
        }
        Event::OsrEntered { code } => {
            let number = code.loop_number().unwrap_or(0);
            life(lives, code.func).entered(record.at, number);
        }
        _ => {}
    }
}

fn life(lives: &mut BTreeMap<FuncKey, Life>, func: FuncKey) -> &mut Life {
    lives.entry(func).or_insert_with(|| Life::new(func))
}
