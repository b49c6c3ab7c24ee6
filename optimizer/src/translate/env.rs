//! The surroundings of a translation, and what it has declared in the CLIF function.

use std::collections::HashMap;
use std::rc::Rc;

use cranelift_codegen::ir::{
    ExtFuncData, ExternalName, FuncRef, Function, SigRef, StackSlot, StackSlotData, StackSlotKind,
};
use upshift_abi::callconv::Locations;
use upshift_abi::targets::CallTargets;
use upshift_abi::{
    Builtin, CompileRequest, CompileUnit, DefinedFuncIndex, FuncIndex, ModuleFacts, TypeIndex,
    WasmOffset,
};

use crate::names::Symbol;
use crate::options::{Inline, OptimizerOptions, SelfCalls};
use crate::signature;

/// The part of a translation's surroundings that depends on the compiler, not on the request.
#[derive(Clone, Copy)]
pub(crate) struct Config<'a> {
    pub(crate) options: &'a OptimizerOptions,
    /// Which calls may be replaced by bodies: none unless all bodies of the module are valid.
    pub(crate) inline: Inline,
    /// Whether the processor has instructions for `ceil` and the like.
    pub(crate) has_rounding: bool,
    /// Whether the processor rounds a product and a sum once.
    pub(crate) has_fma: bool,
}

/// How functions of a type are called.
pub(crate) struct CallSignature {
    pub(crate) signature: SigRef,
    pub(crate) locations: Locations,
}

/// The surroundings of a translation.
pub(crate) struct Env<'a> {
    pub(crate) facts: &'a ModuleFacts,
    pub(crate) config: Config<'a>,
    targets: Option<&'a CallTargets>,
    func: DefinedFuncIndex,
    unit: CompileUnit,
    signatures: HashMap<TypeIndex, Rc<CallSignature>>,
    functions: HashMap<DefinedFuncIndex, FuncRef>,
    builtins: HashMap<Builtin, FuncRef>,
    /// The area for results of the functions called, as large as the largest.
    result_slot: Option<StackSlot>,
}

impl<'a> Env<'a> {
    pub(crate) fn new(request: &CompileRequest<'a>, config: Config<'a>) -> Self {
        Self {
            facts: request.facts,
            config,
            targets: request.targets,
            func: request.func,
            unit: request.unit,
            signatures: HashMap::new(),
            functions: HashMap::new(),
            builtins: HashMap::new(),
            result_slot: None,
        }
    }

    /// The function that an indirect call most likely calls, if it has the type and belongs to the
    /// module: the only one that it has called, or else the one that hints name.
    pub(crate) fn only_target(&self, call: WasmOffset, ty: TypeIndex) -> Option<FuncIndex> {
        if self.config.inline != Inline::All {
            return None;
        }
        let profile = self.targets;
        let func = profile.and_then(|targets| targets.only(self.facts, call));
        let func = func.or_else(|| self.hinted_target(call))?;
        let has_type = self.facts.func_type_id(func) == self.facts.type_ids[ty.index()];
        (has_type && self.facts.defined_func(func).is_some()).then_some(func)
    }

    /// The function that an indirect call nearly always calls, as the module's hints say.
    fn hinted_target(&self, call: WasmOffset) -> Option<FuncIndex> {
        /// The least percentage that makes a guess worth its comparison.
        const ENOUGH: u32 = 90;
        let hints = &self.facts.hints.hints.functions;
        let hints = hints.get(&self.facts.func_index(self.func))?;
        let body = self.facts.bodies[self.func.index()].start;
        let at = call.0.checked_sub(body)?;
        let found = hints
            .targets
            .binary_search_by_key(&at, |&(offset, _)| offset);
        let targets = &hints.targets[found.ok()?].1;
        let target = targets.iter().find(|target| target.percent >= ENOUGH)?;
        (target.func.index() < self.facts.funcs.len()).then_some(target.func)
    }

    /// The function that is compiled.
    pub(crate) fn func(&self) -> DefinedFuncIndex {
        self.func
    }

    /// The part of the function that is compiled.
    pub(crate) fn unit(&self) -> CompileUnit {
        self.unit
    }

    /// How functions of the type are called.
    pub(crate) fn signature(&mut self, func: &mut Function, ty: TypeIndex) -> Rc<CallSignature> {
        let facts = self.facts;
        let signature = self.signatures.entry(ty).or_insert_with(|| {
            let locations = Locations::of(&facts.types[ty.index()]);
            let signature = signature::of_function(&locations);
            Rc::new(CallSignature {
                signature: func.import_signature(signature),
                locations,
            })
        });
        Rc::clone(signature)
    }

    /// A function of the module, to be called through its slot; the function itself is called
    /// directly if the options say so (an OSR entry is not the function).
    pub(crate) fn function(
        &mut self,
        func: &mut Function,
        callee: DefinedFuncIndex,
        signature: SigRef,
    ) -> FuncRef {
        let direct = callee == self.func
            && self.unit == CompileUnit::Function
            && self.config.options.self_calls == SelfCalls::Direct;
        *self
            .functions
            .entry(callee)
            .or_insert_with(|| import(func, Symbol::Function(callee), signature, direct))
    }

    /// A builtin that follows the C convention.
    pub(crate) fn builtin(&mut self, func: &mut Function, builtin: Builtin) -> FuncRef {
        *self.builtins.entry(builtin).or_insert_with(|| {
            let signature = signature::of_builtin(builtin).expect("stubs are not called from CLIF");
            let signature = func.import_signature(signature);
            import(func, Symbol::Builtin(builtin), signature, false)
        })
    }

    /// A stub that takes the `VmContext*` and preserves all registers.
    pub(crate) fn preserving_stub(&mut self, func: &mut Function, stub: Builtin) -> FuncRef {
        *self.builtins.entry(stub).or_insert_with(|| {
            let signature = func.import_signature(signature::of_preserving_stub());
            import(func, Symbol::Builtin(stub), signature, false)
        })
    }

    /// A stack slot of at least this size, shared by all calls: each reads its results at once.
    pub(crate) fn result_slot(&mut self, func: &mut Function, size: u32) -> StackSlot {
        let slot = *self.result_slot.get_or_insert_with(|| {
            let align_to_16 = 4;
            let data = StackSlotData::new(StackSlotKind::ExplicitSlot, size, align_to_16);
            func.create_sized_stack_slot(data)
        });
        let data = &mut func.sized_stack_slots[slot];
        data.size = data.size.max(size);
        slot
    }
}

/// Declares a function to call. One that is not colocated is called through its cell.
fn import(func: &mut Function, symbol: Symbol, signature: SigRef, colocated: bool) -> FuncRef {
    let name = func.declare_imported_user_function(symbol.name());
    func.import_function(ExtFuncData {
        name: ExternalName::user(name),
        signature,
        colocated,
        patchable: false,
    })
}
