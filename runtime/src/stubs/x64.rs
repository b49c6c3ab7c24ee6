//! The stubs of x86-64. All offsets come from [`upshift_abi::frame`] and [`upshift_abi::vmctx`].

use std::arch::naked_asm;
use std::mem::offset_of;

use upshift_abi::vmctx::{VmContext, VmStore};
use upshift_abi::{for_each_builtin, frame};

use crate::builtins;
use crate::store::{Destination, PreservedRegisters, TrapRegisters};

/// Where first-call thunks go: the pushed function index is on top, all argument registers are
/// live.
///
/// Saves the argument registers, those for floats and vectors whole, asks Rust for the code, and
/// jumps there as if it had been called.
#[unsafe(naked)]
pub unsafe extern "C" fn first_call() {
    naked_asm!(
        // The pushed index lies where a frame record has the caller's rbp: [rsp] = index, [rsp + 8]
        // = return address.
        "xchg rbp, [rsp]",          // rbp = index, [rsp] = caller's rbp: a frame record
        "mov eax, ebp",
        "mov rbp, rsp",
        "sub rsp, 176",
        "mov [rsp], rdi",
        "mov [rsp + 8], rsi",
        "mov [rsp + 16], rdx",
        "mov [rsp + 24], rcx",
        "mov [rsp + 32], r8",
        "mov [rsp + 40], r9",
        "movups [rsp + 48], xmm0",
        "movups [rsp + 64], xmm1",
        "movups [rsp + 80], xmm2",
        "movups [rsp + 96], xmm3",
        "movups [rsp + 112], xmm4",
        "movups [rsp + 128], xmm5",
        "movups [rsp + 144], xmm6",
        "movups [rsp + 160], xmm7",
        "mov esi, eax",
        "mov rdx, rbp",
        "call {function}",
        "mov rdi, [rsp]",
        "mov rsi, [rsp + 8]",
        "mov rdx, [rsp + 16]",
        "mov rcx, [rsp + 24]",
        "mov r8, [rsp + 32]",
        "mov r9, [rsp + 40]",
        "movups xmm0, [rsp + 48]",
        "movups xmm1, [rsp + 64]",
        "movups xmm2, [rsp + 80]",
        "movups xmm3, [rsp + 96]",
        "movups xmm4, [rsp + 112]",
        "movups xmm5, [rsp + 128]",
        "movups xmm6, [rsp + 144]",
        "movups xmm7, [rsp + 160]",
        "leave",
        "test rax, rax",
        "jz 2f",
        "jmp rax",
        "2:",
        "mov rdi, [rdi + {store}]",
        "jmp {unwind}",
        function = sym builtins::compile_first,
        unwind = sym unwind,
        store = const VmContext::STORE.0,
    )
}

