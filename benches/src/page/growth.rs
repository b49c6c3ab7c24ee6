//! The section on how load times grow with the size of the module.

use super::estimate::{Estimate, Outcome};
use super::tables::{Cell, Table, describe};
use super::{Page, Section, Size, about_case, both_sizes, legend, picture};
use crate::metric::Metric;
use crate::record::{CaseInfo, Suite};
use upshift_plot::axis::{Frame, Scale, extent};
use upshift_plot::format::{Unit, bytes, bytes_of_tick, seconds_of_tick};
use upshift_plot::html::shorten;
use upshift_plot::labels::spread;
use upshift_plot::look::{Look, Palette};
use upshift_plot::svg::{Anchor, Svg};

/// Writes the section.
pub fn section(page: &Page<'_>) -> Section {
    let looks = page.looks(Suite::Load);
    let mut section = Section::new(
        "growth",
        "Growth with module size",
        "Wall time from a module's bytes in memory to a module that can be instantiated, against \
         the size of its code section; both axes are logarithmic, lower is better. A compiler that \
         takes twice as long for twice the code is a straight line that climbs one decade per \
         decade; engines that use several threads, or compile when functions are first called, lie \
         lower.",
    );
    if looks.is_empty() {
        return section.missing("loading", "load");
    }
    let lines: Vec<_> = looks.iter().map(|look| Line::new(page, look)).collect();
    section.push(&legend(&looks));
    if lines.iter().any(|line| !line.points.is_empty()) {
        let drawn = both_sizes(Size::new(920.0, 500.0), Size::new(380.0, 420.0), |size| {
            draw(page, &lines, size)
        });
        section.push(&picture(
            "",
            "Names above are those of the modules.",
            &drawn,
        ));
    } else {
        section.note("There is no picture: no engine has a load time for a module with code.");
    }
    section.push(&table(page, &looks));
    section
}

/// An engine's load times by size.
struct Line<'a> {
    look: &'a Look,
    points: Vec<(&'a CaseInfo, Estimate)>,
}

impl<'a> Line<'a> {
    fn new(page: &Page<'a>, look: &'a Look) -> Self {
        let point = |case: &'a CaseInfo| {
            let row = page.results.row(Suite::Load, &case.name, &look.id)?;
            let wall = page.figure(row, Metric::LoadWall)?;
            (case.code_bytes > 0 && wall.low > 0.0).then_some((case, wall))
        };
        let mut points: Vec<_> = page.results.cases(Suite::Load).filter_map(point).collect();
        points.sort_by_key(|(case, _)| case.code_bytes);
        Self { look, points }
    }
}

fn draw(page: &Page<'_>, lines: &[Line<'_>], size: Size) -> String {
    let mut svg = Svg::new(
        size.width,
        size.height,
        "Load time of engines against code section size",
    );
    let named = size.width > 600.0;
    let frame = Frame {
        left: 62.0,
        top: if named { 74.0 } else { 26.0 },
        right: size.width - if named { 158.0 } else { 14.0 },
        bottom: size.height - 42.0,
    };
    let all = || lines.iter().flat_map(|line| &line.points);
    let sizes = extent(all().map(|(case, _)| case.code_bytes as f64), true);
    let times = extent(all().flat_map(|(_, wall)| [wall.low, wall.high]), true);
    let (least, most) = sizes.unwrap_or((1.0, 1.0));
    let (low, high) = times.unwrap_or((1.0, 1.0));
    let x = Scale::log((least / 1.3, most * 1.3), frame.across());
    let y = Scale::log((low / 1.3, high * 1.3), frame.upwards());
    frame.draw_x(&mut svg, &x, bytes_of_tick);
    frame.draw_y(&mut svg, &y, seconds_of_tick);
    let title = (frame.right, frame.bottom + 34.0);
    svg.text("title", title, Anchor::End, "code section (log) →");
    svg.text(
        "title",
        (4.0, 12.0),
        Anchor::Start,
        "↑ load, wall time (log)",
    );
    if named {
        draw_modules(&mut svg, page, &x, &frame);
    }
    for line in Palette::drawing_order(lines.iter().collect(), |line| line.look) {
        svg.group(&line.look.marks(), |svg| draw_line(svg, line, &x, &y));
    }
    if named {
        draw_names(&mut svg, lines, &x, &y, &frame);
    }
    svg.finish()
}

