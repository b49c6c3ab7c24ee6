//! Where locals live during a translation: in variables of the frontend, or in memory.
//!
//! The frontend's SSA construction keeps, for each variable, an entry for each block, and gives
//! each loop that a variable is alive in a block parameter of its own until the loop's end shows
//! whether it is needed. That is what makes good code of the functions that programs have, but time
//! and memory grow with locals times blocks, which a body of 30 KB can drive into billions. So
//! where the product is too large, the locals that are used least, loops weighed in, are kept in
//! memory: in a stack slot, or, in an OSR entry, in the home slots of the baseline's frame. There
//! they cost a load or store per use and nothing per block.

use cranelift_codegen::ir::{InstBuilder, StackSlotData, StackSlotKind, Type, Value, types};
use upshift_abi::frame::HomeSlot;
use upshift_abi::kind::WORD_BYTES;
use upshift_abi::{Kind, ValType, Width, callconv};
use wasmparser::{FunctionBody, Operator};

use super::access;
use super::extend::variable_type;
use super::{TranslateError, Translator, TypedVar};
use crate::signature::{POINTER, clif_type, width};

/// Entries of the frontend's map from variables and blocks to values: four bytes each, and about
/// 100 ns where one becomes a block parameter. No function of CPython, Ruby, Clang or Yosys needs
/// as many.
const MAX_ENTRIES: usize = 4 << 20;

/// Steps for removing loops' parameters again: their number squared, for each loop.
const MAX_REMOVALS: usize = 1 << 28;

/// Variables that a function has in any case, if it has so many locals.
const FEW: usize = 16;

/// Where a local is.
#[derive(Clone, Copy)]
pub(crate) enum Local {
    /// In a variable of the frontend.
    Variable(TypedVar),
    /// In memory.
    Memory(Type),
    /// Nowhere: the body does not mention it.
    Unused,
}

/// Where what is in memory has its place.
#[derive(Clone, Copy)]
pub(crate) enum Homes {
    /// Nothing is in memory.
    None,
    /// In this function's own frame, from this address on.
    Own { base: Value },
    /// In the baseline's frame, which the OSR entry has taken over.
    Baseline { fp: Value },
}

impl Homes {
    /// Base and offset of a value of the width in a slot.
    fn place(self, slot: HomeSlot, width: Width) -> (Value, i32) {
        match self {
            Homes::None => unreachable!("nothing is in memory"),
            Homes::Own { base } => (base, slot.offset_upwards(width) as i32),
            Homes::Baseline { fp } => (fp, slot.offset()),
        }
    }
}

/// The home slots of locals of these kinds.
fn home_slots(kinds: &[Kind]) -> Vec<HomeSlot> {
    let slots = kinds.iter().scan(HomeSlot::NONE, |slot, kind| {
        *slot = slot.next(kind.width());
        Some(*slot)
    });
    slots.collect()
}

/// What has opened a frame.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Block,
    Loop,
    Try,
}

/// What a body does with its locals.
#[derive(Default)]
pub(super) struct Usage {
    /// How often each local is read or written, an access in a loop counted as eight.
    accesses: Vec<u64>,
    /// Blocks and edges that the body will have, about.
    blocks: usize,
    loops: usize,
}

