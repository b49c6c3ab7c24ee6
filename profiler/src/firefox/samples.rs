//! The samples of a thread, as tables of the Firefox Profiler: each sample has a stack of one
//! frame, which is the function in its level, or what else the thread did.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::key::Nanos;

/// A thread that was sampled.
#[derive(Default)]
pub(super) struct Sampled {
    /// What samples found, by place in the table of strings.
    labels: Vec<String>,
    places: HashMap<String, usize>,
    stack: Vec<Option<usize>>,
    at: Vec<Nanos>,
    cpu: Vec<Nanos>,
}

impl Sampled {
    /// Adds a sample: what it found, `None` if the thread was idle.
    pub(super) fn add(&mut self, at: Nanos, label: Option<String>, cpu: Nanos) {
        let stack = label.map(|label| {
            let next = self.labels.len();
            *self.places.entry(label).or_insert_with_key(|label| {
                self.labels.push(label.clone());
                next
            })
        });
        self.stack.push(stack);
        self.at.push(at);
        self.cpu.push(cpu);
    }

    /// The thread, with no markers.
    pub(super) fn json(&self, thread: u32, pid: &str) -> Value {
        let count = self.labels.len();
        let all: Vec<usize> = (0..count).collect();
        let none = vec![Value::Null; count];
        let before = std::iter::once(Nanos(0)).chain(self.at.iter().copied());
        let deltas = before.zip(&self.at).map(|(before, at)| {
            let delta = Nanos(at.0.saturating_sub(before.0));
            delta.as_millis()
        });
        let micros = self.cpu.iter().map(|cpu| cpu.0 as f64 / 1e3);
        json!({
            "name": format!("samples of thread {thread}"),
            "tid": thread.to_string(),
            "pid": pid,
            "isMainThread": false,
            "showMarkersInTimeline": false,
            "processName": "upshift",
            "processType": "default",
            "processStartupTime": 0.0,
            "processShutdownTime": null,
            "registerTime": self.at.first().map(|at| at.as_millis()),
            "unregisterTime": null,
            "pausedRanges": [],
            "markers": {
                "length": 0, "category": [], "data": [], "name": [], "phase": [],
                "startTime": [], "endTime": [],
            },
            "stringArray": self.labels,
            "samples": {
                "length": self.stack.len(),
                "stack": self.stack,
                "timeDeltas": deltas.collect::<Vec<_>>(),
                "weight": null,
                "weightType": "samples",
                "threadCPUDelta": micros.collect::<Vec<_>>(),
            },
            "stackTable": {"length": count, "prefix": none, "frame": all},
            "frameTable": {
                "length": count,
                "address": vec![-1; count],
                "inlineDepth": vec![0; count],
                "category": vec![super::CODE; count],
                "subcategory": vec![0; count],
                "func": all,
                "nativeSymbol": none,
                "innerWindowID": vec![0; count],
                "line": none,
                "column": none,
            },
            "funcTable": {
                "length": count,
                "name": all,
                "isJS": vec![false; count],
                "relevantForJS": vec![false; count],
                "resource": vec![-1; count],
                "fileName": none,
                "lineNumber": none,
                "columnNumber": none,
            },
            "nativeSymbols": super::table(&["address", "functionSize", "libIndex", "name"]),
            "resourceTable": super::table(&["lib", "name", "host", "type"]),
        })
    }
}
