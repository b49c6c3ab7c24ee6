//! Rights: a guest can remove them, and not add them again.

use crate::*;

/// Removes the rights in the masks from a descriptor.
fn lower(guest: &mut Guest, fd: i64, base: u64, inheriting: u64) -> i32 {
    assert_eq!(
        guest.call("fd_fdstat_get", &[fd, RESULT.into()]),
        errno::SUCCESS
    );
    let base = guest.u64(RESULT + 8) & !base;
    let inheriting = guest.u64(RESULT + 16) & !inheriting;
    let args = [fd, base as i64, inheriting as i64];
    guest.call("fd_fdstat_set_rights", &args)
}

#[test]
fn rights_that_were_given_up_are_missed() {
    let dir = scratch("rights");
    let mut guest = Guest::in_dir(&dir);
    let fd = guest.open("file", CREAT, READ | WRITE, 0);
    guest.write(fd, b"text");
    assert_eq!(
        lower(&mut guest, fd, (READ | WRITE) as u64, 0),
        errno::SUCCESS
    );
    assert_eq!(guest.write_errno(fd, b"text"), errno::NOTCAPABLE);
    assert_eq!(guest.read_errno(fd, 4), errno::NOTCAPABLE);
    assert_eq!(guest.call("fd_tell", &[fd, RESULT.into()]), errno::SUCCESS);
    let args = [fd, READ, 0];
    assert_eq!(guest.call("fd_fdstat_set_rights", &args), errno::NOTCAPABLE);
}

#[test]
fn directories_hand_down_what_they_have() {
    const PATH_FILESTAT_SET_SIZE: u64 = 1 << 19;
    let dir = scratch("inherited");
    std::fs::create_dir(dir.join("sub")).unwrap();
    let mut guest = Guest::in_dir(&dir);
    let fd = guest.open("file", CREAT, WRITE, 0);
    guest.close(fd);
    guest.open("file", TRUNC, 0, 0);
    assert_eq!(
        lower(&mut guest, 3, PATH_FILESTAT_SET_SIZE, WRITE as u64),
        errno::SUCCESS
    );
    assert_eq!(guest.open_errno("file", TRUNC, 0, 0), errno::NOTCAPABLE);
    assert_eq!(guest.open_errno("file", 0, WRITE, 0), errno::NOTCAPABLE);
    assert_eq!(
        guest.open_errno("file", 0, READ | WRITE, 0),
        errno::NOTCAPABLE
    );
    guest.open("file", 0, READ, 0);
    let sub = guest.open("sub", DIRECTORY, READ, 0);
    assert_eq!(
        guest.call("fd_fdstat_get", &[sub, RESULT.into()]),
        errno::SUCCESS
    );
    assert_eq!(guest.u64(RESULT + 16) & WRITE as u64, 0);
    let after = [CREAT, WRITE, 0, 0, RESULT.into()];
    let created = guest.path_call("path_open", &[sub, 0], "new", &after);
    assert_eq!(created, errno::NOTCAPABLE);
    assert!(!dir.join("sub/new").exists());
}

#[test]
fn files_do_what_they_were_opened_for() {
    let dir = scratch("modes");
    std::fs::write(dir.join("file"), "text").unwrap();
    let mut guest = Guest::in_dir(&dir);
    let reader = guest.open("file", 0, READ, 0);
    assert_eq!(guest.write_errno(reader, b"x"), errno::BADF);
    assert_eq!(
        guest.call("fd_filestat_set_size", &[reader, 0]),
        errno::INVAL
    );
    let writer = guest.open("file", 0, WRITE, 0);
    assert_eq!(guest.read_errno(writer, 4), errno::BADF);
    let neither = guest.open("file", 0, 0, 0);
    assert_eq!(guest.read_errno(neither, 4), errno::BADF);
    assert_eq!(guest.write_errno(neither, b"x"), errno::BADF);
    for (fd, readable, writable) in [(reader, true, false), (writer, false, true)] {
        assert_eq!(
            guest.call("fd_fdstat_get", &[fd, RESULT.into()]),
            errno::SUCCESS
        );
        let rights = guest.u64(RESULT + 8) as i64;
        assert_eq!(
            (rights & READ != 0, rights & WRITE != 0),
            (readable, writable)
        );
    }
    assert_eq!(std::fs::read_to_string(dir.join("file")).unwrap(), "text");
}
