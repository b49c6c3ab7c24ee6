//! The functions that read and change a descriptor's state.

use std::io::SeekFrom;

use crate::wasi::abi::{FdFlags, Preview, Rights, TimeFlags};
use crate::wasi::call::{Call, Result};
use crate::wasi::errno::Errno;
use crate::wasi::file::{Advice, SetTime, Synchronize};
use crate::wasi::table::Entry;

pub(crate) fn fd_advise(
    call: &mut Call<'_>,
    fd: u32,
    offset: u64,
    len: u64,
    advice: u32,
) -> Result {
    let advice = Advice::from_guest(advice)?;
    let file = call.ctx.table.file(fd, Rights::FD_ADVISE)?;
    Ok(file.advise(offset, len, advice)?)
}

pub(crate) fn fd_allocate(call: &mut Call<'_>, fd: u32, offset: u64, len: u64) -> Result {
    let file = call.ctx.table.file(fd, Rights::FD_ALLOCATE)?;
    Ok(file.allocate(offset, len)?)
}

pub(crate) fn fd_close(call: &mut Call<'_>, fd: u32) -> Result {
    call.ctx.table.remove(fd)?;
    Ok(())
}

pub(crate) fn fd_datasync(call: &mut Call<'_>, fd: u32) -> Result {
    let file = call.ctx.table.file(fd, Rights::FD_DATASYNC)?;
    Ok(file.sync(Synchronize::Data)?)
}

pub(crate) fn fd_sync(call: &mut Call<'_>, fd: u32) -> Result {
    let file = call.ctx.table.file(fd, Rights::FD_SYNC)?;
    Ok(file.sync(Synchronize::All)?)
}

pub(crate) fn fd_fdstat_get(call: &mut Call<'_>, fd: u32, stat: u32) -> Result {
    let encoded = call.ctx.table.get(fd)?.encode_fdstat();
    Ok(call.memory.write(stat, encoded.as_slice())?)
}

pub(crate) fn fd_fdstat_set_flags(call: &mut Call<'_>, fd: u32, flags: u32) -> Result {
    let flags = FdFlags::from_guest(flags)?;
    let file = call.ctx.table.file(fd, Rights::FD_FDSTAT_SET_FLAGS)?;
    // When writes reach the device is decided when a file is opened.
    let fixed = FdFlags::DSYNC | FdFlags::RSYNC | FdFlags::SYNC;
    if (flags & fixed) != (file.flags() & fixed) && flags.intersects(fixed) {
        return Err(Errno::Inval.into());
    }
    Ok(file.set_flags(flags - fixed)?)
}

pub(crate) fn fd_fdstat_set_rights(
    call: &mut Call<'_>,
    fd: u32,
    base: u64,
    inheriting: u64,
) -> Result {
    let descriptor = call.ctx.table.get_mut(fd)?;
    Ok(descriptor.lower_rights(base, inheriting)?)
}

pub(crate) fn fd_filestat_get(call: &mut Call<'_>, fd: u32, stat: u32) -> Result {
    let descriptor = call.ctx.table.get(fd)?;
    descriptor.check(Rights::FD_FILESTAT_GET)?;
    let found = match &descriptor.entry {
        Entry::File(file) => file.stat()?,
        Entry::Directory(directory) => directory.stat()?,
    };
    let encoded = found.encode(call.preview);
    Ok(call.memory.write(stat, encoded.as_slice())?)
}

pub(crate) fn fd_filestat_set_size(call: &mut Call<'_>, fd: u32, size: u64) -> Result {
    let file = call.ctx.table.file(fd, Rights::FD_FILESTAT_SET_SIZE)?;
    Ok(file.set_size(size)?)
}

pub(crate) fn fd_filestat_set_times(
    call: &mut Call<'_>,
    fd: u32,
    atim: u64,
    mtim: u64,
    flags: u32,
) -> Result {
    let [accessed, modified] = times(atim, mtim, flags)?;
    let descriptor = call.ctx.table.get_mut(fd)?;
    descriptor.check(Rights::FD_FILESTAT_SET_TIMES)?;
    descriptor.check_metadata()?;
    match &mut descriptor.entry {
        Entry::File(file) => Ok(file.set_times(accessed, modified)?),
        Entry::Directory(directory) => Ok(directory.set_times(accessed, modified)?),
    }
}

