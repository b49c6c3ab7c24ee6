//! Single lanes: copied to all, read, replaced.

use upshift_abi::Kind;

use crate::asm::encode::{Op, OperandSize};
use crate::asm::opcode::vector::VecOp;
use crate::func_gen::FuncGen;
use crate::op::vector::{HIGH_HALF, Shape, handlers, splat};
use crate::reg::Reg;
use crate::value::Value;

handlers! {
    visit_i8x16_splat => splat_int(Shape::I8x16);
    visit_i16x8_splat => splat_int(Shape::I16x8);
    visit_i32x4_splat => splat_int(Shape::I32x4);
    visit_i64x2_splat => splat_int(Shape::I64x2);
    visit_f32x4_splat => splat_float(OperandSize::S32);
    visit_f64x2_splat => splat_float(OperandSize::S64);
}

/// Handlers of operators with a lane's number.
macro_rules! lane_handlers {
    ($($visit:ident => $method:ident($($arg:expr),*);)*) => {
        impl FuncGen<'_> {$(
            pub(crate) fn $visit(&mut self, lane: u8) {
                self.$method(lane $(, $arg)*);
            }
        )*}
    };
}

lane_handlers! {
    visit_i8x16_extract_lane_s => extract_int(VecOp::PEXTRB, Some(Op::MOVSX8), Kind::I32);
    visit_i8x16_extract_lane_u => extract_int(VecOp::PEXTRB, None, Kind::I32);
    visit_i16x8_extract_lane_s => extract_int(VecOp::PEXTRW, Some(Op::MOVSX16), Kind::I32);
    visit_i16x8_extract_lane_u => extract_int(VecOp::PEXTRW, None, Kind::I32);
    visit_i32x4_extract_lane => extract_int(VecOp::PEXTRD, None, Kind::I32);
    visit_i64x2_extract_lane => extract_int(VecOp::PEXTRQ, None, Kind::I64);
    visit_f32x4_extract_lane => extract_float(OperandSize::S32);
    visit_f64x2_extract_lane => extract_float(OperandSize::S64);
    visit_i8x16_replace_lane => replace_int(VecOp::PINSRB);
    visit_i16x8_replace_lane => replace_int(VecOp::PINSRW);
    visit_i32x4_replace_lane => replace_int(VecOp::PINSRD);
    visit_i64x2_replace_lane => replace_int(VecOp::PINSRQ);
    visit_f32x4_replace_lane => replace_f32();
    visit_f64x2_replace_lane => replace_f64();
}

/// For `pshufd`: the lower half in both.
const LOW_HALF: u8 = 0b01_00_01_00;

impl FuncGen<'_> {
    fn splat_int(&mut self, shape: Shape) {
        let value = self.state.pop();
        if let Value::Const(_, lane) = value {
            return self.push_splat(splat(lane, shape.lane_bits()));
        }
        let src = self.use_reg(value);
        let dst = self.vector_temp();
        let size = match shape {
            Shape::I64x2 => OperandSize::S64,
            Shape::I8x16 | Shape::I16x8 | Shape::I32x4 => OperandSize::S32,
        };
        self.masm.int_to_float(size, dst, src);
        self.state.release(src);
        self.spread(shape, dst);
        self.push_vector(dst);
    }

    /// Copies the lowest lane to all others.
    pub(super) fn spread(&mut self, shape: Shape, reg: Reg) {
        match shape {
            Shape::I8x16 => {
                let zeroes = self.vector_temp();
                self.masm.vec_fill(zeroes, false);
                self.masm.vec(VecOp::PSHUFB, reg, reg, zeroes);
                self.state.release(zeroes);
            }
            Shape::I16x8 => {
                self.masm.vec_of_imm(VecOp::PSHUFLW, reg, reg, 0);
                self.masm.vec_of_imm(VecOp::PSHUFD, reg, reg, 0);
            }
            Shape::I32x4 => self.masm.vec_of_imm(VecOp::PSHUFD, reg, reg, 0),
            Shape::I64x2 => self.masm.vec_of_imm(VecOp::PSHUFD, reg, reg, LOW_HALF),
        }
    }

    fn push_splat(&mut self, bits: u128) {
        if bits == 0 {
            return self.push_const(Kind::V128, 0);
        }
        let dst = self.vector_temp();
        self.load_vector(dst, bits);
        self.push_vector(dst);
    }

    fn splat_float(&mut self, size: OperandSize) {
        let value = self.state.pop();
        if let Value::Const(_, lane) = value {
            return self.push_splat(splat(lane, size.width().bytes() * 8));
        }
        let src = self.use_reg(value);
        self.state.release(src);
        let dst = self.vector_temp();
        match size {
            OperandSize::S32 => self.masm.vec_of_imm(VecOp::PSHUFD, dst, src, 0),
            OperandSize::S64 => self.masm.vec_of(VecOp::MOVDDUP, dst, src),
        }
        self.push_vector(dst);
    }

    fn extract_int(&mut self, lane: u8, op: VecOp, extend: Option<Op>, kind: Kind) {
        let value = self.state.pop();
        let src = self.use_reg(value);
        self.state.release(src);
        let target = self.target_reg(kind);
        let dst = self.dest(target, kind);
        self.masm.vec_extract(op, dst, src, lane);
        if let Some(extend) = extend {
            self.masm.extend8(extend, dst, dst);
        }
        self.push_dest(target, kind, dst);
    }

    fn extract_float(&mut self, lane: u8, size: OperandSize) {
        let value = self.state.pop();
        let src = self.use_reg(value);
        self.state.release(src);
        let dst = self.vector_temp();
        match (lane, size) {
            (0, _) => self.masm.vec_of(VecOp::MOVAPS, dst, src),
            (_, OperandSize::S32) => self.masm.vec_of_imm(VecOp::PSHUFD, dst, src, lane),
            (_, OperandSize::S64) => self.masm.vec_of_imm(VecOp::PSHUFD, dst, src, HIGH_HALF),
        }
        self.push_reg(size.float(), dst);
    }

    fn replace_int(&mut self, lane: u8, op: VecOp) {
        let (dst, number) = self.pop_own_and_use();
        self.masm.vec_imm(op, dst, dst, number, lane);
        self.state.release(number);
        self.push_vector(dst);
    }

    fn replace_f32(&mut self, lane: u8) {
        let (dst, number) = self.pop_own_and_use();
        self.masm
            .vec_imm(VecOp::INSERTPS, dst, dst, number, lane << 4);
        self.state.release(number);
        self.push_vector(dst);
    }

    fn replace_f64(&mut self, lane: u8) {
        let (dst, number) = self.pop_own_and_use();
        match lane {
            0 => self.masm.vec(VecOp::MOVSD, dst, dst, number),
            _ => self.masm.vec(VecOp::PUNPCKLQDQ, dst, dst, number),
        }
        self.state.release(number);
        self.push_vector(dst);
    }
}
