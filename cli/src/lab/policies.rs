//! `upshift lab policies`: what decides on tier-up, and in which order functions are compiled.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use upshift::Result;
use upshift::tiering::{policy, queue};
use upshift_knobs::Variant;

use crate::report;

/// List the built-in policies and queue disciplines, with their parameters and defaults
#[derive(Args, Debug)]
#[command(
    after_help = "Each is chosen by `-T policy=NAME:PARAM=VALUE:...` or `-T queue=NAME:...`."
)]
pub struct Arguments {
    /// Only that policy or discipline
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

/// Prints the list.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut text = String::new();
    let mut found = false;
    for (title, option, variants) in [
        ("Policies", "policy", policy::builtin()),
        ("Queue disciplines", "queue", queue::builtin()),
    ] {
        let wanted = |variant: &&Variant| {
            let name = arguments.name.as_deref();
            name.is_none_or(|name| name == variant.name)
        };
        let mut variants = variants.iter().filter(wanted).peekable();
        if variants.peek().is_none() {
            continue;
        }
        found = true;
        let _ = writeln!(text, "{title} (-T {option}=...)");
        variants.for_each(|variant| describe(&mut text, variant));
        text.push('\n');
    }
    if !found {
        let name = arguments.name.as_deref().unwrap_or_default();
        return super::misused(&format!(
            "there is no policy or discipline `{name}`; `upshift lab policies` lists them"
        ));
    }
    report::out(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn describe(text: &mut String, variant: &Variant) {
    let _ = writeln!(text, "  {:<22}{}", variant.name, variant.help);
    for param in variant.params {
        let default = param.values.spell(&param.default);
        let _ = writeln!(text, "    {:<20}{} [{default}]", param.name, param.help);
    }
}
