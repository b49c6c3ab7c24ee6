//! Permutations of bytes: `i8x16.shuffle`, whose pattern is known, and `i8x16.swizzle`.
//!
//! Many patterns are one instruction without a mask in memory. The others look bytes up in each
//! operand and combine the results; where the look-up finds the highest bit set, it yields zero.

use upshift_abi::Kind;

use crate::asm::opcode::vector::VecOp;
use crate::func_gen::FuncGen;
use crate::op::vector::splat;
use crate::value::Value;

/// What a pattern is, in the terms of instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pattern {
    /// The first operand.
    First,
    /// Lanes of 32 bits of the first operand, two bits for each.
    Lanes32(u8),
    /// Lanes of both operands by turns.
    Interleave(VecOp),
    /// Sixteen bytes of both operands in a row, the second one's in front of the first one's, so
    /// many bytes from the beginning of the first.
    Window(u8),
    /// Bytes of the first operand only.
    OneSource,
    /// Any other.
    TwoSources,
}

/// The instructions that interleave, with the bytes of a lane and the half of the operands.
const INTERLEAVING: [(VecOp, u8, u8); 8] = [
    (VecOp::PUNPCKLBW, 1, 0),
    (VecOp::PUNPCKHBW, 1, 8),
    (VecOp::PUNPCKLWD, 2, 0),
    (VecOp::PUNPCKHWD, 2, 8),
    (VecOp::PUNPCKLDQ, 4, 0),
    (VecOp::PUNPCKHDQ, 4, 8),
    (VecOp::PUNPCKLQDQ, 8, 0),
    (VecOp::PUNPCKHQDQ, 8, 8),
];

impl Pattern {
    /// The simplest pattern for these bytes of the two operands.
    fn of(bytes: &[u8; 16]) -> Self {
        let are = |byte: &dyn Fn(u8) -> u8| (0..16).all(|n| bytes[usize::from(n)] == byte(n));
        if are(&|n| n) {
            return Pattern::First;
        }
        let lanes = bytes.chunks_exact(4);
        let is_lane = |lane: &[u8]| {
            lane[0].is_multiple_of(4)
                && lane[0] < 16
                && (0..4).all(|n| lane[usize::from(n)] == lane[0] + n)
        };
        if lanes.clone().all(is_lane) {
            let order = lanes
                .rev()
                .fold(0, |order, lane| (order << 2) | (lane[0] / 4));
            return Pattern::Lanes32(order);
        }
        for (op, size, half) in INTERLEAVING {
            let byte = |n: u8| half + n / (2 * size) * size + n % size + n / size % 2 * 16;
            if are(&byte) {
                return Pattern::Interleave(op);
            }
        }
        if are(&|n| bytes[0] + n) {
            return Pattern::Window(bytes[0]);
        }
        match bytes.iter().all(|&byte| byte < 16) {
            true => Pattern::OneSource,
            false => Pattern::TwoSources,
        }
    }
}

/// A byte that is looked up as zero.
const NOTHING: u8 = 0x80;

/// The mask for the bytes of the operand whose bytes have numbers from `first` on.
fn mask(bytes: &[u8; 16], first: u8) -> u128 {
    let byte = |&byte: &u8| {
        let number = byte.wrapping_sub(first);
        if number < 16 { number } else { NOTHING }
    };
    u128::from_le_bytes(bytes.each_ref().map(byte))
}

impl FuncGen<'_> {
    pub(crate) fn visit_i8x16_shuffle(&mut self, mut bytes: [u8; 16]) {
        let mut right = self.state.pop();
        let mut left = self.state.pop();
        if bytes.iter().all(|&byte| byte >= 16) {
            (left, right) = (right, left);
            bytes = bytes.map(|byte| byte - 16);
        }
        match Pattern::of(&bytes) {
            Pattern::First => {
                self.state.discard(right);
                let dst = self.own_reg(left);
                self.push_vector(dst);
            }
            Pattern::Lanes32(order) => {
                self.state.discard(right);
                let target = self.target_reg(Kind::V128);
                let src = self.use_reg(left);
                self.state.release(src);
                let dst = self.dest(target, Kind::V128);
                self.masm.vec_of_imm(VecOp::PSHUFD, dst, src, order);
                self.push_dest(target, Kind::V128, dst);
            }
            Pattern::Interleave(op) => self.vector_operation(op, left, right, None),
            Pattern::Window(first) => {
                let dst = self.own_reg(right);
                let left = self.use_reg(left);
                self.masm.vec_imm(VecOp::PALIGNR, dst, dst, left, first);
                self.state.release(left);
                self.push_vector(dst);
            }
            Pattern::OneSource => {
                self.state.discard(right);
                let dst = self.own_reg(left);
                self.combine(VecOp::PSHUFB, dst, mask(&bytes, 0));
                self.push_vector(dst);
            }
            Pattern::TwoSources => self.shuffle_both(left, right, &bytes),
        }
    }

    fn shuffle_both(&mut self, left: Value, right: Value, bytes: &[u8; 16]) {
        let dst = self.own_reg(left);
        let other = self.own_reg(right);
        self.combine(VecOp::PSHUFB, dst, mask(bytes, 0));
        self.combine(VecOp::PSHUFB, other, mask(bytes, 16));
        self.masm.vec(VecOp::POR, dst, dst, other);
        self.state.release(other);
        self.push_vector(dst);
    }

    /// Numbers beyond the vector get their highest bit set by a saturating addition.
    pub(crate) fn visit_i8x16_swizzle(&mut self) {
        let numbers = self.pop_own();
        let value = self.pop_own();
        self.combine(VecOp::PADDUSB, numbers, splat(0x70, 8));
        self.masm.vec(VecOp::PSHUFB, value, value, numbers);
        self.state.release(numbers);
        self.push_vector(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes that an interleaving instruction yields, by its description in the manual.
    fn interleaved(size: usize, half: usize) -> [u8; 16] {
        let lane = |operand: usize, n: usize| {
            (0..size).map(move |byte| (operand * 16 + half + n * size + byte) as u8)
        };
        let lanes = (0..8 / size).flat_map(|n| lane(0, n).chain(lane(1, n)));
        lanes.collect::<Vec<u8>>().try_into().unwrap()
    }

    #[test]
    fn patterns_are_found() {
        let counted = |first: u8| std::array::from_fn(|n| first + n as u8);
        assert_eq!(Pattern::of(&counted(0)), Pattern::First);
        assert_eq!(Pattern::of(&counted(5)), Pattern::Window(5));
        for (op, size, half) in INTERLEAVING {
            let bytes = interleaved(size.into(), half.into());
            assert_eq!(Pattern::of(&bytes), Pattern::Interleave(op));
        }
        let lanes = [4, 5, 6, 7, 12, 13, 14, 15, 0, 1, 2, 3, 0, 1, 2, 3];
        assert_eq!(Pattern::of(&lanes), Pattern::Lanes32(0b00_00_11_01));
        let mut bytes = counted(0);
        bytes[3] = 9;
        assert_eq!(Pattern::of(&bytes), Pattern::OneSource);
        bytes[15] = 31;
        assert_eq!(Pattern::of(&bytes), Pattern::TwoSources);
        // Not past the second operand's end.
        assert_eq!(Pattern::of(&[16; 16]), Pattern::TwoSources);
    }

    #[test]
    fn masks_pick_the_bytes_of_one_operand() {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&[3, 16, 31, 15]);
        assert_eq!(mask(&bytes, 0) as u32, 0x0f80_8003);
        assert_eq!(mask(&bytes, 16) as u32, 0x800f_0080);
    }
}
