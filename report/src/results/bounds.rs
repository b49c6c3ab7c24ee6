//! The waterfall of bounds: from no tier-up over each policy down to what no schedule can beat.

use upshift_plot::axis::Scale;
use upshift_plot::figure::picture;
use upshift_plot::format::{seconds, significant};
use upshift_plot::html::shorten;
use upshift_plot::svg::{Anchor, Svg, text_width};

use super::cells::{Cell, Cells};
use super::pictures;

/// Bounds by the names of their metrics, with what they are, from the slowest.
const BOUNDS: [(&str, &str); 5] = [
    ("never", "no tier-up"),
    ("threshold", "the best threshold, in hindsight"),
    ("iar", "a good schedule, in hindsight"),
    ("relaxed", "no policy is below"),
    ("free", "compiling takes no time"),
];

/// Policies of a picture at most, the fastest first.
const POLICIES: usize = 16;

/// The pictures, one for each program; `None` without bounds.
pub(super) fn html(cells: &Cells) -> Option<String> {
    let drawn: Vec<String> = cells
        .programs()
        .into_iter()
        .flat_map(|(program, of_program)| {
            let machines = machines(&of_program).into_iter();
            machines.map(move |of_machine| {
                let common = cells.common(&of_machine);
                picture(program, &common, &waterfall(cells, &of_machine))
            })
        })
        .collect();
    let about = "<p class=\"about\">Wall times from the slowest down to what compiling in no time \
                 would take. Bars of policies end where their run does; grey ones are bounds and \
                 schedules that know the future.</p>";
    (!drawn.is_empty()).then(|| about.to_owned() + &pictures(drawn))
}

/// A row of the waterfall.
struct Bar {
    name: String,
    about: &'static str,
    seconds: f64,
    is_policy: bool,
}

/// The cells that have bounds, by the machine that these belong to: by cores, as far as these have
/// the same lowest bound. In the order of the first cell of each.
fn machines<'a>(of_program: &[&'a Cell]) -> Vec<Vec<&'a Cell>> {
    let mut machines: Vec<(_, Vec<&Cell>)> = Vec::new();
    for &cell in of_program {
        let Some(relaxed) = cell.value("relaxed") else {
            continue;
        };
        let machine = (cell.settings.get("cores"), relaxed);
        match machines.iter_mut().find(|(known, _)| *known == machine) {
            Some((_, cells)) => cells.push(cell),
            None => machines.push((machine, vec![cell])),
        }
    }
    machines.sort_by(|(one, _), (other, _)| one.0.cmp(&other.0));
    machines.into_iter().map(|(_, cells)| cells).collect()
}

/// The waterfall of cells of one machine, of which there is one at least.
fn waterfall(cells: &Cells, of_machine: &[&Cell]) -> String {
    let with = of_machine[0];
    let relaxed = with.value("relaxed").unwrap_or(f64::NAN);
    let mut bars: Vec<Bar> = of_machine
        .iter()
        .filter_map(|cell| {
            Some(Bar {
                name: cells.label_among(cell, of_machine),
                about: "",
                seconds: cell.value("wall")?,
                is_policy: true,
            })
        })
        .collect();
    bars.sort_by(|one, other| one.seconds.total_cmp(&other.seconds));
    bars.truncate(POLICIES);
    bars.extend(BOUNDS.iter().filter_map(|&(name, about)| {
        Some(Bar {
            name: name.to_owned(),
            about,
            seconds: with.value(name)?,
            is_policy: false,
        })
    }));
    bars.sort_by(|one, other| other.seconds.total_cmp(&one.seconds));
    draw(&bars, relaxed)
}

fn draw(bars: &[Bar], relaxed: f64) -> String {
    let names = bars.iter().map(|bar| text_width(&shorten(&bar.name, 36)));
    let left = names.fold(60.0, f64::max) + 10.0;
    let right = left + 300.0;
    let most = bars.iter().map(|bar| bar.seconds).fold(0.0, f64::max);
    let scale = Scale::linear((0.0, most), (left, right));
    let bottom = bars.len() as f64 * 22.0;
    let mut svg = Svg::new(
        right + 200.0,
        bottom + 8.0,
        "bounds and policies, by wall time",
    );
    // Under the bars and their texts, which may reach across it.
    let limit = scale.at(relaxed);
    svg.line("cut-line", (limit, 0.0), (limit, bottom));
    for (row, bar) in bars.iter().enumerate() {
        let top = row as f64 * 22.0 + 3.0;
        let ratio = significant(bar.seconds / relaxed, 3);
        let tip = format!("{}: {}, {ratio}× relaxed", bar.name, seconds(bar.seconds));
        let class = if bar.is_policy { "b1" } else { "b0" };
        let size = (scale.at(bar.seconds) - left, 15.0);
        svg.group(class, |svg| svg.rect("bar", (left, top), size, &tip));
        let name = shorten(&bar.name, 36);
        svg.text("name", (left - 6.0, top + 12.0), Anchor::End, &name);
        let value = match bar.about {
            "" => format!("{} · {ratio}× relaxed", seconds(bar.seconds)),
            about => format!("{} · {about}", seconds(bar.seconds)),
        };
        let at = (scale.at(bar.seconds) + 6.0, top + 12.0);
        svg.text("tick over", at, Anchor::Start, &value);
    }
    svg.finish()
}
