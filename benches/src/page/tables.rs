//! HTML tables of numbers.

use std::fmt::Write as _;

use super::estimate::{Estimate, Mean, Outcome};
use upshift_plot::format::{NOTHING, Unit};
use upshift_plot::html::{escape, shorten};
use upshift_plot::look::Look;

/// Tables with more rows are collapsed at first.
const OPEN_ROWS: usize = 20;

/// The content of a table's cell.
#[derive(Clone, Debug)]
pub struct Cell(String);

impl Cell {
    /// A cell with words.
    pub fn text(text: &str) -> Self {
        Self(format!("<td>{}</td>", escape(text)))
    }

    /// A cell with a formatted number.
    pub fn number(number: &str) -> Self {
        Self(format!("<td>{}</td>", escape(number)))
    }

    /// A cell with an estimate without its unit, and the distance to the farther end of its
    /// interval.
    pub fn estimate(estimate: &Estimate, unit: Unit) -> Self {
        if !estimate.has_interval() {
            return Self::number(&unit.number(estimate.value));
        }
        let reach = (estimate.high - estimate.value).max(estimate.value - estimate.low);
        let percent = 100.0 * reach / estimate.value.abs();
        let percent = match percent {
            percent if !percent.is_finite() => NOTHING.to_owned(),
            percent if percent < 0.05 => "&lt;0.1%".to_owned(),
            percent if percent < 9.95 => format!("±{percent:.1}%"),
            percent => format!("±{percent:.0}%"),
        };
        Self(format!(
            "<td title=\"{}\">{} <small>{percent}</small></td>",
            escape(&describe(estimate, unit)),
            unit.number(estimate.value)
        ))
    }

    /// A cell with an estimate, empty if there is none.
    pub fn optional(estimate: Option<Estimate>, unit: Unit) -> Self {
        estimate.map_or_else(Self::nothing, |estimate| Self::estimate(&estimate, unit))
    }

    /// A cell with a mean over cases; the tooltip has their number.
    pub fn mean(mean: Option<Mean>, unit: Unit) -> Self {
        Self::optional(mean.map(|mean| mean.estimate), unit)
    }

    /// A cell with an outcome: an estimate, or the reason why there is none.
    pub fn outcome(outcome: &Outcome<'_>, unit: Unit) -> Self {
        match outcome {
            Outcome::Measured(estimate) => Self::estimate(estimate, unit),
            Outcome::NotTold => Self::nothing(),
            _ => Self::excuse(&outcome.excuse()),
        }
    }

    /// A cell with a short reason why there is no number, and the whole reason in a tooltip.
    fn excuse(excuse: &str) -> Self {
        Self(format!(
            "<td class=\"excuse\" title=\"{}\">{}</td>",
            escape(excuse),
            escape(&shorten(excuse, 24))
        ))
    }

    /// An empty cell.
    pub fn nothing() -> Self {
        Self(format!("<td class=\"none\">{NOTHING}</td>"))
    }
}

/// Value, interval and number of launches in words.
pub fn describe(estimate: &Estimate, unit: Unit) -> String {
    let value = unit.text(estimate.value);
    match (estimate.has_interval(), estimate.launches) {
        (true, _) => {}
        (false, 1) => return format!("{value}, one launch"),
        (false, launches) => return format!("{value}, {launches} launches"),
    }
    let (low, high) = (unit.number(estimate.low), unit.number(estimate.high));
    format!(
        "{value}, 95 % interval {low} to {high}, {} launches",
        estimate.launches
    )
}

/// A table under construction.
#[derive(Debug)]
pub struct Table {
    caption: String,
    columns: Vec<String>,
    body: String,
    rows: usize,
    class: &'static str,
}

