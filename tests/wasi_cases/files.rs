//! Files: flags, numbers, times, sizes, errors of the system.

use std::os::unix::fs::symlink;
use std::time::{Duration, UNIX_EPOCH};

use upshift::wasi::WasiCtxBuilder;

use crate::*;

#[test]
fn append_is_kept_with_every_other_flag() {
    let dir = scratch("append");
    for (i, flags) in [APPEND, APPEND | NONBLOCK, APPEND | DSYNC]
        .into_iter()
        .enumerate()
    {
        for oflags in [0, CREAT, CREAT | TRUNC] {
            let name = format!("{i}-{oflags}");
            std::fs::write(dir.join(&name), "old").unwrap();
            let mut guest = Guest::in_dir(&dir);
            let fd = guest.open(&name, oflags, READ | WRITE, flags);
            assert_eq!(
                guest.call("fd_seek", &[fd, 0, 0, RESULT.into()]),
                errno::SUCCESS
            );
            guest.write(fd, b"new");
            let expected = if oflags & TRUNC == 0 { "oldnew" } else { "new" };
            assert_eq!(std::fs::read_to_string(dir.join(&name)).unwrap(), expected);
            assert_eq!(
                guest.call("fd_fdstat_get", &[fd, RESULT.into()]),
                errno::SUCCESS
            );
            assert_eq!(i64::from(guest.u16(RESULT + 2)), flags);
        }
    }
}

#[test]
fn append_can_be_switched() {
    let dir = scratch("append-switched");
    std::fs::write(dir.join("file"), "1234").unwrap();
    let mut guest = Guest::in_dir(&dir);
    let fd = guest.open("file", 0, WRITE, 0);
    assert_eq!(
        guest.call("fd_fdstat_set_flags", &[fd, APPEND | NONBLOCK]),
        errno::SUCCESS
    );
    guest.write(fd, b"5");
    assert_eq!(guest.call("fd_fdstat_set_flags", &[fd, 0]), errno::SUCCESS);
    assert_eq!(
        guest.call("fd_seek", &[fd, 0, 0, RESULT.into()]),
        errno::SUCCESS
    );
    guest.write(fd, b"x");
    assert_eq!(std::fs::read(dir.join("file")).unwrap(), b"x2345");
    for bad in [2, 16, 32, 0x1_0000] {
        assert_eq!(
            guest.call("fd_fdstat_set_flags", &[fd, bad]),
            errno::INVAL,
            "{bad}"
        );
    }
}

#[test]
fn what_can_not_be_had_is_refused() {
    let dir = scratch("refused");
    let mut guest = Guest::in_dir(&dir);
    for flags in [16, 8] {
        assert_eq!(guest.open_errno("file", CREAT, WRITE, flags), errno::NOTSUP);
    }
    for oflags in [DIRECTORY | CREAT, DIRECTORY | TRUNC] {
        assert_eq!(guest.open_errno("file", oflags, READ, 0), errno::INVAL);
    }
    for (oflags, flags) in [(16, 0), (0, 32), (0x1_0000, 0), (0, 0x1_0000)] {
        assert_eq!(guest.open_errno("file", oflags, READ, flags), errno::INVAL);
    }
    assert!(!dir.join("file").exists());
}

#[test]
fn files_are_created_once_and_without_writing_too() {
    let dir = scratch("created");
    let mut guest = Guest::in_dir(&dir);
    for rights in [0, READ, WRITE, READ | WRITE] {
        let name = format!("file-{rights}");
        guest.open(&name, CREAT | EXCL, rights, 0);
        assert_eq!(
            guest.open_errno(&name, CREAT | EXCL, rights, 0),
            errno::EXIST
        );
        guest.open(&name, CREAT, rights, 0);
        assert!(dir.join(&name).exists());
    }
    std::fs::write(dir.join("full"), "content").unwrap();
    guest.open("full", TRUNC, 0, 0);
    assert_eq!(std::fs::metadata(dir.join("full")).unwrap().len(), 0);
}

