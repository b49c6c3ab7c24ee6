//! Tests of runs, computed by hand.

use super::*;
use crate::trace::{Counting, Loop};
use crate::workload::{Code, Part, Scale, Stretch, Workload, find_first_uses};

/// What a function does in a slice: function, entries, iterations, ns at level 0, ns at level 1.
type PartFigures = (usize, f64, f64, f64, f64);

/// A workload of functions with (compile at 0, compile at 1), and slices with the host's
/// time and parts.
pub(crate) fn workload(functions: &[(f64, f64)], slices: &[(f64, &[PartFigures])]) -> Workload {
    let code = |&(first, second): &(f64, f64)| Code {
        body_bytes: 10,
        loops: vec![Loop::default()],
        lasting: 0.0,
        osr_part: 1.0,
        compile_ns: vec![first, second],
        code_bytes: vec![100, 50],
    };
    let mut loops = Vec::new();
    let mut part = |&(function, entries, iterations, slow, fast): &PartFigures| {
        let from = loops.len() as u32;
        loops.extend((iterations > 0.0).then_some((0, iterations)));
        Part {
            function,
            entries,
            iterations,
            loops: (from, loops.len() as u32),
            ns: [slow, fast, 0.0, 0.0],
        }
    };
    let stretch = |(host_ns, parts): &(f64, &[PartFigures])| Stretch {
        host_ns: *host_ns,
        parts: parts.iter().map(&mut part).collect(),
        first_uses: Vec::new(),
    };
    let mut stretches: Vec<_> = slices.iter().map(stretch).collect();
    find_first_uses(&mut stretches, functions.len());
    Workload {
        functions: functions.iter().map(code).collect(),
        stretches,
        loops,
        counting: vec![Counting::Counts, Counting::Silent],
        module_bytes: 1000,
        module_funcs: functions.len() as u32,
    }
}

/// Two functions: `f` takes 100 ns, or 50 optimized, in each of two slices; `g` takes 40 or 10 in
/// the second. 10 ns in each slice are the host's. Compiling takes 2 and 30 ns, 3 and 60 ns.
pub(crate) fn two_functions() -> Workload {
    workload(
        &[(2.0, 30.0), (3.0, 60.0)],
        &[
            (10.0, &[(0, 10.0, 90.0, 100.0, 50.0)]),
            (
                10.0,
                &[(0, 10.0, 90.0, 100.0, 50.0), (1, 40.0, 0.0, 40.0, 10.0)],
            ),
        ],
    )
}

pub(crate) fn close(found: f64, expected: f64) {
    assert!(
        (found - expected).abs() < 1e-9,
        "{found}, expected {expected}"
    );
}

fn schedule(jobs: &[(usize, usize)]) -> Schedule {
    Schedule::of_functions(jobs.iter().copied())
}

#[test]
fn without_jobs_all_runs_at_level_0() {
    let outcome = schedule(&[]).execute(&two_functions(), &Machine::new(2, 1));
    // 2 + 110, 3 + 150.
    close(outcome.wall_ns, 265.0);
    close(outcome.guest_ns, 265.0);
    close(outcome.paused_ns, 5.0);
    assert_eq!(outcome.compile_ns, 0.0);
}

#[test]
fn code_is_used_from_its_publishing_on() {
    let outcome = schedule(&[(0, 1), (1, 1)]).execute(&two_functions(), &Machine::new(2, 1));
    // 2 of compiling, then 28 of 110 ns; the rest of the slice, 82/110, takes 60 * 82/110. In the
    // second slice `g` is compiled at 0 in 3 ns and optimized at 90.
    let first = 30.0 + 60.0 * 82.0 / 110.0;
    let until_90 = 90.0 - first - 3.0;
    let second = 90.0 + (1.0 - until_90 / 100.0) * 70.0;
    close(outcome.wall_ns, second);
    close(outcome.compile_ns, 90.0);
    let published: Vec<f64> = outcome.jobs.iter().map(|done| done.published).collect();
    assert_eq!(published, [30.0, 90.0]);
}

#[test]
fn functions_with_code_before_their_first_use_need_no_other() {
    let outcome = schedule(&[(1, 1)]).execute(&two_functions(), &Machine::new(2, 1));
    // 2 + 110, then 10 + 100 + 10.
    close(outcome.wall_ns, 232.0);
    close(outcome.paused_ns, 2.0);
}

#[test]
fn more_threads_take_more_jobs_at_once() {
    let outcome = schedule(&[(1, 1), (0, 1)]).execute(&two_functions(), &Machine::new(3, 2));
    let published: Vec<_> = outcome
        .jobs
        .iter()
        .map(|done| (done.job.function, done.published))
        .collect();
    assert_eq!(published, [(0, 30.0), (1, 60.0)]);
}

