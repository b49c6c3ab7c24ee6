//! Text from modules and other untrusted sources, made safe to show.

use std::fmt::{self, Write as _};

/// Shows text without characters that control a terminal or the reading order: control characters
/// (C0, DEL and C1) and Unicode's bidirectional overrides appear as escapes, such as `\u{1b}`.
///
/// Names in a module are chosen by its author. Shown unchanged, they could forge lines, hide what
/// follows, or control a terminal.
#[derive(Clone, Copy, Debug)]
pub struct Printable<T>(pub T);

impl<T: fmt::Display> fmt::Display for Printable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            Escaping {
                out: f,
                lines: Lines::Escaped
            },
            "{}",
            self.0
        )
    }
}

/// Like [`Printable`], for text of several lines: line feeds stay.
#[derive(Clone, Copy, Debug)]
pub struct PrintableLines<T>(pub T);

impl<T: fmt::Display> fmt::Display for PrintableLines<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            Escaping {
                out: f,
                lines: Lines::Kept
            },
            "{}",
            self.0
        )
    }
}

/// How line feeds are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lines {
    Escaped,
    Kept,
}

/// A writer that passes text on, escaped where needed.
struct Escaping<'a, 'b> {
    out: &'a mut fmt::Formatter<'b>,
    lines: Lines,
}

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut plain = 0;
        for (at, c) in text.char_indices() {
            if !misleads(c) || (c == '\n' && self.lines == Lines::Kept) {
                continue;
            }
            self.out.write_str(&text[plain..at])?;
            // The usual short escapes for line feeds and the like, numbers for all others.
            match c {
                '\t' | '\r' | '\n' => write!(self.out, "{}", c.escape_default())?,
                _ => write!(self.out, "{}", c.escape_unicode())?,
            }
            plain = at + c.len_utf8();
        }
        self.out.write_str(&text[plain..])
    }
}

/// Whether the character controls a terminal or the order of the text around it.
fn misleads(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_controls_is_escaped_and_all_else_kept() {
        let plain = "name::<T> `\\\"' äöü 漢字 \u{1f600}";
        assert_eq!(Printable(plain).to_string(), plain);
        let text = "\u{1b}[31m\n\r\t\0\u{7f}\u{9b}\u{202e}\u{2066}x";
        let shown = r"\u{1b}[31m\n\r\t\u{0}\u{7f}\u{9b}\u{202e}\u{2066}x";
        assert_eq!(Printable(text).to_string(), shown);
        assert_eq!(PrintableLines("a\nb\r").to_string(), "a\nb\\r");
    }
}
