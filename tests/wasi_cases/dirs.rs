//! Directories: their entries, and that no path leads out.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;

use crate::*;

/// The names in descriptor `fd`, read in pieces of `len` bytes; `between` runs after each piece.
fn list(guest: &mut Guest, fd: i64, len: u32, mut between: impl FnMut()) -> Vec<Vec<u8>> {
    let mut names = Vec::new();
    let mut cookie = 0;
    loop {
        let args = [fd, BUFFER.into(), len.into(), cookie, RESULT.into()];
        assert_eq!(guest.call("fd_readdir", &args), errno::SUCCESS);
        let used = guest.u32(RESULT);
        let mut at = 0;
        while used - at >= 24 {
            let name_len = guest.u32(BUFFER + at + 16);
            if used - at - 24 < name_len {
                break;
            }
            cookie = guest.u64(BUFFER + at) as i64;
            names.push(guest.bytes(BUFFER + at + 24, name_len as usize));
            at += 24 + name_len;
        }
        if used < len {
            return names;
        }
        assert_ne!(at, 0, "an entry fits");
        between();
    }
}

#[test]
fn listings_survive_removals() {
    let dir = scratch("removals");
    let names: Vec<String> = (0..200).map(|i| format!("file-{i}")).collect();
    for name in &names {
        std::fs::write(dir.join(name), "").unwrap();
    }
    let mut guest = Guest::in_dir(&dir);
    // Listed names are removed before the next piece is read, as `rm -r` does.
    let mut left = names.clone();
    let removed = list(&mut guest, 3, 512, || {
        for name in left.drain(..left.len().min(10)) {
            std::fs::remove_file(dir.join(name)).unwrap();
        }
    });
    let found: BTreeSet<_> = removed.iter().collect();
    assert_eq!(found.len(), removed.len(), "nothing is listed twice");
    for name in &left {
        assert!(
            found.contains(&name.as_bytes().to_vec()),
            "{name} is missing"
        );
    }
}

#[test]
fn listings_have_every_name_once_whatever_the_buffer() {
    let dir = scratch("listing");
    for i in 0..100 {
        std::fs::write(dir.join(format!("{i}{}", "n".repeat(i))), "").unwrap();
    }
    std::fs::write(
        dir.join(std::ffi::OsStr::from_bytes(b"not \xff Unicode")),
        "",
    )
    .unwrap();
    let mut guest = Guest::in_dir(&dir);
    for len in [300, 1000, 4096, 32_000] {
        let names = list(&mut guest, 3, len, || ());
        assert_eq!(names.len(), 103, "{len}");
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), 103);
        assert!(names.contains(&b"not \xff Unicode".to_vec()));
    }
    // A buffer that is too small for any entry is filled, which tells the guest that there is more.
    let args = [3, BUFFER.into(), 5, 0, RESULT.into()];
    assert_eq!(guest.call("fd_readdir", &args), errno::SUCCESS);
    assert_eq!(guest.u32(RESULT), 5);
    let args = [3, BUFFER.into(), 100, i64::MIN, RESULT.into()];
    assert_eq!(guest.call("fd_readdir", &args), errno::INVAL);
}

#[test]
fn entries_tell_type_and_number() {
    let dir = scratch("entries");
    std::fs::write(dir.join("file"), "").unwrap();
    let mut guest = Guest::in_dir(&dir);
    let stat = [RESULT.into()];
    assert_eq!(
        guest.path_call("path_filestat_get", &[3, 0], "file", &stat),
        errno::SUCCESS
    );
    let inode = guest.u64(RESULT + 8);
    let args = [3, BUFFER.into(), 4096, 0, RESULT.into()];
    assert_eq!(guest.call("fd_readdir", &args), errno::SUCCESS);
    let (used, mut at) = (guest.u32(RESULT), 0);
    let mut found = Vec::new();
    while at < used {
        let len = guest.u32(BUFFER + at + 16);
        let name = String::from_utf8(guest.bytes(BUFFER + at + 24, len as usize)).unwrap();
        let same = guest.u64(BUFFER + at + 8) == inode;
        found.push((name, guest.bytes(BUFFER + at + 20, 1)[0], same));
        at += 24 + len;
    }
    found.sort();
    let expected = [(".", 3, false), ("..", 3, false), ("file", 4, true)];
    assert_eq!(
        found,
        expected.map(|(name, ty, same)| (name.to_string(), ty, same))
    );
}

