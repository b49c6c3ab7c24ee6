//! Records of jitdump files, by which `perf inject --jit` names and disassembles generated code.
//!
//! A file is a header, then records, each with the time at which it became true: a sample belongs
//! to the latest piece of code that was loaded at its address before it. So a place that is used
//! again is right for both pieces. Numbers are in the processor's byte order. The format is
//! described in Linux's sources, `tools/perf/Documentation/jitdump-specification.txt`.
//!
//! This is the encoding alone: code comes from the engine as it is placed, since a log has no bytes
//! of code.

use crate::key::Nanos;

/// The first four bytes of a file: "JiTD" as a big-endian number.
pub const MAGIC: u32 = 0x4a69_5444;

/// The version of the format.
pub const VERSION: u32 = 1;

/// The bytes of the header.
pub const HEADER_BYTES: u32 = 40;

/// ELF's number of the processor's architecture.
const MACHINE: u32 = 62;

/// The bytes of what all records begin with: kind, length, time.
const PREFIX_BYTES: usize = 16;

/// The kinds of records that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// `JIT_CODE_LOAD`: a piece of code, with its bytes.
    Load = 0,
    /// `JIT_CODE_DEBUG_INFO`: where the code of the next load record comes from.
    DebugInfo = 2,
    /// `JIT_CODE_CLOSE`: the last record.
    Close = 3,
}

/// A piece of code.
#[derive(Clone, Copy, Debug)]
pub struct Code<'a> {
    /// What to call it; up to its first NUL, if there is one.
    pub name: &'a str,
    /// Its number among all pieces in the file, from 0.
    pub index: u64,
    /// The process.
    pub process: u32,
    /// The thread that placed it.
    pub thread: u32,
    /// The address of its first byte.
    pub address: u64,
    /// The bytes.
    pub bytes: &'a [u8],
    /// Where runs of the code come from, by address; may be empty.
    pub lines: &'a [Line],
    /// The file that the lines are of.
    pub source: &'a str,
}

/// Where a run of code comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// The address of its first byte.
    pub address: u64,
    /// The line of the source, or whatever number stands for one.
    pub line: u32,
}

/// Appends the header of a file of this process.
pub fn header(out: &mut Vec<u8>, process: u32, at: Nanos) {
    for field in [MAGIC, VERSION, HEADER_BYTES, MACHINE, 0, process] {
        out.extend(field.to_ne_bytes());
    }
    let flags = 0_u64;
    out.extend(at.0.to_ne_bytes());
    out.extend(flags.to_ne_bytes());
}

/// Appends the records of a piece of code that runs from this time on at the earliest, by the
/// monotonic clock.
pub fn load(out: &mut Vec<u8>, at: Nanos, code: &Code<'_>) {
    if !code.lines.is_empty() {
        record(out, Kind::DebugInfo, at, |out| debug_info(out, code));
    }
    record(out, Kind::Load, at, |out| {
        out.extend(code.process.to_ne_bytes());
        out.extend(code.thread.to_ne_bytes());
        // The address at which it runs, and the one at which it lies: the same.
        for field in [
            code.address,
            code.address,
            code.bytes.len() as u64,
            code.index,
        ] {
            out.extend(field.to_ne_bytes());
        }
        string(out, code.name);
        out.extend(code.bytes);
    });
}

/// Appends the record that ends the file.
pub fn close(out: &mut Vec<u8>, at: Nanos) {
    record(out, Kind::Close, at, |_| {});
}

fn debug_info(out: &mut Vec<u8>, code: &Code<'_>) {
    out.extend(code.address.to_ne_bytes());
    out.extend((code.lines.len() as u64).to_ne_bytes());
    for line in code.lines {
        let discriminator = 0_u32;
        out.extend(line.address.to_ne_bytes());
        out.extend(line.line.to_ne_bytes());
        out.extend(discriminator.to_ne_bytes());
        string(out, code.source);
    }
}

/// Appends a record; its length is known once `body` has been appended.
fn record(out: &mut Vec<u8>, kind: Kind, at: Nanos, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.resize(start + PREFIX_BYTES, 0);
    body(out);
    let len = u32::try_from(out.len() - start).expect("code is shorter than 4 GiB");
    out[start..start + 4].copy_from_slice(&(kind as u32).to_ne_bytes());
    out[start + 4..start + 8].copy_from_slice(&len.to_ne_bytes());
    out[start + 8..start + 16].copy_from_slice(&at.0.to_ne_bytes());
}

/// Appends text up to its first NUL, and a NUL.
fn string(out: &mut Vec<u8>, text: &str) {
    out.extend(text.bytes().take_while(|&byte| byte != 0));
    out.push(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of a file with one piece of code, field by field as the specification has them.
    #[test]
    fn a_file_is_as_specified() {
        let mut file = Vec::new();
        header(&mut file, 77, Nanos(5));
        let code = Code {
            name: "f\0g",
            index: 3,
            process: 77,
            thread: 78,
            address: 0x1000,
            bytes: &[0xc3, 0x90],
            lines: &[Line {
                address: 0x1001,
                line: 9,
            }],
            source: "m",
        };
        load(&mut file, Nanos(6), &code);
        close(&mut file, Nanos(7));
        let words = |words: &[u32]| -> Vec<u8> {
            words.iter().flat_map(|word| word.to_le_bytes()).collect()
        };
        let mut expected = b"DTiJ".to_vec();
        expected.extend(words(&[1, 40, 62, 0, 77, 5, 0, 0, 0]));
        // Kind, length, time; address, number of lines; address, line, discriminator, file.
        expected.extend(words(&[2, 50, 6, 0, 0x1000, 0, 1, 0, 0x1001, 0, 9, 0]));
        expected.extend(b"m\0");
        // Kind, length, time; process, thread, address twice, length, number, name, bytes.
        expected.extend(words(&[0, 60, 6, 0, 77, 78, 0x1000, 0, 0x1000, 0]));
        expected.extend(words(&[2, 0, 3, 0]));
        expected.extend(b"f\0\xc3\x90");
        expected.extend(words(&[3, 16, 7, 0]));
        assert_eq!(file, expected);
    }
}
