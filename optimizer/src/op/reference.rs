//! Reference constants and tests.

use cranelift_codegen::ir::InstBuilder;
use upshift_abi::{FuncIndex, Kind};
use wasmparser::HeapType;

use crate::translate::Translator;

impl Translator<'_> {
    pub(crate) fn visit_ref_null(&mut self, _: HeapType) {
        let null = self.zero(Kind::Ref);
        self.push(null);
    }

    pub(crate) fn visit_ref_is_null(&mut self) {
        self.equals_zero();
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
