//! The one registry of run-time options: the command line, its help and reports come from it.
//!
//! Each option has a name, a kind, the values that it takes, a default and a line of help. The
//! values of an option are text here, so that whoever has text (a command line, a file that describes an
//! experiment) needs no code per option; programs use the setters of [`Config`].
//!
//! ```
//! use upshift::{Config, knobs};
//!
//! let mut config = Config::new();
//! knobs::set(&mut config, knobs::Group::Compile, "opt-level", "none").unwrap();
//! let error = knobs::set(&mut config, knobs::Group::Compile, "opt-level", "much").unwrap_err();
//! assert_eq!(error.to_string(), "-C opt-level takes none|speed|speed-and-size, not `much`");
//! ```

use std::fmt;

use upshift_abi::{MemoryBounds, SpectreMitigation};
use upshift_optimizer::{Cpu, MemoryBase, NullChecks, OptLevel, Regalloc, SelfCalls};
use upshift_runtime::CodeMapping;
use upshift_tiering::ConfigError;
#[allow(unused_imports, reason = "documentation refers to it")]
use upshift_tiering::TieringConfig;

use crate::Config;

/// Which part of the system an option is about; one letter of the command line each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// When functions change tiers.
    Tiering,
    /// How code is made.
    Compile,
    /// What WebAssembly may do and use.
    Wasm,
    /// What is recorded and shown.
    Debug,
}

impl Group {
    /// All groups.
    pub const ALL: [Group; 4] = [Group::Tiering, Group::Compile, Group::Wasm, Group::Debug];

    /// Its letter on the command line.
    pub fn letter(self) -> char {
        match self {
            Group::Tiering => 'T',
            Group::Compile => 'C',
            Group::Wasm => 'W',
            Group::Debug => 'D',
        }
    }
}

/// What an option is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Chooses between ways to work.
    Mode,
    /// Switches something off to study it; never changes a result.
    Ablation,
    /// Moves a threshold or a size; never changes a result.
    Tuning,
    /// Records or shows what happens.
    Trace,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Kind::Mode => "mode",
            Kind::Ablation => "ablation",
            Kind::Tuning => "tuning",
            Kind::Trace => "trace",
        })
    }
}

/// An option of a `C`.
#[derive(Clone, Copy, Debug)]
pub struct Knob<C: 'static = Config> {
    /// What it is about.
    pub group: Group,
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub kind: Kind,
    /// The values that it takes, or the unit of a number.
    pub values: &'static str,
    /// What it does, in one line.
    pub help: &'static str,
    /// Sets it; `None` if the text is no value of it.
    pub set: fn(&mut C, &str) -> Option<()>,
    /// Its value.
    pub get: fn(&C) -> String,
}

/// Why an option was not set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KnobError {
    /// Tiering does not have the option or take the value.
    Tiering(ConfigError),
    /// There is no such option.
    Unknown {
        /// The group that was searched.
        group: Group,
        /// The name.
        name: String,
    },
    /// The text is no value of the option.
    Value {
        /// The option's group.
        group: Group,
        /// The option.
        name: &'static str,
        /// What it takes.
        values: &'static str,
        /// The text.
        found: String,
    },
}

impl fmt::Display for KnobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KnobError::Tiering(error) => write!(f, "-T: {error}"),
            KnobError::Unknown { group, name } => {
                let letter = group.letter();
                write!(
                    f,
                    "-{letter} has no option `{name}`; `-{letter} help` lists what it has"
                )
            }
            KnobError::Value {
                group,
                name,
                values,
                found,
            } => {
                write!(
                    f,
                    "-{} {name} takes {values}, not `{found}`",
                    group.letter()
                )
            }
        }
    }
}

impl std::error::Error for KnobError {}

impl From<ConfigError> for KnobError {
    fn from(error: ConfigError) -> Self {
        KnobError::Tiering(error)
    }
}

impl<C> Knob<C> {
    /// Sets the option.
    ///
    /// # Errors
    ///
    /// If the text is no value of it.
    pub fn apply(&self, target: &mut C, value: &str) -> Result<(), KnobError> {
        (self.set)(target, value).ok_or_else(|| KnobError::Value {
            group: self.group,
            name: self.name,
            values: self.values,
            found: value.into(),
        })
    }
}

