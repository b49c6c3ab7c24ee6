//! The declarations of a module as bytes, so that a module that was validated once is loaded
//! without decoding it: what is long is kept in words of a fixed size.
//!
//! Decoding checks that nothing lies outside of the module and its index spaces. It does not
//! validate, so who loads these bytes has to trust their source. Function bodies and data are not
//! read; their [checksums](Checksums) are compared when they are.

mod items;
#[cfg(test)]
mod tests;

use std::ops::Range;

use bytes::Bytes;
use wasmparser::{BinaryReader, CustomSectionReader};

use items::*;

use super::data::DataSegments;
use super::decode::{Decoder as Sections, complete, empty_facts};
use super::{ElementItems, Export, Import, ImportType, Item, ModuleFacts, SegmentMode};
use crate::codec::{Decoder, Encoder, Malformed};
use crate::index::{DefinedFuncIndex, FuncIndex, MemoryIndex, TypeIndex};
use crate::types::{FuncType, IndexKind, MemoryType, Sharing};

/// Checksums (CRC-32) of what is read of a stored module after it is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksums {
    /// Of each body.
    bodies: Vec<u32>,
    /// Of the part of the module that contains the data segments.
    data: u32,
}

impl ModuleFacts {
    /// Whether a body is what it was when the module was stored; true of other modules.
    pub fn body_is_intact(&self, func: DefinedFuncIndex, wasm: &[u8]) -> bool {
        self.checksums.as_ref().is_none_or(|sums| {
            let range = &self.bodies[func.index()];
            let body = &wasm[range.start as usize..range.end as usize];
            crc32fast::hash(body) == sums.bodies[func.index()]
        })
    }

    /// Whether the data segments are what they were when the module was stored; true of other
    /// modules. Reads all of them.
    pub fn data_is_intact(&self, wasm: &[u8]) -> bool {
        self.checksums.as_ref().is_none_or(|sums| {
            let range = self.data.extent();
            crc32fast::hash(&wasm[range.start as usize..range.end as usize]) == sums.data
        })
    }

    fn sum(&self, wasm: &[u8]) -> Checksums {
        let sum =
            |range: &Range<u32>| crc32fast::hash(&wasm[range.start as usize..range.end as usize]);
        Checksums {
            bodies: self.bodies.iter().map(sum).collect(),
            data: sum(&self.data.extent()),
        }
    }
}

/// Writes the facts of a module that was decoded just now, whose types refer to each other by
/// index.
pub fn encode(facts: &ModuleFacts, wasm: &[u8], to: &mut Encoder) {
    list(to, &facts.types, |ty, to| {
        list(to, &ty.params, |ty, to| val_type(*ty, to));
        list(to, &ty.results, |ty, to| val_type(*ty, to));
    });
    list(to, &facts.imports, |import, to| {
        to.sized(import.module.as_bytes());
        to.sized(import.name.as_bytes());
        import_type(&import.ty, to);
    });
    let defined = |count: u32| count as usize;
    words(
        to,
        facts.funcs[defined(facts.imported_funcs)..]
            .iter()
            .map(|ty| ty.0),
    );
    list(
        to,
        &facts.tables[defined(facts.imported_tables)..],
        table_type,
    );
    list(to, &facts.table_inits, |init, to| {
        to.byte(init.is_some().into());
        if let Some(init) = init {
            const_expr(init, to);
        }
    });
    list(
        to,
        &facts.memories[defined(facts.imported_memories)..],
        memory_type,
    );
    list(
        to,
        &facts.globals[defined(facts.imported_globals)..],
        global_type,
    );
    list(to, &facts.global_inits, const_expr);
    list(to, &facts.tags[defined(facts.imported_tags)..], |ty, to| {
        to.number(ty.0)
    });
    list(to, &facts.exports, |export, to| {
        to.sized(export.name.as_bytes());
        item(export.item, to);
    });
    to.number(facts.start.map_or(0, |start| 1 + u64::from(start.0)));
    list(to, &facts.elements, element_segment);
    facts.data.encode(to, |special, to| {
        mode(special, |memory, to| to.number(memory.0), to)
    });
    words(
        to,
        facts.bodies.iter().flat_map(|body| [body.start, body.end]),
    );
    to.number(facts.code_section_bytes);
    list(to, &facts.custom_sections, |section, to| {
        to.number(section.range.start);
        to.number(section.range.end);
        to.byte(section.behind_code.into());
    });
    let sums = facts.sum(wasm);
    words(to, sums.bodies.into_iter());
    to.raw(&sums.data.to_le_bytes());
}

