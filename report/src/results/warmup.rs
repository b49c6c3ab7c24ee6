//! Warm-up: the iterations of each process, cut at their changepoints and classified.

use upshift_lab::stats::median;
use upshift_lab::stats::warmup::{Class, INCONSISTENT, SHORTEST, Warmup, classify, common_class};
use upshift_plot::axis::{Frame, Scale, extent};
use upshift_plot::figure::picture;
use upshift_plot::format::{number_of_tick, seconds, seconds_of_tick};
use upshift_plot::html::escape;
use upshift_plot::svg::{Anchor, Point, Svg};

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
        if judged.is_empty() {
            continue;
        }
        let common = common_class(judged.iter().map(|(_, warmup)| warmup.class));
        let common = common.map_or(INCONSISTENT.to_owned(), |class| class.to_string());
        let about = format!("{label}: {common}; {}", describe_all(&judged));
        drawn.push(picture(&cell.program, &about, &draw(&judged)));
    }
    let about = format!(
        "<p class=\"about\">{} of each iteration. Of several processes, each is a faint line, the \
         median of all a dark one, and short strokes below are their changepoints; of one, dark \
         lines are the means of the segments between them (PELT on mean and variance, as \
         warmup_stats has it). Hollow marks are outliers.</p>",
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

/// What each process did: one of them in words, several by how often each class is there.
fn describe_all(judged: &[(Vec<f64>, Warmup)]) -> String {
    if let [(_, only)] = judged {
        return format!("1 process: {}", describe(only));
    }
    let mut classes: Vec<(String, usize)> = Vec::new();
    for (_, warmup) in judged {
        let class = warmup.class.to_string();
        match classes.iter_mut().find(|(known, _)| *known == class) {
            Some((_, count)) => *count += 1,
            None => classes.push((class, 1)),
        }
    }
    let classes = classes
        .iter()
        .map(|(class, count)| format!("{count} {class}"));
    let classes: Vec<String> = classes.collect();
    let starts = judged.iter().filter_map(|(_, warmup)| warmup.steady_from);
    let (least, most) = (starts.clone().min(), starts.max());
    let steady = match (least, most) {
        (Some(least), Some(most)) if least == most => format!(", steady from iteration {least}"),
        (Some(least), Some(most)) => format!(", steady from iteration {least} to {most}"),
        _ => String::new(),
    };
    format!(
        "{} processes ({}){steady}",
        judged.len(),
        classes.join(", ")
    )
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

fn draw(judged: &[(Vec<f64>, Warmup)]) -> String {
    let frame = Frame {
        left: 62.0,
        top: 8.0,
        right: 548.0,
        bottom: 200.0,
    };
    let all = judged.iter().flat_map(|(times, _)| times.iter().copied());
    let (_, high) = extent(all, true).unwrap_or((0.0, 1.0));
    let longest = judged.iter().map(|(times, _)| times.len()).max();
    let longest = longest.unwrap_or(0);
    let across = Scale::linear((0.0, longest as f64), frame.across());
    let up = Scale::linear((0.0, high * 1.05), frame.upwards());
    let mut svg = Svg::new(560.0, 236.0, "time of each iteration");
    frame.draw_x(&mut svg, &across, number_of_tick);
    frame.draw_y(&mut svg, &up, seconds_of_tick);
    let at = |iteration: usize, time: f64| (across.at(iteration as f64 + 0.5), up.at(time));
    let line = |times: &[f64]| -> Vec<Point> {
        let points = times.iter().enumerate();
        points
            .map(|(iteration, &time)| at(iteration, time))
            .collect()
    };
    let radius = if longest > 500 { 1.2 } else { 2.0 };
    let is_single = judged.len() == 1;
    if !is_single {
        for (times, _) in judged {
            svg.path("process", &line(times));
        }
    }
    svg.group("b0", |svg| {
        for (process, (times, warmup)) in judged.iter().enumerate() {
            for (iteration, &time) in times.iter().enumerate() {
                let outlier = warmup.outliers.binary_search(&iteration).is_ok();
                if is_single || outlier {
                    let tip = format!(
                        "process {process}, iteration {iteration}: {}",
                        seconds(time)
                    );
                    let shape = upshift_plot::look::Shape::Circle;
                    svg.marker(shape, outlier, at(iteration, time), radius, &tip);
                }
            }
        }
    });
    for (_, warmup) in judged {
        for segment in &warmup.segments {
            let range = &segment.iterations;
            let (from, to) = (across.at(range.start as f64), across.at(range.end as f64));
            if is_single {
                let y = up.at(segment.mean);
                svg.line("mean", (from, y), (to, y));
            }
            if range.start > 0 {
                let top = if is_single {
                    frame.top
                } else {
                    frame.bottom - 8.0
                };
                svg.line("cut-line", (from, top), (from, frame.bottom));
            }
        }
    }
    if !is_single {
        svg.path("median", &line(&medians(judged, longest)));
    }
    svg.text(
        "title",
        (frame.middle().0, 232.0),
        Anchor::Middle,
        "iteration",
    );
    svg.finish()
}

/// The median time of each iteration over the processes that came to it.
fn medians(judged: &[(Vec<f64>, Warmup)], iterations: usize) -> Vec<f64> {
    let of = |iteration: usize| {
        let times = judged.iter().filter_map(|(times, _)| times.get(iteration));
        median(&times.copied().collect::<Vec<f64>>())
    };
    (0..iterations).map(of).collect()
}
