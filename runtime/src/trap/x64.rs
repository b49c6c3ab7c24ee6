//! Registers of an interrupted thread on x86-64, as Linux hands them to signal handlers.

/// Bytes below the stack pointer that the System V convention leaves to the code that was running.
/// Generated code does not use them; the distance costs nothing.
const RED_ZONE: usize = 128;

/// The registers that a thread goes on with when the signal handler returns.
pub struct Registers<'c>(&'c mut libc::mcontext_t);

impl<'c> Registers<'c> {
    /// Those of a signal's context.
    pub fn new(context: &'c mut libc::ucontext_t) -> Self {
        Self(&mut context.uc_mcontext)
    }

    /// The instruction that the thread is at.
    pub fn pc(&self) -> usize {
        self.0.gregs[libc::REG_RIP as usize] as usize
    }

    /// The stack pointer.
    pub fn sp(&self) -> usize {
        self.0.gregs[libc::REG_RSP as usize] as usize
    }

    /// The frame pointer.
    pub fn fp(&self) -> usize {
        self.0.gregs[libc::REG_RBP as usize] as usize
    }

    /// The register that passes the context to functions.
    pub fn context(&self) -> usize {
        self.0.gregs[libc::REG_RDI as usize] as usize
    }

    /// Sends the thread to a function that does not return, with one argument, below the stack that
    /// is in use.
    pub fn go_to(&mut self, function: usize, argument: usize) {
        let sp = self.sp().wrapping_sub(RED_ZONE) & !15;
        self.0.gregs[libc::REG_RSP as usize] = sp as i64;
        self.0.gregs[libc::REG_RDI as usize] = argument as i64;
        self.0.gregs[libc::REG_RIP as usize] = function as i64;
    }
}
