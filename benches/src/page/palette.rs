//! The looks of engines: the same in every picture, also without colours.
//!
//! Configurations of one engine share a hue; each has a marker and a dash of its own, so that
//! colour is never the only difference.

use std::fmt::Write as _;

use super::svg::text_width;
use crate::record::Results;

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

/// The look of a configuration: colours, marker and dash.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Style {
    light: u32,
    dark: u32,
    shape: Shape,
    hollow: bool,
    dash: &'static str,
}

const fn style(light: u32, dark: u32, shape: Shape, hollow: bool, dash: &'static str) -> Style {
    Style {
        light,
        dark,
        shape,
        hollow,
        dash,
    }
}

const SOLID: &str = "none";
const LONG: &str = "8 3";
const SHORT: &str = "4 3";
const DOTS: &str = "1.5 3";
const MIXED: &str = "9 3 2 3";

const KNOWN: &[(&str, Style)] = &[
    (
        "upshift",
        style(0x00_49_c9, 0x5a_a2_ff, Shape::Circle, false, SOLID),
    ),
    (
        "upshift-baseline",
        style(0x28_8f_e0, 0xa9_d3_ff, Shape::Up, false, LONG),
    ),
    (
        "upshift-optimizer",
        style(0x0a_2a_72, 0x3f_7d_f2, Shape::Square, false, MIXED),
    ),
    (
        "upshift-sync",
        style(0x3c_6a_d8, 0x8a_b4_ff, Shape::Circle, true, DOTS),
    ),
    (
        "wasmtime",
        style(0xb8_46_00, 0xff_96_4a, Shape::Diamond, false, SOLID),
    ),
    (
        "wasmtime-winch",
        style(0xc9_7a_00, 0xff_ca_73, Shape::Diamond, true, SHORT),
    ),
    (
        "wasmi",
        style(0xb0_24_84, 0xf2_7f_c6, Shape::Cross, false, LONG),
    ),
    (
        "wasmer-singlepass",
        style(0x74_2d_96, 0xc3_8d_ec, Shape::Plus, false, SHORT),
    ),
    (
        "node",
        style(0x1b_7a_33, 0x5c_cf_78, Shape::Hexagon, false, SOLID),
    ),
    (
        "node-liftoff",
        style(0x4f_94_1c, 0xa9_e2_70, Shape::Hexagon, true, SHORT),
    ),
    (
        "node-turbofan",
        style(0x0d_54_43, 0x2f_ab_8b, Shape::Up, true, MIXED),
    ),
    (
        "bun",
        style(0x7d_5c_38, 0xcf_b1_8c, Shape::Down, false, LONG),
    ),
    (
        "wazero",
        style(0x00_80_88, 0x3a_c8_ce, Shape::Square, true, DOTS),
    ),
    (
        "native",
        style(0x4a_4a_4a, 0xc6_c6_c6, Shape::Bar, false, SHORT),
    ),
];

/// Styles of Upshift's configurations that have no entry of their own.
const OTHER_UPSHIFT: &[Style] = &[
    style(0x1f_5f_c4, 0x7c_b0_ff, Shape::Down, false, SHORT),
    style(0x35_57_a0, 0x9c_bc_f0, Shape::Diamond, true, DOTS),
    style(0x0f_6c_b5, 0x6c_c0_ff, Shape::Hexagon, true, LONG),
    style(0x22_3f_9c, 0x62_8b_ff, Shape::Up, true, MIXED),
];

/// Styles of engines that have no entry of their own.
const OTHERS: &[Style] = &[
    style(0xa3_30_30, 0xff_8a_80, Shape::Square, false, DOTS),
    style(0x5f_6b_00, 0xcd_d6_4a, Shape::Down, true, SHORT),
    style(0x8a_3f_6d, 0xe3_a0_c8, Shape::Circle, true, LONG),
    style(0x3d_6e_5a, 0x9a_d2_b8, Shape::Diamond, false, MIXED),
    style(0x6a_55_80, 0xb8_a6_d6, Shape::Hexagon, true, DOTS),
    style(0x80_60_00, 0xe0_c0_50, Shape::Up, false, SHORT),
];

