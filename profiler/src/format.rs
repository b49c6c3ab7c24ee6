//! Format 3 of the log's file: one JSON object per line.
//!
//! The first line is a [`Header`]. A line with `functions` names the functions of a module, and
//! stands before the first record of that module. All other lines are records, in nearly the order
//! of their times: a reader sorts them. Readers ignore fields and events that they don't know.

use std::collections::HashMap;
use std::fs;

use serde::{Deserialize, Serialize};
use upshift_abi::facts::Item;
use upshift_abi::{FuncIndex, ModuleFacts};

use crate::key::ModuleKey;
use crate::text::Text;

/// The number of this format.
pub const FORMAT: u32 = 3;

/// The first line: what the run is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Header {
    /// [`FORMAT`].
    pub format: u32,
    /// The version of Upshift.
    pub upshift: String,
    /// The number of the process.
    pub pid: u32,
    /// When the log began: nanoseconds since 1970.
    pub started: u64,
    /// The options that differ from their defaults, by name.
    pub settings: Vec<(String, String)>,
    /// The policy with its parameters.
    pub policy: String,
    /// The names of the ladder's levels, lowest first.
    pub levels: Vec<Text>,
    /// The machine.
    pub machine: Machine,
    /// The seed of the program's random bytes, if it has one.
    pub seed: Option<u64>,
    /// The clock of the times that the policy sees. `at` and `cpu` are always nanoseconds.
    pub clock: ClockUnit,
}

/// The unit of a policy's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClockUnit {
    /// Nanoseconds.
    #[default]
    Ns,
    /// Budget units: virtual time.
    Units,
}

/// The machine of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// Cores that the process may use.
    pub cores: u32,
    /// Whether the processor says that it is a virtual machine's.
    pub hypervisor: bool,
    /// How the first core's frequency is chosen; `None` where the system does not say.
    pub governor: Option<String>,
    /// The version of the kernel.
    pub kernel: String,
}

/// A line that names the functions of a module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleLine {
    /// The module.
    pub module: ModuleKey,
    /// The functions that it defines, in order.
    pub functions: Vec<FunctionRow>,
}

/// A function of a module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FunctionRow {
    /// The function's index in the module, imports counted.
    pub index: u32,
    /// Its name, from the name section or an export.
    pub name: Option<String>,
    /// Bytes of its body.
    pub body_bytes: u32,
}

impl Machine {
    /// This machine, as far as the system says what it is.
    pub fn current() -> Self {
        let read = |path: &str| fs::read_to_string(path).ok().map(|s| s.trim().to_owned());
        let info = read("/proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| {
            let line = info.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_once(':'))
                .map_or("", |(_, value)| value.trim())
        };
        Self {
            cpu: field("model name").to_owned(),
            cores: std::thread::available_parallelism().map_or(1, |n| n.get() as u32),
            hypervisor: field("flags").split(' ').any(|flag| flag == "hypervisor"),
            governor: read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            kernel: read("/proc/sys/kernel/osrelease").unwrap_or_default(),
        }
    }
}

impl ModuleLine {
    /// The line for a module with these declarations.
    pub fn new(module: ModuleKey, facts: &ModuleFacts) -> Self {
        // All at once: finding the export of one function is linear.
        let mut exports: HashMap<FuncIndex, &str> = HashMap::new();
        for export in &facts.exports {
            if let Item::Func(func) = export.item {
                exports.entry(func).or_insert(&export.name);
            }
        }
        let row = |func| {
            let index = facts.func_index(func);
            let name = facts.names.func(index);
            FunctionRow {
                index: index.0,
                name: name
                    .or_else(|| exports.get(&index).copied())
                    .map(Into::into),
                body_bytes: facts.body_len(func),
            }
        };
        Self {
            module,
            functions: facts.defined_funcs().map(row).collect(),
        }
    }
}
