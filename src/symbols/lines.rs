//! The lines of a unit's code.

use std::num::NonZeroU64;

use gimli::{ColumnType, Unit};

use super::{Reader, Sections};

/// The rows of a unit's line program, by address.
#[derive(Debug, Default)]
pub(super) struct LineTable {
    rows: Vec<Row>,
}

/// The place of an instruction, up to the next row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    address: u32,
    /// The number of the file, or [`Row::END`] for what no line is known of.
    file: u32,
    line: u32,
    column: u32,
}

impl Row {
    const END: u32 = u32::MAX;

    pub(super) fn file(&self) -> Option<u64> {
        Some(self.file.into())
    }

    pub(super) fn line(&self) -> Option<u32> {
        Some(self.line)
    }

    pub(super) fn column(&self) -> Option<u32> {
        Some(self.column)
    }
}

impl LineTable {
    /// Runs the line program, as far as it can be read and there is room for rows.
    pub(super) fn read(sections: &Sections<'_>, unit: &Unit<Reader<'_>>) -> Self {
        let Some(program) = unit.line_program.clone() else {
            return Self::default();
        };
        let mut table = Self::default();
        // Where the rows of the current sequence begin.
        let mut sequence = 0;
        let mut rows = program.rows();
        while let Ok(Some((_, row))) = rows.next_row() {
            if !sections.take_room() {
                break;
            }
            let narrow = |number: u64| u32::try_from(number).unwrap_or(0);
            let ends = row.end_sequence();
            table.rows.push(Row {
                // A sequence that reaches so far is none of this module's code.
                address: u32::try_from(row.address()).unwrap_or(u32::MAX),
                file: if ends {
                    Row::END
                } else {
                    narrow(row.file_index())
                },
                line: row.line().map_or(0, |line| narrow(line.get())),
                column: match row.column() {
                    ColumnType::LeftEdge => 0,
                    ColumnType::Column(column) => narrow(NonZeroU64::get(column)),
                },
            });
            if ends {
                let begin = u64::from(table.rows[sequence].address);
                let end = row.address();
                if sections.code_range(begin, end).is_none() {
                    table.rows.truncate(sequence);
                }
                sequence = table.rows.len();
            }
        }
        table.rows.truncate(sequence);
        // Stable: of rows with one address the last one holds; the end of a sequence comes before
        // the beginning of the next one.
        table
            .rows
            .sort_by_key(|row| (row.address, row.file != Row::END));
        table
    }

    /// The row that holds at an address.
    pub(super) fn at(&self, address: u64) -> Option<&Row> {
        let behind = self
            .rows
            .partition_point(|row| u64::from(row.address) <= address);
        self.rows[..behind]
            .last()
            .filter(|row| row.file != Row::END)
    }
}

impl<'a> Sections<'a> {
    /// The path of a file by its number in a unit.
    pub(super) fn file(&self, unit: &Unit<Reader<'a>>, file: u64) -> Option<String> {
        let header = unit.line_program.as_ref()?.header();
        let entry = header.file(file)?;
        let text = |value| {
            let text = self.dwarf.attr_string(unit, value).ok()?;
            Some(gimli::Reader::to_string_lossy(&text).ok()?.into_owned())
        };
        let mut path = String::new();
        if let Some(folder) = &unit.comp_dir {
            path = gimli::Reader::to_string_lossy(folder).ok()?.into_owned();
        }
        // The first folder is the unit's own.
        if let Some(folder) = entry.directory(header)
            && entry.directory_index() != 0
        {
            push(&mut path, &text(folder)?);
        }
        push(&mut path, &text(entry.path_name())?);
        Some(path)
    }
}

/// Appends a part to a path, or replaces the path if the part is absolute: as systems of the Unix
/// kind and Windows write them, wherever this runs.
fn push(path: &mut String, part: &str) {
    let mut start = part.bytes();
    let is_drive =
        start.next().is_some_and(|byte| byte.is_ascii_alphabetic()) && start.next() == Some(b':');
    if part.starts_with(['/', '\\']) || is_drive {
        path.clear();
    } else if !path.is_empty() && !path.ends_with(['/', '\\']) {
        path.push('/');
    }
    path.push_str(part);
}
