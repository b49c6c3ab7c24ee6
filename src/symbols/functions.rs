//! The functions of a unit's code, and what was inlined into them.

use std::ops::Range;

use gimli::{
    Abbreviation, AttributeValue, DebugInfoOffset, EntriesRaw, Unit, UnitOffset, constants,
};

use super::{Reader, Sections};

/// How many entries stand between a function and its name at most.
const MOST_ORIGINS: usize = 16;

/// The functions of a unit, by address.
#[derive(Debug, Default)]
pub(super) struct FunctionTable {
    functions: Vec<Function>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Function {
    begin: u32,
    end: u32,
    entry: UnitOffset,
}

impl FunctionTable {
    /// Reads all entries of a unit, as far as they can be read.
    pub(super) fn read(sections: &Sections<'_>, unit: &Unit<Reader<'_>>) -> Self {
        let mut table = Self::default();
        // What was read before the damage stays.
        let _ = table.read_all(sections, unit);
        let functions = &mut table.functions;
        functions.sort_by_key(|function| (function.begin, std::cmp::Reverse(function.end)));
        table
    }

    fn read_all(&mut self, sections: &Sections<'_>, unit: &Unit<Reader<'_>>) -> gimli::Result<()> {
        let mut entries = unit.entries_raw(None)?;
        while !entries.is_empty() {
            let entry = entries.next_offset();
            let Some(abbreviation) = entries.read_abbreviation()? else {
                continue;
            };
            if abbreviation.tag() != constants::DW_TAG_subprogram {
                entries.skip_attributes(abbreviation.attributes())?;
                continue;
            }
            let attributes = Attributes::read(&mut entries, abbreviation)?;
            for range in sections.code_of(unit, &attributes)? {
                let narrow = |address| u32::try_from(address).unwrap_or(u32::MAX);
                self.functions.push(Function {
                    begin: narrow(range.start),
                    end: narrow(range.end),
                    entry,
                });
            }
        }
        Ok(())
    }

    /// The function at an address: of several the last one that begins before it, unless that has
    /// ended.
    pub(super) fn at(&self, address: u64) -> Option<&Function> {
        let begins = |function: &Function| u64::from(function.begin) <= address;
        let behind = self.functions.partition_point(begins);
        let function = self.functions[..behind].last();
        function.filter(|function| address < u64::from(function.end))
    }
}

/// A place in the source program by the numbers of its unit.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Call {
    pub(super) file: Option<u64>,
    pub(super) line: Option<u32>,
    pub(super) column: Option<u32>,
}

/// A function that was inlined.
#[derive(Debug)]
pub(super) struct Inlined {
    pub(super) name: Option<String>,
    /// Where it was called.
    pub(super) call: Call,
}

/// What an entry says that is needed.
#[derive(Debug, Default)]
struct Attributes<'a> {
    linkage_name: Option<AttributeValue<Reader<'a>>>,
    name: Option<AttributeValue<Reader<'a>>>,
    origin: Option<AttributeValue<Reader<'a>>>,
    low_pc: Option<AttributeValue<Reader<'a>>>,
    high_pc: Option<AttributeValue<Reader<'a>>>,
    ranges: Option<AttributeValue<Reader<'a>>>,
    call: Call,
}

impl<'a> Attributes<'a> {
    fn read(
        entries: &mut EntriesRaw<'_, Reader<'a>>,
        abbreviation: &Abbreviation,
    ) -> gimli::Result<Self> {
        let mut read = Self::default();
        for &specification in abbreviation.attributes() {
            let attribute = entries.read_attribute(specification)?;
            let value = attribute.value();
            let number = |value: &AttributeValue<_>| value.udata_value();
            let narrow = |value| number(value).and_then(|number| u32::try_from(number).ok());
            match attribute.name() {
                constants::DW_AT_linkage_name | constants::DW_AT_MIPS_linkage_name => {
                    read.linkage_name = Some(value);
                }
                constants::DW_AT_name => read.name = Some(value),
                constants::DW_AT_abstract_origin | constants::DW_AT_specification => {
                    read.origin = Some(value);
                }
                constants::DW_AT_low_pc => read.low_pc = Some(value),
                constants::DW_AT_high_pc => read.high_pc = Some(value),
                constants::DW_AT_ranges => read.ranges = Some(value),
                constants::DW_AT_call_line => read.call.line = narrow(&value),
                constants::DW_AT_call_column => read.call.column = narrow(&value),
                constants::DW_AT_call_file => {
                    read.call.file = match value {
                        AttributeValue::FileIndex(file) => Some(file),
                        value => number(&value),
                    };
                }
                _ => {}
            }
        }
        Ok(read)
    }
}

