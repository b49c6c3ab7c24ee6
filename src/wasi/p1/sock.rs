//! The functions for sockets, which the embedder has opened.

use std::io::{IoSlice, IoSliceMut};

use super::io::{OpenFile, ends_early, room, size};
use crate::wasi::abi::{FdFlags, ReceiveFlags, Rights, ShutdownFlags};
use crate::wasi::call::{Call, Result};
use crate::wasi::dir::DirAccess;
use crate::wasi::errno::Errno;
use crate::wasi::file::{Cut, Interest};
use crate::wasi::table::{Descriptor, Entry};

/// Returns `ENOTSOCK` for descriptors that are no sockets, whatever else would be wrong with the
/// call.
fn check_socket(call: &Call<'_>, fd: u32) -> Result<(), Errno> {
    match &call.ctx.table.get(fd)?.entry {
        Entry::File(file) if file.file_type().is_socket() => Ok(()),
        _ => Err(Errno::Notsock),
    }
}

pub(crate) fn sock_accept(call: &mut Call<'_>, fd: u32, flags: u32, accepted: u32) -> Result {
    let flags = FdFlags::from_guest(flags)?;
    if !(flags - FdFlags::NONBLOCK).is_empty() {
        return Err(Errno::Inval.into());
    }
    call.memory.range(accepted, 1, 4)?;
    check_socket(call, fd)?;
    call.ctx.table.check_room()?;
    let mut file = OpenFile::new(&mut call.ctx, &call.waiter, fd, Rights::SOCK_ACCEPT);
    let connection = file.waiting(Interest::Read, |file| file.accept(flags))?;
    let descriptor = Descriptor::file(connection, DirAccess::ReadWrite, Rights::all());
    let number = call.ctx.table.insert(descriptor)?;
    Ok(call.memory.write_u32(accepted, number)?)
}

pub(crate) fn sock_recv(
    call: &mut Call<'_>,
    fd: u32,
    iovs: u32,
    iovs_len: u32,
    flags: u32,
    nread: u32,
    out_flags: u32,
) -> Result {
    // A flag of the result: a datagram was cut.
    const DATA_TRUNCATED: u16 = 1;
    let flags = ReceiveFlags::from_guest(flags)?;
    call.memory.range(nread, 1, 4)?;
    call.memory.range(out_flags, 1, 2)?;
    check_socket(call, fd)?;
    call.ctx.table.file(fd, Rights::FD_READ)?;
    let waiter = &call.waiter;
    let mut file = OpenFile::new(&mut call.ctx, waiter, fd, Rights::FD_READ);
    let receive = |mut buffers: &mut [IoSliceMut<'_>]| -> Result<(usize, Cut)> {
        let mut done = 0;
        loop {
            let left = room(buffers);
            if ends_early(waiter, done)? {
                return Ok((done, Cut::Whole));
            }
            let received = file.waiting(Interest::Read, |file| file.receive(buffers, flags));
            let (count, cut) = match received {
                Err(_) if done > 0 => return Ok((done, Cut::Whole)),
                result => result?,
            };
            let count = count.min(left);
            done += count;
            let all = flags == ReceiveFlags::WAITALL;
            if !all || count == 0 || count == left || cut == Cut::Cut {
                return Ok((done, cut));
            }
            IoSliceMut::advance_slices(&mut buffers, count);
        }
    };
    let (count, cut) = call.memory.with_buffers_mut(iovs, iovs_len, receive)?;
    let cut = match cut {
        Cut::Whole => 0,
        Cut::Cut => DATA_TRUNCATED,
    };
    call.memory.write_u16(out_flags, cut)?;
    Ok(call.memory.write_u32(nread, size(count)?)?)
}

pub(crate) fn sock_send(
    call: &mut Call<'_>,
    fd: u32,
    iovs: u32,
    iovs_len: u32,
    flags: u32,
    nwritten: u32,
) -> Result {
    // WASI defines no flags for sending.
    if flags != 0 {
        return Err(Errno::Inval.into());
    }
    call.memory.range(nwritten, 1, 4)?;
    check_socket(call, fd)?;
    call.ctx.table.file(fd, Rights::FD_WRITE)?;
    let mut file = OpenFile::new(&mut call.ctx, &call.waiter, fd, Rights::FD_WRITE);
    let send =
        |buffers: &mut [IoSlice<'_>]| file.write_all(buffers, |file, buffers| file.send(buffers));
    let count = call.memory.with_buffers(iovs, iovs_len, send)??;
    Ok(call.memory.write_u32(nwritten, size(count)?)?)
}

pub(crate) fn sock_shutdown(call: &mut Call<'_>, fd: u32, how: u32) -> Result {
    let how = ShutdownFlags::from_guest(how)?;
    check_socket(call, fd)?;
    let file = call.ctx.table.file(fd, Rights::SOCK_SHUTDOWN)?;
    Ok(file.shutdown(how)?)
}
