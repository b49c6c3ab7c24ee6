//! `poll_oneoff`: clocks and descriptors, in any mixture.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use upshift::wasi::pipe::ReadPipe;
use upshift::wasi::{HostFile, VirtualClocks, WasiCtxBuilder};

use crate::*;

/// A subscription; its user data is its position in the list.
#[derive(Clone, Copy)]
enum On {
    Read(u32),
    Write(u32),
    /// Clock, nanoseconds, flags.
    Clock(u32, u64, u16),
}

/// An event: position, error, type, and whether the other side is gone.
type Event = (u64, i32, u8, bool);

const READS: u8 = 1;
const WRITES: u8 = 2;
const CLOCK: u8 = 0;

fn subscription(userdata: u64, on: On) -> [u8; 48] {
    let mut bytes = [0; 48];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0, &userdata.to_le_bytes());
    match on {
        On::Clock(clock, time, flags) => {
            put(16, &clock.to_le_bytes());
            put(24, &time.to_le_bytes());
            put(40, &flags.to_le_bytes());
        }
        On::Read(fd) | On::Write(fd) => {
            put(8, &[if let On::Read(_) = on { READS } else { WRITES }]);
            put(16, &fd.to_le_bytes());
        }
    }
    bytes
}

fn poll_errno(guest: &mut Guest, list: &[On]) -> i32 {
    for (i, &on) in list.iter().enumerate() {
        guest.put(BUFFER + 48 * i as u32, &subscription(i as u64, on));
    }
    let args = [BUFFER.into(), 0xc000, list.len() as i64, RESULT.into()];
    guest.call("poll_oneoff", &args)
}

#[track_caller]
fn poll(guest: &mut Guest, list: &[On]) -> Vec<Event> {
    assert_eq!(poll_errno(guest, list), errno::SUCCESS);
    (0..guest.u32(RESULT))
        .map(|i| 0xc000 + 32 * i)
        .map(|at| {
            let errno = guest.u16(at + 8).into();
            (
                guest.u64(at),
                errno,
                guest.bytes(at + 10, 1)[0],
                guest.u16(at + 24) == 1,
            )
        })
        .collect()
}

const MS: u64 = 1_000_000;

/// A time long enough that a test which waits for it fails.
const NEVER: u64 = 600_000 * MS;

#[test]
fn devices_files_directories_and_streams_are_ready() {
    let dir = scratch("poll-ready");
    let mut builder = WasiCtxBuilder::new();
    builder.preopened_dir(&dir, "/").unwrap();
    builder.preopened_dir("/dev", "/dev").unwrap();
    let mut guest = Guest::new(&mut builder);
    let file = guest.open("file", CREAT, READ | WRITE, 0) as u32;
    let after = [0, READ | WRITE, 0, 0, RESULT.into()];
    for device in ["null", "zero"] {
        assert_eq!(
            guest.path_call("path_open", &[4, 0], device, &after),
            errno::SUCCESS
        );
    }
    for fd in [0, 1, 3, file, file + 1, file + 2] {
        let events = poll(
            &mut guest,
            &[On::Read(fd), On::Clock(1, NEVER, 0), On::Write(fd)],
        );
        assert_eq!(
            events,
            [(0, 0, READS, false), (2, 0, WRITES, false)],
            "{fd}"
        );
    }
}

#[test]
fn standard_input_is_asked_as_it_is() {
    for input in [
        std::fs::File::open("/dev/null").unwrap(),
        std::fs::File::open("/dev/zero").unwrap(),
        std::fs::File::open(file!()).unwrap(),
    ] {
        let mut builder = WasiCtxBuilder::new();
        let mut guest = Guest::new(builder.stdin(HostFile::new(input).unwrap()));
        let events = poll(&mut guest, &[On::Read(0), On::Clock(0, NEVER, 0)]);
        assert_eq!(events, [(0, 0, READS, false)]);
    }
}

#[test]
fn only_what_is_ready_is_reported() {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let mut builder = WasiCtxBuilder::new();
    builder.stdin(HostFile::new(OwnedFd::from(theirs)).unwrap());
    let mut guest = Guest::new(&mut builder);
    let both = [On::Read(0), On::Write(1), On::Clock(1, NEVER, 0)];
    assert_eq!(poll(&mut guest, &both), [(1, 0, WRITES, false)]);
    let waiting = [On::Read(0), On::Clock(1, 5 * MS, 0)];
    assert_eq!(poll(&mut guest, &waiting), [(1, 0, CLOCK, false)]);
    std::io::Write::write_all(&mut ours, b"data").unwrap();
    let events = poll(&mut guest, &[On::Clock(1, NEVER, 0), On::Read(0)]);
    assert_eq!(events, [(1, 0, READS, false)]);
    assert_eq!(guest.u64(0xc000 + 16), 4, "bytes that can be read");
    drop(ours);
    assert_eq!(poll(&mut guest, &both[..1]), [(0, 0, READS, true)]);
}

