//! A program in Wasmtime, another engine, whose answers are taken as right.

use std::sync::LazyLock;

use upshift::Trap;
use wasmtime::{Config, ValType};

use crate::configuration::{Fuel, Nans};
use crate::machine::machine;
use crate::program::Program;
use crate::standard;

machine!(wasmtime);

static COMPUTED: LazyLock<Engine> = LazyLock::new(|| engine(Nans::Computed));
static CANONICAL: LazyLock<Engine> = LazyLock::new(|| engine(Nans::Canonical));
static FUELED: LazyLock<Engine> = LazyLock::new(|| {
    let mut config = config(Nans::Computed);
    Engine::new(config.consume_fuel(true)).expect("an engine can be made")
});

fn engine(nans: Nans) -> Engine {
    Engine::new(&config(nans)).expect("an engine can be made")
}

fn config(nans: Nans) -> Config {
    let mut config = Config::new();
    config.cranelift_nan_canonicalization(nans == Nans::Canonical);
    config.max_wasm_stack(1 << 20);
    // Its handler of faults takes a shared memory that two instances use for two memories.
    config.signals_based_traps(false);
    config.wasm_exceptions(true);
    config.wasm_threads(true);
    config.shared_memory(true);
    config.wasm_custom_page_sizes(true);
    config.wasm_wide_arithmetic(true);
    config
}

/// The feature of which Wasmtime is no oracle: where the standard leaves a choice it may choose
/// otherwise.
pub const LACKING: &str = "relaxed vectors";

/// Loads a program in Wasmtime, for each of its threads; `None` if it has what is [`LACKING`].
///
/// Wasmtime gets exceptions of the older form in the [standard] one.
///
/// # Panics
///
/// If Wasmtime refuses another program.
pub fn load(
    program: &Program,
    exports: &Arc<Exports>,
    nans: Nans,
    fuel: Fuel,
) -> Option<Vec<Machine>> {
    let features = program.features();
    if features.contains(&LACKING) {
        return None;
    }
    let engine = match (nans, fuel) {
        (Nans::Computed, Fuel::Unlimited) => &*COMPUTED,
        (Nans::Canonical, Fuel::Unlimited) => &*CANONICAL,
        (_, Fuel::Consumed) => &*FUELED,
    };
    let legacy = features.contains(&"legacy exceptions");
    let load = |wasm: &Vec<u8>| {
        let translated = legacy.then(|| standard::translate(wasm));
        let wasm = translated.as_ref().unwrap_or(wasm);
        let module = Module::new(engine, wasm);
        module.unwrap_or_else(|error| panic!("the oracle refuses a module: {error:#}"))
    };
    let modules: Vec<_> = program.modules.iter().map(load).collect();
    Some(Machine::of(engine, &modules, exports, Calls::Synchronous))
}

/// The failure of a call that no exception ended, by the trap of Upshift that corresponds.
fn failure_of(error: &Error) -> Failure {
    let Some(trap) = error.downcast_ref::<wasmtime::Trap>() else {
        return Failure::Host;
    };
    Failure::Trap(match trap {
        wasmtime::Trap::StackOverflow => Trap::StackOverflow,
        wasmtime::Trap::MemoryOutOfBounds => Trap::MemoryOutOfBounds,
        wasmtime::Trap::HeapMisaligned => Trap::UnalignedAtomic,
        wasmtime::Trap::TableOutOfBounds => Trap::TableOutOfBounds,
        wasmtime::Trap::IndirectCallToNull => Trap::UninitializedElement,
        wasmtime::Trap::BadSignature => Trap::IndirectCallTypeMismatch,
        wasmtime::Trap::IntegerOverflow => Trap::IntegerOverflow,
        wasmtime::Trap::IntegerDivisionByZero => Trap::IntegerDivideByZero,
        wasmtime::Trap::BadConversionToInteger => Trap::InvalidConversionToInteger,
        wasmtime::Trap::UnreachableCodeReached => Trap::Unreachable,
        wasmtime::Trap::NullReference => Trap::NullReference,
        wasmtime::Trap::OutOfFuel => Trap::OutOfFuel,
        wasmtime::Trap::AtomicWaitNonSharedMemory => Trap::ExpectedSharedMemory,
        other => panic!("the oracle traps with {other:?}"),
    })
}

fn default(ty: &ValType) -> Val {
    Val::default_for_ty(ty).expect("arguments that are references are nullable")
}

/// The bytes of a shared memory. Outside of WebAssembly they can't be read without `unsafe`, so a
/// module copies them into a memory of its own.
fn bytes_of(engine: &Engine, memory: &SharedMemory) -> Vec<u8> {
    let ty = memory.ty();
    let index = if ty.is_64() { "i64" } else { "i32" };
    let text = format!(
        r#"(module
            (import "" "shared" (memory $shared {index} {} {} shared (pagesize {})))
            (memory (export "copy") 0)
            (func (param $bytes i32)
                (drop (memory.grow 1 (i32.div_u
                    (i32.add (local.get $bytes) (i32.const 0xffff))
                    (i32.const 0x10000))))
                (memory.copy 1 $shared
                    (i32.const 0) ({index}.const 0) (local.get $bytes)))
            (export "fill" (func 0)))"#,
        ty.minimum(),
        ty.maximum().expect("shared memories have one"),
        ty.page_size(),
    );
    let mut store = Store::new(engine, ());
    // An error is that of an engine without fuel.
    let _ = store.set_fuel(u64::MAX);
    let module = Module::new(engine, text).expect("the module is valid");
    let shared = [Extern::from(memory.clone())];
    let instance = Instance::new(&mut store, &module, &shared).expect("the types agree");
    let fill = instance.get_typed_func::<u32, ()>(&mut store, "fill");
    let bytes = memory.data_size();
    fill.and_then(|fill| fill.call(&mut store, bytes as u32))
        .expect("there are as many");
    let copy = instance
        .get_memory(&mut store, "copy")
        .expect("it is exported");
    copy.data(&store)[..bytes].to_vec()
}
