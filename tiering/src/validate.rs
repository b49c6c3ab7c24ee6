//! Validation of one function body: wasmparser's validator behind a reader of our own for the
//! operators that most code consists of.
//!
//! What is valid is decided by wasmparser's `FuncValidator` alone. Its own loop reads each operator
//! through a general reader of all proposals, which takes a third of the time; the loop here
//! decodes frequent operators and leaves whatever else there is (rare operators, long or malformed
//! immediates, the end of the input) to that reader, at the same place. So results and error
//! messages are wasmparser's (`tests/validate.rs` compares them).

use wasmparser::{
    BinaryReader, BlockType, FuncValidator, FunctionBody, MemArg, MemArgTarget, Result,
    VisitOperator as _, WasmModuleResources,
};

/// Validates a body as [`FuncValidator::validate`] does, with the same errors.
pub(crate) fn validate_body<T: WasmModuleResources>(
    validator: &mut FuncValidator<T>,
    body: &FunctionBody<'_>,
) -> Result<()> {
    let mut reader = body.get_binary_reader();
    validator.read_locals(&mut reader)?;
    let start = reader.original_position();
    let bytes = reader.read_bytes(reader.bytes_remaining())?;
    let features = *validator.features();
    let mut position = 0;
    while position < bytes.len() {
        let rest = &bytes[position..];
        let offset = start + position as u64;
        position += match visit_frequent(validator, rest, offset)? {
            Some(length) => length,
            None => {
                let mut reader = BinaryReader::new_features(rest, offset, features);
                reader.visit_operator(&mut validator.visitor(offset))??;
                reader.current_position()
            }
        };
    }
    reader.finish_expression(&validator.visitor(reader.original_position()))
}

/// Decodes an unsigned number of 32 bits, and where it ends; `None` if it is malformed.
#[inline(always)]
fn number(bytes: &[u8], at: usize) -> Option<(u32, usize)> {
    /// The highest last byte of five: it holds four bits.
    const LAST: u8 = 0x0f;
    let mut value = 0;
    for n in 0..5 {
        let byte = *bytes.get(at + n)?;
        value |= u32::from(byte & 0x7f) << (7 * n);
        if byte < 0x80 {
            return (n < 4 || byte <= LAST).then_some((value, at + n + 1));
        }
    }
    None
}

/// Finds the end of a number of up to four bytes, which is valid with 32 and with 64 bits, signed
/// and unsigned.
#[inline(always)]
fn end_of_short_number(bytes: &[u8], at: usize) -> Option<usize> {
    (at + 1..at + 5).find(|&end| bytes.get(end - 1).is_some_and(|&byte| byte < 0x80))
}

/// Decodes a load's or store's immediates: an alignment without flags, and an offset of 32 bits.
#[inline(always)]
fn plain_memarg(bytes: &[u8], max_align: u8) -> Option<(MemArg, usize)> {
    /// Alignments from here on have bits that proposals use as flags.
    const FLAGS: u8 = 0x10;
    let align = *bytes.get(1)?;
    let (offset, end) = number(bytes, 2)?;
    let memarg = MemArg {
        align,
        max_align,
        offset: offset.into(),
        target: MemArgTarget::Memory(0),
        ordering: None,
    };
    (align < FLAGS).then_some((memarg, end))
}

