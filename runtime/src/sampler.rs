//! The sampler: where the threads that run an engine's stores are, about a thousand times a second.
//!
//! A thread of the sampler's own wakes at random times, reads how much processor time each thread
//! has used since it last looked, and sends SIGPROF to those that have used some. The handler
//! (`sample_signal`) finds the function whose code was interrupted and stores it in a *slot*, from
//! where the sampler takes it when it next wakes. A thread that used no processor time is idle: it
//! gets no signal, so a host function that waits sees at most one `EINTR` a wait.
//!
//! Each sample has the processor time of its thread since its sample before, so that sums of these
//! times are estimates of a function's own time, however late the sampler woke.
//!
//! The handler resolves the program counter at once, on the thread that runs the code, which is
//! why no code can be freed while its sample waits: a slot has numbers only.
//!
//! # The signal
//!
//! SIGPROF is what profilers use. The handler takes a signal only if a slot asks for its thread,
//! and passes all that the sampler did not send to the handler before it. An embedder that installs
//! its own handler later and does not call ours makes the sampler see nothing: such requests are
//! withdrawn and counted as [`missed`](Place::Missed), with what was in their way. Without a
//! sampler no handler is installed.
//!
//! A thread inherits the signals that are blocked from the one that started it, the first one from
//! the parent process. So a thread that enters WebAssembly of a sampling engine unblocks SIGPROF
//! (`store/signals.rs`).

mod slots;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use fastrand::Rng;
use upshift_abi::{CompileUnit, DefinedFuncIndex, Tier};

use crate::error::RuntimeError;
use crate::interrupt::StoreShared;
use crate::module_id::ModuleId;
use crate::sys;

pub use slots::Compiling;
use slots::Request;
pub(crate) use slots::{answer, is_compiling};

const POISON: &str = "no panic happens under this lock";

/// How the sampler works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SamplerConfig {
    /// The mean time between two samples; times between them are between half and one and a half
    /// of it, all equally likely, so that nothing periodic in a program is in step with them.
    pub period: Duration,
    /// The seed of these times.
    pub seed: u64,
}

/// The code of a function that a sample is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SampledCode {
    /// The module of the function.
    pub module: ModuleId,
    /// The function that was compiled.
    pub func: DefinedFuncIndex,
    /// The function whose body the instruction is from: the same, or one that was inlined into it.
    pub body: DefinedFuncIndex,
    /// The whole function, or the OSR entry of a loop.
    pub unit: CompileUnit,
    /// The tier that compiled the code.
    pub tier: Tier,
    /// The code's level in the engine's ladder.
    pub level: u8,
}

/// Where a thread was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// In a function's code.
    Guest(SampledCode),
    /// In other code: a host function, a builtin, a trampoline, another engine's code.
    Host,
    /// In a compiler, because the thread waits for code.
    Compile,
    /// Nowhere: the thread used no processor time. It waited, or others had the processors.
    Idle,
    /// Unknown: the thread did not say.
    Missed(Obstacle),
}

/// What keeps a thread from saying where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Obstacle {
    /// The thread blocks the signal.
    Blocked,
    /// Another handler of the signal was installed after the sampler's, and does not call it.
    Replaced,
    /// The thread got no processor for two seconds, or runs another handler of a signal.
    Late,
    /// The process has as many requests under way as it can have.
    Full,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Blocked => "the thread blocks the signal SIGPROF",
            Self::Replaced => "the process has another handler of the signal SIGPROF",
            Self::Late => "the thread did not handle the signal SIGPROF for two seconds",
            Self::Full => "other samplers of the process ask as many threads as can be asked",
        })
    }
}

/// A sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Where the thread was.
    pub place: Place,
    /// The thread, by the system's number.
    pub thread: i32,
    /// Processor time of the thread since its sample before.
    pub cpu: Duration,
}

/// What is called with each sample, on the sampler's thread.
pub type Sink = dyn Fn(&Sample) + Send + Sync;

/// The sampler of an engine. Its thread ends when this is dropped.
pub struct Sampler {
    config: SamplerConfig,
    sink: Box<Sink>,
    /// Whether the signal still has the handler that answers.
    is_handler_in_force: fn() -> bool,
    /// The thread, to be woken at the end: it has requests to withdraw. Set once it is started.
    thread: OnceLock<Thread>,
    /// The stores of the engine. Locked to add one, and by the sampler's thread.
    stores: Mutex<Vec<Weak<StoreShared>>>,
}

