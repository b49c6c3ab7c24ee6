//! The way from counters to a verdict, through the public interface alone: snapshots of two
//! programs' cells, their traces as files, simulations and bounds, and a claim about the results.

use std::collections::BTreeMap;
use std::sync::Arc;

use upshift_lab::bounds::{Bounds, Effort, best_common_threshold};
use upshift_lab::experiment::{Corpus, Prepared, Settings, Simulated, metrics};
use upshift_lab::machine::{Machine, Switch};
use upshift_lab::predicate::{Predicate, Row, Table, Verdict, judge};
use upshift_lab::simulate::{Keep, Setup, hints_of, simulate};
use upshift_lab::trace::{Cell, Cost, Counting, Function, Header, Level, Loop, Recorder, Trace};
use upshift_lab::workload::{Scale, Workload};
use upshift_tiering::Weights;
use upshift_tiering::policy::from_spec;

/// What is compared, the base first.
const POLICIES: [&str; 3] = [
    "never",
    "fixed-budget:units=2000",
    "fixed-budget:units=5000000",
];

/// A program with a hot loop and a function that runs rarely, for so many milliseconds.
fn record(program: &str, milliseconds: u64) -> Trace {
    let cell = |function, site, weight| Cell {
        function,
        site,
        weight,
    };
    let cells = vec![cell(0, 0, 10), cell(0, 1, 5), cell(1, 0, 10)];
    let mut values = vec![0_u32; 3];
    let mut recorder = Recorder::new(cells, values.clone(), 0).expect("as many values as cells");
    for millisecond in 1..=milliseconds {
        // A call, 200,000 iterations, and sometimes the other function.
        values[0] = values[0].wrapping_sub(10);
        values[1] = values[1].wrapping_sub(5 * 200_000);
        values[2] = values[2].wrapping_sub(if millisecond % 8 == 0 { 10 } else { 0 });
        let snapshot = recorder.snapshot(millisecond * 1_000_000, 50_000, &values);
        snapshot.expect("it follows the one before");
    }
    let level = |name: &str, counting| Level {
        name: name.into(),
        counting,
    };
    Trace {
        header: Header {
            program: program.into(),
            levels: vec![
                level("baseline", Counting::Counts),
                level("cranelift-speed", Counting::Silent),
            ],
            ..Header::default()
        },
        functions: vec![function(0, 800), function(1, 2000)],
        slices: recorder.finish(),
        complete: true,
    }
}

fn function(index: u32, body_bytes: u32) -> Function {
    let cost = |per_byte: f64, unit_ns: f64| Cost {
        compile_ns: per_byte * f64::from(body_bytes),
        code_bytes: 5 * body_bytes,
        // The entry, and the loop if there is one.
        unit_ns: vec![unit_ns; if index == 0 { 2 } else { 1 }],
    };
    Function {
        index,
        name: format!("f{index}"),
        body_bytes,
        loops: if index == 0 {
            vec![Loop::default()]
        } else {
            Vec::new()
        },
        lasting: 0.0,
        osr_part: None,
        costs: vec![cost(30.0, 4.0), cost(1250.0, 2.0)],
    }
}

fn machine() -> Machine {
    Machine {
        switch: Switch::Entry,
        ..Machine::new(2, 1)
    }
}

/// A row for each program and policy; times in seconds.
fn measure(programs: &[(&str, Workload)]) -> Table {
    let mut table = Table::default();
    for (program, workload) in programs {
        for policy in POLICIES {
            let setup = Setup {
                queue: upshift_tiering::queue::from_spec("hottest").unwrap(),
                hints: hints_of(workload, Weights::default()),
                ..Setup::new(from_spec(policy).expect("a built-in policy"), machine())
            };
            let outcome = simulate(workload, &setup).outcome;
            let metrics = [("wall", outcome.wall_ns), ("lost", outcome.lost_ns)];
            table.rows.push(Row {
                program: (*program).into(),
                settings: BTreeMap::from([("policy".into(), policy.into())]),
                metrics: metrics.map(|(name, ns)| (name.into(), ns / 1e9)).into(),
                class: None,
            });
        }
    }
    table
}

