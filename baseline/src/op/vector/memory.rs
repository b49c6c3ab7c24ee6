//! Loads and stores of vectors, of lanes, and of numbers that become vectors.

use upshift_abi::{Kind, TrapCode};
use wasmparser::MemArg;

use crate::asm::encode::Op;
use crate::asm::opcode::vector::VecOp;
use crate::func_gen::FuncGen;
use crate::op::memory::LoadKind;
use crate::op::vector::Shape;

/// Handlers of loads that are one instruction: which, and the bytes that it reads.
macro_rules! loads {
    ($($visit:ident => $op:ident, $bytes:literal;)*) => {
        impl FuncGen<'_> {$(
            pub(crate) fn $visit(&mut self, memarg: MemArg) {
                self.load_with(memarg, VecOp::$op, $bytes);
            }
        )*}
    };
}

loads! {
    visit_v128_load8x8_s => PMOVSXBW, 8;
    visit_v128_load8x8_u => PMOVZXBW, 8;
    visit_v128_load16x4_s => PMOVSXWD, 8;
    visit_v128_load16x4_u => PMOVZXWD, 8;
    visit_v128_load32x2_s => PMOVSXDQ, 8;
    visit_v128_load32x2_u => PMOVZXDQ, 8;
    visit_v128_load64_splat => MOVDDUP, 8;
    visit_v128_load32_zero => MOVSS, 4;
    visit_v128_load64_zero => MOVSD, 8;
}

/// Handlers of loads and stores of one lane.
macro_rules! lanes {
    ($($visit:ident => $method:ident($op:ident, $bytes:literal);)*) => {
        impl FuncGen<'_> {$(
            pub(crate) fn $visit(&mut self, memarg: MemArg, lane: u8) {
                self.$method(memarg, lane, VecOp::$op, $bytes);
            }
        )*}
    };
}

lanes! {
    visit_v128_load8_lane => load_lane(PINSRB, 1);
    visit_v128_load16_lane => load_lane(PINSRW, 2);
    visit_v128_load32_lane => load_lane(PINSRD, 4);
    visit_v128_load64_lane => load_lane(PINSRQ, 8);
    visit_v128_store8_lane => store_lane(PEXTRB, 1);
    visit_v128_store16_lane => store_lane(PEXTRW, 2);
    visit_v128_store32_lane => store_lane(PEXTRD, 4);
    visit_v128_store64_lane => store_lane(PEXTRQ, 8);
}

impl FuncGen<'_> {
    pub(crate) fn visit_v128_load(&mut self, memarg: MemArg) {
        let load = LoadKind {
            kind: Kind::V128,
            op: Op::MOVUPS,
            bytes: 16,
        };
        self.load_op(memarg, load);
    }

    pub(crate) fn visit_v128_load8_splat(&mut self, memarg: MemArg) {
        self.load_splat(memarg, VecOp::PINSRB, 1, Shape::I8x16);
    }

    pub(crate) fn visit_v128_load16_splat(&mut self, memarg: MemArg) {
        self.load_splat(memarg, VecOp::PINSRW, 2, Shape::I16x8);
    }

    pub(crate) fn visit_v128_load32_splat(&mut self, memarg: MemArg) {
        let index = self.state.pop();
        let address = self.address(index, memarg, 4);
        self.release_address(&address);
        let dst = self.vector_temp();
        self.trap_here(TrapCode::MemoryOutOfBounds);
        self.masm.vec_of(VecOp::MOVSS, dst, address.mem);
        self.spread(Shape::I32x4, dst);
        self.push_vector(dst);
    }

    /// Loads with an instruction that has no other register operand.
    fn load_with(&mut self, memarg: MemArg, op: VecOp, bytes: u32) {
        let index = self.state.pop();
        let target = self.target_reg(Kind::V128);
        let address = self.address(index, memarg, bytes);
        self.release_address(&address);
        let dst = self.dest(target, Kind::V128);
        self.trap_here(TrapCode::MemoryOutOfBounds);
        self.masm.vec_of(op, dst, address.mem);
        self.push_dest(target, Kind::V128, dst);
    }

    fn load_splat(&mut self, memarg: MemArg, insert: VecOp, bytes: u32, shape: Shape) {
        let index = self.state.pop();
        let address = self.address(index, memarg, bytes);
        self.release_address(&address);
        let dst = self.vector_temp();
        // What the other lanes had would have to be waited for.
        self.masm.vec_fill(dst, false);
        self.trap_here(TrapCode::MemoryOutOfBounds);
        self.masm.vec_imm(insert, dst, dst, address.mem, 0);
        self.spread(shape, dst);
        self.push_vector(dst);
    }

    fn load_lane(&mut self, memarg: MemArg, lane: u8, insert: VecOp, bytes: u32) {
        let vector = self.state.pop();
        let index = self.state.pop();
        let dst = self.own_reg(vector);
        let address = self.address(index, memarg, bytes);
        self.release_address(&address);
        self.trap_here(TrapCode::MemoryOutOfBounds);
        self.masm.vec_imm(insert, dst, dst, address.mem, lane);
        self.push_vector(dst);
    }

    fn store_lane(&mut self, memarg: MemArg, lane: u8, extract: VecOp, bytes: u32) {
        let vector = self.state.pop();
        let index = self.state.pop();
        let src = self.use_reg(vector);
        let address = self.address(index, memarg, bytes);
        self.trap_here(TrapCode::MemoryOutOfBounds);
        // The lowest lanes have instructions of their own, which are one micro-operation less.
        let (op, lane) = match (lane, bytes) {
            (0, 4) => (VecOp::MOVSS_STORE, None),
            (0, 8) => (VecOp::MOVSD_STORE, None),
            _ => (extract, Some(lane)),
        };
        self.masm.vec_store_lane(op, address.mem, src, lane);
        self.release_address(&address);
        self.state.release(src);
    }
}
