//! Loading a module without compiling it: bodies are validated on several threads while the
//! module's bytes still arrive and are decoded.
//!
//! The calling thread reads and decodes; as soon as the code section begins, helpers are started
//! and take bodies in batches. At the end the calling thread takes batches too. Where no thread can
//! be started, it validates everything itself.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

use upshift_abi::facts::{DecodeError, Input, ModuleDecoder};
use upshift_abi::{CompileError, DefinedFuncIndex, Features, ModuleFacts};
use wasmparser::{
    BinaryReader, FuncToValidate, FuncValidatorAllocations, FunctionBody, ValidatorResources,
};

use crate::engine::cores;
use crate::validate::validate_body;

/// Bytes of bodies in a batch, unless the input or the code section ends: little enough for threads
/// to end at about the same time, and enough for the queue's lock not to matter.
const BATCH_BYTES: u32 = 64 << 10;

/// Bytes of bodies that justify one more thread: starting one takes about as long.
const BYTES_PER_THREAD: u32 = 4_000;

/// The reason why a module can't be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The bytes can't be read.
    #[error(transparent)]
    Read(#[from] io::Error),
    /// A section is malformed, invalid or not supported.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A body is invalid.
    #[error(transparent)]
    Body(#[from] CompileError),
}

/// Decodes and validates a module on `threads` threads (0: all cores, but not more than the work is
/// worth), which may need these features. Each call of `read` returns all bytes until now, more
/// than before unless they are complete.
///
/// # Errors
///
/// If the bytes can't be read or the module is invalid. Errors of sections come before those of
/// bodies, and of these the first in the module's order is returned, whatever the threads do.
pub fn decode_validated<'a>(
    mut read: impl FnMut() -> io::Result<(&'a [u8], Input)>,
    threads: u32,
    features: Features,
) -> Result<ModuleFacts, LoadError> {
    let bodies = Bodies::default();
    thread::scope(|scope| {
        let closing = Closing(&bodies);
        let mut decoder = ModuleDecoder::new(features);
        let mut batch = Batch::default();
        let mut helpers = Helpers::NotStarted;
        loop {
            let (wasm, input) = read()?;
            decoder.advance(wasm, input, |validator, range| {
                batch.push(&validator, range);
                bodies.resources.get_or_init(|| validator.resources);
                if batch.bytes() >= BATCH_BYTES {
                    bodies.push(wasm, &mut batch);
                }
            })?;
            bodies.push(wasm, &mut batch);
            if helpers == Helpers::NotStarted && bodies.resources.get().is_some() {
                helpers = Helpers::Started;
                let worth = 1 + decoder.facts().code_section_bytes / BYTES_PER_THREAD;
                let threads = match threads {
                    0 => cores().min(worth),
                    threads => threads,
                };
                for _ in 1..threads {
                    let helper = thread::Builder::new().name("upshift-load".into());
                    if let Err(error) = helper.spawn_scoped(scope, || bodies.validate(features)) {
                        log::debug!("no more threads for loading a module: {error}");
                        break;
                    }
                }
            }
            if input == Input::Complete {
                break;
            }
        }
        bodies.lock().state = QueueState::Closed;
        bodies.ready.notify_all();
        bodies.validate(features);
        std::mem::forget(closing);
        Ok::<_, LoadError>(decoder)
    })
    .and_then(|decoder| match bodies.first_error(decoder.facts()) {
        Some(error) => Err(error.into()),
        None => Ok(decoder.finish()),
    })
}

/// Whether threads that help have been started.
#[derive(PartialEq)]
enum Helpers {
    NotStarted,
    Started,
}

/// Closes the queue and empties it when reading or decoding ends early, by an error or a panic, so
/// that the helpers end.
struct Closing<'b, 'a>(&'b Bodies<'a>);

impl Drop for Closing<'_, '_> {
    fn drop(&mut self) {
        self.0.stop_at.store(0, Ordering::Relaxed);
        let mut queue = self.0.lock();
        queue.state = QueueState::Closed;
        queue.batches.clear();
        drop(queue);
        self.0.ready.notify_all();
    }
}

/// Consecutive bodies, with what wasmparser needs to know of each.
#[derive(Default)]
struct Batch<'a> {
    bodies: Vec<Body>,
    /// The module's bytes, at least up to the end of the last body.
    wasm: &'a [u8],
}

/// A body to validate.
struct Body {
    /// The index in the function index space.
    index: u32,
    ty: u32,
    range: Range<u32>,
}

