//! Data segments: a table of fixed-size entries, as some modules have tens of thousands.

use std::ops::Range;

use bytes::Bytes;

use super::{ConstExpr, ConstOp, SegmentMode};
use crate::codec::{Decoder, Encoder, Malformed};
use crate::index::{DataIndex, MemoryIndex};

/// A data segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataSegment {
    /// When the segment is copied.
    pub mode: SegmentMode<MemoryIndex>,
    /// The range of the segment's bytes in the module.
    pub bytes: Range<u32>,
}

/// Bytes of an entry: the constant offset in memory 0, start and end of the bytes in the module.
const ENTRY: usize = 12;

/// A word of an entry.
fn word(entry: &[u8], n: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&entry[4 * n..][..4]);
    u32::from_le_bytes(word)
}

/// The range of the module that an entry names.
fn bytes(entry: &[u8]) -> Range<u32> {
    word(entry, 1)..word(entry, 2)
}

/// The data segments of a module.
#[derive(Clone, Debug, Default)]
pub struct DataSegments {
    /// An entry for each segment.
    table: Bytes,
    /// The modes of all that are not copied to a constant 32-bit offset in memory 0, by segment, in
    /// ascending order.
    special: Vec<(u32, SegmentMode<MemoryIndex>)>,
}

impl DataSegments {
    /// The number of segments.
    pub fn len(&self) -> usize {
        self.table.len() / ENTRY
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// All segments in their order.
    pub fn iter(&self) -> impl Iterator<Item = DataSegment> + '_ {
        let entries = self.table.chunks_exact(ENTRY).enumerate();
        entries.map(|(n, entry)| DataSegment {
            mode: match self.special(DataIndex::from_index(n)) {
                Some(mode) => mode.clone(),
                None => SegmentMode::Active {
                    target: MemoryIndex(0),
                    offset: ConstExpr(Box::new([ConstOp::I32Const(word(entry, 0) as i32)])),
                },
            },
            bytes: bytes(entry),
        })
    }

    /// The mode of a segment, unless that is copied to a constant 32-bit offset in memory 0.
    fn special(&self, index: DataIndex) -> Option<&SegmentMode<MemoryIndex>> {
        let special = self.special.binary_search_by_key(&index.0, |&(n, _)| n);
        special.ok().map(|n| &self.special[n].1)
    }

    /// Whether only instructions copy the segment.
    pub fn is_passive(&self, index: DataIndex) -> bool {
        self.special(index) == Some(&SegmentMode::Passive)
    }

    /// The range of the module that contains the segment's bytes.
    ///
    /// # Panics
    ///
    /// If there is no such segment.
    pub fn range(&self, index: DataIndex) -> Range<u32> {
        bytes(&self.table[index.index() * ENTRY..][..ENTRY])
    }

    /// The ranges of the module that contain the bytes of the segments.
    pub(super) fn iter_ranges(&self) -> impl Iterator<Item = Range<u32>> + '_ {
        self.table.chunks_exact(ENTRY).map(bytes)
    }

    /// The range of the module that contains the bytes of all segments.
    pub(super) fn extent(&self) -> Range<u32> {
        let all = self.iter_ranges();
        let all = all.reduce(|all, one| all.start.min(one.start)..all.end.max(one.end));
        all.unwrap_or_default()
    }

    /// Writes the segments.
    pub(super) fn encode(
        &self,
        to: &mut Encoder,
        mode: impl Fn(&SegmentMode<MemoryIndex>, &mut Encoder),
    ) {
        to.sized(&self.table);
        to.count(self.special.len());
        for (index, special) in &self.special {
            to.number(*index);
            mode(special, to);
        }
    }

    /// Reads what [`encode`](Self::encode) wrote, from these bytes: the table stays there.
    pub(super) fn decode(
        from: &mut Decoder<'_>,
        bytes: &Bytes,
        mode: impl Fn(&mut Decoder<'_>) -> Result<SegmentMode<MemoryIndex>, Malformed>,
    ) -> Result<Self, Malformed> {
        let table = bytes.slice_ref(from.sized()?);
        if !table.len().is_multiple_of(ENTRY) {
            return Err(from.malformed("a part of a data segment"));
        }
        let mut special = Vec::new();
        for _ in 0..from.count(2)? {
            let index = from.number_u32()?;
            if special.last().is_some_and(|&(last, _)| last >= index) {
                return Err(from.malformed("data segments out of order"));
            }
            special.push((index, mode(from)?));
        }
        Ok(Self { table, special })
    }
}

/// Data segments while a module is decoded.
#[derive(Clone, Debug, Default)]
pub(super) struct DataSegmentsBuilder {
    table: Vec<u8>,
    special: Vec<(u32, SegmentMode<MemoryIndex>)>,
}

impl DataSegmentsBuilder {
    /// Adds a segment that is copied to an offset in memory 0.
    pub fn push_plain(&mut self, offset: i32, bytes: Range<u32>) {
        for word in [offset as u32, bytes.start, bytes.end] {
            self.table.extend_from_slice(&word.to_le_bytes());
        }
    }

    /// Adds any segment.
    pub fn push(&mut self, mode: SegmentMode<MemoryIndex>, bytes: Range<u32>) {
        if let SegmentMode::Active { target, offset } = &mode
            && let (MemoryIndex(0), &[ConstOp::I32Const(offset)]) = (*target, &*offset.0)
        {
            return self.push_plain(offset, bytes);
        }
        let index = (self.table.len() / ENTRY) as u32;
        self.special.push((index, mode));
        self.push_plain(0, bytes);
    }

    pub fn finish(self) -> DataSegments {
        DataSegments {
            table: self.table.into(),
            special: self.special,
        }
    }
}
