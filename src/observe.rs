//! Listening to calls, probing operators and counting: what an embedder learns of a program's run,
//! step by step and exactly.
//!
//! An [`Instrument`] of the engine decides, as each module is loaded, what its code reports; an
//! [`Observer`] of a store is told, while it is [on](Store::set_observing). Counters call nothing:
//! code adds to them in place, and [`Module::counters`] reads them.

mod plan;

use std::borrow::Cow;

use upshift_abi::demangle;
use upshift_abi::observe::{Action, Site};
use upshift_runtime::{CallAbort, ObservedEvent, ObservedFunc, Store as RawStore};

use crate::words::{event_values, probed_value};
use crate::{
    AsContext as _, AsContextMut, Caller, Instance, Module, Result, Store, StoreContextMut, Val,
    WasmOffset,
};

pub(crate) use plan::plan;
pub use plan::{BranchCounter, Instrument, InstrumentedFunc, InstrumentedImport, TableCounter};
pub use upshift_abi::observe::{Block, Operator, OperatorKind};

/// What is told of a store's instrumented code.
///
/// Each call that [`before`](Self::before) was told of has an end that is told, by
/// [`after`](Self::after) or [`abort`](Self::abort), and calls end in the opposite order in which
/// they begin: so a tree of calls is always balanced. What is told and in which order does not
/// depend on the tier of the code that runs, nor on what the optimizer has inlined. The exceptions
/// are calls that are under way when the observer is replaced or
/// [switched off](Store::set_observing): their end is not told.
///
/// All methods run inside of the program, like a host function: they can call functions of the
/// store, and change its memories, globals and fuel. What they call is not told. An error or a
/// panic ends the program's call as that of a host function does. While a method runs, nothing is
/// freed that [`Store::gc`] would free.
///
/// Each call of a method costs about as much as one of a host function through
/// [`Func::new`](crate::Func::new), and a word or two for each value.
#[expect(unused_variables, reason = "names for the documentation")]
pub trait Observer<T: Send + 'static>: Send + Sync + 'static {
    /// A function that is listened to begins, with these arguments.
    ///
    /// # Errors
    ///
    /// End the call: it is told to [`abort`](Self::abort) next.
    fn before(
        &mut self,
        store: StoreContextMut<'_, T>,
        func: &Observed<'_>,
        params: &[Val],
    ) -> Result<()> {
        Ok(())
    }

    /// A function that is listened to returns these results.
    ///
    /// # Errors
    ///
    /// End the call of its caller.
    fn after(
        &mut self,
        store: StoreContextMut<'_, T>,
        func: &Observed<'_>,
        results: &[Val],
    ) -> Result<()> {
        Ok(())
    }

    /// A function that is listened to ends otherwise: by a tail call, or with the call that it is
    /// part of.
    fn abort(&mut self, store: StoreContextMut<'_, T>, func: &Observed<'_>, reason: AbortReason) {}

    /// Control reaches a probe.
    ///
    /// # Errors
    ///
    /// End the function that the probe is in.
    fn probe(
        &mut self,
        store: StoreContextMut<'_, T>,
        func: &Observed<'_>,
        probe: &Probe,
    ) -> Result<()> {
        Ok(())
    }
}

/// The reason why a call ends without returning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AbortReason {
    /// The function makes a tail call: the results of the function that it calls are its own.
    TailCall,
    /// An exception leaves the function.
    Exception,
    /// The function, or one that it has called, has trapped or was interrupted.
    Trap(crate::Trap),
    /// A host function has failed, or an observer or a limiter, or code could not be compiled.
    Error,
    /// A host function or an observer has panicked.
    Panic,
}

impl From<CallAbort> for AbortReason {
    fn from(abort: CallAbort) -> Self {
        match abort {
            CallAbort::TailCall => Self::TailCall,
            CallAbort::Exception => Self::Exception,
            CallAbort::Trap(trap) => Self::Trap(trap),
            CallAbort::Error => Self::Error,
            CallAbort::Panic => Self::Panic,
        }
    }
}

/// The function that something is told of.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    raw: &'a ObservedFunc,
    store: upshift_runtime::StoreId,
}

