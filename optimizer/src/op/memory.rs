//! Linear memory: loads and stores in line, everything else through builtins.
//!
//! With guard pages an access is one instruction: the base of a defined memory is `VmContext*` plus
//! a constant, which goes with the static offset into the displacement of `[vmctx + index + disp]`.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Opcode, Type, Value, types};
use upshift_abi::plan::{Access, BEYOND_INDEXES, MemoryPlace, MemoryStyle};
use upshift_abi::vmctx::{Place, VmMemory};
use upshift_abi::{Builtin, IndexKind, MemoryIndex, Sharing, TrapCode};
use wasmparser::{MemArg, MemArgTarget};

use crate::options::MemoryBase;
use crate::signature::POINTER;
use crate::translate::{Bytes, Fault, Reading, Region, Translator, fixed, trusted};
use crate::trap;

/// Handlers of loads: `size => instruction type`.
macro_rules! loads {
    ($($visit:ident => $size:literal, $clif:ident $($ty:ident)?;)*) => {$(
        pub(crate) fn $visit(&mut self, arg: MemArg) {
            let bytes = self.bytes(arg, $size);
            let reading = Reading { bytes, opcode: loads!(@opcode $clif), ty: loads!(@ty $($ty)?) };
            if let Some(value) = self.contents.load(reading) {
                self.push(value);
                return;
            }
            let at = self.memory_address(bytes);
            let value = self.ins().$clif($(types::$ty,)? at.flags, at.base, at.offset);
            self.contents.note(reading, value);
            self.push(value);
        }
    )*};
    (@ty $ty:ident) => { types::$ty };
    (@ty) => { types::I64 };
    (@opcode load) => { Opcode::Load };
    (@opcode uload8) => { Opcode::Uload8 };
    (@opcode sload8) => { Opcode::Sload8 };
    (@opcode uload16) => { Opcode::Uload16 };
    (@opcode sload16) => { Opcode::Sload16 };
    (@opcode uload32) => { Opcode::Uload32 };
    (@opcode sload32) => { Opcode::Sload32 };
}

/// Handlers of stores: `size => what is stored`.
macro_rules! stores {
    ($($visit:ident => $size:literal, $part:ident;)*) => {$(
        pub(crate) fn $visit(&mut self, arg: MemArg) {
            let value = self.pop();
            let bytes = self.bytes(arg, $size);
            let at = self.memory_address(bytes);
            self.contents.overwrite(bytes);
            stores!(@$part self value bytes at);
        }
    )*};
    (@all $self:ident $value:ident $bytes:ident $at:ident) => {
        let ty = $self.builder.func.dfg.value_type($value);
        $self.ins().store($at.flags, $value, $at.base, $at.offset);
        let reading = Reading { bytes: $bytes, opcode: Opcode::Load, ty };
        $self.contents.note(reading, $value);
    };
    (@$part:ident $self:ident $value:ident $bytes:ident $at:ident) => {
        let low = $self.low_part($value, types::$part);
        $self.ins().store($at.flags, low, $at.base, $at.offset);
    };
}

/// What a memory's length is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    /// A comparison with an access's end.
    Check,
    /// `memory.size`.
    Size,
}

/// A checked address in linear memory.
pub(super) struct Address {
    pub(super) flags: MemFlagsData,
    pub(super) base: Value,
    pub(super) offset: i32,
}