impl Usage {
    fn of(body: &FunctionBody<'_>, locals: usize) -> Result<Self, TranslateError> {
        let mut usage = Self {
            accesses: vec![0; locals],
            ..Self::default()
        };
        let mut operators = body.get_operators_reader()?;
        let mut frames = vec![Open::Block];
        // Open frames from whose calls exceptional edges may lead.
        let mut regions = 0;
        let mut weight: u64 = 1;
        while !operators.eof() {
            match operators.read()? {
                Operator::LocalGet { local_index }
                | Operator::LocalSet { local_index }
                | Operator::LocalTee { local_index } => {
                    let accesses = &mut usage.accesses[local_index as usize];
                    *accesses = accesses.saturating_add(weight);
                }
                Operator::Block { .. } => {
                    usage.blocks += 1;
                    frames.push(Open::Block);
                }
                Operator::If { .. } => {
                    usage.blocks += 3;
                    frames.push(Open::Block);
                }
                Operator::Loop { .. } => {
                    usage.blocks += 2;
                    usage.loops += 1;
                    frames.push(Open::Loop);
                }
                Operator::TryTable { try_table } => {
                    usage.blocks += 2 + 2 * try_table.catches.len();
                    regions += 1;
                    frames.push(Open::Try);
                }
                Operator::Try { .. } => {
                    usage.blocks += 2;
                    regions += 1;
                    frames.push(Open::Try);
                }
                Operator::Catch { .. } | Operator::CatchAll => usage.blocks += 2,
                Operator::Call { .. }
                | Operator::CallIndirect { .. }
                | Operator::CallRef { .. }
                | Operator::Throw { .. }
                | Operator::ThrowRef
                | Operator::Rethrow { .. }
                    if regions > 0 =>
                {
                    usage.blocks += 1;
                }
                Operator::End | Operator::Delegate { .. } => {
                    regions -= usize::from(frames.pop() == Some(Open::Try));
                }
                Operator::BrTable { targets } => usage.blocks += targets.len() as usize + 1,
                Operator::Br { .. }
                | Operator::BrIf { .. }
                | Operator::BrOnNull { .. }
                | Operator::BrOnNonNull { .. } => usage.blocks += 1,
                _ => continue,
            }
            // Deeper than this all loops are equally hot.
            let depth = frames
                .iter()
                .rev()
                .take(64)
                .filter(|&&open| open == Open::Loop);
            weight = 1 << (3 * depth.take(6).count());
        }
        Ok(usage)
    }

    /// How many variables the function can afford.
    fn affordable(&self) -> usize {
        let by_entries = MAX_ENTRIES / self.blocks.max(1);
        let by_removals = (MAX_REMOVALS / self.loops.max(1)).isqrt();
        by_entries.min(by_removals).max(FEW)
    }

    /// Whether the frontend can bear more of both than the function's own body has.
    pub(super) fn can_grow(variables: usize, blocks: usize) -> bool {
        variables.saturating_mul(blocks) <= MAX_ENTRIES + MAX_ENTRIES / 4
    }

    /// The locals that go to variables: those used most.
    fn in_variables(&self) -> Vec<bool> {
        let mut used: Vec<usize> = (0..self.accesses.len())
            .filter(|&local| self.accesses[local] > 0)
            .collect();
        used.sort_by_key(|&local| std::cmp::Reverse(self.accesses[local]));
        let mut chosen = vec![false; self.accesses.len()];
        used.iter()
            .take(self.affordable())
            .for_each(|&local| chosen[local] = true);
        chosen
    }
}

