//! Tables.

use upshift_abi::vmctx::VmTable;
use upshift_abi::{Builtin, Kind, RegClass, TableIndex, TrapCode};

use crate::asm::Cc;
use crate::asm::encode::{Alu, Mem, Op, OperandSize};
use crate::func_gen::FuncGen;
use crate::op::call::BuiltinArg;
use crate::reg::Reg;

impl FuncGen<'_> {
    /// Checks an index (zero-extended) against a table's length and loads the address of its elements
    /// into `base`. Returns the register with the index to use: `scratch`, if it is to be in bounds speculatively too.
    pub(crate) fn table_base(
        &mut self,
        table: TableIndex,
        index: Reg,
        base: Reg,
        trap: TrapCode,
    ) -> Reg {
        let header = self.header(self.facts.plan.table(table).place, base);
        let length = header.field(VmTable::LEN);
        let masked = self.options.spectre.of_tables();
        if masked {
            self.masm.zero(Reg::SCRATCH);
        }
        self.masm.rm(Alu::Cmp.op().wide(), index, length);
        self.trap_if(Cc::Ae, trap);
        if masked {
            self.masm.cmov(Cc::B, OperandSize::S32, Reg::SCRATCH, index);
        }
        let elements = header.field(VmTable::BASE);
        self.masm.rm(Op::MOV.wide(), base, elements);
        if masked { Reg::SCRATCH } else { index }
    }

    pub(crate) fn visit_table_get(&mut self, table: u32) {
        let index = self.state.pop();
        let index = self.use_reg(index);
        let dst = self.alloc(RegClass::Int);
        let checked = self.table_base(TableIndex(table), index, dst, TrapCode::TableOutOfBounds);
        self.masm
            .rm(Op::MOV.wide(), dst, Mem::element(dst, checked, 0));
        self.state.release(index);
        self.push_reg(Kind::Ref, dst);
    }

    pub(crate) fn visit_table_set(&mut self, table: u32) {
        let value = self.state.pop();
        let index = self.state.pop();
        let value = self.use_reg(value);
        let index = self.use_reg(index);
        let base = self.alloc(RegClass::Int);
        let checked = self.table_base(TableIndex(table), index, base, TrapCode::TableOutOfBounds);
        self.masm
            .rm(Op::STORE.wide(), value, Mem::element(base, checked, 0));
        for reg in [value, index, base] {
            self.state.release(reg);
        }
    }

    pub(crate) fn visit_table_size(&mut self, table: u32) {
        let dst = self.alloc(RegClass::Int);
        let plan = self.facts.plan.table(TableIndex(table));
        let (place, kind) = (plan.place, plan.index().kind());
        let length = self.header(place, dst).field(VmTable::LEN);
        self.load(kind, dst, length);
        self.push_reg(kind, dst);
    }

    pub(crate) fn visit_table_grow(&mut self, table: u32) {
        let args = [BuiltinArg::Imm(table), BuiltinArg::Stack, BuiltinArg::Stack];
        let index = self.facts.plan.table(TableIndex(table)).index();
        self.call_builtin(Builtin::TableGrow, &args, Some(index.kind()));
    }

    pub(crate) fn visit_table_copy(&mut self, dst: u32, src: u32) {
        self.call_bulk(Builtin::TableCopy, dst, src);
    }

    pub(crate) fn visit_table_fill(&mut self, table: u32) {
        // On the stack: index, value, count, as the builtin wants them.
        let stack = BuiltinArg::Stack;
        let args = [BuiltinArg::Imm(table), stack, stack, stack];
        self.call_builtin(Builtin::TableFill, &args, None);
    }

    pub(crate) fn visit_table_init(&mut self, segment: u32, table: u32) {
        self.call_bulk(Builtin::TableInit, table, segment);
    }

    pub(crate) fn visit_elem_drop(&mut self, segment: u32) {
        self.call_builtin(Builtin::ElemDrop, &[BuiltinArg::Imm(segment)], None);
    }
}
