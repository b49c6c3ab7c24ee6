//! Evaluation of constant expressions: initial values and offsets.

use upshift_abi::facts::{ConstExpr, ConstOp};
use upshift_abi::vmctx::VmVal;

use super::{Instance, Store};

impl Instance {
    /// The value of a constant expression.
    pub(super) fn evaluate(&self, store: &Store, expr: &ConstExpr) -> VmVal {
        let bits = match *expr.0 {
            // Nearly all expressions, and some modules have tens of thousands: needs no stack.
            [op] => self.operand(store, op),
            _ => None,
        };
        VmVal {
            bits: [bits.unwrap_or_else(|| self.compute(store, expr)), 0],
        }
    }

    fn compute(&self, store: &Store, expr: &ConstExpr) -> u64 {
        let mut stack = Vec::with_capacity(4);
        for &op in &expr.0 {
            let value = self.operand(store, op).unwrap_or_else(|| {
                let (right, left) = (pop(&mut stack), pop(&mut stack));
                binary(op, left, right)
            });
            stack.push(value);
        }
        pop(&mut stack)
    }

    /// The value of an operator without operands.
    fn operand(&self, store: &Store, op: ConstOp) -> Option<u64> {
        Some(match op {
            ConstOp::I32Const(value) => u64::from(value as u32),
            ConstOp::I64Const(value) => value as u64,
            ConstOp::F32Const(bits) => bits.into(),
            ConstOp::F64Const(bits) => bits,
            ConstOp::GlobalGet(index) => store.global_get(self.global(index)).bits[0],
            ConstOp::RefNull(_) => 0,
            ConstOp::RefFunc(func) => self.func_ref(func) as u64,
            _ => return None,
        })
    }
}

fn pop(stack: &mut Vec<u64>) -> u64 {
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
