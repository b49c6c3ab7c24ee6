//! No arguments whatever end a guest or this process: every call returns an error number.

use upshift::wasi::{SeededRandom, VirtualClocks, WasiCtxBuilder};

use crate::*;

/// Values at which arithmetic goes wrong, and numbers that are meaningful.
const VALUES: &[i64] = &[
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    0x1000,
    0x3000,
    0x4000,
    0x8000,
    0xfff8,
    0xffff,
    0x1_0000,
    0x1_0001,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fff0,
    0xffff_ffff,
    i64::MAX,
    i64::MIN,
    -1,
];

/// A guest that does not wait: virtual clocks, streams in memory, and a directory with files.
fn guest(preview: &str, dir: &Path) -> Guest {
    let mut builder = WasiCtxBuilder::new();
    builder.args(["program", "argument"]).env("NAME", "value");
    builder
        .clocks(VirtualClocks::new())
        .random(SeededRandom::new(1));
    builder.preopened_dir(dir, "/").unwrap();
    Guest::of_preview(preview, &mut builder)
}

/// Writes names, buffers and subscriptions to the places that [`VALUES`] point to.
fn furnish(guest: &mut Guest) {
    guest.put(PATH, b"file\0dir/../file");
    guest.put(
        IOVECS,
        &[iovec(BUFFER, 16), iovec(BUFFER, 0xffff_ffff)].concat(),
    );
    guest.put(BUFFER, &[1, 0, 0, 0, 0, 0, 0, 0, 1]);
}

#[test]
fn random_arguments_get_error_numbers() {
    let dir = scratch("hostile");
    let mut random = fastrand::Rng::with_seed(7);
    for preview in [PREVIEW_1, PREVIEW_0] {
        for _ in 0..4 {
            std::fs::create_dir_all(dir.join("dir")).unwrap();
            std::fs::write(dir.join("file"), "content").unwrap();
            let mut guest = guest(preview, &dir);
            let mut names: Vec<&str> = FUNCTIONS.iter().map(|(name, _)| *name).collect();
            if preview == PREVIEW_1 {
                names.push("sock_accept");
            }
            for _ in 0..3000 {
                furnish(&mut guest);
                let name = *random.choice(&names).unwrap();
                let types = signature(name).len();
                let mut args: Vec<i64> = (0..types)
                    .map(|_| *random.choice(VALUES).unwrap())
                    .collect();
                if let Some(fd) = args.first_mut().filter(|_| random.bool()) {
                    *fd = random.i64(0..8);
                }
                let errno = guest.call(name, &args);
                assert!((0..=76).contains(&errno), "{name}{args:?} returned {errno}");
            }
        }
    }
}

/// For each function: arguments that are right, and which of them are pointers to results or data.
const POINTERS: &[(&str, &[i64], &[usize])] = &[
    ("args_get", &[0x4000, 0x8000], &[0, 1]),
    ("args_sizes_get", &[0x4000, 0x4004], &[0, 1]),
    ("environ_get", &[0x4000, 0x8000], &[0, 1]),
    ("environ_sizes_get", &[0x4000, 0x4004], &[0, 1]),
    ("clock_res_get", &[0, 0x4000], &[1]),
    ("clock_time_get", &[0, 0, 0x4000], &[2]),
    ("fd_fdstat_get", &[1, 0x4000], &[1]),
    ("fd_filestat_get", &[3, 0x4000], &[1]),
    ("fd_pread", &[4, 0x3000, 1, 0, 0x4000], &[1, 4]),
    ("fd_pwrite", &[4, 0x3000, 1, 0, 0x4000], &[1, 4]),
    ("fd_read", &[4, 0x3000, 1, 0x4000], &[1, 3]),
    ("fd_write", &[4, 0x3000, 1, 0x4000], &[1, 3]),
    ("fd_prestat_get", &[3, 0x4000], &[1]),
    ("fd_prestat_dir_name", &[3, 0x4000, 1], &[1]),
    ("fd_readdir", &[3, 0x8000, 100, 0, 0x4000], &[1, 4]),
    ("fd_seek", &[4, 0, 0, 0x4000], &[3]),
    ("fd_tell", &[4, 0x4000], &[1]),
    ("path_create_directory", &[3, 0x1000, 4], &[1]),
    ("path_filestat_get", &[3, 0, 0x1000, 4, 0x4000], &[2, 4]),
    ("path_filestat_set_times", &[3, 0, 0x1000, 4, 0, 0, 0], &[2]),
    ("path_link", &[3, 0, 0x1000, 4, 3, 0x2000, 4], &[2, 5]),
    ("path_open", &[3, 0, 0x1000, 4, 0, 2, 0, 0, 0x4000], &[2, 8]),
    (
        "path_readlink",
        &[3, 0x2000, 4, 0x8000, 10, 0x4000],
        &[1, 3, 5],
    ),
    ("path_remove_directory", &[3, 0x1000, 4], &[1]),
    ("path_rename", &[3, 0x1000, 4, 3, 0x2000, 4], &[1, 4]),
    ("path_symlink", &[0x1000, 4, 3, 0x2000, 4], &[0, 3]),
    ("path_unlink_file", &[3, 0x1000, 4], &[1]),
    ("poll_oneoff", &[0x8000, 0xc000, 1, 0x4000], &[0, 1, 3]),
    ("random_get", &[0x8000, 8], &[0]),
    ("sock_accept", &[5, 0, 0x4000], &[2]),
    ("sock_recv", &[6, 0x3000, 1, 0, 0x4000, 0x4004], &[1, 4, 5]),
    ("sock_send", &[6, 0x3000, 1, 0, 0x4000], &[1, 4]),
];

