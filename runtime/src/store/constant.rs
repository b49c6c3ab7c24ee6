//! Evaluation of constant expressions: initial values and offsets.

use upshift_abi::facts::{ConstExpr, ConstOp};
use upshift_abi::vmctx::VmVal;

use super::{Instance, Store};

impl Instance {
    /// The value of a constant expression.
    pub(super) fn evaluate(&self, store: &Store, expr: &ConstExpr) -> VmVal {
        let value = match *expr.0 {
            // Nearly all expressions, and some modules have tens of thousands: needs no stack.
            [op] => self.operand(store, op),
            _ => None,
        };
        value.unwrap_or_else(|| self.compute(store, expr))
    }

    fn compute(&self, store: &Store, expr: &ConstExpr) -> VmVal {
        let mut stack = Vec::with_capacity(4);
        for &op in &expr.0 {
            let value = self.operand(store, op).unwrap_or_else(|| {
                let (right, left) = (pop(&mut stack), pop(&mut stack));
                word(binary(op, left.bits[0], right.bits[0]))
            });
            stack.push(value);
        }
        pop(&mut stack)
    }

    /// The value of an operator without operands.
    fn operand(&self, store: &Store, op: ConstOp) -> Option<VmVal> {
        Some(match op {
            ConstOp::I32Const(value) => word(u64::from(value as u32)),
            ConstOp::I64Const(value) => word(value as u64),
            ConstOp::F32Const(bits) => word(bits.into()),
            ConstOp::F64Const(bits) => word(bits),
            ConstOp::V128Const(bits) => VmVal { bits },
            ConstOp::GlobalGet(index) => store.global_get(self.global(index)),
            ConstOp::RefNull => word(0),
            ConstOp::RefFunc(func) => word(self.func_ref(func) as u64),
            _ => return None,
        })
    }
}

/// A value of one word.
fn word(bits: u64) -> VmVal {
    VmVal { bits: [bits, 0] }
}

fn pop(stack: &mut Vec<VmVal>) -> VmVal {
    stack.pop().expect("validation checked the expression")
}

fn binary(op: ConstOp, left: u64, right: u64) -> u64 {
    let (left32, right32) = (left as u32, right as u32);
    match op {
        ConstOp::I32Add => left32.wrapping_add(right32).into(),
        ConstOp::I32Sub => left32.wrapping_sub(right32).into(),
        ConstOp::I32Mul => left32.wrapping_mul(right32).into(),
        ConstOp::I64Add => left.wrapping_add(right),
        ConstOp::I64Sub => left.wrapping_sub(right),
        ConstOp::I64Mul => left.wrapping_mul(right),
        _ => unreachable!("all other operators take no operands"),
    }
}
