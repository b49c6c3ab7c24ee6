//! Opcodes by name: the one table of the encodings that are written without dynasm.
//!
//! An [`Encoding`] says what the processor's manual says of an instruction: opcode map, opcode
//! byte, mandatory prefix. At compile time it becomes an [`Op`], the bytes of its legacy form as
//! they are stored, or a [`VexOp`]. A unit test has an independent decoder read each entry and
//! compares instruction and operands with the table's other columns. Instructions on vectors have
//! a table of their own, in [`vector`].

use upshift_abi::atomic::AtomicWidth;
use upshift_abi::{Kind, Width};

use self::OperandSize::{S32, S64};
use super::Cc;
use crate::reg::Reg;

pub(crate) mod vector;

/// The size of the operands of an instruction on integers or on scalar floats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OperandSize {
    /// 32 bits.
    S32,
    /// 64 bits.
    S64,
}

impl OperandSize {
    /// The size of a value in a general-purpose register.
    ///
    /// # Panics
    ///
    /// If the value is wider than those registers.
    #[inline]
    pub(crate) const fn of(width: Width) -> Self {
        match width {
            Width::W32 => S32,
            Width::W64 => S64,
            Width::W128 => panic!("vectors are in no general-purpose register"),
        }
    }

    /// The width of values of the size.
    #[inline]
    pub(crate) const fn width(self) -> Width {
        match self {
            S32 => Width::W32,
            S64 => Width::W64,
        }
    }

    /// The integers of the size.
    #[inline]
    pub(crate) const fn int(self) -> Kind {
        match self {
            S32 => Kind::I32,
            S64 => Kind::I64,
        }
    }

    /// The floats of the size.
    #[inline]
    pub(crate) const fn float(self) -> Kind {
        match self {
            S32 => Kind::F32,
            S64 => Kind::F64,
        }
    }

    /// REX.W or VEX.W: operands of 64 bits.
    #[inline]
    const fn w(self) -> bool {
        match self {
            S32 => false,
            S64 => true,
        }
    }
}

/// Whether an instruction takes its operands as signed numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signedness {
    Signed,
    Unsigned,
}

/// A mandatory prefix; the discriminant is VEX's `pp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prefix {
    None = 0,
    P66 = 1,
    F3 = 2,
    F2 = 3,
}

/// An opcode map; the discriminant is VEX's `mmmmm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Map {
    /// Opcodes of one byte, which have no VEX form.
    Primary = 0,
    /// Opcodes behind 0F.
    M0f = 1,
    /// Opcodes behind 0F 38.
    M0f38 = 2,
    /// Opcodes behind 0F 3A, which have an immediate.
    M0f3a = 3,
}

/// An instruction's encoding, in the manual's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Encoding {
    map: Map,
    opcode: u8,
    prefix: Prefix,
    /// Operands of 64 bits.
    w: bool,
    /// The rest of the opcode, in ModRM's register field.
    digit: u8,
}

/// An opcode in a map.
const fn op(map: Map, opcode: u8) -> Encoding {
    Encoding {
        map,
        opcode,
        prefix: Prefix::None,
        w: false,
        digit: 0,
    }
}

/// An opcode of one byte.
const fn one(opcode: u8) -> Encoding {
    op(Map::Primary, opcode)
}

/// An opcode behind 0F.
const fn x0f(opcode: u8) -> Encoding {
    op(Map::M0f, opcode)
}

impl Encoding {
    const fn prefix(self, prefix: Prefix) -> Self {
        Self { prefix, ..self }
    }

    const fn w1(self) -> Self {
        Self { w: true, ..self }
    }

    const fn digit(self, digit: u8) -> Self {
        Self { digit, ..self }
    }
}

/// An instruction's legacy form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Op {
    /// Escape and opcode bytes in memory order.
    bytes: u32,
    /// How many of them.
    count: u8,
    /// The mandatory prefix, or 0.
    prefix: u8,
    /// Low bits of the REX byte; 0x40 alone forces one.
    rex: u8,
    /// The rest of the opcode, in ModRM's register field, of instructions with one operand there.
    digit: u8,
}

impl Op {
    const fn new(encoding: Encoding) -> Self {
        let opcode = encoding.opcode as u32;
        let (bytes, count) = match encoding.map {
            Map::Primary => (opcode, 1),
            Map::M0f => (0x0f | opcode << 8, 2),
            Map::M0f38 => (0x380f | opcode << 16, 3),
            Map::M0f3a => (0x3a0f | opcode << 16, 3),
        };
        let prefix = match encoding.prefix {
            Prefix::None => 0,
            Prefix::P66 => 0x66,
            Prefix::F3 => 0xf3,
            Prefix::F2 => 0xf2,
        };
        Op {
            bytes,
            count,
            prefix,
            rex: (encoding.w as u8) << 3,
            digit: encoding.digit,
        }
    }

