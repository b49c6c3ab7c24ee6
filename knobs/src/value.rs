//! What options take: shapes of values with their ranges, the parser, and the spelling.

use std::fmt;
use std::time::Duration;

use crate::error::did_you_mean;
use crate::units::{TimeUnit, decimal, parse_count, parse_integer, parse_time, spell_size};

/// The values that an option takes.
#[derive(Clone, Copy, Debug)]
pub struct Values {
    /// What they look like.
    pub shape: Shape,
    /// Whether `none` is one as well.
    pub none: bool,
}

/// What the values of an option look like.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// Yes or no; without a value, yes.
    Switch,
    /// One of some names.
    Choice(&'static [&'static str]),
    /// One of some names, each with parameters of its own: `name:param=value:param=value`.
    Variant(&'static [Variant]),
    /// An integer, ends of the range included.
    Number {
        /// What is counted, or nothing.
        unit: &'static str,
        /// The least value.
        least: u64,
        /// The greatest value.
        most: u64,
    },
    /// A number of bytes, ends of the range included.
    Size {
        /// The least value.
        least: u64,
        /// The greatest value.
        most: u64,
    },
    /// A number that may have a fraction, ends of the range included.
    Real {
        /// What is counted, or nothing.
        unit: &'static str,
        /// The least value.
        least: f64,
        /// The greatest value.
        most: f64,
    },
    /// A length of time.
    Time {
        /// The unit of a number without a suffix.
        bare: TimeUnit,
    },
    /// One or more of some names, in an order: `name+name`, or with commas.
    List(&'static [&'static str]),
    /// Any text but the empty one, and what it is.
    Text(&'static str),
    /// The name of a folder; without a value, the current one.
    Folder,
}

/// A named value with parameters.
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    /// Its name.
    pub name: &'static str,
    /// One line about it.
    pub help: &'static str,
    /// What can be set about it.
    pub params: &'static [Param],
}

/// A parameter of a [`Variant`].
#[derive(Clone, Debug)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub values: Values,
    /// Its value if it is not set.
    pub default: Value,
    /// One line about it.
    pub help: &'static str,
}

/// A value that was read.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `none`.
    None,
    /// Of a [`Shape::Switch`].
    Switch(bool),
    /// The index of a [`Shape::Choice`].
    Choice(usize),
    /// The index of a [`Shape::Variant`], and the parameters that were set.
    Variant(usize, Vec<(&'static str, Value)>),
    /// Of a [`Shape::Number`] or [`Shape::Size`].
    Number(u64),
    /// Of a [`Shape::Real`].
    Real(f64),
    /// Of a [`Shape::Time`].
    Time(Duration),
    /// The indexes of a [`Shape::List`].
    List(Vec<usize>),
    /// Of a [`Shape::Text`] or [`Shape::Folder`], or what another value is spelled as.
    Text(String),
}

/// Why a text is no value of an option. Displayed behind the option's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueError {
    /// The parameter: nothing, or `=VARIANT`, or `=VARIANT:PARAM`.
    at: String,
    problem: String,
}

impl ValueError {
    fn unfit(takes: &Values, found: &str, advice: &str) -> Self {
        Self {
            at: String::new(),
            problem: format!("takes {takes:#}, not `{found}`{advice}"),
        }
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.at, self.problem)
    }
}

impl std::error::Error for ValueError {}

impl Values {
    /// Values of a shape, without `none`.
    pub const fn of(shape: Shape) -> Self {
        Self { shape, none: false }
    }

    /// `none`, and values of a shape.
    pub const fn or_none(shape: Shape) -> Self {
        Self { shape, none: true }
    }

