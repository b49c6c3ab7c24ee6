//! The results of a script.

use std::fmt;

/// Results of one script.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The number of directives that did what they should.
    pub passed: usize,
    /// The failures of the other directives, in the script's order.
    pub failures: Vec<Failure>,
}

impl Report {
    /// Whether no directive failed.
    pub fn is_success(&self) -> bool {
        self.failures.is_empty()
    }

    /// The number of directives that the script has.
    pub fn directives(&self) -> usize {
        self.passed + self.failures.len()
    }

    /// Adds the results of other directives of the script.
    pub(crate) fn add(&mut self, other: Report) {
        self.passed += other.passed;
        self.failures.extend(other.failures);
        let place = |failure: &Failure| (failure.line, failure.column);
        self.failures.sort_by_key(place);
    }

    /// The failures that are not due to a proposal that is not supported.
    pub fn wrong(&self) -> impl Iterator<Item = &Failure> {
        let mut failures = self.failures.iter();
        std::iter::from_fn(move || failures.find(|failure| failure.cause == Cause::Wrong))
    }
}

/// The failure of one directive.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The directive's line, from 1.
    pub line: usize,
    /// The directive's column, from 1.
    pub column: usize,
    /// Why it failed.
    pub cause: Cause,
    /// What happened instead of what the script expects.
    pub message: String,
}

/// Why a directive failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The engine or the runner did something else than the script expects.
    Wrong,
    /// The directive, or a module that it depends on, was refused for want of a proposal.
    Refused {
        /// The proposal's name.
        proposal: String,
    },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}
