//! Conversions between the number types.
//!
//! Truncation to an integer answers the smallest integer where it can't; only then does
//! out-of-line code find out whether that was right, a trap, or is to be clamped.

use upshift_abi::TrapCode;

use crate::asm::encode::{Alu, Op};
use crate::asm::{Cc, Cold, Masm, ShortJump, asm};
use crate::func_gen::FuncGen;
use crate::reg::Reg;
use crate::value::{Ty, Value};

/// What happens to a float that has no integer counterpart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OutOfRange {
    Trap,
    Saturate,
}

/// The truncations: name, source, target, signed, out of range.
macro_rules! truncations {
    ($($visit:ident($from:ident => $to:ident, $signed:literal, $out:ident);)*) => {
        impl FuncGen<'_> {$(
            pub(crate) fn $visit(&mut self) {
                self.truncate_float(Ty::$from, Ty::$to, $signed, OutOfRange::$out);
            }
        )*}
    };
}

truncations! {
    visit_i32_trunc_f32_s(F32 => I32, true, Trap);
    visit_i32_trunc_f32_u(F32 => I32, false, Trap);
    visit_i32_trunc_f64_s(F64 => I32, true, Trap);
    visit_i32_trunc_f64_u(F64 => I32, false, Trap);
    visit_i64_trunc_f32_s(F32 => I64, true, Trap);
    visit_i64_trunc_f32_u(F32 => I64, false, Trap);
    visit_i64_trunc_f64_s(F64 => I64, true, Trap);
    visit_i64_trunc_f64_u(F64 => I64, false, Trap);
    visit_i32_trunc_sat_f32_s(F32 => I32, true, Saturate);
    visit_i32_trunc_sat_f32_u(F32 => I32, false, Saturate);
    visit_i32_trunc_sat_f64_s(F64 => I32, true, Saturate);
    visit_i32_trunc_sat_f64_u(F64 => I32, false, Saturate);
    visit_i64_trunc_sat_f32_s(F32 => I64, true, Saturate);
    visit_i64_trunc_sat_f32_u(F32 => I64, false, Saturate);
    visit_i64_trunc_sat_f64_s(F64 => I64, true, Saturate);
    visit_i64_trunc_sat_f64_u(F64 => I64, false, Saturate);
}

/// A power of two as a float's bits.
fn power_bits(ty: Ty, exponent: u32) -> u64 {
    if ty.is_64() {
        u64::from(1023 + exponent) << 52
    } else {
        u64::from((127 + exponent) << 23)
    }
}

const SIGN_32: u64 = 1 << 31;
const SIGN_64: u64 = 1 << 63;

impl Masm {
    fn cvtt(&mut self, from: Ty, wide: bool, dst: Reg, src: Reg) {
        match (from.is_64(), wide) {
            (false, false) => asm!(self; cvttss2si Rd(dst), Rx(src)),
            (false, true) => asm!(self; cvttss2si Rq(dst), Rx(src)),
            (true, false) => asm!(self; cvttsd2si Rd(dst), Rx(src)),
            (true, true) => asm!(self; cvttsd2si Rq(dst), Rx(src)),
        }
    }

    fn cvtsi(&mut self, to: Ty, wide: bool, dst: Reg, src: Reg) {
        match (to.is_64(), wide) {
            (false, false) => asm!(self; cvtsi2ss Rx(dst), Rd(src)),
            (false, true) => asm!(self; cvtsi2ss Rx(dst), Rq(src)),
            (true, false) => asm!(self; cvtsi2sd Rx(dst), Rd(src)),
            (true, true) => asm!(self; cvtsi2sd Rx(dst), Rq(src)),
        }
    }

    fn ucomi(&mut self, ty: Ty, left: Reg, right: Reg) {
        if ty.is_64() {
            asm!(self; ucomisd Rx(left), Rx(right));
        } else {
            asm!(self; ucomiss Rx(left), Rx(right));
        }
    }

