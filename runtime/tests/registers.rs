//! Stubs keep registers whole: hand-made code fills them before it goes through a stub, and adds up
//! the upper halves of SSE registers behind it, which no value of WebAssembly's reaches yet.

mod support;

use std::sync::Arc;

use upshift_abi::frame::ENTRY_SITE;
use upshift_abi::vmctx::VmVal;
use upshift_abi::{
    Builtin, Cancel, CompiledFunction, DefinedFuncIndex, FuncIndex, RelocationTarget,
};
use upshift_runtime::module::FirstCallError;
use upshift_runtime::{
    BudgetSite, CodeAddr, Counts, ModuleCode, RuntimeConfig, Store, TierHooks, UpdateDeadline,
};

use support::{Code, FirstCalls};

impl Code {
    /// `push rbp; mov rbp, rsp; push rdi; push rdi`: the context where a baseline frame has it.
    fn open_frame(&mut self) {
        self.bytes(&[0x55, 0x48, 0x89, 0xe5, 0x57, 0x57]);
    }

    /// `leave; ret`
    fn close_frame(&mut self) {
        self.bytes(&[0xc9, 0xc3]);
    }

    /// Fills both halves of the first SSE registers with their numbers' powers of two.
    fn fill(&mut self, count: u8) {
        for n in 0..count {
            let (high, low) = (n >> 3, n & 7);
            // mov eax, 1 << n; movq xmm, rax; punpcklqdq xmm, xmm
            self.bytes(&[0xb8]);
            self.bytes(&(1_u32 << n).to_le_bytes());
            self.bytes(&[0x66, 0x48 | high << 2, 0x0f, 0x6e, 0xc0 | low << 3]);
            let rex = 0x40 | high << 2 | high;
            self.bytes(&[0x66, rex, 0x0f, 0x6c, 0xc0 | low << 3 | low]);
        }
    }

    /// Adds up both halves of the first SSE registers in `rax`, the upper ones shifted to the left
    /// by 16.
    fn sum(&mut self, count: u8) {
        // xor eax, eax
        self.bytes(&[0x31, 0xc0]);
        for n in 0..count {
            let (high, low) = (n >> 3, n & 7);
            // movq rcx, xmm; add rax, rcx; psrldq xmm, 8; movq rcx, xmm; shl rcx, 16; add rax, rcx
            let movq = [0x66, 0x48 | high << 2, 0x0f, 0x7e, 0xc1 | low << 3];
            self.bytes(&movq);
            self.bytes(&[0x48, 0x01, 0xc8]);
            self.bytes(&[0x66, 0x40 | high, 0x0f, 0x73, 0xd8 | low, 8]);
            self.bytes(&movq);
            self.bytes(&[0x48, 0xc1, 0xe1, 16, 0x48, 0x01, 0xc8]);
        }
    }
}

/// Function 0 calls function 1 for the first time, with its arguments in all argument registers.
fn caller() -> CompiledFunction {
    let mut code = Code::default();
    code.open_frame();
    code.fill(8);
    code.call(RelocationTarget::Slot(DefinedFuncIndex(1)));
    code.close_frame();
    code.0
}

fn callee() -> CompiledFunction {
    let mut code = Code::default();
    code.sum(8);
    code.bytes(&[0xc3]);
    code.0
}

/// Function 2's budget is gone at once.
fn counting() -> CompiledFunction {
    let mut code = Code::default();
    code.open_frame();
    code.fill(16);
    // push 2; push site
    code.bytes(&[0x6a, 2, 0x6a, ENTRY_SITE as u8]);
    code.call(RelocationTarget::Builtin(Builtin::TierUp));
    code.sum(16);
    code.close_frame();
    code.0
}

