//! A sweep over policies and queues on a made-up program, with bounds, and how long each takes.
//!
//! `cargo run --release --package upshift-lab --example sweep [SLICES [SITES]]`

use std::sync::Arc;
use std::time::Instant;

use fastrand::Rng;
use upshift_lab::bounds::{Bounds, Effort};
use upshift_lab::machine::{Machine, Switch};
use upshift_lab::simulate::{Setup, simulate};
use upshift_lab::trace::{Cost, Count, Counting, Function, Header, Level, Loop, Slice, Trace};
use upshift_lab::workload::Workload;
use upshift_tiering::policy::from_spec;
use upshift_tiering::queue;

const POLICIES: [&str; 6] = [
    "never",
    "first-call",
    "fixed-budget:units=10000",
    "fixed-budget:units=1000000",
    "cost-model",
    "cost-model:alpha=0.1",
];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: usize| match arguments.next() {
        Some(argument) => argument.parse().expect("a number"),
        None => default,
    };
    let (slices, sites) = (number(10_000), number(100));
    let trace = program(&mut Rng::with_seed(1), slices, sites);
    let mut file = Vec::new();
    trace.write(&mut file).expect("the trace keeps all rules");
    println!(
        "{slices} slices of {sites} sites, {} KB of trace",
        file.len() / 1000
    );
    let trace = Trace::read(&file).expect("it was just written");
    let workload = Workload::new(&trace);
    let machine = Machine {
        switch: Switch::Entry,
        ..Machine::new(2, 1)
    };
    let started = Instant::now();
    let bounds = Bounds::new(&workload, &machine, Effort { runs: 200 });
    let ms = |ns: f64| ns / 1e6;
    for (name, wall) in [
        ("free", bounds.free),
        ("infinite", bounds.infinite),
        ("relaxed", bounds.relaxed),
        ("iar", bounds.iar.wall_ns),
        ("threshold", bounds.threshold.wall_ns),
        ("never", bounds.never),
    ] {
        println!(
            "{name:40} {:10.1} ms {:6.3} of relaxed",
            ms(wall),
            wall / bounds.relaxed
        );
    }
    println!("bounds took {:.1?}", started.elapsed());
    let started = Instant::now();
    let mut runs = 0;
    for spec in POLICIES {
        for queue in ["lanes", "hottest"] {
            let policy = from_spec(spec).expect("a built-in policy");
            let setup = Setup {
                queue: queue::from_spec(queue).expect("a built-in discipline"),
                ..Setup::new(Arc::clone(&policy), machine.clone())
            };
            let simulation = simulate(&workload, &setup);
            runs += 1;
            let wall = simulation.outcome.wall_ns;
            let name = format!("{spec} {queue}");
            let (share, requests) = (wall / bounds.relaxed, simulation.requests);
            println!(
                "{name:40} {:10.1} ms {share:6.3} of relaxed, {requests} requests",
                ms(wall)
            );
        }
    }
    println!("{runs} simulations took {:.1?}", started.elapsed());
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
