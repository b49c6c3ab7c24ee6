//! The features of WebAssembly that modules may use: the one table of proposals that have a switch,
//! the set of those that are on, and the error of a module that needs another one.
//!
//! A proposal gets its row in [`for_each_feature!`](crate::for_each_feature) when both compilers
//! implement it. From the rows come [`Feature`], the setters of the engine's configuration and the
//! options of the command line. What the first standard lacks and no program can do without
//! (conversions that saturate, sign extension, mutable globals in imports and exports) has no
//! switch, as in Wasmtime.

use std::fmt;

use wasmparser::WasmFeatures;

/// What is always on.
const UNCONDITIONAL: WasmFeatures = WasmFeatures::WASM1
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::CALL_INDIRECT_OVERLONG);

/// Expands a macro with the table of features. In each row: the documentation of the setter, its
/// name, the name of the option, the validator's flag, whether the feature is on by default (as
/// Wasmtime's is), and the features without which it can't be on.
#[macro_export]
macro_rules! for_each_feature {
    ($rows:ident) => {
        $rows! {
            /// Bulk operations on memories and tables, and passive segments.
            BulkMemory = wasm_bulk_memory "bulk-memory": BULK_MEMORY, on, needs [],
                "memory.copy, memory.fill, table.copy and passive segments";
            /// Memories with pages of one byte.
            CustomPageSizes = wasm_custom_page_sizes "custom-page-sizes": CUSTOM_PAGE_SIZES, off,
                needs [],
                "memories with pages of one byte";
            /// Exceptions: `try_table`, `throw`, `throw_ref`, and references to exceptions.
            Exceptions = wasm_exceptions "exceptions": EXCEPTIONS, on, needs [ReferenceTypes],
                "exceptions: try_table, throw, exnref";
            /// Constant expressions that add, subtract and multiply integers.
            ExtendedConst = wasm_extended_const "extended-const": EXTENDED_CONST, on, needs [],
                "integer arithmetic in constant expressions";
            /// References to functions of one type, references that are never null, and calls
            /// through them.
            FunctionReferences = wasm_function_references "function-references":
                FUNCTION_REFERENCES, on, needs [ReferenceTypes],
                "references to functions of one type, call_ref";
            /// The older form of exceptions: `try`, `catch`, `rethrow`, `delegate`. Compilers of
            /// C++ still produce it.
            LegacyExceptions = wasm_legacy_exceptions "legacy-exceptions": LEGACY_EXCEPTIONS, on,
                needs [Exceptions],
                "exceptions in their older form: try, catch, delegate";
            /// Memories with 64-bit addresses and tables with 64-bit indexes.
            Memory64 = wasm_memory64 "memory64": MEMORY64, on, needs [],
                "memories with 64-bit addresses, tables with 64-bit indexes";
            /// Several memories in a module.
            MultiMemory = wasm_multi_memory "multi-memory": MULTI_MEMORY, on, needs [],
                "several memories in a module";
            /// Several results of functions, and parameters and several results of blocks.
            MultiValue = wasm_multi_value "multi-value": MULTI_VALUE, on, needs [],
                "several results of functions, parameters of blocks";
            /// References to functions and host objects as values, and several tables.
            ReferenceTypes = wasm_reference_types "reference-types": REFERENCE_TYPES, on,
                needs [BulkMemory],
                "funcref and externref as values, several tables";
            /// Vector operators whose results depend on the processor in some cases.
            RelaxedSimd = wasm_relaxed_simd "relaxed-simd": RELAXED_SIMD, on, needs [Simd],
                "vector operators that differ between processors";
            /// Vectors of 128 bits.
            Simd = wasm_simd "simd": SIMD, on, needs [],
                "vectors of 128 bits";
            /// Calls that return what the called function returns, and need no stack.
            TailCall = wasm_tail_call "tail-call": TAIL_CALL, on, needs [],
                "return_call and return_call_indirect";
            /// Shared memories, atomic accesses, waiting and notifying.
            Threads = wasm_threads "threads": THREADS, on, needs [],
                "shared memories, atomic accesses, waiting and notifying";
            /// Sums, differences and products of 128 bits.
            WideArithmetic = wasm_wide_arithmetic "wide-arithmetic": WIDE_ARITHMETIC, off,
                needs [],
                "sums, differences and products of 128 bits";
        }
    };
}

