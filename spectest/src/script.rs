//! The text of a script, split into directives.
//!
//! The parser takes a script as a whole or not at all. What it does not take is split at its
//! outermost parentheses, and each part is parsed alone, so that one directive that can't be parsed
//! does not hide the others.

use std::ops::Range;

use wast::lexer::{Lexer, TokenKind};
use wast::parser::{self, ParseBuffer};
use wast::{Wast, WastDirective};

/// A directive that can't be parsed.
pub(crate) struct Unreadable {
    /// Line and column, both from 0.
    pub position: (usize, usize),
    pub message: String,
}

/// Parses a script and passes its directives to `visit` in order, each with its line and column,
/// both from 0.
pub(crate) fn for_each_directive(
    text: &str,
    mut visit: impl FnMut((usize, usize), Result<WastDirective<'_>, Unreadable>),
) {
    let parsed = with_script(text, |directives| {
        for directive in directives {
            visit(directive.span().linecol_in(text), Ok(directive));
        }
    });
    let Err(error) = parsed else { return };
    let parts = split(text);
    if parts.is_empty() {
        let unreadable = Unreadable {
            position: error.span().linecol_in(text),
            message: error.message(),
        };
        return visit(unreadable.position, Err(unreadable));
    }
    for part in parts {
        let position = wast::token::Span::from_offset(part.start).linecol_in(text);
        // A script starts with one of a few directives, some of which this part need not be.
        const START: &str = "(register \"\")";
        let alone = format!("{START}{}", &text[part]);
        let parsed = with_script(&alone, |directives| {
            for directive in directives.into_iter().skip(1) {
                visit(position, Ok(directive));
            }
        });
        if let Err(error) = parsed {
            let (line, column) = error.span().linecol_in(&alone);
            let (first, start) = position;
            let position = match line {
                0 => (first, start + column.saturating_sub(START.len())),
                line => (first + line, column),
            };
            let message = error.message();
            visit(position, Err(Unreadable { position, message }));
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
    for_each_directive(text, |_, directive| {
        if let Ok(WastDirective::Module(mut module) | WastDirective::ModuleDefinition(mut module)) =
            directive
        {
            modules.extend(module.encode().ok());
        }
    });
    modules
}
