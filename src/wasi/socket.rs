//! Operations on the system's sockets. None of them blocks, whatever the socket's own flags are.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    RecvAncillaryBuffer, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendFlags, Shutdown,
    SocketFlags, SocketType, acceptfrom_with, recvmsg, sendmsg,
};

use super::abi::{FileType, ReceiveFlags, ShutdownFlags};
use super::errno::Errno;
use super::file::Cut;
use super::host_file::retry;

/// The type of a socket.
pub(super) fn file_type(fd: BorrowedFd<'_>) -> FileType {
    match rustix::net::sockopt::socket_type(fd) {
        Ok(SocketType::DGRAM) => FileType::SocketDgram,
        _ => FileType::SocketStream,
    }
}

pub(super) fn accept(fd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    // Other processes may have the listening socket too, so its mode may be to block: poll first. A
    // descriptor that is not listening is always "ready", and `accept` returns the error.
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    rustix::net::sockopt::socket_type(fd)?;
    if poll(&mut fds, Some(&now))? == 0 && rustix::net::sockopt::socket_acceptconn(fd)? {
        return Err(Errno::Again);
    }
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(retry(|| acceptfrom_with(fd, flags).map(|(fd, _)| fd))?)
}

pub(super) fn receive(
    fd: BorrowedFd<'_>,
    buffers: &mut [IoSliceMut<'_>],
    flags: ReceiveFlags,
) -> Result<(usize, Cut), Errno> {
    let mut host = RecvFlags::DONTWAIT;
    host.set(RecvFlags::PEEK, flags.contains(ReceiveFlags::PEEK));
    let mut ancillary = RecvAncillaryBuffer::default();
    let received = retry(|| recvmsg(fd, buffers, &mut ancillary, host))?;
    let cut = match received.flags.contains(ReturnFlags::TRUNC) {
        true => Cut::Cut,
        false => Cut::Whole,
    };
    Ok((received.bytes, cut))
}

pub(super) fn send(fd: BorrowedFd<'_>, buffers: &[IoSlice<'_>]) -> Result<usize, Errno> {
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    let mut ancillary = SendAncillaryBuffer::default();
    Ok(retry(|| sendmsg(fd, buffers, &mut ancillary, flags))?)
}

pub(super) fn shutdown(fd: BorrowedFd<'_>, how: ShutdownFlags) -> Result<(), Errno> {
    let read = how.contains(ShutdownFlags::READ);
    let how = match (read, how.contains(ShutdownFlags::WRITE)) {
        (true, true) => Shutdown::Both,
        (true, false) => Shutdown::Read,
        (false, true) => Shutdown::Write,
        (false, false) => return Err(Errno::Inval),
    };
    Ok(rustix::net::shutdown(fd, how)?)
}
