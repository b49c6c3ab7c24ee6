//! Shifts of lanes. The amount counts modulo the bits of a lane.
//!
//! The processor shifts words and wider lanes, but not 64-bit ones with their sign; bytes are
//! shifted as parts of words.

use upshift_abi::Kind;

use crate::asm::encode::{Alu, OperandSize};
use crate::asm::opcode::vector::VecOp;
use crate::func_gen::FuncGen;
use crate::op::vector::{Shape, handlers, splat};
use crate::reg::Reg;
use crate::value::Value;

/// Shifts of lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LaneShift {
    Shl,
    ShrS,
    ShrU,
}

handlers! {
    visit_i8x16_shl => shift_bytes(LaneShift::Shl);
    visit_i8x16_shr_s => shift_bytes_s();
    visit_i8x16_shr_u => shift_bytes(LaneShift::ShrU);
    visit_i16x8_shl => shift_lanes(Shape::I16x8, LaneShift::Shl);
    visit_i16x8_shr_s => shift_lanes(Shape::I16x8, LaneShift::ShrS);
    visit_i16x8_shr_u => shift_lanes(Shape::I16x8, LaneShift::ShrU);
    visit_i32x4_shl => shift_lanes(Shape::I32x4, LaneShift::Shl);
    visit_i32x4_shr_s => shift_lanes(Shape::I32x4, LaneShift::ShrS);
    visit_i32x4_shr_u => shift_lanes(Shape::I32x4, LaneShift::ShrU);
    visit_i64x2_shl => shift_lanes(Shape::I64x2, LaneShift::Shl);
    visit_i64x2_shr_s => shift_i64_s();
    visit_i64x2_shr_u => shift_lanes(Shape::I64x2, LaneShift::ShrU);
}

/// The instruction that shifts by a register, and by a constant.
fn shift_ops(shape: Shape, shift: LaneShift) -> (VecOp, VecOp) {
    match (shape, shift) {
        (Shape::I8x16 | Shape::I16x8, LaneShift::Shl) => (VecOp::PSLLW, VecOp::PSLLW_IMM),
        (Shape::I8x16 | Shape::I16x8, LaneShift::ShrS) => (VecOp::PSRAW, VecOp::PSRAW_IMM),
        (Shape::I8x16 | Shape::I16x8, LaneShift::ShrU) => (VecOp::PSRLW, VecOp::PSRLW_IMM),
        (Shape::I32x4, LaneShift::Shl) => (VecOp::PSLLD, VecOp::PSLLD_IMM),
        (Shape::I32x4, LaneShift::ShrS) => (VecOp::PSRAD, VecOp::PSRAD_IMM),
        (Shape::I32x4, LaneShift::ShrU) => (VecOp::PSRLD, VecOp::PSRLD_IMM),
        (Shape::I64x2, LaneShift::Shl) => (VecOp::PSLLQ, VecOp::PSLLQ_IMM),
        (Shape::I64x2, LaneShift::ShrU) => (VecOp::PSRLQ, VecOp::PSRLQ_IMM),
        (Shape::I64x2, LaneShift::ShrS) => unreachable!("there is no such instruction"),
    }
}

