//! Models of the states: of threads that want an arrow, one wins it, and a thread that reads a
//! phase also reads what was written before the phase was reached.

use std::sync::Arc;

use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;
use upshift_abi::{Cancel, LoopIndex, OsrEntryInfo, WasmOffset};

use super::{FirstCallAction, FuncState, LevelCode, LoopState};
use crate::lifecycle::{LoopPhase, LoopStep, Phase, Step};
use crate::policy::Level;

/// The step that ends a first compilation well.
const FIRST_CODE: Step = Step::FinishFirstCode {
    level: Level::FIRST,
    pinned: false,
};

/// Takes the steps to the first code.
fn with_first_code(state: &FuncState<u32>) {
    assert!(state.code.step(Step::BeginFirstCode) && state.code.step(FIRST_CODE));
}

/// Calls a function for the first time, with `compile` for a compiler; returns the code called, or
/// `None` if this thread's compilation failed.
fn first_call(state: &FuncState<u32>, compile: impl Fn() -> Option<u32>) -> Option<u32> {
    match state.begin_first_call(Cancel::NEVER) {
        FirstCallAction::Call(code) => Some(code),
        FirstCallAction::Compile => {
            let code = compile();
            let mut installed = state.installed();
            let step = match code {
                Some(_) => FIRST_CODE,
                None => Step::FailFirstCode,
            };
            installed.current = code.map(|code| LevelCode::new(Level::FIRST, code));
            state.finish_first_code(installed, step);
            code
        }
        FirstCallAction::Cancelled => unreachable!("the call is never cancelled"),
    }
}

/// Also: a thread that waits is notified. Loom's waiting has no timeout.
#[test]
fn first_code_is_compiled_once() {
    loom::model(|| {
        let state = Arc::new(FuncState::new());
        let compilations = Arc::new(AtomicU32::new(0));
        let call = {
            let (state, compilations) = (state.clone(), compilations.clone());
            move || {
                first_call(&state, || {
                    Some(7 + compilations.fetch_add(1, Ordering::Relaxed))
                })
            }
        };
        let others = [(); 2].map(|()| thread::spawn(call.clone()));
        assert_eq!(call(), Some(7));
        assert_eq!(others.map(|other| other.join().unwrap()), [Some(7); 2]);
        assert_eq!(state.code.phase(), Phase::Baseline);
    });
}

#[test]
fn a_failed_first_code_is_compiled_by_who_waits() {
    loom::model(|| {
        let state = Arc::new(FuncState::new());
        let compilations = Arc::new(AtomicU32::new(0));
        let call = {
            let (state, compilations) = (state.clone(), compilations.clone());
            let fails_once = move || match compilations.fetch_add(1, Ordering::Relaxed) {
                0 => None,
                earlier => Some(earlier),
            };
            move || first_call(&state, &fails_once)
        };
        let other = thread::spawn(call.clone());
        let mut results = [call(), other.join().unwrap()];
        results.sort_unstable();
        assert_eq!(results, [None, Some(1)]);
    });
}

#[test]
fn one_thread_makes_a_request_and_the_worker_reads_it() {
    loom::model(|| {
        let state = Arc::new(FuncState::<u32>::new());
        with_first_code(&state);
        let request = Arc::new(AtomicU32::new(0));
        // Each thread prepares what a request consists of, and claims it.
        let claim = {
            let (state, request) = (state.clone(), request.clone());
            move |lane| {
                request.fetch_or(lane, Ordering::Relaxed);
                state.code.step(Step::Request(Level(1)))
            }
        };
        let worker = {
            let state = state.clone();
            thread::spawn(move || {
                let taken = state.code.step(Step::Begin);
                assert!(!taken || request.load(Ordering::Relaxed) != 0);
                if taken {
                    state.code.step(Step::Install(Level(1)));
                }
            })
        };
        let other = thread::spawn({
            let claim = claim.clone();
            move || claim(1)
        });
        assert!(claim(2) != other.join().unwrap(), "one thread wins");
        worker.join().unwrap();
    });
}

#[test]
fn who_reads_a_phase_reads_what_was_written_before() {
    loom::model(|| {
        let state = Arc::new(FuncState::<u32>::new());
        let figure = Arc::new(AtomicU32::new(0));
        let other = {
            let (state, figure) = (state.clone(), figure.clone());
            thread::spawn(move || {
                figure.store(7, Ordering::Relaxed);
                with_first_code(&state);
            })
        };
        if state.code.phase() == Phase::Baseline {
            assert_eq!(figure.load(Ordering::Relaxed), 7);
        }
        other.join().unwrap();
    });
}

#[test]
fn a_loop_that_is_ready_has_its_entry() {
    loom::model(|| {
        let info = OsrEntryInfo {
            index: LoopIndex(0),
            wasm: WasmOffset(0),
            depth: 1,
        };
        let state = Arc::new(LoopState::<u32>::new(&info));
        let worker = {
            let state = state.clone();
            assert!(state.phase.step(LoopStep::Request) && state.phase.step(LoopStep::Begin));
            thread::spawn(move || assert!(state.install(LevelCode::new(Level(1), 9)).is_none()))
        };
        let ready = state.phase.get() == LoopPhase::Ready;
        let entry = state.ready();
        assert!(entry.as_ref().is_none_or(|entry| entry.code == 9));
        assert!(!ready || entry.is_some());
        worker.join().unwrap();
        assert_eq!(state.ready().map(|entry| entry.code), Some(9));
    });
}
