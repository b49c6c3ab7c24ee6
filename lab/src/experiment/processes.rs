//! The runner of cells that need a clock: each measurement is a process.
//!
//! Processes run one at a time, each on as many cores as its cell says, with the program's output
//! discarded. The order is random within rounds, so that whatever changes slowly on the machine
//! meets all cells alike; and each round places code elsewhere (`-W layout-seed`), since the luck
//! of addresses changes a program's speed by more than most policies do.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde_json::Value;
use wait4::Wait4;

use super::metric::Of;
use super::record::{ResultsError, digest};
use super::{
    BY, Cell, Environment, Experiment, Failure, Mode, Order, Places, Plan, Program, Progress,
    Resume, Sample, Settings, Stop, Store, WALL,
};
use crate::host::Noise;
use crate::stats::estimate::per_process;
use crate::stats::{interval, median};

/// The last bytes of a process' standard error that are kept: the statistics are its last line.
const TAIL: usize = 1 << 20;

/// Runs the processes of a plan with an engine's command, one at a time, and appends the results to
/// a file. `tell` is called after each. `stop` ends the run after the process that is running.
///
/// # Errors
///
/// If a program is missing, a cell asks for more cores than this process may use, or the file can't
/// be written. Processes that fail are lines of the file and are counted; their cells are tried
/// again when the run is resumed.
pub fn run_processes(
    experiment: &Experiment,
    plan: &Plan,
    places: &Places,
    engine: &Path,
    output: (&Path, Resume, &Environment),
    stop: &AtomicBool,
    tell: &mut dyn FnMut(Progress),
) -> Result<Progress, ResultsError> {
    let (path, resume, environment) = output;
    let unfit = |error: String| ResultsError::Other {
        file: "experiment".into(),
        error,
    };
    let engine = Engine::new(experiment, places, engine).map_err(unfit)?;
    for cell in &plan.cells {
        engine.cores(cell).map_err(unfit)?;
    }
    let digests = digests(experiment, places).map_err(unfit)?;
    let mode = experiment.measure.mode;
    let store = Store::open(path, resume, mode, environment, &digests)?;
    Rounds {
        experiment,
        engine,
        store,
        progress: Progress::default(),
    }
    .run(plan, stop, tell)
}

/// Measures one process of a cell, without a file of results: a sample for each iteration.
///
/// # Errors
///
/// If the program or its cores are missing, or the process fails.
pub fn run_process(
    experiment: &Experiment,
    places: &Places,
    engine: &Path,
    cell: &Cell,
    process: u32,
) -> Result<Vec<Sample>, String> {
    Engine::new(experiment, places, engine)?.measure(cell, process)
}

/// The digests of the programs' modules.
fn digests(experiment: &Experiment, places: &Places) -> Result<BTreeMap<String, String>, String> {
    let mut digests = BTreeMap::new();
    for program in &experiment.programs {
        let path = places.folder.join(module(program)?);
        let bytes = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        digests.insert(program.name.clone(), digest(&bytes));
    }
    Ok(digests)
}

/// The file of a program's module: the one that it names, or its name if that is a file's.
fn module(program: &Program) -> Result<&str, String> {
    let extension = Path::new(&program.name).extension();
    let named = extension.is_some_and(|extension| extension == "wasm" || extension == "wat");
    let file = program.file.as_deref();
    file.or(named.then_some(program.name.as_str()))
        .ok_or_else(|| {
            let name = &program.name;
            format!("what file is {name}? Add [[program]] with `name = \"{name}\"` and `file`")
        })
}

/// What processes are made from.
struct Engine<'a> {
    experiment: &'a Experiment,
    folder: &'a Path,
    command: PathBuf,
    /// The cores that this process may use.
    cores: Vec<usize>,
}

/// A run of all cells, once each in every round.
struct Rounds<'a> {
    experiment: &'a Experiment,
    engine: Engine<'a>,
    store: Store,
    progress: Progress,
}

