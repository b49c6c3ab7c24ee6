//! Names of code for reports, found once each: finding one can be linear in the module's exports.

use std::collections::HashMap;

use crate::key::{CodeKey, FuncKey};
use crate::log::Names;

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
