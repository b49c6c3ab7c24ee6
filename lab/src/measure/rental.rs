//! Ski rental on a program's functions: what rules cost, without a machine.
//!
//! Running on in level 0 instead of the top level is the rent; compiling at the top level is the
//! price. What a function needs in the top level is paid by all rules, so it is left out. A rule
//! rents until some part of the price is spent and then buys; its figures here are exact, as a
//! rule knows each function's price and rent, but not how long it will run. Compare
//! `tiering`'s policies of the name, which estimate both.

use std::str::FromStr;

use upshift_tiering::policy::Hint;

use crate::simulate::hints_of;
use crate::stats::geomean;
use crate::workload::Workload;

/// A function as an instance of ski rental, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rental {
    /// What compiling it at the top level takes.
    pub price: f64,
    /// How much longer the whole run takes in code of level 0.
    pub rent: f64,
    /// What the whole run takes in code of level 0.
    pub work: f64,
    /// The function's position in the trace.
    pub function: usize,
}

impl Rental {
    /// What a clairvoyant pays.
    pub fn optimum(&self) -> f64 {
        self.rent.min(self.price)
    }

    /// What is paid by buying once the rent has come to `part` of the price.
    pub fn cost(&self, part: f64) -> f64 {
        let limit = part * self.price;
        if self.rent >= limit {
            limit + self.price
        } else {
            self.rent
        }
    }

    /// The expected cost if the part is drawn with the density e^x / (e - 1) on [0, 1]: e / (e - 1)
    /// of the optimum, whatever the rent.
    pub fn expected_cost(&self) -> f64 {
        let e = std::f64::consts::E;
        self.optimum() * e / (e - 1.0)
    }
}

/// The functions that a program uses.
pub fn rentals(workload: &Workload) -> Vec<Rental> {
    let top = workload.levels() - 1;
    let totals = workload.totals().into_iter().enumerate();
    let used = totals.filter(|(_, ns)| ns[0] > 0.0);
    let rental = |(function, ns): (usize, [f64; 4])| Rental {
        price: workload.functions[function].compile_ns[top],
        rent: (ns[0] - ns[top]).max(0.0),
        work: ns[0],
        function,
    };
    used.map(rental).collect()
}

/// What a rule pays for all functions, over what a clairvoyant pays; 1 if nothing is to be paid.
pub fn ratio(rentals: &[Rental], cost: impl Fn(&Rental) -> f64) -> f64 {
    let optimum: f64 = rentals.iter().map(Rental::optimum).sum();
    let paid: f64 = rentals.iter().map(cost).sum();
    if optimum > 0.0 { paid / optimum } else { 1.0 }
}

/// The part of the price with the least geometric mean of ratios over these programs, of eight for
/// each doubling from 1/64 to 64, and at last infinite. It is the threshold for the distribution of
/// rents that they have, without an assumption on its form.
pub fn fitted_part(programs: &[Vec<Rental>]) -> f64 {
    let parts = (-48..=48).map(|step| (f64::from(step) / 8.0).exp2());
    let mean = |part: f64| {
        let ratios = programs.iter();
        geomean(ratios.map(|rentals| ratio(rentals, |one| one.cost(part)))).unwrap_or(1.0)
    };
    let tried = parts.chain([f64::INFINITY]).map(|part| (mean(part), part));
    let best = tried.min_by(|one, other| one.0.total_cmp(&other.0));
    best.expect("parts were tried").1
}

/// The part of the price after which a function buys if rents are distributed exponentially with
/// this mean, by Fujiwara and Iwama: never if the mean is at most the price, else price / mean.
pub fn exponential_part(mean_rent: f64, price: f64) -> f64 {
    if mean_rent <= price {
        f64::INFINITY
    } else {
        price / mean_rent
    }
}

/// The mean rent of the functions of these programs.
fn mean_rent(programs: &[Vec<Rental>]) -> f64 {
    let rents = programs.iter().flatten().map(|one| one.rent);
    let count = rents.clone().count();
    rents.sum::<f64>() / count.max(1) as f64
}

/// A rule of ski rental.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// `at:1`: buy at this part of the price; `at:inf` never.
    At(f64),
    /// `random`: at a part of the density e^x / (e - 1), in expectation.
    Random,
    /// `exponential`: at the part for an exponential distribution with other programs' mean.
    Exponential,
    /// `fitted`: at the one part that is best for other programs.
    Fitted,
    /// `hinted:0.5`: earlier or later by this lambda, as hints predict; at the price without.
    Hinted(f64),
}

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            let rules = "at:PART, random, exponential, fitted or hinted:LAMBDA";
            format!("`{text}` is no rule of ski rental: {rules}")
        };
        let number = |text: &str| text.parse().ok().filter(|number: &f64| *number >= 0.0);
        match text.split_once(':') {
            Some(("at", part)) => number(part).map(Rule::At).ok_or_else(wrong),
            Some(("hinted", lambda)) => {
                let lambda = number(lambda).filter(|lambda| *lambda > 0.0);
                lambda.map(Rule::Hinted).ok_or_else(wrong)
            }
            None if text == "random" => Ok(Rule::Random),
            None if text == "exponential" => Ok(Rule::Exponential),
            None if text == "fitted" => Ok(Rule::Fitted),
            _ => Err(wrong()),
        }
    }
}

