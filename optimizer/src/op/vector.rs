//! Vectors of 128 bits.
//!
//! WebAssembly has one type of vectors, CLIF one for each shape: operands, locals and block
//! parameters are `i8x16`, and operators cast what they pop and push. A cast is no instruction of
//! the machine, and one that undoes another is left out.

mod compare;
mod convert;
mod float;
mod integer;
mod lanes;
mod memory;
mod relaxed;

use cranelift_codegen::ir::{
    ConstantData, Endianness, InstBuilder, InstructionData, MemFlagsData, Opcode, Type, Value,
};
use upshift_abi::Kind;

use crate::signature::clif_type;
use crate::translate::Translator;

/// Handlers that pop vectors of a shape and push the CLIF instruction's result.
macro_rules! vectors {
    ($($visit:ident => $arity:ident $clif:ident $ty:ident;)*) => {
        impl Translator<'_> {$(
            pub(crate) fn $visit(&mut self) {
                vectors!(@$arity self $clif $ty);
            }
        )*}
    };
    (@unary $self:ident $clif:ident $ty:ident) => {
        let a = $self.pop_as(types::$ty);
        let result = $self.ins().$clif(a);
        $self.push_vector(result);
    };
    (@binary $self:ident $clif:ident $ty:ident) => {
        let (a, b) = $self.pop2_as(types::$ty);
        let result = $self.ins().$clif(a, b);
        $self.push_vector(result);
    };
    // To an `i32`.
    (@test $self:ident $clif:ident $ty:ident) => {
        let a = $self.pop_as(types::$ty);
        let holds = $self.ins().$clif(a);
        let result = $self.ins().uextend(types::I32, holds);
        $self.push(result);
    };
}

use vectors;

impl Translator<'_> {
    pub(crate) fn visit_v128_const(&mut self, value: wasmparser::V128) {
        let value = self.vector_constant(*value.bytes());
        self.push(value);
    }

    /// A vector of these bytes.
    pub(crate) fn vector_constant(&mut self, bytes: [u8; 16]) -> Value {
        let bytes = ConstantData::from(bytes.as_slice());
        let constant = self.builder.func.dfg.constants.insert(bytes);
        self.ins().vconst(clif_type(Kind::V128), constant)
    }

    /// A vector as another shape.
    fn cast(&mut self, value: Value, ty: Type) -> Value {
        if self.builder.func.dfg.value_type(value) == ty {
            return value;
        }
        match self.definition(value) {
            Some(InstructionData::LoadNoOffset {
                opcode: Opcode::Bitcast,
                arg,
                ..
            }) if self.builder.func.dfg.value_type(arg) == ty => return arg,
            // Cranelift's rules look for constants, not for casts of them.
            Some(InstructionData::UnaryConst {
                opcode: Opcode::Vconst,
                constant_handle,
            }) => return self.ins().vconst(ty, constant_handle),
            _ => {}
        }
        let flags = MemFlagsData::new().with_endianness(Endianness::Little);
        self.ins().bitcast(ty, flags, value)
    }

    fn pop_as(&mut self, ty: Type) -> Value {
        let value = self.pop();
        self.cast(value, ty)
    }

    fn pop2_as(&mut self, ty: Type) -> (Value, Value) {
        let b = self.pop_as(ty);
        (self.pop_as(ty), b)
    }

    fn push_vector(&mut self, value: Value) {
        let value = self.cast(value, clif_type(Kind::V128));
        self.push(value);
    }
}
