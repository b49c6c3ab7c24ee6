//! References: machine words, null is zero.

use upshift_abi::{FuncIndex, Kind, RegClass, TrapCode};
use wasmparser::HeapType;

use crate::asm::Cc;
use crate::asm::encode::{Mem, Op};
use crate::func_gen::FuncGen;
use crate::reg::Reg;
use crate::value::{Cond, Value};

impl FuncGen<'_> {
    pub(crate) fn visit_ref_null(&mut self, _ty: HeapType) {
        self.push_const(Kind::Ref, 0);
    }

    pub(crate) fn visit_ref_is_null(&mut self) {
        let value = self.state.pop();
        if let Value::Const(_, bits) = value {
            return self.push_const(Kind::I32, u64::from(bits == 0));
        }
        let reg = self.use_reg(value);
        self.masm.rr(Op::TEST.wide(), reg, reg);
        self.state.release(reg);
        self.push_cond(Cond::Cc(Cc::E));
    }

    pub(crate) fn visit_ref_as_non_null(&mut self) {
        if let Some((value, reg)) = self.pop_non_null() {
            self.push_tested(value, reg);
        }
    }

    /// Pops a reference, which traps if it is null; returns it and the register that it is in now.
    /// `None` if it always is null, and what follows is unreachable.
    pub(crate) fn pop_non_null(&mut self) -> Option<(Value, Reg)> {
        let value = self.state.pop();
        if let Value::Const(..) = value {
            self.emit_trap(TrapCode::NullReference);
            self.set_unreachable();
            return None;
        }
        let reg = self.test_ref(value);
        self.masm.flags_live = false;
        self.trap_if(Cc::E, TrapCode::NullReference);
        Some((value, reg))
    }

    pub(crate) fn visit_br_on_null(&mut self, depth: u32) {
        let value = self.state.pop();
        let target = self.labels.target(depth);
        self.flush_many(self.label_types(target).len());
        if let Value::Const(..) = value {
            self.emit_branch(target);
            return self.set_unreachable();
        }
        let reg = self.test_ref(value);
        self.emit_conditional_branch(Cond::Cc(Cc::E), target);
        self.masm.flags_live = false;
        self.push_tested(value, reg);
    }

    pub(crate) fn visit_br_on_non_null(&mut self, depth: u32) {
        let value = self.state.pop();
        if let Value::Const(..) = value {
            return;
        }
        let target = self.labels.target(depth);
        let reg = self.test_ref(value);
        self.push_tested(value, reg);
        self.flush_many(self.label_types(target).len());
        self.emit_conditional_branch(Cond::Cc(Cc::Ne), target);
        self.masm.flags_live = false;
        let value = self.state.pop();
        self.state.discard(value);
    }

    /// Tests a popped reference, which is no constant, and returns its register. The flags stay
    /// live until the caller has used them.
    pub(crate) fn test_ref(&mut self, value: Value) -> Reg {
        let reg = self.use_reg(value);
        self.masm.rr(Op::TEST.wide(), reg, reg);
        self.masm.flags_live = true;
        reg
    }

    /// Pushes a reference again that was popped and tested in a register.
    fn push_tested(&mut self, value: Value, reg: Reg) {
        match value {
            Value::Local(..) => {
                self.state.release(reg);
                self.state.push(value);
            }
            _ => self.push_reg(Kind::Ref, reg),
        }
    }

    pub(crate) fn visit_ref_func(&mut self, func: u32) {
        let n = self
            .input
            .facts
            .func_ref(FuncIndex(func))
            .unwrap_or_default();
        let offset = self.input.facts.layout.func_ref(n);
        let dst = self.alloc(RegClass::Int);
        self.masm
            .rm(Op::LEA.wide(), dst, Mem::base(Reg::VMCTX, offset.disp()));
        self.push_reg(Kind::Ref, dst);
    }
}
