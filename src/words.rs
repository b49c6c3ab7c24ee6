//! Values as the machine words that generated code handles.
//!
//! Generated code trusts reference words: it calls through them unchecked. So a word goes in only
//! out of a [`Func`] or [`ExternRef`] whose store has been compared, for a place of its type; and a
//! word that comes out is taken for a function only where the place's WebAssembly type says so.
//! Here is what does both for values, tables, globals and exceptions; calls do it in `func`.

#![allow(unsafe_code, reason = "the promises to the runtime are made here")]

use upshift_abi::vmctx::VmVal;
use upshift_abi::{GlobalType, RefType, TableType, ValType};
use upshift_runtime::{
    ExceptionId, GlobalId, ObservedEvent, ObservedFunc, Store as RawStore, TableId, TagId,
};

use crate::error::public;
use crate::handle::Handle;
use crate::{ExnRef, ExternRef, Func, HeapType, Ref, Result, V128, Val};

/// A 64-bit value as the runtime passes it.
#[inline]
pub(crate) fn raw_word(word: u64) -> VmVal {
    VmVal { bits: [word, 0] }
}

impl Val {
    /// The value as the runtime passes it: a word of its type, and of this store.
    ///
    /// # Panics
    ///
    /// If it is a reference of another store.
    #[track_caller]
    pub(crate) fn to_vm_val(self, store: &RawStore) -> VmVal {
        let word = match self {
            Val::I32(value) => u64::from(value as u32),
            Val::I64(value) => value as u64,
            Val::F32(bits) => u64::from(bits),
            Val::F64(bits) => bits,
            Val::V128(value) => return value.to_raw(),
            Val::FuncRef(func) => Ref::Func(func).word(store),
            Val::ExternRef(value) => Ref::Extern(value).word(store),
            Val::ExnRef(exception) => Ref::Exn(exception).word(store),
        };
        raw_word(word)
    }

    /// # Safety
    ///
    /// The value comes from a place of the type in this store.
    pub(crate) unsafe fn from_vm_val(store: &mut RawStore, raw: VmVal, ty: ValType) -> Self {
        let word = raw.bits[0];
        match ty {
            ValType::I32 => Val::I32(word as i32),
            ValType::I64 => Val::I64(word as i64),
            ValType::F32 => Val::F32(word as u32),
            ValType::F64 => Val::F64(word),
            ValType::V128 => Val::V128(V128::from_raw(raw)),
            // SAFETY: the caller's promise.
            ValType::Ref(ty) => unsafe { Ref::from_word(store, word, ty) }.into(),
        }
    }
}

/// The arguments or results that an event of observed code comes with.
pub(crate) fn event_values(
    store: &mut RawStore,
    func: &ObservedFunc,
    event: &ObservedEvent<'_>,
) -> Vec<Val> {
    let ty = func.module.facts().func_type(func.func);
    let (types, values) = match *event {
        ObservedEvent::Begins(args) => (&ty.params, args),
        ObservedEvent::Returns(results) => (&ty.results, results),
        ObservedEvent::Aborts(_) | ObservedEvent::Probe { .. } => return Vec::new(),
    };
    let typed = types.iter().zip(values);
    // SAFETY: the runtime tells the observer of this store what the function was called with, or
    // returns.
    let typed = typed.map(|(&ty, &value)| unsafe { Val::from_vm_val(store, value, ty) });
    typed.collect()
}

/// The operand that a probe of observed code comes with.
pub(crate) fn probed_value(store: &mut RawStore, ty: ValType, value: VmVal) -> Val {
    // SAFETY: the runtime tells the observer of this store what the code had as operand there, and
    // the type that validation has found.
    unsafe { Val::from_vm_val(store, value, ty) }
}

impl Ref {
    /// The word of this reference: of its type, and of this store.
    ///
    /// # Panics
    ///
    /// If it belongs to another store.
    #[track_caller]
    pub(crate) fn word(self, store: &RawStore) -> u64 {
        match self {
            Ref::Func(Some(func)) => store.func_ref_word(func.0.id_in(store)),
            Ref::Extern(Some(value)) => value.word(store),
            Ref::Exn(Some(exception)) => exception.word(store),
            Ref::Func(None) | Ref::Extern(None) | Ref::Exn(None) => 0,
        }
    }

    /// # Safety
    ///
    /// The word comes from a place of the type in this store.
    pub(crate) unsafe fn from_word(store: &mut RawStore, word: u64, ty: RefType) -> Self {
        match ty.heap_type() {
            HeapType::Func | HeapType::ConcreteFunc(_) => {
                // SAFETY: the caller's promise.
                Ref::Func(unsafe { func_from_word(store, word) })
            }
            HeapType::Extern => Ref::Extern(ExternRef::from_word(store, word)),
            HeapType::Exn => Ref::Exn(ExnRef::from_word(store, word)),
        }
    }
}

/// # Safety
///
/// The word comes from a place for references to functions in this store.
pub(crate) unsafe fn func_from_word(store: &mut RawStore, word: u64) -> Option<Func> {
    // SAFETY: validated WebAssembly and `Ref::word` of this store are all that fills such places.
    let id = unsafe { store.func_from_word(word)? };
    Some(Func(Handle::new(store, id)))
}

