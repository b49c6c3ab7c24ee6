//! Ski rental: how long to go on in slow code whose future is not known.
//!
//! Running on in the first level's code is renting; a compilation is buying. Work is measured in
//! nanoseconds of the first level's code, and prices in the same: the break-even point B is the
//! work after which a compilation from the start would have paid for itself, c / (1 - 1/S) for a
//! cost c and a speedup S. The three policies differ in the work after which they buy.

use upshift_knobs::{Value, types};
use upshift_profiler::FuncKey;

use super::cost::costed_policy;
use super::{Budget, Decision, Memo, Policy, PolicyEvent, Reason, Recorded, View};

costed_policy! {
    ///
    /// Karlin, Manasse, McGeoch, Owicki: *Competitive randomized algorithms for nonuniform
    /// problems*, SODA 1990. Buying at B pays at most twice what a clairvoyant pays. With `random`,
    /// each function buys at x * B for an x of density e^x / (e - 1) on [0, 1], which pays at most
    /// e / (e - 1) = 1.58 times as much on average: x = ln(1 + u (e - 1)) for a u that is uniform.
    /// The u of a function follows from the seed and the function's numbers, so a run repeats.
    SkiRental = "ski-rental",
        "Ski rental: a function is optimized at a fixed or random part of the break-even point" {
        alpha: f64 = Value::Real(1.0), "alpha", types::real("", 0.0, 1000.0),
            "factor of the threshold";
        random: bool = Value::Switch(false), "random", types::SWITCH,
            "draw a threshold for each function";
        seed: u64 = Value::Number(1), "seed", types::count("", 0, u64::MAX),
            "seed of the thresholds that are drawn";
    }
}

costed_policy! {
    ///
    /// Fujiwara, Iwama: *Average-case competitive analyses for ski-rental problems*, ISAAC 2002.
    /// If the work of functions is exponentially distributed with the mean m, the best expected
    /// ratio to a clairvoyant is that of never buying where m <= B, and otherwise that of buying
    /// after about B^2 / m.
    ///
    /// With `tail` the distribution is Pareto's with that index a instead: a function that has
    /// worked t is expected to work another t / (a - 1), so buying pays on average from
    /// t = (a - 1) B on. At an index of 2 that is what Jikes expects (as long again as so far).
    /// Both numbers are to be fitted to the programs at hand; the default mean is not.
    AverageSkiRental = "average-ski-rental",
        "Ski rental for functions whose work has a known distribution" {
        mean_us: f64 = Value::Real(10_000.0), "mean-us", types::real("us", 0.0, 1e15),
            "mean work of a function, in time of the first level's code";
        tail: f64 = Value::Real(0.0), "tail", types::real("", 0.0, 1000.0),
            "index of a Pareto distribution, 0 is an exponential one of that mean";
    }
}

costed_policy! {
    ///
    /// Purohit, Svitkina, Kumar: *Improving online algorithms via ML predictions*, NeurIPS 2018
    /// (arXiv 2407.17712). A function whose predicted work is B or more buys at lambda * B, one of
    /// less at B / lambda. If predictions are right, that costs at most 1 + lambda times what a
    /// clairvoyant pays; however wrong they are, at most 1 + 1/lambda times. Predictions are
    /// compilation hints or an earlier profile ([`Hint`](super::Hint)); without any the function
    /// buys at B.
    HintedSkiRental = "hinted-ski-rental",
        "Ski rental with predictions: earlier where much work is expected, later where little is" {
        lambda: f64 = Value::Real(0.5), "lambda", types::real("", 0.001, 1.0),
            "distrust: 1 ignores predictions, less follows them";
        program_us: f64 = Value::Real(1_000_000.0), "program-us", types::real("us", 0.0, 1e15),
            "expected work of the whole program, of which priorities are shares";
    }
}

