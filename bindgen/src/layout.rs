//! Where the fields of structs lie.

use std::collections::BTreeMap;

use crate::BindError;
use crate::names::{Names, camel, snake};
use crate::signature::{Item, Scalar};

/// A struct of the module's.
#[derive(Clone, Debug)]
pub(crate) struct Struct {
    /// The name in Rust.
    pub(crate) name: String,
    pub(crate) fields: Vec<Field>,
    pub(crate) size: u32,
    pub(crate) align: u32,
}

/// A field of a struct.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    /// The name in Rust.
    pub(crate) name: String,
    pub(crate) item: Item,
    pub(crate) offset: u32,
}

/// A struct whose fields are laid out as its compiler did.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Placed {
    pub(crate) size: u32,
    pub(crate) fields: Vec<(String, Item, u32)>,
}

/// The structs that are known, by their names in the module.
#[derive(Debug, Default)]
pub(crate) struct Structs(BTreeMap<String, Struct>);

/// The most bytes of a struct or array.
const MAX_SIZE: u64 = 1 << 30;

/// How deep structs may be nested.
const MAX_DEPTH: usize = 64;

impl Structs {
    /// Lays structs out as C does, from their fields alone, or takes places that are given.
    pub(crate) fn new(
        written: &BTreeMap<String, Vec<(String, Item)>>,
        placed: BTreeMap<String, Placed>,
        names: &mut Names,
    ) -> Result<Self, BindError> {
        let mut structs = Self::default();
        let mut layout = Layout {
            written,
            placed: &placed,
            structs: &mut structs,
            names,
            under_way: Vec::new(),
        };
        for name in written.keys().chain(placed.keys()) {
            layout.place(name)?;
        }
        Ok(structs)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Struct> {
        self.0.values()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Struct> {
        self.0.get(name)
    }

    /// Size and alignment; `None` if the item has no layout that is known.
    pub(crate) fn size_and_align(&self, item: &Item) -> Option<(u64, u32)> {
        Some(match item {
            Item::Void | Item::Reference(_) => return None,
            Item::Pointer(_) => (4, 4),
            Item::Scalar(scalar) => {
                let size = match scalar {
                    Scalar::Bool | Scalar::I8 | Scalar::U8 => 1,
                    Scalar::I16 | Scalar::U16 => 2,
                    Scalar::I32 | Scalar::U32 | Scalar::F32 => 4,
                    Scalar::I64 | Scalar::U64 | Scalar::F64 => 8,
                    Scalar::V128 => 16,
                };
                (u64::from(size), size)
            }
            Item::Array(element, length) => {
                let (size, align) = self.size_and_align(element)?;
                (size.checked_mul(u64::from(*length))?, align)
            }
            Item::Named(name) => {
                let found = self.0.get(name)?;
                (found.size.into(), found.align)
            }
        })
        .filter(|&(size, _)| size <= MAX_SIZE)
    }
}

struct Layout<'a> {
    written: &'a BTreeMap<String, Vec<(String, Item)>>,
    placed: &'a BTreeMap<String, Placed>,
    structs: &'a mut Structs,
    names: &'a mut Names,
    /// The structs that contain the one that is being placed.
    under_way: Vec<String>,
}

impl Layout<'_> {
    fn place(&mut self, name: &str) -> Result<(), BindError> {
        if self.structs.0.contains_key(name) {
            return Ok(());
        }
        if self.under_way.iter().any(|outer| outer == name) {
            return Err(BindError::new(format!(
                "the struct `{name}` contains itself"
            )));
        }
        if self.under_way.len() == MAX_DEPTH {
            return Err(BindError::new(format!(
                "the struct `{name}` is nested in more than {MAX_DEPTH} others"
            )));
        }
        self.under_way.push(name.to_owned());
        let placed = match (self.written.get(name), self.placed.get(name)) {
            (Some(fields), _) => self.in_turn(name, fields)?,
            (None, Some(placed)) => {
                for (_, item, _) in &placed.fields {
                    self.place_inner(item)?;
                }
                // It stays a name where its fields are not known, or not within it.
                let fits = placed.fields.iter().all(|(_, item, offset)| {
                    let size = self.structs.size_and_align(item).map(|(size, _)| size);
                    size.is_some_and(|size| u64::from(*offset) + size <= placed.size.into())
                });
                if !fits {
                    self.under_way.pop();
                    return Ok(());
                }
                placed.clone()
            }
            (None, None) => {
                self.under_way.pop();
                return Ok(());
            }
        };
        self.under_way.pop();
        let align = placed
            .fields
            .iter()
            .filter_map(|(_, item, _)| self.structs.size_and_align(item));
        let align = align.map(|(_, align)| align).max().unwrap_or(1);
        let mut names = Names::default();
        let fields = placed
            .fields
            .into_iter()
            .map(|(field, item, offset)| Field {
                name: names.distinct(snake(&field)),
                item,
                offset,
            });
        let placed = Struct {
            name: self.names.distinct(camel(name)),
            fields: fields.collect(),
            size: placed.size,
            align,
        };
        self.structs.0.insert(name.to_owned(), placed);
        Ok(())
    }

