//! A program in one engine, written once for all engines.
//!
//! Upshift's interface has Wasmtime's names and shapes, so that one macro makes a machine of
//! either. The module that uses it says what differs: `failure_of`, `default` and `bytes_of`.

/// Defines `Machine`, a program in an engine, whose crate is the argument.
macro_rules! machine {
    ($engine:ident) => {
        use std::sync::Arc;

        use $engine::{
            AsContextMut, Caller, Engine, Error, Extern, Func, Instance, Memory, Module,
            SharedMemory, Store, Tag, ThrownException, Val,
        };

        use crate::executor::block_on;
        use crate::host::{self, Calls, Guest, State};
        use crate::program::{Exports, Function, Item, ItemKind};
        use crate::threads;
        use crate::value::{Failure, Outcome, Value, digest};

        type Data = State<Instance>;

        /// A program in the engine, on one thread.
        pub struct Machine {
            modules: Vec<Module>,
            store: Store<Data>,
            host: Vec<(&'static str, Extern)>,
            calls: Calls,
        }

        impl Machine {
            /// One for each thread of a program, which share its memory.
            fn of(
                engine: &Engine,
                modules: &[Module],
                exports: &Arc<Exports>,
                calls: Calls,
            ) -> Vec<Self> {
                let mut imports = modules.iter().flat_map(Module::imports);
                let shared = imports.find(|import| {
                    (import.module(), import.name()) == (host::NAME, threads::MEMORY)
                });
                let shared = shared.map(|import| {
                    let ty = import.ty().unwrap_memory().clone();
                    SharedMemory::new(engine, ty).expect("a small memory can be made")
                });
                let count = shared.as_ref().map_or(1, |_| threads::COUNT);
                let machines = (0..count).map(|_| {
                    let mut store = Store::new(engine, State::new(Arc::clone(exports)));
                    let mut host = host_functions(&mut store, calls);
                    let shared = shared.iter();
                    host.extend(shared.map(|it| (threads::MEMORY, Extern::from(it.clone()))));
                    Self {
                        modules: modules.to_vec(),
                        store,
                        host,
                        calls,
                    }
                });
                machines.collect()
            }

            fn imports(&mut self, module: &Module) -> Vec<Extern> {
                let imports = module.imports().map(|import| {
                    let (from, name) = (import.module(), import.name());
                    if from == host::NAME {
                        let mut items = self.host.iter();
                        let found = items.find(|(known, _)| *known == name);
                        return found.expect("an item of the host").1.clone();
                    }
                    let number = from.trim_start_matches('m').parse::<usize>();
                    let number = number.expect("the name of a module");
                    self.export(number, name)
                });
                imports.collect()
            }

            fn export(&mut self, module: usize, name: &str) -> Extern {
                let instance = self.store.data().instances[module];
                let item = instance.get_export(&mut self.store, name);
                item.expect("programs export what they say")
            }

            fn failure(&mut self, error: &Error) -> Failure {
                if !error.is::<ThrownException>() {
                    return failure_of(error);
                }
                let exception = self.store.take_pending_exception();
                let exception = exception.expect("it was thrown");
                let tag = exception.tag(&mut self.store).expect("it is alive");
                let fields = exception.fields(&mut self.store).expect("it is alive");
                Failure::Exception {
                    values: fields.into_iter().map(|field| from_val(&field)).collect(),
                    tag: self.name_of(&tag),
                }
            }

            /// The first export that is the tag.
            fn name_of(&mut self, tag: &Tag) -> Option<String> {
                let exports = Arc::clone(&self.store.data().exports);
                let ready = self.store.data().instances.len();
                let mut items = exports.items.iter();
                let found = items.find(|item| {
                    item.kind == ItemKind::Tag
                        && item.module < ready
                        && matches!(
                            self.export(item.module, &item.name),
                            Extern::Tag(other) if Tag::eq(tag, &other, &self.store)
                        )
                });
                found.map(|item| format!("m{}.{}", item.module, item.name))
            }
        }

        fn host_functions(
            store: &mut Store<Data>,
            calls: Calls,
        ) -> Vec<(&'static str, Extern)> {
            let define = |name| {
                let func = match name {
                    "mix" => Func::wrap(&mut *store, host::mix),
                    "float" => Func::wrap(&mut *store, host::float),
                    "call" if calls == Calls::Asynchronous => Func::wrap_async(
                        &mut *store,
                        |caller: Caller<'_, Data>, (number,): (i32,)| {
                            Box::new(call_back_async(caller, number))
                        },
                    ),
                    "call" => Func::wrap(
                        &mut *store,
                        |mut caller: Caller<'_, Data>, number: i32| host::call(&mut caller, number),
                    ),
                    "write" => Func::wrap(
                        &mut *store,
                        |mut caller: Caller<'_, Data>, number: i32| {
                            host::write(&mut caller, number)
                        },
                    ),
                    "grow" => Func::wrap(
                        &mut *store,
                        |mut caller: Caller<'_, Data>, number: i32| host::grow(&mut caller, number),
                    ),
                    "fail" => Func::wrap(&mut *store, |number: i32| {
                        if host::fails(number) {
                            return Err(Error::msg("a failure of the host"));
                        }
                        Ok(())
                    }),
                    other => unreachable!("the host has no `{other}`"),
                };
                (name, Extern::from(func))
            };
            let names = host::FUNCTIONS.iter().map(|(name, _)| *name);
            names.map(define).collect()
        }

        fn to_val(value: Value, ty: &$engine::ValType) -> Val {
            match value {
                Value::I32(value) => Val::I32(value),
                Value::I64(value) => Val::I64(value),
                Value::F32(bits) => Val::F32(bits),
                Value::F64(bits) => Val::F64(bits),
                Value::V128(bits) => Val::V128(bits.into()),
                Value::Null | Value::NonNull | Value::Digest(_) => default(ty),
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
                Val::FuncRef(Some(_)) | Val::ExternRef(Some(_)) | Val::ExnRef(Some(_)) => {
                    Value::NonNull
                }
                #[allow(unreachable_patterns, reason = "one of the engines has more")]
                other => panic!("programs have no {other:?}"),
            }
        }

        /// The function, its arguments, and room for its results.
        fn prepare(
            mut store: impl AsContextMut<Data = Data>,
            instance: Instance,
            function: &Function,
            arguments: &[Value],
        ) -> (Func, Vec<Val>, Vec<Val>) {
            let func = instance.get_func(&mut store, &function.name);
            let func = func.expect("programs export what they say");
            let ty = func.ty(&store);
            let arguments = arguments.iter().zip(ty.params());
            let arguments = arguments.map(|(&value, ty)| to_val(value, &ty)).collect();
            (func, arguments, vec![Val::I32(0); ty.results().len()])
        }

        fn call(
            mut store: impl AsContextMut<Data = Data>,
            instance: Instance,
            function: &Function,
            arguments: &[Value],
        ) -> Result<Vec<Value>, Error> {
            let (func, arguments, mut results) =
                prepare(&mut store, instance, function, arguments);
            func.call(&mut store, &arguments, &mut results)?;
            Ok(results.iter().map(from_val).collect())
        }

        async fn call_async(
            mut store: impl AsContextMut<Data = Data>,
            instance: Instance,
            function: &Function,
            arguments: &[Value],
        ) -> Result<Vec<Value>, Error> {
            let (func, arguments, mut results) =
                prepare(&mut store, instance, function, arguments);
            func.call_async(&mut store, &arguments, &mut results)
                .await?;
            Ok(results.iter().map(from_val).collect())
        }

        /// `call` of the host, where calls are asynchronous.
        async fn call_back_async(mut caller: Caller<'_, Data>, number: i32) -> Result<i32, Error> {
            let Some((function, arguments)) = host::begin_call(&mut caller, number) else {
                return Ok(host::without_call(number));
            };
            let instance = caller.data().instances[function.module];
            let results = call_async(&mut caller, instance, &function, &arguments).await;
            host::end_call(&mut caller, results)
        }

        impl Guest for Caller<'_, Data> {
            type Instance = Instance;
            type Error = Error;

            fn state(&mut self) -> &mut Data {
                self.data_mut()
            }

            fn call(
                &mut self,
                function: &Function,
                arguments: &[Value],
            ) -> Result<Vec<Value>, Error> {
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

        impl host::Machine for Machine {
            fn instantiate(&mut self) -> Outcome {
                self.store.data_mut().instances.clear();
                for module in self.modules.clone() {
                    let imports = self.imports(&module);
                    let instance = match self.calls {
                        Calls::Synchronous => Instance::new(&mut self.store, &module, &imports),
                        Calls::Asynchronous => {
                            block_on(Instance::new_async(&mut self.store, &module, &imports))
                        }
                    };
                    match instance {
                        Ok(instance) => self.store.data_mut().instances.push(instance),
                        Err(error) => return Err(self.failure(&error)),
                    }
                }
                Ok(Vec::new())
            }

            fn call(&mut self, function: &Function, arguments: &[Value]) -> Outcome {
                let instance = self.store.data().instances[function.module];
                let store = &mut self.store;
                let outcome = match self.calls {
                    Calls::Synchronous => call(store, instance, function, arguments),
                    Calls::Asynchronous => {
                        block_on(call_async(store, instance, function, arguments))
                    }
                };
                outcome.map_err(|error| self.failure(&error))
            }

            fn state(&mut self, item: &Item) -> Vec<Value> {
                let item = self.export(item.module, &item.name);
                let store = &mut self.store;
                match item {
                    Extern::Global(global) => vec![from_val(&global.get(store))],
                    Extern::Memory(memory) => vec![Value::Digest(digest(memory.data(&*store)))],
                    Extern::SharedMemory(memory) => {
                        vec![Value::Digest(digest(&bytes_of(store.engine(), &memory)))]
                    }
                    Extern::Table(table) => {
                        let elements = (0..table.size(&*store)).map(|index| {
                            let element = table.get(&mut *store, index);
                            from_val(&Val::from(element.expect("within the size")))
                        });
                        elements.collect()
                    }
                    Extern::Func(_) | Extern::Tag(_) => Vec::new(),
                }
            }

            fn set_fuel(&mut self, fuel: u64) {
                self.store.set_fuel(fuel).expect("it is consumed");
            }

            fn fuel(&self) -> u64 {
                self.store.get_fuel().expect("it is consumed")
            }
        }
    };
}

pub(crate) use machine;
