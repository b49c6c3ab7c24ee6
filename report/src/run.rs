//! A run's log as the page's script reads it: events in columns, functions, totals.

use std::collections::HashMap;

use serde_json::{Map, Value, json};
use upshift_profiler::event::Event;
use upshift_profiler::format::Header;
use upshift_profiler::names::Function;
use upshift_profiler::reader::LogFile;
use upshift_profiler::{FuncKey, Record, Stats};

use crate::columns::{Columns, column};

/// A run to be shown.
#[derive(Debug, Default)]
pub struct Input {
    /// What the run is called.
    pub label: String,
    /// Its event log.
    pub log: LogFile,
    /// Code of its functions.
    pub code: Vec<Code>,
}

/// The code of a function in several forms, each a title and a text.
#[derive(Clone, Debug)]
pub struct Code {
    /// The function.
    pub func: FuncKey,
    /// WebAssembly, and what the compilers make of it.
    pub forms: Vec<(String, String)>,
}

/// The functions of a run: all that the log names, and all that its events are about.
#[derive(Debug, Default)]
pub(crate) struct Functions {
    keys: Vec<FuncKey>,
    places: HashMap<FuncKey, usize>,
}

impl Functions {
    /// Adds the functions of a log.
    pub(crate) fn add_all(&mut self, log: &LogFile) {
        for function in log.names.functions() {
            self.add(function.key);
        }
        for record in &log.records {
            if let Some(key) = record.event.func() {
                self.add(key);
            }
        }
    }

    fn add(&mut self, key: FuncKey) {
        let next = self.keys.len();
        if *self.places.entry(key).or_insert(next) == next {
            self.keys.push(key);
        }
    }

    /// The function's row in the page's table.
    pub(crate) fn place(&self, key: FuncKey) -> Option<usize> {
        self.places.get(&key).copied()
    }

    fn json(&self, log: &LogFile) -> Value {
        let mut rows: HashMap<FuncKey, Function> = HashMap::new();
        for function in log.names.functions() {
            rows.insert(function.key, function);
        }
        let bodies = compiled_bodies(log);
        let mut columns: [Vec<Value>; 3] = Default::default();
        for key in &self.keys {
            let row = rows.get(key);
            let body = row.map(|row| row.body_bytes).or(bodies.get(key).copied());
            let index = row.map_or(key.func.0, |row| row.index);
            let values = [json!(index), json!(log.names.of(*key)), json!(body)];
            for (column, value) in columns.iter_mut().zip(values) {
                column.push(value);
            }
        }
        let [index, name, body] = columns;
        json!({ "index": index, "name": name, "body": body })
    }
}

/// Bytes of functions' bodies, as compilations saw them: for logs that name no functions.
fn compiled_bodies(log: &LogFile) -> HashMap<FuncKey, u32> {
    let events = log.records.iter().map(|record| &record.event);
    let finished = events.filter_map(|event| match event {
        Event::CompileFinished {
            code, body_bytes, ..
        } => Some((code.func, *body_bytes)),
        _ => None,
    });
    finished.collect()
}

/// The run as an object for the script.
pub(crate) fn json(input: &Input, functions: &Functions) -> Value {
    let Input { label, log, code } = input;
    let mut threads: Vec<u32> = log.records.iter().map(|record| record.thread).collect();
    threads.sort_unstable();
    threads.dedup();
    let (events, tables) = events(&log.records, functions);
    let code: Map<String, Value> = code
        .iter()
        .filter_map(|code| Some((functions.place(code.func)?.to_string(), json!(code.forms))))
        .collect();
    json!({
        "label": label,
        "facts": facts(&log.header),
        "levels": log.names.levels(),
        "totals": totals(log),
        "notes": notes(log),
        "kinds": Event::NAMES,
        "threads": threads,
        "end": log.end().0,
        "functions": functions.json(log),
        "events": events,
        "tables": tables,
        "code": code,
    })
}

/// Events are not shown that repeat what another event has: the start of a compilation.
pub(crate) fn is_shown(event: &Event) -> bool {
    !matches!(event, Event::CompileStarted { .. })
}

