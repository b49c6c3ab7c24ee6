//! The file that says more about a module's functions than the module does.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use crate::BindError;
use crate::signature::{self, Item, Signature};

/// What a configuration says, each entry with its line.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) name: Option<String>,
    pub(crate) allocator: Option<[String; 2]>,
    pub(crate) functions: Vec<(usize, Signature)>,
    pub(crate) imports: Vec<(usize, Signature)>,
    pub(crate) skip: Vec<String>,
    pub(crate) dwarf: bool,
    pub(crate) structs: BTreeMap<String, Vec<(String, Item)>>,
}

/// The file's own form.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    name: Option<String>,
    allocator: Option<[String; 2]>,
    functions: Vec<Spanned<String>>,
    imports: Vec<Spanned<String>>,
    skip: Vec<String>,
    dwarf: Option<bool>,
    structs: BTreeMap<String, Spanned<String>>,
}

impl Config {
    /// Reads a configuration's text.
    pub(crate) fn parse(text: &str) -> Result<Self, BindError> {
        let file: File = toml::from_str(text).map_err(|error| BindError::new(error.to_string()))?;
        let line = |at: usize| text[..at].matches('\n').count() + 1;
        let signatures = |texts: Vec<Spanned<String>>| {
            let parse = |text: Spanned<String>| {
                let line = line(text.span().start);
                let signature = Signature::parse(text.get_ref());
                Ok((line, signature.map_err(|error| error.at_line(line))?))
            };
            texts
                .into_iter()
                .map(parse)
                .collect::<Result<_, BindError>>()
        };
        let fields = |(name, text): (String, Spanned<String>)| {
            let fields = signature::parse_fields(text.get_ref());
            Ok((
                name,
                fields.map_err(|error| error.at_line(line(text.span().start)))?,
            ))
        };
        Ok(Self {
            name: file.name,
            allocator: file.allocator,
            functions: signatures(file.functions)?,
            imports: signatures(file.imports)?,
            skip: file.skip,
            dwarf: file.dwarf.unwrap_or(true),
            structs: file
                .structs
                .into_iter()
                .map(fields)
                .collect::<Result<_, BindError>>()?,
        })
    }

    /// Whether a function of this name is left out.
    pub(crate) fn skips(&self, name: &str) -> bool {
        self.skip
            .iter()
            .any(|pattern| match pattern.strip_suffix('*') {
                Some(start) => name.starts_with(start),
                None => name == pattern,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_their_line() {
        let error = |text| Config::parse(text).unwrap_err().to_string();
        let text = "functions = [\n  \"f(a: i32)\",\n  \"g(\",\n]";
        assert!(
            error(text).starts_with("line 3: in `g(`"),
            "{}",
            error(text)
        );
        let text = "[structs]\nPoint = \"x f64\"";
        assert!(error(text).starts_with("line 2: "), "{}", error(text));
        let text = "\nfunction = []";
        let unknown = error(text);
        assert!(
            unknown.contains("line 2") && unknown.contains("`functions`"),
            "{unknown}"
        );
    }

    #[test]
    fn patterns_skip() {
        let config = Config::parse("skip = [\"__*\", \"main\"]").unwrap();
        let skipped = ["__a", "main", "main2", "_"].map(|name| config.skips(name));
        assert_eq!(skipped, [true, true, false, false]);
    }
}
