//! The functions that operate on names in directories.

use std::time::Duration;

use super::fd::times;
use crate::wasi::abi::{FdFlags, LookupFlags, OpenFlags, Rights};
use crate::wasi::call::{Call, Result};
use crate::wasi::dir::{OpenRequest, Opened};
use crate::wasi::errno::Errno;
use crate::wasi::file::Access;
use crate::wasi::host_file::HostFile;
use crate::wasi::table::Descriptor;

pub(crate) fn path_create_directory(
    call: &mut Call<'_>,
    fd: u32,
    path: u32,
    path_len: u32,
) -> Result {
    let path = &*call.memory.path(path, path_len)?;
    let directory = call
        .ctx
        .table
        .directory(fd, Rights::PATH_CREATE_DIRECTORY)?;
    Ok(directory.create_directory(path)?)
}

pub(crate) fn path_filestat_get(
    call: &mut Call<'_>,
    fd: u32,
    flags: u32,
    path: u32,
    path_len: u32,
    stat: u32,
) -> Result {
    let lookup = LookupFlags::from_guest(flags)?;
    let path = &*call.memory.path(path, path_len)?;
    let directory = call.ctx.table.directory(fd, Rights::PATH_FILESTAT_GET)?;
    let encoded = directory.stat_path(path, lookup)?.encode(call.preview);
    Ok(call.memory.write(stat, encoded.as_slice())?)
}

#[allow(clippy::too_many_arguments, reason = "the specification's")]
pub(crate) fn path_filestat_set_times(
    call: &mut Call<'_>,
    fd: u32,
    flags: u32,
    path: u32,
    path_len: u32,
    atim: u64,
    mtim: u64,
    fst_flags: u32,
) -> Result {
    let lookup = LookupFlags::from_guest(flags)?;
    let [accessed, modified] = times(atim, mtim, fst_flags)?;
    let path = &*call.memory.path(path, path_len)?;
    let directory = call
        .ctx
        .table
        .directory(fd, Rights::PATH_FILESTAT_SET_TIMES)?;
    Ok(directory.set_times_path(path, lookup, accessed, modified)?)
}

#[allow(clippy::too_many_arguments, reason = "the specification's")]
pub(crate) fn path_link(
    call: &mut Call<'_>,
    old_fd: u32,
    flags: u32,
    old: u32,
    old_len: u32,
    new_fd: u32,
    new: u32,
    new_len: u32,
) -> Result {
    let lookup = LookupFlags::from_guest(flags)?;
    let old = &*call.memory.path(old, old_len)?;
    let new = &*call.memory.path(new, new_len)?;
    let from = call.ctx.table.directory(old_fd, Rights::PATH_LINK_SOURCE)?;
    let to = call.ctx.table.directory(new_fd, Rights::PATH_LINK_TARGET)?;
    // The system can link only to the file of a name, not to where a symbolic link leads within a
    // directory.
    if lookup.contains(LookupFlags::SYMLINK_FOLLOW) {
        return Err(Errno::Inval.into());
    }
    Ok(from.link(old, to, new)?)
}

/// How often opening a pipe without a reader is tried again.
const PIPE_RETRY: Duration = Duration::from_millis(10);

