//! Dot charts: ratios to a reference on a logarithmic scale, one row per engine.

use super::estimate::Mean;
use super::tables::describe;
use upshift_plot::axis::{Frame, Scale, extent};
use upshift_plot::format::{NOTHING, Unit, number_of_tick, significant};
use upshift_plot::html::shorten;
use upshift_plot::look::{Look, names_column};
use upshift_plot::svg::{Anchor, Point, Svg};

const WIDTH: f64 = 440.0;
const VALUES: f64 = 44.0;
const ROW: f64 = 18.0;
const TOP: f64 = 4.0;

/// Draws the rows in their order. The scale includes 1, the reference, and the rows of `also`, so
/// that neighbouring pictures can share it.
pub fn panel(
    label: &str,
    rows: &[(&Look, Option<Mean>)],
    also: impl IntoIterator<Item = Mean>,
) -> String {
    let bottom = TOP + rows.len() as f64 * ROW;
    let mut svg = Svg::new(WIDTH, bottom + 22.0, label);
    let frame = Frame {
        left: names_column(rows.iter().map(|(look, _)| *look)),
        top: TOP,
        right: WIDTH - VALUES,
        bottom,
    };
    let own = rows.iter().filter_map(|(_, mean)| *mean);
    let ends = own.chain(also).map(|mean| mean.estimate);
    let ends = ends.flat_map(|estimate| [estimate.low, estimate.high]);
    let (low, high) = extent(ends.chain([1.0]), true).unwrap_or((1.0, 1.0));
    let scale = Scale::log((low / 1.12, high * 1.12), frame.across());
    frame.draw_x(&mut svg, &scale, number_of_tick);
    let one = scale.at(1.0);
    svg.line("reference", (one, TOP), (one, bottom));
    for (index, (look, mean)) in rows.iter().enumerate() {
        let middle = TOP + (index as f64 + 0.5) * ROW;
        let class = look.marks();
        svg.group(&class, |svg| {
            draw(svg, look, mean.as_ref(), (frame.left, middle), &scale)
        });
    }
    svg.finish()
}

fn draw(svg: &mut Svg, look: &Look, mean: Option<&Mean>, (left, middle): Point, scale: &Scale) {
    let baseline = middle + 4.0;
    svg.text_with_tip(
        look.name_class(),
        (left - 8.0, baseline),
        Anchor::End,
        &shorten(&look.name, 28),
        &look.name,
    );
    let Some(mean) = mean else {
        svg.text(
            "excuse",
            (WIDTH - VALUES + 6.0, baseline),
            Anchor::Start,
            NOTHING,
        );
        return;
    };
    let estimate = &mean.estimate;
    let x = scale.at(estimate.value);
    svg.line("stem", (scale.at(1.0), middle), (x, middle));
    if estimate.has_interval() {
        let (low, high) = (scale.at(estimate.low), scale.at(estimate.high));
        svg.line("whisker", (low, middle), (high, middle));
    }
    let tip = format!(
        "{}: {}, {} cases",
        look.name,
        describe(estimate, Unit::TIMES),
        mean.cases
    );
    svg.marker(look.shape, look.hollow, (x, middle), look.radius(), &tip);
    let at = (WIDTH - VALUES + 6.0, baseline);
    svg.text("value", at, Anchor::Start, &significant(estimate.value, 3));
}