/// Sets an option of a configuration by name.
///
/// # Errors
///
/// If there is no such option or the text is no value of it.
pub fn set(config: &mut Config, group: Group, name: &str, value: &str) -> Result<(), KnobError> {
    if let Some(knob) = all().find(|knob| knob.group == group && knob.name == name) {
        return knob.apply(config, value);
    }
    match group {
        Group::Tiering => Ok(config.tiering.set(name, value)?),
        _ => Err(KnobError::Unknown {
            group,
            name: name.into(),
        }),
    }
}

/// The options of a configuration in the order in which help lists them, but for those of tiering,
/// which has its own registry: [`TieringConfig::help`].
pub fn all() -> impl Iterator<Item = &'static Knob> {
    CONFIG.iter()
}

/// A value that has a spelling.
pub trait KnobValue: Sized {
    /// What the value may be, for help and errors.
    const VALUES: &'static str;
    /// Reads it.
    fn parse(text: &str) -> Option<Self>;
    /// Spells it.
    fn spell(&self) -> String;
}

macro_rules! numbers {
    ($($ty:ty = $values:literal;)*) => {$(
        impl KnobValue for $ty {
            const VALUES: &'static str = $values;

            fn parse(text: &str) -> Option<Self> {
                let (digits, shift) = split_unit(text);
                digits.parse::<$ty>().ok()?.checked_mul(1 << shift)
            }

            fn spell(&self) -> String {
                self.to_string()
            }
        }
    )*};
}
numbers! {
    u32 = "a number";
    u64 = "a number";
    usize = "a size (65536, 512K, 64M, 1G)";
}

/// The digits of a number, and the power of two that its unit stands for: `K`, `M` or `G`, in either case,
/// also as `KiB` and `KB`. All of them mean powers of 1024, as memory is measured in.
fn split_unit(text: &str) -> (&str, u32) {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "" | "b" => 0,
        // No number has letters.
        _ => return (text, 0),
    };
    (digits, shift)
}

/// Spells the values of enums.
macro_rules! spellings {
    ($($ty:ty { $first:literal => $first_value:path $(, $text:literal => $value:path)* $(,)? })*) => {$(
        impl KnobValue for $ty {
            const VALUES: &'static str = concat!($first $(, "|", $text)*);

            fn parse(text: &str) -> Option<Self> {
                match text {
                    $first => Some($first_value),
                    $($text => Some($value),)*
                    _ => None,
                }
            }

            fn spell(&self) -> String {
                match self { $first_value => $first, $($value => $text,)* }.into()
            }
        }
    )*};
}

impl KnobValue for bool {
    const VALUES: &'static str = "y|n";

    fn parse(text: &str) -> Option<Self> {
        match text {
            "" | "y" | "yes" | "true" => Some(true),
            "n" | "no" | "false" => Some(false),
            _ => None,
        }
    }

    fn spell(&self) -> String {
        if *self { "y" } else { "n" }.into()
    }
}

spellings! {
    OptLevel { "none" => OptLevel::None, "speed" => OptLevel::Speed, "speed-and-size" => OptLevel::SpeedAndSize }
    Regalloc { "backtracking" => Regalloc::Backtracking, "single-pass" => Regalloc::SinglePass }
    Cpu { "native" => Cpu::Native, "baseline" => Cpu::Baseline }
    SelfCalls { "direct" => SelfCalls::Direct, "slot" => SelfCalls::Slot }
    NullChecks { "explicit" => NullChecks::Explicit, "fault" => NullChecks::Fault }
    MemoryBase { "displacement" => MemoryBase::Displacement, "register" => MemoryBase::Register }
    CodeMapping { "memory-file" => CodeMapping::MemoryFile, "anonymous" => CodeMapping::Anonymous }
    SpectreMitigation { "none" => SpectreMitigation::None, "tables" => SpectreMitigation::Tables, "all" => SpectreMitigation::All }
    MemoryBounds { "guard-pages" => MemoryBounds::GuardPages, "explicit" => MemoryBounds::Explicit }
}

