//! The types of importable and exportable items, as embedders see them.

use std::fmt;

pub use upshift_abi::{HeapType, RefType, ValType};

use upshift_abi as abi;

use crate::{Engine, Result};

/// Whether a global can be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutability {
    /// `global.set` is rejected by validation.
    Const,
    /// `global.set` is allowed.
    Var,
}

/// The parameter and result types of a function. A cheap value, comparable across engines.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FuncType(pub(crate) abi::FuncType);

impl FuncType {
    /// Creates a type from parameters and results.
    ///
    /// The engine is not used; the parameter is there for types that refer to others.
    ///
    /// # Panics
    ///
    /// If there are more than 1,000 parameters or results: no module can have such a function.
    pub fn new(
        _engine: &Engine,
        params: impl IntoIterator<Item = ValType>,
        results: impl IntoIterator<Item = ValType>,
    ) -> Self {
        let ty = abi::FuncType {
            params: params.into_iter().collect(),
            results: results.into_iter().collect(),
        };
        let most = ty.params.len().max(ty.results.len());
        assert!(
            most <= abi::frame::MAX_VALUES as usize,
            "a function has at most 1,000 parameters and 1,000 results, not {most}"
        );
        Self(ty)
    }

    /// The parameter types, in order.
    pub fn params(&self) -> impl ExactSizeIterator<Item = ValType> + '_ {
        self.0.params.iter().copied()
    }

    /// The result types, in order.
    pub fn results(&self) -> impl ExactSizeIterator<Item = ValType> + '_ {
        self.0.results.iter().copied()
    }
}

impl fmt::Display for FuncType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Addresses, page size and size limits of a memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryType(pub(crate) abi::MemoryType);

impl MemoryType {
    /// Creates the type of a memory with 32-bit addresses of at least `minimum` pages of 64 KiB.
    pub fn new(minimum: u32, maximum: Option<u32>) -> Self {
        Self(abi::MemoryType::new(limits(minimum, maximum)))
    }

    /// Creates the type of a memory with 64-bit addresses of at least `minimum` pages of 64 KiB.
    pub fn new64(minimum: u64, maximum: Option<u64>) -> Self {
        let limits = limits(minimum, maximum);
        Self(abi::MemoryType {
            index: index_kind(true),
            ..abi::MemoryType::new(limits)
        })
    }

    /// Creates the type of a [shared memory](crate::SharedMemory) with 32-bit addresses of at least
    /// `minimum` and at most `maximum` pages of 64 KiB.
    pub fn shared(minimum: u32, maximum: u32) -> Self {
        Self(abi::MemoryType {
            sharing: abi::Sharing::Shared,
            ..abi::MemoryType::new(limits(minimum, Some(maximum)))
        })
    }

    /// Whether several threads may access the memory.
    pub fn is_shared(&self) -> bool {
        self.0.sharing == abi::Sharing::Shared
    }

    /// Whether addresses have 64 bits.
    pub fn is_64(&self) -> bool {
        self.0.index == abi::IndexKind::I64
    }

    /// The number of bytes of a page.
    pub fn page_size(&self) -> u64 {
        self.0.page_bytes()
    }

    /// The base-2 logarithm of the number of bytes of a page.
    pub fn page_size_log2(&self) -> u8 {
        self.0.page_shift
    }

    /// Checks that limits of the type are possible ones.
    pub(crate) fn check(&self) -> Result<()> {
        let most = self.0.most_pages();
        let largest = self.maximum().unwrap_or(0).max(self.minimum());
        anyhow::ensure!(largest <= most, "a memory has at most {most} pages");
        anyhow::ensure!(
            self.maximum()
                .is_none_or(|maximum| self.minimum() <= maximum),
            "the minimum of a memory must not exceed its maximum"
        );
        anyhow::ensure!(
            !self.is_shared() || self.maximum().is_some(),
            "a shared memory must have a maximum"
        );
        Ok(())
    }

    /// The number of pages at creation.
    pub fn minimum(&self) -> u64 {
        self.0.limits.min
    }

    /// The number of pages that growing must not exceed.
    pub fn maximum(&self) -> Option<u64> {
        self.0.limits.max
    }
}

