//! Floating-point arithmetic and comparisons.
//!
//! With `canonicalize_nans`, every operator that can make a NaN checks its result; the repair is
//! out of line.

use upshift_abi::{Builtin, RelocationTarget};

use crate::alloc::Operand;
use crate::asm::encode::{Op, Sse};
use crate::asm::{Cc, asm};
use crate::func_gen::FuncGen;
use crate::reg::Reg;
use crate::value::{Cond, Ty, Value};

/// The canonical NaNs.
const NAN_32: u64 = 0x7fc0_0000;
const NAN_64: u64 = 0x7ff8_0000_0000_0000;

/// One handler for each operator that is the same for both sizes.
macro_rules! both_sizes {
    ($($visit32:ident, $visit64:ident => $handler:ident($($arg:expr),*);)*) => {
        impl FuncGen<'_> {$(
            pub(crate) fn $visit32(&mut self) {
                self.$handler(Ty::F32 $(, $arg)*);
            }

            pub(crate) fn $visit64(&mut self) {
                self.$handler(Ty::F64 $(, $arg)*);
            }
        )*}
    };
}

both_sizes! {
    visit_f32_add, visit_f64_add => arithmetic(Sse::Add, true);
    visit_f32_sub, visit_f64_sub => arithmetic(Sse::Sub, false);
    visit_f32_mul, visit_f64_mul => arithmetic(Sse::Mul, true);
    visit_f32_div, visit_f64_div => arithmetic(Sse::Div, false);
    visit_f32_sqrt, visit_f64_sqrt => sqrt();
    visit_f32_min, visit_f64_min => min_max(Sse::Min, Sse::Or);
    visit_f32_max, visit_f64_max => min_max(Sse::Max, Sse::And);
    visit_f32_abs, visit_f64_abs => sign_mask(SignOp::Abs);
    visit_f32_neg, visit_f64_neg => sign_mask(SignOp::Neg);
    visit_f32_copysign, visit_f64_copysign => copysign();
    visit_f32_nearest, visit_f64_nearest => round(Rounding::Nearest);
    visit_f32_floor, visit_f64_floor => round(Rounding::Floor);
    visit_f32_ceil, visit_f64_ceil => round(Rounding::Ceil);
    visit_f32_trunc, visit_f64_trunc => round(Rounding::Trunc);
    visit_f32_eq, visit_f64_eq => compare_floats(Cond::FloatEq, false);
    visit_f32_ne, visit_f64_ne => compare_floats(Cond::FloatNe, false);
    visit_f32_lt, visit_f64_lt => compare_floats(Cond::Cc(Cc::A), true);
    visit_f32_gt, visit_f64_gt => compare_floats(Cond::Cc(Cc::A), false);
    visit_f32_le, visit_f64_le => compare_floats(Cond::Cc(Cc::Ae), true);
    visit_f32_ge, visit_f64_ge => compare_floats(Cond::Cc(Cc::Ae), false);
}

/// Operations on the sign bit alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignOp {
    Abs,
    Neg,
}

/// Rounding to an integral value, with the processor's number of the mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub(crate) enum Rounding {
    Nearest = 0,
    Floor = 1,
    Ceil = 2,
    Trunc = 3,
}

impl Rounding {
    /// The runtime's function for processors that can't.
    fn builtin(self, ty: Ty) -> Builtin {
        match (self, ty.is_64()) {
            (Rounding::Nearest, false) => Builtin::F32Nearest,
            (Rounding::Floor, false) => Builtin::F32Floor,
            (Rounding::Ceil, false) => Builtin::F32Ceil,
            (Rounding::Trunc, false) => Builtin::F32Trunc,
            (Rounding::Nearest, true) => Builtin::F64Nearest,
            (Rounding::Floor, true) => Builtin::F64Floor,
            (Rounding::Ceil, true) => Builtin::F64Ceil,
            (Rounding::Trunc, true) => Builtin::F64Trunc,
        }
    }
}

