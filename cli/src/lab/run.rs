//! `upshift lab run`: the cells of an experiment, by the clock or in virtual time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use sha2::Digest as _;
use signal_hook::consts::{SIGINT, SIGTERM};
use upshift::{Printable, Result};
use upshift_lab::experiment::{
    Environment, Experiment, Judgement, Line, Mixing, Mode, Places, Plan, Progress, Resume, Shard,
    estimate, prepare_folder, read_experiment, read_results, results_name, run_processes,
    run_traces,
};

use super::misused;
use super::verify::rulings;
use crate::report;

const NOTES: &str = "\
An experiment is a TOML file: programs, a grid of settings, and what the results must show for
claims to hold. With `mode = \"trace\"` its cells are simulations of recorded runs, the same on each
machine; with `mode = \"wall\"` each is measured in processes of this command, one at a time, in
random order, on the cores that it asks for; with `mode = \"both\"` it is measured and simulated, in
cells with by=clock and by=trace. `iterations` repeat the work within each process, for warm-up.

Results are appended to FOLDER line by line. A run that was killed goes on with --resume. Shards of
one experiment may run on many machines; `upshift lab merge` puts their results together.

Examples:
  upshift lab run x.toml --dry-run               how many cells, and how long they take
  upshift lab run x.toml -o out                  measure, and judge the claims
  upshift lab run x.toml -o out --resume         go on after a kill, a reboot, a full disk
  upshift lab run x.toml -o out --shard 3/16     the fourth of sixteen parts
  sbatch --array=0-15 --wrap 'upshift lab run x.toml -o out --shard slurm --resume'

Exit codes:
  0    everything was measured
  1    a process failed, or a file can't be read or written
  2    wrong usage, or a mistake in the experiment's file
  130  interrupted, after what was being measured; a second signal ends it at once. What was
       measured is kept";

/// Run an experiment: measure its cells, and judge its claims by the results
#[derive(Args, Debug)]
#[command(after_help = NOTES)]
pub struct Arguments {
    /// The experiment's file
    #[arg(value_name = "FILE.toml")]
    file: PathBuf,

    /// Where the results are written
    #[arg(
        short,
        long,
        value_name = "FOLDER",
        required_unless_present = "dry_run"
    )]
    output: Option<PathBuf>,

    /// Go on with results that are there; without it they are an error
    #[arg(long)]
    resume: bool,

    /// Run one part of the cells, counted from 0; `slurm` takes it from the job array. The
    /// environment variable UPSHIFT_SHARD does the same
    #[arg(long, value_name = "I/N")]
    shard: Option<String>,

    /// Print how many cells there are and about how long they take, and measure nothing else
    #[arg(long)]
    dry_run: bool,

    /// Threads that simulate; processes are always one at a time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,

    /// Another folder with traces, besides the file's own; may be repeated
    #[arg(long, value_name = "FOLDER")]
    traces: Vec<PathBuf>,
}

/// Runs the experiment.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let path = Printable(arguments.file.display());
    let text = fs::read_to_string(&arguments.file);
    let text = text.with_context(|| format!("cannot read `{path}`"))?;
    let experiment = match read_experiment(&text) {
        Ok(experiment) => experiment,
        Err(error) => return misused(&format!("`{path}`, {error}")),
    };
    if experiment.measure.mode == Mode::Imported {
        return misused(&format!(
            "`{path}` has imported results: there is nothing to run"
        ));
    }
    let shard = match shard(arguments.shard.as_deref()) {
        Ok(shard) => shard,
        Err(message) => return misused(&message),
    };
    let plan = match experiment.plan() {
        Ok(plan) => plan.shard(shard),
        Err(error) => return misused(&format!("`{path}`: {error}")),
    };
    let mut task = Task {
        experiment,
        plan,
        places: Places {
            folder: folder_of(&arguments.file)?,
            traces: arguments.traces.clone(),
        },
        engine: std::env::current_exe().context("cannot find this command's own file")?,
        jobs: usize::from(arguments.jobs.unwrap_or(1)),
    };
    let simulates = matches!(task.experiment.measure.mode, Mode::Trace | Mode::Both);
    if arguments.jobs.is_none() && simulates {
        task.jobs = std::thread::available_parallelism().map_or(1, usize::from);
    }
    match &arguments.output {
        Some(folder) if !arguments.dry_run => {
            let resume = match arguments.resume {
                true => Resume::Resume,
                false => Resume::New,
            };
            task.measure(&text, folder, shard, resume)
        }
        _ => task.preview(shard),
    }
}

/// The folder that paths in the file begin with.
fn folder_of(file: &Path) -> Result<PathBuf> {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    // Processes start in it, so it must not depend on where this one is.
    let folder = folder.unwrap_or(Path::new(".")).canonicalize();
    folder.with_context(|| format!("cannot find the folder of `{}`", Printable(file.display())))
}

/// The part of the cells that is to be run.
fn shard(argument: Option<&str>) -> Result<Shard, String> {
    let variable = |name: &str| std::env::var(name).ok();
    let text = argument
        .map(str::to_owned)
        .or_else(|| variable("UPSHIFT_SHARD"));
    let Some(text) = text else {
        return Ok(Shard::WHOLE);
    };
    if text != "slurm" {
        return text.parse();
    }
    let number = |name: &str| {
        let value = variable(name).ok_or_else(|| format!("--shard slurm: {name} is not set"))?;
        let number = value.parse::<u64>();
        number.map_err(|_| format!("--shard slurm: {name} is `{value}`"))
    };
    let (id, least) = (
        number("SLURM_ARRAY_TASK_ID")?,
        number("SLURM_ARRAY_TASK_MIN")?,
    );
    let count = number("SLURM_ARRAY_TASK_COUNT")?;
    format!("{}/{count}", id.saturating_sub(least)).parse()
}

