//! Made-up but plausible results, for tests of the page.

use std::collections::BTreeMap;

use crate::metric::Metric;
use crate::record::{
    CaseInfo, EngineInfo, FORMAT, Failure, Iteration, Launch, Machine, Results, Row, Suite,
    TierEvent,
};

/// A made-up engine: MB of code loaded per CPU second, run time of its code at first and in the end
/// relative to an optimizing compiler's, start time of its process in seconds.
struct Model {
    id: &'static str,
    name: &'static str,
    speed: f64,
    early: f64,
    late: f64,
    start: f64,
}

const fn model(
    id: &'static str,
    name: &'static str,
    speed: f64,
    early: f64,
    late: f64,
    start: f64,
) -> Model {
    Model {
        id,
        name,
        speed,
        early,
        late,
        start,
    }
}

const MODELS: [Model; 14] = [
    model("upshift", "Upshift", 17.0, 1.15, 0.97, 0.002),
    model(
        "upshift-baseline",
        "Upshift baseline",
        17.4,
        1.04,
        1.03,
        0.002,
    ),
    model(
        "upshift-optimizer",
        "Upshift optimizer",
        0.7,
        0.96,
        0.96,
        0.002,
    ),
    model(
        "upshift-sync",
        "Upshift synchronous",
        16.8,
        1.16,
        0.97,
        0.002,
    ),
    model("wasmtime", "Wasmtime", 0.55, 1.0, 1.0, 0.003),
    model("wasmtime-winch", "Wasmtime Winch", 2.3, 1.57, 1.55, 0.003),
    model("wasmi", "Wasmi", 60.0, 9.5, 9.4, 0.001),
    model(
        "wasmer-singlepass",
        "Wasmer Singlepass",
        4.1,
        2.1,
        2.1,
        0.004,
    ),
    model("node", "Node.js", 31.0, 2.4, 0.94, 0.04),
    model("node-liftoff", "Node.js Liftoff", 28.0, 2.4, 2.3, 0.04),
    model("node-turbofan", "Node.js TurboFan", 1.1, 0.93, 0.93, 0.04),
    model("bun", "Bun", 22.0, 3.0, 1.05, 0.02),
    model("wazero", "wazero", 1.6, 1.42, 1.41, 0.005),
    model("native", "native", 1.0, 0.83, 0.83, 0.001),
];

const KERNELS: [&str; 34] = [
    "big_switch",
    "bits",
    "bulk",
    "collatz",
    "conversions",
    "crc32",
    "edit_distance",
    "fib",
    "fir",
    "globals",
    "hashmap",
    "indirect_shifting",
    "indirect_stable",
    "interp",
    "libc_malloc",
    "libc_sort",
    "libc_strings",
    "life",
    "main_loop",
    "mandelbrot",
    "matmul",
    "modpow",
    "multi_value",
    "nbody",
    "pressure",
    "queens",
    "quicksort",
    "sha256",
    "sieve",
    "small_funcs",
    "table_moves",
    "tail_calls",
    "tak",
    "trees",
];

/// Programs, megabytes of their code sections, seconds of their short and long workloads.
const PROGRAMS: [(&str, f64, f64, f64); 7] = [
    ("python", 6.2, 0.15, 4.1),
    ("ruby", 11.7, 0.3, 3.2),
    ("yosys", 19.1, 0.4, 5.6),
    ("nextpnr", 9.4, 0.5, 7.5),
    ("icepack", 0.9, 0.02, 0.6),
    ("clang", 65.8, 0.5, 2.6),
    ("sqlite", 1.1, 0.03, 1.9),
];

const LAUNCHES: usize = 5;

/// A small random number generator.
struct Noise(u64);

impl Noise {
    /// A random number around 1, seldom far above.
    fn factor(&mut self) -> f64 {
        let mut next = || {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 11) as f64 / (1_u64 << 53) as f64
        };
        let (small, seldom, spike) = (next(), next(), next());
        0.98 + 0.05 * small + if seldom > 0.96 { 0.4 * spike } else { 0.0 }
    }
}

