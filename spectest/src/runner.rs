//! The runner, which executes a script's directives in one store.

use std::panic::resume_unwind;
use std::rc::Rc;
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use upshift::{
    Engine, Error, LinkError, MissingFeature, Module, Store, ThrownException, Trap, UnknownImport,
    Val,
};
use wast::core::{ExportKind, ModuleField, ModuleKind};
use wast::token::{Id, Index};
use wast::{QuoteWat, WastDirective, WastExecute, WastInvoke, WastThread, Wat};

use crate::names::{Definition, Memories, Names};
use crate::report::{Cause, Failure, Report};
use crate::script::{Part, Places, Unreadable, for_each_part};
use crate::unsupported::Unsupported;
use crate::{value, wording};

/// How long a directive may run, unless the caller of [`run_script_within`] says otherwise. Those
/// of the specification take milliseconds; on a busy machine with a debug build, at most a second.
pub const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Runs a script and reports on each of its directives.
///
/// Directives after a failed one still run: most don't depend on each other. Each part of a script
/// that can't be parsed is one failure, and so is a host module that can't be defined.
pub fn run_script(engine: &Engine, text: &str) -> Report {
    run_script_within(engine, text, TIME_LIMIT)
}

/// Runs a script like [`run_script`]; a directive that runs longer than `time_limit` fails.
pub fn run_script_within(engine: &Engine, text: &str, time_limit: Duration) -> Report {
    let load = &|engine: &Engine, binary: &[u8]| Module::from_binary(engine, binary);
    run(engine, text, time_limit, load)
}

/// How a script's modules that are stated to be valid get from their bytes into the engine.
pub type Load<'a> = dyn Fn(&Engine, &[u8]) -> Result<Module> + Sync + 'a;

/// Runs a script like [`run_script`], with modules that `load` loads.
pub fn run_script_loading(engine: &Engine, text: &str, load: &Load<'_>) -> Report {
    run(engine, text, TIME_LIMIT, load)
}

fn run(engine: &Engine, text: &str, time_limit: Duration, load: &Load<'_>) -> Report {
    let mut report = Report::default();
    let mut runner = match Runner::new(engine, time_limit, load) {
        Ok(runner) => runner,
        Err(error) => {
            report.failures.push(failure((0, 0), &error));
            return report;
        }
    };
    for_each_part(text, |part| match part {
        Part::Directives(directives, places) => runner.run(directives, places, &mut report),
        Part::Unreadable(Unreadable { position, message }) => {
            runner.names.forget_current();
            report
                .failures
                .push(failure(position, &Error::msg(message)));
        }
    });
    report
}

