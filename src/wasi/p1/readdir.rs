//! The function that lists directories.
//!
//! Cookies are the system's own positions in the directory, so they stay right when entries come
//! and go, and an open directory stores no list.

use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, RawDir, SeekFrom};

use crate::wasi::abi::{Encoded, FileType, Rights};
use crate::wasi::call::{Call, Result};
use crate::wasi::errno::Errno;

/// How many bytes are read from the system at once; a single entry has at most 280.
const LISTING: usize = 8 << 10;

/// The size of a `dirent` in bytes; the name follows it.
const DIRENT: usize = 24;

pub(crate) fn fd_readdir(
    call: &mut Call<'_>,
    fd: u32,
    buf: u32,
    buf_len: u32,
    cookie: u64,
    used: u32,
) -> Result {
    call.memory.range(used, 1, 4)?;
    let directory = call.ctx.table.directory(fd, Rights::FD_READDIR)?;
    let own_inode = directory.stat()?.inode;
    let directory = directory.fd();
    call.memory.range(buf, buf_len, 1)?;
    let room = buf_len as usize;
    let mut filled = 0;
    rustix::fs::seek(directory, SeekFrom::Start(cookie))?;
    let mut listing = [MaybeUninit::uninit(); LISTING];
    let mut entries = RawDir::new(directory, &mut listing);
    while filled < room
        && let Some(entry) = entries.next()
    {
        call.waiter.check()?;
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        let mut file_type = entry.file_type();
        if file_type == rustix::fs::FileType::Unknown {
            file_type = type_from_metadata(directory, entry.file_name());
        }
        // Nothing above a directory is revealed, not even its number.
        let inode = match name {
            b"." | b".." => own_inode,
            _ => entry.ino(),
        };
        let mut head = Encoded::default();
        head.u64(0, entry.next_entry_cookie());
        head.u64(8, inode);
        head.u32(16, u32::try_from(name.len()).map_err(|_| Errno::Overflow)?);
        head.u32(20, u32::from(FileType::from(file_type) as u8));
        debug_assert_eq!(head.as_slice().len(), DIRENT);
        // An entry that does not fit is cut: a full buffer tells the guest that there is more.
        for part in [head.as_slice(), name] {
            let len = part.len().min(room - filled);
            // Within the buffer, whose end is an address.
            call.memory.write(buf + filled as u32, &part[..len])?;
            filled += len;
        }
    }
    Ok(call.memory.write_u32(used, super::io::size(filled)?)?)
}

/// The type of a file, from its metadata: on some file systems, listings don't contain it.
fn type_from_metadata(directory: BorrowedFd<'_>, name: &std::ffi::CStr) -> rustix::fs::FileType {
    let stat = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW);
    let ty = stat.map(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode));
    ty.unwrap_or(rustix::fs::FileType::Unknown)
}