/// A directory `in` with links that lead out of it, beside a file and a directory that no guest may
/// reach.
fn with_links_out(name: &str) -> PathBuf {
    let outer = scratch(name);
    let dir = outer.join("in");
    std::fs::create_dir_all(dir.join("sub")).unwrap();
    std::fs::write(outer.join("secret"), "secret").unwrap();
    std::fs::create_dir(outer.join("private")).unwrap();
    symlink("../secret", dir.join("up")).unwrap();
    symlink(outer.join("secret"), dir.join("absolute")).unwrap();
    symlink("..", dir.join("parent")).unwrap();
    symlink("../private", dir.join("private")).unwrap();
    outer
}

#[test]
fn no_path_leads_out() {
    let outer = with_links_out("out");
    let mut guest = Guest::in_dir(&outer.join("in"));
    let paths = [
        "../secret",
        "/etc/passwd",
        "sub/../../secret",
        "parent/secret",
        "..",
        "/",
        "//",
    ];
    for path in paths {
        let stat = guest.path_call("path_filestat_get", &[3, 1], path, &[RESULT.into()]);
        assert_eq!(stat, errno::PERM, "stat {path}");
        assert_eq!(
            guest.open_errno(path, 0, READ, 0),
            errno::PERM,
            "open {path}"
        );
        assert_eq!(
            guest.open_errno(path, CREAT, WRITE, 0),
            errno::PERM,
            "create {path}"
        );
        for name in [
            "path_unlink_file",
            "path_remove_directory",
            "path_create_directory",
        ] {
            assert_eq!(
                guest.path_call(name, &[3], path, &[]),
                errno::PERM,
                "{name} {path}"
            );
        }
        guest.put(PATH_2, b"sub/x");
        let to = [3, PATH_2.into(), 5];
        assert_eq!(
            guest.path_call("path_rename", &[3], path, &to),
            errno::PERM,
            "{path}"
        );
        assert_eq!(
            guest.path_call("path_link", &[3, 0], path, &to),
            errno::PERM,
            "{path}"
        );
        let times = [0, 0, 10];
        for follow in [0, 1] {
            let before = [3, follow];
            let errno = guest.path_call("path_filestat_set_times", &before, path, &times);
            assert_eq!(errno, errno::PERM, "{path}");
        }
    }
}

#[test]
fn no_link_leads_out() {
    let outer = with_links_out("links-out");
    let mut guest = Guest::in_dir(&outer.join("in"));
    for link in ["up", "absolute", "private/", "parent/"] {
        let after = [0, READ, 0, 0, RESULT.into()];
        let opened = guest.path_call("path_open", &[3, 1], link, &after);
        assert_eq!(opened, errno::PERM, "open {link}");
        let stat = guest.path_call("path_filestat_get", &[3, 1], link, &[RESULT.into()]);
        assert_eq!(stat, errno::PERM, "stat {link}");
        let times = guest.path_call("path_filestat_set_times", &[3, 1], link, &[0, 0, 10]);
        assert_eq!(times, errno::PERM, "times of {link}");
    }
    // A link is not followed when the link itself is meant.
    assert_eq!(
        guest.path_call("path_remove_directory", &[3], "private/", &[]),
        errno::NOTDIR
    );
    assert_eq!(
        guest.path_call("path_unlink_file", &[3], "private", &[]),
        errno::SUCCESS
    );
    assert!(outer.join("private").is_dir());
    let read = [BUFFER.into(), 100, RESULT.into()];
    assert_eq!(
        guest.path_call("path_readlink", &[3], "absolute", &read),
        errno::PERM
    );
    assert_eq!(
        guest.path_call("path_readlink", &[3], "up", &read),
        errno::SUCCESS
    );
    assert_eq!(
        guest.bytes(BUFFER, guest.u32(RESULT) as usize),
        b"../secret"
    );
    guest.put(PATH_2, b"new");
    let to = [3, PATH_2.into(), 3];
    assert_eq!(
        guest.path_call("path_symlink", &[], "/etc", &to),
        errno::PERM
    );
    assert_eq!(
        guest.path_call("path_symlink", &[], "sub", &to),
        errno::SUCCESS
    );
    assert_eq!(
        std::fs::read_to_string(outer.join("secret")).unwrap(),
        "secret"
    );
}

