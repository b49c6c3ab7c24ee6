//! Names of the module as identifiers of Rust.

use std::collections::HashSet;

/// Words that Rust keeps for itself, those that `r#` does not help included.
const KEYWORDS: &[&str] = &[
    "Self", "abstract", "as", "async", "await", "become", "box", "break", "const", "continue",
    "crate", "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if",
    "impl", "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub",
    "ref", "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// Makes identifiers that differ from each other.
#[derive(Debug, Default)]
pub(crate) struct Names(HashSet<String>);

impl Names {
    /// Names of which these are taken.
    pub(crate) fn with(taken: &[&str]) -> Self {
        Self(taken.iter().map(|&name| name.to_owned()).collect())
    }

    /// An identifier like `name`, and a number behind it if that is taken.
    pub(crate) fn distinct(&mut self, name: String) -> String {
        let mut candidate = name.clone();
        let mut number = 1;
        while !self.0.insert(candidate.clone()) {
            number += 1;
            candidate = format!("{name}_{number}");
        }
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
            c if c.is_alphanumeric() => words.extend(c.to_lowercase()),
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
    let words = name.split(|c: char| !c.is_alphanumeric());
    let camel: String = words
        .map(|word| {
            let mut chars = word.chars();
            let first: String = chars
                .next()
                .into_iter()
                .flat_map(char::to_uppercase)
                .collect();
            first + chars.as_str()
        })
        .collect();
    identifier(if camel.is_empty() { "Unnamed" } else { &camel })
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
