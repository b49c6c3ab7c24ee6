//! Wall and processor time of a piece of work in this process.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// What something took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Seconds that passed.
    pub wall: f64,
    /// Seconds of processor time, over all threads of the process.
    pub cpu: f64,
}

/// A clock of both times.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    wall: Instant,
    cpu: Duration,
}

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Self {
        Self {
            cpu: cpu_time(),
            wall: Instant::now(),
        }
    }

    /// What passed since then.
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
