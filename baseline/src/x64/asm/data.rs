//! A function's data: constants and jump tables, which lie behind its code.
//!
//! Each distinct constant is stored once per function, aligned to its size; instructions refer to
//! it relative to `rip`, through [`Masm::constant`]. The section starts at a multiple of its
//! largest entry's alignment, and code is placed at multiples of [`CODE_ALIGN`].

use upshift_abi::Width;
use upshift_abi::artifact::CODE_ALIGN;

use super::encode::{Mem, Op};
use super::{LateFixup, Masm, Pos, Target};

/// The data section.
#[derive(Default)]
pub(super) struct Data {
    bytes: Vec<u8>,
    /// The largest alignment of an entry.
    align: usize,
    constants: Vec<Constant>,
    /// A hash table of numbers of constants plus one, of which at most half are taken; 0 is free.
    slots: Vec<u32>,
}

/// A constant that was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Constant {
    bits: u128,
    width: Width,
    offset: u32,
}

/// The hash table's first size.
const MIN_SLOTS: usize = 16;

impl Data {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.align = 1;
        self.constants.clear();
        self.slots.clear();
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Where the section starts if what precedes it ends there.
    pub(super) fn start(&self, end: usize) -> usize {
        end.next_multiple_of(self.align.max(1))
    }

    /// Makes room for an entry, aligned; returns its offset.
    fn reserve(&mut self, align: usize, size: usize) -> u32 {
        debug_assert!(align <= CODE_ALIGN);
        self.align = self.align.max(align);
        let offset = self.bytes.len().next_multiple_of(align);
        self.bytes.resize(offset + size, 0);
        offset as u32
    }

    /// The offset of a constant.
    fn constant(&mut self, bits: u128, width: Width) -> u32 {
        if 2 * (self.constants.len() + 1) > self.slots.len() {
            self.rehash();
        }
        let mask = self.slots.len() - 1;
        let mut slot = hash(bits, width) & mask;
        while let Some(n) = self.slots[slot].checked_sub(1) {
            let known = self.constants[n as usize];
            if known.bits == bits && known.width == width {
                return known.offset;
            }
            slot = (slot + 1) & mask;
        }
        let size = width.bytes() as usize;
        let offset = self.reserve(size, size);
        self.bytes[offset as usize..].copy_from_slice(&bits.to_le_bytes()[..size]);
        let constant = Constant {
            bits,
            width,
            offset,
        };
        self.constants.push(constant);
        self.slots[slot] = self.constants.len() as u32;
        offset
    }

    #[cold]
    fn rehash(&mut self) {
        let size = (2 * self.slots.len()).max(MIN_SLOTS);
        self.slots.clear();
        self.slots.resize(size, 0);
        for (n, constant) in self.constants.iter().enumerate() {
            let mut slot = hash(constant.bits, constant.width) & (size - 1);
            while self.slots[slot] != 0 {
                slot = (slot + 1) & (size - 1);
            }
            self.slots[slot] = n as u32 + 1;
        }
    }
}

/// Spreads the bits, of which the lowest are often zero in floats.
fn hash(bits: u128, width: Width) -> usize {
    let folded = bits as u64 ^ (bits >> 64) as u64 ^ u64::from(width.bytes());
    (folded.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize
}

impl Masm {
    /// A constant of this width as an operand.
    pub(crate) fn constant(&mut self, bits: u128, width: Width) -> Mem {
        Mem::data(self.data.constant(bits, width))
    }

    /// `op reg, [data]`.
    #[cold]
    #[inline(never)]
    pub(super) fn rm_data(&mut self, op: Op, reg: u8, offset: u32) {
        self.rip(op, reg);
        let at = self.pos();
        self.buf.put(0, 4);
        self.late.push(LateFixup {
            at,
            base: at.plus(4),
            target: Pos::data(offset),
        });
    }

    /// Where a jump table begins whose entries follow.
    pub(crate) fn begin_table(&mut self) -> Pos {
        Pos::data(self.data.reserve(4, 0))
    }

    /// Writes an entry of the jump table that was begun last: the distance from its start.
    pub(crate) fn table_entry(&mut self, table: Pos, target: Target<'_>) {
        let at = Pos::data(self.data.reserve(4, 4));
        match target {
            Target::Pos(target) => self.late.push(LateFixup {
                at,
                base: table,
                target,
            }),
            Target::Label(label) => self.wait(label, at, table),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_stored_once_and_aligned() {
        let mut data = Data::default();
        data.clear();
        let offsets = [
            (7, Width::W32),
            (7, Width::W64),
            (7, Width::W32),
            (9, Width::W128),
            (7, Width::W64),
            (9, Width::W32),
        ]
        .map(|(bits, width)| data.constant(bits, width));
        assert_eq!(offsets, [0, 8, 0, 16, 8, 32]);
        assert_eq!((data.len(), data.start(33)), (36, 48));
        data.clear();
        assert_eq!((data.constant(9, Width::W32), data.start(33)), (0, 36));
    }

    #[test]
    fn many_constants_are_found_again() {
        let mut data = Data::default();
        data.clear();
        let offset = |n: u32| 8 * n;
        let bits = |n: u32| u128::from(f64::from(n).to_bits());
        for _ in 0..2 {
            for n in 0..1000 {
                assert_eq!(data.constant(bits(n), Width::W64), offset(n));
            }
        }
        assert_eq!(data.len(), 8000);
    }
}
