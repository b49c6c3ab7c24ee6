//! A module with a store of its own, and what its functions are lent for a call.

use super::{GuestMemory, GuestValue, Ptr};
#[cfg(feature = "wasi")]
use crate::wasi::WasiCtx;
use crate::{
    AsContextMut, Caller, Func, Global, Instance, IntoFunc, Linker, Memory, Module, Printable, Ref,
    Result, Store, Table, TypedFunc, ValType, WasmParams, WasmResults,
};

/// The data of a [`Library`]'s store.
#[derive(Debug)]
pub struct State<H> {
    /// What the host's functions use.
    pub host: H,
    /// What WASI's functions use, if the module imports them.
    #[cfg(feature = "wasi")]
    pub wasi: Option<Box<WasiCtx>>,
    /// The module's instance and memory, once it is instantiated.
    instance: Option<Instance>,
    memory: Option<Memory>,
}

impl<H: Send + 'static> State<H> {
    /// The state of a module that imports no WASI.
    pub fn new(host: H) -> Self {
        Self {
            host,
            #[cfg(feature = "wasi")]
            wasi: None,
            instance: None,
            memory: None,
        }
    }

    /// The state of a module that imports WASI.
    #[cfg(feature = "wasi")]
    pub fn with_wasi(host: H, wasi: WasiCtx) -> Self {
        Self {
            wasi: Some(Box::new(wasi)),
            ..Self::new(host)
        }
    }

    /// What WASI's functions use.
    ///
    /// # Panics
    ///
    /// If the state was made without.
    #[cfg(feature = "wasi")]
    pub fn wasi_mut(&mut self) -> &mut WasiCtx {
        self.wasi
            .as_mut()
            .expect("a module that imports WASI has a state with it")
    }

    /// The exported function of this name and type, for a callback that calls the module again.
    ///
    /// # Errors
    ///
    /// If there is none, it has another type, or the module is still being instantiated.
    pub fn func<P: WasmParams, R: WasmResults>(
        caller: &mut Caller<'_, Self>,
        name: &str,
    ) -> Result<TypedFunc<P, R>> {
        match caller.data().instance {
            Some(instance) => instance.get_typed_func(caller, name),
            None => anyhow::bail!("`{name}` can't be called while the module is instantiated"),
        }
    }

    /// The memory of the module that calls a host function, and the host that it is a function of.
    ///
    /// # Errors
    ///
    /// If the module has no memory.
    pub fn of<'a>(caller: &'a mut Caller<'_, Self>) -> Result<(GuestMemory<'a>, &'a mut H)> {
        let memory = match caller.data().memory {
            Some(memory) => memory,
            // While the module is being instantiated.
            None => match caller
                .get_export("memory")
                .and_then(crate::Extern::into_memory)
            {
                Some(memory) => memory,
                None => anyhow::bail!("the module exports no memory for its host's functions"),
            },
        };
        let (bytes, state) = memory.data_and_store_mut(caller.as_context_mut());
        Ok((GuestMemory::new(bytes), &mut state.host))
    }
}

/// How the module's own memory is taken and given back.
#[derive(Clone, Copy, Debug)]
enum Allocator {
    /// The names of the exports that are missing.
    Missing(&'static str),
    Malloc {
        malloc: TypedFunc<u32, u32>,
        free: TypedFunc<u32, ()>,
    },
    /// The allocator of the component model's guests: old address, old size, alignment, new size.
    /// It has no function that gives back.
    Realloc(TypedFunc<(u32, u32, u32, u32), u32>),
}

/// The most bytes of a loan that lies in the block kept for loans: larger ones are allocated for
/// one call.
const SMALL: u32 = 16 << 10;

/// The bytes of the block that is kept for loans.
const BLOCK: u32 = 64 << 10;

/// The alignment of every loan, the largest of C's numbers.
const LOAN_ALIGN: u32 = 16;

/// Memory of the module that its functions are lent for the time of a call.
#[derive(Debug, Default)]
struct Loans {
    /// The block for small loans: its address, or 0 if it has not been needed yet.
    block: u32,
    /// The bytes of it that are lent.
    used: u32,
    /// Blocks of their own, with their sizes.
    large: Vec<(u32, u32)>,
    /// Blocks of earlier loans that the module's allocator doesn't take back.
    kept: Vec<(u32, u32)>,
}

/// A module with a store of its own, whose functions are called with Rust's values.
///
/// Not shared by threads: each has a library of its own, of one [`Module`].
#[derive(Debug)]
pub struct Library<H: Send + 'static> {
    store: Store<State<H>>,
    instance: Instance,
    memory: Option<Memory>,
    table: Option<Table>,
    allocator: Allocator,
    loans: Loans,
    /// Places of the table that have a callback.
    callbacks: Vec<u32>,
    /// Places of the table that had a callback which was removed.
    vacant: Vec<u32>,
}