impl Table {
    /// A table without rows. The first column has the rows' names.
    pub fn new<S: AsRef<str>>(caption: &str, columns: impl IntoIterator<Item = S>) -> Self {
        let columns = columns.into_iter().map(|c| c.as_ref().to_owned());
        Self {
            caption: caption.to_owned(),
            columns: columns.collect(),
            body: String::new(),
            rows: 0,
            class: "numbers",
        }
    }

    /// Makes it a table of words, whose columns are aligned on the left.
    pub fn of_words(self) -> Self {
        Self {
            class: "words",
            ..self
        }
    }

    /// Starts a group of rows under a heading.
    pub fn group(&mut self, title: &str, about: &str) {
        // Writing to a string can't fail.
        let _ = write!(
            self.body,
            "</tbody><tbody><tr class=\"group\"><th colspan=\"{}\" scope=\"rowgroup\">\
             <span>{} <small>{}</small></span></th></tr>",
            self.columns.len(),
            escape(title),
            escape(about)
        );
    }

    /// Adds a row with a plain name.
    pub fn row(&mut self, name: &str, cells: &[Cell]) {
        self.push(&format!("<th scope=\"row\">{}</th>", escape(name)), cells);
    }

    /// Adds an engine's row.
    pub fn engine(&mut self, look: &Look, cells: &[Cell]) {
        self.push(&engine_head(look), cells);
    }

    /// Adds an engine's row without a number.
    pub fn engine_without(&mut self, look: &Look, why: &str) {
        let _ = write!(
            self.body,
            "<tr>{}<td class=\"excuse\" colspan=\"{}\">{}</td></tr>",
            engine_head(look),
            self.columns.len() - 1,
            escape(why)
        );
        self.rows += 1;
    }

    fn push(&mut self, head: &str, cells: &[Cell]) {
        let cells: String = cells.iter().map(|cell| cell.0.as_str()).collect();
        let _ = writeln!(self.body, "<tr>{head}{cells}</tr>");
        self.rows += 1;
    }

    /// The table's HTML, collapsed if it is long.
    pub fn render(&self) -> String {
        let columns: String = self
            .columns
            .iter()
            .map(|column| format!("<th scope=\"col\">{}</th>", escape(column)))
            .collect();
        let caption = escape(&self.caption);
        // The caption stays outside, so that it does not scroll sideways with the table.
        let table = format!(
            "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{caption}\">\
             <table class=\"{}\" aria-label=\"{caption}\"><thead><tr>{columns}</tr></thead>\
             <tbody>{}</tbody></table></div>",
            self.class, self.body
        );
        if self.rows <= OPEN_ROWS {
            return format!("<p class=\"caption\">{caption}</p>{table}");
        }
        format!(
            "<details><summary>{caption} <small>({} rows)</small></summary>{table}</details>",
            self.rows
        )
    }
}

fn engine_head(look: &Look) -> String {
    format!(
        "<th scope=\"row\" class=\"{} {}\"><i class=\"swatch\"></i>{}</th>",
        look.name_class(),
        look.class,
        escape(&look.name)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_relative_and_explained() {
        let estimate = Estimate {
            value: 0.2,
            low: 0.19,
            high: 0.22,
            launches: 5,
        };
        let cell = Cell::estimate(&estimate, Unit::MS).0;
        assert!(cell.contains("200 <small>±10%</small>"));
        assert!(cell.contains("190 to 220, 5 launches"));
        let single = Estimate {
            launches: 1,
            low: 0.2,
            high: 0.2,
            ..estimate
        };
        assert_eq!(Cell::estimate(&single, Unit::MS).0, "<td>200</td>");
    }

    #[test]
    fn long_tables_are_closed() {
        let mut table = Table::new("T", ["a", "b"]);
        table.row("<x>", &[Cell::nothing()]);
        assert!(table.render().contains("<p class=\"caption\">T</p>"));
        assert!(table.render().contains("&lt;x&gt;"));
        for _ in 0..OPEN_ROWS {
            table.row("y", &[Cell::number("1")]);
        }
        assert!(table.render().starts_with("<details>"));
    }
}
