//! Warm-up: the iterations of each process, cut at their changepoints and classified.

use upshift_lab::stats::warmup::{Class, INCONSISTENT, SHORTEST, Warmup, classify, common_class};
use upshift_plot::axis::{Frame, Scale, extent};
use upshift_plot::figure::picture;
use upshift_plot::format::{number_of_tick, seconds, seconds_of_tick};
use upshift_plot::html::escape;
use upshift_plot::svg::{Anchor, Svg};

use super::cells::Cells;
use super::pictures;

/// Pictures at most.
const PICTURES: usize = 60;

/// The series; `None` without iterations.
pub(super) fn html(cells: &Cells, metric: &str) -> Option<String> {
    let mut drawn = Vec::new();
    for (cell, label) in cells.sorted() {
        let series = cell.series(metric);
        let series: Vec<_> = series.into_iter().filter(|s| s.len() >= SHORTEST).collect();
        let judged: Vec<(Vec<f64>, Warmup)> = series
            .into_iter()
            .filter_map(|times| Some((times.clone(), classify(&times)?)))
            .collect();
        let Some((times, first)) = judged.first() else {
            continue;
        };
        let common = common_class(judged.iter().map(|(_, warmup)| warmup.class));
        let common = common.map_or(INCONSISTENT.to_owned(), |class| class.to_string());
        let about = format!(
            "{}: {common}, {} processes; the first is drawn: {}",
            label,
            judged.len(),
            describe(first),
        );
        drawn.push(picture(&cell.program, &about, &draw(times, first)));
    }
    let about = format!(
        "<p class=\"about\">{} of each iteration. Lines are the means of the segments between \
         changepoints (PELT on mean and variance, as warmup_stats has it); hollow marks are \
         outliers.</p>",
        match metric {
            "wall" => "Time".to_owned(),
            other => format!("Time ({})", escape(other)),
        }
    );
    let more = drawn.len().saturating_sub(PICTURES);
    drawn.truncate(PICTURES);
    let mut html = about + &pictures(drawn.iter().cloned());
    if more > 0 {
        html += &format!("<p class=\"hint\">{more} more series are not drawn.</p>");
    }
    (!drawn.is_empty()).then_some(html)
}

fn describe(warmup: &Warmup) -> String {
    let steady = match (warmup.class, warmup.steady_from) {
        (Class::NoSteadyState, _) | (_, None) => return warmup.class.to_string(),
        (class, Some(from)) => format!("{class}, steady from iteration {from}"),
    };
    let last = warmup.segments.last();
    let mean = last.map_or(String::new(), |segment| {
        format!(", {}", seconds(segment.mean))
    });
    steady + &mean
}

fn draw(times: &[f64], warmup: &Warmup) -> String {
    let frame = Frame {
        left: 62.0,
        top: 8.0,
        right: 548.0,
        bottom: 200.0,
    };
    let (_, high) = extent(times.iter().copied(), true).unwrap_or((0.0, 1.0));
    let across = Scale::linear((0.0, times.len() as f64), frame.across());
    let up = Scale::linear((0.0, high * 1.05), frame.upwards());
    let mut svg = Svg::new(560.0, 236.0, "time of each iteration");
    frame.draw_x(&mut svg, &across, number_of_tick);
    frame.draw_y(&mut svg, &up, seconds_of_tick);
    let radius = if times.len() > 500 { 1.2 } else { 2.0 };
    svg.group("b0", |svg| {
        for (iteration, &time) in times.iter().enumerate() {
            let outlier = warmup.outliers.binary_search(&iteration).is_ok();
            let at = (across.at(iteration as f64 + 0.5), up.at(time));
            let tip = format!("iteration {iteration}: {}", seconds(time));
            svg.marker(upshift_plot::look::Shape::Circle, outlier, at, radius, &tip);
        }
    });
    for segment in &warmup.segments {
        let range = &segment.iterations;
        let y = up.at(segment.mean);
        let (from, to) = (across.at(range.start as f64), across.at(range.end as f64));
        svg.line("mean", (from, y), (to, y));
        if range.start > 0 {
            svg.line("cut-line", (from, frame.top), (from, frame.bottom));
        }
    }
    svg.text(
        "title",
        (frame.middle().0, 232.0),
        Anchor::Middle,
        "iteration",
    );
    svg.finish()
}