/// The engine's entry in the results.
pub fn engine(id: &str, name: &str) -> EngineInfo {
    EngineInfo {
        id: id.into(),
        name: name.into(),
        version: "1.2.3".into(),
        lazy: matches!(id, "upshift" | "upshift-sync" | "node" | "bun"),
        flags: if id == "upshift-sync" {
            "-T switching=sync".into()
        } else {
            String::new()
        },
    }
}

/// Results of a run that measured nothing.
pub fn empty() -> Results {
    Results {
        format: FORMAT,
        machine: Machine {
            cpu: "AMD EPYC 9004 & friends".into(),
            threads: 2,
            memory: 24_000_000_000,
            kernel: "Linux 6.1.0-40-amd64".into(),
        },
        command: "cargo run --release -p upshift-benches -- all --launches 5".into(),
        started: 1_795_349_999,
        complete: true,
        engines: Vec::new(),
        cases: Vec::new(),
        rows: Vec::new(),
    }
}

/// Results of a run with all engines and cases.
pub fn full() -> Results {
    sized(KERNELS.len(), 5)
}

/// Results of a run with some engines and cases of every suite.
pub fn small() -> Results {
    sized(8, 2)
}

fn sized(kernel_count: usize, launches: usize) -> Results {
    let mut results = empty();
    for model in &MODELS {
        results.engines.push(engine(model.id, model.name));
    }
    for (id, name) in [
        ("upshift-counters-none", "Upshift without counters"),
        ("upshift-counters-all", "Upshift with all counters"),
        ("wasmtime-epochs", "Wasmtime with epochs"),
        ("wasmtime-fuel", "Wasmtime with fuel"),
    ] {
        results.engines.push(engine(id, name));
    }
    let mut noise = Noise(42);
    programs(&mut results, &mut noise);
    load(&mut results, &mut noise);
    kernels(&mut results, &mut noise, kernel_count);
    libraries(&mut results, &mut noise);
    micro(&mut results, &mut noise);
    for row in &mut results.rows {
        row.launches.truncate(launches);
    }
    results
}

/// Results of an interrupted run of few engines without the reference, one launch each.
pub fn sparse() -> Results {
    let mut results = small();
    results.complete = false;
    let kept = ["upshift", "wasmi", "mystery"];
    for row in &mut results.rows {
        if row.engine == "bun" {
            row.engine = "mystery".into();
        }
        row.launches.truncate(1);
    }
    results
        .engines
        .retain(|engine| kept.contains(&engine.id.as_str()));
    results.rows.retain(|row| {
        kept.contains(&row.engine.as_str()) && !matches!(row.suite, Suite::Calls | Suite::Load)
    });
    results
}

fn case(suite: Suite, name: &str, about: &str, code: f64) -> CaseInfo {
    CaseInfo {
        suite,
        name: name.into(),
        about: about.into(),
        module_bytes: (code * 1.4e6) as u64,
        code_bytes: (code * 1e6) as u64,
        needs: Vec::new(),
    }
}

fn row(suite: Suite, case: &str, engine: &str, launches: Vec<Launch>) -> Row {
    Row {
        suite,
        case: case.into(),
        engine: engine.into(),
        launches,
        failure: None,
    }
}

fn launch(figures: &[(Metric, f64)], noise: &mut Noise) -> Launch {
    let figures = figures
        .iter()
        .map(|(metric, value)| (*metric, value * noise.factor()));
    Launch {
        figures: figures.collect::<BTreeMap<_, _>>(),
        output: "5e0f".into(),
        ..Launch::default()
    }
}