    /// The names, if these are names without parameters or a switch; otherwise nothing.
    pub fn names(&self) -> &'static [&'static str] {
        match self.shape {
            Shape::Switch => &["y", "n"],
            Shape::Choice(names) | Shape::List(names) => names,
            _ => &[],
        }
    }

    /// The names that have parameters.
    pub fn variants(&self) -> &'static [Variant] {
        match self.shape {
            Shape::Variant(variants) => variants,
            _ => &[],
        }
    }

    /// Reads a value.
    ///
    /// # Errors
    ///
    /// If the text is none, or out of range.
    pub fn parse(&self, text: &str) -> Result<Value, ValueError> {
        if self.none && text == "none" {
            return Ok(Value::None);
        }
        let value = match self.shape {
            Shape::Switch => parse_switch(text).map(Value::Switch),
            Shape::Choice(names) => {
                let index = names.iter().position(|name| *name == text);
                index.map(Value::Choice)
            }
            Shape::Variant(variants) => return self.parse_variant(variants, text),
            Shape::List(names) => return self.parse_list(names, text),
            Shape::Number { least, most, .. } => parse_count(text)
                .filter(|number| (least..=most).contains(number))
                .map(Value::Number),
            Shape::Size { least, most } => parse_integer(text)
                .filter(|number| (least..=most).contains(number))
                .map(Value::Number),
            Shape::Real { least, most, .. } => decimal(text)
                .filter(|number| (least..=most).contains(number))
                .map(Value::Real),
            Shape::Time { bare } => parse_time(text, bare).map(Value::Time),
            Shape::Text(_) => (!text.is_empty()).then(|| Value::Text(text.into())),
            Shape::Folder if text.is_empty() => Some(Value::Text(".".into())),
            Shape::Folder => Some(Value::Text(text.into())),
        };
        let advice = || did_you_mean(text, self.names().iter().copied());
        value.ok_or_else(|| ValueError::unfit(self, text, &advice()))
    }

    fn parse_list(&self, names: &'static [&'static str], text: &str) -> Result<Value, ValueError> {
        let index = |name: &str| {
            let advice = || did_you_mean(name, names.iter().copied());
            let index = names.iter().position(|known| *known == name);
            index.ok_or_else(|| ValueError::unfit(self, name, &advice()))
        };
        // Commas separate options on a command line, so that it has to see which of them do not.
        let indexes = text.split([',', '+']).map(index);
        Ok(Value::List(indexes.collect::<Result<_, _>>()?))
    }

    fn parse_variant(&self, variants: &'static [Variant], text: &str) -> Result<Value, ValueError> {
        let (name, params) = text.split_once(':').unwrap_or((text, ""));
        let Some(index) = variants.iter().position(|variant| variant.name == name) else {
            let advice = did_you_mean(name, variants.iter().map(|variant| variant.name));
            return Err(ValueError::unfit(self, text, &advice));
        };
        // Colons, because commas separate options; where there is no list, commas do as well.
        let params = params.split([',', ':']).filter(|param| !param.is_empty());
        let params = params.map(|param| variants[index].parse_param(param));
        Ok(Value::Variant(index, params.collect::<Result<_, _>>()?))
    }

    /// The text that [`parse`](Self::parse) reads the value from.
    pub fn spell(&self, value: &Value) -> String {
        match value {
            Value::None => "none".into(),
            Value::Switch(true) => "y".into(),
            Value::Switch(false) => "n".into(),
            Value::Choice(index) => self.names()[*index].into(),
            Value::Variant(index, params) => {
                let variant = &self.variants()[*index];
                let mut text = variant.name.to_string();
                for (name, value) in params {
                    let param = variant.params.iter().find(|param| param.name == *name);
                    let spelled = param.map(|param| param.values.spell(value));
                    text += &format!(":{name}={}", spelled.unwrap_or_default());
                }
                text
            }
            Value::Number(number) => match self.shape {
                Shape::Size { .. } => spell_size(*number),
                _ => number.to_string(),
            },
            Value::Real(number) => number.to_string(),
            // Not in nanoseconds, as `Debug` has it: no option is in these.
            Value::Time(Duration::ZERO) => "0s".into(),
            Value::Time(time) => format!("{time:?}"),
            Value::List(indexes) => {
                let names: Vec<_> = indexes.iter().map(|&index| self.names()[index]).collect();
                names.join("+")
            }
            Value::Text(text) => text.clone(),
        }
    }
}

impl Variant {
    fn parse_param(&self, text: &str) -> Result<(&'static str, Value), ValueError> {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        let Some(param) = self.params.iter().find(|param| param.name == name) else {
            let names: Vec<_> = self.params.iter().map(|param| param.name).collect();
            let advice = did_you_mean(name, names.iter().copied());
            let has = match names.join(", ") {
                names if names.is_empty() => "none".into(),
                names => names,
            };
            return Err(ValueError {
                at: format!("={}", self.name),
                problem: format!("has no parameter `{name}` (it has {has}){advice}"),
            });
        };
        let value = param.values.parse(value).map_err(|error| ValueError {
            at: format!("={}:{name}", self.name),
            problem: error.problem,
        })?;
        Ok((param.name, value))
    }
}

fn parse_switch(text: &str) -> Option<bool> {
    match text {
        "" | "y" | "yes" | "true" | "on" => Some(true),
        "n" | "no" | "false" | "off" => Some(false),
        _ => None,
    }
}

