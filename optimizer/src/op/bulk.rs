//! `memory.copy` and `memory.fill`: in line if the length is a small constant, else by builtins:
//! one that is quick for short ranges, and where it has done nothing one that can do everything.
//!
//! Compilers that may use these operators copy and clear each small structure with them. In line a
//! copy loads all that it stores first, so the two ranges may overlap, and the uppermost bytes are
//! stored first: if they are outside of the memory, the trap comes before anything is written.

use cranelift_codegen::ir::{Block, InstBuilder, MemFlagsData, Type, Value, types};
use upshift_abi::{Builtin, MemoryIndex};

use super::memory::Address;
use crate::options::Bulk;
use crate::translate::{Bytes, Translator};

/// The longest range, in bytes, that is copied or filled in line.
const MAX_SHORT: u32 = 64;

/// A range of bytes in a memory, its address checked.
struct Range {
    bytes: Bytes,
    address: Address,
}

impl Range {
    /// Flags, base and offset of an access at a distance from the beginning.
    fn place(&self, distance: u32) -> (MemFlagsData, Value, i32) {
        let offset = self.address.offset.checked_add_unsigned(distance);
        let offset = offset.expect("offsets of these operators are zero");
        (self.address.flags, self.address.base, offset)
    }
}

/// The accesses, as distances and types, that cover a range, from its end down. Two can overlap.
fn pieces(size: u32) -> Vec<(u32, Type)> {
    let ty = match size {
        16.. => types::I8X16,
        8.. => types::I64,
        4.. => types::I32,
        2.. => types::I16,
        _ => types::I8,
    };
    let step = ty.bytes();
    let mut pieces = Vec::new();
    let mut end = size;
    while end > 0 {
        let start = end.saturating_sub(step);
        pieces.push((start, ty));
        end = start;
    }
    pieces
}

