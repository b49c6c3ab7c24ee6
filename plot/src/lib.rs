//! Pictures and pages: what the benchmarks' page and the tiering reports draw with.
//!
//! - [`svg`]: a writer of pictures; [`axis`]: scales, ticks and axes; [`labels`]: places of names;
//! - [`look`]: colours, markers and dashes of series, for light and dark pages;
//! - [`figure`]: captions, legends and sizes of pictures; [`html`]: escaping;
//! - [`mod@format`]: numbers, quantities and dates for people.
//!
//! # Invariants
//!
//! - Knows nothing of what is drawn: no engine, no run, no statistics. Depends on no other crate.
//! - All text is escaped where it is written into HTML or SVG.
//! - Pictures have classes instead of colours: [`STYLE`] and the rules of a
//!   [`Palette`](look::Palette) have those.

#![forbid(unsafe_code)]

pub mod axis;
pub mod figure;
pub mod format;
pub mod html;
pub mod labels;
pub mod look;
pub mod svg;

/// The style sheet of pages, pictures and tables, without the colours of series.
pub const STYLE: &str = concat!(
    include_str!("page.css"),
    include_str!("picture.css"),
    include_str!("table.css")
);

/// The part of [`STYLE`] that pictures need. It uses the page's variables: `--page`, `--ink`,
/// `--soft`, `--faint`, `--grid`, `--edge`.
pub const PICTURE_STYLE: &str = include_str!("picture.css");
