//! An engine in virtual time and a simulation of the same program decide the same: every event of
//! every function, with all that its policy saw, answered and remembered.
//!
//! The host calls functions of which it is known how often they are called and how often their
//! loops repeat, so the simulation's trace is exact without a recording.

use fastrand::Rng;
use upshift::knobs::{self, Group};
use upshift::profiler::{Detail, Event, LogConfig, Record};
use upshift::tiering::{self, Latency, policy, queue};
use upshift::{Config, Engine, Instance, Module, Store};
use upshift_lab::machine::Machine;
use upshift_lab::simulate::{Keep, Setup, simulate};
use upshift_lab::trace::{Cost, Count, Counting, Function, Header, Level, Loop, Slice, Trace};
use upshift_lab::workload::Workload;

/// The functions of the program: the first without a loop, the others with one.
const FUNCTIONS: u32 = 6;
const PLAIN: u32 = 4;

/// What the host does next: a function, and how often it is called or how often its loop repeats
/// in one call.
#[derive(Clone, Copy, Debug)]
struct Task {
    func: u32,
    times: u32,
}

/// A compilation's latency: short, so that much happens while something is under way.
const LATENCY: Latency = Latency {
    fixed: 5_000,
    per_byte: 300,
};

fn text() -> String {
    let plain = (0..PLAIN).map(|func| {
        let body = "(drop (i32.const 1))".repeat(func as usize * 9);
        format!("(func (export \"f{func}\") (param i32) {body})")
    });
    let looping = (PLAIN..FUNCTIONS).map(|func| {
        let body = "(drop (i32.const 1))".repeat((func - PLAIN) as usize * 20);
        format!(
            "(func (export \"f{func}\") (param $n i32) (loop $again {body}
                (local.set $n (i32.sub (local.get $n) (i32.const 1)))
                (br_if $again (local.get $n))))"
        )
    });
    let funcs: String = plain.chain(looping).collect();
    format!("(module {funcs})")
}

/// A program: calls in a random order, some functions more than others.
fn program(rng: &mut Rng) -> Vec<Task> {
    let task = |_| {
        let func = rng.u32(..FUNCTIONS).min(rng.u32(..FUNCTIONS));
        let most = *rng.choice(&[2, 50, 700, 9_000]).expect("some");
        Task {
            func,
            times: rng.u32(1..=most),
        }
    };
    (0..60).map(task).collect()
}

struct Case<'a> {
    policy: &'a str,
    queue: &'a str,
    workers: u32,
    tiers: &'a [&'a str],
    settings: &'a [(&'a str, &'a str)],
}

/// What the engine recorded.
fn run(case: &Case<'_>, tasks: &[Task]) -> Vec<Record> {
    let mut config = Config::new();
    config.tiers(case.tiers.iter().copied());
    config.event_log(LogConfig {
        detail: Detail::Events,
        capacity: None,
    });
    let workers = case.workers.to_string();
    let Latency { fixed, per_byte } = LATENCY;
    let switching = format!("virtual:fixed={fixed}:per-byte={per_byte}");
    let settings = [
        ("switching", &*switching),
        ("policy", case.policy),
        ("queue", case.queue),
        ("threads", &*workers),
    ];
    for (name, value) in settings.iter().chain(case.settings) {
        knobs::set(&mut config, Group::Tiering, name, value).unwrap();
    }
    let engine = Engine::new(&config).unwrap();
    let module = Module::new(&engine, text()).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let funcs: Vec<_> = (0..FUNCTIONS)
        .map(|func| {
            let name = format!("f{func}");
            let func = instance.get_typed_func::<i32, ()>(&mut store, &name);
            func.unwrap()
        })
        .collect();
    for &Task { func, times } in tasks {
        let calls = if func < PLAIN { times } else { 1 };
        for _ in 0..calls {
            funcs[func as usize]
                .call(&mut store, times.cast_signed())
                .unwrap();
        }
    }
    engine.event_log().records()
}

