//! Calls: of functions, through tables and references, in tail position, and of the runtime's
//! builtins.
//!
//! Dirty locals and operands in registers that a call does not preserve are stored before it;
//! locals are loaded again when they are next read, then into registers that the next call
//! preserves.

use std::mem::offset_of;

use upshift_abi::builtin::{BuiltinKind, BuiltinResult};
use upshift_abi::callconv::{
    ArgLocation, FLOAT_ARGS, INT_ARGS, RESULT_AREA_STRIDE, ResultLocation, Xmm,
};
use upshift_abi::frame;
use upshift_abi::kind::WORD_BYTES;
use upshift_abi::targets;
use upshift_abi::vmctx::{VmFuncRef, VmImportedFunc};
use upshift_abi::{
    Builtin, Counting, DefinedFuncIndex, FuncIndex, Kind, RegClass, RelocationTarget, TableIndex,
    TrapCode, TypeIndex,
};

use crate::alloc::{as_words, home};
use crate::asm::encode::{Alu, Mem, Op, OperandSize};
use crate::asm::{Cc, asm};
use crate::fixed::{Held, R10, Rax};
use crate::func_gen::FuncGen;
use crate::merge::{Moves, result_reg};
use crate::op::table::table_element;
use crate::reg::{Reg, RegSet, Scratch};
use crate::runs::{Base, INLINE, Way, area_runs, stack_arg_runs};
use crate::signature::CallSignature;
use crate::value::Value;

/// The register that holds the address of a [`VmFuncRef`] while arguments are set up.
type FuncRef = Held<R10>;

/// Registers that arguments can need: five integer, eight float.
const MAX_REG_ARGS: usize = 13;

/// The callee of a call.
#[derive(Debug)]
enum Callee {
    Func(FuncIndex),
    FuncRef(FuncRef),
}

/// An argument of a builtin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BuiltinArg {
    Imm(u32),
    /// A constant of 64 bits.
    Wide(u64),
    /// The next operand.
    Stack,
}

