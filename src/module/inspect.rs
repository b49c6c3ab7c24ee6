//! The compilers' output for a module's functions, as inert values: nothing here runs.

use std::ops::Range;

use anyhow::Context as _;
use upshift_abi::{CompileRequest, CompiledFunction, DefinedFuncIndex, FuncIndex, Tier};

use super::Module;
use crate::Result;

pub use upshift_optimizer::Dump;

impl Module {
    /// The index of a function that the module defines, by its name (of the name section or an
    /// export) or its index. Searches all functions.
    pub fn find_func(&self, name: &str) -> Option<u32> {
        let facts = self.facts();
        let mut funcs = facts.defined_funcs().map(|func| facts.func_index(func));
        let found = funcs.find(|&func| facts.func_name(func) == Some(name));
        let by_index = || name.parse().ok().map(FuncIndex);
        let found = found.or_else(by_index)?;
        (found.0 >= facts.imported_funcs && found.index() < facts.funcs.len()).then_some(found.0)
    }

    /// The indexes of the functions that the module defines, for
    /// [`compile_func`](Self::compile_func).
    pub fn defined_funcs(&self) -> std::ops::Range<u32> {
        let facts = self.facts();
        facts.imported_funcs..facts.funcs.len() as u32
    }

    /// The name of a function of the module, imported ones included, or its index as `func[12]`.
    pub fn func_name(&self, func: u32) -> String {
        match self.facts().func_name(FuncIndex(func)) {
            Some(name) => name.to_owned(),
            None => format!("func[{func}]"),
        }
    }

    /// The module in the binary format.
    pub fn wasm(&self) -> &[u8] {
        self.code.wasm()
    }

    /// Where the body of a function that the module defines lies in [`wasm`](Self::wasm).
    pub fn body_range(&self, func: u32) -> Option<Range<u32>> {
        let facts = self.facts();
        let defined = facts.defined_func(FuncIndex(func))?;
        facts.bodies.get(defined.index()).cloned()
    }

    /// Compiles a function and returns the code without installing it. The result depends on the
    /// module and the configuration only.
    ///
    /// # Errors
    ///
    /// If the module defines no such function, or the compiler refuses it.
    pub fn compile_func(&self, func: u32, tier: Tier) -> Result<CompiledFunction> {
        let request = self.compile_request(func)?;
        let compiler = self.engine.compiler(tier);
        let compiled = compiler.session().compile(request);
        Ok(compiled?)
    }

    /// The optimizer's intermediate forms of a function, as text.
    ///
    /// # Errors
    ///
    /// As [`compile_func`](Self::compile_func).
    pub fn dump_func(&self, func: u32, dump: Dump) -> Result<String> {
        let request = self.compile_request(func)?;
        Ok(self.engine.optimizer().dump(request, dump)?)
    }

    fn compile_request(&self, func: u32) -> Result<CompileRequest<'_>> {
        let facts = self.facts();
        let defined = facts.defined_func(FuncIndex(func));
        let defined = defined.filter(|func: &DefinedFuncIndex| func.index() < facts.bodies.len());
        let defined = defined.with_context(|| format!("the module defines no function {func}"))?;
        let mut request = CompileRequest::new(facts, self.code.wasm(), defined);
        request.sources = true;
        Ok(request)
    }
}
