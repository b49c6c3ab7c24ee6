//! The stubs of x86-64. All offsets come from [`upshift_abi::frame`] and [`upshift_abi::vmctx`].

use std::arch::naked_asm;
use std::mem::offset_of;

use upshift_abi::vmctx::{VmContext, VmStore};
use upshift_abi::{for_each_builtin, frame};

use crate::builtins;
use crate::store::{Destination, PreservedRegisters, TrapRegisters};

/// Instructions that save vector registers whole, from the stack's top on, or restore them.
macro_rules! vectors {
    (save $($n:literal)*) => {
        concat!($("movups [rsp + 16 * ", $n, "], xmm", $n, "\n",)*)
    };
    (restore $($n:literal)*) => {
        concat!($("movups xmm", $n, ", [rsp + 16 * ", $n, "]\n",)*)
    };
    ($what:ident all) => {
        vectors!($what 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
    };
}

/// Instructions at the beginning of a stub that save all registers which Rust does not preserve,
/// and align the stack. The caller's `rbp` and the return address are a frame record at `rbx + 80`;
/// the other registers are below, in the order of the pushes.
macro_rules! save_registers {
    () => {
        concat!(
            "push rbp\n push rax\n push rcx\n push rdx\n push rsi\n push rdi\n",
            "push r8\n push r9\n push r10\n push r11\n push rbx\n",
            "mov rbx, rsp\n sub rsp, 256\n and rsp, -16\n",
            vectors!(save all),
        )
    };
}

/// Instructions at the end of a stub that undo `save_registers`.
macro_rules! restore_registers {
    () => {
        concat!(
            vectors!(restore all),
            "mov rsp, rbx\n",
            "pop rbx\n pop r11\n pop r10\n pop r9\n pop r8\n",
            "pop rdi\n pop rsi\n pop rdx\n pop rcx\n pop rax\n pop rbp\n",
        )
    };
}

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
        vectors!(save 0 1 2 3 4 5 6 7),
        "mov [rsp + 128], rdi",
        "mov [rsp + 136], rsi",
        "mov [rsp + 144], rdx",
        "mov [rsp + 152], rcx",
        "mov [rsp + 160], r8",
        "mov [rsp + 168], r9",
        "mov esi, eax",
        "mov rdx, rbp",
        "call {function}",
        vectors!(restore 0 1 2 3 4 5 6 7),
        "mov rdi, [rsp + 128]",
        "mov rsi, [rsp + 136]",
        "mov rdx, [rsp + 144]",
        "mov rcx, [rsp + 152]",
        "mov r8, [rsp + 160]",
        "mov r9, [rsp + 168]",
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
        save_registers!(),
        "mov rdi, [rbp + {vmctx}]",
        "mov rsi, [rbx + 104]",     // 11 pushes, return address, site
        "mov rdx, [rbx + 96]",
        "lea rcx, [rbx + 80]",
        "call {function}",
        "test rdx, rdx",
        "jnz 2f",
        "mov [rbx + 104], rax",
        restore_registers!(),
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
/// The registers lie in the stub's frame, below a frame record that is the exit frame: a search for
/// references finds those in registers there, and walks begin at the call.
macro_rules! preserving {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[unsafe(naked)]
        pub unsafe extern "C" fn $name() {
            naked_asm!(
                save_registers!(),
                "mov rax, [rdi + {store}]",
                "lea rcx, [rbx + 80]",
                "mov [rax + {exit_fp}], rcx",
                "call {function}",
                "test eax, eax",
                "jnz 2f",
                restore_registers!(),
                "ret",
                "2:",                       // the exit frame stands
                "mov rdi, [rbx + 40]",
                "mov rbx, [rbx]",           // as the code that is left had it
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
        vectors!(save all),
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
