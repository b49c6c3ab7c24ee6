//! From text to checked expressions.
//!
//! The parser knows from the place of each part whether a number or a condition must stand there,
//! so that there is no tree that makes no sense. Aggregates over programs and intervals can each be
//! used once on a path: what is inside an aggregate sees one program, and an interval of an
//! interval has no meaning.

use std::collections::BTreeSet;
use std::fmt;

use super::{CLASS, MAX_LENGTH};
use crate::stats::warmup::{Class, INCONSISTENT};

/// The deepest nesting of parentheses, calls and prefixes.
const MAX_DEPTH: usize = 64;

/// Why a text is no predicate, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {message}")]
pub struct ParseError {
    /// The character at which the error is, counted from 1; one past the end if the text is cut.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

/// An expression that is true or false.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Condition {
    Or(Box<[Condition; 2]>),
    And(Box<[Condition; 2]>),
    Not(Box<Condition>),
    Compare(Box<Number>, Comparison, Box<Number>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// An expression with a number as its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Number {
    Literal(f64),
    Negative(Box<Number>),
    Arithmetic(Box<Number>, Operation, Box<Number>),
    /// A statistic of the rows that match.
    OfRows(Statistic, Samples),
    /// A statistic of an expression's values for each program.
    OfPrograms(Statistic, Box<Number>),
    Ratio(Samples, Samples),
    Share(Box<Condition>),
    /// The share of the pairs that match which are of one of the classes; `None` is that of
    /// processes of different classes.
    Classes(Selector, Vec<Option<Class>>),
    Interval(End, Box<Number>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Statistic {
    Median,
    Min,
    Max,
    Geomean,
    Quantile(f64),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum End {
    Low,
    High,
}

/// A metric of the rows whose settings match.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Samples {
    pub(super) metric: String,
    pub(super) selector: Selector,
}

/// Settings that a row must have: a name and a value each.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Selector(pub(crate) Vec<(String, String)>);

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs: Vec<String> = self
            .0
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        write!(f, "'{}'", pairs.join(","))
    }
}

/// Parses a whole text as a condition.
pub(super) fn condition(text: &str) -> Result<Condition, ParseError> {
    whole(
        text,
        |parser| parser.or(),
        "expected `and`, `or` or the end",
    )
}

/// Parses a whole text as a number.
pub(super) fn number(text: &str) -> Result<Number, ParseError> {
    whole(
        text,
        |parser| parser.number(),
        "expected an operator or the end",
    )
}

fn whole<T>(
    text: &str,
    parse: fn(&mut Parser<'_>) -> Parsed<T>,
    expected: &str,
) -> Result<T, ParseError> {
    let text: Vec<char> = text.chars().take(MAX_LENGTH + 1).collect();
    let mut parser = Parser {
        text: &text,
        at: 0,
        depth: 0,
        in_program: false,
        in_interval: false,
    };
    if text.len() > MAX_LENGTH {
        parser.at = MAX_LENGTH;
        return parser.fail("longer than 4096 characters");
    }
    let parsed = parse(&mut parser)?;
    parser.skip_space();
    if parser.at < text.len() {
        return parser.fail(expected);
    }
    Ok(parsed)
}

impl Condition {
    /// Adds the names of the metrics.
    pub(super) fn metrics<'a>(&'a self, found: &mut BTreeSet<&'a str>) {
        match self {
            Condition::Or(sides) | Condition::And(sides) => {
                sides.iter().for_each(|side| side.metrics(found));
            }
            Condition::Not(inner) => inner.metrics(found),
            Condition::Compare(left, _, right) => {
                left.metrics(found);
                right.metrics(found);
            }
        }
    }

    /// Adds the selectors.
    pub(super) fn selectors<'a>(&'a self, found: &mut Vec<&'a Selector>) {
        match self {
            Condition::Or(sides) | Condition::And(sides) => {
                sides.iter().for_each(|side| side.selectors(found));
            }
            Condition::Not(inner) => inner.selectors(found),
            Condition::Compare(left, _, right) => {
                left.selectors(found);
                right.selectors(found);
            }
        }
    }
}

impl Number {
    /// Whether there is an end of an interval in it, outside of conditions.
    pub(super) fn has_interval(&self) -> bool {
        match self {
            Number::Literal(_) | Number::OfRows(..) | Number::Ratio(..) | Number::Classes(..) => {
                false
            }
            Number::Negative(inner) | Number::OfPrograms(_, inner) => inner.has_interval(),
            Number::Arithmetic(left, _, right) => left.has_interval() || right.has_interval(),
            // A condition may have one, and resampling it would multiply the time.
            Number::Share(_) | Number::Interval(..) => true,
        }
    }

