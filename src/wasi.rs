//! WASI preview 1.
//!
//! A [`WasiCtx`] contains what a guest can access: arguments, environment, standard streams,
//! directories. It lives in the store's data; [`add_to_linker`] gets a function that returns it
//! from there.
//!
//! ```no_run
//! # fn main() -> upshift::Result<()> {
//! use upshift::wasi::{WasiCtx, WasiCtxBuilder, add_to_linker};
//! use upshift::{Engine, Linker, Module, Store};
//!
//! let engine = Engine::default();
//! let mut linker = Linker::<WasiCtx>::new(&engine);
//! add_to_linker(&mut linker, |wasi| wasi)?;
//!
//! let mut builder = WasiCtxBuilder::new();
//! builder.arg("hello").inherit_stdio().preopened_dir(".", "/")?;
//! let mut store = Store::new(&engine, builder.build()?);
//! let module = Module::from_file(&engine, "hello.wasm")?;
//! let instance = linker.instantiate(&mut store, &module)?;
//! instance.get_typed_func::<(), ()>(&mut store, "_start")?.call(&mut store, ())?;
//! # Ok(())
//! # }
//! ```
//!
//! A file of a guest can also be implemented by the embedder: a [`WasiFile`], of which [`pipe`] has
//! ready-made ones. So can its clocks and random bytes: [`VirtualClocks`], [`SeededRandom`].
//!
//! # Invariants
//!
//! - No call ends the guest, except `proc_exit` and an interruption: every other failure is an
//!   [`Errno`].
//! - What a guest makes this process store is bounded: descriptors by
//!   [`max_descriptors`](WasiCtxBuilder::max_descriptors), everything else by the length of one
//!   call.
//! - A call that waits does so in `wait`, where an interruption of the store ends it.
//! - The guest's memory is the caller's export `memory`, borrowed for the length of one call; if it
//!   is shared, bytes are copied.
//! - Threads of a guest use its context one after the other. None of them waits for a descriptor or
//!   for time meanwhile, but the system's work on files and directories (`fd_sync`, say) is done,
//!   and the embedder's files, clocks and random numbers are called. The others wait for that until
//!   it ends or their store is interrupted.

mod abi;
mod call;
mod clock;
mod ctx;
mod dir;
mod errno;
mod file;
mod functions;
mod host_file;
mod memory;
mod p1;
pub mod pipe;
mod random;
mod socket;
mod strings;
mod table;
mod threads;
mod turns;
mod wait;

pub use abi::{ClockId, FdFlags, FileStat, FileType, ReceiveFlags, ShutdownFlags};
pub use clock::{Sleep, SystemClocks, VirtualClocks, WasiClocks};
pub use ctx::{WasiCtx, WasiCtxBuilder};
pub use dir::DirAccess;
pub use errno::Errno;
pub use file::{Access, Advice, Cut, Interest, Readiness, SetTime, Synchronize, WasiFile};
pub use functions::add_to_linker;
pub use host_file::HostFile;
pub use random::{SeededRandom, SystemRandom, WasiRandom};
pub use threads::{DEFAULT_THREAD_LIMIT, WasiThreads};
