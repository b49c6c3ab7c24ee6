//! Simulations compared, bit by bit, with those of the plainest machine there was.
//!
//! `golden.txt` was written by a machine that looked at every function of a slice at every event.
//! It has a line for each simulation: its figures, and a digest of the outcome, of each decision,
//! and of what changes in its view. `BLESS=1` writes the file anew; that is right only where the
//! model has changed, and wrong where a run has only become faster.

use std::fmt::Write as _;
use std::path::Path;

use fastrand::Rng;
use sha2::{Digest, Sha256};
use upshift_tiering::Latency;
use upshift_tiering::policy::{builtin, from_spec};

use super::super::*;
use crate::machine::{Switch, execute_counting};
use crate::trace::{Cost, Count, Counting, Function, Header, Level, Loop, Slice, Trace};

/// A program of ten milliseconds in which a few dozen functions become hot, at so many levels.
fn program(random: &mut Rng, levels: usize) -> Trace {
    let level = |number: usize| Level {
        name: format!("level-{number}"),
        counting: match number {
            0 => Counting::Counts,
            n if n + 1 < levels => Counting::Calls,
            _ => Counting::Silent,
        },
    };
    let functions: Vec<_> = (0..40).map(|n| function(random, n, levels)).collect();
    let slice = |number: u64| {
        let mut counts = Vec::new();
        for (position, one) in (0..).zip(&functions) {
            let is_its_time = (u64::from(position) / 10) * 10 <= number;
            for site in 0..=one.loops.len() as u32 {
                if is_its_time && random.u32(..3) > 0 {
                    let units = 1 + (random.f64().powi(5) * 3_000.0) as u64;
                    counts.push(Count {
                        function: position,
                        site,
                        units,
                    });
                }
            }
        }
        Slice {
            from: number * 250_000,
            to: number * 250_000 + 240_000,
            host_ns: random.u64(..9_000),
            counts,
        }
    };
    let slices = (0..40).map(slice).collect();
    Trace {
        header: Header {
            program: "golden".into(),
            slowdown: vec![1.0, 1.1, 1.3],
            ask_ns: 230.0,
            levels: (0..levels).map(level).collect(),
            ..Header::default()
        },
        functions,
        slices,
        complete: true,
    }
}

fn function(random: &mut Rng, index: u32, levels: usize) -> Function {
    let loops: Vec<_> = (0..random.u32(..3))
        .map(|depth| Loop {
            offset: depth * 10,
            depth,
        })
        .collect();
    let body_bytes = 20 + (random.f64().powi(3) * 400.0) as u32;
    let cost = |level: i32| Cost {
        compile_ns: 300.0 * 7_f64.powi(level) + 30.0 * f64::from(body_bytes) * f64::from(level + 1),
        code_bytes: body_bytes * 5 / (level as u32 + 1),
        unit_ns: vec![3.0 / f64::from(level + 1); loops.len() + 1],
    };
    Function {
        index,
        name: format!("f{index}"),
        body_bytes,
        lasting: if index.is_multiple_of(3) {
            random.f64()
        } else {
            0.0
        },
        osr_part: index.is_multiple_of(4).then_some(0.4),
        costs: (0..levels as i32).map(cost).collect(),
        loops,
    }
}

fn machines(header: &Header) -> Vec<(&'static str, Machine)> {
    let latency = Latency {
        fixed: 3_000,
        per_byte: 20,
    };
    let shared = Machine {
        weight: 0.3,
        switch: Switch::Publish,
        ..Machine::recorded(header, 1, 1)
    };
    vec![
        ("1 core", Machine::recorded(header, 1, 0)),
        ("1 core shared", shared),
        ("2 cores", Machine::recorded(header, 2, 1)),
        ("3 cores", Machine::recorded(header, 3, 2)),
        ("units", Machine::in_units(2, latency)),
    ]
}

/// All policies, with parameters that suit programs of ten milliseconds besides the defaults.
fn policies() -> Vec<String> {
    let specs = [
        "fixed-budget:units=100:slices=1",
        "cost-model:alpha=0.01",
        "cost-model:measured=on:feedback=1:alpha=0.1",
        "ski-rental:random=on:fixed-us=0:ns-per-byte=10",
        "average-ski-rental:fixed-us=0:ns-per-byte=10",
        "hinted-ski-rental:fixed-us=1:ns-per-byte=10",
        "dotnet:quiet-ms=0.4:iterations=100",
        "hotspot:t3-inv=20:t3-min=10:t3-comp=100:t3-back=500:t4-inv=90:t4-back=900:stale-ms=0.3",
        "jikes:quantum-ms=0.05:samples=2",
        "truffle:first=40:last=300:osr=500:stale-ms=0.2",
        "v8-budget:budget=20000:osr=on",
        "jsc-points:bbq=20:omg=900",
        "sm-cost:level=1:osr=on",
    ];
    let names = builtin().iter().map(|variant| variant.name);
    names.chain(specs).map(str::to_owned).collect()
}

