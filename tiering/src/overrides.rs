//! Functions with a policy of their own, chosen by name or index in a file.
//!
//! ```toml
//! [[function]]
//! name = "parse_*"        # a glob over names: `*` is any text, `?` any character
//! never = true
//!
//! [[function]]
//! index = 17              # among all functions, as in the module's name section
//! first = true
//!
//! [[function]]
//! name = "hot"
//! threshold = 50_000      # in budget units
//! level = 1               # at most this level of the ladder
//! policy = "jsc-points"   # instead of `threshold`
//! ```
//!
//! A function has the policy of the first entry that names it, and the engine's where none does.
//! An entry that names no function of the modules loaded so far is warned of once.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use upshift_abi::{DefinedFuncIndex, FuncIndex, ModuleFacts};

use crate::OPTIONS;
use crate::file::{FileError, Source, text};
use crate::policy::{
    self, Decision, FirstCall, FixedBudget, Level, Memo, Needs, Never, Policy, PolicyEvent,
    Recorded, Request, View,
};

/// Which functions have a policy of their own.
#[derive(Debug, Default)]
pub(crate) struct Overrides {
    /// The file that they were read from.
    path: PathBuf,
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    /// The line in the file at which it begins.
    line: usize,
    functions: Functions,
    policy: Option<Arc<dyn Policy>>,
    /// The highest level that is requested.
    level: Option<Level>,
    /// Whether it has named a function, or there was a warning that it has not. Relaxed: two
    /// modules that are loaded at the same time may both warn.
    settled: AtomicBool,
}

#[derive(Debug)]
enum Functions {
    /// Those whose names are like the glob.
    Named(String),
    /// The one with the index among all functions of its module.
    Index(u32),
}

/// The keys of an entry.
const KEYS: [&str; 7] = [
    "name",
    "index",
    "never",
    "first",
    "threshold",
    "policy",
    "level",
];

impl Overrides {
    /// Reads the file.
    ///
    /// # Errors
    ///
    /// If the file can't be read, or as [`parse`](Self::parse).
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let place = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| format!("{place}: {error}"))?;
        let parsed = Self::parse(&text).map_err(|error| format!("{place}: {error}"))?;
        let path = path.to_owned();
        Ok(Self { path, ..parsed })
    }

    /// Reads the entries.
    ///
    /// # Errors
    ///
    /// If the text is not TOML, or an entry makes no sense.
    fn parse(text: &str) -> Result<Self, FileError> {
        let (source, table) = Source::parse(text)?;
        let mut rules = Vec::new();
        for (key, value) in &table {
            let name = &**key.get_ref();
            if name != "function" {
                return Err(source.unknown(key.span(), "table", name, &["function"]));
            }
            let DeValue::Array(entries) = value.get_ref() else {
                return Err(source.error(value.span(), "write [[function]]"));
            };
            for entry in entries.iter() {
                let DeValue::Table(table) = entry.get_ref() else {
                    return Err(source.error(entry.span(), "write [[function]]"));
                };
                rules.push(rule(source, entry, table)?);
            }
        }
        let path = PathBuf::new();
        Ok(Self { path, rules })
    }

    /// The policies of all rules.
    pub(crate) fn policies(&self) -> impl Iterator<Item = &Arc<dyn Policy>> {
        self.rules.iter().filter_map(|rule| rule.policy.as_ref())
    }

    /// The policy of each function of the module that has one of its own; empty if none has. Warns
    /// of rules that name none.
    pub(crate) fn of(
        &self,
        facts: &ModuleFacts,
        default: &Arc<dyn Policy>,
    ) -> Box<[Option<Arc<dyn Policy>>]> {
        if self.rules.is_empty() {
            return Box::default();
        }
        for problem in self.idle(facts) {
            log::warn!(target: OPTIONS, "{problem}");
        }
        let policy = |defined: DefinedFuncIndex| {
            let func = facts.func_index(defined);
            let rule = self
                .rules
                .iter()
                .find(|rule| rule.functions.has(facts, func))?;
            let policy = rule.policy.as_ref().unwrap_or(default).clone();
            Some(match rule.level {
                Some(level) => Arc::new(UpTo { level, policy }),
                None => policy,
            })
        };
        facts.defined_funcs().map(policy).collect()
    }
}

