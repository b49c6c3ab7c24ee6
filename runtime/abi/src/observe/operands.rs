//! The types of operands, which neither compiler tells apart at each place, by validating a body
//! again.

use wasmparser::{
    BinaryReaderError, FuncToValidate, FuncValidator, HeapType, Operator, ValType as WasmType,
    ValidatorResources,
};

use crate::facts::ModuleFacts;
use crate::index::DefinedFuncIndex;
use crate::types::ValType;

/// The types of the topmost operands in front of some operators of a valid body, which are given by
/// their offsets in the module, ascending: `None` where the block around the operator has none. At
/// a `loop` it is that of its body's beginning. References to functions of one type are told as
/// those to any function.
///
/// # Errors
///
/// If the body is invalid.
pub fn operand_types(
    validator: FuncToValidate<ValidatorResources>,
    facts: &ModuleFacts,
    wasm: &[u8],
    func: DefinedFuncIndex,
    offsets: &[u32],
) -> Result<Vec<Option<ValType>>, BinaryReaderError> {
    let body = super::operators::body(facts, wasm, func);
    let mut validator = validator.into_validator(Default::default());
    let mut reader = body.get_binary_reader();
    validator.read_locals(&mut reader)?;
    let mut operators = body.get_operators_reader()?;
    let mut types = Vec::with_capacity(offsets.len());
    while !operators.eof() {
        let at = operators.original_position();
        let operator = operators.read()?;
        let is_wanted = offsets
            .get(types.len())
            .is_some_and(|&it| u64::from(it) == at);
        let before = topmost(&validator);
        validator.op(at, &operator)?;
        if is_wanted {
            types.push(match operator {
                Operator::Loop { .. } => topmost(&validator),
                _ => before,
            });
        }
    }
    Ok(types)
}

/// The type of the topmost operand of the innermost block.
fn topmost(validator: &FuncValidator<ValidatorResources>) -> Option<ValType> {
    let height = validator.get_control_frame(0)?.height;
    if validator.operand_stack_height() as usize <= height {
        return None;
    }
    match validator.get_operand_type(0)?? {
        // No other types than functions can be referred to.
        WasmType::Ref(ty) if matches!(ty.heap_type(), HeapType::Concrete(_)) => {
            Some(ValType::FUNCREF)
        }
        ty => ValType::from_wasm(ty),
    }
}
