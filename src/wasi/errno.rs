//! The one table of WASI's error numbers, and the conversion of the system's errors to them.

use std::fmt;
use std::io;

use rustix::io::Errno as Host;

/// Defines [`Errno`] from rows of a variant, its number, the system's error of the same meaning and
/// a text.
macro_rules! errnos {
    ($($name:ident = $code:literal, $host:expr, $text:literal;)*) => {
        /// The error of a WASI function: preview 1's `errno`.
        ///
        /// [`From`] converts errors of the system; one that WASI has no number for becomes
        /// [`Errno::Io`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum Errno {
            $(#[doc = $text] $name = $code,)*
        }

        impl Errno {
            /// All errors, by number.
            pub const ALL: &'static [Errno] = &[$(Errno::$name),*];

            /// The meaning of the error, in English.
            pub fn text(self) -> &'static str {
                match self {
                    $(Errno::$name => $text,)*
                }
            }

            /// The system's error of the same meaning.
            fn host(self) -> Option<Host> {
                match self {
                    $(Errno::$name => $host,)*
                }
            }
        }
    };
}

errnos! {
    TooBig = 1, Some(Host::TOOBIG), "argument list too long";
    Acces = 2, Some(Host::ACCESS), "permission denied";
    Addrinuse = 3, Some(Host::ADDRINUSE), "address in use";
    Addrnotavail = 4, Some(Host::ADDRNOTAVAIL), "address not available";
    Afnosupport = 5, Some(Host::AFNOSUPPORT), "address family not supported";
    Again = 6, Some(Host::AGAIN), "resource unavailable, or operation would block";
    Already = 7, Some(Host::ALREADY), "connection already in progress";
    Badf = 8, Some(Host::BADF), "bad file descriptor";
    Badmsg = 9, Some(Host::BADMSG), "bad message";
    Busy = 10, Some(Host::BUSY), "device or resource busy";
    Canceled = 11, Some(Host::CANCELED), "operation canceled";
    Child = 12, Some(Host::CHILD), "no child processes";
    Connaborted = 13, Some(Host::CONNABORTED), "connection aborted";
    Connrefused = 14, Some(Host::CONNREFUSED), "connection refused";
    Connreset = 15, Some(Host::CONNRESET), "connection reset";
    Deadlk = 16, Some(Host::DEADLK), "resource deadlock would occur";
    Destaddrreq = 17, Some(Host::DESTADDRREQ), "destination address required";
    Dom = 18, Some(Host::DOM), "mathematics argument out of domain of function";
    Dquot = 19, Some(Host::DQUOT), "disk quota exceeded";
    Exist = 20, Some(Host::EXIST), "file exists";
    Fault = 21, Some(Host::FAULT), "bad address";
    Fbig = 22, Some(Host::FBIG), "file too large";
    Hostunreach = 23, Some(Host::HOSTUNREACH), "host is unreachable";
    Idrm = 24, Some(Host::IDRM), "identifier removed";
    Ilseq = 25, Some(Host::ILSEQ), "illegal byte sequence";
    Inprogress = 26, Some(Host::INPROGRESS), "operation in progress";
    Intr = 27, Some(Host::INTR), "interrupted function";
    Inval = 28, Some(Host::INVAL), "invalid argument";
    Io = 29, Some(Host::IO), "input or output error";
    Isconn = 30, Some(Host::ISCONN), "socket is connected";
    Isdir = 31, Some(Host::ISDIR), "is a directory";
    Loop = 32, Some(Host::LOOP), "too many levels of symbolic links";
    Mfile = 33, Some(Host::MFILE), "file descriptor value too large";
    Mlink = 34, Some(Host::MLINK), "too many links";
    Msgsize = 35, Some(Host::MSGSIZE), "message too large";
    Multihop = 36, Some(Host::MULTIHOP), "multihop attempted";
    Nametoolong = 37, Some(Host::NAMETOOLONG), "filename too long";
    Netdown = 38, Some(Host::NETDOWN), "network is down";
    Netreset = 39, Some(Host::NETRESET), "connection aborted by network";
    Netunreach = 40, Some(Host::NETUNREACH), "network unreachable";
    Nfile = 41, Some(Host::NFILE), "too many files open in system";
    Nobufs = 42, Some(Host::NOBUFS), "no buffer space available";
    Nodev = 43, Some(Host::NODEV), "no such device";
    Noent = 44, Some(Host::NOENT), "no such file or directory";
    Noexec = 45, Some(Host::NOEXEC), "executable file format error";
    Nolck = 46, Some(Host::NOLCK), "no locks available";
    Nolink = 47, Some(Host::NOLINK), "link has been severed";
    Nomem = 48, Some(Host::NOMEM), "not enough space";
    Nomsg = 49, Some(Host::NOMSG), "no message of the desired type";
    Noprotoopt = 50, Some(Host::NOPROTOOPT), "protocol not available";
    Nospc = 51, Some(Host::NOSPC), "no space left on device";
    Nosys = 52, Some(Host::NOSYS), "function not supported";
    Notconn = 53, Some(Host::NOTCONN), "the socket is not connected";
    Notdir = 54, Some(Host::NOTDIR), "not a directory";
    Notempty = 55, Some(Host::NOTEMPTY), "directory not empty";
    Notrecoverable = 56, Some(Host::NOTRECOVERABLE), "state not recoverable";
    Notsock = 57, Some(Host::NOTSOCK), "not a socket";
    Notsup = 58, Some(Host::OPNOTSUPP), "not supported, or operation not supported on socket";
    Notty = 59, Some(Host::NOTTY), "inappropriate I/O control operation";
    Nxio = 60, Some(Host::NXIO), "no such device or address";
    Overflow = 61, Some(Host::OVERFLOW), "value too large to be stored in data type";
    Ownerdead = 62, Some(Host::OWNERDEAD), "previous owner died";
    Perm = 63, Some(Host::PERM), "operation not permitted";
    Pipe = 64, Some(Host::PIPE), "broken pipe";
    Proto = 65, Some(Host::PROTO), "protocol error";
    Protonosupport = 66, Some(Host::PROTONOSUPPORT), "protocol not supported";
    Prototype = 67, Some(Host::PROTOTYPE), "protocol wrong type for socket";
    Range = 68, Some(Host::RANGE), "result too large";
    Rofs = 69, Some(Host::ROFS), "read-only file system";
    Spipe = 70, Some(Host::SPIPE), "invalid seek";
    Srch = 71, Some(Host::SRCH), "no such process";
    Stale = 72, Some(Host::STALE), "stale file handle";
    Timedout = 73, Some(Host::TIMEDOUT), "connection timed out";
    Txtbsy = 74, Some(Host::TXTBSY), "text file busy";
    Xdev = 75, Some(Host::XDEV), "cross-device link";
    Notcapable = 76, None, "capabilities insufficient";
}

