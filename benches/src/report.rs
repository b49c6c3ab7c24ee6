//! Tables for people and JSON for programs, from the same rows.

use std::fmt;

use serde::Serialize;

/// One measured thing: a value with a unit.
#[derive(Clone, Debug, Serialize)]
pub struct Cell {
    /// The value; `None` where the engine can't do it.
    pub value: Option<f64>,
    /// Digits after the point to show.
    #[serde(skip)]
    pub digits: usize,
}

impl Cell {
    /// A value, shown with so many digits after the point.
    pub fn new(value: f64, digits: usize) -> Self {
        Self {
            value: Some(value),
            digits,
        }
    }

    /// Of an engine that can't do it.
    pub fn none() -> Self {
        Self {
            value: None,
            digits: 0,
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value {
            Some(value) => f.pad(&format!("{value:.*}", self.digits)),
            None => f.pad("-"),
        }
    }
}

/// A table with a title: columns with their units, a name and cells per row.
#[derive(Clone, Debug, Serialize)]
pub struct Table {
    /// What is measured, and how.
    pub title: String,
    /// Headings of the cells, units included.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Row>,
}

/// A row of a [`Table`].
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What the row is about.
    pub name: String,
    /// One cell per column.
    pub cells: Vec<Cell>,
}

impl Table {
    /// A table without rows.
    pub fn new(
        title: impl Into<String>,
        columns: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        Self {
            title: title.into(),
            columns: columns.into_iter().map(Into::into).collect(),
            rows: Vec::new(),
        }
    }

    /// Appends a row.
    ///
    /// # Panics
    ///
    /// If the number of cells is not the number of columns.
    pub fn push(&mut self, name: impl Into<String>, cells: Vec<Cell>) {
        assert_eq!(cells.len(), self.columns.len(), "one cell per column");
        self.rows.push(Row {
            name: name.into(),
            cells,
        });
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.rows.iter().map(|row| row.name.len());
        let first = names.max().unwrap_or(0);
        writeln!(f, "{}", self.title)?;
        write!(f, "  {:first$}", "")?;
        for column in &self.columns {
            write!(f, "  {column:>9}")?;
        }
        writeln!(f)?;
        for row in &self.rows {
            write!(f, "  {:first$}", row.name)?;
            for (cell, column) in row.cells.iter().zip(&self.columns) {
                write!(f, "  {cell:>width$}", width = column.len().max(9))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// Everything that one run of the benchmarks found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Version of this format.
    pub format: u32,
    /// The processor's name and number of hardware threads, as far as the system tells.
    pub machine: String,
    /// Interleaved rounds that the medians are over.
    pub rounds: usize,
    /// The tables.
    pub tables: Vec<Table>,
}

impl Report {
    /// A report without tables, about this machine.
    pub fn new(rounds: usize) -> Self {
        Self {
            format: 1,
            machine: machine(),
            rounds,
            tables: Vec::new(),
        }
    }
}

fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == "model name").then(|| value.trim())
    });
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    format!(
        "{}, {threads} threads",
        model.unwrap_or("unknown processor")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_align_and_serialize() {
        let mut table = Table::new("Times", ["a, s", "a long heading"]);
        table.push("x", vec![Cell::new(1.25, 1), Cell::none()]);
        let text = table.to_string();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "Times");
        assert_eq!(lines[1].len(), lines[2].len());
        assert!(lines[2].ends_with('-'));
        let json = serde_json::to_value(&table).unwrap();
        assert_eq!(json["rows"][0]["cells"][0]["value"], 1.25);
        assert!(json["rows"][0]["cells"][1]["value"].is_null());
    }
}