impl Observed<'_> {
    /// The function's index in its module; of a function of the host, that of the import.
    pub fn index(&self) -> u32 {
        self.raw.func.0
    }

    /// The function's name, if it is known. A hash lookup, and a search through the exports and
    /// imports for one that the name section does not name.
    pub fn name(&self) -> Option<&str> {
        self.raw.module.facts().func_name(self.raw.func)
    }

    /// The names by which a function of the host is imported: of the module to import from, and its
    /// own. `None` for a function of WebAssembly. A search through the imports.
    pub fn import(&self) -> Option<(&str, &str)> {
        let import = self.raw.module.facts().func_import(self.raw.func)?;
        Some((&import.module, &import.name))
    }

    /// The function's name for people: as its programmer wrote it, if a compiler of Rust or C++ has
    /// mangled it (with the feature `demangle`).
    pub fn demangled_name(&self) -> Option<Cow<'_, str>> {
        self.name().map(demangle::shown)
    }

    /// The name of the function's module, if it has one; of a function of the host, of the module
    /// that imports it.
    pub fn module_name(&self) -> Option<&str> {
        self.raw.module.facts().names.module()
    }

    /// The instance that the function is of, or that imports it from the host.
    pub fn instance(&self) -> Instance {
        Instance::of_store(self.store, self.raw.instance)
    }

    /// The number that the function was [listened to](InstrumentedFunc::listen) with; 0 if it is
    /// not.
    pub fn tag(&self) -> u64 {
        self.raw.listener().unwrap_or_default()
    }
}

/// A place that control has reached.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    offset: u32,
    tag: u64,
    operand: Option<Val>,
}

impl Probe {
    /// The operator in front of which control is.
    pub fn offset(&self) -> WasmOffset {
        WasmOffset(self.offset)
    }

    /// The number that the operator was [probed](InstrumentedFunc::probe) with.
    pub fn tag(&self) -> u64 {
        self.tag
    }

    /// The topmost operand, which the operator takes first: the condition of a branch, the index of
    /// a `br_table` or `call_indirect`, the address of a load, the value that a store writes, the
    /// reference that a `call_ref` calls or a `throw_ref` throws. Only of a probe
    /// [for operands](InstrumentedFunc::probe_operand); `None` also if there is no operand in the
    /// block around.
    pub fn operand(&self) -> Option<Val> {
        self.operand
    }

    fn new(site: &Site, operand: Option<Val>) -> Self {
        let tag = match site.action {
            Action::Probe { tag, .. } => tag,
            Action::Count(_) | Action::CountTarget { .. } | Action::TailCall => 0,
        };
        Self {
            offset: site.at.0,
            tag,
            operand,
        }
    }
}

impl<T: Send + 'static> Store<T> {
    /// Sets the observer that is told, from now on, what instrumented code of this store does. It
    /// replaces the one before; calls that are under way end without a word. Without one, what
    /// would be told is dropped.
    ///
    /// ```
    /// # #[cfg(feature = "wat")]
    /// # fn main() -> upshift::Result<()> {
    /// use upshift::observe::{InstrumentedFunc, Observed, Observer};
    /// use upshift::{Config, Engine, Instance, Module, Result, Store, StoreContextMut, Val};
    ///
    /// struct Calls;
    ///
    /// impl Observer<Vec<String>> for Calls {
    ///     fn before(
    ///         &mut self,
    ///         mut store: StoreContextMut<'_, Vec<String>>,
    ///         func: &Observed<'_>,
    ///         params: &[Val],
    ///     ) -> Result<()> {
    ///         let line = format!("{} {params:?}", func.name().unwrap_or_default());
    ///         store.data_mut().push(line);
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let mut config = Config::new();
    /// config.instrument(|func: &mut InstrumentedFunc<'_>| func.listen(0));
    /// let engine = Engine::new(&config)?;
    /// let text = r#"(module
    ///     (func $add (export "add") (param i32 i32) (result i32)
    ///         (i32.add (local.get 0) (local.get 1))))"#;
    /// let module = Module::new(&engine, text)?;
    /// let mut store = Store::new(&engine, Vec::new());
    /// store.observer(Calls);
    /// let instance = Instance::new(&mut store, &module, &[])?;
    /// let add = instance.get_typed_func::<(i32, i32), i32>(&mut store, "add")?;
    /// assert_eq!(add.call(&mut store, (2, 3))?, 5);
    /// assert_eq!(store.data()[..], ["add [I32(2), I32(3)]"]);
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "wat"))]
    /// # fn main() {}
    /// ```
    pub fn observer(&mut self, mut observer: impl Observer<T>) {
        let tell = move |raw: &mut RawStore, func: &ObservedFunc, event: ObservedEvent<'_>| {
            tell(&mut observer, raw, func, event)
        };
        self.as_context_mut().raw.set_observer(Box::new(tell));
    }
}

