//! wasmparser's types, expressions and segments, made the facts'.

use std::ops::Range;

use wasmparser::{
    BinaryReader, ConstExpr as WasmExpr, DataKind, ElementItems as WasmItems, ElementKind, Operator,
};

use super::DecodeError;
use crate::facts::data::DataSegmentsBuilder;
use crate::facts::{ConstExpr, ConstOp, ElementItems, ElementSegment, SegmentMode};
use crate::features::MissingFeature;
use crate::index::{FuncIndex, GlobalIndex, MemoryIndex, TableIndex};
use crate::types::{
    FuncType, GlobalType, IndexKind, Limits, MemoryType, RefType, Sharing, TableType, ValType,
};

pub(super) fn add_data(
    to: &mut DataSegmentsBuilder,
    data: &wasmparser::Data<'_>,
) -> Result<(), DecodeError> {
    let end = data.range.end as u32;
    let bytes = end - data.data.len() as u32..end;
    let mode = match &data.kind {
        DataKind::Passive => SegmentMode::Passive,
        DataKind::Active {
            memory_index,
            offset_expr,
        } => {
            // Nearly all, of tens of thousands in some modules.
            if let (0, Some(offset)) = (*memory_index, plain_offset(offset_expr)) {
                to.push_plain(offset, bytes);
                return Ok(());
            }
            SegmentMode::Active {
                target: MemoryIndex(*memory_index),
                offset: const_expr(offset_expr)?,
            }
        }
    };
    to.push(mode, bytes);
    Ok(())
}

/// The number that the expression is, if it is one of 32 bits.
fn plain_offset(expr: &WasmExpr<'_>) -> Option<i32> {
    let mut ops = expr.get_operators_reader();
    match (ops.read(), ops.read()) {
        (Ok(Operator::I32Const { value }), Ok(Operator::End)) => Some(value),
        _ => None,
    }
}

/// Refuses limits of memories in encodings that are longer than their type allows: five bytes with
/// 32-bit addresses, ten with 64-bit ones. The decoder reads all of them as 64-bit numbers.
pub(super) fn check_limits_encoding(section: Range<u64>, wasm: &[u8]) -> Result<(), DecodeError> {
    const HAS_MAXIMUM: u8 = 1;
    const INDEX64: u8 = 4;
    const HAS_PAGE_SIZE: u8 = 8;
    let bytes = &wasm[section.start as usize..section.end as usize];
    let mut reader = BinaryReader::new(bytes, section.start);
    for _ in 0..reader.read_var_u32()? {
        let flags = reader.read_u8()?;
        let limits = if flags & HAS_MAXIMUM != 0 { 2 } else { 1 };
        for _ in 0..limits {
            if flags & INDEX64 != 0 {
                reader.read_var_u64()?;
            } else {
                reader.read_var_u32()?;
            }
        }
        if flags & HAS_PAGE_SIZE != 0 {
            reader.read_var_u32()?;
        }
    }
    Ok(())
}

/// The refusal of what validation accepts and the compilers don't, and the proposal that it is of.
pub(super) fn unsupported(proposal: &str, what: &str) -> DecodeError {
    MissingFeature::unsupported(0, proposal, format!("{what} is not supported")).into()
}

pub(super) fn val_type(ty: wasmparser::ValType) -> Result<ValType, DecodeError> {
    ValType::from_wasm(ty).ok_or_else(|| unsupported("gc", &format!("the type {ty}")))
}

pub(super) fn ref_type(ty: wasmparser::RefType) -> Result<RefType, DecodeError> {
    RefType::from_wasm(ty).ok_or_else(|| unsupported("gc", &format!("the type {ty}")))
}

pub(super) fn func_type(ty: &wasmparser::FuncType) -> Result<FuncType, DecodeError> {
    let list = |types: &[wasmparser::ValType]| {
        let types = types.iter().map(|&ty| val_type(ty));
        types.collect::<Result<Box<[_]>, _>>()
    };
    Ok(FuncType {
        params: list(ty.params())?,
        results: list(ty.results())?,
    })
}

fn index_kind(is_64: bool) -> IndexKind {
    if is_64 {
        IndexKind::I64
    } else {
        IndexKind::I32
    }
}

pub(super) fn table_type(ty: &wasmparser::TableType) -> Result<TableType, DecodeError> {
    if ty.shared {
        return Err(unsupported("shared-everything-threads", "a shared table"));
    }
    Ok(TableType {
        index: index_kind(ty.table64),
        element: ref_type(ty.element_type)?,
        limits: Limits {
            min: ty.initial,
            max: ty.maximum,
        },
    })
}

