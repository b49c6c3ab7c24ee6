//! Files of options in TOML: a whole configuration, which functions have a policy of their own, and
//! the lab's experiments.
//!
//! [`Source`] makes the errors: each has the line, and for an unknown name the nearest known one.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use upshift_knobs::{Knob, Param, Variant, nearest};

use crate::config::{TieringConfig, options};

/// What is wrong in a file of options, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct FileError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub problem: String,
}

/// The text of a file, for the lines of errors.
#[derive(Clone, Copy)]
pub struct Source<'a>(&'a str);

impl<'a> Source<'a> {
    /// Parses the text.
    ///
    /// # Errors
    ///
    /// If it is not TOML.
    pub fn parse(text: &'a str) -> Result<(Self, DeTable<'a>), FileError> {
        let source = Source(text);
        match DeTable::parse(text) {
            Ok(table) => Ok((source, table.into_inner())),
            Err(error) => Err(source.error(error.span().unwrap_or(0..0), error.message())),
        }
    }

    /// The line where the range begins, from 1.
    pub(crate) fn line(self, at: Range<usize>) -> usize {
        let before = &self.0.as_bytes()[..at.start.min(self.0.len())];
        1 + before.iter().filter(|byte| **byte == b'\n').count()
    }

    /// The error with the line where the range begins.
    pub fn error(self, at: Range<usize>, problem: impl Into<String>) -> FileError {
        FileError {
            line: self.line(at),
            problem: problem.into(),
        }
    }

    /// The error for a name that is not among those known.
    pub fn unknown(
        self,
        at: Range<usize>,
        what: &str,
        name: &str,
        known: &[&'static str],
    ) -> FileError {
        let advice = match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", known.join(", ")),
        };
        self.error(at, format!("there is no {what} `{name}`; {advice}"))
    }
}

/// A string, number or truth value as the command line has it; `None` for any other value.
pub fn text(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.clone().into_owned()),
        DeValue::Integer(number) => {
            let digits = number.as_str().replace('_', "");
            i128::from_str_radix(&digits, number.radix())
                .ok()
                .map(|number| number.to_string())
        }
        DeValue::Float(number) => {
            let number: f64 = number.as_str().replace('_', "").parse().ok()?;
            Some(number.to_string())
        }
        DeValue::Boolean(value) => Some(if *value { "y" } else { "n" }.to_string()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

/// A value with parameters, from a table with its `name` and theirs, as the command line has it.
/// `what` is the option.
///
/// # Errors
///
/// If it has no name, or one or a parameter that does not exist, or a value that does not fit.
pub fn spec(
    source: Source<'_>,
    what: &str,
    variants: &[Variant],
    at: Range<usize>,
    table: &DeTable<'_>,
) -> Result<String, FileError> {
    let named = table.iter().find(|(key, _)| &**key.get_ref() == "name");
    let Some((_, name)) = named else {
        return Err(source.error(at, format!("`{what}` needs a `name`")));
    };
    let text_of = |value: &Spanned<DeValue<'_>>| {
        let none = || source.error(value.span(), "a string, a number, true or false is needed");
        text(value.get_ref()).ok_or_else(none)
    };
    let mut spec = text_of(name)?;
    let Some(variant) = variants.iter().find(|variant| variant.name == spec) else {
        let known: Vec<_> = variants.iter().map(|variant| variant.name).collect();
        return Err(source.unknown(name.span(), what, &spec, &known));
    };
    for (key, value) in table {
        let key_name = &**key.get_ref();
        if key_name == "name" {
            continue;
        }
        let param = variant.params.iter().find(|param| param.name == key_name);
        let Some(Param { values, .. }) = param else {
            let known: Vec<_> = variant.params.iter().map(|param| param.name).collect();
            let what = format!("parameter of {}", variant.name);
            return Err(source.unknown(key.span(), &what, key_name, &known));
        };
        let text = text_of(value)?;
        if let Err(error) = values.parse(&text) {
            return Err(source.error(value.span(), format!("{key_name}{error}")));
        }
        spec += &format!(":{key_name}={text}");
    }
    Ok(spec)
}