/// The version of the engine, and the digest of its file: two builds of one version differ.
fn build(engine: &Path) -> Result<String> {
    let bytes = fs::read(engine).context("cannot read this command's own file")?;
    let digest = sha2::Sha256::digest(&bytes);
    let digest: String = digest[..6]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok(format!("{} {digest}", env!("CARGO_PKG_VERSION")))
}

/// What is to be run.
struct Task {
    experiment: Experiment,
    plan: Plan,
    places: Places,
    engine: PathBuf,
    jobs: usize,
}

impl Task {
    fn preview(&self, shard: Shard) -> Result<ExitCode> {
        let (cells, processes) = (self.plan.cells.len(), self.experiment.measure.processes);
        let mut text = format!(
            "{cells} cells in shard {shard}, {} processes at least\n",
            cells * processes as usize
        );
        report::out(&text)?;
        let found = estimate(
            &self.experiment,
            &self.plan,
            &self.places,
            &self.engine,
            self.jobs,
        );
        let found = found.map_err(anyhow::Error::msg)?;
        text.clear();
        for (program, (processes, seconds)) in &found.programs {
            let time = time(seconds / found.jobs as f64);
            text += &format!("{program:<32} {processes:>8} processes {time:>12}\n");
        }
        text += &format!(
            "about {} in all, from one process of each program\n",
            time(found.seconds())
        );
        report::out(&text)?;
        Ok(ExitCode::SUCCESS)
    }

    fn measure(&self, text: &str, folder: &Path, shard: Shard, resume: Resume) -> Result<ExitCode> {
        prepare_folder(folder, text)?;
        let file = folder.join(results_name(shard));
        let environment = Environment::current(build(&self.engine)?);
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // The first signal ends the run after what is being measured; a second one, at once.
            let again = signal_hook::flag::register_conditional_shutdown(signal, 130, stop.clone());
            again.context("cannot catch signals")?;
            signal_hook::flag::register(signal, stop.clone()).context("cannot catch signals")?;
        }
        let shown = Shown::new();
        let output = (file.as_path(), resume, &environment);
        let experiment = &self.experiment;
        let progress = self.measure_cells(output, &stop, &shown)?;
        let Progress {
            planned,
            measured,
            failed,
        } = progress;
        let lines = read_results(&file)?.0;
        report::err(&format!(
            "{measured} of {planned} processes measured, {failed} failed: {}\n",
            Printable(file.display())
        ))?;
        if failed > 0 {
            failures(&lines);
        }
        if shard == Shard::WHOLE {
            let judgement = Judgement::new(experiment, &lines, Mixing::Refuse)?;
            report::out(&rulings(&judgement))?;
        }
        Ok(match (stop.load(Ordering::Relaxed), failed) {
            (true, _) => ExitCode::from(130),
            (false, 0) => ExitCode::SUCCESS,
            (false, _) => ExitCode::FAILURE,
        })
    }
}

impl Task {
    /// Measures the cells that need a clock, then those that are simulated.
    fn measure_cells(
        &self,
        (file, mut resume, environment): (&Path, Resume, &Environment),
        stop: &AtomicBool,
        shown: &Shown,
    ) -> Result<Progress> {
        let (experiment, places) = (&self.experiment, &self.places);
        let mode = experiment.measure.mode;
        let mut done = Progress::default();
        let clocked = self.plan.of(|settings| mode.measures(settings));
        if mode != Mode::Trace {
            let output = (file, resume, environment);
            let mut tell = |progress| shown.tell(progress);
            let engine = &self.engine;
            done = run_processes(
                experiment, &clocked, places, engine, output, stop, &mut tell,
            )?;
            // What was measured is in the file already.
            resume = Resume::Resume;
        }
        if mode != Mode::Wall {
            let plan = self.plan.of(|settings| mode.simulates(settings));
            let output = (file, resume, environment);
            let tell = |progress| shown.tell(progress);
            let more = run_traces(experiment, &plan, places, output, self.jobs, stop, &tell)?;
            done.planned += more.planned;
            done.measured += more.measured;
            done.failed += more.failed;
        }
        Ok(done)
    }
}

/// The first processes that failed.
fn failures(lines: &[Line]) {
    let failed = lines.iter().filter_map(|line| match line {
        Line::Failure(failure) => Some(failure),
        _ => None,
    });
    for failure in failed.take(3) {
        report::warning(&format!("{}: {}", failure.program, failure.error));
    }
}

/// Progress on standard error, once a second at most.
struct Shown {
    started: Instant,
    last: Mutex<Instant>,
}

impl Shown {
    fn new() -> Self {
        Self {
            started: Instant::now(),
            last: Mutex::new(Instant::now()),
        }
    }

    fn tell(&self, progress: Progress) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.elapsed() < Duration::from_secs(1) {
            return;
        }
        *last = Instant::now();
        let done = progress.measured + progress.failed;
        let left = progress.planned.saturating_sub(done);
        let each = self.started.elapsed().as_secs_f64() / done.max(1) as f64;
        // A closed standard error is no reason to stop measuring.
        let _ = report::err(&format!(
            "{done} of {} processes, {} failed, about {} left\n",
            progress.planned,
            progress.failed,
            time(each * left as f64)
        ));
    }
}

/// Seconds as people say them.
fn time(seconds: f64) -> String {
    match seconds {
        _ if seconds < 1.0 => format!("{:.0} ms", seconds * 1000.0),
        _ if seconds < 120.0 => format!("{seconds:.0} s"),
        _ if seconds < 7200.0 => format!("{:.0} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3600.0),
    }
}