/// Function 3 finds that its deadline has come.
fn looking() -> CompiledFunction {
    let mut code = Code::default();
    code.open_frame();
    code.fill(16);
    // mov ecx, 1; and so on: the registers that calls don't preserve
    let moves: [&[u8]; 7] = [
        &[0xb9],
        &[0xba],
        &[0xbe],
        &[0x41, 0xb8],
        &[0x41, 0xb9],
        &[0x41, 0xba],
        &[0x41, 0xbb],
    ];
    for (n, opcode) in moves.into_iter().enumerate() {
        code.bytes(opcode);
        code.bytes(&(1_u32 << n).to_le_bytes());
    }
    // mov eax, 0x80; push rdi, which shows a change of the stack, too
    code.bytes(&[0xb8, 0x80, 0, 0, 0, 0x57]);
    code.call(RelocationTarget::Builtin(Builtin::NewEpoch));
    // add rax, each; cmp [rsp], rdi; je over the next; ud2
    code.bytes(&[0x48, 0x01, 0xc8, 0x48, 0x01, 0xd0, 0x48, 0x01, 0xf0]);
    code.bytes(&[
        0x4c, 0x01, 0xc0, 0x4c, 0x01, 0xc8, 0x4c, 0x01, 0xd0, 0x4c, 0x01, 0xd8,
    ]);
    code.bytes(&[0x48, 0x39, 0x3c, 0x24, 0x74, 2, 0x0f, 0x0b]);
    // cmp eax, 0xff; je over the next; ud2; pop rdi
    code.bytes(&[0x3d, 0xff, 0, 0, 0, 0x74, 2, 0x0f, 0x0b, 0x5f]);
    code.sum(16);
    code.close_frame();
    code.0
}

/// Changes all registers that functions may change.
fn change_registers() {
    // SAFETY: all that is changed is declared.
    unsafe {
        std::arch::asm!(
            "mov eax, -1",
            "mov ecx, eax",
            "mov edx, eax",
            "mov esi, eax",
            "mov edi, eax",
            "mov r8d, eax",
            "mov r9d, eax",
            "mov r10d, eax",
            "mov r11d, eax",
            "pcmpeqd xmm0, xmm0",
            "movaps xmm1, xmm0",
            "movaps xmm2, xmm0",
            "movaps xmm3, xmm0",
            "movaps xmm4, xmm0",
            "movaps xmm5, xmm0",
            "movaps xmm6, xmm0",
            "movaps xmm7, xmm0",
            "movaps xmm8, xmm0",
            "movaps xmm9, xmm0",
            "movaps xmm10, xmm0",
            "movaps xmm11, xmm0",
            "movaps xmm12, xmm0",
            "movaps xmm13, xmm0",
            "movaps xmm14, xmm0",
            "movaps xmm15, xmm0",
            clobber_abi("sysv64"),
        );
    }
}

struct Hooks;

impl TierHooks for Hooks {
    fn on_first_call(
        &self,
        module: &Arc<ModuleCode>,
        func: DefinedFuncIndex,
        cancel: Cancel<'_>,
    ) -> Result<CodeAddr, FirstCallError> {
        let code = |_: &Arc<ModuleCode>, func: DefinedFuncIndex| {
            [caller, callee, counting, looking][func.0 as usize]()
        };
        FirstCalls(code).on_first_call(module, func, cancel)
    }

    fn on_budget_exhausted(
        &self,
        _: &Arc<ModuleCode>,
        func: DefinedFuncIndex,
        site: BudgetSite,
    ) -> Option<CodeAddr> {
        assert_eq!((func.0, site), (2, BudgetSite::Entry));
        change_registers();
        None
    }

    fn budget_counts(&self, _: DefinedFuncIndex) -> Counts {
        Counts::Work
    }
}

/// What the function returns.
fn run(func: u32) -> u64 {
    let text = r#"(module
        (func (export "caller") (result i64) i64.const 0)
        (func (export "callee") (result i64) i64.const 0)
        (func (export "counting") (result i64) i64.const 0)
        (func (export "looking") (result i64) i64.const 0))"#;
    let runtime = support::runtime(RuntimeConfig::default());
    let module = support::module(&runtime, text, Arc::new(Hooks));
    let mut store = Store::new(module.runtime(), Box::new(()));
    let instance = store.instantiate(&module, &[]).unwrap();
    store.epoch_deadline_callback(Box::new(|_| {
        change_registers();
        Ok(UpdateDeadline::Continue(1))
    }));
    let func = support::func(&mut store, instance, FuncIndex(func));
    let mut values = [VmVal::default()];
    // SAFETY: the function has no parameters.
    unsafe { store.call(func, &mut values) }.unwrap();
    values[0].bits[0]
}

#[test]
fn a_first_call_keeps_whole_argument_registers() {
    assert_eq!(run(0), 0x00ff_00ff);
}

#[test]
fn an_exhausted_budget_keeps_whole_registers() {
    assert_eq!(run(2), 0xffff_ffff);
}

#[test]
fn a_deadline_keeps_whole_registers() {
    assert_eq!(run(3), 0xffff_ffff);
}
