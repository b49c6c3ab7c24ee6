//! Linear memory: loads and stores in line, everything else through builtins.
//!
//! With guard pages an access is one instruction: the base of a defined memory is `VmContext*` plus
//! a constant, which goes with the static offset into the displacement of `[vmctx + index + disp]`.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value, types};
use upshift_abi::plan::{Access, MemoryPlace, MemoryStyle};
use upshift_abi::vmctx::{Place, VmMemory};
use upshift_abi::{Builtin, IndexKind, MemoryIndex, TrapCode};
use wasmparser::{MemArg, MemArgTarget};

use crate::options::MemoryBase;
use crate::signature::POINTER;
use crate::translate::{Region, Translator, fixed, memory_access, trusted};
use crate::trap;

/// Handlers of loads: `size => instruction type`.
macro_rules! loads {
    ($($visit:ident => $size:literal, $clif:ident $($ty:ident)?;)*) => {$(
        pub(crate) fn $visit(&mut self, arg: MemArg) {
            let index = self.pop();
            let at = self.memory_address(arg, index, $size);
            let value = self.ins().$clif($(types::$ty,)? at.flags, at.base, at.offset);
            self.push(value);
        }
    )*};
}

/// Handlers of stores: `size => instruction`.
macro_rules! stores {
    ($($visit:ident => $size:literal, $clif:ident;)*) => {$(
        pub(crate) fn $visit(&mut self, arg: MemArg) {
            let (index, value) = self.pop2();
            let at = self.memory_address(arg, index, $size);
            self.ins().$clif(at.flags, value, at.base, at.offset);
        }
    )*};
}

/// A checked address in linear memory.
struct Address {
    flags: MemFlagsData,
    base: Value,
    offset: i32,
}

