//! What a policy remembers of a function.

/// A few words that tiering keeps for the policy beside each function. What they mean is the
/// policy's own affair.
///
/// They are numbers and not a value of the policy's own type so that an event log can hold them,
/// a run can be replayed from any of its events, and a function costs no allocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memo {
    /// Zero at the function's first event.
    pub words: [u64; Memo::WORDS],
}

impl Memo {
    /// How many words there are.
    pub const WORDS: usize = 4;

    /// The word as a floating-point number; zero at the function's first event.
    ///
    /// # Panics
    ///
    /// If there is no such word.
    pub fn real(&self, word: usize) -> f64 {
        f64::from_bits(self.words[word])
    }

    /// Stores a floating-point number in the word.
    ///
    /// # Panics
    ///
    /// If there is no such word.
    pub fn set_real(&mut self, word: usize, value: f64) {
        self.words[word] = value.to_bits();
    }
}
