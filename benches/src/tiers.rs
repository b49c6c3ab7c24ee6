//! `upshift-benches tiers`: compares each hot function's code in both tiers, on the same inputs.
//!
//! A job is run by turns under the baseline alone and under the optimizer alone, with another
//! layout of code in each round, while a timer samples where the thread is. The event log
//! says which function's code lies there, which gives each function's own time in each tier. What
//! callees, builtins and compilers take does not count. A function that the optimizer has made
//! slower is a *fault*.

mod dump;
mod ratio;
mod sample;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use upshift::profiler::{Detail, LogConfig};
use upshift::{Config, Module, Tier};

use crate::contender;
use crate::corpus::{self, Size};
use crate::engines::Job;
use crate::record::Suite;
use crate::table::Table;
use ratio::Compared;

/// The command line's selection.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The suites of the jobs: kernels, libraries and programs; the first two if empty.
    pub suites: Vec<Suite>,
    /// Parts of the names of the jobs; all if empty.
    pub cases: Vec<String>,
    /// How often each job is run in each tier.
    pub rounds: u32,
    /// Time between two samples.
    pub interval: Duration,
    /// The smallest share of a job's time with which a function counts.
    pub share: f64,
    /// The ratio of optimized over baseline time above which a function is a fault.
    pub limit: f64,
    /// Whether the baseline's code counts calls and loops, as it does before it is tiered up.
    pub counters: bool,
    /// Where both tiers' code of each function that is listed goes.
    pub dump: Option<PathBuf>,
}

/// A job, and the module that it runs.
struct Case {
    name: String,
    wasm: Vec<u8>,
    job: Job,
}

/// What was found of one job.
#[derive(Debug)]
pub struct Report {
    /// The job's name.
    pub case: String,
    /// Seconds of both tiers, compilation left out: medians over the rounds.
    pub seconds: (f64, f64),
    /// The functions with a large enough share, those with the largest first.
    pub functions: Vec<Compared>,
    limit: f64,
}

impl Report {
    /// The functions whose optimized code is slower beyond doubt and beyond the limit.
    pub fn faults(&self) -> impl Iterator<Item = &Compared> {
        self.functions.iter().filter(|f| f.is_fault(self.limit))
    }

    /// The report as a table.
    pub fn table(&self) -> Table {
        let (baseline, optimizer) = self.seconds;
        let title = format!(
            "{}: {baseline:.3} s in baseline code, {optimizer:.3} s in optimized code",
            self.case
        );
        let columns = ["share", "optimized/baseline", "95 %", "bytes", ""];
        let mut table = Table::new(title, columns);
        for function in &self.functions {
            let fault = if function.is_fault(self.limit) {
                "FAULT"
            } else {
                ""
            };
            let (low, high) = function.interval;
            let (baseline, optimizer) = function.code_bytes;
            table.push(
                &function.name,
                vec![
                    format!("{:.1} %", function.share * 100.0),
                    format!("{:.2}", function.ratio),
                    format!("{low:.2}–{high:.2}"),
                    format!("{baseline} → {optimizer}"),
                    fault.into(),
                ],
            );
        }
        table
    }
}

/// Compares the tiers on the selected jobs. `done` is called with each job's report.
///
/// # Errors
///
/// If there is no such job, a job fails or gives different results in the tiers, or a dump can't
/// be written.
pub fn compare(wish: &Wish, mut done: impl FnMut(&Report)) -> Result<()> {
    let cases = cases(wish)?;
    ensure!(!cases.is_empty(), "no job has such a name here");
    for case in cases {
        let report = compare_case(wish, &case).with_context(|| case.name.clone())?;
        done(&report);
    }
    Ok(())
}

fn cases(wish: &Wish) -> Result<Vec<Case>> {
    let wanted =
        |name: &str| wish.cases.is_empty() || wish.cases.iter().any(|part| name.contains(part));
    let suites = match wish.suites.as_slice() {
        [] => &[Suite::Kernels, Suite::Libraries],
        some => some,
    };
    let mut cases = Vec::new();
    for suite in suites {
        match suite {
            Suite::Kernels => {
                for kernel in corpus::kernels()?.into_iter().filter(|k| wanted(&k.name)) {
                    cases.push(Case {
                        wasm: kernel.wasm()?,
                        job: kernel.job(Size::Bench),
                        name: kernel.name,
                    });
                }
            }
            Suite::Libraries => {
                for library in corpus::libraries()?.into_iter().filter(|l| wanted(&l.name)) {
                    cases.push(Case {
                        wasm: library.wasm()?,
                        job: library.job(Size::Bench),
                        name: library.name,
                    });
                }
            }
            Suite::Programs => {
                for program in corpus::programs()?.into_iter().filter(|p| wanted(&p.name)) {
                    cases.push(Case {
                        wasm: program.wasm()?,
                        job: program.job(Size::Bench),
                        name: program.name,
                    });
                }
            }
            other => anyhow::bail!("the suite {other} has no jobs whose functions can be compared"),
        }
    }
    Ok(cases)
}

/// The configuration of one tier alone.
fn config(wish: &Wish, tier: Tier, round: u32) -> Result<Config> {
    let mut config = contender::settings(match tier {
        Tier::Baseline if wish.counters => "policy=never",
        Tier::Baseline => "mode=baseline",
        Tier::Optimizer => "mode=optimizer",
    })?;
    config.sample_period(Some(wish.interval));
    config.layout_seed(round).event_log(LogConfig {
        detail: Detail::Events,
        ..LogConfig::default()
    });
    Ok(config)
}

fn compare_case(wish: &Wish, case: &Case) -> Result<Report> {
    let (mut baseline, mut optimizer) = (Vec::new(), Vec::new());
    let mut output = None;
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..wish.rounds {
        let mut tiers = [Tier::Baseline, Tier::Optimizer];
        random.shuffle(&mut tiers);
        for tier in tiers {
            let engine = upshift::Engine::new(&config(wish, tier, round)?)?;
            let module = Module::from_binary(&engine, &case.wasm)?;
            let (profile, outcome) = sample::run(&module, &case.job)?;
            let expected = output.get_or_insert_with(|| outcome.clone());
            ensure!(outcome == *expected, "the results of the tiers differ");
            match tier {
                Tier::Baseline => baseline.push(profile),
                Tier::Optimizer => optimizer.push(profile),
            }
        }
    }
    let mut functions = ratio::compare(&baseline, &optimizer);
    functions.retain(|function| function.share >= wish.share);
    if let Some(folder) = &wish.dump {
        let module = |tier| {
            let engine = upshift::Engine::new(&config(wish, tier, 0)?)?;
            Module::from_binary(&engine, &case.wasm)
        };
        let modules = [module(Tier::Baseline)?, module(Tier::Optimizer)?];
        for function in &functions {
            dump::write(folder, &case.name, &modules, function)?;
        }
    }
    Ok(Report {
        case: case.name.clone(),
        seconds: (ratio::seconds(&baseline), ratio::seconds(&optimizer)),
        functions,
        limit: wish.limit,
    })
}
