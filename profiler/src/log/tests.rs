//! Tests of logs: what is kept, what is lost, and what observers get.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use upshift_abi::DefinedFuncIndex;

use super::*;
use crate::key::FuncKey;

fn first_call(n: u32) -> Event {
    Event::FirstCall {
        func: FuncKey {
            module: ModuleKey(0),
            func: DefinedFuncIndex(n),
        },
    }
}

#[test]
fn a_log_that_is_off_makes_no_event() {
    let log = EventLog::new(&LogConfig {
        detail: Detail::Off,
        capacity: None,
    });
    log.record(|| unreachable!("nobody wants it"));
    assert_eq!(log.stats().functions_called, 0);
}

#[test]
fn a_bounded_log_keeps_the_newest() {
    let config = LogConfig {
        detail: Detail::Events,
        capacity: Some(2),
    };
    let log = EventLog::new(&config);
    for n in 0..5 {
        log.record(|| first_call(n));
    }
    let kept: Vec<_> = log
        .records()
        .into_iter()
        .map(|record| record.event)
        .collect();
    assert_eq!(kept, [first_call(3), first_call(4)]);
    assert_eq!(log.stats().functions_called, 5);
    assert_eq!(log.stats().events_forgotten, 3);
}

fn storing() -> EventLog {
    EventLog::new(&LogConfig {
        detail: Detail::Events,
        capacity: None,
    })
}

#[test]
fn a_log_without_observers_loses_nothing() {
    let log = storing();
    let events = 10_000;
    for n in 0..events {
        log.record(|| first_call(n));
    }
    assert_eq!(log.records().len(), events as usize);
    assert_eq!(log.stats().events_lost, 0);
}

#[test]
fn threads_that_end_leave_their_events_and_totals() {
    let log = Arc::new(storing());
    for n in 0..20 {
        let log = log.clone();
        let recorder = thread::spawn(move || log.record(|| first_call(n)));
        recorder.join().unwrap();
    }
    log.record(|| first_call(20));
    log.collect();
    assert_eq!(log.shared.lock().threads.len(), 1);
    assert_eq!(log.records().len(), 21);
    assert_eq!(log.stats().functions_called, 21);
}

/// An observer that is slower than the threads loses events, never a count.
#[test]
fn hammer_totals_are_exact_whatever_is_lost() {
    const EACH: u32 = 40_000;
    let log = storing();
    let seen = Arc::new(Mutex::new((0, 0)));
    log.observe({
        let seen = seen.clone();
        move |records, _| {
            let mut seen = seen.lock().unwrap();
            for record in records {
                match record.event {
                    Event::Lost { count } => seen.1 += count,
                    _ => seen.0 += 1,
                }
            }
            thread::sleep(Duration::from_millis(3));
        }
    });
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for n in 0..EACH {
                    log.record(|| first_call(n));
                }
            });
        }
    });
    let total = u64::from(3 * EACH);
    assert_eq!(log.stats().functions_called, total);
    log.collect();
    let (written, lost) = *seen.lock().unwrap();
    assert_eq!(written + lost, total);
    assert!(lost > 0, "the observer was fast enough");
    assert_eq!(log.stats().events_lost, lost);
}

#[test]
fn what_was_recorded_reaches_observers_by_itself() {
    let log = storing();
    let (sender, receiver) = std::sync::mpsc::channel();
    log.observe(move |records, _| sender.send(records.len()).unwrap());
    log.record(|| first_call(1));
    let received = receiver.recv_timeout(Duration::from_secs(10));
    assert_eq!(received, Ok(1));
}

#[test]
fn the_last_events_are_written_while_the_writer_writes() {
    let log = storing();
    let (wrote, written) = std::sync::mpsc::channel();
    let (go_on, waits) = std::sync::mpsc::channel::<()>();
    log.observe(move |records, _| {
        wrote.send(records.len()).unwrap();
        let _ = waits.recv();
    });
    log.record(|| first_call(1));
    assert_eq!(written.recv(), Ok(1));
    // The writer thread has the lock now.
    log.record(|| first_call(2));
    let dropped = thread::spawn(move || drop(log));
    thread::sleep(Duration::from_millis(20));
    drop(go_on);
    dropped.join().unwrap();
    assert_eq!(written.recv(), Ok(1));
}

/// The observer runs on the thread that begins to record in `log`, and begins to record in
/// `other` itself.
#[test]
fn an_observer_may_record_in_another_log() {
    let (log, other) = (storing(), Arc::new(storing()));
    log.shared.lock().observers.push({
        let other = other.clone();
        Box::new(move |records, _| other.record(|| first_call(records.len() as u32)))
    });
    thread::scope(|scope| {
        scope.spawn(|| log.record(|| first_call(1)));
    });
    log.record(|| first_call(2));
    log.collect();
    assert_eq!(other.records().len(), 2);
}

#[test]
#[cfg(feature = "serde")]
fn records_serialize_flat() {
    let config = LogConfig {
        detail: Detail::Events,
        capacity: None,
    };
    let log = EventLog::new(&config);
    log.record(|| first_call(7));
    let json = serde_json::to_value(&log.records()[0]).unwrap();
    assert_eq!(json["event"], "first-call");
    assert_eq!(json["func"]["func"], 7);
    assert!(json["at"].is_u64());
}
