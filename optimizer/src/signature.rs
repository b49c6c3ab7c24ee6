//! The calling convention of [`upshift_abi::callconv`] as Cranelift signatures.
//!
//! `(vmctx, [result area], parameters…) -> (results that have a register…)`, always `tail`.
//! Results beyond the registers never reach Cranelift: the callee stores them through the result
//! area pointer, the caller reads them from a stack slot of its own.

use cranelift_codegen::ir::{AbiParam, ArgumentPurpose, Signature, Type, types};
use cranelift_codegen::isa::CallConv;
use upshift_abi::builtin::{Builtin, BuiltinResult, BuiltinType};
use upshift_abi::callconv::{Locations, ResultLocation};
use upshift_abi::{FuncType, ValType};

/// The type of pointers, references and memory addresses.
pub(crate) const POINTER: Type = types::I64;

/// A WebAssembly type as Cranelift's.
pub(crate) fn clif_type(ty: ValType) -> Type {
    match ty {
        ValType::I32 => types::I32,
        ValType::I64 => types::I64,
        ValType::F32 => types::F32,
        ValType::F64 => types::F64,
        ValType::Ref(_) => POINTER,
    }
}

/// The signature of functions with the type.
pub(crate) fn of_function(ty: &FuncType, locations: &Locations) -> Signature {
    build(&ty.params, &ty.results, locations)
}

/// The signature of an OSR entry into a function with these results.
pub(crate) fn of_osr_entry(results: &[ValType], locations: &Locations) -> Signature {
    build(upshift_abi::frame::osr_params(), results, locations)
}

fn build(params: &[ValType], results: &[ValType], locations: &Locations) -> Signature {
    let mut signature = Signature::new(CallConv::Tail);
    let vmctx = AbiParam::special(POINTER, ArgumentPurpose::VMContext);
    signature.params.push(vmctx);
    if locations.has_result_area() {
        signature.params.push(AbiParam::new(POINTER));
    }
    let params = params.iter().map(|&ty| AbiParam::new(clif_type(ty)));
    signature.params.extend(params);
    for (&ty, location) in results.iter().zip(&locations.results) {
        if !matches!(location, ResultLocation::Area(_)) {
            signature.returns.push(AbiParam::new(clif_type(ty)));
        }
    }
    signature
}

/// The signature of a builtin that follows the C convention; `None` for stubs.
pub(crate) fn of_builtin(builtin: Builtin) -> Option<Signature> {
    let ty = builtin.signature()?;
    let mut signature = Signature::new(CallConv::SystemV);
    signature.params.push(AbiParam::new(POINTER));
    let params = ty.params.iter().map(|&ty| AbiParam::new(builtin_type(ty)));
    signature.params.extend(params);
    match ty.result {
        BuiltinResult::Nothing => {}
        BuiltinResult::Value(ty) => signature.returns.push(AbiParam::new(builtin_type(ty))),
        BuiltinResult::Status(_) => signature.returns.push(AbiParam::new(types::I32)),
    }
    Some(signature)
}

fn builtin_type(ty: BuiltinType) -> Type {
    match ty {
        BuiltinType::I32 => types::I32,
        BuiltinType::I64 => types::I64,
        BuiltinType::F32 => types::F32,
        BuiltinType::F64 => types::F64,
    }
}
