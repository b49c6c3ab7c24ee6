//! The plan of a run: which engines do which tasks, how often.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::contender::{self, Contender, Start};
use crate::corpus::{self, Size};
use crate::dropped::{Dropped, Reason};
use crate::engines::Driver;
use crate::places;
use crate::record::{CaseInfo, Suite};
use crate::task::Task;

/// The command line's selection of what to measure.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Whether to measure everything, or the part that gives the headlines in minutes.
    pub full: bool,
    /// The suites to measure; all if empty.
    pub suites: Vec<Suite>,
    /// Parts of the names of the cases to measure; all if empty.
    pub cases: Vec<String>,
    /// The ids of the engines to measure; the suite's choice if empty.
    pub engines: Vec<String>,
    /// Further configurations of Upshift, which take part everywhere.
    pub variants: Vec<Contender>,
    /// The number of processes per engine and case.
    pub launches: u32,
}

/// One case with the engines that run it.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The case's entry in the results.
    pub info: CaseInfo,
    /// The task that measures the case.
    pub task: Task,
    /// The output digest of a correct run, if it is known beforehand.
    pub output: Option<String>,
    /// The engines that run the case, as indices of contenders.
    pub engines: Vec<usize>,
}

/// The whole plan.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The engines that take part in any case.
    pub contenders: Vec<Contender>,
    /// The cases, in the order in which they are measured.
    pub cases: Vec<Planned>,
    /// The number of processes per engine and case.
    pub launches: u32,
    /// What was asked for and is left out.
    pub dropped: Dropped,
}

const SUITES: [Suite; 7] = [
    Suite::Load,
    Suite::Kernels,
    Suite::Libraries,
    Suite::Calls,
    Suite::Instances,
    Suite::Overhead,
    Suite::Programs,
];

/// Kernels that spend their time in what counters count: calls and loop iterations.
const COUNTED: [&str; 6] = [
    "fib",
    "small_funcs",
    "sieve",
    "interp",
    "main_loop",
    "sha256",
];

/// The engines that a suite measures, those of the quick part first.
fn engines(suite: Suite, full: bool) -> &'static [&'static str] {
    let (quick, all): (usize, &[&str]) = match suite {
        Suite::Load => (
            6,
            &[
                "upshift",
                "upshift-baseline",
                "wasmtime-winch",
                "wasmi",
                "node",
                "node-liftoff",
                "upshift-optimizer",
                "wasmtime",
                "node-turbofan",
                "bun",
                "wasmer-singlepass",
            ],
        ),
        Suite::Kernels | Suite::Libraries => (
            5,
            &[
                "upshift",
                "upshift-baseline",
                "upshift-optimizer",
                "wasmtime",
                "wasmtime-winch",
                "upshift-sync",
                "wasmi",
                "wasmer-singlepass",
                "node",
                "node-liftoff",
                "node-turbofan",
                "bun",
                "native",
            ],
        ),
        Suite::Programs => (
            4,
            &[
                "upshift",
                "upshift-baseline",
                "upshift-optimizer",
                "wasmtime-winch",
                "wasmtime",
                "wasmi",
                "wasmer-singlepass",
                "node",
                "bun",
                "wazero",
                "native",
            ],
        ),
        Suite::Calls | Suite::Instances => (
            5,
            &[
                "upshift",
                "upshift-baseline",
                "upshift-optimizer",
                "wasmtime",
                "wasmi",
                "wasmtime-winch",
                "wasmer-singlepass",
                "node",
                "bun",
            ],
        ),
        Suite::Overhead => (
            0,
            &[
                "upshift-counters-none",
                "upshift-counters-calls",
                "upshift-counters-loops",
                "upshift-counters-all",
                "wasmtime",
                "wasmtime-epochs",
                "wasmtime-fuel",
            ],
        ),
    };
    if full { all } else { &all[..quick] }
}

