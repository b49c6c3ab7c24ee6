//! Whole modules at once: compiles every function, on several threads.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crossbeam::queue::SegQueue;
use upshift_abi::{Cancel, DefinedFuncIndex, ModuleFacts, Tier};
use upshift_runtime::module::FirstCallError;
use wasmparser::{FuncToValidate, ValidatorResources};

use crate::engine::cores;
use crate::function::{FirstCodeGuard, Function};
use crate::home::CodeHome;
use crate::module::ModuleTiers;
use crate::policy::Decision;
use crate::sessions::CompileSessions;
use crate::state::FirstCallAction;

/// One validator for each defined function, in order, as decoding a module yields them.
pub type Validators = Vec<FuncToValidate<ValidatorResources>>;

impl<M: CodeHome> ModuleTiers<M> {
    /// Compiles and publishes every function that has no code, with compiler `tier`, on
    /// `eager-threads` threads. With validators, the baseline validates in the same pass, but not
    /// functions that already have code: pass validators only for a module that has not run yet.
    ///
    /// What the policy decides about first code is done once all functions have theirs, in the
    /// module's order: the optimizer inlines, so it may compile none before all are known to be
    /// valid.
    ///
    /// # Errors
    ///
    /// The error of the first failing function, in the order of the module. Others may have been
    /// compiled by then.
    ///
    /// # Panics
    ///
    /// If there are validators, but not one for each function, or for the optimizer: it inlines, so
    /// it takes modules of which all bodies are valid.
    pub fn compile_all(
        &self,
        home: &Arc<M>,
        tier: Tier,
        validators: Option<Validators>,
    ) -> Result<(), FirstCallError> {
        let state = &*self.state;
        state.remember_home(home);
        let facts = home.facts();
        let threads = state.shared.config.knobs.eager_threads;
        assert!(
            tier == Tier::Baseline || validators.is_none(),
            "the optimizer takes valid modules"
        );
        let decided = Mutex::new(Vec::new());
        in_parallel(facts, validators, threads, |work| {
            let mut sessions = CompileSessions::new(&state.shared);
            while let Some((func, validate)) = work.take() {
                let function = state.function(home, func);
                match function.compile_if_missing(tier, validate, &mut sessions) {
                    Ok(Some(decision)) if decision.acts() => {
                        let mut decided = decided.lock().unwrap_or_else(PoisonError::into_inner);
                        decided.push((func, decision));
                    }
                    Ok(_) => {}
                    Err(error) => work.fail(func, error),
                }
            }
        })?;
        let mut decided = decided.into_inner().unwrap_or_else(PoisonError::into_inner);
        decided.sort_by_key(|&(func, _)| func);
        for (func, decision) in decided {
            state.function(home, func).carry_out(&decision, None);
        }
        Ok(())
    }
}

impl<M: CodeHome> Function<'_, M> {
    /// Compiles and publishes the function with compiler `tier`, unless it has code; returns what
    /// the policy decided about it.
    fn compile_if_missing(
        &self,
        tier: Tier,
        validate: Option<FuncToValidate<ValidatorResources>>,
        sessions: &mut CompileSessions<'_>,
    ) -> Result<Option<Decision>, FirstCallError> {
        let FirstCallAction::Compile = self.state.begin_first_call(Cancel::NEVER) else {
            return Ok(None);
        };
        let guard = FirstCodeGuard(Some(self.state));
        let mut request = self.compile_request();
        request.validate = validate;
        let level = self.shared().ladder.level_of(tier);
        let (_, decision) = self.compile_first(guard, level, request, sessions)?;
        Ok(Some(decision))
    }
}

/// Functions still to be done, taken in order by several threads.
struct Work<E> {
    funcs: SegQueue<(DefinedFuncIndex, Option<FuncToValidate<ValidatorResources>>)>,
    /// The lowest index of a function that failed: functions behind it are skipped. Relaxed, since
    /// it only saves work.
    stop_at: AtomicU32,
    error: Mutex<Option<(DefinedFuncIndex, E)>>,
}

impl<E> Work<E> {
    fn take(&self) -> Option<(DefinedFuncIndex, Option<FuncToValidate<ValidatorResources>>)> {
        self.funcs
            .pop()
            .filter(|(func, _)| func.0 < self.stop_at.load(Ordering::Relaxed))
    }

    /// Records an error; the one with the lowest function index is kept.
    fn fail(&self, func: DefinedFuncIndex, error: E) {
        self.stop_at.fetch_min(func.0, Ordering::Relaxed);
        let mut first = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        if first.as_ref().is_none_or(|(other, _)| func < *other) {
            *first = Some((func, error));
        }
    }
}

/// Runs `body` on `threads` threads, the calling thread included, over all functions. 0 threads
/// means all cores, but not more than the work is worth.
fn in_parallel<E: Send>(
    facts: &ModuleFacts,
    validators: Option<Validators>,
    threads: u32,
    body: impl Fn(&Work<E>) + Sync,
) -> Result<(), E> {
    /// Bytes of bodies that justify one more thread: starting one takes about as long.
    const BYTES_PER_THREAD: u32 = 4_000;

    let work = Work {
        funcs: SegQueue::new(),
        stop_at: AtomicU32::new(u32::MAX),
        error: Mutex::new(None),
    };
    match validators {
        Some(validators) => {
            assert_eq!(
                validators.len(),
                facts.bodies.len(),
                "one validator for each function"
            );
            let funcs = facts.defined_funcs().zip(validators);
            funcs.for_each(|(func, validator)| work.funcs.push((func, Some(validator))));
        }
        None => facts
            .defined_funcs()
            .for_each(|func| work.funcs.push((func, None))),
    }
    let worth = 1 + facts.code_section_bytes / BYTES_PER_THREAD;
    let threads = if threads == 0 {
        cores().min(worth)
    } else {
        threads
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            let helper = thread::Builder::new().name("upshift-load".into());
            if let Err(error) = helper.spawn_scoped(scope, || body(&work)) {
                log::debug!("no more threads for loading a module: {error}");
                break;
            }
        }
        body(&work);
    });
    match work
        .error
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
    {
        Some((_, error)) => Err(error),
        None => Ok(()),
    }
}
