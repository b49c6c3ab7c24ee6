//! Looking ahead in a function's body: the only place that reads its bytes beside wasmparser.
//!
//! Some operators are compiled better if the next one is known: a comparison before a branch leaves
//! its result in the flags, an addition before a `local.set` computes in the local's register. A
//! [`Peek`] tells where an operator ends and which one follows. It knows every operator of every
//! proposal, in whatever length its numbers are encoded, from one table ([`opcodes`]), and has
//! wasmparser read the numbers themselves, except those of one or two bytes.
//!
//! Bytes that were not validated yet may be anything: the answer may then be anything too, but it
//! comes, in time that is bounded by what is looked at, and never from beyond the function's end.

mod opcodes;

use upshift_abi::observe::Cursor;
use wasmparser::{BinaryReader, HeapType, Result, ResumeTable, ValType};

pub(crate) use opcodes::Opcode;
use opcodes::{
    Brief, Entry, Imm, NO_IMMEDIATES, ONE_BYTE, PREFIX_FB, PREFIX_FC, PREFIX_FD, PREFIX_FE,
};

/// The operator that follows another, as far as code for that one depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// `local.set` or `local.tee` of this local.
    AssignLocal(u32),
    /// One that consumes a comparison's result from the flags: `if`, `br_if`, `select` (without a
    /// type), `i32.eqz`.
    Condition,
    /// Any other, or none.
    Other,
}

/// An operator that lies ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ahead {
    pub(crate) op: Opcode,
    /// Its first immediate, if that is an index; else 0.
    pub(crate) index: u32,
}

/// A function's body, to look ahead in. Positions are offsets in the module.
#[derive(Clone, Copy)]
pub(crate) struct Peek<'a> {
    /// The module up to the end of the body.
    wasm: &'a [u8],
    /// Where code is instrumented: no operator's code depends on one behind such a place.
    stops: Cursor<'a>,
}

impl<'a> Peek<'a> {
    /// For the body that ends where these bytes of the module do.
    pub(crate) fn new(wasm: &'a [u8]) -> Self {
        let stops = Cursor::default();
        Self { wasm, stops }
    }

    /// The same, for a body that is instrumented.
    pub(crate) fn stopping_at(self, stops: Cursor<'a>) -> Self {
        Self { stops, ..self }
    }

    /// The operator behind the one at a position.
    #[inline]
    pub(crate) fn next(self, at: u32) -> Next {
        let at = self.behind(at as usize);
        let Some(&opcode) = self.wasm.get(at) else {
            return Next::Other;
        };
        if self.stops.stops_at(at as u32) {
            return Next::Other;
        }
        match ONE_BYTE[usize::from(opcode)].op {
            Some(Opcode::LocalSet | Opcode::LocalTee) => {
                self.index(at + 1).map_or(Next::Other, Next::AssignLocal)
            }
            Some(Opcode::If | Opcode::BrIf | Opcode::Select | Opcode::I32Eqz) => Next::Condition,
            _ => Next::Other,
        }
    }

    /// The index at a position; no reader is set up for one of a byte or two.
    #[inline]
    fn index(self, at: usize) -> Option<u32> {
        match *self.wasm.get(at..)? {
            [index, ..] if index & CONTINUED == 0 => Some(index.into()),
            [low, high, ..] if high & CONTINUED == 0 => {
                Some(u32::from(low & !CONTINUED) | u32::from(high) << 7)
            }
            _ => self.long_index(at),
        }
    }

    #[inline(never)]
    fn long_index(self, at: usize) -> Option<u32> {
        self.reader(at).read_var_u32().ok()
    }

    /// The operators behind the one at a position, up to one that can't be read, has a list among
    /// its immediates, or is not there.
    pub(crate) fn operators(self, at: u32) -> Operators<'a> {
        Operators {
            peek: self,
            at: self.behind(at as usize),
        }
    }

    /// Where the operator at a position ends; the body's end if it can't be read.
    #[inline]
    fn behind(self, at: usize) -> usize {
        match self.wasm.get(at..) {
            Some(&[opcode, ref rest @ ..]) => match ONE_BYTE[usize::from(opcode)].brief_len(rest) {
                Some(len) => at + 1 + len,
                None => self.behind_immediates(at),
            },
            _ => self.behind_immediates(at),
        }
    }

    #[inline(never)]
    fn behind_immediates(self, at: usize) -> usize {
        let mut reader = self.reader(at);
        match read(&mut reader) {
            Some(_) => reader.original_position() as usize,
            None => self.wasm.len(),
        }
    }

    fn reader(self, at: usize) -> BinaryReader<'a> {
        BinaryReader::new(self.wasm.get(at..).unwrap_or(&[]), at as u64)
    }
}

/// The operators from a position on.
pub(crate) struct Operators<'a> {
    peek: Peek<'a>,
    at: usize,
}

impl Operators<'_> {
    /// Reads an operator of any encoding.
    #[inline(never)]
    fn read(&mut self) -> Option<Ahead> {
        let mut reader = self.peek.reader(self.at);
        let entry = entry(&mut reader)?;
        if entry.shape.iter().any(|imm| imm.is_list()) {
            return None;
        }
        let ahead = read_immediates(entry, &mut reader)?;
        self.at = reader.original_position() as usize;
        Some(ahead)
    }
}

