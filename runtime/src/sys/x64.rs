//! The registers of x86-64 that a search of the stack for references must not miss.

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
