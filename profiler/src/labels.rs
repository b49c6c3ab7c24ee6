//! Names of code for reports, found once each: finding one can be linear in the module's exports.

use std::collections::HashMap;

use upshift_abi::{CompileUnit, LoopIndex, Tier};

use crate::event::Event;
use crate::key::{CodeKey, FuncKey};
use crate::names::Names;

/// The names of a log's functions, and of their code.
pub(crate) struct Labels<'a> {
    names: &'a Names,
    known: HashMap<FuncKey, String>,
}

impl<'a> Labels<'a> {
    pub(crate) fn new(names: &'a Names) -> Self {
        let known = HashMap::new();
        Self { names, known }
    }

    pub(crate) fn func(&mut self, func: FuncKey) -> &str {
        self.known
            .entry(func)
            .or_insert_with(|| self.names.of(func))
    }

    /// What a sample found: the function's code, or what else the thread did; `None` for other
    /// events.
    pub(crate) fn sample(&mut self, event: &Event) -> Option<String> {
        let &Event::Sample {
            activity,
            func,
            site,
            level,
            ..
        } = event
        else {
            return None;
        };
        let (Some(func), Some(level)) = (func, level) else {
            return Some(activity.name().to_owned());
        };
        let unit = site.map_or(CompileUnit::Function, |n| CompileUnit::Loop(LoopIndex(n)));
        let tier = match level {
            0 => Tier::Baseline,
            _ => Tier::Optimizer,
        };
        Some(self.code(CodeKey::new(func, unit, tier).at_level(level)))
    }

    /// The level's and the function's name, and which loop it is.
    pub(crate) fn code(&mut self, code: CodeKey) -> String {
        let level = self.names.level(code);
        let name = self.func(code.func);
        match code.loop_number() {
            None => format!("{level}: {name}"),
            Some(number) => format!("{level}: {name} loop {number}"),
        }
    }
}
