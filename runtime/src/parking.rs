//! Threads that wait for an address of a shared memory, until they are notified, their time is over
//! or they are interrupted.
//!
//! A [`ParkingLot`] is one memory's: a queue of threads for each address that a thread waits for,
//! in a table that is divided into shards by address. It accesses no memory: the value that decides
//! whether a thread waits is read by the caller's function, under the lock of the address's shard.
//!
//! # Protocol
//!
//! - A thread that is to wait locks the shard, compares, and joins the end of the queue, all under
//!   the lock. A thread that notifies has written the value before, then locks the shard. So either
//!   the lock is taken first by the notifying thread, and the comparison sees what it has written;
//!   or it finds the other thread in the queue.
//! - Who removes a waiter from its queue decides how its wait ends. A notifying thread takes them
//!   from the front, marks each as woken under the lock, and unparks them afterwards: it wakes as
//!   many as it says. A thread whose time is over, or that is interrupted, locks the shard and
//!   removes itself; if it is not in the queue any more, it was woken.
//! - A thread parks ([`thread::park`]) only in a loop that looks at the mark, the clock and the
//!   interruption, and whatever changes one of them unparks it afterwards: an unparked thread that
//!   is not parked yet does not park. [`ParkedThread`] is how interruptions find it.
//!
//! # Virtual time
//!
//! Where the time of waits is virtual ([`Limit::Virtual`]), it passes when no thread is left that
//! could wake another: then the wait with the least time left is over, and that time has passed for
//! all other waits too. A thread that has notified another, or has not been told that it was woken,
//! is not waiting: who waits is who stands in a queue, and all queues are locked to find out.

#[cfg(all(test, loom))]
mod models;

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::sync::{AtomicBool, AtomicU64, Mutex, Ordering, thread};

const POISON: &str = "no panic happens under this lock";

/// How many parts the table of queues has, each with a lock.
const SHARDS: usize = 16;

/// How a wait has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitResult {
    /// Another thread has woken this one.
    Ok = 0,
    /// The memory contained another value than expected, so the thread did not wait.
    Mismatch = 1,
    /// The time was over.
    TimedOut = 2,
}

/// A thread in a queue.
#[derive(Debug)]
struct Waiter {
    /// Set, under the lock of the shard, by the thread that takes the waiter out of the queue to
    /// wake it.
    woken: AtomicBool,
    /// The virtual time left, in nanoseconds; [`FOREVER`] if it never ends or is not virtual. Read
    /// and written under the locks of all shards, once the waiter is in a queue.
    left: AtomicU64,
    thread: thread::Thread,
}

/// A time that never ends.
const FOREVER: u64 = u64::MAX;

/// How often a thread that waits in virtual time looks whether all others do.
const LOOK_INTERVAL: Duration = Duration::from_millis(1);

/// What limits the time of a wait.
pub enum Limit<'a> {
    /// Nothing.
    None,
    /// The system's clock.
    At(Instant),
    /// Virtual time: `time` passes at once when all threads wait, so many as `threads` returns.
    /// Otherwise it takes as long as it says.
    Virtual {
        /// The time.
        time: Duration,
        /// Returns the number of threads that may wait or notify.
        threads: &'a dyn Fn() -> usize,
    },
}

impl Limit<'_> {
    /// The limit that ends a wait after the time. One beyond the clock's range never ends.
    pub fn after(time: Duration) -> Self {
        (Instant::now().checked_add(time)).map_or(Limit::None, Limit::At)
    }

    /// The virtual time, in nanoseconds.
    fn virtual_time(&self) -> u64 {
        match self {
            Limit::Virtual { time, .. } => u64::try_from(time.as_nanos()).unwrap_or(FOREVER),
            Limit::None | Limit::At(_) => FOREVER,
        }
    }

    /// The time at which the wait ends by the system's clock. A time beyond the clock's range never
    /// comes.
    fn deadline(&self) -> Option<Instant> {
        match *self {
            Limit::None => None,
            Limit::At(deadline) => Some(deadline),
            Limit::Virtual { time, .. } => Instant::now().checked_add(time),
        }
    }
}

/// The queues of the addresses of a shard; none is empty.
type Queues = HashMap<u64, VecDeque<Arc<Waiter>>>;

/// The threads that wait for addresses of one memory. See the module's documentation for the
/// protocol.
#[derive(Debug, Default)]
pub struct ParkingLot {
    shards: [Mutex<Queues>; SHARDS],
}

impl ParkingLot {
    fn shard(&self, address: u64) -> &Mutex<Queues> {
        // Neighbouring words, of one lock's owner or one array of locks, go to different shards.
        let hash = (address >> 2).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        &self.shards[hash as usize % SHARDS]
    }