    /// Adds the names of the metrics.
    pub(super) fn metrics<'a>(&'a self, found: &mut BTreeSet<&'a str>) {
        match self {
            Number::Literal(_) => {}
            Number::Negative(inner) | Number::OfPrograms(_, inner) | Number::Interval(_, inner) => {
                inner.metrics(found)
            }
            Number::Arithmetic(left, _, right) => {
                left.metrics(found);
                right.metrics(found);
            }
            Number::OfRows(_, samples) => {
                found.insert(&samples.metric);
            }
            Number::Ratio(first, second) => {
                found.extend([first, second].map(|samples| samples.metric.as_str()));
            }
            Number::Share(inner) => inner.metrics(found),
            Number::Classes(..) => {
                found.insert(CLASS);
            }
        }
    }

    /// Adds the selectors.
    pub(super) fn selectors<'a>(&'a self, found: &mut Vec<&'a Selector>) {
        match self {
            Number::Literal(_) => {}
            Number::Negative(inner) | Number::OfPrograms(_, inner) | Number::Interval(_, inner) => {
                inner.selectors(found);
            }
            Number::Arithmetic(left, _, right) => {
                left.selectors(found);
                right.selectors(found);
            }
            Number::OfRows(_, samples) => found.push(&samples.selector),
            Number::Ratio(first, second) => {
                found.extend([first, second].map(|samples| &samples.selector));
            }
            Number::Share(inner) => inner.selectors(found),
            Number::Classes(selector, _) => found.push(selector),
        }
    }

    /// Whether a share of classes is a part of it, so that it has no interval.
    pub(super) fn is_of_classes(&self) -> bool {
        match self {
            Number::Literal(_) | Number::OfRows(..) | Number::Ratio(..) | Number::Share(_) => false,
            Number::Negative(inner) | Number::OfPrograms(_, inner) | Number::Interval(_, inner) => {
                inner.has_classes()
            }
            Number::Arithmetic(left, _, right) => left.has_classes() || right.has_classes(),
            Number::Classes(..) => false,
        }
    }

    fn has_classes(&self) -> bool {
        matches!(self, Number::Classes(..)) || self.is_of_classes()
    }
}

/// Where the parser is. Each method parses what it is named after, and moves past it.
struct Parser<'a> {
    text: &'a [char],
    at: usize,
    depth: usize,
    /// Inside of an aggregate over programs.
    in_program: bool,
    /// Inside of `ci_low` or `ci_high`.
    in_interval: bool,
}

type Parsed<T> = Result<T, ParseError>;