impl Rounds<'_> {
    fn run(
        mut self,
        plan: &Plan,
        stop: &AtomicBool,
        tell: &mut dyn FnMut(Progress),
    ) -> Result<Progress, ResultsError> {
        let measure = &self.experiment.measure;
        let most = match measure.stop {
            Stop::Fixed => measure.processes,
            Stop::Interval { most, .. } => most,
        };
        let least = plan.cells.iter().map(|cell| {
            let id = cell.id.to_string();
            let missing = (0..measure.processes).filter(|process| !self.store.has(&id, *process));
            missing.count()
        });
        self.progress.planned = least.sum();
        for process in 0..most {
            let mut cells: Vec<&Cell> = plan.cells.iter().collect();
            if measure.order == Order::Random {
                let seed = measure.seed.wrapping_add(process.into());
                fastrand::Rng::with_seed(seed).shuffle(&mut cells);
            }
            for cell in cells {
                let id = cell.id.to_string();
                if self.store.has(&id, process) || self.has_enough(&id, process) {
                    continue;
                }
                if stop.load(Ordering::Relaxed) {
                    return Ok(self.progress);
                }
                if process >= measure.processes {
                    self.progress.planned += 1;
                }
                self.process(cell, process)?;
                tell(self.progress);
            }
        }
        Ok(self.progress)
    }

    fn process(&mut self, cell: &Cell, process: u32) -> Result<(), ResultsError> {
        match self.engine.measure(cell, process) {
            Ok(samples) => {
                self.progress.measured += 1;
                self.store.add(samples)
            }
            Err(error) => {
                self.progress.failed += 1;
                self.store.fail(Failure {
                    id: cell.id.to_string(),
                    program: cell.program.clone(),
                    process,
                    error,
                    ..Failure::default()
                })
            }
        }
    }

    /// Whether a cell needs no process of this number.
    fn has_enough(&self, id: &str, process: u32) -> bool {
        let measure = &self.experiment.measure;
        let Stop::Interval { half_width, .. } = measure.stop else {
            return false;
        };
        if process < measure.processes {
            return false;
        }
        let mut walls: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
        for sample in self.store.of(id) {
            let wall = sample.metrics.get("wall").copied();
            walls.entry(sample.process).or_default().extend(wall);
        }
        let walls = per_process(&walls.into_values().collect::<Vec<_>>());
        // A cell whose processes all failed gets no more of them.
        walls.is_empty() || is_narrow(&walls, half_width)
    }
}

/// Whether half of the 95 % interval of the median is at most a share of it.
fn is_narrow(values: &[f64], share: f64) -> bool {
    let (low, high) = interval(values);
    (high - low) / 2.0 <= share * median(values)
}

