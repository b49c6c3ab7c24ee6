//! Tests of what policies are told, and of what becomes of their decisions.

use std::sync::{Arc, Mutex};

use upshift_profiler::{Event, Nanos};

use super::*;
use crate::ModuleTiers;
use crate::fake::FakeHome;
use crate::home::CodeHome;
use crate::policy::{Budget, Decision, Lane, Level, LoopView, Memo, PolicyEvent, Request};
use crate::{LoopPhase, Policy};

/// The names of the events that a policy was told of, in order.
type Told = Arc<Mutex<Vec<&'static str>>>;

fn function() -> Request {
    Request::new(Level(1), Lane::Normal)
}

/// The drivers that ask the policy.
const DRIVERS: [&str; 3] = [
    "switching=sync",
    "switching=background threads=1",
    "switching=virtual:fixed=10,per-byte=0",
];

/// Calls the function until its calls run optimized code.
fn until_optimized(rig: &Rig) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while rig.call(0, 0).tier != Tier::Optimizer {
        assert!(Instant::now() < deadline, "{:?}", phase(rig, 0));
    }
}

#[test]
fn each_driver_tells_of_code_and_the_memo_stays() {
    for driver in DRIVERS {
        let told = Told::default();
        let rig = Rig::deciding(1, driver, {
            let told = told.clone();
            move |memo, event, view| {
                told.lock().unwrap().push(event.name());
                memo.words[0] += 1;
                assert_eq!(memo.words[0], told.lock().unwrap().len() as u64);
                let wait = Decision::wait(Budget::Units(10));
                match event {
                    PolicyEvent::Entry if view.units > 30 => wait.with_function(function()),
                    _ => wait,
                }
            }
        });
        until_optimized(&rig);
        rig.tiering.wait_idle();
        let told = told.lock().unwrap();
        assert_eq!(told[0], "first-code");
        assert!(told.contains(&"published"), "{driver}: {told:?}");
        let dequeued = told.iter().filter(|&&event| event == "dequeued").count();
        assert_eq!(
            dequeued,
            usize::from(driver != "switching=sync"),
            "{driver}"
        );
    }
}

#[test]
fn a_function_wakes_once_when_it_last_asked_to() {
    for driver in DRIVERS {
        let woken = Arc::new(Mutex::new(Vec::new()));
        // Nanoseconds, or units.
        let first = match driver == DRIVERS[2] {
            true => 400,
            false => 100_000_000,
        };
        let rig = Rig::deciding(1, driver, {
            let woken = woken.clone();
            move |memo, event, view| {
                let wait = Decision::wait(Budget::Units(5));
                match event {
                    PolicyEvent::FirstCode => wait.with_wake(Nanos(first)),
                    // In its place.
                    PolicyEvent::Entry if memo.words[0] == 0 => {
                        memo.words[0] = view.now.0 + 1_000;
                        wait.with_wake(Nanos(1_000))
                    }
                    PolicyEvent::Wake => {
                        woken.lock().unwrap().push(view.now.0 >= memo.words[0]);
                        wait
                    }
                    // Late enough for the other wake-up, if it came.
                    PolicyEvent::Entry
                        if !woken.lock().unwrap().is_empty()
                            && view.now.0 > memo.words[0] + first * 5 / 4 =>
                    {
                        wait.with_function(function())
                    }
                    _ => wait,
                }
            }
        });
        until_optimized(&rig);
        assert_eq!(*woken.lock().unwrap(), [true], "{driver}");
    }
}

#[test]
fn without_a_thread_wake_ups_come_at_exhausted_budgets() {
    let decide = |memo: &mut Memo, event, _: &_| match event {
        PolicyEvent::FirstCode => Decision::wait(Budget::Units(0)).with_wake(Nanos(1)),
        // The thread that wakes the function asks for the next wake-up.
        PolicyEvent::Wake if memo.words[0] == 0 => {
            memo.words[0] = 1;
            Decision::wait(Budget::Units(0)).with_wake(Nanos(1))
        }
        PolicyEvent::Wake => Decision::wait(Budget::Units(0)).with_function(function()),
        _ => Decision::wait(Budget::Units(0)),
    };
    let refuse = Box::new(|_, _| Err(std::io::Error::other("as told")));
    let rig = Rig::deciding_and_spawning(1, "switching=sync", decide, refuse);
    until_optimized(&rig);
}

