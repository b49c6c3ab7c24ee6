//! The decoder from a module's bytes to its facts, which validates every section on the way.
//!
//! Function bodies are not read: each yields a [`FuncToValidate`], to be validated later on any
//! thread, or by the baseline compiler in its own pass.

mod items;

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use wasmparser::{
    BinaryReaderError, Chunk, Encoding, ExternalKind, FuncToValidate, Imports, KnownCustom, Parser,
    Payload, TableInit, TypeRef, ValidPayload, Validator, ValidatorResources,
};

use items::*;

use super::data::{DataSegments, DataSegmentsBuilder};
use super::place::place;
use super::references::{number_func_refs, table_image};
use super::{BranchHints, CustomSection, Export, Import, ImportType, Item, ModuleFacts, Names};
use crate::features::{Features, MissingFeature};
use crate::hints::{HintSections, Section};
use crate::index::{FuncIndex, GlobalIndex, MemoryIndex, TableIndex, TagIndex, TypeIndex};
use crate::plan::{MemoryOptions, ModulePlan};
use crate::vmctx::VmLayout;

/// The reason why a module was refused.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The module is malformed or invalid.
    #[error("invalid WebAssembly module at offset {offset:#x}: {message}")]
    Invalid {
        /// Offset in the module's bytes.
        offset: u64,
        /// What is wrong.
        message: String,
    },
    /// The module needs a feature that is off or not supported.
    #[error(transparent)]
    MissingFeature(#[from] MissingFeature),
    /// The bytes are a component of the component model, which contains modules.
    #[error(
        "this is a component, and Upshift runs modules: compile it for `wasm32-wasip1` instead of \
         `wasm32-wasip2`, or take the module out of it with `wasm-tools component unbundle`"
    )]
    Component,
    /// The module exceeds an implementation limit.
    #[error("module too large: {0}")]
    TooLarge(String),
}

impl From<BinaryReaderError> for DecodeError {
    fn from(error: BinaryReaderError) -> Self {
        match MissingFeature::from_wasm(&error) {
            Some(missing) => DecodeError::MissingFeature(missing),
            None => DecodeError::Invalid {
                offset: error.offset(),
                message: error.message().to_string(),
            },
        }
    }
}

/// A decoded module whose bodies have not been validated yet.
#[derive(Debug)]
pub struct DecodedModule {
    /// The module's declarations.
    pub facts: ModuleFacts,
    /// One validator for each body, in order.
    pub validators: Vec<FuncToValidate<ValidatorResources>>,
}

/// Decodes a module like [`decode_with`], with every feature that the compilers implement.
///
/// # Errors
///
/// As there.
pub fn decode(wasm: &[u8]) -> Result<DecodedModule, DecodeError> {
    decode_with(wasm, Features::all())
}

/// Decodes a module in the binary format and validates everything but function bodies.
///
/// Linear in the module's size without its code section, whose bodies are skipped.
///
/// # Errors
///
/// If the module is malformed, invalid, needs a feature that is missing or exceeds 4 GiB.
pub fn decode_with(wasm: &[u8], features: Features) -> Result<DecodedModule, DecodeError> {
    let mut validators = Vec::new();
    let mut decoder = ModuleDecoder::new(features);
    decoder.advance(wasm, Input::Complete, |validator, _| {
        validators.push(validator)
    })?;
    Ok(DecodedModule {
        facts: decoder.finish(),
        validators,
    })
}

/// Whether a decoder has all of a module's bytes before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// More bytes may follow.
    Partial,
    /// The module ends here.
    Complete,
}

/// Decodes a module whose bytes arrive piece by piece, validating everything but function bodies.
pub struct ModuleDecoder {
    parser: Parser,
    validator: Validator,
    /// How many bytes have been decoded.
    position: usize,
    facts: ModuleFacts,
    data: DataSegmentsBuilder,
}

impl fmt::Debug for ModuleDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModuleDecoder")
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

impl ModuleDecoder {
    /// Creates a decoder at a module's beginning, which takes modules that need these features.
    pub fn new(features: Features) -> Self {
        Self {
            parser: Parser::new(0),
            validator: Validator::new_with_features(features.flags()),
            position: 0,
            facts: empty_facts(),
            data: DataSegmentsBuilder::default(),
        }
    }

    /// What has been decoded so far, without data segments.
    pub fn facts(&self) -> &ModuleFacts {
        &self.facts
    }

    /// Decodes as many sections and bodies as are complete in `wasm`, all bytes of the module until
    /// now: those of earlier calls and what has arrived since. `on_body` gets each body's validator
    /// and its range in the module.
    ///
    /// # Errors
    ///
    /// If the module is malformed, invalid, needs a feature that is missing or exceeds 4 GiB.
    pub fn advance(
        &mut self,
        wasm: &[u8],
        input: Input,
        on_body: impl FnMut(FuncToValidate<ValidatorResources>, Range<u32>),
    ) -> Result<(), DecodeError> {
        let advanced = self.advance_by_payloads(wasm, input, on_body);
        advanced.map_err(|error| match error {
            DecodeError::MissingFeature(missing) => {
                let place = place(wasm, missing.offset());
                missing.at(place).into()
            }
            other => other,
        })
    }

