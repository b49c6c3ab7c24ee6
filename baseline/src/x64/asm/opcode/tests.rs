//! Each opcode of the table is assembled with many operands, and an independent decoder says what
//! the bytes mean.

use iced_x86::{
    Decoder, DecoderOptions, Formatter, Instruction, IntelFormatter, MemorySize, Mnemonic, Register,
};

use super::*;
use crate::asm::Masm;
use crate::asm::encode::Mem;
use crate::testing::with_gen;

/// One line of the table.
pub(super) struct Entry {
    pub(super) name: &'static str,
    pub(super) encoding: Encoding,
    pub(super) form: Form,
    pub(super) mnemonic: Mnemonic,
    pub(super) operands: Operands,
}

/// How it is emitted.
#[derive(Clone, Copy)]
pub(super) enum Form {
    Op(Op),
    VexOp(VexOp),
}

/// The operands, the destination first: `Reg` and `Xmm` are ModRM's register field; `Rm` and `Xm` a
/// register or memory. Of 32 bits and of 64, unless a number says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operands {
    Plain,
    Rel8,
    Rel32,
    RegRm,
    RegRm8,
    RegRm16,
    RegRm32,
    RegRmReg,
    RegRmImm8,
    RegRmImm32,
    RegAddress,
    RmReg,
    Rm8Reg,
    Rm16Reg,
    Rm,
    Rm8,
    Rm64,
    RmCl,
    RmImm8,
    RmImm32,
    Rm8Imm8,
    Rm16Imm16,
    OpcodeReg,
    XmmXm,
    XmXmm,
}

const IMM: u32 = 0x12;

impl Operands {
    /// Bytes of immediate or displacement.
    fn imm(self) -> usize {
        match self {
            Operands::Rel8 | Operands::RegRmImm8 | Operands::RmImm8 | Operands::Rm8Imm8 => 1,
            Operands::Rm16Imm16 => 2,
            Operands::Rel32 | Operands::RegRmImm32 | Operands::RmImm32 | Operands::OpcodeReg => 4,
            _ => 0,
        }
    }

    /// Whether ModRM's register field names an operand.
    fn has_reg(self) -> bool {
        !matches!(
            self,
            Operands::Rm
                | Operands::Rm8
                | Operands::Rm64
                | Operands::RmCl
                | Operands::RmImm8
                | Operands::RmImm32
                | Operands::Rm8Imm8
                | Operands::Rm16Imm16
        )
    }

    /// Whether the operand in ModRM's other field comes first.
    fn rm_first(self) -> bool {
        !self.has_reg()
            || matches!(
                self,
                Operands::RmReg | Operands::Rm8Reg | Operands::Rm16Reg | Operands::XmXmm
            )
    }

    fn is_xmm(self) -> bool {
        matches!(self, Operands::XmmXm | Operands::XmXmm)
    }

    /// Bits of the two operands if the instruction works on operands of the size.
    fn sizes(self, size: OperandSize) -> (u32, u32) {
        let size = bits(size);
        match self {
            Operands::RegRm8 => (size, 8),
            Operands::RegRm16 => (size, 16),
            Operands::RegRm32 => (size, 32),
            Operands::Rm8Reg | Operands::Rm8 | Operands::Rm8Imm8 => (8, 8),
            Operands::Rm16Reg | Operands::Rm16Imm16 => (16, 16),
            Operands::Rm64 => (64, 64),
            _ => (size, size),
        }
    }

    /// Whether the operand's size is in the encoding already.
    fn has_one_size(self) -> bool {
        self.is_xmm() || self.sizes(S32) == self.sizes(S64)
    }
}

fn bits(size: OperandSize) -> u32 {
    match size {
        S32 => 32,
        S64 => 64,
    }
}

fn register(xmm: bool, bits: u32, hw: u32) -> Register {
    match bits {
        _ if xmm => Register::XMM0 + hw,
        8 if hw < 4 => Register::AL + hw,
        8 => Register::SPL + (hw - 4),
        16 => Register::AX + hw,
        32 => Register::EAX + hw,
        _ => Register::RAX + hw,
    }
}

fn bits_of(size: MemorySize) -> u32 {
    match size {
        MemorySize::UInt8 | MemorySize::Int8 => 8,
        MemorySize::UInt16 | MemorySize::Int16 => 16,
        MemorySize::UInt32 | MemorySize::Int32 => 32,
        MemorySize::UInt64 | MemorySize::Int64 | MemorySize::QwordOffset => 64,
        other => panic!("{other:?} is no size of these operands"),
    }
}

