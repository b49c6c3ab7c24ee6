//! A program: modules that are instantiated in order, each with imports from the ones before it and
//! from the host.

use anyhow::{Context, Result, bail};
use wasmparser::{ExternalKind, Parser, Payload, Validator, WasmFeatures};

use crate::value::Type;
use crate::{host, threads};

/// A program and what it is called with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The modules, in the order in which they are instantiated. The import module `m0` means the
    /// exports of the first, and so on.
    pub modules: Vec<Vec<u8>>,
    /// The seed of the arguments.
    pub seed: u64,
}

/// An exported function.
#[derive(Clone, Debug)]
pub struct Function {
    /// The module that exports it.
    pub module: usize,
    /// The export's name.
    pub name: String,
    /// The types of its parameters.
    pub params: Vec<Type>,
}

/// An exported memory, table, global or tag.
#[derive(Clone, Debug)]
pub struct Item {
    /// The module that exports it.
    pub module: usize,
    /// The export's name.
    pub name: String,
    /// What it is.
    pub kind: ItemKind,
}

/// What is exported beside functions. A tag has no state, but exceptions are told apart by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemKind {
    /// A memory of one thread.
    Memory,
    /// A memory that other threads may write to.
    SharedMemory,
    /// A table.
    Table,
    /// A global.
    Global,
    /// A tag.
    Tag,
}

/// What can be called and looked at from outside.
#[derive(Clone, Debug, Default)]
pub struct Exports {
    /// The functions, in order.
    pub functions: Vec<Function>,
    /// What each thread of a program with several calls before another function.
    pub enter: Vec<Function>,
    /// What each thread of a program with several calls behind another function.
    pub leave: Vec<Function>,
    /// The rest, in order.
    pub items: Vec<Item>,
}

impl Program {
    /// The name by which modules import from the one at an index.
    pub fn module_name(index: usize) -> String {
        format!("m{index}")
    }

    /// The exports of all modules, with their types.
    ///
    /// # Errors
    ///
    /// If a module is not valid.
    pub fn exports(&self) -> Result<Exports> {
        let mut exports = Exports::default();
        for (module, wasm) in self.modules.iter().enumerate() {
            add_exports(module, wasm, &mut exports)?;
        }
        Ok(exports)
    }

    /// The features that the modules use beyond those of the first standard.
    pub fn features(&self) -> Vec<&'static str> {
        let mut found = Vec::new();
        for &(name, features) in FEATURES {
            let without = WasmFeatures::all() - features;
            let refused = |wasm: &Vec<u8>| {
                Validator::new_with_features(without)
                    .validate_all(wasm)
                    .is_err()
            };
            if self.modules.iter().any(refused) {
                found.push(name);
            }
        }
        if self.imports(|module, _| module != host::NAME) {
            found.push("linked modules");
        }
        if self.imports(|module, name| module == host::NAME && name != threads::MEMORY) {
            found.push("host functions");
        }
        if self.on_threads() {
            found.push("two threads");
        }
        found
    }

    /// Whether two threads run the program at the same time.
    pub fn on_threads(&self) -> bool {
        self.imports(|module, name| module == host::NAME && name == threads::MEMORY)
    }

    fn imports(&self, wanted: impl Fn(&str, &str) -> bool) -> bool {
        let mut payloads = self
            .modules
            .iter()
            .flat_map(|wasm| Parser::new(0).parse_all(wasm));
        payloads.any(|payload| match payload {
            Ok(Payload::ImportSection(imports)) => {
                let mut imports = imports.into_imports().flatten();
                imports.any(|import| wanted(import.module, import.name))
            }
            _ => false,
        })
    }
}

/// Features by name, each with what depends on it.
const FEATURES: &[(&str, WasmFeatures)] = &[
    (
        "vectors",
        WasmFeatures::SIMD.union(WasmFeatures::RELAXED_SIMD),
    ),
    ("relaxed vectors", WasmFeatures::RELAXED_SIMD),
    (
        "references",
        WasmFeatures::REFERENCE_TYPES.union(AFTER_REFERENCES),
    ),
    ("typed references", AFTER_REFERENCES),
    ("tail calls", WasmFeatures::TAIL_CALL),
    ("bulk operations", WasmFeatures::BULK_MEMORY),
    ("several memories", WasmFeatures::MULTI_MEMORY),
    ("64-bit indexes", WasmFeatures::MEMORY64),
    ("page sizes", WasmFeatures::CUSTOM_PAGE_SIZES),
    ("wide arithmetic", WasmFeatures::WIDE_ARITHMETIC),
    ("atomics", WasmFeatures::THREADS),
    ("exceptions", WasmFeatures::EXCEPTIONS),
    ("legacy exceptions", WasmFeatures::LEGACY_EXCEPTIONS),
];

const AFTER_REFERENCES: WasmFeatures = WasmFeatures::FUNCTION_REFERENCES.union(WasmFeatures::GC);

fn add_exports(module: usize, wasm: &[u8], exports: &mut Exports) -> Result<()> {
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    let types = validator.validate_all(wasm).context("not valid")?;
    let types = types.as_ref();
    for payload in Parser::new(0).parse_all(wasm) {
        let Payload::ExportSection(section) = payload? else {
            continue;
        };
        for export in section {
            let export = export?;
            let name = export.name.to_string();
            let kind = match export.kind {
                ExternalKind::Func => {
                    let ty = &types[types.core_function_at(export.index)];
                    let params = ty
                        .unwrap_func()
                        .params()
                        .iter()
                        .map(|&ty| ty.into())
                        .collect();
                    let functions = match name.as_str() {
                        threads::ENTER => &mut exports.enter,
                        threads::LEAVE => &mut exports.leave,
                        _ => &mut exports.functions,
                    };
                    functions.push(Function {
                        module,
                        name,
                        params,
                    });
                    continue;
                }
                ExternalKind::Memory if types.memory_at(export.index).shared => {
                    ItemKind::SharedMemory
                }
                ExternalKind::Memory => ItemKind::Memory,
                ExternalKind::Table => ItemKind::Table,
                ExternalKind::Global => ItemKind::Global,
                ExternalKind::Tag => ItemKind::Tag,
                ExternalKind::FuncExact => bail!("exact functions are not generated"),
            };
            exports.items.push(Item { module, name, kind });
        }
    }
    Ok(())
}
