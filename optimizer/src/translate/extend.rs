//! Values of type `i32` as 64-bit values whose upper half is zero: what addresses are made of.
//!
//! x86 clears the upper half of a register with each 32-bit instruction, so most extensions cost
//! nothing at the place where the value is made. Where it is used Cranelift does not know that
//! (the value may be a block's parameter), and copies it for each access, to a new register each
//! time. So variables of the frontend hold `i32` locals extended: their values are reduced where
//! they are read, which costs nothing, and extended where they are written.

use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::entity::EntitySet;
use cranelift_codegen::ir::{Inst, InstBuilder, InstructionData, Opcode, Type, Value, types};

use super::Translator;

/// What is known to be extended.
#[derive(Default)]
pub(crate) struct Extended {
    /// Values of 64 bits whose upper half is zero.
    clean: EntitySet<Value>,
    /// Values that were extended on the way to the current position, with the result.
    here: Vec<(Value, Value)>,
}

impl Extended {
    /// Forgets what has been extended: the results may not be available any more.
    pub(super) fn forget(&mut self) {
        self.here.clear();
    }

    /// What a value was extended to.
    fn of(&self, value: Value) -> Option<Value> {
        let known = self.here.iter().find(|(known, _)| *known == value);
        known.map(|&(_, wide)| wide)
    }

    fn remember(&mut self, value: Value, wide: Value) {
        if self.of(value).is_some() {
            return;
        }
        if self.here.len() == MAX_REMEMBERED {
            self.here.clear();
        }
        self.here.push((value, wide));
    }
}

/// The most values that are remembered: the search is linear.
const MAX_REMEMBERED: usize = 16;

impl Translator<'_> {
    /// An `i32` as a 64-bit value.
    pub(crate) fn extend(&mut self, value: Value) -> Value {
        let inst = self.builder.func.dfg.value_def(value).inst();
        let wide = inst.and_then(|inst| self.extend_definition(inst));
        let wide = wide.unwrap_or_else(|| self.extend_here(value));
        self.extended.clean.insert(wide);
        wide
    }

    /// An `i32` as a 64-bit value, if there is one already.
    pub(crate) fn extended_before(&self, value: Value) -> Option<Value> {
        if let Some(InstructionData::Unary {
            opcode: Opcode::Ireduce,
            arg,
        }) = self.definition(value)
            && self.extended.clean.contains(arg)
        {
            return Some(arg);
        }
        self.extended.of(value)
    }

    /// The `i32` that a value made by [`extend`](Self::extend), or by joining such values, holds.
    ///
    /// What was extended in another block stays so: the value that was extended would need a
    /// register of its own up to here, or be computed anew by a selection of instructions that
    /// sees through to its operands, which then live as long.
    pub(crate) fn reduce(&mut self, wide: Value) -> Value {
        self.extended.clean.insert(wide);
        match self.definition(wide) {
            Some(InstructionData::UnaryImm { imm, .. }) => self.ins().iconst(types::I32, imm),
            Some(InstructionData::Unary {
                opcode: Opcode::Uextend,
                arg,
            }) if self.is_made_here(wide) => {
                if self.builder.func.dfg.value_type(arg) != types::I32 {
                    return self.ins().uextend(types::I32, arg);
                }
                self.extended.remember(arg, wide);
                arg
            }
            _ => self.ins().ireduce(types::I32, wide),
        }
    }

    /// Whether an instruction of the current block has made the value.
    fn is_made_here(&self, value: Value) -> bool {
        let dfg = &self.builder.func.dfg;
        let inst = dfg.value_def(value).inst();
        let block = inst.and_then(|inst| self.builder.func.layout.inst_block(inst));
        block.is_some() && block == self.builder.current_block()
    }

    /// Extends the result of an instruction without another one, where that is possible.
    fn extend_definition(&mut self, inst: Inst) -> Option<Value> {
        let dfg = &self.builder.func.dfg;
        match dfg.insts[inst] {
            InstructionData::Unary {
                opcode: Opcode::Ireduce,
                arg,
            } => self.extended.clean.contains(arg).then_some(arg),
            InstructionData::Unary {
                opcode: Opcode::Uextend,
                arg,
            } => Some(self.ins().uextend(types::I64, arg)),
            InstructionData::UnaryImm {
                opcode: Opcode::Iconst,
                imm,
            } => Some(self.ins().iconst(types::I64, imm)),
            InstructionData::Load {
                opcode,
                arg,
                flags,
                offset,
            } => {
                let wide = match opcode {
                    Opcode::Load => Opcode::Uload32,
                    Opcode::Uload8 | Opcode::Uload16 => opcode,
                    _ => return None,
                };
                let dfg = &mut self.builder.func.dfg;
                let load = dfg.make_inst(InstructionData::Load {
                    opcode: wide,
                    arg,
                    flags,
                    offset,
                });
                dfg.make_inst_results(load, types::I64);
                let wide = dfg.first_result(load);
                let func = &mut *self.builder.func;
                func.replace(inst).ireduce(types::I32, wide);
                FuncCursor::new(func).at_inst(inst).insert_inst(load);
                func.set_srcloc(load, func.srcloc(inst));
                Some(wide)
            }
            _ => None,
        }
    }

    fn extend_here(&mut self, value: Value) -> Value {
        if let Some(wide) = self.extended.of(value) {
            return wide;
        }
        let wide = self.ins().uextend(types::I64, value);
        self.extended.remember(value, wide);
        wide
    }

    /// The number of low bits of an `i32` that can be other than zero, where that is obvious.
    pub(crate) fn used_bits(&self, value: Value) -> u32 {
        let mut at = self.definition(value);
        if let Some(InstructionData::Unary {
            opcode: Opcode::Ireduce,
            arg,
        }) = at
        {
            at = self.definition(arg);
        }
        match at {
            Some(InstructionData::Load {
                opcode: Opcode::Uload8,
                ..
            }) => 8,
            Some(InstructionData::Load {
                opcode: Opcode::Uload16,
                ..
            }) => 16,
            Some(InstructionData::Unary {
                opcode: Opcode::Uextend,
                arg,
            }) => match self.definition(arg) {
                Some(InstructionData::IntCompare { .. } | InstructionData::FloatCompare { .. }) => {
                    1
                }
                _ => self.builder.func.dfg.value_type(arg).bits(),
            },
            Some(InstructionData::Binary {
                opcode: Opcode::Band,
                args: [_, mask],
            }) => match self.known(mask) {
                Some(mask) => (u64::BITS - mask.leading_zeros()).min(u32::BITS),
                None => u32::BITS,
            },
            _ => u32::BITS,
        }
    }
}

/// The type of a variable that holds locals of the type.
pub(crate) fn variable_type(ty: Type) -> Type {
    match ty {
        types::I32 => types::I64,
        other => other,
    }
}