pub(super) fn memory_type(ty: &wasmparser::MemoryType) -> MemoryType {
    MemoryType {
        index: index_kind(ty.memory64),
        page_shift: ty
            .page_size_log2
            .map_or(MemoryType::DEFAULT_PAGE_SHIFT, |shift| shift as u8),
        sharing: if ty.shared {
            Sharing::Shared
        } else {
            Sharing::Private
        },
        limits: Limits {
            min: ty.initial,
            max: ty.maximum,
        },
    }
}

pub(super) fn global_type(ty: &wasmparser::GlobalType) -> Result<GlobalType, DecodeError> {
    Ok(GlobalType {
        content: val_type(ty.content_type)?,
        mutable: ty.mutable,
    })
}

pub(super) fn element_segment(
    element: &wasmparser::Element<'_>,
) -> Result<ElementSegment, DecodeError> {
    let mode = match &element.kind {
        ElementKind::Passive => SegmentMode::Passive,
        ElementKind::Declared => SegmentMode::Declared,
        ElementKind::Active {
            table_index,
            offset_expr,
        } => SegmentMode::Active {
            target: TableIndex(table_index.unwrap_or(0)),
            offset: const_expr(offset_expr)?,
        },
    };
    let (ty, items) = match &element.items {
        WasmItems::Functions(funcs) => {
            let funcs = funcs.clone().into_iter().map(|func| func.map(FuncIndex));
            (
                RefType::FUNCREF,
                ElementItems::Funcs(funcs.collect::<Result<_, _>>()?),
            )
        }
        WasmItems::Expressions(ty, exprs) => {
            let exprs = exprs.clone().into_iter().map(|expr| const_expr(&expr?));
            let exprs = exprs.collect::<Result<_, _>>()?;
            (ref_type(*ty)?, ElementItems::Exprs(exprs))
        }
    };
    Ok(ElementSegment { ty, mode, items })
}

pub(super) fn const_expr(expr: &WasmExpr<'_>) -> Result<ConstExpr, DecodeError> {
    // Nearly all have one instruction, and large modules have thousands.
    let mut ops = Vec::with_capacity(1);
    for op in expr.get_operators_reader() {
        ops.push(match op? {
            Operator::I32Const { value } => ConstOp::I32Const(value),
            Operator::I64Const { value } => ConstOp::I64Const(value),
            Operator::F32Const { value } => ConstOp::F32Const(value.bits()),
            Operator::F64Const { value } => ConstOp::F64Const(value.bits()),
            Operator::V128Const { value } => {
                let bits = value.i128() as u128;
                ConstOp::V128Const([bits as u64, (bits >> 64) as u64])
            }
            Operator::GlobalGet { global_index } => ConstOp::GlobalGet(GlobalIndex(global_index)),
            Operator::RefNull { .. } => ConstOp::RefNull,
            Operator::RefFunc { function_index } => ConstOp::RefFunc(FuncIndex(function_index)),
            Operator::I32Add => ConstOp::I32Add,
            Operator::I32Sub => ConstOp::I32Sub,
            Operator::I32Mul => ConstOp::I32Mul,
            Operator::I64Add => ConstOp::I64Add,
            Operator::I64Sub => ConstOp::I64Sub,
            Operator::I64Mul => ConstOp::I64Mul,
            Operator::End => continue,
            other => {
                return Err(unsupported(
                    "gc",
                    &format!("the constant instruction {other:?}"),
                ));
            }
        });
    }
    Ok(ConstExpr(ops.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_proposals_are_taken_in() {
        let memory = wasmparser::MemoryType {
            memory64: true,
            shared: true,
            initial: 1 << 40,
            maximum: Some(1 << 47),
            page_size_log2: Some(0),
        };
        let expected = MemoryType {
            index: IndexKind::I64,
            page_shift: 0,
            sharing: Sharing::Shared,
            limits: Limits {
                min: 1 << 40,
                max: Some(1 << 47),
            },
        };
        assert_eq!(memory_type(&memory), expected);
        let table = wasmparser::TableType {
            element_type: wasmparser::RefType::FUNCREF,
            table64: true,
            initial: 1 << 33,
            maximum: None,
            shared: false,
        };
        let table = table_type(&table).expect("a type that can be represented");
        assert_eq!((table.index, table.limits.min), (IndexKind::I64, 1 << 33));
    }

    #[test]
    fn limits_are_as_long_as_their_index_kind_allows() {
        let check = |section: &[u8]| check_limits_encoding(0..section.len() as u64, section);
        let long = [0x80, 0x80, 0x80, 0x80, 0x80, 0x00];
        let memory = |flags: u8| [&[1, flags][..], &long].concat();
        assert!(check(&memory(0)).is_err(), "six bytes for 32 bits");
        assert!(check(&memory(4)).is_ok(), "six bytes for 64 bits");
        assert!(
            check(&[1, 0b1101, 1, 2, 0]).is_ok(),
            "with a maximum and a page size"
        );
    }
}
