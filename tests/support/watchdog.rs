//! A watchdog, which interrupts a store that runs for too long.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use upshift::InterruptHandle;

/// Watches one store as long as the watchdog lives.
pub struct Watchdog {
    _done: Sender<()>,
}

impl Watchdog {
    /// Interrupts through the handle after the time, and again and again until dropped: an
    /// interruption ends only one call.
    pub fn start(handle: InterruptHandle, after: Duration) -> Self {
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            while receiver.recv_timeout(after) == Err(RecvTimeoutError::Timeout) {
                handle.interrupt();
            }
        });
        Self { _done: sender }
    }
}
