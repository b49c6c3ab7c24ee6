//! Calls: of functions, through tables and references, and of the runtime's builtins.
//!
//! A function of the module is called through its slot, which the code addresses directly; an
//! imported one through the slot whose address its instance holds; an element of a table through
//! the slot that the function reference names. All take the callee's `VmContext*` first.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    Block, BlockArg, ExceptionTableData, ExceptionTableItem, FuncRef, Inst, InstBuilder,
    MemFlagsData, SigRef, Value, types,
};
use upshift_abi::builtin::{BuiltinKind, BuiltinResult};
use upshift_abi::callconv::ResultLocation;
use upshift_abi::vmctx::{VmFuncRef, VmImportedFunc};
use upshift_abi::{Builtin, FuncIndex, TableIndex, TrapCode, TypeIndex};

use crate::artifact::Mark;
use crate::options::NullChecks;
use crate::signature::POINTER;
use crate::translate::{
    CallSignature, Region, StackCheck, TranslateError, Translator, fixed, trusted,
};
use crate::trap;

/// Where the results of a call are.
#[derive(Clone, Copy)]
enum Returned {
    /// They are the instruction's.
    By(Inst),
    /// They are the parameters of the block behind it.
    To(Block),
}

/// The target of a call.
enum Callee {
    /// A function of the module itself.
    Own(FuncRef),
    /// Code at an address, with its context.
    Other { code: Value, vmctx: Value },
}

/// Where the reference of a call is from.
#[derive(Clone, Copy)]
enum Referrer {
    /// A table: it can be null or to a function of another type.
    Table,
    /// An operand of the type: it can be null.
    Operand,
}