#[test]
fn descriptors_get_the_lowest_free_number() {
    let dir = scratch("lowest");
    let mut guest = Guest::in_dir(&dir);
    guest.close(1);
    assert_eq!(guest.open("a", CREAT, WRITE, 0), 1);
    assert_eq!(guest.open("b", CREAT, WRITE, 0), 4);
    guest.close(4);
    guest.close(0);
    assert_eq!(guest.open("b", 0, WRITE, 0), 0);
    assert_eq!(guest.open("b", 0, WRITE, 0), 4);
    assert_eq!(guest.call("fd_close", &[17]), errno::BADF);
    assert_eq!(guest.call("fd_renumber", &[4, 2]), errno::SUCCESS);
    assert_eq!(guest.open("a", 0, WRITE, 0), 4);
}

#[test]
fn the_number_of_descriptors_is_limited() {
    let dir = scratch("limited");
    let mut builder = WasiCtxBuilder::new();
    builder.max_descriptors(5).preopened_dir(&dir, "/").unwrap();
    let mut guest = Guest::new(&mut builder);
    assert_eq!(guest.open("a", CREAT, WRITE, 0), 4);
    assert_eq!(guest.open_errno("b", CREAT, WRITE, 0), errno::MFILE);
    assert!(
        !dir.join("b").exists(),
        "nothing happens before the limit is checked"
    );
    guest.close(4);
    assert_eq!(guest.open("b", CREAT, WRITE, 0), 4);
}

#[test]
fn times_before_1970_are_shown_as_the_first_ones() {
    let dir = scratch("old");
    let file = std::fs::File::create(dir.join("old")).unwrap();
    let before = UNIX_EPOCH - Duration::from_millis(1500);
    let times = std::fs::FileTimes::new()
        .set_modified(before)
        .set_accessed(before);
    file.set_times(times).unwrap();
    let mut guest = Guest::in_dir(&dir);
    let stat = [RESULT.into()];
    assert_eq!(
        guest.path_call("path_filestat_get", &[3, 0], "old", &stat),
        errno::SUCCESS
    );
    assert_eq!((guest.u64(RESULT + 40), guest.u64(RESULT + 48)), (0, 0));
    let fd = guest.open("old", 0, READ, 0);
    assert_eq!(
        guest.call("fd_filestat_get", &[fd, RESULT.into()]),
        errno::SUCCESS
    );
    assert_eq!((guest.u64(RESULT + 40), guest.u64(RESULT + 48)), (0, 0));
}

#[test]
fn times_are_set_to_what_is_asked() {
    const EVERY_TIME: [i64; 4] = [0, 1, 1_234_567_890_123_456_789, i64::MAX];
    let dir = scratch("times");
    std::fs::write(dir.join("file"), "").unwrap();
    symlink("file", dir.join("link")).unwrap();
    let mut guest = Guest::in_dir(&dir);
    let fd = guest.open("file", 0, READ, 0);
    for time in EVERY_TIME {
        assert_eq!(
            guest.call("fd_filestat_set_times", &[fd, 0, time, 4]),
            errno::SUCCESS
        );
        assert_eq!(
            guest.call("fd_filestat_get", &[fd, RESULT.into()]),
            errno::SUCCESS
        );
        assert_eq!(guest.u64(RESULT + 48), time as u64);
    }
    // Of the file behind the link, and of the link itself.
    for (lookup, time, found) in [(1, 7_000, 7_000), (0, 9_000, 7_000)] {
        let after = [0, time, 4];
        let errno = guest.path_call("path_filestat_set_times", &[3, lookup], "link", &after);
        assert_eq!(errno, errno::SUCCESS);
        assert_eq!(
            guest.call("fd_filestat_get", &[fd, RESULT.into()]),
            errno::SUCCESS
        );
        assert_eq!(guest.u64(RESULT + 48), found);
    }
    assert_eq!(
        guest.call("fd_filestat_set_times", &[3, 5_000, 0, 1]),
        errno::SUCCESS
    );
    assert_eq!(
        guest.call("fd_filestat_get", &[3, RESULT.into()]),
        errno::SUCCESS
    );
    assert_eq!(guest.u64(RESULT + 40), 5_000);
    for flags in [3, 12, 16, 0x1_0001] {
        assert_eq!(
            guest.call("fd_filestat_set_times", &[fd, 0, 0, flags]),
            errno::INVAL
        );
    }
    // A time beyond the year 2262: the file system may not support it, but then returns an error.
    guest.call("fd_filestat_set_times", &[fd, -1, -1, 5]);
}

