//! The options of the compiler, all chosen at run time when it is created.

use upshift_abi::SpectreMitigation;

/// Options of a [`Baseline`](crate::Baseline).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BaselineOptions {
    /// Which bounds checks hold speculatively.
    pub spectre: SpectreMitigation,
    /// Replace every NaN that an operator makes by the canonical one.
    pub canonicalize_nans: bool,
    /// Relaxed vector operators do what the deterministic profile says, which needs
    /// [`fma`](Features::fma).
    pub deterministic_relaxed_simd: bool,
    /// Which budget counters the code contains.
    pub counters: Counters,
    /// Let the check at a loop header enter optimized code, and report the loops. Without loop
    /// counters it has no effect.
    pub osr: bool,
    /// Note the targets of indirect calls.
    pub targets: bool,
    /// Consume the store's [fuel](upshift_abi::fuel).
    pub fuel: bool,
    /// Look, at entries and loop headers, whether the store's deadline has come, an
    /// [epoch](upshift_abi::Builtin::NewEpoch).
    pub epochs: bool,
    /// Optional processor features that the code may use.
    pub features: Features,
    /// Optimizations that can be switched off to study them.
    pub ablation: Ablation,
}

impl Default for BaselineOptions {
    /// No counters, OSR wherever loops are counted, the features of this processor.
    fn default() -> Self {
        Self {
            spectre: SpectreMitigation::default(),
            canonicalize_nans: false,
            deterministic_relaxed_simd: false,
            counters: Counters::default(),
            osr: true,
            targets: false,
            fuel: false,
            epochs: false,
            features: Features::host(),
            ablation: Ablation::default(),
        }
    }
}

/// What is taken from a function's budget, and where; `None` emits no counter at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Units per call.
    pub entry: Option<u32>,
    /// Units per execution of a loop header: the first entry of a loop counts like a back edge,
    /// for one check per loop instead of one per back edge. A loop that ends by a trap may not have
    /// taken what it used since it was entered.
    pub loops: Option<u32>,
}

/// Processor features beyond the x86-64 baseline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// `roundss`, `roundsd`, otherwise rounding calls the runtime; and all instructions on vectors
    /// up to SSE4.1, without which modules with vectors are refused.
    pub sse41: bool,
    /// `pcmpgtq`.
    pub sse42: bool,
    /// Vector instructions with three operands.
    pub avx: bool,
    /// Products and sums that are rounded once.
    pub fma: bool,
    /// `popcnt`.
    pub popcnt: bool,
    /// `lzcnt`.
    pub lzcnt: bool,
    /// `tzcnt`.
    pub bmi1: bool,
    /// `shlx`, `shrx`, `sarx`: shifts by any register.
    pub bmi2: bool,
}

impl Features {
    /// What this processor has.
    pub fn host() -> Self {
        Self {
            sse41: std::is_x86_feature_detected!("sse4.1"),
            sse42: std::is_x86_feature_detected!("sse4.2"),
            avx: std::is_x86_feature_detected!("avx"),
            fma: std::is_x86_feature_detected!("avx") && std::is_x86_feature_detected!("fma"),
            popcnt: std::is_x86_feature_detected!("popcnt"),
            lzcnt: std::is_x86_feature_detected!("lzcnt"),
            bmi1: std::is_x86_feature_detected!("bmi1"),
            bmi2: std::is_x86_feature_detected!("bmi2"),
        }
    }
}

/// Switches for studies: each costs speed of the code when off and never changes a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ablation {
    /// Keep constants on the abstract stack, fold them into operands and evaluate operators on
    /// them.
    pub track_constants: bool,
    /// Let a branch or `select` use the flags of the comparison before it.
    pub fuse_compare: bool,
    /// Keep locals in registers between operators.
    pub register_locals: bool,
    /// Keep locals in registers across branches and loops.
    pub registers_across_labels: bool,
    /// Compute a value that the next operator assigns to a local in that local's register.
    pub target_locals: bool,
    /// How many operators to look at behind a `loop` for locals worth loading before it; 0 for
    /// none.
    pub loop_lookahead: u32,
}

impl Default for Ablation {
    /// Everything on.
    fn default() -> Self {
        Self {
            track_constants: true,
            fuse_compare: true,
            register_locals: true,
            registers_across_labels: true,
            target_locals: true,
            loop_lookahead: 64,
        }
    }
}

impl Ablation {
    /// Everything off.
    pub const NONE: Self = Self {
        track_constants: false,
        fuse_compare: false,
        register_locals: false,
        registers_across_labels: false,
        target_locals: false,
        loop_lookahead: 0,
    };

    /// Each switch off alone, the others on.
    pub fn each() -> [Self; 6] {
        let on = Self::default();
        [
            Self {
                track_constants: false,
                ..on
            },
            Self {
                fuse_compare: false,
                ..on
            },
            Self {
                register_locals: false,
                ..on
            },
            Self {
                registers_across_labels: false,
                ..on
            },
            Self {
                target_locals: false,
                ..on
            },
            Self {
                loop_lookahead: 0,
                ..on
            },
        ]
    }
}
