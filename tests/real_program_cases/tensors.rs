//! TensorFlow.js's kernels for WebAssembly with vectors (XNNPACK's, in C++): the module is called
//! directly, as its JavaScript would call it, and computes the same in every mode as in Wasmtime.

use anyhow::{Context, Result, ensure};
use upshift::{Caller, Config, Engine, Extern, Linker, Module, Store, Val};

/// What the kernels are called with: the sides of square matrices, and how many.
const SIDE: usize = 61;
const BATCH: usize = 3;

/// The module in one engine.
trait Kernels {
    /// Calls an exported function of integers; zero if it has no result.
    fn call(&mut self, name: &str, arguments: &[i32]) -> Result<i32>;
    /// The memory.
    fn memory(&mut self) -> &mut [u8];
}

/// Places floats in the module's memory; returns their address.
fn place(kernels: &mut dyn Kernels, floats: &[f32]) -> Result<i32> {
    let bytes: Vec<u8> = floats
        .iter()
        .flat_map(|float| float.to_le_bytes())
        .collect();
    place_bytes(kernels, &bytes)
}

fn place_bytes(kernels: &mut dyn Kernels, bytes: &[u8]) -> Result<i32> {
    let address = kernels.call("malloc", &[bytes.len() as i32])?;
    ensure!(address > 0, "no memory");
    let at = address as usize;
    kernels.memory()[at..at + bytes.len()].copy_from_slice(bytes);
    Ok(address)
}

/// Multiplies matrices, adds, and applies functions to each element; returns all results.
fn compute(kernels: &mut dyn Kernels) -> Result<Vec<u8>> {
    const COUNT: usize = SIDE * SIDE * BATCH;
    const OPERANDS: [i32; 2] = [1, 2];
    const PRODUCT: i32 = 3;
    const FLOAT32: i32 = 0;
    kernels.call("__wasm_call_ctors", &[])?;
    kernels.call("init", &[])?;
    for id in OPERANDS {
        let value = |index: usize| (index * 7 + id as usize * 13) % 101;
        let floats: Vec<_> = (0..COUNT)
            .map(|index| value(index) as f32 / 50.0 - 1.0)
            .collect();
        let address = place(kernels, &floats)?;
        kernels.call("register_tensor", &[id, COUNT as i32, address])?;
    }
    let dimensions = [BATCH, SIDE, SIDE]
        .map(|length| (length as i32).to_le_bytes())
        .concat();
    let shape = place_bytes(kernels, &dimensions)?;
    let mut results = Vec::new();
    let unary = ["Exp", "Tanh", "Relu", "Rsqrt", "Cos", "Round", "Erf"];
    let calls = [
        ("BatchMatMul", PRODUCT),
        ("Softmax", 4),
        ("Sigmoid", 5),
        ("Add", 6),
    ];
    let calls = calls.into_iter().chain(unary.into_iter().zip(7..));
    for (name, out) in calls {
        let address = place(kernels, &vec![0.0; COUNT])?;
        kernels.call("register_tensor", &[out, COUNT as i32, address])?;
        let [left, right] = OPERANDS;
        let arguments = match name {
            "BatchMatMul" => vec![left, shape, 3, right, shape, 3, 0, 1, out],
            "Softmax" => vec![PRODUCT, out, SIDE as i32, (SIDE * BATCH) as i32],
            "Sigmoid" => vec![PRODUCT, out],
            "Add" => vec![left, shape, 3, PRODUCT, shape, 3, FLOAT32, out],
            _ => vec![PRODUCT, FLOAT32, out],
        };
        kernels.call(name, &arguments)?;
        let at = address as usize;
        results.extend_from_slice(&kernels.memory()[at..at + 4 * COUNT]);
    }
    Ok(results)
}

/// Copies within a memory, as the module's JavaScript does.
fn copy(memory: &mut [u8], to: i32, from: i32, length: i32) {
    let (to, from, length) = (to as usize, from as usize, length as usize);
    memory.copy_within(from..from + length, to);
}

struct InUpshift {
    store: Store<()>,
    instance: upshift::Instance,
}

