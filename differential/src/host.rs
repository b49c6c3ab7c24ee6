//! The host that programs import from: the functions' types, and what they do, written once for
//! both engines.

use std::sync::Arc;

use fastrand::Rng;

use crate::program::{Exports, Function, Item, ItemKind};
use crate::value::{self, Outcome, Value};

/// The module name of the host's functions.
pub const NAME: &str = "host";

/// How deep calls from the host into the program may nest.
const DEPTH: u32 = 3;

/// Every function of the host by its name and type, in WebAssembly's text format.
pub const FUNCTIONS: &[(&str, &str)] = &[
    ("mix", "(param i32 i64) (result i64)"),
    ("float", "(param f32 f64) (result f64)"),
    ("call", "(param i32) (result i32)"),
    ("write", "(param i32) (result i32)"),
    ("grow", "(param i32) (result i32)"),
    ("fail", "(param i32)"),
];

/// How a program is called, and calls back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calls {
    /// On the thread's stack.
    Synchronous,
    /// As futures, which may be pending.
    Asynchronous,
}

/// What a store keeps for the host's functions; `I` is the engine's instance.
#[derive(Debug)]
pub struct State<I> {
    /// The program's exports.
    pub exports: Arc<Exports>,
    /// The instances, complete or not at all.
    pub instances: Vec<I>,
    depth: u32,
}

impl<I> State<I> {
    /// The state of a store without instances.
    pub fn new(exports: Arc<Exports>) -> Self {
        Self {
            exports,
            instances: Vec::new(),
            depth: 0,
        }
    }

    fn memory(&self, number: u32) -> Option<Item> {
        let ready =
            |item: &&Item| item.kind == ItemKind::Memory && item.module < self.instances.len();
        let memories: Vec<_> = self.exports.items.iter().filter(ready).collect();
        let chosen = memories.get(number as usize % memories.len().max(1));
        chosen.map(|&item| item.clone())
    }
}

/// What the host's functions need of an engine in the middle of a call.
pub trait Guest {
    /// The engine's instances.
    type Instance;
    /// The engine's errors.
    type Error;

    /// What the store keeps.
    fn state(&mut self) -> &mut State<Self::Instance>;
    /// Calls an exported function.
    ///
    /// # Errors
    ///
    /// The engine's, to be passed on.
    fn call(&mut self, function: &Function, arguments: &[Value])
    -> Result<Vec<Value>, Self::Error>;
    /// The bytes of an exported memory.
    fn bytes(&mut self, memory: &Item) -> &mut [u8];
    /// Grows an exported memory by a page; the former size, or `None`.
    fn grow(&mut self, memory: &Item) -> Option<u64>;
}

/// `mix`: a number from numbers.
pub fn mix(left: i32, right: i64) -> i64 {
    i64::from(left).wrapping_mul(0x1000_0001).rotate_left(17) ^ right
}

/// `float`: moves floats without computing, as engines may give NaNs other bits.
pub fn float(left: f32, right: f64) -> f64 {
    if left > 0.0 {
        right
    } else {
        f64::from(left.to_bits())
    }
}

/// `call`: calls back into the program, with arguments that follow from the number.
///
/// # Errors
///
/// The call's, which goes on through the host.
pub fn call<G: Guest>(guest: &mut G, number: i32) -> Result<i32, G::Error> {
    let Some((function, arguments)) = begin_call(guest, number) else {
        return Ok(without_call(number));
    };
    let results = guest.call(&function, &arguments);
    end_call(guest, results)
}

/// What `call` calls, and with which arguments; `None` if it calls nothing.
pub fn begin_call<G: Guest>(guest: &mut G, number: i32) -> Option<(Function, Vec<Value>)> {
    let state = guest.state();
    let ready = state.instances.len();
    let all = Arc::clone(&state.exports);
    let functions: Vec<_> = all.functions.iter().filter(|f| f.module < ready).collect();
    if functions.is_empty() || state.depth == DEPTH {
        return None;
    }
    let mut rng = Rng::with_seed(u64::from(number as u32));
    let function = functions[rng.usize(..functions.len())];
    let params = function.params.iter();
    let arguments: Vec<_> = params.map(|&ty| value::argument(ty, &mut rng)).collect();
    state.depth += 1;
    Some((function.clone(), arguments))
}

/// What `call` returns if it calls nothing.
pub fn without_call(number: i32) -> i32 {
    number.wrapping_mul(31)
}

/// What `call` returns when the function that it calls has returned.
///
/// # Errors
///
/// The call's.
pub fn end_call<G: Guest>(
    guest: &mut G,
    results: Result<Vec<Value>, G::Error>,
) -> Result<i32, G::Error> {
    guest.state().depth -= 1;
    Ok(value::digest_of_values(&results?) as i32)
}

/// `write`: changes a byte of a memory, and returns what it was.
pub fn write<G: Guest>(guest: &mut G, number: i32) -> i32 {
    let Some(memory) = guest.state().memory(number as u32 % 7) else {
        return -1;
    };
    let bytes = guest.bytes(&memory);
    if bytes.is_empty() {
        return -2;
    }
    let at = number as u32 as usize % bytes.len();
    bytes[at] ^= 0x5a;
    i32::from(bytes[at])
}

/// `grow`: grows a memory by a page, and returns its former size in pages.
pub fn grow<G: Guest>(guest: &mut G, number: i32) -> i32 {
    let Some(memory) = guest.state().memory(number as u32 % 7) else {
        return -1;
    };
    guest.grow(&memory).map_or(-1, |size| size as i32)
}

/// Whether `fail` fails.
pub fn fails(number: i32) -> bool {
    number % 8 == 3
}

/// A thread of a program in one engine: what [`crate::run`] compares.
pub trait Machine: Send {
    /// Creates the instances for the calls that follow.
    fn instantiate(&mut self) -> Outcome;
    /// Calls an exported function.
    fn call(&mut self, function: &Function, arguments: &[Value]) -> Outcome;
    /// What an exported memory, table or global holds.
    fn state(&mut self, item: &Item) -> Vec<Value>;
    /// Sets what is left of fuel, in an engine that consumes it.
    fn set_fuel(&mut self, fuel: u64);
    /// What is left of fuel, in an engine that consumes it.
    fn fuel(&self) -> u64;
}