impl<'a> Engine<'a> {
    fn new(experiment: &'a Experiment, places: &'a Places, command: &Path) -> Result<Self, String> {
        let set = sched_getaffinity(None).map_err(|error| error.to_string())?;
        let cores = (0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core));
        Ok(Self {
            experiment,
            folder: &places.folder,
            command: command.to_owned(),
            cores: cores.collect(),
        })
    }

    /// The cores on which a cell runs: the first ones, or all if it says nothing.
    fn cores(&self, cell: &Cell) -> Result<&[usize], String> {
        let Some(asked) = cell.settings.get("cores") else {
            return Ok(&self.cores);
        };
        let asked: usize = asked
            .parse()
            .map_err(|_| "`cores` is a number".to_owned())?;
        let have = self.cores.len();
        self.cores
            .get(..asked)
            .filter(|cores| !cores.is_empty())
            .ok_or_else(|| format!("{asked} cores are asked for, and this process may use {have}"))
    }

    /// The command line of a process.
    fn command(&self, cell: &Cell, process: u32) -> Result<Command, String> {
        let mut programs = self.experiment.programs.iter();
        let program = programs.find(|program| program.name == cell.program);
        let program = program.ok_or_else(|| format!("there is no program {}", cell.program))?;
        let mut command = Command::new(&self.command);
        command.args(["run", "--stats=json"]).args(&program.options);
        if self.repeats() {
            let iterations = self.experiment.measure.iterations;
            command.arg(format!("--iterations={iterations}"));
        }
        if let Some(function) = &program.invoke {
            command.arg(format!("--invoke={function}"));
        }
        for (name, value) in &cell.settings {
            let (group, option) = name.split_once('.').unwrap_or(("T", name));
            if name != "cores" && name != BY {
                command
                    .arg(format!("-{group}"))
                    .arg(format!("{option}={value}"));
            }
        }
        if !cell.settings.contains_key("W.layout-seed") {
            let seed = self.experiment.measure.seed.wrapping_add(process.into()) % (1 << 31);
            command
                .arg("-W")
                .arg(format!("layout-seed={}", seed.max(1)));
        }
        command.arg(module(program)?).args(&program.args);
        let stdin = match &program.stdin {
            Some(file) => {
                let path = self.folder.join(file);
                let file = File::open(&path);
                Stdio::from(file.map_err(|error| format!("{}: {error}", path.display()))?)
            }
            None => Stdio::null(),
        };
        if !self.folder.as_os_str().is_empty() {
            command.current_dir(self.folder);
        }
        command
            .stdin(stdin)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        Ok(command)
    }

    /// Whether processes are asked for the times of iterations.
    fn repeats(&self) -> bool {
        let measure = &self.experiment.measure;
        measure.iterations > 1 || measure.mode == Mode::Both
    }

    fn measure(&self, cell: &Cell, process: u32) -> Result<Vec<Sample>, String> {
        let mut command = self.command(cell, process)?;
        let noise = Noise::now();
        let started = Instant::now();
        let child = self.spawn(&mut command, cell)?;
        let (stderr, used) = finish(child)?;
        let wall = started.elapsed().as_secs_f64();
        if !used.status.success() {
            let last = last_line(&stderr);
            return Err(format!("{}: {last}", used.status));
        }
        let mut metrics = statistics(&stderr)
            .ok_or_else(|| format!("no statistics: the last line is `{}`", last_line(&stderr)))?;
        let sample = |iteration: u32, mut metrics: BTreeMap<String, f64>, anomalies| {
            self.keep(&mut metrics);
            Sample {
                id: cell.id.to_string(),
                program: cell.program.clone(),
                settings: cell.settings.clone(),
                process,
                iteration,
                metrics,
                anomalies,
                ..Sample::default()
            }
        };
        let rusage = used.rusage;
        let anomalies = noise.since(wall);
        if self.repeats() {
            let mut iterations = iterations(&stderr, self.experiment.measure.iterations)?;
            iterations[0].insert("max_rss".into(), rusage.maxrss as f64);
            if self.experiment.measure.mode == Mode::Both {
                as_simulated(&mut iterations, &cell.settings);
            }
            let mut anomalies = Some(anomalies);
            let samples = (0..).zip(iterations).map(|(number, metrics)| {
                // What was unusual was so while the process ran; it is said once.
                sample(number, metrics, anomalies.take().unwrap_or_default())
            });
            return Ok(samples.collect());
        }
        let cpu = (rusage.utime + rusage.stime).as_secs_f64();
        metrics.insert("wall".into(), wall);
        metrics.insert("cpu".into(), cpu);
        metrics.insert("max_rss".into(), rusage.maxrss as f64);
        if let Some(compile) = metrics.get("compile_cpu").copied() {
            metrics.insert("guest_cpu".into(), cpu - compile);
        }
        Ok(vec![sample(0, metrics, anomalies)])
    }

    /// Keeps the metrics that the experiment asks for, and those that it can't do without.
    fn keep(&self, metrics: &mut BTreeMap<String, f64>) {
        let measure = &self.experiment.measure;
        let kept = &measure.metrics;
        let series = |name: &String| {
            let mut metrics = WALL.iter();
            metrics.any(|metric| metric.name == name && metric.of == Of::Series)
        };
        let all = kept.iter().all(series);
        metrics.retain(|name, _| {
            all || kept.contains(name) || name == "wall" || *name == measure.classify
        });
    }

    /// Starts a process on the cell's cores. A process inherits them from the thread that starts
    /// it, so this thread has them for a moment.
    fn spawn(&self, command: &mut Command, cell: &Cell) -> Result<Child, String> {
        let set = |cores: &[usize]| {
            let mut set = CpuSet::new();
            cores.iter().for_each(|core| set.set(*core));
            sched_setaffinity(None, &set).map_err(|error| format!("can't set the cores: {error}"))
        };
        set(self.cores(cell)?)?;
        let child = command.spawn();
        set(&self.cores)?;
        child.map_err(|error| format!("{}: {error}", self.command.display()))
    }
}

/// Waits for a process; its standard error, and what it used.
fn finish(mut child: Child) -> Result<(Vec<u8>, wait4::ResUse), String> {
    let mut tail = Vec::new();
    if let Some(mut stderr) = child.stderr.take() {
        let mut buffer = [0; 1 << 16];
        loop {
            match stderr.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => tail.extend_from_slice(&buffer[..read]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.to_string()),
            }
            if tail.len() > 2 * TAIL {
                tail.drain(..tail.len() - TAIL);
            }
        }
    }
    let used = child.wait4().map_err(|error| error.to_string())?;
    Ok((tail, used))
}

fn last_line(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let last = text.lines().rev().find(|line| !line.trim().is_empty());
    last.unwrap_or_default().chars().take(500).collect()
}