impl FuncGen<'_> {
    /// A popped amount modulo the bits of a lane, in a vector register, a temporary.
    fn shift_amount(&mut self, value: Value, shape: Shape) -> Reg {
        let amount = self.own_reg(value);
        let mask = shape.lane_bits() as i32 - 1;
        self.masm.ri(Alu::And, OperandSize::S32, amount, mask);
        let vector = self.vector_temp();
        self.masm.int_to_float(OperandSize::S32, vector, amount);
        self.state.release(amount);
        vector
    }

    fn shift_lanes(&mut self, shape: Shape, shift: LaneShift) {
        let (by_register, by_constant) = shift_ops(shape, shift);
        let amount = self.state.pop();
        let value = self.state.pop();
        if let Value::Const(_, amount) = amount {
            let target = self.target_reg(Kind::V128);
            let src = self.use_reg(value);
            self.state.release(src);
            let dst = self.dest(target, Kind::V128);
            let amount = amount as u8 & (shape.lane_bits() as u8 - 1);
            self.masm.vec_shift_imm(by_constant, dst, src, amount);
            return self.push_dest(target, Kind::V128, dst);
        }
        let amount = self.shift_amount(amount, shape);
        let dst = self.own_reg(value);
        self.masm.vec(by_register, dst, dst, amount);
        self.state.release(amount);
        self.push_vector(dst);
    }

    /// Shifts words and clears what came from the byte beside. Not for `shr_s`.
    fn shift_bytes(&mut self, shift: LaneShift) {
        let (by_register, by_constant) = shift_ops(Shape::I8x16, shift);
        let amount = self.state.pop();
        let value = self.state.pop();
        if let Value::Const(_, amount) = amount {
            let dst = self.own_reg(value);
            let amount = amount as u8 & 7;
            self.masm.vec_shift_imm(by_constant, dst, dst, amount);
            let own_bits = match shift {
                LaneShift::Shl => 0xff << amount & 0xff,
                LaneShift::ShrS | LaneShift::ShrU => 0xff >> amount,
            };
            self.combine(VecOp::PAND, dst, splat(own_bits, 8));
            return self.push_vector(dst);
        }
        let amount = self.shift_amount(amount, Shape::I8x16);
        let dst = self.own_reg(value);
        // In each byte the bits that stay in it when they are shifted left; in their places are
        // what is left of a byte that is shifted right.
        let mask = self.vector_temp();
        self.masm.vec_fill(mask, true);
        self.masm.vec(VecOp::PSRLW, mask, mask, amount);
        self.masm.vec_shift_imm(VecOp::PSRLW_IMM, mask, mask, 8);
        self.masm.vec(VecOp::PACKUSWB, mask, mask, mask);
        match shift {
            LaneShift::Shl => {
                self.masm.vec(VecOp::PAND, dst, dst, mask);
                self.masm.vec(by_register, dst, dst, amount);
            }
            LaneShift::ShrS | LaneShift::ShrU => {
                self.masm.vec(by_register, dst, dst, amount);
                self.masm.vec(VecOp::PAND, dst, dst, mask);
            }
        }
        self.state.release(mask);
        self.state.release(amount);
        self.push_vector(dst);
    }

    /// Shifts words whose upper half is the byte, and has the packing take the lower half.
    fn shift_bytes_s(&mut self) {
        let amount = self.state.pop();
        let value = self.state.pop();
        let amount = match amount {
            Value::Const(_, amount) => Err(amount as u8 & 7),
            _ => Ok(self.shift_amount(amount, Shape::I8x16)),
        };
        let dst = self.own_reg(value);
        let high = self.vector_temp();
        self.masm.vec(VecOp::PUNPCKHBW, high, dst, dst);
        self.masm.vec(VecOp::PUNPCKLBW, dst, dst, dst);
        for half in [high, dst] {
            match amount {
                Err(amount) => {
                    self.masm
                        .vec_shift_imm(VecOp::PSRAW_IMM, half, half, amount + 8);
                }
                Ok(amount) => {
                    self.masm.vec(VecOp::PSRAW, half, half, amount);
                    self.masm.vec_shift_imm(VecOp::PSRAW_IMM, half, half, 8);
                }
            }
        }
        self.masm.vec(VecOp::PACKSSWB, dst, dst, high);
        if let Ok(amount) = amount {
            self.state.release(amount);
        }
        self.state.release(high);
        self.push_vector(dst);
    }

    /// Shifts what is not negative: lanes that are get inverted before and after.
    fn shift_i64_s(&mut self) {
        let amount = self.state.pop();
        let value = self.state.pop();
        let amount = match amount {
            Value::Const(_, amount) => Err(amount as u8 & 63),
            _ => Ok(self.shift_amount(amount, Shape::I64x2)),
        };
        let dst = self.own_reg(value);
        let signs = self.i64_signs(dst);
        self.masm.vec(VecOp::PXOR, dst, dst, signs);
        match amount {
            Err(amount) => self.masm.vec_shift_imm(VecOp::PSRLQ_IMM, dst, dst, amount),
            Ok(amount) => {
                self.masm.vec(VecOp::PSRLQ, dst, dst, amount);
                self.state.release(amount);
            }
        }
        self.masm.vec(VecOp::PXOR, dst, dst, signs);
        self.state.release(signs);
        self.push_vector(dst);
    }
}
