//! Text tables: a title, headings, and cells.

use std::fmt;

/// A table of texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The title: what is measured, how, in which unit.
    pub title: String,
    /// Headings of the cells.
    pub columns: Vec<String>,
    /// Names of the rows, and their cells.
    pub rows: Vec<(String, Vec<String>)>,
}

impl Table {
    /// Creates a table without rows.
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
    pub fn push(&mut self, name: impl Into<String>, cells: Vec<String>) {
        assert_eq!(cells.len(), self.columns.len(), "one cell per column");
        self.rows.push((name.into(), cells));
    }

    /// The table in Markdown, without the title.
    pub fn markdown(&self) -> String {
        let line = |name: &str, cells: &[String]| format!("| {name} | {} |\n", cells.join(" | "));
        let mut text = line("", &self.columns);
        text.push_str(&format!("|{}\n", "---|".repeat(self.columns.len() + 1)));
        for (name, cells) in &self.rows {
            text.push_str(&line(name, cells));
        }
        text
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = |text: &String| text.chars().count();
        let first = self.rows.iter().map(|(name, _)| length(name)).max();
        let first = first.unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().map(|(_, cells)| length(&cells[column]));
            cells.max().unwrap_or(0).max(length(&self.columns[column]))
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        writeln!(f, "{}", self.title)?;
        let mut line = |name: &str, cells: &[String]| -> fmt::Result {
            write!(f, "  {name:first$}")?;
            for (cell, width) in cells.iter().zip(&widths) {
                write!(f, "  {cell:>width$}")?;
            }
            writeln!(f)
        };
        line("", &self.columns)?;
        for (name, cells) in &self.rows {
            line(name, cells)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_has_a_column_for_names() {
        let mut table = Table::new("Times", ["a", "b"]);
        table.push("x", vec!["1".into(), "2".into()]);
        assert_eq!(
            table.markdown(),
            "|  | a | b |\n|---|---|---|\n| x | 1 | 2 |\n"
        );
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new("Times", ["a", "a long heading"]);
        table.push("x", vec!["1.25 ± 0.1".into(), "-".into()]);
        table.push("longer", vec!["2".into(), "3".into()]);
        let text = table.to_string();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "Times");
        let widths: Vec<_> = lines[1..].iter().map(|line| line.chars().count()).collect();
        assert_eq!(widths, [widths[0]; 3]);
        assert!(lines[2].ends_with('-'));
    }
}