impl Translator<'_> {
    pub(crate) fn visit_memory_copy(&mut self, to: u32, from: u32) {
        let (target, source, len) = self.pop3();
        let kinds = [to, from].map(|memory| self.memory_style(memory).index());
        self.charge_items(kinds[0].min(kinds[1]), len);
        if let Some(size) = self.short(len) {
            let from = self.access_at(from, source, size);
            let to = self.access_at(to, target, size);
            return self.copy_short(from, to);
        }
        let target = self.index_to_i64(kinds[0], target);
        let source = self.index_to_i64(kinds[1], source);
        let len = self.index_to_i64(kinds[0].min(kinds[1]), len);
        let done = match to == from {
            true => self.try_short(Builtin::MemoryCopyShort, to, [target, source, len]),
            false => None,
        };
        let to = self.index_constant(to);
        let from = self.index_constant(from);
        self.call_builtin(Builtin::MemoryCopy, &[to, from, target, source, len]);
        self.end_long(done);
    }

    pub(crate) fn visit_memory_fill(&mut self, memory: u32) {
        let (start, value, len) = self.pop3();
        let kind = self.memory_style(memory).index();
        self.charge_items(kind, len);
        if let Some(size) = self.short(len) {
            let to = self.access_at(memory, start, size);
            return self.fill_short(to, value);
        }
        let start = self.index_to_i64(kind, start);
        let len = self.index_to_i64(kind, len);
        let done = self.try_short(Builtin::MemoryFillShort, memory, [start, value, len]);
        let memory = self.index_constant(memory);
        self.call_builtin(Builtin::MemoryFill, &[memory, start, value, len]);
        self.end_long(done);
    }

    /// Calls a builtin that handles short ranges within a memory, and continues where it has done
    /// nothing; returns where it has done everything.
    fn try_short(&mut self, builtin: Builtin, memory: u32, args: [Value; 3]) -> Option<Block> {
        if self.env.config.options.bulk == Bulk::Call {
            return None;
        }
        let place = self.env.facts.plan.memory(MemoryIndex(memory)).place;
        let (header, offset) = self.header(place.header());
        let header = self.ins().iadd_imm_s(header, i64::from(offset));
        let [a, b, c] = args;
        let undone = self.call_value_builtin(builtin, &[header, a, b, c]);
        let [long, done] = [(); 2].map(|()| self.builder.create_block());
        self.ins().brif(undone, long, &[], done, &[]);
        self.builder.seal_block(long);
        self.builder.set_cold_block(long);
        self.fall_through(long);
        Some(done)
    }

    /// Ends what is done for long ranges.
    fn end_long(&mut self, done: Option<Block>) {
        if let Some(done) = done {
            self.jump(done, 0);
            self.builder.seal_block(done);
            self.fall_through(done);
        }
    }

    /// A length in bytes that is known and small. None is not: an empty range can be outside of the
    /// memory.
    fn short(&self, len: Value) -> Option<u32> {
        let inline = self.env.config.options.bulk == Bulk::Inline;
        let known = self.known(len).filter(|_| inline)?;
        let len = u32::try_from(known).ok()?;
        (1..=MAX_SHORT).contains(&len).then_some(len)
    }

    /// The range of so many bytes at an index of the memory.
    fn access_at(&mut self, memory: u32, index: Value, size: u32) -> Range {
        let kind = self.memory_style(memory).index();
        let bytes = Bytes {
            memory: MemoryIndex(memory),
            base: self.index_to_i64(kind, index),
            offset: 0,
            size,
        };
        let address = self.memory_address(bytes);
        Range { bytes, address }
    }

    fn copy_short(&mut self, from: Range, to: Range) {
        let pieces = pieces(to.bytes.size);
        let values: Vec<Value> = pieces
            .iter()
            .map(|&(distance, ty)| {
                let (flags, base, offset) = from.place(distance);
                self.ins().load(ty, flags, base, offset)
            })
            .collect();
        self.contents.overwrite(to.bytes);
        for ((distance, _), value) in pieces.into_iter().zip(values) {
            let (flags, base, offset) = to.place(distance);
            self.ins().store(flags, value, base, offset);
        }
    }

    fn fill_short(&mut self, to: Range, byte: Value) {
        self.contents.overwrite(to.bytes);
        let pieces = pieces(to.bytes.size);
        let value = self.repeated(byte, pieces[0].1);
        for (distance, _) in pieces {
            let (flags, base, offset) = to.place(distance);
            self.ins().store(flags, value, base, offset);
        }
    }

    /// A value of the type whose bytes are all the lowest byte of an `i32`.
    fn repeated(&mut self, byte: Value, ty: Type) -> Value {
        let ones = 0x0101_0101_0101_0101u64;
        match (self.known(byte), ty) {
            (Some(byte), types::I8X16) => {
                let constant = [byte as u8; 16].as_slice().into();
                let constant = self.builder.func.dfg.constants.insert(constant);
                self.ins().vconst(ty, constant)
            }
            (Some(byte), _) => {
                let all = (byte & 0xff) * ones;
                let bits = all & u64::MAX >> (64 - ty.bits());
                self.ins().iconst(ty, bits as i64)
            }
            (None, types::I8X16) => {
                let byte = self.ins().ireduce(types::I8, byte);
                self.ins().splat(ty, byte)
            }
            (None, types::I8) => self.ins().ireduce(ty, byte),
            (None, _) => {
                let byte = self.ins().ireduce(types::I8, byte);
                let wide = self.ins().uextend(types::I64, byte);
                let ones = self.ins().iconst(types::I64, ones as i64);
                let all = self.ins().imul(wide, ones);
                match ty {
                    types::I64 => all,
                    _ => self.ins().ireduce(ty, all),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_a_range_from_its_end() {
        for size in 1..=MAX_SHORT {
            let pieces = pieces(size);
            let mut covered = size;
            for (start, ty) in pieces {
                assert!(start < covered && start + ty.bytes() >= covered, "{size}");
                assert!(start + ty.bytes() <= size, "{size}");
                covered = start;
            }
            assert_eq!(covered, 0, "{size}");
        }
    }
}
