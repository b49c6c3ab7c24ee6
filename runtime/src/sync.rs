//! Atomics and locks of the protocols that [loom](https://docs.rs/loom) checks.
//!
//! They are the standard library's. With `--cfg loom` (see `scripts/loom`) this crate's own tests
//! get loom's, which run a model in every order that the memory model allows. What a protocol does
//! not depend on, like `Arc`, stays the standard library's there too.

#[cfg(all(test, loom))]
pub use loom::sync::Mutex;
#[cfg(all(test, loom))]
pub use loom::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
#[cfg(not(all(test, loom)))]
pub use std::sync::Mutex;
#[cfg(not(all(test, loom)))]
pub use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
#[cfg(not(all(test, loom)))]
pub use std::thread;

/// Loom's threads. They have no clock: a thread that parks for a time lets others run instead.
#[cfg(all(test, loom))]
pub mod thread {
    use std::time::Duration;

    pub use loom::thread::{Thread, current, park};

    pub fn park_timeout(_: Duration) {
        loom::thread::yield_now();
    }
}
