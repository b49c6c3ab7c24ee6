//! Random gaps before code, repeatable by a seed.
//!
//! The same code is up to twice as fast or slow depending on its address modulo a few cache lines:
//! predictors and decoders hash addresses. A comparison of two versions of anything compares
//! their luck too (Mytkowicz et al., ASPLOS 2009), unless the luck is drawn anew in each run
//! (Curtsinger and Berger, ASPLOS 2013). With a seed, every piece of code is placed behind a random
//! gap.

use std::sync::Mutex;

use fastrand::Rng;

use upshift_abi::artifact::CODE_ALIGN;

use super::POISON;

/// The largest gap, in steps of the alignment: processors hash a few cache lines of 64 bytes.
const STEPS: usize = 16;

/// The generator of gaps.
#[derive(Debug)]
pub struct Layout(Option<Mutex<Rng>>);

impl Layout {
    /// Creates the generator from a seed; no gaps with seed 0.
    pub fn new(seed: u32) -> Self {
        // Forked, as neighbouring seeds alone give sequences that resemble each other.
        let rng = || Mutex::new(Rng::with_seed(seed.into()).fork());
        Self((seed != 0).then(rng))
    }

    /// The number of bytes to leave free before the next piece of code: a multiple of its
    /// alignment.
    pub fn gap(&self) -> usize {
        let rng = self.0.as_ref();
        rng.map_or(0, |rng| {
            rng.lock().expect(POISON).usize(..STEPS) * CODE_ALIGN
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_repeat_with_the_seed_and_reach_every_step() {
        let gaps = |seed| {
            let layout = Layout::new(seed);
            (0..500).map(|_| layout.gap()).collect::<Vec<_>>()
        };
        assert_eq!(gaps(0), [0; 500]);
        assert_eq!(gaps(7), gaps(7));
        assert_ne!(gaps(7), gaps(8));
        for step in 0..STEPS {
            assert!(gaps(7).contains(&(step * CODE_ALIGN)));
        }
        let steps = |seed| {
            let gaps: Vec<_> = gaps(seed).into_iter().map(|gap| gap / CODE_ALIGN).collect();
            gaps.windows(2)
                .map(|pair| (pair[1] + STEPS - pair[0]) % STEPS)
                .collect::<Vec<_>>()
        };
        for step in 0..STEPS {
            let shared = (1..=8).map(|seed| steps(seed).into_iter().filter(|&s| s == step).count());
            assert!(shared.max() < Some(500 / 8), "a step that recurs: {step}");
        }
    }
}
