//! The work of one process: what [`crate::task`] describes, for the engines that are linked in.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::engines::{Engine, Job, Loaded};
use crate::measure::{Cost, Stopwatch};
use crate::metric::Metric;
use crate::record::{Iteration, Launch};
use crate::task::Task;

/// A share of its time by which a worker is slowed on purpose, to check that a comparison notices.
#[derive(Clone, Copy, Debug, Default)]
pub struct Handicap(pub f64);

impl Handicap {
    /// Works on nothing for its share of the time that something has taken so far.
    fn pay(self, took: f64) {
        let end = Instant::now() + Duration::from_secs_f64(took * self.0);
        while Instant::now() < end {
            std::hint::spin_loop();
        }
    }
}

/// Does a task and returns its measurements.
///
/// # Errors
///
/// If a file can't be read, or the engine fails. A refusal of the module is an error with the
/// context [`Refused`].
pub fn work(engine: &dyn Engine, task: &Task, handicap: Handicap) -> Result<Launch> {
    match task {
        Task::Load { wasm } => {
            let wasm = read(wasm)?;
            let (launch, _) = load(engine, &wasm, handicap)?;
            Ok(launch)
        }
        Task::Run {
            wasm,
            job,
            iterations,
            seconds,
        } => run(engine, &read(wasm)?, job, *iterations, *seconds, handicap),
        Task::Calls {
            wasm,
            imported,
            count,
        } => calls(engine, &read(wasm)?, &read(imported)?, *count),
        Task::Instances { wasm, count } => instances(engine, &read(wasm)?, *count),
    }
}

/// The error context of a module that needs a feature which the engine does not have.
#[derive(Clone, Copy, Debug)]
pub struct Refused;

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad("the engine refuses the module")
    }
}

fn read(path: &std::path::Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| path.display().to_string())
}

fn load(engine: &dyn Engine, wasm: &[u8], handicap: Handicap) -> Result<(Launch, Box<dyn Loaded>)> {
    let watch = Stopwatch::start();
    let module = engine.load(wasm).context(Refused)?;
    handicap.pay(watch.elapsed().cpu);
    let cost = watch.elapsed();
    let mut launch = Launch {
        figures: BTreeMap::from([(Metric::LoadWall, cost.wall), (Metric::LoadCpu, cost.cpu)]),
        ..Launch::default()
    };
    if let Some(bytes) = module.machine_code() {
        launch.figures.insert(Metric::MachineCode, bytes as f64);
    }
    Ok((launch, module))
}

fn run(
    engine: &dyn Engine,
    wasm: &[u8],
    job: &Job,
    iterations: u32,
    seconds: f64,
    handicap: Handicap,
) -> Result<Launch> {
    let watch = Stopwatch::start();
    let (mut launch, module) = load(engine, wasm, handicap)?;
    for number in 0..iterations.max(1) {
        let start = watch.elapsed();
        if number > 0 && start.wall > seconds {
            break;
        }
        let outcome = module.run(job)?;
        handicap.pay(watch.elapsed().cpu - start.cpu);
        let end = watch.elapsed();
        launch.iterations.push(Iteration {
            at: start.wall,
            wall: end.wall - start.wall,
            cpu: end.cpu - start.cpu,
        });
        let output = outcome.digest();
        if number == 0 {
            launch.output.clone_from(&output);
            launch.figures.insert(Metric::FirstResult, end.wall);
        }
        ensure!(
            output == launch.output,
            "run {number} gave another output than the first"
        );
    }
    let Cost { wall, cpu } = watch.elapsed();
    launch.figures.insert(Metric::TotalWall, wall);
    launch.figures.insert(Metric::TotalCpu, cpu);
    launch.events = module.events();
    if let Some(bytes) = module.machine_code() {
        launch.figures.insert(Metric::MachineCode, bytes as f64);
    }
    Ok(launch)
}

fn calls(engine: &dyn Engine, wasm: &[u8], imported: &[u8], count: u32) -> Result<Launch> {
    let costs = engine.calls(wasm, imported, count).context(Refused)?;
    Ok(Launch {
        figures: BTreeMap::from([
            (Metric::HostToWasm, costs.host_to_wasm),
            (Metric::WasmToHost, costs.wasm_to_host),
            (Metric::Direct, costs.direct),
            (Metric::Indirect, costs.indirect),
            (Metric::Import, costs.import),
        ]),
        ..Launch::default()
    })
}

fn instances(engine: &dyn Engine, wasm: &[u8], count: u32) -> Result<Launch> {
    let (mut launch, module) = load(engine, wasm, Handicap::default())?;
    module.instantiate(count)?;
    let watch = Stopwatch::start();
    module.instantiate(count)?;
    let each = watch.elapsed().wall * 1e9 / f64::from(count);
    launch.figures.insert(Metric::Instance, each);
    Ok(launch)
}