impl Plan {
    /// Plans the selected measurements. Modules in the text format are assembled into files of the
    /// build's folder.
    ///
    /// # Errors
    ///
    /// If the source tree is not found, or nothing at all is left to measure.
    pub fn new(wish: &Wish) -> Result<Self> {
        let mut contenders = contender::all()?;
        contenders.extend(wish.variants.iter().cloned());
        for id in &wish.engines {
            let known: Vec<_> = contenders.iter().map(|c| c.info.id.as_str()).collect();
            ensure!(
                known.contains(&id.as_str()),
                "there is no engine `{id}` here; there are {}",
                known.join(", ")
            );
        }
        let mut cases = Vec::new();
        let mut dropped = Dropped::default();
        for suite in SUITES {
            if wish.suites.is_empty() || wish.suites.contains(&suite) {
                cases.extend(cases_of(suite, wish, &contenders, &mut dropped)?);
            }
        }
        ensure!(!cases.is_empty(), "nothing is left to measure\n{dropped}");
        Ok(Self {
            contenders,
            cases,
            launches: wish.launches,
            dropped,
        })
    }

    /// The highest number of processes in the plan.
    pub fn processes(&self) -> usize {
        let engines: usize = self.cases.iter().map(|case| case.engines.len()).sum();
        engines * self.launches as usize
    }
}

fn cases_of(
    suite: Suite,
    wish: &Wish,
    contenders: &[Contender],
    dropped: &mut Dropped,
) -> Result<Vec<Planned>> {
    let Tasks { mut found, missing } = match suite {
        Suite::Load => load(wish.full)?,
        Suite::Kernels => kernels(wish.full)?,
        Suite::Libraries => libraries(wish.full)?,
        Suite::Programs => programs(wish.full)?,
        Suite::Calls => calls()?,
        Suite::Instances => instances(wish.full)?,
        Suite::Overhead if wish.full || !wish.suites.is_empty() => overhead()?,
        Suite::Overhead => Tasks::default(),
    };
    let wanted =
        |name: &String| wish.cases.is_empty() || wish.cases.iter().any(|part| name.contains(part));
    found.retain(|found| wanted(&found.info.name));
    for (reason, name) in missing.into_iter().filter(|(_, name)| wanted(name)) {
        dropped.note(reason, format!("{suite}/{name}"));
    }
    let suits = engines(suite, wish.full || suite == Suite::Overhead);
    if wish.engines.is_empty() && !found.is_empty() {
        let here = |id: &str| contenders.iter().any(|contender| contender.info.id == id);
        for &id in suits.iter().filter(|id| !here(id)) {
            dropped.note(contender::why_missing(id), id);
        }
    }
    let planned = found.into_iter().map(|Found { info, task, output }| {
        let mut takes_part = |contender: &Contender| {
            let id = contender.info.id.as_str();
            let variant = wish.variants.iter().any(|other| other.info.id == id);
            let chosen = if variant {
                true
            } else if wish.engines.is_empty() {
                suits.contains(&id)
            } else {
                wish.engines.iter().any(|wanted| wanted == id)
            };
            chosen
                && match can(contender, &info, &task) {
                    Can::Yes => true,
                    Can::No => false,
                    Can::NotHere(reason) => {
                        dropped.note(reason, format!("{suite}/{}", info.name));
                        false
                    }
                }
        };
        let engines = (0..contenders.len()).filter(|&i| takes_part(&contenders[i]));
        Planned {
            engines: engines.collect(),
            info,
            task,
            output,
        }
    });
    Ok(planned.filter(|case| !case.engines.is_empty()).collect())
}

/// The largest code section, in bytes, that TurboFan loads as a whole module: it takes about 4 s
/// per megabyte, more than all other engines together.
const TURBOFAN_LIMIT: u64 = 8_000_000;

/// Whether a contender does a task.
enum Can {
    Yes,
    /// Its kind has no such task.
    No,
    /// It would, if something were otherwise.
    NotHere(Reason),
}

/// Whether the contender's kind can do the task at all; engines may still refuse modules.
fn can(contender: &Contender, info: &CaseInfo, task: &Task) -> Can {
    if contender.info.id == "node-turbofan" && info.code_bytes > TURBOFAN_LIMIT {
        return Can::NotHere(Reason::Size);
    }
    if let Task::Run { job, .. } = task
        && job.driver == Driver::Threads
        && !contender.has_wasi_threads()
    {
        return Can::No;
    }
    match (&contender.start, task) {
        (Start::Native, Task::Run { job, .. }) if !job.mounts.is_empty() => Can::No,
        (Start::Native, Task::Run { wasm, .. }) => {
            let name = wasm.file_stem().unwrap_or_default();
            match contender::native_folder() {
                Ok(folder) if folder.join(name).is_file() => Can::Yes,
                _ => Can::NotHere(Reason::Native),
            }
        }
        (Start::Wazero { .. }, Task::Run { .. }) => Can::Yes,
        (Start::Native | Start::Wazero { .. }, _) => Can::No,
        (Start::Linked | Start::JavaScript { .. }, _) => Can::Yes,
    }
}

