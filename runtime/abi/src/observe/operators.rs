//! The operators of a function's body, as instruments see them.

use wasmparser::{BinaryReader, FunctionBody, Operator as WasmOperator};

use crate::facts::ModuleFacts;
use crate::fuel::Charges;
use crate::index::DefinedFuncIndex;

/// An operator of a function's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operator {
    offset: u32,
    next: u32,
    kind: OperatorKind,
    is_tail_call: bool,
    targets: Option<u32>,
}

/// What an operator does, as far as instruments are mostly interested in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OperatorKind {
    /// `loop`: it is reached from the front, and by each branch back to it.
    Loop,
    /// `if`: the topmost operand is its condition.
    If,
    /// `br_if`: the topmost operand is its condition.
    BrIf,
    /// `br_table`: the topmost operand is the index of the target.
    BrTable,
    /// `br_on_null` or `br_on_non_null`.
    BrOnNull,
    /// `br`.
    Br,
    /// `call` or `return_call` of the function with this index.
    Call(u32),
    /// `call_indirect` or `return_call_indirect`: the topmost operand is the element's index.
    CallIndirect,
    /// `call_ref` or `return_call_ref`.
    CallRef,
    /// `return`.
    Return,
    /// `throw`, `throw_ref` or `rethrow`.
    Throw,
    /// `unreachable`.
    Unreachable,
    /// A load of a number from a memory: the topmost operand is its address.
    Load,
    /// A store of a number to a memory: the topmost operand is the number.
    Store,
    /// What opens, divides or ends a block, and computes nothing: `block`, `else`, `end`, `nop`,
    /// `try`, `try_table`, `catch` and the like.
    Structure,
    /// Any other.
    Other,
}

impl Operator {
    /// The operator's offset in the module.
    pub fn offset(&self) -> u32 {
        self.offset
    }

    /// The offset of what follows it.
    pub fn end(&self) -> u32 {
        self.next
    }

    /// Whether it replaces the call that it is in by another one.
    pub fn is_tail_call(&self) -> bool {
        self.is_tail_call
    }

    /// The number of targets of a `br_table`, the default one included; `None` for others.
    pub fn table_targets(&self) -> Option<u32> {
        self.targets
    }

    /// What it does.
    pub fn kind(&self) -> OperatorKind {
        self.kind
    }
}

/// Operators that are executed one after the other once the first one is, unless one traps.
/// Branches, calls and places where ways join end a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    start: u32,
    end: u32,
}

impl Block {
    /// The offset of its first operator.
    pub fn start(&self) -> u32 {
        self.start
    }

    /// The offset behind its last operator.
    pub fn end(&self) -> u32 {
        self.end
    }
}

/// The body of a function in the bytes of its module.
pub(super) fn body<'a>(
    facts: &ModuleFacts,
    wasm: &'a [u8],
    func: DefinedFuncIndex,
) -> FunctionBody<'a> {
    let range = &facts.bodies[func.index()];
    let bytes = &wasm[range.start as usize..range.end as usize];
    FunctionBody::new(BinaryReader::new(bytes, range.start.into()))
}

/// The operators of a function, in their order; of an invalid body those up to its fault.
pub fn operators(facts: &ModuleFacts, wasm: &[u8], func: DefinedFuncIndex) -> Vec<Operator> {
    let mut operators = Vec::new();
    let Ok(mut reader) = body(facts, wasm, func).get_operators_reader() else {
        return operators;
    };
    while !reader.eof() {
        let offset = reader.original_position() as u32;
        let Ok(operator) = reader.read() else {
            break;
        };
        operators.push(Operator {
            offset,
            next: reader.original_position() as u32,
            kind: kind(&operator),
            targets: match &operator {
                WasmOperator::BrTable { targets } => Some(targets.len() + 1),
                _ => None,
            },
            is_tail_call: matches!(
                operator,
                WasmOperator::ReturnCall { .. }
                    | WasmOperator::ReturnCallIndirect { .. }
                    | WasmOperator::ReturnCallRef { .. }
            ),
        });
    }
    operators
}

/// The blocks of a function, in their order: what is charged for at once if code consumes
/// [fuel](crate::fuel).
pub fn blocks(facts: &ModuleFacts, wasm: &[u8], func: DefinedFuncIndex) -> Vec<Block> {
    let charges = Charges::of(&body(facts, wasm, func));
    let starts = charges.all().iter().map(|charge| charge.at);
    let ends = starts.clone().skip(1);
    let ends = ends.chain([facts.bodies[func.index()].end]);
    starts
        .zip(ends)
        .map(|(start, end)| Block { start, end })
        .collect()
}

fn kind(operator: &WasmOperator<'_>) -> OperatorKind {
    use WasmOperator as Op;
    match operator {
        Op::Loop { .. } => OperatorKind::Loop,
        Op::If { .. } => OperatorKind::If,
        Op::BrIf { .. } => OperatorKind::BrIf,
        Op::BrTable { .. } => OperatorKind::BrTable,
        Op::BrOnNull { .. } | Op::BrOnNonNull { .. } => OperatorKind::BrOnNull,
        Op::Br { .. } => OperatorKind::Br,
        Op::Call { function_index } | Op::ReturnCall { function_index } => {
            OperatorKind::Call(*function_index)
        }
        Op::CallIndirect { .. } | Op::ReturnCallIndirect { .. } => OperatorKind::CallIndirect,
        Op::CallRef { .. } | Op::ReturnCallRef { .. } => OperatorKind::CallRef,
        Op::Return => OperatorKind::Return,
        Op::Throw { .. } | Op::ThrowRef | Op::Rethrow { .. } => OperatorKind::Throw,
        Op::Unreachable => OperatorKind::Unreachable,
        Op::I32Load { .. }
        | Op::I64Load { .. }
        | Op::F32Load { .. }
        | Op::F64Load { .. }
        | Op::I32Load8S { .. }
        | Op::I32Load8U { .. }
        | Op::I32Load16S { .. }
        | Op::I32Load16U { .. }
        | Op::I64Load8S { .. }
        | Op::I64Load8U { .. }
        | Op::I64Load16S { .. }
        | Op::I64Load16U { .. }
        | Op::I64Load32S { .. }
        | Op::I64Load32U { .. } => OperatorKind::Load,
        Op::I32Store { .. }
        | Op::I64Store { .. }
        | Op::F32Store { .. }
        | Op::F64Store { .. }
        | Op::I32Store8 { .. }
        | Op::I32Store16 { .. }
        | Op::I64Store8 { .. }
        | Op::I64Store16 { .. }
        | Op::I64Store32 { .. } => OperatorKind::Store,
        Op::Nop
        | Op::Block { .. }
        | Op::Else
        | Op::End
        | Op::Try { .. }
        | Op::TryTable { .. }
        | Op::Catch { .. }
        | Op::CatchAll
        | Op::Delegate { .. } => OperatorKind::Structure,
        _ => OperatorKind::Other,
    }
}
