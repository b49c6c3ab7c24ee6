//! The functions of preview 1 (and preview 0), one Rust function each.
//!
//! Each gets the [`Call`](super::call::Call) and its parameters, which are bit patterns as the
//! guest passed them. The place of the results is checked before anything is done, so that a bad
//! pointer loses nothing.

mod fd;
mod io;
mod path;
mod poll;
mod process;
mod readdir;
mod sock;

pub(super) use fd::*;
pub(super) use io::*;
pub(super) use path::*;
pub(super) use poll::*;
pub(super) use process::*;
pub(super) use readdir::*;
pub(super) use sock::*;
