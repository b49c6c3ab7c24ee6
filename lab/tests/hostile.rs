//! Traces that keep the rules and make no sense: times of nothing and of thirty years, counts that
//! take no time, functions without bodies. Simulations and bounds of them end, with finite times.

use upshift_lab::bounds::{Bounds, Effort};
use upshift_lab::machine::Machine;
use upshift_lab::simulate::{Setup, simulate};
use upshift_lab::trace::{
    Cost, Count, Counting, Function, Header, Level, Loop, MAX_SLOWDOWN, Slice, Trace,
};
use upshift_lab::workload::{Scale, Workload};
use upshift_tiering::policy::{builtin, from_spec};

const TIMES: [f64; 10] = [0.0, 5e-324, 1e-300, 1e-9, 0.5, 1.0, 1e3, 1e6, 1e12, 1e18];

fn pick<T: Copy>(random: &mut fastrand::Rng, from: &[T]) -> T {
    from[random.usize(..from.len())]
}

fn function(random: &mut fastrand::Rng, index: u32, levels: usize) -> Function {
    let loops = (0..random.u32(0..3)).map(|offset| Loop {
        offset,
        depth: pick(random, &[0, 1, u32::MAX]),
    });
    let loops: Vec<Loop> = loops.collect();
    let cost = |_| Cost {
        compile_ns: pick(random, &TIMES),
        code_bytes: pick(random, &[0, 100, u32::MAX]),
        unit_ns: (0..=loops.len()).map(|_| pick(random, &TIMES)).collect(),
    };
    Function {
        index,
        costs: (0..levels).map(cost).collect(),
        name: "f".into(),
        body_bytes: pick(random, &[0, 1, 100, 100_000, u32::MAX]),
        lasting: pick(random, &[0.0, 0.5, 1.0]),
        osr_part: pick(
            random,
            &[None, Some(0.0), Some(5e-324), Some(1.0), Some(1e18)],
        ),
        loops,
    }
}

fn slice(random: &mut fastrand::Rng, before: u64, functions: &[Function]) -> Slice {
    let from = before + pick(random, &[0, 1, 1000]);
    let length = pick(random, &[0, 1, 1_000_000, 1_000_000_000]);
    let mut counts = Vec::new();
    for (function, code) in functions.iter().enumerate() {
        for site in 0..=code.loops.len() as u32 {
            if random.bool() {
                counts.push(Count {
                    function: function as u32,
                    site,
                    units: pick(random, &[1, 2, 1000]),
                });
            }
        }
    }
    Slice {
        from,
        to: from + length,
        host_ns: pick(random, &[0, length / 2, length]),
        counts,
    }
}

fn trace(random: &mut fastrand::Rng) -> Trace {
    let levels = random.usize(1..=4);
    let functions = (0..random.u32(0..4)).map(|n| function(random, 1000 * n, levels));
    let functions: Vec<Function> = functions.collect();
    let mut slices = Vec::new();
    for _ in 0..random.u32(0..5) {
        let before = slices.last().map_or(0, |slice: &Slice| slice.to);
        slices.push(slice(random, before, &functions));
    }
    let counting = [Counting::Counts, Counting::Calls, Counting::Silent];
    let level = |number| Level {
        name: format!("level {number}"),
        counting: pick(random, &counting),
    };
    Trace {
        header: Header {
            levels: (0..levels).map(level).collect(),
            slowdown: (0..random.usize(0..3))
                .map(|_| pick(random, &[1.0, 1.5, MAX_SLOWDOWN]))
                .collect(),
            ask_ns: pick(random, &TIMES),
            module_bytes: pick(random, &[0, u64::MAX]),
            module_funcs: pick(random, &[0, u32::MAX]),
            ..Header::default()
        },
        functions,
        slices,
        complete: true,
    }
}

#[test]
fn whatever_keeps_the_rules_has_finite_times() {
    let (least, most) = (*Scale::FACTORS.start(), *Scale::FACTORS.end());
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut bytes = Vec::new();
        trace(&mut random)
            .write(&mut bytes)
            .expect("all rules are kept");
        let trace = Trace::read(&bytes).expect("what is written can be read");
        let scale = Scale {
            speed: pick(&mut random, &[1.0, least, most]),
            compile: pick(&mut random, &[1.0, least, most]),
            work: pick(&mut random, &[1.0, least]),
        };
        let workload = Workload::new(&trace).scaled(scale);
        let machine = |workers| Machine::recorded(&trace.header, 2, workers);
        let bounds = Bounds::new(&workload, &machine(1), Effort { runs: 20 });
        let walls = [
            bounds.free,
            bounds.infinite,
            bounds.relaxed,
            bounds.iar.wall_ns,
            bounds.threshold.wall_ns,
            bounds.single,
            bounds.never,
        ];
        assert!(
            walls.iter().all(|wall| wall.is_finite()),
            "{seed}: {bounds:?}"
        );
        for policy in builtin() {
            // Samples and wake-ups of thirty years have no end.
            let is_timed = ["jikes", "dotnet"].contains(&policy.name);
            if is_timed && bounds.never > 1e10 {
                continue;
            }
            for workers in [0, 1, 2] {
                let policy = from_spec(policy.name).expect("it is built in");
                let simulation = simulate(&workload, &Setup::new(policy, machine(workers)));
                let outcome = &simulation.outcome;
                let times = [outcome.wall_ns, outcome.guest_ns, outcome.compile_ns];
                let possible = |time: &f64| time.is_finite() && *time >= 0.0;
                assert!(times.iter().all(possible), "{seed}: {outcome:?}");
            }
        }
    }
}