    /// Waits at the address, if `expected` says that the memory contains the value for which the
    /// thread is to wait: until it is notified, until its time is over, or until `stop` says that
    /// it is to end. Whatever makes `stop` true unparks the thread afterwards.
    ///
    /// # Errors
    ///
    /// If `stop` has ended the wait.
    pub fn wait(
        &self,
        address: u64,
        expected: impl FnOnce() -> bool,
        limit: &Limit<'_>,
        stop: impl Fn() -> bool,
    ) -> Result<WaitResult, Stopped> {
        let waiter = {
            let mut queues = self.shard(address).lock().expect(POISON);
            if !expected() {
                return Ok(WaitResult::Mismatch);
            }
            let waiter = Arc::new(Waiter {
                woken: AtomicBool::new(false),
                left: AtomicU64::new(limit.virtual_time()),
                thread: thread::current(),
            });
            let queue = queues.entry(address).or_default();
            queue.push_back(waiter.clone());
            waiter
        };
        let deadline = limit.deadline();
        let end = loop {
            if waiter.woken.load(Ordering::Acquire) {
                return Ok(WaitResult::Ok);
            }
            if stop() {
                break Err(Stopped);
            }
            let now = Instant::now();
            let left = deadline.map(|deadline| deadline.saturating_duration_since(now));
            match (left, limit) {
                (Some(Duration::ZERO), _) => break Ok(WaitResult::TimedOut),
                (_, Limit::Virtual { threads, .. }) => {
                    if self.pass_time(&waiter, threads()) {
                        break Ok(WaitResult::TimedOut);
                    }
                    thread::park_timeout(left.unwrap_or(LOOK_INTERVAL).min(LOOK_INTERVAL));
                }
                (Some(left), _) => thread::park_timeout(left),
                (None, _) => thread::park(),
            }
        };
        match self.leave(address, &waiter) {
            true => end,
            false => Ok(WaitResult::Ok),
        }
    }

    /// Lets virtual time pass if so many threads wait, until the wait with the least time left is
    /// over; returns whether that is this one.
    fn pass_time(&self, waiter: &Arc<Waiter>, threads: usize) -> bool {
        // Always in the same order; no other lock is taken under one of them.
        let shards: Vec<_> = (self.shards.iter())
            .map(|shard| shard.lock().expect(POISON))
            .collect();
        let waiting = || shards.iter().flat_map(|queues| queues.values().flatten());
        let left = |waiter: &Arc<Waiter>| waiter.left.load(Ordering::Relaxed);
        let own = left(waiter);
        let is_over = waiting().any(|other| Arc::ptr_eq(other, waiter))
            && waiting().count() >= threads
            && waiting().all(|other| left(other) >= own);
        if is_over {
            for other in waiting().filter(|other| left(other) != FOREVER) {
                other.left.store(left(other) - own, Ordering::Relaxed);
            }
        }
        is_over
    }

    /// Removes a waiter from its queue; false if it is not there any more, since it was woken.
    fn leave(&self, address: u64, waiter: &Arc<Waiter>) -> bool {
        let mut queues = self.shard(address).lock().expect(POISON);
        let Entry::Occupied(mut queue) = queues.entry(address) else {
            return false;
        };
        let mut waiters = queue.get().iter();
        let Some(place) = waiters.position(|it| Arc::ptr_eq(it, waiter)) else {
            return false;
        };
        queue.get_mut().remove(place);
        if queue.get().is_empty() {
            queue.remove();
        }
        true
    }

    /// Wakes at most `count` threads that wait at the address, those that have waited longest, and
    /// returns how many.
    pub fn notify(&self, address: u64, count: u32) -> u32 {
        let woken: Vec<Arc<Waiter>> = {
            let mut queues = self.shard(address).lock().expect(POISON);
            let Entry::Occupied(mut queue) = queues.entry(address) else {
                return 0;
            };
            let count = queue.get().len().min(count as usize);
            let woken: Vec<_> = queue.get_mut().drain(..count).collect();
            if queue.get().is_empty() {
                queue.remove();
            }
            for waiter in &woken {
                waiter.woken.store(true, Ordering::Release);
            }
            woken
        };
        for waiter in &woken {
            waiter.thread.unpark();
        }
        // As many as `count` at most.
        woken.len() as u32
    }
}

/// A wait was ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

/// The thread that is parked on behalf of a store, for interruptions to unpark.
///
/// Protocol: a thread registers itself, then looks whether it is interrupted, each time before it
/// parks; an interruption is made visible first, then the registered thread is unparked. Both take
/// the lock, so either the thread sees the interruption or it is unparked.
#[derive(Debug, Default)]
pub struct ParkedThread(Mutex<Option<thread::Thread>>);

impl ParkedThread {
    /// Registers the calling thread, for as long as the returned value exists.
    pub fn register(&self) -> Registered<'_> {
        *self.0.lock().expect(POISON) = Some(thread::current());
        Registered(self)
    }

    /// Unparks the thread that is registered, if any.
    pub fn unpark(&self) {
        if let Some(thread) = &*self.0.lock().expect(POISON) {
            thread.unpark();
        }
    }
}

