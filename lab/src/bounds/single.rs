//! Bounds that are sums over functions.

use crate::workload::{LEVELS, Workload};

/// The time with every function at its fastest level in each slice, and no compilation.
pub fn free(workload: &Workload) -> f64 {
    let levels = workload.levels();
    let stretches = workload.stretches.iter();
    let times = stretches.map(|stretch| {
        let parts = stretch.parts.iter();
        stretch.host_ns + parts.map(|part| part.fastest(levels)).sum::<f64>()
    });
    times.sum()
}

/// The least processor time of the guest and the compilations together, with any number of compile
/// threads. It is the least time to the end where the guest's thread compiles, and a lower bound of
/// that on one core.
///
/// Functions don't matter to each other here: what is the best for each is the sum of all. For one
/// function, each compilation is worth most between two slices, as within a slice each level takes
/// a time of its own, evenly. So a dynamic program over slices, with the level of the code as its
/// state, finds the exact minimum over all orders of levels: with two levels it is the less of
/// `compile[0] + ns[0]` and `compile[1] + ns[1]` and, where the first level is the faster one for a
/// while, a change in the middle.
pub fn single(workload: &Workload) -> f64 {
    let levels = workload.levels();
    // For each function that was used, the least time so far that ends at each level.
    let mut least: Vec<Option<[f64; LEVELS]>> = vec![None; workload.functions.len()];
    let mut host_ns = 0.0;
    for stretch in &workload.stretches {
        host_ns += stretch.host_ns;
        for part in &stretch.parts {
            let code = &workload.functions[part.function];
            let times = least[part.function].get_or_insert_with(|| {
                let mut times = [f64::INFINITY; LEVELS];
                times
                    .iter_mut()
                    .zip(code.least())
                    .for_each(|(ns, least)| *ns = least);
                times
            });
            let best = times.iter().copied().fold(f64::INFINITY, f64::min);
            for (level, ns) in times.iter_mut().enumerate().take(levels) {
                if level > 0 {
                    *ns = ns.min(best + code.least_ns(level));
                }
                *ns += part.ns[level];
            }
        }
    }
    let functions = least.into_iter().flatten();
    let best = functions.map(|times| times.into_iter().fold(f64::INFINITY, f64::min));
    host_ns + best.sum::<f64>()
}
