//! Traces of runs that were made up, checked by hand.

use super::*;
use crate::trace::Count;
use crate::workload::Workload;

fn code(index: u32, operators: &[u32]) -> Code {
    let site = |(number, &operators): (usize, &u32)| SiteShape {
        offset: number as u32 * 10,
        depth: 0,
        operators,
    };
    Code {
        index,
        name: format!("f{index}"),
        body_bytes: 100,
        sites: operators.iter().enumerate().map(site).collect(),
    }
}

fn count(function: u32, site: u32, units: u64) -> Count {
    Count {
        function,
        site,
        units,
    }
}

fn slice(from: u64, to: u64, counts: Vec<Count>) -> Slice {
    Slice {
        from,
        to,
        host_ns: 0,
        counts,
    }
}

fn run(cpu_ns: f64, samples: &[u32], elsewhere: u32, compile_ns: f64) -> LevelRun {
    let compiled = Compiled {
        ns: compile_ns,
        code_bytes: 300,
    };
    LevelRun {
        cpu_ns,
        after_units: 0.0,
        below: vec![0; samples.len()],
        samples: samples.to_vec(),
        elsewhere,
        compile_ns: compile_ns * (samples.len() - 1) as f64,
        osr_ns: vec![None; samples.len()],
        // The last function is never compiled.
        compiled: (0..samples.len())
            .map(|number| (number + 1 < samples.len()).then_some(compiled))
            .collect(),
    }
}

/// Two functions that work, one that is never called and one in between.
fn runs() -> Runs {
    Runs {
        counted: Counted {
            functions: vec![code(0, &[6, 10]), code(3, &[1]), code(5, &[6])],
            slices: vec![
                slice(
                    1000,
                    1000 + 500_000,
                    vec![count(0, 0, 100), count(0, 1, 9900)],
                ),
                slice(501_000, 801_000, vec![]),
                slice(801_000, 1_001_000, vec![count(2, 0, 10_000)]),
            ],
            places: vec![Place::Code; 1000],
        },
        levels: vec![
            vec![
                run(2_100_000.0, &[500, 0, 500], 50, 20_000.0),
                run(2_100_000.0, &[500, 0, 500], 50, 30_000.0),
                run(2_100_000.0, &[500, 0, 500], 50, 30_000.0),
            ],
            vec![run(1_000_000.0, &[900, 0, 100], 0, 1_000_000.0)],
        ],
        without_osr: None,
        weights: Weights::default(),
    }
}

fn header() -> Header {
    Header {
        levels: levels(["baseline", "cranelift"].into_iter()),
        ..Header::default()
    }
}

#[test]
fn times_come_from_samples_and_are_divided_by_operators() {
    let trace = runs().trace(header()).unwrap();
    assert_eq!(trace.header.module_funcs, 3);
    assert_eq!(trace.header.module_bytes, 300);
    let indexes: Vec<u32> = trace.functions.iter().map(|one| one.index).collect();
    assert_eq!(indexes, [0, 5]);
    let (first, second) = (&trace.functions[0], &trace.functions[1]);
    // 2 ms of which 1 is in each; 100 calls of 10 operators, 9900 iterations of 10.
    let close = |value: f64, expected: f64| {
        assert!((value / expected - 1.0).abs() < 0.05, "{value} {expected}");
    };
    close(first.costs[0].unit_ns[0], 100.0);
    close(first.costs[0].unit_ns[1], 100.0);
    close(second.costs[0].unit_ns[0], 100.0);
    close(first.costs[1].unit_ns[0], 90.0);
    close(second.costs[1].unit_ns[0], 10.0);
    // What is elsewhere and not compiling, 46.7 us, is for the two first calls.
    close(first.costs[0].compile_ns, 30_000.0 + 23_333.0);
    assert_eq!(first.loops.len(), 1);
    // Never compiled: as much a byte as the others.
    close(second.costs[0].compile_ns, 30_000.0 + 23_333.0);
    assert_eq!(second.costs[1].code_bytes, 300);
}

#[test]
fn slices_take_as_long_as_the_runs_at_level_0() {
    let trace = runs().trace(header()).unwrap();
    assert_eq!(
        trace.slices.len(),
        2,
        "one without counts belongs to the next"
    );
    let last = trace.slices.last().unwrap();
    // 2.1 ms, less compilations and what first calls take besides.
    assert!((last.to as f64 - 2_000_000.0).abs() < 10.0, "{last:?}");
    let first = &trace.slices[0];
    assert_eq!((first.to - first.from) / 1000, 1000);
    let mut file = Vec::new();
    trace.write(&mut file).unwrap();
    assert_eq!(Trace::read(&file).unwrap(), trace);
    let workload = Workload::new(&trace);
    assert_eq!(workload.functions(), 2);
}

