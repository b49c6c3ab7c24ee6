//! The execution of a plan: one process after the other, the engines of a case in a new random
//! order in each round, so that a slow spell of the machine hits all of them alike.
//!
//! The result file is complete after each process, so an interrupted run keeps what it measured.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::Result;

use crate::plan::{Plan, Planned};
use crate::process::launch;
use crate::record::{CaseInfo, EngineInfo, FORMAT, Failure, Machine, Results, Row, Suite};
use crate::tables::REFERENCE;
use crate::worker::Handicap;

/// Measures everything in a plan.
///
/// `before` is a run of the same plan that was interrupted or had fewer processes: its measurements
/// are kept and count. `handicaps` slows engines by id. `case_done` is called with all results so
/// far when a case has been measured, with its place in the plan.
///
/// # Errors
///
/// If a process can't be started or the file can't be written; an engine's failure is a row.
pub fn run(
    plan: &Plan,
    file: &Path,
    before: Option<&Results>,
    handicaps: &BTreeMap<String, f64>,
    mut case_done: impl FnMut(&Results, &Planned),
) -> Result<Results> {
    let mut results = empty(plan);
    if let Some(before) = before {
        keep(&mut results, before);
    }
    let mut progress = Progress::new(plan);
    let mut random = fastrand::Rng::with_seed(results.started);
    for case in &plan.cases {
        let mut order = case.engines.clone();
        for &engine in &case.engines {
            let row = take_row(&mut results, &case.info, &plan.contenders[engine].info);
            results.rows.push(row);
        }
        let first_row = results.rows.len() - case.engines.len();
        for round in 0..plan.launches {
            random.shuffle(&mut order);
            for &engine in &order {
                let contender = &plan.contenders[engine];
                let position = case.engines.iter().position(|&e| e == engine);
                let row = first_row + position.expect("the order is of these engines");
                let measured = results.rows[row].launches.len() > round as usize;
                if results.rows[row].failure.is_none() && !measured {
                    progress.begin(case, &contender.info.name);
                    let slower = handicaps.get(&contender.info.id).copied().unwrap_or(0.0);
                    let suite = case.info.suite;
                    match launch(contender, suite, &case.task, round, Handicap(slower))? {
                        Ok(launch) => results.rows[row].launches.push(launch),
                        Err(failure) => results.rows[row].failure = Some(failure),
                    }
                    results.write(file)?;
                }
                progress.end(case.info.suite);
            }
        }
        compare_outputs(&mut results.rows[first_row..], case.output.as_deref());
        results.write(file)?;
        progress.clear();
        case_done(&results, case);
    }
    results.complete = true;
    results.write(file)?;
    Ok(results)
}

fn empty(plan: &Plan) -> Results {
    let mut engines = Vec::new();
    for (index, contender) in plan.contenders.iter().enumerate() {
        if plan.cases.iter().any(|case| case.engines.contains(&index)) {
            engines.push(contender.info.clone());
        }
    }
    let started = SystemTime::now().duration_since(UNIX_EPOCH);
    Results {
        format: FORMAT,
        machine: Machine::this(),
        command: std::env::args().skip(1).collect::<Vec<_>>().join(" "),
        started: started.map_or(0, |time| time.as_secs()),
        complete: false,
        engines,
        cases: plan.cases.iter().map(|case| case.info.clone()).collect(),
        rows: Vec::new(),
    }
}

/// Removes and returns the row that an earlier run measured, or else creates one.
fn take_row(results: &mut Results, case: &CaseInfo, engine: &EngineInfo) -> Row {
    let is_kept =
        |row: &Row| (row.suite, &row.case, &row.engine) == (case.suite, &case.name, &engine.id);
    match results.rows.iter().position(is_kept) {
        Some(at) => results.rows.remove(at),
        None => Row {
            suite: case.suite,
            case: case.name.clone(),
            engine: engine.id.clone(),
            launches: Vec::new(),
            failure: None,
        },
    }
}

/// Copies the measurements of an earlier run, of whatever part of the plan.
fn keep(results: &mut Results, before: &Results) {
    results.started = before.started;
    if before.command != results.command {
        results.command = format!("{}; {}", before.command, results.command);
    }
    results.rows.clone_from(&before.rows);
    let mut engines = before.engines.clone();
    let is_new = |engine: &EngineInfo| before.engines.iter().all(|old| old.id != engine.id);
    engines.extend(results.engines.drain(..).filter(is_new));
    results.engines = engines;
    let mut cases = before.cases.clone();
    let is_new = |case: &CaseInfo| {
        let same = |old: &CaseInfo| (old.suite, &old.name) == (case.suite, &case.name);
        !before.cases.iter().any(same)
    };
    cases.extend(results.cases.drain(..).filter(is_new));
    results.cases = cases;
}

