//! The registers of x86-64: those that a search of the stack for references must not miss, and the
//! program counter that a signal interrupted.

/// What the registers hold that functions preserve for their callers.
#[inline(always)]
pub fn preserved_registers() -> [u64; 6] {
    let mut registers = [0_u64; 6];
    // SAFETY: writes six words to the array, and changes nothing else.
    unsafe {
        std::arch::asm!(
            "mov [{to}], rbx",
            "mov [{to} + 8], rbp",
            "mov [{to} + 16], r12",
            "mov [{to} + 24], r13",
            "mov [{to} + 32], r14",
            "mov [{to} + 40], r15",
            to = in(reg) registers.as_mut_ptr(),
            options(nostack, preserves_flags)
        );
    }
    registers
}

/// The program counter of a thread that a signal interrupted.
///
/// # Safety
///
/// With the context that the system passes to a signal handler.
pub unsafe fn interrupted_pc(context: *const libc::ucontext_t) -> u64 {
    // SAFETY: the caller's promise.
    let registers = unsafe { &(*context).uc_mcontext.gregs };
    registers[libc::REG_RIP as usize].cast_unsigned()
}
