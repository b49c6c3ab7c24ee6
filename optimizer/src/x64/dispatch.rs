//! Copies of dispatch code: of the instructions from a loop's header to its indirect jump.
//!
//! An interpreter's loop has one indirect jump for all operations of the guest, and processors
//! predict targets by the jump's address and what came before it. With a copy for each jump back to
//! the header there is an indirect jump behind each operation, which is followed by few others.
//!
//! Copying happens in machine code, since Cranelift can't: in CLIF, each value that is alive across
//! the header would become a parameter of each target, and each copy an edge to each target. After
//! register allocation the copies differ in nothing but their place.
//!
//! What is copied is decoded, by a decoder that knows few instructions; where there is another one,
//! nothing is copied.

use std::collections::BTreeMap;
use std::ops::Range;

/// The most bytes of a copy.
const MAX_BYTES: u32 = 96;

/// The most copies in a function. Interpreters with more operations gain nothing.
const MAX_COPIES: usize = 32;

/// Code that has been copied.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Copy {
    pub(crate) original: Range<u32>,
    /// Where the copy begins.
    pub(crate) at: u32,
}

/// What an instruction does to control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    /// Nothing.
    Next,
    /// Branches on a condition, by the displacement at its end.
    Branch,
    /// Jumps by the displacement at its end.
    Jump,
    /// Jumps to the address in a register.
    Indirect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Instruction {
    len: usize,
    flow: Flow,
    /// Where in the instruction four bytes are relative to its end.
    relative: Option<usize>,
}

/// Gives each jump to dispatch code a copy of that code, at the end of `code`. The runs are ranges
/// of whole instructions, of which the last one may be such a jump. Nothing is copied that contains
/// a relocation; their offsets are sorted. Returns what was copied, in the order of the copies.
pub(crate) fn copy_dispatch(
    code: &mut Vec<u8>,
    runs: impl Iterator<Item = Range<u32>>,
    relocations: &[u32],
) -> Vec<Copy> {
    let mut jumps: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for run in runs {
        if let Some(target) = last_jump(code, &run) {
            jumps.entry(target).or_default().push(run.end);
        }
    }
    let mut copies = Vec::new();
    for (target, ends) in jumps {
        let Some(original) = dispatch_code(code, target) else {
            continue;
        };
        let first = relocations.partition_point(|&offset| offset < original.start);
        let is_relocated = relocations
            .get(first)
            .is_some_and(|&offset| offset < original.end);
        // The last jump to code that nothing else leads to would leave it unused.
        if is_relocated || ends.len() < 2 || copies.len() + ends.len() > MAX_COPIES {
            continue;
        }
        for end in ends {
            let at = code.len() as u32;
            append_copy(code, &original);
            let displacement = at.wrapping_sub(end).to_le_bytes();
            code[end as usize - 4..end as usize].copy_from_slice(&displacement);
            let original = original.clone();
            copies.push(Copy { original, at });
        }
    }
    copies
}

/// The target of the jump that a run of instructions ends with.
fn last_jump(code: &[u8], run: &Range<u32>) -> Option<u32> {
    let (mut at, end) = (run.start as usize, run.end as usize);
    loop {
        let instruction = Instruction::decode(code.get(at..end)?)?;
        at += instruction.len;
        if instruction.flow == Flow::Jump && at == end {
            return Some(run.end.wrapping_add(read(code, end - 4)));
        }
    }
}

/// The code from an instruction to the next indirect jump. Behind a jump it goes on if a branch
/// leads there.
fn dispatch_code(code: &[u8], start: u32) -> Option<Range<u32>> {
    let mut at = start;
    let mut branched_to = start;
    loop {
        let instruction = Instruction::decode(code.get(at as usize..)?)?;
        at += instruction.len as u32;
        match instruction.flow {
            _ if at - start > MAX_BYTES => return None,
            Flow::Next | Flow::Branch => {}
            Flow::Jump if branched_to == at => {}
            Flow::Jump => return None,
            Flow::Indirect => return Some(start..at),
        }
        if instruction.flow == Flow::Branch {
            branched_to = at.wrapping_add(read(code, at as usize - 4));
        }
    }
}

