//! Files, lines and inlined functions of a module's code, from its DWARF.
//!
//! DWARF is chosen by the module's author, and what refers to itself or to the same bytes from many
//! places could take a reader arbitrary time. So all is read through [`Metered`], which ends every
//! read once the module's, or one question's, fuel is used up; what was found before stays. Nothing
//! here recurses.
//!
//! A module has an index of its units (compiled files), made with the first question; a unit has
//! tables of its functions and lines, made when a question leads there. A question then reads the
//! entry of one function.

mod functions;
mod lines;
mod metered;

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use gimli::{DebugInfoOffset, Dwarf, SectionId, Unit, UnitHeader};
use upshift_abi::demangle;

use crate::FrameSymbol;
use functions::{Call, FunctionTable};
use lines::LineTable;
use metered::Metered;

/// Reads that all tables of a module take at most, for each byte of its debug information. Those
/// that compilers write are read about once.
const READS_PER_BYTE: u64 = 8;

/// Reads that all tables of a module take at most, however large its debug information is: some
/// seconds.
const MOST_READS: u64 = 1 << 28;

/// Reads that one question takes at most: some milliseconds.
const READS_PER_QUESTION: u64 = 1 << 21;

/// Ranges that one question keeps at most.
const MOST_RANGES: usize = 1 << 20;

/// The debug information of a module: where its sections are, and the tables made so far.
pub(crate) struct DebugInfo {
    sections: HashMap<&'static str, Range<usize>>,
    /// Where the contents of the code section begin: addresses count from there.
    code: Range<usize>,
    tables: Mutex<Tables>,
}

struct Tables {
    /// Reads that are left for making tables.
    fuel: u64,
    /// Rows and ranges that tables may still get: as many as the sections have bytes.
    room: usize,
    units: Option<Arc<Vec<UnitEntry>>>,
    /// By position in `units`.
    made: HashMap<usize, Arc<UnitTables>>,
}

/// A unit of the index.
struct UnitEntry {
    offset: DebugInfoOffset,
    /// The addresses of its code; empty where they are not known.
    ranges: Vec<Range<u64>>,
}

struct UnitTables {
    functions: FunctionTable,
    lines: LineTable,
}

type Reader<'a> = Metered<'a>;

/// The sections of a module, for the time of a question.
struct Sections<'a> {
    dwarf: Dwarf<Reader<'a>>,
    /// Rows and ranges that may still be kept.
    room: Cell<usize>,
    /// What address of code may be.
    code_len: u64,
}

impl fmt::Debug for DebugInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DebugInfo")
            .field("sections", &self.sections)
            .finish_non_exhaustive()
    }
}

impl DebugInfo {
    /// Finds the sections in a module's bytes. Reads the heads of all sections, nothing else.
    pub(crate) fn find(wasm: &[u8]) -> Self {
        let (sections, code) = find_sections(wasm);
        let bytes: usize = sections.values().map(Range::len).sum();
        let fuel = READS_PER_BYTE * bytes as u64;
        Self {
            sections,
            code,
            tables: Mutex::new(Tables {
                fuel: fuel.min(MOST_READS),
                room: bytes,
                units: None,
                made: HashMap::new(),
            }),
        }
    }

    /// The functions at an offset in the module, innermost first. Empty if nothing is known.
    pub(crate) fn symbols(&self, wasm: &[u8], offset: usize) -> Box<[FrameSymbol]> {
        if !self.code.contains(&offset) || !self.sections.contains_key(".debug_info") {
            return Box::default();
        }
        let address = (offset - self.code.start) as u64;
        let Some((unit, tables)) = self.unit_at(wasm, address) else {
            return Box::default();
        };
        let fuel = Cell::new(READS_PER_QUESTION);
        let sections = self.load(wasm, &fuel, MOST_RANGES);
        // Damaged debug information has no answer; the backtrace has its frame without.
        let chain = sections.chain(unit, &tables, address);
        chain.unwrap_or_default().into()
    }

    fn load<'a>(&self, wasm: &'a [u8], fuel: &'a Cell<u64>, room: usize) -> Sections<'a> {
        let section = |id: SectionId| {
            let range = self.sections.get(id.name()).cloned();
            let bytes = range.and_then(|range| wasm.get(range));
            Ok::<_, gimli::Error>(Metered::new(bytes.unwrap_or_default(), fuel))
        };
        let loaded = Dwarf::load(section);
        Sections {
            dwarf: loaded.unwrap_or_else(|_| unreachable!("sections are loaded without errors")),
            room: Cell::new(room),
            code_len: self.code.len() as u64,
        }
    }

    /// The unit that the address belongs to, and its tables.
    fn unit_at(&self, wasm: &[u8], address: u64) -> Option<(DebugInfoOffset, Arc<UnitTables>)> {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let fuel = Cell::new(tables.fuel);
        let sections = self.load(wasm, &fuel, tables.room);
        if tables.units.is_none() {
            tables.units = Some(Arc::new(sections.units()));
        }
        let units = tables.units.clone()?;
        let mut found = None;
        for (index, unit) in units.iter().enumerate() {
            let contains = |range: &Range<u64>| range.contains(&address);
            if !unit.ranges.is_empty() && !unit.ranges.iter().any(contains) {
                continue;
            }
            let made = match tables.made.get(&index) {
                Some(made) => made.clone(),
                None => {
                    let made = Arc::new(sections.tables(unit.offset));
                    tables.made.insert(index, made.clone());
                    made
                }
            };
            if made.functions.at(address).is_some() || made.lines.at(address).is_some() {
                found = Some((unit.offset, made));
                break;
            }
        }
        tables.fuel = fuel.get();
        tables.room = sections.room.get();
        found
    }
}