#[test]
fn a_withdrawn_request_is_not_compiled_and_can_be_made_again() {
    for driver in &DRIVERS[1..] {
        let rig = Rig::deciding(1, driver, |memo, event, _| {
            let wait = Decision::wait(Budget::Units(5));
            match event {
                PolicyEvent::Dequeued { .. } if memo.words[0] == 0 => {
                    memo.words[0] = 1;
                    wait.withdrawing()
                }
                PolicyEvent::Entry => wait.with_function(function()),
                _ => wait,
            }
        });
        until_optimized(&rig);
        let dropped = |event: &Event| matches!(event, Event::RequestDropped { .. });
        let records = rig.tiering.log().records();
        let dropped = records
            .iter()
            .filter(|record| dropped(&record.event))
            .count();
        assert_eq!((dropped, rig.optimizer.counts().len()), (1, 1), "{driver}");
    }
}

#[test]
fn a_loop_without_an_entry_is_told_of_as_such() {
    let seen = Arc::new(Mutex::new(None));
    let rig = Rig::deciding(1, "switching=sync", {
        let seen = seen.clone();
        move |_, event, _| {
            if let PolicyEvent::Loop(LoopView { index, phase, .. }) = event {
                *seen.lock().unwrap() = Some((index, phase));
            }
            Decision::wait(Budget::Units(1))
        }
    });
    rig.first_call(0);
    // The baseline has recorded two loops that can be left.
    rig.exhausted(0, BudgetSite::Loop(LoopIndex(7)));
    let seen = *seen.lock().unwrap();
    assert_eq!(seen, Some((LoopIndex(7), LoopPhase::Closed)));
    let policy = crate::policy::from_spec("fixed-budget:units=1").unwrap();
    let view = crate::View {
        units_since_request: 2,
        ..crate::View::default()
    };
    let closed = PolicyEvent::Loop(LoopView {
        index: LoopIndex(7),
        depth: 0,
        phase: LoopPhase::Closed,
        entries: 0,
    });
    let decision = Policy::on(&*policy, &mut Default::default(), closed, &view);
    assert!(decision.function.is_some() && decision.osr.is_none());
}

#[test]
fn a_pinned_function_enters_its_ready_loop() {
    let fails = FakeCompiler::acting(Tier::Optimizer, |_, unit| match unit {
        CompileUnit::Function => Act::Fail,
        CompileUnit::Loop(_) => Act::Compile,
    });
    let rig = Rig::with(1, "switching=sync policy=first-call", fails);
    rig.first_call(0);
    // The function's compilation has failed; one of its loops was compiled before.
    let state = rig.tiers.state.function(&rig.home, DefinedFuncIndex(0));
    assert_eq!(state.phase(), Phase::Pinned);
    state.request(CompileUnit::Loop(LoopIndex(0)), function());
    let entered = rig.exhausted(0, LOOP_0).expect("the entry is ready");
    assert_eq!(entered.unit, CompileUnit::Loop(LoopIndex(0)));
}

#[test]
fn a_panic_while_placing_leaves_nothing_under_way() {
    let rig = Rig::new(1, "policy=first-call threads=1");
    rig.home
        .place_panics
        .store(true, std::sync::atomic::Ordering::Relaxed);
    rig.first_call(0);
    rig.exhausted(0, LOOP_0);
    rig.tiering.wait_idle();
    assert_eq!(phase(&rig, 0), Phase::Pinned);
    let state = rig.tiers.state.function(&rig.home, DefinedFuncIndex(0));
    let of_loop = state.state.loop_state(LoopIndex(0)).unwrap().phase.get();
    assert_eq!(of_loop, LoopPhase::Failed);
    assert_eq!(rig.tiering.failures(), 2);
}