impl FuncGen<'_> {
    fn arithmetic(&mut self, ty: Ty, op: Sse, commutes: bool) {
        let mut right = self.state.pop();
        let mut left = self.state.pop();
        let op = op.scalar(ty.is_64());
        let target = self.target_reg(ty);
        let mut dst = None;
        if let Some((local, reg)) = target {
            let is_target = |value: Value| matches!(value, Value::Local(_, l) if l == local);
            if is_target(right) && !is_target(left) && commutes {
                (left, right) = (right, left);
            }
            if is_target(left) || !is_target(right) {
                self.load_value(reg, left);
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
        self.emit_sse(op, dst, right);
        self.release_operand(right);
        self.canonicalize(ty, dst);
        self.push_dest(target, ty, dst);
    }

    fn emit_sse(&mut self, op: Op, dst: Reg, operand: Operand) {
        match operand {
            Operand::Reg(reg) => self.masm.rr(op, dst, reg),
            Operand::Mem(mem) => self.masm.rm(op, dst, mem),
            Operand::Imm(_) => unreachable!("float constants are no immediates"),
        }
    }

    fn sqrt(&mut self, ty: Ty) {
        let value = self.state.pop();
        let dst = self.own_reg(value);
        self.masm.rr(Sse::Sqrt.scalar(ty.is_64()), dst, dst);
        self.canonicalize(ty, dst);
        self.push_reg(ty, dst);
    }

    /// The processor's minimum and maximum are right for ordered, unequal operands. Equal ones may be
    /// zeroes of different signs: a bitwise operation chooses the right one. A NaN spreads by addition.
    fn min_max(&mut self, ty: Ty, op: Sse, bitwise: Sse) {
        let wide = ty.is_64();
        let right = self.state.pop();
        let left = self.state.pop();
        let dst = self.own_reg(left);
        let right = self.use_reg(right);
        self.masm.rr(Sse::Ucomi.packed(ty.is_64()), dst, right);
        // ZF is set by equal and by unordered operands.
        let special = self.masm.jcc_cold(Cc::E);
        self.masm.rr(op.scalar(wide), dst, right);
        self.write_cold(special, |cold| {
            let unordered = cold.jcc_short(Cc::P);
            cold.rr(bitwise.packed(wide), dst, right);
            let equal = cold.jmp_short();
            cold.bind_short(unordered);
            cold.rr(Sse::Add.scalar(wide), dst, right);
            cold.bind_short(equal);
            cold.resume();
        });
        self.state.release(right);
        self.canonicalize(ty, dst);
        self.push_reg(ty, dst);
    }

    fn sign_mask(&mut self, ty: Ty, op: SignOp) {
        let value = self.state.pop();
        let dst = self.own_reg(value);
        asm!(self.masm; pcmpeqd fscratch, fscratch);
        match (op, ty.is_64()) {
            (SignOp::Abs, false) => asm!(self.masm; psrld fscratch, 1; andps Rx(dst), fscratch),
            (SignOp::Abs, true) => asm!(self.masm; psrlq fscratch, 1; andpd Rx(dst), fscratch),
            (SignOp::Neg, false) => asm!(self.masm; pslld fscratch, 31; xorps Rx(dst), fscratch),
            (SignOp::Neg, true) => asm!(self.masm; psllq fscratch, 63; xorpd Rx(dst), fscratch),
        }
        self.push_reg(ty, dst);
    }

    fn copysign(&mut self, ty: Ty) {
        let sign = self.state.pop();
        let magnitude = self.state.pop();
        let dst = self.own_reg(magnitude);
        let sign = self.own_reg(sign);
        asm!(self.masm; pcmpeqd fscratch, fscratch);
        if ty.is_64() {
            asm!(self.masm
                ; psllq fscratch, 63
                ; andpd Rx(sign), fscratch
                ; andnpd fscratch, Rx(dst)
            );
        } else {
            asm!(self.masm
                ; pslld fscratch, 31
                ; andps Rx(sign), fscratch
                ; andnps fscratch, Rx(dst)
            );
        }
        asm!(self.masm; movaps Rx(dst), fscratch; orps Rx(dst), Rx(sign));
        self.state.release(sign);
        self.push_reg(ty, dst);
    }

    fn round(&mut self, ty: Ty, mode: Rounding) {
        if !self.options.features.sse41 {
            self.call_round(ty, mode.builtin(ty));
            self.canonicalize(ty, Reg::XMM0);
            return;
        }
        let value = self.state.pop();
        let src = self.use_reg(value);
        self.state.release(src);
        let dst = self.alloc(true);
        // Bit 3 keeps the precision exception quiet.
        let mode = mode as i8 | 8;
        if ty.is_64() {
            asm!(self.masm; roundsd Rx(dst), Rx(src), mode);
        } else {
            asm!(self.masm; roundss Rx(dst), Rx(src), mode);
        }
        self.canonicalize(ty, dst);
        self.push_reg(ty, dst);
    }

    fn call_round(&mut self, ty: Ty, builtin: Builtin) {
        self.prepare_call(1);
        let value = self.state.pop();
        self.load_value(Reg::XMM0, value);
        self.state.discard(value);
        self.masm.call_cell(RelocationTarget::Builtin(builtin));
        self.finish_builtin_call();
        self.state.regs.free.remove(Reg::XMM0);
        self.push_reg(ty, Reg::XMM0);
    }

    /// Comparisons: `ucomiss` sets the flags of an unsigned comparison, with "below" for unordered operands, so less-than
    /// is greater-than of exchanged operands.
    fn compare_floats(&mut self, ty: Ty, cond: Cond, exchange: bool) {
        let mut right = self.state.pop();
        let mut left = self.state.pop();
        if exchange {
            (left, right) = (right, left);
        }
        let left = self.use_reg(left);
        let right = self.operand(right);
        self.emit_sse(Sse::Ucomi.packed(ty.is_64()), left, right);
        self.release_operand(right);
        self.state.release(left);
        self.push_cond(cond);
    }

    /// Replaces a NaN in a register by the canonical one, if asked to.
    pub(crate) fn canonicalize(&mut self, ty: Ty, reg: Reg) {
        if !self.options.canonicalize_nans {
            return;
        }
        self.masm.rr(Sse::Ucomi.packed(ty.is_64()), reg, reg);
        let wide = ty.is_64();
        self.out_of_line(Cc::P, |cold| {
            cold.float_const(wide, reg, if wide { NAN_64 } else { NAN_32 });
            cold.resume();
        });
    }
}
