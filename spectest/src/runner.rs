//! The runner, which executes a script's directives in one store.

use std::collections::HashMap;

use anyhow::{Context, Result, anyhow, bail, ensure};
use upshift::{
    Engine, Error, Instance, LinkError, Linker, Module, Store, Trap, UnknownImport, Val,
};
use wast::parser::{self, ParseBuffer};
use wast::token::Id;
use wast::{QuoteWat, Wast, WastDirective, WastExecute, WastInvoke, Wat};

use crate::report::{Failure, Report};
use crate::{host, value, wording};

/// Runs a script and reports on each of its directives.
///
/// Directives after a failed one still run: most don't depend on each other. A script that can't be
/// parsed, or a host module that can't be defined, is one failure.
pub fn run_script(engine: &Engine, text: &str) -> Report {
    let mut report = Report::default();
    if let Err(error) = run_directives(engine, text, &mut report) {
        let (line, column) = match error.downcast_ref::<wast::Error>() {
            Some(error) => error.span().linecol_in(text),
            None => (0, 0),
        };
        let message = match error.downcast_ref::<wast::Error>() {
            Some(error) => error.message(),
            None => format!("{error:#}"),
        };
        report.failures.push(failure((line, column), message));
    }
    report
}

fn run_directives(engine: &Engine, text: &str, report: &mut Report) -> Result<()> {
    let mut lexer = wast::lexer::Lexer::new(text);
    // Scripts about UTF-8 contain direction marks on purpose.
    lexer.allow_confusing_unicode(true);
    let buffer = ParseBuffer::new_with_lexer(lexer)?;
    let script = parser::parse::<Wast<'_>>(&buffer)?;
    let mut runner = Runner::new(engine)?;
    for directive in script.directives {
        let position = directive.span().linecol_in(text);
        match runner.directive(directive) {
            Ok(()) => report.passed += 1,
            Err(error) => report
                .failures
                .push(failure(position, format!("{error:#}"))),
        }
    }
    Ok(())
}

/// Creates a failure at a position counted from 0.
fn failure((line, column): (usize, usize), message: String) -> Failure {
    Failure {
        line: line + 1,
        column: column + 1,
        message,
    }
}

/// The state of a running script: its store, definitions and instances.
struct Runner<'e> {
    engine: &'e Engine,
    store: Store<()>,
    linker: Linker<()>,
    instances: HashMap<String, Instance>,
    definitions: HashMap<String, Module>,
    /// The instance that directives without a name refer to.
    current: Option<Instance>,
    last_definition: Option<Module>,
}

impl<'e> Runner<'e> {
    fn new(engine: &'e Engine) -> Result<Self> {
        let mut store = Store::new(engine, ());
        let mut linker = Linker::new(engine);
        // A later `register` of the same name replaces the earlier one.
        linker.allow_shadowing(true);
        host::define(&mut linker, &mut store)?;
        Ok(Self {
            engine,
            store,
            linker,
            instances: HashMap::new(),
            definitions: HashMap::new(),
            current: None,
            last_definition: None,
        })
    }

