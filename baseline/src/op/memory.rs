//! Loads, stores and the bulk operations on memory.
//!
//! Addresses rely on `i32` registers being zero-extended: with guard pages, index plus offset stays
//! inside the reservation, and the access itself is the check.

use wasmparser::{MemArg, MemArgTarget};

use upshift_abi::plan::{Access, MemoryPlace, MemoryPlan};
use upshift_abi::vmctx::{Place, VmMemory, VmOffset};
use upshift_abi::{Builtin, IndexKind, Kind, MemoryIndex, RegClass, TrapCode};

use crate::asm::Cc;
use crate::asm::encode::{Alu, Mem, Op, OperandSize, Shift};
use crate::func_gen::FuncGen;
use crate::op::call::BuiltinArg;
use crate::reg::{Reg, Scratch};
use crate::value::{Value, fits_imm32};

/// The largest constant offset behind a memory's base: leaves room for the base's own offset from
/// the context.
const MAX_DISP: u64 = (1 << 30) - 64;

/// The size and extension of a load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoadKind {
    pub(crate) kind: Kind,
    pub(crate) op: Op,
    pub(crate) bytes: u32,
}

/// How a store writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AccessWidth {
    W8,
    W16,
    W32,
    W64,
    W128,
}

impl AccessWidth {
    fn bytes(self) -> u32 {
        1 << self as u32
    }

    /// Whether an instruction can store the constant as an immediate.
    fn takes_immediate(self, bits: u64) -> bool {
        match self {
            AccessWidth::W8 | AccessWidth::W16 | AccessWidth::W32 => true,
            AccessWidth::W64 => fits_imm32(bits),
            AccessWidth::W128 => false,
        }
    }
}

macro_rules! loads {
    ($($visit:ident($kind:ident, $op:expr, $bytes:literal);)*) => {
        impl FuncGen<'_> {$(
            pub(crate) fn $visit(&mut self, memarg: MemArg) {
                self.load_op(memarg, LoadKind { kind: Kind::$kind, op: $op, bytes: $bytes });
            }
        )*}
    };
}

loads! {
    visit_i32_load(I32, Op::MOV, 4);
    visit_i64_load(I64, Op::MOV.wide(), 8);
    visit_f32_load(F32, Op::MOVSS, 4);
    visit_f64_load(F64, Op::MOVSD, 8);
    visit_i32_load8_s(I32, Op::MOVSX8, 1);
    visit_i32_load8_u(I32, Op::MOVZX8, 1);
    visit_i32_load16_s(I32, Op::MOVSX16, 2);
    visit_i32_load16_u(I32, Op::MOVZX16, 2);
    visit_i64_load8_s(I64, Op::MOVSX8.wide(), 1);
    visit_i64_load8_u(I64, Op::MOVZX8, 1);
    visit_i64_load16_s(I64, Op::MOVSX16.wide(), 2);
    visit_i64_load16_u(I64, Op::MOVZX16, 2);
    visit_i64_load32_s(I64, Op::MOVSXD, 4);
    visit_i64_load32_u(I64, Op::MOV, 4);
}

macro_rules! stores {
    ($($visit:ident($kind:ident, $width:ident);)*) => {
        impl FuncGen<'_> {$(
            pub(crate) fn $visit(&mut self, memarg: MemArg) {
                self.store_op(memarg, Kind::$kind, AccessWidth::$width);
            }
        )*}
    };
}

stores! {
    visit_i32_store(I32, W32);
    visit_i64_store(I64, W64);
    visit_f32_store(F32, W32);
    visit_f64_store(F64, W64);
    visit_i32_store8(I32, W8);
    visit_i32_store16(I32, W16);
    visit_i64_store8(I64, W8);
    visit_i64_store16(I64, W16);
    visit_i64_store32(I64, W32);
    visit_v128_store(V128, W128);
}

/// Whether the sum of an index and an access's end can exceed 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carry {
    /// The index has 32 bits.
    Impossible,
    /// The index has 64 bits.
    Possible,
}

/// An address that is ready to be used, and the registers in it.
pub(crate) struct Address {
    pub(crate) mem: Mem,
    regs: [Option<Reg>; 2],
    /// Held if it is one of the address's registers.
    _scratch: Option<Scratch>,
}

/// Where a `VmMemory` or `VmTable` is.
#[derive(Clone, Copy)]
pub(crate) struct Header {
    base: Reg,
    disp: i32,
}

