//! What the optimizer knows of x86-64: the name of a feature and the relocations that Cranelift
//! makes.

use cranelift_codegen::binemit::Reloc;
use cranelift_codegen::isa::OwnedTargetIsa;
use upshift_abi::RelocationTarget;

use crate::names::Symbol;

/// Whether the target rounds floats with one instruction (SSE4.1).
pub(crate) fn has_rounding(isa: &OwnedTargetIsa) -> bool {
    let flags = isa.isa_flags();
    flags
        .iter()
        .any(|flag| flag.name == "has_sse41" && flag.as_bool() == Some(true))
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