impl TieringConfig {
    /// Reads a configuration from TOML: the options of `-T` by their names, the others as they are
    /// by default. A value that has parameters can be written as on the command line, or as a table
    /// with its `name`.
    ///
    /// ```
    /// use upshift_tiering::TieringConfig;
    ///
    /// let config = TieringConfig::from_toml(
    ///     r#"
    ///     threads = 2
    ///     osr = false
    ///     queue = "random:seed=7"
    ///     [policy]
    ///     name = "v8-budget"
    ///     budget = 1.8e6
    ///     "#,
    /// )?;
    /// assert_eq!(config.knobs.threads, 2);
    /// assert!(config.policy.spec().starts_with("v8-budget:budget=1800000"));
    ///
    /// let error = TieringConfig::from_toml("threads = 1\npolcy = 'never'").unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "line 2: there is no option `polcy`; did you mean `policy`?"
    /// );
    /// # Ok::<(), upshift_tiering::FileError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the text is not TOML, names an option or parameter that does not exist, or has a value
    /// that does not fit.
    pub fn from_toml(text: &str) -> Result<Self, FileError> {
        let (source, table) = Source::parse(text)?;
        let mut config = Self::default();
        for (key, value) in &table {
            let name = &**key.get_ref();
            let Some(knob) = options().find(|knob| knob.info.name == name) else {
                let known: Vec<_> = options().map(|knob| knob.info.name).collect();
                return Err(source.unknown(key.span(), "option", name, &known));
            };
            config.apply(source, knob, value)?;
        }
        Ok(config)
    }

    fn apply(
        &mut self,
        source: Source<'_>,
        knob: &Knob<TieringConfig>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<(), FileError> {
        let name = knob.info.name;
        let variants = knob.info.values.variants();
        let text = match value.get_ref() {
            DeValue::Table(table) if !variants.is_empty() => {
                spec(source, name, variants, value.span(), table)?
            }
            value_of => text(value_of)
                .ok_or_else(|| source.error(value.span(), format!("`{name}` can't be that")))?,
        };
        let parsed = knob.info.values.parse(&text);
        let parsed =
            parsed.map_err(|error| source.error(value.span(), format!("{name}{error}")))?;
        (knob.set)(self, parsed);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(text: &str, message: &str) {
        let error = TieringConfig::from_toml(text).unwrap_err();
        assert_eq!(error.to_string(), message);
    }

    #[test]
    fn options_are_read_as_the_command_line_has_them() {
        let text = "mode = 'baseline'\nmax-compile-ms = '2s'\nthreads = 0x10\nosr = false\n\
                    evidence-cost = 1.5\npolicy = 'sm-cost:level=3'\n\
                    [queue]\nname = 'lanes'\nreprioritise = true\n\
                    [switching]\nname = 'virtual'\nfixed = 1_000";
        let config = TieringConfig::from_toml(text).unwrap();
        let mut same = TieringConfig::default();
        for (name, value) in [
            ("mode", "baseline"),
            ("max-compile-ms", "2s"),
            ("threads", "16"),
            ("osr", "off"),
            ("evidence-cost", "1.5"),
            ("policy", "sm-cost:level=3"),
            ("queue", "lanes:reprioritise=y"),
            ("switching", "virtual:fixed=1000"),
        ] {
            same.set(name, value).unwrap();
        }
        assert_eq!(format!("{config:?}"), format!("{same:?}"));
        let defaults = TieringConfig::from_toml("# nothing\n").unwrap();
        let expected = TieringConfig::default();
        assert_eq!(format!("{defaults:?}"), format!("{expected:?}"));
    }

    #[test]
    fn errors_name_the_line_and_what_was_probably_meant() {
        says(
            "threads = 1\n\nors = true",
            "line 3: there is no option `ors`; did you mean `osr`?",
        );
        says(
            "[policy]\nname = 'hotspot'\nt4-inf = 7",
            "line 3: there is no parameter of hotspot `t4-inf`; did you mean `t4-inv`?",
        );
        says(
            "[policy]\nname = 'hotspt'",
            "line 2: there is no policy `hotspt`; did you mean `hotspot`?",
        );
        says("\n[policy]\nbudget = 1", "line 2: `policy` needs a `name`");
        says(
            "[policy]\nname = 'v8-budget'\nbudget = -1.5",
            "line 3: budget takes a number of bytes from 1 to 1000000000000000, not `-1.5`",
        );
        says(
            "threads = 9999",
            "line 1: threads takes a number of threads from 0 to 1024, not `9999`",
        );
        says("threads = [1]", "line 1: `threads` can't be that");
        let error = TieringConfig::from_toml("threads = 1\nthreads =").unwrap_err();
        assert_eq!(error.line, 2);
    }
}