    fn advance_by_payloads(
        &mut self,
        wasm: &[u8],
        input: Input,
        mut on_body: impl FnMut(FuncToValidate<ValidatorResources>, Range<u32>),
    ) -> Result<(), DecodeError> {
        if u32::try_from(wasm.len()).is_err() {
            return Err(DecodeError::TooLarge(format!(
                "{} bytes; the limit is 4 GiB",
                wasm.len()
            )));
        }
        loop {
            let rest = &wasm[self.position..];
            let payload = match self.parser.parse(rest, input == Input::Complete)? {
                Chunk::NeedMoreData(_) => return Ok(()),
                Chunk::Parsed { consumed, payload } => {
                    self.position += consumed;
                    payload
                }
            };
            if let Payload::Version {
                encoding: Encoding::Component,
                ..
            } = payload
            {
                return Err(DecodeError::Component);
            }
            let ends = matches!(payload, Payload::End(_));
            if let ValidPayload::Func(validator, body) = self.validator.payload(&payload)? {
                let range = body.range();
                on_body(validator, range.start as u32..range.end as u32);
            }
            if let Payload::DataSection(reader) = payload {
                for data in reader {
                    add_data(&mut self.data, &data?)?;
                }
                continue;
            }
            let facts = &mut self.facts;
            let stored = None;
            Decoder {
                wasm,
                stored,
                facts,
            }
            .payload(payload)?;
            if ends {
                return Ok(());
            }
        }
    }

    /// Returns the declarations of a module that was decoded to its end.
    pub fn finish(mut self) -> ModuleFacts {
        self.facts.data = self.data.finish();
        complete(self.facts)
    }
}

/// Adds what follows from the sections.
pub(super) fn complete(mut facts: ModuleFacts) -> ModuleFacts {
    number_func_refs(&mut facts);
    let ModuleFacts {
        branch_hints,
        bodies,
        imported_funcs,
        ..
    } = &mut facts;
    branch_hints.resolve(*imported_funcs, bodies);
    let image = table_image(&facts);
    facts.table_image = image.filter(|image| VmLayout::fills_on_demand(&facts, Some(image)));
    facts.layout = VmLayout::new(&facts);
    facts.plan = ModulePlan::new(&facts, MemoryOptions::default());
    facts
}

pub(super) fn empty_facts() -> ModuleFacts {
    ModuleFacts {
        types: Vec::new(),
        type_ids: Vec::new(),
        imports: Vec::new(),
        funcs: Vec::new(),
        imported_funcs: 0,
        tables: Vec::new(),
        imported_tables: 0,
        table_inits: Vec::new(),
        memories: Vec::new(),
        imported_memories: 0,
        globals: Vec::new(),
        imported_globals: 0,
        global_inits: Vec::new(),
        tags: Vec::new(),
        imported_tags: 0,
        exports: Vec::new(),
        export_names: HashMap::new(),
        start: None,
        elements: Vec::new(),
        data: DataSegments::default(),
        bodies: Vec::new(),
        code_section_bytes: 0,
        names: Names::default(),
        custom_sections: Vec::new(),
        checksums: None,
        branch_hints: BranchHints::default(),
        hints: HintSections::default(),
        func_refs: Vec::new(),
        ref_funcs: Vec::new(),
        table_image: None,
        layout: VmLayout::EMPTY,
        plan: ModulePlan::empty(),
        sites: None,
        observed: None,
    }
}

/// Adds decoded sections to the facts.
pub(super) struct Decoder<'a> {
    pub wasm: &'a [u8],
    /// The same bytes, if the facts may keep parts of them.
    pub stored: Option<&'a Bytes>,
    pub facts: &'a mut ModuleFacts,
}

