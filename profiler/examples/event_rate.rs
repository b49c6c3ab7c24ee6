//! What recording an event takes, with the log off, counting, storing, and observed.
//!
//! `cargo run --release -p upshift-profiler --example event_rate`

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use upshift_abi::DefinedFuncIndex;
use upshift_profiler::log::thread_time;
use upshift_profiler::{Decided, Detail, Event, EventLog, FuncKey, LogConfig, ModuleKey};

const EVENTS: u32 = 400_000;

/// Makes an event from a running number.
type Make = fn(u32) -> Event;

fn func(n: u32) -> FuncKey {
    FuncKey {
        module: ModuleKey(0),
        func: DefinedFuncIndex(n),
    }
}

fn exhausted(n: u32) -> Event {
    Event::BudgetExhausted {
        func: func(n),
        site: None,
        units: u64::from(n),
    }
}

/// A decision with as much to it as those of tiering.
fn decided(n: u32) -> Event {
    let mut decision = Decided::default();
    decision.view.levels = vec![Default::default(); 2];
    decision.numbers = vec![("threshold".into(), Default::default()); 2];
    decision.memo = vec![0; 4];
    let (func, decision) = (func(n), Box::new(decision));
    Event::Decided { func, decision }
}

/// Nanoseconds of processor time of the recording threads for each event, and the share of events
/// that was lost.
fn measure(detail: Detail, observed: bool, threads: u32, event: Make) -> (f64, f64) {
    let log = EventLog::new(&LogConfig {
        detail,
        capacity: Some(0),
    });
    let seen = Arc::new(AtomicU64::new(0));
    if observed {
        let seen = seen.clone();
        log.observe(move |records, _| {
            seen.fetch_add(records.len() as u64, Ordering::Relaxed);
        });
    }
    let run = || {
        let start = thread_time();
        for n in 0..EVENTS {
            match detail {
                Detail::Events => log.trace(|| event(black_box(n))),
                _ => log.record(|| event(black_box(n))),
            }
        }
        thread_time().0 - start.0
    };
    let nanos: u64 = thread::scope(|scope| {
        let runs: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        runs.into_iter()
            .map(|run| run.join().expect("no panic"))
            .sum()
    });
    let nanos = nanos as f64 / f64::from(EVENTS * threads);
    let lost = log.stats().events_lost as f64 / f64::from(EVENTS * threads);
    (nanos, lost)
}

fn main() {
    println!("{:<34}{:>12}{:>12}", "", "ns an event", "lost");
    let kinds: [(&str, Make); 2] = [("exhausted", exhausted), ("decided", decided)];
    for (name, event) in kinds {
        for threads in [1, 2] {
            for (detail, observed) in [
                (Detail::Off, false),
                (Detail::Stats, false),
                (Detail::Events, false),
                (Detail::Events, true),
            ] {
                let runs = (0..5).map(|_| measure(detail, observed, threads, event));
                let best = runs.min_by(|a, b| a.0.total_cmp(&b.0)).expect("five runs");
                let how = if observed { " observed" } else { "" };
                let row = format!("{name} x{threads} {detail:?}{how}");
                println!("{row:<34}{:>12.1}{:>11.1}%", best.0, best.1 * 100.0);
            }
        }
    }
}