impl InUpshift {
    fn new(wasm: &[u8], config: &Config) -> Result<Self> {
        let engine = Engine::new(config)?;
        let module = Module::from_binary(&engine, wasm)?;
        let mut linker = Linker::new(&engine);
        linker.func_wrap(
            "env",
            "emscripten_memcpy_big",
            |mut caller: Caller<'_, ()>, to: i32, from: i32, length: i32| {
                if let Some(Extern::Memory(memory)) = caller.get_export("memory") {
                    copy(memory.data_mut(&mut caller), to, from, length);
                }
            },
        )?;
        linker.func_wrap("env", "emscripten_get_heap_max", || i32::MAX)?;
        linker.func_wrap("env", "emscripten_resize_heap", |_: i32| 0)?;
        linker.func_wrap("wasi_snapshot_preview1", "fd_close", |_: i32| 0)?;
        let write = |_: i32, _: i32, _: i32, _: i32| 0;
        linker.func_wrap("wasi_snapshot_preview1", "fd_write", write)?;
        linker.define_unknown_imports_as_traps(&module)?;
        let mut store = Store::new(&engine, ());
        let instance = linker.instantiate(&mut store, &module)?;
        Ok(Self { store, instance })
    }
}

impl Kernels for InUpshift {
    fn call(&mut self, name: &str, arguments: &[i32]) -> Result<i32> {
        let func = self
            .instance
            .get_func(&mut self.store, name)
            .context("exported")?;
        let arguments: Vec<_> = arguments.iter().map(|&value| Val::I32(value)).collect();
        let mut results = vec![Val::I32(0); func.ty(&self.store).results().len()];
        func.call(&mut self.store, &arguments, &mut results)
            .with_context(|| name.to_owned())?;
        Ok(results.first().and_then(Val::i32).unwrap_or(0))
    }

    fn memory(&mut self) -> &mut [u8] {
        let memory = self.instance.get_memory(&mut self.store, "memory");
        memory.expect("exported").data_mut(&mut self.store)
    }
}

struct InWasmtime {
    store: wasmtime::Store<()>,
    instance: wasmtime::Instance,
}

impl InWasmtime {
    fn new(wasm: &[u8]) -> Result<Self, wasmtime::Error> {
        let engine = wasmtime::Engine::default();
        let module = wasmtime::Module::new(&engine, wasm)?;
        let mut linker = wasmtime::Linker::new(&engine);
        linker.func_wrap(
            "env",
            "emscripten_memcpy_big",
            |mut caller: wasmtime::Caller<'_, ()>, to: i32, from: i32, length: i32| {
                if let Some(wasmtime::Extern::Memory(memory)) = caller.get_export("memory") {
                    copy(memory.data_mut(&mut caller), to, from, length);
                }
            },
        )?;
        linker.func_wrap("env", "emscripten_get_heap_max", || i32::MAX)?;
        linker.func_wrap("env", "emscripten_resize_heap", |_: i32| 0)?;
        linker.func_wrap("wasi_snapshot_preview1", "fd_close", |_: i32| 0)?;
        let write = |_: i32, _: i32, _: i32, _: i32| 0;
        linker.func_wrap("wasi_snapshot_preview1", "fd_write", write)?;
        linker.define_unknown_imports_as_traps(&module)?;
        let mut store = wasmtime::Store::new(&engine, ());
        let instance = linker.instantiate(&mut store, &module)?;
        Ok(Self { store, instance })
    }

    fn call(&mut self, name: &str, arguments: &[i32]) -> Result<i32, wasmtime::Error> {
        let func = self
            .instance
            .get_func(&mut self.store, name)
            .expect("exported");
        let arguments = arguments.iter().map(|&value| wasmtime::Val::I32(value));
        let arguments: Vec<_> = arguments.collect();
        let mut results = vec![wasmtime::Val::I32(0); func.ty(&self.store).results().len()];
        func.call(&mut self.store, &arguments, &mut results)?;
        Ok(results.first().and_then(wasmtime::Val::i32).unwrap_or(0))
    }
}

impl Kernels for InWasmtime {
    fn call(&mut self, name: &str, arguments: &[i32]) -> Result<i32> {
        let called = InWasmtime::call(self, name, arguments);
        called.map_err(|error| anyhow::anyhow!("{name}: {error:?}"))
    }

    fn memory(&mut self) -> &mut [u8] {
        let memory = self.instance.get_memory(&mut self.store, "memory");
        memory.expect("exported").data_mut(&mut self.store)
    }
}

/// Checks that the kernels compute the same in a configuration as in Wasmtime.
pub fn check(wasm: &[u8], config: &Config) -> Result<()> {
    let oracle = InWasmtime::new(wasm).map_err(|error| anyhow::anyhow!("{error:?}"));
    let expected = compute(&mut oracle?)?;
    let zeros = expected.iter().filter(|byte| **byte == 0).count();
    ensure!(zeros < expected.len() / 2, "the kernels compute nothing");
    let mut subject = InUpshift::new(wasm, config)?;
    // Twice, so that what is hot has changed its tier.
    for _ in 0..2 {
        ensure!(compute(&mut subject)? == expected, "results differ");
    }
    Ok(())
}
