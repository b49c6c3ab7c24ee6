//! Import matching: whether externs fit what a module imports.

use std::fmt::Write as _;

use upshift_abi::facts::ImportType;
use upshift_abi::{FuncType, GlobalType, Limits, MemoryType, ModuleFacts, TableType, ValType};

use super::{Extern, Store};
use crate::error::LinkError;
use crate::module::ModuleCode;

impl Store {
    /// Checks number and types of the imports.
    pub(super) fn check_imports(
        &self,
        module: &ModuleCode,
        imports: &[Extern],
    ) -> Result<(), LinkError> {
        let facts = module.facts();
        if facts.imports.len() != imports.len() {
            return Err(LinkError::Count {
                expected: facts.imports.len(),
                found: imports.len(),
            });
        }
        for (import, &given) in facts.imports.iter().zip(imports) {
            if !self.fits(facts, &import.ty, given) {
                return Err(LinkError::Type {
                    module: import.module.to_string(),
                    name: import.name.to_string(),
                    expected: describe_import(facts, &import.ty),
                    found: self.describe(given),
                });
            }
        }
        Ok(())
    }

    /// Matches an extern with an import: functions and mutable globals exactly, immutable
    /// globals by what they contain, tables and memories by their present limits.
    fn fits(&self, facts: &ModuleFacts, wanted: &ImportType, given: Extern) -> bool {
        match (*wanted, given) {
            (ImportType::Func(ty), Extern::Func(func)) => {
                facts.type_ids[ty.index()] == self.func_type_id(func)
            }
            (ImportType::Global(ty), Extern::Global(global)) => {
                let declared = self.global_type(global);
                match ty.mutable {
                    true => ty == declared,
                    false => !declared.mutable && declared.content.matches(ty.content),
                }
            }
            (ImportType::Memory(ty), Extern::Memory(memory)) => {
                let declared = self.memory_type(memory);
                ty.same_but_for_limits(&declared)
                    && limits_fit(ty.limits, self.memory_pages(memory), declared.limits)
            }
            (ImportType::Table(ty), Extern::Table(table)) => {
                let declared = self.table_type(table);
                ty.same_but_for_limits(&declared)
                    && limits_fit(ty.limits, self.table_len(table), declared.limits)
            }
            (ImportType::Tag(ty), Extern::Tag(tag)) => {
                facts.type_ids[ty.index()] == self.tag_type_id(tag)
            }
            _ => false,
        }
    }

    fn describe(&self, given: Extern) -> String {
        match given {
            Extern::Func(func) => format!("function {}", self.func_type(func)),
            Extern::Global(global) => describe_global(self.global_type(global)),
            Extern::Tag(tag) => describe_tag(&self.tag_type(tag)),
            Extern::Memory(memory) => {
                let ty = self.memory_type(memory);
                describe_memory(ty, self.memory_pages(memory))
            }
            Extern::Table(table) => {
                let ty = self.table_type(table);
                describe_table(ty, self.table_len(table))
            }
        }
    }
}

/// Whether a present size and a declared maximum satisfy the required limits.
fn limits_fit(wanted: Limits, size: u64, declared: Limits) -> bool {
    let max_fits = match (wanted.max, declared.max) {
        (None, _) => true,
        (Some(wanted), Some(declared)) => declared <= wanted,
        (Some(_), None) => false,
    };
    size >= wanted.min && max_fits
}

fn describe_import(facts: &ModuleFacts, ty: &ImportType) -> String {
    match ty {
        ImportType::Func(ty) => format!("function {}", facts.types[ty.index()]),
        ImportType::Global(ty) => describe_global(*ty),
        ImportType::Memory(ty) => describe_memory(*ty, ty.limits.min),
        ImportType::Table(ty) => describe_table(*ty, ty.limits.min),
        ImportType::Tag(ty) => describe_tag(&facts.types[ty.index()]),
    }
}

fn describe_tag(ty: &FuncType) -> String {
    format!("tag {ty}")
}

fn describe_global(ty: GlobalType) -> String {
    format!(
        "{} global {}",
        if ty.mutable { "mutable" } else { "immutable" },
        ty.content
    )
}

/// A memory's type, with its present or least size.
fn describe_memory(ty: MemoryType, min: u64) -> String {
    let mut text = format!(
        "{}{}memory {}",
        ty.sharing.prefix(),
        ty.index.prefix(),
        describe_limits(min, ty.limits.max)
    );
    if ty.page_shift != MemoryType::DEFAULT_PAGE_SHIFT {
        let _ = write!(text, " pages of {} bytes", ty.page_bytes());
    }
    text
}

/// A table's type, with its present or least length.
fn describe_table(ty: TableType, min: u64) -> String {
    let limits = describe_limits(min, ty.limits.max);
    let element = ValType::Ref(ty.element);
    format!("{}table of {element} {limits}", ty.index.prefix())
}

fn describe_limits(min: u64, max: Option<u64>) -> String {
    let mut text = format!("of at least {min}");
    if let Some(max) = max {
        let _ = write!(text, " and at most {max}");
    }
    text
}
