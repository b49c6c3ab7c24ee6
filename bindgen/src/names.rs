//! Names of the module as identifiers of Rust.

use std::collections::HashMap;

/// Words that Rust keeps for itself, those that `r#` does not help included.
const KEYWORDS: &[&str] = &[
    "Self", "abstract", "as", "async", "await", "become", "box", "break", "const", "continue",
    "crate", "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if",
    "impl", "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub",
    "ref", "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// Makes identifiers that differ from each other: those that are taken, and the number that was
/// last put behind each.
#[derive(Debug, Default)]
pub(crate) struct Names(HashMap<String, u32>);

impl Names {
    /// Names of which these are taken.
    pub(crate) fn with(taken: &[&str]) -> Self {
        Self(taken.iter().map(|&name| (name.to_owned(), 1)).collect())
    }

    /// An identifier like `name`, and a number behind it if that is taken.
    pub(crate) fn distinct(&mut self, name: String) -> String {
        self.distinct_with(name, &[])
    }

    /// The same, so that what has one of these endings behind it is not taken either.
    pub(crate) fn distinct_with(&mut self, name: String, endings: &[&str]) -> String {
        let mut number = self.0.get(&name).copied().unwrap_or(1);
        let mut candidate = name.clone();
        let all = |name: &str| {
            let longer = endings.iter().map(|ending| format!("{name}{ending}"));
            std::iter::once(name.to_owned())
                .chain(longer)
                .collect::<Vec<_>>()
        };
        while all(&candidate).iter().any(|name| self.0.contains_key(name)) {
            number += 1;
            candidate = format!("{name}_{number}");
        }
        // The next of this name begins where this one was found.
        self.0
            .extend(all(&candidate).into_iter().map(|name| (name, 1)));
        self.0.insert(name, number);
        candidate
    }
}

/// An identifier for a function, a parameter or a field: `getValue` becomes `get_value`.
pub(crate) fn snake(name: &str) -> String {
    let mut words = String::new();
    let mut before = '_';
    for c in name.chars() {
        let starts_word = c.is_uppercase() && (before.is_lowercase() || before.is_ascii_digit());
        if starts_word {
            words.push('_');
        }
        match c {
            c if is_letter(c) => words.extend(c.to_lowercase().filter(|&c| is_letter(c))),
            _ if words.ends_with('_') || words.is_empty() => {}
            _ => words.push('_'),
        }
        before = c;
    }
    let trimmed = words.trim_end_matches('_');
    identifier(if trimmed.is_empty() {
        "unnamed"
    } else {
        trimmed
    })
}

/// An identifier for a type: `sqlite3_stmt` becomes `Sqlite3Stmt`.
pub(crate) fn camel(name: &str) -> String {
    let words = name.split(|c: char| !is_letter(c));
    let camel: String = words
        .map(|word| {
            let mut chars = word.chars();
            let first: String = chars
                .next()
                .into_iter()
                .flat_map(char::to_uppercase)
                .filter(|&c| is_letter(c))
                .collect();
            first + chars.as_str()
        })
        .collect();
    identifier(if camel.is_empty() { "Unnamed" } else { &camel })
}

/// Whether identifiers are made of it: letters that are the same in every normal form, as Rust
/// compares identifiers in one.
fn is_letter(c: char) -> bool {
    let range = matches!(
        c,
        'À'..='ɏ' | 'Α'..='ω' | 'Ѐ'..='ԯ' | 'ぁ'..='ゖ'
            | 'ァ'..='ヺ' | '一'..='鿿' | '가'..='힣'
    );
    c.is_ascii_alphanumeric() || range && c.is_alphabetic()
}

fn identifier(name: &str) -> String {
    match name {
        _ if KEYWORDS.contains(&name) => format!("{name}_"),
        _ if name.starts_with(|c: char| c.is_numeric()) => format!("_{name}"),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_identifiers() {
        for (name, function, ty) in [
            ("sqlite3_open_v2", "sqlite3_open_v2", "Sqlite3OpenV2"),
            ("getValue", "get_value", "GetValue"),
            ("a-b.c", "a_b_c", "ABC"),
            ("type", "type_", "Type"),
            ("3d", "_3d", "_3d"),
            ("__x", "x", "X"),
            ("", "unnamed", "Unnamed"),
            ("JSONParse", "jsonparse", "JSONParse"),
            ("größe²", "größe", "Größe"),
            ("a\u{301}ⓑ", "a", "A"),
            ("ǰx", "ǰx", "Jx"),
        ] {
            assert_eq!((snake(name), camel(name)), (function.into(), ty.into()));
        }
        let mut names = Names::with(&["new"]);
        let mut distinct = |name: &str| names.distinct(name.to_owned());
        assert_eq!(
            [distinct("new"), distinct("a"), distinct("a"), distinct("a")],
            ["new_2", "a", "a_2", "a_3"]
        );
    }
}
