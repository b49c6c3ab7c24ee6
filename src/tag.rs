//! Tags, by which exceptions are told apart.

use upshift_runtime::TagId;

use crate::handle::Handle;
use crate::val::raw_mut;
use crate::{AsContext, AsContextMut, FuncType, Result, TagType};

/// A tag of a store: exceptions are thrown with one, and caught by it.
///
/// Two tags of the same type are different tags.
///
/// A handle: [`Copy`], valid for its store. All methods panic if the tag belongs to another store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tag(pub(crate) Handle<TagId>);

impl Tag {
    /// Creates a tag.
    ///
    /// # Errors
    ///
    /// If the type has results: exceptions have only the values of its parameters.
    pub fn new(mut store: impl AsContextMut, ty: &TagType) -> Result<Self> {
        let results = ty.ty().results().len();
        anyhow::ensure!(
            results == 0,
            "the type of a tag has no results, not {results}"
        );
        let raw = raw_mut(&mut store);
        let id = raw.new_tag(&ty.0.0);
        Ok(Self(Handle::new(raw, id)))
    }

    /// The tag's type. Takes a lock.
    pub fn ty(&self, store: impl AsContext) -> TagType {
        let raw = store.as_context().raw;
        let ty = raw.tag_type(self.0.id_in(raw));
        TagType(FuncType((*ty).clone()))
    }

    /// Whether two tags of a store are the same one.
    pub fn eq(a: &Tag, b: &Tag, store: impl AsContext) -> bool {
        let raw = store.as_context().raw;
        a.0.id_in(raw) == b.0.id_in(raw)
    }
}
