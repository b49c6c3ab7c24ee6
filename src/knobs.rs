//! The one registry of run-time options: the command line, its help and the benchmarks' variants
//! come from it.
//!
//! Each option has a name, a kind, the values that it takes with their unit and range, a default
//! and a line of help. Values are text here, so that a command line or a file that describes an
//! experiment needs no code per option; programs use the setters of [`Config`]. The rows of
//! tiering's options stand in `upshift-tiering`; what rows are, in `upshift-knobs`.
//!
//! ```
//! use upshift::{Config, knobs};
//!
//! let mut config = Config::new();
//! knobs::set(&mut config, knobs::Group::Compile, "opt-level", "none").unwrap();
//! let error = knobs::set(&mut config, knobs::Group::Compile, "opt-level", "sped").unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "-C opt-level takes none|speed|speed-and-size, not `sped`; did you mean `speed`?"
//! );
//! ```

use upshift_abi::{Feature, MemoryBounds, SpectreMitigation};
use upshift_knobs::types::{self, Type};
use upshift_knobs::{Knob, TimeUnit, choices, knobs};
use upshift_optimizer::{
    Arithmetic, Bulk, Constants, Cpu, Dispatch, Inline, MemoryBase, NullChecks, OptLevel, Regalloc,
    SelfCalls,
};
use upshift_runtime::CodeMapping;

pub use upshift_knobs::{Entry, Group, Info, KnobError, KnobKind, Value, Values, help};

use crate::config::{CODE_SPACE, LEAST_STACK};
use crate::tiers::TIERS;
use crate::{Config, tiering};

/// Sets an option of a configuration by name.
///
/// # Errors
///
/// If there is no such option, or the text is no value of it or out of its range. The message lists
/// what there is, and names what was probably meant.
pub fn set(config: &mut Config, group: Group, name: &str, value: &str) -> Result<(), KnobError> {
    let named = |info: &Info| info.group == group && info.name == name;
    if let Some(knob) = tiering::options().find(|knob| named(&knob.info)) {
        return knob.apply(&mut config.tiering, value);
    }
    match config_rows().find(|knob| named(&knob.info)) {
        Some(knob) => knob.apply(config, value),
        None => Err(KnobError::unknown(group, name, &all())),
    }
}

/// Every option of a configuration, in the order in which help lists them.
pub fn all() -> Vec<Info> {
    let tiering = tiering::options().map(|knob| knob.info);
    tiering.chain(config_rows().map(|knob| knob.info)).collect()
}

/// Every option with its value in the configuration, in the same order.
pub fn entries(config: &Config) -> Vec<Entry> {
    let tiering = tiering::options().map(|knob| knob.entry(&config.tiering));
    let others = config_rows().map(|knob| knob.entry(config));
    tiering.chain(others).collect()
}

/// The rows that set something in [`Config`] itself.
fn config_rows() -> impl Iterator<Item = &'static Knob<Config>> {
    CONFIG.iter().chain(FEATURES)
}

const OPT_LEVEL: Type<OptLevel> =
    choices!(OptLevel { "none" => None, "speed" => Speed, "speed-and-size" => SpeedAndSize });
const REGALLOC: Type<Regalloc> =
    choices!(Regalloc { "backtracking" => Backtracking, "single-pass" => SinglePass });
const CPU: Type<Cpu> =
    choices!(Cpu { "native" => Native, "baseline" => Baseline, "sse41" => Sse41 });
const SELF_CALLS: Type<SelfCalls> = choices!(SelfCalls { "direct" => Direct, "slot" => Slot });
const INLINE: Type<Inline> = choices!(Inline { "none" => None, "direct" => Direct, "all" => All });
const NULL_CHECKS: Type<NullChecks> =
    choices!(NullChecks { "explicit" => Explicit, "fault" => Fault });
const MEMORY_BASE: Type<MemoryBase> =
    choices!(MemoryBase { "displacement" => Displacement, "register" => Register });
const ARITHMETIC: Type<Arithmetic> =
    choices!(Arithmetic { "as-written" => AsWritten, "simplified" => Simplified });
const CONSTANTS: Type<Constants> =
    choices!(Constants { "as-written" => AsWritten, "where-passed" => WherePassed });
