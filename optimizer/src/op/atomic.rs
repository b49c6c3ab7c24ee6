//! Atomic accesses, fences, waiting and notifying.
//!
//! An address must be a multiple of the access's size; that is checked first, then the bounds as
//! for any other access. Nothing that is known to be in memory is known behind one of these
//! operators: it may make visible what another thread has written. Cranelift moves no access over
//! them.

use cranelift_codegen::ir::{AtomicRmwOp, InstBuilder, Type, Value, types};
use upshift_abi::atomic::{AtomicOp, AtomicWidth};
use upshift_abi::{Builtin, Kind, TrapCode};
use wasmparser::{MemArg, MemArgTarget, Ordering};

use crate::signature::{POINTER, clif_type};
use crate::translate::{Bytes, Region, Translator, trusted};
use crate::trap;

macro_rules! handlers {
    ($($visit:ident: $op:ident, $kind:ident, $width:ident;)*) => {
        impl Translator<'_> {$(
            pub(crate) fn $visit(&mut self, arg: MemArg) {
                self.atomic(AtomicOp::$op, arg, Kind::$kind, AtomicWidth::$width);
            }
        )*}
    };
}
upshift_abi::for_each_atomic_access!(handlers);

impl Translator<'_> {
    fn atomic(&mut self, op: AtomicOp, arg: MemArg, kind: Kind, width: AtomicWidth) {
        let (whole, accessed) = (clif_type(kind), accessed(width));
        let operands = match op {
            AtomicOp::Load => 0,
            AtomicOp::Cmpxchg => 2,
            _ => 1,
        };
        // The last one first.
        let operands: Vec<Value> = (0..operands)
            .map(|_| {
                let value = self.pop();
                match whole == accessed {
                    true => value,
                    false => self.low_part(value, accessed),
                }
            })
            .collect();
        let bytes = self.bytes(arg, width.bytes());
        self.check_alignment(bytes);
        let at = self.memory_address(bytes);
        let address = match at.offset {
            0 => at.base,
            offset => self.ins().iadd_imm_s(at.base, i64::from(offset)),
        };
        self.contents.forget_memories();
        let rmw = match op {
            AtomicOp::Load => None,
            AtomicOp::Add => Some(AtomicRmwOp::Add),
            AtomicOp::Sub => Some(AtomicRmwOp::Sub),
            AtomicOp::And => Some(AtomicRmwOp::And),
            AtomicOp::Or => Some(AtomicRmwOp::Or),
            AtomicOp::Xor => Some(AtomicRmwOp::Xor),
            // Cranelift's store is followed by a fence, which takes longer.
            AtomicOp::Xchg | AtomicOp::Store => Some(AtomicRmwOp::Xchg),
            AtomicOp::Cmpxchg => None,
        };
        let result = match (rmw, &operands[..]) {
            (Some(rmw), &[value]) => self
                .ins()
                .atomic_rmw(accessed, at.flags, rmw, address, value),
            (_, &[new, expected]) => self.ins().atomic_cas(at.flags, address, expected, new),
            _ => self.ins().atomic_load(accessed, at.flags, address),
        };
        if op == AtomicOp::Store {
            return;
        }
        let result = match whole == accessed {
            true => result,
            false => self.ins().uextend(whole, result),
        };
        self.push(result);
    }

    /// Traps unless the bytes begin at a multiple of their number.
    fn check_alignment(&mut self, bytes: Bytes) {
        let bits = u64::from(bytes.size - 1);
        let offset = bytes.offset & bits;
        let aligned = |index: i64| (index as u64).wrapping_add(offset) & bits == 0;
        if bits == 0 || self.constant(bytes.base).is_some_and(aligned) {
            return;
        }
        let start = match offset {
            0 => bytes.base,
            offset => self.ins().iadd_imm_s(bytes.base, offset as i64),
        };
        let low = self.ins().band_imm_s(start, bits as i64);
        self.ins()
            .trapnz(low, trap::to_clif(TrapCode::UnalignedAtomic));
    }

    /// An atomic access that changes nothing, of the stack: Cranelift's fence is an `mfence`, which
    /// takes four times as long.
    pub(crate) fn visit_atomic_fence(&mut self, _: Ordering) {
        self.contents.forget_memories();
        let slot = self.env.result_slot(self.builder.func, types::I32.bytes());
        let address = self.ins().stack_addr(POINTER, slot, 0);
        let flags = trusted(self.builder.func, Region::Results);
        let nothing = self.ins().iconst(types::I32, 0);
        self.ins()
            .atomic_rmw(types::I32, flags, AtomicRmwOp::Or, address, nothing);
    }

    pub(crate) fn visit_memory_atomic_notify(&mut self, arg: MemArg) {
        let (index, count) = self.pop2();
        self.call_wait(Builtin::MemoryAtomicNotify, arg, index, &[count]);
    }

    pub(crate) fn visit_memory_atomic_wait32(&mut self, arg: MemArg) {
        let (index, expected, timeout) = self.pop3();
        self.call_wait(
            Builtin::MemoryAtomicWait32,
            arg,
            index,
            &[expected, timeout],
        );
    }

    pub(crate) fn visit_memory_atomic_wait64(&mut self, arg: MemArg) {
        let (index, expected, timeout) = self.pop3();
        self.call_wait(
            Builtin::MemoryAtomicWait64,
            arg,
            index,
            &[expected, timeout],
        );
    }

    /// Calls a builtin with a memory, an offset and an index there, and further operands.
    fn call_wait(&mut self, builtin: Builtin, arg: MemArg, index: Value, operands: &[Value]) {
        let MemArgTarget::Memory(memory) = arg.target else {
            unreachable!("validated: arrays are not enabled")
        };
        let kind = self.memory_style(memory).index();
        let index = self.index_to_i64(kind, index);
        let memory = self.index_constant(memory);
        let offset = self.ins().iconst(types::I64, arg.offset as i64);
        let args = [&[memory, offset, index], operands].concat();
        let result = self.call_value_builtin(builtin, &args);
        self.push(result);
    }
}

/// The type of what an access of the width loads and stores.
fn accessed(width: AtomicWidth) -> Type {
    match width {
        AtomicWidth::W8 => types::I8,
        AtomicWidth::W16 => types::I16,
        AtomicWidth::W32 => types::I32,
        AtomicWidth::W64 => types::I64,
    }
}
