//! Memories, tables and globals, created by the host or the guest and used by both.

use std::panic::{AssertUnwindSafe, catch_unwind};

use upshift::{
    Engine, ExternRef, Func, Global, GlobalType, LinkError, Linker, Memory, MemoryType, Module,
    Mutability, Ref, RefType, Store, Table, TableType, Trap, UnknownImport, Val, ValType,
};

use crate::{in_every_mode, instance};

#[test]
fn memories_grow_and_are_shared_between_host_and_guest() {
    in_every_mode(|engine| {
        let (mut store, instance) = instance(
            engine,
            r#"(module
                (memory (export "memory") 1 3)
                (data (i32.const 4) "text")
                (func (export "peek") (param i32) (result i32) (i32.load8_u (local.get 0)))
                (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))"#,
        );
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        let peek = instance
            .get_typed_func::<i32, i32>(&mut store, "peek")
            .unwrap();
        let grow = instance
            .get_typed_func::<i32, i32>(&mut store, "grow")
            .unwrap();
        assert_eq!(&memory.data(&store)[4..8], b"text");
        memory.data_mut(&mut store)[5] = 0xff;
        assert_eq!(peek.call(&mut store, 5).unwrap(), 0xff);
        assert!(peek.call(&mut store, 65_536).is_err());
        assert_eq!(memory.grow(&mut store, 1).unwrap(), 1);
        assert_eq!(peek.call(&mut store, 131_071).unwrap(), 0);
        assert_eq!(grow.call(&mut store, 1).unwrap(), 2);
        assert_eq!(
            (memory.size(&store), memory.data_size(&store)),
            (3, 3 << 16)
        );
        assert_eq!(grow.call(&mut store, 1).unwrap(), -1);
        assert!(memory.grow(&mut store, 1).is_err());
        memory.write(&mut store, (3 << 16) - 2, &[1, 2]).unwrap();
        assert!(memory.write(&mut store, (3 << 16) - 1, &[1, 2]).is_err());
        let mut two = [0; 2];
        memory.read(&store, (3 << 16) - 2, &mut two).unwrap();
        assert_eq!(two, [1, 2]);
        assert!(memory.read(&store, usize::MAX, &mut two).is_err());
    });
}

#[test]
fn imported_items_are_the_hosts_own() {
    in_every_mode(|engine| {
        let module = Module::new(
            engine,
            r#"(module
                (import "host" "memory" (memory 1))
                (import "host" "table" (table 2 funcref))
                (import "host" "counter" (global $counter (mut i64)))
                (import "host" "step" (global $step i64))
                (func (export "run") (result i32)
                    (global.set $counter (i64.add (global.get $counter) (global.get $step)))
                    (i32.store (i32.const 0) (i32.const 77))
                    (call_indirect (result i32) (i32.const 1))))"#,
        )
        .unwrap();
        let mut store = Store::new(engine, ());
        let memory = Memory::new(&mut store, MemoryType::new(1, Some(1))).unwrap();
        let table_type = TableType::new(RefType::FUNCREF, 2, None);
        let table = Table::new(&mut store, table_type, Ref::Func(None)).unwrap();
        let variable = GlobalType::new(ValType::I64, Mutability::Var);
        let counter = Global::new(&mut store, variable, Val::I64(40)).unwrap();
        let constant = GlobalType::new(ValType::I64, Mutability::Const);
        let step = Global::new(&mut store, constant, Val::I64(2)).unwrap();
        let callee = Func::wrap(&mut store, || 9_i32);
        table.set(&mut store, 1, callee.into()).unwrap();
        let mut linker = Linker::new(engine);
        linker.define(&store, "host", "memory", memory).unwrap();
        linker.define(&store, "host", "table", table).unwrap();
        linker.define(&store, "host", "counter", counter).unwrap();
        linker.define(&store, "host", "step", step).unwrap();
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let run = instance
            .get_typed_func::<(), i32>(&mut store, "run")
            .unwrap();
        assert_eq!(run.call(&mut store, ()).unwrap(), 9);
        assert_eq!(counter.get(&mut store).i64(), Some(42));
        assert_eq!(memory.data(&store)[0], 77);
        table.set(&mut store, 1, Ref::Func(None)).unwrap();
        assert!(run.call(&mut store, ()).is_err());
        assert!(step.set(&mut store, Val::I64(1)).is_err());
        assert!(counter.set(&mut store, Val::I32(1)).is_err());
        counter.set(&mut store, Val::I64(-2)).unwrap();
        assert!(run.call(&mut store, ()).is_err());
        assert_eq!(counter.get(&mut store).i64(), Some(0));
    });
}