#[test]
fn pointers_out_of_memory_are_faults() {
    let dir = scratch("pointers");
    std::fs::write(dir.join("file"), "content").unwrap();
    std::os::unix::fs::symlink("file", dir.join("link")).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(dir.join("socket")).unwrap();
    let (_ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut builder = WasiCtxBuilder::new();
    builder.arg("program").env("NAME", "value");
    builder.preopened_dir(&dir, "/").unwrap();
    let mut guest = Guest::new(&mut builder);
    assert_eq!(guest.open("file", 0, READ | WRITE, 0), 4);
    let host_file = |fd: std::os::fd::OwnedFd| upshift::wasi::HostFile::new(fd).unwrap();
    let ctx = guest.store.data_mut();
    assert_eq!(ctx.insert_file(host_file(listener.into())).unwrap(), 5);
    assert_eq!(ctx.insert_file(host_file(theirs.into())).unwrap(), 6);
    let mut checked = 0;
    for (name, args, pointers) in POINTERS {
        for &pointer in *pointers {
            for bad in [0xffff, 0x1_0000, 0xffff_ffff, 0xffff_fff0] {
                guest.put(PATH, b"file");
                guest.put(PATH_2, b"link");
                guest.put(IOVECS, &iovec(BUFFER, 8));
                guest.put(BUFFER, &[0; 48]);
                let mut args = args.to_vec();
                args[pointer] = bad;
                // The last byte of the memory is a valid place for one byte.
                if bad == 0xffff && *name == "fd_prestat_dir_name" {
                    continue;
                }
                assert_eq!(guest.call(name, &args), errno::FAULT, "{name}{args:x?}");
                checked += 1;
            }
        }
    }
    assert!(checked > 200);
    let content = std::fs::read_to_string(dir.join("file")).unwrap();
    assert_eq!(
        content, "content",
        "nothing is written before all pointers are checked"
    );
    assert_eq!(guest.open("file", 0, READ, 0), 7, "no descriptor is lost");
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 3);
}

/// For each function that takes paths: arguments that are right, and which of them are paths.
const PATHS: &[(&str, &[i64], &[usize])] = &[
    ("path_create_directory", &[3, 0x1000, 4], &[1]),
    ("path_filestat_get", &[3, 0, 0x1000, 4, 0x4000], &[2]),
    ("path_filestat_set_times", &[3, 0, 0x1000, 4, 0, 0, 0], &[2]),
    ("path_link", &[3, 0, 0x1000, 4, 3, 0x2000, 4], &[2, 5]),
    ("path_open", &[3, 0, 0x1000, 4, 0, 2, 0, 0, 0x4000], &[2]),
    ("path_readlink", &[3, 0x2000, 4, 0x8000, 10, 0x4000], &[1]),
    ("path_remove_directory", &[3, 0x1000, 4], &[1]),
    ("path_rename", &[3, 0x1000, 4, 3, 0x2000, 4], &[1, 4]),
    ("path_symlink", &[0x1000, 4, 3, 0x2000, 4], &[0, 3]),
    ("path_unlink_file", &[3, 0x1000, 4], &[1]),
];