fn programs(results: &mut Results, noise: &mut Noise) {
    for (program, code, short, long) in PROGRAMS {
        for (workload, work) in [("short", short), ("long", long)] {
            let name = format!("{program}/{workload}");
            let about = format!("Runs the {workload} workload of {program}.");
            results
                .cases
                .push(case(Suite::Programs, &name, &about, code));
            for model in &MODELS {
                let load = code / model.speed;
                let threads = if model.speed < 2.0 { 1.8 } else { 1.0 };
                let run = work * model.late + (work * (model.early - model.late)).min(0.7);
                let figures = [
                    (Metric::TotalWall, model.start + load / threads + run),
                    (Metric::TotalCpu, (load + run) * 1.1),
                    (Metric::FirstResult, load / threads + run),
                    (Metric::PeakMemory, (code * 11.0 + 40.0) * 1e6),
                    (Metric::MachineCode, code * 2.6e6),
                ];
                let launches = (0..LAUNCHES).map(|_| {
                    let mut launch = launch(&figures, noise);
                    if !model.id.starts_with("upshift") {
                        launch.figures.remove(&Metric::MachineCode);
                    }
                    launch
                });
                let launches = launches.collect();
                results
                    .rows
                    .push(row(Suite::Programs, &name, model.id, launches));
            }
        }
    }
    for row in &mut results.rows {
        let failure = match (row.engine.as_str(), row.case.split('/').next()) {
            ("wazero", Some("ruby")) => {
                Failure::Refused("the proposal tail-call is not enabled".into())
            }
            ("wasmer-singlepass", Some("clang")) => Failure::Error(
                "compiling function 10233: <frame too large for the stack limit of 1 MiB>".into(),
            ),
            ("bun", Some("yosys")) => Failure::Error("no answer after 600 s".into()),
            _ => continue,
        };
        row.failure = Some(failure);
        row.launches.clear();
    }
    results
        .rows
        .retain(|row| row.engine != "native" || row.case.starts_with("sqlite"));
    let simd = results
        .cases
        .iter_mut()
        .find(|case| case.name == "sqlite/short");
    if let Some(case) = simd {
        case.needs.push("simd".into());
    }
}

fn load(results: &mut Results, noise: &mut Noise) {
    let small = [
        ("hello", 0.000_4),
        ("lua", 0.18),
        ("coremark", 0.012),
        ("zlib", 0.06),
    ];
    let large = PROGRAMS.iter().map(|(name, code, ..)| (*name, *code));
    for (name, code) in small.into_iter().chain(large) {
        let about = format!("The module of {name}.");
        results.cases.push(case(Suite::Load, name, &about, code));
        for model in MODELS.iter().filter(|model| model.id != "native") {
            let cpu = code / model.speed + 0.000_08 + model.start / 40.0;
            let threads = if model.speed < 2.0 { 1.8 } else { 1.0 };
            let figures = [
                (Metric::LoadWall, cpu / threads),
                (Metric::LoadCpu, cpu),
                (Metric::MachineCode, code * 2.6e6),
            ];
            let launches = (0..LAUNCHES).map(|_| launch(&figures, noise)).collect();
            results
                .rows
                .push(row(Suite::Load, name, model.id, launches));
        }
    }
}

fn kernels(results: &mut Results, noise: &mut Noise, count: usize) {
    for (index, name) in KERNELS.iter().take(count).enumerate() {
        let about = format!("Computes {name} for a while.");
        results.cases.push(case(Suite::Kernels, name, &about, 0.02));
        let work = 0.003 * (1.0 + (index * 7 % 13) as f64);
        for model in &MODELS {
            let taste = 1.0 + 0.25 * ((index * 31 + model.name.len() * 17) % 10) as f64 / 10.0;
            let launches = (0..LAUNCHES).map(|_| warm(model, work * taste, noise));
            let launches = launches.collect();
            results
                .rows
                .push(row(Suite::Kernels, name, model.id, launches));
        }
    }
    let refused = |row: &&mut Row| row.engine == "wasmi" && row.case == "tail_calls";
    if let Some(row) = results.rows.iter_mut().find(refused) {
        row.launches.clear();
        row.failure = Some(Failure::Refused("needs tail-call".into()));
    }
}

