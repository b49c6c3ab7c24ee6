//! The figures of this module as metrics of simulated cells.

use super::concentration::{count_for, part_of_greatest};
use super::lifetime::{remaining_over_past, tail_index};
use super::pauses::clusters;
use super::rental::{Paid, Rental, Rule, pay, rentals};
use crate::experiment::{Cost, Metric, Simulated};
use crate::stats::{median, quantile};
use crate::workload::Workload;

/// Declares metrics that are computed where they are asked for.
macro_rules! metrics {
    ($($name:literal $unit:literal [$($setting:literal)?] $of:expr, $help:literal;)*) => {
        &[$(Metric {
            name: $name,
            unit: $unit,
            help: $help,
            cost: Cost::Asked,
            settings: &[$($setting)?],
            of: $of,
        },)*]
    };
}

/// What claims are about, beside what a run takes.
pub(crate) const METRICS: &[Metric] = metrics! {
    "excess" "s" [] |cell| Some(excess(cell) / 1e9),
        "time lost to slower code and spent on compiling: what tiering costs";
    "over_optimum" "" [] |cell| over_optimum(cell),
        "excess over the least that any policy could have";
    "rent_ratio" "" ["rent"] |cell| Some(paid(cell)?.ratio()),
        "what the rule of ski rental `rent` pays for the program over the optimum";
    "rent_worst" "" ["rent"] |cell| Some(paid(cell)?.worst),
        "the same for the function where it is the highest";
    "rent_part" "" ["rent"] |cell| paid(cell)?.part.filter(|part| part.is_finite()),
        "the part of the price after which the rule buys, where it is the same for all functions";
    "past_reached" "" ["at"] |cell| Some(remaining(cell).len() as f64),
        "functions that come to `at` times their break-even point";
    "remaining_over_past" "" ["at"] |cell| of_values(&remaining(cell), median),
        "their median work that is left then, over the work done";
    "remaining_within" "" ["at"] |cell| of_values(&remaining(cell), within_two),
        "the share of them with between half and twice as much left as done";
    "tail_index" "" ["at"] |cell| tail(&remaining(cell)),
        "Hill's estimate of the index of a Pareto distribution of their work";
    "gain_of_top" "" ["top"] |cell| Some(part_of_greatest(&gains(cell), top(cell))),
        "share of what optimizing can save that the functions save which gain most, `top` of all";
    "work_of_top" "" ["top"] |cell| Some(part_of_greatest(&work(cell), top(cell))),
        "share of the work at level 0 that the busiest functions have, `top` of all";
    "functions_for_90" "" [] |cell| Some(share_for_90(&gains(cell))),
        "the least share of the called functions that saves 90 %";
    "pauses" "" [] |cell| Some(pauses(cell).len() as f64),
        "how often the guest's thread stood still because it compiled";
    "pause_p90" "s" [] |cell| of_values(&pauses(cell), |all| quantile(all, 0.9) / 1e9),
        "the ninth decile of these pauses";
    "pause_max" "s" [] |cell| of_values(&pauses(cell), |all| quantile(all, 1.0) / 1e9),
        "the longest of them";
    "clusters" "" [] |cell| Some(clustered(cell).len() as f64),
        "clusters of pauses in quick succession";
    "cluster_p90" "s" [] |cell| of_values(&clustered(cell), |all| quantile(all, 0.9) / 1e9),
        "the ninth decile of these clusters";
    "cluster_max" "s" [] |cell| of_values(&clustered(cell), |all| quantile(all, 1.0) / 1e9),
        "the longest of them";
    "tenth_work" "s" [] |cell| Some(time_of(cell, 0.1)), "time until a tenth of the work is done";
    "most_work" "s" [] |cell| Some(time_of(cell, 0.9)), "time until nine tenths of it are done";
};

fn of_values(values: &[f64], figure: impl Fn(&[f64]) -> f64) -> Option<f64> {
    (!values.is_empty()).then(|| figure(values))
}

/// In nanoseconds.
fn excess(cell: &Simulated<'_>) -> f64 {
    let outcome = &cell.simulation().outcome;
    outcome.lost_ns + outcome.compile_ns
}

fn over_optimum(cell: &Simulated<'_>) -> Option<f64> {
    let least: f64 = rentals(&cell.program.workload)
        .iter()
        .map(Rental::optimum)
        .sum();
    (least > 0.0).then(|| excess(cell) / least)
}

fn paid(cell: &Simulated<'_>) -> Option<Paid> {
    let rule: Rule = cell.settings.get("rent")?.parse().ok()?;
    let names = cell.corpus.names().filter(|name| *name != cell.name);
    let others: Vec<&Workload> = names
        .filter_map(|name| cell.corpus.workload(name))
        .collect();
    Some(pay(
        rule,
        &cell.program.workload,
        &others,
        &cell.setup.hints,
    ))
}

fn remaining(cell: &Simulated<'_>) -> Vec<f64> {
    let at = cell.number("at").unwrap_or(1.0);
    remaining_over_past(&rentals(&cell.program.workload), at)
}

fn within_two(ratios: &[f64]) -> f64 {
    let within = ratios.iter().filter(|ratio| (0.5..=2.0).contains(*ratio));
    within.count() as f64 / ratios.len() as f64
}

fn tail(ratios: &[f64]) -> Option<f64> {
    let multiples: Vec<f64> = ratios.iter().map(|ratio| 1.0 + ratio).collect();
    tail_index(&multiples)
}

fn gains(cell: &Simulated<'_>) -> Vec<f64> {
    let rentals = rentals(&cell.program.workload);
    rentals.iter().map(|one| one.rent).collect()
}

fn work(cell: &Simulated<'_>) -> Vec<f64> {
    let rentals = rentals(&cell.program.workload);
    rentals.iter().map(|one| one.work).collect()
}

fn top(cell: &Simulated<'_>) -> f64 {
    cell.number("top").unwrap_or(0.1)
}

fn share_for_90(gains: &[f64]) -> f64 {
    count_for(gains, 0.9) as f64 / gains.len().max(1) as f64
}

/// Their lengths, in nanoseconds.
fn pauses(cell: &Simulated<'_>) -> Vec<f64> {
    let pauses = cell.simulation().outcome.pauses.iter();
    pauses.map(|(begin, end)| end - begin).collect()
}

fn clustered(cell: &Simulated<'_>) -> Vec<f64> {
    clusters(&cell.simulation().outcome.pauses)
}

/// In seconds.
fn time_of(cell: &Simulated<'_>, share: f64) -> f64 {
    let outcome = &cell.simulation().outcome;
    outcome.time_of_work(&cell.program.workload, share) / 1e9
}