impl Overrides {
    /// What is to be said of rules that name no function of this module and named none of those
    /// before. Each is said once.
    fn idle(&self, facts: &ModuleFacts) -> Vec<String> {
        let names = |rule: &Rule| {
            let mut funcs = facts.defined_funcs().map(|func| facts.func_index(func));
            funcs.any(|func| rule.functions.has(facts, func))
        };
        let open = |rule: &&Rule| !rule.settled.swap(true, Ordering::Relaxed);
        let idle = self.rules.iter().filter(open).filter(|rule| !names(rule));
        let problem = |rule: &Rule| {
            let (path, line) = (self.path.display(), rule.line);
            match &rule.functions {
                Functions::Named(glob) => {
                    format!("-T override: {path}: line {line}: no function's name is like `{glob}`")
                }
                Functions::Index(index) => format!(
                    "-T override: {path}: line {line}: the module defines no function {index}"
                ),
            }
        };
        idle.map(problem).collect()
    }
}

impl Functions {
    fn has(&self, facts: &ModuleFacts, func: FuncIndex) -> bool {
        match self {
            Functions::Index(index) => func.0 == *index,
            Functions::Named(glob) => {
                let name = facts.names.func(func);
                name.is_some_and(|name| is_like(glob.as_bytes(), name.as_bytes()))
            }
        }
    }
}

/// Whether the name is like the glob, in which `*` is any text and `?` any byte.
fn is_like(glob: &[u8], name: &[u8]) -> bool {
    let (mut g, mut n) = (0, 0);
    // Where to go on if what follows the last `*` does not fit: it takes one byte more.
    let mut retry: Option<(usize, usize)> = None;
    while n < name.len() {
        if g < glob.len() && glob[g] == b'*' {
            retry = Some((g + 1, n));
            g += 1;
        } else if g < glob.len() && (glob[g] == b'?' || glob[g] == name[n]) {
            (g, n) = (g + 1, n + 1);
        } else if let Some((after, from)) = retry {
            retry = Some((after, from + 1));
            (g, n) = (after, from + 1);
        } else {
            return false;
        }
    }
    glob[g..].iter().all(|byte| *byte == b'*')
}

