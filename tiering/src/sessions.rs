//! A thread's place to compile at: sessions of both compilers, a clock, and a net for panics.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use upshift_abi::{CompileError, CompileRequest, CompileSession, CompiledFunction, Compiler, Tier};
use upshift_profiler::{CodeKey, Event, Nanos};

use crate::engine::Shared;

/// Compiles for one thread; sessions are opened when first needed and kept.
pub(crate) struct CompileSessions<'a> {
    shared: &'a Shared,
    baseline: Option<Box<dyn CompileSession + 'a>>,
    optimizer: Option<Box<dyn CompileSession + 'a>>,
}

impl<'a> CompileSessions<'a> {
    pub(crate) fn new(shared: &'a Shared) -> Self {
        Self {
            shared,
            baseline: None,
            optimizer: None,
        }
    }

    /// Compiles, and reports start and end. A panic of the compiler becomes
    /// [`CompileError::Internal`]; its session is thrown away.
    pub(crate) fn compile(
        &mut self,
        key: CodeKey,
        request: CompileRequest<'_>,
        queue_wait: Nanos,
    ) -> Result<CompiledFunction, CompileError> {
        let shared = self.shared;
        let compiler = shared.compiler(key.tier);
        let func = request.func;
        let body_bytes = request.facts.body_len(func);
        let kept = match key.tier {
            Tier::Baseline => &mut self.baseline,
            Tier::Optimizer => &mut self.optimizer,
        };
        shared.log.trace(|| Event::CompileStarted {
            code: key,
            queue_wait,
        });
        let start = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(|| {
            kept.get_or_insert_with(|| compiler.session())
                .compile(request)
        }));
        let time = start.elapsed();
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
                let time = Nanos::from(time);
                shared.speeds.add(key.tier, body_bytes, time);
                shared.log.record(|| Event::CompileFinished {
                    code: key,
                    body_bytes,
                    code_bytes: code.code.len() as u32,
                    time,
                    queue_wait,
                });
                Ok(code)
            }
            Err(error) => {
                let reason = || error.to_string().into();
                match error {
                    CompileError::TooLarge { .. } => shared.refused(key, reason),
                    // Whoever cancels it knows what that means.
                    CompileError::Cancelled { .. } => {}
                    _ => shared.log.record(|| Event::CompileFailed {
                        code: key,
                        reason: reason(),
                    }),
                }
                Err(error)
            }
        }
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("of unknown kind")
}

/// How fast the compilers have been so far, for the cost model. Relaxed: figures of slightly
/// different moments may meet.
#[derive(Debug, Default)]
pub struct Speeds {
    tiers: [Speed; 2],
}

#[derive(Debug, Default)]
struct Speed {
    bytes: AtomicU64,
    nanos: AtomicU64,
}

impl Speeds {
    /// Body bytes before a figure is worth something.
    const ENOUGH: u64 = 2_000;

    fn add(&self, tier: Tier, bytes: u32, time: Nanos) {
        let speed = &self.tiers[tier as usize];
        speed.bytes.fetch_add(bytes.into(), Ordering::Relaxed);
        speed.nanos.fetch_add(time.0, Ordering::Relaxed);
    }

    /// Nanoseconds per byte of a body, once enough has been compiled.
    pub fn ns_per_byte(&self, tier: Tier) -> Option<f64> {
        let speed = &self.tiers[tier as usize];
        let bytes = speed.bytes.load(Ordering::Relaxed);
        let nanos = speed.nanos.load(Ordering::Relaxed);
        (bytes >= Self::ENOUGH).then(|| nanos as f64 / bytes as f64)
    }
}

impl Shared {
    /// The tier's compiler. Nothing is requested of an optimizer that is not there.
    fn compiler(&self, tier: Tier) -> &dyn Compiler {
        match tier {
            Tier::Baseline => self.baseline.as_ref(),
            Tier::Optimizer => self
                .optimizer
                .as_deref()
                .expect("modes that optimize have an optimizer"),
        }
    }
}
