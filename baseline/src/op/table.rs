//! Tables.

use upshift_abi::vmctx::VmTable;
use upshift_abi::{Builtin, IndexKind, Kind, RegClass, TableIndex, TrapCode};

use crate::asm::Cc;
use crate::asm::encode::{Alu, Mem, Op, OperandSize};
use crate::func_gen::FuncGen;
use crate::op::call::BuiltinArg;
use crate::reg::{Reg, Scratch};

/// The element of a table whose elements are at `base`.
pub(crate) fn table_element(base: Reg, index: Reg, masked: &Option<Scratch>) -> Mem {
    let index = masked.as_ref().map_or(index, Scratch::reg);
    Mem::element(base, index, 0)
}

impl FuncGen<'_> {
    /// Checks an index (zero-extended) against a table's length and loads the address of its
    /// elements into `base`. Returns the scratch register with the index to use instead, if it is
    /// to be in bounds speculatively too.
    pub(crate) fn table_base(
        &mut self,
        table: TableIndex,
        index: Reg,
        base: Reg,
        trap: TrapCode,
    ) -> Option<Scratch> {
        let header = self.header(self.input.facts.plan.table(table).place, base);
        let length = header.field(VmTable::LEN);
        let masked = self.input.options.spectre.of_tables();
        let masked = masked.then(|| self.masm.scratch());
        if let Some(masked) = &masked {
            self.masm.zero(masked.reg());
        }
        self.masm.rm(Alu::Cmp.op().wide(), index, length);
        self.trap_if(Cc::Ae, trap);
        if let Some(masked) = &masked {
            self.masm.cmov(Cc::B, OperandSize::S32, masked.reg(), index);
        }
        let elements = header.field(VmTable::BASE);
        self.masm.rm(Op::MOV.wide(), base, elements);
        masked
    }

    pub(crate) fn visit_table_get(&mut self, table: u32) {
        let index = self.state.pop();
        let index = self.use_reg(index);
        let dst = self.alloc(RegClass::Int);
        let checked = self.table_base(TableIndex(table), index, dst, TrapCode::TableOutOfBounds);
        let element = table_element(dst, index, &checked);
        self.masm.rm(Op::MOV.wide(), dst, element);
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
        let element = table_element(base, index, &checked);
        self.masm.rm(Op::STORE.wide(), value, element);
        for reg in [value, index, base] {
            self.state.release(reg);
        }
    }

    pub(crate) fn visit_table_size(&mut self, table: u32) {
        let dst = self.alloc(RegClass::Int);
        let plan = self.input.facts.plan.table(TableIndex(table));
        let (place, kind) = (plan.place, plan.index().kind());
        let length = self.header(place, dst).field(VmTable::LEN);
        self.load(kind, dst, length);
        self.push_reg(kind, dst);
    }

    pub(crate) fn visit_table_grow(&mut self, table: u32) {
        let args = [BuiltinArg::Imm(table), BuiltinArg::Stack, BuiltinArg::Stack];
        let index = self.table_index(table);
        self.charge_items(index);
        self.call_builtin(Builtin::TableGrow, &args, Some(index.kind()));
    }

    fn table_index(&self, table: u32) -> IndexKind {
        self.input.facts.plan.table(TableIndex(table)).index()
    }

    pub(crate) fn visit_table_copy(&mut self, dst: u32, src: u32) {
        let kinds = [dst, src].map(|table| self.table_index(table));
        self.charge_items(kinds[0].min(kinds[1]));
        self.call_bulk(Builtin::TableCopy, dst, src);
    }

    pub(crate) fn visit_table_fill(&mut self, table: u32) {
        self.charge_items(self.table_index(table));
        // On the stack: index, value, count, as the builtin wants them.
        let stack = BuiltinArg::Stack;
        let args = [BuiltinArg::Imm(table), stack, stack, stack];
        self.call_builtin(Builtin::TableFill, &args, None);
    }

    pub(crate) fn visit_table_init(&mut self, segment: u32, table: u32) {
        self.charge_items(IndexKind::I32);
        self.call_bulk(Builtin::TableInit, table, segment);
    }

    pub(crate) fn visit_elem_drop(&mut self, segment: u32) {
        self.call_builtin(Builtin::ElemDrop, &[BuiltinArg::Imm(segment)], None);
    }
}
