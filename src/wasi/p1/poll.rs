//! The function that waits for several events at once.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};

use crate::wasi::abi::{ClockId, Encoded, Preview, Rights};
use crate::wasi::call::{Call, Result};
use crate::wasi::clock::{Sleep, WasiClocks};
use crate::wasi::ctx::{Contents, Locked};
use crate::wasi::errno::Errno;
use crate::wasi::file::{Interest, Readiness, WasiFile};
use crate::wasi::table::{Entry, Table};
use crate::wasi::wait::{self, Waiter};

/// The size of an `event` in bytes, the same in both previews.
const EVENT: usize = 32;

/// The most subscriptions of one call, so that a guest can't make this process store a list of a
/// hundred million.
const MAX_SUBSCRIPTIONS: u32 = 1 << 16;

/// How long to wait for an absolute time of the real-time clock before it is read again: it may
/// have been set.
const CLOCK_CHECK: Duration = Duration::from_secs(1);

/// An event that a guest waits for.
struct Subscription {
    userdata: u64,
    event: Event,
}

#[derive(Clone, Copy)]
enum Event {
    Clock(Alarm),
    File { fd: u32, interest: Interest },
}

/// A time on a clock.
#[derive(Clone, Copy)]
struct Alarm {
    clock: ClockId,
    at: u64,
    absolute: bool,
}

/// The result of a subscription.
#[derive(Clone, Copy)]
enum Outcome {
    /// The event has not happened yet.
    Pending,
    Happened {
        bytes: u64,
        hung_up: bool,
    },
    Failed(Errno),
}

pub(crate) fn poll_oneoff(
    call: &mut Call<'_>,
    subscriptions: u32,
    events: u32,
    count: u32,
    nevents: u32,
) -> Result {
    if count == 0 || count > MAX_SUBSCRIPTIONS {
        return Err(Errno::Inval.into());
    }
    call.memory.range(nevents, 1, 4)?;
    call.memory.range(events, count, EVENT)?;
    let subscriptions = decode_all(call, subscriptions, count)?;
    let outcomes = wait_for(&subscriptions, &mut call.ctx, &call.waiter)?;
    let happened = subscriptions.iter().zip(outcomes);
    let encoded = happened.filter_map(|(subscription, outcome)| encode(subscription, outcome));
    let mut count = 0;
    for event in encoded {
        // Within the array of events, which has been checked and has room for all.
        call.memory.write(events + count * EVENT as u32, &event)?;
        count += 1;
    }
    Ok(call.memory.write_u32(nevents, count)?)
}

fn decode_all(call: &mut Call<'_>, at: u32, count: u32) -> Result<Vec<Subscription>, Errno> {
    let size = match call.preview {
        Preview::One => 48,
        Preview::Zero => 56,
    };
    call.memory.range(at, count, size)?;
    let clocks = &mut *call.ctx.clocks;
    (0..count)
        .map(|i| {
            let at = at + i * size as u32;
            match call.preview {
                Preview::One => decode(&call.memory.array::<48>(at)?, call.preview, clocks),
                Preview::Zero => decode(&call.memory.array::<56>(at)?, call.preview, clocks),
            }
        })
        .collect()
}

/// Decodes a `subscription`. Relative times become times on their clock.
fn decode(
    bytes: &[u8],
    preview: Preview,
    clocks: &mut dyn WasiClocks,
) -> Result<Subscription, Errno> {
    // A flag of a clock: the time is absolute.
    const ABSOLUTE: u16 = 1;
    let word = |at: usize| -> [u8; 8] { std::array::from_fn(|i| bytes[at + i]) };
    let u64_at = |at| u64::from_le_bytes(word(at));
    let u32_at = |at| u64_at(at) as u32;
    // Preview 0 had one more identifier before the clock's.
    let clock = match preview {
        Preview::One => 16,
        Preview::Zero => 24,
    };
    let event = match bytes[8] {
        0 => {
            let flags = u16::from_le_bytes([bytes[clock + 24], bytes[clock + 25]]);
            if flags & !ABSOLUTE != 0 {
                return Err(Errno::Inval);
            }
            let id = ClockId::from_guest(u32_at(clock))?;
            let timeout = u64_at(clock + 8);
            Event::Clock(Alarm::new(id, timeout, flags & ABSOLUTE != 0, clocks))
        }
        1 => Event::File {
            fd: u32_at(16),
            interest: Interest::Read,
        },
        2 => Event::File {
            fd: u32_at(16),
            interest: Interest::Write,
        },
        _ => return Err(Errno::Inval),
    };
    Ok(Subscription {
        userdata: u64_at(0),
        event,
    })
}

