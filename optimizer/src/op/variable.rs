//! Locals and globals.

use cranelift_codegen::ir::immediates::{Ieee32, Ieee64};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value, types};
use upshift_abi::GlobalIndex;
use upshift_abi::facts::{ConstExpr, ConstOp};
use upshift_abi::vmctx::Place;

use crate::signature::{POINTER, clif_type};
use crate::translate::{Region, Translator, fixed, trusted};

impl Translator<'_> {
    pub(crate) fn visit_local_get(&mut self, index: u32) {
        let value = self.local(index as usize);
        self.push(value);
    }

    pub(crate) fn visit_local_set(&mut self, index: u32) {
        let value = self.pop();
        self.set_local(index as usize, value);
    }

    pub(crate) fn visit_local_tee(&mut self, index: u32) {
        let value = self.peek(1)[0];
        self.set_local(index as usize, value);
    }

    pub(crate) fn visit_global_get(&mut self, index: u32) {
        let index = GlobalIndex(index);
        let value = self.contents.global(index).unwrap_or_else(|| {
            let value = self.read_global(index);
            self.note_global(index, value);
            value
        });
        self.push(value);
    }

    pub(crate) fn visit_global_set(&mut self, index: u32) {
        let value = self.pop();
        let index = GlobalIndex(index);
        let (flags, base, offset) = self.global(index);
        self.ins().store(flags, value, base, offset);
        self.note_global(index, value);
    }

    fn read_global(&mut self, index: GlobalIndex) -> Value {
        if let Some(value) = self.global_constant(index) {
            return value;
        }
        let ty = clif_type(self.env.facts.globals[index.index()].content.kind());
        let (flags, base, offset) = self.global(index);
        self.ins().load(ty, flags, base, offset)
    }

    /// Notes the value of a global, unless another index may name it too.
    fn note_global(&mut self, index: GlobalIndex, value: Value) {
        if index.0 >= self.env.facts.imported_globals {
            self.contents.note_global(index, value);
        }
    }

    /// The value of an immutable global that the module initializes with a constant.
    fn global_constant(&mut self, index: GlobalIndex) -> Option<Value> {
        let facts = self.env.facts;
        let defined = index.0.checked_sub(facts.imported_globals)?;
        if facts.globals[index.index()].mutable {
            return None;
        }
        let ConstExpr(ops) = &facts.global_inits[defined as usize];
        let [op] = **ops else { return None };
        Some(match op {
            ConstOp::I32Const(value) => self.ins().iconst(types::I32, i64::from(value as u32)),
            ConstOp::I64Const(value) => self.ins().iconst(types::I64, value),
            ConstOp::F32Const(bits) => self.ins().f32const(Ieee32::with_bits(bits)),
            ConstOp::F64Const(bits) => self.ins().f64const(Ieee64::with_bits(bits)),
            ConstOp::V128Const([low, high]) => {
                let bits = u128::from(high) << 64 | u128::from(low);
                self.vector_constant(bits.to_le_bytes())
            }
            _ => return None,
        })
    }

    /// Flags, base and offset for accesses of a global's value.
    fn global(&mut self, index: GlobalIndex) -> (MemFlagsData, Value, i32) {
        let mutable = self.env.facts.globals[index.index()].mutable;
        let access = if mutable { trusted } else { fixed };
        let func = &mut *self.builder.func;
        match self.env.facts.layout.global(index) {
            Place::Inline(offset) => {
                let flags = access(func, Region::Global(index));
                (flags, self.vmctx, offset.disp())
            }
            Place::Pointer(offset) => {
                let flags = access(func, Region::ImportedGlobals);
                let pointer = fixed(func, Region::Context);
                let vmctx = self.vmctx;
                let base = self.ins().load(POINTER, pointer, vmctx, offset.disp());
                (flags, base, 0)
            }
        }
    }
}