#[test]
fn a_lower_level_that_comes_late_replaces_nothing() {
    let mut workload = workload(&[(0.0, 20.0)], &[(0.0, &[(0, 1.0, 99.0, 100.0, 50.0)])]);
    workload.counting.push(Counting::Silent);
    workload.functions[0].compile_ns.push(10.0);
    workload.stretches[0].parts[0].ns[2] = 40.0;
    let outcome = schedule(&[(0, 2), (0, 1)]).execute(&workload, &Machine::new(2, 1));
    close(outcome.wall_ns, 10.0 + 0.9 * 40.0);
}

#[test]
fn without_threads_the_guest_stands_still() {
    let outcome = schedule(&[(0, 1)]).execute(&two_functions(), &Machine::new(1, 0));
    // 30, 10 + 50, 3 + 10 + 50 + 40.
    close(outcome.wall_ns, 193.0);
    close(outcome.guest_ns + outcome.compile_ns, 193.0);
    close(outcome.paused_ns, 33.0);
}

#[test]
fn threads_share_a_core_by_weight() {
    let machine = Machine::new(1, 1);
    let outcome = schedule(&[(0, 1)]).execute(&two_functions(), &machine);
    // Each gets half: the job is done at 60, when the guest has done 2 and 28 of 110.
    assert_eq!(outcome.jobs[0].published, 60.0);
    close(outcome.wall_ns, 60.0 + 60.0 * 82.0 / 110.0 + 3.0 + 100.0);
    close(outcome.guest_ns + outcome.compile_ns, outcome.wall_ns);
    let polite = Machine {
        weight: 0.25,
        ..machine.clone()
    };
    let outcome = schedule(&[(0, 1)]).execute(&two_functions(), &polite);
    close(outcome.jobs[0].published, 150.0);
    let disturbed = Machine {
        slowdown: vec![1.0, 2.0],
        cores: 2,
        ..machine
    };
    let outcome = schedule(&[(0, 1)]).execute(&two_functions(), &disturbed);
    // Until 30, 2 and 13 of 110 are done.
    close(outcome.wall_ns, 30.0 + 60.0 * 97.0 / 110.0 + 3.0 + 100.0);
    close(outcome.guest_ns, outcome.wall_ns);
}

#[test]
fn speeds_are_shares_of_what_there_is() {
    let speeds = |cores, weight, busy| {
        let machine = Machine {
            weight,
            ..Machine::new(cores, 8)
        };
        let speeds = machine.speeds(busy);
        (speeds.guest, speeds.worker)
    };
    assert_eq!(speeds(2, 1.0, 0), (1.0, 1.0));
    assert_eq!(speeds(2, 1.0, 1), (1.0, 1.0));
    assert_eq!(speeds(2, 1.0, 3), (0.5, 0.5));
    assert_eq!(speeds(2, 0.5, 2), (1.0, 0.5));
    assert_eq!(speeds(1, 0.5, 2), (0.5, 0.25));
    assert_eq!(speeds(2, 0.1, 5), (1.0, 0.2));
}

/// Asks for level 1 of function 0 when its first budget is used up, and notes what it hears.
struct Log {
    budget: f64,
    unit: Unit,
    wanted: Option<Job>,
    heard: Vec<(f64, &'static str)>,
}

impl Director for Log {
    fn next(&mut self, _run: &mut Run<'_>) -> Option<Job> {
        self.wanted.take()
    }

    fn first_code(&mut self, run: &mut Run<'_>, function: usize) {
        run.set_budget(function, self.budget);
        self.heard.push((run.now(), "first-code"));
        if function == 0 {
            run.wake(0, 1000.0);
            run.wake(0, 20.0);
        }
    }

    fn exhausted(&mut self, run: &mut Run<'_>, function: usize, _at: Option<u32>) {
        self.heard.push((run.now(), "exhausted"));
        let (level, unit) = (1, self.unit);
        self.wanted = Some(Job {
            function,
            level,
            unit,
        });
    }

    fn published(&mut self, run: &mut Run<'_>, _done: Done) {
        self.heard.push((run.now(), "published"));
    }