#[test]
fn errors_of_the_system_reach_the_guest() {
    let dir = scratch("errors");
    let socket = std::os::unix::net::UnixListener::bind(dir.join("socket"));
    symlink("loop", dir.join("loop")).unwrap();
    std::fs::create_dir(dir.join("dir")).unwrap();
    std::fs::write(dir.join("dir/file"), "").unwrap();
    let mut guest = Guest::in_dir(&dir);
    if socket.is_ok() {
        assert_eq!(guest.open_errno("socket", 0, READ, 0), errno::NXIO);
    }
    assert_eq!(guest.open_errno("loop", 0, READ, 0), errno::LOOP);
    assert_eq!(guest.open_errno("loop/x", 0, READ, 0), errno::LOOP);
    assert_eq!(guest.open_errno("dir", 0, WRITE, 0), errno::ISDIR);
    assert_eq!(
        guest.open_errno(&"n".repeat(300), 0, READ, 0),
        errno::NAMETOOLONG
    );
    assert_eq!(guest.open_errno("", 0, READ, 0), errno::NOENT);
    assert_eq!(guest.open_errno("a\0b", 0, READ, 0), errno::INVAL);
    assert_eq!(
        guest.path_call("path_remove_directory", &[3], "dir", &[]),
        errno::NOTEMPTY
    );
    assert_eq!(
        guest.call("fd_seek", &[0, 0, 1, RESULT.into()]),
        errno::SPIPE
    );
    assert_eq!(guest.call("fd_allocate", &[3, 0, 1]), errno::BADF);
    assert_eq!(guest.call("fd_allocate", &[0, 0, 1]), errno::NOTSUP);
    assert_eq!(guest.call("proc_raise", &[6]), errno::NOSYS);
    assert_eq!(guest.call("proc_raise", &[-1]), errno::NOSYS);
    for clock in [2, 3] {
        assert_eq!(
            guest.call("clock_time_get", &[clock, 0, RESULT.into()]),
            errno::NOTSUP
        );
    }
    for clock in [4, -1] {
        assert_eq!(
            guest.call("clock_res_get", &[clock, RESULT.into()]),
            errno::INVAL
        );
    }
}

#[test]
fn renaming_across_file_systems_is_an_error_number() {
    let dir = scratch("across");
    let elsewhere = Path::new("/dev/shm");
    let device = |path: &Path| {
        use std::os::unix::fs::MetadataExt as _;
        std::fs::metadata(path).map(|metadata| metadata.dev()).ok()
    };
    // Only where there is a second file system, as nearly everywhere.
    if device(elsewhere).is_none() || device(elsewhere) == device(&dir) {
        return;
    }
    std::fs::write(dir.join("file"), "").unwrap();
    let mut builder = WasiCtxBuilder::new();
    builder.preopened_dir(&dir, "/a").unwrap();
    builder.preopened_dir(elsewhere, "/b").unwrap();
    let mut guest = Guest::new(&mut builder);
    let name = format!("upshift-{}", std::process::id());
    guest.put(PATH_2, name.as_bytes());
    let to = [4, PATH_2.into(), name.len() as i64];
    assert_eq!(
        guest.path_call("path_rename", &[3], "file", &to),
        errno::XDEV
    );
    assert_eq!(
        guest.path_call("path_link", &[3, 0], "file", &to),
        errno::XDEV
    );
}

#[test]
fn what_is_no_socket_says_so() {
    let dir = scratch("no-socket");
    let mut guest = Guest::in_dir(&dir);
    let fd = guest.open("file", CREAT, READ | WRITE, 0);
    let iovecs = [IOVECS.into(), 1, 0, RESULT.into()];
    for fd in [0, 1, 3, fd] {
        assert_eq!(guest.call("sock_shutdown", &[fd, 1]), errno::NOTSOCK);
        assert_eq!(
            guest.call("sock_accept", &[fd, 0, RESULT.into()]),
            errno::NOTSOCK
        );
        let send = [&[fd], &iovecs[..]].concat();
        assert_eq!(guest.call("sock_send", &send), errno::NOTSOCK);
        let receive = [&send[..], &[(RESULT + 4).into()]].concat();
        assert_eq!(guest.call("sock_recv", &receive), errno::NOTSOCK);
    }
    for fd in [9, -1] {
        assert_eq!(guest.call("sock_shutdown", &[fd, 1]), errno::BADF);
        assert_eq!(
            guest.call("sock_accept", &[fd, 0, RESULT.into()]),
            errno::BADF
        );
    }
    for how in [4, 0x101] {
        assert_eq!(guest.call("sock_shutdown", &[0, how]), errno::INVAL);
    }
}