fn decode(entry: &Entry, masm: &Masm) -> Instruction {
    let code = masm.buf.bytes();
    let mut decoder = Decoder::new(64, code, DecoderOptions::NONE);
    let instruction = decoder.decode();
    assert_eq!(instruction.len(), code.len(), "{}: {code:x?}", entry.name);
    assert_eq!(
        instruction.mnemonic(),
        entry.mnemonic,
        "{}: {code:x?}",
        entry.name
    );
    instruction
}

fn masm() -> Masm {
    let mut masm = Masm::default();
    masm.reset();
    masm
}

/// Registers with and without a high bit, and those that byte and memory operands treat specially.
const REGS: [u32; 6] = [0, 4, 5, 7, 12, 13];

fn check_registers(entry: &Entry, op: Op, size: OperandSize) {
    let operands = entry.operands;
    let (reg_bits, rm_bits) = operands.sizes(size);
    for reg in REGS {
        for rm in REGS {
            let mut masm = masm();
            let mut op = op;
            for (bits, n) in [(reg_bits, reg), (rm_bits, rm)] {
                if bits == 8 {
                    op = op.byte_reg(Reg::from_index(n));
                }
            }
            let field = if operands.has_reg() {
                reg as u8
            } else {
                op.in_modrm()
            };
            masm.rr_imm(op, field, rm as u8, IMM, operands.imm());
            let seen = decode(entry, &masm);
            let reg = register(operands.is_xmm(), reg_bits, reg);
            let rm = register(operands.is_xmm(), rm_bits, rm);
            let seen = (seen.op0_register(), seen.op1_register());
            match (operands.has_reg(), operands.rm_first()) {
                (true, false) => assert_eq!(seen, (reg, rm), "{}", entry.name),
                (true, true) => assert_eq!(seen, (rm, reg), "{}", entry.name),
                (false, _) => assert_eq!(seen.0, rm, "{}", entry.name),
            }
        }
    }
}

fn check_memory(entry: &Entry, op: Op, size: OperandSize) {
    let operands = entry.operands;
    let (reg_bits, rm_bits) = operands.sizes(size);
    for (reg, base, index, disp) in [
        (0, 4, None, 8),
        (9, 5, None, -0x80),
        (6, 13, None, 0x80),
        (3, 12, None, 0),
        (15, 7, Some(8), 0x1234_5678),
        (1, 13, Some(5), -8),
    ] {
        let mut masm = masm();
        let base_reg = Reg::from_index(base);
        let mem = match index {
            Some(index) => Mem::element(base_reg, Reg::from_index(index), disp),
            None => Mem::base(base_reg, disp),
        };
        let op = if reg_bits == 8 {
            op.byte_reg(Reg::from_index(reg))
        } else {
            op
        };
        if operands.has_reg() {
            masm.rm(op, Reg::from_index(reg), mem);
        } else {
            masm.rm_imm(op, mem, IMM, operands.imm());
        }
        let seen = decode(entry, &masm);
        assert_eq!(seen.memory_base(), Register::RAX + base, "{}", entry.name);
        assert_eq!(
            seen.memory_index(),
            index.map_or(Register::None, |index| Register::RAX + index)
        );
        assert_eq!(
            seen.memory_index_scale(),
            if index.is_some() { 8 } else { 1 }
        );
        assert_eq!(seen.memory_displacement64() as i32, disp);
        if operands != Operands::RegAddress && !operands.is_xmm() {
            assert_eq!(bits_of(seen.memory_size()), rm_bits, "{}", entry.name);
        }
        if operands.has_reg() {
            let seen = if operands.rm_first() {
                seen.op1_register()
            } else {
                seen.op0_register()
            };
            let reg = register(operands.is_xmm(), reg_bits, reg);
            assert_eq!(seen, reg, "{}", entry.name);
        }
    }
}

