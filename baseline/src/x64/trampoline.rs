//! The code between Rust and WebAssembly: entry and host trampolines, per signature.
//!
//! Here are those that pass values through an array; `native` has those that leave them in
//! registers, and `copy` moves one value.
//!
//! They need an assembler and the calling convention, and this crate has both. What their frames
//! look like, and why, is written in [`upshift_abi::frame`].

mod copy;
mod native;

use dynasm::dynasm;
use dynasmrt::{DynasmApi, DynasmLabelApi, VecAssembler, x64::X64Relocation};
use upshift_abi::callconv::{
    ArgLocation, Gpr, INT_RESULTS, Locations, RESULT_AREA, ResultLocation, VMCTX,
};
use upshift_abi::compiler::{Passing, Trampolines};
use upshift_abi::frame::{self, ENTRY_FRAME_SIZE, entry};
use upshift_abi::vmctx::{VmHostContext, VmStore, VmVal};
use upshift_abi::{Builtin, CodeOffset, CompiledFunction, FuncType, Relocation, RelocationTarget};

/// Generates trampolines.
#[derive(Clone, Copy, Debug, Default)]
pub struct TrampolineCompiler;

impl Trampolines for TrampolineCompiler {
    fn entry(&self, ty: &FuncType, passing: Passing) -> CompiledFunction {
        match passing {
            Passing::Array => entry_trampoline(&Locations::of(ty)),
            Passing::Native => native::entry_trampoline(&Locations::of(ty)),
        }
    }

    fn host(&self, ty: &FuncType, passing: Passing) -> CompiledFunction {
        match passing {
            Passing::Array => host_trampoline(&Locations::of(ty)),
            Passing::Native => native::host_trampoline(&Locations::of(ty)),
        }
    }
}

use copy::{copy_words, load_float, load_int, store_float, store_int};

type Assembler = VecAssembler<X64Relocation>;

/// Offset of the n-th value.
fn value(n: usize) -> i32 {
    i32::try_from(n * size_of::<VmVal>()).expect("validation bounds the number of parameters")
}

/// Makes a frame of so many bytes below `rbp`.
fn open_frame(asm: &mut Assembler, bytes: i32) {
    dynasm!(asm ; .arch x64 ; push rbp ; mov rbp, rsp ; sub rsp, bytes);
}

/// Makes a host trampoline's frame, with so many bytes for values, and lets the store find it.
/// Changes `rax`.
fn open_host_frame(asm: &mut Assembler, values: i32) {
    open_frame(asm, HOST_FRAME + values);
    dynasm!(asm
        ; .arch x64
        ; mov [rbp + frame::VMCTX], Rq(VMCTX.0)
        ; mov rax, [rdi + VmHostContext::STORE.disp()]
        ; mov [rax + VmStore::EXIT_FP.disp()], rbp
    );
}

/// Once the entry frame stands, links the activation into the store, which is in `r11`. Changes
/// `rax`.
fn link_activation(asm: &mut Assembler) {
    dynasm!(asm
        ; .arch x64
        ; mov [rbp + entry::RBX], rbx
        ; mov [rbp + entry::R12], r12
        ; mov [rbp + entry::R13], r13
        ; mov [rbp + entry::R14], r14
        ; mov [rbp + entry::R15], r15
        ; mov [rbp + entry::STORE], r11
        ; mov rax, [r11 + VmStore::ENTRY_FP.disp()]
        ; mov [rbp + entry::PREVIOUS_ENTRY_FP], rax
        ; mov rax, [r11 + VmStore::EXIT_FP.disp()]
        ; mov [rbp + entry::PREVIOUS_EXIT_FP], rax
        ; mov [r11 + VmStore::ENTRY_FP.disp()], rbp
    );
}

/// Takes the activation out again when its call has returned; the callee has preserved all other
/// saved registers. Changes `r10` and `r11`.
fn unlink_activation(asm: &mut Assembler) {
    dynasm!(asm
        ; .arch x64
        ; mov r11, [rbp + entry::STORE]
        ; mov r10, [rbp + entry::PREVIOUS_ENTRY_FP]
        ; mov [r11 + VmStore::ENTRY_FP.disp()], r10
        ; mov r10, [rbp + entry::PREVIOUS_EXIT_FP]
        ; mov [r11 + VmStore::EXIT_FP.disp()], r10
    );
}

