//! Traps: errors that end a call, with the frames where they happened.

use std::fmt;
use std::sync::Arc;

use upshift::{Error, FrameInfo, FrameKind, Tier, WasmBacktrace};

use crate::given;
use crate::refs::{Info, Object, wasm_ref_t};
use crate::store::wasm_store_t;
use crate::vector::{Bytes, Out, Vector, put};

/// What references to a trap share.
pub(crate) struct TrapObject {
    pub(crate) error: Error,
    pub(crate) info: Info,
}

/// The error by which a host function throws a trap that the host keeps a reference to.
#[derive(Clone)]
pub(crate) struct SharedTrap(Arc<TrapObject>);

impl fmt::Debug for SharedTrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.error.fmt(f)
    }
}

impl fmt::Display for SharedTrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&message(&self.0.error))
    }
}

impl std::error::Error for SharedTrap {}

/// The error of a trap that the host made.
#[derive(Debug)]
pub(crate) struct HostTrap(String);

impl fmt::Display for HostTrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for HostTrap {}

/// A trap for an error.
pub(crate) fn trap(error: Error) -> Box<wasm_ref_t> {
    wasm_ref_t::free(Object::Trap(Arc::new(TrapObject {
        error,
        info: Info::default(),
    })))
}

/// The error of a trap that a host function returned.
#[track_caller]
pub(crate) fn into_error(trap: wasm_ref_t) -> Error {
    let Object::Trap(trap) = trap.object else {
        panic!("expected a wasm_trap_t");
    };
    match Arc::try_unwrap(trap) {
        Ok(trap) => trap.error,
        Err(trap) => SharedTrap(trap).into(),
    }
}

/// The error of a trap.
#[track_caller]
pub(crate) fn error_of(trap: Option<&wasm_ref_t>) -> &Error {
    match &given(trap, "trap").object {
        Object::Trap(trap) => &trap.error,
        _ => panic!("expected a wasm_trap_t"),
    }
}

/// The error itself, where it came through a host function as a trap.
pub(crate) fn original(error: &Error) -> &Error {
    match error.downcast_ref::<SharedTrap>() {
        Some(SharedTrap(trap)) => original(&trap.error),
        None => error,
    }
}

/// The error and its causes in one line, without the backtrace.
pub(crate) fn message(error: &Error) -> String {
    let error = original(error);
    let backtrace = error
        .downcast_ref::<WasmBacktrace>()
        .map(|found| found.to_string());
    let causes = error.chain().map(|cause| cause.to_string());
    let causes: Vec<String> = causes
        .filter(|cause| Some(cause) != backtrace.as_ref())
        .collect();
    causes.join(": ")
}

/// The frames of an error that are WebAssembly's, innermost first.
pub(crate) fn frames(error: &Error) -> impl Iterator<Item = &FrameInfo> {
    let backtrace = original(error).downcast_ref::<WasmBacktrace>();
    let frames = backtrace.map_or(&[][..], WasmBacktrace::frames).iter();
    frames.filter(|frame| frame.kind() == FrameKind::Wasm)
}

#[unsafe(no_mangle)]
extern "C" fn wasm_trap_new(
    store: Option<&wasm_store_t>,
    message: Option<&Bytes>,
) -> Option<Box<wasm_ref_t>> {
    given(store, "store");
    let message = given(message, "message").as_slice();
    let message = message.strip_suffix(&[0]).unwrap_or(message);
    let message = String::from_utf8_lossy(message).into_owned();
    Some(trap(HostTrap(message).into()))
}

#[unsafe(no_mangle)]
extern "C" fn wasm_trap_message(trap: Option<&wasm_ref_t>, out: Out<'_, Bytes>) {
    put(out, Bytes::from_text(&message(error_of(trap))));
}

#[unsafe(no_mangle)]
extern "C" fn wasm_trap_origin(trap: Option<&wasm_ref_t>) -> Option<Box<wasm_frame_t>> {
    let innermost = frames(error_of(trap)).next()?;
    Some(Box::new(wasm_frame_t::new(innermost)))
}

#[unsafe(no_mangle)]
extern "C" fn wasm_trap_trace(
    trap: Option<&wasm_ref_t>,
    out: Out<'_, Vector<Option<Box<wasm_frame_t>>>>,
) {
    let frames = frames(error_of(trap));
    let frames = frames.map(|frame| Some(Box::new(wasm_frame_t::new(frame))));
    put(out, Vector::from_vec(frames.collect()));
}

/// A frame of a trap.
#[derive(Clone)]
pub(crate) struct wasm_frame_t {
    info: FrameInfo,
    func_name: Option<Bytes>,
    module_name: Option<Bytes>,
}

impl wasm_frame_t {
    fn new(info: &FrameInfo) -> Self {
        let name = |name: Option<&str>| name.map(|name| Bytes::from_slice(name.as_bytes()));
        Self {
            func_name: name(info.func_name()),
            module_name: name(info.module_name()),
            info: info.clone(),
        }
    }

    pub(crate) fn func_name(&self) -> Option<&Bytes> {
        self.func_name.as_ref()
    }

    pub(crate) fn module_name(&self) -> Option<&Bytes> {
        self.module_name.as_ref()
    }

    pub(crate) fn is_optimized(&self) -> bool {
        self.info.tier() == Some(Tier::Optimizer)
    }
}

/// What stands for an offset that is not known.
const NO_OFFSET: usize = usize::MAX;

#[unsafe(no_mangle)]
extern "C" fn wasm_frame_copy(frame: Option<&wasm_frame_t>) -> Option<Box<wasm_frame_t>> {
    Some(Box::new(given(frame, "frame").clone()))
}

#[unsafe(no_mangle)]
extern "C" fn wasm_frame_delete(frame: Option<Box<wasm_frame_t>>) {
    drop(frame);
}

#[unsafe(no_mangle)]
extern "C" fn wasm_frame_instance(_: Option<&wasm_frame_t>) -> Option<&wasm_ref_t> {
    None
}

#[unsafe(no_mangle)]
extern "C" fn wasm_frame_func_index(frame: Option<&wasm_frame_t>) -> u32 {
    given(frame, "frame").info.func_index()
}

#[unsafe(no_mangle)]
extern "C" fn wasm_frame_func_offset(frame: Option<&wasm_frame_t>) -> usize {
    let frame = &given(frame, "frame").info;
    frame.func_offset().unwrap_or(NO_OFFSET)
}

#[unsafe(no_mangle)]
extern "C" fn wasm_frame_module_offset(frame: Option<&wasm_frame_t>) -> usize {
    let frame = &given(frame, "frame").info;
    frame.module_offset().unwrap_or(NO_OFFSET)
}
