//! Words and numbers of records: written by tiering, or read back from a file.

use std::borrow::Cow;
use std::fmt;

/// A name or a reason: a constant where tiering records it, owned where it was read from a file.
pub type Text = Cow<'static, str>;

/// A floating-point number of a record. JSON has no infinities and no NaN: these are written as
/// strings. Two NaN are equal, so that records can be compared.
#[derive(Clone, Copy, Debug, Default)]
pub struct Real(pub f64);

impl PartialEq for Real {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0 || (self.0.is_nan() && other.0.is_nan())
    }
}

impl fmt::Display for Real {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
