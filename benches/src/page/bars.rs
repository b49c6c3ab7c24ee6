//! Bar charts: bars from zero, one row per engine.

use super::estimate::{Estimate, Outcome};
use super::tables::describe;
use upshift_plot::axis::{Frame, Scale, extent};
use upshift_plot::format::Unit;
use upshift_plot::html::shorten;
use upshift_plot::look::{Look, names_column};
use upshift_plot::svg::{Anchor, Svg};

/// One engine's row.
#[derive(Clone, Debug)]
pub struct Bar<'a> {
    /// The look of the engine.
    pub look: &'a Look,
    /// The value of the thick bar, or the reason why there is none.
    pub main: Outcome<'a>,
    /// The value of the thin bar under it.
    pub thin: Option<Estimate>,
}

/// The meaning of the bars of a picture.
#[derive(Clone, Copy, Debug)]
pub struct Meaning {
    /// What the thick bars show.
    pub main: &'static str,
    /// What the thin bars show.
    pub thin: &'static str,
    /// The unit in which values up to a greatest one are shown.
    pub unit: fn(f64) -> Unit,
}

const WIDTH: f64 = 440.0;
const VALUES: f64 = 66.0;
const ROW: f64 = 21.0;
const TOP: f64 = 4.0;

/// Draws the rows in their order.
///
/// If few bars are much longer than most, they are cut, visibly, so that the others can be read.
pub fn panel(label: &str, bars: &[Bar<'_>], meaning: &Meaning) -> String {
    let bottom = TOP + bars.len() as f64 * ROW;
    let mut svg = Svg::new(WIDTH, bottom + 22.0, label);
    let frame = Frame {
        left: names_column(bars.iter().map(|bar| bar.look)),
        top: TOP,
        right: WIDTH - VALUES,
        bottom,
    };
    let limit = limit(bars);
    let scale = Scale::linear((0.0, limit.unwrap_or(1.0)), frame.across());
    let unit = (meaning.unit)(limit.unwrap_or(1.0));
    if limit.is_some() {
        frame.draw_x(&mut svg, &scale, |value| unit.text_of_tick(value));
    }
    for (index, bar) in bars.iter().enumerate() {
        let y = TOP + index as f64 * ROW;
        let class = bar.look.marks();
        svg.group(&class, |svg| draw(svg, bar, y, &scale, unit, meaning));
    }
    svg.line("axis", (frame.left, TOP), (frame.left, bottom));
    svg.finish()
}

fn draw(svg: &mut Svg, bar: &Bar<'_>, y: f64, scale: &Scale, unit: Unit, meaning: &Meaning) {
    let name = shorten(&bar.look.name, 28);
    let left = scale.at(0.0);
    let baseline = y + 13.0;
    svg.text_with_tip(
        bar.look.name_class(),
        (left - 8.0, baseline),
        Anchor::End,
        &name,
        &bar.look.name,
    );
    let Some(main) = bar.main.estimate() else {
        let excuse = bar.main.excuse();
        let at = (left + 6.0, baseline);
        svg.text_with_tip("excuse", at, Anchor::Start, &shorten(&excuse, 44), &excuse);
        return;
    };
    let tip = |what: &str, estimate: &Estimate| {
        format!("{}: {what} {}", bar.look.name, describe(estimate, unit))
    };
    let mut end = length(
        svg,
        "bar",
        &main,
        (y + 3.0, 9.0),
        scale,
        &tip(meaning.main, &main),
    );
    if let Some(thin) = &bar.thin {
        let tip = tip(meaning.thin, thin);
        end = end.max(length(svg, "thin", thin, (y + 13.5, 3.5), scale, &tip));
    }
    // Right of both bars and of the whisker.
    let at = (end + 5.0, y + 12.0);
    svg.text("value", at, Anchor::Start, &unit.text(main.value));
}

/// Draws one bar with its whisker, and returns where it ends.
fn length(
    svg: &mut Svg,
    class: &str,
    estimate: &Estimate,
    (y, thickness): (f64, f64),
    scale: &Scale,
    tip: &str,
) -> f64 {
    let within = |value: f64| scale.at(value.clamp(0.0, scale.high()));
    let end = within(estimate.value);
    let left = scale.at(0.0);
    svg.rect(class, (left, y), (end - left, thickness), tip);
    if estimate.value > scale.high() {
        let x = end - 14.0;
        let (top, bottom) = (y - 1.0, y + thickness + 1.0);
        svg.line("cut", (x + 3.0, top), (x - 3.0, bottom));
        return end;
    }
    if !estimate.has_interval() || class == "thin" {
        return end;
    }
    let (low, high) = (within(estimate.low), within(estimate.high));
    let middle = y + thickness / 2.0;
    svg.line("whisker", (low, middle), (high, middle));
    let caps = [(estimate.low, low), (estimate.high, high)];
    for (_, x) in caps.into_iter().filter(|(value, _)| *value <= scale.high()) {
        svg.line("whisker", (x, middle - 2.5), (x, middle + 2.5));
    }
    end.max(high)
}

/// The value at which the scale ends; `None` if there is nothing on it.
fn limit(bars: &[Bar<'_>]) -> Option<f64> {
    let mains = bars.iter().filter_map(|bar| bar.main.estimate());
    let mut values: Vec<f64> = mains.map(|main| main.value).collect();
    values.sort_by(f64::total_cmp);
    let all = bars.iter().flat_map(|bar| {
        let main = bar.main.estimate();
        [main.map(|main| main.high), bar.thin.map(|thin| thin.value)]
    });
    let (_, greatest) = extent(all.flatten(), true)?;
    let usual = values
        .get(values.len() * 3 / 4)
        .copied()
        .unwrap_or(greatest);
    let crowded = values.len() > 3 && greatest > 2.5 * usual;
    Some(if crowded {
        1.6 * usual
    } else {
        greatest * 1.02
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::palette;
    use crate::page::sample;

    const TIME: Meaning = Meaning {
        main: "wall",
        thin: "CPU",
        unit: Unit::of_seconds,
    };

    fn estimate(value: f64) -> Estimate {
        Estimate::of(&[value]).unwrap()
    }

    #[test]
    fn outliers_are_cut_and_keep_their_value() {
        let palette = palette::of(&sample::small());
        let bars: Vec<_> = [1.0, 1.2, 1.1, 0.9, 40.0]
            .iter()
            .zip(palette.looks())
            .map(|(value, look)| Bar {
                look,
                main: Outcome::Measured(estimate(*value)),
                thin: None,
            })
            .collect();
        assert!(limit(&bars).unwrap() < 3.0);
        let drawn = panel("x", &bars, &TIME);
        assert_eq!(drawn.matches("class=\"cut\"").count(), 1);
        assert!(drawn.contains("40.0\u{a0}s"));
    }

    #[test]
    fn failures_have_rows() {
        let palette = palette::of(&sample::small());
        let outcomes = [
            Outcome::Refused("no <simd>"),
            Outcome::Failed("trap"),
            Outcome::NotRun,
        ];
        let bars: Vec<_> = outcomes
            .into_iter()
            .zip(palette.looks())
            .map(|(main, look)| Bar {
                look,
                main,
                thin: None,
            })
            .collect();
        let drawn = panel("x", &bars, &TIME);
        for text in ["refused: no &lt;simd&gt;", "error: trap", "not measured"] {
            assert!(drawn.contains(text), "{text}");
        }
    }
}
