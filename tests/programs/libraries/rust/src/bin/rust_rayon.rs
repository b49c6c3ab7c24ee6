//! `rayon`'s pool of four threads counts words in tables that they share, each with a lock, sorts
//! them, and multiplies matrices.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use libraries::{Random, mix, prose, run};
use rayon::prelude::*;

const THREADS: usize = 4;
const TEXT: usize = 1 << 17;
const TABLES: usize = 4;
const SIDE: usize = 48;

/// Counts words; all threads write to all tables. Returns them with the most frequent first.
fn words(text: &str) -> Vec<(&str, u64)> {
    let tables = [(); TABLES].map(|()| Mutex::new(HashMap::new()));
    let lines: Vec<&str> = text.lines().collect();
    lines.par_iter().for_each(|line| {
        for word in line.split(' ') {
            let table = &tables[word.len() % TABLES];
            *table.lock().expect("no panic").entry(word).or_insert(0) += 1;
        }
    });
    let tables = tables.into_par_iter();
    let tables = tables.map(|table| table.into_inner().expect("no panic"));
    let mut counts: Vec<_> = tables.flatten_iter().collect();
    counts.par_sort_unstable_by(|(a, m), (b, n)| n.cmp(m).then(a.cmp(b)));
    counts
}

/// The same with one thread, to compare.
fn words_alone(text: &str) -> BTreeMap<&str, u64> {
    let mut counts = BTreeMap::new();
    for word in text.lines().flat_map(|line| line.split(' ')) {
        *counts.entry(word).or_insert(0) += 1;
    }
    counts
}

fn product(a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; SIDE * SIDE];
    out.par_chunks_mut(SIDE).enumerate().for_each(|(row, out)| {
        for (k, &a) in a[row * SIDE..][..SIDE].iter().enumerate() {
            for (out, b) in out.iter_mut().zip(&b[k * SIDE..]) {
                *out += a * b;
            }
        }
    });
    out
}

fn main() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(THREADS);
    let pool = pool.build().expect("threads");
    run("rust_rayon", 1, |scale| {
        let mut random = Random::default();
        let text = prose(&mut random, TEXT);
        let alone = words_alone(&text);
        let matrix: Vec<f64> = (0..SIDE * SIDE)
            .map(|_| random.below(1000) as f64 / 500.0 - 1.0)
            .collect();
        let mut sum = 0;
        for _ in 0..scale {
            pool.install(|| {
                let words = words(&text);
                assert_eq!(words.len(), alone.len());
                for (word, count) in words {
                    assert_eq!(alone.get(word), Some(&count));
                    sum = mix(sum, count ^ word.len() as u64);
                }
                for value in product(&matrix, &product(&matrix, &matrix)) {
                    sum = mix(sum, value.to_bits());
                }
            });
        }
        sum
    });
}