const BULK: Type<Bulk> = choices!(Bulk { "inline" => Inline, "call" => Call });
const DISPATCH: Type<Dispatch> = choices!(Dispatch { "shared" => Shared, "copied" => Copied });
const CODE_MAPPING: Type<CodeMapping> =
    choices!(CodeMapping { "memory-file" => MemoryFile, "anonymous" => Anonymous });
const SPECTRE: Type<SpectreMitigation> =
    choices!(SpectreMitigation { "none" => None, "tables" => Tables, "all" => All });
const BOUNDS: Type<MemoryBounds> =
    choices!(MemoryBounds { "guard-pages" => GuardPages, "explicit" => Explicit });

knobs! {
    /// The options that are not tiering's, with the field of [`Config`] that each sets.
    const CONFIG: Config {
        Tiering "tiers": Mode TIERS => tiers,
            "the tiers of code, lowest first: a baseline, then optimizers";
        Tiering "call-units": Tuning types::count_u32_or_none("units", 1, i32::MAX as u64)
            => baseline.counters.entry,
            "what a call takes from its function's budget";
        Tiering "loop-units": Tuning types::count_u32_or_none("units", 1, i32::MAX as u64)
            => baseline.counters.loops,
            "what a loop iteration takes from its function's budget";
        Compile "eager": Mode types::SWITCH => eager,
            "compile all functions when a module is loaded";
        Compile "cache": Mode types::FOLDER => cache.directory,
            "keep what got hot in a folder, and begin with it the next time";
        Compile "cache-code": Mode types::SWITCH => cache.code,
            "keep compiled code in the cache, not only what got hot";
        Compile "cache-size": Limit types::size(0, usize::MAX as u64) => cache.limit,
            "what the cache's files may take together";
        Compile "opt-level": Tuning OPT_LEVEL => optimizer.opt_level,
            "how much Cranelift optimizes";
        Compile "regalloc": Tuning REGALLOC => optimizer.regalloc,
            "which register allocator Cranelift uses";
        Compile "cpu": Ablation CPU => optimizer.cpu, "which processor features the code uses";
        Compile "self-calls": Ablation SELF_CALLS => optimizer.self_calls,
            "optimizer: how functions call themselves";
        Compile "inline": Ablation INLINE => optimizer.inline,
            "optimizer: which calls are replaced by the function's body";
        Compile "call-targets": Ablation types::SWITCH => baseline.targets,
            "baseline, tiered: note the targets of indirect calls for the optimizer";
        Compile "null-checks": Ablation NULL_CHECKS => optimizer.null_checks,
            "optimizer: how call_indirect finds null elements";
        Compile "memory-base": Ablation MEMORY_BASE => optimizer.memory_base,
            "optimizer: how accesses address a module's own memory";
        Compile "arithmetic": Ablation ARITHMETIC => optimizer.arithmetic,
            "optimizer: instructions for integer arithmetic with constants";
        Compile "constants": Ablation CONSTANTS => optimizer.constants,
            "optimizer: where constants are made that branches pass on";
        Compile "bulk": Ablation BULK => optimizer.bulk,
            "optimizer: how memory.copy and memory.fill of few bytes are compiled";
        Compile "dispatch": Ablation DISPATCH => optimizer.dispatch,
            "optimizer: whether the operations of an interpreter share an indirect jump";
        Compile "spectre": Mode SPECTRE => spectre,
            "bounds checks that also hold speculatively: tables', or also memories' explicit ones";
        Compile "verify": Trace types::SWITCH => optimizer.verify,
            "run Cranelift's verifier on each function";
        Compile "track-constants": Ablation types::SWITCH => baseline.ablation.track_constants,
            "baseline: fold constants into operands";
        Compile "fuse-compare": Ablation types::SWITCH => baseline.ablation.fuse_compare,
            "baseline: branch on the flags of a comparison";
        Compile "register-locals": Ablation types::SWITCH => baseline.ablation.register_locals,
            "baseline: keep locals in registers between operators";
        Compile "registers-across-labels": Ablation types::SWITCH
            => baseline.ablation.registers_across_labels,
            "baseline: keep locals in registers across branches";
        Compile "target-locals": Ablation types::SWITCH => baseline.ablation.target_locals,
            "baseline: compute values in the local they go to";
        Compile "loop-lookahead": Ablation types::count_u32("operators", 0, u32::MAX as u64)
            => baseline.ablation.loop_lookahead,
            "baseline: operators read ahead at a loop for its locals";
        Wasm "bounds": Mode BOUNDS => runtime.memory.bounds,
            "how out-of-bounds memory accesses are caught";
        Wasm "memory-reservation": Tuning types::size(0, usize::MAX as u64)
            => runtime.memory.reservation,
            "address space for a checked memory, its limit; 64-bit ones get 16 times as much";
        Wasm "max-stack": Limit types::size(LEAST_STACK as u64, usize::MAX as u64)
            => runtime.max_wasm_stack,
            "stack that WebAssembly may use";
        Wasm "code-space": Tuning types::size(*CODE_SPACE.start() as u64, *CODE_SPACE.end() as u64)
            => runtime.code_space_bytes,
            "address space for code";
        Wasm "code-mapping": Mode CODE_MAPPING => runtime.code_mapping,
            "memory that holds code: the file can't be overwritten, perf can name the other";
        Wasm "layout-seed": Tuning types::count_u32("", 0, u32::MAX as u64) => runtime.layout_seed,
            "place code behind random gaps, by this seed; 0 for none";
        Wasm "branch-hinting": Tuning types::SWITCH => branch_hinting,
            "lay code out by the module's branch hints";
        Debug "sample": Trace types::time_or_none(TimeUnit::Milliseconds) => sample,
            "mean time between two samples of what threads that run the program do";
        Debug "sample-seed": Tuning types::count("", 0, u64::MAX) => sample_seed,
            "seed of the random times between samples";
        Debug "backtrace": Trace types::SWITCH => runtime.backtraces,
            "show which functions were active where an error happened";
        Debug "backtrace-details": Trace types::SWITCH => runtime.backtrace_details,
            "show files and lines in backtraces, from the module's debug information (DWARF)";
        Wasm "compilation-hints": Tuning types::SWITCH => compilation_hints,
            "let policies and the optimizer see the module's compilation hints";
        Wasm "canonicalize-nans": Mode types::SWITCH => canonicalize_nans,
            "give all computed NaNs the same bits";
        Wasm "relaxed-simd-deterministic": Mode types::SWITCH => deterministic_relaxed_simd,
            "give relaxed vector operators the same results on all processors";
    }
}

