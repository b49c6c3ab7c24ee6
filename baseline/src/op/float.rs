//! Floating-point arithmetic and comparisons.
//!
//! With `canonicalize_nans`, every operator that can make a NaN checks its result; the repair is
//! out of line.

use upshift_abi::{Builtin, RegClass, Width};

use crate::alloc::Operand;
use crate::asm::encode::OperandSize::{self, S32, S64};
use crate::asm::encode::{Op, Sse};
use crate::asm::{Cc, Masm, asm};
use crate::func_gen::FuncGen;
use crate::op::call::BuiltinArg;
use crate::reg::Reg;
use crate::value::{Cond, Value};

/// The canonical NaN's bits.
pub(crate) fn canonical_nan(size: OperandSize) -> u64 {
    match size {
        S32 => 0x7fc0_0000,
        S64 => 0x7ff8_0000_0000_0000,
    }
}

/// One handler for each operator that is the same for both sizes.
macro_rules! both_sizes {
    ($($visit32:ident, $visit64:ident => $handler:ident($($arg:expr),*);)*) => {
        impl FuncGen<'_> {$(
            pub(crate) fn $visit32(&mut self) {
                self.$handler(S32 $(, $arg)*);
            }

            pub(crate) fn $visit64(&mut self) {
                self.$handler(S64 $(, $arg)*);
            }
        )*}
    };
}

both_sizes! {
    visit_f32_add, visit_f64_add => arithmetic(Sse::Add, Order::Any);
    visit_f32_sub, visit_f64_sub => arithmetic(Sse::Sub, Order::Fixed);
    visit_f32_mul, visit_f64_mul => arithmetic(Sse::Mul, Order::Any);
    visit_f32_div, visit_f64_div => arithmetic(Sse::Div, Order::Fixed);
    visit_f32_sqrt, visit_f64_sqrt => sqrt();
    visit_f32_min, visit_f64_min => min_max(Sse::Min, Sse::Or);
    visit_f32_max, visit_f64_max => min_max(Sse::Max, Sse::And);
    visit_f32_abs, visit_f64_abs => abs();
    visit_f32_neg, visit_f64_neg => neg();
    visit_f32_copysign, visit_f64_copysign => copysign();
    visit_f32_nearest, visit_f64_nearest => round(Rounding::Nearest);
    visit_f32_floor, visit_f64_floor => round(Rounding::Floor);
    visit_f32_ceil, visit_f64_ceil => round(Rounding::Ceil);
    visit_f32_trunc, visit_f64_trunc => round(Rounding::Trunc);
    visit_f32_eq, visit_f64_eq => compare_floats(Cond::FloatEq, Comparison::AsPushed);
    visit_f32_ne, visit_f64_ne => compare_floats(Cond::FloatNe, Comparison::AsPushed);
    visit_f32_lt, visit_f64_lt => compare_floats(Cond::Cc(Cc::A), Comparison::Exchanged);
    visit_f32_gt, visit_f64_gt => compare_floats(Cond::Cc(Cc::A), Comparison::AsPushed);
    visit_f32_le, visit_f64_le => compare_floats(Cond::Cc(Cc::Ae), Comparison::Exchanged);
    visit_f32_ge, visit_f64_ge => compare_floats(Cond::Cc(Cc::Ae), Comparison::AsPushed);
}

/// Whether an operation's operands may change places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Any,
    Fixed,
}

/// Which operand of a comparison is the instruction's first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    /// The one that was pushed first.
    AsPushed,
    /// The one that was pushed last.
    Exchanged,
}

/// Rounding to an integral value, with the processor's number of the mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Rounding {
    Nearest = 0,
    Floor = 1,
    Ceil = 2,
    Trunc = 3,
}

impl Rounding {
    /// The instruction's immediate. Bit 3 keeps the precision exception quiet.
    pub(crate) fn immediate(self) -> u8 {
        self as u8 | 8
    }

    /// The runtime's function for processors that can't.
    fn builtin(self, size: OperandSize) -> Builtin {
        match (self, size) {
            (Rounding::Nearest, S32) => Builtin::F32Nearest,
            (Rounding::Floor, S32) => Builtin::F32Floor,
            (Rounding::Ceil, S32) => Builtin::F32Ceil,
            (Rounding::Trunc, S32) => Builtin::F32Trunc,
            (Rounding::Nearest, S64) => Builtin::F64Nearest,
            (Rounding::Floor, S64) => Builtin::F64Floor,
            (Rounding::Ceil, S64) => Builtin::F64Ceil,
            (Rounding::Trunc, S64) => Builtin::F64Trunc,
        }
    }
}

/// The bit that holds the sign of a float in the lowest part of a register.
const fn sign_bit(size: OperandSize) -> u128 {
    match size {
        S32 => 1 << 31,
        S64 => 1 << 63,
    }
}

/// Operations on the sign bit alone. They change the rest of the register, too.
impl Masm {
    fn with_mask(&mut self, op: Sse, size: OperandSize, reg: Reg, mask: u128) {
        let mask = self.constant(mask, Width::W128);
        self.rm(op.packed(size), reg, mask);
    }

    fn clear_sign(&mut self, size: OperandSize, reg: Reg) {
        self.with_mask(Sse::And, size, reg, sign_bit(size) - 1);
    }

    fn keep_sign(&mut self, size: OperandSize, reg: Reg) {
        self.with_mask(Sse::And, size, reg, sign_bit(size));
    }

    pub(crate) fn flip_sign(&mut self, size: OperandSize, reg: Reg) {
        self.with_mask(Sse::Xor, size, reg, sign_bit(size));
    }
}

