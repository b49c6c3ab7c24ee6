//! The functions that references can be made of, and the initial elements of tables.

use super::{ConstExpr, ConstOp, ElementItems, Item, ModuleFacts, SegmentMode};
use crate::index::{FuncIndex, TableIndex};
use crate::types::TableType;

/// The initial elements of a table that are known before instantiation: from the module's active
/// element segments, if all of them go to fixed places of one table that the module defines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableImage {
    /// The table.
    pub table: TableIndex,
    /// For each element the number of its function reference plus one; 0 is null.
    pub elements: Box<[u32]>,
}

/// The most elements of a table with an image: the segments of longer tables are written at each
/// instantiation.
const MAX_IMAGE: u64 = 1 << 16;

/// Numbers the functions that references can be made of: those that exports, element segments,
/// global and table initializers name. `ref.func` in a body is valid only for these.
pub(super) fn number_func_refs(facts: &mut ModuleFacts) {
    let mut numbers = vec![u32::MAX; facts.funcs.len()];
    let mut funcs = Vec::new();
    let mut add = |func: FuncIndex| {
        if let Some(number @ &mut u32::MAX) = numbers.get_mut(func.index()) {
            *number = funcs.len() as u32;
            funcs.push(func);
        }
    };
    let add_exprs = |expr: &ConstExpr, add: &mut dyn FnMut(FuncIndex)| {
        for op in &expr.0 {
            if let ConstOp::RefFunc(func) = op {
                add(*func);
            }
        }
    };
    for export in &facts.exports {
        if let Item::Func(func) = export.item {
            add(func);
        }
    }
    for segment in &facts.elements {
        match &segment.items {
            ElementItems::Funcs(funcs) => funcs.iter().copied().for_each(&mut add),
            ElementItems::Exprs(exprs) => exprs.iter().for_each(|e| add_exprs(e, &mut add)),
        }
    }
    let table_inits = facts.table_inits.iter().flatten();
    for expr in facts.global_inits.iter().chain(table_inits) {
        add_exprs(expr, &mut add);
    }
    facts.func_refs = numbers;
    facts.ref_funcs = funcs;
}

/// The image of the table that all active segments go to, if there is one.
///
/// A segment that is out of bounds traps when the module is instantiated, after those before it
/// were written; so an image is complete or absent.
pub(super) fn table_image(facts: &ModuleFacts) -> Option<TableImage> {
    let mut image: Option<TableImage> = None;
    for segment in &facts.elements {
        let SegmentMode::Active { target, offset } = &segment.mode else {
            continue;
        };
        let start = offset.fixed_index(facts.tables[target.index()].index)?;
        if image.is_none() {
            image = Some(empty_image(facts, *target)?);
        }
        let image = image.as_mut().filter(|image| image.table == *target)?;
        let elements = image.elements.get_mut(usize::try_from(start).ok()?..)?;
        let elements = elements.get_mut(..segment.items.len())?;
        match &segment.items {
            ElementItems::Funcs(funcs) => {
                for (element, &func) in elements.iter_mut().zip(funcs) {
                    *element = facts.func_ref(func)? + 1;
                }
            }
            ElementItems::Exprs(exprs) => {
                for (element, expr) in elements.iter_mut().zip(exprs) {
                    *element = match *expr.0 {
                        [ConstOp::RefFunc(func)] => facts.func_ref(func)? + 1,
                        [ConstOp::RefNull] => 0,
                        _ => return None,
                    };
                }
            }
        }
    }
    image
}

/// An image of nulls of a table that the module defines.
fn empty_image(facts: &ModuleFacts, table: TableIndex) -> Option<TableImage> {
    let defined = table.0.checked_sub(facts.imported_tables)?;
    let TableType {
        element, limits, ..
    } = facts.tables[table.index()];
    let starts_null = facts.table_inits[defined as usize].is_none();
    let min = limits.min;
    (!element.is_extern() && starts_null && min <= MAX_IMAGE).then(|| TableImage {
        table,
        elements: vec![0; min as usize].into(),
    })
}
