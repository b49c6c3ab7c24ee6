//! Runs one task in a process of its own and measures it from outside.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use wait4::{ResUse, Wait4};

use crate::contender::{Contender, Start, native_folder};
use crate::engines::{Driver, Job, Outcome, Scratch};
use crate::measure::Stopwatch;
use crate::metric::Metric;
use crate::places;
use crate::record::{Failure, Iteration, Launch, Suite};
use crate::stats::median;
use crate::task::Task;
use crate::worker::Handicap;

/// The time after which a process is stopped, and its row is an error.
const LIMIT: Duration = Duration::from_secs(180);

/// The last line that a worker prints.
#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Refused { refused: String },
    Error { error: String },
    Measured(Launch),
}

/// The output and the resource use of a finished process.
struct Finished {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    used: ResUse,
    wall: f64,
}

/// Runs a task; the inner result says why the engine could not do it.
///
/// `layout` seeds where Upshift's code lies: the same program is up to twice as fast or slow by the
/// luck of its code's addresses, so each launch draws them anew and medians are over many layouts.
/// `handicap` slows engines that are linked in, and only those.
///
/// # Errors
///
/// If the failure is not the engine's: the worker can't be started, or its output can't be parsed.
pub fn launch(
    contender: &Contender,
    suite: Suite,
    task: &Task,
    layout: u32,
    handicap: Handicap,
) -> Result<Result<Launch, Failure>> {
    let launched = match &contender.start {
        Start::Linked => {
            let mut command = Command::new(std::env::current_exe()?);
            command
                .args(["worker", "--engine", &contender.info.id])
                .args(["--flags", &contender.info.flags])
                .args(["--suite", &suite.to_string()])
                .args(["--layout", &layout.to_string()])
                .args(["--handicap", &handicap.0.to_string()])
                .arg(serde_json::to_string(task)?);
            worker(command)
        }
        Start::JavaScript { program, options } => {
            let mut command = Command::new(program);
            command
                .args(options)
                .arg(places::find()?.tree.join("benches/drivers/driver.mjs"))
                .arg(serde_json::to_string(task)?);
            worker(command)
        }
        Start::Wazero { program } => programs(task, |job, wasm, scratch| {
            let mut command = Command::new(program);
            command.arg("run");
            for (guest, host) in &job.mounts {
                command.arg(format!("-mount={}:{guest}", host.display()));
            }
            command.arg(format!("-mount={}:/tmp", scratch.path().display()));
            for (name, value) in &job.env {
                command.arg(format!("-env={name}={value}"));
            }
            command.arg(wasm).args(&job.args[1..]);
            Ok(command)
        }),
        Start::Native => programs(task, |job, wasm, _| {
            let name = wasm.file_stem().context("the module has no name")?;
            let program = native_folder()?.join(name);
            ensure!(
                program.is_file(),
                "`{}` is missing; run scripts/build-native",
                program.display()
            );
            let mut command = Command::new(program);
            command.args(&job.args[1..]);
            Ok(command)
        }),
    };
    Ok(launched?.map(with_steady))
}

/// Computes the steady state, the same for every kind of worker: the median of the last half of the
/// iterations, if there are at least four.
fn with_steady(mut launch: Launch) -> Launch {
    if launch.iterations.len() >= 4 {
        let last = &launch.iterations[launch.iterations.len() / 2..];
        let wall: Vec<f64> = last.iter().map(|iteration| iteration.wall).collect();
        let cpu: Vec<f64> = last.iter().map(|iteration| iteration.cpu).collect();
        launch.figures.insert(Metric::SteadyWall, median(&wall));
        launch.figures.insert(Metric::SteadyCpu, median(&cpu));
    }
    launch
}

/// Runs a worker, a process that prints its measurements.
fn worker(command: Command) -> Result<Result<Launch, Failure>> {
    let finished = match finish(command)? {
        Ok(finished) => finished,
        Err(failure) => return Ok(Err(failure)),
    };
    let text = String::from_utf8_lossy(&finished.stdout);
    let last = text.lines().last().unwrap_or_default();
    let answer: Result<Answer, _> = serde_json::from_str(last);
    Ok(match answer {
        Ok(Answer::Refused { refused }) => Err(Failure::Refused(refused)),
        Ok(Answer::Error { error }) => Err(Failure::Error(error)),
        Ok(Answer::Measured(mut launch)) => {
            let peak = finished.used.rusage.maxrss as f64;
            launch.figures.insert(Metric::PeakMemory, peak);
            Ok(launch)
        }
        Err(_) => Err(Failure::Error(format!(
            "no result, {}: {}",
            finished.used.status,
            last_words(&finished.stderr)
        ))),
    })
}

