//! The observer of a store: what the embedder wants to know of instrumented code, call by call.
//!
//! The store keeps the calls that have begun and not ended, so that each has an end that is told,
//! whatever ends it. A call is known by the frame that it has begun in; functions that the
//! optimizer has inlined share one, and an OSR entry goes on with a call in a frame of its own.
//!
//! Code reports nothing while the observer is off, is told something, or does not exist. When it is
//! switched off, the calls that are under way are forgotten. So of all calls under way those that
//! are kept are the innermost ones, and what ends when none is kept was not told of.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use upshift_abi::observe::{Plan, Site};
use upshift_abi::vmctx::{VmHostContext, VmVal};
use upshift_abi::{FuncIndex, TrapCode, ValType};

use super::exceptions::ThrownException;
use super::{InstanceId, Store};
use crate::error::Error;
use crate::module::ModuleCode;

/// A function of an instance, or one of the host that it imports.
#[derive(Clone, Debug)]
pub struct ObservedFunc {
    /// The instance.
    pub instance: InstanceId,
    /// Its module.
    pub module: Arc<ModuleCode>,
    /// The function.
    pub func: FuncIndex,
}

/// The reason why a call has ended other than by returning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallAbort {
    /// The function makes a tail call: the callee's results are those of the call.
    TailCall,
    /// An exception has left the function.
    Exception,
    /// The function, or one that it has called, has trapped or was interrupted.
    Trap(TrapCode),
    /// A host function, or another part of the embedder's, has failed.
    Error,
    /// A part of the embedder's has panicked.
    Panic,
}

