//! From WebAssembly text to facts, shared by the tests.

#![allow(dead_code)]

use upshift_abi::facts::{self, ModuleFacts};
use upshift_abi::{
    CodeOffset, CompileError, CompileRequest, CompileUnit, CompiledFunction, Compiler,
    DefinedFuncIndex, LoopIndex, TypeId,
};
use upshift_optimizer::{Optimizer, OptimizerOptions};
use wasmparser::{BinaryReader, FunctionBody, Operator};

/// A decoded and validated module.
pub struct Module {
    pub wasm: Vec<u8>,
    pub facts: ModuleFacts,
}

impl Module {
    /// From text.
    pub fn new(wat: &str) -> Self {
        Self::from_binary(wat::parse_str(wat).unwrap_or_else(|error| panic!("{error}\n{wat}")))
    }

    /// From a binary; validates every body.
    pub fn from_binary(wasm: Vec<u8>) -> Self {
        let decoded = facts::decode(&wasm).expect("a valid module");
        let mut facts = decoded.facts;
        for (body, to_validate) in facts.bodies.iter().zip(decoded.validators) {
            let bytes = &wasm[body.start as usize..body.end as usize];
            let body = FunctionBody::new(BinaryReader::new(bytes, body.start.into()));
            let mut validator = to_validate.into_validator(Default::default());
            validator.validate(&body).expect("a valid body");
        }
        // Equal types have equal ids, as an engine would give out.
        let types = &facts.types;
        let id = |ty| types.iter().position(|other| other == ty).unwrap() as u32;
        facts.type_ids = types.iter().map(|ty| TypeId(100 + id(ty))).collect();
        Self { wasm, facts }
    }

    /// A request for one of its functions.
    pub fn request(&self, func: u32, unit: CompileUnit) -> CompileRequest<'_> {
        CompileRequest {
            unit,
            ..CompileRequest::new(&self.facts, &self.wasm, DefinedFuncIndex(func))
        }
    }

    /// Everything that can be compiled: each function, and each loop in it.
    pub fn units(&self) -> Vec<(u32, CompileUnit)> {
        let mut units = Vec::new();
        for func in 0..self.facts.bodies.len() as u32 {
            units.push((func, CompileUnit::Function));
            let loops = (0..self.loops(func)).map(LoopIndex);
            units.extend(loops.map(|index| (func, CompileUnit::Loop(index))));
        }
        units
    }

    /// Number of `loop` operators in the function.
    pub fn loops(&self, func: u32) -> u32 {
        let request = self.request(func, CompileUnit::Function);
        let bytes = BinaryReader::new(request.body(), 0);
        let operators = FunctionBody::new(bytes).get_operators_reader().unwrap();
        let loops = operators
            .into_iter()
            .filter(|op| matches!(op, Ok(Operator::Loop { .. })));
        loops.count() as u32
    }
}

/// Options that let Cranelift check itself.
pub fn checked() -> OptimizerOptions {
    OptimizerOptions {
        verify: true,
        ..OptimizerOptions::default()
    }
}

/// An optimizer that checks itself.
pub fn optimizer() -> Optimizer {
    Optimizer::new(checked()).expect("the host is supported")
}

/// Compiles one unit and checks what holds for every artifact.
pub fn compile(
    optimizer: &Optimizer,
    module: &Module,
    func: u32,
    unit: CompileUnit,
) -> Result<CompiledFunction, CompileError> {
    let compiled = optimizer.session().compile(module.request(func, unit))?;
    check(&compiled, module, func);
    Ok(compiled)
}

/// What holds for every artifact.
fn check(compiled: &CompiledFunction, module: &Module, func: u32) {
    let len = compiled.code.len() as u32;
    let in_body = |code, wasm| {
        let mut sources = compiled.sites.sources(code, Some(wasm));
        sources.all(|source| {
            let func = source.func.map_or(func, |func| func.0);
            module.facts.bodies[func as usize].contains(&source.wasm.unwrap().0)
        })
    };
    assert!(compiled.sites.traps.is_sorted_by(|a, b| a.code < b.code));
    assert!(compiled.sites.calls.is_sorted_by(|a, b| a.code < b.code));
    for site in &compiled.sites.traps {
        assert!(site.code.0 < len, "{site:?}");
        assert!(in_body(site.code, site.wasm), "{site:?}");
    }
    for site in &compiled.sites.calls {
        let call = CodeOffset(site.code.0 - 1);
        assert!(site.code.0 <= len && in_body(call, site.wasm), "{site:?}");
    }
    for relocation in &compiled.relocations {
        assert!(relocation.offset.0 + 4 <= len, "{relocation:?}");
    }
}