impl<'a> Sections<'a> {
    /// The index of all units, as far as they can be read.
    fn units(&self) -> Vec<UnitEntry> {
        let mut units = Vec::new();
        let mut headers = self.dwarf.units();
        while let Ok(Some(header)) = headers.next() {
            let Some(offset) = header.debug_info_offset() else {
                continue;
            };
            let Ok(unit) = self.dwarf.unit(header) else {
                continue;
            };
            let ranges = self.ranges(&unit).unwrap_or_default();
            units.push(UnitEntry { offset, ranges });
        }
        units
    }

    fn ranges(&self, unit: &Unit<Reader<'a>>) -> gimli::Result<Vec<Range<u64>>> {
        let mut ranges = Vec::new();
        let mut listed = self.dwarf.unit_ranges(unit)?;
        while let Some(range) = listed.next()? {
            ranges.extend(self.code_range(range.begin, range.end));
        }
        Ok(ranges)
    }

    /// The range of addresses, if it is one of this module's code and there is room for it. Linkers
    /// give functions that they have left out address 0 or one behind all code.
    fn code_range(&self, begin: u64, end: u64) -> Option<Range<u64>> {
        let is_code = 0 < begin && begin < end && begin < self.code_len;
        (is_code && self.take_room()).then_some(begin..end)
    }

    /// Takes the room of a row or range; false if there is none.
    fn take_room(&self) -> bool {
        let left = self.room.get().checked_sub(1);
        left.inspect(|&left| self.room.set(left)).is_some()
    }

    fn unit(&self, offset: DebugInfoOffset) -> gimli::Result<Unit<Reader<'a>>> {
        let header: UnitHeader<_> = self.dwarf.debug_info.header_from_offset(offset)?;
        self.dwarf.unit(header)
    }

    fn tables(&self, offset: DebugInfoOffset) -> UnitTables {
        let Ok(unit) = self.unit(offset) else {
            return UnitTables {
                functions: FunctionTable::default(),
                lines: LineTable::default(),
            };
        };
        UnitTables {
            functions: FunctionTable::read(self, &unit),
            lines: LineTable::read(self, &unit),
        }
    }

    /// The functions at an address of a unit, innermost first.
    fn chain(
        &self,
        offset: DebugInfoOffset,
        tables: &UnitTables,
        address: u64,
    ) -> gimli::Result<Vec<FrameSymbol>> {
        let unit = self.unit(offset)?;
        let mut place = match tables.lines.at(address) {
            Some(row) => Call {
                file: row.file(),
                line: row.line(),
                column: row.column(),
            },
            None => Call::default(),
        };
        let Some(function) = tables.functions.at(address) else {
            return Ok(vec![self.symbol(&unit, None, place)]);
        };
        let mut symbols = Vec::new();
        // What was read until the fuel was used up is shown.
        let (name, inlined) = self.function(&unit, function, address);
        for copy in inlined.into_iter().rev() {
            symbols.push(self.symbol(&unit, copy.name, place));
            place = copy.call;
        }
        symbols.push(self.symbol(&unit, name, place));
        Ok(symbols)
    }

    fn symbol(&self, unit: &Unit<Reader<'a>>, name: Option<String>, place: Call) -> FrameSymbol {
        let file = place.file.and_then(|file| self.file(unit, file));
        let name = name.map(|name| demangle::shown(&name).into_owned());
        FrameSymbol {
            name: name.map(String::into_boxed_str),
            file: file.map(String::into_boxed_str),
            line: place.line.filter(|&line| line > 0),
            column: place.column.filter(|&column| column > 0),
        }
    }
}

/// The sections of debug information in a module, and the contents of its code section.
fn find_sections(wasm: &[u8]) -> (HashMap<&'static str, Range<usize>>, Range<usize>) {
    const CUSTOM: u8 = 0;
    const CODE: u8 = 10;
    const HEADER: usize = 8;
    let known = [
        SectionId::DebugAbbrev,
        SectionId::DebugAddr,
        SectionId::DebugInfo,
        SectionId::DebugLine,
        SectionId::DebugLineStr,
        SectionId::DebugRanges,
        SectionId::DebugRngLists,
        SectionId::DebugStr,
        SectionId::DebugStrOffsets,
    ];
    let mut sections = HashMap::new();
    let mut code = 0..0;
    let mut at = HEADER;
    while let Some(&id) = wasm.get(at) {
        at += 1;
        let Some(len) = leb(wasm, &mut at) else { break };
        let Some(end) = at.checked_add(len).filter(|&end| end <= wasm.len()) else {
            break;
        };
        if id == CODE {
            code = at..end;
        } else if id == CUSTOM {
            let mut start = at;
            let name =
                leb(wasm, &mut start).and_then(|len| wasm.get(start..start.checked_add(len)?));
            if let Some(name) = name
                && let Some(id) = known.iter().find(|id| id.name().as_bytes() == name)
            {
                sections.insert(id.name(), start + name.len()..end);
            }
        }
        at = end;
    }
    (sections, code)
}

/// Reads a number of the binary format, of at most 32 bits.
fn leb(wasm: &[u8], at: &mut usize) -> Option<usize> {
    let mut number = 0;
    for shift in (0..35).step_by(7) {
        let byte = *wasm.get(*at)?;
        *at += 1;
        number |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}