#[test]
fn time_outside_of_code_is_where_its_samples_are() {
    let mut runs = runs();
    // The second half of the first slice.
    runs.counted.places[250..500].fill(Place::Host);
    let trace = runs.trace(header()).unwrap();
    let (first, second) = (&trace.slices[0], &trace.slices[1]);
    assert!(first.host_ns > 10 * second.host_ns, "{first:?} {second:?}");
    let host: u64 = trace.slices.iter().map(|slice| slice.host_ns).sum();
    let expected = 2_100_000.0 * 50.0 / 1050.0 - 2.0 * 80_000.0 / 3.0;
    assert!((host as f64 - expected).abs() < 10.0, "{host} {expected}");
}

#[test]
fn a_function_without_samples_takes_some_time() {
    let mut runs = runs();
    // Work that one sample in a run is expected to find, and by chance none does, or two do.
    runs.counted.functions.insert(1, code(1, &[6]));
    runs.counted.slices[0].counts.push(count(1, 0, 20));
    runs.counted.slices[2].counts[0].function = 3;
    for (number, samples) in [0, 2].into_iter().enumerate() {
        for level in runs.levels.iter_mut().flatten() {
            if number == 0 {
                level.samples.insert(1, samples);
                level.below.insert(1, 0);
                level.compiled.insert(1, None);
                level.osr_ns.insert(1, None);
            } else {
                level.samples[1] = samples;
            }
        }
        let trace = runs.trace(header()).unwrap();
        let unit = trace.functions[1].costs[0].unit_ns[0];
        assert!((1.0..300.0).contains(&unit), "{unit}");
    }
}

#[test]
fn too_little_is_refused() {
    let mut none = runs();
    none.counted.slices.clear();
    assert_eq!(none.trace(header()).unwrap_err(), Unusable::NoCounts);
    let mut short = runs();
    short.levels[1][0].samples = vec![3, 0, 4];
    assert_eq!(short.trace(header()).unwrap_err(), Unusable::Samples(1, 7));
    let mut missing = runs();
    missing.levels.pop();
    let error = missing.trace(header()).unwrap_err();
    assert_eq!(error, Unusable::Levels { runs: 1, levels: 2 });
}

/// The work that a function did before it came to the level is added in proportion.
#[test]
fn what_ran_below_the_level_is_added() {
    let mut runs = runs();
    // Of 100 * 10 + 9900 * 5 = 50500 and 10000 * 10 units, half and a quarter are below.
    runs.levels[1] = vec![LevelRun {
        after_units: 25_250.0,
        samples: vec![450, 0, 75],
        below: vec![250, 0, 225],
        ..runs.levels[1][0].clone()
    }];
    let trace = runs.trace(header()).unwrap();
    let unit = |function: usize| trace.functions[function].costs[1].unit_ns[0];
    assert!((unit(0) / 90.0 - 1.0).abs() < 0.05, "{}", unit(0));
    assert!((unit(1) / 10.0 - 1.0).abs() < 0.05, "{}", unit(1));
}

#[test]
fn calls_that_last_are_seen_where_no_loop_can_be_left() {
    let mut runs = runs();
    let run = &runs.levels[1][0];
    // Of the first function's 1 ms at level 0, 0.25 ms were there, though calls were at level 1.
    runs.without_osr = Some(LevelRun {
        cpu_ns: 1_250_000.0,
        samples: vec![900, 0, 100],
        below: vec![250, 0, 0],
        ..run.clone()
    });
    let trace = runs.trace(header()).unwrap();
    let lasting = trace.functions[0].lasting;
    assert!((lasting - 0.2).abs() < 0.02, "{lasting}");
    // Without a loop, each call ends in the code in which it began.
    assert_eq!(trace.functions[1].lasting, 0.0);
}

#[test]
fn osr_entries_take_what_was_seen() {
    let mut runs = runs();
    runs.levels[1][0].osr_ns[0] = Some(400_000.0);
    let trace = runs.trace(header()).unwrap();
    let parts: Vec<_> = trace.functions.iter().map(|one| one.osr_part).collect();
    assert_eq!(parts, [Some(0.4), Some(0.4)]);
}
