//! Slots: what a sampler asks of a thread, and what the thread's signal handler answers.
//!
//! Protocol: a slot's `word` is a state and, but for `FREE`, the number of the thread that is
//! asked. A sampler claims a free slot by a compare-and-exchange, writes `engine` and stores
//! `ASKED` with release. The handler on that thread takes it to `ANSWERING` by a
//! compare-and-exchange (acquire: it sees `engine`), writes `found` and stores `FOUND` with
//! release; the sampler loads that with acquire, reads `found` and stores `FREE`. A sampler gives
//! up on a thread by a compare-and-exchange from `ASKED` to `FREE`, or, where the handler has
//! begun, from `ANSWERING` to `UNWANTED`, which the handler takes to `FREE`: a slot is never freed
//! under a handler.
//!
//! A sampler holds a slot as a [`Request`], which gives it up when it is dropped, so no end of a
//! sampler leaves one taken.
//!
//! Slots are static: a signal that comes late, after its sampler's end even, finds no slot that
//! asks for its thread, or one of another request for it, which it answers.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use upshift_abi::{CompileUnit, DefinedFuncIndex, LoopIndex, Tier};

use super::{Place, SampledCode};
use crate::module_id::ModuleId;

/// The slots of the process: no more threads are asked at once. A handler looks at all.
static SLOTS: [Slot; 64] = [const { Slot::new() }; 64];

const FREE: u64 = 0;
const CLAIMED: u64 = 1;
const ASKED: u64 = 2;
const ANSWERING: u64 = 3;
const FOUND: u64 = 4;
const UNWANTED: u64 = 5;

/// A slot; see the [module](self).
#[derive(Debug)]
struct Slot {
    word: AtomicU64,
    engine: AtomicUsize,
    found: [AtomicU64; 3],
}

/// The state with the thread's number.
fn word(state: u64, thread: i32) -> u64 {
    u64::from(thread.cast_unsigned()) << 8 | state
}

impl Slot {
    const fn new() -> Self {
        Self {
            word: AtomicU64::new(FREE),
            engine: AtomicUsize::new(0),
            found: [const { AtomicU64::new(0) }; 3],
        }
    }

    /// Takes the slot from one state to another, if it is in that.
    fn step(&self, from: u64, to: u64) -> bool {
        let step = self
            .word
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed);
        step.is_ok()
    }
}

/// A slot that asks a thread where it is. Dropping it gives the answer up.
#[derive(Debug)]
pub struct Request {
    slot: &'static Slot,
    thread: i32,
}

impl Request {
    /// Asks a thread, in a free slot if there is one. The signal is yet to be sent.
    pub fn new(thread: i32, engine: usize) -> Option<Self> {
        let claimed = word(CLAIMED, thread);
        let slot = SLOTS.iter().find(|slot| slot.step(FREE, claimed))?;
        slot.engine.store(engine, Ordering::Relaxed);
        slot.word.store(word(ASKED, thread), Ordering::Release);
        Some(Self { slot, thread })
    }

    /// The thread that is asked.
    pub fn thread(&self) -> i32 {
        self.thread
    }

    /// The answer, once it is there.
    pub fn answer(&self) -> Option<Place> {
        if self.slot.word.load(Ordering::Acquire) != word(FOUND, self.thread) {
            return None;
        }
        let found = &self.slot.found;
        Some(unpack([0, 1, 2].map(|i| found[i].load(Ordering::Relaxed))))
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let [asked, answering, unwanted] =
            [ASKED, ANSWERING, UNWANTED].map(|state| word(state, self.thread));
        // The handler can take either step before this thread does. What is left then is the
        // answer, which only this request takes.
        if !self.slot.step(asked, FREE) && !self.slot.step(answering, unwanted) {
            self.slot.word.store(FREE, Ordering::Release);
        }
    }
}

/// Answers all slots that ask for the calling thread: `place` returns where the thread is, for an
/// engine. Returns whether there was one. Async-signal-safe if `place` is.
pub fn answer(thread: i32, place: impl Fn(usize) -> Place) -> bool {
    let mut any = false;
    let (asked, answering) = (word(ASKED, thread), word(ANSWERING, thread));
    for slot in &SLOTS {
        if !slot.step(asked, answering) {
            continue;
        }
        any = true;
        let found = pack(place(slot.engine.load(Ordering::Relaxed)));
        for (cell, value) in slot.found.iter().zip(found) {
            cell.store(value, Ordering::Relaxed);
        }
        if !slot.step(answering, word(FOUND, thread)) {
            // The request was dropped meanwhile.
            slot.word.store(FREE, Ordering::Release);
        }
    }
    any
}

const GUEST: u64 = 1;
const COMPILE: u64 = 2;

