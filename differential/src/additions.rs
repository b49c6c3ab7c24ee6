//! What a rewriter adds to a module: types, functions, globals and so on, behind the ones that
//! there are, so that indexes stay. Only an imported memory stands before those that the module
//! defines, whose indexes are adapted. Sections that the module lacks are made.

use wasm_encoder::reencode::{Reencode, utils};
use wasm_encoder::{
    CodeSection, ConstExpr, EntityType, ExportKind, ExportSection, Function, FunctionSection,
    GlobalSection, GlobalType, ImportSection, Instruction, MemoryType, Module, SectionId, TagKind,
    TagSection, TagType, TypeSection, ValType,
};
use wasmparser::{BlockType, FunctionBody, Parser, Payload, TypeRef};

type Error = wasm_encoder::reencode::Error;

/// Parameters and results.
pub type Signature = (Vec<ValType>, Vec<ValType>);

/// The encoder's types for the parser's.
///
/// # Panics
///
/// If one is of a module that has not been validated.
pub fn encoded(types: &[wasmparser::ValType]) -> Vec<ValType> {
    let types = types.iter();
    types
        .map(|&ty| ValType::try_from(ty).expect("encodable"))
        .collect()
}

/// A module and what is added to it.
pub struct Additions<'a> {
    wasm: &'a [u8],
    known: Known,
    /// New bodies of the functions that the module defines; without, they stay.
    bodies: Vec<Function>,
    types: Vec<Signature>,
    memories: Vec<(String, String, MemoryType)>,
    functions: Vec<(u32, Function)>,
    tags: Vec<u32>,
    globals: Vec<(GlobalType, ConstExpr)>,
    exports: Vec<(String, ExportKind, u32)>,
}

/// What the module has.
#[derive(Default)]
struct Known {
    types: Vec<Signature>,
    /// The type of each function, and how many are imported.
    functions: Vec<u32>,
    imported_functions: u32,
    imported_memories: u32,
    /// The type of each tag.
    tags: Vec<u32>,
    globals: u32,
}

impl Known {
    fn of(wasm: &[u8]) -> wasmparser::Result<Self> {
        let mut known = Self::default();
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::TypeSection(types) => {
                    for ty in types.into_iter_err_on_gc_types() {
                        let ty = ty?;
                        let signature = (encoded(ty.params()), encoded(ty.results()));
                        known.types.push(signature);
                    }
                }
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        match import?.ty {
                            TypeRef::Func(ty) => known.functions.push(ty),
                            TypeRef::Memory(_) => known.imported_memories += 1,
                            TypeRef::Tag(ty) => known.tags.push(ty.func_type_idx),
                            TypeRef::Global(_) => known.globals += 1,
                            _ => {}
                        }
                    }
                    known.imported_functions = known.functions.len() as u32;
                }
                Payload::FunctionSection(functions) => {
                    for ty in functions {
                        known.functions.push(ty?);
                    }
                }
                Payload::TagSection(tags) => {
                    for ty in tags {
                        known.tags.push(ty?.func_type_idx);
                    }
                }
                Payload::GlobalSection(globals) => known.globals += globals.count(),
                _ => {}
            }
        }
        Ok(known)
    }
}

impl<'a> Additions<'a> {
    /// Nothing, for a module without the types of garbage collection.
    ///
    /// # Panics
    ///
    /// If the module is malformed.
    pub fn to(wasm: &'a [u8]) -> Self {
        Self {
            wasm,
            known: Known::of(wasm).expect("valid"),
            bodies: Vec::new(),
            types: Vec::new(),
            memories: Vec::new(),
            functions: Vec::new(),
            tags: Vec::new(),
            globals: Vec::new(),
            exports: Vec::new(),
        }
    }

    /// The type of functions, which is added at its first use.
    pub fn ty(&mut self, signature: Signature) -> u32 {
        let first = self.known.types.len();
        let mut types = self.types.iter();
        let index = types.position(|other| *other == signature);
        let index = index.unwrap_or_else(|| {
            self.types.push(signature);
            self.types.len() - 1
        });
        (first + index) as u32
    }

