//! Types, expressions and segments as bytes, each beside what reads it.

use crate::codec::{Decoder, Encoder, Malformed};
use crate::facts::{
    ConstExpr, ConstOp, ElementItems, ElementSegment, ImportType, Item, SegmentMode,
};
use crate::index::{FuncIndex, GlobalIndex, MemoryIndex, TableIndex, TagIndex, TypeIndex};
use crate::types::{
    GlobalType, HeapType, IndexKind, Limits, MemoryType, RefType, Sharing, TableType, TypeId,
    ValType,
};

pub(super) fn list<T>(to: &mut Encoder, items: &[T], write: impl Fn(&T, &mut Encoder)) {
    to.count(items.len());
    items.iter().for_each(|item| write(item, to));
}

pub(super) fn read_list<T>(
    from: &mut Decoder<'_>,
    read: impl Fn(&mut Decoder<'_>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let count = from.count(1)?;
    (0..count).map(|_| read(from)).collect()
}

pub(super) fn words(to: &mut Encoder, words: impl Iterator<Item = u32>) {
    let bytes: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
    to.sized(&bytes);
}

pub(super) fn read_words<'a>(
    from: &mut Decoder<'a>,
) -> Result<impl Iterator<Item = u32> + use<'a>, Malformed> {
    let words = from.sized()?.chunks_exact(4);
    Ok(words.map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]])))
}

pub(super) fn text(from: &mut Decoder<'_>) -> Result<Box<str>, Malformed> {
    let text = std::str::from_utf8(from.sized()?);
    text.map(Into::into)
        .map_err(|_| from.malformed("a name that is no text"))
}

pub(super) fn val_type(ty: ValType, to: &mut Encoder) {
    match ty {
        ValType::I32 => to.byte(0),
        ValType::I64 => to.byte(1),
        ValType::F32 => to.byte(2),
        ValType::F64 => to.byte(3),
        ValType::V128 => to.byte(4),
        ValType::Ref(ty) => {
            to.byte(5);
            ref_type(ty, to);
        }
    }
}

pub(super) fn read_val_type(from: &mut Decoder<'_>) -> Result<ValType, Malformed> {
    Ok(match from.byte()? {
        0 => ValType::I32,
        1 => ValType::I64,
        2 => ValType::F32,
        3 => ValType::F64,
        4 => ValType::V128,
        5 => ValType::Ref(read_ref_type(from)?),
        _ => return Err(from.malformed("no such type")),
    })
}

pub(super) fn ref_type(ty: RefType, to: &mut Encoder) {
    to.byte(ty.is_nullable().into());
    match ty.heap_type() {
        HeapType::Func => to.byte(0),
        HeapType::Extern => to.byte(1),
        HeapType::Exn => to.byte(2),
        HeapType::ConcreteFunc(index) => {
            to.byte(3);
            to.number(index.0);
        }
    }
}

pub(super) fn read_ref_type(from: &mut Decoder<'_>) -> Result<RefType, Malformed> {
    let is_nullable = from.byte()? != 0;
    let heap = match from.byte()? {
        0 => HeapType::Func,
        1 => HeapType::Extern,
        2 => HeapType::Exn,
        3 => HeapType::ConcreteFunc(TypeId(from.number_u32()?)),
        _ => return Err(from.malformed("no such type")),
    };
    Ok(RefType::new(is_nullable, heap))
}

pub(super) fn limits(limits: &Limits, to: &mut Encoder) {
    to.number(limits.min);
    to.byte(limits.max.is_some().into());
    to.number(limits.max.unwrap_or(0));
}

pub(super) fn read_limits(from: &mut Decoder<'_>) -> Result<Limits, Malformed> {
    let min = from.number()?;
    let bounded = from.byte()? != 0;
    let max = from.number()?;
    Ok(Limits {
        min,
        max: bounded.then_some(max),
    })
}

pub(super) fn index_kind(kind: IndexKind) -> u8 {
    match kind {
        IndexKind::I32 => 0,
        IndexKind::I64 => 1,
    }
}

