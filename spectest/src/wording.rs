//! The specification's wording of reasons, and the engine's wording of the same.
//!
//! Trap messages are the specification's own. Refusals are worded by the validator, which reads in
//! another order than the reference interpreter, so it uses other words or finds another mistake
//! first; [`SYNONYMS`] lists what is accepted. No entry names a missing feature: a module that is
//! refused because it would need one does not show that the engine finds its mistake.

/// Whether a trap's message is the one that a script expects: scripts add details or leave some
/// off, and one trap has two names.
pub fn trap_matches(actual: &str, expected: &str) -> bool {
    let is_null = ("null reference", "null function reference");
    actual.starts_with(expected) || expected.starts_with(actual) || (actual, expected) == is_null
}

/// Whether the reason of a refusal is the one that a script expects.
pub fn refusal_matches(actual: &str, expected: &str) -> bool {
    actual.contains(expected)
        || SYNONYMS.iter().any(|(specified, reasons)| {
            expected.starts_with(specified) && reasons.iter().any(|reason| actual.contains(reason))
        })
}

/// The validator's words for bytes that end too early.
const END: &str = "unexpected end-of-file";
/// The validator's words for nesting that is still open where the function's body ends.
const OPEN: &str = "control frames remain at end of function";
/// The validator's words for a section or body that goes on after its last item.
const TRAILING: &str = "trailing bytes at end";
/// The validator's words for a section in a wrong place.
const ORDER: &str = "section out of order";
/// The validator's words for the size of a table.
const TABLE_SIZE: &str = "table size must be at most";
/// The validator's words for the size of a memory.
const MEMORY_SIZE: &str = "memory size must be at most";
/// The validator's words for the flag byte of limits.
const LIMITS: &str = "resizable limits flags";
/// The validator's words for the flag byte of a memory.
const MEMORY_LIMITS: &str = "memory limits flags";
/// The validator's words for the flag byte of a global.
const GLOBAL_FLAGS: &str = "malformed global flags";
/// The validator's words for unknown bits in the flag byte of a global.
const SHARED_GLOBAL: &str = "shared globals require";
/// The validator's words for a wrong byte at the start of an import's or export's kind.
const EXTERNAL_KIND: &str = "for external kind";

/// The beginning of the specification's reason, and parts of the validator's for the same mistake.
pub const SYNONYMS: &[(&str, &[&str])] = &[
    ("END opcode expected", &[OPEN]),
    (
        "alignment must not be larger than natural",
        &["integer representation too long"],
    ),
    (
        "constant expression required",
        &["type mismatch: expected funcref, found i32"],
    ),
    (
        "data count and data section have inconsistent lengths",
        &["data section is absent"],
    ),
    (
        "described type is outside rec group",
        &["forward describes reference"],
    ),
    (
        "descriptor type is outside rec group",
        &["type index out of bounds"],
    ),
    (
        "forward use of described type",
        &["forward describes reference"],
    ),
    (
        "function and code section have inconsistent lengths",
        &["section is absent"],
    ),
    (
        "i32 constant",
        &[TABLE_SIZE, MEMORY_SIZE, "integer too large"],
    ),
    (
        "illegal opcode",
        &["illegal opcode", "non-constant operator", END],
    ),
    ("immutable global", &["global is immutable"]),
    (
        "integer representation too long",
        &[
            "malformed section id",
            "invalid leading byte",
            TRAILING,
            LIMITS,
            MEMORY_LIMITS,
            END,
        ],
    ),
    (
        "integer too large",
        &[
            "malformed section id",
            TRAILING,
            LIMITS,
            MEMORY_LIMITS,
            MEMORY_SIZE,
            END,
        ],
    ),
    ("invalid UTF-8 encoding", &["malformed UTF-8 encoding"]),
    ("invalid lane index", &["SIMD index out of bounds"]),
    ("invalid mutability", &[GLOBAL_FLAGS, SHARED_GLOBAL, END]),
    ("invalid section id", &["malformed section id"]),
    ("invalid value type", &[END]),
    ("junk after last section", &[ORDER]),
    (
        "length out of bounds",
        &[END, "expected section, got wasm magic number"],
    ),
    ("magic header not detected", &["not a WebAssembly module"]),
    (
        "malformed definition type",
        &["invalid leading byte (0x4c)", "invalid leading byte (0x4d)"],
    ),
    ("malformed elements segment kind", &[END]),
    (
        "malformed export kind",
        &["Exact type is not allowed in the exports"],
    ),
    ("malformed import kind", &[EXTERNAL_KIND, END]),
    ("malformed limits flags", &[LIMITS, MEMORY_LIMITS, END]),
    (
        "malformed memop flags",
        &[
            "malformed memop",
            "alignment must not be larger than natural",
        ],
    ),
    ("malformed mutability", &[GLOBAL_FLAGS, SHARED_GLOBAL]),
    ("malformed section id", &[END]),
    (
        "malformed storage type",
        &["unexpected exact type", "type index out of bounds"],
    ),
    ("memory size must be at most 65536 pages", &[MEMORY_SIZE]),
    ("multiple start sections", &[ORDER]),
    (
        "offset out of range",
        &["integer too large", "integer representation too long"],
    ),
    ("section size mismatch", &[OPEN]),
    ("type mismatch", &["malformed memop"]),
    (
        "type mismatch: instruction requires",
        &["type mismatch: expected"],
    ),
    (
        "unexpected content after last section",
        &[ORDER, "inconsistent lengths"],
    ),
    (
        "unexpected end",
        &[END, OPEN, "unknown label", "not a WebAssembly module"],
    ),
    (
        "zero flag expected",
        &["zero byte expected", TRAILING, "unknown table"],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trap_messages_match_by_prefix() {
        assert!(trap_matches(
            "uninitialized element",
            "uninitialized element 7"
        ));
        assert!(trap_matches("undefined element", "undefined"));
        assert!(!trap_matches("undefined element", "uninitialized element"));
    }

    #[test]
    fn a_missing_feature_is_no_reason() {
        assert!(refusal_matches(
            "at offset 3: type mismatch: expected i32",
            "type mismatch"
        ));
        assert!(!refusal_matches(
            "SIMD support is not enabled",
            "type mismatch"
        ));
    }

    #[test]
    fn synonyms_are_sorted_and_unique() {
        assert!(SYNONYMS.is_sorted_by(|a, b| a.0 < b.0));
    }
}
