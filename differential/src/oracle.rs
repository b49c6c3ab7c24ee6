//! A program in Wasmtime, another engine, whose answers are taken as right.

use std::sync::{Arc, LazyLock};

use upshift::Trap;
use wasmtime::{
    AsContextMut, Caller, Config, Engine, Error, Extern, Func, Instance, Memory, Module, Ref,
    Store, Val, ValType,
};

use crate::configuration::Nans;
use crate::host::{self, Guest, Machine, State};
use crate::program::{Exports, Function, Item, Program};
use crate::value::{Failure, Outcome, Value, digest};

type Data = State<Instance>;

static COMPUTED: LazyLock<Engine> = LazyLock::new(|| engine(Nans::Computed));
static CANONICAL: LazyLock<Engine> = LazyLock::new(|| engine(Nans::Canonical));

fn engine(nans: Nans) -> Engine {
    let mut config = Config::new();
    config.cranelift_nan_canonicalization(nans == Nans::Canonical);
    config.max_wasm_stack(1 << 20);
    // It may choose otherwise where the standard leaves a choice.
    config.wasm_relaxed_simd(false);
    config.wasm_custom_page_sizes(true);
    config.wasm_wide_arithmetic(true);
    Engine::new(&config).expect("an engine can be made")
}

/// What Wasmtime, as it is built here, says of a module that it can't run: it lacks the collector
/// that it would need for `externref` and exceptions, and threads.
const REFUSALS: [&str; 7] = [
    "gc types are disallowed",
    "relaxed SIMD support is not enabled",
    "threads support is not enabled",
    "threads must be enabled",
    "exceptions proposal not enabled",
    "exceptions support is not enabled",
    "without the exception handling feature",
];

/// A program in Wasmtime.
pub struct Oracle {
    modules: Vec<Module>,
    store: Store<Data>,
    host: Vec<(&'static str, Func)>,
}

impl Oracle {
    /// Loads the program; `None` if Wasmtime can't run it.
    ///
    /// # Panics
    ///
    /// If it refuses a module for another reason than the ones that are known.
    pub fn new(program: &Program, exports: &Arc<Exports>, nans: Nans) -> Option<Self> {
        let engine = match nans {
            Nans::Computed => &*COMPUTED,
            Nans::Canonical => &*CANONICAL,
        };
        let mut modules = Vec::new();
        for wasm in &program.modules {
            match Module::new(engine, wasm) {
                Ok(module) => modules.push(module),
                Err(error) => {
                    let message = format!("{error:#}");
                    let known = REFUSALS.iter().any(|refusal| message.contains(refusal));
                    assert!(known, "the oracle refuses a module: {message}");
                    return None;
                }
            }
        }
        let mut store = Store::new(engine, State::new(Arc::clone(exports)));
        let host = host_functions(&mut store);
        Some(Self {
            modules,
            store,
            host,
        })
    }

    fn imports(&mut self, module: &Module) -> Vec<Extern> {
        let imports = module.imports().map(|import| {
            let (from, name) = (import.module(), import.name());
            if from == host::NAME {
                let mut functions = self.host.iter();
                let found = functions.find(|(known, _)| *known == name);
                return Extern::Func(found.expect("a function of the host").1);
            }
            let number = from.trim_start_matches('m').parse::<usize>();
            let instance = self.store.data().instances[number.expect("the name of a module")];
            let item = instance.get_export(&mut self.store, name);
            item.expect("programs import what there is")
        });
        imports.collect()
    }
}

fn host_functions(store: &mut Store<Data>) -> Vec<(&'static str, Func)> {
    let define = |name| {
        let func = match name {
            "mix" => Func::wrap(&mut *store, host::mix),
            "float" => Func::wrap(&mut *store, host::float),
            "call" => Func::wrap(&mut *store, |mut caller: Caller<'_, Data>, number: i32| {
                host::call(&mut caller, number)
            }),
            "write" => Func::wrap(&mut *store, |mut caller: Caller<'_, Data>, number: i32| {
                host::write(&mut caller, number)
            }),
            "grow" => Func::wrap(&mut *store, |mut caller: Caller<'_, Data>, number: i32| {
                host::grow(&mut caller, number)
            }),
            "fail" => Func::wrap(&mut *store, |number: i32| {
                if host::fails(number) {
                    return Err(Error::msg("a failure of the host"));
                }
                Ok(())
            }),
            other => unreachable!("the host has no `{other}`"),
        };
        (name, func)
    };
    host::FUNCTIONS
        .iter()
        .map(|(name, _)| *name)
        .map(define)
        .collect()
}

