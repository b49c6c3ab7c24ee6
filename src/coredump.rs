//! Core dumps: the state of a store where WebAssembly failed, for debuggers.

mod write;

use std::fmt;
use std::io::{self, Write};

use upshift_runtime as runtime;
use upshift_runtime::{CoreFrame, MemoryId, Store as RawStore, StoreId};

use crate::backtrace::FrameInfo;
use crate::handle::Handle;
use crate::val::raw_mut;
use crate::{AsContext, AsContextMut, Global, Instance, Memory, Module};

/// The state of a store where WebAssembly failed: the frames with their locals and operands, and
/// which modules, instances, memories and globals there were.
///
/// With [`Config::coredump_on_trap`](crate::Config::coredump_on_trap), the errors of traps, of host
/// functions and of deadlines have one, found by `downcast_ref`. Memories and globals are not
/// copied: they are read when the dump is [serialized](Self::serialize), so that is to be done
/// before anything else runs in the store.
///
/// ```
/// # #[cfg(feature = "wat")]
/// # fn main() -> upshift::Result<()> {
/// use upshift::{Config, Engine, Instance, Module, Store, WasmCoreDump};
///
/// let engine = Engine::new(Config::new().coredump_on_trap(true))?;
/// let module = Module::new(&engine, r#"(module $crashes
///     (memory 1) (data (i32.const 8) "evidence")
///     (func (export "crash") (unreachable)))"#)?;
/// let mut store = Store::new(&engine, ());
/// let instance = Instance::new(&mut store, &module, &[])?;
/// let crash = instance.get_typed_func::<(), ()>(&mut store, "crash")?;
/// let error = crash.call(&mut store, ()).unwrap_err();
/// let dump: &WasmCoreDump = error.downcast_ref().unwrap();
/// assert_eq!(dump.frames()[0].func_name(), Some("crash"));
/// let bytes = dump.serialize(&mut store, "crashes.wasm");
/// assert!(bytes.windows(8).any(|part| part == b"evidence"));
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "wat"))]
/// # fn main() {}
/// ```
pub struct WasmCoreDump {
    store: StoreId,
    frames: Vec<FrameInfo>,
    /// The same frames, with instances and values.
    details: Vec<CoreFrame>,
    omitted: usize,
    modules: Vec<Module>,
    instances: Vec<Instance>,
    globals: Vec<Global>,
    memories: Vec<Memory>,
    /// All memories, shared ones included.
    all_memories: Vec<MemoryId>,
}

impl WasmCoreDump {
    pub(crate) fn new(store: &RawStore, dump: runtime::CoreDump) -> Self {
        let frames = dump.frames.iter().map(|frame| frame.frame.clone());
        let modules = dump.modules.iter();
        let instances = dump.instances.into_iter();
        let globals = dump.globals.into_iter();
        let memories = dump.memories.iter().copied();
        let own = memories.filter(|&memory| store.shared_memory(memory).is_none());
        Self {
            store: dump.store,
            frames: frames.map(FrameInfo::new).collect(),
            details: dump.frames,
            omitted: dump.omitted,
            modules: modules
                .filter_map(|module| module.downcast_ref::<Module>().cloned())
                .collect(),
            instances: instances.map(|id| Instance::from_raw(store, id)).collect(),
            globals: globals.map(|id| Global(Handle::new(store, id))).collect(),
            memories: own.map(|id| Memory(Handle::new(store, id))).collect(),
            all_memories: dump.memories,
        }
    }

    /// The frames of WebAssembly, innermost first: at most 4,096 of each end of the stack. Frames
    /// of host functions, which a [`WasmBacktrace`](crate::WasmBacktrace) has, are not among them.
    pub fn frames(&self) -> &[FrameInfo] {
        &self.frames
    }

    /// The number of frames that are left out between the innermost and the outermost ones.
    pub fn omitted(&self) -> usize {
        self.omitted
    }

    /// The modules that were instantiated in the store.
    pub fn modules(&self) -> &[Module] {
        &self.modules
    }

    /// The store's instances.
    pub fn instances(&self) -> &[Instance] {
        &self.instances
    }

    /// The store's globals, of instances and of the host.
    pub fn globals(&self) -> &[Global] {
        &self.globals
    }

    /// The store's memories, of instances and of the host, but for shared ones. (These are in what
    /// is serialized, too.)
    pub fn memories(&self) -> &[Memory] {
        &self.memories
    }

    /// Whether the dump is of this store, with which it can be serialized.
    pub fn belongs_to(&self, store: impl AsContext) -> bool {
        self.store == store.as_context().raw.id()
    }

    /// The dump in the [format of the tool conventions][format], which debuggers read: a module
    /// with sections `core`, `coremodules`, `coreinstances` and `corestack`, and the memories and
    /// globals as they are now. `name` is that of the program.
    ///
    /// Of memories, pages of 4 KiB that are zero are left out, and so is what is not zero beyond 4
    /// GiB. References are written as null. Locals and operands are those at the trap and at each
    /// call. In baseline code they are known, but for operands that the failing instruction has
    /// used up, and registers that an optimized or a host function inside may have changed. In
    /// optimized code none is known, nor where an interruption or the end of the stack has struck.
    /// What is not known, vectors and references are marked as missing. Of a frame of optimized
    /// code the instance is the module's latest in the store, if there are several.
    ///
    /// Cost: reads all memories, twice. [`write_to`](Self::write_to) does not hold the whole.
    ///
    /// # Panics
    ///
    /// If the dump is of another store.
    ///
    /// [format]: https://github.com/WebAssembly/tool-conventions/blob/main/Coredump.md
    pub fn serialize(&self, store: impl AsContextMut, name: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let written = self.write_to(store, name, &mut bytes);
        written.expect("a vector takes all bytes");
        bytes
    }

    /// Writes what [`serialize`](Self::serialize) returns, piece by piece.
    ///
    /// # Errors
    ///
    /// If writing fails.
    ///
    /// # Panics
    ///
    /// If the dump is of another store.
    pub fn write_to(
        &self,
        mut store: impl AsContextMut,
        name: &str,
        to: &mut impl Write,
    ) -> io::Result<()> {
        let raw = raw_mut(&mut store);
        assert!(
            self.store == raw.id(),
            "a core dump was serialized with another store"
        );
        self.write(raw, name, to)
    }
}

/// One line; what the dump contains is for debuggers.
impl fmt::Display for WasmCoreDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a core dump (frames: {}, instances: {}, memories: {}, globals: {})",
            self.frames.len() + self.omitted,
            self.instances.len(),
            self.all_memories.len(),
            self.globals.len()
        )
    }
}

impl fmt::Debug for WasmCoreDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{self}>")
    }
}

impl std::error::Error for WasmCoreDump {}
