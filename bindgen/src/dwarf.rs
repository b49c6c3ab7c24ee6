//! What DWARF says of a module's functions and structs.
//!
//! Functions are found by the place of their code. C's types say how wide a number is and what a
//! pointer leads to, but not how many elements follow or who writes to it: so a pointer becomes an
//! address, except `const char *`, which is text that ends with a zero.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::mem;

use gimli::{
    AttributeValue, DebuggingInformationEntry, DwTag, Dwarf, EndianSlice, LittleEndian, Unit,
    UnitOffset, constants,
};

use crate::layout::Placed;
use crate::module::ModuleFacts;
use crate::signature::{Item, Param, ParamType, ResultType, Scalar, Signature};
use crate::{BindError, Debug};

type Reader<'a> = EndianSlice<'a, LittleEndian>;
type Entry<'a> = DebuggingInformationEntry<Reader<'a>>;

/// How deep types may be nested: deeper ones, and those that contain themselves, are not known.
const MAX_DEPTH: u32 = 32;

/// How many lengths an array may have.
const MAX_DIMENSIONS: usize = 4;

/// How many structs of one name, but of different layouts, are told apart.
const MAX_ALIKE: u32 = 100;

/// How many times the fields of structs are read: more than any module needs that is not made to
/// have them read again and again.
const MAX_READ: u32 = 1 << 20;

/// Reads the debug information of a module; there may be none.
pub(crate) fn read(facts: &ModuleFacts) -> Result<Debug, BindError> {
    let damaged = |error: gimli::Error| {
        BindError::new(format!(
            "the module's debug information is damaged: {error} (`dwarf = false` in the \
             configuration leaves it out)"
        ))
    };
    let section = |id: gimli::SectionId| -> Result<_, gimli::Error> {
        let bytes = facts.custom.get(id.name()).map_or(&[][..], Vec::as_slice);
        Ok(EndianSlice::new(bytes, LittleEndian))
    };
    let dwarf = Dwarf::load(section).map_err(damaged)?;
    let mut debug = Debug::default();
    let mut unknown = HashSet::new();
    let mut left = MAX_READ;
    let mut units = dwarf.units();
    while let Some(header) = units.next().map_err(damaged)? {
        let unit = dwarf.unit(header).map_err(damaged)?;
        let mut reader = UnitReader {
            dwarf: &dwarf,
            unit: &unit,
            structs: &mut debug.structs,
            unknown: &mut unknown,
            keys: HashMap::new(),
            tried: Vec::new(),
            left: &mut left,
        };
        reader
            .functions(facts, &mut debug.functions)
            .map_err(damaged)?;
    }
    Ok(debug)
}

struct UnitReader<'a, 'b> {
    dwarf: &'b Dwarf<Reader<'a>>,
    unit: &'b Unit<Reader<'a>>,
    structs: &'b mut BTreeMap<String, Placed>,
    /// The structs whose fields can't be said.
    unknown: &'b mut HashSet<String>,
    /// The names that the unit's structs are known by in `structs` and `unknown`.
    keys: HashMap<UnitOffset, String>,
    /// The structs that have got these names, in order, each with whether it was new there.
    tried: Vec<(UnitOffset, bool)>,
    /// How many more times fields may be read.
    left: &'b mut u32,
}