impl FuncGen<'_> {
    pub(crate) fn visit_call(&mut self, func: u32) {
        let func = FuncIndex(func);
        let sig = self.input.signature_of(func);
        self.emit_call(&sig, Callee::Func(func));
    }

    pub(crate) fn visit_call_indirect(&mut self, ty: u32, table: u32) {
        let callee = self.load_func_ref(TypeIndex(ty), TableIndex(table));
        if self.input.options.targets {
            self.note_target(&callee);
        }
        let sig = self.input.signature(TypeIndex(ty));
        self.emit_call(&sig, Callee::FuncRef(callee));
    }

    pub(crate) fn visit_return_call(&mut self, func: u32) {
        let func = FuncIndex(func);
        let sig = self.input.signature_of(func);
        self.emit_tail_call(&sig, Callee::Func(func));
    }

    pub(crate) fn visit_return_call_indirect(&mut self, ty: u32, table: u32) {
        let callee = self.load_func_ref(TypeIndex(ty), TableIndex(table));
        let sig = self.input.signature(TypeIndex(ty));
        self.emit_tail_call(&sig, Callee::FuncRef(callee));
    }

    pub(crate) fn visit_call_ref(&mut self, ty: u32) {
        let callee = self.pop_func_ref();
        // Without references of its own the module can only call other instances' functions.
        if self.input.options.targets && !self.input.facts.ref_funcs.is_empty() {
            self.note_target(&callee);
        }
        let sig = self.input.signature(TypeIndex(ty));
        self.emit_call(&sig, Callee::FuncRef(callee));
    }

    pub(crate) fn visit_return_call_ref(&mut self, ty: u32) {
        let callee = self.pop_func_ref();
        let sig = self.input.signature(TypeIndex(ty));
        self.emit_tail_call(&sig, Callee::FuncRef(callee));
    }

    /// Pops a function reference, which must not be null. Its type needs no check.
    fn pop_func_ref(&mut self) -> FuncRef {
        let held: FuncRef = self.pop_fixed();
        self.masm.rr(Op::TEST.wide(), held.reg(), held.reg());
        self.trap_if(Cc::E, TrapCode::NullReference);
        held
    }

    /// Looks the topmost operand up in a table and checks the type of what is there.
    fn load_func_ref(&mut self, ty: TypeIndex, table: TableIndex) -> FuncRef {
        let held = self.take();
        let func_ref = held.reg();
        let index = self.state.pop();
        let index = self.use_reg(index);
        let checked = self.table_base(table, index, func_ref, TrapCode::UndefinedElement);
        let element = table_element(func_ref, index, &checked);
        self.masm.rm(Op::MOV.wide(), func_ref, element);
        self.masm.rr(Op::TEST.wide(), func_ref, func_ref);
        self.trap_if(Cc::E, TrapCode::UninitializedElement);
        let id = self.input.facts.type_ids[ty.index()].0 as i32;
        let field = Mem::base(func_ref, VmFuncRef::TYPE_ID.disp());
        self.masm.cmp_mem_imm(OperandSize::S32, field, id);
        self.trap_if(Cc::Ne, TrapCode::IndirectCallTypeMismatch);
        self.state.release(index);
        held
    }

    /// Notes the target of an indirect call for the optimizer.
    fn note_target(&mut self, callee: &FuncRef) {
        let [last, all] = targets::cells_of(self.input.facts, self.wasm_offset());
        let scratch = self.masm.scratch();
        self.masm.rr(Op::MOV, scratch.reg(), callee.reg());
        self.masm.rr(Alu::Sub.op(), scratch.reg(), Reg::VMCTX);
        let target = RelocationTarget::Target;
        self.masm.store_cell(target(last), scratch.reg());
        self.masm.or_cell(target(all), scratch.reg());
    }

    /// Stores what a call would destroy, except for its arguments.
    pub(crate) fn prepare_call(&mut self, args: usize) {
        let from = (self.state.stack.len() - args) as u32;
        for reg in self.state.regs.stack.minus(RegSet::CALLEE_SAVED) {
            if self.state.regs.holder[reg.index()] < from {
                self.spill(reg);
            }
        }
        for reg in self.state.regs.dirty.minus(RegSet::CALLEE_SAVED) {
            self.clean(reg);
        }
        self.frame.note_call();
    }

    fn emit_call(&mut self, sig: &CallSignature, callee: Callee) {
        let count = sig.params.len();
        self.flush_many(sig.stack_words());
        self.prepare_call(count);
        let region = self.regions.innermost();
        if let Some(region) = region {
            self.prepare_exceptional_edge(region);
        }
        self.emit_outgoing(sig.result_area + sig.stack_args);
        self.emit_args(sig);
        if sig.result_area > 0 {
            asm!(self.masm; lea rsi, [rsp + sig.stack_args as i32]);
        }
        self.state.truncate(self.state.stack.len() - count);
        match callee {
            Callee::Func(func) => match self.input.facts.defined_func(func) {
                Some(func) if self.skips_slot(func) => self.masm.call_start(),
                Some(func) => self.masm.call_cell(RelocationTarget::Slot(func)),
                None => {
                    let scratch = self.load_import(func);
                    asm!(self.masm, scratch; call QWORD [scratch]);
                }
            },
            Callee::FuncRef(func_ref) => {
                let scratch = self.load_callee(func_ref);
                asm!(self.masm, scratch; call QWORD [scratch]);
            }
        }
        self.call_here();
        if let Some(region) = region {
            self.add_handler(region);
        }
        self.receive_results(sig);
    }

    /// Whether calls of the function go to the code that is being compiled, not through the slot.
    fn skips_slot(&self, func: DefinedFuncIndex) -> bool {
        self.input.counting == Counting::Never && func == self.input.func
    }

    /// Makes room below the frame for what a call passes on the stack; the prologue's check covers
    /// it.
    pub(crate) fn emit_outgoing(&mut self, bytes: u32) {
        if bytes > 0 {
            self.frame.reserve(bytes);
            asm!(self.masm; sub rsp, bytes as i32);
        }
    }

    /// Loads an imported function's slot address and context.
    fn load_import(&mut self, func: FuncIndex) -> Scratch {
        let import = self.input.facts.layout.imported_func(func).disp();
        let slot = import + offset_of!(VmImportedFunc, slot) as i32;
        let vmctx = import + offset_of!(VmImportedFunc, vmctx) as i32;
        let scratch = self.masm.scratch();
        self.masm
            .rm(Op::MOV.wide(), scratch.reg(), Mem::base(Reg::VMCTX, slot));
        self.masm
            .rm(Op::MOV.wide(), Reg::VMCTX, Mem::base(Reg::VMCTX, vmctx));
        scratch
    }

    /// Loads the slot address and context from a function reference, which is not needed then.
    fn load_callee(&mut self, func_ref: FuncRef) -> Scratch {
        let field = |offset: i32| Mem::base(func_ref.reg(), offset);
        self.masm
            .rm(Op::MOV.wide(), Reg::VMCTX, field(VmFuncRef::VMCTX.disp()));
        let scratch = self.masm.scratch();
        let slot = field(VmFuncRef::SLOT.disp());
        self.masm.rm(Op::MOV.wide(), scratch.reg(), slot);
        self.give_back(func_ref);
        scratch
    }

    /// Puts the topmost operands where a call expects its arguments; stack arguments at `rsp`.
    pub(crate) fn emit_args(&mut self, sig: &CallSignature) {
        self.check_begin_passing();
        let from = self.state.stack.len() - sig.params.len();
        let many = sig.stack_words() > INLINE;
        if many {
            let before = self.state.slot_before(from);
            for run in stack_arg_runs(&sig.params) {
                self.copy_run(Way::Out, before, Base::Reg(Reg::RSP), run);
            }
        }
        let mut regs = [(Value::Const(Kind::I32, 0), Reg::RAX); MAX_REG_ARGS];
        let mut count = 0;
        for (i, &(_, location)) in sig.params.iter().enumerate() {
            let value = self.state.stack[from + i];
            let reg = match location {
                ArgLocation::Int(reg) => Reg::from(reg),
                ArgLocation::Float(reg) => Reg::from(reg),
                ArgLocation::Stack(_) if many => continue,
                ArgLocation::Stack(offset) => {
                    self.store_value(Mem::base(Reg::RSP, offset as i32), value);
                    continue;
                }
            };
            regs[count] = (value, reg);
            count += 1;
        }
        self.assign_regs(&regs[..count]);
        self.check_args(sig);
    }

    /// Loads values into registers at once.
    fn assign_regs(&mut self, assignments: &[(Value, Reg)]) {
        let mut moves = Moves::new();
        for &(value, reg) in assignments {
            if let Some(src) = self.current_reg(value) {
                moves.add(reg, src);
            }
        }
        self.emit_moves(moves);
        for &(value, reg) in assignments {
            if self.current_reg(value).is_none() {
                self.load_value(reg, value);
            }
        }
    }

    /// Behind a call: most registers are gone, results are pushed.
    fn receive_results(&mut self, sig: &CallSignature) {
        self.forget_registers();
        self.reload_vmctx();
        let many = sig.result_area as usize / RESULT_AREA_STRIDE as usize > INLINE;
        if many {
            let before = self.state.slot_before(self.state.stack.len());
            for run in area_runs(&sig.results) {
                self.copy_run(Way::In, before, Base::Reg(Reg::RSP), run);
            }
        }
        for &(kind, location) in &sig.results {
            let reg = match location {
                ResultLocation::Int(reg) => Reg::from(reg),
                ResultLocation::Float(reg) => Reg::from(reg),
                ResultLocation::Area(offset) => {
                    let slot = self.state.push_slot(kind);
                    if !many {
                        let from = Mem::base(Reg::RSP, offset as i32);
                        self.copy(as_words(kind), home(slot), from);
                    }
                    continue;
                }
            };
            self.push_returned(kind, reg);
        }
        if sig.result_area > 0 {
            asm!(self.masm; add rsp, sig.result_area as i32);
        }
    }

    pub(crate) fn reload_vmctx(&mut self) {
        self.masm.rm(
            Op::MOV.wide(),
            Reg::VMCTX,
            Mem::base(Reg::RBP, frame::VMCTX),
        );
    }

    /// Replaces the frame by the callee's: its stack arguments end where ours do, and its return
    /// address is ours.
    fn emit_tail_call(&mut self, sig: &CallSignature, callee: Callee) {
        let (ours, theirs) = (self.input.sig.stack_args as i32, sig.stack_args as i32);
        self.flush_many(sig.stack_words());
        if theirs > 0 {
            self.frame.note_call();
            self.emit_outgoing(sig.stack_args);
        }
        self.emit_args(sig);
        if sig.result_area > 0 {
            asm!(self.masm; mov rsi, [rbp + frame::RESULT_AREA]);
        }
        // The arguments were the last use of operands and locals.
        self.set_unreachable();
        // The rest of the function must do with the registers that are restored here.
        self.frame.restored_early();
        for (i, reg) in self.frame.saved().rev().enumerate() {
            self.load(Kind::I64, reg, Mem::base(Reg::RSP, theirs + 8 * i as i32));
        }
        if ours == 0 && theirs == 0 {
            asm!(self.masm; leave);
        } else {
            self.emit_move_stack_args(ours, sig);
        }
        match callee {
            Callee::Func(func) => match self.input.facts.defined_func(func) {
                Some(func) if self.skips_slot(func) => self.masm.jmp_start(),
                Some(func) => {
                    asm!(self.masm; jmp QWORD [rip + 0]);
                    self.masm.relocate(RelocationTarget::Slot(func), 0);
                }
                None => {
                    let scratch = self.load_import(func);
                    asm!(self.masm, scratch; jmp QWORD [scratch]);
                }
            },
            Callee::FuncRef(func_ref) => {
                let scratch = self.load_callee(func_ref);
                asm!(self.masm, scratch; jmp QWORD [scratch]);
            }
        }
    }

    /// From the last argument on, because the areas may overlap. Changes `rax` and the scratch
    /// registers.
    ///
    /// Arguments may overwrite this frame's record, so `rbp` is given up before: at each
    /// instruction it is the frame pointer of a frame whose record stands, as a walk from an
    /// interruption needs it.
    fn emit_move_stack_args(&mut self, ours: i32, sig: &CallSignature) {
        let theirs = sig.stack_args as i32;
        let end = 16 + ours - theirs;
        let rax = self.take::<Rax>();
        let scratch = self.masm.scratch();
        asm!(self.masm, scratch; mov scratch, [rbp + 8]; mov rax, rbp; mov rbp, [rbp]);
        let count = sig.stack_words();
        if count > INLINE {
            self.move_outgoing(&scratch, &rax, end, count);
        }
        let one_by_one = if count > INLINE { 0 } else { theirs };
        for offset in (0..one_by_one).step_by(WORD_BYTES as usize).rev() {
            let to = Mem::base(rax.reg(), end + offset);
            self.copy(Kind::F64, to, Mem::base(Reg::RSP, offset));
        }
        asm!(self.masm, scratch; lea rsp, [rax + end - 8]; mov [rsp], scratch);
        self.give_back(rax);
    }

    /// Calls a builtin that moves entries between two places: their indexes, then the three topmost
    /// operands.
    pub(crate) fn call_bulk(&mut self, builtin: Builtin, to: u32, from: u32) {
        let stack = BuiltinArg::Stack;
        let (to, from) = (BuiltinArg::Imm(to), BuiltinArg::Imm(from));
        self.call_builtin(builtin, &[to, from, stack, stack, stack], None);
    }

    /// Calls a builtin with constants and the topmost operands, and pushes its result.
    pub(crate) fn call_builtin(
        &mut self,
        builtin: Builtin,
        args: &[BuiltinArg],
        result: Option<Kind>,
    ) {
        let signature = builtin.signature().expect("stubs are called otherwise");
        debug_assert_eq!(signature.params.len(), args.len());
        let operands = args.iter().filter(|arg| **arg == BuiltinArg::Stack).count();
        self.prepare_call(operands);
        let from = self.state.stack.len() - operands;
        let mut position = from;
        let mut assignments = Vec::with_capacity(args.len());
        let mut ints = INT_ARGS[1..].iter();
        let mut floats = 0..FLOAT_ARGS;
        for (&kind, arg) in signature.params.iter().zip(args) {
            let value = match arg {
                BuiltinArg::Imm(imm) => Value::Const(kind, u64::from(*imm)),
                BuiltinArg::Wide(imm) => Value::Const(kind, *imm),
                BuiltinArg::Stack => {
                    position += 1;
                    self.state.stack[position - 1]
                }
            };
            let reg = match kind.class() {
                RegClass::Int => ints.next().copied().map(Reg::from),
                RegClass::Float => floats.next().map(|n| Reg::from(Xmm(n))),
            };
            assignments.push((value, reg.expect("builtins take arguments in registers")));
        }
        self.assign_regs(&assignments);
        self.check_builtin_args(&assignments, from);
        self.state.truncate(from);
        self.masm.call_cell(RelocationTarget::Builtin(builtin));
        if builtin.kind() == BuiltinKind::Walks {
            self.call_here();
        }
        if let BuiltinResult::Status(trap) = signature.result {
            asm!(self.masm; test eax, eax);
            self.trap_if(Cc::Ne, trap);
        }
        self.finish_builtin_call();
        if let Some(kind) = result {
            self.push_returned(kind, result_reg(kind.class()));
        }
    }

    /// Pushes what a call has returned in a register, behind what makes the abstract state forget
    /// the registers from before.
    fn push_returned(&mut self, kind: Kind, reg: Reg) {
        debug_assert!(self.state.regs.free.has(reg), "{reg:?} has an owner");
        self.normalize(kind, reg);
        self.state.regs.free.remove(reg);
        self.push_reg(kind, reg);
    }

    /// Behind a builtin: what a call forgets.
    pub(crate) fn finish_builtin_call(&mut self) {
        self.forget_registers();
        self.reload_vmctx();
    }
}
