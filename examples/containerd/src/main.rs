//! Upshift as a runtime of containerd: a shim for WebAssembly containers, made with runwasi's
//! library. See README.md for how to install it.
//!
//! The shim brings what a runtime is asked for: it runs a program with the container's arguments,
//! environment, streams and file system, and compiles images' layers once for each node, which
//! containerd keeps. Cgroups, namespaces, networks and the life of a container are the library's.

use std::hash::Hash;
use std::path::Path;
use std::sync::LazyLock;

use anyhow::{Context as _, Result};
use containerd_shim_wasm::sandbox::Sandbox;
use containerd_shim_wasm::sandbox::context::{RuntimeContext, WasmLayer};
use containerd_shim_wasm::shim::{Cli as _, Compiler, Shim, Version, version};
use upshift::wasi::{WasiCtx, WasiCtxBuilder, add_to_linker};
use upshift::{Engine, Exit, Linker, Module, Store};

/// One engine for each process. Layers are compiled by the shim's process and run by those of the
/// containers, so both have the same options.
static ENGINE: LazyLock<Engine> = LazyLock::new(Engine::default);

struct UpshiftShim;

impl Shim for UpshiftShim {
    type Sandbox = UpshiftSandbox;

    fn name() -> &'static str {
        "upshift"
    }

    fn version() -> Version {
        version!()
    }

    async fn compiler() -> Option<impl Compiler> {
        Some(UpshiftCompiler)
    }
}

/// Compiles layers when an image is first used on a node; containerd keeps the result beside them.
struct UpshiftCompiler;

impl Compiler for UpshiftCompiler {
    fn cache_key(&self) -> impl Hash {
        // Other options, another version or another processor find nothing under their key.
        ENGINE.precompile_compatibility_hash()
    }

    async fn compile(&self, layers: &[WasmLayer]) -> Result<Vec<Option<Vec<u8>>>> {
        let compile = |layer: &WasmLayer| match Engine::detect_precompiled(&layer.layer) {
            Some(_) => Ok(None),
            None => ENGINE.precompile_module(&layer.layer).map(Some),
        };
        layers.iter().map(compile).collect()
    }
}

#[derive(Default)]
struct UpshiftSandbox;

impl Sandbox for UpshiftSandbox {
    async fn run_wasi(&self, ctx: &impl RuntimeContext) -> Result<i32> {
        let entrypoint = ctx.entrypoint();
        let bytes = entrypoint.source.as_bytes()?;
        let module = match entrypoint.source.is_precompiled()? {
            // SAFETY: containerd returns what `compile` has returned to it, from its own store.
            true => unsafe { Module::deserialize(&ENGINE, &bytes) },
            false => Module::new(&ENGINE, &bytes),
        }?;
        run(&module, &entrypoint.func, ctx)
    }
}

/// Runs a program to its end and returns its exit code. The container's process does nothing else
/// meanwhile.
fn run(module: &Module, func: &str, ctx: &impl RuntimeContext) -> Result<i32> {
    let mut wasi = WasiCtxBuilder::new();
    wasi.args(ctx.args()).inherit_stdio();
    for variable in ctx.envs() {
        let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
        wasi.env(name, value);
    }
    // The container's own file system: the process is in it already.
    wasi.preopened_dir("/", "/")
        .context("cannot open the container's root")?;

    let mut linker = Linker::new(&ENGINE);
    add_to_linker(&mut linker, |wasi: &mut WasiCtx| wasi)?;
    let mut store = Store::new(&ENGINE, wasi.build()?);
    let instance = linker.instantiate(&mut store, module)?;
    let start = instance.get_typed_func::<(), ()>(&mut store, func)?;
    match start.call(&mut store, ()) {
        Ok(()) => Ok(0),
        Err(error) => match error.downcast_ref::<Exit>() {
            Some(&Exit(code)) => Ok(code),
            None => Err(error).context(format!("in `{}`", program(ctx))),
        },
    }
}

/// The program's name, for messages.
fn program(ctx: &impl RuntimeContext) -> String {
    let name = ctx.entrypoint().arg0.map(Path::display);
    name.map_or("a program without a name".into(), |name| name.to_string())
}

fn main() {
    UpshiftShim::run(None);
}