/// One virtual compile thread takes requests one after the other, two take two at once.
#[test]
fn virtual_compile_threads_are_as_many_as_configured() {
    let switched_at = |threads: &str| {
        let settings = format!("switching=virtual:fixed=1000,per-byte=0 threads={threads}");
        let rig = Rig::new(2, &format!("{settings} policy=first-call"));
        let mut at = [0_u32; 2];
        for round in 1..10_000 {
            for func in 0..2 {
                let code = rig.call(func, 0);
                if code.tier == Tier::Optimizer && at[func as usize] == 0 {
                    at[func as usize] = round;
                }
            }
        }
        at
    };
    let (one, two) = (switched_at("1"), switched_at("2"));
    assert!(one[1] > one[0] + 500, "{one:?}");
    assert!(two[1] < two[0] + 100, "{two:?}");
}

/// A policy that asks anew at each event leaves no earlier wake-ups behind, and a module that goes
/// takes its own with it.
#[test]
fn wake_ups_do_not_pile_up() {
    for driver in &DRIVERS[..2] {
        let rig = Rig::deciding(3, driver, |_, _, _| {
            Decision::wait(Budget::Units(5)).with_wake(Nanos(3_600_000_000_000))
        });
        for func in [0, 1, 0, 1, 2, 0] {
            (0..100).for_each(|_| _ = rig.call(func, 0));
        }
        let Rig { tiers, tiering, .. } = rig;
        assert_eq!(tiering.shared().ticker.len(), 3, "{driver}");
        drop(tiers);
        assert_eq!(tiering.shared().ticker.len(), 0, "{driver}");
    }
}

/// Units that a function has used when its code is installed move the clock as others do.
#[test]
fn virtual_time_is_the_work_of_all_functions() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let rig = Rig::deciding(2, "switching=virtual:fixed=100,per-byte=0", {
        let seen = seen.clone();
        move |memo, event, view| {
            let func = view.func.func.0;
            seen.lock().unwrap().push((event.name(), func, view.now.0));
            memo.words[0] += 1;
            match (func, event) {
                (0, PolicyEvent::Entry) => {
                    Decision::wait(Budget::Units(1_000)).with_function(function())
                }
                (0, _) => Decision::wait(Budget::Units(9)),
                _ => Decision::wait(Budget::Units(199)),
            }
        }
    });
    let call = |func, times| (0..times).for_each(|_| _ = rig.call(func, 0));
    // Requested at 10, due at 110. Until then 60 units more.
    call(0, 10 + 60);
    // At 210 the code is found to be due since 110; 60 more units are known at 410.
    call(1, 200 + 200);
    let expected = [
        ("first-code", 0, 0),
        ("entry", 0, 10),
        ("dequeued", 0, 10),
        ("first-code", 1, 10),
        ("published", 0, 110),
        ("entry", 1, 210),
        ("entry", 1, 470),
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
}

/// Each module's clock is its own.
#[test]
fn virtual_clocks_of_modules_are_not_mixed() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let rig = Rig::deciding(2, "switching=virtual:fixed=10,per-byte=0", {
        let seen = seen.clone();
        move |_, _, view| {
            seen.lock()
                .unwrap()
                .push((view.now.0, view.since_new_code.0));
            Decision::wait(Budget::Units(99))
        }
    });
    (0..1_000).for_each(|_| _ = rig.call(0, 0));
    rig.call(1, 0);
    seen.lock().unwrap().clear();
    let (home, func) = (FakeHome::new(1), DefinedFuncIndex(0));
    let other = ModuleTiers::new(&rig.tiering, home.facts());
    let first = other.state.first_call(&home, func, Cancel::NEVER);
    first.unwrap();
    // As if 100 units had been used.
    home.set_budget(func, -1);
    other.state.budget_exhausted(&home, func, BudgetSite::Entry);
    assert_eq!(*seen.lock().unwrap(), [(0, 0), (100, 100)]);
}