/// Errors of Linux that POSIX does not have, and the nearest error that it has.
const NEAREST: &[(Host, Errno)] = &[
    (Host::BADFD, Errno::Badf),
    (Host::HOSTDOWN, Errno::Hostunreach),
    (Host::KEYEXPIRED, Errno::Acces),
    (Host::NOKEY, Errno::Acces),
    (Host::NOMEDIUM, Errno::Nodev),
    (Host::NODATA, Errno::Nomsg),
    (Host::PFNOSUPPORT, Errno::Afnosupport),
    (Host::SHUTDOWN, Errno::Pipe),
    (Host::SOCKTNOSUPPORT, Errno::Protonosupport),
    (Host::TIME, Errno::Timedout),
    (Host::USERS, Errno::Nfile),
];

impl From<Host> for Errno {
    fn from(host: Host) -> Self {
        let same = Errno::ALL.iter().find(|errno| errno.host() == Some(host));
        let near = || NEAREST.iter().find(|(other, _)| *other == host);
        match same.copied().or_else(|| near().map(|&(_, errno)| errno)) {
            Some(errno) => errno,
            None => {
                log::warn!("WASI has no number for the system's error `{host}`; saying EIO");
                Errno::Io
            }
        }
    }
}

impl From<io::Error> for Errno {
    fn from(error: io::Error) -> Self {
        if let Some(code) = error.raw_os_error() {
            return Host::from_raw_os_error(code).into();
        }
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        if let Some(&errno) = inner {
            return errno;
        }
        match error.kind() {
            // Not `Acces`: this is how `cap-std` reports a path that leads out of a directory.
            io::ErrorKind::PermissionDenied => Errno::Perm,
            io::ErrorKind::NotFound => Errno::Noent,
            io::ErrorKind::AlreadyExists => Errno::Exist,
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => Errno::Inval,
            io::ErrorKind::WouldBlock => Errno::Again,
            io::ErrorKind::Interrupted => Errno::Intr,
            io::ErrorKind::BrokenPipe => Errno::Pipe,
            io::ErrorKind::TimedOut => Errno::Timedout,
            io::ErrorKind::OutOfMemory => Errno::Nomem,
            io::ErrorKind::StorageFull | io::ErrorKind::WriteZero => Errno::Nospc,
            io::ErrorKind::Unsupported => Errno::Notsup,
            _ => Errno::Io,
        }
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl std::error::Error for Errno {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_specification() {
        for (index, &errno) in Errno::ALL.iter().enumerate() {
            assert_eq!(errno as usize, index + 1, "{errno:?}");
        }
        assert_eq!(Errno::ALL.len(), 76);
    }

    #[test]
    fn every_error_of_the_system_has_a_number() {
        for code in 1..=133 {
            let errno = Errno::from(io::Error::from_raw_os_error(code));
            let back = errno.host().map(Host::raw_os_error);
            let near = NEAREST.iter().any(|(host, _)| host.raw_os_error() == code);
            assert!(
                back == Some(code) || near || errno == Errno::Io,
                "{code} became {errno:?}"
            );
        }
        for (host, errno) in [
            (Host::XDEV, Errno::Xdev),
            (Host::NXIO, Errno::Nxio),
            (Host::TXTBSY, Errno::Txtbsy),
            (Host::NOTTY, Errno::Notty),
            (Host::ROFS, Errno::Rofs),
            (Host::OPNOTSUPP, Errno::Notsup),
        ] {
            assert_eq!(Errno::from(host), errno);
        }
    }
}
