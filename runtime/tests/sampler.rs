//! The sampler: what it finds, that it stops, and that there is one only.

use std::hint::black_box;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use upshift_runtime::{Sampler, Samples};

const INTERVAL: Duration = Duration::from_micros(200);

/// The process has one sampler: these tests take turns.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[inline(never)]
fn spin(time: Duration) -> u64 {
    let (end, mut count) = (Instant::now() + time, 0);
    while Instant::now() < end {
        for _ in 0..1000 {
            count = black_box(count + 1);
        }
    }
    count
}

fn sample(capacity: usize) -> Samples {
    let sampler = Sampler::start(INTERVAL, capacity).expect("a timer");
    spin(Duration::from_millis(100));
    sampler.stop()
}

#[test]
fn samples_lie_where_the_thread_runs() {
    let _turn = turn();
    let samples = sample(10_000);
    assert!(samples.pcs.len() > 50, "{} samples", samples.pcs.len());
    assert_eq!(samples.lost, 0);
    let spin = spin as *const () as u64;
    let inside = samples
        .pcs
        .iter()
        .filter(|pc| (spin..spin + 4096).contains(pc));
    assert!(inside.count() * 2 > samples.pcs.len());
}

#[test]
fn samples_without_room_are_counted() {
    let _turn = turn();
    let samples = sample(10);
    assert_eq!(samples.pcs.len(), 10);
    assert!(samples.lost > 20, "{} lost", samples.lost);
}

#[test]
fn there_is_one_sampler_and_its_end_makes_room() {
    let _turn = turn();
    let first = Sampler::start(INTERVAL, 100).expect("a timer");
    Sampler::start(INTERVAL, 100).expect_err("there is one");
    let other = std::thread::spawn(|| Sampler::start(INTERVAL, 100).is_err());
    assert!(other.join().expect("no panic"));
    drop(first);
    drop(Sampler::start(INTERVAL, 100).expect("there is none"));
}
