//! Tables of events as columns: names once, and a value that never changes once.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// The fields of one kind of event: a column for each, all of one length.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    rows: usize,
    columns: BTreeMap<String, Vec<Value>>,
}

impl Columns {
    /// Adds an event with these fields. Objects and lists of objects become fields with dots.
    pub(crate) fn push(&mut self, fields: &Map<String, Value>) {
        self.add(fields, "");
        self.rows += 1;
        for column in self.columns.values_mut() {
            column.resize(self.rows, Value::Null);
        }
    }

    fn add(&mut self, fields: &Map<String, Value>, prefix: &str) {
        for (name, value) in fields {
            self.add_one(format!("{prefix}{name}"), value);
        }
    }

    fn add_one(&mut self, name: String, value: &Value) {
        match value {
            Value::Object(inner) => self.add(inner, &format!("{name}.")),
            Value::Array(items) if items.iter().any(Value::is_object) => {
                for (place, item) in items.iter().enumerate() {
                    self.add_one(format!("{name}.{place}"), item);
                }
            }
            Value::Null => {}
            value => {
                let column = self.columns.entry(name).or_default();
                column.resize(self.rows, Value::Null);
                column.push(value.clone());
            }
        }
    }

    /// The columns as an object. One with a single value throughout is `{"same": value}`.
    pub(crate) fn json(self) -> Value {
        let columns = self.columns.into_iter();
        let columns = columns.map(|(name, values)| (name, column(values)));
        Value::Object(columns.collect())
    }
}

/// The values as a list, or `{"same": value}` if they are all alike.
pub(crate) fn column(values: Vec<Value>) -> Value {
    match values.first() {
        Some(first) if values.iter().all(|value| value == first) => json!({ "same": first }),
        _ => Value::Array(values),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_become_columns_with_dotted_names() {
        let mut columns = Columns::default();
        for at in [3, 4] {
            let event = json!({
                "at": at, "same": "x", "inner": {"a": at * 2, "none": null},
                "list": [{"b": 1.5}, {"b": at}], "words": ["k", at],
            });
            columns.push(event.as_object().unwrap());
        }
        columns.push(json!({ "same": "x" }).as_object().unwrap());
        let expected = json!({
            "at": [3, 4, null], "same": {"same": "x"}, "inner.a": [6, 8, null],
            "list.0.b": [1.5, 1.5, null], "list.1.b": [3, 4, null],
            "words": [["k", 3], ["k", 4], null],
        });
        assert_eq!(columns.json(), expected);
    }
}
