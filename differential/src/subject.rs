//! A program in the engine under test.

use anyhow::Result;
use upshift::{Trap, UpdateDeadline, ValType};

use crate::configuration::{Configuration, Pauses};
use crate::machine::machine;
use crate::program::Program;

machine!(upshift);

/// Loads a program in a configuration of Upshift, for each of its threads.
///
/// # Errors
///
/// If the engine refuses a module.
pub fn load(
    configuration: &Configuration,
    program: &Program,
    exports: &Arc<Exports>,
) -> Result<Vec<Machine>> {
    let Configuration { engine, pauses, .. } = configuration;
    let load = |wasm: &Vec<u8>| Module::from_binary(engine, wasm);
    let modules = program
        .modules
        .iter()
        .map(load)
        .collect::<Result<Vec<_>>>()?;
    let calls = match pauses {
        Pauses::None | Pauses::Callbacks => Calls::Synchronous,
        Pauses::Yields | Pauses::YieldsByFuel(_) => Calls::Asynchronous,
    };
    let mut machines = Machine::of(engine, &modules, exports, calls);
    for machine in &mut machines {
        pause(&mut machine.store, *pauses)?;
    }
    Ok(machines)
}

/// Makes a store's code pause. What runs then looks for references in all frames.
fn pause(store: &mut Store<Data>, pauses: Pauses) -> Result<()> {
    match pauses {
        Pauses::None => {}
        Pauses::Callbacks => store.epoch_deadline_callback(|mut store| {
            store.gc();
            Ok(UpdateDeadline::Continue(0))
        }),
        Pauses::Yields => store.epoch_deadline_callback(|mut store| {
            store.gc();
            Ok(UpdateDeadline::Yield(0))
        }),
        Pauses::YieldsByFuel(interval) => store.fuel_async_yield_interval(Some(interval))?,
    }
    Ok(())
}

/// The failure of a call that no exception ended. Traps are told apart no more than by the oracle:
/// it has one for all accesses beyond a table's end, `call_indirect` included.
fn failure_of(error: &Error) -> Failure {
    match error.downcast_ref::<Trap>() {
        Some(Trap::UndefinedElement) => Failure::Trap(Trap::TableOutOfBounds),
        Some(trap) => Failure::Trap(*trap),
        None => Failure::Host,
    }
}

fn default(ty: &ValType) -> Val {
    Val::default_for_ty(*ty)
}

fn bytes_of(_: &Engine, memory: &SharedMemory) -> Vec<u8> {
    let mut bytes = vec![0; memory.data_size()];
    memory.read(0, &mut bytes).expect("as many as there are");
    bytes
}