impl Iterator for Operators<'_> {
    type Item = Ahead;

    /// Ends before an operator with a list among its immediates, such as `br_table`: reading one
    /// takes as long as it is, and each of many nested loops would do it again.
    #[inline]
    fn next(&mut self) -> Option<Ahead> {
        if let Some(&[opcode, ref rest @ ..]) = self.peek.wasm.get(self.at..) {
            let entry = &ONE_BYTE[usize::from(opcode)];
            if let (Some(op), Some(len)) = (entry.op, entry.brief_len(rest)) {
                let index = match entry.shape[0] {
                    Imm::U32 => self.peek.index(self.at + 1)?,
                    _ => 0,
                };
                self.at += 1 + len;
                return Some(Ahead { op, index });
            }
        }
        self.read()
    }
}

impl Entry {
    /// The bytes of the operator's immediates, if it has no prefix and they are encoded as nearly
    /// always: no reader is set up for these.
    #[inline]
    fn brief_len(&self, immediates: &[u8]) -> Option<usize> {
        const PLAIN_MEMARG: u8 = 1 << 4;
        match (self.brief, immediates) {
            (Brief::Alone, _) => Some(0),
            (Brief::Number, number) => leb_len(number),
            (Brief::TwoNumbers, &[a, b, ..]) if (a | b) & CONTINUED == 0 => Some(2),
            (Brief::MemArg, &[flags, ref offset @ ..]) if flags < PLAIN_MEMARG => {
                Some(1 + leb_len(offset)?)
            }
            // A small index of a type, nothing, or a type of numbers.
            (Brief::BlockType, &[0..=0x40 | 0x7c..=0x7f, ..]) => Some(1),
            _ => None,
        }
    }
}

/// The bit of all bytes of a number but its last.
const CONTINUED: u8 = 1 << 7;

/// The bytes of a number at the beginning, if it has one byte, or no more than eight and as many
/// bytes follow its beginning.
#[inline]
fn leb_len(bytes: &[u8]) -> Option<usize> {
    const LAST: u64 = 0x8080_8080_8080_8080;
    if bytes.first()? & CONTINUED == 0 {
        return Some(1);
    }
    let ends = !u64::from_le_bytes(*bytes.first_chunk()?) & LAST;
    (ends != 0).then(|| ends.trailing_zeros() as usize / 8 + 1)
}

/// Reads an operator; `None` if there is none that is known.
fn read(reader: &mut BinaryReader<'_>) -> Option<Ahead> {
    let entry = entry(reader)?;
    read_immediates(entry, reader)
}

/// Reads an opcode, and returns what is known of its operator.
fn entry(reader: &mut BinaryReader<'_>) -> Option<Entry> {
    let opcode = reader.read_u8().ok()?;
    let prefixed: &[Entry] = match opcode {
        0xfb => &PREFIX_FB,
        0xfc => &PREFIX_FC,
        0xfd => &PREFIX_FD,
        0xfe => &PREFIX_FE,
        _ => &[],
    };
    if prefixed.is_empty() {
        return Some(ONE_BYTE[usize::from(opcode)]);
    }
    let opcode = reader.read_var_u32().ok()?;
    prefixed.get(opcode as usize).copied()
}

/// Reads the rest of an operator.
fn read_immediates(entry: Entry, reader: &mut BinaryReader<'_>) -> Option<Ahead> {
    let op = entry.op?;
    let mut index = 0;
    if entry.shape != NO_IMMEDIATES {
        index = immediate(entry.shape[0], reader).ok()?;
        for &imm in &entry.shape[1..] {
            immediate(imm, reader).ok()?;
        }
    }
    Some(Ahead { op, index })
}

/// Reads an immediate, and returns it if it is an index.
fn immediate(imm: Imm, reader: &mut BinaryReader<'_>) -> Result<u32> {
    match imm {
        Imm::None => {}
        Imm::U32 => return reader.read_var_u32(),
        Imm::S32 => drop(reader.read_var_i32()?),
        Imm::S64 => drop(reader.read_var_i64()?),
        Imm::Byte => drop(reader.read_bytes(1)?),
        Imm::Four => drop(reader.read_bytes(4)?),
        Imm::Eight => drop(reader.read_bytes(8)?),
        Imm::Sixteen => drop(reader.read_bytes(16)?),
        Imm::MemArg => memarg(reader)?,
        Imm::BlockType => block_type(reader)?,
        Imm::HeapType => drop(reader.read::<HeapType>()?),
        Imm::ValTypes => {
            for _ in 0..reader.read_var_u32()? {
                reader.read::<ValType>()?;
            }
        }
        Imm::BrTable => {
            for _ in 0..reader.read_var_u32()? {
                reader.read_var_u32()?;
            }
            reader.read_var_u32()?;
        }
        Imm::TryTable => drop(reader.read::<wasmparser::TryTable>()?),
        Imm::ResumeTable => drop(reader.read::<ResumeTable>()?),
    }
    Ok(0)
}

/// Alignment, what its upper bits announce, and an offset.
fn memarg(reader: &mut BinaryReader<'_>) -> Result<()> {
    const HAS_ORDERING: u32 = 1 << 4;
    const HAS_ARRAY: u32 = 1 << 5;
    const HAS_MEMORY: u32 = 1 << 6;
    let flags = reader.read_var_u32()?;
    if flags & (HAS_MEMORY | HAS_ARRAY) != 0 {
        reader.read_var_u32()?;
    }
    if flags & HAS_ORDERING != 0 {
        reader.read_u8()?;
    }
    reader.read_var_u64()?;
    Ok(())
}

/// A type index, or if that would be negative, nothing or one type.
fn block_type(reader: &mut BinaryReader<'_>) -> Result<()> {
    const NOTHING: i64 = -64;
    let mut index = reader.clone();
    match index.read_var_s33()? {
        0.. | NOTHING => *reader = index,
        _ => drop(reader.read::<ValType>()?),
    }
    Ok(())
}

#[cfg(test)]
mod tests;
