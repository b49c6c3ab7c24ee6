//! Validation of function bodies, on several threads.

use std::num::NonZeroUsize;
use std::sync::Mutex;

use upshift_abi::facts::{DecodeError, ModuleFacts};
use wasmparser::{
    BinaryReader, FuncToValidate, FuncValidatorAllocations, FunctionBody, ValidatorResources,
};

use crate::Result;

/// Bytes of bodies that one thread takes at a time: about a millisecond's work, so that a thread
/// costs less than it brings, and that big functions at the end don't leave the others idle.
const CHUNK_BYTES: u64 = 128 << 10;

type Validators = Vec<FuncToValidate<ValidatorResources>>;

/// Validates all bodies, on up to `threads` threads.
///
/// # Errors
///
/// If a body is invalid: the first one in the module's order, so that the message doesn't depend
/// on the threads' timing.
pub(crate) fn bodies(
    wasm: &[u8],
    facts: &ModuleFacts,
    validators: Validators,
    threads: NonZeroUsize,
) -> Result<()> {
    let chunks = chunks(facts, validators);
    let helpers = (threads.get() - 1).min(chunks.len().saturating_sub(1));
    let chunks = Mutex::new(chunks.into_iter());
    let worker = || validate_chunks(wasm, facts, &chunks);
    let failure = std::thread::scope(|scope| {
        let helpers: Vec<_> = (0..helpers).map(|_| scope.spawn(worker)).collect();
        let mine = worker();
        let theirs = helpers.into_iter().filter_map(|helper| match helper.join() {
            Ok(failure) => failure,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        theirs.chain(mine).min_by_key(|failure| failure.body)
    });
    failure.map_or(Ok(()), |failure| Err(failure.error.into()))
}

/// Consecutive bodies.
struct Chunk {
    first: usize,
    validators: Validators,
}

fn chunks(facts: &ModuleFacts, validators: Validators) -> Vec<Chunk> {
    let mut chunks: Vec<Chunk> = Vec::new();
    let mut room = 0;
    for (i, (validator, body)) in validators.into_iter().zip(&facts.bodies).enumerate() {
        let len = u64::from(body.end - body.start);
        match chunks.last_mut() {
            Some(chunk) if room >= len => {
                chunk.validators.push(validator);
                room -= len;
            }
            _ => {
                chunks.push(Chunk { first: i, validators: vec![validator] });
                room = CHUNK_BYTES.saturating_sub(len);
            }
        }
    }
    chunks
}

struct Failure {
    body: usize,
    error: DecodeError,
}

/// One thread's share: chunks until there are no more. Chunks are handed out in order, so all before
/// a failing one are examined too, and the earliest failure is found.
fn validate_chunks(
    wasm: &[u8],
    facts: &ModuleFacts,
    chunks: &Mutex<std::vec::IntoIter<Chunk>>,
) -> Option<Failure> {
    let mut allocations = FuncValidatorAllocations::default();
    loop {
        let chunk = chunks.lock().expect("taking a chunk does not panic").next()?;
        for (i, validator) in chunk.validators.into_iter().enumerate() {
            let body = chunk.first + i;
            let range = &facts.bodies[body];
            let bytes = &wasm[range.start as usize..range.end as usize];
            let reader = BinaryReader::new(bytes, u64::from(range.start));
            let mut validator = validator.into_validator(allocations);
            if let Err(error) = validator.validate(&FunctionBody::new(reader)) {
                return Some(Failure { body, error: error.into() });
            }
            allocations = validator.into_allocations();
        }
    }
}
