//! A lock for what threads of a guest share, whose waiting an interruption ends.
//!
//! `Mutex::lock` can't be left without the lock. Threads wait here parked, and check now and then
//! whether to go on. They get the lock in the order in which they came, but for threads that find
//! it free shortly after it was given up: handing over each time would cost a switch of threads for
//! each call.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// How often a waiting thread checks whether to go on.
const CHECK_INTERVAL: Duration = Duration::from_millis(10);

/// How long others may overtake the thread that has waited longest.
const PATIENCE: Duration = Duration::from_millis(1);

/// A value that threads use one after the other.
#[derive(Default)]
pub(super) struct Turns<T> {
    queue: Mutex<Queue>,
    /// Locked by the thread whose turn it is, so without waiting.
    value: Mutex<T>,
}

#[derive(Default)]
struct Queue {
    is_taken: bool,
    waiting: VecDeque<Waiting>,
    last_ticket: u64,
}

struct Waiting {
    ticket: u64,
    thread: Thread,
    since: Instant,
}

impl<T> Turns<T> {
    pub(super) fn new(value: T) -> Self {
        Self {
            queue: Mutex::default(),
            value: Mutex::new(value),
        }
    }

    /// The value, of which there is no other user.
    pub(super) fn get_mut(&mut self) -> &mut T {
        (self.value.get_mut()).unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no other thread uses the value, or `check` returns an error, which is returned.
    /// A value that is free is taken without a check.
    pub(super) fn take<E>(&self, check: impl Fn() -> Result<(), E>) -> Result<Turn<'_, T>, E> {
        let mut queue = self.queue();
        if queue.is_free() {
            queue.is_taken = true;
            return Ok(self.turn());
        }
        let ticket = queue.join();
        drop(queue);
        loop {
            thread::park_timeout(CHECK_INTERVAL);
            let checked = check();
            let mut queue = self.queue();
            if let Err(error) = checked {
                queue.leave(ticket);
                return Err(error);
            }
            if queue.advance(ticket) {
                return Ok(self.turn());
            }
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self) -> Turn<'_, T> {
        // Files of the embedder's that have panicked leave the value whole.
        let value = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        Turn {
            turns: self,
            value: Some(value),
        }
    }
}

impl Queue {
    /// Whether a thread that has not waited may take the value.
    fn is_free(&self) -> bool {
        let first = self.waiting.front();
        !self.is_taken && first.is_none_or(|first| first.since.elapsed() < PATIENCE)
    }

    /// Adds the calling thread at the end; returns its ticket.
    fn join(&mut self) -> u64 {
        self.last_ticket += 1;
        self.waiting.push_back(Waiting {
            ticket: self.last_ticket,
            thread: thread::current(),
            since: Instant::now(),
        });
        self.last_ticket
    }

    /// Takes the value if it is the turn of the ticket's thread.
    fn advance(&mut self, ticket: u64) -> bool {
        let is_first = |first: &Waiting| first.ticket == ticket;
        if self.is_taken || !self.waiting.front().is_some_and(is_first) {
            return false;
        }
        self.waiting.pop_front();
        self.is_taken = true;
        true
    }

    fn leave(&mut self, ticket: u64) {
        self.waiting.retain(|waiting| waiting.ticket != ticket);
        self.wake_first();
    }

    /// Wakes the thread whose turn it is, if it can have it.
    fn wake_first(&self) {
        if let Some(first) = self.waiting.front()
            && !self.is_taken
        {
            first.thread.unpark();
        }
    }
}

/// The exclusive use of a value, until it is dropped.
pub(super) struct Turn<'a, T> {
    turns: &'a Turns<T>,
    /// Missing only while this is dropped.
    value: Option<MutexGuard<'a, T>>,
}

const HELD: &str = "the value is held until the turn ends";

impl<T> Deref for Turn<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().expect(HELD)
    }
}

impl<T> DerefMut for Turn<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_mut().expect(HELD)
    }
}

impl<T> Drop for Turn<'_, T> {
    fn drop(&mut self) {
        // First the value, so that the next thread need not wait for it.
        self.value = None;
        let mut queue = self.turns.queue();
        queue.is_taken = false;
        queue.wake_first();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn go_on() -> Result<(), Infallible> {
        Ok(())
    }

    #[test]
    fn no_turn_is_lost() {
        let turns = Turns::new(0_u64);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..5000 {
                        let Ok(mut count) = turns.take(go_on);
                        *count += 1;
                    }
                });
            }
        });
        let Ok(count) = turns.take(go_on);
        assert_eq!(*count, 20_000);
    }

    #[test]
    fn a_thread_that_waits_can_leave() {
        let turns = Turns::new(());
        let Ok(turn) = turns.take(go_on);
        thread::scope(|scope| {
            let leave = || {
                let checks = Cell::new(0);
                let stop = || {
                    checks.set(checks.get() + 1);
                    if checks.get() < 3 {
                        Ok(())
                    } else {
                        Err("stop")
                    }
                };
                turns.take(stop).err()
            };
            assert_eq!(scope.spawn(leave).join().unwrap(), Some("stop"));
        });
        drop(turn);
        let Ok(_turn) = turns.take(go_on);
    }

    /// The value is free for an instant only, while the thread that waits still sleeps.
    #[test]
    fn a_thread_that_waits_gets_its_turn() {
        let (turns, had_turn) = (Turns::new(()), AtomicBool::new(false));
        let Ok(mut turn) = turns.take(go_on);
        thread::scope(|scope| {
            scope.spawn(|| {
                let Ok(_turn) = turns.take(go_on);
                had_turn.store(true, Ordering::Relaxed);
            });
            let mut rounds = 0;
            while !had_turn.load(Ordering::Relaxed) {
                // Beyond the patience, once the other thread waits at all.
                thread::sleep(2 * PATIENCE);
                drop(turn);
                let Ok(next) = turns.take(go_on);
                turn = next;
                rounds += 1;
            }
            assert!(rounds < 1000, "{rounds}");
            drop(turn);
        });
    }
}
