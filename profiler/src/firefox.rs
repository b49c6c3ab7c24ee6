//! The log as a profile for the Firefox Profiler (<https://profiler.firefox.com>): compilations as
//! intervals on their threads, samples as such on threads of their own, all other events as
//! instants, the length of the queue as a counter.
//!
//! Written as JSON, in version 55 of the viewer's *processed* format, which the viewer upgrades to
//! the current one. There is a crate for it, but its features would rebuild Cranelift. The tests
//! check each profile by the format's rules, and have the viewer's own parser open one where it is
//! installed (`cli/tests/cli_cases/firefox.rs`).

#[cfg(test)]
mod check;
mod samples;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::event::{Activity, Event};
use crate::format::Header;
use crate::key::Nanos;
use crate::labels::Labels;
use crate::log::Record;
use crate::names::Names;
use samples::Sampled;

/// The version of the processed format.
const VERSION: u32 = 55;

/// The places of the categories in the list of them.
const TIERING: usize = 0;
const COMPILE: usize = 1;
const CODE: usize = 2;

/// The viewer's numbers of the ways in which a marker has a time.
const INSTANT: u32 = 0;
const INTERVAL: u32 = 1;

/// The type of all markers.
const MARKER: &str = "UpshiftEvent";

/// The profile of these records, which are sorted by time.
pub fn firefox_profile(header: &Header, records: &[Record], names: &Names) -> Value {
    let mut labels = Labels::new(names);
    let mut threads: BTreeMap<u32, Thread> = BTreeMap::new();
    let mut sampled: BTreeMap<u32, Sampled> = BTreeMap::new();
    let mut queue = Counter::default();
    for record in records {
        if let Event::Sample {
            activity,
            sampled: thread,
            cpu_time,
            ..
        } = record.event
        {
            let label = labels
                .sample(&record.event)
                .filter(|_| activity != Activity::Idle);
            let thread = sampled.entry(thread).or_default();
            thread.add(record.at, label, cpu_time);
            continue;
        }
        let thread = threads.entry(record.thread).or_default();
        thread.begin.get_or_insert(record.at);
        thread.add(record, &mut labels);
        if let Event::RequestQueued { queue_length, .. } | Event::Dequeued { queue_length, .. } =
            record.event
        {
            queue.set(record.at, queue_length);
        }
    }
    // The viewer finds the process by its main thread: the one that recorded first.
    let main = threads.iter().min_by_key(|(_, thread)| thread.begin);
    let main = main.map(|(&number, _)| number);
    let pid = header.pid.to_string();
    let place = threads.keys().position(|&number| Some(number) == main);
    let counters = place.map(|place| queue.json(&pid, place));
    let threads = threads.into_iter();
    let threads = threads.map(|(number, thread)| thread.json(number, main, &pid));
    let sampled = sampled.iter();
    let threads = threads.chain(sampled.map(|(&thread, samples)| samples.json(thread, &pid)));
    json!({
        "meta": meta(header),
        "libs": [],
        "threads": threads.collect::<Vec<_>>(),
        "pages": [],
        "profilerOverhead": [],
        "counters": counters.into_iter().collect::<Vec<_>>(),
    })
}

fn millis(time: Nanos) -> f64 {
    time.as_millis()
}

fn meta(header: &Header) -> Value {
    let category =
        |name: &str, color: &str| json!({"name": name, "color": color, "subcategories": ["Other"]});
    let field = |key: &str, label: &str| {
        let format = "string";
        json!({"key": key, "label": label, "format": format, "searchable": true})
    };
    json!({
        "product": format!("Upshift {}", header.upshift),
        "startTime": header.started as f64 / 1e6,
        "interval": 1.0,
        "version": 24,
        "preprocessedProfileVersion": VERSION,
        "processType": 0,
        "debug": false,
        "symbolicated": false,
        "usesOnlyOneStackType": true,
        "sourceCodeIsNotOnSearchfox": true,
        "pausedRanges": [],
        "extensions": {"baseURL": [], "id": [], "length": 0, "name": []},
        "sampleUnits": {"eventDelay": "ms", "threadCPUDelta": "µs", "time": "ms"},
        "categories": [category("tiering", "blue"), category("compile", "orange"),
            category("code", "green")],
        "markerSchema": [{
            "name": MARKER,
            "display": ["marker-chart", "marker-table"],
            "chartLabel": "{marker.data.code}",
            "tableLabel": "{marker.name}: {marker.data.code}",
            "fields": [field("code", "Code"), field("details", "Event")],
        }],
    })
}

