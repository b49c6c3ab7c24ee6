//! What is said about options and values that don't exist.

use std::fmt;

use crate::value::ValueError;
use crate::{Group, Info};

/// Why an option was not set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KnobError {
    /// There is no such option.
    Name {
        /// The group that was searched.
        group: Group,
        /// The name.
        name: String,
        /// What there is, and what was probably meant.
        advice: String,
    },
    /// The text is no value of the option.
    Value {
        /// The option's group.
        group: Group,
        /// The option.
        name: &'static str,
        /// What is wrong about it.
        error: ValueError,
    },
}

impl KnobError {
    /// The error for a value of an option.
    pub fn value(info: &Info, error: ValueError) -> Self {
        KnobError::Value {
            group: info.group,
            name: info.name,
            error,
        }
    }

    /// The error for a name that none of the options in its group has.
    pub fn unknown(group: Group, name: &str, known: &[Info]) -> Self {
        let own = || known.iter().filter(|info| info.group == group);
        let elsewhere = known.iter().find(|info| info.name == name);
        let parameter = known.iter().find_map(|info| {
            let variant = info.values.variants().iter().find(|variant| {
                let mut params = variant.params.iter();
                params.any(|param| param.name == name)
            })?;
            let (letter, option, variant) = (info.group.letter(), info.name, variant.name);
            Some(format!(
                "; `{name}` is a parameter: -{letter} {option}={variant}:{name}=…"
            ))
        });
        let names: Vec<&str> = own().map(|info| info.name).collect();
        let advice = if let Some(info) = elsewhere {
            format!("; -{} has it", info.group.letter())
        } else if let Some(parameter) = parameter {
            parameter
        } else {
            did_you_mean(name, names.iter().copied())
        };
        let advice = format!(" (it has {}){advice}", names.join(", "));
        KnobError::Name {
            group,
            name: name.into(),
            advice,
        }
    }
}

impl fmt::Display for KnobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KnobError::Name {
                group,
                name,
                advice,
            } => write!(f, "-{} has no option `{name}`{advice}", group.letter()),
            KnobError::Value { group, name, error } => {
                write!(f, "-{} {name}{error}", group.letter())
            }
        }
    }
}

impl std::error::Error for KnobError {}

/// The question whether something else was meant, or nothing.
pub fn did_you_mean(found: &str, known: impl IntoIterator<Item = &'static str>) -> String {
    let nearest = nearest(found, known);
    nearest.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

/// The name that a misspelled one was probably meant to be: at most a third of its letters differ,
/// or it is the beginning of that name.
pub fn nearest<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = (found.chars().count() / 3).max(1);
    let known = known.into_iter().map(|name| {
        let begins = !found.is_empty() && name.starts_with(found);
        (if begins { 1 } else { distance(found, name) }, name)
    });
    let near = known.filter(|(distance, _)| *distance <= most && !found.is_empty());
    near.min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Letters to insert, remove, replace or swap with their neighbour until one text is the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let differs = usize::from(a[i - 1] != b[j - 1]);
            let above: &Vec<usize> = &rows[i - 1];
            let mut least = (above[j - 1] + differs)
                .min(above[j] + 1)
                .min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found() {
        let known = ["osr", "threads", "eager-threads", "mode", "poll"];
        let near = |found| nearest(found, known);
        assert_eq!(near("ors"), Some("osr"));
        assert_eq!(near("thread"), Some("threads"));
        assert_eq!(near("eager-treads"), Some("eager-threads"));
        assert_eq!(near("mod"), Some("mode"));
        assert_eq!(near("e"), Some("eager-threads"));
        assert_eq!(near("banana"), None);
        assert_eq!(near(""), None);
    }
}