#[test]
fn tables_hold_functions_and_host_values() {
    in_every_mode(|engine| {
        let (mut store, instance) = instance(
            engine,
            r#"(module
                (table (export "funcs") 2 4 funcref)
                (table (export "values") 1 externref)
                (elem (i32.const 0) $one)
                (func $one (result i32) (i32.const 1)))"#,
        );
        let funcs = instance.get_table(&mut store, "funcs").unwrap();
        let one = *funcs.get(&mut store, 0).unwrap().as_func().unwrap();
        assert_eq!(
            one.typed::<(), i32>(&store)
                .unwrap()
                .call(&mut store, ())
                .unwrap(),
            1
        );
        assert!(funcs.get(&mut store, 1).unwrap().is_null());
        assert!(funcs.get(&mut store, 2).is_none());
        assert_eq!(funcs.grow(&mut store, 2, one.into()).unwrap(), 2);
        assert_eq!(funcs.size(&store), 4);
        assert!(funcs.get(&mut store, 3).unwrap().as_func().is_some());
        assert!(funcs.grow(&mut store, 1, one.into()).is_err());
        assert!(funcs.set(&mut store, 4, one.into()).is_err());
        assert!(funcs.fill(&mut store, 3, Ref::Func(None), 2).is_err());
        funcs.fill(&mut store, 0, Ref::Func(None), 4).unwrap();
        assert!(funcs.get(&mut store, 3).unwrap().is_null());
        let values = instance.get_table(&mut store, "values").unwrap();
        assert!(
            values.set(&mut store, 0, one.into()).is_err(),
            "a function is no externref"
        );
        let value = ExternRef::new(&mut store, 5_u8);
        values.set(&mut store, 0, value.into()).unwrap();
        let Some(Ref::Extern(Some(got))) = values.get(&mut store, 0) else {
            panic!("an externref was stored");
        };
        assert_eq!(got.data(&store).downcast_ref(), Some(&5_u8));
    });
}

#[test]
fn limits_that_make_no_sense_are_refused() {
    in_every_mode(|engine| {
        let mut store = Store::new(engine, ());
        assert!(Memory::new(&mut store, MemoryType::new(2, Some(1))).is_err());
        assert!(Memory::new(&mut store, MemoryType::new(65_537, None)).is_err());
        let inverted = TableType::new(RefType::FUNCREF, 2, Some(1));
        assert!(Table::new(&mut store, inverted, Ref::Func(None)).is_err());
        let externs = TableType::new(RefType::EXTERNREF, 1, None);
        assert!(Table::new(&mut store, externs, Ref::Func(None)).is_err());
    });
}

#[test]
fn an_object_of_another_store_panics() {
    in_every_mode(|engine| {
        let mut store = Store::new(engine, ());
        let mut other = Store::new(engine, ());
        let func = Func::wrap(&mut store, || 1_i32);
        let value = ExternRef::new(&mut store, ());
        let panics = |use_it: &mut dyn FnMut()| catch_unwind(AssertUnwindSafe(use_it)).is_err();
        assert!(panics(&mut || _ = func.ty(&other)));
        assert!(panics(
            &mut || _ = func.call(&mut other, &[], &mut [Val::I32(0)])
        ));
        assert!(panics(&mut || _ = value.data(&other)));
        let table_type = TableType::new(RefType::FUNCREF, 1, None);
        assert!(panics(
            &mut || _ = Table::new(&mut other, table_type, func.into())
        ));
    });
}

