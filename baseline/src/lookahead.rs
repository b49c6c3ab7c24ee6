//! A bounded look at the operators behind a `loop`, to choose the registers at its header.
//!
//! It only steers register allocation: what it misses or misjudges costs moves, never correctness.

/// Distinct locals that are remembered.
const MAX_LOCALS: usize = 24;

/// How the beginning of a loop uses a local.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LocalUse {
    pub(crate) local: u32,
    /// It is assigned before it is read, so its value at the header does not matter.
    pub(crate) set_first: bool,
    /// It is assigned.
    pub(crate) set: bool,
}

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Lookahead {
    locals: [LocalUse; MAX_LOCALS],
    count: usize,
    /// There is a call.
    pub(crate) call: bool,
    /// The loop's end was reached: no other locals are used in it.
    pub(crate) complete: bool,
}

impl Lookahead {
    /// Reads at most `budget` operators from the start of a loop's body.
    pub(crate) fn scan(code: &[u8], budget: u32) -> Self {
        let mut seen = Self::default();
        let mut reader = Reader { code, at: 0 };
        let mut depth = 0;
        for _ in 0..budget {
            let opcode = reader.byte();
            match opcode {
                // block, loop, if
                0x02..=0x04 => {
                    depth += 1;
                    reader.leb();
                }
                0x0b if depth == 0 => {
                    seen.complete = true;
                    break;
                }
                0x0b => depth -= 1,
                // call, call_indirect
                0x10 | 0x11 => {
                    seen.call = true;
                    reader.leb();
                    reader.at += usize::from(opcode == 0x11);
                }
                0x20 => seen.note(reader.leb(), false),
                0x21 | 0x22 => seen.note(reader.leb(), true),
                // br, br_if, global.get, global.set, memory.size, the integer constants
                0x0c | 0x0d | 0x23 | 0x24 | 0x3f | 0x41 | 0x42 => {
                    reader.leb();
                }
                0x28..=0x3e => {
                    reader.leb();
                    reader.leb();
                }
                0x43 => reader.at += 4,
                0x44 => reader.at += 8,
                // unreachable, nop, else, return, drop, select, and all from i32.eqz to i64.extend32_s
                0x00 | 0x01 | 0x05 | 0x0f | 0x1a | 0x1b | 0x45..=0xc4 => {}
                // Saturating conversions.
                0xfc if reader.peek() < 8 => reader.at += 1,
                _ => break,
            }
        }
        seen
    }

    /// The locals used, in the order of their first use.
    pub(crate) fn locals(&self) -> &[LocalUse] {
        &self.locals[..self.count]
    }

    fn note(&mut self, local: u32, set: bool) {
        let known = &mut self.locals[..self.count];
        if let Some(known) = known.iter_mut().find(|known| known.local == local) {
            known.set |= set;
        } else if self.count < MAX_LOCALS {
            self.locals[self.count] = LocalUse {
                local,
                set_first: set,
                set,
            };
            self.count += 1;
        }
    }
}

/// Reads just what the scan needs; behind the end there are zeroes.
struct Reader<'a> {
    code: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> u8 {
        self.code.get(self.at).copied().unwrap_or(0)
    }

    fn byte(&mut self) -> u8 {
        let byte = self.peek();
        self.at += 1;
        byte
    }

    /// The low 32 bits of a number of any length and signedness.
    fn leb(&mut self) -> u32 {
        let mut value = 0;
        for shift in (0..70).step_by(7) {
            let byte = self.byte();
            if shift < 32 {
                value |= u32::from(byte & 0x7f) << shift;
            }
            if byte & 0x80 == 0 {
                break;
            }
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_are_found_up_to_the_end() {
        // local.get 1, i32.const 300, i32.add, local.set 2, local.get 2, local.set 1, end
        let code = [
            0x20, 1, 0x41, 0xac, 0x02, 0x6a, 0x21, 2, 0x20, 2, 0x21, 1, 0x0b, 0x20, 7,
        ];
        let seen = Lookahead::scan(&code, 64);
        assert!(seen.complete && !seen.call);
        let expected = [
            LocalUse {
                local: 1,
                set_first: false,
                set: true,
            },
            LocalUse {
                local: 2,
                set_first: true,
                set: true,
            },
        ];
        assert_eq!(seen.locals(), expected);
    }

    #[test]
    fn it_sees_calls_and_stops_at_the_budget() {
        let code = [0x20, 1, 0x10, 0, 0x20, 2, 0x0b];
        let seen = Lookahead::scan(&code, 64);
        assert!(seen.call && seen.complete);
        assert_eq!(seen.locals().len(), 2);
        assert_eq!(Lookahead::scan(&code, 1).locals().len(), 1);
        assert!(!Lookahead::scan(&code, 1).call);
    }

    #[test]
    fn it_survives_truncated_code() {
        assert!(!Lookahead::scan(&[0x44, 0], 64).complete);
        assert!(!Lookahead::scan(&[0x20, 0xff, 0xff], 64).complete);
    }
}
