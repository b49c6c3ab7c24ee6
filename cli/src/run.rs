//! The run of one program, from its file to its end.

use std::fs::File;
use std::io::{IsTerminal as _, Read};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use upshift::profiler::{Detail, LogConfig};
use upshift::tiering::ConfigError;
use upshift::wasi::{WasiCtx, WasiThreads, add_to_linker};
use upshift::{
    ArmedTimeout, CodeMapping, Config, Engine, Error, Exit, Instance, Linker, Module, Printable,
    Result, Store, StoreLimits, TimedOut, Trap,
};

use crate::calls::CallLog;
use crate::compile::{self, Allowed};
use crate::core_dump::CoreDumps;
use crate::invoke::{self, UsageError};
use crate::iterations::Iterations;
use crate::logger::{self, Logger};
use crate::observed::Observed;
use crate::options::{Options, StatsFormat, Streams, unknown_command};
use crate::profile::Profiles;
use crate::record::{Incomplete, Recorder};
use crate::supervise::{self, Ended, HandleSlot};
use crate::{dump, report};

/// The exit code when the time is over, as of `timeout` of the GNU core utilities.
const TIMED_OUT: u8 = 124;

/// The exit code of a trap: 128 + `SIGABRT`, which a shell reports for a process that aborted.
const TRAPPED: u8 = 134;

/// The exit code for wrong usage.
const USAGE: u8 = 2;

/// The exit code for a program that could not be run, or a report that could not be written.
const FAILED: u8 = 1;

/// Runs the program that the options name.
pub fn program(options: &Options) -> ExitCode {
    let (file, allowed) = (options.file.clone(), Allowed::by(options));
    run_module(options, move |engine| load(engine, &file, allowed))
}

/// Runs the program that the options name, and returns its module too, if it was loaded.
pub fn program_and_module(options: &Options) -> (ExitCode, Option<Module>) {
    let (file, allowed) = (options.file.clone(), Allowed::by(options));
    let loaded = Arc::new(OnceLock::new());
    let load = move |engine: &Engine| load(engine, &file, allowed);
    let code = run_loaded(options, &loaded, load);
    (code, loaded.get().cloned())
}

/// Loads a module, runs it and writes the requested reports.
pub fn run_module<L>(options: &Options, load: L) -> ExitCode
where
    L: FnOnce(&Engine) -> Result<Module> + Send + 'static,
{
    run_loaded(options, &Arc::default(), load)
}

/// The same; `loaded` gets the module once it is loaded.
fn run_loaded<L>(options: &Options, loaded: &Arc<OnceLock<Module>>, load: L) -> ExitCode
where
    L: FnOnce(&Engine) -> Result<Module> + Send + 'static,
{
    let prepared = Recorder::open(options).and_then(|recorder| {
        let profiles = Profiles::open(options)?;
        let observed = Observed::open(options)?;
        let engine = engine(options, &recorder, &observed)?;
        Ok((recorder.start(&engine), profiles, observed, engine))
    });
    let (recorder, mut profiles, observed, engine) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return ExitCode::from(failed(&error)),
    };
    let iterations = Iterations::default();
    let guest = {
        let (engine, mut options) = (engine.clone(), options.clone());
        options.call_log = observed.calls.clone();
        let (iterations, loaded) = (iterations.clone(), loaded.clone());
        let given = profiles.given.take();
        move |handle: &HandleSlot| {
            let module = load(&engine)?;
            if let Some(given) = given {
                given.warm_up(&module)?;
            }
            let module = loaded.get_or_init(|| module).clone();
            match &options.around.dump {
                Some(func) => dump::print(&module, func),
                None => match options.iterations {
                    Some(times) => repeat(&module, &options, handle, (times, &iterations)),
                    None => run(&module, &options, handle),
                },
            }
        }
    };
    let code = match supervise::run(&options.config, guest) {
        Ended::Returned(Ok(())) => 0,
        Ended::Returned(Err(error)) => failed(&error),
        Ended::Signal(signal) => {
            report::error_line(&format!("stopped by {}", signal.name()));
            signal.exit_code()
        }
    };
    let listed = match options.stats {
        Some(format) if options.iterations.is_some() => {
            iterations.write(format).map_err(|_| Incomplete)
        }
        _ => Ok(()),
    };
    let written = recorder.write(&engine).and(listed);
    let written = written.and(observed.write(loaded.get()));
    let code = match written.and(profiles.write(loaded.get())) {
        Err(Incomplete) if code == 0 => FAILED,
        _ => code,
    };
    // The process ends now. Dropping the engine would only take time.
    std::mem::forget(engine);
    ExitCode::from(code)
}

