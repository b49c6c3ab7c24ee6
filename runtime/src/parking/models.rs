//! Models of parking: in no order of steps is a notification or an interruption lost, or a thread
//! woken that was not counted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;

use super::{Limit, ParkedThread, ParkingLot, Stopped, WaitResult};

const ADDRESS: u64 = 8;

/// A word of memory and the threads that wait for it.
#[derive(Default)]
struct Word {
    value: AtomicU32,
    lot: ParkingLot,
}

impl Word {
    /// Waits while the word is 0.
    fn wait(&self, limit: &Limit<'_>) -> WaitResult {
        let expected = || self.value.load(Ordering::Relaxed) == 0;
        let result = self.lot.wait(ADDRESS, expected, limit, || false);
        result.expect("not stopped")
    }

    /// Writes another value, then wakes threads.
    fn notify(&self, count: u32) -> u32 {
        self.value.store(1, Ordering::Relaxed);
        self.lot.notify(ADDRESS, count)
    }
}

/// A time that has passed: a wait ends as soon as it looks at the clock.
fn over() -> Limit<'static> {
    let past = Instant::now().checked_sub(Duration::from_secs(1));
    Limit::At(past.expect("the clock has run for a second"))
}

/// A thread sees the new value, or waits and is woken: it never waits for ever, which loom finds.
#[test]
fn no_notification_is_lost() {
    loom::model(|| {
        let word = Arc::new(Word::default());
        let waiter = {
            let word = word.clone();
            thread::spawn(move || word.wait(&Limit::None))
        };
        let woken = word.notify(1);
        let expected = match woken {
            0 => WaitResult::Mismatch,
            _ => WaitResult::Ok,
        };
        assert_eq!(waiter.join().unwrap(), expected);
    });
}

/// A wait that ends at its time takes no notification with it, and none is counted twice.
#[test]
fn as_many_wake_as_are_counted() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(|| {
        let word = Arc::new(Word::default());
        let waiters = [0; 2].map(|_| {
            let word = word.clone();
            thread::spawn(move || word.wait(&over()))
        });
        let counted = word.notify(1);
        let results = waiters.map(|waiter| waiter.join().unwrap());
        let woken = results.iter().filter(|&&result| result == WaitResult::Ok);
        assert_eq!(woken.count() as u32, counted, "{results:?}");
        assert_eq!(word.lot.notify(ADDRESS, 2), 0, "all have left the queue");
    });
}

/// An interruption ends a wait, whenever it comes.
#[test]
fn no_interruption_is_lost() {
    loom::model(|| {
        let word = Arc::new(Word::default());
        let parked = Arc::new(ParkedThread::default());
        let interrupt = Arc::new(AtomicU32::new(0));
        let waiter = {
            let (word, parked, interrupt) = (word.clone(), parked.clone(), interrupt.clone());
            thread::spawn(move || {
                let _registered = parked.register();
                let stop = || interrupt.load(Ordering::Acquire) != 0;
                word.lot.wait(ADDRESS, || true, &Limit::None, stop)
            })
        };
        interrupt.store(1, Ordering::Release);
        parked.unpark();
        assert_eq!(waiter.join().unwrap(), Err(Stopped));
    });
}
