//! Integer constants, comparisons and arithmetic.
//!
//! CLIF's instructions have WebAssembly's meaning: shifts take their amount modulo the width, and
//! divisions trap with the codes that [`trap`](crate::trap) translates.

use cranelift_codegen::ir::condcodes::{CondCode, FloatCC, IntCC};
use cranelift_codegen::ir::{InstBuilder, InstructionData, Opcode, Value, types};

use crate::fold::IntOp;
use crate::translate::Translator;

/// Handlers that pop two integers and push the operator's result.
macro_rules! integer {
    ($($visit:ident => $op:ident;)*) => {$(
        pub(crate) fn $visit(&mut self) {
            let (a, b) = self.pop2();
            let result = self.integer(IntOp::$op, a, b);
            self.push(result);
        }
    )*};
}

/// Handlers that compare two integers.
macro_rules! compare_integers {
    ($($visit:ident => $condition:ident;)*) => {$(
        pub(crate) fn $visit(&mut self) {
            let (a, b) = self.pop2();
            let result = self.compare(IntCC::$condition, a, b);
            self.push(result);
        }
    )*};
}

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
            None => {
                let ty = self.builder.func.dfg.value_type(value);
                let zero = self.ins().iconst(ty, 0);
                let result = self.compare(IntCC::Equal, value, zero);
                self.push(result);
                return;
            }
        };
        let result = self.ins().uextend(types::I32, holds);
        self.push(result);
    }

    /// The number that a value is.
    pub(crate) fn constant(&self, value: Value) -> Option<i64> {
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

    compare_integers! {
        visit_i32_eq => Equal;
        visit_i32_ne => NotEqual;
        visit_i32_lt_s => SignedLessThan;
        visit_i32_lt_u => UnsignedLessThan;
        visit_i32_gt_s => SignedGreaterThan;
        visit_i32_gt_u => UnsignedGreaterThan;
        visit_i32_le_s => SignedLessThanOrEqual;
        visit_i32_le_u => UnsignedLessThanOrEqual;
        visit_i32_ge_s => SignedGreaterThanOrEqual;
        visit_i32_ge_u => UnsignedGreaterThanOrEqual;
        visit_i64_eq => Equal;
        visit_i64_ne => NotEqual;
        visit_i64_lt_s => SignedLessThan;
        visit_i64_lt_u => UnsignedLessThan;
        visit_i64_gt_s => SignedGreaterThan;
        visit_i64_gt_u => UnsignedGreaterThan;
        visit_i64_le_s => SignedLessThanOrEqual;
        visit_i64_le_u => UnsignedLessThanOrEqual;
        visit_i64_ge_s => SignedGreaterThanOrEqual;
        visit_i64_ge_u => UnsignedGreaterThanOrEqual;
    }

    unary! {
        visit_i32_clz => clz;
        visit_i32_ctz => ctz;
        visit_i32_popcnt => popcnt;
        visit_i64_clz => clz;
        visit_i64_ctz => ctz;
        visit_i64_popcnt => popcnt;
    }

    integer! {
        visit_i32_add => Add;
        visit_i32_sub => Sub;
        visit_i32_mul => Mul;
        visit_i32_div_s => DivS;
        visit_i32_div_u => DivU;
        visit_i32_rem_s => RemS;
        visit_i32_rem_u => RemU;
        visit_i32_and => And;
        visit_i32_or => Or;
        visit_i32_xor => Xor;
        visit_i32_shl => Shl;
        visit_i32_shr_s => ShrS;
        visit_i32_shr_u => ShrU;
        visit_i32_rotl => Rotl;
        visit_i32_rotr => Rotr;
        visit_i64_add => Add;
        visit_i64_sub => Sub;
        visit_i64_mul => Mul;
        visit_i64_div_s => DivS;
        visit_i64_div_u => DivU;
        visit_i64_rem_s => RemS;
        visit_i64_rem_u => RemU;
        visit_i64_and => And;
        visit_i64_or => Or;
        visit_i64_xor => Xor;
        visit_i64_shl => Shl;
        visit_i64_shr_s => ShrS;
        visit_i64_shr_u => ShrU;
        visit_i64_rotl => Rotl;
        visit_i64_rotr => Rotr;
    }
}
