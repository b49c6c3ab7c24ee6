//! Tests of bounds: by hand, and the order between them on random traces.

use fastrand::Rng;

use super::threshold::with_threshold;
use super::*;
use crate::machine::tests::{two_functions, workload};
use crate::machine::{Schedule, Switch};
use crate::trace::tests::random_trace;
use crate::workload::Scale;

fn close(found: f64, expected: f64) {
    assert!(
        (found - expected).abs() <= 1e-9 * expected.abs(),
        "{found}, expected {expected}"
    );
}

/// Whether the first is at most the second, but for rounding.
fn at_most(first: f64, second: f64) -> bool {
    first <= second * (1.0 + 1e-9)
}

/// One function that takes 100 ns or 50, with compile times 0 and 10.
fn one_function() -> Workload {
    workload(&[(0.0, 10.0)], &[(0.0, &[(0, 1.0, 99.0, 100.0, 50.0)])])
}

#[test]
fn one_function_by_hand() {
    let one = one_function();
    let machine = Machine::new(2, 1);
    assert_eq!(free(&one), 50.0);
    assert_eq!(single(&one), 60.0);
    // Either waits for its code (10 + 50), which beats compiling at level 0: no, that takes 0 ns.
    // 10 ns at level 0, the other 90 % in 45.
    close(infinite(&one), 55.0);
    close(iar(&one, &machine, Effort::default()).wall_ns, 55.0);
    close(exact(&one, &machine, 100).unwrap().wall_ns, 55.0);
    // Before its 10 ns are over the code can't be used in part; from then on it is there as a
    // whole.
    close(relaxed(&one, &machine), 55.0);
    // Requested after one unit of 100, at 1 ns: done at 11, and 89 % are left.
    let threshold = best_threshold(&one, &machine);
    assert_eq!(threshold.units, 1.0);
    close(threshold.wall_ns, 11.0 + 44.5);
    // On one core with the guest: half speed until 20.
    close(
        iar(&one, &Machine::new(1, 1), Effort::default()).wall_ns,
        20.0 + 45.0,
    );
    // The relaxed machine has at T compiled at most T less the 50 ns that the guest needs.
    close(relaxed(&one, &Machine::new(1, 1)), 60.0);
    close(relaxed(&one, &Machine::new(1, 0)), 60.0);
    close(
        iar(&one, &Machine::new(1, 0), Effort::default()).wall_ns,
        60.0,
    );
}

#[test]
fn two_functions_by_hand() {
    let two = two_functions();
    let machine = Machine::new(2, 1);
    // 10 + 50, 10 + 50 + 10.
    assert_eq!(free(&two), 130.0);
    // Host 20; `f` 30 + 100 over 2 + 200; `g` 3 + 40 under 60 + 10.
    assert_eq!(single(&two), 20.0 + 130.0 + 43.0);
    // `f` begins after 2 and is optimized at 30; `g`, first used then, is optimized at 60.
    let first = 30.0 + 60.0 * 82.0 / 110.0;
    close(infinite(&two), first + 70.0);
    // One thread does `f` until 30 and `g` until 90.
    let until_90 = 90.0 - first - 3.0;
    let both = 90.0 + (1.0 - until_90 / 100.0) * 70.0;
    let found = exact(&two, &machine, 1000).unwrap();
    close(found.wall_ns, both);
    assert_eq!(found.schedule, Schedule::of_functions([(0, 1), (1, 1)]));
    close(iar(&two, &machine, Effort::default()).wall_ns, both);
    let relaxed = relaxed(&two, &machine);
    assert!(relaxed > first + 70.0 && relaxed < both, "{relaxed}");
    // Two threads: `g` is there at 60, in its first slice, which needs no code of level 0 then.
    let three = Machine::new(3, 2);
    close(exact(&two, &three, 1000).unwrap().wall_ns, first + 70.0);
}

