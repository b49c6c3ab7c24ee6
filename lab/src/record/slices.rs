//! The slices of the counting run: what was counted, and how long it took.

use super::estimate::Times;
use super::{Code, Counted, Place, WINDOW};
use crate::trace::{Count, Slice};

/// How often each site of each function was passed.
pub(super) fn passes(counted: &Counted) -> Vec<Vec<u64>> {
    let none = |code: &Code| vec![0; code.sites.len()];
    let mut passes: Vec<Vec<u64>> = counted.functions.iter().map(none).collect();
    for count in counted.slices.iter().flat_map(|slice| &slice.counts) {
        passes[count.function as usize][count.site as usize] += count.units;
    }
    passes
}

/// The slices with the time outside of WebAssembly, scaled to the times of the runs at level 0.
/// Functions become positions in `used`.
///
/// A short loop counts in a register until it ends, so a slice in which nothing was counted belongs
/// to the next.
pub(super) fn timed(counted: &Counted, used: &[usize], times: &Times) -> Vec<Slice> {
    let merged = merged(&counted.slices);
    let Some((first, last)) = merged.first().zip(merged.last()) else {
        return Vec::new();
    };
    let whole = first.from..last.to;
    let host: Vec<f64> = merged
        .iter()
        .map(|slice| host_share(&counted.places, &whole, slice))
        .collect();
    let spent = |slice: &Slice| (slice.to - slice.from) as f64;
    let sum = |part: fn(f64) -> f64| -> f64 {
        let parts = merged.iter().zip(&host);
        parts
            .map(|(slice, share)| spent(slice) * part(*share))
            .sum()
    };
    let (in_host, in_wasm) = (sum(|share| share), sum(|share| 1.0 - share));
    let factor = |wanted: f64, found: f64| if found > 0.0 { wanted / found } else { 0.0 };
    let (host_factor, wasm_factor) = (
        factor(times.host_ns, in_host),
        factor(times.wasm_ns, in_wasm),
    );
    let mut end = 0.0;
    let slices = merged.iter().zip(&host).map(|(slice, share)| {
        let host_ns = spent(slice) * share * host_factor;
        let from = end;
        end += host_ns + spent(slice) * (1.0 - share) * wasm_factor;
        let (from, to) = (from as u64, end as u64);
        Slice {
            from,
            to,
            host_ns: (host_ns as u64).min(to - from),
            counts: slice
                .counts
                .iter()
                .map(|count| renumbered(count, used))
                .collect(),
        }
    });
    slices.collect()
}

/// The time of the counting run that is outside of WebAssembly, in nanoseconds.
pub(super) fn host_ns(counted: &Counted) -> f64 {
    let ends = counted.slices.first().zip(counted.slices.last());
    let whole = ends.map_or(0, |(first, last)| last.to - first.from) as f64;
    let places = counted.places.iter();
    let host = places.filter(|place| **place == Place::Host).count();
    whole * host as f64 / counted.places.len().max(1) as f64
}

fn renumbered(count: &Count, used: &[usize]) -> Count {
    let position = used.binary_search(&(count.function as usize));
    Count {
        function: position.expect("what was counted is used") as u32,
        ..*count
    }
}

/// The slices without those in which nothing was counted, whose time goes to the next.
fn merged(slices: &[Slice]) -> Vec<Slice> {
    let mut merged: Vec<Slice> = Vec::with_capacity(slices.len());
    let mut from = None;
    for slice in slices {
        let begun = *from.get_or_insert(slice.from);
        if slice.counts.is_empty() {
            continue;
        }
        from = None;
        merged.push(Slice {
            from: begun,
            ..slice.clone()
        });
    }
    if let (Some(_), Some(last), Some(end)) = (from, merged.last_mut(), slices.last()) {
        last.to = end.to;
    }
    merged
}

/// The part of a slice's samples, and of [`WINDOW`] around them, that is outside of WebAssembly.
fn host_share(places: &[Place], whole: &std::ops::Range<u64>, slice: &Slice) -> f64 {
    let length = (whole.end - whole.start).max(1) as f64;
    let at = |time: u64| {
        let share = (time - whole.start) as f64 / length;
        (share * places.len() as f64) as usize
    };
    let from = at(slice.from).saturating_sub(WINDOW);
    let to = (at(slice.to) + WINDOW).min(places.len());
    let near = places.get(from..to).unwrap_or_default();
    let host = near.iter().filter(|place| **place == Place::Host).count();
    host as f64 / near.len().max(1) as f64
}
