//! The processor time of a thread, read by any thread.

use std::time::Duration;

use crate::error::RuntimeError;

/// The clock of the processor time that one thread has used.
///
/// It can be sent to other threads, and read for as long as its thread lives.
#[derive(Clone, Copy, Debug)]
pub struct ThreadClock(libc::clockid_t);

impl ThreadClock {
    /// The clock of the calling thread.
    ///
    /// # Errors
    ///
    /// If the system has none.
    pub fn of_this_thread() -> Result<Self, RuntimeError> {
        let mut clock = 0;
        // SAFETY: the calling thread is alive, and the system writes the one word it is given.
        let failed = unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &mut clock) };
        match failed {
            0 => Ok(Self(clock)),
            error => {
                let error = std::io::Error::from_raw_os_error(error);
                Err(RuntimeError::system("find a thread's clock", error))
            }
        }
    }

    /// What the thread has used until now; `None` if it has ended. A system call.
    pub fn now(self) -> Option<Duration> {
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: the system writes the one structure it is given; it refuses the clock of a thread
        // that has ended.
        let failed = unsafe { libc::clock_gettime(self.0, &mut time) };
        let seconds = Duration::from_secs(time.tv_sec as u64);
        (failed == 0).then(|| seconds + Duration::from_nanos(time.tv_nsec as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_thread_sees_the_time_that_is_used() {
        let clock = ThreadClock::of_this_thread().unwrap();
        let read = || std::thread::scope(|scope| scope.spawn(|| clock.now()).join().unwrap());
        let before = read().unwrap();
        let mut sum = 0_u64;
        while clock.now().unwrap() < before + Duration::from_millis(2) {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(read().unwrap() >= before + Duration::from_millis(2));
        let ended = std::thread::spawn(|| ThreadClock::of_this_thread().unwrap());
        assert_eq!(ended.join().unwrap().now(), None);
    }
}
