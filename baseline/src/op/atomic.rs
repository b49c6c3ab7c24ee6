//! Atomic accesses, fences, waiting and notifying.
//!
//! An address must be a multiple of the access's size; that is checked first, then the bounds as
//! for any other access. Loads are plain ones, for the processor keeps their order; stores
//! exchange. What has no instruction of its own is a loop around `cmpxchg`, unless the result is
//! dropped.

use upshift_abi::atomic::{AtomicOp, AtomicWidth};
use upshift_abi::{Builtin, Kind, RegClass, TrapCode};
use wasmparser::{MemArg, Ordering};

use super::call::BuiltinArg;
use super::memory::{Address, memory_of};
use crate::asm::Cc;
use crate::asm::encode::{Alu, Locked, Mem, Op, OperandSize};
use crate::fixed::{Held, Rax};
use crate::func_gen::FuncGen;
use crate::peek::Opcode;
use crate::reg::Reg;
use crate::value::Value;

/// The values and the size of an atomic access.
#[derive(Clone, Copy)]
struct Access {
    memarg: MemArg,
    kind: Kind,
    width: AtomicWidth,
}

macro_rules! handlers {
    ($($visit:ident: $op:ident, $kind:ident, $width:ident;)*) => {
        impl FuncGen<'_> {$(
            pub(crate) fn $visit(&mut self, memarg: MemArg) {
                let (kind, width) = (Kind::$kind, AtomicWidth::$width);
                self.atomic(AtomicOp::$op, Access { memarg, kind, width });
            }
        )*}
    };
}
upshift_abi::for_each_atomic_access!(handlers);