/// The look of one engine, and its name.
#[derive(Clone, Debug)]
pub struct Look {
    /// The engine's id.
    pub id: String,
    /// The name in texts and pictures.
    pub name: String,
    /// The CSS class of the engine's marks, which has colour, dash and width.
    pub class: String,
    /// The shape of the engine's marker.
    pub shape: Shape,
    /// Whether the marker is an outline.
    pub hollow: bool,
    /// Whether the page is about this engine.
    pub emphasized: bool,
    style: Style,
}

impl Look {
    /// The CSS classes of a group of this engine's marks.
    pub fn marks(&self) -> String {
        format!("m {}", self.class)
    }

    /// The CSS class of texts that name the engine.
    pub fn name_class(&self) -> &'static str {
        if self.emphasized { "name own" } else { "name" }
    }

    /// About how wide the engine's name is in a picture.
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

/// The width of a column for the names of some engines, with a margin; the longest are cut.
pub fn names_column<'a>(looks: impl IntoIterator<Item = &'a Look>) -> f64 {
    let widths = looks.into_iter().map(Look::name_width);
    widths.fold(0.0, f64::max).clamp(60.0, 190.0) + 12.0
}

/// The looks of all engines of a page.
#[derive(Clone, Debug)]
pub struct Palette {
    looks: Vec<Look>,
}

impl Palette {
    /// Looks for all engines of some results, those that only have rows included.
    pub fn new(results: &Results) -> Self {
        let listed = results.engines.iter().map(|e| (&e.id, &e.name));
        let running = results.rows.iter().map(|row| (&row.engine, &row.engine));
        let mut palette = Self { looks: Vec::new() };
        for (id, name) in listed.chain(running) {
            if palette.looks.iter().all(|look| look.id != *id) {
                palette.add(id, name);
            }
        }
        palette
    }

    fn add(&mut self, id: &str, name: &str) {
        let emphasized = id == "upshift" || id.starts_with("upshift-");
        let others = if emphasized { OTHER_UPSHIFT } else { OTHERS };
        let known = |id: &str| KNOWN.iter().find(|(known, _)| *known == id);
        let style = known(id).map_or_else(
            || {
                let unknown =
                    |look: &&Look| known(&look.id).is_none() && look.emphasized == emphasized;
                let before = self.looks.iter().filter(unknown).count();
                others[before % others.len()]
            },
            |(_, style)| *style,
        );
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

    /// All looks, in the order of the results.
    pub fn looks(&self) -> &[Look] {
        &self.looks
    }

    /// Sorts what belongs to engines in the order in which it is drawn: the engine that the page is
    /// about last, its first configuration on top.
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

    /// The CSS rules of the engines' classes, for both colour schemes.
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
    use std::collections::HashSet;

    use super::*;
    use crate::page::sample;

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

    fn contrast(one: u32, other: u32) -> f64 {
        let (one, other) = (luminance(one) + 0.05, luminance(other) + 0.05);
        one.max(other) / one.min(other)
    }

    fn all_styles() -> impl Iterator<Item = Style> {
        let known = KNOWN.iter().map(|(_, style)| *style);
        known.chain(OTHER_UPSHIFT.to_vec()).chain(OTHERS.to_vec())
    }

    #[test]
    fn colours_are_visible_by_day_and_by_night() {
        for style in all_styles() {
            let (day, night) = (
                contrast(style.light, PAGE[0]),
                contrast(style.dark, PAGE[1]),
            );
            assert!(day >= 3.0, "{:06x} on white: {day:.2}", style.light);
            assert!(night >= 4.0, "{:06x} on black: {night:.2}", style.dark);
        }
    }

    #[test]
    fn known_engines_differ_without_colours() {
        let known = KNOWN.iter().map(|(_, style)| (style.shape, style.hollow));
        assert_eq!(known.collect::<HashSet<_>>().len(), KNOWN.len());
    }

    #[test]
    fn unknown_engines_get_looks_too() {
        let mut results = sample::empty();
        for index in 0..20 {
            let mut engine = sample::engine("strange", "Strange");
            engine.id = format!("strange-{index}");
            results.engines.push(engine);
        }
        let palette = Palette::new(&results);
        assert_eq!(palette.looks().len(), 20);
        assert!(palette.css().contains(".e19{--c:#"));
    }
}