macro_rules! is_on {
    (on) => {
        true
    };
    (off) => {
        false
    };
}

macro_rules! rows {
    ($(
        $(#[$doc:meta])*
        $feature:ident = $setter:ident $name:literal: $flag:ident, $default:ident,
            needs [$($needed:ident)*], $help:literal;
    )*) => {
        /// A feature that can be switched off and on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Feature {$(
            $(#[$doc])*
            $feature,
        )*}

        impl Feature {
            /// All of them, in the order of their names.
            pub const ALL: &'static [Feature] = &[$(Feature::$feature),*];

            /// The name of the option that switches it.
            pub fn name(self) -> &'static str {
                match self {$( Feature::$feature => $name, )*}
            }

            /// The name of the setter of the engine's configuration.
            pub fn setter(self) -> &'static str {
                match self {$( Feature::$feature => stringify!($setter), )*}
            }

            /// The features without which it can't be on.
            pub fn needs(self) -> &'static [Feature] {
                match self {$( Feature::$feature => &[$(Feature::$needed),*], )*}
            }

            /// Whether it is on by default.
            const fn default(self) -> bool {
                match self {$( Feature::$feature => is_on!($default), )*}
            }

            /// What the processor must have for it.
            fn processor(self) -> Option<&'static str> {
                match self {
                    Feature::Simd => Some("SSE4.1"),
                    Feature::RelaxedSimd => {
                        Some("SSE4.1 and, for deterministic results, FMA")
                    }
                    _ => None,
                }
            }

            /// The validator's flags.
            const fn flags(self) -> WasmFeatures {
                match self {$( Feature::$feature => WasmFeatures::$flag, )*}
            }
        }
    };
}
for_each_feature!(rows);

/// The ends of messages by which alone the validator says that a feature is missing.
const IN_WORDS: [(&str, WasmFeatures); 3] = [
    ("because the GC proposal is disabled", WasmFeatures::GC),
    ("multiple memories", WasmFeatures::MULTI_MEMORY),
    ("multiple tables", WasmFeatures::REFERENCE_TYPES),
];

/// A set of features that are on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Features(WasmFeatures);

impl Default for Features {
    fn default() -> Self {
        let mut features = Features(UNCONDITIONAL);
        for &feature in Feature::ALL {
            features.set(feature, feature.default());
        }
        features
    }
}

impl Features {
    /// Every feature that the compilers implement.
    pub fn all() -> Self {
        let mut features = Features(UNCONDITIONAL);
        for &feature in Feature::ALL {
            features.set(feature, true);
        }
        features
    }

    /// Switches a feature on or off.
    pub fn set(&mut self, feature: Feature, on: bool) {
        self.0.set(feature.flags(), on);
        self.0.insert(UNCONDITIONAL);
    }

    /// Whether a feature is on.
    pub fn has(self, feature: Feature) -> bool {
        self.0.contains(feature.flags())
    }

    /// The set, as the validator takes it.
    pub fn flags(self) -> WasmFeatures {
        self.0
    }

    /// Checks that each feature has those that it needs.
    ///
    /// # Errors
    ///
    /// The first that lacks one, with what it lacks.
    pub fn check(self) -> Result<(), FeatureConflict> {
        for &feature in Feature::ALL {
            for &needed in feature.needs() {
                if self.has(feature) && !self.has(needed) {
                    return Err(FeatureConflict { feature, needed });
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = Feature::ALL.iter().filter(|feature| self.has(**feature));
        f.debug_set().entries(on).finish()
    }
}

/// A feature is on without one that it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the feature `{}` needs the feature `{}`, which is off: switch both off, or both on",
    feature.name(), needed.name()
)]
pub struct FeatureConflict {
    /// The feature that is on.
    pub feature: Feature,
    /// The one that it needs, which is off.
    pub needed: Feature,
}

/// A module needs a feature that is off, or one that the engine does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingFeature {
    offset: u64,
    message: String,
    /// The feature's name: of its switch, or the proposal's.
    name: String,
    feature: Option<Feature>,
    /// The item of the module that needs it, in words.
    place: Option<String>,
}

