//! Properties of all built-in policies, over views at random and at the ends of their ranges.

use fastrand::Rng;
use upshift_abi::{DefinedFuncIndex, LoopIndex};
use upshift_profiler::{FuncKey, ModuleKey, Nanos};

use super::{
    Budget, Decision, Hint, Level, LevelView, LoopPhase, LoopView, Memo, Phase, Policy,
    PolicyEvent, View, builtin, from_spec,
};

/// A number that is often 0, 1 or the greatest, and otherwise of any magnitude.
fn any(rng: &mut Rng) -> u64 {
    match rng.u8(..8) {
        0 => 0,
        1 => 1,
        2 => u64::MAX,
        3 => u64::from(u32::MAX),
        _ => rng.u64(..) >> rng.u32(..64),
    }
}

fn any32(rng: &mut Rng) -> u32 {
    u32::try_from(any(rng)).unwrap_or(u32::MAX)
}

/// A finite number that is not negative.
fn real(rng: &mut Rng) -> f64 {
    match rng.u8(..4) {
        0 => 0.0,
        1 => f64::MAX,
        2 => rng.f64(),
        _ => any(rng) as f64,
    }
}

fn one_of<T: Copy>(rng: &mut Rng, all: &[T]) -> T {
    all[rng.usize(..all.len())]
}

fn any_view(rng: &mut Rng) -> View {
    let phases = [
        Phase::Uncompiled,
        Phase::Baseline,
        Phase::Queued,
        Phase::Optimizing,
        Phase::Trial,
        Phase::Optimized,
        Phase::Pinned,
    ];
    let levels = rng.u8(0..=4);
    let mut view = View::new(FuncKey {
        module: ModuleKey(any32(rng)),
        func: DefinedFuncIndex(any32(rng)),
    });
    view.now = Nanos(any(rng));
    view.level = Level(rng.u8(0..=4));
    view.phase = one_of(rng, &phases);
    view.body_bytes = any32(rng);
    view.code_bytes = any32(rng);
    view.module_bytes = any(rng);
    view.module_funcs = any32(rng);
    view.units = any(rng);
    view.calls = any(rng);
    view.iterations = any(rng);
    view.call_units = any32(rng);
    view.loop_units = any32(rng);
    view.units_since_request = any(rng);
    view.entry_exhaustions = any32(rng);
    view.loop_exhaustions = any32(rng);
    view.rate = real(rng);
    view.samples = any32(rng);
    view.age = Nanos(any(rng));
    view.age_since_request = Nanos(any(rng));
    view.since_new_code = Nanos(any(rng));
    view.queue_length = any32(rng);
    view.workers = any32(rng);
    view.busy_workers = any32(rng);
    view.cores = any32(rng);
    view.levels = levels;
    for level in &mut view.level_views {
        *level = LevelView {
            ns_per_byte: rng.bool().then(|| real(rng)),
            speedup: rng.bool().then(|| real(rng)),
        };
    }
    view.hint = rng.bool().then(|| Hint {
        compilation: rng.bool().then(|| any32(rng)),
        optimization: rng.bool().then(|| any32(rng)),
        run_once: rng.bool(),
        expected_units: rng.bool().then(|| any(rng)),
    });
    view
}

fn any_event(rng: &mut Rng) -> PolicyEvent {
    let phases = [
        LoopPhase::Idle,
        LoopPhase::Queued,
        LoopPhase::Optimizing,
        LoopPhase::Ready,
        LoopPhase::Failed,
        LoopPhase::Closed,
    ];
    match rng.u8(..8) {
        0 => PolicyEvent::FirstCode,
        1 | 2 => PolicyEvent::Entry,
        3 | 4 => PolicyEvent::Loop(LoopView {
            index: LoopIndex(any32(rng)),
            depth: any32(rng),
            phase: one_of(rng, &phases),
            entries: any32(rng),
        }),
        5 => PolicyEvent::Dequeued {
            level: Level(rng.u8(..)),
            waited: Nanos(any(rng)),
        },
        6 => PolicyEvent::Published(Level(rng.u8(..))),
        _ => match rng.bool() {
            true => PolicyEvent::Wake,
            false => PolicyEvent::Sampled(any32(rng)),
        },
    }
}