    /// On operands of 64 bits.
    #[inline]
    pub(crate) const fn wide(self) -> Self {
        self.sized(S64)
    }

    /// On operands of the size.
    #[inline]
    pub(crate) const fn sized(self, size: OperandSize) -> Self {
        Op {
            rex: self.rex | (size.w() as u8) << 3,
            ..self
        }
    }

    /// Whether it is the same instruction, for operands of whatever size.
    const fn is(self, other: Op) -> bool {
        self.bytes == other.bytes && self.prefix == other.prefix
    }

    /// Whether it changes nothing but the flags.
    pub(super) const fn only_compares(self) -> bool {
        self.is(Op::TEST)
            || self.is(Alu::Cmp.op())
            || self.is(Sse::Ucomi.packed(S32))
            || self.is(Sse::Ucomi.packed(S64))
    }

    /// Whether its first operand is read, and the memory operand written.
    pub(super) const fn stores(self) -> bool {
        self.is(Op::STORE)
            || self.is(Op::STORE8)
            || self.is(Op::STORE16)
            || self.is(Op::MOVUPS_STORE)
            || self.is(Op::MOVSS_STORE)
            || self.is(Op::MOVSD_STORE)
            || self.is_locked_store()
    }

    /// Whether it is of those that atomic accesses use, and leaves its register as it is.
    const fn is_locked_store(self) -> bool {
        let mut n = 0;
        while n < Locked::READING.len() {
            let op = Locked::READING[n];
            if self.is(op.of(AtomicWidth::W8))
                || self.is(op.of(AtomicWidth::W16))
                || self.is(op.of(AtomicWidth::W32))
            {
                return true;
            }
            n += 1;
        }
        false
    }

    /// With a REX byte in any case: `sil` instead of `dh`.
    #[inline]
    pub(super) const fn byte_reg(self, reg: Reg) -> Self {
        Op {
            rex: if reg.hw() >= 4 {
                self.rex | 0x40
            } else {
                self.rex
            },
            ..self
        }
    }

    /// With a condition code in the opcode's last byte.
    #[inline]
    pub(super) const fn cc(self, cc: Cc) -> Self {
        Op {
            bytes: self.bytes | (cc as u32) << (8 * (self.count - 1)),
            ..self
        }
    }

    /// The rest of the opcode, in ModRM's register field.
    #[inline]
    pub(super) const fn in_modrm(self) -> u8 {
        self.digit
    }

    /// An opcode that ends in a register, and its REX byte if it needs one.
    #[inline]
    pub(super) const fn in_opcode(self, reg: Reg) -> (u64, usize) {
        let op = Op {
            bytes: self.bytes | (reg.hw() as u32 & 7) << (8 * (self.count - 1)),
            ..self
        };
        op.head(reg.hw() >> 3)
    }

    /// Escape and opcode bytes, and their number.
    #[inline]
    pub(super) const fn opcode(self) -> (u64, usize) {
        (self.bytes as u64, self.count as usize)
    }

    /// Prefix, REX (if the registers' high bits or the operands' size need one) and opcode, and
    /// their number of bytes.
    #[inline]
    pub(super) const fn head(self, high: u8) -> (u64, usize) {
        let (mut bits, mut count) = self.opcode();
        let rex = self.rex | high;
        if rex != 0 {
            bits = bits << 8 | (0x40 | rex) as u64;
            count += 1;
        }
        if self.prefix != 0 {
            // A branch is cheaper here than computing both ways: floats have prefixes, little else.
            std::hint::cold_path();
            bits = bits << 8 | self.prefix as u64;
            count += 1;
        }
        (bits, count)
    }
}

/// An instruction's VEX form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VexOp {
    map: u8,
    opcode: u8,
    pp: u8,
    w: bool,
}

impl VexOp {
    const fn new(encoding: Encoding) -> Self {
        assert!(!matches!(encoding.map, Map::Primary), "not in VEX");
        VexOp {
            map: encoding.map as u8,
            opcode: encoding.opcode,
            pp: encoding.prefix as u8,
            w: encoding.w,
        }
    }

    /// On operands of the size.
    #[inline]
    pub(crate) const fn sized(self, size: OperandSize) -> Self {
        VexOp {
            w: size.w(),
            ..self
        }
    }

    /// The prefix of three bytes and the opcode. It takes the high bits of ModRM's registers, and
    /// the operand that ModRM has no room for.
    #[inline]
    pub(super) const fn head(self, reg: u8, rm: u8, other: u8) -> u32 {
        self.head_of(reg >> 3 << 2 | rm >> 3, other)
    }