/// What the simulation decides, given the sizes of the engine's bodies and code.
fn simulated(case: &Case<'_>, tasks: &[Task], records: &[Record]) -> Vec<Event> {
    let top = case.tiers.len() - 1;
    let level = |n: usize| Level {
        name: case.tiers[n].into(),
        counting: match n {
            0 => Counting::Counts,
            n if n < top => Counting::Calls,
            _ => Counting::Silent,
        },
    };
    let functions = (0..FUNCTIONS).map(|index| {
        let of_func = |func: upshift::profiler::FuncKey| func.func.0 == index;
        let body_bytes = records.iter().find_map(|record| match &record.event {
            Event::Decided { func, decision } if of_func(*func) => Some(decision.view.body_bytes),
            _ => None,
        });
        let cost = |level: usize| Cost {
            compile_ns: 0.0,
            code_bytes: records
                .iter()
                .find_map(|record| match record.event {
                    Event::Published {
                        code, code_bytes, ..
                    } if of_func(code.func) && usize::from(code.level) == level => Some(code_bytes),
                    _ => None,
                })
                .unwrap_or(0),
            unit_ns: vec![1.0; 2],
        };
        Function {
            index,
            name: format!("f{index}"),
            // Of one that is never called it is seen in the module's length only.
            body_bytes: body_bytes.unwrap_or(0),
            loops: match index < PLAIN {
                true => vec![],
                false => vec![Loop::default()],
            },
            costs: (0..=top).map(cost).collect(),
            ..Function::default()
        }
    });
    let slice = |(n, &Task { func, times }): (usize, &Task)| {
        let count = |site, units: u32| Count {
            function: func,
            site,
            units: units.into(),
        };
        Slice {
            from: n as u64,
            to: n as u64 + 1,
            host_ns: 0,
            counts: match func < PLAIN {
                true => vec![count(0, times)],
                false => vec![count(0, 1), count(1, times)],
            },
        }
    };
    let module_bytes = records.iter().find_map(|record| match &record.event {
        Event::Decided { decision, .. } => Some(decision.view.module_bytes),
        _ => None,
    });
    let trace = Trace {
        header: Header {
            module_bytes: module_bytes.unwrap_or(0),
            levels: (0..=top).map(level).collect(),
            ..Header::default()
        },
        functions: functions.collect(),
        slices: tasks.iter().enumerate().map(slice).collect(),
        complete: true,
    };
    let mut config = tiering::TieringConfig::default();
    for (name, value) in case.settings {
        config.set(name, value).unwrap();
    }
    let setup = Setup {
        queue: queue::from_spec(case.queue).unwrap(),
        knobs: config.knobs,
        decisions: Keep::All,
        ..Setup::new(
            policy::from_spec(case.policy).unwrap(),
            Machine::in_units(case.workers, LATENCY),
        )
    };
    let simulation = simulate(&Workload::new(&trace), &setup);
    let decided = |one: &upshift_lab::simulate::Decided| {
        tiering::decided(one.event, &one.view, &one.decision, &one.memo)
    };
    simulation.decisions.iter().map(decided).collect()
}

/// Compares all decisions of a case; returns how many there were, and how many requested something.
fn compare(case: &Case<'_>, tasks: &[Task]) -> (usize, usize) {
    let records = run(case, tasks);
    let engine: Vec<&Event> = records
        .iter()
        .map(|record| &record.event)
        .filter(|event| matches!(event, Event::Decided { .. }))
        .collect();
    let simulation = simulated(case, tasks, &records);
    let context = |n: usize| {
        let Case {
            policy,
            queue,
            workers,
            tiers,
            settings,
        } = case;
        format!(
            "decision {n} of {policy}, {queue}, {workers} workers, {tiers:?}, {settings:?}: \
             {tasks:?}"
        )
    };
    for (n, (engine, simulation)) in engine.iter().zip(&simulation).enumerate() {
        assert_eq!(*engine, simulation, "{}", context(n));
    }
    assert_eq!(engine.len(), simulation.len(), "{}", context(engine.len()));
    let requests = engine.iter().filter(|event| match event {
        Event::Decided { decision, .. } => decision.answer.requests(),
        _ => false,
    });
    (engine.len(), requests.count())
}

const POLICIES: [&str; 15] = [
    "never",
    "first-call",
    "eager",
    "fixed-budget:units=20000",
    "cost-model:alpha=0.1",
    "v8-budget:budget=100000",
    "sm-cost",
    "jsc-points",
    "hotspot",
    "dotnet:quiet-ms=0.05",
    "wizard",
    "truffle",
    "ski-rental",
    "average-ski-rental",
    "hinted-ski-rental",
];

const QUEUES: [&str; 9] = [
    "lanes",
    "fifo",
    "lifo",
    "hottest",
    "benefit",
    "density",
    "shortest",
    "v8-prio",
    "random:seed=3",
];

const TWO: &[&str] = &["baseline", "cranelift"];
const THREE: &[&str] = &["baseline", "cranelift-fast", "cranelift"];

#[test]
fn engine_and_simulation_decide_the_same() {
    let mut rng = Rng::with_seed(1);
    let (mut decisions, mut requests) = (0, 0);
    for (n, policy) in POLICIES.iter().enumerate() {
        for (m, queue) in QUEUES.iter().enumerate() {
            let tasks = program(&mut rng);
            let case = Case {
                policy,
                queue,
                workers: 1 + (n + m) as u32 % 3,
                tiers: if (n + m).is_multiple_of(2) {
                    THREE
                } else {
                    TWO
                },
                settings: &[],
            };
            let (all, requested) = compare(&case, &tasks);
            decisions += all;
            requests += requested;
        }
    }
    assert!(requests > 100, "{requests} of {decisions} decisions");
}

/// Limits are those of the knobs in both.
#[test]
fn engine_and_simulation_have_the_same_limits() {
    let mut rng = Rng::with_seed(2);
    for settings in [
        [("osr", "off"), ("stale-ms", "0.02")],
        [("osr-per-function", "0"), ("queue-cap", "1")],
        [("function-tier-up", "off"), ("max-optimize-bytes", "100")],
        [("stale-ms", "0.005"), ("queue-cap", "2")],
    ] {
        for policy in [
            "fixed-budget:units=2000",
            "hotspot",
            "v8-budget:budget=9000",
        ] {
            let case = Case {
                policy,
                queue: "hottest",
                workers: 1,
                tiers: THREE,
                settings: &settings,
            };
            compare(&case, &program(&mut rng));
        }
    }
}
