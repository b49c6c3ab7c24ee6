//! The log as a table (CSV): a row for each record, a column for each field that any record has.
//!
//! A field within another has a name with a dot, such as `decision.view.units`; `name` is the
//! function's name. Lists are JSON. Absent fields are empty.

use std::collections::HashMap;
use std::io::{self, Write};

use serde_json::{Map, Value};

use crate::labels::Labels;
use crate::log::Record;
use crate::names::Names;

/// Writes the table of these records.
///
/// # Errors
///
/// If the output can't be written.
pub fn write_csv(records: &[Record], names: &Names, out: &mut impl Write) -> io::Result<()> {
    let columns = Columns::of(records);
    let header = columns.names.iter().map(|name| quoted(name));
    writeln!(out, "{}", header.collect::<Vec<_>>().join(","))?;
    let mut labels = Labels::new(names);
    for record in records {
        let mut row = vec![String::new(); columns.names.len()];
        if let Some(func) = record.event.func() {
            row[Columns::NAME] = quoted(labels.func(func));
        }
        fields(record, |name, value| {
            row[columns.places[name]] = cell(value);
        });
        writeln!(out, "{}", row.join(","))?;
    }
    Ok(())
}

/// The columns of a table, in the order of their first values.
struct Columns {
    names: Vec<String>,
    places: HashMap<String, usize>,
}

impl Columns {
    /// The place of the column of functions' names.
    const NAME: usize = 4;

    fn of(records: &[Record]) -> Self {
        let mut columns = Self {
            names: Vec::new(),
            places: HashMap::new(),
        };
        for name in ["at", "cpu", "thread", "event", "name"] {
            columns.add(name);
        }
        for record in records {
            fields(record, |name, _| columns.add(name));
        }
        columns
    }

    fn add(&mut self, name: &str) {
        if !self.places.contains_key(name) {
            self.places.insert(name.to_owned(), self.names.len());
            self.names.push(name.to_owned());
        }
    }
}

/// Calls `each` with every field of the record that is no object, and its name.
fn fields(record: &Record, mut each: impl FnMut(&str, &Value)) {
    let value = serde_json::to_value(record).expect("records serialize");
    let Value::Object(fields) = value else {
        unreachable!("a record is an object");
    };
    // A function's index stands in `func` or `code`; either way its columns are the same.
    walk(&fields, "", &mut each);
}

fn walk(object: &Map<String, Value>, prefix: &str, each: &mut impl FnMut(&str, &Value)) {
    for (name, value) in object {
        let name = match (prefix, name.as_str()) {
            ("", "func" | "code" | "kept") if value.is_object() => String::new(),
            ("", name) => name.to_owned(),
            (prefix, name) => format!("{prefix}.{name}"),
        };
        match value {
            Value::Object(inner) => walk(inner, &name, each),
            value => each(&name, value),
        }
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => quoted(text),
        Value::Array(_) => quoted(&value.to_string()),
        value => value.to_string(),
    }
}

/// The text as a cell: in quotes if it has what ends a cell or a row.
fn quoted(text: &str) -> String {
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use crate::random;

    /// Reads a table with quoted cells.
    fn parse(text: &str) -> Vec<Vec<String>> {
        let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
        let mut chars = text.chars().peekable();
        let mut inside = false;
        while let Some(char) = chars.next() {
            match (char, inside) {
                ('"', true) if chars.peek() == Some(&'"') => cell.push(chars.next().unwrap()),
                ('"', _) => inside = !inside,
                (',', false) => row.push(std::mem::take(&mut cell)),
                ('\n', false) => {
                    row.push(std::mem::take(&mut cell));
                    rows.push(std::mem::take(&mut row));
                }
                _ => cell.push(char),
            }
        }
        assert!(row.is_empty() && cell.is_empty() && !inside);
        rows
    }

    #[test]
    fn all_records_are_rows_of_one_width() {
        let mut rng = fastrand::Rng::with_seed(5);
        let kinds = (0..Event::NAMES.len()).cycle().take(200);
        let records: Vec<_> = kinds.map(|kind| random::record(kind, &mut rng)).collect();
        let mut out = Vec::new();
        write_csv(&records, &Names::default(), &mut out).unwrap();
        let rows = parse(std::str::from_utf8(&out).unwrap());
        assert_eq!(rows.len(), records.len() + 1);
        let column = |name: &str| rows[0].iter().position(|found| found == name).unwrap();
        for (row, record) in rows[1..].iter().zip(&records) {
            assert_eq!(row.len(), rows[0].len());
            assert_eq!(row[column("event")], record.event.name());
            assert_eq!(row[column("at")], record.at.0.to_string());
            if let Some(func) = record.event.func() {
                assert_eq!(row[column("func")], func.func.0.to_string());
                assert_eq!(row[column("name")], func.to_string());
            }
        }
        column("decision.view.units");
        column("decision.answer.function.level");
    }
}