impl<'a> Sections<'a> {
    /// The ranges of an entry's code.
    fn code_of(
        &self,
        unit: &Unit<Reader<'a>>,
        attributes: &Attributes<'a>,
    ) -> gimli::Result<Vec<Range<u64>>> {
        let mut ranges = Vec::new();
        if let Some(value) = attributes.ranges {
            if let Some(mut listed) = self.dwarf.attr_ranges(unit, value)? {
                while let Some(range) = listed.next()? {
                    ranges.extend(self.code_range(range.begin, range.end));
                }
            }
            return Ok(ranges);
        }
        let Some(low_pc) = attributes.low_pc else {
            return Ok(ranges);
        };
        let Some(begin) = self.dwarf.attr_address(unit, low_pc)? else {
            return Ok(ranges);
        };
        let end = match attributes.high_pc {
            Some(value) => match value.udata_value() {
                Some(len) => begin.checked_add(len),
                None => self.dwarf.attr_address(unit, value)?,
            },
            None => None,
        };
        ranges.extend(end.and_then(|end| self.code_range(begin, end)));
        Ok(ranges)
    }

    /// A function's name, and the functions inlined into it that the address is in, outermost
    /// first. As much as can be read.
    pub(super) fn function(
        &self,
        unit: &Unit<Reader<'a>>,
        function: &Function,
        address: u64,
    ) -> (Option<String>, Vec<Inlined>) {
        let mut name = None;
        let mut inlined = Vec::new();
        let _ = self.read_function(unit, function, address, &mut name, &mut inlined);
        (name, inlined)
    }

    fn read_function(
        &self,
        unit: &Unit<Reader<'a>>,
        function: &Function,
        address: u64,
        name: &mut Option<String>,
        inlined: &mut Vec<Inlined>,
    ) -> gimli::Result<()> {
        let mut entries = unit.entries_raw(Some(function.entry))?;
        let depth = entries.next_depth();
        if let Some(abbreviation) = entries.read_abbreviation()? {
            let attributes = Attributes::read(&mut entries, abbreviation)?;
            *name = self.name(unit, &attributes)?;
        }
        // Deeper entries than this belong to code that the address is not in.
        let mut apart: Option<isize> = None;
        while !entries.is_empty() {
            let at = entries.next_depth();
            if at <= depth {
                break;
            }
            let Some(abbreviation) = entries.read_abbreviation()? else {
                continue;
            };
            if apart.is_some_and(|apart| at > apart) {
                entries.skip_attributes(abbreviation.attributes())?;
                continue;
            }
            apart = None;
            match abbreviation.tag() {
                constants::DW_TAG_inlined_subroutine => {
                    let attributes = Attributes::read(&mut entries, abbreviation)?;
                    let ranges = self.code_of(unit, &attributes)?;
                    if ranges.iter().any(|range| range.contains(&address)) {
                        inlined.push(Inlined {
                            name: self.name(unit, &attributes)?,
                            call: attributes.call,
                        });
                    } else {
                        apart = Some(at);
                    }
                }
                constants::DW_TAG_subprogram => {
                    entries.skip_attributes(abbreviation.attributes())?;
                    apart = Some(at);
                }
                _ => entries.skip_attributes(abbreviation.attributes())?,
            }
        }
        Ok(())
    }

    /// The name of an entry: its own, or that of the entry that it is an instance of.
    fn name(
        &self,
        unit: &Unit<Reader<'a>>,
        attributes: &Attributes<'a>,
    ) -> gimli::Result<Option<String>> {
        if let Some(name) = attributes.linkage_name.or(attributes.name) {
            return self.text(unit, name);
        }
        let mut origin = attributes.origin;
        let mut other: Option<Unit<Reader<'a>>> = None;
        for _ in 0..MOST_ORIGINS {
            let entry = match origin {
                Some(AttributeValue::UnitRef(entry)) => entry,
                Some(AttributeValue::DebugInfoRef(entry)) => {
                    let Some((unit, entry)) = self.entry_at(entry)? else {
                        return Ok(None);
                    };
                    other = Some(unit);
                    entry
                }
                _ => return Ok(None),
            };
            let here = other.as_ref().unwrap_or(unit);
            let mut entries = here.entries_raw(Some(entry))?;
            let Some(abbreviation) = entries.read_abbreviation()? else {
                return Ok(None);
            };
            let attributes = Attributes::read(&mut entries, abbreviation)?;
            if let Some(name) = attributes.linkage_name.or(attributes.name) {
                return self.text(here, name);
            }
            origin = attributes.origin;
        }
        Ok(None)
    }

    /// The unit of an entry of another unit, and its offset there.
    fn entry_at(
        &self,
        offset: DebugInfoOffset,
    ) -> gimli::Result<Option<(Unit<Reader<'a>>, UnitOffset)>> {
        let mut headers = self.dwarf.units();
        while let Some(header) = headers.next()? {
            if let Some(entry) = offset.to_unit_offset(&header) {
                return Ok(Some((self.dwarf.unit(header)?, entry)));
            }
        }
        Ok(None)
    }

    fn text(
        &self,
        unit: &Unit<Reader<'a>>,
        value: AttributeValue<Reader<'a>>,
    ) -> gimli::Result<Option<String>> {
        let text = self.dwarf.attr_string(unit, value)?;
        Ok(Some(gimli::Reader::to_string_lossy(&text)?.into_owned()))
    }
}