impl FuncGen<'_> {
    fn atomic(&mut self, op: AtomicOp, access: Access) {
        match op {
            AtomicOp::Load => self.atomic_load(access),
            AtomicOp::Store => self.atomic_store(access),
            AtomicOp::Add if self.drops_result() => self.atomic_update(access, Locked::Add),
            AtomicOp::Sub if self.drops_result() => self.atomic_update(access, Locked::Sub),
            AtomicOp::And if self.drops_result() => self.atomic_update(access, Locked::And),
            AtomicOp::Or if self.drops_result() => self.atomic_update(access, Locked::Or),
            AtomicOp::Xor if self.drops_result() => self.atomic_update(access, Locked::Xor),
            AtomicOp::Add | AtomicOp::Sub => {
                let value = self.state.pop();
                let value = self.own_reg(value);
                if op == AtomicOp::Sub {
                    self.masm.neg(access.operand_size(), value);
                }
                self.atomic_swap(access, Locked::Xadd, value);
            }
            AtomicOp::Xchg => {
                let value = self.state.pop();
                let value = self.own_reg(value);
                self.atomic_swap(access, Locked::Xchg, value);
            }
            AtomicOp::And => self.atomic_loop(access, Alu::And),
            AtomicOp::Or => self.atomic_loop(access, Alu::Or),
            AtomicOp::Xor => self.atomic_loop(access, Alu::Xor),
            AtomicOp::Cmpxchg => self.atomic_compare_exchange(access),
        }
    }

    /// Whether the next operator drops the current one's result.
    fn drops_result(&self) -> bool {
        let mut ahead = self.input.peek.operators(self.cursor.pos);
        ahead.next().is_some_and(|next| next.op == Opcode::Drop)
    }

    fn atomic_load(&mut self, access: Access) {
        let index = self.state.pop();
        let index = self.aligned(index, access);
        let target = self.target_reg(access.kind);
        let address = self.address(index, access.memarg, access.width.bytes());
        self.release_address(&address);
        let dst = self.dest(target, access.kind);
        self.trap_here(TrapCode::MemoryOutOfBounds);
        self.masm.rm(access.load(), dst, address.mem);
        self.push_dest(target, access.kind, dst);
    }

    /// Exchanges, because a plain store could come after loads that follow it.
    fn atomic_store(&mut self, access: Access) {
        let value = self.state.pop();
        let value = self.own_reg(value);
        let address = self.atomic_address(access);
        self.trap_here(TrapCode::MemoryOutOfBounds);
        self.masm
            .locked(Locked::Xchg, access.width, address.mem, value);
        self.release_address(&address);
        self.state.release(value);
    }

    /// Combines memory with the topmost operand. The result is not computed.
    fn atomic_update(&mut self, access: Access, op: Locked) {
        let value = self.state.pop();
        let value = self.use_reg(value);
        let address = self.atomic_address(access);
        self.trap_here(TrapCode::MemoryOutOfBounds);
        self.masm.locked(op, access.width, address.mem, value);
        self.release_address(&address);
        self.state.release(value);
        self.push_const(access.kind, 0);
    }

    /// An instruction that leaves what memory contained in its register.
    fn atomic_swap(&mut self, access: Access, op: Locked, value: Reg) {
        let address = self.atomic_address(access);
        self.trap_here(TrapCode::MemoryOutOfBounds);
        self.masm.locked(op, access.width, address.mem, value);
        self.release_address(&address);
        self.zero_extend(access, value);
        self.push_reg(access.kind, value);
    }

    /// Combines memory with the topmost operand, and tries again if another thread was quicker.
    fn atomic_loop(&mut self, access: Access, op: Alu) {
        let mut old = self.take::<Rax>();
        let value = self.state.pop();
        let value = self.use_reg(value);
        let address = self.atomic_address(access);
        let new = self.alloc(RegClass::Int);
        self.trap_here(TrapCode::MemoryOutOfBounds);
        self.masm.rm(access.load(), old.reg(), address.mem);
        let again = self.masm.begin_loop();
        self.masm.mov(new, old.reg());
        self.masm
            .rr(op.op().sized(access.operand_size()), new, value);
        self.exchange(access, address.mem, new, &mut old);
        self.masm.jcc(Cc::Ne, again);
        self.release_address(&address);
        self.state.release(new);
        self.state.release(value);
        self.push_held(access.kind, old);
    }

    fn atomic_compare_exchange(&mut self, access: Access) {
        let old = self.take_for_operand::<Rax>(1);
        let new = self.state.pop();
        let expected = self.state.pop();
        let new = self.use_reg(new);
        let address = self.atomic_address(access);
        let mut old = self.load_fixed(old, expected);
        self.exchange(access, address.mem, new, &mut old);
        self.release_address(&address);
        self.state.release(new);
        // On success it is still the expected value, with all its bits.
        self.zero_extend(access, old.reg());
        self.push_held(access.kind, old);
    }

    fn exchange(&mut self, access: Access, mem: Mem, new: Reg, old: &mut Held<Rax>) {
        self.trap_here(TrapCode::MemoryOutOfBounds);
        self.masm.compare_exchange(access.width, mem, new, old);
    }

    /// Clears what is above the accessed bits.
    fn zero_extend(&mut self, access: Access, reg: Reg) {
        match (access.width, access.kind) {
            (AtomicWidth::W8, _) => self.masm.extend8(Op::MOVZX8, reg, reg),
            (AtomicWidth::W16, _) => self.masm.rr(Op::MOVZX16, reg, reg),
            (AtomicWidth::W32, Kind::I64) => self.masm.mov32(reg, reg),
            // A register of 32 bits has zeros above.
            (AtomicWidth::W32 | AtomicWidth::W64, _) => {}
        }
    }

    /// Pops an index: the address of the access, checked.
    fn atomic_address(&mut self, access: Access) -> Address {
        let index = self.state.pop();
        let index = self.aligned(index, access);
        self.address(index, access.memarg, access.width.bytes())
    }

    /// Traps unless a popped index plus the offset is aligned; returns the index.
    fn aligned(&mut self, index: Value, access: Access) -> Value {
        let bits = (access.width.bytes() - 1) as u8;
        let offset = access.memarg.offset as u8 & bits;
        if bits == 0 {
            return index;
        }
        if let Value::Const(_, number) = index {
            if (number as u8).wrapping_add(offset) & bits != 0 {
                self.emit_trap(TrapCode::UnalignedAtomic);
            }
            return index;
        }
        let reg = self.use_reg(index);
        if offset == 0 {
            self.masm.test_low(reg, bits);
        } else {
            let scratch = self.masm.scratch();
            let sum = Mem::base(reg, offset.into());
            self.masm.rm(Op::LEA.wide(), scratch.reg(), sum);
            self.masm.test_low(scratch.reg(), bits);
        }
        self.trap_if(Cc::Ne, TrapCode::UnalignedAtomic);
        match index {
            // It stays in its register, because that is pinned.
            Value::Local(_, local) if self.state.locals[local as usize].reg == Some(reg) => index,
            _ => Value::Reg(index.kind(), reg),
        }
    }

    pub(crate) fn visit_atomic_fence(&mut self, _: Ordering) {
        self.masm.fence();
    }

    pub(crate) fn visit_memory_atomic_notify(&mut self, memarg: MemArg) {
        self.call_wait(Builtin::MemoryAtomicNotify, memarg, &[BuiltinArg::Stack; 2]);
    }

    pub(crate) fn visit_memory_atomic_wait32(&mut self, memarg: MemArg) {
        self.call_wait(Builtin::MemoryAtomicWait32, memarg, &[BuiltinArg::Stack; 3]);
    }

    pub(crate) fn visit_memory_atomic_wait64(&mut self, memarg: MemArg) {
        self.call_wait(Builtin::MemoryAtomicWait64, memarg, &[BuiltinArg::Stack; 3]);
    }

    /// Calls a builtin with a memory, an offset there, and the topmost operands.
    fn call_wait(&mut self, builtin: Builtin, memarg: MemArg, operands: &[BuiltinArg]) {
        let memory = BuiltinArg::Imm(memory_of(memarg).0);
        let place = [memory, BuiltinArg::Wide(memarg.offset)];
        self.call_builtin(builtin, &[&place[..], operands].concat(), Some(Kind::I32));
    }
}

impl Access {
    /// The size of its values.
    fn operand_size(self) -> OperandSize {
        OperandSize::of(self.kind.width())
    }

    /// The instruction that loads, with zeros above.
    fn load(self) -> Op {
        match self.width {
            AtomicWidth::W8 => Op::MOVZX8,
            AtomicWidth::W16 => Op::MOVZX16,
            AtomicWidth::W32 => Op::MOV,
            AtomicWidth::W64 => Op::MOV.wide(),
        }
    }
}