impl Alarm {
    fn new(clock: ClockId, timeout: u64, absolute: bool, clocks: &mut dyn WasiClocks) -> Self {
        if absolute {
            return Self {
                clock,
                at: timeout,
                absolute,
            };
        }
        // Setting the real-time clock does not change how long a relative time is.
        let clock = match clock {
            ClockId::Realtime => ClockId::Monotonic,
            clock => clock,
        };
        let now = clocks.now(clock).unwrap_or(0);
        Self {
            clock,
            at: now.saturating_add(timeout),
            absolute,
        }
    }

    /// The time left until the alarm.
    fn left(&self, clocks: &mut dyn WasiClocks) -> Result<Duration, Errno> {
        let now = clocks.now(self.clock)?;
        Ok(Duration::from_nanos(self.at.saturating_sub(now)))
    }
}

/// Waits until an event has happened.
fn wait_for(
    subscriptions: &[Subscription],
    ctx: &mut Locked<'_>,
    waiter: &Waiter,
) -> Result<Vec<Outcome>> {
    let mut outcomes = vec![Outcome::Pending; subscriptions.len()];
    let alone = matches!(ctx, Locked::Own(_));
    loop {
        let Contents { table, clocks, .. } = &mut **ctx;
        // Found again in each round: other threads may have closed files.
        let files = find_files(subscriptions, table, &mut outcomes);
        // If no number is a descriptor, the call fails as a whole, as in Wasmtime.
        let bad = |outcome: &Outcome| matches!(outcome, Outcome::Failed(Errno::Badf));
        if outcomes.iter().all(bad) {
            return Err(Errno::Badf.into());
        }
        let mut left = check_clocks(subscriptions, &mut **clocks, &mut outcomes);
        if any(&outcomes) {
            left = Some(Duration::ZERO);
        }
        // First without waiting: on a virtual clock that is not read, no time passes.
        poll_files(&files, &mut outcomes, waiter, Some(Duration::ZERO))?;
        if any(&outcomes) {
            return Ok(outcomes);
        }
        let passed = left.map_or(Sleep::Wait, |left| clocks.sleep(left));
        if passed == Sleep::Wait {
            if alone {
                poll_files(&files, &mut outcomes, waiter, left)?;
                if any(&outcomes) {
                    return Ok(outcomes);
                }
            } else {
                let (fds, left) = duplicates(&files, left);
                let interests = fds
                    .iter()
                    .map(|(fd, interest)| PollFd::new(fd, wait::events(*interest)));
                ctx.unlocked(waiter, || waiter.poll(&mut interests.collect(), left))?;
            }
        }
        waiter.check()?;
    }
}

/// Descriptors of their own for files that other threads may close while this one waits for them,
/// and the time after which to look at those that have none.
fn duplicates(
    files: &[(usize, &dyn WasiFile, Interest)],
    left: Option<Duration>,
) -> (Vec<(OwnedFd, Interest)>, Option<Duration>) {
    let owned = |&(_, file, interest): &(_, &dyn WasiFile, _)| {
        Some((file.pollable()?.try_clone_to_owned().ok()?, interest))
    };
    let fds: Vec<_> = files.iter().filter_map(owned).collect();
    let slice = (fds.len() < files.len()).then_some(wait::READY_POLL_INTERVAL);
    (fds, [left, slice].into_iter().flatten().min())
}

/// The files of the subscriptions, by their positions. Records those that have none, and
/// directories.
fn find_files<'a>(
    subscriptions: &[Subscription],
    table: &'a Table,
    outcomes: &mut [Outcome],
) -> Vec<(usize, &'a dyn WasiFile, Interest)> {
    let mut files = Vec::new();
    for (i, subscription) in subscriptions.iter().enumerate() {
        if let Event::File { fd, interest } = subscription.event {
            match pollable(table, fd) {
                Ok(Some(file)) => files.push((i, file, interest)),
                // A directory never waits, as in POSIX.
                Ok(None) => outcomes[i] = happened(0),
                Err(errno) => outcomes[i] = Outcome::Failed(errno),
            }
        }
    }
    files
}

fn any(outcomes: &[Outcome]) -> bool {
    let pending = |outcome: &Outcome| matches!(outcome, Outcome::Pending);
    !outcomes.iter().all(pending)
}

fn happened(bytes: u64) -> Outcome {
    Outcome::Happened {
        bytes,
        hung_up: false,
    }
}