    /// As [`head`](Self::head), from the high bits of register, index and base as REX has them.
    #[inline]
    pub(super) const fn head_of(self, high: u8, other: u8) -> u32 {
        // The registers' bits are stored inverted.
        let second = (!high & 7) << 5 | self.map;
        let third = (self.w as u8) << 7 | (!other & 15) << 3 | self.pp;
        u32::from_le_bytes([0xc4, second, third, self.opcode])
    }
}

/// Makes the constants, and for the test the list of them with what they mean.
macro_rules! opcodes {
    ($($name:ident: $form:ident = $encoding:expr => $mnemonic:ident $operands:ident;)*) => {
        $(impl $form {
            pub(crate) const $name: $form = $form::new($encoding);
        })*

        #[cfg(test)]
        const TABLE: &[tests::Entry] = &[$(tests::Entry {
            name: stringify!($name),
            encoding: $encoding,
            form: tests::Form::$form($form::$name),
            mnemonic: iced_x86::Mnemonic::$mnemonic,
            operands: tests::Operands::$operands,
        }),*];
    };
}

// The last columns are the instruction's name and its operands, see `tests::Operands`.
opcodes! {
    MOV: Op = one(0x8b) => Mov RegRm;
    STORE: Op = one(0x89) => Mov RmReg;
    OR_STORE: Op = one(0x09) => Or RmReg;
    STORE8: Op = one(0x88) => Mov Rm8Reg;
    STORE16: Op = one(0x89).prefix(Prefix::P66) => Mov Rm16Reg;
    STORE_IMM: Op = one(0xc7) => Mov RmImm32;
    STORE_IMM8: Op = one(0xc6) => Mov Rm8Imm8;
    STORE_IMM16: Op = one(0xc7).prefix(Prefix::P66) => Mov Rm16Imm16;
    MOV_IMM: Op = one(0xb8) => Mov OpcodeReg;
    LEA: Op = one(0x8d) => Lea RegAddress;
    TEST: Op = one(0x85) => Test RmReg;
    TEST_IMM8: Op = one(0xf6) => Test Rm8Imm8;
    XOR: Op = one(0x33) => Xor RegRm;
    ALU_IMM8: Op = one(0x83) => Add RmImm8;
    ALU_IMM32: Op = one(0x81) => Add RmImm32;
    IMUL: Op = x0f(0xaf) => Imul RegRm;
    IMUL_IMM8: Op = one(0x6b) => Imul RegRmImm8;
    IMUL_IMM32: Op = one(0x69) => Imul RegRmImm32;
    NEG: Op = one(0xf7).digit(3) => Neg Rm;
    MUL_WIDE: Op = one(0xf7).digit(4) => Mul Rm;
    IMUL_WIDE: Op = one(0xf7).digit(5) => Imul Rm;
    DIV: Op = one(0xf7).digit(6) => Div Rm;
    IDIV: Op = one(0xf7).digit(7) => Idiv Rm;
    SHIFT_IMM: Op = one(0xc1) => Rol RmImm8;
    SHIFT_CL: Op = one(0xd3) => Rol RmCl;
    MOVZX8: Op = x0f(0xb6) => Movzx RegRm8;
    MOVZX16: Op = x0f(0xb7) => Movzx RegRm16;
    MOVSX8: Op = x0f(0xbe) => Movsx RegRm8;
    MOVSX16: Op = x0f(0xbf) => Movsx RegRm16;
    MOVSXD: Op = one(0x63).w1() => Movsxd RegRm32;
    SETCC: Op = x0f(0x90) => Seto Rm8;
    CMOVCC: Op = x0f(0x40) => Cmovo RegRm;
    JCC: Op = x0f(0x80) => Jo Rel32;
    JCC_SHORT: Op = one(0x70) => Jo Rel8;
    JMP: Op = one(0xe9) => Jmp Rel32;
    JMP_SHORT: Op = one(0xeb) => Jmp Rel8;
    CALL: Op = one(0xff).digit(2) => Call Rm64;
    CALL_NEAR: Op = one(0xe8) => Call Rel32;
    LEAVE: Op = one(0xc9) => Leave Plain;
    RET: Op = one(0xc3) => Ret Plain;
    UD2: Op = x0f(0x0b) => Ud2 Plain;
    MOVAPS: Op = x0f(0x28) => Movaps XmmXm;
    MOVUPS: Op = x0f(0x10) => Movups XmmXm;
    MOVUPS_STORE: Op = x0f(0x11) => Movups XmXmm;
    MOVSS: Op = x0f(0x10).prefix(Prefix::F3) => Movss XmmXm;
    MOVSS_STORE: Op = x0f(0x11).prefix(Prefix::F3) => Movss XmXmm;
    MOVSD: Op = x0f(0x10).prefix(Prefix::F2) => Movsd XmmXm;
    MOVSD_STORE: Op = x0f(0x11).prefix(Prefix::F2) => Movsd XmXmm;
    SHLX: VexOp = op(Map::M0f38, 0xf7).prefix(Prefix::P66) => Shlx RegRmReg;
    SHRX: VexOp = op(Map::M0f38, 0xf7).prefix(Prefix::F2) => Shrx RegRmReg;
    SARX: VexOp = op(Map::M0f38, 0xf7).prefix(Prefix::F3) => Sarx RegRmReg;
}