/// What a rule pays for a program.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paid {
    /// In nanoseconds.
    pub cost: f64,
    /// What a clairvoyant pays.
    pub optimum: f64,
    /// The cost over the optimum of the function where that is the highest; at least 1.
    pub worst: f64,
    /// After which part of the price functions are bought; `None` where that varies.
    pub part: Option<f64>,
}

impl Paid {
    /// The cost over the optimum; 1 if nothing is to be paid.
    pub fn ratio(&self) -> f64 {
        if self.optimum > 0.0 {
            self.cost / self.optimum
        } else {
            1.0
        }
    }
}

/// What a rule pays for a program, if `others` are the programs that it is fitted to and functions
/// have these hints.
pub fn pay(rule: Rule, own: &Workload, others: &[&Workload], hints: &[Option<Hint>]) -> Paid {
    let rented: Vec<Vec<Rental>> = others.iter().copied().map(rentals).collect();
    let part = match rule {
        Rule::At(part) => Some(part),
        Rule::Fitted => Some(fitted_part(&rented)),
        _ => None,
    };
    let (mean, units) = (mean_rent(&rented), units(own));
    let cost = |one: &Rental| match rule {
        Rule::At(_) | Rule::Fitted => one.cost(part.expect("it is the same for all")),
        Rule::Random => one.expected_cost(),
        Rule::Exponential => one.cost(exponential_part(mean, one.price)),
        Rule::Hinted(lambda) => {
            let hint = hints.get(one.function).copied().flatten();
            let expected = hint.and_then(|hint| hint.expected(0.0));
            // The rent of a unit is that of the run.
            let rent = expected.map(|expected| expected * one.rent / units[one.function].max(1.0));
            one.cost(match rent {
                None => 1.0,
                Some(rent) if rent >= one.price => lambda,
                Some(_) => lambda.recip(),
            })
        }
    };
    let rentals = rentals(own);
    let charged = rentals.iter().filter(|one| one.optimum() > 0.0);
    Paid {
        cost: rentals.iter().map(cost).sum(),
        optimum: rentals.iter().map(Rental::optimum).sum(),
        worst: charged
            .map(|one| cost(one) / one.optimum())
            .fold(1.0, f64::max),
        part,
    }
}

/// The budget units of each function.
fn units(workload: &Workload) -> Vec<f64> {
    let hints = hints_of(workload, upshift_tiering::Weights::default());
    let units = |hint: Option<Hint>| hint.and_then(|hint| hint.expected_units).unwrap_or(0) as f64;
    hints.into_iter().map(units).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rental(price: f64, rent: f64) -> Rental {
        Rental {
            price,
            rent,
            work: 2.0 * rent,
            function: 0,
        }
    }

    #[test]
    fn costs_by_hand() {
        let long = rental(100.0, 1_000.0);
        assert_eq!(long.optimum(), 100.0);
        assert_eq!(long.cost(1.0), 200.0);
        assert_eq!(long.cost(0.0), 100.0);
        assert_eq!(long.cost(f64::INFINITY), 1_000.0);
        let short = rental(100.0, 40.0);
        assert_eq!(short.optimum(), 40.0);
        assert_eq!(short.cost(1.0), 40.0);
        assert_eq!(short.cost(0.25), 125.0);
        // The worst that can happen: the run ends as soon as it is bought.
        assert_eq!(rental(100.0, 100.0).cost(1.0), 200.0);
        let e = std::f64::consts::E;
        assert!((long.expected_cost() - 100.0 * e / (e - 1.0)).abs() < 1e-9);
        // 200 + 40 over 100 + 40.
        assert_eq!(ratio(&[long, short], |one| one.cost(1.0)), 240.0 / 140.0);
        assert_eq!(ratio(&[rental(5.0, 0.0)], |one| one.cost(1.0)), 1.0);
    }

    /// The expectation over a part that is drawn, by integrating numerically.
    #[test]
    fn the_expected_cost_is_the_integral_over_the_density() {
        for rent in [10.0, 70.0, 100.0, 300.0] {
            let one = rental(100.0, rent);
            let steps = 100_000;
            let e = std::f64::consts::E;
            let mean: f64 = (0..steps)
                .map(|step| (f64::from(step) + 0.5) / f64::from(steps))
                .map(|part| part.exp() / (e - 1.0) * one.cost(part) / f64::from(steps))
                .sum();
            assert!((mean - one.expected_cost()).abs() < 0.01, "{rent}: {mean}");
        }
    }

    #[test]
    fn fitted_parts_follow_the_programs() {
        // All run long: buy at once. None pays: never.
        let long = vec![rental(100.0, 1e6); 3];
        assert_eq!(fitted_part(&[long]), 1.0 / 64.0);
        // A part behind the last rent does as well as never, and is tried first.
        let short = vec![rental(100.0, 90.0); 3];
        let part = fitted_part(&[short]);
        assert!((0.9..1.0).contains(&part), "{part}");
        assert_eq!(exponential_part(100.0, 100.0), f64::INFINITY);
        assert_eq!(exponential_part(400.0, 100.0), 0.25);
    }
}