impl Header {
    /// A field of the structure.
    pub(crate) fn field(self, offset: VmOffset) -> Mem {
        Mem::base(self.base, self.disp + offset.disp())
    }
}

impl FuncGen<'_> {
    pub(crate) fn load_op(&mut self, memarg: MemArg, load: LoadKind) {
        let index = self.state.pop();
        let target = self.target_reg(load.kind);
        let address = self.address(index, memarg, load.bytes);
        self.release_address(&address);
        let dst = self.dest(target, load.kind);
        self.trap_here(TrapCode::MemoryOutOfBounds);
        self.masm.rm(load.op, dst, address.mem);
        self.push_dest(target, load.kind, dst);
    }

    fn store_op(&mut self, memarg: MemArg, kind: Kind, width: AccessWidth) {
        let value = self.state.pop();
        let index = self.state.pop();
        let value = match value {
            Value::Const(_, bits) if width.takes_immediate(bits) => Err(bits),
            _ => Ok(self.use_reg(value)),
        };
        let address = self.address(index, memarg, width.bytes());
        self.trap_here(TrapCode::MemoryOutOfBounds);
        match value {
            Ok(reg) => {
                self.emit_store(kind, width, address.mem, reg);
                self.state.release(reg);
            }
            Err(bits) => self.emit_store_const(width, address.mem, bits),
        }
        self.release_address(&address);
    }

    fn emit_store(&mut self, kind: Kind, width: AccessWidth, mem: Mem, reg: Reg) {
        match (kind.class(), width) {
            (RegClass::Float, _) => self.store(kind, mem, reg),
            (RegClass::Int, AccessWidth::W8) => self.masm.store8(mem, reg),
            (RegClass::Int, AccessWidth::W16) => self.masm.rm(Op::STORE16, reg, mem),
            (RegClass::Int, AccessWidth::W32) => self.masm.rm(Op::STORE, reg, mem),
            (RegClass::Int, AccessWidth::W64) => self.masm.rm(Op::STORE.wide(), reg, mem),
            (RegClass::Int, AccessWidth::W128) => unreachable!("vectors are in float registers"),
        }
    }

    fn emit_store_const(&mut self, width: AccessWidth, mem: Mem, bits: u64) {
        match width {
            AccessWidth::W8 => self.masm.store_imm8(mem, bits as u8),
            AccessWidth::W16 => self.masm.store_imm16(mem, bits as u16),
            AccessWidth::W32 => self.masm.store_imm(OperandSize::S32, mem, bits as i32),
            AccessWidth::W64 => self.masm.store_imm(OperandSize::S64, mem, bits as i32),
            AccessWidth::W128 => unreachable!("no instruction has such an immediate"),
        }
    }

    pub(crate) fn release_address(&mut self, address: &Address) {
        for reg in address.regs.into_iter().flatten() {
            self.state.release(reg);
        }
    }

    /// The address of an access, checked if the memory's plan wants that. May use `scratch`.
    pub(crate) fn address(&mut self, index: Value, memarg: MemArg, bytes: u32) -> Address {
        let facts = self.input.facts;
        let MemoryPlan { style, place } = facts.plan.memory(memory_of(memarg));
        match (style.access(memarg.offset, bytes), index) {
            (Access::Guarded, _) => self.guarded_address(*place, index, memarg.offset),
            (Access::CheckedIndex | Access::CheckedWide { .. }, Value::Const(_, number))
                if style.always_holds(number, memarg.offset, bytes) =>
            {
                self.guarded_address(*place, index, memarg.offset)
            }
            (Access::Checked { end }, _) => {
                self.checked_address(*place, index, end, bytes, Carry::Impossible)
            }
            (Access::CheckedIndex, _) => self.index_checked_address(*place, index, memarg.offset),
            (Access::CheckedWide { end }, _) => {
                self.checked_address(*place, index, end, bytes, Carry::Possible)
            }
        }
    }

    /// The address of an access that needs no check.
    fn guarded_address(&mut self, place: MemoryPlace, index: Value, offset: u64) -> Address {
        let (base, base_disp) = match place {
            MemoryPlace::BehindContext { distance, .. } => (Reg::VMCTX, distance as i32),
            MemoryPlace::Apart { .. }
            | MemoryPlace::Shared { .. }
            | MemoryPlace::Imported { .. } => {
                let header = self.memory_header(place);
                (self.load_memory_base(header), 0)
            }
        };
        let owned_base = (base != Reg::VMCTX).then_some(base);
        if let Value::Const(_, index) = index {
            let offset = index + offset;
            if offset <= MAX_DISP {
                let mem = Mem::base(base, base_disp + offset as i32);
                return Address {
                    mem,
                    regs: [owned_base, None],
                    _scratch: None,
                };
            }
            let scratch = self.masm.scratch();
            self.masm.mov_imm(scratch.reg(), offset);
            return Address {
                mem: Mem::indexed(base, scratch.reg(), base_disp),
                regs: [owned_base, None],
                _scratch: Some(scratch),
            };
        }
        let index = self.use_reg(index);
        if offset <= MAX_DISP {
            let mem = Mem::indexed(base, index, base_disp + offset as i32);
            return Address {
                mem,
                regs: [owned_base, Some(index)],
                _scratch: None,
            };
        }
        let scratch = self.masm.scratch();
        self.masm.mov_imm(scratch.reg(), offset);
        self.masm.rr(Alu::Add.op().wide(), scratch.reg(), index);
        Address {
            mem: Mem::indexed(base, scratch.reg(), base_disp),
            regs: [owned_base, Some(index)],
            _scratch: Some(scratch),
        }
    }

    /// Compares the access's end with the memory's length first.
    fn checked_address(
        &mut self,
        place: MemoryPlace,
        index: Value,
        end: u64,
        bytes: u32,
        carry: Carry,
    ) -> Address {
        let index = self.use_reg(index);
        let scratch = self.masm.scratch();
        let end_reg = scratch.reg();
        if end > MAX_DISP {
            self.masm.mov_imm(end_reg, end);
            self.masm.rr(Alu::Add.op().wide(), end_reg, index);
        } else if carry == Carry::Possible {
            self.masm.mov(end_reg, index);
            self.masm
                .ri(Alu::Add, OperandSize::S64, end_reg, end as i32);
        } else {
            self.masm
                .rm(Op::LEA.wide(), end_reg, Mem::base(index, end as i32));
        }
        if carry == Carry::Possible {
            // Code that runs speculatively behind this has a sum below `end`, so that the access is
            // in the memory or at most its size before it.
            self.trap_if(Cc::B, TrapCode::MemoryOutOfBounds);
        }
        let header = self.memory_header(place);
        let length = header.field(VmMemory::LEN);
        self.masm.rm(Alu::Cmp.op().wide(), end_reg, length);
        self.trap_if(Cc::A, TrapCode::MemoryOutOfBounds);
        let masked = self.input.options.spectre.of_memories();
        if masked {
            // An end beyond the memory becomes the memory's.
            self.masm.cmov_mem(Cc::A, end_reg, length);
        }
        let (base, base_disp) = self.memory_base(place, header);
        let owned_base = (base != Reg::VMCTX).then_some(base);
        let regs = [owned_base, Some(index)];
        let bytes = bytes as i32;
        if end <= MAX_DISP && !masked {
            let mem = Mem::indexed(base, index, base_disp + end as i32 - bytes);
            Address {
                mem,
                regs,
                _scratch: None,
            }
        } else {
            Address {
                mem: Mem::indexed(base, end_reg, base_disp - bytes),
                regs,
                _scratch: Some(scratch),
            }
        }
    }

    /// Compares the index with the memory's length first; the offset leads at most to inaccessible
    /// bytes behind the memory.
    fn index_checked_address(&mut self, place: MemoryPlace, index: Value, offset: u64) -> Address {
        let index = self.use_reg(index);
        let header = self.memory_header(place);
        let length = header.field(VmMemory::LEN);
        self.masm.rm(Alu::Cmp.op().wide(), index, length);
        self.trap_if(Cc::A, TrapCode::MemoryOutOfBounds);
        let masked = self.input.options.spectre.of_memories();
        let masked = masked.then(|| self.masm.scratch());
        if let Some(masked) = &masked {
            // An index beyond the memory becomes its end.
            self.masm.mov(masked.reg(), index);
            self.masm.cmov_mem(Cc::A, masked.reg(), length);
        }
        let (base, base_disp) = self.memory_base(place, header);
        let owned_base = (base != Reg::VMCTX).then_some(base);
        let inside = masked.as_ref().map_or(index, Scratch::reg);
        Address {
            mem: Mem::indexed(base, inside, base_disp + offset as i32),
            regs: [owned_base, Some(index)],
            _scratch: masked,
        }
    }

    /// The register and the displacement that make the address of a memory's first byte.
    fn memory_base(&mut self, place: MemoryPlace, header: Header) -> (Reg, i32) {
        match place {
            MemoryPlace::BehindContext { distance, .. } => (Reg::VMCTX, distance as i32),
            MemoryPlace::Apart { .. }
            | MemoryPlace::Shared { .. }
            | MemoryPlace::Imported { .. } => (self.load_memory_base(header), 0),
        }
    }

    /// Where a memory's `VmMemory` is. Allocates a register if that has to be loaded.
    fn memory_header(&mut self, place: MemoryPlace) -> Header {
        let pointer = match place {
            MemoryPlace::BehindContext { .. } | MemoryPlace::Apart { .. } => Reg::VMCTX,
            MemoryPlace::Shared { .. } | MemoryPlace::Imported { .. } => self.alloc(RegClass::Int),
        };
        self.header(place.header(), pointer)
    }

    /// Loads a memory's base: into the register that holds the header's address, or into a new one.
    fn load_memory_base(&mut self, header: Header) -> Reg {
        let base = match header.base {
            Reg::VMCTX => self.alloc(RegClass::Int),
            pointer => pointer,
        };
        let field = header.field(VmMemory::BASE);
        self.masm.rm(Op::MOV.wide(), base, field);
        base
    }

    /// Where a `VmMemory` or `VmTable` is. If that has to be loaded, it goes into `pointer`.
    pub(crate) fn header(&mut self, place: Place, pointer: Reg) -> Header {
        match place {
            Place::Inline(offset) => Header {
                base: Reg::VMCTX,
                disp: offset.disp(),
            },
            Place::Pointer(offset) => {
                let mem = Mem::base(Reg::VMCTX, offset.disp());
                self.masm.rm(Op::MOV.wide(), pointer, mem);
                Header {
                    base: pointer,
                    disp: 0,
                }
            }
        }
    }

    pub(crate) fn visit_memory_size(&mut self, memory: u32) {
        let facts = self.input.facts;
        let MemoryPlan { style, place } = facts.plan.memory(MemoryIndex(memory));
        let dst = self.alloc(RegClass::Int);
        let length = self.header(place.header(), dst).field(VmMemory::LEN);
        self.masm.rm(Op::MOV.wide(), dst, length);
        self.masm
            .shift_imm(Shift::Shr, OperandSize::S64, dst, style.page_shift());
        self.push_reg(style.index().kind(), dst);
    }

    pub(crate) fn visit_memory_grow(&mut self, memory: u32) {
        let args = [BuiltinArg::Imm(memory), BuiltinArg::Stack];
        let index = self.memory_index(memory);
        self.call_builtin(Builtin::MemoryGrow, &args, Some(index.kind()));
    }

    fn memory_index(&self, memory: u32) -> IndexKind {
        let plan = self.input.facts.plan.memory(MemoryIndex(memory));
        plan.style.index()
    }

    pub(crate) fn visit_memory_copy(&mut self, dst: u32, src: u32) {
        let kinds = [dst, src].map(|memory| self.memory_index(memory));
        self.charge_items(kinds[0].min(kinds[1]));
        self.call_bulk(Builtin::MemoryCopy, dst, src);
    }

    pub(crate) fn visit_memory_fill(&mut self, memory: u32) {
        self.charge_items(self.memory_index(memory));
        let stack = BuiltinArg::Stack;
        let args = [BuiltinArg::Imm(memory), stack, stack, stack];
        self.call_builtin(Builtin::MemoryFill, &args, None);
    }

    pub(crate) fn visit_memory_init(&mut self, segment: u32, memory: u32) {
        self.charge_items(IndexKind::I32);
        self.call_bulk(Builtin::MemoryInit, memory, segment);
    }

    pub(crate) fn visit_data_drop(&mut self, segment: u32) {
        self.call_builtin(Builtin::DataDrop, &[BuiltinArg::Imm(segment)], None);
    }
}

/// The memory that an access goes to. Arrays belong to a proposal that validation refuses.
pub(crate) fn memory_of(memarg: MemArg) -> MemoryIndex {
    match memarg.target {
        MemArgTarget::Memory(index) | MemArgTarget::Array(index) => MemoryIndex(index),
    }
}
