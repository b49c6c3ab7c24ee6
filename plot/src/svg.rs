//! A small writer of SVG pictures.
//!
//! The pictures have no colours: marks have classes, and the style sheet has the rest, so the same
//! picture is right on a light and on a dark page. A mark with a coordinate that is not a number is
//! left out.

use std::fmt::Write as _;

use crate::html::escape;
use crate::look::Shape;

/// A place in a picture, in pixels from its upper left corner.
pub type Point = (f64, f64);

/// Which end of a text is at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// The left end.
    Start,
    /// The middle of the text.
    Middle,
    /// The right end.
    End,
}

/// A picture under construction.
#[derive(Debug)]
pub struct Svg {
    width: f64,
    height: f64,
    label: String,
    body: String,
}

impl Svg {
    /// An empty picture; `label` describes it for readers who can't see it.
    pub fn new(width: f64, height: f64, label: &str) -> Self {
        Self {
            width,
            height,
            label: label.to_owned(),
            body: String::new(),
        }
    }

    /// Draws something as a group with a CSS class.
    pub fn group(&mut self, class: &str, draw: impl FnOnce(&mut Self)) {
        self.write(format_args!("<g class=\"{class}\">"));
        draw(self);
        self.body.push_str("</g>");
    }

    /// Draws a straight line.
    pub fn line(&mut self, class: &str, from: Point, to: Point) {
        if drawable(&[from, to]) {
            self.write(format_args!(
                "<line class=\"{class}\" x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"/>",
                Coordinate(from.0),
                Coordinate(from.1),
                Coordinate(to.0),
                Coordinate(to.1)
            ));
        }
    }

    /// Draws a line through several points.
    pub fn path(&mut self, class: &str, points: &[Point]) {
        let Some((first, rest)) = points.split_first() else {
            return;
        };
        if !drawable(points) {
            return;
        }
        let (x, y) = (Coordinate(first.0), Coordinate(first.1));
        self.write(format_args!("<path class=\"{class}\" d=\"M{x} {y}"));
        for (index, &(x, y)) in rest.iter().enumerate() {
            let separator = if index == 0 { "L" } else { " " };
            self.write(format_args!(
                "{separator}{} {}",
                Coordinate(x),
                Coordinate(y)
            ));
        }
        self.body.push_str("\"/>");
    }

    /// Draws a rectangle from its upper left corner, with a tooltip.
    pub fn rect(&mut self, class: &str, corner: Point, size: Point, tip: &str) {
        if drawable(&[corner, size]) && size.0 >= 0.0 && size.1 >= 0.0 {
            self.write(format_args!(
                "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\">{}</rect>",
                Coordinate(corner.0),
                Coordinate(corner.1),
                Coordinate(size.0),
                Coordinate(size.1),
                Title(tip)
            ));
        }
    }

    /// Writes text on one line.
    pub fn text(&mut self, class: &str, at: Point, anchor: Anchor, text: &str) {
        self.text_with_tip(class, at, anchor, text, "");
    }

    /// Writes text on one line with a tooltip.
    pub fn text_with_tip(&mut self, class: &str, at: Point, anchor: Anchor, text: &str, tip: &str) {
        if drawable(&[at]) {
            let anchor = match anchor {
                Anchor::Start => "",
                Anchor::Middle => " text-anchor=\"middle\"",
                Anchor::End => " text-anchor=\"end\"",
            };
            self.write(format_args!(
                "<text class=\"{class}\" x=\"{}\" y=\"{}\"{anchor}>{}{}</text>",
                Coordinate(at.0),
                Coordinate(at.1),
                escape(text),
                Title(tip)
            ));
        }
    }

    /// Writes text turned by an angle in degrees.
    pub fn turned_text(
        &mut self,
        class: &str,
        at: Point,
        anchor: Anchor,
        degrees: i32,
        text: &str,
    ) {
        if drawable(&[at]) {
            let (x, y) = (Coordinate(at.0), Coordinate(at.1));
            self.write(format_args!(
                "<g transform=\"translate({x} {y}) rotate({degrees})\">"
            ));
            self.text(class, (0.0, 0.0), anchor, text);
            self.body.push_str("</g>");
        }
    }

    /// Draws an engine's marker, with a tooltip.
    pub fn marker(&mut self, shape: Shape, hollow: bool, at: Point, radius: f64, tip: &str) {
        if !drawable(&[at]) {
            return;
        }
        let class = match (shape, hollow) {
            (Shape::Cross | Shape::Plus, _) => "dot strokes",
            (_, true) => "dot hollow",
            (_, false) => "dot",
        };
        self.write(format_args!(
            "<path class=\"{class}\" d=\"{}\">{}</path>",
            outline(shape, at, radius),
            Title(tip)
        ));
    }

    /// The SVG text of the picture.
    pub fn finish(self) -> String {
        format!(
            "<svg viewBox=\"0 0 {w} {h}\" width=\"{w}\" height=\"{h}\" role=\"img\" \
             aria-label=\"{}\">{}</svg>",
            escape(&self.label),
            self.body,
            w = Coordinate(self.width),
            h = Coordinate(self.height)
        )
    }

