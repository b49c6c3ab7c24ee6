//! Whatever a guest waits for, an interruption of its store ends it.

use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use upshift::Trap;
use upshift::wasi::{Errno, HostFile, Interest, Readiness, WasiCtxBuilder, WasiFile};

use crate::*;

/// Makes a call that waits for ever, interrupts it, and checks that it ended soon and by that.
#[track_caller]
fn interrupted(guest: &mut Guest, name: &str, args: &[i64]) {
    let handle = guest.store.interrupt_handle();
    let start = Instant::now();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(30));
        handle.interrupt();
    });
    let error = guest.try_call(name, args).unwrap_err();
    thread.join().unwrap();
    assert_eq!(
        error.downcast_ref(),
        Some(&Trap::Interrupt),
        "{name}: {error:?}"
    );
    assert!(start.elapsed() < Duration::from_secs(10), "{name}");
}

/// The arguments of `fd_read` and the like for one buffer.
fn one_buffer(guest: &mut Guest, fd: i64, len: u32) -> [i64; 4] {
    guest.put(IOVECS, &iovec(BUFFER, len));
    [fd, IOVECS.into(), 1, RESULT.into()]
}

fn with_stdin(fd: impl Into<OwnedFd>) -> Guest {
    let mut builder = WasiCtxBuilder::new();
    Guest::new(builder.stdin(HostFile::new(fd).unwrap()))
}

#[test]
fn sleeps_end() {
    let mut guest = Guest::new(&mut WasiCtxBuilder::new());
    for (clock, time) in [(0_u32, 600_000_000_000), (1, u64::MAX)] {
        guest.put(BUFFER, &[0; 48]);
        guest.put(BUFFER + 16, &clock.to_le_bytes());
        guest.put(BUFFER + 24, &time.to_le_bytes());
        let args = [BUFFER.into(), 0xc000, 1, RESULT.into()];
        interrupted(&mut guest, "poll_oneoff", &args);
    }
}

#[test]
fn reads_of_pipes_and_sockets_end() {
    let (reader, _writer) = std::io::pipe().unwrap();
    let mut guest = with_stdin(reader);
    let args = one_buffer(&mut guest, 0, 10);
    interrupted(&mut guest, "fd_read", &args);
    let (_ours, theirs) = UnixStream::pair().unwrap();
    let mut guest = with_stdin(theirs);
    let args = one_buffer(&mut guest, 0, 10);
    interrupted(&mut guest, "fd_read", &args);
    let receive = [0, IOVECS.into(), 1, 0, RESULT.into(), (RESULT + 4).into()];
    interrupted(&mut guest, "sock_recv", &receive);
}

#[test]
fn nothing_is_transferred_without_waiting() {
    let (reader, _writer) = std::io::pipe().unwrap();
    let mut guest = with_stdin(reader);
    for iovecs in [0, 1] {
        guest.put(IOVECS, &iovec(BUFFER, 0));
        let args = [0, IOVECS.into(), iovecs, RESULT.into()];
        assert_eq!(guest.call("fd_read", &args), errno::SUCCESS);
    }
}

#[test]
fn writes_to_full_pipes_and_sockets_end() {
    let (_reader, writer) = std::io::pipe().unwrap();
    let (_ours, theirs) = UnixStream::pair().unwrap();
    for fd in [OwnedFd::from(writer), OwnedFd::from(theirs)] {
        let mut guest = with_stdin(fd);
        // Until the pipe is full; each write but the last is complete.
        let args = one_buffer(&mut guest, 0, 0x8000);
        assert_eq!(
            guest.call("fd_fdstat_set_flags", &[0, NONBLOCK]),
            errno::SUCCESS
        );
        while guest.call("fd_write", &args) == errno::SUCCESS {}
        assert_eq!(guest.call("fd_write", &args), errno::AGAIN);
        assert_eq!(guest.call("fd_fdstat_set_flags", &[0, 0]), errno::SUCCESS);
        interrupted(&mut guest, "fd_write", &args);
    }
}

#[test]
fn accepting_ends() {
    let dir = scratch("accept");
    let listener = UnixListener::bind(dir.join("s")).unwrap();
    let mut guest = with_stdin(listener);
    interrupted(&mut guest, "sock_accept", &[0, 0, RESULT.into()]);
    assert_eq!(
        guest.call("fd_fdstat_set_flags", &[0, NONBLOCK]),
        errno::SUCCESS
    );
    assert_eq!(
        guest.call("sock_accept", &[0, 0, RESULT.into()]),
        errno::AGAIN
    );
}