/// Creates an engine as configured, which records what the reports need.
fn engine(options: &Options, recorder: &Recorder, observed: &Observed) -> Result<Engine> {
    logger::install(match options.around.log {
        true => &Logger::All,
        false => &Logger::Options,
    });
    let mut config: Config = options.config.clone();
    if options.around.needs_events() {
        config.event_log(LogConfig {
            detail: Detail::Events,
            capacity: match options.around.keeps_events() {
                true => None,
                false => Some(0),
            },
        });
    }
    if let Some(dump) = recorder.jit_dump() {
        config.jit_dump(dump);
    }
    observed.instrument(options, &mut config);
    config.coredump_on_trap(options.around.coredump.is_some());
    if options.around.perf_map {
        // The only kind of mapping for which `perf` looks into the map.
        config.code_mapping(CodeMapping::Anonymous);
    }
    Engine::new(&config)
}

fn load(engine: &Engine, file: &Path, allowed: Allowed) -> Result<Module> {
    if file == Path::new("-") {
        let stdin = std::io::stdin().lock();
        return load_stream(engine, stdin, "standard input", allowed);
    }
    if is_pipe(file)
        && let Ok(stream) = File::open(file)
    {
        let name = format!("`{}`", Printable(file.display()));
        return load_stream(engine, stream, &name, allowed);
    }
    if let Some(module) = compile::load(engine, file, allowed) {
        return module;
    }
    let loaded = Module::from_file(engine, file);
    if loaded.is_err() && !file.exists() {
        let advice = unknown_command(&file.to_string_lossy());
        if !advice.is_empty() {
            report::note(&advice);
        }
    }
    loaded
}

/// Whether a file can be read only once: a shell's `<(command)` for instance.
fn is_pipe(file: &Path) -> bool {
    file.metadata().is_ok_and(|data| {
        let kind = data.file_type();
        kind.is_fifo() || kind.is_char_device() || kind.is_socket()
    })
}

fn load_stream(
    engine: &Engine,
    mut stream: impl Read,
    name: &str,
    allowed: Allowed,
) -> Result<Module> {
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    read.with_context(|| format!("cannot read {name}"))?;
    let loaded = compile::load_bytes(engine, &bytes, name, allowed.any);
    loaded
        .unwrap_or_else(|| Module::new(engine, bytes))
        .with_context(|| format!("cannot load {name}"))
}

/// The host data of the program's store.
pub struct Program {
    wasi: WasiCtx,
    limits: StoreLimits,
    /// The fuel of each thread, if it consumes fuel.
    fuel: Option<u64>,
    /// Where calls are written.
    calls: Option<CallLog>,
}

impl Program {
    /// The store of another thread of the program.
    fn thread(&self, engine: &Engine) -> Store<Self> {
        let program = Self {
            wasi: self.wasi.share(),
            limits: self.limits.clone(),
            fuel: self.fuel,
            calls: self.calls.clone(),
        };
        program.into_store(engine)
    }

    /// The store of a thread of the program.
    fn into_store(self, engine: &Engine) -> Store<Self> {
        let fuel = self.fuel;
        let tracer = self.calls.as_ref().map(CallLog::tracer);
        let mut store = Store::new(engine, self);
        if let Some(tracer) = tracer {
            store.observer(tracer);
        }
        if let Some(fuel) = fuel {
            store
                .set_fuel(fuel)
                .expect("the option makes the engine consume it");
        }
        store.limiter(|program| &mut program.limits);
        store.wait_clock(|program| &mut program.wasi);
        store
    }
}

/// The linker and the store of a program with these standard streams.
fn prepare(
    engine: &Engine,
    options: &Options,
    streams: Streams,
) -> Result<(Linker<Program>, Store<Program>)> {
    let mut linker = Linker::new(engine);
    add_to_linker(&mut linker, |program: &mut Program| &mut program.wasi)?;
    let (guest, around) = (&options.guest, &options.around);
    let program = Program {
        wasi: guest.context(&options.file, &options.args, around, streams)?,
        limits: around.limits.build(),
        fuel: around.limits.fuel(),
        calls: options.call_log.clone(),
    };
    let mut store = program.into_store(engine);
    options.preloads.link(&mut linker, &mut store, engine)?;
    Ok((linker, store))
}