/// The file of a descriptor, or `None` if it is a directory.
fn pollable(table: &Table, fd: u32) -> Result<Option<&dyn WasiFile>, Errno> {
    let descriptor = table.get(fd)?;
    descriptor.check(Rights::POLL_FD_READWRITE)?;
    Ok(match &descriptor.entry {
        Entry::File(file) => Some(&**file),
        Entry::Directory(_) => None,
    })
}

/// Records the clock events whose time has come; returns the time until the next one.
fn check_clocks(
    subscriptions: &[Subscription],
    clocks: &mut dyn WasiClocks,
    outcomes: &mut [Outcome],
) -> Option<Duration> {
    let mut next: Option<Duration> = None;
    for (subscription, outcome) in subscriptions.iter().zip(outcomes) {
        let Event::Clock(alarm) = subscription.event else {
            continue;
        };
        match alarm.left(clocks) {
            Ok(Duration::ZERO) => *outcome = happened(0),
            Ok(left) => {
                let settable = alarm.absolute && alarm.clock == ClockId::Realtime;
                let left = if settable {
                    left.min(CLOCK_CHECK)
                } else {
                    left
                };
                next = Some(next.map_or(left, |next| next.min(left)));
            }
            Err(errno) => *outcome = Outcome::Failed(errno),
        }
    }
    next
}

/// Records the files that are ready, after waiting for the first one for at most `timeout`.
fn poll_files(
    files: &[(usize, &dyn WasiFile, Interest)],
    outcomes: &mut [Outcome],
    waiter: &Waiter,
    mut timeout: Option<Duration>,
) -> Result {
    let mut polled = Vec::new();
    let mut fds = Vec::new();
    for &(i, file, interest) in files {
        if let Some(fd) = file.pollable() {
            fds.push(PollFd::from_borrowed_fd(fd, wait::events(interest)));
            polled.push((i, fd, interest));
            continue;
        }
        match file.ready(interest) {
            Readiness::Ready { bytes } => outcomes[i] = happened(bytes),
            Readiness::HungUp => {
                outcomes[i] = Outcome::Happened {
                    bytes: 0,
                    hung_up: true,
                };
            }
            Readiness::Waiting => {
                timeout = Some(timeout.map_or(wait::READY_POLL_INTERVAL, |time| {
                    time.min(wait::READY_POLL_INTERVAL)
                }));
            }
        }
    }
    if any(outcomes) {
        timeout = Some(Duration::ZERO);
    }
    waiter.poll(&mut fds, timeout)?;
    for ((i, fd, interest), polled) in polled.into_iter().zip(fds) {
        let events = polled.revents();
        if events.contains(PollFlags::NVAL) {
            outcomes[i] = Outcome::Failed(Errno::Badf);
        } else if !events.is_empty() {
            outcomes[i] = Outcome::Happened {
                bytes: available(fd, interest),
                hung_up: events.contains(PollFlags::HUP),
            };
        }
    }
    Ok(())
}

/// About how many bytes could be transferred.
fn available(fd: BorrowedFd<'_>, interest: Interest) -> u64 {
    // What a pipe that has room takes at least.
    const PIPE_ROOM: u64 = 4096;
    match interest {
        Interest::Read => rustix::io::ioctl_fionread(fd).unwrap_or(0),
        Interest::Write => PIPE_ROOM,
    }
}

/// Encodes an `event`, if the outcome is one.
fn encode(subscription: &Subscription, outcome: Outcome) -> Option<[u8; EVENT]> {
    // A flag of an event: the other side is gone.
    const HANGUP: u16 = 1;
    let (errno, bytes, hung_up) = match outcome {
        Outcome::Pending => return None,
        Outcome::Happened { bytes, hung_up } => (0, bytes, hung_up),
        Outcome::Failed(errno) => (errno as u16, 0, false),
    };
    let mut out = Encoded::default();
    out.u64(0, subscription.userdata);
    out.u16(8, errno);
    let kind = match subscription.event {
        Event::Clock(_) => 0,
        Event::File {
            interest: Interest::Read,
            ..
        } => 1,
        Event::File {
            interest: Interest::Write,
            ..
        } => 2,
    };
    out.u8(10, kind);
    out.u64(16, bytes);
    out.u16(24, if hung_up { HANGUP } else { 0 });
    let mut event = [0; EVENT];
    let encoded = out.as_slice();
    event[..encoded.len()].copy_from_slice(encoded);
    Some(event)
}