/// All that a simulation says, as a few bytes.
fn digest(simulation: &Simulation) -> String {
    let mut text = format!("{:?}", simulation.outcome);
    for one in &simulation.decisions {
        let (view, memo) = (&one.view, one.memo.words);
        let figures = (view.now, view.units, view.calls, view.iterations, view.rate);
        let around = (view.queue_length, view.busy_workers, view.since_new_code);
        let (at, event) = (one.at_ns, one.event);
        let place = (one.function, view.level, view.phase);
        let decision = &one.decision;
        writeln!(
            text,
            "{at:?} {place:?} {event:?} {figures:?} {around:?} {memo:?} {decision}"
        )
        .expect("a string");
    }
    let digest = Sha256::digest(text);
    digest[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn line(name: &str, setup: &Setup, queue: &str, workload: &Workload) -> String {
    let simulation = simulate(workload, setup);
    let Simulation {
        outcome,
        asked,
        requests,
        ..
    } = &simulation;
    let (wall, digest) = (outcome.wall_ns, digest(&simulation));
    let policy = setup.policy.spec();
    format!(
        "{name}; {queue}; {policy}: {asked} asked, {requests} requests, {wall:?} ns, {digest}\n"
    )
}

#[test]
fn simulations_are_those_of_the_plain_machine() {
    let mut found = String::new();
    for levels in [2, 3] {
        let trace = program(&mut Rng::with_seed(levels as u64), levels);
        let workload = Workload::new(&trace);
        let hints = hints_of(&workload, upshift_tiering::Weights::default());
        for (machine, on) in machines(&trace.header) {
            let name = format!("{levels} levels, {machine}");
            let setup = |policy: &str, queue: &str| Setup {
                queue: disciplines::from_spec(queue).unwrap(),
                hints: hints.clone(),
                decisions: Keep::All,
                ..Setup::new(from_spec(policy).unwrap(), on.clone())
            };
            for policy in policies() {
                let setup = setup(&policy, "lanes");
                found += &line(&name, &setup, "lanes", &workload);
            }
            for variant in disciplines::builtin() {
                let mut setup = setup("hotspot:t3-inv=20:t3-back=500", variant.name);
                found += &line(&name, &setup, variant.name, &workload);
                setup.knobs.stale = std::time::Duration::from_micros(200);
                setup.knobs.queue_cap = 3;
                let queue = format!("{}, stale, capped", variant.name);
                found += &line(&name, &setup, &queue, &workload);
            }
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/simulate/tests/golden.txt");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &found).expect("the file can be written");
    }
    let expected = std::fs::read_to_string(&path).expect("the file is there");
    for (found, expected) in found.lines().zip(expected.lines()) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.lines().count(), expected.lines().count());
}

/// What is done for each question must not grow with the number of functions around: at most the
/// part in question is looked at. All parts of a slice are when the slice begins and when code
/// comes into use.
#[test]
fn a_question_looks_at_one_function() {
    let trace = program(&mut Rng::with_seed(2), 2);
    let workload = Workload::new(&trace);
    let parts: u64 = workload
        .stretches
        .iter()
        .map(|stretch| stretch.parts.len() as u64)
        .sum();
    let most = workload
        .stretches
        .iter()
        .map(|stretch| stretch.parts.len() as u64);
    let most = most.max().expect("there are slices");
    for policy in ["wizard", "dotnet:quiet-ms=0.4:iterations=100", "first-call"] {
        let machine = Machine::recorded(&trace.header, 2, 1);
        let setup = Setup::new(from_spec(policy).unwrap(), machine);
        let mut director = director::Tiering::new(&workload, &setup);
        let (outcome, looked) = execute_counting(&workload, &setup.machine, &mut director);
        let asked = director.into_figures().asked;
        // Two for each published code: it is used by calls, and its loops enter it.
        let news = 2 * outcome.jobs.len() as u64 * most;
        let bound = 2 * parts + news + 2 * asked;
        assert!(looked.parts <= bound, "{policy}: {looked:?}, {bound}");
        // A question, the compilation and the alarm before it, and the end of each slice.
        let events = 4 * asked + 2 * outcome.jobs.len() as u64 + workload.stretches.len() as u64;
        assert!(looked.steps <= events, "{policy}: {looked:?}, {events}");
        assert!(asked > 100, "{policy} asks seldom: {asked}");
    }
}
