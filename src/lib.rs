//! A WebAssembly runtime that tiers up: every function starts in a one-pass baseline JIT, hot ones
//! are recompiled with Cranelift in the background.
//!
//! The API follows [Wasmtime's](https://docs.rs/wasmtime) names and argument order:
//!
//! ```
//! # #[cfg(feature = "wat")]
//! # fn main() -> upshift::Result<()> {
//! use upshift::{Engine, Instance, Module, Store};
//!
//! let engine = Engine::default();
//! let module = Module::new(&engine, r#"
//!     (module (func (export "add") (param i32 i32) (result i32)
//!         (i32.add (local.get 0) (local.get 1))))
//! "#)?;
//! let mut store = Store::new(&engine, ());
//! let instance = Instance::new(&mut store, &module, &[])?;
//! let add = instance.get_typed_func::<(i32, i32), i32>(&mut store, "add")?;
//! assert_eq!(add.call(&mut store, (40, 2))?, 42);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "wat"))]
//! # fn main() {}
//! ```
//!
//! - [`Config`] and [`Engine`]: how code is compiled and when functions change tiers;
//! - [`Module`]: a loaded module, shared by all threads;
//! - [`Store`], [`Instance`] and the handles [`Func`], [`Memory`], [`Table`], [`Global`], [`Tag`],
//!   [`ExternRef`]: what runs, on one thread at a time; [`SharedMemory`]: what stores on several
//!   threads have in common;
//! - [`ResourceLimiter`] and [`StoreLimits`]: limits of what a store may allocate;
//! - [`guest`]: what typed bindings of a module are made of;
//! - [`TypedFunc::call_async`](TypedFunc#method.call_async) and
//!   [`Func::wrap_async`](Func#method.wrap_async): calls and host functions that are futures
//!   (feature `async`);
//! - [`Linker`]: imports by name; [`wasi`] fills one (feature `wasi`);
//! - [`Error`]: one opaque error with typed leaves: [`Trap`], [`WasmBacktrace`], [`Exit`], ….
//!
//! # Invariants
//!
//! - The only crate that names both compilers.
//! - A guest can't make the host panic; using a handle with another store than its own does.
//! - Unsafe code is in two private modules, `words` and `func`. They promise the runtime that
//!   values have the types that it was told. A third one, `module::serialized`, has functions whose
//!   callers vouch for code that was kept.

#![deny(unsafe_code)]

mod backtrace;
mod cache;
mod compat;
mod config;
mod coredump;
mod engine;
mod error;
mod exnref;
mod externref;
mod func;
mod global;
pub mod guest;
mod handle;
mod instance;
mod instance_pre;
mod jitdump;
pub mod knobs;
mod linker;
mod memory;
mod module;
pub mod observe;
mod resource_table;
mod shared_memory;
mod store;
#[cfg(feature = "addr2line")]
mod symbols;
mod table;
mod tag;
mod tiers;
mod types;
mod v128;
mod val;
#[cfg(feature = "wasi")]
pub mod wasi;
mod words;

#[doc(no_inline)]
pub use upshift_abi::CompiledFunction;
#[doc(no_inline)]
pub use upshift_abi::WasmOffset;
pub use upshift_abi::counted::CountedSite;
pub use upshift_abi::hints;
pub use upshift_abi::targets::KnownTarget;
pub use upshift_abi::{Printable, PrintableLines};
#[cfg(feature = "bindgen")]
pub use upshift_bindgen_macro::bindgen;
pub use upshift_profiler as profiler;
#[cfg(feature = "async")]
pub use upshift_runtime::ResourceLimiterAsync;
pub use upshift_runtime::stack::available as available_stack;
pub use upshift_runtime::{
    ArmedTimeout, CallHook, CodeStats, DEFAULT_INSTANCE_LIMIT, DEFAULT_MEMORY_LIMIT,
    DEFAULT_TABLE_LIMIT, InterruptHandle, Interruption, ResourceLimiter, StoreLimits,
    StoreLimitsBuilder, ThreadClock, UpdateDeadline, WaitClock,
};
pub use upshift_tiering as tiering;
pub use upshift_tiering::{ModuleDigest, ModuleProfile, ProfileError};

pub use backtrace::{FrameInfo, FrameKind, FrameSymbol, WasmBacktrace, WasmBacktraceDetails};
pub use cache::CacheConfig;
pub use config::{CodeMapping, Config, OptLevel, Regalloc, Strategy, Switching};
pub use coredump::WasmCoreDump;
pub use engine::Engine;
pub use error::{
    Error, Exit, I32Exit, LinkError, MissingFeature, Result, ThrownException, Tier, TimedOut, Trap,
    UnknownImport,
};
pub use exnref::ExnRef;
pub use externref::{ExternRef, RootScope};
pub use func::{
    Caller, Func, IntoFunc, TypedFunc, ValRaw, WasmParams, WasmResults, WasmRet, WasmTy,
};
pub use global::Global;
pub use instance::{Export, Extern, Instance};
pub use instance_pre::InstancePre;
pub use jitdump::JitDump;
pub use linker::Linker;
pub use memory::{Memory, MemoryAccessError};
pub use module::{CountedFunction, Dump, Module, Precompiled, SerializedError};
pub use resource_table::{Resource, ResourceTable, ResourceTableError};
pub use shared_memory::{SharedMemory, WaitResult};
#[cfg(feature = "async")]
pub use store::CallHookHandler;
pub use store::{AsContext, AsContextMut, Store, StoreContext, StoreContextMut};
pub use table::Table;
pub use tag::Tag;
pub use types::{
    ExportType, ExternType, FuncType, GlobalType, HeapType, ImportType, MemoryType,
    MemoryTypeBuilder, Mutability, RefType, TableType, TagType, ValType,
};
pub use upshift_abi::{Feature, FeatureConflict, MemoryBounds, SpectreMitigation};
pub use v128::V128;
pub use val::{Ref, Val};
