//! Heat maps: the time over two settings, one map for each program and combination of the others.

use std::collections::BTreeMap;

use upshift_plot::figure::picture;
use upshift_plot::format::{seconds, significant};
use upshift_plot::html::shorten;
use upshift_plot::svg::{Anchor, Svg, text_width};

use super::cells::{Cell, Cells};
use super::pictures;

/// Maps at most: more are not looked at.
const MAPS: usize = 60;

/// Steps of colour; the style sheet has a class for each.
const STEPS: f64 = 9.0;

/// The maps; `None` if fewer than two settings vary.
pub(super) fn html(cells: &Cells) -> Option<String> {
    let metric = cells.time()?;
    let varied = cells.varied();
    let mut axes: Vec<_> = varied.iter().collect();
    // The two settings with the most values; the one with more goes down, where there is room.
    axes.sort_by_key(|(name, values)| (std::cmp::Reverse(values.len()), **name));
    let [(down, rows), (across, columns), ..] = axes[..] else {
        return None;
    };
    let mut maps: BTreeMap<(String, String), Vec<&Cell>> = BTreeMap::new();
    for cell in &cells.cells {
        let others = axes.iter().skip(2).map(|(name, _)| {
            let value = cell.settings.get(**name).map_or("", String::as_str);
            format!("{name}={value}")
        });
        let others = others.collect::<Vec<_>>().join(", ");
        maps.entry((cell.program.clone(), others))
            .or_default()
            .push(cell);
    }
    let left_out = maps.len().saturating_sub(MAPS);
    let drawn = maps
        .iter()
        .take(MAPS)
        .filter_map(|((program, others), cells)| {
            let axes = Axes {
                down,
                rows,
                across,
                columns,
            };
            let drawn = axes.map(metric, cells)?;
            Some(picture(program, others, &drawn))
        });
    let about = format!(
        "<p class=\"about\">{metric} relative to the best of each map: the lighter, the nearer to \
         it. Point at a field for its value.</p>"
    );
    let mut html = about + &pictures(drawn);
    if left_out > 0 {
        html += &format!("<p class=\"hint\">{left_out} more maps are not drawn.</p>");
    }
    Some(html)
}

/// The settings of a map's axes, with their values.
struct Axes<'a> {
    down: &'a str,
    rows: &'a [&'a str],
    across: &'a str,
    columns: &'a [&'a str],
}

impl Axes<'_> {
    fn map(&self, metric: &str, cells: &[&Cell]) -> Option<String> {
        let value = |row: &str, column: &str| {
            let has = |cell: &Cell, name: &str, wanted: &str| {
                cell.settings.get(name).map_or("", String::as_str) == wanted
            };
            let mut cells = cells.iter();
            let cell =
                cells.find(|cell| has(cell, self.down, row) && has(cell, self.across, column));
            cell.and_then(|cell| cell.value(metric))
        };
        let values = self.rows.iter().flat_map(|row| {
            let value = &value;
            self.columns
                .iter()
                .filter_map(move |column| value(row, column))
        });
        let best = values.reduce(f64::min)?;
        let names = self.rows.iter().map(|row| text_width(&shorten(row, 34)));
        let left = names.fold(40.0, f64::max) + 10.0;
        let (width, height) = (62.0, 24.0);
        let bottom = 18.0 + self.rows.len() as f64 * height;
        let right = left + self.columns.len() as f64 * width;
        let label = format!("{metric} by {} and {}", self.down, self.across);
        let mut svg = Svg::new(right + 4.0, bottom + 34.0, &label);
        for (y, row) in self.rows.iter().enumerate() {
            let top = 18.0 + y as f64 * height;
            svg.text(
                "tick",
                (left - 6.0, top + 16.0),
                Anchor::End,
                &shorten(row, 34),
            );
            for (x, column) in self.columns.iter().enumerate() {
                let corner = (left + x as f64 * width, top);
                field(&mut svg, corner, (width, height), best, value(row, column));
            }
        }
        svg.text("title", (left - 6.0, 10.0), Anchor::End, self.down);
        for (x, column) in self.columns.iter().enumerate() {
            let at = (left + (x as f64 + 0.5) * width, bottom + 14.0);
            svg.text("tick", at, Anchor::Middle, &shorten(column, 10));
        }
        let middle = f64::midpoint(left, right);
        svg.text(
            "title",
            (middle, bottom + 30.0),
            Anchor::Middle,
            self.across,
        );
        // A map of few columns is not drawn larger than its texts are elsewhere.
        let widest = (right + 4.0).round();
        let drawn = svg.finish();
        Some(format!("<div style=\"max-width:{widest}px\">{drawn}</div>"))
    }
}

/// A field of the map: the value over the best one, in the colour of that.
fn field(svg: &mut Svg, corner: (f64, f64), size: (f64, f64), best: f64, value: Option<f64>) {
    let Some(value) = value else {
        svg.rect("heat none", corner, size, "not measured");
        return;
    };
    let ratio = value / best;
    // A doubling is the darkest.
    let step = (STEPS * ratio.log2()).clamp(0.0, STEPS).round();
    let tip = format!("{}, {}× the best", seconds(value), significant(ratio, 3));
    svg.rect(&format!("heat h{step}"), corner, size, &tip);
    let at = (corner.0 + size.0 / 2.0, corner.1 + 16.0);
    let class = if step > 5.0 { "value on-heat" } else { "value" };
    svg.text_with_tip(class, at, Anchor::Middle, &significant(ratio, 3), &tip);
}
