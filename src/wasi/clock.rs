//! Clocks of a guest: the system's, and virtual ones that advance when they are read.

use std::time::{Duration, Instant};

use rustix::time::{ClockId as HostClock, clock_getres, clock_gettime};

use super::abi::ClockId;
use super::errno::Errno;

/// The clocks of a guest.
///
/// Methods are called for each call of the guest, so they should be cheap.
pub trait WasiClocks: Send + 'static {
    /// The time of a clock, in nanoseconds.
    ///
    /// # Errors
    ///
    /// [`Errno::Notsup`] if there is no such clock.
    fn now(&mut self, clock: ClockId) -> Result<u64, Errno>;

    /// The time between two ticks, in nanoseconds.
    ///
    /// # Errors
    ///
    /// As [`now`](Self::now).
    fn resolution(&mut self, clock: ClockId) -> Result<u64, Errno>;

    /// Lets time pass; called when the guest waits for nothing else, once without any time when the
    /// context is made.
    fn sleep(&mut self, time: Duration) -> Sleep {
        let _ = time;
        Sleep::Wait
    }
}

/// How time passes while a guest sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sleep {
    /// Time passes in the real world: the thread has to wait.
    Wait,
    /// The time has passed already: the clocks were advanced.
    Passed,
}

/// The system's clocks. The monotonic one starts at 0 when it is created, so that a guest does not
/// learn how long the machine has been running; clocks of processor time do not exist.
#[derive(Clone, Debug)]
pub struct SystemClocks {
    start: Instant,
}

impl SystemClocks {
    /// Creates the clocks, the monotonic one at 0.
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Default for SystemClocks {
    fn default() -> Self {
        Self::new()
    }
}

impl WasiClocks for SystemClocks {
    fn now(&mut self, clock: ClockId) -> Result<u64, Errno> {
        match clock {
            ClockId::Realtime => {
                let now = clock_gettime(HostClock::Realtime);
                let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
                let nanoseconds = u64::try_from(now.tv_nsec).unwrap_or(0);
                let seconds = seconds.saturating_mul(1_000_000_000);
                Ok(seconds.saturating_add(nanoseconds))
            }
            ClockId::Monotonic => {
                let passed = self.start.elapsed().as_nanos();
                Ok(u64::try_from(passed).unwrap_or(u64::MAX))
            }
            ClockId::ProcessCpuTime | ClockId::ThreadCpuTime => Err(Errno::Notsup),
        }
    }

    fn resolution(&mut self, clock: ClockId) -> Result<u64, Errno> {
        let clock = match clock {
            ClockId::Realtime => HostClock::Realtime,
            ClockId::Monotonic => HostClock::Monotonic,
            ClockId::ProcessCpuTime | ClockId::ThreadCpuTime => return Err(Errno::Notsup),
        };
        let resolution = clock_getres(clock);
        let seconds = u64::try_from(resolution.tv_sec).unwrap_or(0);
        let nanoseconds = u64::try_from(resolution.tv_nsec).unwrap_or(1);
        Ok(seconds
            .saturating_mul(1_000_000_000)
            .saturating_add(nanoseconds))
    }
}

/// Clocks that show the same times in each run: a microsecond passes whenever a guest reads a
/// clock, and sleeping takes no real time. Nor do waits for shared memories while all threads of
/// the guest wait, in a store whose [clock](crate::Store::wait_clock) the context is.
///
/// All four clocks run alike; the real-time clock starts in the year 2000, the others at 0.
#[derive(Clone, Debug)]
pub struct VirtualClocks {
    passed: u64,
    start: u64,
}

/// How far reading a clock advances it, in nanoseconds.
const READ_COST: u64 = 1000;

/// The first second of the year 2000, in nanoseconds since 1970.
const YEAR_2000: u64 = 946_684_800_000_000_000;

impl VirtualClocks {
    /// Creates the clocks at their start.
    pub fn new() -> Self {
        Self::starting_at(YEAR_2000)
    }

    /// Creates clocks whose real time starts `nanoseconds` after 1970.
    pub fn starting_at(nanoseconds: u64) -> Self {
        Self {
            passed: 0,
            start: nanoseconds,
        }
    }
}

impl Default for VirtualClocks {
    fn default() -> Self {
        Self::new()
    }
}

impl WasiClocks for VirtualClocks {
    fn now(&mut self, clock: ClockId) -> Result<u64, Errno> {
        self.passed = self.passed.saturating_add(READ_COST);
        Ok(match clock {
            ClockId::Realtime => self.start.saturating_add(self.passed),
            _ => self.passed,
        })
    }

    fn resolution(&mut self, _clock: ClockId) -> Result<u64, Errno> {
        Ok(READ_COST)
    }

    fn sleep(&mut self, time: Duration) -> Sleep {
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.passed = self.passed.saturating_add(time);
        Sleep::Passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtual_time_passes_by_looking_and_sleeping() {
        let mut clocks = VirtualClocks::new();
        assert_eq!(clocks.now(ClockId::Monotonic), Ok(1000));
        assert_eq!(clocks.now(ClockId::Realtime), Ok(YEAR_2000 + 2000));
        assert_eq!(clocks.sleep(Duration::from_secs(3600)), Sleep::Passed);
        assert_eq!(clocks.now(ClockId::Monotonic), Ok(3_600_000_003_000));
        clocks.sleep(Duration::MAX);
        assert_eq!(clocks.now(ClockId::Realtime), Ok(u64::MAX));
    }

    #[test]
    fn the_systems_clocks_advance_and_hide_processor_time() {
        let mut clocks = SystemClocks::new();
        let before = clocks.now(ClockId::Monotonic).unwrap();
        assert!(clocks.now(ClockId::Monotonic).unwrap() >= before);
        assert!(clocks.now(ClockId::Realtime).unwrap() > YEAR_2000);
        assert_eq!(clocks.now(ClockId::ThreadCpuTime), Err(Errno::Notsup));
        assert!(clocks.resolution(ClockId::Monotonic).unwrap() > 0);
    }
}