impl Translator<'_> {
    pub(crate) fn visit_call(&mut self, func: u32) -> Result<(), TranslateError> {
        let func = FuncIndex(func);
        self.call_or_inline(func)
    }

    fn call_or_inline(&mut self, func: FuncIndex) -> Result<(), TranslateError> {
        if let Some(defined) = self.env.facts.defined_func(func)
            && self.inline(defined)?
        {
            return Ok(());
        }
        let ty = self.env.facts.funcs[func.index()];
        let callee = self.callee(func);
        self.call(ty, &callee);
        Ok(())
    }

    pub(crate) fn visit_call_indirect(
        &mut self,
        ty: u32,
        table: u32,
    ) -> Result<(), TranslateError> {
        let (ty, table) = (TypeIndex(ty), TableIndex(table));
        let index = self.pop();
        let address = self.element_address(table, index, TrapCode::UndefinedElement);
        let reference = self.load_element(address);
        self.call_reference(ty, reference, Referrer::Table)
    }

    /// Calls the function of a reference. If there was one target so far, the reference is compared
    /// with it, and the function called directly or inlined.
    fn call_reference(
        &mut self,
        ty: TypeIndex,
        reference: Value,
        referrer: Referrer,
    ) -> Result<(), TranslateError> {
        let target = self.env.only_target(self.position(), ty);
        let number = target.and_then(|func| self.env.facts.func_ref(func));
        if let Some((func, number)) = target.zip(number) {
            return self.call_guarded(ty, reference, referrer, (func, number));
        }
        let callee = self.reference_callee(ty, reference, referrer);
        self.call(ty, &callee);
        Ok(())
    }

    /// Calls a function directly, or inlines it, where the reference is to that function of this
    /// instance, with this number among its references.
    fn call_guarded(
        &mut self,
        ty: TypeIndex,
        reference: Value,
        referrer: Referrer,
        (func, number): (FuncIndex, u32),
    ) -> Result<(), TranslateError> {
        let facts = self.env.facts;
        let offset = i64::from(facts.layout.func_ref(number).disp());
        let vmctx = self.vmctx;
        let distance = self.ins().isub(reference, vmctx);
        let is_expected = self.ins().icmp_imm_s(IntCC::Equal, distance, offset);

        let [direct, indirect] = [(); 2].map(|()| self.builder.create_block());
        let join = self.block_with(&facts.types[ty.index()].results);
        self.ins().brif(is_expected, direct, &[], indirect, &[]);
        self.builder.seal_block(direct);
        self.builder.seal_block(indirect);
        let first = self.stack.len() - facts.types[ty.index()].params.len();
        let args = self.stack[first..].to_vec();

        self.fall_through(direct);
        self.call_or_inline(func)?;
        self.join(join, first);
        self.builder.set_cold_block(indirect);
        self.continue_in(indirect);
        self.stack.extend(args);
        let callee = self.reference_callee(ty, reference, referrer);
        self.call(ty, &callee);
        self.join(join, first);
        self.builder.seal_block(join);
        self.continue_in(join);
        self.push_block_params(join);
        Ok(())
    }

    /// Ends a path to a block that takes all operands above a height.
    fn join(&mut self, block: Block, height: usize) {
        if self.control.is_reachable() {
            self.jump(block, self.stack.len() - height);
        }
        self.stack.truncate(height);
    }

    pub(crate) fn visit_return_call(&mut self, func: u32) {
        let func = FuncIndex(func);
        let ty = self.env.facts.funcs[func.index()];
        let callee = self.callee(func);
        self.return_call(ty, &callee);
    }

    pub(crate) fn visit_return_call_indirect(&mut self, ty: u32, table: u32) {
        let ty = TypeIndex(ty);
        let callee = self.table_callee(ty, TableIndex(table));
        self.return_call(ty, &callee);
    }

    pub(crate) fn visit_call_ref(&mut self, ty: u32) -> Result<(), TranslateError> {
        let reference = self.pop();
        self.call_reference(TypeIndex(ty), reference, Referrer::Operand)
    }

    pub(crate) fn visit_return_call_ref(&mut self, ty: u32) {
        let (ty, reference) = (TypeIndex(ty), self.pop());
        let callee = self.typed_callee(reference);
        self.return_call(ty, &callee);
    }

    /// Calls a builtin that returns no value. Where it reports failure, its trap is raised here.
    pub(crate) fn call_builtin(&mut self, builtin: Builtin, args: &[Value]) {
        let call = self.emit_builtin(builtin, args);
        let result = builtin.signature().map(|signature| signature.result);
        if let Some(BuiltinResult::Status(trap)) = result {
            let failed = self.builder.inst_results(call)[0];
            self.ins().trapnz(failed, trap::to_clif(trap));
        }
    }

    /// Calls a builtin that returns a value.
    pub(super) fn call_value_builtin(&mut self, builtin: Builtin, args: &[Value]) -> Value {
        let call = self.emit_builtin(builtin, args);
        self.builder.inst_results(call)[0]
    }

    fn emit_builtin(&mut self, builtin: Builtin, args: &[Value]) -> Inst {
        self.stack_check = StackCheck::Always;
        self.contents.forget_contents();
        let func = self.env.builtin(self.builder.func, builtin);
        let args: Vec<_> = [self.vmctx].iter().chain(args).copied().collect();
        let call = self.ins().call(func, &args);
        if builtin.kind() == BuiltinKind::Leaf {
            Mark::Leaf.set(self.builder.func, call);
        } else {
            self.forget_fuel();
        }
        call
    }

    /// Pops the arguments, calls, pushes the results.
    fn call(&mut self, ty: TypeIndex, callee: &Callee) {
        self.stack_check = StackCheck::Always;
        let signature = self.env.signature(self.builder.func, ty);
        let area = signature.locations.has_result_area().then(|| {
            let size = signature.locations.result_area;
            let slot = self.env.result_slot(self.builder.func, size);
            self.ins().stack_addr(POINTER, slot, 0)
        });
        let args = self.arguments(&signature, callee, area);
        let returned = match (self.handler(), callee) {
            (Some(handler), _) => {
                Returned::To(self.try_call(signature.signature, callee, &args, handler))
            }
            (None, &Callee::Own(func)) => Returned::By(self.ins().call(func, &args)),
            (None, &Callee::Other { code, .. }) => {
                let ins = self.ins();
                Returned::By(ins.call_indirect(signature.signature, code, &args))
            }
        };
        self.contents.forget_contents();
        self.forget_fuel();
        self.push_results(&signature, returned, area);
    }

    /// Calls a function whose exceptions go to the handler; returns the block behind the call,
    /// which takes the results.
    fn try_call(
        &mut self,
        signature: SigRef,
        callee: &Callee,
        args: &[Value],
        handler: Block,
    ) -> Block {
        let next = self.builder.create_block();
        let mut results = Vec::new();
        for index in 0..self.builder.func.dfg.signatures[signature].returns.len() {
            let ty = self.builder.func.dfg.signatures[signature].returns[index].value_type;
            self.builder.append_block_param(next, ty);
            results.push(BlockArg::TryCallRet(index as u32));
        }
        let dfg = &mut self.builder.func.dfg;
        let exception = dfg.block_call(handler, &[BlockArg::TryCallExn(0)]);
        let handlers = [ExceptionTableItem::Default(exception)];
        let normal = dfg.block_call(next, &results);
        let table = ExceptionTableData::new(signature, normal, handlers);
        let table = dfg.exception_tables.push(table);
        match *callee {
            Callee::Own(func) => self.ins().try_call(func, args, table),
            Callee::Other { code, .. } => self.ins().try_call_indirect(code, args, table),
        };
        self.builder.seal_block(next);
        self.fall_through(next);
        next
    }

    /// Pops the arguments and makes a tail call. The results are those of this function, so they go
    /// to this function's own result area.
    fn return_call(&mut self, ty: TypeIndex, callee: &Callee) {
        let signature = self.env.signature(self.builder.func, ty);
        if signature.locations.stack_args > 0 {
            self.stack_check = StackCheck::Always;
        }
        let args = self.arguments(&signature, callee, self.result_area);
        match *callee {
            Callee::Own(func) => self.ins().return_call(func, &args),
            Callee::Other { code, .. } => {
                self.ins()
                    .return_call_indirect(signature.signature, code, &args)
            }
        };
        self.set_unreachable();
    }

    /// Pops the arguments; the callee's context and the result area go before them.
    fn arguments(
        &mut self,
        signature: &CallSignature,
        callee: &Callee,
        area: Option<Value>,
    ) -> Vec<Value> {
        let vmctx = match *callee {
            Callee::Own(_) => self.vmctx,
            Callee::Other { vmctx, .. } => vmctx,
        };
        let first = self.stack.len() - signature.locations.params.len();
        let mut args = Vec::with_capacity(signature.locations.params.len() + 2);
        args.push(vmctx);
        args.extend(area);
        args.extend(self.stack.drain(first..));
        self.meter.operands += args.len();
        args
    }

    fn push_results(&mut self, signature: &CallSignature, returned: Returned, area: Option<Value>) {
        let mut in_registers = 0;
        for &(kind, location) in &signature.locations.results {
            let value = match (location, area) {
                (ResultLocation::Area(offset), Some(area)) => {
                    let flags = trusted(self.builder.func, Region::Results);
                    let ty = crate::signature::clif_type(kind);
                    self.ins().load(ty, flags, area, offset as i32)
                }
                _ => {
                    in_registers += 1;
                    let values = match returned {
                        Returned::By(call) => self.builder.inst_results(call),
                        Returned::To(block) => self.builder.block_params(block),
                    };
                    values[in_registers - 1]
                }
            };
            self.push(value);
        }
    }

    /// A function of the function index space.
    fn callee(&mut self, index: FuncIndex) -> Callee {
        let facts = self.env.facts;
        if let Some(defined) = facts.defined_func(index) {
            let func = &mut *self.builder.func;
            let signature = self.env.signature(func, facts.funcs[index.index()]);
            return Callee::Own(self.env.function(func, defined, signature.signature));
        }
        let import = facts.layout.imported_func(index).disp();
        let flags = fixed(self.builder.func, Region::Context);
        let own = self.vmctx;
        let slot = import + VmImportedFunc::SLOT.disp();
        let slot = self.ins().load(POINTER, flags, own, slot);
        let vmctx = import + VmImportedFunc::VMCTX.disp();
        let vmctx = self.ins().load(POINTER, flags, own, vmctx);
        let code = self.load_slot(slot);
        Callee::Other { code, vmctx }
    }

    /// Pops an index and loads the function there, which must have the type.
    fn table_callee(&mut self, ty: TypeIndex, table: TableIndex) -> Callee {
        let index = self.pop();
        let address = self.element_address(table, index, TrapCode::UndefinedElement);
        let reference = self.load_element(address);
        self.checked_callee(ty, reference)
    }

    /// The function of a reference, which is checked as far as that is needed.
    fn reference_callee(&mut self, ty: TypeIndex, reference: Value, referrer: Referrer) -> Callee {
        match referrer {
            Referrer::Table => self.checked_callee(ty, reference),
            Referrer::Operand => self.typed_callee(reference),
        }
    }

    /// The function of a reference, which must have the type.
    fn checked_callee(&mut self, ty: TypeIndex, reference: Value) -> Callee {
        // A reference is immutable, but may be read only once it is known not to be null.
        let flags = trusted(self.builder.func, Region::FuncRef).with_readonly();
        let first_flags = self.check_not_null(reference, flags, TrapCode::UninitializedElement);
        let id = VmFuncRef::TYPE_ID.disp();
        let id = self.ins().load(types::I32, first_flags, reference, id);
        let expected = self.env.facts.type_ids[ty.index()];
        let expected = i64::from(expected.0);
        let wrong = self.ins().icmp_imm_u(IntCC::NotEqual, id, expected);
        let mismatch = trap::to_clif(TrapCode::IndirectCallTypeMismatch);
        self.ins().trapnz(wrong, mismatch);

        self.referenced(reference, flags, flags)
    }

    /// The function of a reference, which must not be null and has the type.
    fn typed_callee(&mut self, reference: Value) -> Callee {
        // As in `checked_callee`.
        let flags = trusted(self.builder.func, Region::FuncRef).with_readonly();
        let first_flags = self.check_not_null(reference, flags, TrapCode::NullReference);
        self.referenced(reference, first_flags, flags)
    }

    /// The function of a reference, whose first access has flags of its own.
    fn referenced(&mut self, reference: Value, first: MemFlagsData, flags: MemFlagsData) -> Callee {
        let slot = VmFuncRef::SLOT.disp();
        let slot = self.ins().load(POINTER, first, reference, slot);
        let vmctx = VmFuncRef::VMCTX.disp();
        let vmctx = self.ins().load(POINTER, flags, reference, vmctx);
        let code = self.load_slot(slot);
        Callee::Other { code, vmctx }
    }

    /// Traps if the reference is null, or returns how the first access of it must be flagged so
    /// that it traps.
    fn check_not_null(
        &mut self,
        reference: Value,
        flags: MemFlagsData,
        trap: TrapCode,
    ) -> MemFlagsData {
        let trap = trap::to_clif(trap);
        match self.env.config.options.null_checks {
            NullChecks::Explicit => {
                self.ins().trapz(reference, trap);
                flags
            }
            NullChecks::Fault => flags.with_trap_code(Some(trap)),
        }
    }

    /// Reads the code address in a slot.
    fn load_slot(&mut self, slot: Value) -> Value {
        let flags = trusted(self.builder.func, Region::Slot);
        self.ins().load(POINTER, flags, slot, 0)
    }
}
