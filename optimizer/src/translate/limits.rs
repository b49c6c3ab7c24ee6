//! Limits on how much CLIF a body may become.
//!
//! Cranelift's passes take time and memory in proportion to the instructions, values and operands
//! of their input, and can't be stopped once they run. A body can demand a thousand operands with
//! two bytes (a call or branch of that many), so the translation counts, and stops where a body
//! becomes more than any compiler's output does.

use upshift_abi::{Cancel, CompileRequest};

use super::{TranslateError, Translator};

/// The number of operators between two checks.
const INTERVAL: u32 = 64;

/// The number of operands that may wait for the next check.
const INTERVAL_OPERANDS: usize = 1000;

/// The number of instructions, values and operands that any body may become.
const BASE: usize = 50_000;

/// The number that each byte of the body adds. The most in CPython, Ruby, Clang and Yosys is 4.9.
const PER_BYTE: usize = 20;

/// The highest limit, however long the body: about half a gigabyte in Cranelift.
const MOST: usize = 3_000_000;

/// The deepest nesting of loops. Cranelift visits all loops around an instruction to find its
/// place.
const MAX_LOOP_DEPTH: u32 = 128;

/// The counts of a translation.
#[derive(Debug)]
pub(crate) struct Meter<'a> {
    /// Operands of branches and calls.
    pub(crate) operands: usize,
    /// Loops around the current position.
    loop_depth: u32,
    body_bytes: usize,
    until_look: u32,
    cancel: Cancel<'a>,
}

impl<'a> Meter<'a> {
    pub(super) fn new(request: &CompileRequest<'a>) -> Self {
        Self {
            operands: 0,
            loop_depth: 0,
            body_bytes: request.body().len(),
            until_look: INTERVAL,
            cancel: request.cancel,
        }
    }

    /// Counts a body that is translated in place of a call.
    pub(super) fn add_body(&mut self, bytes: u32) {
        self.body_bytes += bytes as usize;
    }

    fn limit(&self) -> usize {
        (BASE + PER_BYTE * self.body_bytes).min(MOST)
    }
}

impl Translator<'_> {
    /// Counts the beginning of a loop.
    pub(crate) fn enter_loop(&mut self) -> Result<(), TranslateError> {
        self.meter.loop_depth += 1;
        match self.meter.loop_depth {
            ..=MAX_LOOP_DEPTH => Ok(()),
            _ => Err(TranslateError::TooDeep {
                limit: MAX_LOOP_DEPTH,
            }),
        }
    }

    /// Whether one loop is around the current position.
    pub(super) fn is_outermost_loop(&self) -> bool {
        self.meter.loop_depth == 1
    }

    /// Whether a loop is around the current position.
    pub(super) fn is_in_loop(&self) -> bool {
        self.meter.loop_depth > 0
    }

    /// Whether a body with so many loops can be translated here without coming near a limit.
    pub(super) fn has_room_for(&self, loops: u32) -> bool {
        self.meter.loop_depth + loops <= MAX_LOOP_DEPTH && self.made() <= self.meter.limit() / 2
    }

    /// Instructions, values and operands so far.
    fn made(&self) -> usize {
        let dfg = &self.builder.func.dfg;
        dfg.num_insts() + dfg.num_values() + self.meter.operands
    }

    /// Counts operands that the end of a block will have, before they are made.
    pub(crate) fn expect_operands(&mut self, count: usize) -> Result<(), TranslateError> {
        self.meter.operands += count;
        match count {
            ..=INTERVAL_OPERANDS => Ok(()),
            _ => self.look_at_meter(),
        }
    }

    /// Counts the end of a loop.
    pub(crate) fn leave_loop(&mut self) {
        self.meter.loop_depth -= 1;
    }

    /// Called before each operator: stops the translation if it exceeds a limit or is cancelled.
    #[inline]
    pub(super) fn check_meter(&mut self) -> Result<(), TranslateError> {
        self.meter.until_look -= 1;
        // A single `br_table` can have millions of operands.
        if self.meter.until_look > 0 && self.meter.operands <= MOST {
            return Ok(());
        }
        self.look_at_meter()
    }

    fn look_at_meter(&mut self) -> Result<(), TranslateError> {
        self.meter.until_look = INTERVAL;
        let limit = self.meter.limit();
        if self.made() > limit {
            let body_bytes = self.meter.body_bytes;
            return Err(TranslateError::TooLarge { body_bytes, limit });
        }
        if self.meter.cancel.is_requested() {
            return Err(TranslateError::Cancelled);
        }
        Ok(())
    }
}