impl<'a> UnitReader<'a, '_> {
    fn functions(
        &mut self,
        facts: &ModuleFacts,
        functions: &mut HashMap<u32, Signature>,
    ) -> Result<(), gimli::Error> {
        let mut entries = self.unit.entries();
        while let Some(entry) = entries.next_dfs()? {
            if entry.tag != constants::DW_TAG_subprogram {
                continue;
            }
            let Some(low_pc) = entry.attr_value(constants::DW_AT_low_pc) else {
                continue;
            };
            let code = self.dwarf.attr_address(self.unit, low_pc)?;
            let index = code.and_then(|code| facts.bodies.get(&code));
            if let Some(&index) = index
                && let Some(signature) = self.signature(entry.offset)?
            {
                functions.insert(index, signature);
            }
        }
        Ok(())
    }

    /// The signature of a function; `None` if it has what signatures don't have.
    fn signature(&mut self, at: UnitOffset) -> Result<Option<Signature>, gimli::Error> {
        let mut tree = self.unit.entries_tree(Some(at))?;
        let root = tree.root()?;
        let function = root.entry().clone();
        let mut params = Vec::new();
        let mut children = root.children();
        while let Some(child) = children.next()? {
            let entry = child.entry();
            if entry.tag == constants::DW_TAG_formal_parameter {
                let name = self.name(entry)?.unwrap_or_default();
                let Some(ty) = self.param_type(entry)? else {
                    return Ok(None);
                };
                params.push(Param { name, ty });
            }
        }
        let result = match self.type_of(&function)? {
            None => None,
            Some(ty) if self.is_const_char_pointer(&ty)? => Some(ResultType::CStr { owned: false }),
            Some(ty) => match self.item(&ty, 0)? {
                Some(item @ (Item::Scalar(_) | Item::Pointer(_))) => Some(ResultType::Value(item)),
                // Written to an address that the caller gives first.
                Some(item) if self.is_passed_by_address(&item) => {
                    let ty = ParamType::Out(item);
                    let name = "returned".to_owned();
                    params.insert(0, Param { name, ty });
                    None
                }
                _ => return Ok(None),
            },
        };
        Ok(Some(Signature {
            method: None,
            name: String::new(),
            params,
            result,
            more: Vec::new(),
        }))
    }

    fn param_type(&mut self, param: &Entry<'a>) -> Result<Option<ParamType>, gimli::Error> {
        let Some(ty) = self.type_of(param)? else {
            return Ok(None);
        };
        if self.is_const_char_pointer(&ty)? {
            return Ok(Some(ParamType::CStr));
        }
        Ok(match self.item(&ty, 0)? {
            Some(item @ (Item::Scalar(_) | Item::Pointer(_))) => Some(ParamType::Value(item)),
            Some(item) if self.is_passed_by_address(&item) => Some(ParamType::Ref {
                item,
                mutable: false,
            }),
            _ => None,
        })
    }

    /// Whether C passes the value by the address of a copy: it does so with structs of several
    /// fields, while one with a single field is passed like that field.
    fn is_passed_by_address(&self, item: &Item) -> bool {
        match item {
            Item::Named(name) => {
                let found = self.structs.get(name);
                found.is_some_and(|found| found.fields.len() > 1)
            }
            _ => false,
        }
    }

    fn name(&self, entry: &Entry<'a>) -> Result<Option<String>, gimli::Error> {
        let Some(name) = entry.attr_value(constants::DW_AT_name) else {
            return Ok(None);
        };
        let name = self.dwarf.attr_string(self.unit, name)?;
        Ok(Some(name.to_string_lossy().into_owned()))
    }

    /// The entry of an entry's type, behind all that makes no difference to its layout.
    fn type_of(&self, entry: &Entry<'a>) -> Result<Option<Entry<'a>>, gimli::Error> {
        let mut entry = entry.clone();
        for _ in 0..MAX_DEPTH {
            let Some(AttributeValue::UnitRef(at)) = entry.attr_value(constants::DW_AT_type) else {
                return Ok(None);
            };
            entry = self.unit.entry(at)?;
            if !matches!(
                entry.tag,
                constants::DW_TAG_typedef
                    | constants::DW_TAG_const_type
                    | constants::DW_TAG_volatile_type
                    | constants::DW_TAG_restrict_type
                    | constants::DW_TAG_atomic_type
            ) {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    fn is_const_char_pointer(&self, pointer: &Entry<'a>) -> Result<bool, gimli::Error> {
        if pointer.tag != constants::DW_TAG_pointer_type {
            return Ok(false);
        }
        let Some(AttributeValue::UnitRef(at)) = pointer.attr_value(constants::DW_AT_type) else {
            return Ok(false);
        };
        let pointee = self.unit.entry(at)?;
        let Some(char) = self.type_of(&pointee)? else {
            return Ok(false);
        };
        let is_char =
            char.tag == constants::DW_TAG_base_type && self.name(&char)?.as_deref() == Some("char");
        Ok(is_char && pointee.tag == constants::DW_TAG_const_type)
    }

    /// What a type is in memory; `None` if that can't be said.
    fn item(&mut self, ty: &Entry<'a>, depth: u32) -> Result<Option<Item>, gimli::Error> {
        if depth > MAX_DEPTH {
            return Ok(None);
        }
        let size = number(ty, constants::DW_AT_byte_size);
        Ok(match ty.tag {
            constants::DW_TAG_base_type => {
                let is_char = self.name(ty)?.as_deref() == Some("char");
                base(ty, size, is_char).map(Item::Scalar)
            }
            constants::DW_TAG_enumeration_type => match self.type_of(ty)? {
                Some(underlying) => self.item(&underlying, depth + 1)?,
                None => size.and_then(|size| integer(size, true)).map(Item::Scalar),
            },
            constants::DW_TAG_pointer_type
            | constants::DW_TAG_reference_type
            | constants::DW_TAG_rvalue_reference_type => Some(self.pointer(ty, depth)?),
            constants::DW_TAG_array_type => self.array(ty, depth)?,
            tag if is_aggregate(tag) => match (self.name(ty)?, size) {
                (Some(name), Some(_)) if tag != constants::DW_TAG_union_type => {
                    let name = self.place(name, ty, depth)?;
                    match self.unknown.contains(&name) {
                        true => size.and_then(bytes),
                        false => Some(Item::Named(name)),
                    }
                }
                // Bytes that no one looks into.
                (_, Some(size)) => bytes(size),
                _ => None,
            },
            _ => None,
        })
    }

    fn pointer(&mut self, ty: &Entry<'a>, depth: u32) -> Result<Item, gimli::Error> {
        let Some(pointee) = self.type_of(ty)? else {
            return Ok(Item::Pointer(Box::new(Item::Void)));
        };
        // What C calls a function pointer is an index.
        if pointee.tag == constants::DW_TAG_subroutine_type {
            return Ok(Item::Scalar(Scalar::U32));
        }
        let item = match (is_aggregate(pointee.tag), self.name(&pointee)?) {
            // Its fields, if they are known, may lead back here.
            (true, Some(name)) => {
                let is_known = number(&pointee, constants::DW_AT_byte_size).is_some();
                Some(Item::Named(match is_known {
                    true => self.place(name, &pointee, depth)?,
                    false => name,
                }))
            }
            (true, None) => None,
            _ => self.item(&pointee, depth + 1)?,
        };
        Ok(Item::Pointer(Box::new(item.unwrap_or(Item::Void))))
    }

    fn array(&mut self, ty: &Entry<'a>, depth: u32) -> Result<Option<Item>, gimli::Error> {
        let Some(element) = self.type_of(ty)? else {
            return Ok(None);
        };
        let Some(mut item) = self.item(&element, depth + 1)? else {
            return Ok(None);
        };
        let mut lengths = Vec::new();
        let mut tree = self.unit.entries_tree(Some(ty.offset))?;
        let mut children = tree.root()?.children();
        while let Some(child) = children.next()? {
            let range = child.entry();
            let count = number(range, constants::DW_AT_count);
            let count = count.or_else(|| {
                let last = number(range, constants::DW_AT_upper_bound)?;
                last.checked_add(1)
            });
            match count.and_then(|count| u32::try_from(count).ok()) {
                Some(count) if lengths.len() < MAX_DIMENSIONS => lengths.push(count),
                _ => return Ok(None),
            }
        }
        while let Some(length) = lengths.pop() {
            item = Item::Array(Box::new(item), length);
        }
        Ok(Some(item))
    }

    /// Notes a struct's fields, unless one of them has no layout of its own. Returns the name that
    /// the struct is known by: its own, or one with a number behind it, where another struct of
    /// this name has another layout.
    fn place(&mut self, name: String, ty: &Entry<'a>, depth: u32) -> Result<String, gimli::Error> {
        if let Some(key) = self.keys.get(&ty.offset) {
            return Ok(key.clone());
        }
        let size = number(ty, constants::DW_AT_byte_size);
        let size = size.and_then(|size| u32::try_from(size).ok());
        let (Some(size), false) = (size, ty.tag == constants::DW_TAG_union_type) else {
            return Ok(name);
        };
        let mut number = 1;
        loop {
            let key = match number {
                1 => name.clone(),
                number => format!("{name}_{number}"),
            };
            if *self.left == 0 || number > MAX_ALIKE {
                self.unknown.insert(key.clone());
                return Ok(key);
            }
            *self.left -= 1;
            let before = self.tried.len();
            // Fields may be addresses of the struct itself.
            self.keys.insert(ty.offset, key.clone());
            let fields = self.fields(ty, size, depth)?;
            let (known, is_unknown) = (self.structs.get(&key), self.unknown.contains(&key));
            let is_new = known.is_none() && !is_unknown;
            let is_same = match &fields {
                Some(_) => !is_unknown && known == fields.as_ref(),
                None => is_unknown,
            };
            if is_new || is_same {
                match fields {
                    Some(fields) => drop(self.structs.insert(key.clone(), fields)),
                    None => drop(self.unknown.insert(key.clone())),
                }
                self.tried.push((ty.offset, is_new));
                return Ok(key);
            }
            self.forget(before);
            self.keys.remove(&ty.offset);
            number += 1;
        }
    }

    /// Forgets the structs that were placed since then: their fields may be addresses of a struct
    /// that has another name.
    fn forget(&mut self, before: usize) {
        let mut tried = mem::take(&mut self.tried);
        for (offset, was_new) in tried.drain(before..) {
            if let Some(key) = self.keys.remove(&offset)
                && was_new
            {
                self.structs.remove(&key);
                self.unknown.remove(&key);
            }
        }
        self.tried = tried;
    }

    fn fields(
        &mut self,
        ty: &Entry<'a>,
        size: u32,
        depth: u32,
    ) -> Result<Option<Placed>, gimli::Error> {
        let mut members = Vec::new();
        let mut tree = self.unit.entries_tree(Some(ty.offset))?;
        let mut children = tree.root()?.children();
        while let Some(child) = children.next()? {
            let member = child.entry();
            match member.tag {
                constants::DW_TAG_member => members.push(member.clone()),
                constants::DW_TAG_inheritance | constants::DW_TAG_variant_part => return Ok(None),
                _ => {}
            }
        }
        let mut fields = Vec::new();
        for member in members {
            // A static member of a class.
            if member.attr(constants::DW_AT_external).is_some() {
                continue;
            }
            let offset = number(&member, constants::DW_AT_data_member_location).unwrap_or(0);
            let offset = u32::try_from(offset).ok().filter(|&offset| offset <= size);
            let is_bits = member.attr(constants::DW_AT_bit_size).is_some();
            let ty = self.type_of(&member)?;
            let item = match ty {
                Some(ty) => self.item(&ty, depth + 1)?,
                None => None,
            };
            match (item, offset) {
                (Some(item), Some(offset)) if !is_bits => {
                    fields.push((self.name(&member)?.unwrap_or_default(), item, offset));
                }
                _ => return Ok(None),
            }
        }
        Ok(Some(Placed { size, fields }))
    }
}

fn is_aggregate(tag: DwTag) -> bool {
    matches!(
        tag,
        constants::DW_TAG_structure_type
            | constants::DW_TAG_class_type
            | constants::DW_TAG_union_type
    )
}

fn number(entry: &Entry<'_>, name: gimli::DwAt) -> Option<u64> {
    entry.attr(name).and_then(|attr| attr.udata_value())
}

fn bytes(size: u64) -> Option<Item> {
    let byte = Box::new(Item::Scalar(Scalar::U8));
    let size = u32::try_from(size).ok()?;
    Some(Item::Array(byte, size))
}

fn integer(size: u64, signed: bool) -> Option<Scalar> {
    Some(match (size, signed) {
        (1, true) => Scalar::I8,
        (1, false) => Scalar::U8,
        (2, true) => Scalar::I16,
        (2, false) => Scalar::U16,
        (4, true) => Scalar::I32,
        (4, false) => Scalar::U32,
        (8, true) => Scalar::I64,
        (8, false) => Scalar::U64,
        _ => return None,
    })
}

fn base(ty: &Entry<'_>, size: Option<u64>, is_char: bool) -> Option<Scalar> {
    let Some(AttributeValue::Encoding(encoding)) = ty.attr_value(constants::DW_AT_encoding) else {
        return None;
    };
    let size = size?;
    match encoding {
        constants::DW_ATE_boolean if size == 1 => Some(Scalar::Bool),
        // Text is made of bytes.
        constants::DW_ATE_signed_char if is_char => Some(Scalar::U8),
        constants::DW_ATE_signed | constants::DW_ATE_signed_char => integer(size, true),
        constants::DW_ATE_unsigned
        | constants::DW_ATE_unsigned_char
        | constants::DW_ATE_UTF
        | constants::DW_ATE_boolean => integer(size, false),
        constants::DW_ATE_float if size == 4 => Some(Scalar::F32),
        constants::DW_ATE_float if size == 8 => Some(Scalar::F64),
        _ => None,
    }
}