/// Told that a budget is gone; see [`Builtin::TierUp`](upshift_abi::Builtin::TierUp) for the
/// convention. Leaves WebAssembly if Rust left a reason pending.
#[unsafe(naked)]
pub unsafe extern "C" fn tier_up() {
    naked_asm!(
        // [rsp] = return address, [rsp + 8] = site, [rsp + 16] = function and, on return, the
        // answer.
        "push rbp",                 // with the return address a frame record, for the backtrace
        "push rax",
        "push rcx",
        "push rdx",
        "push rsi",
        "push rdi",
        "push r8",
        "push r9",
        "push r10",
        "push r11",
        "push rbx",
        "mov rbx, rsp",
        "sub rsp, 256",
        "and rsp, -16",
        "movups [rsp], xmm0",
        "movups [rsp + 16], xmm1",
        "movups [rsp + 32], xmm2",
        "movups [rsp + 48], xmm3",
        "movups [rsp + 64], xmm4",
        "movups [rsp + 80], xmm5",
        "movups [rsp + 96], xmm6",
        "movups [rsp + 112], xmm7",
        "movups [rsp + 128], xmm8",
        "movups [rsp + 144], xmm9",
        "movups [rsp + 160], xmm10",
        "movups [rsp + 176], xmm11",
        "movups [rsp + 192], xmm12",
        "movups [rsp + 208], xmm13",
        "movups [rsp + 224], xmm14",
        "movups [rsp + 240], xmm15",
        "mov rdi, [rbp + {vmctx}]",
        "mov rsi, [rbx + 104]",     // 11 pushes, return address, site
        "mov rdx, [rbx + 96]",
        "lea rcx, [rbx + 80]",
        "call {function}",
        "test rdx, rdx",
        "jnz 2f",
        "mov [rbx + 104], rax",
        "movups xmm0, [rsp]",
        "movups xmm1, [rsp + 16]",
        "movups xmm2, [rsp + 32]",
        "movups xmm3, [rsp + 48]",
        "movups xmm4, [rsp + 64]",
        "movups xmm5, [rsp + 80]",
        "movups xmm6, [rsp + 96]",
        "movups xmm7, [rsp + 112]",
        "movups xmm8, [rsp + 128]",
        "movups xmm9, [rsp + 144]",
        "movups xmm10, [rsp + 160]",
        "movups xmm11, [rsp + 176]",
        "movups xmm12, [rsp + 192]",
        "movups xmm13, [rsp + 208]",
        "movups xmm14, [rsp + 224]",
        "movups xmm15, [rsp + 240]",
        "mov rsp, rbx",
        "pop rbx",
        "pop r11",
        "pop r10",
        "pop r9",
        "pop r8",
        "pop rdi",
        "pop rsi",
        "pop rdx",
        "pop rcx",
        "pop rax",
        "pop rbp",
        "ret",
        "2:",
        "mov rbx, [rbx]",           // as the code that is left had it
        "mov rdi, [rbp + {vmctx}]",
        "mov rdi, [rdi + {store}]",
        "jmp {unwind}",
        function = sym builtins::tier_up,
        unwind = sym unwind,
        vmctx = const frame::VMCTX,
        store = const VmContext::STORE.0,
    )
}

/// Defines stubs that preserve every register: the Rust function gets the `VmContext*`, in `rdi`,
/// and returns a status; if that is not 0, it has left a reason pending, and the stub unwinds.
///
/// The registers lie in the stub's frame, below a frame record at the exit frame's place: a search
/// for references finds those in registers there, and walks begin at the call.
macro_rules! preserving {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[unsafe(naked)]
        pub unsafe extern "C" fn $name() {
            naked_asm!(
                "push rbp",
                "mov rbp, rsp",
                "push rax",
                "push rcx",
                "push rdx",
                "push rsi",
                "push rdi",
                "push r8",
                "push r9",
                "push r10",
                "push r11",
                "sub rsp, 256",
                "and rsp, -16",
                "movups [rsp], xmm0",
                "movups [rsp + 16], xmm1",
                "movups [rsp + 32], xmm2",
                "movups [rsp + 48], xmm3",
                "movups [rsp + 64], xmm4",
                "movups [rsp + 80], xmm5",
                "movups [rsp + 96], xmm6",
                "movups [rsp + 112], xmm7",
                "movups [rsp + 128], xmm8",
                "movups [rsp + 144], xmm9",
                "movups [rsp + 160], xmm10",
                "movups [rsp + 176], xmm11",
                "movups [rsp + 192], xmm12",
                "movups [rsp + 208], xmm13",
                "movups [rsp + 224], xmm14",
                "movups [rsp + 240], xmm15",
                "mov rax, [rdi + {store}]",
                "mov [rax + {exit_fp}], rbp",
                "call {function}",
                "test eax, eax",
                "jnz 2f",
                "movups xmm0, [rsp]",
                "movups xmm1, [rsp + 16]",
                "movups xmm2, [rsp + 32]",
                "movups xmm3, [rsp + 48]",
                "movups xmm4, [rsp + 64]",
                "movups xmm5, [rsp + 80]",
                "movups xmm6, [rsp + 96]",
                "movups xmm7, [rsp + 112]",
                "movups xmm8, [rsp + 128]",
                "movups xmm9, [rsp + 144]",
                "movups xmm10, [rsp + 160]",
                "movups xmm11, [rsp + 176]",
                "movups xmm12, [rsp + 192]",
                "movups xmm13, [rsp + 208]",
                "movups xmm14, [rsp + 224]",
                "movups xmm15, [rsp + 240]",
                "lea rsp, [rbp - 72]",      // nine pushes
                "pop r11",
                "pop r10",
                "pop r9",
                "pop r8",
                "pop rdi",
                "pop rsi",
                "pop rdx",
                "pop rcx",
                "pop rax",
                "pop rbp",
                "ret",
                "2:",                       // the exit frame stands
                "mov rdi, [rbp - 40]",
                "mov rdi, [rdi + {store}]",
                "jmp {unwind}",
                function = sym builtins::$name,
                unwind = sym unwind,
                store = const VmContext::STORE.0,
                exit_fp = const VmStore::EXIT_FP.0,
            )
        }
    };
}

