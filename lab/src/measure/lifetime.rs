//! How long functions run on that have run for some time.
//!
//! Jikes RVM expects that a function runs for as long again as it has run. Where the lifetimes of
//! functions have a Pareto distribution of index a, the median function that has run for t runs on
//! for another (2^(1/a) - 1) t: as long again at an index of 1.

use super::rental::Rental;

/// The work after which compiling would have paid for itself: infinite if it never does.
pub fn break_even(rental: &Rental) -> f64 {
    if rental.rent > 0.0 {
        rental.price * rental.work / rental.rent
    } else {
        f64::INFINITY
    }
}

/// For each function that comes to `at` times its break-even point, the work that is left then as a
/// multiple of the work that was done.
pub fn remaining_over_past(rentals: &[Rental], at: f64) -> Vec<f64> {
    let reached = rentals.iter().map(|one| (one.work, at * break_even(one)));
    let reached = reached.filter(|&(work, past)| past > 0.0 && work >= past);
    reached.map(|(work, past)| (work - past) / past).collect()
}

/// Hill's estimate of the index of a Pareto distribution, of values that are multiples of the least
/// one: the count over the sum of logarithms. `None` without values above 1.
pub fn tail_index(multiples: &[f64]) -> Option<f64> {
    let logs: f64 = multiples.iter().map(|one| one.ln()).sum();
    (logs > 0.0).then(|| multiples.len() as f64 / logs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_at_the_break_even_point_by_hand() {
        let rental = |price, rent, work| Rental {
            price,
            rent,
            work,
            function: 0,
        };
        // Breaks even at 100 of 150, at 200 of 1000, never, not within its work.
        let all = [
            rental(50.0, 75.0, 150.0),
            rental(100.0, 500.0, 1_000.0),
            rental(10.0, 0.0, 500.0),
            rental(900.0, 5.0, 10.0),
        ];
        assert_eq!(break_even(&all[0]), 100.0);
        assert_eq!(remaining_over_past(&all, 1.0), [0.5, 4.0]);
        // At 200 and 400.
        assert_eq!(remaining_over_past(&all, 2.0), [1.5]);
        let index = tail_index(&[1.5, 5.0]).unwrap();
        assert!((index - 2.0 / (1.5_f64.ln() + 5.0_f64.ln())).abs() < 1e-12);
        assert_eq!(tail_index(&[1.0]), None);
    }

    #[test]
    fn the_index_of_a_pareto_distribution_is_found() {
        // Quantiles of the distribution of index 2: (1 - p)^(-1/2).
        let quantiles = (0..10_000).map(|n| (f64::from(n) + 0.5) / 10_000.0);
        let values: Vec<f64> = quantiles.map(|p| (1.0 - p).powf(-0.5)).collect();
        let index = tail_index(&values).unwrap();
        assert!((index - 2.0).abs() < 0.01, "{index}");
    }
}
