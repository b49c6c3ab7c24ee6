//! The text of `help`, from the rows.

use std::fmt::Write as _;

use crate::Info;
use crate::value::Variant;

/// An option with a value of it, spelled.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The option.
    pub info: Info,
    /// Its value, such that setting the option to this text changes nothing.
    pub value: String,
}

/// A line for each option (name, kind, help, values, default), and then the named values that have
/// parameters. The values in the entries are the defaults.
pub fn help(entries: &[Entry]) -> String {
    let mut out = String::new();
    for Entry { info, value } in entries {
        let kind = info.kind.to_string();
        let (name, help, values) = (info.name, info.help, info.values);
        let _ = writeln!(out, "  {name:<24} {kind:<9} {help}: {values} [{value}]");
    }
    for Entry { info, .. } in entries {
        let variants = info.values.variants();
        if variants.is_empty() {
            continue;
        }
        let name = info.name;
        let _ = writeln!(out, "\nvalues of {name} ({name}=VALUE:PARAMETER=…:…):");
        variants.iter().for_each(|variant| list(variant, &mut out));
    }
    out
}

fn list(variant: &Variant, out: &mut String) {
    let _ = writeln!(out, "  {:<24} {}", variant.name, variant.help);
    for param in variant.params {
        let default = param.values.spell(&param.default);
        let (name, help, values) = (param.name, param.help, param.values);
        let _ = writeln!(out, "    {name:<22} {help}: {values} [{default}]");
    }
}
