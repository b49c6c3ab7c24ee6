//! The names of functions and of levels of code.

use std::collections::BTreeMap;
use std::sync::Arc;

#[cfg(feature = "serde")]
use upshift_abi::DefinedFuncIndex;
use upshift_abi::{CompileUnit, ModuleFacts, Printable, demangle};

use crate::key::{CodeKey, FuncKey, ModuleKey, TIERS, tier_name};
use crate::text::Text;

/// What profilers of the system call a piece of code: `function [level]`, and before the level the
/// number of the loop that the code starts at, if it is an OSR entry.
pub fn symbol(function: &str, unit: CompileUnit, level: &str) -> String {
    let function = Printable(function);
    match unit {
        CompileUnit::Function => format!("{function} [{level}]"),
        CompileUnit::Loop(index) => format!("{function} loop {} [{level}]", index.0),
    }
}

/// The names of functions and of levels of code: from what was loaded, or from a log's file.
#[derive(Clone, Debug, Default)]
pub struct Names {
    modules: BTreeMap<ModuleKey, Functions>,
    levels: Vec<Text>,
}

/// A function of a module.
#[cfg(feature = "serde")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its key in the log.
    pub key: FuncKey,
    /// Its index in the module, imports counted.
    pub index: u32,
    /// Bytes of its body.
    pub body_bytes: u32,
}

/// Where the names of a module's functions come from.
#[derive(Clone, Debug)]
enum Functions {
    Facts(Arc<ModuleFacts>),
    #[cfg(feature = "serde")]
    Rows(Vec<crate::format::FunctionRow>),
}

impl Names {
    /// Names the levels of the engine's ladder, lowest first.
    pub fn set_levels(&mut self, levels: Vec<Text>) {
        self.levels = levels;
    }

    /// The names of the levels, lowest first: those of the two kinds of compilers, unless others
    /// were [set](Self::set_levels).
    pub fn levels(&self) -> Vec<Text> {
        match &*self.levels {
            [] => TIERS.map(|tier| tier_name(tier).into()).to_vec(),
            levels => levels.to_vec(),
        }
    }

    /// The name of the code's level; that of its kind of compiler if the level has none.
    pub fn level(&self, code: CodeKey) -> &str {
        let name = self.levels.get(usize::from(code.level));
        name.map_or(tier_name(code.tier), |name| name)
    }

    /// Adds the names of a module's functions.
    pub fn insert(&mut self, module: ModuleKey, facts: Arc<ModuleFacts>) {
        self.modules.insert(module, Functions::Facts(facts));
    }

    /// Adds the names of a module's functions, in their order.
    #[cfg(feature = "serde")]
    pub(crate) fn insert_rows(&mut self, module: ModuleKey, rows: Vec<crate::format::FunctionRow>) {
        self.modules.insert(module, Functions::Rows(rows));
    }

    /// The declarations of a module that was loaded here.
    #[cfg(feature = "serde")]
    pub(crate) fn facts(&self, module: ModuleKey) -> Option<&Arc<ModuleFacts>> {
        match self.modules.get(&module) {
            Some(Functions::Facts(facts)) => Some(facts),
            _ => None,
        }
    }

    /// All functions whose names are known, module by module.
    #[cfg(feature = "serde")]
    pub fn functions(&self) -> Vec<Function> {
        let mut functions = Vec::new();
        for (&module, known) in &self.modules {
            let rows = match known {
                Functions::Facts(facts) => crate::format::ModuleLine::new(module, facts).functions,
                Functions::Rows(rows) => rows.clone(),
            };
            functions.extend((0..).zip(rows).map(|(func, row)| {
                let func = DefinedFuncIndex(func);
                Function {
                    key: FuncKey { module, func },
                    index: row.index,
                    body_bytes: row.body_bytes,
                }
            }));
        }
        functions
    }

    /// The function's name as its programmer wrote it ([`demangle`]), or its index in its module as
    /// `func[12]`.
    pub fn of(&self, key: FuncKey) -> String {
        let (index, name) = match self.modules.get(&key.module) {
            Some(Functions::Facts(facts)) => {
                let func = facts.func_index(key.func);
                (func.0, facts.func_name(func).map(str::to_owned))
            }
            #[cfg(feature = "serde")]
            Some(Functions::Rows(rows)) => match rows.get(key.func.index()) {
                Some(row) => (row.index, row.name.clone()),
                None => return key.to_string(),
            },
            None => return key.to_string(),
        };
        let shown = name.map(|name| demangle::shown(&name).into_owned());
        shown.unwrap_or_else(|| format!("func[{index}]"))
    }
}
