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
use upshift_runtime::{BudgetSite, CodeAddr, Counts, ModuleCode, RuntimeConfig, Store, TierHooks};

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

struct Hooks;

impl TierHooks for Hooks {
    fn on_first_call(
        &self,
        module: &Arc<ModuleCode>,
        func: DefinedFuncIndex,
        cancel: Cancel<'_>,
    ) -> Result<CodeAddr, FirstCallError> {
        let code = |_: &Arc<ModuleCode>, func: DefinedFuncIndex| {
            [caller, callee, counting][func.0 as usize]()
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
        // Rust code may use any register in the meantime.
        assert!(std::hint::black_box(1.5_f64).sin() > 0.0);
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
        (func (export "counting") (result i64) i64.const 0))"#;
    let runtime = support::runtime(RuntimeConfig::default());
    let module = support::module(&runtime, text, Arc::new(Hooks));
    let mut store = Store::new(module.runtime(), Box::new(()));
    let instance = store.instantiate(&module, &[]).unwrap();
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