/// Builds a [`MemoryType`]: by default one with 32-bit addresses of at least 0 pages of 64 KiB.
///
/// ```
/// let ty = upshift::MemoryTypeBuilder::new()
///     .memory64(true)
///     .page_size_log2(0)
///     .max(Some(1000))
///     .build()?;
/// assert!(ty.is_64() && ty.page_size() == 1);
/// # Ok::<(), upshift::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct MemoryTypeBuilder(MemoryType);

impl Default for MemoryTypeBuilder {
    fn default() -> Self {
        Self(MemoryType::new(0, None))
    }
}

impl MemoryTypeBuilder {
    /// Starts with the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the number of pages at creation.
    pub fn min(&mut self, minimum: u64) -> &mut Self {
        self.0.0.limits.min = minimum;
        self
    }

    /// Sets the number of pages that growing must not exceed.
    pub fn max(&mut self, maximum: Option<u64>) -> &mut Self {
        self.0.0.limits.max = maximum;
        self
    }

    /// Sets whether addresses have 64 bits.
    pub fn memory64(&mut self, memory64: bool) -> &mut Self {
        self.0.0.index = index_kind(memory64);
        self
    }

    /// Sets whether several threads may access the memory, which then must have a maximum.
    pub fn shared(&mut self, shared: bool) -> &mut Self {
        self.0.0.sharing = match shared {
            true => abi::Sharing::Shared,
            false => abi::Sharing::Private,
        };
        self
    }

    /// Sets the base-2 logarithm of a page's number of bytes: 0 or 16.
    pub fn page_size_log2(&mut self, page_size_log2: u8) -> &mut Self {
        self.0.0.page_shift = page_size_log2;
        self
    }

    /// Returns the type.
    ///
    /// # Errors
    ///
    /// If the page size is neither 1 nor 64 KiB, the limits are contradictory or more than
    /// addresses can reach, or a shared memory has no maximum.
    pub fn build(&self) -> Result<MemoryType> {
        let shift = self.0.page_size_log2();
        anyhow::ensure!(
            matches!(shift, 0 | abi::MemoryType::DEFAULT_PAGE_SHIFT),
            "a page has 1 or 65536 bytes, not 2^{shift}"
        );
        self.0.check()?;
        Ok(self.0)
    }
}

/// Element type, indexes and size limits of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableType(pub(crate) abi::TableType);

impl TableType {
    /// Creates the type of a table of at least `minimum` elements.
    pub fn new(element: RefType, minimum: u32, maximum: Option<u32>) -> Self {
        Self(abi::TableType::new(element, limits(minimum, maximum)))
    }

    /// Creates the type of a table with 64-bit indexes of at least `minimum` elements.
    pub fn new64(element: RefType, minimum: u64, maximum: Option<u64>) -> Self {
        let limits = limits(minimum, maximum);
        Self(abi::TableType {
            index: index_kind(true),
            ..abi::TableType::new(element, limits)
        })
    }

    /// Whether indexes have 64 bits.
    pub fn is_64(&self) -> bool {
        self.0.index == abi::IndexKind::I64
    }

    /// The type of the elements.
    pub fn element(&self) -> RefType {
        self.0.element
    }

    /// The number of elements at creation.
    pub fn minimum(&self) -> u64 {
        self.0.limits.min
    }

    /// The number of elements that growing must not exceed.
    pub fn maximum(&self) -> Option<u64> {
        self.0.limits.max
    }
}

fn limits<N: Into<u64>>(minimum: N, maximum: Option<N>) -> abi::Limits {
    abi::Limits {
        min: minimum.into(),
        max: maximum.map(N::into),
    }
}

fn index_kind(is_64: bool) -> abi::IndexKind {
    match is_64 {
        true => abi::IndexKind::I64,
        false => abi::IndexKind::I32,
    }
}

/// Value type and mutability of a global.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GlobalType(pub(crate) abi::GlobalType);

impl GlobalType {
    /// Creates the type of a global.
    pub fn new(content: ValType, mutability: Mutability) -> Self {
        Self(abi::GlobalType {
            content,
            mutable: mutability == Mutability::Var,
        })
    }

    /// The type of the global's value.
    pub fn content(&self) -> ValType {
        self.0.content
    }