#[test]
fn a_divided_machine_by_hand() {
    // One slice of two functions that are equal: 100 ns or 0, each in 10 ns of compiling.
    let equal = workload(
        &[(0.0, 10.0), (0.0, 10.0)],
        &[(0.0, &[(0, 1.0, 0.0, 100.0, 0.0), (1, 1.0, 0.0, 100.0, 0.0)])],
    );
    // Nothing until 10, which is 5 %. Then one is there, and the other grows by 10 ns of the slice
    // in each ns: 100 (1 - t/10) for t from 0 on, so that 0.95 = ∫ dt / (100 - 10 t), and
    // t = 10 (1 - e^-9.5).
    let expected = 10.0 + 10.0 * (1.0 - (-9.5_f64).exp());
    close(relaxed(&equal, &Machine::new(2, 1)), expected);
    // The other can't be done before 20, when ten more percent are done.
    close(
        exact(&equal, &Machine::new(2, 1), 100).unwrap().wall_ns,
        20.0,
    );
    close(infinite(&equal), 10.0);
}

#[test]
fn changing_levels_pays_where_phases_differ() {
    // Level 1 is slower in the first slice and faster in the second.
    let phases = workload(
        &[(1.0, 5.0)],
        &[
            (0.0, &[(0, 1.0, 0.0, 10.0, 50.0)]),
            (0.0, &[(0, 1.0, 0.0, 100.0, 20.0)]),
        ],
    );
    assert_eq!(free(&phases), 30.0);
    assert_eq!(single(&phases), 1.0 + 10.0 + 5.0 + 20.0);
    let machine = Machine::new(2, 1);
    assert_eq!(exact(&phases, &machine, 100), Err(TooHard::Slower(0)));
    assert!(at_most(
        relaxed(&phases, &machine),
        iar(&phases, &machine, Effort::default()).wall_ns
    ));
}

#[test]
fn what_exact_does_not_do_is_refused() {
    let two = two_functions();
    let refused = |machine: &Machine, steps| exact(&two, machine, steps).unwrap_err();
    assert_eq!(refused(&Machine::new(1, 1), 100), TooHard::Disturbance);
    assert_eq!(refused(&Machine::new(2, 0), 100), TooHard::Disturbance);
    let machine = Machine {
        switch: Switch::Entry,
        ..Machine::new(2, 1)
    };
    assert_eq!(refused(&machine, 100), TooHard::Disturbance);
    assert_eq!(refused(&Machine::new(2, 1), 0), TooHard::Steps(0));
    let parts: Vec<_> = (0..13)
        .map(|function| (function, 1.0, 0.0, 9.0, 1.0))
        .collect();
    let many = workload(&[(0.0, 1.0); 13], &[(0.0, &parts)]);
    assert_eq!(
        exact(&many, &Machine::new(2, 1), 100),
        Err(TooHard::Functions(13))
    );
}

fn machines() -> Vec<Machine> {
    let slow = Machine {
        slowdown: vec![1.0, 1.2],
        ..Machine::new(2, 1)
    };
    let polite = Machine {
        weight: 0.1,
        ..Machine::new(1, 2)
    };
    let entry = Machine {
        switch: Switch::Entry,
        ..Machine::new(2, 1)
    };
    let pairs = [(1, 0), (2, 0), (1, 1), (2, 1), (2, 2), (3, 2), (4, 8)];
    let plain = pairs.map(|(cores, workers)| Machine::new(cores, workers));
    [plain.to_vec(), vec![slow, polite, entry]].concat()
}

fn random_workloads(seed: u64, count: usize) -> impl Iterator<Item = Workload> {
    let mut random = Rng::with_seed(seed);
    (0..count).map(move |_| Workload::new(&random_trace(&mut random)))
}

/// A program that is one long call: without an OSR entry nothing helps it.
#[test]
fn good_schedules_have_osr_entries() {
    let iterations = |entries| (0, entries, 100.0, 100.0, 50.0);
    let long = [iterations(1.0)];
    let more = [iterations(0.0)];
    let slices: [(f64, &[_]); 5] = [
        (0.0, &long),
        (0.0, &more),
        (0.0, &more),
        (0.0, &more),
        (0.0, &more),
    ];
    let mut program = workload(&[(0.0, 10.0)], &slices);
    program.functions[0].lasting = 1.0;
    let machine = Machine {
        switch: Switch::Entry,
        ..Machine::new(2, 1)
    };
    let bounds = Bounds::new(&program, &machine, Effort::default());
    assert_eq!(bounds.never, 500.0);
    // 10 ns at level 0, then half of the other 490.
    close(bounds.iar.wall_ns, 255.0);
    assert!(at_most(bounds.iar.wall_ns, bounds.threshold.wall_ns));
    // In calls that end, the function's own code is enough, and the entry is in vain.
    program.functions[0].lasting = 0.0;
    for stretch in &mut program.stretches {
        stretch.parts[0].entries = 10.0;
    }
    let found = iar(&program, &machine, Effort::default());
    assert_eq!(found.schedule, Schedule::of_functions([(0, 1)]));
}

