//! wasmi, in process: an interpreter, which compiles nothing and so marks one end of the range.

use anyhow::{Context as _, Result, anyhow};
use wasi_common::pipe::WritePipe;
use wasi_common::sync::{Dir, WasiCtxBuilder, ambient_authority};
use wasmi::{CompilationMode, Config, ExternType, Linker, Module, Store};
use wasmi_wasi::WasiCtx;

use super::scratch::Scratch;
use super::{CallCosts, Driver, Engine, Job, Loaded, Outcome};
use crate::worker::Refused;

mod micro {
    super::super::micro::calls_driver!(wasmi, instantiate_and_start);
}

/// wasmi in one configuration.
pub struct Wasmi {
    name: &'static str,
    mode: CompilationMode,
}

impl Wasmi {
    /// wasmi as it comes: functions are translated to its bytecode when they are first called.
    pub fn lazy() -> Self {
        Self {
            name: "wasmi",
            mode: CompilationMode::LazyTranslation,
        }
    }

    /// wasmi that translates everything to its bytecode when the module is loaded.
    pub fn eager() -> Self {
        Self {
            name: "wasmi eager",
            mode: CompilationMode::Eager,
        }
    }

    fn engine(&self) -> wasmi::Engine {
        let mut config = Config::default();
        config.compilation_mode(self.mode);
        wasmi::Engine::new(&config)
    }
}

impl Engine for Wasmi {
    fn name(&self) -> String {
        self.name.into()
    }

    fn load(&self, wasm: &[u8]) -> Result<Box<dyn Loaded>> {
        Ok(Box::new(Module::new(&self.engine(), wasm)?))
    }

    fn calls(&self, wasm: &[u8], imported: &[u8], count: u32) -> Result<CallCosts> {
        Ok(micro::calls(&self.engine(), wasm, imported, count)?)
    }
}

impl Loaded for Module {
    fn run(&self, job: &Job) -> Result<Outcome> {
        if job.driver != Driver::Command {
            let why = "a library, for which there is no driver for wasmi";
            return Err(anyhow!(why).context(Refused));
        }
        let scratch = Scratch::new()?;
        let stdout = WritePipe::new_in_memory();
        let mut store = Store::new(self.engine(), context(job, &scratch, &stdout)?);
        let exit = exit_code(command(&mut store, self))?;
        drop(store);
        Ok(scratch.outcome(job, exit, printed(stdout)?))
    }

    fn instantiate(&self, count: u32) -> Result<()> {
        let mut linker = Linker::new(self.engine());
        for import in self.imports() {
            let ExternType::Func(ty) = import.ty() else {
                anyhow::bail!("`{}` is not a function", import.name());
            };
            let unexpected = |_: wasmi::Caller<'_, ()>, _: &[wasmi::Val], _: &mut [wasmi::Val]| {
                Err(wasmi::Error::new("nothing should be called"))
            };
            linker.func_new(import.module(), import.name(), ty.clone(), unexpected)?;
        }
        for _ in 0..count {
            let mut store = Store::new(self.engine(), ());
            linker.instantiate_and_start(&mut store, self)?;
        }
        Ok(())
    }
}

fn context(
    job: &Job,
    scratch: &Scratch,
    stdout: &WritePipe<std::io::Cursor<Vec<u8>>>,
) -> Result<WasiCtx> {
    let mut wasi = WasiCtxBuilder::new();
    wasi.args(&job.args)?.stdout(Box::new(stdout.clone()));
    for (name, value) in &job.env {
        wasi.env(name, value)?;
    }
    let mounts = job.mounts.iter().map(|(guest, host)| (&**host, &**guest));
    for (host, guest) in mounts.chain([(scratch.path(), "/tmp")]) {
        let dir = Dir::open_ambient_dir(host, ambient_authority())?;
        wasi.preopened_dir(dir, guest)?;
    }
    Ok(wasi.build())
}

/// The output of a run, whose store has been dropped.
fn printed(stdout: WritePipe<std::io::Cursor<Vec<u8>>>) -> Result<Vec<u8>> {
    let stdout = stdout.try_into_inner();
    let stdout = stdout.ok().context("standard output is still in use")?;
    Ok(stdout.into_inner())
}

fn command(store: &mut Store<WasiCtx>, module: &Module) -> Result<()> {
    let mut linker = Linker::new(module.engine());
    wasmi_wasi::add_to_linker(&mut linker, |wasi| wasi)?;
    let instance = linker.instantiate_and_start(&mut *store, module)?;
    let start = instance.get_typed_func::<(), ()>(&mut *store, "_start")?;
    Ok(start.call(store, ())?)
}

fn exit_code(result: Result<()>) -> Result<i32> {
    let Err(error) = result else { return Ok(0) };
    let code = error.downcast_ref().and_then(wasmi::Error::i32_exit_status);
    code.ok_or(error)
}