preserving! {
    /// Told that the engine's epoch has reached the store's deadline; see
    /// [`Builtin::NewEpoch`](upshift_abi::Builtin::NewEpoch) for the convention.
    new_epoch
}

preserving! {
    /// Told that less than no fuel is left in the counter; see
    /// [`Builtin::OutOfFuel`](upshift_abi::Builtin::OutOfFuel) for the convention.
    out_of_fuel
}

/// Defines the stubs of builtins that walk
/// ([`BuiltinKind::Walks`](upshift_abi::builtin::BuiltinKind::Walks)): the function returns its
/// result in `rax` and a status in `rdx`, and if that is not 0 it has left a reason pending.
macro_rules! walking {
    (walks $function:ident) => {
        #[unsafe(naked)]
        pub unsafe extern "C" fn $function() {
            naked_asm!(
                "push rbp",
                "mov rbp, rsp",
                "push rdi",
                "sub rsp, 8",
                // As in a host function, this is where WebAssembly was left.
                "mov rax, [rdi + {store}]",
                "mov [rax + {exit_fp}], rbp",
                "call {function}",
                "mov rdi, [rbp - 8]",
                "test rdx, rdx",
                "jnz 2f",
                "leave",
                "ret",
                "2:",                // the exit frame stands: handlers are searched from there
                "mov rdi, [rdi + {store}]",
                "jmp {unwind}",
                function = sym builtins::$function,
                unwind = sym unwind,
                store = const VmContext::STORE.0,
                exit_fp = const VmStore::EXIT_FP.0,
            )
        }
    };
    ($kind:ident $function:ident) => {};
}

