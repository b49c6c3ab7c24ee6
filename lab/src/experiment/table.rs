//! Tables of TOML, read by name, with errors that have lines.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use upshift_tiering::file::{FileError, Source, text};

use super::braces::expand;

/// A table of the file.
pub(super) struct Table<'a> {
    pub(super) source: Source<'a>,
    /// Where it begins.
    pub(super) at: Range<usize>,
    pub(super) table: &'a DeTable<'a>,
}

/// A value, if the table has it.
pub(super) type Found<T> = Result<Option<T>, FileError>;

impl<'a> Table<'a> {
    /// The error at a place.
    pub(super) fn fail<T>(
        &self,
        at: Range<usize>,
        problem: impl Into<String>,
    ) -> Result<T, FileError> {
        Err(self.source.error(at, problem))
    }

    /// Refuses names that are not among these.
    pub(super) fn only(&self, what: &str, known: &[&'static str]) -> Result<(), FileError> {
        for key in self.table.keys() {
            if !known.contains(&&**key.get_ref()) {
                let name = key.get_ref();
                return Err(self.source.unknown(key.span(), what, name, known));
            }
        }
        Ok(())
    }

    /// The value of a name.
    pub(super) fn get(&self, name: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        let mut pairs = self.table.iter();
        let found = pairs.find(|(key, _)| &**key.get_ref() == name);
        found.map(|(_, value)| value)
    }

    /// The table of a name.
    pub(super) fn table(&self, name: &str) -> Found<Table<'a>> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        match value.get_ref() {
            DeValue::Table(table) => Ok(Some(Table {
                source: self.source,
                at: value.span(),
                table,
            })),
            _ => self.fail(value.span(), format!("write [{name}]")),
        }
    }

    /// The tables of a name that is written `[[name]]`.
    pub(super) fn tables(&self, name: &str) -> Result<Vec<Table<'a>>, FileError> {
        let Some(value) = self.get(name) else {
            return Ok(Vec::new());
        };
        let wrong = || self.source.error(value.span(), format!("write [[{name}]]"));
        let DeValue::Array(entries) = value.get_ref() else {
            return Err(wrong());
        };
        let table = |entry: &'a Spanned<DeValue<'a>>| match entry.get_ref() {
            DeValue::Table(table) => Ok(Table {
                source: self.source,
                at: entry.span(),
                table,
            }),
            _ => Err(wrong()),
        };
        entries.iter().map(table).collect()
    }

    /// One text or number.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, FileError> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        match text(value.get_ref()) {
            Some(text) => Ok(Some(text)),
            None => self.fail(value.span(), format!("`{name}` is one text or number")),
        }
    }

    /// The texts of a value or a list of values, none of which is a list, and where they stand.
    pub(super) fn texts(&self, name: &str) -> Found<(Vec<String>, Range<usize>)> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let texts: Option<Vec<String>> = match value.get_ref() {
            DeValue::Array(values) => values.iter().map(|value| text(value.get_ref())).collect(),
            one => text(one).map(|text| vec![text]),
        };
        match texts {
            Some(texts) => Ok(Some((texts, value.span()))),
            None => self.fail(
                value.span(),
                format!("`{name}` is a text, a number or a list of those"),
            ),
        }
    }

    /// As [`texts`](Self::texts), with lists in braces multiplied out, and not empty.
    pub(super) fn values(&self, name: &str) -> Found<(Vec<String>, Range<usize>)> {
        let Some((texts, at)) = self.texts(name)? else {
            return Ok(None);
        };
        let mut values = Vec::new();
        for text in &texts {
            let error = |problem| self.source.error(at.clone(), problem);
            for value in expand(text).map_err(error)? {
                if !values.contains(&value) {
                    values.push(value);
                }
            }
        }
        match values.is_empty() {
            true => self.fail(at, format!("`{name}` has no values")),
            false => Ok(Some((values, at))),
        }
    }

    /// A number, or the default.
    pub(super) fn number<T: std::str::FromStr>(
        &self,
        name: &str,
        default: T,
    ) -> Result<T, FileError> {
        let Some(found) = self.text(name)? else {
            return Ok(default);
        };
        let at = self.place(name);
        found
            .parse()
            .or_else(|_| self.fail(at, format!("`{name}` is a number, not `{found}`")))
    }

    /// Where the value of a name stands.
    pub(super) fn place(&self, name: &str) -> Range<usize> {
        self.get(name).map_or(self.at.clone(), Spanned::span)
    }

    /// One of some words.
    pub(super) fn choice<T: Copy>(
        &self,
        name: &'static str,
        words: &[(&'static str, T)],
        default: T,
    ) -> Result<T, FileError> {
        let Some(found) = self.text(name)? else {
            return Ok(default);
        };
        if let Some((_, choice)) = words.iter().find(|(word, _)| *word == found) {
            return Ok(*choice);
        }
        let at = self.place(name);
        let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        Err(self.source.unknown(at, name, &found, &known))
    }
}
