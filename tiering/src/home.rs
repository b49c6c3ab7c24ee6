//! [`CodeHome`]: the operations of the runtime's module that tiering needs.
//!
//! It is a trait so that tests can run all of tiering without machine code.

use std::fmt::Debug;
use std::sync::Arc;

use bytes::Bytes;
use upshift_abi::targets::CallTargets;
use upshift_abi::{CompileUnit, CompiledFunction, DefinedFuncIndex, ModuleFacts, Tier};
use upshift_runtime::{CodeAddr, CodeRef, ModuleCode, RuntimeError};

/// A loaded module that code can be placed in.
pub trait CodeHome: Send + Sync + 'static {
    /// A handle to placed code.
    type Code: Clone + Send + Sync + 'static;
    /// The address at which placed code starts.
    type Addr: Copy + Debug + PartialEq;

    /// The module's declarations.
    fn facts(&self) -> &Arc<ModuleFacts>;

    /// The module's bytes.
    fn wasm(&self) -> &Bytes;

    /// Copies code into executable memory. No slot leads to it yet.
    ///
    /// # Errors
    ///
    /// If the code space is full.
    fn place(
        &self,
        func: DefinedFuncIndex,
        unit: CompileUnit,
        tier: Tier,
        level: u8,
        code: CompiledFunction,
    ) -> Result<Self::Code, RuntimeError>;

    /// Places a counter before code of a function: each call through it takes `weight` from the
    /// function's budget, and the one that leaves less than 0 is a first call.
    ///
    /// # Errors
    ///
    /// If the code space is full.
    fn place_counter(&self, code: &Self::Code, weight: u32) -> Result<Self::Code, RuntimeError>;

    /// Stores the code's address in its function's slot: later calls run it.
    fn publish(&self, code: &Self::Code);

    /// Makes the function's slot lead to the first-call thunk again.
    fn unpublish(&self, func: DefinedFuncIndex);

    /// Retires code that no slot leads to any more.
    fn retire(&self, code: Self::Code);

    /// The units left of the function's budget.
    fn budget(&self, func: DefinedFuncIndex) -> i32;

    /// Sets the function's budget.
    fn set_budget(&self, func: DefinedFuncIndex, budget: i32);

    /// What indirect calls have called so far.
    fn call_targets(&self) -> CallTargets;

    /// The address at which the code starts.
    fn addr(code: &Self::Code) -> Self::Addr;

    /// What the compiler made, if that was kept.
    fn artifact(code: &Self::Code) -> Option<CompiledFunction>;

    /// The code's start as a number and its length in bytes, for the log.
    fn figures(code: &Self::Code) -> (u64, u32);
}

impl CodeHome for ModuleCode {
    type Code = CodeRef;
    type Addr = CodeAddr;

    fn facts(&self) -> &Arc<ModuleFacts> {
        self.facts()
    }

    fn wasm(&self) -> &Bytes {
        self.wasm()
    }

    fn place(
        &self,
        func: DefinedFuncIndex,
        unit: CompileUnit,
        tier: Tier,
        level: u8,
        code: CompiledFunction,
    ) -> Result<CodeRef, RuntimeError> {
        self.place(func, unit, tier, level, code)
    }

    fn place_counter(&self, code: &CodeRef, weight: u32) -> Result<CodeRef, RuntimeError> {
        self.place_counter(code, weight)
    }

    fn publish(&self, code: &CodeRef) {
        self.publish(code);
    }

    fn unpublish(&self, func: DefinedFuncIndex) {
        self.unpublish(func);
    }

    fn retire(&self, code: CodeRef) {
        self.retire(code);
    }

    fn budget(&self, func: DefinedFuncIndex) -> i32 {
        self.budget(func)
    }

    fn set_budget(&self, func: DefinedFuncIndex, budget: i32) {
        self.set_budget(func, budget);
    }

    fn call_targets(&self) -> CallTargets {
        self.call_targets()
    }

    fn addr(code: &CodeRef) -> CodeAddr {
        code.addr()
    }

    fn artifact(code: &CodeRef) -> Option<CompiledFunction> {
        code.artifact()
    }

    fn figures(code: &CodeRef) -> (u64, u32) {
        (code.addr().get() as u64, code.len() as u32)
    }
}
