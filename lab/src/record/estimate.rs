//! Times of functions and their sites, from samples and counts.

use upshift_tiering::Weights;

use super::{Code, Compiled, Costs, LevelRun, PRIOR, Runs, SiteShape};
use crate::stats::median;
use crate::trace::Cost;

/// What an operator more is for a call: frame, arguments, the stack's check.
const CALL_OPERATORS: f64 = 4.0;

/// The most operators that a pass is taken to execute.
const MOST_OPERATORS: u32 = 40;

/// Samples that are added and divided by work, as part of all samples of the lowest level.
const ADDED: f64 = 0.03;

/// The mean times of the runs at a level, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Times {
    /// In functions' code.
    pub(super) wasm_ns: f64,
    /// Elsewhere, but for compiling.
    pub(super) host_ns: f64,
}

/// The mean times of runs at one level.
pub(super) fn times(runs: &[LevelRun]) -> Times {
    let mean = |of: &dyn Fn(&LevelRun) -> f64| runs.iter().map(of).sum::<f64>() / runs.len() as f64;
    let wasm = |run: &LevelRun| {
        let inside = f64::from(run.samples.iter().chain(&run.below).sum::<u32>());
        run.cpu_ns * inside / (inside + f64::from(run.elsewhere)).max(1.0)
    };
    let wasm_ns = mean(&wasm);
    Times {
        wasm_ns,
        host_ns: (mean(&|run| run.cpu_ns - run.compile_ns) - wasm_ns).max(0.0),
    }
}

/// For each function its costs at each level.
pub(super) fn costs(runs: &Runs, passes: &[Vec<u64>]) -> Vec<Costs> {
    let functions = &runs.counted.functions;
    let work: Vec<f64> = functions.iter().zip(passes).map(work).collect();
    let units = passes.iter().map(|passes| units(passes, runs.weights));
    let units: Vec<f64> = units.collect();
    let mut costs = vec![Vec::with_capacity(runs.levels.len()); functions.len()];
    let lowest = lowest(&runs.levels[0], &work);
    let seen = |function: usize| -> f64 {
        let runs = runs.levels[0].iter();
        runs.map(|run| f64::from(run.samples[function])).sum()
    };
    // The less is known of the lowest level, the less of what to expect.
    let weight = |function: usize| 1.0 / (1.0 / PRIOR + 1.0 / (seen(function) + 0.5));
    for (level, runs) in runs.levels.iter().enumerate() {
        let taken = match level {
            0 => lowest.clone(),
            _ => taken(runs, &lowest, &units, weight),
        };
        let compiled = compiled(functions, runs);
        for (number, costs) in costs.iter_mut().enumerate() {
            let sites = &functions[number].sites;
            let per_operator = match work[number] {
                0.0 => 0.0,
                work => taken[number] / work,
            };
            let unit = |(site, shape): (usize, &SiteShape)| per_operator * operators(site, shape);
            costs.push(Cost {
                compile_ns: compiled[number].ns,
                code_bytes: compiled[number].code_bytes,
                unit_ns: sites.iter().enumerate().map(unit).collect(),
            });
        }
    }
    costs
}

/// Samples of a function from which the part of its calls that last is told.
const FEWEST: u32 = 10;

/// For each function the part of its iterations that are made in calls which last.
pub(super) fn lasting(runs: &Runs, passes: &[Vec<u64>], costs: &[Costs]) -> Vec<f64> {
    let Some(run) = &runs.without_osr else {
        return vec![0.0; passes.len()];
    };
    let period = period(run);
    let lasting = |(number, passes): (usize, &Vec<u64>)| {
        let (below, above) = (run.below[number], run.samples[number]);
        let costs = &costs[number];
        if below + above < FEWEST || passes.len() < 2 || costs.len() < 2 {
            return 0.0;
        }
        let time = |cost: &Cost| -> f64 {
            let passes = passes.iter().zip(&cost.unit_ns);
            passes.map(|(&passes, ns)| passes as f64 * ns).sum()
        };
        let part = |samples: u32, cost: &Cost| {
            let time = time(cost);
            if time > 0.0 {
                f64::from(samples) * period / time
            } else {
                0.0
            }
        };
        let before = (run.after_units / units(passes, runs.weights).max(1.0)).min(1.0);
        let stayed = (part(below, &costs[0]) - before).max(0.0);
        let changed = part(above, &costs[costs.len() - 1]);
        // Less is as likely to be the time until the code was made.
        let lasting = stayed / (stayed + changed).max(f64::MIN_POSITIVE);
        if lasting > 0.05 { lasting } else { 0.0 }
    };
    passes.iter().enumerate().map(lasting).collect()
}

