//! Tables: element access in line, everything else through builtins.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value, types};
use upshift_abi::vmctx::VmTable;
use upshift_abi::{Builtin, IndexKind, TableIndex, TrapCode};

use crate::signature::POINTER;
use crate::translate::{Region, Translator, fixed, trusted};
use crate::trap;

impl Translator<'_> {
    pub(crate) fn visit_table_get(&mut self, table: u32) {
        let index = self.pop();
        let address = self.element_address(TableIndex(table), index, TrapCode::TableOutOfBounds);
        let value = self.load_element(address);
        self.push(value);
    }

    pub(crate) fn visit_table_set(&mut self, table: u32) {
        let (index, value) = self.pop2();
        let address = self.element_address(TableIndex(table), index, TrapCode::TableOutOfBounds);
        let flags = trusted(self.builder.func, Region::Table);
        self.ins().store(flags, value, address, 0);
    }

    pub(crate) fn visit_table_size(&mut self, table: u32) {
        let len = self.table_len(TableIndex(table));
        let len = self.index_from_i64(self.table_index(table), len);
        self.push(len);
    }

    pub(crate) fn visit_table_grow(&mut self, table: u32) {
        let (value, count) = self.pop2();
        let kind = self.table_index(table);
        self.charge_items(kind, count);
        let table = self.index_constant(table);
        let count = self.index_to_i64(kind, count);
        let old = self.call_value_builtin(Builtin::TableGrow, &[table, value, count]);
        let old = self.index_from_i64(kind, old);
        self.push(old);
    }

    pub(crate) fn visit_table_fill(&mut self, table: u32) {
        let (start, value, count) = self.pop3();
        let kind = self.table_index(table);
        self.charge_items(kind, count);
        let table = self.index_constant(table);
        let start = self.index_to_i64(kind, start);
        let count = self.index_to_i64(kind, count);
        self.call_builtin(Builtin::TableFill, &[table, start, value, count]);
    }

    pub(crate) fn visit_table_copy(&mut self, to: u32, from: u32) {
        let (target, source, count) = self.pop3();
        let kinds = [to, from].map(|table| self.table_index(table));
        self.charge_items(kinds[0].min(kinds[1]), count);
        let to = self.index_constant(to);
        let from = self.index_constant(from);
        let target = self.index_to_i64(kinds[0], target);
        let source = self.index_to_i64(kinds[1], source);
        let count = self.index_to_i64(kinds[0].min(kinds[1]), count);
        self.call_builtin(Builtin::TableCopy, &[to, from, target, source, count]);
    }

    pub(crate) fn visit_table_init(&mut self, segment: u32, table: u32) {
        let (target, source, count) = self.pop3();
        self.charge_items(IndexKind::I32, count);
        let kind = self.table_index(table);
        let table = self.index_constant(table);
        let segment = self.index_constant(segment);
        let target = self.index_to_i64(kind, target);
        self.call_builtin(Builtin::TableInit, &[table, segment, target, source, count]);
    }

    pub(crate) fn visit_elem_drop(&mut self, segment: u32) {
        let segment = self.index_constant(segment);
        self.call_builtin(Builtin::ElemDrop, &[segment]);
    }

    /// Reads the element at the address.
    pub(super) fn load_element(&mut self, address: Value) -> Value {
        let flags = trusted(self.builder.func, Region::Table);
        self.ins().load(POINTER, flags, address, 0)
    }

    /// The address of an element, after a check of its index.
    pub(super) fn element_address(
        &mut self,
        table: TableIndex,
        index: Value,
        trap: TrapCode,
    ) -> Value {
        let len = self.table_len(table);
        let base = self.table_base(table);
        let index = self.index_to_i64(self.table_index(table.0), index);
        let outside = self
            .ins()
            .icmp(IntCC::UnsignedGreaterThanOrEqual, index, len);
        self.ins().trapnz(outside, trap::to_clif(trap));
        let shift = self.ins().iconst(types::I64, 3);
        let offset = self.ins().ishl(index, shift);
        let address = self.ins().iadd(base, offset);
        if self.env.config.options.spectre.of_tables() {
            self.ins().select_spectre_guard(outside, base, address)
        } else {
            address
        }
    }

    fn table_len(&mut self, table: TableIndex) -> Value {
        if let Some(len) = self.env.facts.plan.table(table).fixed_len() {
            return self.ins().iconst(types::I64, len as i64);
        }
        let (header, offset) = self.table_header(table);
        let flags = trusted(self.builder.func, Region::Context);
        self.ins()
            .load(POINTER, flags, header, offset + VmTable::LEN.disp())
    }

    fn table_base(&mut self, table: TableIndex) -> Value {
        // A table that can't grow does not move.
        let access = match self.env.facts.plan.table(table).fixed_len() {
            Some(_) => fixed,
            None => trusted,
        };
        let (header, offset) = self.table_header(table);
        let flags = access(self.builder.func, Region::Context);
        self.ins()
            .load(POINTER, flags, header, offset + VmTable::BASE.disp())
    }

    /// The address of the table's `VmTable`.
    fn table_header(&mut self, table: TableIndex) -> (Value, i32) {
        self.header(self.env.facts.plan.table(table).place)
    }

    fn table_index(&self, table: u32) -> IndexKind {
        self.env.facts.plan.table(TableIndex(table)).index()
    }
}
