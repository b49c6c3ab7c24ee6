//! What is written for x86-64: reading the registers that a search of the stack for references must
//! not miss, and the program counter that a signal interrupted; calls that copy bytes which other
//! threads may be accessing.

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

/// Copies bytes like `memmove`, where other threads may be accessing either place. Each byte that
/// they write meanwhile is copied as it was before or after.
///
/// # Why this is no data race
///
/// A copy by Rust's own means would be one: it is not atomic, so the compiler may assume that no
/// other thread writes the bytes. Here the compiler sees assembly, of which it knows no more than
/// that it may access memory. What the assembly does, which is to call the C library's machine
/// code, is also what relaxed atomic loads and stores of single bytes in some order would do, and
/// these may race: with atomic accesses of other Rust code, with this function, and with generated
/// code, whose accesses are machine code too.
///
/// # Safety
///
/// Both ranges are accessible; no Rust reference says that the bytes of the source don't change, or
/// that those of the target are not written.
#[inline]
pub unsafe fn copy_racing(source: *const u8, target: *mut u8, len: usize) {
    // SAFETY: the C library's function by its convention, with ranges that are accessible.
    unsafe {
        std::arch::asm!(
            "call {function}",
            function = in(reg) libc::memmove as *const (),
            inout("rdi") target => _,
            inout("rsi") source => _,
            inout("rdx") len => _,
            clobber_abi("sysv64"),
        );
    }
}

/// Fills bytes like `memset`, where other threads may be accessing them; see [`copy_racing`].
///
/// # Safety
///
/// The range is accessible, and no Rust reference says that it is not written.
#[inline]
pub unsafe fn fill_racing(target: *mut u8, value: u8, len: usize) {
    // SAFETY: as in `copy_racing`.
    unsafe {
        std::arch::asm!(
            "call {function}",
            function = in(reg) libc::memset as *const (),
            inout("rdi") target => _,
            inout("rsi") u64::from(value) => _,
            inout("rdx") len => _,
            clobber_abi("sysv64"),
        );
    }
}