    /// Imports a memory, behind the other imports; once at most.
    pub fn import_memory(&mut self, module: &str, name: &str, ty: MemoryType) -> u32 {
        let memory = (module.to_string(), name.to_string(), ty);
        self.memories.push(memory);
        self.known.imported_memories
    }

    /// Adds a function of a type.
    pub fn function(&mut self, ty: u32, body: Function) -> u32 {
        self.functions.push((ty, body));
        (self.known.functions.len() + self.functions.len() - 1) as u32
    }

    /// Adds a tag of a type of functions.
    pub fn tag(&mut self, ty: u32) -> u32 {
        self.tags.push(ty);
        (self.known.tags.len() + self.tags.len() - 1) as u32
    }

    /// Adds a mutable global.
    pub fn global(&mut self, val_type: ValType, value: &ConstExpr) -> u32 {
        let ty = GlobalType {
            val_type,
            mutable: true,
            shared: false,
        };
        self.globals.push((ty, value.clone()));
        self.known.globals + self.globals.len() as u32 - 1
    }

    /// Adds an export.
    pub fn export(&mut self, name: &str, kind: ExportKind, index: u32) {
        self.exports.push((name.to_string(), kind, index));
    }

    /// The tags of the module.
    pub fn known_tags(&self) -> u32 {
        self.known.tags.len() as u32
    }

    /// What a tag of the module carries.
    pub fn tag_values(&self, tag: u32) -> Vec<ValType> {
        let ty = self.known.tags[tag as usize];
        self.known.types[ty as usize].0.clone()
    }

    /// The signature of a function that the module defines.
    pub fn signature(&self, defined: u32) -> &Signature {
        let function = self.known.imported_functions + defined;
        let ty = self.known.functions[function as usize];
        &self.known.types[ty as usize]
    }

    /// What a block takes and leaves.
    pub fn block(&self, ty: BlockType) -> Signature {
        match ty {
            BlockType::Empty => (Vec::new(), Vec::new()),
            BlockType::Type(ty) => (Vec::new(), encoded(&[ty])),
            BlockType::FuncType(index) => self.known.types[index as usize].clone(),
        }
    }

    /// The type of a block that takes and leaves that.
    pub fn block_type(&mut self, signature: Signature) -> wasm_encoder::BlockType {
        match (&signature.0[..], &signature.1[..]) {
            ([], []) => wasm_encoder::BlockType::Empty,
            ([], &[ty]) => wasm_encoder::BlockType::Result(ty),
            _ => wasm_encoder::BlockType::FunctionType(self.ty(signature)),
        }
    }

