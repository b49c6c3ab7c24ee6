//! Code of a log's functions for the HTML report: WebAssembly, and what both compilers make of it.
//!
//! The log has no code. It is compiled again from the program, with the options that the log names.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use upshift::profiler::reader::LogFile;
use upshift::profiler::{Detail, Event, FuncKey, LogConfig, ModuleKey};
use upshift::{Config, Dump, Engine, Module, Printable, Result, Tier, knobs};
use upshift_report::Code;

use crate::{dump, report, text};

/// How many functions have code in a report: those that did the most work.
const FUNCTIONS: usize = 60;

/// The code of the functions that did the most work.
///
/// # Errors
///
/// If the program can't be read, is none, or is not the one that the log names.
pub fn of(path: &Path, log: &LogFile) -> Result<Vec<Code>> {
    let shown = Printable(path.display());
    let bytes = std::fs::read(path).with_context(|| format!("cannot read `{shown}`"))?;
    let engine = Engine::new(&config(log))?;
    let module = Module::new(&engine, &bytes)?;
    let own = digests(
        engine
            .event_log()
            .records()
            .iter()
            .map(|record| &record.event),
    );
    let digest = own.values().next().context("the module has no digest")?;
    let in_log = digests(log.records.iter().map(|record| &record.event));
    let Some((&key, _)) = in_log.iter().find(|(_, known)| *known == digest) else {
        bail!("`{shown}` is no module of this run: its SHA-256 is {digest}");
    };
    let indexes: HashMap<FuncKey, u32> = log
        .names
        .functions()
        .iter()
        .map(|function| (function.key, function.index))
        .collect();
    let chosen: Vec<(FuncKey, u32)> = busiest(log, key)
        .into_iter()
        .filter_map(|func| Some((func, *indexes.get(&func)?)))
        .collect();
    let mut texts = wasm_texts(&module, chosen.iter().map(|&(_, index)| index))?;
    let code = |(func, index)| Code {
        func,
        forms: forms(&module, index, texts.remove(&index)),
    };
    Ok(chosen.into_iter().map(code).collect())
}

/// The configuration with the options that the log names, and a log that says which module it is.
fn config(log: &LogFile) -> Config {
    let mut config = Config::new();
    let known = knobs::all();
    for (name, value) in &log.header.settings {
        let info = known.iter().find(|info| info.name == *name);
        let set = info.map(|info| knobs::set(&mut config, info.group, name, value));
        if !matches!(set, Some(Ok(()))) {
            report::warning(&format!("the log's option {name}={value} is passed over"));
        }
    }
    config.event_log(LogConfig {
        detail: Detail::Events,
        capacity: None,
    });
    config
}

/// The SHA-256 of each module.
fn digests<'a>(events: impl Iterator<Item = &'a Event>) -> HashMap<ModuleKey, String> {
    let identified = events.filter_map(|event| match event {
        Event::ModuleIdentified { module, sha256, .. } => Some((*module, sha256.to_string())),
        _ => None,
    });
    identified.collect()
}

/// The module's functions with the most work, as the log last reported it.
fn busiest(log: &LogFile, module: ModuleKey) -> Vec<FuncKey> {
    let mut work: HashMap<FuncKey, u64> = HashMap::new();
    for record in &log.records {
        let (func, units) = match &record.event {
            Event::BudgetExhausted { func, units, .. } => (*func, *units),
            Event::Decided { func, decision } => (*func, decision.view.units),
            Event::CompileStarted { code, units, .. } => (code.func, *units),
            _ => continue,
        };
        let most = work.entry(func).or_default();
        *most = units.max(*most);
    }
    let mut order: Vec<_> = work
        .into_iter()
        .filter(|(func, _)| func.module == module)
        .collect();
    order.sort_by_key(|&(func, units)| (std::cmp::Reverse(units), func));
    order.truncate(FUNCTIONS);
    order.into_iter().map(|(func, _)| func).collect()
}

/// A function's forms. What a compiler refuses has its error instead.
fn forms(module: &Module, index: u32, wasm: Option<String>) -> Vec<(String, String)> {
    let machine = |tier| {
        module.compile_func(index, tier).map(|code| {
            let mut text = String::new();
            dump::disassemble(&code, &mut text);
            text
        })
    };
    let forms = [
        ("WebAssembly", Ok(wasm.unwrap_or_default())),
        ("baseline code", machine(Tier::Baseline)),
        (
            "CLIF, optimized",
            module.dump_func(index, Dump::OptimizedClif),
        ),
        ("optimized code", machine(Tier::Optimizer)),
    ];
    let forms = forms.into_iter().map(|(title, text)| {
        let text = text.unwrap_or_else(|error| format!("{error:#}"));
        (title.to_owned(), text.trim_end().to_owned())
    });
    forms.collect()
}

/// The text format of some functions, by index.
fn wasm_texts(module: &Module, indexes: impl Iterator<Item = u32>) -> Result<HashMap<u32, String>> {
    let texts = text::lines(module, indexes)?
        .into_iter()
        .map(|(index, lines)| {
            let mut text = String::new();
            for line in lines {
                let _ = writeln!(text, "{:#8x} {}", line.offset, line.text);
            }
            (index, text)
        });
    Ok(texts.collect())
}
