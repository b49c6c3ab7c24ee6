//! The looks of series (engines, policies, levels): the same in every picture, also without
//! colours.
//!
//! Each has a marker and a dash of its own, so that colour is never the only difference. Whose look
//! is which is up to the page.

use std::fmt::Write as _;

use crate::svg::text_width;

/// The page's background in light and in dark.
pub const PAGE: [u32; 2] = [0xff_ff_ff, 0x14_17_1c];

/// The shape of a marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// ●
    Circle,
    /// ■
    Square,
    /// ◆
    Diamond,
    /// ▲
    Up,
    /// ▼
    Down,
    /// ▬
    Bar,
    /// ⬢
    Hexagon,
    /// ×
    Cross,
    /// +
    Plus,
}

/// A look without a name: colours, marker and dash.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Style {
    /// The colour on a light page, as `0xrrggbb`.
    pub light: u32,
    /// The colour on a dark page.
    pub dark: u32,
    /// The shape of markers.
    pub shape: Shape,
    /// Whether markers are outlines.
    pub hollow: bool,
    /// The dashes of lines, as SVG has them.
    pub dash: &'static str,
}

/// A style of these parts, for tables of them.
pub const fn style(light: u32, dark: u32, shape: Shape, hollow: bool, dash: &'static str) -> Style {
    Style {
        light,
        dark,
        shape,
        hollow,
        dash,
    }
}

impl Style {
    /// Whether the colours stand out enough: a contrast of 3 on a light page, of 4 on a dark one.
    pub fn is_visible(&self) -> bool {
        contrast(self.light, PAGE[0]) >= 3.0 && contrast(self.dark, PAGE[1]) >= 4.0
    }
}

/// The contrast between two colours, from 1 to 21, as the Web Content Accessibility Guidelines
/// define it.
fn contrast(one: u32, other: u32) -> f64 {
    let (one, other) = (luminance(one) + 0.05, luminance(other) + 0.05);
    one.max(other) / one.min(other)
}

fn luminance(color: u32) -> f64 {
    let channel = |shift: u32| {
        let value = f64::from((color >> shift) & 0xff) / 255.0;
        if value <= 0.040_45 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * channel(16) + 0.7152 * channel(8) + 0.0722 * channel(0)
}

/// Dashes: an unbroken line.
pub const SOLID: &str = "none";
/// Dashes: long ones.
pub const LONG: &str = "8 3";
/// Dashes: short ones.
pub const SHORT: &str = "4 3";
/// Dashes: dots.
pub const DOTS: &str = "1.5 3";
/// Dashes: long and short ones by turns.
pub const MIXED: &str = "9 3 2 3";

/// The look of one series, and its name.
#[derive(Clone, Debug)]
pub struct Look {
    /// The series' id.
    pub id: String,
    /// The name in texts and pictures.
    pub name: String,
    /// The CSS class of its marks, which has colour, dash and width.
    pub class: String,
    /// The shape of its marker.
    pub shape: Shape,
    /// Whether the marker is an outline.
    pub hollow: bool,
    /// Whether the page is about this series.
    pub emphasized: bool,
    style: Style,
}

impl Look {
    /// The CSS classes of a group of its marks.
    pub fn marks(&self) -> String {
        format!("m {}", self.class)
    }

    /// The CSS class of texts that name it.
    pub fn name_class(&self) -> &'static str {
        if self.emphasized { "name own" } else { "name" }
    }

    /// About how wide its name is in a picture.
    pub fn name_width(&self) -> f64 {
        text_width(&self.name) * if self.emphasized { 1.1 } else { 1.0 }
    }

    /// The marker's radius, in pixels.
    pub fn radius(&self) -> f64 {
        let radius = if self.emphasized { 4.4 } else { 3.7 };
        // Larger, so that an outline around a filled marker can be seen.
        if self.hollow { radius + 0.4 } else { radius }
    }
}

/// The width of a column for the names of some series, with a margin; the longest are cut.
pub fn names_column<'a>(looks: impl IntoIterator<Item = &'a Look>) -> f64 {
    let widths = looks.into_iter().map(Look::name_width);
    widths.fold(0.0, f64::max).clamp(60.0, 190.0) + 12.0
}

/// The looks of all series of a page.
#[derive(Clone, Debug, Default)]
pub struct Palette {
    looks: Vec<Look>,
}

impl Palette {
    /// Adds a look. Emphasized ones are what the page is about.
    pub fn add(&mut self, id: &str, name: &str, emphasized: bool, style: Style) {
        self.looks.push(Look {
            id: id.to_owned(),
            name: name.to_owned(),
            class: format!("e{}", self.looks.len()),
            shape: style.shape,
            hollow: style.hollow,
            emphasized,
            style,
        });
    }

    /// All looks, in the order in which they were added.
    pub fn looks(&self) -> &[Look] {
        &self.looks
    }

    /// Sorts what belongs to series in the order in which it is drawn: those that the page is about
    /// last, the first of them on top.
    pub fn drawing_order<T>(items: Vec<T>, look: impl Fn(&T) -> &Look) -> Vec<T> {
        let (own, mut order): (Vec<T>, Vec<T>) =
            items.into_iter().partition(|item| look(item).emphasized);
        order.extend(own.into_iter().rev());
        order
    }

    /// The looks for which a condition holds.
    pub fn select(&self, wanted: impl Fn(&Look) -> bool) -> Vec<&Look> {
        self.looks.iter().filter(|look| wanted(look)).collect()
    }

    /// The CSS rules of the looks' classes, for both colour schemes.
    pub fn css(&self) -> String {
        let mut light = String::new();
        let mut dark = String::new();
        for look in &self.looks {
            let Style {
                light: by_day,
                dark: by_night,
                dash,
                ..
            } = look.style;
            let width = if look.emphasized { "2.4px" } else { "1.4px" };
            let class = &look.class;
            // Writing to a string can't fail.
            let _ = writeln!(
                light,
                ".{class}{{--c:#{by_day:06x};--d:{dash};--w:{width}}}"
            );
            let _ = writeln!(dark, ".{class}{{--c:#{by_night:06x}}}");
        }
        format!("{light}@media (prefers-color-scheme:dark){{\n{dark}}}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn styles_are_judged_on_both_pages() {
        assert!(style(0x00_49_c9, 0x5a_a2_ff, Shape::Circle, false, SOLID).is_visible());
        assert!(!style(0xff_ee_00, 0x5a_a2_ff, Shape::Circle, false, SOLID).is_visible());
        assert!(!style(0x00_49_c9, 0x00_20_40, Shape::Circle, false, SOLID).is_visible());
    }

    #[test]
    fn looks_have_classes_of_their_own() {
        let mut palette = Palette::default();
        for name in ["a", "b"] {
            let style = style(0x12_34_56, 0xab_cd_ef, Shape::Up, true, DOTS);
            palette.add(name, name, name == "b", style);
        }
        let css = palette.css();
        assert!(
            css.contains(".e1{--c:#123456;--d:1.5 3;--w:2.4px}"),
            "{css}"
        );
        assert!(css.contains(".e0{--c:#abcdef}"), "{css}");
    }
}