/// Reads what [`encode`] wrote into these bytes, for the module.
///
/// # Errors
///
/// If it is not that, or does not fit the module.
pub fn decode(
    from: &mut Decoder<'_>,
    bytes: &Bytes,
    wasm: &Bytes,
) -> Result<ModuleFacts, Malformed> {
    let mut facts = empty_facts();
    facts.types = read_list(from, |from| {
        let params = read_list(from, read_val_type)?.into();
        let results = read_list(from, read_val_type)?.into();
        Ok(FuncType { params, results })
    })?;
    facts.imports = read_list(from, |from| {
        Ok(Import {
            module: text(from)?,
            name: text(from)?,
            ty: read_import_type(from)?,
        })
    })?;
    for import in &facts.imports {
        match import.ty {
            ImportType::Func(ty) => facts.funcs.push(ty),
            ImportType::Table(ty) => facts.tables.push(ty),
            ImportType::Memory(ty) => facts.memories.push(ty),
            ImportType::Global(ty) => facts.globals.push(ty),
            ImportType::Tag(ty) => facts.tags.push(ty),
        }
    }
    facts.imported_funcs = facts.funcs.len() as u32;
    facts.imported_tables = facts.tables.len() as u32;
    facts.imported_memories = facts.memories.len() as u32;
    facts.imported_globals = facts.globals.len() as u32;
    facts.imported_tags = facts.tags.len() as u32;
    facts.funcs.extend(read_words(from)?.map(TypeIndex));
    facts.tables.extend(read_list(from, read_table_type)?);
    facts.table_inits = read_list(from, |from| match from.byte()? {
        0 => Ok(None),
        _ => Ok(Some(read_const_expr(from)?)),
    })?;
    facts.memories.extend(read_list(from, read_memory_type)?);
    facts.globals.extend(read_list(from, read_global_type)?);
    facts.global_inits = read_list(from, read_const_expr)?;
    facts
        .tags
        .extend(read_list(from, |from| Ok(TypeIndex(from.number_u32()?)))?);
    facts.exports = read_list(from, |from| {
        Ok(Export {
            name: text(from)?,
            item: read_item(from)?,
        })
    })?;
    let names = facts.exports.iter().enumerate();
    facts.export_names = names.map(|(n, export)| (export.name.clone(), n)).collect();
    facts.start = from.number_u32()?.checked_sub(1).map(FuncIndex);
    facts.elements = read_list(from, read_element_segment)?;
    facts.data = DataSegments::decode(from, bytes, |from| {
        read_mode(from, |from| Ok(MemoryIndex(from.number_u32()?)))
    })?;
    let mut bounds = read_words(from)?;
    while let (Some(start), Some(end)) = (bounds.next(), bounds.next()) {
        facts.bodies.push(start..end);
    }
    let code_section_bytes = from.number_u32()?;
    let sections = read_list(from, |from| {
        let range = from.number_u32()?..from.number_u32()?;
        Ok((range, from.byte()? != 0))
    })?;
    let bodies = read_words(from)?.collect();
    let mut data = [0; 4];
    data.copy_from_slice(from.raw(4)?);
    let data = u32::from_le_bytes(data);
    facts.checksums = Some(Checksums { bodies, data });
    check(&facts, wasm).map_err(|what| from.malformed(what))?;

    for (range, behind_code) in sections {
        // As where the section stands in the module.
        facts.code_section_bytes = if behind_code { code_section_bytes } else { 0 };
        let section = wasm.get(range.start as usize..range.end as usize);
        let section = section.ok_or(from.malformed("a section outside of the module"))?;
        let reader = BinaryReader::new(section, range.start.into());
        let section = CustomSectionReader::new(reader);
        let section = section.map_err(|_| from.malformed("a section without a name"))?;
        let facts = &mut facts;
        Sections {
            wasm,
            stored: Some(wasm),
            facts,
        }
        .custom(&section);
    }
    facts.code_section_bytes = code_section_bytes;
    Ok(complete(facts))
}

/// Checks that all indexes are of something and all ranges in the module.
fn check(facts: &ModuleFacts, wasm: &[u8]) -> Result<(), &'static str> {
    let inside = |range: &Range<u32>| range.start <= range.end && range.end as usize <= wasm.len();
    let sums = facts.checksums.as_ref();
    let counts = [
        (facts.funcs.len(), facts.imported_funcs, facts.bodies.len()),
        (
            facts.tables.len(),
            facts.imported_tables,
            facts.table_inits.len(),
        ),
        (
            facts.globals.len(),
            facts.imported_globals,
            facts.global_inits.len(),
        ),
        (
            facts.bodies.len(),
            0,
            sums.map_or(0, |sums| sums.bodies.len()),
        ),
    ];
    if counts
        .iter()
        .any(|&(all, imported, defined)| all != imported as usize + defined)
    {
        return Err("lists of different lengths");
    }
    let mut types = facts.funcs.iter().chain(&facts.tags);
    if types.any(|ty| ty.index() >= facts.types.len()) {
        return Err("no such type");
    }
    if !facts.bodies.iter().all(inside) || !facts.data.iter_ranges().all(|range| inside(&range)) {
        return Err("code or data outside of the module");
    }
    if !facts.memories.iter().all(is_possible) {
        return Err("a memory that can't be");
    }
    let is_func = |func: FuncIndex| func.index() < facts.funcs.len();
    let exported = facts.exports.iter().all(|export| match export.item {
        Item::Func(func) => is_func(func),
        Item::Table(table) => table.index() < facts.tables.len(),
        Item::Memory(memory) => memory.index() < facts.memories.len(),
        Item::Global(global) => global.index() < facts.globals.len(),
        Item::Tag(tag) => tag.index() < facts.tags.len(),
    });
    let elements = facts.elements.iter().all(|segment| {
        let target = match &segment.mode {
            SegmentMode::Active { target, .. } => target.index() < facts.tables.len(),
            SegmentMode::Passive | SegmentMode::Declared => true,
        };
        let funcs = match &segment.items {
            ElementItems::Funcs(funcs) => funcs.iter().all(|&func| is_func(func)),
            ElementItems::Exprs(_) => true,
        };
        target && funcs
    });
    match exported && elements && facts.start.is_none_or(is_func) {
        true => Ok(()),
        false => Err("no such item"),
    }
}

/// Whether a memory can have the type.
fn is_possible(ty: &MemoryType) -> bool {
    let bits = match ty.index {
        IndexKind::I32 => 32,
        IndexKind::I64 => 64,
    };
    let shift = ty.page_shift;
    let most = 1_u128.unbounded_shl(bits - u32::from(shift.min(16)));
    let max = ty.limits.max.map_or(most, u128::from);
    let bounded = ty.limits.max.is_some() || ty.sharing == Sharing::Private;
    matches!(shift, 0 | MemoryType::DEFAULT_PAGE_SHIFT)
        && u128::from(ty.limits.min) <= max
        && max <= most
        && bounded
}
