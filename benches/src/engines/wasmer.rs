//! Wasmer with its Singlepass compiler, in process: the other one-pass compiler written in Rust.
//!
//! Wasmer's own WASI implementation is several times as large as the engine. Kernels need only
//! arguments, standard output and an exit code, which this file implements; programs that need more
//! are refused.

use std::time::Instant;

use anyhow::{Context as _, Result, anyhow};
use wasmer::sys::Singlepass;
use wasmer::{
    AsStoreRef, ExternType, Function, FunctionEnv, FunctionEnvMut, Imports, Instance, Memory,
    MemoryView, Module, RuntimeError, Store, Value, imports,
};

use super::micro::WARMUP;
use super::{CallCosts, Driver, Engine, Job, Loaded, Outcome, Scratch};
use crate::worker::Refused;

/// Wasmer with Singlepass.
pub struct Wasmer;

fn engine() -> wasmer::Engine {
    wasmer::Engine::from(Singlepass::new())
}

impl Engine for Wasmer {
    fn name(&self) -> String {
        "wasmer singlepass".into()
    }

    fn load(&self, wasm: &[u8]) -> Result<Box<dyn Loaded>> {
        let engine = engine();
        let module = Module::from_binary(&engine, wasm)?;
        Ok(Box::new(Compiled { engine, module }))
    }

    fn calls(&self, wasm: &[u8], imported: &[u8], count: u32) -> Result<CallCosts> {
        let engine = engine();
        let mut store = Store::new(engine.clone());
        let other = Module::new(&engine, imported)?;
        let other = Instance::new(&mut store, &other, &imports! {})?;
        let leaf = Function::new_typed(&mut store, |x: i32| x.wrapping_add(1));
        let imports = imports! {
            "host" => { "leaf" => leaf },
            "other" => { "leaf" => other.exports.get_function("leaf")?.clone() },
        };
        let module = Module::new(&engine, wasm)?;
        let instance = Instance::new(&mut store, &module, &imports)?;
        let each = |start: Instant| start.elapsed().as_secs_f64() * 1e9 / f64::from(count);

        let leaf = instance
            .exports
            .get_typed_function::<i32, i32>(&store, "leaf")?;
        let mut host_to_wasm = 0.0;
        for _ in 0..=WARMUP {
            let (start, mut x) = (Instant::now(), 0);
            for _ in 0..count {
                x = leaf.call(&mut store, x)?;
            }
            host_to_wasm = each(start);
        }
        let mut looped = |export: &str| -> Result<f64> {
            let func = instance
                .exports
                .get_typed_function::<i32, i32>(&store, export)?;
            for _ in 0..WARMUP {
                func.call(&mut store, count.cast_signed())?;
            }
            let start = Instant::now();
            func.call(&mut store, count.cast_signed())?;
            Ok(each(start))
        };
        Ok(CallCosts {
            host_to_wasm,
            wasm_to_host: looped("host")?,
            direct: looped("direct")?,
            indirect: looped("indirect")?,
            import: looped("import")?,
        })
    }
}

struct Compiled {
    engine: wasmer::Engine,
    module: Module,
}

impl Loaded for Compiled {
    fn run(&self, job: &Job) -> Result<Outcome> {
        if job.driver != Driver::Command || !job.mounts.is_empty() {
            let why = "files or a driver, which are not there for Wasmer, are needed";
            return Err(anyhow!(why).context(Refused));
        }
        let scratch = Scratch::new()?;
        let mut store = Store::new(self.engine.clone());
        let guest = Guest {
            memory: None,
            args: job.args.clone(),
            stdout: Vec::new(),
        };
        let env = FunctionEnv::new(&mut store, guest);
        let imports = wasi(&mut store, &env);
        let instance = Instance::new(&mut store, &self.module, &imports)?;
        let memory = instance.exports.get_memory("memory")?.clone();
        env.as_mut(&mut store).memory = Some(memory);
        let start = instance
            .exports
            .get_typed_function::<(), ()>(&store, "_start")?;
        let exit = match start.call(&mut store) {
            Ok(()) => 0,
            Err(error) => match error.downcast_ref::<Exit>() {
                Some(Exit(code)) => *code,
                None => return Err(error.into()),
            },
        };
        let stdout = std::mem::take(&mut env.as_mut(&mut store).stdout);
        Ok(scratch.outcome(job, exit, stdout))
    }

    fn instantiate(&self, count: u32) -> Result<()> {
        for _ in 0..count {
            let mut store = Store::new(self.engine.clone());
            let mut imports = Imports::new();
            for import in self.module.imports() {
                let ExternType::Function(ty) = import.ty() else {
                    anyhow::bail!("`{}` is not a function", import.name());
                };
                let unexpected = |_: &[Value]| Err(RuntimeError::new("nothing should be called"));
                let func = Function::new(&mut store, ty.clone(), unexpected);
                imports.define(import.module(), import.name(), func);
            }
            Instance::new(&mut store, &self.module, &imports)?;
        }
        Ok(())
    }
}

