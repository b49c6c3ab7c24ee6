//! What the optimizer knows of x86-64: the name of a feature, and the relocations, epilogues
//! and dispatch code that Cranelift makes.

pub(crate) mod dispatch;

use cranelift_codegen::binemit::Reloc;
use cranelift_codegen::isa::OwnedTargetIsa;
use upshift_abi::RelocationTarget;

use crate::names::Symbol;

/// Whether the target rounds floats with one instruction (SSE4.1).
pub(crate) fn has_rounding(isa: &OwnedTargetIsa) -> bool {
    has(isa, "has_sse41")
}

/// Whether the target rounds a product and a sum once with one instruction (FMA).
pub(crate) fn has_fma(isa: &OwnedTargetIsa) -> bool {
    has(isa, "has_avx") && has(isa, "has_fma")
}

fn has(isa: &OwnedTargetIsa, feature: &str) -> bool {
    let mut flags = isa.isa_flags().into_iter();
    flags.any(|flag| flag.name == feature && flag.as_bool() == Some(true))
}

/// The target of a relocation of this kind; `None` if the translation asks for no such relocation.
pub(crate) fn relocation_target(kind: Reloc, symbol: Symbol) -> Option<RelocationTarget> {
    match (kind, symbol) {
        (Reloc::X86GOTPCRel4, Symbol::Function(func)) => Some(RelocationTarget::Slot(func)),
        (Reloc::X86GOTPCRel4, Symbol::Builtin(builtin)) => Some(RelocationTarget::Builtin(builtin)),
        // The translation makes only a function itself colocated.
        (Reloc::X86CallPCRel4, Symbol::Function(_)) => Some(RelocationTarget::Start),
        _ => None,
    }
}

/// Takes a needless instruction out of an epilogue that begins at an offset, if one does: Cranelift
/// restores `rsp` by an addition, and then from `rbp` once more, before it pops `rbp`. The move
/// makes the processor wait for the store of `rbp` that the prologue made.
pub(crate) fn relax_epilogue(code: &mut [u8], at: u32) {
    const MOVE_AND_POP: [u8; 4] = [0x48, 0x89, 0xec, 0x5d];
    const NOP: [u8; 3] = [0x0f, 0x1f, 0x00];

    let at = at as usize;
    let len = match code.get(at..).and_then(restores) {
        Some(len) => at + len,
        None => return,
    };
    if let Some(end) = code.get_mut(len..len + MOVE_AND_POP.len())
        && *end == MOVE_AND_POP
    {
        end[..NOP.len()].copy_from_slice(&NOP);
    }
}

/// The length of the instructions that restore registers: loads relative to `rsp`, then an addition
/// to it. `None` at the code's end.
fn restores(code: &[u8]) -> Option<usize> {
    let mut len = 0;
    // mov r64, [rsp + displacement]
    while let [0x48 | 0x4c, 0x8b, modrm, 0x24, ..] = *code.get(len..)?
        && modrm & 0b111 == 0b100
    {
        len += match modrm >> 6 {
            0b00 => 4,
            0b01 => 5,
            0b10 => 8,
            _ => return None,
        };
    }
    // add rsp, immediate
    match *code.get(len..)? {
        [0x48, 0x83, 0xc4, ..] => len += 4,
        [0x48, 0x81, 0xc4, ..] => len += 7,
        _ => {}
    }
    Some(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epilogues_lose_the_move() {
        const RESTORES: [&[u8]; 4] = [
            &[],
            // add rsp, 0x10
            &[0x48, 0x83, 0xc4, 0x10],
            // mov rbx, [rsp]; mov r12, [rsp + 8]; add rsp, 0x10
            &[
                0x48, 0x8b, 0x1c, 0x24, 0x4c, 0x8b, 0x64, 0x24, 0x08, 0x48, 0x83, 0xc4, 0x10,
            ],
            // mov rbx, [rsp + 0x120]; add rsp, 0x140
            &[
                0x48, 0x8b, 0x9c, 0x24, 0x20, 0x01, 0, 0, 0x48, 0x81, 0xc4, 0x40, 0x01, 0, 0,
            ],
        ];
        for restores in RESTORES {
            let mut code = [restores, &[0x48, 0x89, 0xec, 0x5d, 0xc3]].concat();
            relax_epilogue(&mut code, 0);
            assert_eq!(code, [restores, &[0x0f, 0x1f, 0x00, 0x5d, 0xc3]].concat());
        }
    }

    #[test]
    fn other_code_stays() {
        // The bytes of an epilogue in the constant of mov rax, imm64.
        let constant: [u8; 11] = [0x48, 0xb8, 0x48, 0x89, 0xec, 0x5d, 0xc3, 0, 0, 0, 0xc3];
        for (code, at) in [(&constant[..], 0), (&constant[..], 11), (&[0x48, 0x89], 0)] {
            let mut patched = code.to_vec();
            relax_epilogue(&mut patched, at);
            assert_eq!(patched, code);
        }
    }
}
