//! The log as a trace for trace viewers (`chrome://tracing`, Perfetto): compilations as spans on
//! their threads, samples as spans of the processor time before them on the threads that were
//! sampled, all other events as instants.

use serde_json::{Value, json};

use crate::event::Event;
use crate::key::Nanos;
use crate::labels::Labels;
use crate::log::Record;
use crate::names::Names;

/// The trace of these events, in the JSON format of the viewers.
pub fn chrome_trace(records: &[Record], names: &Names) -> Value {
    let mut tracer = Tracer {
        labels: Labels::new(names),
        events: Vec::new(),
    };
    for record in records {
        tracer.add(record);
    }
    json!({ "traceEvents": tracer.events, "displayTimeUnit": "ns" })
}

struct Tracer<'a> {
    labels: Labels<'a>,
    events: Vec<Value>,
}

impl Tracer<'_> {
    fn add(&mut self, record: &Record) {
        let micros = |at: Nanos| at.0 as f64 / 1e3;
        let args = serde_json::to_value(&record.event).expect("events serialize");
        let event = match record.event {
            // The event at the end of a compilation has the span's start too.
            Event::CompileStarted { .. } => return,
            Event::CompileFinished { code, time, .. } => json!({
                "name": self.labels.code(code), "cat": "compile", "ph": "X",
                "ts": micros(Nanos(record.at.0.saturating_sub(time.0))), "dur": micros(time),
                "pid": 0, "tid": record.thread, "args": args,
            }),
            Event::Sample {
                cpu_time, sampled, ..
            } => json!({
                "name": self.labels.sample(&record.event), "cat": "sample", "ph": "X",
                "ts": micros(Nanos(record.at.0.saturating_sub(cpu_time.0))),
                "dur": micros(cpu_time), "pid": 0, "tid": sampled, "args": args,
            }),
            _ => json!({
                "name": record.event.name(), "cat": "tiering", "ph": "i", "s": "t",
                "ts": micros(record.at), "pid": 0, "tid": record.thread, "args": args,
            }),
        };
        self.events.push(event);
    }
}

#[cfg(test)]
mod tests {
    use upshift_abi::{CompileUnit, DefinedFuncIndex, Tier};

    use super::*;
    use crate::key::{CodeKey, FuncKey, ModuleKey};

    #[test]
    fn compilations_are_spans() {
        let func = FuncKey {
            module: ModuleKey(0),
            func: DefinedFuncIndex(2),
        };
        let code = CodeKey::new(func, CompileUnit::Function, Tier::Optimizer);
        let event = Event::CompileFinished {
            code,
            body_bytes: 1,
            code_bytes: 2,
            time: Nanos(3_000),
            cpu_time: Nanos(2_000),
            queue_wait: Nanos(0),
            loops: None,
        };
        let records = [Record {
            at: Nanos(10_000),
            cpu: Nanos(0),
            thread: 4,
            event,
        }];
        let trace = chrome_trace(&records, &Names::default());
        let span = &trace["traceEvents"][0];
        assert_eq!(
            (span["ts"].as_f64(), span["dur"].as_f64()),
            (Some(7.0), Some(3.0))
        );
        assert_eq!(span["tid"], 4);
        assert_eq!(span["args"]["code"]["tier"], "optimizer");
    }
}