#[test]
fn imports_are_found_once_for_many_instances() {
    let engine = Engine::default();
    let module = Module::new(
        &engine,
        r#"(module
            (import "a" "f" (func $f (result i32)))
            (import "a" "m" (memory 1))
            (func (export "run") (result i32) (i32.add (call $f) (i32.load (i32.const 0)))))"#,
    )
    .unwrap();
    let mut linker = Linker::<()>::new(&engine);
    linker.func_wrap("a", "f", || 40).unwrap();
    let error = linker.instantiate_pre(&module).unwrap_err();
    let unknown: &UnknownImport = error.downcast_ref().expect("the typed error");
    assert_eq!((unknown.module(), unknown.name()), ("a", "m"));

    let mut store = Store::new(&engine, ());
    let memory = Memory::new(&mut store, MemoryType::new(1, None)).unwrap();
    memory.write(&mut store, 0, &2_i32.to_le_bytes()).unwrap();
    linker.define(&store, "a", "m", memory).unwrap();
    let ready = linker.instantiate_pre(&module).unwrap();
    // Later definitions do not reach it.
    linker
        .allow_shadowing(true)
        .func_wrap("a", "f", || 0)
        .unwrap();
    for _ in 0..2 {
        let instance = ready.instantiate(&mut store).unwrap();
        let run = instance
            .get_typed_func::<(), i32>(&mut store, "run")
            .unwrap();
        assert_eq!(run.call(&mut store, ()).unwrap(), 42);
    }
    let mut names: Vec<_> = linker.iter(&mut store).map(|(_, name, _)| name).collect();
    names.sort();
    assert_eq!(names, ["f", "m"]);

    // An item of the store is checked at each instantiation.
    linker.define(&store, "a", "f", memory).unwrap();
    let wrong = linker.instantiate_pre(&module).unwrap();
    assert!(wrong.instantiate(&mut store).unwrap_err().is::<LinkError>());
}

/// The results of a table's four functions.
fn numbers(store: &mut Store<()>, table: &Table) -> Vec<Option<i32>> {
    let elements = (0..4).map(|n| table.get(&mut *store, n).expect("four elements"));
    let elements: Vec<Ref> = elements.collect();
    let number = |element: Ref| {
        let func = element.as_func()?.typed::<(), i32>(&*store).unwrap();
        Some(func.call(&mut *store, ()).unwrap())
    };
    elements.into_iter().map(number).collect()
}

#[test]
fn tables_are_copied_within_their_types_and_bounds() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let funcs = TableType::new(RefType::FUNCREF, 4, None);
    let table = Table::new(&mut store, funcs, Ref::Func(None)).unwrap();
    let other = Table::new(&mut store, funcs, Ref::Func(None)).unwrap();
    let marks: Vec<Func> = (0..3).map(|n| Func::wrap(&mut store, move || n)).collect();
    for (n, &func) in (0..).zip(&marks) {
        table.set(&mut store, n, func.into()).unwrap();
    }
    assert_eq!(
        numbers(&mut store, &table),
        [Some(0), Some(1), Some(2), None]
    );
    Table::copy(&mut store, &table, 1, &table, 0, 3).unwrap();
    Table::copy(&mut store, &other, 2, &table, 0, 2).unwrap();
    assert_eq!(
        numbers(&mut store, &table),
        [Some(0), Some(0), Some(1), Some(2)]
    );
    assert_eq!(numbers(&mut store, &other), [None, None, Some(0), Some(0)]);
    let error = Table::copy(&mut store, &other, 2, &table, 0, 3).unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&Trap::TableOutOfBounds));
    let externs = TableType::new(RefType::EXTERNREF, 4, None);
    let unlike = Table::new(&mut store, externs, Ref::Extern(None)).unwrap();
    let error = Table::copy(&mut store, &unlike, 0, &table, 0, 1).unwrap_err();
    assert_eq!(
        error.to_string(),
        "table element type mismatch: expected externref, found funcref"
    );
}