#[test]
fn devices_can_be_read_and_written() {
    let mut guest = Guest::in_dir(Path::new("/dev"));
    let null = guest.open("null", 0, READ | WRITE, 0);
    guest.write(null, &[7; 20_000]);
    assert_eq!(guest.read(null), b"");
    let zero = guest.open("zero", 0, READ, 0);
    assert_eq!(guest.read(zero), vec![0; BUFFER_LEN as usize]);
    // A character device that is no terminal: the guest must not take it for one.
    assert_eq!(
        guest.call("fd_fdstat_get", &[null, RESULT.into()]),
        errno::SUCCESS
    );
    assert_eq!(guest.bytes(RESULT, 1), [2]);
    assert_ne!(guest.u64(RESULT + 8) & (4 | 32), 0);
}

#[test]
fn buffers_are_used_in_their_order() {
    let dir = scratch("vectored");
    let mut guest = Guest::in_dir(&dir);
    let fd = guest.open("file", CREAT, READ | WRITE, 0);
    guest.put(BUFFER, b"0123456789");
    let list = [
        (BUFFER + 8, 2),
        (BUFFER, 3),
        (BUFFER + 1, 0),
        (BUFFER + 2, 3),
    ];
    let iovecs: Vec<u8> = list.iter().flat_map(|&(at, len)| iovec(at, len)).collect();
    guest.put(IOVECS, &iovecs);
    let args = [fd, IOVECS.into(), 4, RESULT.into()];
    assert_eq!(guest.call("fd_write", &args), errno::SUCCESS);
    assert_eq!(std::fs::read(dir.join("file")).unwrap(), b"89012234");
    assert_eq!(
        guest.call("fd_seek", &[fd, 0, 0, RESULT.into()]),
        errno::SUCCESS
    );
    let list = [(BUFFER + 20, 3), (BUFFER + 10, 2), (BUFFER + 30, 10)];
    let iovecs: Vec<u8> = list.iter().flat_map(|&(at, len)| iovec(at, len)).collect();
    guest.put(IOVECS, &iovecs);
    let args = [fd, IOVECS.into(), 3, RESULT.into()];
    assert_eq!(guest.call("fd_read", &args), errno::SUCCESS);
    assert_eq!(guest.u32(RESULT), 8);
    assert_eq!(guest.bytes(BUFFER + 20, 3), b"890");
    assert_eq!(guest.bytes(BUFFER + 10, 2), b"12");
    assert_eq!(guest.bytes(BUFFER + 30, 3), b"234");
    let positioned = [fd, IOVECS.into(), 3, 6, RESULT.into()];
    assert_eq!(guest.call("fd_pread", &positioned), errno::SUCCESS);
    assert_eq!(
        (guest.u32(RESULT), guest.bytes(BUFFER + 20, 2)),
        (2, b"34".to_vec())
    );
}

#[test]
fn the_previews_differ_as_they_should() {
    let dir = scratch("preview-0");
    std::fs::write(dir.join("file"), "12345678").unwrap();
    std::fs::hard_link(dir.join("file"), dir.join("second")).unwrap();
    let mut builder = WasiCtxBuilder::new();
    builder.preopened_dir(&dir, "/").unwrap();
    let mut guest = Guest::of_preview(PREVIEW_0, &mut builder);
    let fd = guest.open("file", 0, READ, 0);
    assert_eq!(
        guest.call("fd_filestat_get", &[fd, RESULT.into()]),
        errno::SUCCESS
    );
    assert_eq!((guest.u32(RESULT + 20), guest.u64(RESULT + 24)), (2, 8));
    for (whence, delta, found) in [(2, 3, 3), (0, 2, 5), (1, -1, 7)] {
        let args = [fd, delta, whence, RESULT.into()];
        assert_eq!(guest.call("fd_seek", &args), errno::SUCCESS);
        assert_eq!(guest.u64(RESULT), found);
    }
    assert_eq!(
        guest.call("fd_seek", &[fd, 0, 3, RESULT.into()]),
        errno::INVAL
    );
    assert_eq!(
        guest.call("fd_seek", &[fd, -1, 2, RESULT.into()]),
        errno::INVAL
    );
}
