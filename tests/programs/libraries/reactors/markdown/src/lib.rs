//! Markdown to HTML, for hosts in any language: text in, text out.

use std::ffi::CString;
use std::os::raw::c_char;

use pulldown_cmark::{Options, Parser, html};

/// The HTML of a text in Markdown, which the caller frees by `free`; null if it has a zero.
///
/// # Safety
///
/// `text` leads to `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn to_html(text: *const u8, length: usize, tables: bool) -> *mut c_char {
    // SAFETY: guaranteed by the caller; no bytes may have no address.
    let bytes = match length {
        0 => &[],
        _ => unsafe { std::slice::from_raw_parts(text, length) },
    };
    let text = String::from_utf8_lossy(bytes);
    let mut options = Options::empty();
    options.set(Options::ENABLE_TABLES, tables);
    let mut page = String::new();
    html::push_html(&mut page, Parser::new_ext(&text, options));
    CString::new(page).map_or(std::ptr::null_mut(), CString::into_raw)
}
