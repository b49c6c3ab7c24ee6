//! Directories that a guest can't change.

use upshift::wasi::{DirAccess, WasiCtxBuilder};

use crate::*;

/// A guest with one directory twice: read-only as descriptor 3, writable as 4.
fn guest(dir: &Path) -> Guest {
    let mut builder = WasiCtxBuilder::new();
    builder
        .preopened_dir_with(dir, "/ro", DirAccess::ReadOnly)
        .unwrap();
    builder.preopened_dir(dir, "/rw").unwrap();
    Guest::new(&mut builder)
}

#[test]
fn nothing_changes_in_a_read_only_directory() {
    let dir = scratch("read-only");
    std::fs::create_dir(dir.join("sub")).unwrap();
    std::fs::write(dir.join("file"), "text").unwrap();
    let mut guest = guest(&dir);
    for (oflags, rights) in [
        (0, WRITE),
        (0, READ | WRITE),
        (TRUNC, 0),
        (TRUNC, READ),
        (CREAT, WRITE),
    ] {
        assert_eq!(guest.open_errno("file", oflags, rights, 0), errno::ROFS);
    }
    assert_eq!(guest.open_errno("new", CREAT, READ, 0), errno::ROFS);
    assert_eq!(guest.open_errno("new", CREAT | EXCL, WRITE, 0), errno::ROFS);
    assert_eq!(guest.open_errno("new", 0, WRITE, 0), errno::NOENT);
    assert_eq!(
        guest.open_errno("file", CREAT | EXCL, READ, 0),
        errno::EXIST
    );
    assert_eq!(guest.open_errno("sub", 0, WRITE, 0), errno::ISDIR);
    for (name, path) in [
        ("path_create_directory", "new"),
        ("path_remove_directory", "sub"),
        ("path_unlink_file", "file"),
    ] {
        assert_eq!(
            guest.path_call(name, &[3], path, &[]),
            errno::ROFS,
            "{name}"
        );
    }
    let times = [0, 0, 10];
    for follow in [0, 1] {
        let before = [3, follow];
        let errno = guest.path_call("path_filestat_set_times", &before, "file", &times);
        assert_eq!(errno, errno::ROFS);
    }
    guest.put(PATH_2, b"sub/new");
    for (from, to) in [(3, 3), (3, 4), (4, 3)] {
        let to = [to, PATH_2.into(), 7];
        assert_eq!(
            guest.path_call("path_rename", &[from], "file", &to),
            errno::ROFS
        );
        assert_eq!(
            guest.path_call("path_link", &[from, 0], "file", &to),
            errno::ROFS
        );
    }
    let to = [3, PATH_2.into(), 7];
    assert_eq!(
        guest.path_call("path_symlink", &[], "file", &to),
        errno::ROFS
    );
    let names: Vec<_> = std::fs::read_dir(&dir)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[test]
fn what_is_below_is_read_only_too() {
    let dir = scratch("read-only-below");
    std::fs::create_dir(dir.join("sub")).unwrap();
    std::fs::write(dir.join("sub/file"), "text").unwrap();
    let mut guest = guest(&dir);
    let sub = guest.open("sub", DIRECTORY, READ, 0);
    let after = [0, READ | WRITE, 0, 0, RESULT.into()];
    assert_eq!(
        guest.path_call("path_open", &[sub, 0], "file", &after),
        errno::ROFS
    );
    let file = guest.open("sub/file", CREAT, READ, 0);
    assert_eq!(guest.read(file), b"text");
    assert_eq!(
        guest.call("fd_filestat_set_times", &[file, 0, 0, 10]),
        errno::ROFS
    );
    assert_eq!(
        guest.call("fd_filestat_set_times", &[sub, 0, 0, 10]),
        errno::ROFS
    );
    assert_eq!(guest.call("fd_filestat_set_size", &[file, 0]), errno::INVAL);
    assert_eq!(
        std::fs::read_to_string(dir.join("sub/file")).unwrap(),
        "text"
    );
}
