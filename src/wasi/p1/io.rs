//! The functions that read and write.

use std::io::{IoSlice, IoSliceMut};

use crate::wasi::abi::{FdFlags, Rights};
use crate::wasi::call::{Call, Failure, Result};
use crate::wasi::ctx::Locked;
use crate::wasi::errno::Errno;
use crate::wasi::file::{Interest, WasiFile};
use crate::wasi::wait::Waiter;

pub(crate) fn fd_read(
    call: &mut Call<'_>,
    fd: u32,
    iovs: u32,
    iovs_len: u32,
    nread: u32,
) -> Result {
    call.memory.range(nread, 1, 4)?;
    call.ctx.table.file(fd, Rights::FD_READ)?;
    let mut file = OpenFile::new(&mut call.ctx, &call.waiter, fd, Rights::FD_READ);
    let read = |buffers: &mut [IoSliceMut<'_>]| {
        if room(buffers) == 0 {
            return Ok((0, ()));
        }
        let count = file.waiting(Interest::Read, |file| file.read(buffers))?;
        Ok::<_, Failure>((count, ()))
    };
    let (count, ()) = call.memory.with_buffers_mut(iovs, iovs_len, read)?;
    Ok(call.memory.write_u32(nread, size(count)?)?)
}

pub(crate) fn fd_pread(
    call: &mut Call<'_>,
    fd: u32,
    iovs: u32,
    iovs_len: u32,
    offset: u64,
    nread: u32,
) -> Result {
    call.memory.range(nread, 1, 4)?;
    let file = call.ctx.table.file(fd, Rights::FD_READ)?;
    let read = |buffers: &mut [IoSliceMut<'_>]| {
        let count = file.read_at(buffers, offset)?;
        Ok::<_, Failure>((count, ()))
    };
    let (count, ()) = call.memory.with_buffers_mut(iovs, iovs_len, read)?;
    Ok(call.memory.write_u32(nread, size(count)?)?)
}

pub(crate) fn fd_write(
    call: &mut Call<'_>,
    fd: u32,
    iovs: u32,
    iovs_len: u32,
    nwritten: u32,
) -> Result {
    call.memory.range(nwritten, 1, 4)?;
    call.ctx.table.file(fd, Rights::FD_WRITE)?;
    let mut file = OpenFile::new(&mut call.ctx, &call.waiter, fd, Rights::FD_WRITE);
    let write =
        |buffers: &mut [IoSlice<'_>]| file.write_all(buffers, |file, buffers| file.write(buffers));
    let count = call.memory.with_buffers(iovs, iovs_len, write)??;
    Ok(call.memory.write_u32(nwritten, size(count)?)?)
}

pub(crate) fn fd_pwrite(
    call: &mut Call<'_>,
    fd: u32,
    iovs: u32,
    iovs_len: u32,
    offset: u64,
    nwritten: u32,
) -> Result {
    call.memory.range(nwritten, 1, 4)?;
    call.ctx.table.file(fd, Rights::FD_WRITE)?;
    let mut file = OpenFile::new(&mut call.ctx, &call.waiter, fd, Rights::FD_WRITE);
    let mut position = offset;
    let write = |buffers: &mut [IoSlice<'_>]| {
        file.write_all(buffers, |file, buffers| {
            let count = file.write_at(buffers, position)?;
            position = position.saturating_add(count as u64);
            Ok(count)
        })
    };
    let count = call.memory.with_buffers(iovs, iovs_len, write)??;
    Ok(call.memory.write_u32(nwritten, size(count)?)?)
}

/// The number of bytes that fit into buffers.
pub(super) fn room(buffers: &[IoSliceMut<'_>]) -> usize {
    buffers.iter().map(|buffer| buffer.len()).sum()
}

/// A file by its number, for operations that may wait: meanwhile other threads of the guest use the
/// context, so it is looked up again afterwards.
pub(super) struct OpenFile<'c, 'a> {
    ctx: &'c mut Locked<'a>,
    waiter: &'c Waiter,
    fd: u32,
    needed: Rights,
}

impl<'c, 'a> OpenFile<'c, 'a> {
    pub(super) fn new(
        ctx: &'c mut Locked<'a>,
        waiter: &'c Waiter,
        fd: u32,
        needed: Rights,
    ) -> Self {
        Self {
            ctx,
            waiter,
            fd,
            needed,
        }
    }

    fn file(&mut self) -> Result<&mut dyn WasiFile, Errno> {
        self.ctx.table.file(self.fd, self.needed)
    }

    /// Repeats an operation until it need not wait. If the file is `NONBLOCK`, its `EAGAIN` is
    /// returned.
    pub(super) fn waiting<T>(
        &mut self,
        interest: Interest,
        mut operation: impl FnMut(&mut dyn WasiFile) -> Result<T, Errno>,
    ) -> Result<T> {
        loop {
            let file = self.file()?;
            match operation(file) {
                Err(Errno::Again) if !file.flags().contains(FdFlags::NONBLOCK) => {
                    self.waiter.until_ready(self.ctx, self.fd, interest)?;
                }
                result => return Ok(result?),
            }
        }
    }

    /// Writes all buffers, unless the file is `NONBLOCK`, fails, or the store is interrupted in
    /// between.
    pub(super) fn write_all(
        &mut self,
        mut buffers: &mut [IoSlice<'_>],
        mut write: impl FnMut(&mut dyn WasiFile, &[IoSlice<'_>]) -> Result<usize, Errno>,
    ) -> Result<usize> {
        let mut done = 0;
        loop {
            let left: usize = buffers.iter().map(|buffer| buffer.len()).sum();
            if left == 0 {
                // Writing nothing waits for nothing, but may return an error.
                return match write(self.file()?, buffers) {
                    Err(errno) if errno != Errno::Again => Err(errno.into()),
                    _ => Ok(0),
                };
            }
            if ends_early(self.waiter, done)? {
                return Ok(done);
            }
            let count = self.waiting(Interest::Write, |file| write(file, buffers));
            let count = match count {
                Err(_) if done > 0 => return Ok(done),
                result => result?.min(left),
            };
            done += count;
            if count == 0 || count == left || self.file()?.flags().contains(FdFlags::NONBLOCK) {
                return Ok(done);
            }
            IoSlice::advance_slices(&mut buffers, count);
        }
    }
}

/// Whether a transfer of several rounds, of which `done` bytes are transferred, ends before the
/// next one. An interruption loses no count: the guest gets the number of bytes, and ends after the
/// call.
pub(super) fn ends_early(waiter: &Waiter, done: usize) -> Result<bool> {
    match waiter.check() {
        Err(_) if done > 0 => Ok(true),
        result => result.map(|()| false),
    }
}

/// A number of bytes as a `size`. Buffers together have less than 4 GiB.
pub(super) fn size(count: usize) -> Result<u32, Errno> {
    u32::try_from(count).map_err(|_| Errno::Overflow)
}
