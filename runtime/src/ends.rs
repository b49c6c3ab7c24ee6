//! The two ends of a sequence of any length.

use std::collections::VecDeque;

/// The first and the last values of a sequence, the same number of each at most. Its size does not
/// depend on how many values it gets.
#[derive(Debug)]
pub(crate) struct Ends<T> {
    /// The most values from each end.
    most: usize,
    first: Vec<T>,
    /// The latest values, beyond `first`.
    last: VecDeque<T>,
    omitted: usize,
}

impl<T> Ends<T> {
    /// No values yet, and at most so many from each end.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            first: Vec::new(),
            last: VecDeque::new(),
            omitted: 0,
        }
    }

    /// Adds the next value.
    pub fn push(&mut self, value: T) {
        if self.first.len() < self.most {
            self.first.push(value);
            return;
        }
        if self.last.len() == self.most {
            self.last.pop_front();
            self.omitted += 1;
        }
        self.last.push_back(value);
    }

    /// How many values were left out in the middle.
    pub fn omitted(&self) -> usize {
        self.omitted
    }
}

impl<T> IntoIterator for Ends<T> {
    type Item = T;
    type IntoIter =
        std::iter::Chain<std::vec::IntoIter<T>, std::collections::vec_deque::IntoIter<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.first.into_iter().chain(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::Ends;

    #[test]
    fn ends_of_short_and_long_sequences() {
        let of = |len: u32| {
            let mut ends = Ends::new(2);
            (0..len).for_each(|n| ends.push(n));
            (ends.omitted(), ends.into_iter().collect::<Vec<_>>())
        };
        assert_eq!(of(0), (0, vec![]));
        assert_eq!(of(3), (0, vec![0, 1, 2]));
        assert_eq!(of(4), (0, vec![0, 1, 2, 3]));
        assert_eq!(of(9), (5, vec![0, 1, 7, 8]));
    }
}
