//! Panics of Rust that unwind: through frames whose values have destructors, out of the standard
//! library's code, again while a destructor runs, and passed on. The expected output is that of a
//! native build.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::sync::Mutex;

thread_local! {
    static SUM: Cell<u64> = const { Cell::new(0x14650FB0739D0383) };
}

fn mix(value: u64) {
    SUM.set((SUM.get() ^ value).wrapping_mul(0x100_0000_01b3));
}

/// Mixes its number in when it is dropped; every seventh one panics and catches that meanwhile.
struct Guard(u64);

impl Drop for Guard {
    fn drop(&mut self) {
        mix(self.0 * 2 + 1);
        if self.0 % 7 == 6 {
            let inner = catch_unwind(|| panic_any(self.0));
            mix(*inner
                .unwrap_err()
                .downcast::<u64>()
                .expect("what was thrown"));
        }
    }
}

#[inline(never)]
fn leaf(n: u64, table: &[u64]) -> u64 {
    match n % 11 {
        3 => table[n as usize + 100],
        5 => panic!("number {n}"),
        7 => panic_any(n * 3),
        8 => "x".repeat(n as usize % 5).parse().unwrap(),
        9 => Option::<u64>::None.expect("nothing"),
        _ => table[n as usize % table.len()],
    }
}

#[inline(never)]
fn frames(depth: u64, n: u64, table: &[u64]) -> u64 {
    let guard = Guard(depth);
    if depth == 0 {
        return leaf(n, table);
    }
    let below = frames(depth - 1, n, table);
    below + guard.0
}

/// Catches whatever is thrown, but passes texts on.
fn once(n: u64, table: &[u64]) -> u64 {
    match catch_unwind(|| frames(n % 12, n, table)) {
        Ok(value) => value,
        Err(payload) if payload.is::<u64>() => *payload.downcast::<u64>().expect("a number"),
        Err(payload) => resume_unwind(payload),
    }
}

fn text(payload: &(dyn Any + Send)) -> &str {
    let literal = payload.downcast_ref::<&str>().copied();
    literal
        .or(payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text")
}

fn main() {
    std::panic::set_hook(Box::new(|_| ()));
    let rounds = std::env::args()
        .nth(1)
        .map_or(2000, |rounds| rounds.parse().expect("a number"));
    let table: Vec<u64> = (0..37).map(|n| n * n).collect();
    let lock = Mutex::new(0);
    let mut caught = 0;
    for n in 0..rounds {
        let result = catch_unwind(AssertUnwindSafe(|| {
            let mut total = lock.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            *total += once(n, &table);
        }));
        if let Err(payload) = result {
            caught += 1;
            text(&*payload).bytes().for_each(|byte| mix(byte.into()));
            mix(lock.is_poisoned().into());
        }
        lock.clear_poison();
    }
    mix(lock.into_inner().expect("not poisoned"));
    println!("unwind {caught} {:016x}", SUM.get());
    let last = catch_unwind(|| leaf(5, &table)).unwrap_err();
    println!("last {}", text(&*last));
}