impl Sampler {
    /// Starts the thread. The handler must be installed; `is_handler_in_force` says whether it
    /// still is.
    ///
    /// # Errors
    ///
    /// If the system refuses the thread.
    pub(crate) fn start(
        config: SamplerConfig,
        sink: Box<Sink>,
        is_handler_in_force: fn() -> bool,
    ) -> Result<Arc<Self>, RuntimeError> {
        let sampler = Arc::new(Self {
            config,
            sink,
            is_handler_in_force,
            thread: OnceLock::new(),
            stores: Mutex::default(),
        });
        let weak = Arc::downgrade(&sampler);
        let spawned = thread::Builder::new()
            .name("upshift-sampler".into())
            .spawn(move || run(&weak))
            .map_err(|error| RuntimeError::system("start the sampler's thread", error))?;
        let _ = sampler.thread.set(spawned.thread().clone());
        Ok(sampler)
    }

    /// How it works.
    pub fn config(&self) -> SamplerConfig {
        self.config
    }

    /// Samples the threads that run this store, until it is dropped.
    pub(crate) fn add(&self, store: &Arc<StoreShared>) {
        self.stores
            .lock()
            .expect(POISON)
            .push(Arc::downgrade(store));
    }

    /// The threads that run a store at this moment, each once.
    fn threads(&self) -> Vec<i32> {
        let mut threads = Vec::new();
        self.stores.lock().expect(POISON).retain(|store| {
            let Some(store) = store.upgrade() else {
                return false;
            };
            let thread = store.running_on();
            if thread != 0 && !threads.contains(&thread) {
                threads.push(thread);
            }
            true
        });
        threads
    }

