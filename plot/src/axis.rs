//! Scales, ticks, and axes.

use crate::svg::{Anchor, Point, Svg, text_width};

/// A mapping from values to places in a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    log: bool,
    low: f64,
    high: f64,
    start: f64,
    end: f64,
}

/// A value that an axis marks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tick {
    /// The value.
    pub value: f64,
    /// The priority of a label: 0 never gets one, greater ones get one first.
    pub rank: u8,
}

impl Scale {
    /// A linear scale. An empty range is widened.
    pub fn linear((low, high): (f64, f64), (start, end): (f64, f64)) -> Self {
        let high = if high > low { high } else { low + 1.0 };
        Self {
            log: false,
            low,
            high,
            start,
            end,
        }
    }

    /// A logarithmic scale. An empty range is widened; values must be positive.
    pub fn log((low, high): (f64, f64), (start, end): (f64, f64)) -> Self {
        let low = low.max(f64::MIN_POSITIVE);
        let (low, high) = if high > low * 1.000_001 {
            (low, high)
        } else {
            (low / 1.5, low * 1.5)
        };
        Self {
            log: true,
            low,
            high,
            start,
            end,
        }
    }

    /// The place of a value. It is not a number if the scale has no place for the value.
    pub fn at(&self, value: f64) -> f64 {
        let part = if self.log {
            (value / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        self.start + part * (self.end - self.start)
    }

    /// Whether the scale is logarithmic.
    pub fn is_log(&self) -> bool {
        self.log
    }

    /// The value at the end of the scale.
    pub fn high(&self) -> f64 {
        self.high
    }

    /// Round values within the scale, in order; about `count` of them if it is linear.
    pub fn ticks(&self, count: usize) -> Vec<Tick> {
        let decades = (self.high / self.low).log10();
        if !self.log || decades < 0.7 {
            return self.even_ticks(count);
        }
        let mut ticks = Vec::new();
        for exponent in self.low.log10().floor() as i32..=self.high.log10().ceil() as i32 {
            for mantissa in 1..=9_u8 {
                let rank = match mantissa {
                    1 => 3,
                    2 | 5 if decades < 3.2 => 2,
                    3 if decades < 1.5 => 1,
                    _ => 0,
                };
                let value = f64::from(mantissa) * 10_f64.powi(exponent);
                ticks.push(Tick { value, rank });
            }
        }
        self.inside(ticks)
    }

    fn even_ticks(&self, count: usize) -> Vec<Tick> {
        let raw = (self.high - self.low) / count.max(1) as f64;
        let magnitude = 10_f64.powf(raw.log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * magnitude);
        let step = steps.into_iter().find(|step| *step >= raw * 0.999);
        let step = step.unwrap_or(10.0 * magnitude);
        // With some slack: 0.3 / 0.1 is less than 3.
        let first = (self.low / step - 1e-9).ceil() as i64;
        let last = (self.high / step + 1e-9).floor() as i64;
        // A product instead of a sum, lest 0.1 + 0.1 + 0.1 be on an axis.
        let tick = |index| Tick {
            value: index as f64 * step,
            rank: 1,
        };
        self.inside((first..=last).map(tick).collect())
    }

    fn inside(&self, mut ticks: Vec<Tick>) -> Vec<Tick> {
        let slack = 1e-9 * self.high.abs().max(self.low.abs());
        ticks.retain(|tick| tick.value >= self.low - slack && tick.value <= self.high + slack);
        ticks
    }
}

/// The least and the greatest of the values that are numbers, and positive if required.
pub fn extent(values: impl IntoIterator<Item = f64>, positive: bool) -> Option<(f64, f64)> {
    let usable = |value: &f64| value.is_finite() && (!positive || *value > 0.0);
    let mut values = values.into_iter().filter(usable);
    let first = values.next()?;
    Some(values.fold((first, first), |(low, high), value| {
        (low.min(value), high.max(value))
    }))
}

/// The part of a picture that shows data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    /// The frame's left edge.
    pub left: f64,
    /// The frame's upper edge.
    pub top: f64,
    /// The frame's right edge.
    pub right: f64,
    /// The frame's lower edge.
    pub bottom: f64,
}

impl Frame {
    /// The middle of the frame.
    pub fn middle(&self) -> Point {
        (
            f64::midpoint(self.left, self.right),
            f64::midpoint(self.top, self.bottom),
        )
    }

    /// The range of places for a horizontal scale.
    pub fn across(&self) -> (f64, f64) {
        (self.left, self.right)
    }

    /// The range of places for a vertical scale, which grows upwards.
    pub fn upwards(&self) -> (f64, f64) {
        (self.bottom, self.top)
    }