fn entry_trampoline(locations: &Locations) -> CompiledFunction {
    let mut asm = Assembler::new(0);
    let area = -(ENTRY_FRAME_SIZE + locations.result_area as i32);
    let below = (locations.stack_args + locations.result_area) as i32;
    open_frame(&mut asm, ENTRY_FRAME_SIZE + below);
    dynasm!(asm ; .arch x64 ; mov [rbp + entry::VALUES], rdx ; mov r11, rcx);
    link_activation(&mut asm);
    dynasm!(asm ; .arch x64 ; mov rax, rsi ; mov r10, rdx);
    for (n, &(kind, location)) in locations.params.iter().enumerate() {
        let from = (Gpr::R10, value(n));
        match location {
            ArgLocation::Int(reg) => load_int(&mut asm, reg, from),
            ArgLocation::Float(reg) => load_float(&mut asm, kind, reg, from),
            ArgLocation::Stack(offset) => {
                let to = (Gpr::RSP, offset as i32);
                copy_words(&mut asm, kind, to, from, Gpr::R11);
            }
        }
    }
    if locations.has_result_area() {
        dynasm!(asm ; .arch x64 ; lea Rq(RESULT_AREA.0), [rbp + area]);
    }
    dynasm!(asm
        ; .arch x64
        ; call rax
        ; mov r11, [rbp + entry::VALUES]
    );
    for (n, &(kind, location)) in locations.results.iter().enumerate() {
        let to = (Gpr::R11, value(n));
        match location {
            ResultLocation::Int(reg) => store_int(&mut asm, to, reg),
            ResultLocation::Float(reg) => store_float(&mut asm, kind, to, reg),
            ResultLocation::Area(offset) => {
                let from = (Gpr::RBP, area + offset as i32);
                copy_words(&mut asm, kind, to, from, Gpr::R10);
            }
        }
    }
    unlink_activation(&mut asm);
    dynasm!(asm ; .arch x64 ; xor eax, eax ; leave ; ret);
    finish(asm, Vec::new())
}

/// Below a host trampoline's saved registers: the host context and the result area pointer, where a
/// baseline frame has its context and its result area.
const HOST_FRAME: i32 = -frame::RESULT_AREA;

fn host_trampoline(locations: &Locations) -> CompiledFunction {
    let count = locations.params.len().max(locations.results.len());
    let mut asm = Assembler::new(0);
    open_host_frame(&mut asm, value(count));
    if locations.has_result_area() {
        dynasm!(asm ; .arch x64 ; mov [rbp + frame::RESULT_AREA], Rq(RESULT_AREA.0));
    }
    for (n, &(kind, location)) in locations.params.iter().enumerate() {
        let to = (Gpr::RSP, value(n));
        match location {
            ArgLocation::Int(reg) => store_int(&mut asm, to, reg),
            ArgLocation::Float(reg) => store_float(&mut asm, kind, to, reg),
            ArgLocation::Stack(offset) => {
                let from = (Gpr::RBP, 16 + offset as i32);
                copy_words(&mut asm, kind, to, from, Gpr::RAX);
            }
        }
    }
    dynasm!(asm
        ; .arch x64
        ; mov rsi, rsp
        ; call QWORD [rdi + VmHostContext::CALL.disp()]
        ; test eax, eax
        ; jnz >failed
    );
    load_host_results(&mut asm, locations);
    let stack_args = i16::try_from(locations.stack_args).expect("at most 1,000 parameters");
    dynasm!(asm ; .arch x64 ; leave ; ret stack_args ; failed:);
    let unwind = unwind(&mut asm);
    finish(asm, vec![unwind])
}

/// Leaves WebAssembly from a host trampoline's frame.
fn unwind(asm: &mut Assembler) -> Relocation {
    dynasm!(asm
        ; .arch x64
        ; mov rdi, [rbp + frame::VMCTX]
        ; mov rdi, [rdi + VmHostContext::STORE.disp()]
        ; jmp QWORD [rip + 0]
    );
    Relocation {
        offset: CodeOffset(asm.offset().0 as u32 - 4),
        target: RelocationTarget::Builtin(Builtin::Unwind),
        addend: -4,
    }
}

/// From the values at `rsp` to where callers expect results.
fn load_host_results(asm: &mut Assembler, locations: &Locations) {
    debug_assert!(INT_RESULTS.iter().all(|reg| ![10, 11].contains(&reg.0)));
    if locations.has_result_area() {
        dynasm!(asm ; .arch x64 ; mov r11, [rbp + frame::RESULT_AREA]);
    }
    for (n, &(kind, location)) in locations.results.iter().enumerate() {
        let from = (Gpr::RSP, value(n));
        match location {
            ResultLocation::Int(reg) => load_int(asm, reg, from),
            ResultLocation::Float(reg) => load_float(asm, kind, reg, from),
            ResultLocation::Area(offset) => {
                let to = (Gpr::R11, offset as i32);
                copy_words(asm, kind, to, from, Gpr::R10);
            }
        }
    }
}

fn finish(asm: Assembler, relocations: Vec<Relocation>) -> CompiledFunction {
    CompiledFunction {
        code: asm.finalize().expect("all labels are defined"),
        relocations,
        ..CompiledFunction::default()
    }
}