impl<T: 'static> Store<T> {
    /// Switches the store's observer on or off, as
    /// [`StoreContextMut::set_observing`] does. It is on at first.
    ///
    /// ```
    /// # #[cfg(feature = "wat")]
    /// # fn main() -> upshift::Result<()> {
    /// use upshift::observe::{InstrumentedFunc, Observed, Observer};
    /// use upshift::{Config, Engine, Instance, Module, Result, Store, StoreContextMut, Val};
    ///
    /// struct Count;
    ///
    /// impl Observer<u32> for Count {
    ///     fn before(
    ///         &mut self,
    ///         mut store: StoreContextMut<'_, u32>,
    ///         _: &Observed<'_>,
    ///         _: &[Val],
    ///     ) -> Result<()> {
    ///         *store.data_mut() += 1;
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let mut config = Config::new();
    /// config.instrument(|func: &mut InstrumentedFunc<'_>| func.listen(0));
    /// let engine = Engine::new(&config)?;
    /// let module = Module::new(&engine, r#"(module (func (export "run")))"#)?;
    /// let mut store = Store::new(&engine, 0);
    /// store.observer(Count);
    /// store.set_observing(false);
    /// let instance = Instance::new(&mut store, &module, &[])?;
    /// let run = instance.get_typed_func::<(), ()>(&mut store, "run")?;
    /// run.call(&mut store, ())?;
    /// store.set_observing(true);
    /// run.call(&mut store, ())?;
    /// assert_eq!(*store.data(), 1);
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "wat"))]
    /// # fn main() {}
    /// ```
    pub fn set_observing(&mut self, on: bool) {
        self.as_context_mut().set_observing(on);
    }

    /// Whether the store's observer is switched on, or the next one will be.
    pub fn is_observing(&self) -> bool {
        self.as_context().raw.is_observing()
    }
}

impl<T: 'static> StoreContextMut<'_, T> {
    /// Switches the store's observer on or off: from now on, also in the middle of a call, for
    /// instance by a host function, by an observer, or by what runs at an epoch's deadline
    /// ([`Store::epoch_deadline_callback`]). While it is off, code with listeners and probes looks
    /// at each only whether it is off: two loads, a comparison and a branch, and what a call needs
    /// to have stored in memory. Counters count on.
    ///
    /// Calls that are under way when the observer is switched off end without a word, and so do
    /// those that began while it was off.
    pub fn set_observing(&mut self, on: bool) {
        self.raw.set_observing(on);
    }

    /// Whether the store's observer is switched on, or the next one will be.
    pub fn is_observing(&self) -> bool {
        self.raw.is_observing()
    }
}

impl<T: 'static> Caller<'_, T> {
    /// Switches the store's observer on or off, as [`StoreContextMut::set_observing`] does: for
    /// what follows in the running call, too.
    pub fn set_observing(&mut self, on: bool) {
        self.as_context_mut().set_observing(on);
    }
}

fn tell<T: Send + 'static>(
    observer: &mut impl Observer<T>,
    raw: &mut RawStore,
    func: &ObservedFunc,
    event: ObservedEvent<'_>,
) -> Result<()> {
    let values = event_values(raw, func, &event);
    let observed = &Observed {
        raw: func,
        store: raw.id(),
    };
    match event {
        ObservedEvent::Begins(_) => observer.before(StoreContextMut::new(raw), observed, &values),
        ObservedEvent::Returns(_) => observer.after(StoreContextMut::new(raw), observed, &values),
        ObservedEvent::Aborts(reason) => {
            observer.abort(StoreContextMut::new(raw), observed, reason.into());
            Ok(())
        }
        ObservedEvent::Probe { site, operand } => {
            let operand = operand.map(|(ty, value)| probed_value(raw, ty, value));
            let probe = Probe::new(func.site(site), operand);
            observer.probe(StoreContextMut::new(raw), observed, &probe)
        }
    }
}

impl Module {
    /// What the code of the module has counted, in all instances that there are and were: one
    /// number for each counter, in the order in which they were [made](InstrumentedFunc::count).
    /// Empty unless the engine [instruments](crate::Config::instrument).
    ///
    /// Any thread, while the program runs: of code that runs on another thread, the latest counts
    /// may be missing. Takes a lock, and reads a word for each counter and instance that there were
    /// at the same time.
    pub fn counters(&self) -> Vec<u64> {
        self.code().counters().sums()
    }
}
