//! Integer constants, comparisons and arithmetic.
//!
//! CLIF's instructions have WebAssembly's meaning: shifts take their amount modulo the width, and
//! divisions trap with the codes that [`trap`](crate::trap) translates.

use cranelift_codegen::ir::condcodes::{CondCode, FloatCC, IntCC};
use cranelift_codegen::ir::{InstBuilder, InstructionData, Opcode, Value, types};

use crate::translate::Translator;

/// A comparison and its operands.
enum Comparison {
    Int(IntCC, [Value; 2]),
    Float(FloatCC, [Value; 2]),
}

impl Translator<'_> {
    pub(crate) fn visit_i32_const(&mut self, value: i32) {
        let value = self.ins().iconst(types::I32, i64::from(value as u32));
        self.push(value);
    }

    pub(crate) fn visit_i64_const(&mut self, value: i64) {
        let value = self.ins().iconst(types::I64, value);
        self.push(value);
    }

    pub(crate) fn visit_i32_eqz(&mut self) {
        self.equals_zero();
    }

    pub(crate) fn visit_i64_eqz(&mut self) {
        self.equals_zero();
    }

    /// Replaces an integer or reference by whether it is zero.
    pub(super) fn equals_zero(&mut self) {
        let value = self.pop();
        let holds = match self.comparison(value) {
            Some(Comparison::Int(condition, [a, b])) => {
                self.ins().icmp(condition.complement(), a, b)
            }
            Some(Comparison::Float(condition, [a, b])) => {
                self.ins().fcmp(condition.complement(), a, b)
            }
            None => self.ins().icmp_imm_u(IntCC::Equal, value, 0),
        };
        let result = self.ins().uextend(types::I32, holds);
        self.push(result);
    }

    pub(crate) fn visit_i32_and(&mut self) {
        let (a, b) = self.pop2();
        let used = self.used_bits(a);
        let covers = |mask: u32| mask.trailing_ones() >= used;
        let result = match self.constant(b) {
            Some(mask) if covers(mask as u32) => a,
            _ => self.ins().band(a, b),
        };
        self.push(result);
    }

    /// The number that a value is.
    pub(super) fn constant(&self, value: Value) -> Option<i64> {
        match self.definition(value)? {
            InstructionData::UnaryImm {
                opcode: Opcode::Iconst,
                imm,
            } => Some(imm.bits()),
            _ => None,
        }
    }

    /// The comparison that a value is the result of.
    fn comparison(&self, value: Value) -> Option<Comparison> {
        let InstructionData::Unary {
            opcode: Opcode::Uextend,
            arg,
        } = self.definition(value)?
        else {
            return None;
        };
        match self.definition(arg)? {
            InstructionData::IntCompare { cond, args, .. } => Some(Comparison::Int(cond, args)),
            InstructionData::FloatCompare { cond, args, .. } => Some(Comparison::Float(cond, args)),
            _ => None,
        }
    }

    compare! {
        visit_i32_eq => icmp IntCC::Equal;
        visit_i32_ne => icmp IntCC::NotEqual;
        visit_i32_lt_s => icmp IntCC::SignedLessThan;
        visit_i32_lt_u => icmp IntCC::UnsignedLessThan;
        visit_i32_gt_s => icmp IntCC::SignedGreaterThan;
        visit_i32_gt_u => icmp IntCC::UnsignedGreaterThan;
        visit_i32_le_s => icmp IntCC::SignedLessThanOrEqual;
        visit_i32_le_u => icmp IntCC::UnsignedLessThanOrEqual;
        visit_i32_ge_s => icmp IntCC::SignedGreaterThanOrEqual;
        visit_i32_ge_u => icmp IntCC::UnsignedGreaterThanOrEqual;
        visit_i64_eq => icmp IntCC::Equal;
        visit_i64_ne => icmp IntCC::NotEqual;
        visit_i64_lt_s => icmp IntCC::SignedLessThan;
        visit_i64_lt_u => icmp IntCC::UnsignedLessThan;
        visit_i64_gt_s => icmp IntCC::SignedGreaterThan;
        visit_i64_gt_u => icmp IntCC::UnsignedGreaterThan;
        visit_i64_le_s => icmp IntCC::SignedLessThanOrEqual;
        visit_i64_le_u => icmp IntCC::UnsignedLessThanOrEqual;
        visit_i64_ge_s => icmp IntCC::SignedGreaterThanOrEqual;
        visit_i64_ge_u => icmp IntCC::UnsignedGreaterThanOrEqual;
    }

    unary! {
        visit_i32_clz => clz;
        visit_i32_ctz => ctz;
        visit_i32_popcnt => popcnt;
        visit_i64_clz => clz;
        visit_i64_ctz => ctz;
        visit_i64_popcnt => popcnt;
    }

    binary! {
        visit_i32_add => iadd;
        visit_i32_sub => isub;
        visit_i32_mul => imul;
        visit_i32_div_s => sdiv;
        visit_i32_div_u => udiv;
        visit_i32_rem_s => srem;
        visit_i32_rem_u => urem;
        visit_i32_or => bor;
        visit_i32_xor => bxor;
        visit_i32_shl => ishl;
        visit_i32_shr_s => sshr;
        visit_i32_shr_u => ushr;
        visit_i32_rotl => rotl;
        visit_i32_rotr => rotr;
        visit_i64_add => iadd;
        visit_i64_sub => isub;
        visit_i64_mul => imul;
        visit_i64_div_s => sdiv;
        visit_i64_div_u => udiv;
        visit_i64_rem_s => srem;
        visit_i64_rem_u => urem;
        visit_i64_and => band;
        visit_i64_or => bor;
        visit_i64_xor => bxor;
        visit_i64_shl => ishl;
        visit_i64_shr_s => sshr;
        visit_i64_shr_u => ushr;
        visit_i64_rotl => rotl;
        visit_i64_rotr => rotr;
    }
}
