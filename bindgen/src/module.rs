//! What a module itself says about its functions.

use std::collections::HashMap;

use wasmparser::{
    CompositeInnerType, ExternalKind, FuncType, GlobalType, KnownCustom, Name, Parser, Payload,
    TypeRef,
};

use crate::BindError;

/// A function that the module exports or imports.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    /// The module that an import comes from; empty for an export.
    pub(crate) from: String,
    pub(crate) name: String,
    pub(crate) index: u32,
    pub(crate) ty: FuncType,
}

/// A global that the module exports.
#[derive(Clone, Debug)]
pub(crate) struct Global {
    pub(crate) name: String,
    pub(crate) ty: GlobalType,
}

/// The parts of a module that bindings are made from.
#[derive(Debug, Default)]
pub(crate) struct ModuleFacts {
    pub(crate) exports: Vec<Function>,
    pub(crate) imports: Vec<Function>,
    pub(crate) globals: Vec<Global>,
    /// The names of parameters, by function.
    pub(crate) locals: HashMap<u32, HashMap<u32, String>>,
    /// Functions by the place of their code in the code section, as DWARF's addresses are.
    pub(crate) bodies: HashMap<u64, u32>,
    /// The sections of DWARF, by name.
    pub(crate) custom: HashMap<String, Vec<u8>>,
    /// Whether it has a memory of its own.
    pub(crate) has_memory: bool,
}

impl ModuleFacts {
    /// Reads a module in the binary format.
    pub(crate) fn read(wasm: &[u8]) -> Result<Self, BindError> {
        if !wasm.starts_with(b"\0asm") {
            return Err(BindError::new(
                "this is no WebAssembly module in the binary format",
            ));
        }
        let mut reader = Reader::default();
        for payload in Parser::new(0).parse_all(wasm) {
            reader.payload(payload?)?;
        }
        reader.facts()
    }
}

#[derive(Default)]
struct Reader {
    facts: ModuleFacts,
    types: Vec<Option<FuncType>>,
    /// The type of each function.
    functions: Vec<u32>,
    exports: Vec<(String, u32)>,
    /// The type of each global.
    globals: Vec<GlobalType>,
    exported_globals: Vec<(String, u32)>,
    /// The offset of the code section's contents in the module.
    code: u64,
    /// Functions whose bodies have been seen, imports included.
    bodies: u32,
}

impl Reader {
    fn payload(&mut self, payload: Payload<'_>) -> Result<(), BindError> {
        match payload {
            Payload::Version { encoding, .. } if encoding != wasmparser::Encoding::Module => {
                return Err(BindError::new(
                    "this is a component; bindings are made of core modules",
                ));
            }
            Payload::TypeSection(section) => {
                for group in section {
                    for ty in group?.into_types() {
                        self.types.push(match ty.composite_type.inner {
                            CompositeInnerType::Func(ty) => Some(ty),
                            _ => None,
                        });
                    }
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import?;
                    self.import(import.module, import.name, import.ty)?;
                }
            }
            Payload::FunctionSection(section) => {
                for ty in section {
                    self.functions.push(ty?);
                }
            }
            Payload::MemorySection(section) => {
                for memory in section {
                    self.facts.has_memory = true;
                    if memory?.memory64 {
                        return Err(BindError::new(
                            "the module's memory has 64-bit addresses; bindings are made of \
                             modules with 32-bit addresses",
                        ));
                    }
                }
            }
            Payload::GlobalSection(section) => {
                for global in section {
                    self.globals.push(global?.ty);
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    let found = (export.name.to_owned(), export.index);
                    match export.kind {
                        ExternalKind::Func => self.exports.push(found),
                        ExternalKind::Global => self.exported_globals.push(found),
                        _ => {}
                    }
                }
            }
            Payload::CodeSectionStart {
                unchecked_range: range,
                ..
            } => {
                self.code = range.start;
                self.bodies = self.facts.imports.len() as u32;
            }
            Payload::CodeSectionEntry(body) => {
                let place = body.range().start.saturating_sub(self.code);
                self.facts.bodies.insert(place, self.bodies);
                self.bodies += 1;
            }
            Payload::CustomSection(section) => match section.as_known() {
                KnownCustom::Name(names) => self.names(names),
                _ if !section.name().starts_with(".debug_") => {}
                _ => {
                    let data = section.data().to_vec();
                    self.facts.custom.insert(section.name().to_owned(), data);
                }
            },
            _ => {}
        }
        Ok(())
    }

    fn import(&mut self, module: &str, name: &str, ty: TypeRef) -> Result<(), BindError> {
        let what = match ty {
            TypeRef::Func(ty) | TypeRef::FuncExact(ty) => {
                let index = self.functions.len() as u32;
                self.functions.push(ty);
                let ty = self.ty(ty)?;
                self.facts.imports.push(Function {
                    from: module.to_owned(),
                    name: name.to_owned(),
                    index,
                    ty,
                });
                return Ok(());
            }
            TypeRef::Memory(_) => "memory",
            TypeRef::Table(_) => "table",
            TypeRef::Global(_) => "global",
            TypeRef::Tag(_) => "tag",
        };
        Err(BindError::new(format!(
            "the module imports the {what} `{module}.{name}`; bindings provide functions only \
             (link it with an own memory, or use `upshift::Linker`)"
        )))
    }

    /// Names are for people: what is wrong with them does no harm.
    fn names(&mut self, names: wasmparser::NameSectionReader<'_>) {
        for part in names {
            let Ok(Name::Local(functions)) = part else {
                continue;
            };
            for function in functions.into_iter().flatten() {
                let locals = function.names.flatten();
                let locals = locals.map(|local| (local.index, local.name.to_owned()));
                self.facts.locals.insert(function.index, locals.collect());
            }
        }
    }

    fn ty(&self, index: u32) -> Result<FuncType, BindError> {
        let ty = self.types.get(index as usize).cloned().flatten();
        ty.ok_or_else(|| BindError::new(format!("type {index} is not a function's")))
    }

    fn facts(mut self) -> Result<ModuleFacts, BindError> {
        for (name, index) in std::mem::take(&mut self.exports) {
            let ty = self.functions.get(index as usize).copied();
            let ty = ty.ok_or_else(|| BindError::new(format!("there is no function {index}")))?;
            let ty = self.ty(ty)?;
            self.facts.exports.push(Function {
                from: String::new(),
                name,
                index,
                ty,
            });
        }
        for (name, index) in std::mem::take(&mut self.exported_globals) {
            let ty = self.globals.get(index as usize).copied();
            let ty = ty.ok_or_else(|| BindError::new(format!("there is no global {index}")))?;
            self.facts.globals.push(Global { name, ty });
        }
        Ok(self.facts)
    }
}
