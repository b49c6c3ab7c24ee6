//! Drives Ruby's library build: no command, but functions that take and return strings.
//!
//! A macro and not a function, because Upshift's API has Wasmtime's names: the same text compiles
//! against both crates, which also tests that.

use anyhow::{Context, Result, bail};

use super::Job;

/// The script that the job's first argument names, from its mounted directory.
pub fn script(job: &Job) -> Result<String> {
    let (path, scale) = match job.args.as_slice() {
        [path] => (path, "1"),
        [path, scale] => (path, scale.as_str()),
        _ => bail!("a Ruby job has a script and perhaps a scale"),
    };
    let (folder, name) = path.rsplit_once('/').context("the script has no folder")?;
    let mount = job.mounts.iter().find(|(guest, _)| guest == folder);
    let (_, host) = mount.with_context(|| format!("`{folder}` is not mounted"))?;
    let text = std::fs::read_to_string(host.join(name))?;
    Ok(format!("$scale = {scale}\n{text}"))
}

/// Defines `define_imports` and `run` against an API crate.
macro_rules! ruby_driver {
    ($api:ident) => {
        /// Defines the imports. The library passes handles of Ruby values to the host, which
        /// returns them unchanged.
        pub fn define_imports<T: Send + 'static>(
            linker: &mut $api::Linker<T>,
            module: &$api::Module,
        ) -> $api::Result<()> {
            let handles = "canonical_abi";
            linker.func_wrap(handles, "resource_new_rb-abi-value", |value: i32| value)?;
            linker.func_wrap(handles, "resource_get_rb-abi-value", |handle: i32| handle)?;
            linker.func_wrap(handles, "resource_drop_rb-abi-value", |_: i32| ())?;
            // The other imports are for calls from Ruby to JavaScript.
            linker.define_unknown_imports_as_traps(module)?;
            Ok(())
        }

        /// Evaluates a script.
        pub fn run<T: Send + 'static>(
            store: &mut $api::Store<T>,
            instance: $api::Instance,
            script: &str,
        ) -> $api::Result<()> {
            instance
                .get_typed_func::<(), ()>(&mut *store, "_initialize")?
                .call(&mut *store, ())?;
            let mut guest = Guest::new(store, instance)?;
            let args = ["ruby\0", "--disable-gems\0", "-e_=0\0"];
            let list = guest.put_list(&args)?;
            guest.call::<()>("ruby-init: func(args: list<string>) -> ()", list)?;
            let script = guest.put(script.as_bytes())?;
            let eval =
                "rb-eval-string-protect: func(str: string) -> tuple<handle<rb-abi-value>, s32>";
            let result = guest.call::<i32>(eval, script)?;
            // The pair of a value and a state, which is not 0 if an exception was not caught.
            let mut state = [0; 4];
            guest
                .memory
                .read(&*guest.store, result as usize + 4, &mut state)?;
            match state {
                [0, 0, 0, 0] => Ok(()),
                _ => Err($api::Error::msg("the script ended with an exception")),
            }
        }

        struct Guest<'a, T: Send + 'static> {
            store: &'a mut $api::Store<T>,
            instance: $api::Instance,
            memory: $api::Memory,
            realloc: $api::TypedFunc<(i32, i32, i32, i32), i32>,
        }

        impl<'a, T: Send + 'static> Guest<'a, T> {
            fn new(store: &'a mut $api::Store<T>, instance: $api::Instance) -> $api::Result<Self> {
                let memory = instance.get_memory(&mut *store, "memory");
                let missing = || $api::Error::msg("no memory is exported");
                Ok(Self {
                    memory: memory.ok_or_else(missing)?,
                    realloc: instance.get_typed_func(&mut *store, "cabi_realloc")?,
                    store,
                    instance,
                })
            }

            fn put_aligned(&mut self, bytes: &[u8], align: i32) -> $api::Result<(i32, i32)> {
                let size = i32::try_from(bytes.len())?;
                let at = self.realloc.call(&mut *self.store, (0, 0, align, size))?;
                self.memory.write(&mut *self.store, at as usize, bytes)?;
                Ok((at, size))
            }

            fn put(&mut self, bytes: &[u8]) -> $api::Result<(i32, i32)> {
                self.put_aligned(bytes, 1)
            }

            fn put_list(&mut self, items: &[&str]) -> $api::Result<(i32, i32)> {
                let mut pairs = Vec::new();
                for item in items {
                    let (at, len) = self.put(item.as_bytes())?;
                    pairs.extend(at.to_le_bytes());
                    pairs.extend(len.to_le_bytes());
                }
                let (at, _) = self.put_aligned(&pairs, 4)?;
                Ok((at, i32::try_from(items.len())?))
            }

            fn call<R: $api::WasmResults>(
                &mut self,
                name: &str,
                args: (i32, i32),
            ) -> $api::Result<R> {
                let func = self
                    .instance
                    .get_typed_func::<(i32, i32), R>(&mut *self.store, name)?;
                func.call(&mut *self.store, args)
            }
        }
    };
}

pub(super) use ruby_driver;
