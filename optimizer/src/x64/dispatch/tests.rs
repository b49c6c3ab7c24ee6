//! Tests of the decoder, against another one, and of copies.

use iced_x86::{Decoder, DecoderOptions, Mnemonic, OpKind};

use super::*;

/// Instructions as Cranelift makes them before a table's jump.
const INSTRUCTIONS: &[&[u8]] = &[
    // movzx rsi, byte ptr [rax + rdx]; [rax + rdx + 1]; [rax + rdx + 0x10000]; r8, [r9]; cl
    &[0x48, 0x0f, 0xb6, 0x34, 0x10],
    &[0x48, 0x0f, 0xb6, 0x74, 0x10, 0x01],
    &[0x48, 0x0f, 0xb6, 0xb4, 0x10, 0, 0, 1, 0],
    &[0x4d, 0x0f, 0xb7, 0x01],
    &[0x0f, 0xbe, 0xc1],
    // mov edi, [rbp + 8]; r13, [r12]; [rsp + 0x20], rax; [rbp + rax * 4 + 0x100]; ax, [rcx]
    &[0x8b, 0x7d, 0x08],
    &[0x4d, 0x8b, 0x2c, 0x24],
    &[0x48, 0x89, 0x44, 0x24, 0x20],
    &[0x8b, 0x04, 0x85, 0, 1, 0, 0],
    &[0x66, 0x8b, 0x01],
    // cmp esi, 12; cmp esi, 300; cmp esi, edi; test eax, eax; cmovb edi, esi
    &[0x83, 0xfe, 0x0c],
    &[0x81, 0xfe, 0x2c, 1, 0, 0],
    &[0x39, 0xfe],
    &[0x85, 0xc0],
    &[0x0f, 0x42, 0xfe],
    // jae; jmp; jmp r8; jmp rax
    &[0x0f, 0x83, 0x3e, 2, 0, 0],
    &[0xe9, 1, 2, 3, 4],
    &[0x41, 0xff, 0xe0],
    &[0xff, 0xe0],
    // mov edi, 12; mov rdi, imm64; lea r8, [rip + 10]; movsxd rsi, [r8 + rdi * 4]; add r8, rsi
    &[0xbf, 12, 0, 0, 0],
    &[0x48, 0xbf, 1, 2, 3, 4, 5, 6, 7, 8],
    &[0x4c, 0x8d, 0x05, 10, 0, 0, 0],
    &[0x49, 0x63, 0x34, 0xb8],
    &[0x49, 0x01, 0xf0],
    &[0x4c, 0x03, 0xc6],
    // shl esi, 2; imul eax, ecx, 100; imul eax, ecx, 1000; and eax, 0xff0; mov dword ptr [rax], 7
    &[0xc1, 0xe6, 0x02],
    &[0x6b, 0xc1, 100],
    &[0x69, 0xc1, 0xe8, 3, 0, 0],
    &[0x81, 0xe0, 0xf0, 0x0f, 0, 0],
    &[0xc7, 0x00, 7, 0, 0, 0],
    // mov qword ptr [rip + 4], 7; movsd xmm1, [rsp + 8]; movaps xmm2, xmm1
    &[0x48, 0xc7, 0x05, 4, 0, 0, 0, 7, 0, 0, 0],
    &[0xf2, 0x0f, 0x10, 0x4c, 0x24, 0x08],
    &[0x0f, 0x28, 0xd1],
];

#[test]
fn known_instructions_are_decoded() {
    for &bytes in INSTRUCTIONS {
        let decoded = Instruction::decode(bytes).unwrap_or_else(|| panic!("{bytes:x?}"));
        let mut decoder = Decoder::new(64, bytes, DecoderOptions::NONE);
        let expected = decoder.decode();
        let offsets = decoder.get_constant_offsets(&expected);
        assert!(!expected.is_invalid(), "{bytes:x?}");
        assert_eq!(decoded.len, expected.len(), "{bytes:x?}");
        let is_near = expected.op0_kind() == OpKind::NearBranch64;
        let flow = match (expected.mnemonic(), is_near) {
            (Mnemonic::Jmp, true) => Flow::Jump,
            (Mnemonic::Jmp, false) => Flow::Indirect,
            (_, true) => Flow::Branch,
            _ => Flow::Next,
        };
        assert_eq!(decoded.flow, flow, "{bytes:x?}");
        let field = if expected.is_ip_rel_memory_operand() {
            Some(offsets.displacement_offset())
        } else if is_near {
            Some(offsets.immediate_offset())
        } else {
            None
        };
        assert_eq!(decoded.relative, field, "{bytes:x?}");
        for len in 0..bytes.len() {
            assert_eq!(Instruction::decode(&bytes[..len]), None, "{bytes:x?} {len}");
        }
    }
}