/// Appends a copy of the code, which [`dispatch_code`] has decoded.
fn append_copy(code: &mut Vec<u8>, original: &Range<u32>) {
    let copy = code.len();
    let moved = (copy as u32).wrapping_sub(original.start);
    code.extend_from_within(original.start as usize..original.end as usize);
    let mut at = copy;
    while let Some(instruction) = Instruction::decode(&code[at..]) {
        let end = at + instruction.len;
        if let Some(field) = instruction.relative {
            let field = at + field;
            let displacement = read(code, field).wrapping_sub(moved);
            // What leads to the copied code itself leads to the copy.
            if !original.contains(&displacement.wrapping_add(end as u32)) {
                code[field..field + 4].copy_from_slice(&displacement.to_le_bytes());
            }
        }
        at = end;
    }
}

/// The four bytes at an offset.
fn read(code: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(code[at..at + 4].try_into().expect("four bytes"))
}

impl Instruction {
    /// Decodes the first instruction; `None` if it is not one of those known, or not complete.
    fn decode(code: &[u8]) -> Option<Self> {
        let mut len = usize::from(matches!(code.first()?, 0x66 | 0xf2 | 0xf3));
        let is_wide = match *code.get(len)? {
            rex @ 0x40..=0x4f => {
                len += 1;
                rex & 8 != 0
            }
            _ => false,
        };
        let opcode = *code.get(len)?;
        len += 1;
        let mut flow = Flow::Next;
        let (operands, immediate) = match opcode {
            0x0f => {
                let opcode = *code.get(len)?;
                len += 1;
                match opcode {
                    // Conditional branches.
                    0x80..=0x8f => return Self::relative(code, len, Flow::Branch),
                    // Moves of vectors; conditional moves; products; extending loads.
                    0x10 | 0x11 | 0x28 | 0x29 | 0x6f | 0x7f => (Operands::new(code, len)?, 0),
                    0x40..=0x4f | 0xaf | 0xb6 | 0xb7 | 0xbe | 0xbf => {
                        (Operands::new(code, len)?, 0)
                    }
                    _ => return None,
                }
            }
            0xe9 => return Self::relative(code, len, Flow::Jump),
            // Moves of constants.
            0xb8..=0xbf => (Operands::NONE, if is_wide { 8 } else { 4 }),
            // Arithmetic and comparisons between registers or with memory, shifts by `cl`.
            0x01 | 0x03 | 0x09 | 0x0b | 0x21 | 0x23 | 0x29 | 0x2b | 0x31 | 0x33 | 0x39 | 0x3b
            | 0xd3 => (Operands::new(code, len)?, 0),
            // Loads, stores, moves, `lea`, `test`.
            0x63 | 0x84 | 0x85 | 0x88..=0x8b | 0x8d => (Operands::new(code, len)?, 0),
            // Arithmetic and shifts with constants.
            0x6b | 0x80 | 0x83 | 0xc1 => (Operands::new(code, len)?, 1),
            0x69 | 0x81 | 0xc7 => (Operands::new(code, len)?, 4),
            // `jmp` to the address in a register.
            0xff if *code.get(len)? & 0xf8 == 0xe0 => {
                flow = Flow::Indirect;
                (Operands::new(code, len)?, 0)
            }
            _ => return None,
        };
        // The prefix would shorten the constant.
        if immediate == 4 && code[0] == 0x66 {
            return None;
        }
        let relative = operands.relative.then_some(len + 1);
        let len = len + operands.len + immediate;
        (len <= code.len()).then_some(Self {
            len,
            flow,
            relative,
        })
    }

    /// An instruction that ends with a displacement.
    fn relative(code: &[u8], opcode: usize, flow: Flow) -> Option<Self> {
        let len = opcode + 4;
        (len <= code.len()).then_some(Self {
            len,
            flow,
            relative: Some(opcode),
        })
    }
}

/// The bytes that name an instruction's operands.
struct Operands {
    len: usize,
    /// Whether they are `[rip + displacement]`.
    relative: bool,
}

impl Operands {
    const NONE: Self = Self {
        len: 0,
        relative: false,
    };

    fn new(code: &[u8], at: usize) -> Option<Self> {
        let modrm = *code.get(at)?;
        let (mode, rm) = (modrm >> 6, modrm & 7);
        if mode == 0b11 {
            return Some(Self {
                len: 1,
                ..Self::NONE
            });
        }
        let scaled = usize::from(rm == 0b100);
        let base = if scaled == 1 {
            *code.get(at + 1)? & 7
        } else {
            rm
        };
        let displacement = match (mode, base) {
            (0b00, 0b101) | (0b10, _) => 4,
            (0b01, _) => 1,
            _ => 0,
        };
        Some(Self {
            len: 1 + scaled + displacement,
            relative: mode == 0b00 && rm == 0b101,
        })
    }
}

#[cfg(test)]
mod tests;