impl Translator<'_> {
    /// Declares parameters and locals and gives them their first values.
    pub(super) fn declare_locals(
        &mut self,
        params: &[ValType],
        body: &FunctionBody<'_>,
    ) -> Result<(), TranslateError> {
        let mut kinds: Vec<Kind> = callconv::kinds(params).collect();
        for group in body.get_locals_reader()? {
            let (count, ty) = group?;
            let ty = ValType::from_wasm(ty).ok_or(TranslateError::Unsupported("this type"))?;
            kinds.resize(kinds.len() + count as usize, ty.kind());
        }
        self.place_locals(&kinds, body)?;

        let first = 1 + usize::from(self.result_area.is_some());
        let mut zero = None;
        for (i, &kind) in kinds.iter().enumerate() {
            let value = match (&self.osr, self.builder.current_block()) {
                (None, Some(entry)) if i < params.len() => {
                    self.builder.block_params(entry)[first + i]
                }
                // Where the body is entered in the middle, nothing before that point ever runs.
                _ => match zero {
                    Some((ty, value)) if ty == clif_type(kind) => value,
                    _ => self.zero(kind),
                },
            };
            if i >= params.len() {
                zero = Some((clif_type(kind), value));
            }
            match self.locals[i] {
                Local::Memory(_) if self.osr.is_some() => {}
                Local::Variable(_) | Local::Memory(_) => self.set_local(i, value),
                Local::Unused => {}
            }
        }
        Ok(())
    }

    /// Decides where each local lives.
    fn place_locals(
        &mut self,
        kinds: &[Kind],
        body: &FunctionBody<'_>,
    ) -> Result<(), TranslateError> {
        let body_bytes = body.as_bytes().len();
        // A block takes two bytes of body or more, so most functions need no closer look.
        let usage = match kinds.len().saturating_mul(body_bytes) {
            product if product <= MAX_ENTRIES / 2 => None,
            _ => Some(Usage::of(body, kinds.len())?),
        };
        let chosen = usage.as_ref().map(Usage::in_variables);
        let mut in_memory = 0;
        self.local_slots = home_slots(kinds);
        for (i, &kind) in kinds.iter().enumerate() {
            let ty = clif_type(kind);
            let local = match (&usage, &chosen) {
                (Some(usage), _) if usage.accesses[i] == 0 => Local::Unused,
                (_, Some(chosen)) if !chosen[i] => {
                    in_memory += 1;
                    Local::Memory(ty)
                }
                _ => Local::Variable(TypedVar {
                    var: self.builder.declare_var(variable_type(ty)),
                    ty,
                }),
            };
            self.locals.push(local);
        }
        let blocks = usage.map_or(body_bytes / 2, |usage| usage.blocks);
        self.inlining.note_size(kinds.len() - in_memory, blocks);
        if in_memory > 0 && self.osr.is_none() {
            let size = WORD_BYTES * self.last_local_slot().words();
            let align_to_8 = 3;
            let data = StackSlotData::new(StackSlotKind::ExplicitSlot, size, align_to_8);
            let slot = self.builder.func.create_sized_stack_slot(data);
            self.homes = Homes::Own {
                base: self.ins().stack_addr(POINTER, slot, 0),
            };
        }
        Ok(())
    }

    /// The home slot of the last local, which those of operands follow.
    pub(super) fn last_local_slot(&self) -> HomeSlot {
        self.local_slots.last().copied().unwrap_or(HomeSlot::NONE)
    }

    /// Reads a local.
    pub(crate) fn local(&mut self, index: usize) -> Value {
        match self.locals[index] {
            Local::Variable(TypedVar { var, ty }) => {
                let value = self.builder.use_var(var);
                if ty == types::I32 {
                    self.reduce(value)
                } else {
                    value
                }
            }
            Local::Memory(ty) => self.load_home(self.local_slots[index], ty),
            Local::Unused => unreachable!("the body mentions the local"),
        }
    }

    /// Writes a local.
    pub(crate) fn set_local(&mut self, index: usize, value: Value) {
        match self.locals[index] {
            Local::Variable(TypedVar { var, ty }) => {
                let value = if ty == types::I32 {
                    self.extend(value)
                } else {
                    value
                };
                self.builder.def_var(var, value);
            }
            Local::Memory(_) => self.store_home(self.local_slots[index], value),
            Local::Unused => unreachable!("the body mentions the local"),
        }
    }

    /// Reads a home slot.
    pub(super) fn load_home(&mut self, slot: HomeSlot, ty: Type) -> Value {
        let (base, offset) = self.homes.place(slot, width(ty));
        let flags = access::home(self.builder.func, ty);
        self.ins().load(ty, flags, base, offset)
    }

    /// Writes a home slot.
    pub(super) fn store_home(&mut self, slot: HomeSlot, value: Value) {
        let ty = self.builder.func.dfg.value_type(value);
        let (base, offset) = self.homes.place(slot, width(ty));
        let flags = access::home(self.builder.func, ty);
        self.ins().store(flags, value, base, offset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The baseline's `state` has a test of the same numbers.
    #[test]
    fn vectors_take_two_words() {
        let kinds = [Kind::I32, Kind::V128, Kind::V128, Kind::F64];
        let slots = home_slots(&kinds);
        let words: Vec<u32> = slots.iter().map(|slot| slot.words()).collect();
        assert_eq!(words, [1, 3, 5, 6]);
        let base = Value::from_u32(1);
        let mut upwards = 0;
        for (slot, kind) in slots.into_iter().zip(kinds) {
            let place = |homes: Homes| homes.place(slot, kind.width());
            assert_eq!(place(Homes::Baseline { fp: base }), (base, slot.offset()));
            assert_eq!(place(Homes::Own { base }), (base, upwards));
            upwards += (WORD_BYTES * kind.words()) as i32;
        }
    }
}
