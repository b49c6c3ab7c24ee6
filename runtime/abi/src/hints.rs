//! Compilation hints: what a module's producer, or an earlier run, says of its functions, in custom
//! sections `metadata.code.*`.
//!
//! The sections are those of the WebAssembly proposal for compilation hints (phase 2, overview of
//! July 2025), and one of our own. All have the same form: functions by index, ascending; for each
//! its hints by offset, ascending, counted in bytes from the start of its body (0 is the function
//! itself); for each a length and so many bytes. V8's form of `compilation_priority` lacks the
//! number of a function's hints, which is always one: a 0 stands where the number would be, the
//! offset, so a reader can tell.
//!
//! - `compilation_priority`, of a function: its place in the order of first compilation and in the
//!   order of optimization, where 127 says that it runs once;
//! - `instr_freq`, of a loop or a call: how often it runs for each call of its function, as the
//!   logarithm to base 2 plus 32, from 1 to 64;
//! - `call_targets`, of an indirect call: functions, each with its percentage;
//! - `upshift_units`, of a function: the budget units that it used in a whole run.
//!
//! Hints change when code is compiled and how fast it is, and nothing else, and a custom section
//! can't make a module invalid: one that is malformed is left out as a whole, with the reason.

mod read;
mod write;

use std::collections::BTreeMap;
use std::fmt;

pub use crate::FuncIndex;

pub use read::{HintSections, MalformedHints, read, read_section};
pub use write::{strip, write};

/// Declares the sections.
macro_rules! sections {
    ($($(#[doc = $doc:literal])* $name:ident = $text:literal;)*) => {
        /// A section of hints.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Section { $($(#[doc = $doc])* $name,)* }

        impl Section {
            /// All sections, in the order in which they are written.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name of the custom section.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => concat!("metadata.code.", $text),)* }
            }
        }
    };
}

sections! {
    /// The order in which functions are compiled and optimized.
    CompilationPriority = "compilation_priority";
    /// How often loops and calls run for each call of their function.
    InstrFreq = "instr_freq";
    /// What indirect calls call.
    CallTargets = "call_targets";
    /// The work of functions in an earlier run; a section of our own.
    Units = "upshift_units";
}

impl Section {
    /// The section of a custom section's name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|section| section.name() == name)
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The order in which a function wants to be compiled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Priority {
    /// For the first time; 0 is first.
    pub compilation: u32,
    /// By an optimizer: about the negative logarithm (base 2) of the function's share of the work,
    /// so lower is hotter; [`RUN_ONCE`](Self::RUN_ONCE) is a function that runs once.
    pub optimization: Option<u32>,
}

impl Priority {
    /// The optimization priority of a function that runs once.
    pub const RUN_ONCE: u32 = 127;
}

/// How often an instruction runs for each call of its function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Frequency(pub u8);

impl Frequency {
    /// The instruction should not be optimized.
    pub const NEVER: Self = Self(0);
    /// It should be optimized always.
    pub const ALWAYS: Self = Self(127);

    /// That of an instruction that ran `times` in `calls` of its function.
    pub fn of(times: f64, calls: f64) -> Self {
        let ratio = times / calls.max(f64::MIN_POSITIVE);
        let log = ratio.max(f64::MIN_POSITIVE).log2().floor();
        Self((log.clamp(-31.0, 32.0) + 32.0) as u8)
    }

    /// How often the instruction runs for each call; `None` for [`NEVER`](Self::NEVER) and
    /// [`ALWAYS`](Self::ALWAYS).
    pub fn per_call(self) -> Option<f64> {
        let known = (1..=64).contains(&self.0);
        known.then(|| (f64::from(self.0) - 32.0).exp2())
    }
}

/// A function that an indirect call calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallTarget {
    /// The function, among all functions of the module.
    pub func: FuncIndex,
    /// In how many of a hundred calls; those of one call are at most 100 together.
    pub percent: u32,
}

/// The hints of a function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FunctionHints {
    /// When it is compiled.
    pub priority: Option<Priority>,
    /// Frequencies by offset in the body, ascending.
    pub frequencies: Vec<(u32, Frequency)>,
    /// Targets of indirect calls by offset in the body, ascending.
    pub targets: Vec<(u32, Vec<CallTarget>)>,
    /// Budget units used in a run.
    pub units: Option<u64>,
}

/// The hints of a module, by function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompilationHints {
    /// Functions among all of the module.
    pub functions: BTreeMap<FuncIndex, FunctionHints>,
}

impl CompilationHints {
    /// Those of a function, created if there are none.
    pub fn of(&mut self, func: FuncIndex) -> &mut FunctionHints {
        self.functions.entry(func).or_default()
    }

    /// Adds the hints of another section.
    fn merge(&mut self, other: Self) {
        for (func, hints) in other.functions {
            let own = self.of(func);
            own.priority = hints.priority.or(own.priority);
            own.units = hints.units.or(own.units);
            own.frequencies.extend(hints.frequencies);
            own.targets.extend(hints.targets);
        }
    }
}
