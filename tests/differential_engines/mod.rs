//! One interface to the engine under test and to the oracle.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use upshift::{Engine, Error, Extern, Instance, Module, Store, Trap, Val, ValType};

/// A value, comparable across engines: floats by their bits, references only by being null or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    I32(i32),
    I64(i64),
    F32(u32),
    F64(u64),
    V128(u128),
    NullRef,
    NonNullRef,
    /// A digest of a memory's bytes.
    Digest(u64),
}

/// Results, or the trap; `Err(None)` is an error other than a trap.
pub type Outcome = Result<Vec<Value>, Option<Trap>>;

/// An engine that runs one module.
pub trait Machine {
    /// Creates an instance for the calls that follow.
    fn instantiate(&mut self) -> Outcome;
    /// The exported functions with their parameter types.
    fn functions(&mut self) -> Vec<(String, Vec<ValType>)>;
    /// Calls an exported function.
    fn call(&mut self, name: &str, arguments: &[Value]) -> Outcome;
    /// All exported globals and memories, and the sizes of exported tables.
    fn state(&mut self) -> Vec<Value>;
}

fn digest(bytes: &[u8]) -> Value {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    Value::Digest(hasher.finish())
}

/// A module in the engine under test.
pub struct Subject {
    module: Module,
    store: Store<()>,
    instance: Option<Instance>,
}

impl Subject {
    /// Loads the module, which is valid.
    pub fn new(engine: &Engine, wasm: &[u8]) -> Self {
        Self {
            module: Module::from_binary(engine, wasm).expect("generated modules are valid"),
            store: Store::new(engine, ()),
            instance: None,
        }
    }

    fn instance(&self) -> Instance {
        self.instance.expect("instantiated before")
    }
}

/// Maps traps to the oracle's, which has one for all accesses beyond a table's end, `call_indirect`
/// included.
fn trap_of(error: &Error) -> Option<Trap> {
    let trap = *error.downcast_ref::<Trap>()?;
    Some(if trap == Trap::UndefinedElement {
        Trap::TableOutOfBounds
    } else {
        trap
    })
}

fn to_val(value: Value, ty: ValType) -> Val {
    match value {
        Value::I32(value) => Val::I32(value),
        Value::I64(value) => Val::I64(value),
        Value::F32(bits) => Val::F32(bits),
        Value::F64(bits) => Val::F64(bits),
        Value::V128(bits) => Val::V128(bits.into()),
        Value::NullRef | Value::NonNullRef | Value::Digest(_) => Val::default_for_ty(ty),
    }
}

fn from_val(value: &Val) -> Value {
    match value {
        Val::I32(value) => Value::I32(*value),
        Val::I64(value) => Value::I64(*value),
        Val::F32(bits) => Value::F32(*bits),
        Val::F64(bits) => Value::F64(*bits),
        Val::V128(value) => Value::V128(value.as_u128()),
        Val::FuncRef(None) | Val::ExternRef(None) | Val::ExnRef(None) => Value::NullRef,
        Val::FuncRef(Some(_)) | Val::ExternRef(Some(_)) | Val::ExnRef(Some(_)) => Value::NonNullRef,
    }
}

impl Machine for Subject {
    fn instantiate(&mut self) -> Outcome {
        match Instance::new(&mut self.store, &self.module, &[]) {
            Ok(instance) => self.instance = Some(instance),
            Err(error) => return Err(trap_of(&error)),
        }
        Ok(Vec::new())
    }

    fn functions(&mut self) -> Vec<(String, Vec<ValType>)> {
        let exports = self.module.exports();
        let functions = exports.filter_map(|export| {
            let ty = export.ty();
            Some((export.name().to_string(), ty.func()?.params().collect()))
        });
        functions.collect()
    }

    fn call(&mut self, name: &str, arguments: &[Value]) -> Outcome {
        let func = self
            .instance()
            .get_func(&mut self.store, name)
            .expect("exported");
        let ty = func.ty(&self.store);
        let arguments = arguments.iter().zip(ty.params());
        let arguments: Vec<_> = arguments.map(|(&value, ty)| to_val(value, ty)).collect();
        let mut results: Vec<_> = ty.results().map(Val::default_for_ty).collect();
        match func.call(&mut self.store, &arguments, &mut results) {
            Ok(()) => Ok(results.iter().map(from_val).collect()),
            Err(error) => Err(trap_of(&error)),
        }
    }

    fn state(&mut self) -> Vec<Value> {
        let mut state = Vec::new();
        for export in self.module.exports() {
            let item = self.instance().get_export(&mut self.store, export.name());
            match item.expect("exported") {
                Extern::Func(_) | Extern::Tag(_) => {}
                Extern::Global(global) => state.push(from_val(&global.get(&mut self.store))),
                Extern::Memory(memory) => state.push(digest(memory.data(&self.store))),
                Extern::SharedMemory(memory) => {
                    let mut bytes = vec![0; memory.data_size()];
                    memory.read(0, &mut bytes).expect("as many as there are");
                    state.push(digest(&bytes));
                }
                Extern::Table(table) => state.push(Value::I64(table.size(&self.store) as i64)),
            }
        }
        state
    }
}

