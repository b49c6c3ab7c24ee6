//! References: machine words, null is zero.

use upshift_abi::FuncIndex;
use wasmparser::HeapType;

use crate::asm::Cc;
use crate::asm::encode::{Mem, Op};
use crate::func_gen::FuncGen;
use crate::reg::Reg;
use crate::value::{Cond, Ty, Value};

impl FuncGen<'_> {
    pub(crate) fn visit_ref_null(&mut self, _ty: HeapType) {
        self.push_const(Ty::I64, 0);
    }

    pub(crate) fn visit_ref_is_null(&mut self) {
        let value = self.state.pop();
        if let Value::Const(_, bits) = value {
            return self.push_const(Ty::I32, u64::from(bits == 0));
        }
        let reg = self.use_reg(value);
        self.masm.rr(Op::TEST.wide(true), reg, reg);
        self.state.release(reg);
        self.push_cond(Cond::Cc(Cc::E));
    }

    pub(crate) fn visit_ref_func(&mut self, func: u32) {
        let n = self.facts.func_ref(FuncIndex(func)).unwrap_or_default();
        let offset = self.facts.layout.func_ref(n);
        let dst = self.alloc(false);
        self.masm.rm(
            Op::LEA.wide(true),
            dst,
            Mem::base(Reg::VMCTX, offset.disp()),
        );
        self.push_reg(Ty::I64, dst);
    }
}
