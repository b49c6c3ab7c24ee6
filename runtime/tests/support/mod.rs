//! Modules that run without compilers: tests and measurements place their own code in them.

#![allow(dead_code, reason = "each of its users needs a part")]

use std::sync::Arc;

use upshift_abi::facts::Item;
use upshift_abi::{
    Cancel, CodeOffset, CompileUnit, CompiledFunction, DefinedFuncIndex, FuncIndex, Relocation,
    RelocationTarget, Tier,
};
use upshift_baseline::TrampolineCompiler;
use upshift_runtime::module::FirstCallError;
use upshift_runtime::{
    BudgetSite, CodeAddr, Counts, Extern, FuncId, InstanceId, ModuleCode, Runtime, RuntimeConfig,
    Store, TierHooks,
};

/// The hooks of a module whose code counts nothing: a function that makes the first code.
pub struct FirstCalls<F>(pub F);

impl<F> TierHooks for FirstCalls<F>
where
    F: Fn(&Arc<ModuleCode>, DefinedFuncIndex) -> CompiledFunction + Send + Sync,
{
    fn on_first_call(
        &self,
        module: &Arc<ModuleCode>,
        func: DefinedFuncIndex,
        _: Cancel<'_>,
    ) -> Result<CodeAddr, FirstCallError> {
        let code = (self.0)(module, func);
        let code = module.place(func, CompileUnit::Function, Tier::Baseline, 0, code)?;
        module.publish(&code);
        Ok(code.addr())
    }

    fn on_budget_exhausted(
        &self,
        _: &Arc<ModuleCode>,
        _: DefinedFuncIndex,
        _: BudgetSite,
    ) -> Option<CodeAddr> {
        unreachable!("no code counts")
    }

    fn budget_counts(&self, _: DefinedFuncIndex) -> Counts {
        Counts::Work
    }
}

/// The hooks of a module whose called functions all have code, and which counts nothing.
pub fn no_hooks() -> Arc<dyn TierHooks> {
    Arc::new(FirstCalls(|_: &Arc<ModuleCode>, _| {
        unreachable!("nothing without code is called")
    }))
}

/// Machine code under construction.
#[derive(Default)]
pub struct Code(pub CompiledFunction);

impl Code {
    /// Adds instructions.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.0.code.extend_from_slice(bytes);
    }

    /// The end of the code so far.
    pub fn pos(&self) -> CodeOffset {
        CodeOffset(self.0.code.len() as u32)
    }

    /// `call [rip + target]`
    pub fn call(&mut self, target: RelocationTarget) {
        self.bytes(&[0xff, 0x15, 0, 0, 0, 0]);
        self.0.relocations.push(Relocation {
            offset: CodeOffset(self.pos().0 - 4),
            target,
            addend: -4,
        });
    }
}

/// Places code of a function and lets calls run it.
pub fn publish(module: &ModuleCode, func: u32, code: CompiledFunction) {
    let func = DefinedFuncIndex(func);
    let code = module.place(func, CompileUnit::Function, Tier::Optimizer, 1, code);
    module.publish(&code.unwrap());
}

/// A function of an instance.
pub fn func(store: &mut Store, instance: InstanceId, func: FuncIndex) -> FuncId {
    match store.instance_item(instance, Item::Func(func)) {
        Extern::Func(func) => func,
        _ => unreachable!("it is a function"),
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
    let types = runtime.register_module_types(&facts.types);
    facts.set_type_ids(types.ids());
    ModuleCode::new(runtime, Arc::new(facts), types, wasm.into(), hooks).unwrap()
}