macro_rules! stubs {
    ($(
        $(#[$doc:meta])*
        $name:ident = $function:ident: $kind:ident
            $(($($param:ident),*) -> $result:ident $(($of:ident))?)?;
    )*) => {
        $(walking!($kind $function);)*
    };
}

for_each_builtin!(stubs);

/// Leaves WebAssembly code for the reason that is pending: `rdi` is the `VmStore*`. Goes to the
/// [`Destination`], with the exception in `rax`. An exit frame stands if the reason is an
/// error.
#[unsafe(naked)]
pub unsafe extern "C" fn unwind() {
    naked_asm!(
        "and rsp, -16",
        "sub rsp, {size} + {preserved}",
        "mov [rsp + {size}], rbx",
        "mov [rsp + {size} + 8], r12",
        "mov [rsp + {size} + 16], r13",
        "mov [rsp + {size} + 24], r14",
        "mov [rsp + {size} + 32], r15",
        "mov rsi, rsp",
        "lea rdx, [rip + {leave_activation}]",
        "lea rcx, [rsp + {size}]",
        "call {function}",
        "mov rcx, [rsp + {pc}]",
        "mov rax, [rsp + {exception}]",
        "mov rbp, [rsp + {fp}]",
        "mov rsp, [rsp + {sp}]",
        "jmp rcx",
        size = const size_of::<Destination>().next_multiple_of(16),
        preserved = const size_of::<PreservedRegisters>().next_multiple_of(16),
        leave_activation = sym leave_activation,
        function = sym builtins::find_destination,
        pc = const offset_of!(Destination, pc),
        exception = const offset_of!(Destination, exception),
        fp = const offset_of!(Destination, fp),
        sp = const offset_of!(Destination, sp),
    )
}

/// The handler of every entry frame: unlinks the activation and makes the entry trampoline's call
/// return 1.
#[unsafe(naked)]
pub unsafe extern "C" fn leave_activation() {
    naked_asm!(
        "mov rdi, [rbp + {store}]",
        "mov rcx, [rbp + {previous_entry_fp}]",
        "mov [rdi + {entry_fp}], rcx",
        "mov rcx, [rbp + {previous_exit_fp}]",
        "mov [rdi + {exit_fp}], rcx",
        "mov rbx, [rbp + {rbx}]",
        "mov r12, [rbp + {r12}]",
        "mov r13, [rbp + {r13}]",
        "mov r14, [rbp + {r14}]",
        "mov r15, [rbp + {r15}]",
        "mov eax, 1",
        "mov edx, 1",
        "leave",
        "ret",
        store = const frame::entry::STORE,
        entry_fp = const VmStore::ENTRY_FP.0,
        exit_fp = const VmStore::EXIT_FP.0,
        previous_entry_fp = const frame::entry::PREVIOUS_ENTRY_FP,
        previous_exit_fp = const frame::entry::PREVIOUS_EXIT_FP,
        rbx = const frame::entry::RBX,
        r12 = const frame::entry::R12,
        r13 = const frame::entry::R13,
        r14 = const frame::entry::R14,
        r15 = const frame::entry::R15,
    )
}

/// Where the signal handler sends a trapped thread: `rdi` is the `VmStore*`, the stack is aligned.
/// Saves the registers as [`TrapRegisters`] has them, records the backtrace, which a signal handler
/// must not, and unwinds.
#[unsafe(naked)]
pub unsafe extern "C" fn trapped() {
    naked_asm!(
        "sub rsp, {registers}",
        "movups [rsp], xmm0",
        "movups [rsp + 16], xmm1",
        "movups [rsp + 32], xmm2",
        "movups [rsp + 48], xmm3",
        "movups [rsp + 64], xmm4",
        "movups [rsp + 80], xmm5",
        "movups [rsp + 96], xmm6",
        "movups [rsp + 112], xmm7",
        "movups [rsp + 128], xmm8",
        "movups [rsp + 144], xmm9",
        "movups [rsp + 160], xmm10",
        "movups [rsp + 176], xmm11",
        "movups [rsp + 192], xmm12",
        "movups [rsp + 208], xmm13",
        "movups [rsp + 224], xmm14",
        "movups [rsp + 240], xmm15",
        "mov [rsp + 256], rax",
        "mov [rsp + 264], rcx",
        "mov [rsp + 272], rdx",
        "mov [rsp + 280], rbx",
        "mov [rsp + 288], rsp",
        "mov [rsp + 296], rbp",
        "mov [rsp + 304], rsi",
        "mov [rsp + 312], rdi",
        "mov [rsp + 320], r8",
        "mov [rsp + 328], r9",
        "mov [rsp + 336], r10",
        "mov [rsp + 344], r11",
        "mov [rsp + 352], r12",
        "mov [rsp + 360], r13",
        "mov [rsp + 368], r14",
        "mov [rsp + 376], r15",
        "mov rsi, rsp",
        "call {record}",
        "mov rdi, [rsp + 312]",
        "add rsp, {registers}",
        "jmp {unwind}",
        registers = const size_of::<TrapRegisters>(),
        record = sym builtins::record_trap,
        unwind = sym unwind,
    )
}