impl FuncGen<'_> {
    fn arithmetic(&mut self, size: OperandSize, op: Sse, order: Order) {
        let commutes = order == Order::Any;
        let mut right = self.state.pop();
        let mut left = self.state.pop();
        let op = op.scalar(size);
        let target = self.target_reg(size.float());
        let mut dst = None;
        if let Some((local, reg)) = target {
            let is_target = |value: Value| matches!(value, Value::Local(_, l) if l == local);
            if is_target(right) && !is_target(left) && commutes {
                (left, right) = (right, left);
            }
            if is_target(left) || !is_target(right) {
                self.load_operand(reg, left);
                self.state.discard(left);
                dst = Some(reg);
            }
        }
        let target = dst.and(target);
        let dst = dst.unwrap_or_else(|| {
            if commutes && !matches!(left, Value::Reg(..)) && matches!(right, Value::Reg(..)) {
                (left, right) = (right, left);
            }
            self.own_reg(left)
        });
        let right = self.operand(right);
        self.emit_sse(op, dst, &right);
        self.release_operand(right);
        self.canonicalize(size, dst);
        self.push_dest(target, size.float(), dst);
    }

    fn emit_sse(&mut self, op: Op, dst: Reg, operand: &Operand) {
        match *operand {
            Operand::Reg(reg, _) => self.masm.rr(op, dst, reg),
            Operand::Mem(mem) => self.masm.rm(op, dst, mem),
            Operand::Imm(_) => unreachable!("float constants are no immediates"),
        }
    }

    fn sqrt(&mut self, size: OperandSize) {
        let value = self.state.pop();
        let dst = self.own_reg(value);
        self.masm.rr(Sse::Sqrt.scalar(size), dst, dst);
        self.canonicalize(size, dst);
        self.push_reg(size.float(), dst);
    }

    /// The processor's minimum and maximum are right for ordered, unequal operands. Equal ones may
    /// be zeroes of different signs: a bitwise operation chooses the right one. A NaN spreads by
    /// addition.
    fn min_max(&mut self, size: OperandSize, op: Sse, bitwise: Sse) {
        let right = self.state.pop();
        let left = self.state.pop();
        let dst = self.own_reg(left);
        let right = self.use_reg(right);
        self.masm.rr(Sse::Ucomi.packed(size), dst, right);
        // ZF is set by equal and by unordered operands.
        let special = self.masm.jcc_cold(Cc::E);
        self.masm.rr(op.scalar(size), dst, right);
        self.write_cold(special, |cold| {
            let unordered = cold.jcc_short(Cc::P);
            cold.rr(bitwise.packed(size), dst, right);
            let equal = cold.jmp_short();
            cold.bind_short(unordered);
            cold.rr(Sse::Add.scalar(size), dst, right);
            cold.bind_short(equal);
            cold.resume();
        });
        self.state.release(right);
        self.canonicalize(size, dst);
        self.push_reg(size.float(), dst);
    }

    fn abs(&mut self, size: OperandSize) {
        let value = self.state.pop();
        let dst = self.own_reg(value);
        self.masm.clear_sign(size, dst);
        self.push_reg(size.float(), dst);
    }

    fn neg(&mut self, size: OperandSize) {
        let value = self.state.pop();
        let dst = self.own_reg(value);
        self.masm.flip_sign(size, dst);
        self.push_reg(size.float(), dst);
    }

    fn copysign(&mut self, size: OperandSize) {
        let sign = self.state.pop();
        let magnitude = self.state.pop();
        let dst = self.own_reg(magnitude);
        let sign = self.own_reg(sign);
        self.masm.clear_sign(size, dst);
        self.masm.keep_sign(size, sign);
        self.masm.rr(Sse::Or.packed(size), dst, sign);
        self.state.release(sign);
        self.push_reg(size.float(), dst);
    }

    fn round(&mut self, size: OperandSize, mode: Rounding) {
        if !self.input.options.features.sse41 {
            let builtin = mode.builtin(size);
            self.call_builtin(builtin, &[BuiltinArg::Stack], Some(size.float()));
            self.canonicalize(size, Reg::XMM0);
            return;
        }
        let value = self.state.pop();
        let src = self.use_reg(value);
        self.state.release(src);
        let dst = self.alloc(RegClass::Float);
        let mode = mode.immediate() as i8;
        match size {
            S32 => asm!(self.masm; roundss Rx(dst), Rx(src), mode),
            S64 => asm!(self.masm; roundsd Rx(dst), Rx(src), mode),
        }
        self.canonicalize(size, dst);
        self.push_reg(size.float(), dst);
    }

    /// Comparisons: `ucomiss` sets the flags of an unsigned comparison, with "below" for unordered
    /// operands, so less-than is greater-than of exchanged operands.
    fn compare_floats(&mut self, size: OperandSize, cond: Cond, comparison: Comparison) {
        let mut right = self.state.pop();
        let mut left = self.state.pop();
        if comparison == Comparison::Exchanged {
            (left, right) = (right, left);
        }
        let left = self.use_reg(left);
        let right = self.operand(right);
        self.emit_sse(Sse::Ucomi.packed(size), left, &right);
        self.release_operand(right);
        self.state.release(left);
        self.push_cond(cond);
    }

    /// Replaces a NaN in a register by the canonical one, if asked to.
    pub(crate) fn canonicalize(&mut self, size: OperandSize, reg: Reg) {
        if !self.input.options.canonicalize_nans {
            return;
        }
        self.masm.rr(Sse::Ucomi.packed(size), reg, reg);
        self.out_of_line(Cc::P, |cold| {
            cold.float_const(size.float(), reg, canonical_nan(size));
            cold.resume();
        });
    }
}