/// What is told of instrumented code. Values are of the function's types, in the observer's store.
#[derive(Debug)]
pub enum ObservedEvent<'a> {
    /// A call begins, with these arguments.
    Begins(&'a [VmVal]),
    /// A call returns these results.
    Returns(&'a [VmVal]),
    /// A call ends otherwise.
    Aborts(CallAbort),
    /// Control reaches a probe.
    Probe {
        /// The number of the site in the function's plan.
        site: u32,
        /// The topmost operand, if the site's plan wants it and there is one.
        operand: Option<(ValType, VmVal)>,
    },
}

/// An observer of a store.
pub type Observer =
    dyn FnMut(&mut Store, &ObservedFunc, ObservedEvent<'_>) -> anyhow::Result<()> + Send + Sync;

/// A call that has begun and not ended, of which the observer was told.
#[derive(Clone, Copy, Debug)]
struct OpenCall {
    /// The frame pointer of the code in which it has begun; 0 for a function of the host.
    fp: usize,
    /// How many calls that are listened to are around it in the same frame.
    around: u32,
    instance: InstanceId,
    func: FuncIndex,
}

/// The observer of a store, if it has one, and the calls that are under way.
#[derive(Default)]
pub(super) struct Observing {
    observer: Option<Box<Observer>>,
    /// Whether the observer is not to be told anything.
    is_off: bool,
    open: Vec<OpenCall>,
    /// How many of `open` have begun before the innermost activation.
    base: usize,
    /// How often `open` was emptied because the observer was switched off or replaced.
    forgotten: u64,
}

impl ObservedFunc {
    fn plan(&self) -> &Plan {
        let plan = self.module.facts().observed.as_ref();
        plan.expect("what is observed is planned")
    }

    /// The embedder's number for the function, if it is listened to.
    ///
    /// # Panics
    ///
    /// If the module is not instrumented.
    pub fn listener(&self) -> Option<u64> {
        match self.module.facts().defined_func(self.func) {
            Some(func) => self.plan().of(func).listener,
            None => self.plan().import(self.func),
        }
    }

    /// A site of the function's plan.
    ///
    /// # Panics
    ///
    /// If the module is not instrumented, or the function has no such site.
    pub fn site(&self, site: u32) -> &Site {
        let func = self.module.facts().defined_func(self.func);
        let func = func.expect("functions of the host have no sites");
        &self.plan().of(func).sites()[site as usize]
    }
}

impl Store {
    /// Sets the observer, which is told what instrumented code does from now on: calls that are
    /// under way end without a word. It is not told what it calls itself.
    pub fn set_observer(&mut self, observer: Box<Observer>) {
        self.observing.observer = Some(observer);
        self.forget_calls();
    }

    /// Switches the observer on or off, which is on at first. Calls that are under way when it is
    /// switched off end without a word.
    pub fn set_observing(&mut self, on: bool) {
        self.observing.is_off = !on;
        match on {
            true => self.update_observing(),
            false => self.forget_calls(),
        }
    }

    /// Whether the observer that there is, or may be one day, is switched on.
    pub fn is_observing(&self) -> bool {
        !self.observing.is_off
    }

    fn forget_calls(&mut self) {
        self.observing.open.clear();
        self.observing.base = 0;
        self.observing.forgotten += 1;
        self.update_observing();
    }

    /// Says in the store's part for generated code whether there is an observer that is to be told
    /// something.
    fn update_observing(&mut self) {
        let reports = self.observing.observer.is_some() && !self.observing.is_off;
        // SAFETY: the store's own field, which its thread alone reads and writes.
        unsafe { (*self.vm()).observing = reports.into() };
    }

    /// Whether calls are to be told of now.
    fn reports(&self) -> bool {
        self.observing.observer.is_some() && !self.observing.is_off
    }

    fn observed(&self, instance: InstanceId, func: FuncIndex) -> ObservedFunc {
        ObservedFunc {
            instance,
            module: self.instance_module(instance).clone(),
            func,
        }
    }

    /// Tells the observer, if there is one.
    ///
    /// # Errors
    ///
    /// The observer's.
    ///
    /// # Panics
    ///
    /// If it does.
    pub(crate) fn tell(
        &mut self,
        instance: InstanceId,
        func: FuncIndex,
        event: ObservedEvent<'_>,
    ) -> anyhow::Result<()> {
        if !self.reports() {
            return Ok(());
        }
        let Some(mut observer) = self.observing.observer.take() else {
            return Ok(());
        };
        self.update_observing();
        let observed = self.observed(instance, func);
        let runs = std::mem::replace(&mut self.hook.runs, true);
        let scope = self.begin_scope();
        let told = self.in_embedder(|store| {
            catch_unwind(AssertUnwindSafe(|| observer(store, &observed, event)))
        });
        if self.begin_scope() != scope {
            self.end_scope(scope);
        }
        self.hook.runs = runs;
        // One that was set meanwhile stays.
        self.observing.observer.get_or_insert(observer);
        self.update_observing();
        told.unwrap_or_else(|payload| resume_unwind(payload))
    }

    /// A function that is listened to begins, in the frame, where so many others are around it.
    ///
    /// # Errors
    ///
    /// The observer's; then the call has begun all the same.
    pub(crate) fn call_begins(
        &mut self,
        (fp, around): (usize, u32),
        instance: InstanceId,
        func: FuncIndex,
        args: &[VmVal],
    ) -> anyhow::Result<()> {
        self.observing.open.push(OpenCall {
            fp,
            around,
            instance,
            func,
        });
        self.tell(instance, func, ObservedEvent::Begins(args))
    }

    /// The innermost call ends, which is one of the function, by returning or a tail call.
    ///
    /// # Errors
    ///
    /// The observer's.
    pub(crate) fn call_ends(
        &mut self,
        func: FuncIndex,
        event: ObservedEvent<'_>,
    ) -> anyhow::Result<()> {
        let Observing { open, base, .. } = &mut self.observing;
        if open.len() <= *base {
            // It began while the observer was off.
            return Ok(());
        }
        let Some(call) = open.pop() else {
            return Ok(());
        };
        debug_assert_eq!(
            call.func, func,
            "calls end in the order in which they began"
        );
        self.tell(call.instance, call.func, event)
    }

    /// A handler in the frame has an exception: all calls of the activation have ended that have
    /// begun in frames below it, and of those that have begun in it all that had `kept` others or
    /// more around them.
    ///
    /// # Errors
    ///
    /// The observer's first one. All are told.
    pub(crate) fn calls_are_unwound(&mut self, fp: usize, kept: u32) -> anyhow::Result<()> {
        let Observing { open, base, .. } = &self.observing;
        let has_ended = |call: &&OpenCall| call.fp < fp || (call.fp == fp && call.around >= kept);
        let ended = open[*base..].iter().rev().take_while(has_ended).count();
        self.abort_down_to(open.len() - ended, CallAbort::Exception)
    }

    /// The function of the host that the instance imports with the context, if it is listened to
    /// now. Searches through the imports of an instance whose module has any of these.
    pub(super) fn listened_import(
        &self,
        instance: InstanceId,
        context: &VmHostContext,
    ) -> Option<FuncIndex> {
        if !self.reports() {
            return None;
        }
        let instance = &self.instances[instance.index()];
        let plan = instance.module.facts().observed.as_ref()?;
        if !plan.has_imports() {
            return None;
        }
        let func = instance.import_with(context)?;
        plan.import(func).map(|_| func)
    }

    /// Runs a function of the host that is listened to: an import of the instance.
    ///
    /// # Errors
    ///
    /// The function's, or the observer's.
    pub(super) fn run_observed<R>(
        &mut self,
        (instance, func): (InstanceId, FuncIndex),
        values: impl HostValues<R>,
        run: impl FnOnce(&mut Self) -> anyhow::Result<R>,
    ) -> anyhow::Result<R> {
        let module = self.instance_module(instance).clone();
        let ty = module.facts().func_type(func);
        let args = values.args(ty.params.len());
        let forgotten = self.observing.forgotten;
        let returned = catch_unwind(AssertUnwindSafe(|| {
            self.call_begins((0, 0), instance, func, &args)?;
            run(self)
        }));
        let told = match &returned {
            _ if self.observing.forgotten != forgotten => Ok(()),
            Ok(Ok(returned)) => {
                let results = values.results(returned, ty.results.len());
                self.call_ends(func, ObservedEvent::Returns(&results))
            }
            Ok(Err(error)) => {
                let reason = CallAbort::of_host(error);
                self.call_ends(func, ObservedEvent::Aborts(reason))
            }
            Err(_) => self.call_ends(func, ObservedEvent::Aborts(CallAbort::Panic)),
        };
        // The call's own end comes first.
        let returned = returned.unwrap_or_else(|payload| resume_unwind(payload))?;
        told.map(|()| returned)
    }

    /// Ends all calls but the first ones.
    fn abort_down_to(&mut self, len: usize, reason: CallAbort) -> anyhow::Result<()> {
        let (mut result, mut panicked) = (Ok(()), None);
        while self.observing.open.len() > len
            && let Some(call) = self.observing.open.pop()
        {
            let tell = || self.tell(call.instance, call.func, ObservedEvent::Aborts(reason));
            match catch_unwind(AssertUnwindSafe(tell)) {
                Ok(told) => result = result.and(told),
                Err(payload) => panicked = panicked.or(Some(payload)),
            }
        }
        if let Some(payload) = panicked {
            resume_unwind(payload);
        }
        result
    }

    /// An activation begins; returns what to pass to
    /// [`end_observed_activation`](Self::end_observed_activation).
    pub(super) fn begin_observed_activation(&mut self) -> usize {
        let open = self.observing.open.len();
        std::mem::replace(&mut self.observing.base, open)
    }

    /// An activation has ended: so have its calls, for the reason.
    ///
    /// # Errors
    ///
    /// The observer's.
    pub(super) fn end_observed_activation(
        &mut self,
        outer: usize,
        reason: CallAbort,
    ) -> anyhow::Result<()> {
        let base = self.observing.base;
        // Those before may have been forgotten meanwhile.
        self.observing.base = outer.min(base);
        self.abort_down_to(base, reason)
    }
}

impl CallAbort {
    /// The reason that the error of a call from the host stands for.
    pub(super) fn of(error: &Error) -> Self {
        match error {
            Error::Trap { code, .. } => Self::Trap(*code),
            Error::TimedOut { .. } => Self::Trap(TrapCode::Interrupt),
            Error::Host { error, .. } => Self::of_host(error),
            _ => Self::Error,
        }
    }

    /// The reason that the error of a function of the host stands for.
    fn of_host(error: &anyhow::Error) -> Self {
        match error.downcast_ref() {
            Some(&code) => Self::Trap(code),
            None if error.is::<ThrownException>() => Self::Exception,
            None => Self::Error,
        }
    }
}

/// What a function of the host is called with, and returns, as an observer is told.
pub(super) trait HostValues<R> {
    /// The arguments, before the call: so many.
    fn args(&self, count: usize) -> Vec<VmVal>;
    /// The results of a call that has returned this: so many.
    fn results(&self, returned: &R, count: usize) -> Vec<VmVal>;
}