/// The tasks of a suite, and the cases whose module is missing.
#[derive(Default)]
struct Tasks {
    found: Vec<Found>,
    missing: Vec<(Reason, String)>,
}

/// A case whose module is there.
struct Found {
    info: CaseInfo,
    task: Task,
    output: Option<String>,
}

impl Found {
    /// A case whose engines are only compared with each other.
    fn new(info: CaseInfo, task: Task) -> Self {
        Self {
            info,
            task,
            output: None,
        }
    }
}

impl Tasks {
    /// Adds a case of a large program, if that is there.
    fn add(
        &mut self,
        (suite, name, about): (Suite, String, &str),
        output: Option<&str>,
        wasm: PathBuf,
        task: impl FnOnce(PathBuf) -> Task,
    ) -> Result<()> {
        if wasm.is_file() {
            let info = case(suite, name, about, &wasm)?;
            let output = output.map(str::to_owned);
            let task = task(wasm);
            self.found.push(Found { info, task, output });
        } else {
            self.missing.push((Reason::Program, name));
        }
        Ok(())
    }
}

fn case(suite: Suite, name: String, about: &str, wasm: &PathBuf) -> Result<CaseInfo> {
    let file = fs::metadata(wasm).with_context(|| wasm.display().to_string())?;
    Ok(CaseInfo {
        suite,
        name,
        about: about.into(),
        module_bytes: file.len(),
        code_bytes: corpus::code_section_bytes(wasm)?,
        needs: Vec::new(),
    })
}

fn load(full: bool) -> Result<Tasks> {
    let mut tasks = Tasks::default();
    for program in corpus::programs()? {
        if full || program.name == "ruby" {
            let case = (Suite::Load, program.name.clone(), &*program.about);
            tasks.add(case, None, program.path(), |wasm| Task::Load { wasm })?;
        }
    }
    for module in corpus::modules()?.into_iter().filter(|_| full) {
        let wasm = module.path();
        // Not fetched by default: `scripts/fetch-corpus --modules` brings them.
        if wasm.is_file() {
            let mut info = case(Suite::Load, module.name.clone(), &module.about, &wasm)?;
            info.needs = module.needs;
            tasks.found.push(Found::new(info, Task::Load { wasm }));
        } else {
            tasks.missing.push((Reason::Module, module.name));
        }
    }
    tasks.found.sort_by_key(|found| found.info.code_bytes);
    Ok(tasks)
}

/// A module in the binary format, as a file.
fn binary(path: PathBuf) -> Result<PathBuf> {
    if path
        .extension()
        .is_some_and(|extension| extension == "wasm")
    {
        return Ok(path);
    }
    let wasm = wat::parse_file(&path)?;
    let folder = places::find()?.scratch()?;
    let name = path.file_name().context("a file has a name")?;
    let binary = folder.join(name).with_extension("wasm");
    fs::write(&binary, wasm).with_context(|| binary.display().to_string())?;
    Ok(binary)
}

fn kernel_tasks(
    suite: Suite,
    wanted: impl Fn(&str) -> bool,
    iterations: u32,
    seconds: f64,
) -> Result<Tasks> {
    let kernels = corpus::kernels()?.into_iter();
    let wanted = kernels.filter(|kernel| wanted(&kernel.name));
    let task = |kernel: corpus::Kernel| {
        let wasm = binary(kernel.path.clone())?;
        let info = case(suite, kernel.name.clone(), "", &wasm)?;
        let job = kernel.job(Size::Iteration);
        let task = Task::Run {
            wasm,
            job,
            iterations,
            seconds,
        };
        Ok(Found::new(info, task))
    };
    Ok(Tasks {
        found: wanted.map(task).collect::<Result<_>>()?,
        missing: Vec::new(),
    })
}

