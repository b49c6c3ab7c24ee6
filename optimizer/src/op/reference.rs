//! Reference constants and tests.

use cranelift_codegen::ir::InstBuilder;
use cranelift_codegen::ir::condcodes::IntCC;
use upshift_abi::{FuncIndex, Kind, TrapCode};
use wasmparser::HeapType;

use crate::translate::Translator;
use crate::trap;

impl Translator<'_> {
    pub(crate) fn visit_ref_null(&mut self, _: HeapType) {
        let null = self.zero(Kind::Ref);
        self.push(null);
    }

    pub(crate) fn visit_ref_is_null(&mut self) {
        self.equals_zero();
    }

    pub(crate) fn visit_ref_as_non_null(&mut self) {
        let [reference] = *self.peek(1) else {
            unreachable!("one operand was asked for")
        };
        let trap = trap::to_clif(TrapCode::NullReference);
        self.ins().trapz(reference, trap);
    }

    pub(crate) fn visit_br_on_null(&mut self, depth: u32) {
        let reference = self.pop();
        let (target, count) = self.control.branch(depth);
        let next = self.builder.create_block();
        let is_null = self.ins().icmp_imm_u(IntCC::Equal, reference, 0);
        self.branch_if(is_null, target, count, next);
        self.builder.seal_block(next);
        self.fall_through(next);
        self.push(reference);
    }

    pub(crate) fn visit_br_on_non_null(&mut self, depth: u32) {
        let [reference] = *self.peek(1) else {
            unreachable!("one operand was asked for")
        };
        let (target, count) = self.control.branch(depth);
        let next = self.builder.create_block();
        self.branch_if(reference, target, count, next);
        self.builder.seal_block(next);
        self.fall_through(next);
        self.pop();
    }

    pub(crate) fn visit_ref_func(&mut self, index: u32) {
        let facts = self.env.facts;
        let number = facts.func_ref(FuncIndex(index));
        let number = number.expect("validated: the function is declared as a reference");
        let offset = facts.layout.func_ref(number).disp();
        let vmctx = self.vmctx;
        let address = self.ins().iadd_imm_s(vmctx, i64::from(offset));
        self.push(address);
    }
}
