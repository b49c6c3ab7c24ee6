//! The conformance table: for each suite and mode, how many directives pass of how many.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use libtest_mimic::Failed;
use upshift_spectest::{Cause, Mode};

use crate::suites::Suites;

/// The command that writes the page.
const COMMAND: &str = "BLESS=1 cargo test --workspace --test spec conformance";

/// Checks that the page has the counts of these suites. With `BLESS=1` writes it instead.
pub fn is_current(suites: &Suites) -> Result<(), Failed> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("CONFORMANCE.md");
    let page = page(suites);
    if std::env::var_os("BLESS").is_some() {
        return std::fs::write(&path, page).map_err(|error| error.to_string().into());
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    if found == page {
        return Ok(());
    }
    let differs = |line: &&str| !found.lines().any(|other| other == *line);
    let lines: Vec<_> = page.lines().filter(differs).collect();
    Err(format!(
        "spectest/CONFORMANCE.md is old; `{COMMAND}` writes it. If it was not to change, these \
         lines say what has:\n{}",
        lines.join("\n")
    )
    .into())
}

/// A row of the table: what became of a number of directives.
#[derive(Default)]
struct Row {
    directives: usize,
    passed: Vec<usize>,
    /// How many are refused for want of each proposal, in the mode in which most are.
    refused: BTreeMap<String, usize>,
    /// How many fail as listed, because later versions of the standard say otherwise.
    withdrawn: usize,
}

impl Row {
    fn add(&mut self, other: &Row) {
        self.directives += other.directives;
        self.passed.resize(other.passed.len(), 0);
        for (passed, more) in self.passed.iter_mut().zip(&other.passed) {
            *passed += more;
        }
        for (proposal, count) in &other.refused {
            *self.refused.entry(proposal.clone()).or_default() += count;
        }
        self.withdrawn += other.withdrawn;
    }

    fn write(&self, name: &str, out: &mut String) {
        let _ = write!(out, "| {name} | {} |", grouped(self.directives));
        for &passed in &self.passed {
            let passed = match passed == self.directives {
                true => "all".into(),
                false => grouped(passed),
            };
            let _ = write!(out, " {passed} |");
        }
        let refused = self.refused.iter();
        let refused = refused.map(|(name, count)| format!("{name} {}", grouped(*count)));
        let withdrawn = match self.withdrawn {
            0 => String::new(),
            count => count.to_string(),
        };
        let refused: Vec<_> = refused.collect();
        let _ = writeln!(out, " {} | {withdrawn} |", refused.join(", "));
    }
}

fn row(suites: &Suites, suite: &str) -> Row {
    let mut row = Row::default();
    for &mode in Mode::all() {
        let (mut directives, mut passed, mut withdrawn) = (0, 0, 0);
        let mut refused = BTreeMap::<_, usize>::new();
        let runs = suites.runs().into_iter();
        for run in runs.filter(|run| run.mode == mode && suites.script(*run).suite == suite) {
            let report = suites.report(run);
            directives += report.directives();
            passed += report.passed;
            for failure in &report.failures {
                match &failure.cause {
                    Cause::Refused { proposal } => {
                        *refused.entry(proposal.clone()).or_default() += 1
                    }
                    Cause::Wrong => withdrawn += 1,
                }
            }
        }
        row.directives = row.directives.max(directives);
        row.passed.push(passed);
        row.withdrawn = row.withdrawn.max(withdrawn);
        for (proposal, count) in refused {
            let most = row.refused.entry(proposal).or_default();
            *most = count.max(*most);
        }
    }
    row
}

fn page(suites: &Suites) -> String {
    let mut out = format!(
        "# Conformance\n\n\
         How many directives of the specification's test suite hold, by suite and execution mode. \
         \n`{COMMAND}` writes this page, and the tests check it.\n\n\
         A directive is a module, an action or an assertion of a script. Those in the column \
         *refused* are modules of proposals\nthat the engine does not have, and what depends on \
         them. Those in the column *withdrawn* must fail: a later version of\nthe standard, \
         which is followed, says otherwise (`spectest/tests/spec/exceptions.rs` lists them). Any \
         other failure\nfails the tests.\n\n\
         | suite | directives |"
    );
    for mode in Mode::all() {
        let _ = write!(out, " {mode} |");
    }
    out.push_str(" refused, for want of | withdrawn |\n|---|--:|");
    out.push_str(&"--:|".repeat(Mode::all().len()));
    out.push_str("---|--:|\n");
    let mut total = Row::default();
    for name in suites.names() {
        let row = row(suites, name);
        row.write(name, &mut out);
        total.add(&row);
    }
    total.write("**all**", &mut out);
    out
}

/// A number with commas between groups of three digits.
fn grouped(number: usize) -> String {
    match number {
        0..1000 => number.to_string(),
        _ => format!("{},{:03}", grouped(number / 1000), number % 1000),
    }
}