fn libraries(results: &mut Results, noise: &mut Noise) {
    for name in ["zlib", "sqlite"] {
        let about = format!("{name} at work");
        results
            .cases
            .push(case(Suite::Libraries, name, &about, 0.2));
        for model in &MODELS {
            let launches = (0..LAUNCHES).map(|_| warm(model, 0.01, noise)).collect();
            results
                .rows
                .push(row(Suite::Libraries, name, model.id, launches));
        }
    }
}

/// A launch with iterations that warm up.
fn warm(model: &Model, work: f64, noise: &mut Noise) -> Launch {
    let load = 0.02 / model.speed + 0.000_2;
    let mut launch = launch(&[(Metric::LoadWall, load), (Metric::LoadCpu, load)], noise);
    let mut at = load;
    let tiers = model.early / model.late > 1.08;
    while at < 1.5 && launch.iterations.len() < 100 {
        let level = if tiers && at < 0.06 {
            model.early
        } else {
            model.late
        };
        let first = if launch.iterations.is_empty() {
            1.3
        } else {
            1.0
        };
        let wall = work * level * first * noise.factor();
        launch.iterations.push(Iteration {
            at,
            wall,
            cpu: wall * 1.02,
        });
        at += wall + 0.000_1;
    }
    if model.id == "upshift" || model.id == "upshift-sync" {
        for index in 0..7 {
            launch.events.push(TierEvent {
                at: 0.004 * 1.5_f64.powi(index) * noise.factor(),
                what: if index % 3 == 1 { "osr" } else { "optimized" }.into(),
                function: format!("function {index}"),
            });
        }
    }
    let first = launch.iterations[0].at + launch.iterations[0].wall;
    launch.figures.extend([
        (Metric::FirstResult, first),
        (Metric::TotalWall, at),
        (Metric::SteadyWall, work * model.late * noise.factor()),
        (Metric::SteadyCpu, work * model.late * 1.02 * noise.factor()),
    ]);
    launch
}

fn micro(results: &mut Results, noise: &mut Noise) {
    results.cases.push(case(
        Suite::Calls,
        "calls",
        "An almost empty function.",
        0.0,
    ));
    for model in MODELS.iter().filter(|model| model.id != "native") {
        let slow = model.start * 1e3;
        let mut figures = vec![
            (Metric::HostToWasm, 6.0 + 3.0 * slow),
            (Metric::WasmToHost, 4.0 + 2.0 * slow),
            (Metric::Direct, 1.1 * model.late),
            (Metric::Indirect, 1.9 * model.late),
            (Metric::Import, 2.4 * model.late),
        ];
        if model.id == "wazero" {
            figures.pop();
        }
        let launches = (0..LAUNCHES).map(|_| launch(&figures, noise)).collect();
        results
            .rows
            .push(row(Suite::Calls, "calls", model.id, launches));
    }
    for (name, size) in [("hello", 1.0), ("python", 40.0), ("clang", 260.0)] {
        let about = format!("The module of {name}.");
        results
            .cases
            .push(case(Suite::Instances, name, &about, size / 4.0));
        for model in MODELS.iter().take(8) {
            let figures = [(Metric::Instance, 900.0 * size + model.start * 1e6)];
            let launches = (0..LAUNCHES).map(|_| launch(&figures, noise)).collect();
            results
                .rows
                .push(row(Suite::Instances, name, model.id, launches));
        }
    }
    for name in KERNELS.iter().take(12) {
        results
            .cases
            .push(case(Suite::Overhead, name, "A kernel.", 0.02));
        for (engine, cost) in [
            ("upshift-counters-none", 1.0),
            ("upshift-counters-all", 1.04),
            ("wasmtime", 1.1),
            ("wasmtime-epochs", 1.2),
            ("wasmtime-fuel", 1.6),
        ] {
            let figures = [(Metric::SteadyCpu, 0.02 * cost)];
            let launches = (0..LAUNCHES).map(|_| launch(&figures, noise)).collect();
            results
                .rows
                .push(row(Suite::Overhead, name, engine, launches));
        }
    }
}