/// The built-in policies with their defaults, and with each parameter at the ends of its range.
fn policies() -> Vec<String> {
    let mut specs = Vec::new();
    for variant in builtin() {
        specs.push(variant.name.to_string());
        for param in variant.params {
            for value in [
                "0",
                "1",
                "0.001",
                "1000000",
                "y",
                "n",
                "9",
                "18446744073709551615",
            ] {
                let spec = format!("{}:{}={value}", variant.name, param.name);
                specs.extend(from_spec(&spec).ok().map(|_| spec));
            }
        }
    }
    specs
}

fn check(spec: &str, event: PolicyEvent, view: &View, decision: &Decision) {
    let context = || format!("{spec}: {event:?}\n{view:#?}\n{decision}");
    let waits = decision.function.is_none() && decision.osr.is_none();
    if waits && decision.wake.is_none() {
        assert_ne!(decision.budget, Budget::Units(0), "{}", context());
    }
    for request in [decision.function, decision.osr].into_iter().flatten() {
        assert!(!request.priority.is_nan(), "{}", context());
        assert!(request.level <= view.top(), "{}", context());
    }
    let in_loop = matches!(event, PolicyEvent::Loop(_));
    assert!(decision.osr.is_none() || in_loop, "{}", context());
    assert!(!decision.reason.text().is_empty(), "{}", context());
    for (name, number) in decision.reason.numbers() {
        assert!(!number.is_nan(), "{name}: {}", context());
    }
}

/// No policy panics, whatever it is told; each waits for something, gives a reason, and decides the
/// same again.
#[test]
fn any_view_is_decided_on() {
    for (seed, spec) in policies().iter().enumerate() {
        let (policy, again) = (from_spec(spec).unwrap(), from_spec(spec).unwrap());
        assert_eq!(policy.spec(), again.spec());
        let mut rng = Rng::with_seed(seed as u64);
        for _ in 0..20 {
            let (mut memo, mut second) = (Memo::default(), Memo::default());
            for _ in 0..10 {
                let (event, view) = (any_event(&mut rng), any_view(&mut rng));
                let decision = policy.on(&mut memo, event, &view);
                check(spec, event, &view, &decision);
                assert_eq!(again.on(&mut second, event, &view), decision, "{spec}");
                assert_eq!(memo, second, "{spec}");
            }
        }
    }
}

/// However its views go on, a policy that optimizes at all requests a function that keeps working:
/// no policy waits for what does not come.
#[test]
fn functions_that_keep_working_are_requested() {
    for variant in builtin() {
        let policy = from_spec(variant.name).unwrap();
        let requested = requests_by(&*policy);
        assert_eq!(requested, variant.name != "never", "{}", variant.name);
    }
}

/// Whether the policy requests a function within ten seconds in which it is called a hundred
/// million times, with all events that tell of that.
fn requests_by(policy: &dyn Policy) -> bool {
    let mut memo = Memo::default();
    let mut view = View {
        body_bytes: 200,
        code_bytes: 1_000,
        module_bytes: 1_000_000,
        ..View::default()
    };
    let mut requested = policy
        .on(&mut memo, PolicyEvent::FirstCode, &view)
        .function
        .is_some();
    for step in 1..=10_000_u64 {
        let now = Nanos(step * 1_000_000);
        (view.now, view.age, view.age_since_request) = (now, now, now);
        view.since_new_code = now;
        view.calls = step * 10_000;
        view.units = view.calls * 10;
        view.units_since_request = view.units;
        view.rate = 100_000.0;
        let sample = PolicyEvent::Sampled(1);
        for event in [PolicyEvent::Entry, sample, PolicyEvent::Wake] {
            requested |= policy.on(&mut memo, event, &view).function.is_some();
        }
    }
    requested
}