/// The table: each line is an option and the field of [`Config`] that it sets.
macro_rules! knobs {
    ($($group:ident $name:literal: $kind:ident $ty:ty = $($field:ident).+, $help:literal;)*) => {
        const CONFIG: &[Knob] = &[$(Knob {
            group: Group::$group,
            name: $name,
            kind: Kind::$kind,
            values: <$ty as KnobValue>::VALUES,
            help: $help,
            set: |config, text| {
                config.$($field).+ = <$ty as KnobValue>::parse(text)?;
                Some(())
            },
            get: |config| config.$($field).+.spell(),
        },)*];
    };
}

macro_rules! optional_numbers {
    ($($ty:ty = $values:literal;)*) => {$(
        impl KnobValue for Option<$ty> {
            const VALUES: &'static str = $values;

            fn parse(text: &str) -> Option<Self> {
                if text == "none" {
                    Some(None)
                } else {
                    <$ty>::parse(text).map(Some)
                }
            }

            fn spell(&self) -> String {
                self.map_or("none".into(), |number| number.to_string())
            }
        }
    )*};
}
optional_numbers! {
    u32 = "a number|none";
    u64 = "a number|none";
    usize = "a size (65536, 512K, 64M, 1G)|none";
}

knobs! {
    Tiering "call-units": Tuning Option<u32> = baseline.counters.entry, "what a call takes from its function's budget";
    Tiering "loop-units": Tuning Option<u32> = baseline.counters.loops, "what a loop iteration takes from its function's budget";
    Compile "eager": Mode bool = eager, "compile all functions when a module is loaded";
    Compile "opt-level": Tuning OptLevel = optimizer.opt_level, "how much Cranelift optimizes";
    Compile "regalloc": Tuning Regalloc = optimizer.regalloc, "which register allocator Cranelift uses";
    Compile "cpu": Ablation Cpu = optimizer.cpu, "which processor features Cranelift uses";
    Compile "self-calls": Ablation SelfCalls = optimizer.self_calls, "optimizer: how functions call themselves";
    Compile "null-checks": Ablation NullChecks = optimizer.null_checks, "optimizer: how call_indirect finds null elements";
    Compile "memory-base": Ablation MemoryBase = optimizer.memory_base, "optimizer: how accesses address a module's own memory";
    Compile "spectre": Mode SpectreMitigation = spectre, "bounds checks that hold speculatively too: of tables, or also explicit ones of memories";
    Compile "verify": Trace bool = optimizer.verify, "run Cranelift's verifier on each function";
    Compile "track-constants": Ablation bool = baseline.ablation.track_constants, "baseline: fold constants into operands";
    Compile "fuse-compare": Ablation bool = baseline.ablation.fuse_compare, "baseline: branch on the flags of a comparison";
    Compile "register-locals": Ablation bool = baseline.ablation.register_locals, "baseline: keep locals in registers between operators";
    Compile "registers-across-labels": Ablation bool = baseline.ablation.registers_across_labels, "baseline: keep locals in registers across branches";
    Compile "target-locals": Ablation bool = baseline.ablation.target_locals, "baseline: compute values in the local they go to";
    Compile "loop-lookahead": Ablation u32 = baseline.ablation.loop_lookahead, "baseline: operators read ahead at a loop for its locals";
    Wasm "bounds": Mode MemoryBounds = runtime.memory.bounds, "how out-of-bounds memory accesses are caught";
    Wasm "memory-reservation": Tuning usize = runtime.memory.reservation, "with explicit bounds, bytes of address space for a memory, beyond which it can't grow";
    Wasm "max-stack": Tuning usize = runtime.max_wasm_stack, "bytes of stack that WebAssembly may use";
    Wasm "code-space": Tuning usize = runtime.code_space_bytes, "bytes of address space for code";
    Wasm "code-mapping": Mode CodeMapping = runtime.code_mapping, "memory that holds code: the file can't be overwritten, perf can name the other";
    Wasm "layout-seed": Tuning u32 = runtime.layout_seed, "place code behind random gaps, by this seed; 0 for none";
    Wasm "canonicalize-nans": Mode bool = canonicalize_nans, "give all computed NaNs the same bits";
}