#[test]
fn from_counters_to_a_verdict() {
    let programs = [("short", 3), ("long", 40)].map(|(program, milliseconds)| {
        let trace = record(program, milliseconds);
        let mut file = Vec::new();
        trace.write(&mut file).expect("the trace keeps all rules");
        let read = Trace::read(&file).expect("it was just written");
        assert_eq!(read, trace);
        (program, Workload::new(&read))
    });
    let table = measure(&programs);
    let claim = |holds: &str, refuted: &str| {
        let parse = |text: &str| Predicate::parse(text).unwrap_or_else(|error| panic!("{error}"));
        judge(&parse(holds), &parse(refuted), &table)
    };
    let early = "ratio(wall, 'policy=fixed-budget:units=2000', 'policy=never')";
    let late = "ratio(wall, 'policy=fixed-budget:units=5000000', 'policy=never')";
    // Optimizing early halves the work of the long program, and of the short one but little less.
    let verdict = claim(
        &format!("max({early}) < 0.9"),
        &format!("ci_low({early}) > 0.95"),
    );
    assert_eq!(verdict, Verdict::Holds, "{table:?}");
    // Late is no use for the short program, so the claim that it is for all is refuted.
    let verdict = claim(
        &format!("max({late}) < 0.9"),
        &format!("max({late}) >= 0.95"),
    );
    assert_eq!(verdict, Verdict::Refuted, "{table:?}");
    // No run lost less than nothing, and what was not measured decides nothing.
    assert_eq!(claim("min(lost, '') >= 0", "1 < 0"), Verdict::Holds);
    let missing = claim("max(wall, 'policy=jikes') < 1", "1 < 0");
    let reason = "no row with wall matches 'policy=jikes'".into();
    assert_eq!(missing, Verdict::Undecided(reason));
}

#[test]
fn bounds_enclose_what_is_simulated_at_any_scale() {
    let workload = Workload::new(&record("program", 20));
    for scale in [
        (1.0, 1.0, 1.0),
        (4.0, 1.0, 1.0),
        (1.0, 20.0, 1.0),
        (1.0, 1.0, 10.0),
    ] {
        let (speed, compile, work) = scale;
        let scaled = workload.scaled(Scale {
            speed,
            compile,
            work,
        });
        let bounds = Bounds::new(&scaled, &machine(), Effort { runs: 50 });
        assert!(bounds.free <= bounds.relaxed && bounds.relaxed <= bounds.never * (1.0 + 1e-9));
        for policy in POLICIES {
            let setup = Setup::new(from_spec(policy).expect("a built-in policy"), machine());
            let wall = simulate(&scaled, &setup).outcome.wall_ns;
            assert!(
                wall >= bounds.relaxed * (1.0 - 1e-9),
                "{scale:?} {policy}: {wall} {bounds:?}"
            );
        }
        let (_, walls) = best_common_threshold(&[scaled], &machine()).expect("a program");
        assert_eq!(walls, [bounds.threshold.wall_ns]);
    }
}

/// Experiments add up times only where a metric reads them: all others must be the same without.
#[test]
fn metrics_that_read_no_times_are_the_same_without() {
    let trace = record("first", 50);
    let machine = Machine::recorded(&trace.header, 2, 1);
    let corpus = Corpus::new([("first".to_owned(), trace.clone())]);
    let prepared = Prepared::new(Arc::new(trace), Scale::default(), 20);
    let settings: Settings = [("rent", "break-even"), ("at", "1"), ("top", "0.5")]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let policy = from_spec("fixed-budget:units=2000").unwrap();
    let with = Setup::new(policy, machine);
    let without = Setup {
        times: Keep::None,
        ..with.clone()
    };
    let cell = |setup| Simulated::new(("first", &prepared), &corpus, setup, &settings);
    let (with, without) = (cell(&with), cell(&without));
    let mut reading = 0;
    for metric in metrics() {
        let (kept, dropped) = ((metric.of)(&with), (metric.of)(&without));
        if metric.reads_times() {
            reading += 1;
            assert_ne!(kept, dropped, "{}", metric.name);
        } else {
            assert_eq!(kept, dropped, "{}", metric.name);
        }
    }
    assert_eq!(reading, 4);
}