/// The markers of a thread, as the columns of a table.
#[derive(Default)]
struct Thread {
    begin: Option<Nanos>,
    category: Vec<usize>,
    data: Vec<Value>,
    /// Places in the table of strings, which are the names of events.
    name: Vec<usize>,
    phase: Vec<u32>,
    start: Vec<f64>,
    end: Vec<Option<f64>>,
}

impl Thread {
    fn add(&mut self, record: &Record, labels: &mut Labels<'_>) {
        let at = record.at;
        let (category, phase, start, end) = match record.event {
            // The event at the end of a compilation has its start too.
            Event::CompileStarted { .. } => return,
            Event::CompileFinished { time, .. } => {
                let start = Nanos(at.0.saturating_sub(time.0));
                (COMPILE, INTERVAL, start, Some(at))
            }
            _ => (TIERING, INSTANT, at, None),
        };
        let code = match (record.event.code(), record.event.func()) {
            (Some(code), _) => labels.code(code),
            (None, Some(func)) => labels.func(func).to_owned(),
            (None, None) => String::new(),
        };
        let details = serde_json::to_string(&record.event).expect("events serialize");
        let name = record.event.name();
        let place = Event::NAMES.iter().position(|&known| known == name);
        self.category.push(category);
        self.data
            .push(json!({"type": MARKER, "code": code, "details": details}));
        self.name.push(place.expect("each event is in the list"));
        self.phase.push(phase);
        self.start.push(millis(start));
        self.end.push(end.map(millis));
    }

    fn json(self, number: u32, main: Option<u32>, pid: &str) -> Value {
        let markers = json!({
            "length": self.name.len(),
            "category": self.category,
            "data": self.data,
            "name": self.name,
            "phase": self.phase,
            "startTime": self.start,
            "endTime": self.end,
        });
        json!({
            "name": format!("thread {number}"),
            "tid": number.to_string(),
            "pid": pid,
            "isMainThread": Some(number) == main,
            "showMarkersInTimeline": true,
            "processName": "upshift",
            "processType": "default",
            "processStartupTime": 0.0,
            "processShutdownTime": null,
            "registerTime": self.begin.map(millis),
            "unregisterTime": null,
            "pausedRanges": [],
            "markers": markers,
            "stringArray": Event::NAMES,
            "samples": table(&["stack", "timeDeltas", "weight", "threadCPUDelta"]),
            "stackTable": table(&["prefix", "frame"]),
            "frameTable": table(&[
                "address", "inlineDepth", "category", "subcategory", "func", "nativeSymbol",
                "innerWindowID", "line", "column",
            ]),
            "funcTable": table(&[
                "name", "isJS", "relevantForJS", "resource", "fileName", "lineNumber",
                "columnNumber",
            ]),
            "nativeSymbols": table(&["address", "functionSize", "libIndex", "name"]),
            "resourceTable": table(&["lib", "name", "host", "type"]),
        })
    }
}

/// An empty table with these columns.
fn table(columns: &[&str]) -> Value {
    let columns = columns.iter().map(|&column| (column.to_owned(), json!([])));
    let mut table: serde_json::Map<_, _> = columns.collect();
    table.insert("length".into(), json!(0));
    if table.contains_key("weight") {
        table.insert("weightType".into(), json!("samples"));
    }
    Value::Object(table)
}

/// The length of the queue, as the changes that the viewer adds up.
#[derive(Default)]
struct Counter {
    length: u32,
    last: Nanos,
    deltas: Vec<f64>,
    counts: Vec<f64>,
}

impl Counter {
    fn set(&mut self, at: Nanos, length: u32) {
        self.deltas
            .push(millis(Nanos(at.0.saturating_sub(self.last.0))));
        self.counts.push(f64::from(length) - f64::from(self.length));
        (self.length, self.last) = (length, at);
    }

