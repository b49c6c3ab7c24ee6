//! `upshift explore`: a page with a module's functions in all forms, side by side.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Parser;
use upshift::knobs::Group;
use upshift::{Dump, Engine, Module, Printable, Result, Tier};
use upshift_report::explore::{Explorer, Form, Function, Line};

use crate::options::{self, Options};
use crate::output::Output;
use crate::{dump, report, text};

const EXAMPLES: &str = "\
Examples:
  upshift explore x.wasm -o x.html                        the largest functions
  upshift explore -f main -f 'sort*' x.wasm -o x.html     those whose names are like one of these
  upshift explore -f '*::parse*' --limit 1000 x.wasm -o x.html
  upshift explore -C opt-level=none x.wasm -o x.html      as these options compile them

In the page, each line of code is highlighted together with the WebAssembly instruction that it
comes from; a click pins it, / searches functions, j and k step through instructions, t changes
colours.

Exit codes:
  0  done
  1  a file can't be read or written, is no module, or no function's name is like the patterns
  2  wrong usage";

/// Shows what a module's functions become: WebAssembly, baseline code, Cranelift's form and
/// optimized code side by side, in a page for a browser.
#[derive(Parser, Debug)]
#[command(
    name = "upshift explore",
    bin_name = "upshift explore",
    version,
    after_help = EXAMPLES,
    arg_required_else_help = true
)]
pub struct Arguments {
    /// A function: its name, with `*` for any text and `?` for any letter, or its index; may be
    /// given several times
    #[arg(short, long = "function", value_name = "PATTERN")]
    functions: Vec<String>,

    /// How many functions the page has at most, the largest first
    #[arg(long, value_name = "N", default_value_t = 200)]
    limit: usize,

    /// The file for the page; otherwise it is printed
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,

    /// Compilation: how code is made
    #[arg(short = 'C', value_name = "NAME=VALUE,...")]
    compile: Vec<String>,

    /// WebAssembly: what the module may use
    #[arg(short = 'W', value_name = "NAME=VALUE,...")]
    wasm: Vec<String>,

