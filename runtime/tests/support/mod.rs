//! Modules that run without compilers: tests and measurements place their own code in them.

#![allow(dead_code, reason = "each of its users needs a part")]

use std::sync::Arc;

use upshift_abi::{Cancel, DefinedFuncIndex};
use upshift_baseline::TrampolineCompiler;
use upshift_runtime::module::FirstCallError;
use upshift_runtime::{BudgetSite, CodeAddr, ModuleCode, Runtime, RuntimeConfig, TierHooks};

/// The hooks of a module whose called functions all have code, and which counts nothing.
pub struct NoHooks;

impl TierHooks for NoHooks {
    fn on_first_call(
        &self,
        _: &Arc<ModuleCode>,
        _: DefinedFuncIndex,
        _: Cancel<'_>,
    ) -> Result<CodeAddr, FirstCallError> {
        unreachable!("nothing without code is called")
    }

    fn on_budget_exhausted(
        &self,
        _: &Arc<ModuleCode>,
        _: DefinedFuncIndex,
        _: BudgetSite,
    ) -> Option<CodeAddr> {
        unreachable!("no code counts")
    }
}

/// A runtime with trampolines.
pub fn runtime(config: RuntimeConfig) -> Arc<Runtime> {
    Runtime::new(config, Box::new(TrampolineCompiler)).unwrap()
}

/// A module in the text format.
pub fn module(runtime: &Arc<Runtime>, text: &str, hooks: Arc<dyn TierHooks>) -> Arc<ModuleCode> {
    let wasm = wat::parse_str(text).unwrap();
    let mut facts = upshift_abi::facts::decode(&wasm).unwrap().facts;
    let types = runtime.register_types(&facts.types);
    facts.type_ids = types.ids().into();
    ModuleCode::new(runtime, Arc::new(facts), types, wasm.into(), hooks).unwrap()
}
