//! Compilation on one thread: sessions of both compilers, times, and panics turned into errors.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use upshift_abi::{
    CompileError, CompileRequest, CompileSession, CompiledFunction, OsrEntryInfo, Tier,
};
use upshift_profiler::log::thread_time;
use upshift_profiler::{CodeKey, Event, LoopSite, Nanos};
use upshift_runtime::Compiling;

use crate::engine::Shared;
use crate::policy::{Level, View};

/// The compile sessions of one thread, opened when first needed and reused.
pub(crate) struct CompileSessions<'a> {
    shared: &'a Shared,
    /// By level.
    open: [Option<Box<dyn CompileSession + 'a>>; View::LEVELS],
    cost: CompileCost,
}

/// What a compilation took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CompileCost {
    /// Wall time.
    pub(crate) time: Nanos,
    /// Processor time of the thread.
    pub(crate) cpu: Nanos,
}

impl<'a> CompileSessions<'a> {
    pub(crate) fn new(shared: &'a Shared) -> Self {
        Self {
            shared,
            open: Default::default(),
            cost: CompileCost::default(),
        }
    }

    /// What the last compilation took.
    pub(crate) fn cost(&self) -> CompileCost {
        self.cost
    }

    /// Compiles, and logs start and end. A panic of the compiler becomes
    /// [`CompileError::Internal`], and its session is dropped.
    pub(crate) fn compile(
        &mut self,
        key: CodeKey,
        request: CompileRequest<'_>,
        queue_wait: Nanos,
    ) -> Result<CompiledFunction, CompileError> {
        let shared = self.shared;
        let level = Level(key.level);
        let compiler = shared.ladder.compiler(level);
        let func = request.func;
        let body_bytes = request.facts.body_len(func);
        let kept = &mut self.open[usize::from(key.level)];
        shared.log.trace(|| Event::CompileStarted {
            code: key,
            queue_wait,
            units: request.profile.units,
        });
        let (start, cpu_before) = (Instant::now(), thread_time());
        let compiling = Compiling::begin();
        let result = catch_unwind(AssertUnwindSafe(|| {
            request.check()?;
            kept.get_or_insert_with(|| compiler.session())
                .compile(request)
        }));
        drop(compiling);
        let time = start.elapsed();
        let cost = CompileCost {
            time: time.into(),
            cpu: Nanos(thread_time().0.saturating_sub(cpu_before.0)),
        };
        self.cost = cost;
        let result = result.unwrap_or_else(|panic| {
            *kept = None;
            Err(CompileError::Internal {
                func,
                tier: key.tier,
                message: format!("panic: {}", panic_message(panic.as_ref())),
            })
        });
        match result {
            Ok(mut code) => {
                code.stats.time = time;
                shared.speeds.add(level, body_bytes, cost.time);
                shared.log.record(|| Event::CompileFinished {
                    code: key,
                    body_bytes,
                    code_bytes: code.code.len() as u32,
                    time: cost.time,
                    cpu_time: cost.cpu,
                    queue_wait,
                    loops: (key.tier == Tier::Baseline).then(|| loop_sites(&code.loops)),
                });
                Ok(code)
            }
            Err(error) => {
                let reason = || error.to_string().into();
                match error {
                    CompileError::TooLarge { .. } => shared.refused(key, Some(cost), reason),
                    // The thread that cancels a compilation logs what that means.
                    CompileError::Cancelled { .. } => {}
                    _ => shared.log.record(|| Event::CompileFailed {
                        code: key,
                        reason: reason(),
                        time: Some(cost.time),
                        cpu_time: Some(cost.cpu),
                    }),
                }
                Err(error)
            }
        }
    }
}

/// The loops as the log has them.
fn loop_sites(loops: &[OsrEntryInfo]) -> Box<[LoopSite]> {
    let site = |info: &OsrEntryInfo| LoopSite {
        index: info.index.0,
        offset: info.wasm.0,
        depth: info.depth,
    };
    loops.iter().map(site).collect()
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("of unknown kind")
}

/// The measured speeds of the compilers, for the cost model. Relaxed: bytes and times of slightly
/// different moments may be combined.
#[derive(Debug)]
pub struct Speeds {
    levels: Box<[Speed]>,
    compared: Mutex<Compared>,
    /// The [`speedup`](Self::speedup), as the bits of a floating-point number; 0 before there is
    /// one. Written under the lock of `compared`.
    speedup: AtomicU64,
}

/// What trials have found.
#[derive(Debug, Default)]
struct Compared {
    functions: u32,
    /// The sum of the logarithms of baseline over optimized time.
    logs: f64,
}

#[derive(Debug, Default)]
struct Speed {
    bytes: AtomicU64,
    nanos: AtomicU64,
}

impl Speeds {
    /// Body bytes that must have been compiled before a speed is reported.
    const MIN_BYTES: u64 = 2_000;

    pub(crate) fn new(levels: usize) -> Self {
        let levels = (0..levels).map(|_| Speed::default()).collect();
        let compared = Mutex::default();
        let speedup = AtomicU64::new(0);
        Self {
            levels,
            compared,
            speedup,
        }
    }

    fn add(&self, level: Level, bytes: u32, time: Nanos) {
        let speed = &self.levels[usize::from(level.0)];
        speed.bytes.fetch_add(bytes.into(), Ordering::Relaxed);
        speed.nanos.fetch_add(time.0, Ordering::Relaxed);
    }

    /// Nanoseconds of compilation per byte of body, or `None` before enough has been compiled.
    ///
    /// # Panics
    ///
    /// If the ladder has no such level.
    pub fn ns_per_byte(&self, level: Level) -> Option<f64> {
        let speed = &self.levels[usize::from(level.0)];
        let bytes = speed.bytes.load(Ordering::Relaxed);
        let nanos = speed.nanos.load(Ordering::Relaxed);
        (bytes >= Self::MIN_BYTES).then(|| nanos as f64 / bytes as f64)
    }
}

impl Speeds {
    /// Records that a function's optimized code takes `ratio` of its baseline code's time.
    pub(crate) fn compared(&self, ratio: f64) {
        let mut compared = self.compared.lock().unwrap_or_else(PoisonError::into_inner);
        compared.functions += 1;
        compared.logs -= ratio.ln();
        let speedup = (compared.logs / f64::from(compared.functions)).exp();
        self.speedup.store(speedup.to_bits(), Ordering::Relaxed);
    }

    /// How much faster optimized code was than baseline code: the geometric mean over the functions
    /// that were compared, or `None` if none was.
    pub fn speedup(&self) -> Option<f64> {
        let bits = self.speedup.load(Ordering::Relaxed);
        (bits != 0).then_some(f64::from_bits(bits))
    }
}
