//! Pictures on a page: their sizes, captions and legends, and the page's colours.

use crate::html::escape;
use crate::look::{Look, PAGE};
use crate::svg::Svg;

/// The CSS rules of the page's background, for both colour schemes.
pub fn page_colours() -> String {
    let [light, dark] = PAGE;
    format!(
        ":root{{--page:#{light:06x}}}\n\
         @media (prefers-color-scheme:dark){{:root{{--page:#{dark:06x}}}}}\n"
    )
}

/// A picture's size.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// From left to right, in pixels.
    pub width: f64,
    /// From top to bottom, in pixels.
    pub height: f64,
}

impl Size {
    /// A size of these parts.
    pub fn new(width: f64, height: f64) -> Self {
        Self { width, height }
    }
}

/// A picture drawn for wide and for narrow screens, one of which is shown.
pub fn both_sizes(wide: Size, narrow: Size, draw: impl Fn(Size) -> String) -> String {
    format!(
        "<div class=\"wide\">{}</div><div class=\"narrow\">{}</div>",
        draw(wide),
        draw(narrow)
    )
}

/// A picture with a title and a sentence.
pub fn picture(title: &str, about: &str, drawn: &str) -> String {
    let title = match title {
        "" => String::new(),
        title => format!("<b>{}</b> ", escape(title)),
    };
    format!(
        "<figure><figcaption>{title}{}</figcaption>{drawn}</figure>\n",
        escape(about)
    )
}

/// Pictures side by side, as many as fit.
pub fn grid(pictures: impl IntoIterator<Item = String>) -> String {
    let pictures: String = pictures.into_iter().collect();
    format!("<div class=\"grid\">{pictures}</div>\n")
}

/// The legend: which marks belong to which series. `label` says what these are, to readers who
/// can't see it.
pub fn legend(label: &str, looks: &[&Look]) -> String {
    let entry = |look: &&Look| {
        let mut svg = Svg::new(34.0, 14.0, "");
        svg.group(&look.class, |svg| {
            svg.path("line", &[(1.0, 7.0), (33.0, 7.0)]);
            svg.marker(look.shape, look.hollow, (17.0, 7.0), look.radius(), "");
        });
        format!(
            "<li data-engine=\"{}\" class=\"{}\">{}{}</li>",
            look.class,
            look.name_class(),
            svg.finish(),
            escape(&look.name)
        )
    };
    let entries: String = looks.iter().map(entry).collect();
    format!(
        "<ul class=\"legend\" aria-label=\"{}\">{entries}</ul>",
        escape(label)
    )
}