/// A place as three words: the module; the function and the loop, from 1; the function whose body
/// it is, level, tier and kind.
fn pack(place: Place) -> [u64; 3] {
    let code = match place {
        Place::Guest(code) => code,
        Place::Compile => return [0, 0, COMPILE],
        Place::Host | Place::Idle | Place::Missed(_) => return [0; 3],
    };
    let unit = match code.unit {
        CompileUnit::Function => 0,
        CompileUnit::Loop(index) => u64::from(index.0) + 1,
    };
    let func = u64::from(code.func.0) << 32 | unit;
    let rest = u64::from(code.body.0) << 32
        | u64::from(code.level) << 16
        | (code.tier as u64) << 8
        | GUEST;
    [code.module.0, func, rest]
}

fn unpack([module, func, rest]: [u64; 3]) -> Place {
    match rest & 0xff {
        GUEST => Place::Guest(SampledCode {
            module: ModuleId(module),
            func: DefinedFuncIndex((func >> 32) as u32),
            body: DefinedFuncIndex((rest >> 32) as u32),
            unit: match func as u32 {
                0 => CompileUnit::Function,
                number => CompileUnit::Loop(LoopIndex(number - 1)),
            },
            tier: match rest >> 8 & 0xff == Tier::Baseline as u64 {
                true => Tier::Baseline,
                false => Tier::Optimizer,
            },
            level: (rest >> 16) as u8,
        }),
        COMPILE => Place::Compile,
        _ => Place::Host,
    }
}

thread_local! {
    /// Whether the thread is in a compiler. Constant and without a destructor, so a signal handler
    /// may read it.
    static COMPILING: Cell<bool> = const { Cell::new(false) };
}

/// Whether the calling thread is in a compiler. Async-signal-safe.
pub fn is_compiling() -> bool {
    COMPILING.get()
}

/// Says that the calling thread is in a compiler, while it exists: samples count as such.
#[derive(Debug)]
pub struct Compiling {
    before: bool,
    /// It belongs to the thread that made it.
    _own_thread: PhantomData<*mut ()>,
}

impl Compiling {
    /// Says so from now on.
    #[must_use]
    pub fn begin() -> Self {
        Self {
            before: COMPILING.replace(true),
            _own_thread: PhantomData,
        }
    }
}

impl Drop for Compiling {
    fn drop(&mut self) {
        COMPILING.set(self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(func: u32, unit: CompileUnit) -> Place {
        Place::Guest(SampledCode {
            module: ModuleId(u64::MAX),
            func: DefinedFuncIndex(func),
            body: DefinedFuncIndex(func ^ 5),
            unit,
            tier: Tier::Optimizer,
            level: 3,
        })
    }

    #[test]
    fn places_survive_slots() {
        let places = [
            guest(0, CompileUnit::Function),
            guest(u32::MAX, CompileUnit::Loop(LoopIndex(7))),
            Place::Host,
            Place::Compile,
        ];
        for place in places {
            assert_eq!(unpack(pack(place)), place);
        }
    }

    /// Numbers of threads that no thread has; each test has its own.
    const NO_THREAD: i32 = i32::MAX;

    fn slots_of(thread: i32) -> usize {
        let own = |slot: &&Slot| slot.word.load(Ordering::Relaxed) >> 8 == thread as u64;
        SLOTS.iter().filter(own).count()
    }

    #[test]
    fn a_request_is_answered_by_its_thread_only_and_once() {
        let request = Request::new(NO_THREAD, 5).unwrap();
        assert_eq!(request.answer(), None);
        assert!(!answer(NO_THREAD - 1, |_| unreachable!("another thread")));
        assert!(answer(NO_THREAD, |engine| {
            assert_eq!(engine, 5);
            Place::Compile
        }));
        assert!(!answer(NO_THREAD, |_| unreachable!("answered")));
        assert_eq!(request.answer(), Some(Place::Compile));
    }

    #[test]
    fn a_late_signal_finds_nothing() {
        drop(Request::new(NO_THREAD - 2, 5).unwrap());
        assert!(!answer(NO_THREAD - 2, |_| unreachable!("withdrawn")));
    }

    /// A request that is dropped leaves no slot taken, however far its thread is with the answer.
    #[test]
    fn dropped_requests_free_their_slots() {
        let thread = NO_THREAD - 3;
        for _ in 0..2 * SLOTS.len() {
            drop(Request::new(thread, 5).unwrap());
            let answered = Request::new(thread, 5).unwrap();
            assert!(answer(thread, |_| Place::Host));
            drop(answered);
            let under_way = Cell::new(Request::new(thread, 5));
            assert!(answer(thread, |_| {
                drop(under_way.take().unwrap());
                assert_eq!(slots_of(thread), 1, "not freed under the handler");
                Place::Host
            }));
            assert_eq!(slots_of(thread), 0);
        }
    }

    #[test]
    fn compilers_nest() {
        let outer = Compiling::begin();
        drop(Compiling::begin());
        assert!(is_compiling());
        drop(outer);
        assert!(!is_compiling());
    }
}
