//! A program in the engine under test.

use std::sync::Arc;

use anyhow::Result;
use upshift::{
    AsContextMut, Caller, Engine, Error, Extern, Func, Instance, Memory, Module, Ref, Store, Trap,
    Val, ValType,
};

use crate::host::{self, Guest, Machine, State};
use crate::program::{Exports, Function, Item, Program};
use crate::value::{Failure, Outcome, Value, digest};

type Data = State<Instance>;

/// A program in one configuration of Upshift.
pub struct Subject {
    modules: Vec<Module>,
    store: Store<Data>,
    host: Vec<(&'static str, Func)>,
}

impl Subject {
    /// Loads the program.
    ///
    /// # Errors
    ///
    /// If the engine refuses a module.
    pub fn new(engine: &Engine, program: &Program, exports: &Arc<Exports>) -> Result<Self> {
        let load = |wasm: &Vec<u8>| Module::from_binary(engine, wasm);
        let modules = program.modules.iter().map(load).collect::<Result<_>>()?;
        let mut store = Store::new(engine, State::new(Arc::clone(exports)));
        let host = host_functions(&mut store);
        Ok(Self {
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
                anyhow::ensure!(!host::fails(number), "a failure of the host");
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

/// Traps that the oracle tells apart no more than this: it has one for all accesses beyond a
/// table's end, `call_indirect` included.
fn failure(error: &Error) -> Failure {
    match error.downcast_ref::<Trap>() {
        Some(Trap::UndefinedElement) => Failure::Trap(Trap::TableOutOfBounds),
        Some(trap) => Failure::Trap(*trap),
        None => Failure::Host,
    }
}

fn to_val(value: Value, ty: ValType) -> Val {
    match value {
        Value::I32(value) => Val::I32(value),
        Value::I64(value) => Val::I64(value),
        Value::F32(bits) => Val::F32(bits),
        Value::F64(bits) => Val::F64(bits),
        Value::V128(bits) => Val::V128(bits.into()),
        Value::Null | Value::NonNull | Value::Digest(_) => Val::default_for_ty(ty),
    }
}

fn from_val(value: &Val) -> Value {
    match value {
        Val::I32(value) => Value::I32(*value),
        Val::I64(value) => Value::I64(*value),
        Val::F32(bits) => Value::F32(*bits),
        Val::F64(bits) => Value::F64(*bits),
        Val::V128(value) => Value::V128(value.as_u128()),
        Val::FuncRef(None) | Val::ExternRef(None) | Val::ExnRef(None) => Value::Null,
        Val::FuncRef(Some(_)) | Val::ExternRef(Some(_)) | Val::ExnRef(Some(_)) => Value::NonNull,
    }
}

fn call(
    mut store: impl AsContextMut<Data = Data>,
    instance: Instance,
    function: &Function,
    arguments: &[Value],
) -> Result<Vec<Value>> {
    let func = instance.get_func(&mut store, &function.name);
    let func = func.expect("programs export what they say");
    let ty = func.ty(&store);
    let arguments = arguments.iter().zip(ty.params());
    let arguments: Vec<_> = arguments.map(|(&value, ty)| to_val(value, ty)).collect();
    let mut results: Vec<_> = ty.results().map(Val::default_for_ty).collect();
    func.call(&mut store, &arguments, &mut results)?;
    Ok(results.iter().map(from_val).collect())
}

impl Guest for Caller<'_, Data> {
    type Instance = Instance;
    type Error = Error;

    fn state(&mut self) -> &mut Data {
        self.data_mut()
    }

    fn call(&mut self, function: &Function, arguments: &[Value]) -> Result<Vec<Value>> {
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

impl Machine for Subject {
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
                        Ref::Func(None) | Ref::Extern(None) | Ref::Exn(None) => Value::Null,
                        Ref::Func(Some(_)) | Ref::Extern(Some(_)) | Ref::Exn(Some(_)) => {
                            Value::NonNull
                        }
                    }
                });
                elements.collect()
            }
            Extern::SharedMemory(memory) => {
                let mut bytes = vec![0; memory.data_size()];
                memory.read(0, &mut bytes).expect("as many as there are");
                vec![Value::Digest(digest(&bytes))]
            }
            Extern::Func(_) | Extern::Tag(_) => unreachable!("they have no state"),
        }
    }
}