/// Runs the directives of a thread of a script, in a store of its own.
fn run_thread(
    (engine, time_limit, load): (&Engine, Duration, &Load<'_>),
    shared: Option<(Id<'_>, Memories)>,
    directives: Vec<WastDirective<'_>>,
    places: Places<'_>,
) -> Result<Report> {
    let mut report = Report::default();
    let mut runner = Runner::new(engine, time_limit, load)?;
    if let Some((name, memories)) = shared {
        runner.names.share(name, memories);
    }
    runner.run(directives, places, &mut report);
    Ok(report)
}

/// Waits for a thread of a script.
fn join(thread: ScopedJoinHandle<'_, Result<Report>>) -> Result<Report> {
    match thread.join() {
        Ok(report) => report,
        Err(panic) => resume_unwind(panic),
    }
}

/// Creates a failure at a position counted from 0.
fn failure((line, column): (usize, usize), error: &Error) -> Failure {
    let refused = |proposal: &str| Cause::Refused {
        proposal: proposal.into(),
    };
    Failure {
        line: line + 1,
        column: column + 1,
        cause: missing_proposal(error).map_or(Cause::Wrong, refused),
        message: format!("{error:#}"),
    }
}

/// The proposal for want of which the engine or the runner has refused something.
pub(crate) fn missing_proposal(error: &Error) -> Option<&str> {
    let missing = error.downcast_ref().map(MissingFeature::name);
    missing.or_else(|| error.downcast_ref().map(Unsupported::proposal))
}

/// The state of a running script: its store, and what its names stand for.
struct Runner<'e> {
    engine: &'e Engine,
    store: Store<()>,
    names: Names,
    time_limit: Duration,
    load: &'e Load<'e>,
}

impl<'e> Runner<'e> {
    fn new(engine: &'e Engine, time_limit: Duration, load: &'e Load<'e>) -> Result<Self> {
        let mut store = Store::new(engine, ());
        let names = Names::new(engine, &mut store)?;
        Ok(Self {
            engine,
            store,
            names,
            time_limit,
            load,
        })
    }

    /// Runs directives in order. Threads that no directive waits for are waited for at the end.
    fn run(&mut self, directives: Vec<WastDirective<'_>>, places: Places<'_>, report: &mut Report) {
        let settings = (self.engine, self.time_limit, self.load);
        thread::scope(|scope| {
            let mut threads = Vec::new();
            for directive in directives {
                let position = places.of(directive.span());
                let result = match directive {
                    WastDirective::Thread(thread) => self.shared(&thread).map(|shared| {
                        let run = move || run_thread(settings, shared, thread.directives, places);
                        threads.push((thread.name.name().to_string(), position, scope.spawn(run)));
                    }),
                    WastDirective::Wait { thread, .. } => {
                        let named = |(name, ..): &(String, _, _)| name == thread.name();
                        match threads.iter().position(named) {
                            Some(index) => {
                                let (_, _, handle) = threads.remove(index);
                                join(handle).map(|of_thread| report.add(of_thread))
                            }
                            None => Err(Error::msg(format!("no thread {} runs", thread.name()))),
                        }
                    }
                    directive => self.directive(directive),
                };
                match result {
                    Ok(()) => report.passed += 1,
                    Err(error) => report.failures.push(failure(position, &error)),
                }
            }
            for (_, position, handle) in threads {
                match join(handle) {
                    Ok(of_thread) => report.add(of_thread),
                    Err(error) => report.failures.push(failure(position, &error)),
                }
            }
        });
    }

    /// The instance that a thread shares, and its memories.
    fn shared<'a>(&mut self, thread: &WastThread<'a>) -> Result<Option<(Id<'a>, Memories)>> {
        let share = |name| Ok((name, self.names.memories(&mut self.store, name)?));
        thread.shared_module.map(share).transpose()
    }

    fn directive(&mut self, directive: WastDirective<'_>) -> Result<()> {
        let _limit = self.store.arm_timeout(self.time_limit);
        match directive {
            WastDirective::Module(module) => self.module(module),
            WastDirective::ModuleDefinition(module) => self.definition(module),
            WastDirective::ModuleInstance {
                instance, module, ..
            } => self.instance_of(instance, module),
            WastDirective::Register { name, module, .. } => self.names.register(name, module),
            WastDirective::Invoke(invoke) => {
                self.invoke(&invoke)??;
                Ok(())
            }
            WastDirective::AssertReturn { exec, results, .. } => {
                let module = match &exec {
                    WastExecute::Invoke(invoke) => invoke.module,
                    WastExecute::Get { module, .. } => *module,
                    WastExecute::Wat(_) => None,
                };
                let values = self.execute(exec)??;
                let names = &self.names;
                let func = |store: &mut Store<()>, index| names.func(store, module, index);
                value::check_results(&mut self.store, &values, &results, &func)
            }
            WastDirective::AssertTrap { exec, message, .. } => {
                let outcome = self.execute(exec)?;
                self.assert_trap(outcome, message)
            }
            WastDirective::AssertExhaustion { call, message, .. } => {
                let outcome = self.invoke(&call)?;
                self.assert_trap(outcome, message)
            }
            WastDirective::AssertUnlinkable {
                module, message, ..
            } => self.assert_unlinkable(module, message),
            WastDirective::AssertMalformed {
                module, message, ..
            }
            | WastDirective::AssertInvalid {
                module, message, ..
            } => self.assert_refused(module, message),
            WastDirective::AssertInvalidCustom {
                module, message, ..
            }
            | WastDirective::AssertMalformedCustom {
                module, message, ..
            } => self.assert_custom_refused(module, message),
            WastDirective::AssertException { exec, .. } => {
                let outcome = self.execute(exec)?;
                self.assert_exception(outcome)
            }
            WastDirective::AssertSuspension { .. } => unsupported("stack-switching"),
            WastDirective::Thread(_) | WastDirective::Wait { .. } => {
                unreachable!("`run` starts threads and waits for them")
            }
        }
    }

    fn module(&mut self, mut module: QuoteWat<'_>) -> Result<()> {
        let name = module.name();
        let compiled = self.compile(&mut module);
        let compiled = self.names.define(None, compiled);
        self.names.instantiate(&mut self.store, name, compiled)
    }

    fn definition(&mut self, mut module: QuoteWat<'_>) -> Result<()> {
        let name = module.name();
        let compiled = self.compile(&mut module);
        self.names.define(name, compiled).map(|_| ())
    }

    fn instance_of(&mut self, instance: Option<Id<'_>>, module: Option<Id<'_>>) -> Result<()> {
        let definition = self.names.definition(module);
        self.names
            .instantiate(&mut self.store, instance, definition)
    }

    fn compile(&self, module: &mut QuoteWat<'_>) -> Result<Definition> {
        let binary = module.encode()?;
        Ok(Definition {
            module: (self.load)(self.engine, &binary)?,
            exported_funcs: Rc::new(exported_funcs(module)),
        })
    }

    /// Executes an action. The outer result says whether the script makes sense, the inner one what
    /// the engine did.
    fn execute(&mut self, exec: WastExecute<'_>) -> Result<Result<Vec<Val>, Error>> {
        match exec {
            WastExecute::Invoke(invoke) => self.invoke(&invoke),
            WastExecute::Wat(module) => {
                let module = self.compile(&mut QuoteWat::Wat(module))?;
                let created = self.names.instance_of(&mut self.store, &module.module);
                Ok(created.map(|_| Vec::new()))
            }
            WastExecute::Get { module, global, .. } => {
                let instance = self.names.instance(module)?;
                let global = instance
                    .get_global(&mut self.store, global)
                    .with_context(|| format!("no global is exported as {global:?}"))?;
                Ok(Ok(vec![global.get(&mut self.store)]))
            }
        }
    }

    fn invoke(&mut self, invoke: &WastInvoke<'_>) -> Result<Result<Vec<Val>, Error>> {
        let instance = self.names.instance(invoke.module)?;
        let func = instance
            .get_func(&mut self.store, invoke.name)
            .with_context(|| format!("no function is exported as {:?}", invoke.name))?;
        let arguments = invoke.args.iter();
        let arguments = arguments.map(|arg| value::argument(&mut self.store, arg));
        let arguments = arguments.collect::<Result<Vec<_>>>()?;
        let mut results = vec![Val::I32(0); func.ty(&self.store).results().len()];
        let outcome = func.call(&mut self.store, &arguments, &mut results);
        Ok(outcome.map(|()| results))
    }

    fn assert_trap(&self, outcome: Result<Vec<Val>, Error>, expected: &str) -> Result<()> {
        let error = match outcome {
            Ok(values) => bail!("returned {values:?}, expected the trap {expected:?}"),
            Err(error) => error,
        };
        let Some(trap) = error.downcast_ref::<Trap>() else {
            return Err(error.context(format!("not a trap, expected {expected:?}")));
        };
        ensure!(
            wording::trap_matches(&trap.to_string(), expected),
            "trapped with {:?}, expected {expected:?}",
            trap.to_string(),
        );
        Ok(())
    }

    fn assert_exception(&self, outcome: Result<Vec<Val>, Error>) -> Result<()> {
        match outcome {
            Ok(values) => bail!("returned {values:?}, expected an exception"),
            Err(error) if error.is::<ThrownException>() => Ok(()),
            Err(error) => Err(error.context("not an exception")),
        }
    }

    fn assert_unlinkable(&mut self, module: Wat<'_>, expected: &str) -> Result<()> {
        let module = self.compile(&mut QuoteWat::Wat(module))?;
        let Err(error) = self.names.instance_of(&mut self.store, &module.module) else {
            bail!("instantiated, expected {expected:?}");
        };
        if !error.is::<LinkError>() && !error.is::<UnknownImport>() {
            return Err(error.context(format!("not an error of linking, expected {expected:?}")));
        }
        let message = format!("{error:#}");
        ensure!(
            message.contains(expected),
            "refused with {message:?}, expected {expected:?}"
        );
        Ok(())
    }

    /// Compares the reasons of refused binaries only: refusals of the text format come from the
    /// `wast` crate.
    fn assert_refused(&self, mut module: QuoteWat<'_>, expected: &str) -> Result<()> {
        let is_quoted = !matches!(module, QuoteWat::Wat(_));
        let Ok(binary) = module.encode() else {
            return Ok(());
        };
        let Err(error) = Module::from_binary(self.engine, &binary) else {
            bail!("accepted, expected {expected:?}");
        };
        let message = format!("{error:#}");
        let matches = wording::refusal_matches(&message, expected);
        if !matches && missing_proposal(&error).is_some() {
            return Err(error);
        }
        ensure!(
            is_quoted || matches,
            "refused with {message:?}, expected {expected:?}",
        );
        Ok(())
    }

    /// Checks that a module's text is refused for its annotations. A custom section in a binary is
    /// no reason to refuse it, so what the text format accepts fails.
    fn assert_custom_refused(&self, mut module: QuoteWat<'_>, expected: &str) -> Result<()> {
        let Ok(binary) = module.encode() else {
            return Ok(());
        };
        Module::from_binary(self.engine, &binary)?;
        bail!("accepted, expected {expected:?}");
    }
}

fn unsupported(proposal: &str) -> Result<()> {
    Err(Unsupported::new(proposal, "the runner can't check this").into())
}

/// For each function that a module in the text format exports, its index and name. The module has
/// been encoded, so its indexes are resolved.
fn exported_funcs(module: &QuoteWat<'_>) -> Vec<(u32, String)> {
    let QuoteWat::Wat(Wat::Module(module)) = module else {
        return Vec::new();
    };
    let ModuleKind::Text(fields) = &module.kind else {
        return Vec::new();
    };
    let export = |field: &ModuleField<'_>| match field {
        ModuleField::Export(export) if export.kind == ExportKind::Func => match export.item {
            Index::Num(index, _) => Some((index, export.name.to_string())),
            Index::Id(_) => None,
        },
        _ => None,
    };
    fields.iter().filter_map(export).collect()
}