    fn json(self, pid: &str, thread: usize) -> Value {
        let number = vec![1; self.counts.len()];
        json!({
            "name": "queue",
            "category": "tiering",
            "description": "Requests that wait for a compile thread",
            "pid": pid,
            "mainThreadIndex": thread,
            "samples": {
                "length": self.counts.len(),
                "timeDeltas": self.deltas,
                "count": self.counts,
                "number": number,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use upshift_abi::{CompileUnit, DefinedFuncIndex, Tier};

    use super::*;
    use crate::key::{CodeKey, FuncKey, ModuleKey};
    use crate::random;

    #[test]
    fn compilations_are_intervals_and_the_queue_is_counted() {
        let func = FuncKey {
            module: ModuleKey(0),
            func: DefinedFuncIndex(2),
        };
        let code = CodeKey::new(func, CompileUnit::Function, Tier::Optimizer);
        let record = |at, event| Record {
            at: Nanos(at),
            cpu: Nanos(0),
            thread: 4,
            event,
        };
        let waited = Nanos(5);
        let records = [
            record(
                2_000_000,
                Event::Dequeued {
                    code,
                    waited,
                    queue_length: 3,
                },
            ),
            record(
                9_000_000,
                Event::CompileFinished {
                    code,
                    body_bytes: 1,
                    code_bytes: 2,
                    time: Nanos(6_000_000),
                    cpu_time: Nanos(5_000_000),
                    queue_wait: waited,
                    loops: None,
                },
            ),
        ];
        let json = firefox_profile(&Header::default(), &records, &Names::default());
        check::check(&json);
        let markers = &json["threads"][0]["markers"];
        assert_eq!(markers["startTime"], serde_json::json!([2.0, 3.0]));
        assert_eq!(markers["endTime"][1], 9.0);
        assert_eq!(markers["data"][1]["code"], "optimizer: module 0 def2");
        assert_eq!(
            json["counters"][0]["samples"]["count"],
            serde_json::json!([3.0])
        );
    }

    #[test]
    fn samples_are_stacks_of_their_thread() {
        let func = FuncKey {
            module: ModuleKey(0),
            func: DefinedFuncIndex(2),
        };
        let record = |at, activity, func: Option<FuncKey>| Record {
            at: Nanos(at),
            cpu: Nanos(0),
            thread: 4,
            event: Event::Sample {
                activity,
                func,
                site: None,
                level: func.map(|_| 1),
                sampled: 77,
                cpu_time: Nanos(3_000),
            },
        };
        let records = [
            record(1_000_000, Activity::Guest, Some(func)),
            record(2_500_000, Activity::Idle, None),
            record(3_000_000, Activity::Guest, Some(func)),
            record(4_000_000, Activity::Host, None),
        ];
        let json = firefox_profile(&Header::default(), &records, &Names::default());
        check::check(&json);
        assert_eq!(json["threads"].as_array().unwrap().len(), 1);
        let thread = &json["threads"][0];
        assert_eq!(thread["tid"], "77");
        assert_eq!(
            thread["stringArray"],
            json!(["optimizer: module 0 def2", "host"])
        );
        let samples = &thread["samples"];
        assert_eq!(samples["stack"], json!([0, null, 0, 1]));
        assert_eq!(samples["timeDeltas"], json!([1.0, 1.5, 0.5, 1.0]));
        assert_eq!(samples["threadCPUDelta"][0], 3.0);
    }

    /// Every kind of event is a marker, but the start of a compilation and samples.
    #[test]
    fn all_events_are_there() {
        let mut rng = fastrand::Rng::with_seed(3);
        let kinds = 0..Event::NAMES.len();
        let mut records: Vec<_> = kinds.map(|kind| random::record(kind, &mut rng)).collect();
        for (i, record) in records.iter_mut().enumerate() {
            (record.at, record.thread) = (Nanos(i as u64), i as u32 % 2);
        }
        let json = firefox_profile(&Header::default(), &records, &Names::default());
        check::check(&json);
        let threads = json["threads"].as_array().unwrap();
        let count = |thread: &Value| thread["markers"]["length"].as_u64().unwrap();
        assert_eq!(
            threads.iter().map(count).sum::<u64>(),
            records.len() as u64 - 2
        );
    }
}
