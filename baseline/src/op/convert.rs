//! Conversions between the number types.
//!
//! Truncation to an integer yields the smallest integer where it can't; only then does
//! out-of-line code find out whether that was right, a trap, or is to be clamped.

use upshift_abi::{Kind, RegClass, TrapCode};

use crate::asm::encode::OperandSize::{self, S32, S64};
use crate::asm::encode::{Alu, Op, Signedness};
use crate::asm::{Cc, Cold, Masm, ShortJump, asm};
use crate::func_gen::FuncGen;
use crate::reg::Reg;
use crate::value::Value;

/// The treatment of a float that has no integer counterpart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OutOfRange {
    Trap,
    Saturate,
}

/// The truncations: name, size of the float, size of the integer, signedness, out of range.
macro_rules! truncations {
    ($($visit:ident($from:ident => $to:ident, $sign:ident, $out:ident);)*) => {
        impl FuncGen<'_> {$(
            pub(crate) fn $visit(&mut self) {
                self.truncate_float($from, $to, Signedness::$sign, OutOfRange::$out);
            }
        )*}
    };
}

truncations! {
    visit_i32_trunc_f32_s(S32 => S32, Signed, Trap);
    visit_i32_trunc_f32_u(S32 => S32, Unsigned, Trap);
    visit_i32_trunc_f64_s(S64 => S32, Signed, Trap);
    visit_i32_trunc_f64_u(S64 => S32, Unsigned, Trap);
    visit_i64_trunc_f32_s(S32 => S64, Signed, Trap);
    visit_i64_trunc_f32_u(S32 => S64, Unsigned, Trap);
    visit_i64_trunc_f64_s(S64 => S64, Signed, Trap);
    visit_i64_trunc_f64_u(S64 => S64, Unsigned, Trap);
    visit_i32_trunc_sat_f32_s(S32 => S32, Signed, Saturate);
    visit_i32_trunc_sat_f32_u(S32 => S32, Unsigned, Saturate);
    visit_i32_trunc_sat_f64_s(S64 => S32, Signed, Saturate);
    visit_i32_trunc_sat_f64_u(S64 => S32, Unsigned, Saturate);
    visit_i64_trunc_sat_f32_s(S32 => S64, Signed, Saturate);
    visit_i64_trunc_sat_f32_u(S32 => S64, Unsigned, Saturate);
    visit_i64_trunc_sat_f64_s(S64 => S64, Signed, Saturate);
    visit_i64_trunc_sat_f64_u(S64 => S64, Unsigned, Saturate);
}

/// A power of two as a float's bits.
fn power_bits(size: OperandSize, exponent: u32) -> u64 {
    match size {
        S32 => u64::from((127 + exponent) << 23),
        S64 => u64::from(1023 + exponent) << 52,
    }
}

/// The sign bit.
const fn sign_bit(size: OperandSize) -> u64 {
    match size {
        S32 => 1 << 31,
        S64 => 1 << 63,
    }
}

impl Masm {
    /// From a float to an integer.
    fn cvtt(&mut self, from: OperandSize, to: OperandSize, dst: Reg, src: Reg) {
        match (from, to) {
            (S32, S32) => asm!(self; cvttss2si Rd(dst), Rx(src)),
            (S32, S64) => asm!(self; cvttss2si Rq(dst), Rx(src)),
            (S64, S32) => asm!(self; cvttsd2si Rd(dst), Rx(src)),
            (S64, S64) => asm!(self; cvttsd2si Rq(dst), Rx(src)),
        }
    }

    /// From an integer to a float.
    fn cvtsi(&mut self, from: OperandSize, to: OperandSize, dst: Reg, src: Reg) {
        match (from, to) {
            (S32, S32) => asm!(self; cvtsi2ss Rx(dst), Rd(src)),
            (S64, S32) => asm!(self; cvtsi2ss Rx(dst), Rq(src)),
            (S32, S64) => asm!(self; cvtsi2sd Rx(dst), Rd(src)),
            (S64, S64) => asm!(self; cvtsi2sd Rx(dst), Rq(src)),
        }
    }

    fn ucomi(&mut self, size: OperandSize, left: Reg, right: Reg) {
        match size {
            S32 => asm!(self; ucomiss Rx(left), Rx(right)),
            S64 => asm!(self; ucomisd Rx(left), Rx(right)),
        }
    }