#[allow(clippy::too_many_arguments, reason = "the specification's")]
pub(crate) fn path_open(
    call: &mut Call<'_>,
    fd: u32,
    dirflags: u32,
    path: u32,
    path_len: u32,
    oflags: u32,
    base: u64,
    _inheriting: u64,
    fdflags: u32,
    opened: u32,
) -> Result {
    let rights = Rights::from_bits_truncate(base);
    let request = OpenRequest {
        lookup: LookupFlags::from_guest(dirflags)?,
        open: OpenFlags::from_guest(oflags)?,
        flags: FdFlags::from_guest(fdflags)?,
        access: Access::from_rights(
            rights.contains(Rights::FD_READ),
            rights.contains(Rights::FD_WRITE),
        ),
    };
    call.memory.range(opened, 1, 4)?;
    let path = &*call.memory.path(path, path_len)?;
    let mut needed = Rights::PATH_OPEN;
    needed.set(
        Rights::PATH_CREATE_FILE,
        request.open.contains(OpenFlags::CREAT),
    );
    needed.set(
        Rights::PATH_FILESTAT_SET_SIZE,
        request.open.contains(OpenFlags::TRUNC),
    );
    call.ctx.table.directory(fd, needed)?;
    let (_, allowed) = call.ctx.table.get(fd)?.rights();
    if !allowed.contains(rights) {
        return Err(Errno::Notcapable.into());
    }
    check(&request)?;
    call.ctx.table.check_room()?;
    let (found, access) = loop {
        let directory = call.ctx.table.directory(fd, needed)?;
        match directory.open(path, &request) {
            // The pipe has no reader yet, so a program that may wait has to.
            Err(Errno::Nxio)
                if !request.flags.contains(FdFlags::NONBLOCK) && directory.is_fifo(path) =>
            {
                let waiter = &call.waiter;
                call.ctx.unlocked(waiter, || waiter.sleep(PIPE_RETRY))?;
            }
            result => break (result?, directory.access()),
        }
    };
    let descriptor = match found {
        Opened::Directory(directory) => Descriptor::directory(directory, allowed),
        Opened::File(file) => {
            let file = HostFile::opened(file, request.access, request.flags)?;
            Descriptor::file(Box::new(file), access, allowed)
        }
    };
    let number = call.ctx.table.insert(descriptor)?;
    Ok(call.memory.write_u32(opened, number)?)
}

/// Rejects combinations of flags that are not supported.
fn check(request: &OpenRequest) -> Result<(), Errno> {
    let changing = OpenFlags::CREAT | OpenFlags::EXCL | OpenFlags::TRUNC;
    if request.open.contains(OpenFlags::DIRECTORY) && request.open.intersects(changing) {
        return Err(Errno::Inval);
    }
    // As in Wasmtime, whose tests check it: a guest that relies on these flags must know that they
    // have no effect.
    if request.flags.intersects(FdFlags::SYNC | FdFlags::RSYNC) {
        return Err(Errno::Notsup);
    }
    Ok(())
}

pub(crate) fn path_readlink(
    call: &mut Call<'_>,
    fd: u32,
    path: u32,
    path_len: u32,
    buf: u32,
    buf_len: u32,
    used: u32,
) -> Result {
    call.memory.range(used, 1, 4)?;
    let path = &*call.memory.path(path, path_len)?;
    let directory = call.ctx.table.directory(fd, Rights::PATH_READLINK)?;
    let text = directory.read_link(path)?;
    call.memory.range(buf, buf_len, 1)?;
    // As POSIX's, cut to the buffer without an error.
    let len = text.len().min(buf_len as usize);
    call.memory.write(buf, &text[..len])?;
    Ok(call.memory.write_u32(used, super::io::size(len)?)?)
}

pub(crate) fn path_remove_directory(
    call: &mut Call<'_>,
    fd: u32,
    path: u32,
    path_len: u32,
) -> Result {
    let path = &*call.memory.path(path, path_len)?;
    let directory = call
        .ctx
        .table
        .directory(fd, Rights::PATH_REMOVE_DIRECTORY)?;
    Ok(directory.remove_directory(path)?)
}

pub(crate) fn path_rename(
    call: &mut Call<'_>,
    fd: u32,
    old: u32,
    old_len: u32,
    new_fd: u32,
    new: u32,
    new_len: u32,
) -> Result {
    let old = &*call.memory.path(old, old_len)?;
    let new = &*call.memory.path(new, new_len)?;
    let from = call.ctx.table.directory(fd, Rights::PATH_RENAME_SOURCE)?;
    let to = call
        .ctx
        .table
        .directory(new_fd, Rights::PATH_RENAME_TARGET)?;
    Ok(from.rename(old, to, new)?)
}

pub(crate) fn path_symlink(
    call: &mut Call<'_>,
    old: u32,
    old_len: u32,
    fd: u32,
    new: u32,
    new_len: u32,
) -> Result {
    let text = &*call.memory.path(old, old_len)?;
    let path = &*call.memory.path(new, new_len)?;
    let directory = call.ctx.table.directory(fd, Rights::PATH_SYMLINK)?;
    Ok(directory.symlink(text, path)?)
}

pub(crate) fn path_unlink_file(call: &mut Call<'_>, fd: u32, path: u32, path_len: u32) -> Result {
    let path = &*call.memory.path(path, path_len)?;
    let directory = call.ctx.table.directory(fd, Rights::PATH_UNLINK_FILE)?;
    Ok(directory.unlink_file(path)?)
}