/// Any schedule, any threshold.
fn tries(workload: &Workload, machine: &Machine, random: &mut Rng) -> Vec<f64> {
    let mut jobs: Vec<(usize, usize)> = (0..workload.functions())
        .flat_map(|function| (1..workload.levels()).map(move |level| (function, level)))
        .collect();
    random.shuffle(&mut jobs);
    jobs.truncate(random.usize(..=jobs.len()));
    let outcome = Schedule::of_functions(jobs).execute(workload, machine);
    let processor_time = outcome.guest_ns + outcome.compile_ns;
    assert!(at_most(single(workload), processor_time), "{outcome:?}");
    let units = f64::from(random.u32(1..100));
    vec![outcome.wall_ns, with_threshold(workload, machine, units)]
}

#[test]
fn lower_bounds_are_below_whatever_can_be_done() {
    let mut random = Rng::with_seed(6);
    for (case, workload) in random_workloads(7, 150).enumerate() {
        for machine in machines() {
            let bounds = Bounds::new(&workload, &machine, Effort { runs: 60 });
            let ordered = [
                bounds.free,
                bounds.infinite,
                bounds.relaxed,
                bounds.iar.wall_ns,
            ];
            let is_ordered = ordered.is_sorted_by(|first, second| at_most(*first, *second));
            assert!(is_ordered, "case {case}: {machine:?} {bounds:?}");
            assert!(bounds.relaxed <= bounds.threshold.wall_ns * (1.0 + 1e-9));
            assert!(bounds.threshold.wall_ns <= bounds.never && bounds.iar.wall_ns <= bounds.never);
            for _ in 0..10 {
                for wall in tries(&workload, &machine, &mut random) {
                    assert!(
                        at_most(bounds.relaxed, wall),
                        "case {case}: {wall} {machine:?} {bounds:?}"
                    );
                }
            }
        }
    }
}

/// The exact optimum lies between the bounds, no random order beats it, and IAR is near.
#[test]
fn exact_lies_between_relaxed_and_iar() {
    let mut random = Rng::with_seed(8);
    let mut gaps = Vec::new();
    for (case, workload) in random_workloads(9, 120).enumerate() {
        for machine in [Machine::new(2, 1), Machine::new(3, 2)] {
            let Ok(best) = exact(&workload, &machine, 2_000) else {
                continue;
            };
            let iar = iar(&workload, &machine, Effort::default()).wall_ns;
            let lower = relaxed(&workload, &machine);
            assert!(
                at_most(lower, best.wall_ns),
                "case {case}: {lower} {best:?}"
            );
            assert!(at_most(best.wall_ns, iar), "case {case}: {iar} {best:?}");
            for _ in 0..30 {
                for wall in tries(&workload, &machine, &mut random) {
                    assert!(at_most(best.wall_ns, wall), "case {case}: {wall} {best:?}");
                }
            }
            if best.wall_ns > 0.0 {
                gaps.push(iar / best.wall_ns);
            }
        }
    }
    assert!(gaps.len() > 150, "only {} were solved", gaps.len());
    let worst = gaps.iter().copied().fold(1.0, f64::max);
    let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
    let share = gaps.iter().filter(|gap| **gap < 1.001).count() as f64 / gaps.len() as f64;
    let figures = format!("optimal in {share}, {mean} on average, {worst} at worst");
    assert!(share > 0.9 && mean < 1.002 && worst < 1.15, "{figures}");
}

