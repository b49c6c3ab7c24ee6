//! The section on warmup: how fast the same program is when it runs repeatedly in one process.

use std::collections::BTreeMap;

use super::estimate::{Mean, Outcome};
use super::phase::Phase;
use super::tables::{Cell, Table};
use super::{Page, REFERENCE, Section, about_case, disagreements, dots, grid, legend, picture};
use crate::metric::Metric;
use crate::record::{CaseInfo, Iteration, Row, Suite, TierEvent};
use crate::stats;
use upshift_plot::axis::{Frame, Scale, extent};
use upshift_plot::format::{Unit, seconds, seconds_of_tick};
use upshift_plot::look::{Look, Palette};
use upshift_plot::svg::{Anchor, Point, Svg};

/// Kernels that are shown first, if they are present: a hash of a few loops, floats, memory, an
/// interpreter's dispatch, one long loop that only OSR can leave, and allocation with recursion.
const CHOSEN: [&str; 6] = ["sha256", "nbody", "hashmap", "interp", "main_loop", "trees"];

/// The height of a line of ticks for events.
const LANE: f64 = 10.0;

/// Writes the section.
pub fn section(page: &Page<'_>) -> Section {
    let looks = page.looks(Suite::Kernels);
    let mut section = Section::new(
        "warmup",
        "Warmup",
        "Small programs that are loaded once and then run again and again in one process, each \
         time in an instance of its own. First a summary relative to wasmtime; then, by kernel, \
         wall time of each iteration (up) at the time when it ended, counted from when loading \
         began (right), both logarithmic: lines that start further left answer earlier, lower ones \
         are faster. Each line is the median over launches, marked where it starts and where it \
         ends. Ticks on the lower edge are tier changes of Upshift's first launch: short ones \
         publish a function's optimized code, long ones the code of a running loop (OSR).",
    );
    if looks.is_empty() {
        return section.missing("kernels", "kernels");
    }
    section.push(&legend(&looks));
    section.push(&summary(page, &looks));
    section.push(&disagreements(page.results, Suite::Kernels));
    let (first, others) = chosen(page);
    let time = time_extent(page, &looks);
    let draw = |case: &&CaseInfo| {
        let drawn = panel(page, case, &looks, time);
        picture(&case.name, &about_case(case), &drawn)
    };
    section.push(&grid(first.iter().map(draw)).replacen("grid", "grid small", 1));
    if !others.is_empty() {
        let panels = grid(others.iter().map(draw)).replacen("grid", "grid small", 1);
        section.push(&format!(
            "<details><summary>The other {} kernels</summary>{panels}</details>",
            others.len()
        ));
    }
    section.push(&table(page, &looks));
    section
}

/// The kernels to show, and the others.
fn chosen<'a>(page: &Page<'a>) -> (Vec<&'a CaseInfo>, Vec<&'a CaseInfo>) {
    let cases: Vec<_> = page.results.cases(Suite::Kernels).collect();
    let is_chosen = |case: &&CaseInfo| CHOSEN.contains(&case.name.as_str());
    let (mut first, mut others): (Vec<_>, Vec<_>) = cases.into_iter().partition(is_chosen);
    first.sort_by_key(|case| CHOSEN.iter().position(|name| *name == case.name));
    let more = CHOSEN.len().saturating_sub(first.len()).min(others.len());
    first.extend(others.drain(..more));
    (first, others)
}

fn summary(page: &Page<'_>, looks: &[&Look]) -> String {
    if looks.iter().all(|look| look.id != REFERENCE) {
        return format!(
            "<p class=\"note\">Nothing is relative here: {REFERENCE} did not take part.</p>"
        );
    }
    let mean = |look: &Look, phase: Phase| -> Option<Mean> {
        let samples = |row: &Row| phase.samples(row);
        page.relative(Suite::Kernels, &look.id, REFERENCE, |_| true, samples)
    };
    let columns = Phase::ALL.map(|phase| {
        let rows = looks.iter().map(|look| (*look, mean(look, phase)));
        (phase, rows.collect::<Vec<_>>())
    });
    let pictures = columns.iter().map(|(phase, rows)| {
        let about = format!("{}; relative to wasmtime, geometric mean", phase.about());
        picture(phase.title(), &about, &dots::panel(phase.title(), rows, []))
    });
    let count = page.results.cases(Suite::Kernels).count();
    let titles = Phase::ALL.map(|phase| phase.title().to_owned());
    let mut table = Table::new(
        "Iterations relative to wasmtime, geometric means over the kernels that both ran",
        std::iter::once(String::new())
            .chain(titles)
            .chain([format!("kernels, of {count}")]),
    );
    for (index, look) in looks.iter().enumerate() {
        let means = columns.each_ref().map(|(_, rows)| rows[index].1);
        let fewest = means.iter().flatten().map(|mean| mean.cases).min();
        let mut cells: Vec<_> = means.iter().map(|m| Cell::mean(*m, Unit::TIMES)).collect();
        cells.push(Cell::number(&fewest.unwrap_or(0).to_string()));
        table.engine(look, &cells);
    }
    grid(pictures) + &table.render()
}

