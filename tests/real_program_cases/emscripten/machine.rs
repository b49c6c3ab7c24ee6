//! A module in an engine: by a macro, as Upshift's API has Wasmtime's names.

macro_rules! machine {
    ($engine:ident, $null:expr) => {
        use $engine::{
            Caller, Engine, Error, Extern, ExternType, Func, FuncType, Global, Instance, Memory,
            SharedMemory, Store, Table, TableType, Tag, Val, ValType,
        };

        use crate::real_program_cases::emscripten::Module;
        use crate::real_program_cases::emscripten::host::{self, Guest, State, Stop};

        /// What host functions find in the store.
        pub struct Data {
            state: State,
            memory: Option<Extern>,
            instance: Option<Instance>,
            module: &'static Module,
        }

        /// A module with an instance.
        pub struct Machine {
            store: Store<Data>,
            instance: Instance,
        }

        impl Machine {
            fn new(
                engine: &Engine,
                compiled: &$engine::Module,
                module: &'static Module,
            ) -> Result<Self, Error> {
                let data = Data {
                    state: State::default(),
                    memory: None,
                    instance: None,
                    module,
                };
                let mut store = Store::new(engine, data);
                let imports = compiled.imports();
                let imports: Result<Vec<_>, _> = imports
                    .map(|import| {
                        define(
                            &mut store,
                            module,
                            import.module(),
                            import.name(),
                            import.ty(),
                        )
                    })
                    .collect();
                let imports = imports?;
                let memories = imports
                    .iter()
                    .filter(|import| matches!(import, Extern::Memory(_) | Extern::SharedMemory(_)));
                store.data_mut().memory = memories.last().cloned();
                let instance = Instance::new(&mut store, compiled, &imports)?;
                if store.data().memory.is_none() {
                    let memory = instance.get_export(&mut store, module.exports.memory);
                    store.data_mut().memory = memory;
                }
                store.data_mut().instance = Some(instance);
                Ok(Self { store, instance })
            }

            /// Calls an exported function of integers; zero if it has no result.
            pub fn call(&mut self, name: &str, arguments: &[i32]) -> Result<i32, Error> {
                let func = self.instance.get_func(&mut self.store, name);
                let func = func.ok_or_else(|| Error::msg(format!("no `{name}`")))?;
                let arguments: Vec<_> = arguments.iter().map(|&value| Val::I32(value)).collect();
                let mut results = vec![Val::I32(0); func.ty(&self.store).results().len()];
                func.call(&mut self.store, &arguments, &mut results)?;
                Ok(results.first().and_then(Val::i32).unwrap_or(0))
            }

            /// Runs the module's constructors.
            fn construct(&mut self) -> Result<(), Error> {
                for name in self.store.data().module.exports.constructors {
                    self.call(name, &[])?;
                }
                Ok(())
            }

            /// Copies bytes into the memory, which is not a shared one; returns their address.
            fn place(&mut self, malloc: &str, bytes: &[u8]) -> Result<i32, Error> {
                let at = self.call(malloc, &[bytes.len() as i32])?;
                let memory = self.store.data().memory.clone();
                let memory = memory.and_then(Extern::into_memory);
                let memory = memory.ok_or_else(|| Error::msg("no memory"))?;
                memory.write(&mut self.store, at as usize, bytes)?;
                Ok(at)
            }

            /// Calls a `main` with arguments; returns why it did not return, if it did not.
            fn run_main(
                &mut self,
                (malloc, main): (&str, &str),
                arguments: &[&str],
            ) -> Result<Option<Stop>, Error> {
                let mut list = Vec::new();
                for argument in arguments {
                    let at = self.place(malloc, &[argument.as_bytes(), &[0]].concat())?;
                    list.extend(at.to_le_bytes());
                }
                let list = self.place(malloc, &list)?;
                let Err(error) = self.call(main, &[arguments.len() as i32, list]) else {
                    return Ok(None);
                };
                match error.downcast_ref::<Stop>() {
                    Some(stop) => Ok(Some(*stop)),
                    None => Err(error),
                }
            }

            /// The bytes of the memory.
            fn bytes(&mut self) -> Vec<u8> {
                let memory = self.store.data().memory.clone();
                match memory.expect("modules have memories") {
                    Extern::Memory(memory) => memory.data(&self.store).to_vec(),
                    Extern::SharedMemory(memory) => {
                        let mut bytes = vec![0; memory.data_size()];
                        read_shared(&memory, 0, &mut bytes);
                        bytes
                    }
                    _ => unreachable!("it is a memory"),
                }
            }

            /// Ends the run, and returns what the host has of it.
            pub fn finish(mut self) -> State {
                let bytes = self.bytes();
                let mut state = std::mem::take(&mut self.store.data_mut().state);
                state.note_memory(&bytes);
                state
            }
        }

        impl Guest for Caller<'_, Data> {
            fn state(&mut self) -> &mut State {
                &mut self.data_mut().state
            }

            fn read(&mut self, at: u32, bytes: &mut [u8]) {
                match self.data().memory.clone() {
                    Some(Extern::Memory(memory)) => {
                        memory.read(&*self, at as usize, bytes).expect("in bounds");
                    }
                    Some(Extern::SharedMemory(memory)) => read_shared(&memory, at, bytes),
                    _ => panic!("a start function calls imports"),
                }
            }

            fn write(&mut self, at: u32, bytes: &[u8]) {
                match self.data().memory.clone() {
                    Some(Extern::Memory(memory)) => {
                        memory.write(self, at as usize, bytes).expect("in bounds");
                    }
                    Some(Extern::SharedMemory(memory)) => write_shared(&memory, at, bytes),
                    _ => panic!("a start function calls imports"),
                }
            }

            fn grow_to(&mut self, bytes: u32) -> bool {
                let pages = u64::from(bytes.div_ceil(65536));
                match self.data().memory.clone() {
                    Some(Extern::Memory(memory)) => {
                        let more = pages.saturating_sub(memory.size(&*self));
                        memory.grow(self, more).is_ok()
                    }
                    Some(Extern::SharedMemory(memory)) => {
                        memory.grow(pages.saturating_sub(memory.size())).is_ok()
                    }
                    _ => panic!("a start function calls imports"),
                }
            }
        }

        fn define(
            store: &mut Store<Data>,
            module: &'static Module,
            from: &str,
            name: &str,
            ty: ExternType,
        ) -> Result<Extern, Error> {
            Ok(match ty {
                ExternType::Func(ty) => function(store, module.name_of(name), ty).into(),
                ExternType::Memory(ty) if ty.is_shared() => {
                    SharedMemory::new(&store.engine().clone(), ty)?.into()
                }
                ExternType::Memory(ty) => Memory::new(store, ty)?.into(),
                ExternType::Table(ty) => {
                    // Dynamic linking leaves the first elements to whatever else is linked.
                    let base = module.global("__table_base") as u32;
                    let minimum = ty.minimum() as u32 + base;
                    let ty = TableType::new(ty.element().clone(), minimum, None);
                    let null = $null(ty.element());
                    Table::new(store, ty, null)?.into()
                }
                ExternType::Global(ty) => {
                    let value = Val::I32(module.global(name));
                    Global::new(store, ty, value)?.into()
                }
                ExternType::Tag(ty) => Tag::new(store, &ty)?.into(),
                #[allow(unreachable_patterns, reason = "one of the engines has more")]
                _ => return Err(Error::msg(format!("`{from}.{name}`"))),
            })
        }

        fn function(store: &mut Store<Data>, name: String, ty: FuncType) -> Func {
            let result = ty.results().next();
            Func::new(
                store,
                ty,
                move |mut caller: Caller<'_, Data>, arguments, results| {
                    let bits: Vec<_> = arguments.iter().map(bits).collect();
                    caller.data_mut().state.note(&name, &bits);
                    if name.starts_with("invoke_") {
                        return invoke(&mut caller, arguments, results);
                    }
                    let answer = host::answer(&mut caller, &name, &bits).map_err(Error::new)?;
                    if let (Some(slot), Some(ty)) = (results.first_mut(), &result) {
                        *slot = match ty {
                            ValType::I32 => Val::I32(answer as i32),
                            ValType::I64 => Val::I64(answer as i64),
                            ValType::F32 => Val::F32(answer as u32),
                            ValType::F64 => Val::F64(answer),
                            other => zero(other),
                        };
                    }
                    Ok(())
                },
            )
        }

        /// Calls a function of the table, and catches `longjmp`.
        fn invoke(
            caller: &mut Caller<'_, Data>,
            arguments: &[Val],
            results: &mut [Val],
        ) -> Result<(), Error> {
            let data = caller.data();
            let (exports, instance) = (&data.module.exports, data.instance);
            let instance = instance.expect("constructors run in an instance");
            let save = instance.get_typed_func::<(), i32>(&mut *caller, exports.save_stack)?;
            let stack = save.call(&mut *caller, ())?;
            let table = instance.get_table(&mut *caller, exports.table);
            let table = table.ok_or_else(|| Error::msg("no table"))?;
            let index = arguments[0].unwrap_i32() as u32;
            let element = table.get(&mut *caller, index.into()).map(Val::from);
            let Some(Val::FuncRef(Some(func))) = element else {
                return Err(Error::msg(format!("no element {index}")));
            };
            let called = func.call(&mut *caller, &arguments[1..], results);
            let Err(error) = called else { return Ok(()) };
            if error.downcast_ref::<Stop>() != Some(&Stop::LongJump) {
                return Err(error);
            }
            let restore =
                instance.get_typed_func::<i32, ()>(&mut *caller, exports.restore_stack)?;
            restore.call(&mut *caller, stack)?;
            let threw =
                instance.get_typed_func::<(i32, i32), ()>(&mut *caller, exports.set_threw)?;
            threw.call(&mut *caller, (1, 0))
        }

        fn bits(value: &Val) -> u64 {
            match value {
                Val::I32(value) => *value as u32 as u64,
                Val::I64(value) => *value as u64,
                Val::F32(bits) => (*bits).into(),
                Val::F64(bits) => *bits,
                _ => 0,
            }
        }
    };
}