#[test]
fn long_paths_are_refused_before_anything_looks_at_them() {
    /// The place of the long path.
    const LONG: i64 = 0x8000;
    let all = FUNCTIONS.iter().map(|(name, _)| *name);
    let all: Vec<&str> = all.filter(|name| name.starts_with("path_")).collect();
    assert_eq!(PATHS.iter().map(|path| path.0).collect::<Vec<_>>(), all);
    let dir = scratch("long-paths");
    std::fs::write(dir.join("file"), "content").unwrap();
    std::os::unix::fs::symlink("file", dir.join("link")).unwrap();
    let mut guest = Guest::in_dir(&dir);
    guest.put(PATH, b"file");
    guest.put(PATH_2, b"link");
    // A path that would be refused for its NUL too, but must be refused by its length alone.
    guest.put(
        LONG as u32,
        &[b"\0/".repeat(0x1000), b"file".to_vec()].concat(),
    );
    for (name, args, paths) in PATHS {
        for &path in *paths {
            for len in [4097, 0x2004, 0x8000] {
                let mut args = args.to_vec();
                args[path] = LONG;
                args[path + 1] = len;
                let errno = guest.call(name, &args);
                assert_eq!(errno, errno::NAMETOOLONG, "{name}{args:x?}");
            }
        }
    }
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 2);
}

#[test]
fn buffers_out_of_memory_are_faults() {
    let dir = scratch("buffers");
    let mut guest = Guest::in_dir(&dir);
    let fd = guest.open("file", CREAT, READ | WRITE, 0);
    for (at, len) in [
        (0xffff, 2),
        (0x1_0000, 1),
        (0xffff_ffff, 1),
        (1, 0xffff_ffff),
    ] {
        guest.put(IOVECS, &[iovec(BUFFER, 4), iovec(at, len)].concat());
        for name in ["fd_read", "fd_write"] {
            let args = [fd, IOVECS.into(), 2, RESULT.into()];
            assert_eq!(
                guest.call(name, &args),
                errno::FAULT,
                "{name} {at:x} {len:x}"
            );
        }
    }
    let args = [fd, IOVECS.into(), 0x2000_0000, RESULT.into()];
    assert_eq!(guest.call("fd_write", &args), errno::FAULT);
    assert_eq!(std::fs::metadata(dir.join("file")).unwrap().len(), 0);
}

#[test]
fn alignment_does_not_matter() {
    let dir = scratch("alignment");
    let mut guest = Guest::in_dir(&dir);
    assert_eq!(guest.call("fd_fdstat_get", &[3, 0x4001]), errno::SUCCESS);
    assert_eq!(
        guest.call("clock_time_get", &[0, 0, 0x4003]),
        errno::SUCCESS
    );
    let fd = guest.open("file", CREAT, WRITE, 0);
    guest.put(0x3001, &iovec(BUFFER, 4));
    assert_eq!(
        guest.call("fd_write", &[fd, 0x3001, 1, 0x4001]),
        errno::SUCCESS
    );
    assert_eq!(guest.u32(0x4001), 4);
}

#[test]
fn names_of_enumerations_are_checked() {
    let dir = scratch("enumerations");
    let mut guest = Guest::in_dir(&dir);
    let fd = guest.open("file", CREAT, READ | WRITE, 0);
    for bad in [6, 255, -1] {
        assert_eq!(guest.call("fd_advise", &[fd, 0, 0, bad]), errno::INVAL);
        assert_eq!(
            guest.call("fd_seek", &[fd, 0, bad, RESULT.into()]),
            errno::INVAL
        );
    }
    for good in 0..6 {
        assert_eq!(guest.call("fd_advise", &[fd, 0, 0, good]), errno::SUCCESS);
    }
    for lookup in [2, 3, -1] {
        let stat = guest.path_call("path_filestat_get", &[3, lookup], "file", &[RESULT.into()]);
        assert_eq!(stat, errno::INVAL);
        let after = [0, READ, 0, 0, RESULT.into()];
        let opened = guest.path_call("path_open", &[3, lookup], "file", &after);
        assert_eq!(opened, errno::INVAL);
    }
    assert_eq!(guest.call("sched_yield", &[]), errno::SUCCESS);
}
