//! Types of memories and tables: kinds of addresses and pages, limits that are possible or not.

use upshift::{
    Config, Engine, Linker, Memory, MemoryType, MemoryTypeBuilder, Module, Ref, RefType, Store,
    Table, TableType,
};

/// An import must have the declared kind of addresses and pages.
#[test]
fn kinds_are_part_of_types() {
    let mut config = Config::new();
    config.wasm_custom_page_sizes(true);
    let engine = Engine::new(&config).unwrap();
    let mut store = Store::new(&engine, ());
    let bytes = |wide| {
        let mut builder = MemoryTypeBuilder::new();
        builder
            .min(1)
            .memory64(wide)
            .page_size_log2(0)
            .build()
            .unwrap()
    };
    let types = [
        MemoryType::new(1, None),
        MemoryType::new64(1, None),
        bytes(false),
        bytes(true),
    ];
    let texts = ["1", "i64 1", "1 (pagesize 1)", "i64 1 (pagesize 1)"];
    for (i, ty) in types.into_iter().enumerate() {
        let memory = Memory::new(&mut store, ty).unwrap();
        assert_eq!(memory.ty(&store), ty);
        let mut linker = Linker::new(&engine);
        linker.define(&mut store, "", "", memory).unwrap();
        for (j, text) in texts.iter().enumerate() {
            let text = format!(r#"(module (import "" "" (memory {text})))"#);
            let module = Module::new(&engine, text).unwrap();
            let import = module.imports().next().unwrap().ty();
            assert_eq!(import.unwrap_memory(), &types[j]);
            let result = linker.instantiate(&mut store, &module);
            assert_eq!(result.is_ok(), i == j, "{i} for {j}");
            if let Err(error) = result {
                let words = format!("{error:#}");
                assert_eq!(words.contains("i64"), i % 2 == 1 || j % 2 == 1, "{words}");
                assert_eq!(
                    words.contains("pages of 1 bytes"),
                    i > 1 || j > 1,
                    "{words}"
                );
            }
        }
    }
    for (wide, text) in [(false, "1 funcref"), (true, "i64 1 funcref")] {
        let ty = match wide {
            true => TableType::new64(RefType::FUNCREF, 1, None),
            false => TableType::new(RefType::FUNCREF, 1, None),
        };
        let table = Table::new(&mut store, ty, Ref::Func(None)).unwrap();
        let mut linker = Linker::new(&engine);
        linker.define(&mut store, "", "", table).unwrap();
        for import in ["1 funcref", "i64 1 funcref"] {
            let module = format!(r#"(module (import "" "" (table {import})))"#);
            let module = Module::new(&engine, module).unwrap();
            let result = linker.instantiate(&mut store, &module);
            assert_eq!(result.is_ok(), import == text);
        }
    }
}

#[test]
fn impossible_memories_are_refused() {
    let mut config = Config::new();
    config.wasm_custom_page_sizes(true);
    let engine = Engine::new(&config).unwrap();
    let mut store = Store::new(&engine, ());
    let build = |wide, log2, min, max| {
        let mut builder = MemoryTypeBuilder::new();
        builder
            .memory64(wide)
            .page_size_log2(log2)
            .min(min)
            .max(max)
            .build()
    };
    assert!(build(false, 16, 1 << 16, Some(1 << 16)).is_ok());
    assert!(build(false, 16, (1 << 16) + 1, None).is_err());
    assert!(build(false, 0, 0, Some(1 << 32)).is_err());
    assert!(build(true, 0, 0, Some(u64::MAX)).is_ok());
    assert!(build(true, 16, 0, Some((1 << 48) + 1)).is_err());
    assert!(build(true, 16, 2, Some(1)).is_err());
    for log2 in [1, 12, 15, 17, 63, 64, 255] {
        assert!(build(false, log2, 0, None).is_err(), "2^{log2}");
    }
    // Possible types that no machine has room for, for the host and for modules.
    for pages in [1 << 31, 1 << 40, 1 << 48] {
        let ty = MemoryType::new64(pages, None);
        Memory::new(&mut store, ty).expect_err("too large");
        for data in [
            "",
            r#"(data (i64.const 0xffff_ffff_ffff_fff0) "abcdefghijklmnop")"#,
        ] {
            let text = format!("(module (memory i64 {pages}) {data})");
            let module = Module::new(&engine, text).expect("it is valid");
            let error = Linker::new(&engine).instantiate(&mut store, &module);
            error.expect_err("too large");
        }
    }
    let text = format!("(module (memory i64 {} (pagesize 1)))", u64::MAX);
    let module = Module::new(&engine, text).expect("it is valid");
    Linker::new(&engine)
        .instantiate(&mut store, &module)
        .expect_err("too large");
}
