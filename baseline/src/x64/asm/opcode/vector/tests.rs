//! Each vector opcode is assembled in both forms with many operands, and an independent decoder
//! says what the bytes mean.

use iced_x86::{Decoder, DecoderOptions, Instruction, OpKind, Register};

use super::*;
use crate::asm::Masm;
use crate::asm::encode::Mem;
use crate::asm::vector::Form;
use crate::reg::Reg;

/// The operands of a group, the destination first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operands {
    Three,
    ThreeImm,
    Two,
    TwoImm,
    Load,
    Store,
    Mask,
    Insert,
    Extract,
    ShiftImm,
    Fused,
}

const IMM: u8 = 0x12;

fn masm(form: Form) -> Masm {
    let mut masm = Masm::default();
    masm.reset();
    masm.form = form;
    masm
}

fn decode(name: &str, masm: &Masm) -> Instruction {
    let code = masm.buf.bytes();
    let instruction = Decoder::new(64, code, DecoderOptions::NONE).decode();
    assert_eq!(instruction.len(), code.len(), "{name}: {code:x?}");
    let mnemonic = format!("{:?}", instruction.mnemonic()).to_lowercase();
    let expected = name
        .to_lowercase()
        .replace("_imm", "")
        .replace("_store", "");
    let expected = match masm.form {
        Form::Vex if !expected.starts_with('v') => format!("v{expected}"),
        _ => expected,
    };
    assert_eq!(mnemonic, expected, "{code:x?}");
    instruction
}

fn xmm(n: u32) -> Reg {
    Reg::from_index(16 + n)
}

fn gpr(n: u32) -> Reg {
    Reg::from_index(n)
}

fn registers(instruction: &Instruction) -> Vec<Register> {
    (0..instruction.op_count())
        .filter(|&n| instruction.op_kind(n) == OpKind::Register)
        .map(|n| instruction.op_register(n))
        .collect()
}

/// The register's number, as [`Reg`] counts them.
fn number(register: Register) -> u32 {
    let number = |first: Register| (register as u32).wrapping_sub(first as u32);
    [(Register::RAX, 0), (Register::EAX, 0), (Register::XMM0, 16)]
        .into_iter()
        .find_map(|(first, base)| (number(first) < 16).then(|| base + number(first)))
        .expect("a register of these classes")
}

/// Assembles an instruction of registers; returns the operands that must be seen.
fn with_registers(masm: &mut Masm, op: VecOp, operands: Operands, n: [u32; 3]) -> Vec<u32> {
    let [a, b, c] = n;
    let three = match masm.form {
        Form::Vex => vec![16 + a, 16 + b, 16 + c],
        Form::Legacy => vec![16 + a, 16 + c],
    };
    // Legacy forms overwrite their first operand.
    let first = match masm.form {
        Form::Vex => xmm(b),
        Form::Legacy => xmm(a),
    };
    match operands {
        Operands::Three | Operands::Fused => masm.vec(op, xmm(a), first, xmm(c)),
        Operands::ThreeImm => masm.vec_imm(op, xmm(a), first, xmm(c), IMM),
        Operands::Two => masm.vec_of(op, xmm(a), xmm(c)),
        Operands::TwoImm => masm.vec_of_imm(op, xmm(a), xmm(c), IMM),
        Operands::Mask => masm.vec_of(op, gpr(a), xmm(c)),
        Operands::Insert => masm.vec_imm(op, xmm(a), first, gpr(c), IMM),
        Operands::Extract => masm.vec_extract(op, gpr(a), xmm(c), IMM),
        Operands::ShiftImm => {
            let src = if masm.form == Form::Vex { c } else { a };
            masm.vec_shift_imm(op, xmm(a), xmm(src), IMM);
        }
        Operands::Load | Operands::Store => unreachable!("only with memory"),
    }
    match (operands, masm.form) {
        (Operands::Three | Operands::ThreeImm | Operands::Fused, _) => three,
        (Operands::Mask | Operands::Extract, _) => vec![a, 16 + c],
        (Operands::Insert, Form::Vex) => vec![16 + a, 16 + b, c],
        (Operands::Insert, Form::Legacy) => vec![16 + a, c],
        (Operands::ShiftImm, Form::Legacy) => vec![16 + a],
        _ => vec![16 + a, 16 + c],
    }
}

fn with_memory(masm: &mut Masm, op: VecOp, operands: Operands, a: u32, mem: Mem) {
    match operands {
        Operands::Three | Operands::Fused => masm.vec(op, xmm(a), xmm(a), mem),
        Operands::ThreeImm | Operands::Insert => masm.vec_imm(op, xmm(a), xmm(a), mem, IMM),
        Operands::Two | Operands::Load => masm.vec_of(op, xmm(a), mem),
        Operands::TwoImm => masm.vec_of_imm(op, xmm(a), mem, IMM),
        Operands::Store => masm.vec_store_lane(op, mem, xmm(a), None),
        Operands::Extract => masm.vec_store_lane(op, mem, xmm(a), Some(IMM)),
        Operands::Mask | Operands::ShiftImm => unreachable!("only with registers"),
    }
}

fn forms(operands: Operands) -> &'static [Form] {
    match operands {
        Operands::Fused => &[Form::Vex],
        _ => &[Form::Legacy, Form::Vex],
    }
}

#[test]
fn the_table_says_what_its_opcodes_mean() {
    for &(name, encoding, operands) in TABLE {
        let op = VecOp::new(encoding);
        for &form in forms(operands) {
            if !matches!(operands, Operands::Load | Operands::Store) {
                for n in [[0, 1, 2], [9, 1, 2], [0, 10, 2], [0, 1, 12], [8, 9, 13]] {
                    let mut masm = masm(form);
                    let expected = with_registers(&mut masm, op, operands, n);
                    let seen = decode(name, &masm);
                    let seen: Vec<u32> = registers(&seen).into_iter().map(number).collect();
                    assert_eq!(seen, expected, "{name} {form:?}");
                }
            }
            if !matches!(operands, Operands::Mask | Operands::ShiftImm) {
                check_memory(name, op, operands, form);
            }
        }
    }
}

fn check_memory(name: &str, op: VecOp, operands: Operands, form: Form) {
    for (reg, base, index, disp) in [
        (0, 4, None, 8),
        (9, 5, None, -0x80),
        (6, 13, None, 0x80),
        (15, 7, Some(8), 0x1234_5678),
        (1, 13, Some(5), -8),
    ] {
        let mut masm = masm(form);
        let mem = match index {
            Some(index) => Mem::indexed(gpr(base), gpr(index), disp),
            None => Mem::base(gpr(base), disp),
        };
        with_memory(&mut masm, op, operands, reg, mem);
        let seen = decode(name, &masm);
        assert_eq!(number(seen.memory_base()), base, "{name} {form:?}");
        let seen_index = seen.memory_index();
        let seen_index = (seen_index != Register::None).then(|| number(seen_index));
        assert_eq!(seen_index, index, "{name} {form:?}");
        assert_eq!(seen.memory_displacement64() as i32, disp);
        let seen: Vec<u32> = registers(&seen).into_iter().map(number).collect();
        assert!(seen.iter().all(|&n| n == 16 + reg), "{name} {form:?}");
    }
}
