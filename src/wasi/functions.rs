//! The one table of WASI functions, and the adapters from WebAssembly's calls to [`p1`].

use super::abi::Preview;
use super::call::{Call, Failure};
use super::ctx::WasiCtx;
use super::memory::GuestMemory;
use super::p1;
use super::wait::Waiter;
use crate::{Caller, Error, Exit, Extern, Linker, Result};

/// The name of preview 1 in imports.
const PREVIEW_1: &str = "wasi_snapshot_preview1";
/// The name of preview 0, which old toolchains still emit: the same functions, but a few structs
/// differ.
const PREVIEW_0: &str = "wasi_unstable";

/// Expands a macro with the functions that both previews have, by their WebAssembly parameters. All
/// return an `errno`.
macro_rules! for_each_function {
    ($macro:ident!($($args:tt)*)) => { $macro! { $($args)*;
        args_get(argv: i32, argv_buf: i32);
        args_sizes_get(argc: i32, argv_buf_size: i32);
        environ_get(environ: i32, environ_buf: i32);
        environ_sizes_get(count: i32, buf_size: i32);
        clock_res_get(id: i32, resolution: i32);
        clock_time_get(id: i32, precision: i64, time: i32);
        fd_advise(fd: i32, offset: i64, len: i64, advice: i32);
        fd_allocate(fd: i32, offset: i64, len: i64);
        fd_close(fd: i32);
        fd_datasync(fd: i32);
        fd_fdstat_get(fd: i32, stat: i32);
        fd_fdstat_set_flags(fd: i32, flags: i32);
        fd_fdstat_set_rights(fd: i32, base: i64, inheriting: i64);
        fd_filestat_get(fd: i32, stat: i32);
        fd_filestat_set_size(fd: i32, size: i64);
        fd_filestat_set_times(fd: i32, atim: i64, mtim: i64, flags: i32);
        fd_pread(fd: i32, iovs: i32, iovs_len: i32, offset: i64, nread: i32);
        fd_prestat_get(fd: i32, prestat: i32);
        fd_prestat_dir_name(fd: i32, path: i32, path_len: i32);
        fd_pwrite(fd: i32, iovs: i32, iovs_len: i32, offset: i64, nwritten: i32);
        fd_read(fd: i32, iovs: i32, iovs_len: i32, nread: i32);
        fd_readdir(fd: i32, buf: i32, buf_len: i32, cookie: i64, used: i32);
        fd_renumber(fd: i32, to: i32);
        fd_seek(fd: i32, delta: i64, whence: i32, offset: i32);
        fd_sync(fd: i32);
        fd_tell(fd: i32, offset: i32);
        fd_write(fd: i32, iovs: i32, iovs_len: i32, nwritten: i32);
        path_create_directory(fd: i32, path: i32, path_len: i32);
        path_filestat_get(fd: i32, flags: i32, path: i32, path_len: i32, stat: i32);
        path_filestat_set_times(
            fd: i32, flags: i32, path: i32, path_len: i32, atim: i64, mtim: i64, fst_flags: i32
        );
        path_link(
            old_fd: i32, flags: i32, old: i32, old_len: i32, new_fd: i32, new: i32, new_len: i32
        );
        path_open(
            fd: i32, dirflags: i32, path: i32, path_len: i32, oflags: i32,
            base: i64, inheriting: i64, fdflags: i32, opened: i32
        );
        path_readlink(fd: i32, path: i32, path_len: i32, buf: i32, buf_len: i32, used: i32);
        path_remove_directory(fd: i32, path: i32, path_len: i32);
        path_rename(fd: i32, old: i32, old_len: i32, new_fd: i32, new: i32, new_len: i32);
        path_symlink(old: i32, old_len: i32, fd: i32, new: i32, new_len: i32);
        path_unlink_file(fd: i32, path: i32, path_len: i32);
        poll_oneoff(subscriptions: i32, events: i32, count: i32, nevents: i32);
        proc_raise(signal: i32);
        sched_yield();
        random_get(buf: i32, buf_len: i32);
        sock_recv(fd: i32, iovs: i32, iovs_len: i32, flags: i32, nread: i32, out_flags: i32);
        sock_send(fd: i32, iovs: i32, iovs_len: i32, flags: i32, nwritten: i32);
        sock_shutdown(fd: i32, how: i32);
    } };
}

/// Defines the functions of a table in a linker.
macro_rules! define_functions {
    (
        $linker:ident $get:ident $module:ident $preview:ident;
        $($name:ident($($arg:ident: $ty:ty),*);)*
    ) => {$(
        let name = stringify!($name);
        $linker.func_wrap($module, name, move |mut caller: Caller<'_, T>, $($arg: $ty),*| {
            let memory = caller.get_export("memory").ok_or_else(no_memory)?;
            let waiter = Waiter::new(caller.interruption());
            let (memory, data) = match memory {
                Extern::Memory(memory) => {
                    let (bytes, data) = memory.data_and_store_mut(&mut caller);
                    (GuestMemory::new(bytes), data)
                }
                Extern::SharedMemory(memory) => (GuestMemory::Shared(memory), caller.data_mut()),
                _ => return Err(no_memory()),
            };
            let ctx = match $get(data).lock(|| waiter.check()) {
                Ok(ctx) => ctx,
                Err(failure) => return errno(Err(failure)),
            };
            let mut call = Call {
                ctx,
                memory,
                waiter,
                preview: Preview::$preview,
            };
            errno(p1::$name(&mut call, $($arg.cast_unsigned()),*))
        })?;
    )*};
}

/// Defines all functions of WASI preview 1, and of its predecessor `wasi_unstable`, in a linker.
///
/// `get` returns the context in the store's data.
///
/// # Errors
///
/// If one of the names is taken.
pub fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    get: impl Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static,
) -> Result<()> {
    add_preview_1(linker, get)?;
    add_preview_0(linker, get)?;
    for module in [PREVIEW_1, PREVIEW_0] {
        linker.func_wrap(module, "proc_exit", |code: i32| -> Result<()> {
            Err(Exit(code).into())
        })?;
    }
    Ok(())
}

fn add_preview_1<T: Send + 'static>(
    linker: &mut Linker<T>,
    get: impl Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static,
) -> Result<()> {
    for_each_function!(define_functions!(linker get PREVIEW_1 One));
    define_functions! { linker get PREVIEW_1 One;
        sock_accept(fd: i32, flags: i32, accepted: i32);
    }
    Ok(())
}

fn add_preview_0<T: Send + 'static>(
    linker: &mut Linker<T>,
    get: impl Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static,
) -> Result<()> {
    for_each_function!(define_functions!(linker get PREVIEW_0 Zero));
    Ok(())
}

fn no_memory() -> Error {
    anyhow::anyhow!("a module that calls WASI must export a memory as `memory`")
}

/// The function's result for the guest: the number of an error, or 0. Failures that end the guest
/// stay errors.
fn errno(result: super::call::Result) -> Result<i32> {
    match result {
        Ok(()) => Ok(0),
        Err(Failure::Errno(errno)) => Ok(errno as i32),
        Err(Failure::Stop(error)) => Err(error),
    }
}
