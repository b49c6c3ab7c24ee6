//! Integer constants, comparisons and arithmetic.
//!
//! CLIF's instructions have WebAssembly's meaning: shifts take their amount modulo the width, and
//! divisions trap with the codes that [`trap`](crate::trap) translates.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, types};

use crate::translate::Translator;

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
        let holds = self.ins().icmp_imm_u(IntCC::Equal, value, 0);
        let result = self.ins().uextend(types::I32, holds);
        self.push(result);
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
        visit_i32_and => band;
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