/// Defines [`visit_frequent`] from the frequent operators by kind: opcode and method of
/// wasmparser's visitor; for loads and stores, the largest alignment too, as a power of two.
macro_rules! frequent {
    (
        plain { $($plain:literal $visit_plain:ident)* }
        index { $($index:literal $visit_index:ident)* }
        constant { $($constant:literal $visit_constant:ident)* }
        block { $($block:literal $visit_block:ident)* }
        memory { $($memory:literal $visit_memory:ident $max_align:literal)* }
    ) => {
        /// Visits the operator that `bytes` start with and returns its length; `None`, without
        /// having done anything, where wasmparser's reader is needed.
        #[inline(always)]
        fn visit_frequent<T: WasmModuleResources>(
            validator: &mut FuncValidator<T>,
            bytes: &[u8],
            offset: u64,
        ) -> Result<Option<usize>> {
            /// The encoding of a block without parameters and results.
            const EMPTY: u8 = 0x40;
            if validator.control_stack_height() == 0 {
                return Ok(None);
            }
            let mut visitor = validator.visitor(offset);
            Ok(Some(match bytes[0] {
                $($plain => {
                    visitor.$visit_plain()?;
                    1
                })*
                $($index => {
                    let Some((index, end)) = number(bytes, 1) else {
                        return Ok(None);
                    };
                    visitor.$visit_index(index)?;
                    end
                })*
                // The value makes no difference to validity.
                $($constant => {
                    let Some(end) = end_of_short_number(bytes, 1) else {
                        return Ok(None);
                    };
                    visitor.$visit_constant(0)?;
                    end
                })*
                $($block if bytes.get(1) == Some(&EMPTY) => {
                    visitor.$visit_block(BlockType::Empty)?;
                    2
                })*
                $($memory => {
                    let Some((memarg, end)) = plain_memarg(bytes, $max_align) else {
                        return Ok(None);
                    };
                    visitor.$visit_memory(memarg)?;
                    end
                })*
                _ => return Ok(None),
            }))
        }

        /// The opcodes above, for tests.
        #[cfg(test)]
        pub(crate) const FREQUENT: &[u8] =
            &[$($plain,)* $($index,)* $($constant,)* $($block,)* $($memory,)*];
    };
}

frequent! {
    plain {
        0x0b visit_end
        0x0f visit_return
        0x1a visit_drop
        0x1b visit_select
        0x45 visit_i32_eqz
        0x46 visit_i32_eq
        0x47 visit_i32_ne
        0x48 visit_i32_lt_s
        0x49 visit_i32_lt_u
        0x4a visit_i32_gt_s
        0x4b visit_i32_gt_u
        0x4c visit_i32_le_s
        0x4d visit_i32_le_u
        0x4e visit_i32_ge_s
        0x4f visit_i32_ge_u
        0x50 visit_i64_eqz
        0x51 visit_i64_eq
        0x52 visit_i64_ne
        0x6a visit_i32_add
        0x6b visit_i32_sub
        0x6c visit_i32_mul
        0x71 visit_i32_and
        0x72 visit_i32_or
        0x73 visit_i32_xor
        0x74 visit_i32_shl
        0x75 visit_i32_shr_s
        0x76 visit_i32_shr_u
        0x7c visit_i64_add
        0x7d visit_i64_sub
        0x7e visit_i64_mul
        0x83 visit_i64_and
        0x84 visit_i64_or
        0x85 visit_i64_xor
        0x86 visit_i64_shl
        0x87 visit_i64_shr_s
        0x88 visit_i64_shr_u
        0xa0 visit_f64_add
        0xa1 visit_f64_sub
        0xa2 visit_f64_mul
        0xa7 visit_i32_wrap_i64
        0xac visit_i64_extend_i32_s
        0xad visit_i64_extend_i32_u
    }
    index {
        0x0c visit_br
        0x0d visit_br_if
        0x10 visit_call
        0x20 visit_local_get
        0x21 visit_local_set
        0x22 visit_local_tee
        0x23 visit_global_get
        0x24 visit_global_set
    }
    constant {
        0x41 visit_i32_const
        0x42 visit_i64_const
    }
    block {
        0x02 visit_block
        0x03 visit_loop
        0x04 visit_if
    }
    memory {
        0x28 visit_i32_load 2
        0x29 visit_i64_load 3
        0x2a visit_f32_load 2
        0x2b visit_f64_load 3
        0x2c visit_i32_load8_s 0
        0x2d visit_i32_load8_u 0
        0x2e visit_i32_load16_s 1
        0x2f visit_i32_load16_u 1
        0x36 visit_i32_store 2
        0x37 visit_i64_store 3
        0x38 visit_f32_store 2
        0x39 visit_f64_store 3
        0x3a visit_i32_store8 0
        0x3b visit_i32_store16 1
    }
}
