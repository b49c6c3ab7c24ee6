//! Samples: sums by function and level, their records in the log, and what policies are told.
//!
//! All of it happens on the sampler's thread. Only the sums are shared, under a lock that threads
//! which run WebAssembly never take.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use upshift_abi::{CompileUnit, DefinedFuncIndex};
use upshift_profiler::{Activity, Event, FuncKey, ModuleKey, Nanos};
use upshift_runtime::{ModuleId, Obstacle, Place, Sample, Sink};

use crate::OPTIONS;
use crate::config::Mode;
use crate::engine::{Shared, Tiering};
use crate::function::Function;
use crate::home::CodeHome;
use crate::module::{ModuleState, ModuleTiers};
use crate::policy::{Level, PolicyEvent};

/// How often samples found something, and the processor time that this stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SampleSum {
    /// The number of samples.
    pub count: u64,
    /// The sum of the times that the sampled threads had run since their samples before: an
    /// estimate of the processor time spent there.
    pub cpu: Nanos,
}

impl SampleSum {
    fn add(&mut self, cpu: Nanos) {
        self.count += 1;
        self.cpu.0 += cpu.0;
    }
}

/// A function's samples in code of one level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionSamples {
    /// The function.
    pub func: FuncKey,
    /// The level of the code, OSR entries included.
    pub level: Level,
    /// Its samples.
    pub sum: SampleSum,
}

/// What samples have found since the engine was created.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Samples {
    /// By the function that was compiled, with what was inlined into it, and level, in this order.
    pub functions: Vec<FunctionSamples>,
    /// By the function whose body ran, in its own code or inlined into another function's, and the
    /// level of that code, in this order.
    pub bodies: Vec<FunctionSamples>,
    /// All samples by what the thread did; those of `functions` together are those in
    /// [`Activity::Guest`], but for functions of modules that were dropped before their samples
    /// were taken.
    pub activities: BTreeMap<Activity, SampleSum>,
}

impl Samples {
    /// The samples of an activity.
    pub fn of(&self, activity: Activity) -> SampleSum {
        self.activities.get(&activity).copied().unwrap_or_default()
    }

    /// The samples of a function in code of a level.
    pub fn of_function(&self, func: FuncKey, level: Level) -> SampleSum {
        let own = |row: &&FunctionSamples| (row.func, row.level) == (func, level);
        let row = self.functions.iter().find(own);
        row.map(|row| row.sum).unwrap_or_default()
    }

    /// All samples.
    pub fn total(&self) -> SampleSum {
        let mut total = SampleSum::default();
        for sum in self.activities.values() {
            total.count += sum.count;
            total.cpu.0 += sum.cpu.0;
        }
        total
    }
}

/// What sampling has found, and whose functions it can find.
#[derive(Default)]
pub(crate) struct Sampling {
    modules: Mutex<HashMap<ModuleId, Weak<dyn SampledModule>>>,
    found: Mutex<Found>,
    /// Whether a warning of samples that are missed was given.
    warned: AtomicBool,
}

#[derive(Default)]
struct Found {
    functions: BTreeMap<(FuncKey, Level), SampleSum>,
    bodies: BTreeMap<(FuncKey, Level), SampleSum>,
    activities: BTreeMap<Activity, SampleSum>,
}

/// A module whose functions samples find.
trait SampledModule: Send + Sync {
    fn key(&self) -> ModuleKey;

    /// Counts a sample in a function, and tells its policy if it wants to know.
    fn sampled(&self, func: DefinedFuncIndex);
}

impl Sampling {
    fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn module(&self, id: ModuleId) -> Option<Arc<dyn SampledModule>> {
        let modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        modules.get(&id)?.upgrade()
    }

    /// Warns of a sample that is missed, the first time.
    fn warn(&self, obstacle: Obstacle) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            log::warn!(target: OPTIONS, "some samples are missed: {obstacle}");
        }
    }

    fn samples(&self) -> Samples {
        let found = self.found();
        let row = |(&(func, level), &sum)| FunctionSamples { func, level, sum };
        Samples {
            functions: found.functions.iter().map(row).collect(),
            bodies: found.bodies.iter().map(row).collect(),
            activities: found.activities.clone(),
        }
    }
}

impl fmt::Debug for Sampling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sampling").finish_non_exhaustive()
    }
}