    /// Changes the float scratch register.
    fn compare_with_zero(&mut self, ty: Ty, left: Reg) {
        asm!(self; xorps fscratch, fscratch);
        self.ucomi(ty, left, Reg::FSCRATCH);
    }

    /// Changes the sign of the float scratch register, through the integer one.
    fn negate_fscratch(&mut self, ty: Ty) {
        if ty.is_64() {
            asm!(self; movq scratch, fscratch; btc scratch, 63; movq fscratch, scratch);
        } else {
            asm!(self; movd scratch_d, fscratch; btc scratch_d, 31; movd fscratch, scratch_d);
        }
    }
}

impl Cold<'_> {
    /// The end of a truncation that traps: out of range here, not a number where the jump is.
    fn trap_overflow_or(&mut self, nan: ShortJump) {
        self.trap(TrapCode::IntegerOverflow);
        self.bind_short(nan);
        self.trap(TrapCode::InvalidConversionToInteger);
    }
}

impl FuncGen<'_> {
    fn truncate_float(&mut self, from: Ty, to: Ty, signed: bool, out: OutOfRange) {
        let value = self.state.pop();
        let src = self.use_reg(value);
        let dst = self.alloc(false);
        match (to.is_64(), signed) {
            (wide, true) => self.truncate_signed(from, wide, out, src, dst),
            (false, false) => self.truncate_u32(from, out, src, dst),
            (true, false) => self.truncate_u64(from, out, src, dst),
        }
        self.state.release(src);
        self.push_reg(to, dst);
    }

    fn truncate_signed(&mut self, from: Ty, wide: bool, out: OutOfRange, src: Reg, dst: Reg) {
        self.masm.cvtt(from, wide, dst, src);
        // Overflows exactly for the smallest integer.
        self.masm.ri(Alu::Cmp, wide, dst, 1);
        self.out_of_line(Cc::O, |cold| {
            cold.ucomi(from, src, src);
            let nan = cold.jcc_short(Cc::P);
            match out {
                OutOfRange::Trap => {
                    // What lies above the smallest integer minus one, and below zero, is right.
                    let (bound, cc) = match (from.is_64(), wide) {
                        // -2147483649.0
                        (true, false) => (0xc1e0_0000_0020_0000, Cc::A),
                        (_, true) | (false, false) => {
                            let sign = if from.is_64() { SIGN_64 } else { SIGN_32 };
                            (power_bits(from, if wide { 63 } else { 31 }) | sign, Cc::Ae)
                        }
                    };
                    cold.float_const(from.is_64(), Reg::FSCRATCH, bound);
                    cold.ucomi(from, src, Reg::FSCRATCH);
                    let below = cold.jcc_short(cc.negate());
                    cold.compare_with_zero(from, src);
                    cold.resume_if(Cc::B);
                    cold.bind_short(below);
                    cold.trap_overflow_or(nan);
                }
                OutOfRange::Saturate => {
                    // `dst` is the smallest integer already; one less is the largest.
                    cold.compare_with_zero(from, src);
                    cold.resume_if(Cc::B);
                    cold.ri(Alu::Sub, wide, dst, 1);
                    cold.resume();
                    cold.bind_short(nan);
                    cold.zero(dst);
                    cold.resume();
                }
            }
        });
    }

    /// Through 64 bits: the result is right exactly if its upper half is zero.
    fn truncate_u32(&mut self, from: Ty, out: OutOfRange, src: Reg, dst: Reg) {
        self.masm.cvtt(from, true, dst, src);
        self.masm.mov32(Reg::SCRATCH, dst);
        self.masm.rr(Alu::Cmp.op().wide(true), dst, Reg::SCRATCH);
        self.out_of_line(Cc::Ne, |cold| {
            cold.ucomi(from, src, src);
            let nan = cold.jcc_short(Cc::P);
            match out {
                OutOfRange::Trap => cold.trap_overflow_or(nan),
                OutOfRange::Saturate => {
                    cold.compare_with_zero(from, src);
                    let negative = cold.jcc_short(Cc::B);
                    cold.mov_imm(dst, 0xffff_ffff);
                    cold.resume();
                    cold.bind_short(nan);
                    cold.bind_short(negative);
                    cold.zero(dst);
                    cold.resume();
                }
            }
        });
    }

    /// A negative result of the signed conversion is no number below 2^63: out of line, 2^63 is
    /// subtracted first.
    fn truncate_u64(&mut self, from: Ty, out: OutOfRange, src: Reg, dst: Reg) {
        self.masm.cvtt(from, true, dst, src);
        self.masm.rr(Op::TEST.wide(true), dst, dst);
        self.out_of_line(Cc::S, |cold| {
            cold.ucomi(from, src, src);
            let nan = cold.jcc_short(Cc::P);
            cold.float_const(from.is_64(), Reg::FSCRATCH, power_bits(from, 63));
            cold.ucomi(from, src, Reg::FSCRATCH);
            let negative = cold.jcc_short(Cc::B);
            // FSCRATCH = src - 2^63, without changing src.
            if from.is_64() {
                asm!(cold; subsd fscratch, Rx(src));
            } else {
                asm!(cold; subss fscratch, Rx(src));
            }
            cold.negate_fscratch(from);
            cold.cvtt(from, true, dst, Reg::FSCRATCH);
            cold.rr(Op::TEST.wide(true), dst, dst);
            let overflow = cold.jcc_short(Cc::S);
            cold.mov_imm(Reg::SCRATCH, SIGN_64);
            cold.rr(Alu::Xor.op().wide(true), dst, Reg::SCRATCH);
            cold.resume();
            match out {
                OutOfRange::Trap => {
                    cold.bind_short(negative);
                    cold.bind_short(overflow);
                    cold.trap_overflow_or(nan);
                }
                OutOfRange::Saturate => {
                    cold.bind_short(overflow);
                    cold.mov_imm(dst, u64::MAX);
                    cold.resume();
                    cold.bind_short(negative);
                    cold.bind_short(nan);
                    cold.zero(dst);
                    cold.resume();
                }
            }
        });
    }

    pub(crate) fn visit_i32_wrap_i64(&mut self) {
        let value = self.state.pop();
        if let Value::Const(_, bits) = value {
            return self.push_const(Ty::I32, bits & 0xffff_ffff);
        }
        self.extend_by(value, Ty::I32, Op::MOV);
    }

    pub(crate) fn visit_i64_extend_i32_u(&mut self) {
        // Registers hold zero-extended values, slots do not.
        let value = self.state.pop();
        if let Value::Const(_, bits) = value {
            return self.push_const(Ty::I64, bits);
        }
        if let Value::Reg(_, reg) = value {
            return self.push_reg(Ty::I64, reg);
        }
        self.extend_by(value, Ty::I64, Op::MOV);
    }

    pub(crate) fn visit_i64_extend_i32_s(&mut self) {
        let value = self.state.pop();
        if let Value::Const(_, bits) = value {
            return self.push_const(Ty::I64, i64::from(bits as i32) as u64);
        }
        self.extend_by(value, Ty::I64, Op::MOVSXD);
    }

    /// A conversion by one move between integer registers.
    fn extend_by(&mut self, value: Value, to: Ty, op: Op) {
        let src = self.use_reg(value);
        let target = self.target_reg(to);
        self.state.release(src);
        let dst = self.dest(target, to);
        // A 32-bit value is zero-extended already.
        if dst != src || op != Op::MOV || !to.is_64() {
            self.masm.rr(op, dst, src);
        }
        self.push_dest(target, to, dst);
    }

    pub(crate) fn visit_f32_convert_i32_s(&mut self) {
        self.convert_int(Ty::F32, false, true);
    }

    pub(crate) fn visit_f32_convert_i32_u(&mut self) {
        self.convert_int(Ty::F32, false, false);
    }

    pub(crate) fn visit_f32_convert_i64_s(&mut self) {
        self.convert_int(Ty::F32, true, true);
    }

    pub(crate) fn visit_f32_convert_i64_u(&mut self) {
        self.convert_int(Ty::F32, true, false);
    }

    pub(crate) fn visit_f64_convert_i32_s(&mut self) {
        self.convert_int(Ty::F64, false, true);
    }

    pub(crate) fn visit_f64_convert_i32_u(&mut self) {
        self.convert_int(Ty::F64, false, false);
    }

    pub(crate) fn visit_f64_convert_i64_s(&mut self) {
        self.convert_int(Ty::F64, true, true);
    }

    pub(crate) fn visit_f64_convert_i64_u(&mut self) {
        self.convert_int(Ty::F64, true, false);
    }

    /// Unsigned 32-bit integers convert as 64-bit ones.
    fn convert_int(&mut self, to: Ty, wide: bool, signed: bool) {
        let value = self.state.pop();
        let src = self.use_reg(value);
        let dst = self.alloc(true);
        // The conversion leaves the upper half alone: break the dependency on it.
        asm!(self.masm; xorps Rx(dst), Rx(dst));
        if wide && !signed {
            self.convert_u64(to, dst, src);
        } else {
            self.masm.cvtsi(to, wide || !signed, dst, src);
        }
        self.state.release(src);
        self.push_reg(to, dst);
    }

    /// Large numbers are halved first, with the lost bit kept sticky, and the result is doubled.
    fn convert_u64(&mut self, to: Ty, dst: Reg, src: Reg) {
        // Not in the cold code: an eviction must be emitted where it always runs.
        let low = self.alloc(false);
        self.masm.rr(Op::TEST.wide(true), src, src);
        let large = self.masm.jcc_cold(Cc::S);
        self.masm.cvtsi(to, true, dst, src);
        self.write_cold(large, |cold| {
            cold.mov(Reg::SCRATCH, src);
            asm!(cold; mov Rd(low), Rd(src); and Rd(low), BYTE 1; shr scratch, 1; or scratch, Rq(low));
            cold.cvtsi(to, true, dst, Reg::SCRATCH);
            if to.is_64() {
                asm!(cold; addsd Rx(dst), Rx(dst));
            } else {
                asm!(cold; addss Rx(dst), Rx(dst));
            }
            cold.resume();
        });
        self.state.release(low);
    }

    pub(crate) fn visit_f32_demote_f64(&mut self) {
        self.resize_float(Ty::F32);
    }

    pub(crate) fn visit_f64_promote_f32(&mut self) {
        self.resize_float(Ty::F64);
    }

    fn resize_float(&mut self, to: Ty) {
        let value = self.state.pop();
        let src = self.use_reg(value);
        self.state.release(src);
        let dst = self.alloc(true);
        if to.is_64() {
            asm!(self.masm; cvtss2sd Rx(dst), Rx(src));
        } else {
            asm!(self.masm; cvtsd2ss Rx(dst), Rx(src));
        }
        self.canonicalize(to, dst);
        self.push_reg(to, dst);
    }

    pub(crate) fn visit_i32_reinterpret_f32(&mut self) {
        self.reinterpret(Ty::I32);
    }

    pub(crate) fn visit_i64_reinterpret_f64(&mut self) {
        self.reinterpret(Ty::I64);
    }

    pub(crate) fn visit_f32_reinterpret_i32(&mut self) {
        self.reinterpret(Ty::F32);
    }

    pub(crate) fn visit_f64_reinterpret_i64(&mut self) {
        self.reinterpret(Ty::F64);
    }

    fn reinterpret(&mut self, to: Ty) {
        let value = self.state.pop();
        if let Value::Const(_, bits) = value {
            return self.push_const(to, bits);
        }
        let src = self.use_reg(value);
        let dst = self.alloc(to.is_float());
        if to.is_float() {
            self.masm.int_to_float(to.is_64(), dst, src);
        } else {
            self.masm.float_to_int(to.is_64(), dst, src);
        }
        self.state.release(src);
        self.push_reg(to, dst);
    }
}