#[test]
fn pipes_with_names_are_waited_for() {
    let dir = scratch("fifo");
    let status = std::process::Command::new("mkfifo")
        .arg(dir.join("fifo"))
        .status();
    assert!(status.unwrap().success());
    let mut guest = Guest::in_dir(&dir);
    // The other end is not open: a reader waits in its first read, a writer already when it opens.
    let fd = guest.open("fifo", 0, READ, 0);
    let args = one_buffer(&mut guest, fd, 10);
    interrupted(&mut guest, "fd_read", &args);
    guest.close(fd);
    guest.put(PATH, b"fifo");
    let args = [3, 0, PATH.into(), 4, 0, WRITE, 0, 0, RESULT.into()];
    interrupted(&mut guest, "path_open", &args);
    assert_eq!(guest.open_errno("fifo", 0, WRITE, NONBLOCK), errno::NXIO);
    // Without waiting, a pipe without a writer is at its end.
    let fd = guest.open("fifo", 0, READ, NONBLOCK);
    assert_eq!(guest.read(fd), b"");
    let writer = guest.open("fifo", 0, WRITE, 0);
    assert_eq!(guest.read_errno(fd, 10), errno::AGAIN);
    guest.write(writer, b"text");
    assert_eq!(guest.read(fd), b"text");
}

#[test]
fn what_is_large_goes_through_a_small_pipe() {
    let (reader, writer) = std::io::pipe().unwrap();
    let mut guest = with_stdin(writer);
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        std::io::read_to_string(reader).unwrap().len()
    });
    // One buffer many times, more than a pipe can contain: all is written before the call returns.
    let list: Vec<u8> = (0..20).flat_map(|_| iovec(BUFFER, BUFFER_LEN)).collect();
    guest.put(IOVECS, &list);
    let args = [0, IOVECS.into(), 20, RESULT.into()];
    assert_eq!(guest.call("fd_write", &args), errno::SUCCESS);
    assert_eq!(guest.u32(RESULT), 20 * BUFFER_LEN);
    drop(guest);
    assert_eq!(thread.join().unwrap(), 20 * BUFFER_LEN as usize);
}

/// Arguments of `fd_write` for 1024 times one buffer of 1 MiB, for which the guest's memory grows.
fn a_gigabyte(guest: &mut Guest, fd: i64) -> [i64; 4] {
    const LEN: u32 = 1 << 20;
    guest.memory.grow(&mut guest.store, 32).unwrap();
    let list: Vec<u8> = (0..1024).flat_map(|_| iovec(1 << 16, LEN)).collect();
    guest.put(BUFFER, &list);
    [fd, BUFFER.into(), 1024, RESULT.into()]
}

/// Makes a call that would transfer for long, under a timeout, and checks that it returned the
/// count of what it transferred, and that the guest ended soon.
#[track_caller]
fn cut_short(guest: &mut Guest, name: &str, args: &[i64], whole: u32) {
    let start = Instant::now();
    let limit = guest.store.arm_timeout(Duration::from_millis(200));
    let error = guest.try_call(name, args).unwrap_err();
    drop(limit);
    assert_eq!(error.downcast_ref(), Some(&Trap::Interrupt), "{error:?}");
    assert!(start.elapsed() < Duration::from_secs(10), "{name}");
    let count = guest.u32(RESULT);
    assert!((1..whole).contains(&count), "{name}: {count}");
}

