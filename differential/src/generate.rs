//! Makes programs from numbers: modules of `wasm-smith` that end by themselves, linked to each
//! other and to the host, some of them rewritten to use what `wasm-smith` does not: exceptions of
//! the older form, typed references, and two threads.

use arbitrary::Unstructured;
use fastrand::Rng;
use wasm_encoder::{
    EntityType, GlobalType, ImportSection, MemoryType, Module, TableType, TagKind, TagType,
    TypeSection,
};
use wasmparser::{ExternalKind, Parser, Payload, Validator, WasmFeatures};

use crate::additions::encoded;
use crate::program::Program;
use crate::{host, legacy, references, threads, waits};

/// Loop iterations and calls until a module ends each call of it by a trap.
const FUEL: u32 = 1000;

/// What all modules of a program have in common, so that they can import from each other.
struct Features {
    references: bool,
    typed_references: bool,
    vectors: bool,
    relaxed_vectors: bool,
    memory64: bool,
    page_sizes: bool,
    wide_arithmetic: bool,
    threads: bool,
    exceptions: bool,
    /// Exceptions of the older form.
    legacy: bool,
    /// Whether two threads run the program at the same time.
    two_threads: bool,
    traps: bool,
}

impl Features {
    fn choose(rng: &mut Rng) -> Self {
        let typed_references = rng.usize(..3) == 0;
        let vectors = rng.usize(..3) == 0;
        let legacy = rng.usize(..5) == 0;
        Self {
            references: typed_references || rng.usize(..4) == 0,
            typed_references,
            vectors,
            relaxed_vectors: vectors && rng.usize(..4) == 0,
            memory64: rng.bool(),
            page_sizes: rng.usize(..4) == 0,
            wide_arithmetic: rng.bool(),
            threads: rng.usize(..6) == 0,
            exceptions: rng.usize(..5) == 0 || legacy && rng.bool(),
            legacy,
            two_threads: rng.usize(..6) == 0,
            traps: rng.usize(..4) == 0,
        }
    }
}

/// A generated module, and the global by which it ends, which no other module may change.
struct Part {
    wasm: Vec<u8>,
    fuel: u32,
}

/// The program of a number; `None` if the number leads to none.
pub fn generate(number: u64) -> Option<Program> {
    let mut rng = Rng::with_seed(number).fork();
    let features = Features::choose(&mut rng);
    let count = match rng.usize(..8) {
        0 => 3,
        1 | 2 => 2,
        _ => 1,
    };
    let mut parts: Vec<Part> = Vec::new();
    for _ in 0..count {
        let mut part = smith(&features, &parts, &mut rng)?;
        if features.threads {
            part.wasm = waits::shorten(&part.wasm);
        }
        if features.legacy {
            part.wasm = legacy::rewrite(&part.wasm, &mut rng);
        }
        if features.typed_references {
            part.wasm = references::rewrite(&part.wasm, &mut rng);
        }
        parts.push(part);
    }
    let memory64 = features.memory64 && rng.bool();
    for part in parts.iter_mut().filter(|_| features.two_threads) {
        part.wasm = threads::rewrite(&part.wasm, memory64, &mut rng);
    }
    let modules = parts.into_iter().map(|part| part.wasm).collect();
    let seed = rng.u64(..);
    Some(Program { modules, seed })
}

fn smith(features: &Features, before: &[Part], rng: &mut Rng) -> Option<Part> {
    let mut config = config(features, rng);
    config.available_imports = Some(available(before, features.exceptions));
    let words = 512 + rng.usize(..2048);
    let bytes: Vec<u8> = (0..words).flat_map(|_| rng.u64(..).to_le_bytes()).collect();
    let mut input = Unstructured::new(&bytes);
    let mut module = wasm_smith::Module::new(config, &mut input).ok()?;
    let fuel = module.ensure_termination(FUEL).ok()?;
    let wasm = module.to_bytes();
    Some(Part { wasm, fuel })
}

