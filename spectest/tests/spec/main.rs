//! The specification's test suite, each script in every mode: `spec/<mode>/<suite>/<script>`.
//!
//! A script may have directives that are refused for want of a proposal: the runner says so, and
//! [the table](conformance) counts them. Everything else must hold, except for what
//! [`exceptions`] lists.

mod conformance;
mod exceptions;
mod suites;

use std::sync::Arc;

use exceptions::{EXCEPTIONS, exception_of};
use libtest_mimic::{Arguments, Failed, Trial};
use suites::{Script, Suites};
use upshift_spectest::{Failure, Mode, Report};

fn main() {
    let arguments = Arguments::from_args();
    let suites = Arc::new(Suites::all());
    let mut trials = vec![Trial::test("exceptions/name-scripts-that-exist", {
        let suites = suites.clone();
        move || names_exist(&suites)
    })];
    for run in suites.runs() {
        let script = suites.script(run);
        let name = format!("spec/{}/{}/{}", run.mode, script.suite, script.name);
        let suites = suites.clone();
        trials.push(Trial::test(name, move || {
            must_pass(suites.script(run), suites.report(run), run.mode)
        }));
    }
    // The last one, so that it finds most reports made.
    trials.push(Trial::test("conformance", move || {
        conformance::is_current(&suites)
    }));
    libtest_mimic::run(&arguments, trials).exit();
}

/// Checks that all directives pass or are refused for want of a proposal, except for those that
/// must not.
fn must_pass(script: &Script, report: &Report, mode: Mode) -> Result<(), Failed> {
    let wrong: Vec<_> = report.wrong().collect();
    let lines: Vec<_> = wrong.iter().map(|failure| failure.line).collect();
    let exception = exception_of(script.suite, &script.name);
    let expected = exception.map_or(&[][..], |exception| exception.lines);
    if lines == expected && (report.directives() > 0 || !has_directives(script.text)) {
        return Ok(());
    }
    Err(format!(
        "in mode {mode}, {} of {} directives passed, expected failures on lines {expected:?}\n{}",
        report.passed,
        report.directives(),
        list(&wrong),
    )
    .into())
}

/// Whether the script has directives: some consist of comments only.
fn has_directives(text: &str) -> bool {
    text.contains("(assert_") || text.contains("(module")
}

fn list(failures: &[&Failure]) -> String {
    let shown = 20;
    let failures_shown = failures.iter().take(shown);
    let mut lines: Vec<_> = failures_shown.map(|failure| failure.to_string()).collect();
    if failures.len() > shown {
        lines.push(format!("and {} more", failures.len() - shown));
    }
    lines.join("\n")
}

fn names_exist(suites: &Suites) -> Result<(), Failed> {
    for exception in EXCEPTIONS {
        for suite in exception.suites {
            let mut scripts = suites.scripts(suite);
            if !scripts.any(|script| script.name == exception.script) {
                return Err(format!("{suite} has no script {}", exception.script).into());
            }
        }
    }
    Ok(())
}