    /// Places what a field consists of.
    fn place_inner(&mut self, item: &Item) -> Result<(), BindError> {
        match item {
            Item::Array(element, _) => self.place_inner(element),
            Item::Named(name) => self.place(name),
            Item::Scalar(_) | Item::Pointer(_) | Item::Void | Item::Reference(_) => Ok(()),
        }
    }

    /// Places fields one behind the other, each at a multiple of its alignment.
    fn in_turn(&mut self, name: &str, fields: &[(String, Item)]) -> Result<Placed, BindError> {
        let mut placed = Placed::default();
        let (mut end, mut max_align) = (0_u64, 1);
        for (field, item) in fields {
            self.place_inner(item)?;
            let Some((size, align)) = self.structs.size_and_align(item) else {
                return Err(BindError::new(format!(
                    "the layout of the field `{field}` of the struct `{name}` is not known"
                )));
            };
            let offset = end.next_multiple_of(align.into());
            end = offset + size;
            max_align = max_align.max(align);
            if end > MAX_SIZE {
                return Err(BindError::new(format!("the struct `{name}` is too large")));
            }
            placed
                .fields
                .push((field.clone(), item.clone(), offset as u32));
        }
        placed.size = end.next_multiple_of(max_align.into()) as u32;
        Ok(placed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::parse_fields;

    fn structs(texts: &[(&str, &str)]) -> Result<Structs, BindError> {
        let written = texts.iter().map(|(name, text)| {
            let fields = parse_fields(text).unwrap();
            ((*name).to_owned(), fields)
        });
        Structs::new(&written.collect(), BTreeMap::new(), &mut Names::default())
    }

    #[test]
    fn fields_lie_as_in_c() {
        let found = structs(&[
            ("outer", "a: u8, inner: inner, b: u16, next: *outer"),
            ("inner", "x: u8, y: f64, z: [u16; 3]"),
        ])
        .unwrap();
        let places = |name: &str| {
            let found = found.get(name).unwrap();
            let offsets: Vec<u32> = found.fields.iter().map(|field| field.offset).collect();
            (offsets, found.size, found.align)
        };
        assert_eq!(places("inner"), (vec![0, 8, 16], 24, 8));
        assert_eq!(places("outer"), (vec![0, 8, 32, 36], 40, 8));
    }

    #[test]
    fn what_has_no_layout_is_refused() {
        let error = |texts: &[(&str, &str)]| structs(texts).unwrap_err().to_string();
        assert!(error(&[("a", "b: b"), ("b", "a: [a; 2]")]).contains("contains itself"));
        assert!(error(&[("a", "b: unknown")]).contains("field `b` of the struct `a`"));
        let huge = "x: [[[u64; 4000000000]; 4000000000]; 4000000000]";
        assert!(error(&[("a", huge)]).contains("is not known"));
    }
}