/// The generator's configuration: everything that the supported standard has, and nothing else;
/// small, with deterministic NaNs. Without the minimums most modules would be empty.
fn config(features: &Features, rng: &mut Rng) -> wasm_smith::Config {
    let references = features.references || features.exceptions;
    wasm_smith::Config {
        canonicalize_nans: true,
        export_everything: true,
        disallow_traps: !features.traps,
        max_imports: 12,
        min_types: 3,
        max_types: 8,
        min_funcs: 1 + rng.usize(..6),
        max_funcs: 16,
        max_instructions: 20 + rng.usize(..500),
        min_globals: rng.usize(..4),
        max_globals: 10,
        min_memories: 1,
        max_memories: 1 + rng.usize(..3),
        max_memory32_bytes: 4 << 16,
        max_memory64_bytes: 4 << 16,
        memory_max_size_required: true,
        memory_offset_choices: wasm_smith::MemoryOffsetChoices(90, 9, 1),
        max_data_segments: 3,
        min_tables: u32::from(references),
        max_tables: 1 + usize::from(references),
        max_table_elements: 100,
        table_max_size_required: true,
        min_element_segments: rng.usize(..2).max(usize::from(features.typed_references)),
        max_element_segments: 4,
        reference_types_enabled: references,
        exceptions_enabled: features.exceptions,
        gc_enabled: false,
        memory64_enabled: features.memory64,
        custom_page_sizes_enabled: features.page_sizes,
        relaxed_simd_enabled: features.relaxed_vectors,
        simd_enabled: features.vectors,
        threads_enabled: features.threads,
        wide_arithmetic_enabled: features.wide_arithmetic,
        ..wasm_smith::Config::default()
    }
}

/// A module whose imports are what a further module may import.
fn available(parts: &[Part], exceptions: bool) -> Vec<u8> {
    let mut types = TypeSection::new();
    let mut imports = ImportSection::new();
    let text = host::FUNCTIONS
        .iter()
        .map(|(name, ty)| format!("(import \"{}\" \"{name}\" (func {ty}))", host::NAME));
    let host = wat(&format!("(module {})", text.collect::<String>()));
    add_functions_of_host(&host, &mut types, &mut imports);
    for (index, part) in parts.iter().enumerate() {
        let name = Program::module_name(index);
        add_exports(&name, part, exceptions, &mut types, &mut imports);
    }
    let mut module = Module::new();
    module.section(&types).section(&imports);
    module.finish()
}

fn wat(text: &str) -> Vec<u8> {
    let buffer = wast::parser::ParseBuffer::new(text).expect("the text has no odd characters");
    let mut module: wast::Wat = wast::parser::parse(&buffer).expect("a module's text");
    module.encode().expect("a module's text")
}

fn func_type(ty: &wasmparser::FuncType, types: &mut TypeSection) -> u32 {
    let index = types.len();
    types
        .ty()
        .function(encoded(ty.params()), encoded(ty.results()));
    index
}

fn add_functions_of_host(wasm: &[u8], types: &mut TypeSection, imports: &mut ImportSection) {
    let known = Validator::new().validate_all(wasm).expect("valid");
    for (index, (name, _)) in host::FUNCTIONS.iter().enumerate() {
        let ty = known.as_ref().core_function_at(index as u32);
        let ty = func_type(known[ty].unwrap_func(), types);
        imports.import(host::NAME, name, EntityType::Function(ty));
    }
}

fn add_exports(
    module: &str,
    part: &Part,
    exceptions: bool,
    types: &mut TypeSection,
    imports: &mut ImportSection,
) {
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    let known = validator
        .validate_all(&part.wasm)
        .expect("generated modules are valid");
    let known = known.as_ref();
    for payload in Parser::new(0).parse_all(&part.wasm) {
        let Ok(Payload::ExportSection(exports)) = payload else {
            continue;
        };
        for export in exports {
            let export = export.expect("valid");
            let index = export.index;
            let entity = match export.kind {
                ExternalKind::Func => {
                    let ty = known.core_function_at(index);
                    EntityType::Function(func_type(known[ty].unwrap_func(), types))
                }
                // The generator checks what it is given by features that lack page sizes.
                ExternalKind::Memory if known.memory_at(index).page_size_log2.is_some() => continue,
                ExternalKind::Memory => {
                    EntityType::Memory(MemoryType::from(known.memory_at(index)))
                }
                ExternalKind::Table => EntityType::Table(
                    TableType::try_from(known.table_at(index)).expect("encodable"),
                ),
                ExternalKind::Global if index != part.fuel => EntityType::Global(
                    GlobalType::try_from(known.global_at(index)).expect("encodable"),
                ),
                ExternalKind::Tag if exceptions => EntityType::Tag(TagType {
                    kind: TagKind::Exception,
                    func_type_idx: func_type(known[known.tag_at(index)].unwrap_func(), types),
                }),
                _ => continue,
            };
            imports.import(module, export.name, entity);
        }
    }
}