/// The engine's trap that corresponds to Wasmtime's.
fn failure(error: &Error) -> Failure {
    let Some(trap) = error.downcast_ref::<wasmtime::Trap>() else {
        return Failure::Host;
    };
    Failure::Trap(match trap {
        wasmtime::Trap::StackOverflow => Trap::StackOverflow,
        wasmtime::Trap::MemoryOutOfBounds => Trap::MemoryOutOfBounds,
        wasmtime::Trap::TableOutOfBounds => Trap::TableOutOfBounds,
        wasmtime::Trap::IndirectCallToNull => Trap::UninitializedElement,
        wasmtime::Trap::BadSignature => Trap::IndirectCallTypeMismatch,
        wasmtime::Trap::IntegerOverflow => Trap::IntegerOverflow,
        wasmtime::Trap::IntegerDivisionByZero => Trap::IntegerDivideByZero,
        wasmtime::Trap::BadConversionToInteger => Trap::InvalidConversionToInteger,
        wasmtime::Trap::UnreachableCodeReached => Trap::Unreachable,
        wasmtime::Trap::NullReference => Trap::NullReference,
        other => panic!("the oracle traps with {other:?}"),
    })
}

fn to_val(value: Value, ty: &ValType) -> Val {
    match value {
        Value::I32(value) => Val::I32(value),
        Value::I64(value) => Val::I64(value),
        Value::F32(bits) => Val::F32(bits),
        Value::F64(bits) => Val::F64(bits),
        Value::V128(bits) => Val::V128(bits.into()),
        Value::Null | Value::NonNull | Value::Digest(_) => {
            Val::default_for_ty(ty).expect("arguments that are references are nullable")
        }
    }
}

fn from_val(value: &Val) -> Value {
    match value {
        Val::I32(value) => Value::I32(*value),
        Val::I64(value) => Value::I64(*value),
        Val::F32(bits) => Value::F32(*bits),
        Val::F64(bits) => Value::F64(*bits),
        Val::V128(value) => Value::V128(value.as_u128()),
        Val::FuncRef(None) | Val::ExternRef(None) => Value::Null,
        Val::FuncRef(Some(_)) | Val::ExternRef(Some(_)) => Value::NonNull,
        other => panic!("programs have no {other:?}"),
    }
}

fn call(
    mut store: impl AsContextMut<Data = Data>,
    instance: Instance,
    function: &Function,
    arguments: &[Value],
) -> Result<Vec<Value>, Error> {
    let func = instance.get_func(&mut store, &function.name);
    let func = func.expect("programs export what they say");
    let ty = func.ty(&store);
    let arguments = arguments.iter().zip(ty.params());
    let arguments: Vec<_> = arguments.map(|(&value, ty)| to_val(value, &ty)).collect();
    let mut results = vec![Val::I32(0); ty.results().len()];
    func.call(&mut store, &arguments, &mut results)?;
    Ok(results.iter().map(from_val).collect())
}

impl Guest for Caller<'_, Data> {
    type Instance = Instance;
    type Error = Error;

    fn state(&mut self) -> &mut Data {
        self.data_mut()
    }

    fn call(&mut self, function: &Function, arguments: &[Value]) -> Result<Vec<Value>, Error> {
        let instance = self.data().instances[function.module];
        call(self, instance, function, arguments)
    }

    fn bytes(&mut self, memory: &Item) -> &mut [u8] {
        memory_of(self, memory).data_mut(self)
    }

    fn grow(&mut self, memory: &Item) -> Option<u64> {
        memory_of(self, memory).grow(self, 1).ok()
    }
}

fn memory_of(caller: &mut Caller<'_, Data>, item: &Item) -> Memory {
    let instance = caller.data().instances[item.module];
    let memory = instance.get_memory(caller, &item.name);
    memory.expect("programs export what they say")
}

impl Machine for Oracle {
    fn instantiate(&mut self) -> Outcome {
        self.store.data_mut().instances.clear();
        for module in self.modules.clone() {
            let imports = self.imports(&module);
            match Instance::new(&mut self.store, &module, &imports) {
                Ok(instance) => self.store.data_mut().instances.push(instance),
                Err(error) => return Err(failure(&error)),
            }
        }
        Ok(Vec::new())
    }

    fn call(&mut self, function: &Function, arguments: &[Value]) -> Outcome {
        let instance = self.store.data().instances[function.module];
        call(&mut self.store, instance, function, arguments).map_err(|error| failure(&error))
    }

    fn state(&mut self, item: &Item) -> Vec<Value> {
        let instance = self.store.data().instances[item.module];
        let store = &mut self.store;
        let found = instance.get_export(&mut *store, &item.name);
        match found.expect("programs export what they say") {
            Extern::Global(global) => vec![from_val(&global.get(store))],
            Extern::Memory(memory) => vec![Value::Digest(digest(memory.data(&*store)))],
            Extern::Table(table) => {
                let elements = (0..table.size(&*store)).map(|index| {
                    match table.get(&mut *store, index).expect("within the size") {
                        Ref::Func(None) | Ref::Extern(None) => Value::Null,
                        Ref::Func(Some(_)) | Ref::Extern(Some(_)) => Value::NonNull,
                        other => panic!("programs have no {other:?}"),
                    }
                });
                elements.collect()
            }
            _ => Vec::new(),
        }
    }
}