fn check_legacy(entry: &Entry, op: Op, size: OperandSize) {
    let operands = entry.operands;
    let op = op.sized(size);
    match operands {
        Operands::Plain => {
            let mut masm = masm();
            masm.plain(op);
            decode(entry, &masm);
        }
        Operands::Rel8 | Operands::Rel32 => {
            let mut masm = masm();
            masm.plain(op);
            masm.buf.put(u64::from(IMM), operands.imm());
            let seen = decode(entry, &masm);
            let target = masm.buf.len() as u64 + u64::from(IMM);
            assert_eq!(seen.near_branch_target(), target, "{}", entry.name);
        }
        Operands::OpcodeReg => {
            for hw in REGS {
                let mut masm = masm();
                let (bits, count) = op.in_opcode(Reg::from_index(hw));
                let imm = operands.sizes(size).0 as usize / 8;
                masm.buf.put_two(bits, count, u64::from(IMM), imm);
                let seen = decode(entry, &masm);
                let bits = operands.sizes(size).0;
                assert_eq!(seen.op0_register(), register(false, bits, hw));
            }
        }
        _ => {
            if operands != Operands::RegAddress {
                check_registers(entry, op, size);
            }
            // No register and immediate beside a memory operand.
            if !(operands.has_reg() && operands.imm() > 0) {
                check_memory(entry, op, size);
            }
        }
    }
}

fn check_vex(entry: &Entry, op: VexOp, size: OperandSize) {
    assert_eq!(entry.operands, Operands::RegRmReg);
    let bits = bits(size);
    for [reg, rm, other] in [[0, 1, 2], [9, 1, 2], [0, 10, 2], [0, 1, 15], [8, 9, 10]] {
        let mut masm = masm();
        let [a, b, c] = [reg, rm, other].map(Reg::from_index);
        masm.vex_rrr(op.sized(size), a, b, c);
        let seen = decode(entry, &masm);
        let seen = [
            seen.op0_register(),
            seen.op1_register(),
            seen.op2_register(),
        ];
        assert_eq!(seen, [reg, rm, other].map(|n| register(false, bits, n)));
    }
}

#[test]
fn the_table_says_what_its_opcodes_mean() {
    for entry in TABLE {
        let fixed = entry.encoding.w || entry.operands.has_one_size();
        let sizes = match (fixed, entry.encoding.w) {
            (true, true) => &[S64][..],
            (true, false) => &[S32],
            (false, _) => &[S32, S64],
        };
        for &size in sizes {
            match entry.form {
                Form::Op(op) => check_legacy(entry, op, size),
                Form::VexOp(op) => check_vex(entry, op, size),
            }
        }
    }
}

/// Of the first register on the second.
fn decode_pair(op: Op) -> Instruction {
    let mut masm = masm();
    masm.rr(op, Reg::from_index(9), Reg::from_index(2));
    let mut decoder = Decoder::new(64, masm.buf.bytes(), DecoderOptions::NONE);
    decoder.decode()
}

#[test]
fn families_number_their_members_as_the_processor_does() {
    let alu = [
        (Alu::Add, Mnemonic::Add),
        (Alu::Or, Mnemonic::Or),
        (Alu::Adc, Mnemonic::Adc),
        (Alu::Sbb, Mnemonic::Sbb),
        (Alu::And, Mnemonic::And),
        (Alu::Sub, Mnemonic::Sub),
        (Alu::Xor, Mnemonic::Xor),
        (Alu::Cmp, Mnemonic::Cmp),
    ];
    for (op, mnemonic) in alu {
        let seen = decode_pair(op.op());
        assert_eq!(seen.mnemonic(), mnemonic);
        assert_eq!(seen.op0_register(), Register::R9D);
        assert_eq!(seen.op1_register(), Register::EDX);
        for imm in [-5, 0x1234] {
            let mut masm = masm();
            masm.ri(op, S64, Reg::from_index(9), imm);
            let seen = Decoder::new(64, masm.buf.bytes(), DecoderOptions::NONE).decode();
            assert_eq!(seen.mnemonic(), mnemonic);
            assert_eq!(seen.op0_register(), Register::R9);
            assert_eq!(seen.immediate(1) as i64, i64::from(imm));
        }
    }
    let shifts = [
        (Shift::Rol, Mnemonic::Rol),
        (Shift::Ror, Mnemonic::Ror),
        (Shift::Shl, Mnemonic::Shl),
        (Shift::Shr, Mnemonic::Shr),
        (Shift::Sar, Mnemonic::Sar),
    ];
    for (op, mnemonic) in shifts {
        let mut masm = masm();
        masm.shift_imm(op, S64, Reg::from_index(9), 3);
        with_gen(|generator| {
            let amount = generator.take();
            masm.shift_cl(op, S32, Reg::from_index(9), &amount);
            generator.give_back(amount);
        });
        let mut decoder = Decoder::new(64, masm.buf.bytes(), DecoderOptions::NONE);
        let seen = decoder.decode();
        assert_eq!(
            (seen.mnemonic(), seen.op0_register(), seen.immediate(1)),
            (mnemonic, Register::R9, 3)
        );
        let seen = decoder.decode();
        assert_eq!(
            (seen.mnemonic(), seen.op0_register(), seen.op1_register()),
            (mnemonic, Register::R9D, Register::CL)
        );
    }
}