/// A store that is ready to run the program once.
struct Turn {
    linker: Linker<Program>,
    store: Store<Program>,
    /// Ends the program when its time is over.
    _limit: Option<ArmedTimeout>,
}

impl Turn {
    /// A store with these standard streams, whose program may take this time.
    fn new(
        engine: &Engine,
        options: &Options,
        handle: &HandleSlot,
        streams: Streams,
        time: Option<Duration>,
    ) -> Result<Self> {
        let (linker, mut store) = prepare(engine, options, streams)?;
        handle.set(store.interrupt_handle());
        let limit = time.map(|time| store.arm_timeout(time));
        Ok(Self {
            linker,
            store,
            _limit: limit,
        })
    }

    /// Instantiates the module, and goes on with the instance; at once on other threads, if the
    /// program starts some. Then prints what the first thread has used of its fuel.
    fn enter(
        &mut self,
        module: &Module,
        options: &Options,
        body: impl FnOnce(&mut Store<Program>, Instance) -> Result<()>,
    ) -> Result<()> {
        let dumps = CoreDumps::new(options).map(Arc::new);
        let ended = self.instantiate(module, options, dumps.clone(), body);
        if let (Err(error), Some(dumps)) = (&ended, &dumps) {
            dumps.write(&mut self.store, error);
        }
        if let (Some(fuel), Some(format)) = (options.around.limits.fuel(), options.stats) {
            let used = fuel - self.store.get_fuel()?;
            match format {
                StatsFormat::Table => report::err(&format!("\nfuel: {used} of {fuel} used\n")),
                StatsFormat::Json => {
                    let line = serde_json::json!({ "fuel": { "given": fuel, "used": used } });
                    report::err_json(&line.to_string())
                }
            }?;
        }
        ended
    }

    fn instantiate(
        &mut self,
        module: &Module,
        options: &Options,
        dumps: Option<Arc<CoreDumps>>,
        body: impl FnOnce(&mut Store<Program>, Instance) -> Result<()>,
    ) -> Result<()> {
        let (linker, store) = (&mut self.linker, &mut self.store);
        let file = Printable(options.file.display());
        let cannot = || format!("cannot instantiate `{file}`");
        if WasiThreads::<Program>::are_used_by(module) {
            anyhow::ensure!(
                options.preloads.is_empty(),
                UsageError(format!(
                    "`{file}` may start threads, each with instances of its own: --preload is for \
                     programs of one thread"
                ))
            );
            let mut threads = WasiThreads::new({
                let engine = module.engine().clone();
                move |program: &mut Program| program.thread(&engine)
            });
            threads.max_threads(options.around.limits.threads());
            if let Some(dumps) = dumps {
                threads.on_error(move |store, error| dumps.write(store, error));
            }
            let added = threads.add_to_linker(store, linker, module);
            added.with_context(cannot)?;
            let module = linker.instantiate_pre(module).with_context(cannot)?;
            return threads.run(store, &module, body);
        }
        let instance = linker.instantiate(&mut *store, module);
        body(store, instance.with_context(cannot)?)
    }
}

/// Instantiates the module and calls its start, or the function of `--invoke`.
fn run(module: &Module, options: &Options, handle: &HandleSlot) -> Result<()> {
    let time = options.around.timeout;
    let mut turn = Turn::new(module.engine(), options, handle, Streams::Inherited, time)?;
    turn.enter(module, options, |store, instance| {
        call(store, instance, options)
    })
}