/// The metrics that the engine's statistics give, from the last line of its standard error.
fn statistics(stderr: &[u8]) -> Option<BTreeMap<String, f64>> {
    let text = String::from_utf8_lossy(stderr);
    let line = text
        .lines()
        .rev()
        .find(|line| line.starts_with("{\"modules_loaded\""))?;
    let stats: Value = serde_json::from_str(line).ok()?;
    let of = |tier: &str, name: &str| stats.get(tier)?.get(name)?.as_f64();
    let optimize = of("optimizer", "cpu")? / 1e9;
    let metrics = [
        ("compile_cpu", of("baseline", "cpu")? / 1e9 + optimize),
        ("optimize_cpu", optimize),
        (
            "code_bytes",
            of("baseline", "code_bytes")? + of("optimizer", "code_bytes")?,
        ),
        ("requests", stats.get("requests_queued")?.as_f64()?),
        (
            "compilations",
            of("optimizer", "functions")? + of("optimizer", "osr_units")?,
        ),
    ];
    Some(metrics.map(|(name, value)| (name.to_owned(), value)).into())
}

/// The metrics of each iteration, from the line before that of the statistics.
fn iterations(stderr: &[u8], expected: u32) -> Result<Vec<BTreeMap<String, f64>>, String> {
    let text = String::from_utf8_lossy(stderr);
    let line = text
        .lines()
        .rev()
        .find(|line| line.starts_with("{\"iterations\""));
    let read = |line: &str| {
        let value: Value = serde_json::from_str(line).ok()?;
        let iterations = value.get("iterations")?.as_array()?.iter();
        let metrics = iterations.map(|one| {
            let figures = one.as_object()?.iter();
            let metric = |(name, value): (&String, &Value)| {
                let value = value.as_f64()?;
                let is_time = name == "wall" || name.ends_with("cpu");
                Some((name.clone(), if is_time { value / 1e9 } else { value }))
            };
            figures.map(metric).collect::<Option<BTreeMap<_, _>>>()
        });
        metrics.collect::<Option<Vec<_>>>()
    };
    let found = line.and_then(read);
    let found = found.ok_or_else(|| "the process did not list its iterations".to_owned())?;
    match found.len() == expected as usize {
        true => Ok(found),
        false => Err(format!(
            "{} iterations instead of {expected}: was a part of standard error lost?",
            found.len()
        )),
    }
}

/// Gives figures the meaning that they have for simulations: compile times are those above level 0,
/// and the guest's time is that of its thread without them.
fn as_simulated(iterations: &mut [BTreeMap<String, f64>], settings: &Settings) {
    let waits = settings
        .get("switching")
        .is_some_and(|value| value == "sync");
    for metrics in iterations {
        let optimize = metrics.remove("optimize_cpu").unwrap_or_default();
        metrics.insert("compile_cpu".into(), optimize);
        if let Some(thread) = metrics.get("thread_cpu").copied() {
            let compiles = if waits { optimize } else { 0.0 };
            metrics.insert("guest_cpu".into(), thread - compiles);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iterations_are_listed_before_the_statistics() {
        let line = "guest\n{\"iterations\":[{\"wall\":2000000000,\"thread_cpu\":1000000000,\
                    \"optimize_cpu\":500000000,\"code_bytes\":7}]}\n{\"modules_loaded\":1}\n";
        let mut found = iterations(line.as_bytes(), 1).unwrap();
        assert_eq!((found[0]["wall"], found[0]["code_bytes"]), (2.0, 7.0));
        let sync = [("switching".to_owned(), "sync".to_owned())].into();
        as_simulated(&mut found, &sync);
        assert_eq!((found[0]["guest_cpu"], found[0]["compile_cpu"]), (0.5, 0.5));
        let error = iterations(line.as_bytes(), 2).unwrap_err();
        assert!(error.starts_with("1 iterations instead of 2"), "{error}");
        assert!(iterations(b"x\n", 1).is_err());
    }

    #[test]
    fn intervals_are_narrow_as_a_share_of_the_median() {
        let times = [10.0, 10.2, 9.8, 10.1, 9.9];
        assert!(is_narrow(&times, 0.03));
        assert!(!is_narrow(&times, 0.001));
        assert_eq!(
            is_narrow(&times.map(|time| time * 100.0), 0.03),
            is_narrow(&times, 0.03)
        );
    }

    #[test]
    fn the_last_statistics_of_a_process_count() {
        let line = |requests: u32| {
            format!(
                "{{\"modules_loaded\":1,\"requests_queued\":{requests},\"baseline\":{{\"cpu\":1,\
                 \"code_bytes\":1}},\"optimizer\":{{\"cpu\":1,\"code_bytes\":1,\"functions\":1,\
                 \"osr_units\":1}}}}\n"
            )
        };
        let text = line(1) + "guest\n" + &line(2) + "warning: x\n\n";
        assert_eq!(statistics(text.as_bytes()).unwrap()["requests"], 2.0);
        assert_eq!(last_line(text.as_bytes()), "warning: x");
        assert_eq!(statistics(b"guest\n"), None);
    }
}