    /// Gives each function that the module defines another body, which is made from its number and
    /// its body.
    pub fn rewrite(&mut self, mut body: impl FnMut(&mut Self, u32, &FunctionBody<'a>) -> Function) {
        let mut bodies = Vec::new();
        for payload in Parser::new(0).parse_all(self.wasm) {
            if let Payload::CodeSectionEntry(old) = payload.expect("valid") {
                bodies.push(body(self, bodies.len() as u32, &old));
            }
        }
        self.bodies = bodies;
    }

    /// The locals that a function declares beside its parameters.
    ///
    /// # Panics
    ///
    /// If the encoder does not know a type.
    pub fn locals(&mut self, body: &FunctionBody<'_>) -> Vec<(u32, ValType)> {
        let locals = body.get_locals_reader().expect("valid").into_iter();
        let locals = locals.map(|local| {
            let (count, ty) = local.expect("valid");
            (count, self.val_type(ty).expect("encodable"))
        });
        locals.collect()
    }

    /// The module with all that was added.
    ///
    /// # Panics
    ///
    /// If it has what the encoder does not know.
    pub fn write(mut self) -> Vec<u8> {
        let mut module = Module::new();
        let wasm = self.wasm;
        self.parse_core_module(&mut module, Parser::new(0), wasm)
            .expect("valid modules can be encoded again");
        module.finish()
    }

    /// An operator of the module, with the indexes that there are now.
    ///
    /// # Panics
    ///
    /// If the encoder does not know it.
    pub fn encoded(&mut self, operator: wasmparser::Operator<'a>) -> Instruction<'a> {
        let instruction = self.instruction(operator);
        instruction.expect("valid operators can be encoded again")
    }

    fn add_types(&self, section: &mut TypeSection) {
        for (params, results) in &self.types {
            section.ty().function(params.clone(), results.clone());
        }
    }

    fn add_imports(&self, section: &mut ImportSection) {
        for (module, name, ty) in &self.memories {
            section.import(module, name, EntityType::Memory(*ty));
        }
    }

    fn add_functions(&self, section: &mut FunctionSection) {
        for (ty, _) in &self.functions {
            section.function(*ty);
        }
    }

    fn add_tags(&self, section: &mut TagSection) {
        for &func_type_idx in &self.tags {
            let kind = TagKind::Exception;
            section.tag(TagType {
                kind,
                func_type_idx,
            });
        }
    }

    fn add_globals(&self, section: &mut GlobalSection) {
        for (ty, value) in &self.globals {
            section.global(*ty, value);
        }
    }

    fn add_exports(&self, section: &mut ExportSection) {
        for (name, kind, index) in &self.exports {
            section.export(name, *kind, *index);
        }
    }

    fn add_bodies(&self, section: &mut CodeSection) {
        for (_, body) in &self.functions {
            section.function(body);
        }
    }
}

/// A section's place in a module, which is not the order of the sections' numbers.
fn place(id: SectionId) -> usize {
    const ORDER: [SectionId; 13] = [
        SectionId::Type,
        SectionId::Import,
        SectionId::Function,
        SectionId::Table,
        SectionId::Memory,
        SectionId::Tag,
        SectionId::Global,
        SectionId::Export,
        SectionId::Start,
        SectionId::Element,
        SectionId::DataCount,
        SectionId::Code,
        SectionId::Data,
    ];
    let mut order = ORDER.iter();
    let place = order.position(|&other| other == id);
    place.expect("a section of a core module")
}

/// Overrides a section's translation to add to it, and adds the sections that the module lacks.
macro_rules! sections {
    ($($id:ident: $parse:ident $add:ident $section:ident $reader:ident;)*) => {
        impl Reencode for Additions<'_> {
            type Error = std::convert::Infallible;

            fn memory_index(&mut self, memory: u32) -> Result<u32, Error> {
                let defined = memory >= self.known.imported_memories;
                Ok(memory + if defined { self.memories.len() as u32 } else { 0 })
            }

            $(fn $parse(
                &mut self,
                section: &mut $section,
                reader: wasmparser::$reader<'_>,
            ) -> Result<(), Error> {
                utils::$parse(self, section, reader)?;
                self.$add(section);
                Ok(())
            })*

            fn parse_code_section(
                &mut self,
                section: &mut CodeSection,
                reader: wasmparser::CodeSectionReader<'_>,
            ) -> Result<(), Error> {
                if self.bodies.is_empty() {
                    utils::parse_code_section(self, section, reader)?;
                }
                for body in &self.bodies {
                    section.function(body);
                }
                self.add_bodies(section);
                Ok(())
            }

            fn intersperse_section_hook(
                &mut self,
                module: &mut Module,
                after: Option<SectionId>,
                before: Option<SectionId>,
            ) -> Result<(), Error> {
                let lacks = |id| {
                    after.is_none_or(|after| place(after) < place(id))
                        && before.is_none_or(|before| place(id) < place(before))
                };
                $(if lacks(SectionId::$id) {
                    let mut section = $section::new();
                    self.$add(&mut section);
                    if !section.is_empty() {
                        module.section(&section);
                    }
                })*
                if lacks(SectionId::Code) && !self.functions.is_empty() {
                    let mut section = CodeSection::new();
                    self.add_bodies(&mut section);
                    module.section(&section);
                }
                Ok(())
            }
        }
    };
}

sections! {
    Type: parse_type_section add_types TypeSection TypeSectionReader;
    Import: parse_import_section add_imports ImportSection ImportSectionReader;
    Function: parse_function_section add_functions FunctionSection FunctionSectionReader;
    Tag: parse_tag_section add_tags TagSection TagSectionReader;
    Global: parse_global_section add_globals GlobalSection GlobalSectionReader;
    Export: parse_export_section add_exports ExportSection ExportSectionReader;
}
