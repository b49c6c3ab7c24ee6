//! Where code lies by chance, made repeatable.
//!
//! The same code is up to twice as fast or slow depending on its address modulo a few cache lines:
//! predictors and decoders hash addresses. Whoever compares two versions of anything compares
//! their luck too (Mytkowicz et al., ASPLOS 2009), unless the luck is drawn anew in each run (Curtsinger and
//! Berger, ASPLOS 2013). With a seed, every piece of code is placed behind a random gap.

use std::sync::atomic::{AtomicU64, Ordering};

use super::CODE_ALIGN;

/// Largest gap, in steps of the alignment: what is hashed are a few cache lines of 64 bytes.
const STEPS: usize = 16;

/// The source of gaps.
#[derive(Debug)]
pub struct Layout {
    seed: u64,
    /// How many gaps have been drawn. Relaxed: it only has to be another number for each piece.
    drawn: AtomicU64,
}

impl Layout {
    /// Gaps by a seed; none with seed 0.
    pub fn new(seed: u32) -> Self {
        Self {
            seed: seed.into(),
            drawn: AtomicU64::new(0),
        }
    }

    /// Bytes to leave free before the next piece of code: a multiple of its alignment.
    pub fn gap(&self) -> usize {
        if self.seed == 0 {
            return 0;
        }
        let number = self.drawn.fetch_add(1, Ordering::Relaxed);
        let mut random = fastrand::Rng::with_seed((self.seed << 32).wrapping_add(number));
        random.usize(..STEPS) * CODE_ALIGN
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
    }
}