/// The operations of integers that share one encoding scheme, with their number in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Alu {
    Add = 0,
    Or = 1,
    /// Addition of a carry too.
    Adc = 2,
    /// Subtraction of a borrow too.
    Sbb = 3,
    And = 4,
    Sub = 5,
    Xor = 6,
    Cmp = 7,
}

/// Instructions that read and write memory, with the opcode of their form on one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Locked {
    Add = 0x00,
    Or = 0x08,
    And = 0x20,
    Sub = 0x28,
    Xor = 0x30,
    /// Exchanges a register with memory; atomic without a prefix.
    Xchg = 0x86,
    /// Stores a register if `rax` has what memory contains, else loads that to `rax`.
    Cmpxchg = 0xb0,
    /// Adds a register, and loads it with what memory contained.
    Xadd = 0xc0,
}

impl Locked {
    /// Those that only read their register.
    const READING: [Locked; 6] = [
        Locked::Add,
        Locked::Or,
        Locked::And,
        Locked::Sub,
        Locked::Xor,
        Locked::Cmpxchg,
    ];

    /// The form `op [mem], reg` for an access of the width.
    #[inline]
    pub(crate) const fn of(self, width: AtomicWidth) -> Op {
        let opcode = self as u8;
        let opcode = match width {
            AtomicWidth::W8 => opcode,
            AtomicWidth::W16 | AtomicWidth::W32 | AtomicWidth::W64 => opcode | 1,
        };
        let encoding = match self {
            Locked::Cmpxchg | Locked::Xadd => x0f(opcode),
            _ => one(opcode),
        };
        Op::new(match width {
            AtomicWidth::W8 | AtomicWidth::W32 => encoding,
            AtomicWidth::W16 => encoding.prefix(Prefix::P66),
            AtomicWidth::W64 => encoding.w1(),
        })
    }
}

/// The size of an immediate, which is sign-extended. As a number, its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum ImmSize {
    Byte = 1,
    Dword = 4,
}

impl ImmSize {
    /// The shortest one of a value.
    #[inline]
    pub(super) const fn of(imm: i32) -> Self {
        if imm as i8 as i32 == imm {
            ImmSize::Byte
        } else {
            ImmSize::Dword
        }
    }
}

impl Alu {
    /// The form `op reg, reg/mem`.
    #[inline]
    pub(crate) const fn op(self) -> Op {
        Op::new(one((self as u8) << 3 | 3))
    }

    /// The form with an immediate of a size.
    #[inline]
    pub(super) const fn with_imm(self, size: ImmSize) -> Op {
        let op = match size {
            ImmSize::Byte => Op::ALU_IMM8,
            ImmSize::Dword => Op::ALU_IMM32,
        };
        Op {
            digit: self as u8,
            ..op
        }
    }
}

/// Shifts and rotations, with their number in the encoding scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Shift {
    Rol = 0,
    Ror = 1,
    Shl = 4,
    Shr = 5,
    Sar = 7,
}

impl Shift {
    /// The form with a constant amount.
    pub(super) const fn by_imm(self) -> Op {
        Op {
            digit: self as u8,
            ..Op::SHIFT_IMM
        }
    }

    /// The form with the amount in `cl`.
    pub(super) const fn by_cl(self) -> Op {
        Op {
            digit: self as u8,
            ..Op::SHIFT_CL
        }
    }
}

/// The operations of SSE registers that share one encoding scheme, with their opcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Sse {
    /// Sets the flags; only the packed form's encoding exists.
    Ucomi = 0x2e,
    Sqrt = 0x51,
    /// Only packed, as the other bitwise ones.
    And = 0x54,
    Or = 0x56,
    Xor = 0x57,
    Add = 0x58,
    Mul = 0x59,
    Sub = 0x5c,
    Min = 0x5d,
    Div = 0x5e,
    Max = 0x5f,
}

impl Sse {
    /// On the lowest number in the register.
    #[inline]
    pub(crate) const fn scalar(self, size: OperandSize) -> Op {
        let prefix = match size {
            S32 => Prefix::F3,
            S64 => Prefix::F2,
        };
        Op::new(x0f(self as u8).prefix(prefix))
    }

    /// On the whole register.
    #[inline]
    pub(crate) const fn packed(self, size: OperandSize) -> Op {
        let prefix = match size {
            S32 => Prefix::None,
            S64 => Prefix::P66,
        };
        Op::new(x0f(self as u8).prefix(prefix))
    }
}

#[cfg(test)]
mod tests;
