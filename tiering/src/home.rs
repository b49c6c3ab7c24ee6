//! Where code lies, as far as tiering cares: the part of the runtime's module that it uses.
//!
//! A trait, so that tests can run the whole machinery without machine code.

use std::fmt::Debug;
use std::sync::Arc;

use upshift_abi::{CompileUnit, CompiledFunction, DefinedFuncIndex, ModuleFacts, Tier};
use upshift_runtime::{CodeAddr, CodeRef, ModuleCode, RuntimeError};

/// A loaded module.
pub trait CodeHome: Send + Sync + 'static {
    /// Placed code: a handle.
    type Code: Clone + Send + Sync + 'static;
    /// Where placed code starts.
    type Addr: Copy + Debug + PartialEq;

    /// The module's declarations.
    fn facts(&self) -> &Arc<ModuleFacts>;

    /// The module's bytes.
    fn wasm(&self) -> &Arc<[u8]>;

    /// Makes bytes executable. Nothing leads to them yet.
    ///
    /// # Errors
    ///
    /// If there is no room.
    fn place(
        &self,
        func: DefinedFuncIndex,
        unit: CompileUnit,
        tier: Tier,
        code: CompiledFunction,
    ) -> Result<Self::Code, RuntimeError>;

    /// Sends calls of the code's function to it.
    fn publish(&self, code: &Self::Code);

    /// Makes the next call of the function a first call.
    fn unpublish(&self, func: DefinedFuncIndex);

    /// Gives up code that nothing leads to any more.
    fn retire(&self, code: Self::Code);

    /// What is left of the function's budget.
    fn budget(&self, func: DefinedFuncIndex) -> i32;

    /// Sets the function's budget.
    fn set_budget(&self, func: DefinedFuncIndex, budget: i32);

    /// Where the code starts.
    fn addr(code: &Self::Code) -> Self::Addr;

    /// The code's start as a number, and its length, for the log.
    fn figures(code: &Self::Code) -> (u64, u32);
}

impl CodeHome for ModuleCode {
    type Code = CodeRef;
    type Addr = CodeAddr;

    fn facts(&self) -> &Arc<ModuleFacts> {
        self.facts()
    }

    fn wasm(&self) -> &Arc<[u8]> {
        self.wasm()
    }

    fn place(
        &self,
        func: DefinedFuncIndex,
        unit: CompileUnit,
        tier: Tier,
        code: CompiledFunction,
    ) -> Result<CodeRef, RuntimeError> {
        self.place(func, unit, tier, code)
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

    fn addr(code: &CodeRef) -> CodeAddr {
        code.addr()
    }

    fn figures(code: &CodeRef) -> (u64, u32) {
        (code.addr().get() as u64, code.len() as u32)
    }
}
