//! Wall and processor time of a piece of work in this process.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Wall and processor time of a piece of work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Wall time in seconds.
    pub wall: f64,
    /// Processor time in seconds, over all threads of the process.
    pub cpu: f64,
}

/// A clock of both times.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    wall: Instant,
    cpu: Duration,
}

impl Stopwatch {
    /// Starts the clock.
    pub fn start() -> Self {
        Self {
            cpu: cpu_time(),
            wall: Instant::now(),
        }
    }

    /// The time since the clock was started.
    pub fn elapsed(&self) -> Cost {
        Cost {
            wall: self.wall.elapsed().as_secs_f64(),
            cpu: (cpu_time() - self.cpu).as_secs_f64(),
        }
    }
}

/// Processor time of the whole process, threads that have ended included.
fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    // This clock starts at 0 with the process, and nanoseconds are below a billion.
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn working_takes_both_times() {
        let watch = Stopwatch::start();
        while watch.elapsed().wall < 0.02 {
            std::hint::spin_loop();
        }
        // The machine may run something else in between, but hardly all the time.
        assert!(watch.elapsed().cpu > 0.001);
    }
}
