//! The observer of a store: what the embedder wants to know of instrumented code, call by call.
//!
//! The store keeps the calls that have begun and not ended, so that each has an end that is told,
//! whatever ends it. A call is known by the frame that it has begun in; functions that the
//! optimizer has inlined share one, and an OSR entry goes on with a call in a frame of its own.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use upshift_abi::observe::{Action, FuncPlan};
use upshift_abi::vmctx::VmVal;
use upshift_abi::{DefinedFuncIndex, Kind, TrapCode};

use super::exceptions::ThrownException;
use super::{InstanceId, Store};
use crate::error::Error;
use crate::module::ModuleCode;

/// A function of an instance.
#[derive(Clone, Debug)]
pub struct ObservedFunc {
    /// The instance.
    pub instance: InstanceId,
    /// Its module.
    pub module: Arc<ModuleCode>,
    /// The function.
    pub func: DefinedFuncIndex,
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
        operand: Option<(Kind, VmVal)>,
    },
}

/// An observer of a store.
pub type Observer =
    dyn FnMut(&mut Store, &ObservedFunc, ObservedEvent<'_>) -> anyhow::Result<()> + Send + Sync;

/// A call that has begun and not ended.
#[derive(Clone, Copy, Debug)]
struct OpenCall {
    /// The frame pointer of the code in which it has begun.
    fp: usize,
    instance: InstanceId,
    func: DefinedFuncIndex,
    /// Whether its beginning was told.
    told: bool,
}

/// The observer of a store, if it has one, and the calls that are under way.
#[derive(Default)]
pub(super) struct Observing {
    observer: Option<Box<Observer>>,
    open: Vec<OpenCall>,
    /// How many of `open` have begun before the innermost activation.
    base: usize,
}

impl ObservedFunc {
    /// What the function reports.
    ///
    /// # Panics
    ///
    /// If the module is not instrumented.
    pub fn plan(&self) -> &FuncPlan {
        let plan = self.module.facts().observed.as_ref();
        plan.expect("what is observed is planned").of(self.func)
    }

    /// What is done at a site of the function's plan.
    pub fn action(&self, site: u32) -> Action {
        self.plan().sites()[site as usize].action
    }
}

impl Store {
    /// Sets the observer, which is told what instrumented code does from now on: calls that are
    /// under way end without a word. It is not told what it calls itself.
    pub fn set_observer(&mut self, observer: Box<Observer>) {
        self.observing.observer = Some(observer);
    }

    /// Whether there is an observer that could be told something now.
    #[inline]
    pub(crate) fn is_observed(&self) -> bool {
        self.observing.observer.is_some()
    }

    fn observed(&self, instance: InstanceId, func: DefinedFuncIndex) -> ObservedFunc {
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
        func: DefinedFuncIndex,
        event: ObservedEvent<'_>,
    ) -> anyhow::Result<()> {
        let Some(mut observer) = self.observing.observer.take() else {
            return Ok(());
        };
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
        told.unwrap_or_else(|payload| resume_unwind(payload))
    }

    /// A function that is listened to begins, in the frame.
    ///
    /// # Errors
    ///
    /// The observer's; then the call has begun all the same.
    pub(crate) fn call_begins(
        &mut self,
        fp: usize,
        instance: InstanceId,
        func: DefinedFuncIndex,
        args: &[VmVal],
    ) -> anyhow::Result<()> {
        let told = self.is_observed();
        self.observing.open.push(OpenCall {
            fp,
            instance,
            func,
            told,
        });
        self.tell(instance, func, ObservedEvent::Begins(args))
    }

    /// The innermost call ends, which is one of the function.
    ///
    /// # Errors
    ///
    /// The observer's.
    pub(crate) fn call_ends(
        &mut self,
        func: DefinedFuncIndex,
        event: ObservedEvent<'_>,
    ) -> anyhow::Result<()> {
        debug_assert!(self.observing.open.len() > self.observing.base);
        let Some(call) = self.observing.open.pop() else {
            return Ok(());
        };
        debug_assert_eq!(
            call.func, func,
            "calls end in the order in which they began"
        );
        match call.told {
            true => self.tell(call.instance, call.func, event),
            false => Ok(()),
        }
    }

    /// A handler in the frame has an exception: all calls of the activation have ended that have
    /// begun in frames below it, and of those that have begun in it all but the first `kept`.
    ///
    /// # Errors
    ///
    /// The observer's first one. All are told.
    pub(crate) fn calls_are_unwound(&mut self, fp: usize, kept: usize) -> anyhow::Result<()> {
        let Observing { open, base, .. } = &self.observing;
        let here = |call: &&OpenCall| call.fp == fp;
        let below = open[*base..].iter().rev().take_while(|call| call.fp < fp);
        let below = below.count();
        let in_frame = open[*base..].iter().rev().skip(below).take_while(here);
        let ended = below + in_frame.count().saturating_sub(kept);
        self.abort_down_to(open.len() - ended, CallAbort::Exception)
    }

    /// Ends all calls but the first ones.
    fn abort_down_to(&mut self, len: usize, reason: CallAbort) -> anyhow::Result<()> {
        let (mut result, mut panicked) = (Ok(()), None);
        while self.observing.open.len() > len
            && let Some(call) = self.observing.open.pop()
        {
            if !call.told {
                continue;
            }
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
        let base = std::mem::replace(&mut self.observing.base, outer);
        self.abort_down_to(base, reason)
    }
}

impl CallAbort {
    /// The reason that the error of a call from the host stands for.
    pub(super) fn of(error: &Error) -> Self {
        match error {
            Error::Trap { code, .. } => Self::Trap(*code),
            Error::TimedOut { .. } => Self::Trap(TrapCode::Interrupt),
            Error::Host { error, .. } if error.is::<ThrownException>() => Self::Exception,
            Error::Host { error, .. } => match error.downcast_ref() {
                Some(&code) => Self::Trap(code),
                None => Self::Error,
            },
            _ => Self::Error,
        }
    }
}
