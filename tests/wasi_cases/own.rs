//! What the embedder implements: files, streams, clocks, random bytes, arguments.

use std::io::{IoSlice, IoSliceMut, SeekFrom};

use upshift::wasi::pipe::{ReadPipe, WritePipe};
use upshift::wasi::{
    Access, Errno, FdFlags, FileStat, FileType, HostFile, SeededRandom, VirtualClocks,
    WasiCtxBuilder, WasiFile,
};

use crate::*;

/// A file in memory.
#[derive(Default)]
struct InMemory {
    bytes: Vec<u8>,
    position: u64,
    flags: FdFlags,
}

impl WasiFile for InMemory {
    fn file_type(&self) -> FileType {
        FileType::RegularFile
    }

    fn seekable(&self) -> bool {
        true
    }

    fn flags(&self) -> FdFlags {
        self.flags
    }

    fn set_flags(&mut self, flags: FdFlags) -> Result<(), Errno> {
        self.flags = flags;
        Ok(())
    }

    fn read(&mut self, buffers: &mut [IoSliceMut<'_>]) -> Result<usize, Errno> {
        let start = self.bytes.len().min(self.position as usize);
        let mut rest = &self.bytes[start..];
        let count = std::io::Read::read_vectored(&mut rest, buffers)?;
        self.position += count as u64;
        Ok(count)
    }

    /// Writes at most three bytes at a time.
    fn write(&mut self, buffers: &[IoSlice<'_>]) -> Result<usize, Errno> {
        let Some(buffer) = buffers.iter().find(|buffer| !buffer.is_empty()) else {
            return Ok(0);
        };
        let count = buffer.len().min(3);
        self.bytes.truncate(self.position as usize);
        self.bytes.extend_from_slice(&buffer[..count]);
        self.position += count as u64;
        Ok(count)
    }

    fn seek(&mut self, to: SeekFrom) -> Result<u64, Errno> {
        self.position = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(delta) => self.position.checked_add_signed(delta),
            SeekFrom::End(delta) => (self.bytes.len() as u64).checked_add_signed(delta),
        }
        .ok_or(Errno::Inval)?;
        Ok(self.position)
    }

    fn stat(&self) -> Result<FileStat, Errno> {
        Ok(FileStat {
            file_type: self.file_type(),
            size: self.bytes.len() as u64,
            ..FileStat::default()
        })
    }
}

#[test]
fn own_files_are_read_written_and_moved_in() {
    let mut builder = WasiCtxBuilder::new();
    let mut guest = Guest::new(builder.file(InMemory::default()));
    guest.write(3, b"twelve bytes");
    let args = [3, -5, 2, RESULT.into()];
    assert_eq!(guest.call("fd_seek", &args), errno::SUCCESS);
    assert_eq!(guest.read(3), b"bytes");
    assert_eq!(
        guest.call("fd_filestat_get", &[3, RESULT.into()]),
        errno::SUCCESS
    );
    assert_eq!(
        (guest.bytes(RESULT + 16, 1)[0], guest.u64(RESULT + 32)),
        (4, 12)
    );
    assert_eq!(
        guest.call("fd_fdstat_set_flags", &[3, NONBLOCK]),
        errno::SUCCESS
    );
    // A write to a `NONBLOCK` file writes what fits at once.
    assert_eq!(guest.write_errno(3, b"123456"), errno::SUCCESS);
    assert_eq!(guest.u32(RESULT), 3);
    let second = guest.store.data_mut().insert_file(InMemory::default());
    assert_eq!(second.unwrap(), 4);
    guest.write(4, b"more");
    // Operations that the file does not implement.
    assert_eq!(
        guest.call("fd_filestat_set_times", &[3, 0, 0, 10]),
        errno::NOTSUP
    );
    let args = [3, IOVECS.into(), 1, 0, RESULT.into()];
    assert_eq!(guest.call("fd_pread", &args), errno::SPIPE);
    assert_eq!(guest.call("sock_shutdown", &[3, 1]), errno::NOTSOCK);
}

#[test]
fn a_file_that_lies_about_its_counts_harms_nobody() {
    struct Liar;
    impl WasiFile for Liar {
        fn read(&mut self, _: &mut [IoSliceMut<'_>]) -> Result<usize, Errno> {
            Ok(usize::MAX)
        }

        fn write(&mut self, _: &[IoSlice<'_>]) -> Result<usize, Errno> {
            Ok(usize::MAX)
        }
    }
    let mut builder = WasiCtxBuilder::new();
    let mut guest = Guest::new(builder.file(Liar));
    assert_eq!(guest.read_errno(3, 10), errno::SUCCESS);
    assert_eq!(guest.u32(RESULT), 10, "no more than fits");
    guest.write(3, b"text");
}

#[test]
fn streams_have_a_direction() {
    let stdout = WritePipe::new_in_memory();
    let mut builder = WasiCtxBuilder::new();
    builder
        .stdin(ReadPipe::from("input"))
        .stdout(stdout.clone());
    let mut guest = Guest::new(&mut builder);
    assert_eq!(guest.read(0), b"input");
    assert_eq!(guest.read(0), b"");
    assert_eq!(guest.write_errno(0, b"x"), errno::BADF);
    assert_eq!(guest.read_errno(1, 5), errno::BADF);
    guest.write(1, b"output");
    guest.write(2, b"lost");
    for fd in 0..3 {
        assert_eq!(
            guest.call("fd_fdstat_get", &[fd, RESULT.into()]),
            errno::SUCCESS
        );
        assert_eq!(guest.bytes(RESULT, 1), [0], "no terminal");
    }
    drop(guest);
    assert_eq!(stdout.try_into_inner().unwrap().into_inner(), b"output");
}

#[test]
fn seeds_and_virtual_clocks_repeat() {
    let run = |seed| {
        let mut builder = WasiCtxBuilder::new();
        builder
            .random(SeededRandom::new(seed))
            .clocks(VirtualClocks::new());
        let mut guest = Guest::new(&mut builder);
        assert_eq!(
            guest.call("random_get", &[BUFFER.into(), 64]),
            errno::SUCCESS
        );
        for (i, clock) in [0, 1, 0].into_iter().enumerate() {
            let at = i64::from(RESULT) + 8 * i as i64;
            assert_eq!(
                guest.call("clock_time_get", &[clock, 0, at]),
                errno::SUCCESS
            );
        }
        (guest.bytes(BUFFER, 64), guest.bytes(RESULT, 24))
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1).0, run(2).0);
}

#[test]
fn what_a_guest_can_not_be_told_is_refused() {
    assert!(WasiCtxBuilder::new().arg("a\0b").build().is_err());
    assert!(WasiCtxBuilder::new().env("A", "a\0b").build().is_err());
    assert!(WasiCtxBuilder::new().env("A=B", "").build().is_err());
    assert!(WasiCtxBuilder::new().env("", "").build().is_err());
    assert!(WasiCtxBuilder::new().max_descriptors(2).build().is_err());
    assert!(
        WasiCtxBuilder::new()
            .preopened_dir("/no such directory", "/")
            .is_err()
    );
    assert!(upshift::wasi::HostFile::new(std::fs::File::open("/").unwrap()).is_err());
    let mut builder = WasiCtxBuilder::new();
    let mut guest = Guest::new(builder.env("A", "1").env("B", "2").env("A", "3"));
    assert_eq!(
        guest.call("environ_get", &[RESULT.into(), BUFFER.into()]),
        errno::SUCCESS
    );
    assert_eq!(guest.bytes(BUFFER, 9), b"A=3\0B=2\0\0");
    assert_eq!(Access::Neither.reads(), Access::Neither.writes());
}

#[test]
fn shared_files_are_appended_to_by_the_guest_alone() {
    let dir = scratch("shared-append");
    let open = |options: &mut std::fs::OpenOptions| {
        options
            .write(true)
            .create(true)
            .open(dir.join("file"))
            .unwrap()
    };
    std::fs::write(dir.join("file"), "old").unwrap();
    let ours = open(std::fs::OpenOptions::new().read(true));
    let mut builder = WasiCtxBuilder::new();
    builder.stdout(HostFile::new(ours.try_clone().unwrap()).unwrap());
    let mut guest = Guest::new(&mut builder);
    assert_eq!(
        guest.call("fd_fdstat_set_flags", &[1, APPEND]),
        errno::SUCCESS
    );
    guest.write(1, b"+new");
    assert_eq!(std::fs::read(dir.join("file")).unwrap(), b"old+new");
    // Others that share the description are not in that mode.
    use std::io::{Seek as _, Write as _};
    (&ours).rewind().unwrap();
    (&ours).write_all(b"OLD").unwrap();
    assert_eq!(std::fs::read(dir.join("file")).unwrap(), b"OLD+new");
    // If others append, the guest does so too, and its flags say so.
    let appending = open(std::fs::OpenOptions::new().append(true));
    let mut builder = WasiCtxBuilder::new();
    let mut guest = Guest::new(builder.stdout(HostFile::new(appending).unwrap()));
    for flags in [0, NONBLOCK] {
        assert_eq!(
            guest.call("fd_fdstat_set_flags", &[1, flags]),
            errno::SUCCESS
        );
        assert_eq!(
            guest.call("fd_fdstat_get", &[1, RESULT.into()]),
            errno::SUCCESS
        );
        assert_eq!(i64::from(guest.u16(RESULT + 2)), APPEND | flags);
    }
}