/// Runs a program without measurements of its own: each iteration is a process, measured from
/// outside.
fn programs(
    task: &Task,
    command: impl Fn(&Job, &Path, &Scratch) -> Result<Command>,
) -> Result<Result<Launch, Failure>> {
    let Task::Run {
        wasm,
        job,
        iterations,
        seconds,
    } = task
    else {
        bail!("a program from outside can run a job and nothing else");
    };
    if job.driver == Driver::Ruby {
        let why = "a library, which this command can't run".to_string();
        return Ok(Err(Failure::Refused(why)));
    }
    let watch = Stopwatch::start();
    let mut launch = Launch::default();
    let (mut peak, mut cpu) = (0, 0.0);
    for number in 0..(*iterations).max(1) {
        let at = watch.elapsed().wall;
        if number > 0 && at > *seconds {
            break;
        }
        let scratch = Scratch::new()?;
        let finished = match finish(command(job, wasm, &scratch)?)? {
            Ok(finished) => finished,
            Err(failure) => return Ok(Err(failure)),
        };
        let used = finished.used.rusage;
        let iteration = Iteration {
            at,
            wall: finished.wall,
            cpu: (used.utime + used.stime).as_secs_f64(),
        };
        peak = peak.max(used.maxrss);
        cpu += iteration.cpu;
        launch.iterations.push(iteration);
        let exit = finished.used.status.code();
        let Some(exit) = exit else {
            let why = format!("the program ended with {}", finished.used.status);
            return Ok(Err(Failure::Error(why)));
        };
        let outcome: Outcome = scratch.outcome(job, exit, finished.stdout);
        launch.output = outcome.digest();
    }
    launch.figures = [
        (Metric::FirstResult, launch.iterations[0].wall),
        (Metric::TotalWall, watch.elapsed().wall),
        (Metric::TotalCpu, cpu),
        (Metric::PeakMemory, peak as f64),
    ]
    .into();
    Ok(Ok(launch))
}

/// The last line that is not empty.
fn last_words(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let line = text.lines().rfind(|line| !line.trim().is_empty());
    let line = line.unwrap_or("it printed nothing to standard error");
    line.chars().take(200).collect()
}

/// Waits for a process, for a limited time.
fn finish(mut command: Command) -> Result<Result<Finished, Failure>> {
    let watch = Stopwatch::start();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let stdout = collect(child.stdout.take().expect("was asked for"));
    let stderr = collect(child.stderr.take().expect("was asked for"));
    let (used, in_time) = wait(child)?;
    let wall = watch.elapsed().wall;
    let join = |reader: JoinHandle<_>| reader.join().map_err(|_| anyhow!("a reader panicked"))?;
    let (stdout, stderr) = (join(stdout)?, join(stderr)?);
    if !in_time {
        let why = format!("stopped after {} s", LIMIT.as_secs());
        return Ok(Err(Failure::Error(why)));
    }
    Ok(Ok(Finished {
        stdout,
        stderr,
        used,
        wall,
    }))
}

/// Reads a pipe to its end on a thread of its own.
fn collect(mut pipe: impl Read + Send + 'static) -> JoinHandle<Result<Vec<u8>>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes)?;
        Ok(bytes)
    })
}

/// Waits for the process's end; the second value says whether it ended by itself.
fn wait(child: Child) -> Result<(ResUse, bool)> {
    let pid = Pid::from_raw(child.id().cast_signed()).context("the process has no number")?;
    let (done, ended) = channel::<()>();
    let watchdog = std::thread::spawn(move || {
        let late = ended.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout);
        // If the process ended at the very moment of the timeout, its number can't belong to
        // another yet: numbers are assigned in turn.
        late && kill_process(pid, Signal::KILL).is_ok()
    });
    let used = child.wait4();
    drop(done);
    let killed = watchdog
        .join()
        .map_err(|_| anyhow!("the watchdog panicked"))?;
    Ok((used?, !killed))
}
