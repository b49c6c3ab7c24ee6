//! Listeners, probes and counters: the same events in the same order, and the same counts, whatever
//! code runs.

#![forbid(unsafe_code)]
#![cfg(feature = "wat")]

mod support {
    pub mod configs;
}

mod observe_cases {
    mod calls;
    mod counters;
    mod embedding;
    mod hosts;
    mod probes;
    mod switching;
}

use support::configs::changed;
use upshift::observe::{AbortReason, Instrument, Observed, Observer, Probe};
use upshift::{Config, Engine, Instance, Linker, Module, Result, Store, StoreContextMut, Val};

/// Every way in which code is made.
fn configs() -> Vec<(String, Config)> {
    let mut configs = support::configs::configs(&[]);
    configs.extend(changed("fuel", |config| config.consume_fuel(true)));
    configs.extend(changed("epochs", |config| config.epoch_interruption(true)));
    configs
}

/// An engine for each configuration, with an instrument.
fn engines(instrument: impl Instrument + Clone) -> impl Iterator<Item = (String, Engine)> {
    configs().into_iter().map(move |(name, mut config)| {
        config.instrument(instrument.clone());
        (name, Engine::new(&config).unwrap())
    })
}

/// An observer that writes down all that it is told, and what the host adds.
struct Writer;

/// What was told.
type Told = Vec<String>;

fn name(func: &Observed<'_>) -> String {
    match func.name() {
        Some(name) => name.to_owned(),
        None => format!("func[{}]", func.index()),
    }
}

fn shown(values: &[Val]) -> String {
    let values = values.iter().map(|value| match value {
        Val::I32(value) => value.to_string(),
        Val::I64(value) => value.to_string(),
        Val::F32(bits) => f32::from_bits(*bits).to_string(),
        Val::F64(bits) => f64::from_bits(*bits).to_string(),
        Val::V128(value) => format!("{:#x}", u128::from(*value)),
        Val::FuncRef(func) => format!("func:{}", func.is_some()),
        Val::ExternRef(value) => format!("extern:{}", value.is_some()),
        Val::ExnRef(exception) => format!("exn:{}", exception.is_some()),
    });
    values.collect::<Vec<_>>().join(",")
}

impl Observer<Told> for Writer {
    fn before(
        &mut self,
        mut store: StoreContextMut<'_, Told>,
        func: &Observed<'_>,
        params: &[Val],
    ) -> Result<()> {
        let line = format!("({} {}", name(func), shown(params));
        store.data_mut().push(line);
        Ok(())
    }

    fn after(
        &mut self,
        mut store: StoreContextMut<'_, Told>,
        func: &Observed<'_>,
        results: &[Val],
    ) -> Result<()> {
        let line = format!("{}){}", name(func), shown(results));
        store.data_mut().push(line);
        Ok(())
    }

    fn abort(
        &mut self,
        mut store: StoreContextMut<'_, Told>,
        func: &Observed<'_>,
        reason: AbortReason,
    ) {
        let line = format!("{})!{reason:?}", name(func));
        store.data_mut().push(line);
    }

    fn probe(
        &mut self,
        mut store: StoreContextMut<'_, Told>,
        func: &Observed<'_>,
        probe: &Probe,
    ) -> Result<()> {
        let operand = probe.operand().map(|operand| shown(&[operand]));
        let line = format!("{}@{} {operand:?}", name(func), probe.tag());
        store.data_mut().push(line);
        Ok(())
    }
}

/// What a linker defines beside nothing.
type Define<'a> = &'a dyn Fn(&mut Linker<Told>);

/// Runs the export `run` of a module with each argument, in one store; returns what was told, with
/// the end of each call.
fn events(engine: &Engine, module: &Module, arguments: &[i32], define: Define<'_>) -> Told {
    let mut store = Store::new(engine, Told::new());
    // An error where the engine consumes none.
    let _ = store.set_fuel(u64::MAX >> 1);
    store.set_epoch_deadline(1);
    store.observer(Writer);
    let mut linker = Linker::new(engine);
    define(&mut linker);
    let instance = linker.instantiate(&mut store, module).unwrap();
    for &argument in arguments {
        let end = run(&mut store, &instance, argument);
        let end = match end {
            Ok(result) => format!("= {result}"),
            Err(error) => format!("= {error}"),
        };
        store.data_mut().push(end);
    }
    store.into_data()
}

fn run(store: &mut Store<Told>, instance: &Instance, argument: i32) -> Result<i32> {
    let run = instance.get_typed_func::<i32, i32>(&mut *store, "run")?;
    run.call(store, argument)
}

/// Checks that each call that began has ended, in the opposite order, but for those that were under
/// way where a host function has written that it switches the observer off.
fn assert_balanced(told: &[String]) {
    let mut open = Vec::new();
    for line in told {
        if let Some(begins) = line.strip_prefix('(') {
            open.push(begins.split(' ').next().unwrap());
        } else if let Some((ended, _)) = line.split_once(')')
            && !line.contains(['=', '@'])
        {
            assert_eq!(open.pop(), Some(ended), "{told:#?}");
        } else if line == "switch 0" {
            open.clear();
        } else if line.starts_with('=') {
            assert!(open.is_empty(), "{open:?} have not ended");
        }
    }
}

/// Runs a module in all configurations, which must all tell the same; returns it.
fn same_everywhere(
    instrument: impl Instrument + Clone,
    text: &str,
    arguments: &[i32],
    define: Define<'_>,
) -> Told {
    let mut expected: Option<Told> = None;
    for (mode, engine) in engines(instrument) {
        eprintln!("mode {mode}");
        let module = Module::new(&engine, text).unwrap();
        let told = events(&engine, &module, arguments, define);
        assert_balanced(&told);
        match &expected {
            None => expected = Some(told),
            Some(expected) => {
                let differs = expected.iter().zip(&told).position(|(a, b)| a != b);
                let at = differs.unwrap_or(expected.len().min(told.len()));
                let around =
                    |told: &Told| told[at.saturating_sub(6)..told.len().min(at + 3)].join("\n");
                assert!(
                    *expected == told,
                    "{mode}: at {at}, expected\n{}\nfound\n{}",
                    around(expected),
                    around(&told)
                );
            }
        }
    }
    expected.unwrap()
}

fn nothing(_: &mut Linker<Told>) {}
