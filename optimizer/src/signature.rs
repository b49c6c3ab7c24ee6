//! The calling convention of [`upshift_abi::callconv`] as Cranelift signatures.
//!
//! `(vmctx, [result area], parameters…) -> (results that have a register…)`, always `tail`.
//! Results beyond the registers never reach Cranelift: the callee stores them through the result
//! area pointer, the caller reads them from a stack slot of its own.

use cranelift_codegen::ir::{AbiParam, ArgumentPurpose, Signature, Type, types};
use cranelift_codegen::isa::CallConv;
use upshift_abi::builtin::{Builtin, BuiltinResult};
use upshift_abi::callconv::{Locations, ResultLocation};
use upshift_abi::{Kind, Width};

/// The type of pointers, references and memory addresses.
pub(crate) const POINTER: Type = types::I64;

/// A kind as Cranelift's type; vectors as bytes, which every operator on lanes casts as it needs.
pub(crate) fn clif_type(kind: Kind) -> Type {
    match kind {
        Kind::I32 => types::I32,
        Kind::I64 => types::I64,
        Kind::F32 => types::F32,
        Kind::F64 => types::F64,
        Kind::V128 => types::I8X16,
        Kind::Ref => POINTER,
    }
}

/// The width of values of one of [`clif_type`]'s types.
pub(crate) fn width(ty: Type) -> Width {
    let kind = Kind::ALL.into_iter().find(|&kind| clif_type(kind) == ty);
    kind.expect("operands and locals have kinds").width()
}

/// The signature of functions, or of OSR entries, whose parameters and results have these
/// locations.
pub(crate) fn of_function(locations: &Locations) -> Signature {
    let mut signature = Signature::new(CallConv::Tail);
    let vmctx = AbiParam::special(POINTER, ArgumentPurpose::VMContext);
    signature.params.push(vmctx);
    if locations.has_result_area() {
        signature.params.push(AbiParam::new(POINTER));
    }
    let params = locations.params.iter();
    let params = params.map(|&(kind, _)| AbiParam::new(clif_type(kind)));
    signature.params.extend(params);
    for &(kind, location) in &locations.results {
        match location {
            ResultLocation::Int(_) | ResultLocation::Float(_) => {
                signature.returns.push(AbiParam::new(clif_type(kind)));
            }
            ResultLocation::Area(_) => {}
        }
    }
    signature
}

/// The signature of a stub that takes the `VmContext*` and preserves all registers.
pub(crate) fn of_preserving_stub() -> Signature {
    let mut signature = Signature::new(CallConv::PreserveAll);
    signature.params.push(AbiParam::new(POINTER));
    signature
}

/// The signature of a builtin that follows the C convention; `None` for stubs.
pub(crate) fn of_builtin(builtin: Builtin) -> Option<Signature> {
    let ty = builtin.signature()?;
    let mut signature = Signature::new(CallConv::SystemV);
    signature.params.push(AbiParam::new(POINTER));
    let params = ty.params.iter().map(|&kind| AbiParam::new(clif_type(kind)));
    signature.params.extend(params);
    match ty.result {
        BuiltinResult::Nothing => {}
        BuiltinResult::Value(kind) => signature.returns.push(AbiParam::new(clif_type(kind))),
        BuiltinResult::Status(_) => signature.returns.push(AbiParam::new(types::I32)),
    }
    Some(signature)
}