    fn directive(&mut self, directive: WastDirective<'_>) -> Result<()> {
        match directive {
            WastDirective::Module(module) => self.module(module),
            WastDirective::ModuleDefinition(module) => self.definition(module),
            WastDirective::ModuleInstance {
                instance, module, ..
            } => self.instance_of(instance, module),
            WastDirective::Register { name, module, .. } => self.register(name, module),
            WastDirective::Invoke(invoke) => {
                self.invoke(&invoke)??;
                Ok(())
            }
            WastDirective::AssertReturn { exec, results, .. } => {
                let values = self.execute(exec)??;
                value::check_results(&self.store, &values, &results)
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
            WastDirective::AssertException { .. } => unsupported("exceptions"),
            WastDirective::AssertSuspension { .. } => unsupported("stack switching"),
            WastDirective::Thread(_) | WastDirective::Wait { .. } => unsupported("threads"),
            WastDirective::AssertInvalidCustom { .. }
            | WastDirective::AssertMalformedCustom { .. } => unsupported("custom annotations"),
        }
    }

    fn module(&mut self, mut module: QuoteWat<'_>) -> Result<()> {
        let name = module.name();
        let module = self.compile(&mut module)?;
        self.last_definition = Some(module.clone());
        let instance = self.instantiate(&module)?;
        self.add_instance(name, instance);
        Ok(())
    }

    fn definition(&mut self, mut module: QuoteWat<'_>) -> Result<()> {
        let name = module.name();
        let module = self.compile(&mut module)?;
        if let Some(name) = name {
            self.definitions
                .insert(name.name().to_string(), module.clone());
        }
        self.last_definition = Some(module);
        Ok(())
    }

    fn instance_of(&mut self, instance: Option<Id<'_>>, module: Option<Id<'_>>) -> Result<()> {
        let definition = match module {
            Some(name) => self.definitions.get(name.name()),
            None => self.last_definition.as_ref(),
        };
        let module = definition.context("no such module definition")?.clone();
        let created = self.instantiate(&module)?;
        self.add_instance(instance, created);
        Ok(())
    }

    fn add_instance(&mut self, name: Option<Id<'_>>, instance: Instance) {
        self.current = Some(instance);
        if let Some(name) = name {
            self.instances.insert(name.name().to_string(), instance);
        }
    }

    fn register(&mut self, name: &str, module: Option<Id<'_>>) -> Result<()> {
        let instance = self.instance(module)?;
        self.linker.instance(&mut self.store, name, instance)?;
        Ok(())
    }

    fn instance(&self, name: Option<Id<'_>>) -> Result<Instance> {
        match name {
            Some(name) => self.instances.get(name.name()).copied(),
            None => self.current,
        }
        .with_context(|| match name {
            Some(name) => format!("no instance is named {}", name.name()),
            None => "there is no instance yet".to_string(),
        })
    }

    fn compile(&self, module: &mut QuoteWat<'_>) -> Result<Module> {
        Module::from_binary(self.engine, &module.encode()?)
    }

    fn instantiate(&mut self, module: &Module) -> Result<Instance, Error> {
        self.linker.instantiate(&mut self.store, module)
    }

    /// Executes an action. The outer result says whether the script makes sense, the inner one what
    /// the engine did.
    fn execute(&mut self, exec: WastExecute<'_>) -> Result<Result<Vec<Val>, Error>> {
        match exec {
            WastExecute::Invoke(invoke) => self.invoke(&invoke),
            WastExecute::Wat(module) => {
                let module = self.compile(&mut QuoteWat::Wat(module))?;
                Ok(self.instantiate(&module).map(|_| Vec::new()))
            }
            WastExecute::Get { module, global, .. } => {
                let instance = self.instance(module)?;
                let global = instance
                    .get_global(&mut self.store, global)
                    .with_context(|| format!("no global is exported as {global:?}"))?;
                Ok(Ok(vec![global.get(&mut self.store)]))
            }
        }
    }

    fn invoke(&mut self, invoke: &WastInvoke<'_>) -> Result<Result<Vec<Val>, Error>> {
        let instance = self.instance(invoke.module)?;
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

    fn assert_unlinkable(&mut self, module: Wat<'_>, expected: &str) -> Result<()> {
        let module = self.compile(&mut QuoteWat::Wat(module))?;
        let Err(error) = self.instantiate(&module) else {
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
        ensure!(
            is_quoted || wording::refusal_matches(&message, expected),
            "refused with {message:?}, expected {expected:?}",
        );
        Ok(())
    }
}

fn unsupported(what: &str) -> Result<()> {
    Err(anyhow!("{what} are not supported"))
}

/// The modules that a script states to be valid, in the binary format, for tests that need many
/// different modules. Empty if the script can't be parsed.
pub fn valid_modules(text: &str) -> Vec<Vec<u8>> {
    let mut lexer = wast::lexer::Lexer::new(text);
    lexer.allow_confusing_unicode(true);
    let Ok(buffer) = ParseBuffer::new_with_lexer(lexer) else {
        return Vec::new();
    };
    let Ok(script) = parser::parse::<Wast<'_>>(&buffer) else {
        return Vec::new();
    };
    let binary = |directive| match directive {
        WastDirective::Module(mut module) | WastDirective::ModuleDefinition(mut module) => {
            module.encode().ok()
        }
        _ => None,
    };
    script.directives.into_iter().filter_map(binary).collect()
}