/// Decodes the times of access and modification that a file is to get.
pub(super) fn times(atim: u64, mtim: u64, flags: u32) -> Result<[SetTime; 2], Errno> {
    let flags = TimeFlags::from_guest(flags)?;
    let time = |time, set, now| match (flags.contains(set), flags.contains(now)) {
        (false, false) => Ok(SetTime::Keep),
        (true, false) => Ok(SetTime::At(time)),
        (false, true) => Ok(SetTime::Now),
        (true, true) => Err(Errno::Inval),
    };
    Ok([
        time(atim, TimeFlags::ATIM, TimeFlags::ATIM_NOW)?,
        time(mtim, TimeFlags::MTIM, TimeFlags::MTIM_NOW)?,
    ])
}

/// The tag in `prestat` for a directory; there is no other.
const PREOPENED_DIRECTORY: u32 = 0;

/// The guest's name of a directory that was open from the start. `EBADF` for every other
/// descriptor: a C library that searches these directories goes on until it gets that.
fn preopened_as<'a>(call: &'a Call<'_>, fd: u32) -> Result<&'a str, Errno> {
    match &call.ctx.table.get(fd)?.entry {
        Entry::Directory(directory) => directory.preopened_as().ok_or(Errno::Badf),
        Entry::File(_) => Err(Errno::Badf),
    }
}

pub(crate) fn fd_prestat_get(call: &mut Call<'_>, fd: u32, prestat: u32) -> Result {
    let len = preopened_as(call, fd)?.len();
    let len = u32::try_from(len).map_err(|_| Errno::Overflow)?;
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&PREOPENED_DIRECTORY.to_le_bytes());
    bytes[4..].copy_from_slice(&len.to_le_bytes());
    Ok(call.memory.write(prestat, &bytes)?)
}

pub(crate) fn fd_prestat_dir_name(
    call: &mut Call<'_>,
    fd: u32,
    path: u32,
    path_len: u32,
) -> Result {
    let name = preopened_as(call, fd)?.as_bytes().to_vec();
    if name.len() > path_len as usize {
        return Err(Errno::Nametoolong.into());
    }
    Ok(call.memory.write(path, &name)?)
}

pub(crate) fn fd_renumber(call: &mut Call<'_>, fd: u32, to: u32) -> Result {
    Ok(call.ctx.table.renumber(fd, to)?)
}

pub(crate) fn fd_seek(
    call: &mut Call<'_>,
    fd: u32,
    delta: u64,
    whence: u32,
    offset: u32,
) -> Result {
    enum Whence {
        Start,
        Current,
        End,
    }
    let whence = match (call.preview, whence) {
        (Preview::One, 0) | (Preview::Zero, 2) => Whence::Start,
        (Preview::One, 1) | (Preview::Zero, 0) => Whence::Current,
        (Preview::One, 2) | (Preview::Zero, 1) => Whence::End,
        _ => return Err(Errno::Inval.into()),
    };
    call.memory.range(offset, 1, 8)?;
    let delta = delta.cast_signed();
    // Seeking to the present position is what `fd_tell` does, and needs only its right.
    let right = match whence {
        Whence::Current if delta == 0 => Rights::FD_TELL,
        _ => Rights::FD_SEEK,
    };
    let file = call.ctx.table.file(fd, right)?;
    let to = match whence {
        Whence::Start => SeekFrom::Start(u64::try_from(delta).map_err(|_| Errno::Inval)?),
        Whence::Current => SeekFrom::Current(delta),
        Whence::End => SeekFrom::End(delta),
    };
    let position = file.seek(to)?;
    Ok(call.memory.write_u64(offset, position)?)
}

pub(crate) fn fd_tell(call: &mut Call<'_>, fd: u32, offset: u32) -> Result {
    let file = call.ctx.table.file(fd, Rights::FD_TELL)?;
    let position = file.seek(SeekFrom::Current(0))?;
    Ok(call.memory.write_u64(offset, position)?)
}