/// In Upshift.
pub mod in_upshift {
    use upshift::{Config, Ref};

    machine!(upshift, Ref::null);

    fn zero(ty: &ValType) -> Val {
        Val::default_for_ty(*ty)
    }

    fn read_shared(memory: &SharedMemory, at: u32, bytes: &mut [u8]) {
        memory.read(at as usize, bytes).expect("in bounds");
    }

    fn write_shared(memory: &SharedMemory, at: u32, bytes: &[u8]) {
        memory.write(at as usize, bytes).expect("in bounds");
    }

    /// A module whose constructors have run.
    fn load(wasm: &[u8], module: &'static Module, config: &Config) -> anyhow::Result<Machine> {
        let engine = Engine::new(config)?;
        let compiled = upshift::Module::from_binary(&engine, wasm)?;
        let mut machine = Machine::new(&engine, &compiled, module)?;
        machine.construct()?;
        Ok(machine)
    }

    /// Runs the module's constructors.
    pub fn construct(
        wasm: &[u8],
        module: &'static Module,
        config: &Config,
    ) -> anyhow::Result<State> {
        Ok(load(wasm, module, config)?.finish())
    }

    /// Runs a `main`; returns why it did not return.
    pub fn run(
        wasm: &[u8],
        module: &'static Module,
        config: &Config,
        names: (&str, &str),
        arguments: &[&str],
    ) -> anyhow::Result<(Option<Stop>, State)> {
        let mut machine = load(wasm, module, config)?;
        let stop = machine.run_main(names, arguments)?;
        Ok((stop, machine.finish()))
    }
}