    /// Whether the global can be changed.
    pub fn mutability(&self) -> Mutability {
        if self.0.mutable {
            Mutability::Var
        } else {
            Mutability::Const
        }
    }
}

/// The type of a tag: the types of the values that its exceptions have, as the parameters of a
/// function type without results.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TagType(pub(crate) FuncType);

impl TagType {
    /// Creates the type of a tag.
    pub fn new(ty: FuncType) -> Self {
        Self(ty)
    }

    /// The function type.
    pub fn ty(&self) -> &FuncType {
        &self.0
    }
}

/// The type of an import or export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExternType {
    /// The type of a function.
    Func(FuncType),
    /// The type of a global.
    Global(GlobalType),
    /// The type of a table.
    Table(TableType),
    /// The type of a memory.
    Memory(MemoryType),
    /// The type of a tag.
    Tag(TagType),
}

macro_rules! extern_type_accessors {
    ($($variant:ident($ty:ty) $get:ident $unwrap:ident $what:literal;)*) => {
        impl ExternType {$(
            #[doc = concat!("The ", $what, "'s type, if it is a ", $what, ".")]
            pub fn $get(&self) -> Option<&$ty> {
                match self { ExternType::$variant(ty) => Some(ty), _ => None }
            }

            #[doc = concat!("The ", $what, "'s type.\n\n# Panics\n\nIf it is no ", $what, ".")]
            #[track_caller]
            pub fn $unwrap(&self) -> &$ty {
                self.$get().expect(concat!("expected a ", $what))
            }
        )*}

        $(impl From<$ty> for ExternType {
            fn from(ty: $ty) -> Self {
                ExternType::$variant(ty)
            }
        })*
    };
}

extern_type_accessors! {
    Func(FuncType) func unwrap_func "function";
    Global(GlobalType) global unwrap_global "global";
    Table(TableType) table unwrap_table "table";
    Memory(MemoryType) memory unwrap_memory "memory";
    Tag(TagType) tag unwrap_tag "tag";
}

impl fmt::Display for ExternType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limits = |f: &mut fmt::Formatter<'_>, limits: &abi::Limits| match limits.max {
            Some(max) => write!(f, "{}..={max}", limits.min),
            None => write!(f, "{}..", limits.min),
        };
        match self {
            ExternType::Func(ty) => write!(f, "func {ty}"),
            ExternType::Global(ty) => {
                let mutable = if ty.0.mutable { "mut " } else { "" };
                write!(f, "global {mutable}{}", ty.0.content)
            }
            ExternType::Table(ty) => {
                write!(f, "table {}{} ", ty.0.index.prefix(), ty.0.element)?;
                limits(f, &ty.0.limits)
            }
            ExternType::Tag(ty) => write!(f, "tag {}", ty.0),
            ExternType::Memory(ty) => {
                write!(f, "{}memory {}", ty.0.sharing.prefix(), ty.0.index.prefix())?;
                limits(f, &ty.0.limits)?;
                match ty.page_size_log2() {
                    abi::MemoryType::DEFAULT_PAGE_SHIFT => Ok(()),
                    _ => write!(f, " pages of {} bytes", ty.page_size()),
                }
            }
        }
    }
}

/// One import of a module.
#[derive(Clone, Debug)]
pub struct ImportType<'module> {
    pub(crate) module: &'module str,
    pub(crate) name: &'module str,
    pub(crate) ty: ExternType,
}

impl<'module> ImportType<'module> {
    /// The name of the module to import from.
    pub fn module(&self) -> &'module str {
        self.module
    }

    /// The name of the item to import.
    pub fn name(&self) -> &'module str {
        self.name
    }

    /// The type that the imported item must have.
    pub fn ty(&self) -> ExternType {
        self.ty.clone()
    }
}

/// One export of a module.
#[derive(Clone, Debug)]
pub struct ExportType<'module> {
    pub(crate) name: &'module str,
    pub(crate) ty: ExternType,
}

impl<'module> ExportType<'module> {
    /// The name of the export.
    pub fn name(&self) -> &'module str {
        self.name
    }

    /// The type of the exported item.
    pub fn ty(&self) -> ExternType {
        self.ty.clone()
    }
}
