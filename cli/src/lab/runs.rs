//! Single runs of a program, all alike, that the lab measures: which options an engine has, a
//! thread for the guest, its processor time, and where samples found it.

use std::io::{self, IsTerminal as _, Read as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use sha2::Digest as _;
use upshift::knobs::{self, Group};
use upshift::profiler::{Activity, CodeKey, Detail, Event, LogConfig, Record};
use upshift::tiering::SampleSum;
use upshift::{Config, Engine, Exit, Module, Result, ThreadClock};
use upshift_lab::record::{Code, Compiled, LevelRun, Place, SiteShape};

use crate::options::{Clocks, Options, Repeated, Streams};
use crate::run;
use crate::timed::timed;

/// How often the sampler looks.
const SAMPLE_PERIOD: Duration = Duration::from_millis(1);

/// A program that is run again and again.
pub struct Program {
    /// How it is run.
    pub options: Options,
    /// What it reads.
    pub input: Vec<u8>,
}

/// Whether a run is sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// Each [`SAMPLE_PERIOD`].
    On,
    /// It is not disturbed.
    Off,
}

/// What a run took.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Processor time of the program's thread, in nanoseconds.
    pub cpu_ns: f64,
    /// From the call of the program to its end, in nanoseconds.
    pub wall_ns: f64,
    /// How it ended, and the digest of what it wrote.
    pub end: End,
}

/// What the runs of a program have in common if it repeats itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Its exit code.
    pub code: i32,
    /// The SHA-256 of what it wrote.
    pub written: [u8; 32],
}

impl Program {
    /// A program that repeats itself, as far as its surroundings can see to that.
    pub fn new(mut options: Options) -> Result<Self> {
        ensure!(
            options.file != Path::new("-"),
            "standard input is the program's; the module must be a file"
        );
        ensure!(
            options.profile_in.is_none() && options.profile_out.is_none(),
            "--profile-in and --profile-out are for single runs; the lab makes several"
        );
        options.around.clocks = Clocks::Virtual;
        options.around.random_seed.get_or_insert(0);
        let mut input = Vec::new();
        if !io::stdin().is_terminal() {
            let read = io::stdin().lock().read_to_end(&mut input);
            read.context("cannot read standard input")?;
        }
        Ok(Self { options, input })
    }

    /// An engine with these options of tiering, besides the program's own.
    pub fn config(&self, sampling: Sampling, tiering: &[(&str, &str)]) -> Result<Config> {
        let mut config = self.options.config.clone();
        config.sample_period(match sampling {
            Sampling::On => Some(SAMPLE_PERIOD),
            Sampling::Off => None,
        });
        for (name, value) in tiering {
            knobs::set(&mut config, Group::Tiering, name, value)?;
        }
        config.event_log(LogConfig {
            detail: Detail::Events,
            capacity: None,
        });
        Ok(config)
    }

    /// Loads the program.
    pub fn load(&self, config: &Config) -> Result<Module> {
        let engine = Engine::new(config)?;
        Module::from_file(&engine, &self.options.file)
    }

