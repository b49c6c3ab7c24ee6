//! The rules that say which of the specification's scripts belong to the supported standard: all
//! scripts of a suite, except for those that a rule assigns to an unsupported proposal.
//!
//! The later suites (`wasm-v3`, `wasm-latest`) describe a larger standard than the supported one.
//! Their scripts are still run wherever they stay within it, because they contain the most recent
//! cases.

/// A proposal outside the supported standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proposal {
    CustomDescriptors,
    CustomPageSizes,
    ExceptionHandling,
    FunctionReferences,
    Gc,
    Memory64,
    MultiMemory,
    Simd,
    Threads,
}

impl Proposal {
    /// The words by which refusals of modules that need the proposal name it.
    pub fn names(self) -> &'static [&'static str] {
        match self {
            Proposal::CustomDescriptors => &["custom descriptors required"],
            Proposal::CustomPageSizes => &["the custom page sizes proposal must be enabled"],
            Proposal::ExceptionHandling => {
                &["exceptions proposal not enabled", "exception handling"]
            }
            Proposal::FunctionReferences => {
                &["function references", "function-references proposal"]
            }
            Proposal::Gc => &[
                "gc feature",
                "`gc` proposal",
                "gc proposal",
                "locally defined global",
            ],
            Proposal::Memory64 => &["memory64 must be enabled"],
            Proposal::MultiMemory => &["multiple memories"],
            Proposal::Simd => &["SIMD support is not enabled"],
            Proposal::Threads => &["threads must be enabled"],
        }
    }
}

/// A set of scripts of a suite; names are separated by white space.
#[derive(Clone, Copy, Debug)]
pub enum Files {
    All,
    Only(&'static str),
    AllBut(&'static str),
}

impl Files {
    fn contain(self, name: &str) -> bool {
        match self {
            Files::All => true,
            Files::Only(_) => self.names().any(|listed| listed == name),
            Files::AllBut(_) => self.names().all(|listed| listed != name),
        }
    }

    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let (Files::Only(names) | Files::AllBut(names)) = self else {
            return "".split_whitespace();
        };
        names.split_whitespace()
    }
}

/// A folder of scripts, and what its scripts need beyond the standard; the first matching rule
/// counts.
pub struct Suite {
    pub name: &'static str,
    pub excluded: &'static [(Proposal, Files)],
}

const fn suite(name: &'static str, excluded: &'static [(Proposal, Files)]) -> Suite {
    Suite { name, excluded }
}

/// Scripts of both `wasm-v3` and `wasm-latest` that need typed function references.
const V3_FUNCTION_REFERENCES: Files = Files::Only(
    "br_on_non_null br_on_null br_table call_ref elem global instance linking local_init ref \
     ref_as_non_null ref_is_null return_call_ref table type-equivalence type-rec unreached-valid",
);
const V3_GC: Files = Files::Only("ref_null type-canon");
const V3_EXCEPTIONS: Files = Files::Only("imports");

#[rustfmt::skip]
pub const SUITES: &[Suite] = &[
    suite("wasm-v1", &[]),
    suite("wasm-v2", &[]),
    suite("wasm-v3", &[
        (Proposal::FunctionReferences, V3_FUNCTION_REFERENCES),
        (Proposal::Gc, V3_GC),
        (Proposal::ExceptionHandling, V3_EXCEPTIONS),
    ]),
    suite("wasm-latest", &[
        (Proposal::FunctionReferences, V3_FUNCTION_REFERENCES),
        (Proposal::FunctionReferences, Files::Only("return_call return_call_indirect")),
        (Proposal::Gc, V3_GC),
        (Proposal::ExceptionHandling, V3_EXCEPTIONS),
    ]),
    suite("annotations", &[(Proposal::Simd, Files::Only("simd_lane"))]),
    suite("bulk-memory", &[(Proposal::FunctionReferences, Files::Only("table-sub"))]),
    suite("custom-descriptors", &[
        (Proposal::CustomDescriptors, Files::Only("exact exact-func-import")),
        (Proposal::Gc, Files::AllBut("binary")),
    ]),
    suite("custom-page-sizes", &[
        (Proposal::MultiMemory, Files::Only("custom-page-sizes-invalid")),
        (Proposal::Memory64, Files::Only("memory_max_i64")),
        (Proposal::CustomPageSizes, Files::AllBut("binary")),
    ]),
    suite("exceptions", &[(Proposal::ExceptionHandling, Files::All)]),
    suite("extended-const", &[]),
    suite("function-references", &[(
        Proposal::FunctionReferences,
        Files::AllBut(
            "binary data func global if local_get return_call return_call_indirect select \
             unreached-invalid",
        ),
    )]),
    suite("gc", &[(Proposal::Gc, Files::AllBut("binary-gc"))]),
    suite("memory64", &[
        (Proposal::Simd, Files::Only("simd_address")),
        (Proposal::Memory64, Files::AllBut("address binary memory")),
    ]),
    suite("multi-memory", &[(Proposal::MultiMemory, Files::All)]),
    suite("multi-value", &[]),
    suite("mutable-global", &[]),
    suite("nontrapping-float-to-int-conversions", &[]),
    suite("reference-types", &[]),
    suite("relaxed-simd", &[(Proposal::Simd, Files::All)]),
    suite("sign-extension-ops", &[]),
    suite("simd", &[
        (Proposal::MultiMemory, Files::Only("simd_memory-multi")),
        (Proposal::Simd, Files::All),
    ]),
    suite("tail-call", &[]),
    suite("threads", &[(Proposal::Threads, Files::All)]),
    suite("wide-arithmetic", &[]),
];

impl Suite {
    /// The proposal beyond the standard that the script needs, if any.
    pub fn needs(&self, script: &str) -> Option<Proposal> {
        let rule = self
            .excluded
            .iter()
            .find(|(_, files)| files.contain(script));
        rule.map(|(proposal, _)| *proposal)
    }
}

/// Why an assertion of a selected script must fail.
#[derive(Clone, Copy, Debug)]
pub enum Reason {
    /// A later version of the standard says otherwise.
    Withdrawn,
    /// The assertion is about a module that needs the proposal, or follows one; the rest of its
    /// script does not need it.
    Needs(Proposal),
}

/// The assertions of a selected script that must fail, by line.
pub struct Exception {
    pub suites: &'static [&'static str],
    pub script: &'static str,
    pub reason: Reason,
    pub lines: &'static [usize],
}