    fn woken(&mut self, run: &mut Run<'_>, _function: usize) {
        self.heard.push((run.now(), "woken"));
    }
}

fn log(budget: f64, unit: Unit) -> Log {
    Log {
        budget,
        unit,
        wanted: None,
        heard: Vec::new(),
    }
}

#[test]
fn budgets_end_in_the_middle_of_slices() {
    let mut director = log(50.0, Unit::Function);
    execute(&two_functions(), &Machine::new(2, 1), &mut director);
    // `f` counts 100 units in 110 ns from 2 on; `g` has 40 units only.
    let expected = [
        (2.0, "first-code"),
        (22.0, "woken"),
        (57.0, "exhausted"),
        (87.0, "published"),
        (87.0 + 60.0 * 25.0 / 110.0 + 3.0, "first-code"),
    ];
    assert_eq!(director.heard.len(), expected.len(), "{:?}", director.heard);
    for (found, expected) in director.heard.iter().zip(expected) {
        close(found.0, expected.0);
        assert_eq!(found.1, expected.1);
    }
}

#[test]
fn loops_change_code_at_entries_or_by_osr() {
    // One call that loops for two slices, and calls again in a third.
    let workload = workload(
        &[(0.0, 10.0)],
        &[
            (0.0, &[(0, 1.0, 99.0, 100.0, 50.0)]),
            (0.0, &[(0, 0.0, 100.0, 100.0, 50.0)]),
            (0.0, &[(0, 50.0, 50.0, 100.0, 50.0)]),
        ],
    );
    let machine = Machine {
        switch: Switch::Entry,
        ..Machine::new(2, 1)
    };
    let wall = |unit| execute(&workload, &machine, &mut log(50.0, unit)).wall_ns;
    // Published at 60, after the only entry until the third slice.
    close(wall(Unit::Function), 100.0 + 100.0 + 50.0);
    // With an OSR entry the loop is optimized, and new calls aren't.
    close(wall(Unit::Loop(0)), 60.0 + 20.0 + 50.0 + 100.0);
    // Published at 160, in the second slice, without an entry until the third.
    let late = Machine {
        switch: Switch::Entry,
        ..Machine::new(2, 1)
    };
    let scaled = workload.scaled(Scale {
        compile: 11.0,
        ..Scale::default()
    });
    let outcome = execute(&scaled, &late, &mut log(50.0, Unit::Function));
    close(outcome.wall_ns, 200.0 + 50.0);
    let outcome = execute(&scaled, &late, &mut log(50.0, Unit::Loop(0)));
    close(outcome.wall_ns, 160.0 + 20.0 + 100.0);
}

#[test]
fn calls_that_last_stay_in_their_code_until_a_loop_can_be_left() {
    let mut workload = workload(
        &[(0.0, 10.0)],
        &[
            (0.0, &[(0, 1.0, 99.0, 100.0, 50.0)]),
            (0.0, &[(0, 50.0, 50.0, 100.0, 50.0)]),
        ],
    );
    workload.functions[0].lasting = 0.4;
    let machine = Machine {
        switch: Switch::Entry,
        ..Machine::new(2, 1)
    };
    let wall = |unit| execute(&workload, &machine, &mut log(50.0, unit)).wall_ns;
    // Published at 60, in use from the second slice on, where new calls make 0.6 of it.
    close(wall(Unit::Function), 100.0 + 0.6 * 50.0 + 0.4 * 100.0);
    // The OSR entry is for all that loops on from 60 on; new calls are short in the second slice.
    close(wall(Unit::Loop(0)), 60.0 + 20.0 + 0.6 * 100.0 + 0.4 * 50.0);
    let at_once = Machine::new(2, 1);
    let outcome = execute(&workload, &at_once, &mut log(50.0, Unit::Function));
    close(outcome.wall_ns, 60.0 + 20.0 + 50.0);
}

#[test]
fn asking_takes_time_of_the_guest() {
    let workload = two_functions();
    let asking = Machine {
        ask_ns: 2.0,
        ..Machine::new(2, 1)
    };
    let wall = |machine: &Machine| execute(&workload, machine, &mut log(50.0, Unit::Function));
    let (free, paid) = (wall(&Machine::new(2, 1)), wall(&asking));
    assert!(paid.wall_ns > free.wall_ns && paid.guest_ns > free.guest_ns);
    assert!(paid.wall_ns < free.wall_ns + 20.0, "{paid:?} {free:?}");
}

#[test]
fn a_trace_becomes_work() {
    let mut random = fastrand::Rng::with_seed(9);
    for _ in 0..200 {
        let trace = crate::trace::tests::random_trace(&mut random);
        let workload = Workload::new(&trace);
        let used: f64 = workload
            .by_first_use()
            .iter()
            .map(|&one| workload.functions[one].compile_ns[0])
            .sum();
        let first = trace.slices.first().map_or(0, |slice| slice.from);
        let recorded = trace.slices.last().map_or(0, |slice| slice.to) - first;
        let outcome = schedule(&[]).execute(&workload, &Machine::new(2, 1));
        let expected = recorded as f64 + used;
        assert!(
            (outcome.wall_ns - expected).abs() <= 1e-9 * expected,
            "{outcome:?} {expected}"
        );
    }
}