/// For each function with loops what compiling an OSR entry takes, as a part of compiling the
/// function: where none was compiled, the mean of the others.
pub(super) fn osr_parts(runs: &Runs, costs: &[Costs]) -> Vec<Option<f64>> {
    let top = runs.levels.len() - 1;
    let whole = |number: usize| costs[number][top].compile_ns;
    let seen = |number: usize| {
        let entries = runs.levels[top].iter().filter_map(|run| run.osr_ns[number]);
        let entries: Vec<f64> = entries.collect();
        (!entries.is_empty() && top > 0).then(|| median(&entries))
    };
    let seen: Vec<Option<f64>> = (0..costs.len()).map(seen).collect();
    let (mut entries, mut functions) = (0.0, 0.0);
    for (number, ns) in seen.iter().enumerate() {
        entries += ns.unwrap_or_default();
        functions += ns.map_or(0.0, |_| whole(number));
    }
    let mean = (functions > 0.0).then(|| entries / functions);
    let part = |(number, ns): (usize, &Option<f64>)| match ns {
        Some(ns) if whole(number) > 0.0 => Some(ns / whole(number)),
        _ => mean,
    };
    seen.iter().enumerate().map(part).collect()
}

/// The processor time that a sample stands for, in nanoseconds.
fn period(run: &LevelRun) -> f64 {
    let inside = run.samples.iter().chain(&run.below).sum::<u32>();
    run.cpu_ns / f64::from((inside + run.elsewhere).max(1))
}

/// The units that a function's passes take from its budgets.
fn units(passes: &[u64], weights: Weights) -> f64 {
    let iterations: u64 = passes.iter().skip(1).sum();
    let calls = passes.first().copied().unwrap_or_default();
    calls as f64 * f64::from(weights.call) + iterations as f64 * f64::from(weights.iteration)
}

/// The operators that a pass of a site stands for. Long passes have branches, and execute a part.
fn operators(site: usize, shape: &SiteShape) -> f64 {
    let more = if site == 0 { CALL_OPERATORS } else { 0.0 };
    f64::from(shape.operators.clamp(1, MOST_OPERATORS)) + more
}

/// The time that each function takes in a run at the lowest level, in nanoseconds: its part of the
/// samples, to which some are added that are divided by the work.
fn lowest(runs: &[LevelRun], work: &[f64]) -> Vec<f64> {
    let samples = |function: usize| -> f64 {
        let samples = runs.iter().map(|run| f64::from(run.samples[function]));
        samples.sum()
    };
    let all: f64 = (0..work.len()).map(samples).sum();
    let all_work: f64 = work.iter().sum();
    let wasm_ns = times(runs).wasm_ns;
    let share = |function: usize| {
        let found = samples(function) / all;
        (1.0 - ADDED) * found + ADDED * work[function] / all_work
    };
    // What was not counted did not run.
    let did = |function: usize| {
        if work[function] > 0.0 {
            share(function)
        } else {
            0.0
        }
    };
    let shares: Vec<f64> = (0..work.len()).map(did).collect();
    let sum: f64 = shares.iter().sum();
    shares.iter().map(|share| share / sum * wasm_ns).collect()
}