/// Whatever the decoder knows, it knows as the other one does.
#[test]
fn random_bytes_are_decoded_alike() {
    let mut state = 1_u64;
    let mut random = || {
        // A linear congruential generator, whose upper bits are good enough.
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        (state >> 56) as u8
    };
    let mut known = 0;
    for _ in 0..200_000 {
        let bytes = [0; 16].map(|_: u8| random());
        let Some(decoded) = Instruction::decode(&bytes) else {
            continue;
        };
        let expected = Decoder::new(64, &bytes, DecoderOptions::NONE).decode();
        if !expected.is_invalid() {
            known += 1;
            assert_eq!(decoded.len, expected.len(), "{bytes:x?}");
        }
    }
    assert!(known > 10_000, "{known}");
}

/// A header at 0 (`cmp esi, 3; jae 100; lea r8, [rip + 3]; jmp r8`), data, and then jumps to it.
fn code(jumps: usize) -> (Vec<u8>, Vec<Range<u32>>) {
    let mut code = vec![0x83, 0xfe, 0x03, 0x0f, 0x83, 91, 0, 0, 0];
    code.extend([0x4c, 0x8d, 0x05, 3, 0, 0, 0, 0x41, 0xff, 0xe0, 1, 2, 3, 4]);
    let mut runs = Vec::new();
    for _ in 0..jumps {
        let start = code.len() as u32;
        // mov ecx, edx; jmp 0
        code.extend([0x89, 0xd1, 0xe9]);
        code.extend((start + 7).wrapping_neg().to_le_bytes());
        runs.push(start..start + 7);
    }
    (code, runs)
}

#[test]
fn each_jump_gets_a_copy() {
    let (mut code, runs) = code(2);
    let before = code.clone();
    let len = before.len() as u32;
    let copies = copy_dispatch(&mut code, runs.clone().into_iter(), &[25]);
    let copy = |at| Copy {
        original: 0..19,
        at,
    };
    assert_eq!(copies, [copy(len), copy(len + 19)]);
    for (run, copy) in runs.iter().zip(&copies) {
        let end = run.end as usize;
        assert_eq!(read(&code, end - 4), copy.at - run.end);
        let at = copy.at as usize;
        // The branch and the address are those of the original.
        assert_eq!((at as u32 + 9).wrapping_add(read(&code, at + 5)), 100);
        assert_eq!((at as u32 + 16).wrapping_add(read(&code, at + 12)), 19);
        assert_eq!(code[at..at + 5], before[..5]);
        assert_eq!(code[at + 16..at + 19], before[16..19]);
    }
    assert_eq!(code[..23], before[..23]);
}

#[test]
fn copies_go_on_behind_a_jump_that_is_branched_around() {
    // je 11; jmp 200; jmp rax
    let mut code = vec![0x0f, 0x84, 5, 0, 0, 0, 0xe9, 189, 0, 0, 0, 0xff, 0xe0];
    for start in [13_u32, 18] {
        code.push(0xe9);
        code.extend((start + 5).wrapping_neg().to_le_bytes());
    }
    let copies = copy_dispatch(&mut code, [13..18, 18..23].into_iter(), &[]);
    let (original, at) = (0..13, 36);
    assert_eq!(copies[1], Copy { original, at });
    assert_eq!(read(&code, 36 + 2), 5);
    assert_eq!(read(&code, 36 + 7), 200 - 36 - 11);
}

#[test]
fn what_can_not_be_copied_stays() {
    let unchanged = |code: &[u8], runs: &[Range<u32>], relocations: &[u32]| {
        let mut copied = code.to_vec();
        let copies = copy_dispatch(&mut copied, runs.iter().cloned(), relocations);
        copies.is_empty() && copied == code
    };
    let (code, runs) = code(2);
    assert!(!unchanged(&code, &runs, &[]));
    assert!(unchanged(&code, &runs, &[12]), "a relocation");
    assert!(unchanged(&code, &runs[..1], &[]), "one jump");
    let shorter: Vec<_> = runs.iter().map(|run| run.start..run.end - 1).collect();
    assert!(unchanged(&code, &shorter, &[]), "no jumps at the end");
    let mut unknown = code.clone();
    // hlt
    unknown[0] = 0xf4;
    assert!(unchanged(&unknown, &runs, &[]), "an unknown instruction");
    let mut direct = code.clone();
    direct[3..9].copy_from_slice(&[0xe9, 91, 0, 0, 0, 0x90]);
    assert!(unchanged(&direct, &runs, &[]), "no indirect jump");
}