/// The same module in Wasmtime.
pub struct Oracle {
    module: wasmtime::Module,
    store: wasmtime::Store<()>,
    instance: Option<wasmtime::Instance>,
}

impl Oracle {
    /// Loads the module, which is valid; `None` if it has an `externref`, since the oracle is built
    /// without the collector that it would need for them, or relaxed vector operators.
    pub fn new(engine: &wasmtime::Engine, wasm: &[u8]) -> Option<Self> {
        let module = match wasmtime::Module::new(engine, wasm) {
            Ok(module) => module,
            Err(error)
                if [
                    "gc types are disallowed",
                    "relaxed SIMD support is not enabled",
                ]
                .iter()
                .any(|reason| format!("{error:#}").contains(reason)) =>
            {
                return None;
            }
            Err(error) => panic!("generated modules are valid: {error:#}"),
        };
        let store = wasmtime::Store::new(engine, ());
        Some(Self {
            module,
            store,
            instance: None,
        })
    }

    fn instance(&self) -> wasmtime::Instance {
        self.instance.expect("instantiated before")
    }
}

/// The engine's trap that corresponds to Wasmtime's.
fn oracle_trap(error: &wasmtime::Error) -> Option<Trap> {
    Some(match error.downcast_ref::<wasmtime::Trap>()? {
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

fn oracle_type(ty: &wasmtime::ValType) -> ValType {
    match ty {
        wasmtime::ValType::I32 => ValType::I32,
        wasmtime::ValType::I64 => ValType::I64,
        wasmtime::ValType::F32 => ValType::F32,
        wasmtime::ValType::F64 => ValType::F64,
        wasmtime::ValType::Ref(_) => ValType::FUNCREF,
        wasmtime::ValType::V128 => ValType::V128,
    }
}

fn to_oracle(value: Value, ty: &wasmtime::ValType) -> wasmtime::Val {
    match value {
        Value::I32(value) => wasmtime::Val::I32(value),
        Value::I64(value) => wasmtime::Val::I64(value),
        Value::F32(bits) => wasmtime::Val::F32(bits),
        Value::F64(bits) => wasmtime::Val::F64(bits),
        Value::V128(bits) => wasmtime::Val::V128(bits.into()),
        Value::NullRef | Value::NonNullRef | Value::Digest(_) => {
            wasmtime::Val::default_for_ty(ty).expect("nullable")
        }
    }
}

fn from_oracle(value: &wasmtime::Val) -> Value {
    match value {
        wasmtime::Val::I32(value) => Value::I32(*value),
        wasmtime::Val::I64(value) => Value::I64(*value),
        wasmtime::Val::F32(bits) => Value::F32(*bits),
        wasmtime::Val::F64(bits) => Value::F64(*bits),
        wasmtime::Val::V128(value) => Value::V128(value.as_u128()),
        wasmtime::Val::FuncRef(None) | wasmtime::Val::ExternRef(None) => Value::NullRef,
        wasmtime::Val::FuncRef(Some(_)) | wasmtime::Val::ExternRef(Some(_)) => Value::NonNullRef,
        other => panic!("generated modules have no {other:?}"),
    }
}

impl Machine for Oracle {
    fn instantiate(&mut self) -> Outcome {
        match wasmtime::Instance::new(&mut self.store, &self.module, &[]) {
            Ok(instance) => self.instance = Some(instance),
            Err(error) => return Err(oracle_trap(&error)),
        }
        Ok(Vec::new())
    }

    fn functions(&mut self) -> Vec<(String, Vec<ValType>)> {
        let exports = self.module.exports();
        let functions = exports.filter_map(|export| {
            let ty = export.ty();
            let params = ty.func()?.params().map(|ty| oracle_type(&ty)).collect();
            Some((export.name().to_string(), params))
        });
        functions.collect()
    }

    fn call(&mut self, name: &str, arguments: &[Value]) -> Outcome {
        let func = self
            .instance()
            .get_func(&mut self.store, name)
            .expect("exported");
        let ty = func.ty(&self.store);
        let arguments = arguments.iter().zip(ty.params());
        let arguments: Vec<_> = arguments
            .map(|(&value, ty)| to_oracle(value, &ty))
            .collect();
        let mut results = vec![wasmtime::Val::I32(0); ty.results().len()];
        match func.call(&mut self.store, &arguments, &mut results) {
            Ok(()) => Ok(results.iter().map(from_oracle).collect()),
            Err(error) => Err(oracle_trap(&error)),
        }
    }

    fn state(&mut self) -> Vec<Value> {
        let mut state = Vec::new();
        for export in self.module.exports() {
            let item = self.instance().get_export(&mut self.store, export.name());
            match item.expect("exported") {
                wasmtime::Extern::Global(global) => {
                    state.push(from_oracle(&global.get(&mut self.store)));
                }
                wasmtime::Extern::Memory(memory) => state.push(digest(memory.data(&self.store))),
                wasmtime::Extern::Table(table) => {
                    state.push(Value::I64(table.size(&self.store) as i64));
                }
                _ => {}
            }
        }
        state
    }
}