macro_rules! feature_switches {
    ($(
        $(#[$doc:meta])*
        $feature:ident = $setter:ident $name:literal: $flag:ident, $default:ident,
            needs [$($needed:ident)*], $help:literal;
    )*) => {
        /// The switches of features.
        const FEATURES: &[Knob<Config>] = &[$(Knob {
            info: Info {
                group: Group::Wasm,
                name: $name,
                kind: KnobKind::Feature,
                values: types::SWITCH.values,
                help: $help,
            },
            set: |config, value| {
                config.$setter(value == Value::Switch(true));
            },
            get: |config| Value::Switch(config.features.has(Feature::$feature)),
        },)*];
    };
}
upshift_abi::for_each_feature!(feature_switches);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_in_a_group_and_every_option_is_described() {
        for (index, info) in all().iter().enumerate() {
            let mut earlier = all().into_iter().take(index);
            let same = |other: Info| (other.group, other.name) == (info.group, info.name);
            assert!(!earlier.any(same), "{info:?}");
            assert!(info.help.len() > 10, "{info:?}");
            for variant in info.values.variants() {
                assert!(variant.help.len() > 10, "{variant:?}");
            }
        }
    }

    #[test]
    fn every_option_can_be_set_to_its_value() {
        let mut config = Config::new();
        let before = entries(&config);
        for Entry { info, value } in &before {
            set(&mut config, info.group, info.name, value).unwrap();
        }
        for (before, after) in before.iter().zip(entries(&config)) {
            assert_eq!(before.value, after.value, "{}", after.info.name);
        }
    }

    #[test]
    fn features_are_switched_by_name() {
        for &feature in Feature::ALL {
            for (value, on) in [("no", false), ("yes", true)] {
                let mut config = Config::new();
                set(&mut config, Group::Wasm, feature.name(), value).unwrap();
                assert_eq!(config.features.has(feature), on, "{feature:?}");
            }
        }
    }

    #[test]
    fn what_another_group_has_is_found_there() {
        let error = set(&mut Config::new(), Group::Tiering, "eager", "y").unwrap_err();
        assert!(error.to_string().ends_with("; -C has it"), "{error}");
    }
}