#[test]
fn more_threads_and_cores_never_hurt_the_bound() {
    for workload in random_workloads(10, 200) {
        for cores in 1..4 {
            let bounds: Vec<f64> = (1..5)
                .map(|workers| relaxed(&workload, &Machine::new(cores, workers)))
                .collect();
            assert!(
                bounds.is_sorted_by(|fewer, more| at_most(*more, *fewer)),
                "{bounds:?}"
            );
        }
        for workers in 1..4 {
            let bounds: Vec<f64> = (1..5)
                .map(|cores| relaxed(&workload, &Machine::new(cores, workers)))
                .collect();
            assert!(
                bounds.is_sorted_by(|fewer, more| at_most(*more, *fewer)),
                "{bounds:?}"
            );
        }
    }
}

/// A program that takes twice as long, with compilers that do, is the same at half the clock. By a
/// power of two, so that not even rounding differs.
#[test]
fn scaling_time_scales_all_bounds() {
    for workload in random_workloads(11, 60) {
        let mut twice = workload.scaled(Scale {
            work: 2.0,
            compile: 2.0,
            speed: 1.0,
        });
        for code in &mut twice.functions {
            code.compile_ns[0] *= 2.0;
        }
        // Twice as many entries lie closer to each other, which matters where code waits for them.
        let at_once = |machine: &Machine| machine.switch == Switch::Publish;
        for machine in machines().into_iter().filter(at_once) {
            let effort = Effort { runs: 40 };
            let (one, two) = (
                Bounds::new(&workload, &machine, effort),
                Bounds::new(&twice, &machine, effort),
            );
            let times = |bounds: &Bounds| {
                [
                    bounds.never,
                    bounds.free,
                    bounds.single,
                    bounds.infinite,
                    bounds.relaxed,
                    bounds.iar.wall_ns,
                ]
            };
            for (one, two) in times(&one).into_iter().zip(times(&two)) {
                close(two, 2.0 * one);
            }
            assert_eq!(one.iar.schedule, two.iar.schedule);
        }
    }
}

#[test]
fn one_threshold_for_two_programs_lies_between_theirs() {
    // One program should compile at once, the other one never: its guest stands still for it.
    let hot = workload(&[(0.0, 10.0)], &[(0.0, &[(0, 1.0, 999.0, 1000.0, 100.0)])]);
    let cold = workload(&[(0.0, 900.0)], &[(0.0, &[(0, 1.0, 99.0, 100.0, 50.0)])]);
    let machine = Machine::new(1, 0);
    let own = [&hot, &cold].map(|one| best_threshold(one, &machine));
    assert_eq!(own[0].units, 1.0);
    close(own[1].wall_ns, 100.0);
    let (units, walls) = best_common_threshold(&[hot, cold], &machine).unwrap();
    // Above the 100 units of the cold one, as little as the steps allow.
    assert!((100.0..=110.0).contains(&units), "{units}");
    close(walls[1], 100.0);
    close(walls[0], units + 10.0 + (1.0 - units / 1000.0) * 100.0);
    assert_eq!(best_common_threshold(&[], &machine), None);
}

#[test]
fn thresholds_in_loops_lead_to_osr_entries() {
    // One call that loops on: without an OSR entry it never changes.
    let looping = (0, 0.0, 1000.0, 1000.0, 500.0);
    let slices: [(f64, &[_]); 3] = [
        (0.0, &[(0, 1.0, 9.0, 10.0, 5.0)]),
        (0.0, &[looping]),
        (0.0, &[looping]),
    ];
    let one = workload(&[(0.0, 200.0)], &slices);
    let entry = Machine {
        switch: Switch::Entry,
        ..Machine::new(2, 1)
    };
    close(
        best_threshold(&one, &Machine::new(2, 1)).wall_ns,
        201.0 + (2010.0 - 201.0) / 2.0,
    );
    let osr = best_threshold(&one, &entry).wall_ns;
    assert!((1105.0..1130.0).contains(&osr), "{osr}");
}

#[test]
fn factors_make_other_programs() {
    let scale = Scale {
        speed: 2.0,
        compile: 3.0,
        work: 5.0,
    };
    let scaled = one_function().scaled(scale);
    // 100 and 50 ns become 500 and 125; the host's none; compiling 30.
    assert_eq!((free(&scaled), single(&scaled)), (125.0, 155.0));
    close(infinite(&scaled), 30.0 + 125.0 * 470.0 / 500.0);
    assert_eq!(scaled.most_events(), 500.0);
}