impl fmt::Display for Values {
    /// What they are, as `a number of threads from 0 to 1024`. Bounds that are those of the
    /// number's type are left out; the alternate form has them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.shape {
            Shape::Switch | Shape::Choice(_) => f.write_str(&self.names().join("|"))?,
            Shape::List(names) => write!(f, "one or more of {}", names.join(", "))?,
            Shape::Variant(variants) => {
                let names: Vec<_> = variants.iter().map(|variant| variant.name).collect();
                f.write_str(&names.join("|"))?;
            }
            Shape::Number { unit, least, most } => {
                let unbound = match f.alternate() {
                    true => u64::MAX,
                    false => i32::MAX as u64,
                };
                let most = (most < unbound).then_some(most);
                let least = (least > 0 || most.is_some()).then_some(least);
                f.write_str("a number")?;
                write_unit(f, unit)?;
                write_range(f, least, most)?;
            }
            Shape::Size { least, most } => {
                let unbound = match f.alternate() {
                    true => usize::MAX as u64,
                    false => u32::MAX.into(),
                };
                let most = (most < unbound).then(|| spell_size(most));
                let least = (least > 0 || most.is_some()).then(|| spell_size(least));
                f.write_str("a size (65536, 512K, 64M, 1G)")?;
                write_range(f, least, most)?;
            }
            Shape::Real { unit, least, most } => {
                f.write_str("a number")?;
                write_unit(f, unit)?;
                write_range(f, Some(least), Some(most))?;
            }
            Shape::Time { bare } => write!(
                f,
                "a time like 500ms, 1.5s, 2m or 1h (a bare number is {})",
                bare.name()
            )?,
            Shape::Text(what) => f.write_str(what)?,
            Shape::Folder => f.write_str("a folder (the current one if none is named)")?,
        }
        f.write_str(if self.none { "|none" } else { "" })
    }
}

fn write_unit(f: &mut fmt::Formatter<'_>, unit: &str) -> fmt::Result {
    match unit {
        "" => Ok(()),
        unit => write!(f, " of {unit}"),
    }
}

fn write_range<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    least: Option<T>,
    most: Option<T>,
) -> fmt::Result {
    match (least, most) {
        (Some(least), Some(most)) => write!(f, " from {least} to {most}"),
        (Some(least), None) => write!(f, " of at least {least}"),
        (None, Some(most)) => write!(f, " of at most {most}"),
        (None, None) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNT: Values = Values::of(Shape::Number {
        unit: "loops",
        least: 1,
        most: 8,
    });
    const SPEED: Values = Values::of(Shape::Real {
        unit: "",
        least: 1.01,
        most: 1000.0,
    });
    const NAMES: Values = Values::or_none(Shape::Choice(&["fast", "slow"]));
    const VARIANTS: Values = Values::of(Shape::Variant(&[
        Variant {
            name: "never",
            help: "",
            params: &[],
        },
        Variant {
            name: "model",
            help: "",
            params: &[Param {
                name: "speed",
                values: SPEED,
                default: Value::Real(1.5),
                help: "",
            }],
        },
    ]));

    #[track_caller]
    fn refused(values: Values, text: &str, message: &str) {
        assert_eq!(values.parse(text).unwrap_err().to_string(), message);
    }

    #[test]
    fn values_are_read_and_spelled_again() {
        let all = [
            (COUNT, "8", Value::Number(8)),
            (SPEED, "1.5", Value::Real(1.5)),
            (NAMES, "none", Value::None),
            (NAMES, "slow", Value::Choice(1)),
            (VARIANTS, "never", Value::Variant(0, vec![])),
            (
                VARIANTS,
                "model:speed=2",
                Value::Variant(1, vec![("speed", Value::Real(2.0))]),
            ),
            (Values::of(Shape::Switch), "n", Value::Switch(false)),
        ];
        for (values, text, value) in all {
            assert_eq!(values.parse(text), Ok(value.clone()));
            assert_eq!(values.spell(&value), text);
        }
        for yes in ["", "on", "yes", "true"] {
            let value = Values::of(Shape::Switch).parse(yes);
            assert_eq!(value, Ok(Value::Switch(true)));
        }
    }

    #[test]
    fn what_does_not_fit_is_answered_with_what_does() {
        refused(COUNT, "9", " takes a number of loops from 1 to 8, not `9`");
        refused(COUNT, "x", " takes a number of loops from 1 to 8, not `x`");
        refused(SPEED, "nan", " takes a number from 1.01 to 1000, not `nan`");
        refused(
            NAMES,
            "fats",
            " takes fast|slow|none, not `fats`; did you mean `fast`?",
        );
        refused(
            VARIANTS,
            "modle:speed=2",
            " takes never|model, not `modle:speed=2`; did you mean `model`?",
        );
        refused(
            VARIANTS,
            "model:speed=0.5",
            "=model:speed takes a number from 1.01 to 1000, not `0.5`",
        );
        refused(
            VARIANTS,
            "model:sped=2",
            "=model has no parameter `sped` (it has speed); did you mean `speed`?",
        );
    }
}
