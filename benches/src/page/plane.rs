//! The section on the plane of compile speed and code quality.

use super::estimate::{Mean, Part};
use super::tables::{Cell, Table, describe};
use super::{Page, REFERENCE, Section, Size, both_sizes, picture};
use crate::metric::Metric;
use crate::record::Suite;
use upshift_plot::axis::{Frame, Scale, extent};
use upshift_plot::format::{Unit, number_of_tick};
use upshift_plot::labels::{Request, place};
use upshift_plot::look::{Look, Palette};
use upshift_plot::svg::{Anchor, Svg};

/// One engine's point in the plane.
struct Compiler<'a> {
    look: &'a Look,
    speed: Option<Mean>,
    quality: Option<Mean>,
}

impl<'a> Compiler<'a> {
    fn new(page: &Page<'_>, look: &'a Look) -> Self {
        let speeds = page.results.cases(Suite::Load).filter_map(|case| {
            let row = page.results.row(Suite::Load, &case.name, &look.id)?;
            if row.failure.is_some() {
                return None;
            }
            let speed = |seconds| case.code_bytes as f64 / seconds;
            Part::plain(
                row.samples(Metric::LoadCpu)
                    .into_iter()
                    .map(speed)
                    .collect(),
            )
        });
        let engine = page.results.engines.iter().find(|e| e.id == look.id);
        let compiles = engine.is_some_and(|engine| !engine.lazy);
        Self {
            look,
            speed: Mean::of(&speeds.collect::<Vec<_>>()).filter(|_| compiles),
            quality: page.relative(
                Suite::Kernels,
                &look.id,
                REFERENCE,
                |_| true,
                |row| row.samples(Metric::SteadyCpu),
            ),
        }
    }
}

/// Writes the section.
pub fn section(page: &Page<'_>) -> Section {
    let mut section = Section::new(
        "plane",
        "Compile speed and code quality",
        "Each compiler is a point. To the right: megabytes of a module's code section compiled per \
         second of processor time, validation included, geometric mean over the modules of the \
         load suite. Downwards: processor time of kernels after their warmup relative to wasmtime, \
         geometric mean over the kernels that both ran. A compiler usually buys one with the \
         other; the lower right corner is where both are good. Engines that compile functions when \
         they are first called have no compile speed and stand in the table only.",
    );
    let taking_part = page.palette.select(|look| {
        let mut rows = page.results.rows.iter();
        rows.any(|row| matches!(row.suite, Suite::Load | Suite::Kernels) && row.engine == look.id)
    });
    let compilers = taking_part.iter().map(|look| Compiler::new(page, look));
    let compilers: Vec<_> = compilers.collect();
    if compilers.is_empty() {
        return section.missing("loading and kernels", "load kernels");
    }
    if compilers
        .iter()
        .any(|c| c.speed.is_some() && c.quality.is_some())
    {
        let caption = "Whiskers: 95 % intervals of the means, launches drawn anew, for these \
                       modules and kernels.";
        let drawn = both_sizes(Size::new(920.0, 480.0), Size::new(380.0, 420.0), |size| {
            draw(&compilers, size)
        });
        section.push(&picture("", caption, &drawn));
    } else {
        section.note(
            "There is no picture: no engine has both a load time and a kernel that wasmtime ran, \
             too.",
        );
    }
    section.push(&table(page, &compilers));
    section
}

