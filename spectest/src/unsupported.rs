//! The error of a directive that needs a proposal which is not supported.

use std::fmt;

/// A directive needs a proposal that the runner does not support, or depends on a module that the
/// engine has refused for want of one.
#[derive(Debug)]
pub(crate) struct Unsupported {
    proposal: String,
    what: String,
}

impl Unsupported {
    pub(crate) fn new(proposal: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            proposal: proposal.into(),
            what: what.into(),
        }
    }

    /// The proposal's name.
    pub(crate) fn proposal(&self) -> &str {
        &self.proposal
    }
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { proposal, what } = self;
        write!(f, "{what}; `{proposal}` is not supported")
    }
}

impl std::error::Error for Unsupported {}