/// The word of a reference that is about to go into a table.
///
/// # Errors
///
/// If the table holds another type.
#[track_caller]
fn element_word(store: &RawStore, ty: &TableType, value: Ref) -> Result<u64> {
    Val::from(value).check(store, ValType::Ref(ty.element), "table element")?;
    Ok(value.word(store))
}

/// A table filled with a reference.
#[track_caller]
pub(crate) fn new_table(store: &mut RawStore, ty: TableType, init: Ref) -> Result<TableId> {
    store.use_ref_type(ty.element)?;
    let word = element_word(store, &ty, init)?;
    // SAFETY: the word is of the table's type and of this store.
    unsafe { store.new_table(ty, word) }.map_err(public)
}

/// A table element, or `None` out of bounds.
pub(crate) fn table_get(store: &mut RawStore, table: TableId, index: u64) -> Option<Ref> {
    let word = store.table_get(table, index)?;
    let ty = store.table_type(table).element;
    // SAFETY: the table is such a place.
    Some(unsafe { Ref::from_word(store, word, ty) })
}

/// Sets a table element; false out of bounds.
#[track_caller]
pub(crate) fn table_set(
    store: &mut RawStore,
    table: TableId,
    index: u64,
    value: Ref,
) -> Result<bool> {
    let word = element_word(store, &store.table_type(table), value)?;
    // SAFETY: the word is of the table's type and of this store.
    Ok(unsafe { store.table_set(table, index, word) })
}

/// Grows a table; `None` if its limits, the limiter or the system forbid it.
#[track_caller]
pub(crate) fn table_grow(
    store: &mut RawStore,
    table: TableId,
    delta: u64,
    init: Ref,
) -> Result<Option<u64>> {
    let word = element_word(store, &store.table_type(table), init)?;
    // SAFETY: the word is of the table's type and of this store.
    unsafe { store.table_grow(table, delta, word) }
}

/// Copies elements of a table: each table with the index of its first element.
pub(crate) fn table_copy(
    store: &mut RawStore,
    (to, dst): (TableId, u64),
    (from, src): (TableId, u64),
    len: u64,
) -> Result<()> {
    let (expected, found) = (store.table_type(to).element, store.table_type(from).element);
    anyhow::ensure!(
        found.matches(expected),
        "table element type mismatch: expected {expected}, found {found}"
    );
    // SAFETY: checked above.
    Ok(unsafe { store.copy_elements(to, from, dst, src, len) }?)
}

/// A global with a value.
#[track_caller]
pub(crate) fn new_global(store: &mut RawStore, ty: GlobalType, value: Val) -> Result<GlobalId> {
    if let ValType::Ref(ty) = ty.content {
        store.use_ref_type(ty)?;
    }
    value.check(store, ty.content, "global value")?;
    let raw = value.to_vm_val(store);
    // SAFETY: the value is of the global's type and of this store.
    Ok(unsafe { store.new_global(ty, raw) })
}

/// A global's value.
pub(crate) fn global_get(store: &mut RawStore, global: GlobalId) -> Val {
    let (raw, ty) = (store.global_get(global), store.global_type(global).content);
    // SAFETY: the global is such a place.
    unsafe { Val::from_vm_val(store, raw, ty) }
}

/// Sets a global, whatever its mutability.
#[track_caller]
pub(crate) fn global_set(store: &mut RawStore, global: GlobalId, value: Val) -> Result<()> {
    value.check(store, store.global_type(global).content, "global value")?;
    let raw = value.to_vm_val(store);
    // SAFETY: the value is of the global's type and of this store.
    unsafe { store.global_set(global, raw) };
    Ok(())
}

/// An exception with values.
#[track_caller]
pub(crate) fn new_exception(
    store: &mut RawStore,
    tag: TagId,
    fields: &[Val],
) -> Result<ExceptionId> {
    let ty = store.tag_type(tag);
    let (expected, found) = (ty.params.len(), fields.len());
    anyhow::ensure!(
        expected == found,
        "expected {expected} values for an exception of this tag, found {found}"
    );
    for (value, &ty) in fields.iter().zip(&ty.params) {
        value.check(store, ty, "exception field")?;
    }
    let values: Vec<_> = fields.iter().map(|value| value.to_vm_val(store)).collect();
    // SAFETY: the values are of the tag's types and of this store.
    let id = unsafe { store.new_exception(tag, &values)? };
    id.ok_or_else(|| anyhow::anyhow!("the store has too many exceptions that are referred to"))
}

/// The values of an exception; `None` if it was freed.
pub(crate) fn exception_fields(store: &mut RawStore, exception: ExceptionId) -> Option<Vec<Val>> {
    let values = store.exception_values(exception)?;
    let values = values.into_iter().map(|(ty, value)| {
        // SAFETY: an exception of this store is such a place.
        unsafe { Val::from_vm_val(store, value, ty) }
    });
    Some(values.collect())
}
