//! References: machine words, null is zero.

use upshift_abi::{FuncIndex, Kind, RegClass};
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
