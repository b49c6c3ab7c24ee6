//! Sources of a guest's random bytes.

use rustix::rand::{GetRandomFlags, getrandom};

use super::errno::Errno;

/// A source of random bytes.
pub trait WasiRandom: Send + 'static {
    /// Fills the buffer, which has at most a megabyte, with random bytes.
    ///
    /// # Errors
    ///
    /// If there are no random bytes.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Errno>;
}

/// The system's random number generator, fit for cryptography.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl WasiRandom for SystemRandom {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Errno> {
        let mut filled = 0;
        while filled < buffer.len() {
            match getrandom(&mut buffer[filled..], GetRandomFlags::empty()) {
                Ok(count) => filled += count,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// A generator of the same bytes in each run, by a seed. Not fit for cryptography: from some of the
/// bytes, the others can be computed.
#[derive(Clone, Debug)]
pub struct SeededRandom(fastrand::Rng);

impl SeededRandom {
    /// Creates a source that starts at the seed.
    pub fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }
}

impl WasiRandom for SeededRandom {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Errno> {
        self.0.fill(buffer);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_repeat_and_the_system_does_not() {
        let draw = |source: &mut dyn WasiRandom| {
            let mut bytes = [0; 32];
            source.fill(&mut bytes).unwrap();
            bytes
        };
        assert_eq!(
            draw(&mut SeededRandom::new(7)),
            draw(&mut SeededRandom::new(7))
        );
        assert_ne!(
            draw(&mut SeededRandom::new(7)),
            draw(&mut SeededRandom::new(8))
        );
        assert_ne!(draw(&mut SystemRandom), draw(&mut SystemRandom));
    }
}