    /// Draws a horizontal axis below, with lines through the frame at labelled ticks.
    pub fn draw_x(&self, svg: &mut Svg, scale: &Scale, label: impl Fn(f64) -> String) {
        let count = ((self.right - self.left) / 50.0) as usize;
        let ticks = scale.ticks(count.max(2));
        let texts: Vec<_> = ticks.iter().map(|tick| label(tick.value)).collect();
        let room = |index: usize| text_width(&texts[index]) * 0.92 / 2.0 + 4.0;
        let shown = choose(&ticks, |index| scale.at(ticks[index].value), room);
        for (index, tick) in ticks.iter().enumerate() {
            let x = scale.at(tick.value);
            if shown.contains(&index) {
                svg.line("grid", (x, self.top), (x, self.bottom));
                svg.text(
                    "tick",
                    (x, self.bottom + 15.0),
                    Anchor::Middle,
                    &texts[index],
                );
            } else if tick.rank == 0 {
                svg.line("minor", (x, self.bottom), (x, self.bottom + 3.0));
            }
        }
        svg.line("axis", (self.left, self.bottom), (self.right, self.bottom));
    }

    /// Draws a vertical axis on the left, with lines through the frame at labelled ticks.
    pub fn draw_y(&self, svg: &mut Svg, scale: &Scale, label: impl Fn(f64) -> String) {
        let count = ((self.bottom - self.top) / 40.0) as usize;
        let ticks = scale.ticks(count.max(2));
        let shown = choose(&ticks, |index| scale.at(ticks[index].value), |_| 8.0);
        for (index, tick) in ticks.iter().enumerate() {
            let y = scale.at(tick.value);
            if shown.contains(&index) {
                let at = (self.left - 6.0, y + 4.0);
                svg.line("grid", (self.left, y), (self.right, y));
                svg.text("tick", at, Anchor::End, &label(tick.value));
            } else if tick.rank == 0 {
                svg.line("minor", (self.left - 3.0, y), (self.left, y));
            }
        }
        svg.line("axis", (self.left, self.top), (self.left, self.bottom));
    }
}

/// The ticks whose labels fit beside each other, those of a higher rank first.
fn choose(
    ticks: &[Tick],
    at: impl Fn(usize) -> f64,
    half_size: impl Fn(usize) -> f64,
) -> Vec<usize> {
    let mut order: Vec<_> = (0..ticks.len()).filter(|i| ticks[*i].rank > 0).collect();
    order.sort_by_key(|index| std::cmp::Reverse(ticks[*index].rank));
    let mut shown: Vec<usize> = Vec::new();
    for index in order {
        let apart =
            |other: &usize| (at(index) - at(*other)).abs() >= half_size(index) + half_size(*other);
        if shown.iter().all(apart) {
            shown.push(index);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labelled(scale: &Scale, count: usize) -> Vec<f64> {
        let ticks = scale.ticks(count).into_iter();
        ticks
            .filter(|tick| tick.rank > 0)
            .map(|t| t.value)
            .collect()
    }

    #[test]
    fn even_ticks_are_round() {
        let scale = Scale::linear((0.0, 9.3), (0.0, 100.0));
        assert_eq!(labelled(&scale, 5), [0.0, 2.0, 4.0, 6.0, 8.0]);
        let scale = Scale::linear((0.0, 0.3), (0.0, 100.0));
        let ticks = labelled(&scale, 3);
        assert_eq!(ticks.len(), 4);
        assert!((ticks[3] - 0.3).abs() < 1e-12);
    }

    #[test]
    fn wide_log_scales_label_powers_of_ten() {
        let scale = Scale::log((0.5, 2e4), (0.0, 100.0));
        assert_eq!(labelled(&scale, 5), [1.0, 10.0, 100.0, 1e3, 1e4]);
        assert!((scale.at(0.5)).abs() < 1e-9 && (scale.at(2e4) - 100.0).abs() < 1e-9);
    }

    #[test]
    fn narrow_log_scales_have_labels_too() {
        assert!(labelled(&Scale::log((0.9, 1.7), (0.0, 100.0)), 5).len() >= 3);
        assert!(labelled(&Scale::log((2.0, 30.0), (0.0, 100.0)), 5).len() >= 4);
    }

    #[test]
    fn empty_ranges_are_widened() {
        for scale in [
            Scale::linear((3.0, 3.0), (0.0, 1.0)),
            Scale::log((3.0, 3.0), (0.0, 1.0)),
        ] {
            assert!(scale.at(3.0).is_finite());
            assert!(!scale.ticks(4).is_empty());
        }
    }

    #[test]
    fn labels_keep_their_distance() {
        let scale = Scale::log((1.0, 1000.0), (0.0, 120.0));
        let ticks = scale.ticks(5);
        let shown = choose(&ticks, |i| scale.at(ticks[i].value), |_| 15.0);
        let values: Vec<_> = shown.iter().map(|i| ticks[*i].value).collect();
        assert_eq!(values, [1.0, 10.0, 100.0, 1000.0]);
    }

    #[test]
    fn extents_ignore_what_has_no_place() {
        let values = [f64::NAN, -1.0, 3.0, 0.0, 2.0];
        assert_eq!(extent(values, true), Some((2.0, 3.0)));
        assert_eq!(extent(values, false), Some((-1.0, 3.0)));
        assert_eq!(extent([f64::NAN], false), None);
    }
}
