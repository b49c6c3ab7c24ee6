//! Errors with messages, and what ended a call.

use std::ffi::{c_char, c_int};

use anyhow::Result;
use upshift::{Error, Exit, ThrownException, TimedOut, Trap, WasmBacktrace};

use crate::given;
use crate::refs::wasm_ref_t;
use crate::trap::{HostTrap, SharedTrap, error_of, message, original, trap, wasm_frame_t};
use crate::vector::{Bytes, Out, put};

/// An error: why something could not be done.
pub(crate) struct upshift_error_t(Error);

/// What functions return that can fail: NULL is success.
pub(crate) type Failure = Option<Box<upshift_error_t>>;

/// Writes a result through `out`, or returns the error. `out` is not written then.
pub(crate) fn finish<T>(result: Result<T>, out: Out<'_, T>) -> Failure {
    let out = given(out, "out");
    failure(result.map(|value| {
        out.write(value);
    }))
}

pub(crate) fn failure(result: Result<()>) -> Failure {
    let error = result.err()?;
    Some(Box::new(upshift_error_t(error)))
}

/// Divides what a call returned into traps, which go to `out`, and errors. Without an `out`, traps
/// are errors too.
pub(crate) fn divide(result: Result<()>, out: Out<'_, Option<Box<wasm_ref_t>>>) -> Failure {
    let Some(out) = out else {
        return failure(result);
    };
    match result {
        Err(error) if is_trap(&error) => {
            out.write(Some(trap(error)));
            None
        }
        other => {
            out.write(None);
            failure(other)
        }
    }
}

/// Whether code ran and ended the call, as opposed to a call that could not be made.
fn is_trap(error: &Error) -> bool {
    error.is::<WasmBacktrace>()
        || error.is::<Trap>()
        || error.is::<Exit>()
        || error.is::<TimedOut>()
        || error.is::<ThrownException>()
        || error.is::<HostTrap>()
        || error.is::<SharedTrap>()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn upshift_error_new(message: *const c_char) -> Failure {
    // SAFETY: the caller passes text that ends with a NUL.
    let text = unsafe { super::text(message, "message") };
    failure(text.and_then(|text| Err(Error::msg(text))))
}

#[unsafe(no_mangle)]
extern "C" fn upshift_error_delete(error: Failure) {
    drop(error);
}

#[unsafe(no_mangle)]
extern "C" fn upshift_error_message(error: Option<&upshift_error_t>, out: Out<'_, Bytes>) {
    put(out, Bytes::from_text(&message(&given(error, "error").0)));
}

#[unsafe(no_mangle)]
extern "C" fn upshift_trap_code(trap: Option<&wasm_ref_t>, out: Out<'_, u8>) -> bool {
    let code = original(error_of(trap)).downcast_ref::<Trap>();
    if let Some(code) = code {
        put(out, *code as u8);
    }
    code.is_some()
}

#[unsafe(no_mangle)]
extern "C" fn upshift_trap_exit_status(trap: Option<&wasm_ref_t>, out: Out<'_, c_int>) -> bool {
    let exit = original(error_of(trap)).downcast_ref::<Exit>();
    if let Some(Exit(status)) = exit {
        put(out, *status);
    }
    exit.is_some()
}

#[unsafe(no_mangle)]
extern "C" fn upshift_trap_is_timeout(trap: Option<&wasm_ref_t>) -> bool {
    original(error_of(trap)).is::<TimedOut>()
}

#[unsafe(no_mangle)]
extern "C" fn upshift_trap_omitted_frames(trap: Option<&wasm_ref_t>) -> usize {
    let backtrace = original(error_of(trap)).downcast_ref::<WasmBacktrace>();
    backtrace.map_or(0, WasmBacktrace::omitted)
}

#[unsafe(no_mangle)]
extern "C" fn upshift_trap_backtrace(trap: Option<&wasm_ref_t>, out: Out<'_, Bytes>) {
    let backtrace = original(error_of(trap)).downcast_ref::<WasmBacktrace>();
    let backtrace = backtrace.map(|found| found.to_string());
    put(out, Bytes::from_text(&backtrace.unwrap_or_default()));
}

#[unsafe(no_mangle)]
extern "C" fn upshift_frame_func_name(frame: Option<&wasm_frame_t>) -> Option<&Bytes> {
    given(frame, "frame").func_name()
}

#[unsafe(no_mangle)]
extern "C" fn upshift_frame_module_name(frame: Option<&wasm_frame_t>) -> Option<&Bytes> {
    given(frame, "frame").module_name()
}

#[unsafe(no_mangle)]
extern "C" fn upshift_frame_is_optimized(frame: Option<&wasm_frame_t>) -> bool {
    given(frame, "frame").is_optimized()
}