    /// Runs the program to its end on a thread of its own. `beside` is called on this thread as
    /// soon as the program begins, with the clock of the program's thread and whether that has
    /// ended.
    pub fn run(
        &self,
        module: &Module,
        beside: impl FnOnce(ThreadClock, &AtomicBool),
    ) -> Result<Ran> {
        let ended = AtomicBool::new(false);
        let (begins, begun) = std::sync::mpsc::sync_channel(0);
        thread::scope(|scope| {
            let builder = thread::Builder::new().name("upshift-guest".into());
            let builder = builder.stack_size(module.engine().config().thread_stack_size());
            let guest = builder.spawn_scoped(scope, || {
                let _ended = SetOnDrop(&ended);
                self.run_here(module, move |clock| {
                    let _ = begins.send(clock);
                })
            });
            let guest = guest.context("cannot start a thread for the program")?;
            if let Ok(clock) = begun.recv() {
                beside(clock, &ended);
            }
            match guest.join() {
                Ok(ran) => ran,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    fn run_here(&self, module: &Module, begins: impl FnOnce(ThreadClock)) -> Result<Ran> {
        let streams = Arc::new(Repeated {
            input: self.input.clone(),
            written: Mutex::default(),
        });
        let engine = module.engine();
        let repeated = Streams::Repeated(streams.clone());
        let (mut store, instance, _limit) =
            run::instantiate(engine, module, &self.options, repeated)?;
        let clock = ThreadClock::of_this_thread()?;
        begins(clock);
        let (code, took) = timed(clock, || {
            let ended = run::call(&mut store, instance, &self.options);
            ended.map_or_else(
                |error| match error.downcast_ref() {
                    Some(&Exit(code)) => Ok(code),
                    None => Err(error),
                },
                |()| Ok(0),
            )
        })?;
        let cpu = took.thread_cpu;
        let cpu = cpu.context("the program's thread has no clock")?;
        let written = streams
            .written
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Ok(Ran {
            cpu_ns: cpu.as_nanos() as f64,
            wall_ns: took.wall.as_nanos() as f64,
            end: End {
                code,
                written: written.clone().finalize().into(),
            },
        })
    }
}

/// Sets a flag when dropped, however that comes.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Where samples found the program's thread, at equal distances in its processor time.
pub fn places(records: &[Record]) -> Vec<Place> {
    let mut places = Vec::new();
    let mut used = Duration::ZERO;
    for record in records {
        if let Event::Sample {
            activity, cpu_time, ..
        } = record.event
        {
            let place = match activity {
                Activity::Guest => Place::Code,
                _ => Place::Host,
            };
            used += Duration::from_nanos(cpu_time.0);
            let count = used.as_nanos() / SAMPLE_PERIOD.as_nanos();
            places.resize((count as usize).max(places.len()), place);
        }
    }
    places
}

/// What a run at one level tells of a module with so many functions.
pub fn level_run(ran: &Ran, module: &Module, level: u8, functions: usize) -> LevelRun {
    let samples = module.engine().samples();
    let stats = module.engine().event_log().stats();
    // For each function, the time and number of OSR entries.
    let mut entries = vec![(0.0, 0.0); functions];
    // By processor time, as samples lie at random distances.
    let count = |sum: SampleSum| (sum.cpu.0 as f64 / SAMPLE_PERIOD.as_nanos() as f64).round();
    let mut run = LevelRun {
        cpu_ns: ran.cpu_ns,
        after_units: 0.0,
        samples: vec![0; functions],
        below: vec![0; functions],
        elsewhere: 0,
        compile_ns: (stats.baseline.cpu.0 + stats.optimizer.cpu.0) as f64,
        compiled: vec![None; functions],
        osr_ns: vec![None; functions],
    };
    for row in &samples.functions {
        let samples = match row.level.0 == level {
            true => &mut run.samples,
            false => &mut run.below,
        };
        samples[row.func.func.index()] += count(row.sum) as u32;
    }
    for activity in [Activity::Host, Activity::Compile, Activity::Missed] {
        run.elsewhere += count(samples.of(activity)) as u32;
    }
    for record in &module.engine().event_log().records() {
        if let Event::CompileFinished {
            code,
            code_bytes,
            cpu_time,
            ..
        } = &record.event
        {
            let CodeKey {
                func, level: of, ..
            } = *code;
            let (function, ns) = (func.func.index(), cpu_time.0 as f64);
            if of == level && code.loop_number().is_none() {
                run.compiled[function] = Some(Compiled {
                    ns,
                    code_bytes: *code_bytes,
                });
            } else if of == level {
                entries[function].0 += ns;
                entries[function].1 += 1.0;
            }
        }
    }
    for (mean, (ns, number)) in run.osr_ns.iter_mut().zip(entries) {
        *mean = (number > 0.0).then(|| ns / number);
    }
    run
}

/// The functions of a module that counts its sites.
pub fn functions(module: &Module) -> Vec<Code> {
    let functions = module.counted_functions().into_iter();
    let code = |function: upshift::CountedFunction| Code {
        index: function.index,
        name: function.name,
        body_bytes: function.body_bytes,
        sites: function
            .sites
            .iter()
            .map(|site| SiteShape {
                offset: site.offset,
                depth: site.depth,
                operators: site.operators,
            })
            .collect(),
    };
    functions.map(code).collect()
}
