//! The file that says more about a module's functions than the module does.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

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

const OPTIONS: &[&str] = &[
    "name",
    "allocator",
    "functions",
    "imports",
    "skip",
    "dwarf",
    "structs",
];

impl Config {
    /// Reads a configuration's text.
    pub(crate) fn parse(text: &str) -> Result<Self, BindError> {
        let source = Source(text);
        let table = DeTable::parse(text)
            .map_err(|error| source.error(error.span().unwrap_or(0..0), error.message()))?;
        let mut config = Self {
            name: None,
            allocator: None,
            functions: Vec::new(),
            imports: Vec::new(),
            skip: Vec::new(),
            dwarf: true,
            structs: BTreeMap::new(),
        };
        for (key, value) in table.get_ref() {
            match key.get_ref().as_ref() {
                "name" => config.name = Some(source.text(value)?),
                "allocator" => {
                    let names: Vec<String> = source
                        .texts(value)?
                        .into_iter()
                        .map(|text| text.1)
                        .collect();
                    let names = names.try_into().map_err(|_| {
                        let problem =
                            "`allocator` has two names: of what takes memory, and gives it back";
                        source.error(value.span(), problem)
                    });
                    config.allocator = Some(names?);
                }
                "functions" => config.functions = source.signatures(value)?,
                "imports" => config.imports = source.signatures(value)?,
                "skip" => {
                    config.skip = source
                        .texts(value)?
                        .into_iter()
                        .map(|text| text.1)
                        .collect()
                }
                "dwarf" => match value.get_ref() {
                    DeValue::Boolean(read) => config.dwarf = *read,
                    _ => return Err(source.error(value.span(), "`dwarf` is `true` or `false`")),
                },
                "structs" => config.structs = source.structs(value)?,
                unknown => {
                    let known = OPTIONS.join("`, `");
                    let problem = format!("there is no option `{unknown}`; there are `{known}`");
                    return Err(source.error(key.span(), problem));
                }
            }
        }
        Ok(config)
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

/// The text of a configuration, for the lines of errors.
#[derive(Clone, Copy)]
struct Source<'a>(&'a str);

impl Source<'_> {
    fn line(self, at: Range<usize>) -> usize {
        let before = &self.0.as_bytes()[..at.start.min(self.0.len())];
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }

    fn error(self, at: Range<usize>, problem: impl Into<String>) -> BindError {
        BindError::new(problem).at_line(self.line(at))
    }

    fn text(self, value: &Spanned<DeValue<'_>>) -> Result<String, BindError> {
        match value.get_ref() {
            DeValue::String(text) => Ok(text.clone().into_owned()),
            _ => Err(self.error(value.span(), "expected text in quotes")),
        }
    }

    /// The texts of a list, with their lines.
    fn texts(self, value: &Spanned<DeValue<'_>>) -> Result<Vec<(usize, String)>, BindError> {
        let DeValue::Array(values) = value.get_ref() else {
            return Err(self.error(value.span(), "expected a list of texts in quotes"));
        };
        let text = |value: &Spanned<DeValue<'_>>| Ok((self.line(value.span()), self.text(value)?));
        values.iter().map(text).collect()
    }

    fn signatures(
        self,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<Vec<(usize, Signature)>, BindError> {
        let parse = |(line, text): (usize, String)| {
            let signature = Signature::parse(&text).map_err(|error| error.at_line(line))?;
            Ok((line, signature))
        };
        self.texts(value)?.into_iter().map(parse).collect()
    }

    fn structs(
        self,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<BTreeMap<String, Vec<(String, Item)>>, BindError> {
        let DeValue::Table(table) = value.get_ref() else {
            return Err(self.error(value.span(), "expected structs, each with its fields"));
        };
        let parse = |(name, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
            let name: &std::borrow::Cow<'_, str> = name.get_ref();
            let fields = signature::parse_fields(&self.text(value)?);
            let fields = fields.map_err(|error| error.at_line(self.line(value.span())))?;
            Ok((name.clone().into_owned(), fields))
        };
        table.iter().map(parse).collect()
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
