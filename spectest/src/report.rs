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
}

/// The failure of one directive.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The directive's line, from 1.
    pub line: usize,
    /// The directive's column, from 1.
    pub column: usize,
    /// What happened instead of what the script expects.
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}