#[test]
fn slashes_at_the_end_ask_for_directories() {
    let dir = scratch("slashes");
    std::fs::write(dir.join("file"), "").unwrap();
    std::fs::create_dir(dir.join("dir")).unwrap();
    let mut guest = Guest::in_dir(&dir);
    assert_eq!(
        guest.path_call("path_unlink_file", &[3], "file/", &[]),
        errno::NOTDIR
    );
    assert_eq!(
        guest.path_call("path_unlink_file", &[3], "dir/", &[]),
        errno::ISDIR
    );
    assert_eq!(
        guest.path_call("path_unlink_file", &[3], "dir", &[]),
        errno::ISDIR
    );
    assert_eq!(
        guest.path_call("path_remove_directory", &[3], "file/", &[]),
        errno::NOTDIR
    );
    assert_eq!(guest.open_errno("file/", 0, READ, 0), errno::NOTDIR);
    for (text, new, expected) in [
        ("x", "file/", errno::NOTDIR),
        ("x", "dir/", errno::EXIST),
        ("x", "none/", errno::NOENT),
    ] {
        guest.put(PATH_2, new.as_bytes());
        let to = [3, PATH_2.into(), new.len() as i64];
        assert_eq!(
            guest.path_call("path_symlink", &[], text, &to),
            expected,
            "{new}"
        );
    }
    for (old, new, expected) in [
        ("file", "none/", errno::NOENT),
        ("file/", "none", errno::NOTDIR),
        ("dir", "none", errno::PERM),
        ("file", "dir", errno::EXIST),
    ] {
        guest.put(PATH_2, new.as_bytes());
        let to = [3, PATH_2.into(), new.len() as i64];
        assert_eq!(
            guest.path_call("path_link", &[3, 0], old, &to),
            expected,
            "{old} {new}"
        );
    }
    for (old, new) in [("dir/", "moved"), ("moved", "back/"), ("back/", "dir/")] {
        guest.put(PATH_2, new.as_bytes());
        let to = [3, PATH_2.into(), new.len() as i64];
        assert_eq!(
            guest.path_call("path_rename", &[3], old, &to),
            errno::SUCCESS,
            "{old}"
        );
    }
    assert_eq!(
        guest.path_call("path_create_directory", &[3], "new/", &[]),
        errno::SUCCESS
    );
    assert_eq!(
        guest.path_call("path_remove_directory", &[3], "new//", &[]),
        errno::SUCCESS
    );
}

#[test]
fn directories_are_no_files_and_files_no_directories() {
    let dir = scratch("kinds");
    let mut guest = Guest::in_dir(&dir);
    let fd = guest.open("file", CREAT, READ | WRITE, 0);
    assert_eq!(guest.read_errno(3, 10), errno::BADF);
    assert_eq!(guest.write_errno(3, b"x"), errno::BADF);
    for (name, args) in [
        ("fd_sync", &[3][..]),
        ("fd_datasync", &[3]),
        ("fd_advise", &[3, 0, 0, 0]),
        ("fd_tell", &[3, 0]),
        ("fd_seek", &[3, 0, 0, 0]),
        ("fd_filestat_set_size", &[3, 0]),
        ("fd_fdstat_set_flags", &[3, 4]),
    ] {
        assert_eq!(guest.call(name, args), errno::BADF, "{name}");
    }
    assert_eq!(
        guest.path_call("path_unlink_file", &[fd], "x", &[]),
        errno::NOTDIR
    );
    let args = [fd, BUFFER.into(), 100, 0, RESULT.into()];
    assert_eq!(guest.call("fd_readdir", &args), errno::NOTDIR);
    assert_eq!(
        guest.call("fd_prestat_get", &[fd, RESULT.into()]),
        errno::BADF
    );
    assert_eq!(
        guest.call("fd_prestat_get", &[3, RESULT.into()]),
        errno::SUCCESS
    );
    assert_eq!((guest.u32(RESULT), guest.u32(RESULT + 4)), (0, 1));
    let short = guest.call("fd_prestat_dir_name", &[3, BUFFER.into(), 0]);
    assert_eq!(short, errno::NAMETOOLONG);
    // The same directory opened by a path is not preopened.
    let same = guest.open(".", DIRECTORY, READ, 0);
    assert_eq!(
        guest.call("fd_prestat_get", &[same, RESULT.into()]),
        errno::BADF
    );
    assert_eq!(
        guest.open_errno(".", DIRECTORY, READ | WRITE, 0),
        errno::ISDIR
    );
}
