//! How much processor time simulations take: a sweep over policies and queues, with bounds, on
//! recorded programs or on a made-up one, without sums of residency and lost time. Also prints a
//! digest of all that was simulated, with these, which a change that only makes simulations faster
//! leaves as it is.
//!
//! `cargo run --release --package upshift-lab --example sweep [POLICIES [TRACE...]]`
//!
//! `POLICIES` is a comma-separated list, `all`, or `cheap` (the default): those of the first runs
//! of the lab, which ask seldom.

use std::time::{Duration, Instant};

use fastrand::Rng;
use rustix::time::{ClockId, clock_gettime};
use sha2::{Digest, Sha256};
use upshift_lab::bounds::{Bounds, Effort};
use upshift_lab::machine::{Machine, Switch};
use upshift_lab::simulate::{Keep, Setup, simulate};
use upshift_lab::trace::{Cost, Count, Counting, Function, Header, Level, Loop, Slice, Trace};
use upshift_lab::workload::Workload;
use upshift_tiering::policy::{builtin, from_spec};
use upshift_tiering::queue;

/// Policies that ask seldom.
const CHEAP: [&str; 6] = [
    "never",
    "first-call",
    "fixed-budget:units=10000",
    "fixed-budget:units=1000000",
    "cost-model",
    "cost-model:alpha=0.1",
];

/// How often a simulation is repeated at most, and for how long, to find its least time.
const REPEAT: (u32, Duration) = (15, Duration::from_secs(3));

fn main() {
    let mut arguments = std::env::args().skip(1);
    let policies = arguments.next().unwrap_or_else(|| "cheap".into());
    let policies: Vec<&str> = match &*policies {
        "cheap" => CHEAP.to_vec(),
        "all" => builtin().iter().map(|variant| variant.name).collect(),
        listed => listed.split(',').collect(),
    };
    let files: Vec<String> = arguments.collect();
    let read = |file: &String| {
        let bytes = std::fs::read(file).expect("a file that can be read");
        (file.clone(), Trace::read(&bytes).expect("a trace"))
    };
    let mut traces: Vec<(String, Trace)> = files.iter().map(read).collect();
    if traces.is_empty() {
        let trace = program(&mut Rng::with_seed(1), 10_000, 100);
        traces.push(("made up".into(), trace));
    }
    for (name, trace) in &traces {
        sweep(name, trace, &policies);
    }
}

fn sweep(name: &str, trace: &Trace, policies: &[&str]) {
    let workload = Workload::new(trace);
    let counts: usize = trace.slices.iter().map(|slice| slice.counts.len()).sum();
    let (slices, functions) = (trace.slices.len(), trace.functions.len());
    println!("{name}: {slices} slices, {counts} counts, {functions} functions");
    let machine = Machine {
        switch: Switch::Entry,
        ..Machine::recorded(&trace.header, 2, 1)
    };
    if policies == CHEAP {
        let started = Instant::now();
        let bounds = Bounds::new(&workload, &machine, Effort { runs: 200 });
        let ends = (bounds.relaxed / 1e6, bounds.iar.wall_ns / 1e6);
        let took = started.elapsed();
        println!(
            "relaxed {:.3} ms, iar {:.3} ms: took {took:.1?}",
            ends.0, ends.1
        );
    }
    let (mut digest, mut whole, mut runs) = (Sha256::new(), 0.0, 0);
    for spec in policies {
        for queue in ["lanes", "hottest"] {
            let kept = Setup {
                queue: queue::from_spec(queue).expect("a built-in discipline"),
                ..Setup::new(from_spec(spec).expect("a built-in policy"), machine.clone())
            };
            digest.update(format!("{:?}", simulate(&workload, &kept)));
            let setup = Setup {
                times: Keep::None,
                ..kept
            };
            let mut least = f64::INFINITY;
            let (most, begun) = (REPEAT.0, Instant::now());
            for repeat in 0..most {
                let started = processor_ms();
                let simulation = simulate(&workload, &setup);
                least = least.min(processor_ms() - started);
                if repeat == 0 {
                    let wall = simulation.outcome.wall_ns / 1e6;
                    let (asked, requests) = (simulation.asked, simulation.requests);
                    print!("{spec} {queue}: {wall:.3} ms, {asked} asked, {requests} requests");
                }
                if begun.elapsed() > REPEAT.1 {
                    break;
                }
            }
            println!("; simulated in {least:.2} ms");
            whole += least;
            runs += 1;
        }
    }
    let digest = digest.finalize();
    let digest: String = digest[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let rate = 60_000.0 * f64::from(runs) / whole;
    println!("{runs} simulations in {whole:.1} ms: {rate:.0} a minute; digest {digest}");
}

/// The processor time of this thread, in milliseconds.
fn processor_ms() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

/// A program of ten times as many functions as are active at once, in phases; few of them are hot.
fn program(random: &mut Rng, slices: usize, sites: usize) -> Trace {
    let functions: Vec<_> = (0..sites as u32 * 10)
        .map(|index| function(random, index))
        .collect();
    let level = |name: &str, counting| Level {
        name: name.into(),
        counting,
    };
    let mut trace = Trace {
        header: Header {
            program: "made up".into(),
            levels: vec![
                level("baseline", Counting::Counts),
                level("cranelift-speed", Counting::Silent),
            ],
            ..Header::default()
        },
        functions,
        slices: Vec::new(),
        complete: true,
    };
    for number in 0..slices {
        let phase = number * 20 / slices.max(1) * sites / 4;
        let mut active: Vec<u32> = (0..sites / 2)
            .map(|_| (phase + (random.f64().powi(3) * sites as f64 * 2.0) as usize) as u32)
            .map(|function| function % trace.functions.len() as u32)
            .collect();
        active.sort_unstable();
        active.dedup();
        let count = |function, site, units| Count {
            function,
            site,
            units,
        };
        let counts = active.into_iter().flat_map(|function| {
            let hot = random.f64().powi(6) * 40_000.0;
            [
                count(function, 0, 1 + hot as u64 / 20),
                count(function, 1, 1 + hot as u64),
            ]
        });
        let from = number as u64 * 1_000_000;
        trace.slices.push(Slice {
            from,
            to: from + 1_000_000,
            host_ns: 20_000,
            counts: counts.collect(),
        });
    }
    trace
}

fn function(random: &mut Rng, index: u32) -> Function {
    let body_bytes = 50 + (random.f64().powi(4) * 5000.0) as u32;
    let speedup = 1.0 + random.f64();
    let cost = |per_byte: f64, speedup: f64| Cost {
        compile_ns: 1000.0 + per_byte * f64::from(body_bytes),
        code_bytes: body_bytes * 4,
        unit_ns: vec![3.0 / speedup, 1.0 / speedup],
    };
    Function {
        index,
        name: format!("f{index}"),
        body_bytes,
        loops: vec![Loop {
            offset: 10,
            depth: 0,
        }],
        lasting: 0.0,
        osr_part: None,
        costs: vec![cost(30.0, 1.0), cost(1250.0, speedup)],
    }
}
