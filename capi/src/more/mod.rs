//! `upshift.h`: what the standard's API lacks.
//!
//! - `error`: errors with messages, and what traps are;
//! - `config`: options by name, engines, figures of tiering;
//! - `store`: data, limits, time, interruption;
//! - `load`: modules from text and files, and why they are refused;
//! - `call`: host functions that know their caller, calls that tell errors from traps;
//! - `raw`: the same with values without kinds;
//! - `linker`: imports by name;
//! - `tag`: tags and exceptions;
//! - `wasi`: what programs see of the system.

mod call;
mod config;
mod error;
mod linker;
mod load;
mod raw;
mod store;
mod tag;
#[cfg(feature = "wasi")]
mod wasi;

use std::ffi::{CStr, c_char};

use anyhow::{Context as _, Result};

/// Text that C passes: ends with a NUL.
///
/// # Errors
///
/// If it is NULL or not UTF-8.
///
/// # Safety
///
/// The pointer is NULL or to such text, which is not changed for `'a`.
unsafe fn text<'a>(text: *const c_char, name: &str) -> Result<&'a str> {
    anyhow::ensure!(!text.is_null(), "`{name}` is NULL");
    // SAFETY: the caller's promise.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str()
        .with_context(|| format!("`{name}` is not UTF-8"))
}

/// An array that C passes.
///
/// # Safety
///
/// There are `len` elements at the pointer, which are not changed for `'a`; of no elements it may
/// be NULL.
unsafe fn array<'a, T>(elements: *const T, len: usize) -> &'a [T] {
    match len {
        0 => &[],
        _ => {
            assert!(!elements.is_null(), "an array of {len} elements is NULL");
            // SAFETY: the caller's promise.
            unsafe { std::slice::from_raw_parts(elements, len) }
        }
    }
}