/// The error by which an exit code leaves the guest.
#[derive(Debug, thiserror::Error)]
#[error("exit with code {0}")]
struct Exit(i32);

struct Guest {
    memory: Option<Memory>,
    args: Vec<String>,
    stdout: Vec<u8>,
}

type Wasi = std::result::Result<i32, RuntimeError>;

/// The error of operations that the stream does not support: it can't seek.
const ESPIPE: i32 = 70;

fn wasi(store: &mut Store, env: &FunctionEnv<Guest>) -> Imports {
    imports! {
        "wasi_snapshot_preview1" => {
            "args_sizes_get" => Function::new_typed_with_env(store, env, args_sizes_get),
            "args_get" => Function::new_typed_with_env(store, env, args_get),
            "fd_write" => Function::new_typed_with_env(store, env, fd_write),
            "fd_fdstat_get" => Function::new_typed_with_env(store, env, fd_fdstat_get),
            "fd_seek" => Function::new_typed(store, |_: i32, _: i64, _: i32, _: i32| ESPIPE),
            "fd_close" => Function::new_typed(store, |_: i32| 0),
            "proc_exit" => Function::new_typed(store, proc_exit),
        }
    }
}

fn proc_exit(code: i32) -> std::result::Result<(), RuntimeError> {
    Err(RuntimeError::user(Box::new(Exit(code))))
}

/// Calls a function with the guest's memory; an access outside of it is a trap.
fn with_memory<R>(
    env: &mut FunctionEnvMut<'_, Guest>,
    work: impl FnOnce(&MemoryView<'_>, &[String]) -> Result<R>,
) -> std::result::Result<R, RuntimeError> {
    let memory = env.data().memory.clone();
    let args = env.data().args.clone();
    let result = memory
        .context("called before the memory is known")
        .and_then(|memory| work(&memory.view(&env.as_store_ref()), &args));
    result.map_err(|error| RuntimeError::new(error.to_string()))
}

fn args_sizes_get(mut env: FunctionEnvMut<'_, Guest>, count: i32, bytes: i32) -> Wasi {
    with_memory(&mut env, |memory, args| {
        let size: usize = args.iter().map(|arg| arg.len() + 1).sum();
        memory.write(address(count), &(args.len() as u32).to_le_bytes())?;
        memory.write(address(bytes), &(size as u32).to_le_bytes())?;
        Ok(0)
    })
}

fn args_get(mut env: FunctionEnvMut<'_, Guest>, pointers: i32, bytes: i32) -> Wasi {
    with_memory(&mut env, |memory, args| {
        let (mut pointer, mut at) = (address(pointers), address(bytes));
        for arg in args {
            memory.write(pointer, &(at as u32).to_le_bytes())?;
            memory.write(at, arg.as_bytes())?;
            memory.write(at + arg.len() as u64, &[0])?;
            pointer += 4;
            at += arg.len() as u64 + 1;
        }
        Ok(0)
    })
}

fn fd_write(
    mut env: FunctionEnvMut<'_, Guest>,
    fd: i32,
    vectors: i32,
    count: i32,
    written: i32,
) -> Wasi {
    let text = with_memory(&mut env, |memory, _| {
        let mut text = Vec::new();
        for number in 0..u64::from(count.cast_unsigned()) {
            let vector = address(vectors) + 8 * number;
            let (at, length) = (read_u32(memory, vector)?, read_u32(memory, vector + 4)?);
            let from = text.len();
            text.resize(from + length as usize, 0);
            memory.read(u64::from(at), &mut text[from..])?;
        }
        memory.write(address(written), &(text.len() as u32).to_le_bytes())?;
        Ok(text)
    })?;
    if fd == 1 {
        env.data_mut().stdout.extend(text);
    }
    Ok(0)
}

/// The `fdstat` of a character device with all rights.
fn fd_fdstat_get(mut env: FunctionEnvMut<'_, Guest>, _fd: i32, stat: i32) -> Wasi {
    with_memory(&mut env, |memory, _| {
        let mut bytes = [0xff; 24];
        bytes[..8].copy_from_slice(&[2, 0, 0, 0, 0, 0, 0, 0]);
        memory.write(address(stat), &bytes)?;
        Ok(0)
    })
}

fn read_u32(memory: &MemoryView<'_>, at: u64) -> Result<u32> {
    let mut bytes = [0; 4];
    memory.read(at, &mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

fn address(pointer: i32) -> u64 {
    u64::from(pointer.cast_unsigned())
}