pub(super) fn read_index_kind(from: &mut Decoder<'_>) -> Result<IndexKind, Malformed> {
    match from.byte()? {
        0 => Ok(IndexKind::I32),
        1 => Ok(IndexKind::I64),
        _ => Err(from.malformed("no such type of indexes")),
    }
}

pub(super) fn table_type(ty: &TableType, to: &mut Encoder) {
    to.byte(index_kind(ty.index));
    ref_type(ty.element, to);
    limits(&ty.limits, to);
}

pub(super) fn read_table_type(from: &mut Decoder<'_>) -> Result<TableType, Malformed> {
    Ok(TableType {
        index: read_index_kind(from)?,
        element: read_ref_type(from)?,
        limits: read_limits(from)?,
    })
}

pub(super) fn memory_type(ty: &MemoryType, to: &mut Encoder) {
    to.byte(index_kind(ty.index));
    to.byte(ty.page_shift);
    to.byte((ty.sharing == Sharing::Shared).into());
    limits(&ty.limits, to);
}

pub(super) fn read_memory_type(from: &mut Decoder<'_>) -> Result<MemoryType, Malformed> {
    Ok(MemoryType {
        index: read_index_kind(from)?,
        page_shift: from.byte()?,
        sharing: match from.byte()? {
            0 => Sharing::Private,
            _ => Sharing::Shared,
        },
        limits: read_limits(from)?,
    })
}

pub(super) fn global_type(ty: &GlobalType, to: &mut Encoder) {
    val_type(ty.content, to);
    to.byte(ty.mutable.into());
}

pub(super) fn read_global_type(from: &mut Decoder<'_>) -> Result<GlobalType, Malformed> {
    Ok(GlobalType {
        content: read_val_type(from)?,
        mutable: from.byte()? != 0,
    })
}

pub(super) fn import_type(ty: &ImportType, to: &mut Encoder) {
    match ty {
        ImportType::Func(ty) => {
            to.byte(0);
            to.number(ty.0);
        }
        ImportType::Table(ty) => {
            to.byte(1);
            table_type(ty, to);
        }
        ImportType::Memory(ty) => {
            to.byte(2);
            memory_type(ty, to);
        }
        ImportType::Global(ty) => {
            to.byte(3);
            global_type(ty, to);
        }
        ImportType::Tag(ty) => {
            to.byte(4);
            to.number(ty.0);
        }
    }
}

pub(super) fn read_import_type(from: &mut Decoder<'_>) -> Result<ImportType, Malformed> {
    Ok(match from.byte()? {
        0 => ImportType::Func(TypeIndex(from.number_u32()?)),
        1 => ImportType::Table(read_table_type(from)?),
        2 => ImportType::Memory(read_memory_type(from)?),
        3 => ImportType::Global(read_global_type(from)?),
        4 => ImportType::Tag(TypeIndex(from.number_u32()?)),
        _ => return Err(from.malformed("no such import")),
    })
}

pub(super) fn item(item: Item, to: &mut Encoder) {
    let (kind, index) = match item {
        Item::Func(index) => (0, index.0),
        Item::Table(index) => (1, index.0),
        Item::Memory(index) => (2, index.0),
        Item::Global(index) => (3, index.0),
        Item::Tag(index) => (4, index.0),
    };
    to.byte(kind);
    to.number(index);
}

pub(super) fn read_item(from: &mut Decoder<'_>) -> Result<Item, Malformed> {
    let kind = from.byte()?;
    let index = from.number_u32()?;
    Ok(match kind {
        0 => Item::Func(FuncIndex(index)),
        1 => Item::Table(TableIndex(index)),
        2 => Item::Memory(MemoryIndex(index)),
        3 => Item::Global(GlobalIndex(index)),
        4 => Item::Tag(TagIndex(index)),
        _ => return Err(from.malformed("no such item")),
    })
}

