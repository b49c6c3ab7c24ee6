//! The host module `spectest`, which scripts import from.

use upshift::{
    Error, Global, GlobalType, Linker, Memory, MemoryType, Mutability, Ref, RefType, SharedMemory,
    Store, Table, TableType, Val, ValType,
};

/// The name of the module.
pub const MODULE: &str = "spectest";

/// Defines everything that the specification's scripts import.
///
/// # Errors
///
/// If the memory or the table can't be allocated.
pub fn define(linker: &mut Linker<()>, store: &mut Store<()>) -> Result<(), Error> {
    print_functions(linker)?;
    globals(linker, store)?;
    let table_type = TableType::new(RefType::FUNCREF, 10, Some(20));
    let table = Table::new(&mut *store, table_type, Ref::Func(None))?;
    linker.define(&mut *store, MODULE, "table", table)?;
    let table_type = TableType::new64(RefType::FUNCREF, 10, Some(20));
    let table = Table::new(&mut *store, table_type, Ref::Func(None))?;
    linker.define(&mut *store, MODULE, "table64", table)?;
    let memory = Memory::new(&mut *store, MemoryType::new(1, Some(2)))?;
    linker.define(&mut *store, MODULE, "memory", memory)?;
    let memory = SharedMemory::new(store.engine(), MemoryType::shared(1, 2))?;
    linker.define(&mut *store, MODULE, "shared_memory", memory)?;
    Ok(())
}

/// Defines the print functions. They take their arguments and do nothing: no script observes what
/// is printed.
fn print_functions(linker: &mut Linker<()>) -> Result<(), Error> {
    linker.func_wrap(MODULE, "print", || {})?;
    linker.func_wrap(MODULE, "print_i32", |_: i32| {})?;
    linker.func_wrap(MODULE, "print_i64", |_: i64| {})?;
    linker.func_wrap(MODULE, "print_f32", |_: f32| {})?;
    linker.func_wrap(MODULE, "print_f64", |_: f64| {})?;
    linker.func_wrap(MODULE, "print_i32_f32", |_: i32, _: f32| {})?;
    linker.func_wrap(MODULE, "print_f64_f64", |_: f64, _: f64| {})?;
    Ok(())
}

fn globals(linker: &mut Linker<()>, store: &mut Store<()>) -> Result<(), Error> {
    let values = [
        ("global_i32", ValType::I32, Val::I32(666)),
        ("global_i64", ValType::I64, Val::I64(666)),
        ("global_f32", ValType::F32, Val::F32(666.6f32.to_bits())),
        ("global_f64", ValType::F64, Val::F64(666.6f64.to_bits())),
    ];
    for (name, ty, value) in values {
        let global = Global::new(&mut *store, GlobalType::new(ty, Mutability::Const), value)?;
        linker.define(&mut *store, MODULE, name, global)?;
    }
    Ok(())
}