/// The operators that a function executed, if all of each pass are.
fn work((code, passes): (&Code, &Vec<u64>)) -> f64 {
    let sites = code.sites.iter().enumerate().zip(passes);
    sites
        .map(|((site, shape), passes)| operators(site, shape) * *passes as f64)
        .sum()
}

/// The time that each function would take in a run at a level above the lowest only, in
/// nanoseconds. `expected` is known up to a factor; `weight` says how many samples it weighs as.
fn taken(
    runs: &[LevelRun],
    expected: &[f64],
    units: &[f64],
    weight: impl Fn(usize) -> f64,
) -> Vec<f64> {
    // The part of its work that a function does at the level in the runs that tell most of it:
    // those in which it came there late, if it did at least half of its work after that.
    let late = runs.iter().map(|run| run.after_units).fold(0.0, f64::max);
    let part = |function: usize, run: &LevelRun| {
        let is_told_late = late > 0.0 && units[function] >= 2.0 * late;
        match run.after_units > 0.0 {
            true if is_told_late => 1.0 - run.after_units / units[function],
            false if !is_told_late => 1.0,
            _ => 0.0,
        }
    };
    // What would have been seen if the expectation were nanoseconds.
    let awaited = |function: usize| -> f64 {
        let shares = runs.iter().map(|run| part(function, run) / period(run));
        expected[function] * shares.sum::<f64>()
    };
    let found = |function: usize| -> f64 {
        let samples = runs.iter().filter(|run| part(function, run) > 0.0);
        samples.map(|run| f64::from(run.samples[function])).sum()
    };
    let all = |of: &dyn Fn(usize) -> f64| (0..expected.len()).map(of).sum::<f64>();
    let (found_all, awaited_all) = (all(&found), all(&awaited));
    if awaited_all == 0.0 {
        return vec![0.0; expected.len()];
    }
    // How much longer than expected all functions take.
    let factor = found_all / awaited_all;
    let estimate = |function: usize| {
        let (found, awaited) = (found(function), awaited(function) * factor);
        let weight = weight(function);
        match awaited > 0.0 {
            true => expected[function] * factor * (found + weight) / (awaited + weight),
            false => expected[function] * factor,
        }
    };
    let estimates: Vec<f64> = (0..expected.len()).map(estimate).collect();
    // Estimates are drawn to the average; their sum is not to be.
    let as_seen = |function: usize| match expected[function] {
        0.0 => 0.0,
        ns => estimates[function] / ns * awaited(function),
    };
    let seen = all(&as_seen);
    estimates.iter().map(|one| one * found_all / seen).collect()
}

/// What compiling each function takes: the median of the runs. Functions that were not compiled
/// take as much for each byte of their bodies as the others together.
fn compiled(functions: &[Code], runs: &[LevelRun]) -> Vec<Compiled> {
    let of = |number: usize| {
        let found: Vec<Compiled> = runs.iter().filter_map(|run| run.compiled[number]).collect();
        let ns: Vec<f64> = found.iter().map(|compiled| compiled.ns).collect();
        found.first().map(|first| Compiled {
            ns: median(&ns),
            code_bytes: first.code_bytes,
        })
    };
    let found: Vec<Option<Compiled>> = (0..functions.len()).map(of).collect();
    let known = functions.iter().zip(&found);
    let known = known.filter_map(|(code, found)| Some((f64::from(code.body_bytes), (*found)?)));
    let (mut bytes, mut ns, mut code_bytes) = (0.0, 0.0, 0.0);
    for (body, compiled) in known {
        bytes += body;
        ns += compiled.ns;
        code_bytes += f64::from(compiled.code_bytes);
    }
    let per_byte = |sum: f64| if bytes > 0.0 { sum / bytes } else { 0.0 };
    let guess = |code: &Code| Compiled {
        ns: per_byte(ns) * f64::from(code.body_bytes),
        code_bytes: (per_byte(code_bytes) * f64::from(code.body_bytes)) as u32,
    };
    let functions = functions.iter().zip(found);
    functions
        .map(|(code, found)| found.unwrap_or_else(|| guess(code)))
        .collect()
}