/// What people call proposals that the engine does not have, by their names.
const WORDS: [(&str, &str); 4] = [
    ("gc", "GC"),
    ("component-model", "components"),
    ("stack-switching", "stack switching"),
    ("shared-everything-threads", "shared types"),
];

impl MissingFeature {
    /// The need for the feature of a proposal that the engine does not have.
    pub fn unsupported(offset: u64, proposal: &str, message: String) -> Self {
        Self {
            offset,
            message,
            name: proposal.into(),
            feature: None,
            place: None,
        }
    }

    /// Says which item of the module needs the feature.
    pub fn at(self, place: Option<String>) -> Self {
        Self { place, ..self }
    }

    /// Whether a missing feature is the reason of a validator's error.
    pub fn from_wasm(error: &wasmparser::Error) -> Option<Self> {
        let in_words = || {
            let mut words = IN_WORDS.iter();
            words
                .find(|(words, _)| error.message().ends_with(words))
                .map(|(_, flags)| *flags)
        };
        let flags = error.missing_wasm_feature().or_else(in_words)?;
        let mut features = Feature::ALL.iter();
        let feature = features.find(|feature| feature.flags().intersects(flags));
        let name = match feature {
            Some(feature) => feature.name().into(),
            None => {
                let flag = flags.iter_names().next().map_or("", |(name, _)| name);
                flag.to_lowercase().replace('_', "-")
            }
        };
        Some(Self {
            offset: error.offset(),
            message: error.message().to_string(),
            name,
            feature: feature.copied(),
            place: None,
        })
    }

    /// The feature's name: of its switch, or the proposal's if the engine does not have it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The feature that is off; `None` if the engine does not have it.
    pub fn feature(&self) -> Option<Feature> {
        self.feature
    }

    /// Offset in the module's bytes of what needs the feature.
    pub fn offset(&self) -> u64 {
        self.offset
    }
}

impl fmt::Display for MissingFeature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            offset,
            message,
            name,
            place,
            ..
        } = self;
        let Some(feature) = self.feature else {
            let known = WORDS.iter().find(|(known, _)| known == name);
            let words = known.map_or(&**name, |(_, words)| words);
            let place = place.as_deref().unwrap_or("the module");
            return write!(
                f,
                "Upshift does not support {words} ({place} needs `{name}`, at offset {offset:#x}: \
                 {message})"
            );
        };
        write!(
            f,
            "refused WebAssembly module at offset {offset:#x}: {message}; the feature `{name}` is \
             off, and `-W {name}=yes` or `Config::{}(true)` switches it on",
            feature.setter(),
        )?;
        match feature.processor() {
            Some(needed) => write!(f, " where the processor has {needed}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for MissingFeature {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_and_named_alike() {
        assert!(Feature::ALL.is_sorted_by(|a, b| a.name() < b.name()));
        for feature in Feature::ALL {
            let setter = format!("wasm_{}", feature.name().replace('-', "_"));
            assert_eq!(feature.setter(), setter);
        }
    }

    #[test]
    fn each_feature_can_be_switched_alone() {
        let default = Features::default();
        assert_eq!(default.check(), Ok(()));
        assert_eq!(Features::all().check(), Ok(()));
        for &feature in Feature::ALL {
            let mut features = Features::all();
            features.set(feature, false);
            let off = Feature::ALL.iter().filter(|other| !features.has(**other));
            assert_eq!(off.collect::<Vec<_>>(), [&feature]);
            assert!(features.flags().contains(UNCONDITIONAL));
        }
    }

    #[test]
    fn a_feature_needs_those_of_its_row() {
        let mut features = Features::default();
        features.set(Feature::BulkMemory, false);
        let conflict = features.check().expect_err("reference types need it");
        assert_eq!(conflict.feature, Feature::ReferenceTypes);
        assert_eq!(conflict.needed, Feature::BulkMemory);
        features.set(Feature::ReferenceTypes, false);
        for feature in [Feature::Exceptions, Feature::FunctionReferences] {
            let conflict = features.check().expect_err("both need reference types");
            assert_eq!(conflict.feature, feature);
            features.set(feature, false);
            features.set(Feature::LegacyExceptions, false);
        }
        assert_eq!(features.check(), Ok(()));
    }
}