    /// The module (.wasm or .wat)
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Makes the page.
pub fn run(arguments: &Arguments) -> ExitCode {
    let options = options::of_groups(&[
        (Group::Compile, &arguments.compile),
        (Group::Wasm, &arguments.wasm),
    ]);
    match options.map(|options| write(arguments, &options)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => report::failure(&error),
        Err(refused) => refused,
    }
}

fn write(arguments: &Arguments, options: &Options) -> Result<()> {
    let engine = Engine::new(&options.config)?;
    let module = Module::from_file(&engine, &arguments.file)?;
    let file = Printable(arguments.file.display()).to_string();
    let mut chosen = choose(&module, &arguments.functions)?;
    let (all, fit) = (module.defined_funcs().len(), chosen.len());
    chosen.truncate(arguments.limit);
    if chosen.len() < fit {
        report::note(&format!(
            "the page has the {} largest of {fit} functions; --function chooses some by name, \
             --limit takes more",
            chosen.len()
        ));
    }
    let settings: Vec<_> = [("C", &arguments.compile), ("W", &arguments.wasm)]
        .into_iter()
        .flat_map(|(letter, texts)| texts.iter().map(move |text| format!(" -{letter} {text}")))
        .collect();
    let page = Explorer {
        about: format!(
            "{} of {all} functions, as `upshift explore{}` compiles them",
            chosen.len(),
            settings.concat()
        ),
        title: name_of(&arguments.file),
        forms: vec![
            "WebAssembly",
            "Baseline code",
            "CLIF, optimized",
            "Optimized code",
        ],
        functions: functions(&module, &chosen).with_context(|| format!("cannot show `{file}`"))?,
    };
    match &arguments.output {
        Some(path) => {
            let output = Output::create_from(path, &arguments.file);
            let written = output.and_then(|output| {
                output.write(|mut file| file.write_all(page.render().as_bytes()))
            });
            written.with_context(|| format!("cannot write `{}`", Printable(path.display())))
        }
        None => report::out(&page.render()),
    }
}

fn name_of(file: &Path) -> String {
    let name = file.file_name().unwrap_or(file.as_os_str());
    Printable(name.display()).to_string()
}

/// The functions that the patterns mean, the largest first; all without patterns.
fn choose(module: &Module, patterns: &[String]) -> Result<Vec<u32>> {
    let size = |func: u32| module.body_range(func).map_or(0, |body| body.len());
    let mut chosen: Vec<u32> = module.defined_funcs().collect();
    if !patterns.is_empty() {
        let exact: Vec<_> = patterns
            .iter()
            .filter_map(|text| module.find_func(text))
            .collect();
        chosen.retain(|func| {
            let name = module.func_name(*func);
            let mut patterns = patterns.iter();
            exact.contains(func) || patterns.any(|pattern| is_like(pattern, &name))
        });
    }
    if let (true, [pattern, ..]) = (chosen.is_empty(), patterns) {
        // With what was probably meant, if there is one pattern.
        dump::find(module, pattern)?;
        bail!("no function's name is like `{}`", Printable(pattern));
    }
    chosen.sort_by_key(|&func| (std::cmp::Reverse(size(func)), func));
    Ok(chosen)
}

/// Whether a name is like a pattern, in which `*` is any text and `?` any letter.
pub fn is_like(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    // Which beginnings of the pattern fit what was read of the name.
    let mut fits = vec![false; pattern.len() + 1];
    fits[0] = true;
    let skip = |fits: &mut [bool]| {
        for (i, &c) in pattern.iter().enumerate() {
            fits[i + 1] |= fits[i] && c == '*';
        }
    };
    skip(&mut fits);
    for letter in name.chars() {
        let mut next = vec![false; fits.len()];
        for (i, &c) in pattern.iter().enumerate() {
            next[i] |= fits[i] && c == '*';
            next[i + 1] |= fits[i] && (c == '?' || c == letter);
        }
        skip(&mut next);
        fits = next;
    }
    fits[pattern.len()]
}

fn functions(module: &Module, chosen: &[u32]) -> Result<Vec<Function>> {
    let mut texts = text::lines(module, chosen.iter().copied())?;
    let function = |&index: &u32| {
        let body = module.body_range(index).unwrap_or_default();
        let text = texts.remove(&index).unwrap_or_default();
        let wasm = Form {
            note: format!("{} bytes", body.len()),
            lines: text
                .into_iter()
                .map(|line| Line {
                    offset: Some(line.offset),
                    text: line.text,
                })
                .collect(),
        };
        let clif = module.dump_func(index, Dump::OptimizedClif);
        Function {
            index,
            name: module.func_name(index),
            bytes: body.len() as u32,
            body,
            forms: vec![
                wasm,
                machine(module, index, Tier::Baseline),
                clif.map_or_else(refused, |clif| of_clif(&clif)),
                machine(module, index, Tier::Optimizer),
            ],
        }
    };
    Ok(chosen.iter().map(function).collect())
}

/// What a compiler says of a function that it refuses.
fn refused(error: upshift::Error) -> Form {
    Form {
        note: String::new(),
        lines: vec![Line {
            offset: None,
            text: format!("{error:#}"),
        }],
    }
}

fn machine(module: &Module, index: u32, tier: Tier) -> Form {
    let code = match module.compile_func(index, tier) {
        Ok(code) => code,
        Err(error) => return refused(error),
    };
    let mut lines = Vec::new();
    dump::each_instruction(&code, |instruction| {
        let dump::Instruction {
            start,
            text,
            notes,
            source,
            ..
        } = instruction;
        lines.push(Line {
            offset: source.map(|offset| offset.0),
            text: format!(
                "{start:5x}  {text}{}{notes}",
                if notes.is_empty() { "" } else { "  " }
            ),
        });
    });
    let note = format!("{} bytes, a frame of {}", code.code.len(), code.frame_size);
    Form { note, lines }
}

/// What stands in CLIF before lines without a place, where others have one.
const PLACE_WIDTH: &str = "                                ";

/// The lines of CLIF, which begin with the place of what they come from: `@1f4`.
fn of_clif(clif: &str) -> Form {
    let lines = clif.trim_end().lines().map(|line| {
        let place = line.strip_prefix('@').and_then(|rest| {
            let (place, text) = rest.split_once(' ')?;
            Some((u32::from_str_radix(place, 16).ok()?, text))
        });
        match place {
            Some((offset, text)) => Line {
                offset: Some(offset),
                text: format!("    {}", text.trim_start()),
            },
            // Where others have a place, lines without stand as far to the right.
            None => Line {
                offset: None,
                text: line.strip_prefix(PLACE_WIDTH).unwrap_or(line).to_owned(),
            },
        }
    });
    Form {
        note: String::new(),
        lines: lines.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_have_stars_and_question_marks() {
        for (pattern, name, like) in [
            ("main", "main", true),
            ("main", "main2", false),
            ("*", "", true),
            ("*::parse*", "json::parse_number", true),
            ("*::parse*", "parse", false),
            ("f?", "f1", true),
            ("f?", "f", false),
            ("a*b*c", "aXbYbc", true),
            ("a*b*c", "aXbYb", false),
        ] {
            assert_eq!(is_like(pattern, name), like, "{pattern} {name}");
        }
    }

    #[test]
    fn places_in_clif_are_read() {
        let form = of_clif("block0(v0: i64):\n@0023      v3 = iadd v1, v2\n    return\n");
        let lines: Vec<_> = form
            .lines
            .iter()
            .map(|line| (line.offset, &*line.text))
            .collect();
        let expected = [
            (None, "block0(v0: i64):"),
            (Some(0x23), "    v3 = iadd v1, v2"),
            (None, "    return"),
        ];
        assert_eq!(lines, expected);
    }
}
