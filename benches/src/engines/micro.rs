//! The cost of one call, by kind.
//!
//! A macro and not a function, for the reason given in `ruby`.

/// Nanoseconds of one call of each kind, loop included.
#[derive(Clone, Copy, Debug)]
pub struct CallCosts {
    /// From the host to a Wasm function and back, through a typed function.
    pub host_to_wasm: f64,
    /// From Wasm to a host function and back.
    pub wasm_to_host: f64,
    /// A direct call in one module.
    pub direct: f64,
    /// A call through a table.
    pub indirect: f64,
    /// A call through an import, to another instance.
    pub import: f64,
}

/// Rounds before the measured one: engines that tier up have done so by then.
pub(super) const WARMUP: u32 = 10;

/// Defines `calls` against an API crate; `$instantiate` is the linker's method for it.
macro_rules! calls_driver {
    ($api:ident, $instantiate:ident) => {
        use std::time::Instant;

        use super::super::CallCosts;
        use super::super::micro::WARMUP;

        /// Measures calls with the modules `calls.wat` and `imported.wat`.
        pub fn calls(
            engine: &$api::Engine,
            wasm: &[u8],
            imported: &[u8],
            count: u32,
        ) -> Result<CallCosts, $api::Error> {
            let mut store = $api::Store::new(engine, ());
            let mut linker = $api::Linker::<()>::new(engine);
            linker.func_wrap("host", "leaf", |x: i32| x.wrapping_add(1))?;
            let other = $api::Module::new(engine, imported)?;
            let other = linker.$instantiate(&mut store, &other)?;
            linker.instance(&mut store, "other", other)?;
            let module = $api::Module::new(engine, wasm)?;
            let instance = linker.$instantiate(&mut store, &module)?;

            let leaf = instance.get_typed_func::<i32, i32>(&mut store, "leaf")?;
            let mut rounds = || -> Result<f64, $api::Error> {
                let (start, mut x) = (Instant::now(), 0);
                for _ in 0..count {
                    x = leaf.call(&mut store, x)?;
                }
                Ok(start.elapsed().as_secs_f64())
            };
            for _ in 0..WARMUP {
                rounds()?;
            }
            let host_to_wasm = rounds()?;

            let mut looped = |export: &str| -> Result<f64, $api::Error> {
                let func = instance.get_typed_func::<i32, i32>(&mut store, export)?;
                for _ in 0..WARMUP {
                    func.call(&mut store, count as i32)?;
                }
                let start = Instant::now();
                let counted = func.call(&mut store, count as i32)?;
                let seconds = start.elapsed().as_secs_f64();
                assert_eq!(counted, count as i32, "each call adds 1");
                Ok(seconds * 1e9 / f64::from(count))
            };
            Ok(CallCosts {
                host_to_wasm: host_to_wasm * 1e9 / f64::from(count),
                wasm_to_host: looped("host")?,
                direct: looped("direct")?,
                indirect: looped("indirect")?,
                import: looped("import")?,
            })
        }
    };
}

pub(super) use calls_driver;
