//! `--config FILE`: any of the grouped options from a file of TOML.

use std::borrow::Cow;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use upshift::Printable;
use upshift::knobs::{Group, Info};
use upshift::tiering::file::{FileError, Source, spec, text};
use upshift_knobs::Shape;

use super::{Options, knobs};

/// The tables of a file, with the group whose options each has.
const TABLES: [(&str, Group); 4] = [
    ("tiering", Group::Tiering),
    ("compile", Group::Compile),
    ("wasm", Group::Wasm),
    ("debug", Group::Debug),
];

/// Sets what the file says.
///
/// # Errors
///
/// If the file can't be read, is not TOML, names an option or parameter that does not exist, or has
/// a value that does not fit: with the line, and what was probably meant.
pub fn apply(options: &mut Options, path: &Path) -> Result<(), String> {
    let shown = Printable(path.display());
    let read = std::fs::read_to_string(path);
    let content = read.map_err(|error| format!("cannot read `{shown}`: {error}"))?;
    apply_text(options, &content).map_err(|error| format!("`{shown}`, {error}"))
}

fn apply_text(options: &mut Options, content: &str) -> Result<(), FileError> {
    let (source, table) = Source::parse(content)?;
    let known = knobs::infos();
    for (key, value) in &table {
        let group = TABLES.iter().find(|(name, _)| *name == &**key.get_ref());
        match (group, value.get_ref()) {
            (Some((_, group)), DeValue::Table(table)) => {
                let known: Vec<Info> = known
                    .iter()
                    .filter(|info| info.group == *group)
                    .copied()
                    .collect();
                set_all(options, source, &known, table)?;
            }
            _ => set(options, source, &known, (key, value))?,
        }
    }
    Ok(())
}

fn set_all(
    options: &mut Options,
    source: Source<'_>,
    known: &[Info],
    table: &DeTable<'_>,
) -> Result<(), FileError> {
    table
        .iter()
        .try_for_each(|entry| set(options, source, known, entry))
}

/// Sets one of the options.
fn set(
    options: &mut Options,
    source: Source<'_>,
    known: &[Info],
    (key, value): (&Spanned<Cow<'_, str>>, &Spanned<DeValue<'_>>),
) -> Result<(), FileError> {
    let name = &**key.get_ref();
    let Some(info) = known.iter().find(|info| info.name == name) else {
        let names: Vec<_> = known.iter().map(|info| info.name).collect();
        return Err(source.unknown(key.span(), "option", name, &names));
    };
    let unfit = || source.error(value.span(), format!("`{name}` can't be that"));
    let variants = info.values.variants();
    let spelled = match (value.get_ref(), info.values.shape) {
        (DeValue::Table(table), _) if !variants.is_empty() => {
            spec(source, info.name, variants, value.span(), table)?
        }
        (DeValue::Array(items), Shape::List(_)) => {
            let items = items
                .iter()
                .map(|item| text(item.get_ref()).ok_or_else(unfit));
            items.collect::<Result<Vec<_>, _>>()?.join("+")
        }
        (other, _) => text(other).ok_or_else(unfit)?,
    };
    let parsed = info.values.parse(&spelled);
    parsed.map_err(|error| source.error(value.span(), format!("{name}{error}")))?;
    let set = knobs::apply(options, info.group, &format!("{name}={spelled}"));
    set.map_err(|error| source.error(value.span(), error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(content: &str, message: &str) {
        let error = apply_text(&mut Options::default(), content).unwrap_err();
        assert_eq!(error.to_string(), message);
    }

    #[test]
    fn options_of_all_groups_are_set_by_table_or_by_name_alone() {
        let mut read = Options::default();
        let content = "timeout = '1.5s'\ntiers = ['baseline', 'cranelift']\n\
                       [tiering]\nthreads = 2\npolicy = { name = 'fixed-budget', units = 7 }\n\
                       [compile]\neager = true\n[wasm]\nmax-stack = '2M'\n\
                       max-memory-size = 65_536\n\
                       [debug]\nstory = true\ndump = 'f'\n";
        apply_text(&mut read, content).unwrap();
        let mut same = Options::default();
        for (group, setting) in [
            (Group::Wasm, "timeout=1500ms"),
            (Group::Tiering, "tiers=baseline+cranelift"),
            (Group::Tiering, "threads=2"),
            (Group::Tiering, "policy=fixed-budget:units=7"),
            (Group::Compile, "eager"),
            (Group::Wasm, "max-stack=2097152"),
            (Group::Wasm, "max-memory-size=64K"),
            (Group::Debug, "story"),
            (Group::Debug, "dump=f"),
        ] {
            knobs::apply(&mut same, group, setting).unwrap();
        }
        assert_eq!(format!("{read:?}"), format!("{same:?}"));
    }

    #[test]
    fn mistakes_have_a_line_and_what_was_meant() {
        says(
            "\nthreds = 1",
            "line 2: there is no option `threds`; did you mean `threads`?",
        );
        says(
            "[wasm]\nmax-stak = 1",
            "line 2: there is no option `max-stak`; did you mean `max-stack`?",
        );
        says("[compile]\neager = [1]", "line 2: `eager` can't be that");
        says(
            "[tiering]\npolicy = { name = 'fixed-bugdet' }",
            "line 2: there is no policy `fixed-bugdet`; did you mean `fixed-budget`?",
        );
        says(
            "[wasm]\n\ntimeout = 'soon'",
            "line 3: timeout takes a time like 500ms, 1.5s, 2m or 1h (a bare number is \
             seconds)|none, not `soon`",
        );
    }
}