#[test]
fn long_writes_end() {
    /// Accepts 64 KiB each 5 ms, without ever having to be waited for.
    struct Slow;
    impl Slow {
        fn take(buffers: &[std::io::IoSlice<'_>]) -> Result<usize, Errno> {
            std::thread::sleep(Duration::from_millis(5));
            let total: usize = buffers.iter().map(|buffer| buffer.len()).sum();
            Ok(total.min(1 << 16))
        }
    }
    impl WasiFile for Slow {
        fn seekable(&self) -> bool {
            true
        }

        fn write(&mut self, buffers: &[std::io::IoSlice<'_>]) -> Result<usize, Errno> {
            Self::take(buffers)
        }

        fn write_at(&mut self, buffers: &[std::io::IoSlice<'_>], _: u64) -> Result<usize, Errno> {
            Self::take(buffers)
        }
    }
    for name in ["fd_write", "fd_pwrite"] {
        let mut builder = WasiCtxBuilder::new();
        let mut guest = Guest::new(builder.stdin(Slow));
        let mut args = a_gigabyte(&mut guest, 0).to_vec();
        if name == "fd_pwrite" {
            args.insert(3, 0);
        }
        cut_short(&mut guest, name, &args, 1 << 30);
    }
}

#[test]
fn long_transfers_through_pipes_and_sockets_end() {
    use std::io::{Read as _, Write as _};
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut guest = with_stdin(writer);
    let thread = std::thread::spawn(move || {
        let mut bytes = vec![0; 1 << 16];
        while reader.read(&mut bytes).unwrap() > 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    let args = a_gigabyte(&mut guest, 0);
    cut_short(&mut guest, "fd_write", &args, 1 << 30);
    drop(guest);
    thread.join().unwrap();

    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let mut guest = with_stdin(theirs);
    ours.write_all(b"first").unwrap();
    let thread = std::thread::spawn(move || {
        // Ends with an error when the guest has ended.
        while ours.write_all(b"x").is_ok() {
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    let [fd, iovecs, count, read] = one_buffer(&mut guest, 0, BUFFER_LEN);
    let wait_all = 2;
    let args = [fd, iovecs, count, wait_all, read, (RESULT + 4).into()];
    cut_short(&mut guest, "sock_recv", &args, BUFFER_LEN);
    drop(guest);
    thread.join().unwrap();
}

#[test]
fn system_calls_transfer_a_piece_at_most() {
    const PIECE: u32 = 4 << 20;
    let dir = scratch("pieces");
    let null = std::fs::OpenOptions::new().write(true).open("/dev/null");
    let mut guest = with_stdin(null.unwrap());
    let args = a_gigabyte(&mut guest, 0);
    assert_eq!(guest.call("fd_write", &args), errno::SUCCESS);
    assert_eq!(guest.u32(RESULT), 1 << 30, "all of it, in pieces");
    assert_eq!(
        guest.call("fd_fdstat_set_flags", &[0, NONBLOCK]),
        errno::SUCCESS
    );
    assert_eq!(guest.call("fd_write", &args), errno::SUCCESS);
    assert_eq!(guest.u32(RESULT), PIECE);

    // A file is written completely at a position too; a read transfers at most one piece.
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(dir.join("file"));
    let mut guest = with_stdin(file.unwrap());
    guest.memory.grow(&mut guest.store, 160).unwrap();
    let len = 2 * PIECE + 5;
    guest.put((1 << 16) + PIECE, b"second piece");
    guest.put(IOVECS, &iovec(1 << 16, len));
    let args = [0, IOVECS.into(), 1, 3, RESULT.into()];
    assert_eq!(guest.call("fd_pwrite", &args), errno::SUCCESS);
    assert_eq!(guest.u32(RESULT), len);
    let written = std::fs::read(dir.join("file")).unwrap();
    assert_eq!(written.len(), len as usize + 3);
    assert_eq!(&written[PIECE as usize + 3..][..12], b"second piece");
    assert_eq!(guest.call("fd_pread", &args), errno::SUCCESS);
    assert_eq!(guest.u32(RESULT), PIECE);
    let args = [0, IOVECS.into(), 1, RESULT.into()];
    assert_eq!(guest.call("fd_read", &args), errno::SUCCESS);
    assert_eq!(guest.u32(RESULT), PIECE);
}

#[test]
fn own_files_that_never_get_ready_are_left() {
    struct Never;
    impl WasiFile for Never {
        fn read(&mut self, _: &mut [std::io::IoSliceMut<'_>]) -> Result<usize, Errno> {
            Err(Errno::Again)
        }

        fn ready(&self, _: Interest) -> Readiness {
            Readiness::Waiting
        }
    }
    let mut builder = WasiCtxBuilder::new();
    let mut guest = Guest::new(builder.stdin(Never));
    let args = one_buffer(&mut guest, 0, 10);
    interrupted(&mut guest, "fd_read", &args);
    guest.put(BUFFER, &[0; 48]);
    guest.put(BUFFER + 8, &[1]);
    let args = [BUFFER.into(), 0xc000, 1, RESULT.into()];
    interrupted(&mut guest, "poll_oneoff", &args);
}

#[test]
fn sockets_carry_data_both_ways() {
    let dir = scratch("sockets");
    let listener = UnixListener::bind(dir.join("s")).unwrap();
    let mut guest = with_stdin(listener);
    let mut ours = UnixStream::connect(dir.join("s")).unwrap();
    assert_eq!(
        guest.call("sock_accept", &[0, 0, RESULT.into()]),
        errno::SUCCESS
    );
    let fd = i64::from(guest.u32(RESULT));
    std::io::Write::write_all(&mut ours, b"hello").unwrap();
    guest.put(IOVECS, &iovec(BUFFER, 3));
    let (count, flags) = (RESULT.into(), (RESULT + 4).into());
    for (ri_flags, text) in [(1, b"hel"), (0, b"hel")] {
        let receive = [fd, IOVECS.into(), 1, ri_flags, count, flags];
        assert_eq!(guest.call("sock_recv", &receive), errno::SUCCESS);
        assert_eq!(
            (guest.u32(RESULT), guest.bytes(BUFFER, 3)),
            (3, text.to_vec())
        );
    }
    assert_eq!(guest.read(fd), b"lo");
    guest.put(BUFFER, b"answer");
    guest.put(IOVECS, &iovec(BUFFER, 6));
    let send = [fd, IOVECS.into(), 1, 0, RESULT.into()];
    assert_eq!(guest.call("sock_send", &send), errno::SUCCESS);
    assert_eq!(guest.call("sock_shutdown", &[fd, 2]), errno::SUCCESS);
    assert_eq!(std::io::read_to_string(&mut ours).unwrap(), "answer");
    drop(ours);
    assert_eq!(guest.read(fd), b"");
}