    fn compare_with(&mut self, size: OperandSize, left: Reg, bits: u64) {
        let right = self.fscratch();
        self.float_const(size.float(), right.reg(), bits);
        self.ucomi(size, left, right.reg());
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
    fn truncate_float(
        &mut self,
        from: OperandSize,
        to: OperandSize,
        signedness: Signedness,
        out: OutOfRange,
    ) {
        let value = self.state.pop();
        let src = self.use_reg(value);
        let dst = self.alloc(RegClass::Int);
        match (to, signedness) {
            (_, Signedness::Signed) => self.truncate_signed(from, to, out, src, dst),
            (S32, Signedness::Unsigned) => self.truncate_u32(from, out, src, dst),
            (S64, Signedness::Unsigned) => self.truncate_u64(from, out, src, dst),
        }
        self.state.release(src);
        self.push_reg(to.int(), dst);
    }

    fn truncate_signed(
        &mut self,
        from: OperandSize,
        to: OperandSize,
        out: OutOfRange,
        src: Reg,
        dst: Reg,
    ) {
        self.masm.cvtt(from, to, dst, src);
        // Overflows exactly for the smallest integer.
        self.masm.ri(Alu::Cmp, to, dst, 1);
        self.out_of_line(Cc::O, |cold| {
            cold.ucomi(from, src, src);
            let nan = cold.jcc_short(Cc::P);
            match out {
                OutOfRange::Trap => {
                    // What lies above the smallest integer minus one, and below zero, is right.
                    let (bound, cc) = match (from, to) {
                        // -2147483649.0
                        (S64, S32) => (0xc1e0_0000_0020_0000, Cc::A),
                        (S32, S32) => (power_bits(from, 31) | sign_bit(from), Cc::Ae),
                        (_, S64) => (power_bits(from, 63) | sign_bit(from), Cc::Ae),
                    };
                    cold.compare_with(from, src, bound);
                    let below = cold.jcc_short(cc.negate());
                    cold.compare_with(from, src, 0);
                    cold.resume_if(Cc::B);
                    cold.bind_short(below);
                    cold.trap_overflow_or(nan);
                }
                OutOfRange::Saturate => {
                    // `dst` is the smallest integer already; one less is the largest.
                    cold.compare_with(from, src, 0);
                    cold.resume_if(Cc::B);
                    cold.ri(Alu::Sub, to, dst, 1);
                    cold.resume();
                    cold.bind_short(nan);
                    cold.zero(dst);
                    cold.resume();
                }
            }
        });
    }

    /// Through 64 bits: the result is right exactly if its upper half is zero.
    fn truncate_u32(&mut self, from: OperandSize, out: OutOfRange, src: Reg, dst: Reg) {
        self.masm.cvtt(from, S64, dst, src);
        let low = self.masm.scratch();
        self.masm.mov32(low.reg(), dst);
        self.masm.rr(Alu::Cmp.op().wide(), dst, low.reg());
        self.out_of_line(Cc::Ne, |cold| {
            cold.ucomi(from, src, src);
            let nan = cold.jcc_short(Cc::P);
            match out {
                OutOfRange::Trap => cold.trap_overflow_or(nan),
                OutOfRange::Saturate => {
                    cold.compare_with(from, src, 0);
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
    fn truncate_u64(&mut self, from: OperandSize, out: OutOfRange, src: Reg, dst: Reg) {
        self.masm.cvtt(from, S64, dst, src);
        self.masm.rr(Op::TEST.wide(), dst, dst);
        self.out_of_line(Cc::S, |cold| {
            cold.ucomi(from, src, src);
            let nan = cold.jcc_short(Cc::P);
            let fscratch = cold.fscratch();
            cold.float_const(from.float(), fscratch.reg(), power_bits(from, 63));
            cold.ucomi(from, src, fscratch.reg());
            let negative = cold.jcc_short(Cc::B);
            // src - 2^63, without changing src.
            match from {
                S32 => asm!(cold, fscratch; subss fscratch, Rx(src)),
                S64 => asm!(cold, fscratch; subsd fscratch, Rx(src)),
            }
            cold.flip_sign(from, fscratch.reg());
            cold.cvtt(from, S64, dst, fscratch.reg());
            cold.rr(Op::TEST.wide(), dst, dst);
            let overflow = cold.jcc_short(Cc::S);
            let sign = cold.scratch();
            cold.mov_imm(sign.reg(), sign_bit(S64));
            cold.rr(Alu::Xor.op().wide(), dst, sign.reg());
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
            return self.push_const(Kind::I32, bits & 0xffff_ffff);
        }
        self.extend_by(value, S32, Op::MOV);
    }

    pub(crate) fn visit_i64_extend_i32_u(&mut self) {
        // Registers hold zero-extended values, slots do not.
        let value = self.state.pop();
        if let Value::Const(_, bits) = value {
            return self.push_const(Kind::I64, bits);
        }
        if let Value::Reg(_, reg) = value {
            return self.push_reg(Kind::I64, reg);
        }
        self.extend_by(value, S64, Op::MOV);
    }

    pub(crate) fn visit_i64_extend_i32_s(&mut self) {
        let value = self.state.pop();
        if let Value::Const(_, bits) = value {
            return self.push_const(Kind::I64, i64::from(bits as i32) as u64);
        }
        self.extend_by(value, S64, Op::MOVSXD);
    }

    /// A conversion by one move between integer registers.
    fn extend_by(&mut self, value: Value, to: OperandSize, op: Op) {
        let src = self.use_reg(value);
        let target = self.target_reg(to.int());
        self.state.release(src);
        let dst = self.dest(target, to.int());
        // A 32-bit value is zero-extended already.
        if dst != src || op != Op::MOV || to == S32 {
            self.masm.rr(op, dst, src);
        }
        self.push_dest(target, to.int(), dst);
    }

    pub(crate) fn visit_f32_convert_i32_s(&mut self) {
        self.convert_int(S32, S32, Signedness::Signed);
    }

    pub(crate) fn visit_f32_convert_i32_u(&mut self) {
        self.convert_int(S32, S32, Signedness::Unsigned);
    }

    pub(crate) fn visit_f32_convert_i64_s(&mut self) {
        self.convert_int(S64, S32, Signedness::Signed);
    }

    pub(crate) fn visit_f32_convert_i64_u(&mut self) {
        self.convert_int(S64, S32, Signedness::Unsigned);
    }

    pub(crate) fn visit_f64_convert_i32_s(&mut self) {
        self.convert_int(S32, S64, Signedness::Signed);
    }

    pub(crate) fn visit_f64_convert_i32_u(&mut self) {
        self.convert_int(S32, S64, Signedness::Unsigned);
    }

    pub(crate) fn visit_f64_convert_i64_s(&mut self) {
        self.convert_int(S64, S64, Signedness::Signed);
    }

    pub(crate) fn visit_f64_convert_i64_u(&mut self) {
        self.convert_int(S64, S64, Signedness::Unsigned);
    }

    /// Unsigned 32-bit integers convert as 64-bit ones.
    fn convert_int(&mut self, from: OperandSize, to: OperandSize, signedness: Signedness) {
        let value = self.state.pop();
        let src = self.use_reg(value);
        let dst = self.alloc(RegClass::Float);
        // The conversion leaves the upper half alone: break the dependency on it.
        asm!(self.masm; xorps Rx(dst), Rx(dst));
        match (from, signedness) {
            (_, Signedness::Signed) => self.masm.cvtsi(from, to, dst, src),
            (S32, Signedness::Unsigned) => self.masm.cvtsi(S64, to, dst, src),
            (S64, Signedness::Unsigned) => self.convert_u64(to, dst, src),
        }
        self.state.release(src);
        self.push_reg(to.float(), dst);
    }

    /// Large numbers are halved first, with the lost bit kept sticky, and the result is doubled.
    fn convert_u64(&mut self, to: OperandSize, dst: Reg, src: Reg) {
        // Not in the cold code: an eviction must be emitted where it always runs.
        let low = self.alloc(RegClass::Int);
        self.masm.rr(Op::TEST.wide(), src, src);
        let large = self.masm.jcc_cold(Cc::S);
        self.masm.cvtsi(S64, to, dst, src);
        self.write_cold(large, |cold| {
            let scratch = cold.scratch();
            cold.mov(scratch.reg(), src);
            asm!(cold, scratch;
                mov Rd(low), Rd(src)
                ; and Rd(low), BYTE 1
                ; shr scratch, 1
                ; or scratch, Rq(low)
            );
            cold.cvtsi(S64, to, dst, scratch.reg());
            match to {
                S32 => asm!(cold; addss Rx(dst), Rx(dst)),
                S64 => asm!(cold; addsd Rx(dst), Rx(dst)),
            }
            cold.resume();
        });
        self.state.release(low);
    }

    pub(crate) fn visit_f32_demote_f64(&mut self) {
        self.resize_float(S32);
    }

    pub(crate) fn visit_f64_promote_f32(&mut self) {
        self.resize_float(S64);
    }

    fn resize_float(&mut self, to: OperandSize) {
        let value = self.state.pop();
        let src = self.use_reg(value);
        self.state.release(src);
        let dst = self.alloc(RegClass::Float);
        match to {
            S32 => asm!(self.masm; cvtsd2ss Rx(dst), Rx(src)),
            S64 => asm!(self.masm; cvtss2sd Rx(dst), Rx(src)),
        }
        self.canonicalize(to, dst);
        self.push_reg(to.float(), dst);
    }

    pub(crate) fn visit_i32_reinterpret_f32(&mut self) {
        self.reinterpret_float(S32);
    }

    pub(crate) fn visit_i64_reinterpret_f64(&mut self) {
        self.reinterpret_float(S64);
    }

    pub(crate) fn visit_f32_reinterpret_i32(&mut self) {
        self.reinterpret_int(S32);
    }

    pub(crate) fn visit_f64_reinterpret_i64(&mut self) {
        self.reinterpret_int(S64);
    }

    fn reinterpret_float(&mut self, size: OperandSize) {
        let value = self.state.pop();
        if let Value::Const(_, bits) = value {
            return self.push_const(size.int(), bits);
        }
        let src = self.use_reg(value);
        let dst = self.alloc(RegClass::Int);
        self.masm.float_to_int(size, dst, src);
        self.state.release(src);
        self.push_reg(size.int(), dst);
    }

    fn reinterpret_int(&mut self, size: OperandSize) {
        let value = self.state.pop();
        if let Value::Const(_, bits) = value {
            return self.push_const(size.float(), bits);
        }
        let src = self.use_reg(value);
        let dst = self.alloc(RegClass::Float);
        self.masm.int_to_float(size, dst, src);
        self.state.release(src);
        self.push_reg(size.float(), dst);
    }
}
