//! The kinds of operands, which neither compiler tells apart at each place, by validating a body
//! again.

use wasmparser::{BinaryReaderError, FuncToValidate, FuncValidator, Operator, ValidatorResources};

use crate::facts::ModuleFacts;
use crate::index::DefinedFuncIndex;
use crate::kind::Kind;
use crate::types::ValType;

/// The kinds of the topmost operands in front of some operators of a valid body, which are given by
/// their offsets in the module, ascending: `None` where the block around the operator has none, or
/// it is a reference. At a `loop` it is that of its body's beginning.
///
/// # Errors
///
/// If the body is invalid.
pub fn operand_kinds(
    validator: FuncToValidate<ValidatorResources>,
    facts: &ModuleFacts,
    wasm: &[u8],
    func: DefinedFuncIndex,
    offsets: &[u32],
) -> Result<Vec<Option<Kind>>, BinaryReaderError> {
    let body = super::operators::body(facts, wasm, func);
    let mut validator = validator.into_validator(Default::default());
    let mut reader = body.get_binary_reader();
    validator.read_locals(&mut reader)?;
    let mut operators = body.get_operators_reader()?;
    let mut kinds = Vec::with_capacity(offsets.len());
    while !operators.eof() {
        let at = operators.original_position();
        let operator = operators.read()?;
        let is_wanted = offsets
            .get(kinds.len())
            .is_some_and(|&it| u64::from(it) == at);
        let before = topmost(&validator);
        validator.op(at, &operator)?;
        if is_wanted {
            kinds.push(match operator {
                Operator::Loop { .. } => topmost(&validator),
                _ => before,
            });
        }
    }
    Ok(kinds)
}

/// The kind of the topmost operand of the innermost block.
fn topmost(validator: &FuncValidator<ValidatorResources>) -> Option<Kind> {
    let height = validator.get_control_frame(0)?.height;
    if validator.operand_stack_height() as usize <= height {
        return None;
    }
    let ty = validator.get_operand_type(0)??;
    let kind = ValType::from_wasm(ty)?.kind();
    (kind != Kind::Ref).then_some(kind)
}