/// A number from 0 to 1 (exclusive) that is the function's for this seed.
fn uniform(seed: u64, func: FuncKey) -> f64 {
    let key = (u64::from(func.module.0) << 32) | u64::from(func.func.0);
    (mix(seed ^ mix(key)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// One step of the generator SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
pub(crate) fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl SkiRental {
    /// The part of the break-even point after which the function buys.
    fn part(&self, func: FuncKey) -> f64 {
        match self.random {
            true => self.alpha * (uniform(self.seed, func) * (std::f64::consts::E - 1.0)).ln_1p(),
            false => self.alpha,
        }
    }
}

impl Policy for SkiRental {
    fn spec(&self) -> String {
        self.to_spec()
    }

    fn on(&self, _memo: &mut Memo, event: PolicyEvent, view: &View) -> Decision {
        let costs = self.costs();
        let break_even = costs.break_even(view);
        let decision = costs.decide(event, view, self.part(view.func) * break_even);
        decision.because(decision.reason.with("break_even", break_even))
    }
}

impl AverageSkiRental {
    /// The work after which a function buys that breaks even at `break_even`; infinite if never.
    fn threshold(&self, break_even: f64) -> f64 {
        let mean = self.mean_us * 1e3;
        if self.tail > 0.0 {
            return (self.tail - 1.0).max(0.0) * break_even;
        }
        match mean <= break_even {
            true => f64::INFINITY,
            false => break_even * break_even / mean,
        }
    }
}

impl Policy for AverageSkiRental {
    fn spec(&self) -> String {
        self.to_spec()
    }

    fn on(&self, _memo: &mut Memo, event: PolicyEvent, view: &View) -> Decision {
        let costs = self.costs();
        let break_even = costs.break_even(view);
        let threshold = self.threshold(break_even);
        if threshold.is_infinite() {
            let reason = Reason::new("expected not to pay")
                .with("break_even", break_even)
                .with("mean", self.mean_us * 1e3);
            return Decision::wait(Budget::Unlimited).because(reason);
        }
        let decision = costs.decide(event, view, threshold);
        decision.because(decision.reason.with("break_even", break_even))
    }
}

impl HintedSkiRental {
    /// The nanoseconds of work that are predicted for the function.
    fn predicted(&self, view: &View) -> Option<f64> {
        let unit_ns = self.unit_ns.max(1e-3);
        let program_units = self.program_us * 1e3 / unit_ns;
        Some(view.hint?.expected(program_units)? * unit_ns)
    }
}

impl Policy for HintedSkiRental {
    fn spec(&self) -> String {
        self.to_spec()
    }

    fn on(&self, _memo: &mut Memo, event: PolicyEvent, view: &View) -> Decision {
        let costs = self.costs();
        let break_even = costs.break_even(view);
        let predicted = self.predicted(view);
        let lambda = self.lambda.clamp(0.001, 1.0);
        let part = match predicted {
            Some(work) if work >= break_even => lambda,
            Some(_) => lambda.recip(),
            None => 1.0,
        };
        let decision = costs.decide(event, view, part * break_even);
        let reason = decision.reason.with("break_even", break_even);
        decision.because(match predicted {
            Some(work) => reason.with("predicted", work),
            None => reason,
        })
    }

    /// What an earlier run has shown is a prediction, of which it believes as much as of others:
    /// requesting at once would give up the bound.
    fn recorded(&self, _memo: &mut Memo, _recorded: &Recorded, _view: &View) -> Decision {
        Decision::wait(Budget::Unlimited).because(Reason::new("a prediction, as others"))
    }
}

#[cfg(test)]
mod tests {
    use upshift_abi::DefinedFuncIndex;
    use upshift_profiler::ModuleKey;

    use super::*;

    fn func(index: u32) -> FuncKey {
        FuncKey {
            module: ModuleKey(0),
            func: DefinedFuncIndex(index),
        }
    }

    /// The mean of the density x e^x / (e - 1) on [0, 1] is 1 / (e - 1) = 0.58.
    #[test]
    fn thresholds_are_drawn_from_the_density() {
        let policy = SkiRental {
            random: true,
            ..SkiRental::default()
        };
        let parts: Vec<f64> = (0..20_000).map(|n| policy.part(func(n))).collect();
        assert!(parts.iter().all(|part| (0.0..1.0).contains(part)));
        let mean = parts.iter().sum::<f64>() / parts.len() as f64;
        assert!((mean - 0.582).abs() < 0.01, "{mean}");
        // Half of the mass lies below ln((e + 1) / 2) = 0.62.
        let below = parts.iter().filter(|part| **part < 0.62).count();
        assert!((9_700..10_300).contains(&below), "{below}");
    }

    #[test]
    fn a_seed_draws_the_same_again_and_another_seed_others() {
        let part = |seed| {
            SkiRental {
                random: true,
                seed,
                ..SkiRental::default()
            }
            .part(func(7))
        };
        assert_eq!(part(1), part(1));
        assert_ne!(part(1), part(2));
    }
}