impl Parser<'_> {
    fn fail<T>(&self, message: impl Into<String>) -> Parsed<T> {
        Err(ParseError {
            column: self.at + 1,
            message: message.into(),
        })
    }

    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == MAX_DEPTH {
            return self.fail("nested more than 64 deep");
        }
        self.depth += 1;
        let parsed = parse(self)?;
        self.depth -= 1;
        Ok(parsed)
    }

    fn or(&mut self) -> Parsed<Condition> {
        let mut left = self.and()?;
        while self.takes_word("or") {
            left = Condition::Or(Box::new([left, self.and()?]));
        }
        Ok(left)
    }

    fn and(&mut self) -> Parsed<Condition> {
        let mut left = self.not()?;
        while self.takes_word("and") {
            left = Condition::And(Box::new([left, self.not()?]));
        }
        Ok(left)
    }

    fn not(&mut self) -> Parsed<Condition> {
        if self.takes_word("not") {
            let inner = self.nested(Self::not)?;
            return Ok(Condition::Not(Box::new(inner)));
        }
        // A parenthesis may hold a condition or the beginning of a number: `(a < b) and …`,
        // `(a + b) < c`. The comparison is tried first; what gets further is what was meant.
        let start = self.at;
        let comparison = self.comparison();
        let Err(error) = comparison else {
            return comparison;
        };
        let depth = self.depth;
        let reached = error.column;
        self.at = start;
        self.depth = depth;
        if !self.takes('(') {
            return Err(error);
        }
        let inner = self.nested(|parser| {
            let inner = parser.or()?;
            parser.expect(')')?;
            Ok(inner)
        });
        inner.map_err(|other| {
            if other.column >= reached {
                other
            } else {
                error
            }
        })
    }

    fn comparison(&mut self) -> Parsed<Condition> {
        let left = self.number()?;
        let equal = |parser: &mut Self| parser.takes_next('=');
        let comparison = if self.takes('<') {
            if equal(self) {
                Comparison::LessOrEqual
            } else {
                Comparison::Less
            }
        } else if self.takes('>') {
            if equal(self) {
                Comparison::GreaterOrEqual
            } else {
                Comparison::Greater
            }
        } else {
            return self.fail("expected `<`, `<=`, `>` or `>=`");
        };
        let right = self.number()?;
        Ok(Condition::Compare(
            Box::new(left),
            comparison,
            Box::new(right),
        ))
    }

    fn number(&mut self) -> Parsed<Number> {
        let mut left = self.product()?;
        loop {
            let operation = if self.takes('+') {
                Operation::Add
            } else if self.takes('-') {
                Operation::Subtract
            } else {
                return Ok(left);
            };
            left = Number::Arithmetic(Box::new(left), operation, Box::new(self.product()?));
        }
    }

    fn product(&mut self) -> Parsed<Number> {
        let mut left = self.factor()?;
        loop {
            let operation = if self.takes('*') {
                Operation::Multiply
            } else if self.takes('/') {
                Operation::Divide
            } else {
                return Ok(left);
            };
            left = Number::Arithmetic(Box::new(left), operation, Box::new(self.factor()?));
        }
    }

    fn factor(&mut self) -> Parsed<Number> {
        if self.takes('-') {
            let inner = self.nested(Self::factor)?;
            return Ok(Number::Negative(Box::new(inner)));
        }
        if self.takes('(') {
            return self.nested(|parser| {
                let inner = parser.number()?;
                parser.expect(')')?;
                Ok(inner)
            });
        }
        match self.text.get(self.at) {
            Some(c) if c.is_ascii_digit() || *c == '.' => self.literal().map(Number::Literal),
            Some(c) if c.is_ascii_alphabetic() => self.nested(Self::call),
            _ => self.fail("expected a number"),
        }
    }

    fn literal(&mut self) -> Parsed<f64> {
        self.skip_space();
        let start = self.at;
        while let Some(&c) = self.text.get(self.at) {
            let exponent = self.at > start && matches!(self.text[self.at - 1], 'e' | 'E');
            if !(c.is_ascii_alphanumeric() || c == '.' || exponent && matches!(c, '+' | '-')) {
                break;
            }
            self.at += 1;
        }
        let text: String = self.text[start..self.at].iter().collect();
        let value = text.parse().ok().filter(|value: &f64| value.is_finite());
        value.map_or_else(
            || {
                self.at = start;
                self.fail(format!("`{text}` is no number"))
            },
            Ok,
        )
    }

    /// A function and its arguments.
    fn call(&mut self) -> Parsed<Number> {
        let start = self.at;
        let name = self.word();
        let statistic = match name.as_str() {
            "median" => Statistic::Median,
            "min" => Statistic::Min,
            "max" => Statistic::Max,
            "geomean" => Statistic::Geomean,
            "quantile" => Statistic::Quantile(f64::NAN),
            "ratio" => return self.ratio(),
            "share" => {
                self.expect('(')?;
                if let Some(classes) = self.classes()? {
                    return Ok(classes);
                }
                let inner = self.of_programs(start, Self::or)?;
                self.expect(')')?;
                return Ok(Number::Share(Box::new(inner)));
            }
            "ci_low" => return self.interval(start, End::Low),
            "ci_high" => return self.interval(start, End::High),
            _ => {
                self.at = start;
                return self.fail(format!(
                    "`{name}` is no function; there are median, min, max, geomean, quantile, \
                     ratio, share, ci_low and ci_high"
                ));
            }
        };
        self.expect('(')?;
        if self.is_metric() {
            let samples = self.samples()?;
            let statistic = self.with_share(statistic)?;
            self.expect(')')?;
            return Ok(Number::OfRows(statistic, samples));
        }
        let inner = self.of_programs(start, Self::number)?;
        let statistic = self.with_share(statistic)?;
        self.expect(')')?;
        Ok(Number::OfPrograms(statistic, Box::new(inner)))
    }

    /// A quantile's last argument.
    fn with_share(&mut self, statistic: Statistic) -> Parsed<Statistic> {
        if !matches!(statistic, Statistic::Quantile(_)) {
            return Ok(statistic);
        }
        self.expect(',')?;
        let share = self.literal()?;
        if share > 1.0 {
            return self.fail("a share is between 0 and 1");
        }
        Ok(Statistic::Quantile(share))
    }

    fn of_programs<T>(&mut self, start: usize, parse: fn(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.in_program {
            self.at = start;
            return self.fail("inside of an aggregate over programs there is only one program");
        }
        self.in_program = true;
        let inner = parse(self);
        self.in_program = false;
        inner
    }

    fn interval(&mut self, start: usize, end: End) -> Parsed<Number> {
        if self.in_interval {
            self.at = start;
            return self.fail("an interval of an interval has no meaning");
        }
        self.expect('(')?;
        self.in_interval = true;
        let inner = self.number();
        self.in_interval = false;
        let inner = inner?;
        if inner.is_of_classes() {
            self.at = start;
            return self.fail("a share of classes has an interval by itself only");
        }
        self.expect(')')?;
        Ok(Number::Interval(end, Box::new(inner)))
    }

    /// What follows `share(`, if it is about classes.
    fn classes(&mut self) -> Parsed<Option<Number>> {
        self.skip_space();
        let start = self.at;
        let word = self.word();
        if word != CLASS || !self.takes(',') {
            self.at = start;
            return Ok(None);
        }
        let selector = self.selector()?;
        self.expect(',')?;
        let (text, end) = self.quoted()?;
        let named = |name: &str| {
            let name = name.trim();
            let class = Class::ALL
                .into_iter()
                .find(|class| class.to_string() == name);
            class
                .map(Some)
                .or((name == INCONSISTENT).then_some(None))
                .ok_or_else(|| name.to_owned())
        };
        let classes = match text.split(" or ").map(named).collect::<Result<Vec<_>, _>>() {
            Ok(classes) => classes,
            Err(name) => {
                return self.fail(format!(
                    "`{name}` is no class; there are flat, warmup, slowdown, no steady state and \
                     inconsistent, with `or` between them"
                ));
            }
        };
        self.at = end;
        self.expect(')')?;
        Ok(Some(Number::Classes(selector, classes)))
    }

    fn ratio(&mut self) -> Parsed<Number> {
        self.expect('(')?;
        let first = self.samples()?;
        self.expect(',')?;
        let selector = self.selector()?;
        self.expect(')')?;
        let metric = first.metric.clone();
        Ok(Number::Ratio(first, Samples { metric, selector }))
    }

    /// Whether a metric's name follows, and not a call.
    fn is_metric(&mut self) -> bool {
        self.skip_space();
        let start = self.at;
        let word = self.word();
        self.skip_space();
        let is_call = self.text.get(self.at) == Some(&'(');
        self.at = start;
        !word.is_empty() && !is_call
    }

    /// A metric and a selector.
    fn samples(&mut self) -> Parsed<Samples> {
        self.skip_space();
        let metric = self.word();
        if metric.is_empty() {
            return self.fail("expected the name of a metric");
        }
        if metric == CLASS {
            self.at -= metric.len();
            return self.fail("`class` is no number; write `share(class, 'where', 'flat')`");
        }
        self.expect(',')?;
        let selector = self.selector()?;
        Ok(Samples { metric, selector })
    }

    fn selector(&mut self) -> Parsed<Selector> {
        let (text, end) = self.quoted()?;
        let mut settings = Vec::new();
        for part in text.split(',').filter(|_| !text.trim().is_empty()) {
            let Some((key, value)) = part.split_once('=') else {
                return self.fail(format!("`{part}` is not of the form `key=value`"));
            };
            settings.push((key.trim().to_owned(), value.trim().to_owned()));
        }
        self.at = end;
        Ok(Selector(settings))
    }

    /// A text in quotes, and where it ends. The parser is left at its begin, where what is wrong
    /// with the text is to be reported.
    fn quoted(&mut self) -> Parsed<(String, usize)> {
        self.expect('\'')?;
        let rest = &self.text[self.at..];
        let Some(length) = rest.iter().position(|&c| c == '\'') else {
            self.at = self.text.len();
            return self.fail("expected `'`");
        };
        let text = rest[..length].iter().collect();
        Ok((text, self.at + length + 1))
    }

    fn word(&mut self) -> String {
        let start = self.at;
        let is_part = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
        while self.text.get(self.at).is_some_and(is_part) {
            self.at += 1;
        }
        self.text[start..self.at].iter().collect()
    }

    fn skip_space(&mut self) {
        while self.text.get(self.at).is_some_and(|c| c.is_whitespace()) {
            self.at += 1;
        }
    }

    fn takes(&mut self, c: char) -> bool {
        self.skip_space();
        self.takes_next(c)
    }

    fn takes_next(&mut self, c: char) -> bool {
        let takes = self.text.get(self.at) == Some(&c);
        self.at += usize::from(takes);
        takes
    }

    fn takes_word(&mut self, word: &str) -> bool {
        self.skip_space();
        let start = self.at;
        let takes = self.word() == word;
        if !takes {
            self.at = start;
        }
        takes
    }

    fn expect(&mut self, c: char) -> Parsed<()> {
        if self.takes(c) {
            return Ok(());
        }
        self.fail(format!("expected `{c}`"))
    }
}