const fn exception(
    suites: &'static [&'static str],
    script: &'static str,
    reason: Reason,
    lines: &'static [usize],
) -> Exception {
    Exception {
        suites,
        script,
        reason,
        lines,
    }
}

const V3: &[&str] = &["wasm-v3", "wasm-latest"];
const V3_AND_PROPOSAL: &[&str] = &["wasm-v3", "wasm-latest", "function-references"];
const FUNCTION_REFERENCES: Reason = Reason::Needs(Proposal::FunctionReferences);

/// The assertions of selected scripts that must fail. The withdrawn ones state that:
/// - all segments are checked before any is copied (now in order, up to the first that traps);
/// - the targets of an unreachable `br_table` have the same types (now only the same count).
#[rustfmt::skip]
pub const EXCEPTIONS: &[Exception] = &[
    exception(&["mutable-global"], "linking", Reason::Withdrawn,
        &[206, 227, 236, 238, 248, 298, 334, 342, 344, 354]),
    exception(&["reference-types"], "unreached-invalid", Reason::Withdrawn, &[539]),
    exception(&["bulk-memory"], "table_init", Reason::Needs(Proposal::Gc), &[2272, 2286]),
    exception(V3, "br_if", FUNCTION_REFERENCES, &[667]),
    exception(V3, "data", Reason::Needs(Proposal::Gc), &[89, 90]),
    exception(V3, "exports", Reason::Needs(Proposal::ExceptionHandling), &[70]),
    exception(V3, "local_tee", FUNCTION_REFERENCES, &[612]),
    exception(V3_AND_PROPOSAL, "func", FUNCTION_REFERENCES, &[659]),
    exception(V3_AND_PROPOSAL, "select", FUNCTION_REFERENCES, &[383]),
    exception(V3_AND_PROPOSAL, "unreached-invalid", FUNCTION_REFERENCES, &[697, 763, 773]),
];

/// The script's exception, if it has one.
pub fn exception_of(suite: &str, script: &str) -> Option<&'static Exception> {
    let mut exceptions = EXCEPTIONS.iter();
    exceptions.find(|entry| entry.suites.contains(&suite) && entry.script == script)
}