/// One entry.
fn rule(
    source: Source<'_>,
    entry: &Spanned<DeValue<'_>>,
    table: &DeTable<'_>,
) -> Result<Rule, FileError> {
    let (mut functions, mut policies, mut level) = (Vec::new(), Vec::new(), None);
    for (key, value) in table {
        let name = &**key.get_ref();
        let unfit = |what: &str| source.error(value.span(), format!("`{name}` takes {what}"));
        let number = || text(value.get_ref()).and_then(|text| text.parse::<u32>().ok());
        let is_true = || match value.get_ref() {
            DeValue::Boolean(true) => Ok(()),
            _ => Err(unfit("true, or is left out")),
        };
        match name {
            "name" => match value.get_ref() {
                DeValue::String(glob) => functions.push(Functions::Named(glob.to_string())),
                _ => return Err(unfit("a name, with `*` and `?`")),
            },
            "index" => {
                let index = number().ok_or_else(|| unfit("the index of a function"))?;
                functions.push(Functions::Index(index));
            }
            "level" => {
                let number = number().and_then(|number| u8::try_from(number).ok());
                level = Some(Level(number.ok_or_else(|| unfit("a level"))?));
            }
            "never" => {
                is_true()?;
                policies.push(Arc::new(Never {}) as Arc<dyn Policy>);
            }
            "first" => {
                is_true()?;
                policies.push(Arc::new(FirstCall {}));
            }
            "threshold" => {
                let units = text(value.get_ref()).and_then(|text| text.parse().ok());
                let units: Option<f64> = units.filter(|units| *units >= 1.0);
                policies.push(Arc::new(FixedBudget {
                    units: units.ok_or_else(|| unfit("a number of budget units"))?,
                    ..FixedBudget::default()
                }));
            }
            "policy" => {
                let spec = text(value.get_ref()).ok_or_else(|| unfit("a policy"))?;
                let policy = policy::from_spec(&spec);
                policies.push(
                    policy.map_err(|error| source.error(value.span(), format!("policy{error}")))?,
                );
            }
            _ => return Err(source.unknown(key.span(), "key", name, &KEYS)),
        }
    }
    let one = |found: usize, what: &str| match found {
        0 | 1 => Ok(()),
        _ => Err(source.error(entry.span(), format!("an entry has {what}"))),
    };
    one(
        policies.len(),
        "one of `never`, `first`, `threshold` and `policy`",
    )?;
    one(functions.len(), "a `name` or an `index`")?;
    let functions = functions.pop();
    let policy = policies.pop();
    if policy.is_none() && level.is_none() {
        let problem = "an entry says what its functions do: `never`, `first`, `threshold`, \
                       `policy` or `level`";
        return Err(source.error(entry.span(), problem));
    }
    Ok(Rule {
        line: source.line(entry.span()),
        settled: AtomicBool::new(false),
        functions: functions
            .ok_or_else(|| source.error(entry.span(), "an entry has a `name` or an `index`"))?,
        policy,
        level,
    })
}

/// A policy that requests no level above one.
#[derive(Debug)]
struct UpTo {
    level: Level,
    policy: Arc<dyn Policy>,
}

impl Policy for UpTo {
    fn spec(&self) -> String {
        format!("{} (up to level {})", self.policy.spec(), self.level)
    }

    fn needs(&self) -> Needs {
        self.policy.needs()
    }

    fn on(&self, memo: &mut Memo, event: PolicyEvent, view: &View) -> Decision {
        // For the policy the ladder ends there.
        let levels = view.levels.min(self.level.0.saturating_add(1));
        let mut decision = self.policy.on(memo, event, &View { levels, ..*view });
        let wanted =
            |request: &Request| request.level > Level::FIRST && request.level <= self.level;
        decision.function = decision.function.filter(wanted);
        decision.osr = decision.osr.filter(wanted);
        decision
    }

    fn recorded(&self, memo: &mut Memo, recorded: &Recorded, view: &View) -> Decision {
        let levels = view.levels.min(self.level.0.saturating_add(1));
        let level = recorded.level.min(self.level);
        let recorded = Recorded { level, ..*recorded };
        let view = View { levels, ..*view };
        let mut decision = self.policy.recorded(memo, &recorded, &view);
        let wanted =
            |request: &Request| request.level > Level::FIRST && request.level <= self.level;
        decision.function = decision.function.filter(wanted);
        decision.osr = decision.osr.filter(wanted);
        decision
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> ModuleFacts {
        let text = "(module (import \"m\" \"f\" (func $imported))
            (func $parse_int) (func $parse_float) (func $hot) (func))";
        let wasm = wat::parse_str(text).unwrap();
        upshift_abi::facts::decode(&wasm).unwrap().facts
    }

    /// What the policies of the module's four functions are called; empty for the engine's.
    fn specs(text: &str) -> Vec<String> {
        let overrides = Overrides::parse(text).unwrap();
        let policies = overrides.of(&facts(), &policy::default());
        let spec = |policy: &Option<Arc<dyn Policy>>| {
            policy
                .as_ref()
                .map(|policy| policy.spec())
                .unwrap_or_default()
        };
        policies.iter().map(spec).collect()
    }

