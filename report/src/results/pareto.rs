//! Pareto fronts: wall time over processor time, one picture for each program. What no other cell
//! beats in both is on the front.

use std::collections::BTreeMap;

use upshift_plot::axis::{Frame, Scale, extent};
use upshift_plot::figure::picture;
use upshift_plot::format::{seconds, seconds_of_tick};
use upshift_plot::html::shorten;
use upshift_plot::labels::{Request, place};
use upshift_plot::look::Shape;
use upshift_plot::svg::{Anchor, Point, Svg, text_width};

use super::cells::{Cell, Cells};
use super::pictures;

/// Names at most. Only cells of the front have one; the others say theirs when pointed at.
const NAMES: usize = 8;

/// The fronts; `None` without both times.
pub(super) fn html(cells: &Cells) -> Option<String> {
    if !cells.has("wall") || !cells.has("cpu") {
        return None;
    }
    // What one machine can't do is no choice on it: each number of cores has a front of its own.
    let mut machines: BTreeMap<(&str, &str), Vec<_>> = BTreeMap::new();
    for cell in &cells.cells {
        let cores = cell.settings.get("cores").map_or("", String::as_str);
        if let Some((cpu, wall)) = cell.value("cpu").zip(cell.value("wall")) {
            let points = machines.entry((&cell.program, cores)).or_default();
            points.push((cell, cpu, wall));
        }
    }
    let drawn: Vec<String> = machines
        .iter()
        .filter(|(_, points)| points.len() > 1)
        .map(|((program, _), points)| {
            let of_picture: Vec<&Cell> = points.iter().map(|point| point.0).collect();
            let common = cells.common(&of_picture);
            picture(program, &common, &front(cells, &of_picture, points))
        })
        .collect();
    let about = "<p class=\"about\">Processor time (right) and wall time (up) of each cell: lower \
                 left is better. The line joins the cells that no other beats in both.</p>";
    (!drawn.is_empty()).then(|| about.to_owned() + &pictures(drawn))
}

/// The places of the points on the front, in the order of their processor time.
fn on_front(points: &[(f64, f64)]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by(|&one, &other| {
        let (one, other) = (points[one], points[other]);
        one.0.total_cmp(&other.0).then(one.1.total_cmp(&other.1))
    });
    let mut least = f64::INFINITY;
    order.retain(|&place| {
        let better = points[place].1 < least;
        least = least.min(points[place].1);
        better
    });
    order
}

fn front(cells: &Cells, of_picture: &[&Cell], points: &[(&Cell, f64, f64)]) -> String {
    let frame = Frame {
        left: 62.0,
        top: 12.0,
        right: 548.0,
        bottom: 280.0,
    };
    let around = |(low, high): (f64, f64)| {
        let room = (high - low).max(high * 0.01) * 0.08;
        (low - room, high + room)
    };
    let range = |of: fn(&(&Cell, f64, f64)) -> f64| {
        around(extent(points.iter().map(of), true).unwrap_or((0.0, 1.0)))
    };
    let across = Scale::linear(range(|point| point.1), frame.across());
    let up = Scale::linear(range(|point| point.2), frame.upwards());
    let mut svg = Svg::new(560.0, 320.0, "wall time over processor time");
    frame.draw_x(&mut svg, &across, seconds_of_tick);
    frame.draw_y(&mut svg, &up, seconds_of_tick);
    let places: Vec<Point> = points
        .iter()
        .map(|&(_, cpu, wall)| (across.at(cpu), up.at(wall)))
        .collect();
    let pairs: Vec<(f64, f64)> = points.iter().map(|&(_, cpu, wall)| (cpu, wall)).collect();
    let front = on_front(&pairs);
    let line: Vec<Point> = front.iter().map(|&place| places[place]).collect();
    svg.path("front", &line);
    // The front's markers cover others.
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by_key(|place| front.contains(place));
    for place in order {
        let (cell, cpu, wall) = points[place];
        let tip = format!(
            "{}: {} wall, {} CPU",
            cells.label_among(cell, of_picture),
            seconds(wall),
            seconds(cpu)
        );
        let class = if front.contains(&place) { "b1" } else { "b0" };
        svg.group(class, |svg| {
            svg.marker(Shape::Circle, false, places[place], 4.0, &tip)
        });
    }
    let named: Vec<usize> = front.iter().copied().take(NAMES).collect();
    let names: Vec<String> = named
        .iter()
        .map(|&place| shorten(&cells.label_among(points[place].0, of_picture), 34))
        .collect();
    let requests: Vec<Request> = named
        .iter()
        .zip(&names)
        .map(|(&at, name)| Request {
            at: places[at],
            width: text_width(name),
        })
        .collect();
    for ((request, name), placed) in requests.iter().zip(&names).zip(place(&requests, &frame)) {
        if placed.far {
            svg.line("leader", request.at, placed.closest(request.at));
        }
        svg.text("name", placed.at, placed.anchor, name);
    }
    let middle = frame.middle();
    svg.text("title", (middle.0, 314.0), Anchor::Middle, "processor time");
    svg.turned_text("title", (12.0, middle.1), Anchor::Middle, -90, "wall time");
    svg.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_front_has_what_nothing_beats() {
        let points = [
            (1.0, 9.0),
            (2.0, 5.0),
            (3.0, 6.0),
            (4.0, 1.0),
            (4.0, 0.5),
            (9.0, 0.5),
        ];
        assert_eq!(on_front(&points), [0, 1, 4]);
    }
}