impl Translator<'_> {
    loads! {
        visit_i32_load => 4, load I32;
        visit_i64_load => 8, load I64;
        visit_f32_load => 4, load F32;
        visit_f64_load => 8, load F64;
        visit_i32_load8_s => 1, sload8 I32;
        visit_i32_load8_u => 1, uload8 I32;
        visit_i32_load16_s => 2, sload16 I32;
        visit_i32_load16_u => 2, uload16 I32;
        visit_i64_load8_s => 1, sload8 I64;
        visit_i64_load8_u => 1, uload8 I64;
        visit_i64_load16_s => 2, sload16 I64;
        visit_i64_load16_u => 2, uload16 I64;
        visit_i64_load32_s => 4, sload32;
        visit_i64_load32_u => 4, uload32;
    }

    stores! {
        visit_i32_store => 4, store;
        visit_i64_store => 8, store;
        visit_f32_store => 4, store;
        visit_f64_store => 8, store;
        visit_i32_store8 => 1, istore8;
        visit_i32_store16 => 2, istore16;
        visit_i64_store8 => 1, istore8;
        visit_i64_store16 => 2, istore16;
        visit_i64_store32 => 4, istore32;
    }

    pub(crate) fn visit_memory_size(&mut self, memory: u32) {
        let style = *self.memory_style(memory);
        let bytes = self.memory_len(MemoryIndex(memory));
        let shift = i64::from(style.page_shift());
        let shift = self.ins().iconst(types::I64, shift);
        let pages = self.ins().ushr(bytes, shift);
        let pages = self.index_from_i64(style.index(), pages);
        self.push(pages);
    }

    pub(crate) fn visit_memory_grow(&mut self, memory: u32) {
        let pages = self.pop();
        let kind = self.memory_style(memory).index();
        let memory = self.index_constant(memory);
        let pages = self.index_to_i64(kind, pages);
        let old = self.call_value_builtin(Builtin::MemoryGrow, &[memory, pages]);
        let old = self.index_from_i64(kind, old);
        self.push(old);
    }

    pub(crate) fn visit_memory_copy(&mut self, to: u32, from: u32) {
        let (target, source, len) = self.pop3();
        let kinds = [to, from].map(|memory| self.memory_style(memory).index());
        let to = self.index_constant(to);
        let from = self.index_constant(from);
        let target = self.index_to_i64(kinds[0], target);
        let source = self.index_to_i64(kinds[1], source);
        let len = self.index_to_i64(kinds[0].min(kinds[1]), len);
        self.call_builtin(Builtin::MemoryCopy, &[to, from, target, source, len]);
    }

    pub(crate) fn visit_memory_fill(&mut self, memory: u32) {
        let (start, value, len) = self.pop3();
        let kind = self.memory_style(memory).index();
        let memory = self.index_constant(memory);
        let start = self.index_to_i64(kind, start);
        let len = self.index_to_i64(kind, len);
        self.call_builtin(Builtin::MemoryFill, &[memory, start, value, len]);
    }

    pub(crate) fn visit_memory_init(&mut self, segment: u32, memory: u32) {
        let (target, source, len) = self.pop3();
        let kind = self.memory_style(memory).index();
        let memory = self.index_constant(memory);
        let segment = self.index_constant(segment);
        let target = self.index_to_i64(kind, target);
        self.call_builtin(Builtin::MemoryInit, &[memory, segment, target, source, len]);
    }

    pub(crate) fn visit_data_drop(&mut self, segment: u32) {
        let segment = self.index_constant(segment);
        self.call_builtin(Builtin::DataDrop, &[segment]);
    }

    /// An index as a builtin's argument.
    pub(super) fn index_constant(&mut self, index: u32) -> Value {
        self.ins().iconst(types::I32, i64::from(index))
    }

    /// An address, table index or size as builtins and address arithmetic take it: 64 bits.
    pub(super) fn index_to_i64(&mut self, kind: IndexKind, index: Value) -> Value {
        match kind {
            IndexKind::I32 => self.ins().uextend(types::I64, index),
            IndexKind::I64 => index,
        }
    }

    /// A size that 64 bits hold as a value of the index kind.
    pub(super) fn index_from_i64(&mut self, kind: IndexKind, size: Value) -> Value {
        match kind {
            IndexKind::I32 => self.ins().ireduce(types::I32, size),
            IndexKind::I64 => size,
        }
    }

    fn memory_style(&self, memory: u32) -> &MemoryStyle {
        &self.env.facts.plan.memory(MemoryIndex(memory)).style
    }

    /// The address of an access of `size` bytes, checked if the memory's plan requires it.
    fn memory_address(&mut self, arg: MemArg, index: Value, size: u32) -> Address {
        let MemArgTarget::Memory(memory) = arg.target else {
            unreachable!("validated: arrays are not enabled")
        };
        let style = *self.memory_style(memory);
        let memory = MemoryIndex(memory);
        let index = self.index_to_i64(style.index(), index);
        let mut flags = memory_access(self.builder.func);
        let masked = self.env.config.options.spectre.of_memories();
        let outside = match style.access(arg.offset, size) {
            Access::Guarded => None,
            Access::Checked { end } => {
                flags = flags.with_notrap();
                Some(self.check_bounds(memory, index, end))
            }
            Access::CheckedWide { .. } => {
                unreachable!("validated: 64-bit memories are not enabled")
            }
        };
        let (base, base_offset) = self.memory_base(memory);
        let address = self.ins().iadd(base, index);
        let offset = base_offset + arg.offset;
        if let Some(outside) = outside.filter(|_| masked) {
            let offset = self.ins().iconst(types::I64, offset as i64);
            let address = self.ins().iadd(address, offset);
            let null = self.ins().iconst(types::I64, 0);
            let base = self.ins().select_spectre_guard(outside, null, address);
            return Address {
                flags,
                base,
                offset: 0,
            };
        }
        match i32::try_from(offset) {
            Ok(offset) => Address {
                flags,
                base: address,
                offset,
            },
            Err(_) => {
                let offset = self.ins().iconst(types::I64, offset as i64);
                Address {
                    flags,
                    base: self.ins().iadd(address, offset),
                    offset: 0,
                }
            }
        }
    }

    /// Traps unless `index + end` is within the memory. 64 bits hold the sum: both are below 2^33.
    /// Returns the condition on which it traps.
    fn check_bounds(&mut self, memory: MemoryIndex, index: Value, end: u64) -> Value {
        let len = self.memory_len(memory);
        let outside = if end == 1 {
            self.ins()
                .icmp(IntCC::UnsignedGreaterThanOrEqual, index, len)
        } else {
            let end = self.ins().iconst(types::I64, end as i64);
            let end = self.ins().iadd(index, end);
            self.ins().icmp(IntCC::UnsignedGreaterThan, end, len)
        };
        let trap = trap::to_clif(TrapCode::MemoryOutOfBounds);
        self.ins().trapnz(outside, trap);
        outside
    }

    /// The address of the memory's first byte, as a value and a constant to add to it.
    fn memory_base(&mut self, memory: MemoryIndex) -> (Value, u64) {
        let place = self.env.facts.plan.memory(memory).place;
        if let MemoryPlace::BehindContext { distance, .. } = place
            && self.env.config.options.memory_base == MemoryBase::Displacement
        {
            return (self.vmctx, distance.into());
        }
        let (header, offset) = self.header(place.header());
        let flags = fixed(self.builder.func, Region::Context);
        let offset = offset + VmMemory::BASE.disp();
        (self.ins().load(POINTER, flags, header, offset), 0)
    }

    fn memory_len(&mut self, memory: MemoryIndex) -> Value {
        let plan = *self.env.facts.plan.memory(memory);
        if let Some(bytes) = plan.style.fixed_bytes() {
            return self.ins().iconst(types::I64, bytes as i64);
        }
        let (header, offset) = self.header(plan.place.header());
        let flags = trusted(self.builder.func, Region::Context);
        let offset = offset + VmMemory::LEN.disp();
        self.ins().load(POINTER, flags, header, offset)
    }

    /// The address of a `VmMemory` or `VmTable`.
    pub(super) fn header(&mut self, place: Place) -> (Value, i32) {
        let vmctx = self.vmctx;
        match place {
            Place::Inline(offset) => (vmctx, offset.disp()),
            Place::Pointer(offset) => {
                let flags = fixed(self.builder.func, Region::Context);
                (self.ins().load(POINTER, flags, vmctx, offset.disp()), 0)
            }
        }
    }
}