    fn write(&mut self, arguments: std::fmt::Arguments<'_>) {
        // Writing to a string can't fail.
        let _ = self.body.write_fmt(arguments);
    }
}

/// About how wide a text is at 12 pixels.
pub fn text_width(text: &str) -> f64 {
    text.chars().count() as f64 * 6.5
}

fn drawable(points: &[Point]) -> bool {
    points.iter().all(|(x, y)| x.is_finite() && y.is_finite())
}

/// The path of a marker around a point. All shapes have about the same area.
fn outline(shape: Shape, at: Point, radius: f64) -> String {
    let polygon = |corners: &[(f64, f64)]| {
        let mut path = String::new();
        for (index, (x, y)) in corners.iter().enumerate() {
            let command = if index == 0 { "M" } else { "L" };
            let (x, y) = (at.0 + x * radius, at.1 + y * radius);
            let _ = write!(path, "{command}{} {}", Coordinate(x), Coordinate(y));
        }
        path + "Z"
    };
    match shape {
        Shape::Circle => format!(
            "M{x} {y}a{r} {r} 0 1 0 {d} 0a{r} {r} 0 1 0 -{d} 0Z",
            x = Coordinate(at.0 - radius),
            y = Coordinate(at.1),
            r = Coordinate(radius),
            d = Coordinate(2.0 * radius)
        ),
        Shape::Square => polygon(&[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]),
        Shape::Diamond => polygon(&[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)]),
        Shape::Up => polygon(&[(0.0, -1.25), (1.2, 0.9), (-1.2, 0.9)]),
        Shape::Down => polygon(&[(0.0, 1.25), (1.2, -0.9), (-1.2, -0.9)]),
        Shape::Bar => polygon(&[(-1.4, -0.5), (1.4, -0.5), (1.4, 0.5), (-1.4, 0.5)]),
        Shape::Hexagon => polygon(&[
            (-1.1, 0.0),
            (-0.55, -1.0),
            (0.55, -1.0),
            (1.1, 0.0),
            (0.55, 1.0),
            (-0.55, 1.0),
        ]),
        Shape::Cross => strokes(at, radius, [(-0.9, -0.9, 0.9, 0.9), (-0.9, 0.9, 0.9, -0.9)]),
        Shape::Plus => strokes(at, radius, [(-1.2, 0.0, 1.2, 0.0), (0.0, -1.2, 0.0, 1.2)]),
    }
}

fn strokes(at: Point, radius: f64, lines: [(f64, f64, f64, f64); 2]) -> String {
    let line = |(x1, y1, x2, y2)| {
        format!(
            "M{} {}L{} {}",
            Coordinate(at.0 + x1 * radius),
            Coordinate(at.1 + y1 * radius),
            Coordinate(at.0 + x2 * radius),
            Coordinate(at.1 + y2 * radius)
        )
    };
    lines.map(line).concat()
}

/// A tooltip; nothing if the text is empty.
struct Title<'a>(&'a str);

impl std::fmt::Display for Title<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        write!(f, "<title>{}</title>", escape(self.0))
    }
}

/// A coordinate, rounded to a tenth of a pixel.
struct Coordinate(f64);

impl std::fmt::Display for Coordinate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tenths = (self.0 * 10.0).round() as i64;
        if tenths % 10 == 0 {
            write!(f, "{}", tenths / 10)
        } else {
            let sign = if tenths < 0 { "-" } else { "" };
            let tenths = tenths.abs();
            write!(f, "{sign}{}.{}", tenths / 10, tenths % 10)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_are_short() {
        let text = |value| Coordinate(value).to_string();
        assert_eq!(text(3.0), "3");
        assert_eq!(text(2.449), "2.4");
        assert_eq!(text(-0.25), "-0.3");
        assert_eq!(text(-0.01), "0");
    }

    #[test]
    fn marks_without_a_place_are_left_out() {
        let mut svg = Svg::new(10.0, 10.0, "x");
        svg.line("a", (f64::NAN, 0.0), (1.0, 1.0));
        svg.path("a", &[(0.0, 0.0), (f64::INFINITY, 1.0)]);
        svg.rect("a", (0.0, 0.0), (-1.0, 1.0), "");
        svg.text("a", (0.0, f64::NAN), Anchor::Start, "t");
        svg.marker(Shape::Circle, false, (f64::NAN, 0.0), 3.0, "");
        assert!(svg.finish().ends_with("\"x\"></svg>"));
    }

    #[test]
    fn texts_are_escaped() {
        let mut svg = Svg::new(10.0, 10.0, "a\"b");
        svg.text_with_tip("t", (1.0, 2.0), Anchor::End, "<&>", "\"tip\"");
        let drawn = svg.finish();
        assert!(drawn.contains("aria-label=\"a&quot;b\""));
        assert!(drawn.contains(">&lt;&amp;&gt;<title>&quot;tip&quot;</title></text>"));
    }
}
