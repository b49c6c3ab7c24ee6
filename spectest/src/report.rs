//! What came of a script.

use std::fmt;

/// Results of one script.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How many directives did what they should.
    pub passed: usize,
    /// The others, in the script's order.
    pub failures: Vec<Failure>,
}

impl Report {
    /// Whether nothing failed.
    pub fn is_success(&self) -> bool {
        self.failures.is_empty()
    }
}

/// One directive that did not do what it should.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Its line, from 1.
    pub line: usize,
    /// Its column, from 1.
    pub column: usize,
    /// What happened instead.
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}