impl Decoder<'_> {
    /// Decodes one section, which validation has accepted.
    fn payload(&mut self, payload: Payload<'_>) -> Result<(), DecodeError> {
        match payload {
            Payload::TypeSection(reader) => {
                for ty in reader.into_iter_err_on_gc_types() {
                    self.facts.types.push(func_type(&ty?)?);
                }
            }
            Payload::ImportSection(reader) => {
                for imports in reader {
                    let Imports::Single(_, import) = imports? else {
                        return Err(unsupported("compact-imports", "an import group"));
                    };
                    self.import(&import)?;
                }
            }
            Payload::FunctionSection(reader) => {
                for ty in reader {
                    self.facts.funcs.push(TypeIndex(ty?));
                }
            }
            Payload::TableSection(reader) => {
                for table in reader {
                    let table = table?;
                    self.facts.tables.push(table_type(&table.ty)?);
                    self.facts.table_inits.push(match table.init {
                        TableInit::RefNull => None,
                        TableInit::Expr(expr) => Some(const_expr(&expr)?),
                    });
                }
            }
            Payload::MemorySection(reader) => {
                check_limits_encoding(reader.range(), self.wasm)?;
                for memory in reader {
                    self.facts.memories.push(memory_type(&memory?));
                }
            }
            Payload::GlobalSection(reader) => {
                for global in reader {
                    let global = global?;
                    self.facts.globals.push(global_type(&global.ty)?);
                    self.facts.global_inits.push(const_expr(&global.init_expr)?);
                }
            }
            Payload::TagSection(reader) => {
                for tag in reader {
                    self.facts.tags.push(TypeIndex(tag?.func_type_idx));
                }
            }
            Payload::ExportSection(reader) => {
                for export in reader {
                    self.export(&export?)?;
                }
            }
            Payload::StartSection { func, .. } => self.facts.start = Some(FuncIndex(func)),
            Payload::ElementSection(reader) => {
                for element in reader {
                    let element = element_segment(&element?)?;
                    self.facts.elements.push(element);
                }
            }
            Payload::CodeSectionStart { size, count, .. } => {
                self.facts.code_section_bytes = size;
                self.facts.bodies.reserve(count as usize);
            }
            Payload::CodeSectionEntry(body) => {
                let range = body.range();
                self.facts.bodies.push(range.start as u32..range.end as u32);
            }
            Payload::CustomSection(section) => {
                self.custom(&section);
            }
            _ => {}
        }
        Ok(())
    }

    fn import(&mut self, import: &wasmparser::Import<'_>) -> Result<(), DecodeError> {
        let facts = &mut *self.facts;
        let ty = match import.ty {
            TypeRef::Func(ty) | TypeRef::FuncExact(ty) => {
                facts.imported_funcs += 1;
                facts.funcs.push(TypeIndex(ty));
                ImportType::Func(TypeIndex(ty))
            }
            TypeRef::Table(ty) => {
                let ty = table_type(&ty)?;
                facts.imported_tables += 1;
                facts.tables.push(ty);
                ImportType::Table(ty)
            }
            TypeRef::Memory(ty) => {
                let ty = memory_type(&ty);
                facts.imported_memories += 1;
                facts.memories.push(ty);
                ImportType::Memory(ty)
            }
            TypeRef::Global(ty) => {
                let ty = global_type(&ty)?;
                facts.imported_globals += 1;
                facts.globals.push(ty);
                ImportType::Global(ty)
            }
            TypeRef::Tag(tag) => {
                facts.imported_tags += 1;
                facts.tags.push(TypeIndex(tag.func_type_idx));
                ImportType::Tag(TypeIndex(tag.func_type_idx))
            }
        };
        facts.imports.push(Import {
            module: import.module.into(),
            name: import.name.into(),
            ty,
        });
        Ok(())
    }

    fn export(&mut self, export: &wasmparser::Export<'_>) -> Result<(), DecodeError> {
        let item = match export.kind {
            ExternalKind::Func | ExternalKind::FuncExact => Item::Func(FuncIndex(export.index)),
            ExternalKind::Table => Item::Table(TableIndex(export.index)),
            ExternalKind::Memory => Item::Memory(MemoryIndex(export.index)),
            ExternalKind::Global => Item::Global(GlobalIndex(export.index)),
            ExternalKind::Tag => Item::Tag(TagIndex(export.index)),
        };
        let position = self.facts.exports.len();
        self.facts.export_names.insert(export.name.into(), position);
        self.facts.exports.push(Export {
            name: export.name.into(),
            item,
        });
        Ok(())
    }

    /// Reads the custom sections that are known; they can't make a module invalid.
    pub fn custom(&mut self, section: &wasmparser::CustomSectionReader<'_>) {
        let behind_code = self.facts.code_section_bytes > 0;
        // Where known sections have no readable beginning, they count as unknown.
        match (section.as_known(), section.name()) {
            (KnownCustom::Name(_), _) => {
                let names = match self.stored {
                    Some(stored) => stored.slice_ref(section.data()),
                    None => Bytes::copy_from_slice(section.data()),
                };
                self.facts.names.add(names);
            }
            (KnownCustom::BranchHints(hints), _) if !behind_code => {
                self.facts.branch_hints.add(BranchHints::read(hints));
            }
            (KnownCustom::Unknown, BranchHints::SECTION) => self.facts.branch_hints.add(None),
            (_, name) => match Section::named(name) {
                Some(known) => self.facts.hints.add(known, section.data(), behind_code),
                None => return,
            },
        }
        let range = section.range();
        self.facts.custom_sections.push(CustomSection {
            range: range.start as u32..range.end as u32,
            behind_code,
        });
    }
}