/// Makes a row an error if its output is not the expected one: its times are not those of the
/// program.
///
/// Where none is known beforehand, the output of [`REFERENCE`] is expected if that succeeded, else
/// that of the first row that did.
fn compare_outputs(rows: &mut [Row], known: Option<&str>) {
    if let Some(known) = known {
        return expect_output(rows, known, "the known one");
    }
    let output = |row: &Row| row.launches.first().map(|launch| launch.output.clone());
    let oracle = rows
        .iter()
        .find(|row| row.engine == REFERENCE && row.failure.is_none());
    let oracle = oracle.or_else(|| rows.iter().find(|row| row.failure.is_none()));
    let Some((expected, oracle)) = oracle.and_then(|row| Some((output(row)?, row.engine.clone())))
    else {
        return;
    };
    expect_output(rows, &expected, &format!("{oracle}'s"));
}

/// Makes rows of another output errors; `whose` says what output is expected.
fn expect_output(rows: &mut [Row], expected: &str, whose: &str) {
    for row in rows {
        if row.launches.iter().any(|launch| launch.output != expected) {
            row.launches.clear();
            row.failure = Some(Failure::Error(format!("its output is not {whose}")));
        }
    }
}

impl Machine {
    /// Reads the description of the machine that this runs on.
    pub fn this() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once(':'));
            let value = lines.find(|(key, _)| key.trim() == name);
            value.map(|(_, value)| value.trim().to_string())
        };
        let memory = field(&read("/proc/meminfo"), "MemTotal");
        let kibibytes = memory.and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
        Self {
            cpu: field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown".into()),
            threads: std::thread::available_parallelism().map_or(1, |n| n.get()),
            memory: kibibytes.unwrap_or(0) * 1024,
            kernel: format!("Linux {}", read("/proc/sys/kernel/osrelease").trim()),
        }
    }
}

/// One line on standard error, if it is a terminal: what runs, how far the run is, how long it will
/// take.
struct Progress {
    total: usize,
    done: usize,
    /// Processes still to come, seconds spent and processes done, by suite: the processes of suites
    /// differ far more in length than those of the cases of one suite.
    suites: BTreeMap<Suite, (usize, f64, usize)>,
    began: Instant,
    terminal: bool,
}

impl Progress {
    fn new(plan: &Plan) -> Self {
        let mut suites = BTreeMap::new();
        for case in &plan.cases {
            let entry: &mut (usize, f64, usize) = suites.entry(case.info.suite).or_default();
            entry.0 += case.engines.len() * plan.launches as usize;
        }
        Self {
            total: plan.processes(),
            done: 0,
            suites,
            began: Instant::now(),
            terminal: std::io::stderr().is_terminal(),
        }
    }

    fn begin(&mut self, case: &Planned, engine: &str) {
        self.began = Instant::now();
        if !self.terminal {
            return;
        }
        let left = self.seconds_left().map_or(String::new(), |seconds| {
            format!(", about {} min left", (seconds / 60.0).ceil())
        });
        let (done, total) = (self.done + 1, self.total);
        let (suite, case) = (case.info.suite, &case.info.name);
        // A failure to write to standard error can't be reported.
        let _ = write!(
            std::io::stderr(),
            "\r\x1b[K[{done}/{total}{left}] {suite}: {case}, {engine}"
        );
    }

    fn end(&mut self, suite: Suite) {
        self.done += 1;
        let entry = self.suites.entry(suite).or_default();
        entry.0 = entry.0.saturating_sub(1);
        entry.1 += self.began.elapsed().as_secs_f64();
        entry.2 += 1;
        self.began = Instant::now();
    }

    /// For suites that have not begun, the average over all processes so far is assumed.
    fn seconds_left(&self) -> Option<f64> {
        let (mut spent, mut done) = (0.0, 0);
        for (_, seconds, count) in self.suites.values() {
            spent += seconds;
            done += count;
        }
        let average = |seconds: f64, count: usize| seconds / count as f64;
        let left = self.suites.values().map(|&(left, seconds, count)| {
            let each = if count > 0 {
                average(seconds, count)
            } else {
                average(spent, done)
            };
            left as f64 * each
        });
        (done > 0).then(|| left.sum())
    }

    fn clear(&self) {
        if self.terminal {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Launch;

    fn row(engine: &str, output: &str) -> Row {
        Row {
            suite: Suite::Kernels,
            case: "k".into(),
            engine: engine.into(),
            launches: vec![Launch {
                output: output.into(),
                ..Launch::default()
            }],
            failure: None,
        }
    }

    #[test]
    fn a_wrong_output_is_an_error_and_leaves_no_samples() {
        let mut rows = [row("upshift", "b"), row("wasmtime", "a"), row("node", "a")];
        compare_outputs(&mut rows, None);
        let why = "its output is not wasmtime's".to_string();
        assert_eq!(rows[0].failure, Some(Failure::Error(why)));
        assert!(rows[0].launches.is_empty());
        assert!(rows[1..].iter().all(|row| row.failure.is_none()));
    }

    #[test]
    fn an_output_that_is_known_counts_more_than_the_reference() {
        let mut rows = [row("upshift", "a"), row("wasmtime", "b")];
        compare_outputs(&mut rows, Some("a"));
        assert_eq!(rows[0].failure, None);
        let why = "its output is not the known one".to_string();
        assert_eq!(rows[1].failure, Some(Failure::Error(why)));
    }
}