fn kernels(full: bool) -> Result<Tasks> {
    let seconds = if full { 0.7 } else { 0.5 };
    kernel_tasks(Suite::Kernels, |_| true, 100, seconds)
}

fn libraries(full: bool) -> Result<Tasks> {
    let mut tasks = Tasks::default();
    for library in corpus::libraries()? {
        let wasm = library.path();
        if !wasm.is_file() {
            tasks.missing.push((Reason::Library, library.name));
            continue;
        }
        let info = case(
            Suite::Libraries,
            library.name.clone(),
            library.about(),
            &wasm,
        )?;
        // Compilers that load large modules as a whole need seconds before the first iteration.
        let loading = info.code_bytes as f64 / 1e6 * 2.0;
        let task = Task::Run {
            wasm,
            job: library.job(Size::Iteration),
            iterations: 100,
            seconds: loading + if full { 1.5 } else { 1.0 },
        };
        tasks.found.push(Found {
            info,
            task,
            output: Some(library.outcome(Size::Iteration).digest()),
        });
    }
    Ok(tasks)
}

fn overhead() -> Result<Tasks> {
    kernel_tasks(Suite::Overhead, |name| COUNTED.contains(&name), 200, 1.0)
}

/// Kernels of one long run each, whose loops are entered by OSR or not at all.
const LONG_KERNELS: [&str; 3] = ["main_loop", "interp", "sha256"];

/// The workloads that a program can have, with the names of their cases.
const WORKLOADS: [(Size, &str); 3] = [
    (Size::Test, "short"),
    (Size::Bench, "long"),
    (Size::Longest, "10s"),
];

fn programs(full: bool) -> Result<Tasks> {
    let mut tasks = Tasks::default();
    let run = |wasm, job| Task::Run {
        wasm,
        job,
        iterations: 1,
        seconds: 0.0,
    };
    for program in corpus::programs()? {
        let quick = matches!(program.name.as_str(), "python" | "yosys");
        for (size, suffix) in WORKLOADS {
            let wanted = full || quick && size != Size::Longest;
            if !wanted || !program.has(size) {
                continue;
            }
            let name = format!("{}/{suffix}", program.name);
            let case = (Suite::Programs, name, &*program.about);
            tasks.add(case, program.digest(size), program.path(), |wasm| {
                run(wasm, program.job(size))
            })?;
        }
    }
    for kernel in corpus::kernels()? {
        if LONG_KERNELS.contains(&kernel.name.as_str()) {
            let wasm = binary(kernel.path.clone())?;
            let name = format!("{}/long", kernel.name);
            let info = case(Suite::Programs, name, "a kernel, one long run", &wasm)?;
            let task = run(wasm, kernel.job(Size::Bench));
            tasks.found.push(Found::new(info, task));
        }
    }
    Ok(tasks)
}

fn calls() -> Result<Tasks> {
    let drivers = places::find()?.tree.join("benches/drivers");
    let wasm = binary(drivers.join("calls.wat"))?;
    let imported = binary(drivers.join("imported.wat"))?;
    let about = "calls of a function that adds 1, one after the other";
    let info = case(Suite::Calls, "calls".into(), about, &wasm)?;
    let count = 1_000_000;
    let task = Task::Calls {
        wasm,
        imported,
        count,
    };
    Ok(Tasks {
        found: vec![Found::new(info, task)],
        missing: Vec::new(),
    })
}

fn instances(full: bool) -> Result<Tasks> {
    let mut tasks = Tasks::default();
    for kernel in corpus::kernels()? {
        if kernel.name == "fib" {
            let wasm = binary(kernel.path)?;
            let about = "a module of a few functions";
            let info = case(Suite::Instances, "fib".into(), about, &wasm)?;
            tasks
                .found
                .push(Found::new(info, Task::Instances { wasm, count: 1000 }));
        }
    }
    for program in corpus::programs()? {
        if full && matches!(program.name.as_str(), "python" | "yosys") {
            let case = (Suite::Instances, program.name.clone(), &*program.about);
            tasks.add(case, None, program.path(), |wasm| Task::Instances {
                wasm,
                count: 20,
            })?;
        }
    }
    Ok(tasks)
}