/// In Wasmtime.
pub mod in_wasmtime {
    use wasmtime::{Ref, RefType};

    machine!(wasmtime, null);

    fn null(ty: &RefType) -> Ref {
        Ref::null(ty.heap_type())
    }

    fn zero(ty: &ValType) -> Val {
        Val::default_for_ty(ty).expect("imports return what may be null")
    }

    fn read_shared(_: &SharedMemory, _: u32, _: &mut [u8]) {
        unreachable!("modules with shared memories are not compared");
    }

    fn write_shared(_: &SharedMemory, _: u32, _: &[u8]) {
        unreachable!("modules with shared memories are not compared");
    }

    /// A module whose constructors have run.
    fn load(wasm: &[u8], module: &'static Module) -> Result<Machine, Error> {
        let engine = Engine::default();
        let compiled = wasmtime::Module::new(&engine, wasm)?;
        let mut machine = Machine::new(&engine, &compiled, module)?;
        machine.construct()?;
        Ok(machine)
    }

    fn opaque(error: Error) -> anyhow::Error {
        anyhow::anyhow!("{error:?}")
    }

    /// Runs the module's constructors.
    pub fn construct(wasm: &[u8], module: &'static Module) -> anyhow::Result<State> {
        Ok(load(wasm, module).map_err(opaque)?.finish())
    }

    /// Runs a `main`; returns why it did not return.
    pub fn run(
        wasm: &[u8],
        module: &'static Module,
        names: (&str, &str),
        arguments: &[&str],
    ) -> anyhow::Result<(Option<Stop>, State)> {
        let mut machine = load(wasm, module).map_err(opaque)?;
        let stop = machine.run_main(names, arguments).map_err(opaque)?;
        Ok((stop, machine.finish()))
    }
}
