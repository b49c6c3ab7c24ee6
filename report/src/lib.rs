//! The HTML report of tiering: one file that shows a run from its event log, two runs beside each
//! other, and the results of experiments.
//!
//! - [`Report`]: the page and what is put into it;
//! - `run`: a log's events as columns, which the page's script reads;
//! - `compare`: where two runs were first decided on otherwise;
//! - [`mod@explore`]: a page of a module's functions in all of their forms;
//! - [`results`]: sections on the results of an experiment, which are drawn here.
//!
//! What can be moved, sorted and searched (timeline, functions, residency) is drawn by the script
//! under `page/`, on a canvas or in rows that exist only while they are in sight. What is one
//! picture is drawn here, with `upshift-plot`.
//!
//! # Invariants
//!
//! - The page is one file: it opens from disk and makes no network request.
//! - Everything comes from a log, a file of results, or code that the caller compiled; nothing
//!   runs.
//! - All text from a run is escaped where it is written into HTML or SVG, and is text, never
//!   markup, in the script.

#![forbid(unsafe_code)]

mod columns;
mod compare;
pub mod explore;
mod page;
pub mod results;
mod run;

pub use page::{Report, Section};
pub use run::{Code, Input};