impl Shared {
    /// Handles a sample.
    fn sampled(&self, sample: &Sample) {
        let sampling = &self.sampling;
        let cpu_time = Nanos::from(sample.cpu);
        let (activity, code) = match sample.place {
            Place::Guest(code) => (Activity::Guest, Some(code)),
            Place::Compile => (Activity::Compile, None),
            Place::Idle => (Activity::Idle, None),
            Place::Missed(obstacle) => {
                sampling.warn(obstacle);
                (Activity::Missed, None)
            }
            _ => (Activity::Host, None),
        };
        let module = code.and_then(|code| sampling.module(code.module));
        let found = code.zip(module).map(|(code, module)| {
            let func = FuncKey {
                module: module.key(),
                func: code.func,
            };
            (code, module, func)
        });
        {
            let mut sums = sampling.found();
            sums.activities.entry(activity).or_default().add(cpu_time);
            if let Some((code, _, func)) = &found {
                let body = FuncKey {
                    func: code.body,
                    ..*func
                };
                let level = Level(code.level);
                let functions = &mut sums.functions;
                functions.entry((*func, level)).or_default().add(cpu_time);
                sums.bodies.entry((body, level)).or_default().add(cpu_time);
            }
        }
        self.log.record(|| Event::Sample {
            activity,
            func: found.as_ref().map(|(_, _, func)| *func),
            site: code.and_then(|code| match code.unit {
                CompileUnit::Function => None,
                CompileUnit::Loop(index) => Some(index.0),
            }),
            level: code.map(|code| code.level),
            sampled: sample.thread.cast_unsigned(),
            cpu_time,
        });
        if let Some((code, module, func)) = found {
            // A panic of its policy ends this sample and no other.
            let tell = AssertUnwindSafe(|| module.sampled(code.func));
            if catch_unwind(tell).is_err() {
                log::warn!("{func}: the policy panicked at a sample");
            }
        }
    }
}

impl Tiering {
    /// The mean time between two samples: the shortest that a policy wants which is told of
    /// samples, as policies count samples as time, and otherwise the one that is `asked` for.
    pub fn sample_period(&self, asked: Option<Duration>) -> Option<Duration> {
        let shared = self.shared();
        let tells = shared.config.mode == Mode::Tiered && shared.config.switching.tells_samples();
        let wanted = shared.wanted_period().filter(|_| tells);
        if let (Some(wanted), Some(asked)) = (wanted, asked)
            && wanted != asked
        {
            log::warn!(
                "samples are taken each {wanted:?}, as the policy wants, not each {asked:?}"
            );
        }
        wanted.or(asked)
    }

    /// What the sampler calls with each sample.
    pub fn sample_sink(&self) -> Box<Sink> {
        let shared = Arc::downgrade(self.shared());
        Box::new(move |sample| {
            if let Some(shared) = shared.upgrade() {
                shared.sampled(sample);
            }
        })
    }

    /// Lets samples find the functions of a module, which has just been created.
    pub fn add_sampled<M: CodeHome>(&self, id: ModuleId, tiers: &ModuleTiers<M>, home: &Arc<M>) {
        tiers.state.remember_home(home);
        let modules = &self.shared().sampling.modules;
        let mut modules = modules.lock().unwrap_or_else(PoisonError::into_inner);
        modules.retain(|_, module| module.strong_count() > 0);
        let module: Weak<dyn SampledModule> = tiers.state.this.clone();
        modules.insert(id, module);
    }

    /// What samples have found up to now. Takes a lock.
    pub fn samples(&self) -> Samples {
        self.shared().sampling.samples()
    }
}

impl Shared {
    /// The shortest period that a policy wants.
    pub(crate) fn wanted_period(&self) -> Option<Duration> {
        let own = self.overrides.policies().map(|policy| policy.needs());
        let all = std::iter::once(self.config.policy.needs()).chain(own);
        all.filter_map(|needs| needs.sample_period).min()
    }
}

impl<M: CodeHome> SampledModule for ModuleState<M> {
    fn key(&self) -> ModuleKey {
        self.key
    }

    fn sampled(&self, func: DefinedFuncIndex) {
        if let Some(home) = self.home() {
            let function = self.function(&home, func);
            let wants = self.policy(func).needs().sample_period.is_some();
            function.state.account.sampled();
            if wants && self.shared.config.mode == Mode::Tiered {
                self.driver.sampled(function);
            }
        }
    }
}

impl<M: CodeHome> Function<'_, M> {
    /// Tells the policy of the samples that it has not been told of.
    pub(crate) fn tell_samples(&self) {
        let untold = self.state.account.take_untold();
        if untold > 0 {
            self.tell(PolicyEvent::Sampled(untold));
        }
    }
}
