//! Colour on standard error: where it is a terminal, unless the environment says otherwise.

use std::env;
use std::io::{self, IsTerminal as _};

/// What a word is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// What went wrong.
    Error,
    /// What is different from what was asked for.
    Warning,
    /// What may help.
    Note,
}

impl Color {
    /// The word in its colour, if standard error has colours.
    pub fn paint(self, word: &str) -> String {
        let code = match self {
            Color::Error => "1;31",
            Color::Warning => "1;33",
            Color::Note => "1;36",
        };
        if is_wanted(io::stderr().is_terminal(), |name| env::var(name).ok()) {
            format!("\u{1b}[{code}m{word}\u{1b}[0m")
        } else {
            word.to_owned()
        }
    }
}

/// As <https://no-color.org> and <https://bixense.com/clicolors> say: `NO_COLOR` switches colour
/// off, `CLICOLOR_FORCE` on, `CLICOLOR=0` off; else a terminal has it that can show it.
fn is_wanted(is_terminal: bool, variable: impl Fn(&str) -> Option<String>) -> bool {
    let is_set = |name| variable(name).is_some_and(|value| !value.is_empty());
    let is_zero = |name| variable(name).as_deref() == Some("0");
    if is_set("NO_COLOR") {
        return false;
    }
    if is_set("CLICOLOR_FORCE") && !is_zero("CLICOLOR_FORCE") {
        return true;
    }
    is_terminal && !is_zero("CLICOLOR") && variable("TERM").as_deref() != Some("dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_decides() {
        let wanted = |is_terminal, set: &[(&str, &str)]| {
            is_wanted(is_terminal, |name| {
                let found = set.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        assert!(wanted(true, &[]));
        assert!(!wanted(false, &[]));
        assert!(!wanted(true, &[("NO_COLOR", "1")]));
        assert!(wanted(true, &[("NO_COLOR", "")]));
        assert!(!wanted(true, &[("CLICOLOR", "0")]));
        assert!(!wanted(true, &[("TERM", "dumb")]));
        assert!(wanted(false, &[("CLICOLOR_FORCE", "1")]));
        assert!(!wanted(false, &[("CLICOLOR_FORCE", "0")]));
        assert!(!wanted(true, &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")]));
    }
}