#[test]
fn sse_operations_have_their_opcodes() {
    use Mnemonic as M;
    let scalars = [
        (Sse::Sqrt, M::Sqrtss, M::Sqrtsd),
        (Sse::Add, M::Addss, M::Addsd),
        (Sse::Mul, M::Mulss, M::Mulsd),
        (Sse::Sub, M::Subss, M::Subsd),
        (Sse::Min, M::Minss, M::Minsd),
        (Sse::Div, M::Divss, M::Divsd),
        (Sse::Max, M::Maxss, M::Maxsd),
    ];
    let packed = [
        (Sse::Ucomi, M::Ucomiss, M::Ucomisd),
        (Sse::And, M::Andps, M::Andpd),
        (Sse::Or, M::Orps, M::Orpd),
        (Sse::Xor, M::Xorps, M::Xorpd),
    ];
    let both = |of: fn(Sse, OperandSize) -> Op| {
        move |(op, single, double)| [(of(op, S32), single), (of(op, S64), double)]
    };
    let scalars = scalars.into_iter().flat_map(both(Sse::scalar));
    for (op, mnemonic) in scalars.chain(packed.into_iter().flat_map(both(Sse::packed))) {
        let seen = decode_pair(op);
        assert_eq!(seen.mnemonic(), mnemonic);
        assert_eq!(seen.op0_register(), Register::XMM9);
        assert_eq!(seen.op1_register(), Register::XMM2);
    }
}

#[test]
fn condition_codes_are_the_processors() {
    let codes = [
        "o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g",
    ];
    let mut formatter = IntelFormatter::new();
    for (cc, expected) in Cc::ALL.into_iter().zip(codes) {
        let mut masm = masm();
        masm.cmov(cc, S64, Reg::RAX, Reg::from_index(2));
        masm.setcc(cc, Reg::RSI);
        masm.plain(Op::JCC.cc(cc));
        masm.buf.put(0, 4);
        masm.rel8(Op::JCC_SHORT.cc(cc), 0);
        let mut decoder = Decoder::new(64, masm.buf.bytes(), DecoderOptions::NONE);
        let expected = [
            format!("cmov{expected} rax,rdx"),
            format!("set{expected} sil"),
            format!("j{expected} 000000000000000Eh"),
            format!("j{expected} short 0000000000000010h"),
        ];
        for expected in expected {
            let mut text = String::new();
            formatter.format(&decoder.decode(), &mut text);
            assert_eq!(text, expected);
        }
    }
}

#[test]
fn locked_instructions_have_a_form_for_each_width() {
    let all = [
        (Locked::Add, Mnemonic::Add),
        (Locked::Or, Mnemonic::Or),
        (Locked::And, Mnemonic::And),
        (Locked::Sub, Mnemonic::Sub),
        (Locked::Xor, Mnemonic::Xor),
        (Locked::Xchg, Mnemonic::Xchg),
        (Locked::Cmpxchg, Mnemonic::Cmpxchg),
        (Locked::Xadd, Mnemonic::Xadd),
    ];
    let widths = [
        AtomicWidth::W8,
        AtomicWidth::W16,
        AtomicWidth::W32,
        AtomicWidth::W64,
    ];
    for (op, mnemonic) in all {
        for (width, reg) in widths.into_iter().flat_map(|w| REGS.map(|reg| (w, reg))) {
            let mut masm = masm();
            let mem = Mem::indexed(Reg::from_index(7), Reg::from_index(9), 8);
            masm.locked(op, width, mem, Reg::from_index(reg));
            let code = masm.buf.bytes();
            let seen = Decoder::new(64, code, DecoderOptions::NONE).decode();
            assert_eq!(seen.len(), code.len(), "{op:?} {width:?}: {code:x?}");
            assert_eq!(seen.mnemonic(), mnemonic, "{op:?} {width:?}: {code:x?}");
            assert!(seen.has_lock_prefix() || op == Locked::Xchg, "{code:x?}");
            let bits = 8 * width.bytes();
            assert_eq!(bits_of(seen.memory_size()), bits, "{op:?} {width:?}");
            assert_eq!(seen.op1_register(), register(false, bits, reg));
            let reads = !matches!(op, Locked::Xchg | Locked::Xadd);
            assert_eq!(op.of(width).stores(), reads, "{op:?} {width:?}");
        }
    }
}