    #[test]
    fn functions_are_chosen_by_name_or_index() {
        let specs = specs(
            "[[function]]\nname = 'parse_f*'\nnever = true\n\
             [[function]]\nname = 'parse_*'\nthreshold = 5_000\n\
             [[function]]\nindex = 4\nfirst = true",
        );
        let expected = [
            "fixed-budget:units=5000:slices=4",
            "never",
            "",
            "first-call",
        ];
        assert_eq!(specs, expected);
    }

    #[test]
    fn a_level_bounds_what_is_requested() {
        let text = "[[function]]\nname = '*'\nlevel = 1\npolicy = 'first-call'";
        let policies = Overrides::parse(text)
            .unwrap()
            .of(&facts(), &policy::default());
        let policy = policies[0].as_ref().expect("one of its own");
        let view = View {
            levels: 3,
            ..View::default()
        };
        let decision = policy.on(&mut Memo::default(), PolicyEvent::FirstCode, &view);
        assert_eq!(
            decision.function.map(|request| request.level),
            Some(Level(1))
        );
        // Level 0 is never.
        let never = Overrides::parse("[[function]]\nindex = 1\nlevel = 0").unwrap();
        let first_call: Arc<dyn Policy> = Arc::new(FirstCall {});
        let policies = never.of(&facts(), &first_call);
        let policy = policies[0].as_ref().expect("one of its own");
        let decision = policy.on(&mut Memo::default(), PolicyEvent::FirstCode, &view);
        assert_eq!(decision.function, None);
    }

    #[test]
    fn rules_without_functions_are_named_once() {
        let text = "[[function]]\nname = 'hit'\nnever = true\n\n\
                    [[function]]\nname = 'h?t'\nnever = true\n\
                    [[function]]\nindex = 0\nfirst = true\n\
                    [[function]]\nindex = 5\nfirst = true";
        let mut overrides = Overrides::parse(text).unwrap();
        overrides.path = "rules.toml".into();
        let problems = overrides.idle(&facts());
        assert_eq!(
            problems,
            [
                "-T override: rules.toml: line 1: no function's name is like `hit`",
                // Imported, and beyond the end.
                "-T override: rules.toml: line 8: the module defines no function 0",
                "-T override: rules.toml: line 11: the module defines no function 5",
            ]
        );
        assert!(overrides.idle(&facts()).is_empty());
    }

    #[test]
    fn globs() {
        let like = |glob: &str, name: &str| is_like(glob.as_bytes(), name.as_bytes());
        assert!(like("*", "") && like("a*c", "abbbc") && like("a?c", "abc") && like("*b*", "abc"));
        assert!(like("*ab", "aab") && like("a**", "a"));
        assert!(!like("a?c", "ac") && !like("", "a") && !like("a*c", "abcd") && !like("ab", "a"));
    }

    #[test]
    fn entries_that_make_no_sense_are_refused() {
        for (text, message) in [
            (
                "[[functions]]\nindex = 1",
                "line 1: there is no table `functions`; did you mean `function`?",
            ),
            (
                "[[function]]\nindex = 1\nnevr = true",
                "line 3: there is no key `nevr`; did you mean `never`?",
            ),
            (
                "[[function]]\nindex = 1\nnever = false",
                "line 3: `never` takes true, or is left out",
            ),
            (
                "\n[[function]]\nindex = 1\nnever = true\nfirst = true",
                "line 2: an entry has one of `never`, `first`, `threshold` and `policy`",
            ),
            (
                "[[function]]\nnever = true",
                "line 1: an entry has a `name` or an `index`",
            ),
            (
                "[[function]]\nindex = 1\npolicy = 'jsc-point'",
                "line 3: policy takes never|first-call|eager|fixed-budget|cost-model|v8-budget|\
                 sm-cost|jsc-points|hotspot|dotnet|wizard|jikes|truffle|ski-rental|\
                 average-ski-rental|hinted-ski-rental, not `jsc-point`; did you mean `jsc-points`?",
            ),
        ] {
            assert_eq!(Overrides::parse(text).unwrap_err().to_string(), message);
        }
    }
}
