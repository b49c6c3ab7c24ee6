//! Times of functions and their sites, from samples and counts.

use super::{Code, Compiled, Costs, LevelRun, PRIOR, SiteShape};
use crate::stats::median;
use crate::trace::Cost;

/// What an operator more is for a call: frame, arguments, the stack's check.
const CALL_OPERATORS: f64 = 4.0;

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
        let inside = f64::from(run.samples.iter().sum::<u32>());
        run.cpu_ns * inside / (inside + f64::from(run.elsewhere)).max(1.0)
    };
    let compiling = |run: &LevelRun| -> f64 {
        let compiled = run.compiled.iter().flatten();
        compiled.map(|compiled| compiled.ns).sum()
    };
    let wasm_ns = mean(&wasm);
    Times {
        wasm_ns,
        host_ns: (mean(&|run| run.cpu_ns - compiling(run)) - wasm_ns).max(0.0),
    }
}

/// For each function its costs at each level.
pub(super) fn costs(
    functions: &[Code],
    passes: &[Vec<u64>],
    levels: &[Vec<LevelRun>],
) -> Vec<Costs> {
    let work: Vec<f64> = functions.iter().zip(passes).map(work).collect();
    let mut costs = vec![Vec::with_capacity(levels.len()); functions.len()];
    // What each function is expected to take, up to a factor.
    let mut expected = work.clone();
    for runs in levels {
        let taken = taken(runs, &expected);
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
        if std::ptr::eq(runs, &levels[0]) {
            expected = taken;
        }
    }
    costs
}

/// The operators that a pass of a site stands for.
fn operators(site: usize, shape: &SiteShape) -> f64 {
    let more = if site == 0 { CALL_OPERATORS } else { 0.0 };
    f64::from(shape.operators.max(1)) + more
}

/// The operators that a function executed, if all of each pass are.
fn work((code, passes): (&Code, &Vec<u64>)) -> f64 {
    let sites = code.sites.iter().enumerate().zip(passes);
    sites
        .map(|((site, shape), passes)| operators(site, shape) * *passes as f64)
        .sum()
}

/// The time that each function took in a run, in nanoseconds: their sum is that of all samples in
/// code. `expected` is known up to a factor.
fn taken(runs: &[LevelRun], expected: &[f64]) -> Vec<f64> {
    let all: f64 = runs
        .iter()
        .flat_map(|run| &run.samples)
        .map(|&n| f64::from(n))
        .sum();
    let expected_all: f64 = expected.iter().sum();
    if expected_all == 0.0 {
        return vec![0.0; expected.len()];
    }
    let estimates: Vec<f64> = expected
        .iter()
        .enumerate()
        .map(|(number, expected)| {
            let found: f64 = runs.iter().map(|run| f64::from(run.samples[number])).sum();
            let awaited = all * expected / expected_all;
            awaited * (found + PRIOR) / (awaited + PRIOR)
        })
        .collect();
    let sum: f64 = estimates.iter().sum();
    let wasm_ns = times(runs).wasm_ns;
    estimates.iter().map(|one| one / sum * wasm_ns).collect()
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
