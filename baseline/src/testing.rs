//! Helpers for this crate's unit tests.

use upshift_abi::facts::decode;
use upshift_abi::{DefinedFuncIndex, TypeId};

use crate::func_gen::{Buffers, FuncGen};
use crate::options::BaselineOptions;
use crate::peek::Peek;

/// Runs a closure with a generator for an empty function.
pub(crate) fn with_gen<T>(run: impl FnOnce(&mut FuncGen<'_>) -> T) -> T {
    let wasm = wat::parse_str("(module (func))").expect("a valid module");
    let mut facts = decode(&wasm).expect("a valid module").facts;
    facts.type_ids = vec![TypeId(0)];
    let options = BaselineOptions::default();
    let buffers = Buffers::default();
    let mut generator = FuncGen::new(
        &facts,
        Peek::new(&wasm),
        &options,
        DefinedFuncIndex(0),
        buffers,
    );
    run(&mut generator)
}