#[test]
fn errors_belong_to_subscriptions() {
    let mut guest = Guest::new(&mut WasiCtxBuilder::new());
    let list = [
        On::Read(99),
        On::Write(1),
        On::Clock(2, 0, 0),
        On::Clock(1, NEVER, 0),
    ];
    let events = poll(&mut guest, &list);
    let expected = [
        (0, errno::BADF, READS, false),
        (1, 0, WRITES, false),
        (2, errno::NOTSUP, CLOCK, false),
    ];
    assert_eq!(events, expected);
    assert_eq!(
        poll_errno(&mut guest, &[On::Read(99), On::Write(98)]),
        errno::BADF
    );
    assert_eq!(poll_errno(&mut guest, &[]), errno::INVAL);
    assert_eq!(poll_errno(&mut guest, &[On::Clock(9, 0, 0)]), errno::INVAL);
    assert_eq!(poll_errno(&mut guest, &[On::Clock(1, 0, 2)]), errno::INVAL);
    guest.put(BUFFER, &[3; 48]);
    let args = [BUFFER.into(), 0xc000, 1, RESULT.into()];
    assert_eq!(guest.call("poll_oneoff", &args), errno::INVAL);
    for args in [
        [0xfff0, 0xc000, 1, RESULT.into()],
        [BUFFER.into(), 0xfff0, 1, RESULT.into()],
        [BUFFER.into(), 0xc000, 1, 0xfffe],
        [BUFFER.into(), 0xc000, 0x1_0000, RESULT.into()],
    ] {
        assert_eq!(guest.call("poll_oneoff", &args), errno::FAULT);
    }
    let many = [BUFFER.into(), 0xc000, -1, RESULT.into()];
    assert_eq!(guest.call("poll_oneoff", &many), errno::INVAL);
}

#[test]
fn times_are_relative_or_absolute_on_both_clocks() {
    let mut guest = Guest::new(&mut WasiCtxBuilder::new());
    let now = || {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_nanos() as u64
    };
    // A time that has passed already, and a later one.
    assert_eq!(
        poll(&mut guest, &[On::Clock(0, 5, 1)]),
        [(0, 0, CLOCK, false)]
    );
    assert_eq!(
        poll(&mut guest, &[On::Clock(1, 0, 1)]),
        [(0, 0, CLOCK, false)]
    );
    let soon = now() + 20 * MS;
    poll(&mut guest, &[On::Clock(0, soon, 1)]);
    assert!(now() >= soon);
    assert_eq!(
        guest.call("clock_time_get", &[1, 0, RESULT.into()]),
        errno::SUCCESS
    );
    let soon = guest.u64(RESULT) + 20 * MS;
    poll(&mut guest, &[On::Clock(1, soon, 1)]);
    assert_eq!(
        guest.call("clock_time_get", &[1, 0, RESULT.into()]),
        errno::SUCCESS
    );
    assert!(guest.u64(RESULT) >= soon);
    for clock in [0, 1] {
        let start = Instant::now();
        let list = [On::Clock(clock, 20 * MS, 0), On::Clock(clock, NEVER, 0)];
        assert_eq!(poll(&mut guest, &list), [(0, 0, CLOCK, false)]);
        let passed = start.elapsed();
        assert!(passed >= Duration::from_millis(20), "{passed:?}");
        assert!(passed < Duration::from_secs(60), "{passed:?}");
    }
    // A time that no clock reaches: together with an event that is ready, it does no harm.
    let list = [
        On::Clock(0, u64::MAX, 0),
        On::Clock(1, u64::MAX, 1),
        On::Write(1),
    ];
    assert_eq!(poll(&mut guest, &list), [(2, 0, WRITES, false)]);
}

#[test]
fn virtual_time_passes_at_once_and_in_order() {
    let mut builder = WasiCtxBuilder::new();
    builder
        .clocks(VirtualClocks::new())
        .stdin(ReadPipe::from("x"));
    let mut guest = Guest::new(&mut builder);
    let start = Instant::now();
    let day = 86_400_000 * MS;
    let list = [On::Clock(0, 2 * day, 0), On::Clock(1, day, 0)];
    assert_eq!(poll(&mut guest, &list), [(1, 0, CLOCK, false)]);
    assert_eq!(
        guest.call("clock_time_get", &[1, 0, RESULT.into()]),
        errno::SUCCESS
    );
    assert!((day..day + MS).contains(&guest.u64(RESULT)));
    // Events that are ready are reported before time passes.
    let list = [On::Clock(0, day, 0), On::Read(0)];
    assert_eq!(poll(&mut guest, &list), [(1, 0, READS, false)]);
    assert!(start.elapsed() < Duration::from_secs(60));
}