/// The registration of a thread in a [`ParkedThread`].
#[derive(Debug)]
pub struct Registered<'a>(&'a ParkedThread);

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        *self.0.0.lock().expect(POISON) = None;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;
    use std::thread;
    use std::time::Duration;

    use super::*;

    impl ParkingLot {
        fn waiting(&self, address: u64) -> usize {
            let queues = self.shard(address).lock().expect(POISON);
            queues.get(&address).map_or(0, VecDeque::len)
        }

        fn until_waiting(&self, address: u64, count: usize) {
            while self.waiting(address) != count {
                thread::yield_now();
            }
        }
    }

    #[test]
    fn the_first_to_wait_is_the_first_to_wake() {
        let lot = ParkingLot::default();
        let order = AtomicU32::new(0);
        thread::scope(|scope| {
            for n in 0..4 {
                let (lot, order) = (&lot, &order);
                scope.spawn(move || {
                    let result = lot.wait(8, || true, &Limit::None, || false);
                    assert_eq!(result, Ok(WaitResult::Ok));
                    assert_eq!(order.fetch_add(1, Ordering::Relaxed), n);
                });
                lot.until_waiting(8, n as usize + 1);
            }
            assert_eq!(lot.notify(4, 9), 0, "another address");
            for n in 1..=4 {
                assert_eq!(lot.notify(8, 1), 1);
                while order.load(Ordering::Relaxed) != n {
                    thread::yield_now();
                }
            }
            assert_eq!(lot.notify(8, 1), 0);
        });
    }

    #[test]
    fn as_many_wake_as_are_notified() {
        let lot = ParkingLot::default();
        thread::scope(|scope| {
            for _ in 0..5 {
                scope.spawn(|| lot.wait(8, || true, &Limit::None, || false));
            }
            lot.until_waiting(8, 5);
            assert_eq!(lot.notify(8, 0), 0);
            assert_eq!(lot.notify(8, 2), 2);
            assert_eq!(lot.waiting(8), 3);
            assert_eq!(lot.notify(8, u32::MAX), 3);
        });
        assert!(
            lot.shards
                .iter()
                .all(|shard| shard.lock().unwrap().is_empty())
        );
    }

    #[test]
    fn waits_end_at_their_time_and_leave_the_queue() {
        let lot = ParkingLot::default();
        let start = Instant::now();
        let limit = Limit::At(start + Duration::from_millis(20));
        let result = lot.wait(8, || true, &limit, || false);
        assert_eq!(result, Ok(WaitResult::TimedOut));
        assert!(start.elapsed() >= Duration::from_millis(20));
        assert_eq!(lot.notify(8, 1), 0);
        let result = lot.wait(8, || false, &Limit::None, || false);
        assert_eq!(result, Ok(WaitResult::Mismatch));
    }

    /// Three threads wait for hours, and one of them wakes another: they end in the order of their
    /// times, and none of them does while one could notify.
    #[test]
    fn virtual_time_passes_while_all_threads_wait() {
        const HOUR: Duration = Duration::from_secs(3600);
        let lot = ParkingLot::default();
        let (running, ended) = (AtomicU32::new(3), AtomicU32::new(0));
        let threads = || running.load(Ordering::Acquire) as usize;
        let wait = |address, hours| {
            let limit = Limit::Virtual {
                time: hours * HOUR,
                threads: &threads,
            };
            lot.wait(address, || true, &limit, || false)
        };
        thread::scope(|scope| {
            scope.spawn(|| {
                assert_eq!(wait(8, 5), Ok(WaitResult::Ok), "woken in the fourth hour");
                assert_eq!(ended.load(Ordering::Acquire), 2);
                assert_eq!(wait(8, 2), Ok(WaitResult::TimedOut));
                running.fetch_sub(1, Ordering::Release);
            });
            scope.spawn(|| {
                assert_eq!(wait(64, 3), Ok(WaitResult::TimedOut));
                assert_eq!(ended.fetch_add(1, Ordering::Release), 0);
                assert_eq!(wait(64, 100), Ok(WaitResult::TimedOut));
                running.fetch_sub(1, Ordering::Release);
            });
            // Works for a while first.
            thread::sleep(Duration::from_millis(20));
            assert_eq!(ended.load(Ordering::Acquire), 0);
            assert_eq!(wait(128, 4), Ok(WaitResult::TimedOut));
            assert_eq!(ended.fetch_add(1, Ordering::Release), 1);
            assert_eq!(lot.notify(8, 1), 1);
            running.fetch_sub(1, Ordering::Release);
        });
    }

    #[test]
    fn a_stopped_wait_leaves_the_queue() {
        let (lot, parked) = (ParkingLot::default(), ParkedThread::default());
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                let _registered = parked.register();
                lot.wait(8, || true, &Limit::None, || stop.load(Ordering::Relaxed))
            });
            lot.until_waiting(8, 1);
            stop.store(true, Ordering::Relaxed);
            parked.unpark();
            assert_eq!(waiter.join().unwrap(), Err(Stopped));
        });
        assert_eq!(lot.notify(8, 1), 0);
    }
}
