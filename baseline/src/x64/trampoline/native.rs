//! Trampolines between Rust and WebAssembly functions that agree on their registers.
//!
//! System V and the tail convention pass a native signature's arguments in the same registers,
//! behind one pointer each: these trampolines exchange the pointer, keep the frames that unwinding
//! and backtraces need, and touch no value.

use dynasm::dynasm;
use dynasmrt::{DynasmApi, DynasmLabelApi};
use upshift_abi::CompiledFunction;
use upshift_abi::callconv::{Locations, ResultLocation, VMCTX};
use upshift_abi::frame::ENTRY_FRAME_SIZE;
use upshift_abi::vmctx::{VmContext, VmFuncRef, VmHostContext};

use super::{
    Assembler, finish, link_activation, open_frame, open_host_frame, unlink_activation, unwind,
};

/// Whether the status of a [`NativeResult`](upshift_abi::vmctx::NativeResult) is behind an integer,
/// in `rdx`; else it is in `rax`.
fn status_in_rdx(locations: &Locations) -> bool {
    matches!(*locations.results, [(_, ResultLocation::Int(_))])
}

pub(super) fn entry_trampoline(locations: &Locations) -> CompiledFunction {
    assert!(locations.is_native(), "all values fit registers");
    let mut asm = Assembler::new(0);
    open_frame(&mut asm, ENTRY_FRAME_SIZE);
    dynasm!(asm
        ; .arch x64
        ; mov r10, [rdi + VmFuncRef::VMCTX.disp()]
        ; mov r11, [r10 + VmContext::STORE.disp()]
    );
    link_activation(&mut asm);
    dynasm!(asm
        ; .arch x64
        ; mov rax, [rdi + VmFuncRef::SLOT.disp()]
        ; mov Rq(VMCTX.0), r10
        ; call QWORD [rax]
    );
    unlink_activation(&mut asm);
    if status_in_rdx(locations) {
        dynasm!(asm ; .arch x64 ; xor edx, edx);
    } else {
        dynasm!(asm ; .arch x64 ; xor eax, eax);
    }
    dynasm!(asm ; .arch x64 ; leave ; ret);
    finish(asm, Vec::new())
}

pub(super) fn host_trampoline(locations: &Locations) -> CompiledFunction {
    assert!(locations.is_native(), "all values fit registers");
    let mut asm = Assembler::new(0);
    open_host_frame(&mut asm, 0);
    dynasm!(asm ; .arch x64 ; call QWORD [rdi + VmHostContext::CALL.disp()]);
    if status_in_rdx(locations) {
        dynasm!(asm ; .arch x64 ; test edx, edx);
    } else {
        dynasm!(asm ; .arch x64 ; test eax, eax);
    }
    dynasm!(asm ; .arch x64 ; jnz >failed ; leave ; ret ; failed:);
    let unwind = unwind(&mut asm);
    finish(asm, vec![unwind])
}