impl Translator<'_> {
    loads! {
        visit_i32_load => 4, load I32;
        visit_i64_load => 8, load I64;
        visit_f32_load => 4, load F32;
        visit_f64_load => 8, load F64;
        visit_v128_load => 16, load I8X16;
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
        visit_i32_store => 4, all;
        visit_i64_store => 8, all;
        visit_f32_store => 4, all;
        visit_f64_store => 8, all;
        visit_v128_store => 16, all;
        visit_i32_store8 => 1, I8;
        visit_i32_store16 => 2, I16;
        visit_i64_store8 => 1, I8;
        visit_i64_store16 => 2, I16;
        visit_i64_store32 => 4, I32;
    }

    pub(crate) fn visit_memory_size(&mut self, memory: u32) {
        let style = *self.memory_style(memory);
        let bytes = self.memory_len(MemoryIndex(memory), Reader::Size);
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

    pub(crate) fn visit_memory_init(&mut self, segment: u32, memory: u32) {
        let (target, source, len) = self.pop3();
        self.charge_items(IndexKind::I32, len);
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
    pub(crate) fn index_to_i64(&mut self, kind: IndexKind, index: Value) -> Value {
        match kind {
            IndexKind::I32 => self.extend(index),
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

    pub(super) fn memory_style(&self, memory: u32) -> &MemoryStyle {
        &self.env.facts.plan.memory(MemoryIndex(memory)).style
    }

    /// Pops an index: the bytes that an access there touches.
    pub(super) fn bytes(&mut self, arg: MemArg, size: u32) -> Bytes {
        let MemArgTarget::Memory(memory) = arg.target else {
            unreachable!("validated: arrays are not enabled")
        };
        let index = self.pop();
        let kind = self.memory_style(memory).index();
        let memory = MemoryIndex(memory);
        let (base, distance) = match self.behind_access(memory, kind, index) {
            Some(behind) => behind,
            None => (self.index_to_i64(kind, index), 0),
        };
        Bytes {
            memory,
            base,
            offset: arg.offset + distance,
            size,
        }
    }

    /// The number that a constant was added to for an index, extended, and the constant, if the sum
    /// does not wrap: an access has shown that the number is inside the memory, and no memory
    /// extends so far that the sum could be 2^32. So the constant needs no instruction.
    fn behind_access(
        &self,
        memory: MemoryIndex,
        kind: IndexKind,
        index: Value,
    ) -> Option<(Value, u64)> {
        if kind != IndexKind::I32 {
            return None;
        }
        let (number, distance) = self.sum(index)?;
        let wide = self.extended_before(number)?;
        let inside = distance < BEYOND_INDEXES && self.contents.is_in_range(memory, wide, 1);
        inside.then_some((wide, distance))
    }

    /// The low part of an integer, for a store.
    pub(super) fn low_part(&mut self, value: Value, ty: Type) -> Value {
        match self.constant(value) {
            Some(number) => {
                let mask = u64::MAX >> (64 - ty.bits());
                self.ins().iconst(ty, (number as u64 & mask) as i64)
            }
            None => self.ins().ireduce(ty, value),
        }
    }

    /// The address of an access, checked if the memory's plan requires it.
    pub(super) fn memory_address(&mut self, bytes: Bytes) -> Address {
        let Bytes {
            memory,
            base: index,
            offset: static_offset,
            size,
        } = bytes;
        let style = *self.memory_style(memory.0);
        let masked = self.env.config.options.spectre.of_memories();
        let (outside, fault) = match style.access(static_offset, size) {
            Access::Guarded => {
                self.contents
                    .note_range(memory, index, static_offset + u64::from(size));
                (None, Fault::BeyondEnd)
            }
            Access::CheckedIndex | Access::CheckedWide { .. }
                if self
                    .constant(index)
                    .is_some_and(|index| style.always_holds(index as u64, static_offset, size)) =>
            {
                (None, Fault::Never)
            }
            Access::Checked { end } => {
                let outside = self.check_bounds(memory, index, end);
                (Some(outside), Fault::Never)
            }
            // The offset may lead to inaccessible bytes behind the memory.
            Access::CheckedIndex => {
                let check = |this: &mut Self| this.check_index(memory, index);
                (self.check_once(memory, index, 0, check), Fault::BeyondEnd)
            }
            Access::CheckedWide { end } => {
                let check = |this: &mut Self| this.check_wide(memory, index, end, masked);
                (self.check_once(memory, index, end, check), Fault::Never)
            }
        };
        let flags = self.access_flags(fault);
        let (base, base_offset) = self.memory_base(memory);
        let address = self.ins().iadd(base, index);
        let offset = base_offset + static_offset;
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
        let len = self.memory_len(memory, Reader::Check);
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

    /// Emits the check that `end` bytes behind an index are inside the memory, unless one has
    /// passed already and speculation does not matter. Returns the condition on which it traps.
    fn check_once(
        &mut self,
        memory: MemoryIndex,
        index: Value,
        end: u64,
        check: impl FnOnce(&mut Self) -> Value,
    ) -> Option<Value> {
        let masked = self.env.config.options.spectre.of_memories();
        if !masked && self.contents.is_in_range(memory, index, end) {
            return None;
        }
        let outside = check(self);
        self.contents.note_range(memory, index, end);
        Some(outside)
    }

    /// Traps unless an index of 64 bits is at most the memory's length. Returns the condition on
    /// which it traps.
    fn check_index(&mut self, memory: MemoryIndex, index: Value) -> Value {
        let len = self.memory_len(memory, Reader::Check);
        let outside = self.ins().icmp(IntCC::UnsignedGreaterThan, index, len);
        let trap = trap::to_clif(TrapCode::MemoryOutOfBounds);
        self.ins().trapnz(outside, trap);
        outside
    }

    /// Traps unless `index + end` is within the memory, for an index of 64 bits, with which the sum
    /// can carry. Returns a condition that holds in all cases in which it traps if `masked`, else
    /// in those without a carry.
    fn check_wide(&mut self, memory: MemoryIndex, index: Value, end: u64, masked: bool) -> Value {
        let len = self.memory_len(memory, Reader::Check);
        let trap = trap::to_clif(TrapCode::MemoryOutOfBounds);
        let end = self.ins().iconst(types::I64, end as i64);
        let outside = if masked {
            let (sum, carry) = self.ins().uadd_overflow(index, end);
            let outside = self.ins().icmp(IntCC::UnsignedGreaterThan, sum, len);
            self.ins().bor(outside, carry)
        } else {
            let sum = self.ins().uadd_overflow_trap(index, end, trap);
            self.ins().icmp(IntCC::UnsignedGreaterThan, sum, len)
        };
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
        (self.early_base(memory, place.header()), 0)
    }

    /// The length in bytes. That of a shared memory may be what it was a while ago for a check,
    /// which is then too strict at most, but not for a loop that waits until the memory has grown.
    fn memory_len(&mut self, memory: MemoryIndex, reader: Reader) -> Value {
        let plan = *self.env.facts.plan.memory(memory);
        if let Some(bytes) = plan.style.fixed_bytes() {
            return self.ins().iconst(types::I64, bytes as i64);
        }
        let (header, offset) = self.header(plan.place.header());
        let flags = trusted(self.builder.func, Region::Context);
        let offset = offset + VmMemory::LEN.disp();
        match (plan.style.ty().sharing, reader) {
            (Sharing::Private, _) | (Sharing::Shared, Reader::Check) => {
                self.ins().load(POINTER, flags, header, offset)
            }
            (Sharing::Shared, Reader::Size) => {
                let address = self.ins().iadd_imm_s(header, i64::from(offset));
                self.ins().atomic_load(POINTER, flags, address)
            }
        }
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
