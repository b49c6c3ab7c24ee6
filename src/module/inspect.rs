//! The compilers' output for a module's functions, as inert values: nothing here runs.

use std::ops::Range;

use anyhow::Context as _;
use upshift_abi::{CompileRequest, CompiledFunction, DefinedFuncIndex, FuncIndex, Tier, demangle};

use super::Module;
use crate::Result;
#[cfg(feature = "addr2line")]
use crate::{FrameSymbol, WasmOffset};

pub use upshift_optimizer::Dump;

impl Module {
    /// The index of a function that the module defines, by any form in which functions are shown:
    /// its name (of the name section or an export), mangled or not; its index, also as `func[12]`
    /// or `<wasm function 12>`; and each of them behind the module's name, as in backtraces
    /// (`module!name`). Of several functions with the name, the first one. Searches all functions.
    ///
    /// ```
    /// # #[cfg(feature = "wat")]
    /// # fn main() -> upshift::Result<()> {
    /// let engine = upshift::Engine::default();
    /// let module = upshift::Module::new(&engine, "(module $m (func $f) (func))")?;
    /// for form in ["f", "0", "m!f", "func[0]", "<wasm function 0>", "m!<wasm function 0>"] {
    ///     assert_eq!(module.find_func(form), Some(0));
    /// }
    /// assert_eq!(module.find_func("g"), None);
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "wat"))]
    /// # fn main() {}
    /// ```
    pub fn find_func(&self, name: &str) -> Option<u32> {
        let module = self.name().unwrap_or("<unknown>");
        let found = self.find_in_module(name).or_else(|| {
            let rest = name.strip_prefix(module)?.strip_prefix('!')?;
            self.find_in_module(rest)
        });
        found.filter(|func| self.defined_funcs().contains(func))
    }

    fn find_in_module(&self, name: &str) -> Option<u32> {
        let facts = self.facts();
        let find = |is_it: &dyn Fn(&str) -> bool| {
            let mut funcs = facts.defined_funcs().map(|func| facts.func_index(func));
            funcs.find(|&func| facts.func_name(func).is_some_and(is_it))
        };
        let shown = || find(&|known| demangle::shown(known) == name);
        let found = find(&|known| known == name).or_else(shown);
        let index = || {
            let inner = |start, end| name.strip_prefix(start)?.strip_suffix(end);
            let number = inner("func[", "]").or_else(|| inner("<wasm function ", ">"));
            number.unwrap_or(name).parse().ok()
        };
        found.map(|func| func.0).or_else(index)
    }

    /// The indexes of the functions that the module defines, for
    /// [`compile_func`](Self::compile_func).
    pub fn defined_funcs(&self) -> std::ops::Range<u32> {
        let facts = self.facts();
        facts.imported_funcs..facts.funcs.len() as u32
    }

    /// The name of a function of the module, imported ones included, as its programmer wrote it
    /// (demangled, with the feature `demangle`), or its index as `func[12]`.
    pub fn func_name(&self, func: u32) -> String {
        match self.facts().func_name(FuncIndex(func)) {
            Some(name) => demangle::shown(name).into_owned(),
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

    /// The functions and lines of the source that an instruction was made from, by its offset in
    /// [`wasm`](Self::wasm), innermost first where functions were inlined; from the module's DWARF.
    /// Empty if that says nothing, or backtraces are
    /// [without details](crate::Config::wasm_backtrace_details). The first question reads an index,
    /// each further one takes microseconds.
    #[cfg(feature = "addr2line")]
    pub fn symbols_at(&self, offset: WasmOffset) -> Box<[FrameSymbol]> {
        let source = self.code.source();
        let found = source.found(crate::symbols::DebugInfo::find);
        found.map_or_else(Box::default, |found| {
            found.symbols(source.wasm(), offset.0 as usize)
        })
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
        request.check()?;
        request.sources = true;
        Ok(request)
    }
}