impl Batch<'_> {
    fn push(&mut self, validator: &FuncToValidate<ValidatorResources>, range: Range<u32>) {
        self.bodies.push(Body {
            index: validator.index,
            ty: validator.ty,
            range,
        });
    }

    fn bytes(&self) -> u32 {
        match (self.bodies.first(), self.bodies.last()) {
            (Some(first), Some(last)) => last.range.end - first.range.start,
            _ => 0,
        }
    }
}

/// Bodies that are still to be validated, taken in batches by several threads.
struct Bodies<'a> {
    queue: Mutex<Queue<'a>>,
    /// Signalled when a batch is added or the queue is closed.
    ready: Condvar,
    /// What all bodies need to know of their module; set before the first batch is added.
    resources: OnceLock<ValidatorResources>,
    /// The lowest index of an invalid function: functions behind it are skipped. Relaxed, since it
    /// only saves work.
    stop_at: AtomicU32,
    error: Mutex<Option<(u32, wasmparser::Error)>>,
}

struct Queue<'a> {
    batches: VecDeque<Batch<'a>>,
    state: QueueState,
}

/// Whether more batches will be added.
#[derive(PartialEq)]
enum QueueState {
    Open,
    Closed,
}

impl Default for Bodies<'_> {
    fn default() -> Self {
        let queue = Queue {
            batches: VecDeque::new(),
            state: QueueState::Open,
        };
        Self {
            queue: Mutex::new(queue),
            ready: Condvar::new(),
            resources: OnceLock::new(),
            stop_at: AtomicU32::new(u32::MAX),
            error: Mutex::new(None),
        }
    }
}

impl<'a> Bodies<'a> {
    fn lock(&self) -> MutexGuard<'_, Queue<'a>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a batch, if there is anything in it, and leaves an empty one.
    fn push(&self, wasm: &'a [u8], batch: &mut Batch<'a>) {
        if batch.bodies.is_empty() {
            return;
        }
        batch.wasm = wasm;
        self.lock().batches.push_back(std::mem::take(batch));
        self.ready.notify_one();
    }

    /// Takes the next batch, waiting for one while the queue is open.
    fn take(&self) -> Option<Batch<'a>> {
        let mut queue = self.lock();
        loop {
            match queue.batches.pop_front() {
                Some(batch) => return Some(batch),
                None if queue.state == QueueState::Closed => return None,
                None => {
                    let waited = self.ready.wait(queue);
                    queue = waited.unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    /// Validates batches until the queue is closed and empty.
    fn validate(&self, features: Features) {
        let mut allocations = FuncValidatorAllocations::default();
        while let Some(batch) = self.take() {
            let resources = self.resources.get().expect("set before any batch");
            for body in batch.bodies {
                if body.index > self.stop_at.load(Ordering::Relaxed) {
                    break;
                }
                let range = body.range.start as usize..body.range.end as usize;
                let reader = BinaryReader::new(&batch.wasm[range], body.range.start.into());
                let validator = FuncToValidate {
                    resources,
                    index: body.index,
                    ty: body.ty,
                    features: features.flags(),
                };
                let mut validator = validator.into_validator(allocations);
                let result = validate_body(&mut validator, &FunctionBody::new(reader));
                allocations = validator.into_allocations();
                if let Err(error) = result {
                    self.fail(body.index, error);
                }
            }
        }
    }

    /// Records an error; the one with the lowest function index is kept.
    fn fail(&self, index: u32, error: wasmparser::Error) {
        self.stop_at.fetch_min(index, Ordering::Relaxed);
        let mut first = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        if first.as_ref().is_none_or(|(other, _)| index < *other) {
            *first = Some((index, error));
        }
    }

    fn first_error(self, facts: &ModuleFacts) -> Option<CompileError> {
        let error = self.error.into_inner();
        let (index, error) = error.unwrap_or_else(PoisonError::into_inner)?;
        let func = DefinedFuncIndex(index - facts.imported_funcs);
        Some(CompileError::invalid(func, &error))
    }
}

#[cfg(test)]
mod tests {
    use upshift_abi::facts::decode;
    use wasmparser::BinaryReader;

    use super::*;

    #[test]
    fn the_error_of_the_lowest_function_is_kept() {
        let bodies = Bodies::default();
        for index in [9, 3, 5] {
            let error = BinaryReader::new(&[], u64::from(index))
                .read_u8()
                .unwrap_err();
            bodies.fail(index, error);
        }
        assert_eq!(bodies.stop_at.load(Ordering::Relaxed), 3);
        let module = decode(b"\0asm\x01\0\0\0").unwrap();
        match bodies.first_error(&module.facts) {
            Some(CompileError::Invalid { func, offset, .. }) => {
                assert_eq!((func.0, offset), (3, 3));
            }
            other => panic!("{other:?}"),
        }
    }
}