    /// What identifies the engine in slots: an address that no other engine has meanwhile.
    pub(crate) fn identity(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

impl fmt::Debug for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sampler")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// How many threads are looked at each time the sampler wakes; of more, others next time.
const THREADS_AT_ONCE: usize = 64;

/// The processor time below which a thread counts as idle. A thread that a signal woke from a wait
/// has used less.
const IDLE: Duration = Duration::from_micros(20);

/// How long a signal may be under way: a thread that others keep from running gets it late.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a signal is under way before the sampler looks for what may be in its way.
const SUSPICIOUS: Duration = Duration::from_millis(50);

/// The processor time that a thread can't use without having handled a signal that reaches it.
const UNHEARD: Duration = Duration::from_millis(10);

/// How long a thread is watched that runs no store any more.
const FORGET_AFTER: Duration = Duration::from_secs(1);

/// Runs the sampler's thread, until the sampler is dropped.
fn run(sampler: &Weak<Sampler>) {
    let mut work = None;
    loop {
        let pause = {
            let Some(sampler) = sampler.upgrade() else {
                return;
            };
            let work = work.get_or_insert_with(|| Work::new(&sampler));
            work.wake(&sampler);
            work.pause(sampler.config.period)
        };
        thread::park_timeout(pause);
    }
}

/// What the sampler's thread knows.
struct Work {
    random: Rng,
    /// When it woke before.
    woke: Instant,
    /// The threads that ran stores lately.
    known: HashMap<i32, Known>,
    /// The requests that are under way.
    asked: Vec<Asked>,
    /// Where the next look at threads begins, if there are many.
    first: usize,
}

/// What is known of a thread.
struct Known {
    /// Its processor time at the last look.
    cpu: Duration,
    /// When it last ran a store.
    ran: Instant,
}

/// A request that is under way.
struct Asked {
    request: Request,
    /// The thread's processor time between the sample before and the request.
    cpu: Duration,
    /// The thread's processor time when it was asked.
    asked_at: Duration,
    since: Instant,
    /// When to look for what is in its way.
    suspicious: Instant,
}

impl Asked {
    /// Where the thread was, or why it does not say; `None` as long as it may still say it.
    fn place(&mut self, sampler: &Sampler, now: Instant) -> Option<Place> {
        if let Some(place) = self.request.answer() {
            return Some(place);
        }
        if now >= self.suspicious {
            self.suspicious = now + SUSPICIOUS;
            let obstacle = self.obstacle(sampler);
            if obstacle.is_some() {
                return obstacle.map(Place::Missed);
            }
        }
        let late = now.duration_since(self.since) >= PATIENCE;
        late.then_some(Place::Missed(Obstacle::Late))
    }

    /// What is in the way, if the thread has run since it was asked.
    fn obstacle(&self, sampler: &Sampler) -> Option<Obstacle> {
        let thread = self.request.thread();
        let cpu = sys::cpu_time_of(thread)?;
        if cpu.saturating_sub(self.asked_at) < UNHEARD {
            return None;
        }
        if sys::blocks_signal(thread, SAMPLE_SIGNAL) == Some(true) {
            return Some(Obstacle::Blocked);
        }
        let handled = (sampler.is_handler_in_force)();
        (!handled).then_some(Obstacle::Replaced)
    }
}

impl Work {
    fn new(sampler: &Sampler) -> Self {
        Self {
            random: Rng::with_seed(sampler.config.seed),
            woke: Instant::now(),
            known: HashMap::new(),
            asked: Vec::new(),
            first: 0,
        }
    }

    /// The time until the next look.
    fn pause(&mut self, period: Duration) -> Duration {
        period.mul_f64(0.5 + self.random.f64())
    }

    /// Takes what was found, and asks anew.
    fn wake(&mut self, sampler: &Sampler) {
        let (now, woke) = (Instant::now(), self.woke);
        self.woke = now;
        self.collect(sampler, now);
        let mut threads = sampler.threads();
        let count = threads.len();
        if count > THREADS_AT_ONCE {
            threads.rotate_left(self.first % count);
            threads.truncate(THREADS_AT_ONCE);
            self.first = self.first.wrapping_add(THREADS_AT_ONCE);
        }
        for &thread in &threads {
            if !self.asks(thread) {
                self.look(sampler, thread, now, now - woke);
            }
        }
        self.follow(now, &threads);
    }

    /// Takes what handlers have found.
    fn collect(&mut self, sampler: &Sampler, now: Instant) {
        self.asked.retain_mut(|asked| {
            let Some(place) = asked.place(sampler, now) else {
                return true;
            };
            (sampler.sink)(&Sample {
                place,
                thread: asked.request.thread(),
                cpu: asked.cpu,
            });
            false
        });
    }

    /// Looks at a thread that runs a store: asks where it is, unless it is idle.
    fn look(&mut self, sampler: &Sampler, thread: i32, now: Instant, elapsed: Duration) {
        let Some(cpu) = sys::cpu_time_of(thread) else {
            return;
        };
        let used = match self.known.get(&thread) {
            Some(known) => cpu.saturating_sub(known.cpu),
            // It has run since some time after the last look.
            None => cpu.min(elapsed),
        };
        let place = if used < IDLE {
            Place::Idle
        } else if let Some(request) = Request::new(thread, sampler.identity()) {
            sys::signal_thread(thread, SAMPLE_SIGNAL);
            self.asked.push(Asked {
                request,
                cpu: used,
                asked_at: cpu,
                since: now,
                suspicious: now + SUSPICIOUS,
            });
            self.known.insert(thread, Known { cpu, ran: now });
            return;
        } else {
            Place::Missed(Obstacle::Full)
        };
        self.known.insert(thread, Known { cpu, ran: now });
        (sampler.sink)(&Sample {
            place,
            thread,
            cpu: used,
        });
    }

    /// Whether a request to the thread is under way.
    fn asks(&self, thread: i32) -> bool {
        let mut threads = self.asked.iter().map(|asked| asked.request.thread());
        threads.any(|asked| asked == thread)
    }

    /// Leaves out the time that threads spend without a store, and forgets those that do for long.
    fn follow(&mut self, now: Instant, running: &[i32]) {
        let asked: Vec<i32> = self.asked.iter().map(|a| a.request.thread()).collect();
        self.known.retain(|&thread, known| {
            if running.contains(&thread) || asked.contains(&thread) {
                return true;
            }
            let cpu = sys::cpu_time_of(thread);
            known.cpu = cpu.unwrap_or(known.cpu);
            cpu.is_some() && now - known.ran < FORGET_AFTER
        });
    }
}

/// The signal that makes a thread say where it is.
pub(crate) const SAMPLE_SIGNAL: libc::c_int = libc::SIGPROF;
