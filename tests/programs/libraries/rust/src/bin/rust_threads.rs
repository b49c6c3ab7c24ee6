//! Threads of the standard library: a bounded queue between them (a mutex with two condition
//! variables), channels, storage of a thread's own, and the game of life in bands that meet at a
//! barrier. What is computed does not depend on the order in which threads run.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Barrier, Condvar, Mutex, RwLock, mpsc};
use std::thread;

use libraries::{Random, mix, prose, run};

const PRODUCERS: u64 = 2;
const WORKERS: usize = 3;
const BLOCKS: u64 = 24;
const BANDS: usize = 4;
/// Rows of 64 cells each, in a ring.
const ROWS: usize = 64;
const GENERATIONS: usize = 40;

thread_local! {
    static HANDLED: Cell<u64> = const { Cell::new(0) };
}

/// A queue that holds few items, so that both sides wait for each other.
#[derive(Default)]
struct Queue {
    state: Mutex<(VecDeque<(u64, String)>, u64)>,
    filled: Condvar,
    emptied: Condvar,
}

impl Queue {
    fn push(&self, item: (u64, String)) {
        let state = self.state.lock().expect("no panic");
        let full = |state: &mut (VecDeque<_>, u64)| state.0.len() >= 3;
        let mut state = self.emptied.wait_while(state, full).expect("no panic");
        state.0.push_back(item);
        self.filled.notify_one();
    }

    /// Says that one of the producers is done.
    fn close(&self) {
        self.state.lock().expect("no panic").1 += 1;
        self.filled.notify_all();
    }

    fn pop(&self) -> Option<(u64, String)> {
        let state = self.state.lock().expect("no panic");
        let wait = |state: &mut (VecDeque<_>, u64)| state.0.is_empty() && state.1 < PRODUCERS;
        let mut state = self.filled.wait_while(state, wait).expect("no panic");
        let item = state.0.pop_front();
        self.emptied.notify_one();
        item
    }
}

/// Blocks of prose go from producers through the queue to workers, and checksums back through a
/// channel.
fn pipeline(mut sum: u64) -> u64 {
    let queue = Queue::default();
    let (results, received) = mpsc::channel();
    let totals = RwLock::new(Vec::new());
    thread::scope(|scope| {
        for producer in 0..PRODUCERS {
            let queue = &queue;
            scope.spawn(move || {
                for block in (producer..BLOCKS).step_by(PRODUCERS as usize) {
                    let mut random = Random::default();
                    (0..block).for_each(|_| _ = random.next());
                    queue.push((block, prose(&mut random, 2000)));
                }
                queue.close();
            });
        }
        for _ in 0..WORKERS {
            let (queue, results, totals) = (&queue, results.clone(), &totals);
            scope.spawn(move || {
                while let Some((block, text)) = queue.pop() {
                    HANDLED.set(HANDLED.get() + 1);
                    let hash = text.bytes().fold(block, |sum, byte| mix(sum, byte.into()));
                    results.send((block, hash)).expect("a receiver");
                }
                totals.write().expect("no panic").push(HANDLED.get());
            });
        }
    });
    drop(results);
    let handled: u64 = totals.read().expect("no panic").iter().sum();
    assert_eq!(handled, BLOCKS);
    let mut hashes: Vec<_> = received.into_iter().collect();
    hashes.sort_unstable();
    for (block, hash) in hashes {
        sum = mix(sum, hash ^ block);
    }
    sum
}

/// One row of the next generation: bits added in columns.
fn next(above: u64, row: u64, below: u64) -> u64 {
    let neighbours = [above, row, below].into_iter().enumerate();
    let neighbours = neighbours.flat_map(|(at, bits)| {
        let own = if at == 1 { 0 } else { bits };
        [bits.rotate_left(1), own, bits.rotate_right(1)]
    });
    let (mut ones, mut twos, mut fours) = (0, 0, 0);
    for bits in neighbours {
        let carry = ones & bits;
        ones ^= bits;
        fours |= twos & carry;
        twos ^= carry;
    }
    twos & !fours & (ones | row)
}

/// The game of life: each thread has a band of rows, reads those of its neighbours, and waits at
/// the barrier for each generation.
fn life(mut sum: u64) -> u64 {
    let mut random = Random::default();
    let fields = [(); 2].map(|()| (0..ROWS).map(|_| AtomicU64::new(0)).collect::<Vec<_>>());
    for row in &fields[0] {
        row.store(random.next() & random.next(), Ordering::Relaxed);
    }
    let barrier = Barrier::new(BANDS);
    let leaders = AtomicU64::new(0);
    thread::scope(|scope| {
        for band in 0..BANDS {
            let (fields, barrier, leaders) = (&fields, &barrier, &leaders);
            scope.spawn(move || {
                for generation in 0..GENERATIONS {
                    let (old, new) = (&fields[generation % 2], &fields[(generation + 1) % 2]);
                    let read = |row: usize| old[row % ROWS].load(Ordering::Relaxed);
                    for row in band * ROWS / BANDS..(band + 1) * ROWS / BANDS {
                        let cells = next(read(row + ROWS - 1), read(row), read(row + 1));
                        new[row].store(cells, Ordering::Relaxed);
                    }
                    if barrier.wait().is_leader() {
                        leaders.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(leaders.into_inner(), GENERATIONS as u64);
    for row in &fields[GENERATIONS % 2] {
        sum = mix(sum, row.load(Ordering::Relaxed));
    }
    sum
}

fn main() {
    run("rust_threads", 1, |scale| {
        (0..scale).fold(0, |sum, _| life(pipeline(sum)))
    });
}