/// The same, as often as `--iterations` says: see [`crate::iterations`]. Standard input is read
/// first, and is the same for each instance. `-W timeout` is the time of all iterations together.
fn repeat(
    module: &Module,
    options: &Options,
    handle: &HandleSlot,
    (times, iterations): (u32, &Iterations),
) -> Result<()> {
    let engine = module.engine();
    let began = Instant::now();
    let time = options.around.timeout;
    let file = Printable(options.file.display());
    let of = |number: u32| format!("in iteration {number} of `{file}`, counted from 0");
    if let Some(name) = &options.invoke {
        let mut turn = Turn::new(engine, options, handle, Streams::Inherited, time)?;
        return turn.enter(module, options, |store, instance| {
            initialize(store, instance)?;
            for number in 0..times {
                let call = || invoke::call(store, instance, name, &options.args);
                let results = iterations.measure(engine, call);
                report::out(&results.with_context(|| of(number))?)?;
            }
            Ok(())
        });
    }
    anyhow::ensure!(
        module.get_export("_start").is_some(),
        UsageError(format!(
            "`{file}` exports no `_start` to be repeated; --invoke calls another function"
        ))
    );
    let mut input = Vec::new();
    if options.file != Path::new("-") && !std::io::stdin().is_terminal() {
        let read = std::io::stdin().lock().read_to_end(&mut input);
        read.context("cannot read standard input")?;
    }
    for number in 0..times {
        let streams = Streams::Fed(input.clone());
        let left = time.map(|time| time.saturating_sub(began.elapsed()));
        let mut turn = Turn::new(engine, options, handle, streams, left)?;
        let ended = iterations.measure(engine, || {
            let ended = turn.enter(module, options, start);
            match ended {
                // An exit with code 0 ends the iteration; any other ends them all.
                Err(error) if matches!(error.downcast_ref(), Some(Exit(0))) => Ok(()),
                ended => ended,
            }
        });
        ended.with_context(|| of(number))?;
    }
    Ok(())
}

/// Instantiates a program of one thread, for [`call`], with these standard streams. Its time, where
/// `-W timeout` gives one, ends when the third value is dropped.
///
/// # Errors
///
/// If it can't be instantiated, or is a program of several threads.
pub fn instantiate(
    engine: &Engine,
    module: &Module,
    options: &Options,
    streams: Streams,
) -> Result<(Store<Program>, Instance, Option<ArmedTimeout>)> {
    anyhow::ensure!(
        !WasiThreads::<Program>::are_used_by(module),
        "the program may start threads; only programs of one thread can be recorded"
    );
    let (linker, mut store) = prepare(engine, options, streams)?;
    let limit = options.around.timeout;
    let limit = limit.map(|time| store.arm_timeout(time));
    let file = Printable(options.file.display());
    let instance = linker.instantiate(&mut store, module);
    let instance = instance.with_context(|| format!("cannot instantiate `{file}`"))?;
    Ok((store, instance, limit))
}

/// Calls a program's start, or the function of `--invoke`.
pub fn call(store: &mut Store<Program>, instance: Instance, options: &Options) -> Result<()> {
    let file = Printable(options.file.display());
    match &options.invoke {
        Some(name) => {
            initialize(store, instance)?;
            let results = invoke::call(store, instance, name, &options.args);
            let results = results
                .with_context(|| format!("failed to invoke `{}` of `{file}`", Printable(name)))?;
            report::out(&results)
        }
        None => start(store, instance).with_context(|| format!("failed to run `{file}`")),
    }
}

/// Calls a library's `_initialize`, which must run before its other functions.
fn initialize(store: &mut Store<Program>, instance: Instance) -> Result<()> {
    if instance.get_func(&mut *store, "_initialize").is_some() {
        instance
            .get_typed_func::<(), ()>(&mut *store, "_initialize")?
            .call(store, ())?;
    }
    Ok(())
}

/// Calls `_start`, if the module is a program.
fn start(store: &mut Store<Program>, instance: Instance) -> Result<()> {
    if instance.get_func(&mut *store, "_start").is_some() {
        return instance
            .get_typed_func::<(), ()>(&mut *store, "_start")?
            .call(store, ());
    }
    initialize(store, instance)?;
    let functions = invoke::exported_functions(store, instance);
    if !functions.is_empty() {
        report::note(&format!(
            "the module exports no `_start`, so nothing was called; --invoke calls one of \
             {functions}"
        ));
    }
    Ok(())
}

/// Prints an error, unless it is an exit code of the program, and returns the exit code.
fn failed(error: &Error) -> u8 {
    if let Some(&Exit(code)) = error.downcast_ref() {
        // As any process's, the code is cut to eight bits.
        return code as u8;
    }
    if report::Closed::caused(error) {
        return report::CLOSED;
    }
    report::error(error);
    if error.is::<TimedOut>() {
        TIMED_OUT
    } else if error.is::<Trap>() {
        TRAPPED
    } else if error.is::<UsageError>() || error.is::<ConfigError>() {
        USAGE
    } else {
        FAILED
    }
}