pub(super) fn mode<I>(mode: &SegmentMode<I>, target: impl Fn(&I, &mut Encoder), to: &mut Encoder) {
    match mode {
        SegmentMode::Passive => to.byte(0),
        SegmentMode::Declared => to.byte(1),
        SegmentMode::Active { target: at, offset } => {
            to.byte(2);
            target(at, to);
            const_expr(offset, to);
        }
    }
}

pub(super) fn read_mode<I>(
    from: &mut Decoder<'_>,
    target: impl Fn(&mut Decoder<'_>) -> Result<I, Malformed>,
) -> Result<SegmentMode<I>, Malformed> {
    Ok(match from.byte()? {
        0 => SegmentMode::Passive,
        1 => SegmentMode::Declared,
        2 => SegmentMode::Active {
            target: target(from)?,
            offset: read_const_expr(from)?,
        },
        _ => return Err(from.malformed("no such segment")),
    })
}

pub(super) fn element_segment(segment: &ElementSegment, to: &mut Encoder) {
    ref_type(segment.ty, to);
    mode(&segment.mode, |table, to| to.number(table.0), to);
    match &segment.items {
        ElementItems::Funcs(funcs) => {
            to.byte(0);
            words(to, funcs.iter().map(|func| func.0));
        }
        ElementItems::Exprs(exprs) => {
            to.byte(1);
            list(to, exprs, const_expr);
        }
    }
}

pub(super) fn read_element_segment(from: &mut Decoder<'_>) -> Result<ElementSegment, Malformed> {
    Ok(ElementSegment {
        ty: read_ref_type(from)?,
        mode: read_mode(from, |from| Ok(TableIndex(from.number_u32()?)))?,
        items: match from.byte()? {
            0 => ElementItems::Funcs(read_words(from)?.map(FuncIndex).collect()),
            _ => ElementItems::Exprs(read_list(from, read_const_expr)?.into()),
        },
    })
}

pub(super) fn const_expr(expr: &ConstExpr, to: &mut Encoder) {
    list(to, &expr.0, |op, to| {
        let (code, bits) = match *op {
            ConstOp::I32Const(value) => (0, u64::from(value as u32)),
            ConstOp::I64Const(value) => (1, value as u64),
            ConstOp::F32Const(bits) => (2, bits.into()),
            ConstOp::F64Const(bits) => (3, bits),
            ConstOp::V128Const([low, high]) => {
                to.byte(4);
                to.number(low);
                return to.number(high);
            }
            ConstOp::GlobalGet(global) => (5, global.0.into()),
            ConstOp::RefFunc(func) => (6, func.0.into()),
            ConstOp::RefNull => return to.byte(7),
            ConstOp::I32Add => return to.byte(8),
            ConstOp::I32Sub => return to.byte(9),
            ConstOp::I32Mul => return to.byte(10),
            ConstOp::I64Add => return to.byte(11),
            ConstOp::I64Sub => return to.byte(12),
            ConstOp::I64Mul => return to.byte(13),
        };
        to.byte(code);
        to.number(bits);
    });
}

pub(super) fn read_const_expr(from: &mut Decoder<'_>) -> Result<ConstExpr, Malformed> {
    let ops = read_list(from, |from| {
        Ok(match from.byte()? {
            0 => ConstOp::I32Const(from.number_u32()? as i32),
            1 => ConstOp::I64Const(from.number()? as i64),
            2 => ConstOp::F32Const(from.number_u32()?),
            3 => ConstOp::F64Const(from.number()?),
            4 => ConstOp::V128Const([from.number()?, from.number()?]),
            5 => ConstOp::GlobalGet(GlobalIndex(from.number_u32()?)),
            6 => ConstOp::RefFunc(FuncIndex(from.number_u32()?)),
            7 => ConstOp::RefNull,
            8 => ConstOp::I32Add,
            9 => ConstOp::I32Sub,
            10 => ConstOp::I32Mul,
            11 => ConstOp::I64Add,
            12 => ConstOp::I64Sub,
            13 => ConstOp::I64Mul,
            _ => return Err(from.malformed("no such instruction")),
        })
    })?;
    Ok(ConstExpr(ops.into()))
}