/// Writes the modules' names above the frame, as far as there is room.
fn draw_modules(svg: &mut Svg, page: &Page<'_>, x: &Scale, frame: &Frame) {
    let mut cases: Vec<_> = page.results.cases(Suite::Load).collect();
    cases.retain(|case| case.code_bytes > 0);
    cases.sort_by_key(|case| case.code_bytes);
    let wanted: Vec<_> = cases.iter().map(|c| x.at(c.code_bytes as f64)).collect();
    // Turned texts need a line's height between them.
    let places = spread(&wanted, 21.0, frame.across());
    for ((case, wanted), place) in cases.iter().zip(wanted).zip(places) {
        if (place - wanted).abs() > 60.0 {
            continue;
        }
        svg.line("leader", (wanted, frame.top), (place, frame.top - 7.0));
        let at = (place + 3.0, frame.top - 10.0);
        svg.turned_text("tick", at, Anchor::Start, -40, &shorten(&case.name, 16));
    }
}

fn draw_line(svg: &mut Svg, line: &Line<'_>, x: &Scale, y: &Scale) {
    let place =
        |(case, wall): &(&CaseInfo, Estimate)| (x.at(case.code_bytes as f64), y.at(wall.value));
    svg.path("line", &line.points.iter().map(place).collect::<Vec<_>>());
    for point in &line.points {
        let (case, wall) = point;
        let at = place(point);
        if wall.has_interval() {
            svg.line("whisker", (at.0, y.at(wall.low)), (at.0, y.at(wall.high)));
        }
        let unit = Unit::of_seconds(wall.value);
        let tip = format!(
            "{}, {} ({}): {}",
            line.look.name,
            case.name,
            bytes(case.code_bytes as f64),
            describe(wall, unit)
        );
        let look = line.look;
        svg.marker(look.shape, look.hollow, at, look.radius() * 0.85, &tip);
    }
}

/// Writes the lines' names on the right.
fn draw_names(svg: &mut Svg, lines: &[Line<'_>], x: &Scale, y: &Scale, frame: &Frame) {
    let last = |line: &Line<'_>| {
        let (case, wall) = line.points.last()?;
        Some((x.at(case.code_bytes as f64), y.at(wall.value)))
    };
    let ends: Vec<_> = lines
        .iter()
        .filter_map(|line| Some((line.look, last(line)?)))
        .collect();
    let wanted: Vec<_> = ends.iter().map(|(_, end)| end.1).collect();
    let places = spread(&wanted, 15.0, (frame.top, frame.bottom));
    for ((look, end), place) in ends.into_iter().zip(places) {
        svg.group(&look.marks(), |svg| {
            let at = (frame.right + 14.0, place);
            svg.line("leader", (end.0 + 5.0, end.1), (at.0 - 3.0, at.1));
            let at = (at.0, at.1 + 4.0);
            svg.text(
                look.name_class(),
                at,
                Anchor::Start,
                &shorten(&look.name, 21),
            );
        });
    }
}

fn table(page: &Page<'_>, looks: &[&Look]) -> String {
    let mut table = Table::new(
        "Load times",
        [
            "",
            "wall, ms",
            "CPU, ms",
            "MB per CPU second",
            "machine code, MB",
        ],
    );
    for case in page.results.cases(Suite::Load) {
        let size = bytes(case.code_bytes as f64);
        table.group(
            &case.name,
            &format!("{} — code section of {size}", about_case(case)),
        );
        for look in looks {
            let find = |metric| page.outcome(Suite::Load, &case.name, look, metric);
            let (wall, cpu) = (find(Metric::LoadWall), find(Metric::LoadCpu));
            if !matches!(wall, Outcome::Measured(_)) && cpu.estimate().is_none() {
                table.engine_without(look, &wall.excuse());
                continue;
            }
            let speed = cpu
                .estimate()
                .and_then(|cpu| cpu.rate(case.code_bytes as f64));
            table.engine(
                look,
                &[
                    Cell::outcome(&wall, Unit::MS),
                    Cell::outcome(&cpu, Unit::MS),
                    Cell::optional(speed, Unit::MB_PER_S),
                    Cell::outcome(&find(Metric::MachineCode), Unit::MB),
                ],
            );
        }
    }
    table.render()
}