/// What all events have, in columns, and a table of the other fields for each kind.
fn events(records: &[Record], functions: &Functions) -> (Value, Vec<Value>) {
    let mut tables: Vec<Columns> = Event::NAMES.iter().map(|_| Columns::default()).collect();
    let mut common: [Vec<Value>; 8] = Default::default();
    let mut before = 0;
    for record in records.iter().filter(|record| is_shown(&record.event)) {
        let name = record.event.name();
        let kind = Event::NAMES.iter().position(|&known| known == name);
        let kind = kind.expect("each event is in the list");
        let func = record.event.func().and_then(|key| functions.place(key));
        let code = record.event.code();
        let row: [Value; 8] = [
            json!(record.at.0 - before),
            json!(kind),
            json!(record.thread),
            json!(func.map_or(-1, |place| place as i64)),
            json!(
                code.and_then(|code| code.loop_number())
                    .map_or(-1, i64::from)
            ),
            json!(code.map_or(-1, |code| i64::from(code.level))),
            json!(
                code.and_then(|code| code.req.number())
                    .map_or(-1, i64::from)
            ),
            json!(record.cpu.0),
        ];
        before = record.at.0;
        for (column, value) in common.iter_mut().zip(row) {
            column.push(value);
        }
        tables[kind].push(&fields(&record.event));
    }
    let [at, kind, thread, func, loops, level, req, cpu] = common;
    let events = json!({
        "at": at, "kind": kind, "thread": column(thread), "func": column(func),
        "loop": column(loops), "level": column(level), "req": column(req), "cpu": column(cpu),
    });
    (events, tables.into_iter().map(Columns::json).collect())
}

/// The fields of an event that are its own: without those that all events have.
fn fields(event: &Event) -> Map<String, Value> {
    let value = serde_json::to_value(event).expect("events serialize");
    let Value::Object(mut fields) = value else {
        unreachable!("an event is an object");
    };
    for common in ["event", "func", "code"] {
        fields.remove(common);
    }
    // A decision is the one event with a part of this name, which has all that it is.
    if let Some(Value::Object(decision)) = fields.remove("decision") {
        fields.extend(decision);
    }
    fields
}

fn facts(header: &Header) -> Vec<(&'static str, String)> {
    let machine = &header.machine;
    let seconds = header.started / 1_000_000_000;
    let mut facts = vec![
        ("Upshift", header.upshift.clone()),
        ("policy", header.policy.clone()),
        ("began", upshift_plot::format::moment(seconds)),
        ("processor", machine.cpu.clone()),
        ("cores", machine.cores.to_string()),
        ("kernel", machine.kernel.clone()),
    ];
    if let Some(seed) = header.seed {
        facts.push(("seed", seed.to_string()));
    }
    let settings = header.settings.iter();
    let settings: Vec<_> = settings
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let settings = match &*settings {
        [] => "defaults".to_owned(),
        settings => settings.join(", "),
    };
    facts.push(("settings", settings));
    facts
}

fn totals(log: &LogFile) -> Value {
    let mut stats = Stats::default();
    for record in &log.records {
        stats.apply(record.at, &record.event);
    }
    stats.name_levels(&log.names);
    let counters: Vec<_> = stats.counters().filter(|&(_, count)| count > 0).collect();
    json!({ "levels": stats.levels, "counters": counters })
}

/// What the reader must know of what is not there.
fn notes(log: &LogFile) -> Vec<String> {
    let mut notes = Vec::new();
    if log.broken > 0 {
        let first = log
            .faults
            .first()
            .map_or(String::new(), |fault| format!(" ({fault})"));
        notes.push(format!(
            "{} lines of the log can't be read{first}.",
            log.broken
        ));
    }
    if log.unknown > 0 {
        let unknown = log.unknown;
        notes.push(format!(
            "{unknown} records are of a later version of Upshift."
        ));
    }
    let lost = log.records.iter().filter_map(|record| match record.event {
        Event::Lost { count } => Some(count),
        _ => None,
    });
    match lost.sum::<u64>() {
        0 => {}
        lost => notes.push(format!(
            "{lost} events were lost while the run was recorded."
        )),
    }
    if log.records.is_empty() {
        notes.push("The log has no events.".to_owned());
    }
    notes
}