fn draw(compilers: &[Compiler<'_>], size: Size) -> String {
    let points: Vec<_> = compilers
        .iter()
        .filter_map(|c| Some((c.look, c.speed?.estimate, c.quality?.estimate)))
        .collect();
    let points = Palette::drawing_order(points, |(look, ..)| look);
    let mut svg = Svg::new(
        size.width,
        size.height,
        "Compile speed of engines against run time of their code",
    );
    let frame = Frame {
        left: 48.0,
        top: 24.0,
        right: size.width - 12.0,
        bottom: size.height - 42.0,
    };
    let speeds = points
        .iter()
        .flat_map(|(_, speed, _)| [speed.low, speed.high]);
    let times = points.iter().flat_map(|(_, _, time)| [time.low, time.high]);
    let (slow, fast) = extent(speeds.map(|s| s * 1e-6), true).unwrap_or((1.0, 1.0));
    let (low, high) = extent(times.chain([1.0]), true).unwrap_or((1.0, 1.0));
    let x = Scale::log((slow / 1.6, fast * 1.6), frame.across());
    let y = if high / low > 4.0 {
        Scale::log((low / 1.25, high * 1.25), frame.upwards())
    } else {
        let margin = (high - low).max(0.1) * 0.12;
        Scale::linear(((low - margin).max(0.0), high + margin), frame.upwards())
    };
    frame.draw_x(&mut svg, &x, number_of_tick);
    frame.draw_y(&mut svg, &y, number_of_tick);
    svg.line(
        "reference",
        (frame.left, y.at(1.0)),
        (frame.right, y.at(1.0)),
    );
    let title = (frame.right, frame.bottom + 34.0);
    svg.text(
        "title",
        title,
        Anchor::End,
        "compile speed, MB per CPU second (log) →",
    );
    let title = if y.is_log() {
        "← run time relative to wasmtime (log)"
    } else {
        "← run time relative to wasmtime"
    };
    svg.text("title", (4.0, 12.0), Anchor::Start, title);
    let corner = (frame.right - 6.0, frame.bottom - 8.0);
    svg.text("hint", corner, Anchor::End, "better ↘");

    let requests: Vec<_> = points
        .iter()
        .map(|(look, speed, time)| Request {
            at: (x.at(speed.value * 1e-6), y.at(time.value)),
            width: look.name_width(),
        })
        .collect();
    let inside = Frame {
        left: frame.left + 4.0,
        ..frame
    };
    let names = place(&requests, &inside);
    for (((look, speed, time), request), name) in points.iter().zip(&requests).zip(&names) {
        svg.group(&look.marks(), |svg| {
            let at = request.at;
            if speed.has_interval() {
                let ends = (x.at(speed.low * 1e-6), x.at(speed.high * 1e-6));
                svg.line("whisker", (ends.0, at.1), (ends.1, at.1));
            }
            if time.has_interval() {
                let ends = (y.at(time.low), y.at(time.high));
                svg.line("whisker", (at.0, ends.0), (at.0, ends.1));
            }
            if name.far {
                svg.line("leader", at, name.closest(at));
            }
            let tip = format!(
                "{}: {}; run time {}",
                look.name,
                describe(speed, Unit::MB_PER_S),
                describe(time, Unit::TIMES)
            );
            svg.marker(look.shape, look.hollow, at, look.radius() * 1.25, &tip);
            svg.text(look.name_class(), name.at, name.anchor, &look.name);
        });
    }
    svg.finish()
}

fn table(page: &Page<'_>, compilers: &[Compiler<'_>]) -> String {
    let count = |suite| page.results.cases(suite).count();
    let mut table = Table::new(
        "Compile speed and code quality, geometric means",
        [
            "".to_owned(),
            "MB per CPU second".to_owned(),
            format!("modules, of {}", count(Suite::Load)),
            "run time relative to wasmtime".to_owned(),
            format!("kernels, of {}", count(Suite::Kernels)),
        ],
    );
    for compiler in compilers {
        let cases = |mean: &Option<Mean>| mean.map_or(0, |mean| mean.cases).to_string();
        table.engine(
            compiler.look,
            &[
                Cell::mean(compiler.speed, Unit::MB_PER_S),
                Cell::number(&cases(&compiler.speed)),
                Cell::mean(compiler.quality, Unit::TIMES),
                Cell::number(&cases(&compiler.quality)),
            ],
        );
    }
    table.render()
}
