//! The text of a script, split into directives.
//!
//! The parser takes a script as a whole or not at all. What it does not take is split at its
//! outermost parentheses, and each part is parsed alone, so that one directive that can't be parsed
//! does not hide the others.

use std::ops::Range;

use wast::lexer::{Lexer, TokenKind};
use wast::parser::{self, ParseBuffer};
use wast::token::Span;
use wast::{Wast, WastDirective};

/// A part of a script.
pub(crate) enum Part<'a> {
    /// Directives, and where they are.
    Directives(Vec<WastDirective<'a>>, Places<'a>),
    /// A directive that can't be parsed.
    Unreadable(Unreadable),
}

/// A directive that can't be parsed.
pub(crate) struct Unreadable {
    /// Line and column, both from 0.
    pub position: (usize, usize),
    pub message: String,
}

/// What tells positions in a script from those in the text that was parsed.
#[derive(Clone, Copy)]
pub(crate) struct Places<'a> {
    text: &'a str,
    /// How many columns precede what is of the script.
    added: usize,
    /// Where that begins in the script.
    start: (usize, usize),
}

impl Places<'_> {
    /// Line and column in the script, both from 0.
    pub(crate) fn of(self, span: Span) -> (usize, usize) {
        let (first, start) = self.start;
        match span.linecol_in(self.text) {
            (0, column) => (first, start + column.saturating_sub(self.added)),
            (line, column) => (first + line, column),
        }
    }
}

/// Parses a script and passes its parts to `visit` in order: one with all directives, if the script
/// can be parsed.
pub(crate) fn for_each_part(text: &str, mut visit: impl FnMut(Part<'_>)) {
    let places = Places {
        text,
        added: 0,
        start: (0, 0),
    };
    let parsed = with_script(text, |directives| {
        visit(Part::Directives(directives, places))
    });
    let Err(error) = parsed else { return };
    let unreadable = |places: Places<'_>, error: wast::Error| {
        let (position, message) = (places.of(error.span()), error.message());
        Part::Unreadable(Unreadable { position, message })
    };
    let parts = split(text);
    if parts.is_empty() {
        return visit(unreadable(places, error));
    }
    for part in parts {
        // A script starts with one of a few directives, some of which this part need not be.
        const START: &str = "(register \"\")";
        let start = Span::from_offset(part.start).linecol_in(text);
        let alone = format!("{START}{}", &text[part]);
        let places = Places {
            text: &alone,
            added: START.len(),
            start,
        };
        let parsed = with_script(&alone, |mut directives| {
            directives.remove(0);
            visit(Part::Directives(directives, places));
        });
        if let Err(error) = parsed {
            visit(unreadable(places, error));
        }
    }
}

fn lexer(text: &str) -> Lexer<'_> {
    let mut lexer = Lexer::new(text);
    // Scripts about UTF-8 contain direction marks on purpose.
    lexer.allow_confusing_unicode(true);
    lexer
}

/// Calls `visit` with the directives of a script, if all of it can be parsed.
fn with_script(text: &str, visit: impl FnOnce(Vec<WastDirective<'_>>)) -> Result<(), wast::Error> {
    let buffer = ParseBuffer::new_with_lexer(lexer(text))?;
    let script = parser::parse::<Wast<'_>>(&buffer)?;
    visit(script.directives);
    Ok(())
}

/// The outermost pairs of parentheses. One that is not closed, or that has no tokens, ends with the
/// text.
fn split(text: &str) -> Vec<Range<usize>> {
    let lexer = lexer(text);
    let (mut parts, mut depth, mut start, mut position) = (Vec::new(), 0usize, 0, 0);
    while let Ok(Some(token)) = lexer.parse(&mut position) {
        match token.kind {
            TokenKind::LParen => {
                if depth == 0 {
                    start = token.offset;
                }
                depth += 1;
            }
            TokenKind::RParen => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    parts.push(start..position);
                }
            }
            _ => {}
        }
    }
    if depth > 0 {
        parts.push(start..text.len());
    }
    parts
}

/// The modules that a script states to be valid, in the binary format, for tests that need many
/// different modules.
pub fn valid_modules(text: &str) -> Vec<Vec<u8>> {
    let mut modules = Vec::new();
    for_each_part(text, |part| {
        let Part::Directives(directives, _) = part else {
            return;
        };
        for directive in directives {
            if let WastDirective::Module(mut module) | WastDirective::ModuleDefinition(mut module) =
                directive
            {
                modules.extend(module.encode().ok());
            }
        }
    });
    modules
}