/// An engine's iterations: when each ended and how long it took, as medians over the launches.
///
/// Contains the iterations that at least half of the launches reached.
fn curve(row: &Row) -> Vec<Point> {
    let launches: Vec<&[Iteration]> = row
        .launches
        .iter()
        .map(|launch| launch.iterations.as_slice())
        .filter(|iterations| !iterations.is_empty())
        .collect();
    if row.failure.is_some() || launches.is_empty() {
        return Vec::new();
    }
    let longest = launches.iter().map(|i| i.len()).max().unwrap_or(0);
    let point = |index: usize| {
        let there = launches.iter().filter_map(|launch| launch.get(index));
        let there: Vec<&Iteration> = there.collect();
        if there.len() * 2 < launches.len() {
            return None;
        }
        let median = |of: fn(&Iteration) -> f64| {
            let values: Vec<f64> = there.iter().map(|i| of(i)).collect();
            values
                .iter()
                .all(|v| v.is_finite())
                .then(|| stats::median(&values))
        };
        let (end, wall) = (median(|i| i.at + i.wall)?, median(|i| i.wall)?);
        (end > 0.0 && wall > 0.0).then_some((end, wall))
    };
    (0..longest).map_while(point).collect()
}

fn row_of<'a>(page: &Page<'a>, case: &CaseInfo, look: &Look) -> Option<&'a Row> {
    page.results.row(Suite::Kernels, &case.name, &look.id)
}

/// The common range of times, so that pictures can be compared.
fn time_extent(page: &Page<'_>, looks: &[&Look]) -> (f64, f64) {
    let cases = page.results.cases(Suite::Kernels);
    let ends = cases.flat_map(|case| {
        looks.iter().flat_map(move |look| {
            let curve = row_of(page, case, look).map(curve).unwrap_or_default();
            let ends = [curve.first(), curve.last()].map(|end| end.map(|point| point.0));
            ends.into_iter().flatten()
        })
    });
    extent(ends, true).unwrap_or((1e-3, 1.0))
}

fn panel(page: &Page<'_>, case: &CaseInfo, looks: &[&Look], time: (f64, f64)) -> String {
    const SIZE: Point = (320.0, 236.0);
    let curves: Vec<_> = looks
        .iter()
        .map(|look| (*look, row_of(page, case, look)))
        .map(|(look, row)| (look, row, row.map(curve).unwrap_or_default()))
        .collect();
    let mut svg = Svg::new(SIZE.0, SIZE.1, &format!("Iterations of {}", case.name));
    let frame = Frame {
        left: 50.0,
        top: 10.0,
        right: SIZE.0 - 8.0,
        bottom: SIZE.1 - 24.0,
    };
    let walls = curves
        .iter()
        .flat_map(|(_, _, curve)| curve)
        .map(|point| point.1);
    let Some((low, high)) = extent(walls, true) else {
        svg.text("excuse", frame.middle(), Anchor::Middle, "no engine ran it");
        return svg.finish();
    };
    let x = Scale::log((time.0 / 1.2, time.1 * 1.2), frame.across());
    // Along the lower edge, each engine with events has a lane for its ticks.
    let lanes: Vec<_> = curves
        .iter()
        .filter_map(|(look, row, _)| Some((*look, &row.as_ref()?.launches.first()?.events)))
        .filter(|(_, events)| !events.is_empty())
        .collect();
    let floor = frame.bottom - LANE * lanes.len() as f64;
    let y = Scale::log((low / 1.15, high * 1.15), (floor, frame.top));
    frame.draw_x(&mut svg, &x, seconds_of_tick);
    frame.draw_y(&mut svg, &y, seconds_of_tick);
    for (look, _, curve) in &Palette::drawing_order(curves, |(look, ..)| look) {
        svg.group(&look.marks(), |svg| draw_curve(svg, look, curve, &x, &y));
    }
    for (index, (look, events)) in lanes.into_iter().enumerate() {
        let bottom = frame.bottom - LANE * index as f64;
        svg.group(&look.marks(), |svg| {
            draw_events(svg, look, events, bottom, &x, &frame);
        });
    }
    svg.finish()
}

fn draw_curve(svg: &mut Svg, look: &Look, curve: &[Point], x: &Scale, y: &Scale) {
    let place = |point: &Point| (x.at(point.0), y.at(point.1));
    svg.path("line", &thin(&curve.iter().map(place).collect::<Vec<_>>()));
    let ends = [curve.first(), curve.last()];
    for (point, what) in ends.into_iter().flatten().zip(["first", "last"]) {
        let tip = format!(
            "{}: {what} of {} iterations took {}, ended at {}",
            look.name,
            curve.len(),
            seconds(point.1),
            seconds(point.0)
        );
        svg.marker(
            look.shape,
            look.hollow,
            place(point),
            look.radius() * 0.75,
            &tip,
        );
    }
}