impl<H: Send + 'static> Library<H> {
    /// Instantiates a module, and initializes it if it is a WASI reactor (`_initialize`).
    ///
    /// Memory for loans is taken by `malloc` and `free`, or else by `cabi_realloc`; without either,
    /// functions that take no more than numbers can be called.
    ///
    /// # Errors
    ///
    /// If an import is missing or does not fit, a limit is reached, or the module traps.
    pub fn new(module: &Module, state: State<H>, linker: &Linker<State<H>>) -> Result<Self> {
        let store = Store::new(module.engine(), state);
        Self::with_store(module, store, linker, ["malloc", "free"])
    }

    /// Like [`new`](Self::new), in a store that has for example limits, and with the names of
    /// functions as `malloc` and `free`.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn with_store(
        module: &Module,
        mut store: Store<State<H>>,
        linker: &Linker<State<H>>,
        [malloc, free]: [&'static str; 2],
    ) -> Result<Self> {
        let instance = linker.instantiate(&mut store, module)?;
        let memory = instance.get_memory(&mut store, "memory");
        store.data_mut().memory = memory;
        store.data_mut().instance = Some(instance);
        if let Ok(initialize) = instance.get_typed_func::<(), ()>(&mut store, "_initialize") {
            initialize.call(&mut store, ())?;
        }
        let typed_malloc = instance.get_typed_func(&mut store, malloc);
        let typed_free = instance.get_typed_func(&mut store, free);
        let allocator = match (typed_malloc, typed_free) {
            (Ok(malloc), Ok(free)) => Allocator::Malloc { malloc, free },
            _ => match instance.get_typed_func(&mut store, "cabi_realloc") {
                Ok(realloc) => Allocator::Realloc(realloc),
                Err(_) => Allocator::Missing(malloc),
            },
        };
        let table = instance.get_table(&mut store, "__indirect_function_table");
        Ok(Self {
            store,
            instance,
            memory,
            table,
            allocator,
            loans: Loans::default(),
            callbacks: Vec::new(),
            vacant: Vec::new(),
        })
    }

    /// The exported function of this name and type.
    ///
    /// # Errors
    ///
    /// If there is none, or it has another type.
    pub fn func<P: WasmParams, R: WasmResults>(&mut self, name: &str) -> Result<TypedFunc<P, R>> {
        self.instance.get_typed_func(&mut self.store, name)
    }

    /// The exported global of this name, whose values are of this type.
    ///
    /// # Errors
    ///
    /// If there is none, or it has another type.
    pub fn global(&mut self, name: &str, ty: ValType) -> Result<Global> {
        let global = self.instance.get_global(&mut self.store, name);
        let Some(global) = global else {
            anyhow::bail!("no global is exported as `{}`", Printable(name));
        };
        let found = global.ty(&self.store).content();
        anyhow::ensure!(
            found == ty,
            "the exported global `{}` is of the type {found}, not {ty}",
            Printable(name)
        );
        Ok(global)
    }

    /// The module's instance.
    pub fn instance(&self) -> Instance {
        self.instance
    }

    /// The store.
    pub fn store(&self) -> &Store<State<H>> {
        &self.store
    }

    /// The store, for calls, limits and deadlines.
    pub fn store_mut(&mut self) -> &mut Store<State<H>> {
        &mut self.store
    }

    /// What the host's functions use.
    pub fn host(&self) -> &H {
        &self.store.data().host
    }

    /// What the host's functions use.
    pub fn host_mut(&mut self) -> &mut H {
        &mut self.store.data_mut().host
    }

    /// The module's memory. What is borrowed from it can't outlive the next call, which may grow or
    /// change it.
    ///
    /// # Errors
    ///
    /// If the module exports no `memory` with 32-bit addresses that one thread uses.
    pub fn memory(&mut self) -> Result<GuestMemory<'_>> {
        let Some(memory) = self.memory else {
            anyhow::bail!("the module exports no memory of the name `memory`");
        };
        Ok(GuestMemory::new(memory.data_mut(&mut self.store)))
    }

    /// Takes memory for so many values from the module's allocator. It is not initialized.
    ///
    /// # Errors
    ///
    /// If the module has no allocator, or no memory left, or traps.
    pub fn alloc<T: GuestValue>(&mut self, count: u32) -> Result<Ptr<T>> {
        let size = u64::from(count) * T::SIZE as u64;
        self.alloc_bytes(size, T::ALIGN as u32).map(Ptr::at)
    }

    /// Gives memory back to the module's allocator: what [`alloc`](Self::alloc) has returned, or
    /// the module has given away. Null is ignored.
    ///
    /// # Errors
    ///
    /// If the module has no function for it, or traps.
    pub fn free<T>(&mut self, memory: Ptr<T>) -> Result<()> {
        match self.allocator {
            _ if memory.is_null() => Ok(()),
            Allocator::Malloc { free, .. } => free.call(&mut self.store, memory.address()),
            Allocator::Realloc(_) => anyhow::bail!("`cabi_realloc` can't give memory back"),
            Allocator::Missing(name) => Err(no_allocator(name)),
        }
    }

    fn alloc_bytes(&mut self, size: u64, align: u32) -> Result<u32> {
        let Ok(size @ 0..0x8000_0000) = u32::try_from(size) else {
            anyhow::bail!("{size} bytes are too many for a module's memory");
        };
        let address = match self.allocator {
            // C may return null for nothing.
            Allocator::Malloc { malloc, .. } => malloc.call(&mut self.store, size.max(1))?,
            Allocator::Realloc(realloc) => {
                realloc.call(&mut self.store, (0, 0, align, size.max(1)))?
            }
            Allocator::Missing(name) => return Err(no_allocator(name)),
        };
        anyhow::ensure!(
            address != 0,
            "the module has no memory left for {size} bytes"
        );
        self.memory()?.bytes(Ptr::at(address), size)?;
        Ok(address)
    }

    /// Copies values to memory that is the function's until [`end_loans`](Self::end_loans), and
    /// returns its address. Small loans take no call into the module. Those of a call that failed
    /// stay until then, too: bindings end them before the next call that lends.
    ///
    /// # Errors
    ///
    /// As of [`alloc`](Self::alloc).
    pub fn lend<T: GuestValue>(&mut self, values: &[T]) -> Result<u32> {
        let address = self.loan(values.len() as u64 * T::SIZE as u64)?;
        self.memory()?.write_all(Ptr::at(address), values)?;
        Ok(address)
    }

    /// Lends text with a zero behind it.
    ///
    /// # Errors
    ///
    /// If the text itself has a zero, and as of [`alloc`](Self::alloc).
    pub fn lend_c_text(&mut self, text: &str) -> Result<u32> {
        anyhow::ensure!(
            !text.contains('\0'),
            "text with a zero in it can't be passed as text that ends with one"
        );
        let address = self.loan(text.len() as u64 + 1)?;
        let bytes = Ptr::<u8>::at(address);
        let mut memory = self.memory()?;
        memory.write_all(bytes, text.as_bytes())?;
        memory.write(bytes.element(text.len() as u32), &0)?;
        Ok(address)
    }

    /// Lends memory for one value, filled with zeroes.
    ///
    /// # Errors
    ///
    /// As of [`alloc`](Self::alloc).
    pub fn lend_zeroes<T: GuestValue>(&mut self) -> Result<u32> {
        let address = self.loan(T::SIZE as u64)?;
        let size = T::SIZE as u32;
        self.memory()?.bytes_mut(Ptr::at(address), size)?.fill(0);
        Ok(address)
    }

    fn loan(&mut self, size: u64) -> Result<u32> {
        if size > u64::from(SMALL) {
            return self.large_loan(size);
        }
        if self.loans.block == 0 {
            self.loans.block = self.alloc_bytes(BLOCK.into(), LOAN_ALIGN)?;
        }
        // The allocator need not have aligned the block.
        let from = self.loans.block + self.loans.used;
        let gap = from.wrapping_neg() % LOAN_ALIGN;
        let used = self.loans.used + gap + size as u32;
        if used > BLOCK {
            return self.large_loan(size);
        }
        self.loans.used = used;
        Ok(from + gap)
    }

    /// A loan with a block of its own.
    fn large_loan(&mut self, size: u64) -> Result<u32> {
        let fits = |kept: &(u32, u32)| u64::from(kept.1) >= size;
        let block = match self.loans.kept.iter().position(fits) {
            Some(index) => self.loans.kept.swap_remove(index),
            None => (self.alloc_bytes(size, LOAN_ALIGN)?, size as u32),
        };
        self.loans.large.push(block);
        Ok(block.0)
    }

    /// Takes back what was lent.
    ///
    /// # Errors
    ///
    /// If the module traps as it frees a large loan. All loans have ended, also then.
    pub fn end_loans(&mut self) -> Result<()> {
        self.loans.used = 0;
        let mut result = Ok(());
        while let Some(block) = self.loans.large.pop() {
            match self.allocator {
                Allocator::Malloc { free, .. } => {
                    result = result.and(free.call(&mut self.store, block.0));
                }
                _ => self.loans.kept.push(block),
            }
        }
        result
    }

    /// The text at an address that a function has returned, up to a zero; `None` for null.
    ///
    /// # Errors
    ///
    /// If there is no zero, or it is no UTF-8.
    pub fn c_text(&mut self, at: u32) -> Result<Option<String>> {
        match at {
            0 => Ok(None),
            at => Ok(Some(self.memory()?.c_text(Ptr::at(at))?.to_owned())),
        }
    }

    /// Makes a function of Rust one of the module's: the result is what C calls a function pointer.
    ///
    /// # Errors
    ///
    /// If the module does not export its table of functions (for clang: `-Wl,--export-table
    /// -Wl,--growable-table`), or the table can't grow.
    pub fn add_callback<P, R>(&mut self, function: impl IntoFunc<State<H>, P, R>) -> Result<u32> {
        let Some(table) = self.table else {
            anyhow::bail!(
                "callbacks need the module's table of functions as an export \
                 (for clang: `-Wl,--export-table -Wl,--growable-table`)"
            );
        };
        let function = Func::wrap(&mut self.store, function);
        let reference = Ref::Func(Some(function));
        let index = match self.vacant.pop() {
            Some(index) => {
                table.set(&mut self.store, index.into(), reference)?;
                index
            }
            None => u32::try_from(table.grow(&mut self.store, 1, reference)?)?,
        };
        self.callbacks.push(index);
        Ok(index)
    }

    /// Removes a callback: a module that calls it nevertheless traps, or calls a later one.
    ///
    /// # Errors
    ///
    /// If there is no callback at the index.
    pub fn remove_callback(&mut self, index: u32) -> Result<()> {
        let place = self
            .callbacks
            .iter()
            .position(|&callback| callback == index);
        let (Some(place), Some(table)) = (place, self.table) else {
            anyhow::bail!("there is no callback {index}");
        };
        table.set(&mut self.store, index.into(), Ref::Func(None))?;
        self.callbacks.swap_remove(place);
        self.vacant.push(index);
        Ok(())
    }
}

fn no_allocator(malloc: &str) -> crate::Error {
    anyhow::anyhow!(
        "the module exports neither `{malloc}` with what frees its memory, nor `cabi_realloc`, so \
         that nothing but numbers can be passed to it"
    )
}
