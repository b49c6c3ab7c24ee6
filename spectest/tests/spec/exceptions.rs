//! The directives that must fail without being refused for want of a proposal.

/// The directives of a script that must fail, by line.
pub struct Exception {
    pub suites: &'static [&'static str],
    pub script: &'static str,
    pub lines: &'static [usize],
}

const fn exception(
    suites: &'static [&'static str],
    script: &'static str,
    lines: &'static [usize],
) -> Exception {
    Exception {
        suites,
        script,
        lines,
    }
}

/// Later versions of the standard have withdrawn what they state:
/// - a module has one table;
/// - all segments are checked before any is copied (now in order, up to the first that traps);
/// - the targets of an unreachable `br_table` have the same types (now only the same count).
#[rustfmt::skip]
pub const EXCEPTIONS: &[Exception] = &[
    exception(&["mutable-global"], "linking", &[206, 227, 236, 238, 248, 298, 334, 342, 344, 354]),
    exception(&["reference-types"], "unreached-invalid", &[539]),
    exception(&["threads"], "imports", &[309, 313, 317]),
];

/// The script's exception, if it has one.
pub fn exception_of(suite: &str, script: &str) -> Option<&'static Exception> {
    let mut exceptions = EXCEPTIONS.iter();
    exceptions.find(|entry| entry.suites.contains(&suite) && entry.script == script)
}