/// Removes points that can't be seen: of the points in a column of pixels, the first, the last, the
/// highest and the lowest remain.
fn thin(points: &[Point]) -> Vec<Point> {
    let column = |point: &Point| point.0.floor();
    let mut kept = Vec::new();
    for chunk in points.chunk_by(|one, other| column(one) == column(other)) {
        let by_height = |one: &&usize, other: &&usize| chunk[**one].1.total_cmp(&chunk[**other].1);
        let all: Vec<usize> = (0..chunk.len()).collect();
        let ends = [
            all.first(),
            all.iter().min_by(by_height),
            all.iter().max_by(by_height),
            all.last(),
        ];
        let mut indices: Vec<usize> = ends.into_iter().flatten().copied().collect();
        indices.sort_unstable();
        indices.dedup();
        kept.extend(indices.into_iter().map(|index| chunk[index]));
    }
    kept
}

/// Draws ticks for events; events of one kind in one pixel become one tick.
fn draw_events(
    svg: &mut Svg,
    look: &Look,
    events: &[TierEvent],
    bottom: f64,
    x: &Scale,
    frame: &Frame,
) {
    let mut ticks: BTreeMap<(i64, &str), Vec<&TierEvent>> = BTreeMap::new();
    for event in events {
        let at = x.at(event.at);
        if event.at > 0.0 && at.is_finite() {
            let at = at.clamp(frame.left, frame.right).round() as i64;
            ticks.entry((at, &event.what)).or_default().push(event);
        }
    }
    for ((at, what), events) in ticks {
        let height = if what == "osr" { 8.0 } else { 5.0 };
        let first = events[0];
        let more = match events.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let tip = format!(
            "{}: {what} {} at {}{more}",
            look.name,
            first.function,
            seconds(first.at)
        );
        svg.rect(
            "event",
            (at as f64 - 0.6, bottom - height),
            (1.2, height),
            &tip,
        );
    }
}

fn table(page: &Page<'_>, looks: &[&Look]) -> String {
    let mut table = Table::new(
        "Iterations by kernel, ms",
        std::iter::once("")
            .chain(Phase::ALL.map(Phase::title))
            .chain(["Steady, CPU, relative"]),
    );
    for case in page.results.cases(Suite::Kernels) {
        table.group(&case.name, &about_case(case));
        for look in looks {
            let row = row_of(page, case, look);
            // A row that failed or is absent has the same reason for every figure.
            let outcome = Outcome::of(row, |row| {
                let first = Phase::First.of(&page.estimator, row);
                first.or_else(|| page.figure(row, Metric::SteadyWall))
            });
            let (Some(row), Outcome::Measured(_)) = (row, outcome) else {
                table.engine_without(look, &outcome.excuse());
                continue;
            };
            let ratio = page.relative(
                Suite::Kernels,
                &look.id,
                REFERENCE,
                |name| name == case.name,
                |row| row.samples(Metric::SteadyCpu),
            );
            let mut cells = Phase::ALL
                .map(|p| Cell::optional(p.of(&page.estimator, row), Unit::MS))
                .to_vec();
            cells.push(Cell::mean(ratio, Unit::TIMES));
            table.engine(look, &cells);
        }
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Launch;

    fn launch(walls: &[f64]) -> Launch {
        let mut at = 1.0;
        let iterations = walls.iter().map(|wall| {
            let iteration = Iteration {
                at,
                wall: *wall,
                cpu: *wall,
            };
            at += wall;
            iteration
        });
        Launch {
            iterations: iterations.collect(),
            ..Launch::default()
        }
    }

    fn row(launches: Vec<Launch>) -> Row {
        Row {
            suite: Suite::Kernels,
            case: "k".into(),
            engine: "e".into(),
            launches,
            failure: None,
        }
    }

    #[test]
    fn curves_end_where_most_launches_end() {
        let row = row(vec![launch(&[2.0, 1.0]), launch(&[4.0]), launch(&[3.0])]);
        assert_eq!(curve(&row), [(4.0, 3.0)]);
    }

    #[test]
    fn thinning_keeps_extremes() {
        let points: Vec<Point> = (0..100)
            .map(|i| (f64::from(i) / 100.0, if i == 50 { 9.0 } else { 5.0 }))
            .collect();
        let kept = thin(&points);
        assert!(kept.len() <= 4 && kept.contains(&(0.5, 9.0)));
        assert_eq!((kept.first(), kept.last()), (points.first(), points.last()));
    }
}
