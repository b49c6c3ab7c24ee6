//! All operators of all proposals: their names and immediates, from wasmparser's list, and their
//! opcodes.
//!
//! wasmparser's list has no opcodes, so they stand here, once. What follows an opcode is derived
//! from the types of the operator's fields: a field of a type that [`Immediate`] does not know, and
//! an operator without an opcode, are compile errors.

use wasmparser::{
    BlockType, BrTable, HeapType, Ieee32, Ieee64, MemArg, Ordering, RefType, ResumeTable, TryTable,
    V128, ValType,
};

/// The encoding of one immediate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Imm {
    /// There is none.
    None,
    /// A number of up to 32 bits, unsigned.
    U32,
    /// A number of 32 bits, signed.
    S32,
    /// A number of 64 bits, signed.
    S64,
    /// One byte: a lane, an ordering, flags.
    Byte,
    /// Four bytes.
    Four,
    /// Eight bytes.
    Eight,
    /// Sixteen bytes.
    Sixteen,
    /// Alignment and flags, what the flags announce, and an offset.
    MemArg,
    /// Nothing, a type, or the index of a function type.
    BlockType,
    /// A type of references' targets.
    HeapType,
    /// A list of value types.
    ValTypes,
    /// A list of labels, and one more.
    BrTable,
    /// A block type and a list of catch clauses.
    TryTable,
    /// A list of handlers.
    ResumeTable,
}

impl Imm {
    /// Whether it is as long as the module makes it.
    pub(super) const fn is_list(self) -> bool {
        match self {
            Imm::ValTypes | Imm::BrTable | Imm::TryTable | Imm::ResumeTable => true,
            Imm::None
            | Imm::U32
            | Imm::S32
            | Imm::S64
            | Imm::Byte
            | Imm::Four
            | Imm::Eight
            | Imm::Sixteen
            | Imm::MemArg
            | Imm::BlockType
            | Imm::HeapType => false,
        }
    }
}

/// The encodings of an operator's immediates, in order.
pub(super) type Shape = [Imm; 4];

/// The shape of an operator that is its opcode alone.
pub(super) const NO_IMMEDIATES: Shape = [Imm::None; 4];

/// How a field's type is encoded, where the operator's encoding follows from its fields.
trait Immediate {
    const IMM: Imm;
}

macro_rules! immediates {
    ($($ty:ty => $imm:ident;)*) => {$(
        impl Immediate for $ty {
            const IMM: Imm = Imm::$imm;
        }
    )*};
}

immediates! {
    u32 => U32;
    i32 => S32;
    i64 => S64;
    u8 => Byte;
    Ordering => Byte;
    Ieee32 => Four;
    Ieee64 => Eight;
    V128 => Sixteen;
    [u8; 16] => Sixteen;
    MemArg => MemArg;
    BlockType => BlockType;
    HeapType => HeapType;
    BrTable<'_> => BrTable;
    TryTable => TryTable;
    ResumeTable => ResumeTable;
    // Only in operators whose fields are encoded in another way, see `irregular_shape`.
    ValType => ValTypes;
    Vec<ValType> => ValTypes;
    RefType => HeapType;
}

/// Whether operators of a proposal neither look at references nor at anything newer.
macro_rules! is_plain {
    (mvp) => {
        true
    };
    (sign_extension) => {
        true
    };
    (saturating_float_to_int) => {
        true
    };
    (wide_arithmetic) => {
        true
    };
    (simd) => {
        true
    };
    (relaxed_simd) => {
        true
    };
    (threads) => {
        true
    };
    ($other:ident) => {
        false
    };
}

macro_rules! operators {
    ($(
        @$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })?
            => $visit:ident ($($ann:tt)*)
    )*) => {
        /// An operator's name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u16)]
        #[allow(missing_docs)]
        pub(crate) enum Opcode {
            $($op,)*
        }

        impl Opcode {
            /// All of them.
            pub(super) const ALL: &[Opcode] = &[$(Opcode::$op),*];

            /// Whether it computes, accesses memory, or goes somewhere, as the first version of
            /// WebAssembly and its extensions by more arithmetic do.
            pub(crate) fn is_plain(self) -> bool {
                match self {
                    $(Opcode::$op => is_plain!($proposal),)*
                }
            }
        }

        /// Carries the lifetime that wasmparser's list mentions.
        struct Fields<'a>(std::marker::PhantomData<&'a ()>);

        impl<'a> Fields<'a> {
            /// The immediates of an operator whose encoding is its fields'.
            const fn shape(op: Opcode) -> Shape {
                match op {
                    $(Opcode::$op => shape(&[$($(<$argty as Immediate>::IMM),*)?]),)*
                }
            }
        }
    };
}

wasmparser::for_each_operator!(operators);

const fn shape(imms: &[Imm]) -> Shape {
    let mut shape = NO_IMMEDIATES;
    let mut i = 0;
    while i < imms.len() {
        shape[i] = imms[i];
        i += 1;
    }
    shape
}

/// The immediates of operators whose encoding is not that of their fields one by one.
const fn irregular_shape(op: Opcode) -> Option<Shape> {
    match op {
        // One operator or the other, by the list's length.
        Opcode::TypedSelect | Opcode::TypedSelectMulti => Some(shape(&[Imm::ValTypes])),
        // Both types' nullability comes first, as flags.
        Opcode::BrOnCast
        | Opcode::BrOnCastFail
        | Opcode::BrOnCastDescEq
        | Opcode::BrOnCastDescEqFail => Some([Imm::Byte, Imm::U32, Imm::HeapType, Imm::HeapType]),
        _ => None,
    }
}

/// The shapes whose usual encodings are read at sight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Brief {
    /// No immediate.
    Alone,
    /// One number.
    Number,
    /// Two numbers.
    TwoNumbers,
    /// An alignment and an offset.
    MemArg,
    /// The type of a block.
    BlockType,
    /// Any other, or no operator at all.
    Other,
}

/// What an opcode stands for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) op: Option<Opcode>,
    pub(super) shape: Shape,
    pub(super) brief: Brief,
}

/// Which of the usual shapes it is.
const fn brief(shape: Shape) -> Brief {
    match shape {
        [Imm::None, ..] => Brief::Alone,
        [Imm::U32 | Imm::S32 | Imm::S64, Imm::None, ..] => Brief::Number,
        [Imm::U32, Imm::U32, Imm::None, ..] => Brief::TwoNumbers,
        [Imm::MemArg, Imm::None, ..] => Brief::MemArg,
        [Imm::BlockType, Imm::None, ..] => Brief::BlockType,
        _ => Brief::Other,
    }
}

/// A table from an opcode, or from the number behind a prefix.
const fn table<const N: usize>(opcodes: &[(usize, Opcode)]) -> [Entry; N] {
    let unknown = Entry {
        op: None,
        shape: NO_IMMEDIATES,
        brief: Brief::Other,
    };
    let mut table = [unknown; N];
    let mut i = 0;
    while i < opcodes.len() {
        let (opcode, op) = opcodes[i];
        let shape = match irregular_shape(op) {
            Some(shape) => shape,
            None => Fields::shape(op),
        };
        assert!(
            table[opcode].op.is_none(),
            "an opcode stands for one operator"
        );
        table[opcode] = Entry {
            op: Some(op),
            shape,
            brief: brief(shape),
        };
        i += 1;
    }
    table
}

macro_rules! opcodes {
    ($($name:ident: [$count:literal] = $($opcode:literal $op:ident,)*;)*) => {
        $(
            pub(super) static $name: [Entry; $count] = table(&[$(($opcode, Opcode::$op)),*]);
        )*

        const _: () = {
            let mut known = [false; Opcode::ALL.len()];
            $($(known[Opcode::$op as usize] = true;)*)*
            // It shares an opcode.
            known[Opcode::TypedSelectMulti as usize] = true;
            let mut i = 0;
            while i < known.len() {
                assert!(known[i], "an operator has no opcode here");
                i += 1;
            }
        };
    };
}

opcodes! {
    ONE_BYTE: [256] =
        0x00 Unreachable, 0x01 Nop, 0x02 Block, 0x03 Loop, 0x04 If, 0x05 Else, 0x06 Try, 0x07 Catch,
        0x08 Throw, 0x09 Rethrow, 0x0a ThrowRef, 0x0b End, 0x0c Br, 0x0d BrIf, 0x0e BrTable,
        0x0f Return, 0x10 Call, 0x11 CallIndirect, 0x12 ReturnCall, 0x13 ReturnCallIndirect,
        0x14 CallRef, 0x15 ReturnCallRef, 0x18 Delegate, 0x19 CatchAll, 0x1a Drop, 0x1b Select,
        0x1c TypedSelect, 0x1f TryTable, 0x20 LocalGet, 0x21 LocalSet, 0x22 LocalTee,
        0x23 GlobalGet, 0x24 GlobalSet, 0x25 TableGet, 0x26 TableSet, 0x28 I32Load, 0x29 I64Load,
        0x2a F32Load, 0x2b F64Load, 0x2c I32Load8S, 0x2d I32Load8U, 0x2e I32Load16S,
        0x2f I32Load16U, 0x30 I64Load8S, 0x31 I64Load8U, 0x32 I64Load16S, 0x33 I64Load16U,
        0x34 I64Load32S, 0x35 I64Load32U, 0x36 I32Store, 0x37 I64Store, 0x38 F32Store,
        0x39 F64Store, 0x3a I32Store8, 0x3b I32Store16, 0x3c I64Store8, 0x3d I64Store16,
        0x3e I64Store32, 0x3f MemorySize, 0x40 MemoryGrow, 0x41 I32Const, 0x42 I64Const,
        0x43 F32Const, 0x44 F64Const, 0x45 I32Eqz, 0x46 I32Eq, 0x47 I32Ne, 0x48 I32LtS, 0x49 I32LtU,
        0x4a I32GtS, 0x4b I32GtU, 0x4c I32LeS, 0x4d I32LeU, 0x4e I32GeS, 0x4f I32GeU, 0x50 I64Eqz,
        0x51 I64Eq, 0x52 I64Ne, 0x53 I64LtS, 0x54 I64LtU, 0x55 I64GtS, 0x56 I64GtU, 0x57 I64LeS,
        0x58 I64LeU, 0x59 I64GeS, 0x5a I64GeU, 0x5b F32Eq, 0x5c F32Ne, 0x5d F32Lt, 0x5e F32Gt,
        0x5f F32Le, 0x60 F32Ge, 0x61 F64Eq, 0x62 F64Ne, 0x63 F64Lt, 0x64 F64Gt, 0x65 F64Le,
        0x66 F64Ge, 0x67 I32Clz, 0x68 I32Ctz, 0x69 I32Popcnt, 0x6a I32Add, 0x6b I32Sub, 0x6c I32Mul,
        0x6d I32DivS, 0x6e I32DivU, 0x6f I32RemS, 0x70 I32RemU, 0x71 I32And, 0x72 I32Or,
        0x73 I32Xor, 0x74 I32Shl, 0x75 I32ShrS, 0x76 I32ShrU, 0x77 I32Rotl, 0x78 I32Rotr,
        0x79 I64Clz, 0x7a I64Ctz, 0x7b I64Popcnt, 0x7c I64Add, 0x7d I64Sub, 0x7e I64Mul,
        0x7f I64DivS, 0x80 I64DivU, 0x81 I64RemS, 0x82 I64RemU, 0x83 I64And, 0x84 I64Or,
        0x85 I64Xor, 0x86 I64Shl, 0x87 I64ShrS, 0x88 I64ShrU, 0x89 I64Rotl, 0x8a I64Rotr,
        0x8b F32Abs, 0x8c F32Neg, 0x8d F32Ceil, 0x8e F32Floor, 0x8f F32Trunc, 0x90 F32Nearest,
        0x91 F32Sqrt, 0x92 F32Add, 0x93 F32Sub, 0x94 F32Mul, 0x95 F32Div, 0x96 F32Min, 0x97 F32Max,
        0x98 F32Copysign, 0x99 F64Abs, 0x9a F64Neg, 0x9b F64Ceil, 0x9c F64Floor, 0x9d F64Trunc,
        0x9e F64Nearest, 0x9f F64Sqrt, 0xa0 F64Add, 0xa1 F64Sub, 0xa2 F64Mul, 0xa3 F64Div,
        0xa4 F64Min, 0xa5 F64Max, 0xa6 F64Copysign, 0xa7 I32WrapI64, 0xa8 I32TruncF32S,
        0xa9 I32TruncF32U, 0xaa I32TruncF64S, 0xab I32TruncF64U, 0xac I64ExtendI32S,
        0xad I64ExtendI32U, 0xae I64TruncF32S, 0xaf I64TruncF32U, 0xb0 I64TruncF64S,
        0xb1 I64TruncF64U, 0xb2 F32ConvertI32S, 0xb3 F32ConvertI32U, 0xb4 F32ConvertI64S,
        0xb5 F32ConvertI64U, 0xb6 F32DemoteF64, 0xb7 F64ConvertI32S, 0xb8 F64ConvertI32U,
        0xb9 F64ConvertI64S, 0xba F64ConvertI64U, 0xbb F64PromoteF32, 0xbc I32ReinterpretF32,
        0xbd I64ReinterpretF64, 0xbe F32ReinterpretI32, 0xbf F64ReinterpretI64, 0xc0 I32Extend8S,
        0xc1 I32Extend16S, 0xc2 I64Extend8S, 0xc3 I64Extend16S, 0xc4 I64Extend32S, 0xd0 RefNull,
        0xd1 RefIsNull, 0xd2 RefFunc, 0xd3 RefEq, 0xd4 RefAsNonNull, 0xd5 BrOnNull,
        0xd6 BrOnNonNull, 0xe0 ContNew, 0xe1 ContBind, 0xe2 Suspend, 0xe3 Resume, 0xe4 ResumeThrow,
        0xe5 ResumeThrowRef, 0xe6 Switch,;

    PREFIX_FB: [39] =
        0x00 StructNew, 0x01 StructNewDefault, 0x02 StructGet, 0x03 StructGetS, 0x04 StructGetU,
        0x05 StructSet, 0x06 ArrayNew, 0x07 ArrayNewDefault, 0x08 ArrayNewFixed, 0x09 ArrayNewData,
        0x0a ArrayNewElem, 0x0b ArrayGet, 0x0c ArrayGetS, 0x0d ArrayGetU, 0x0e ArraySet,
        0x0f ArrayLen, 0x10 ArrayFill, 0x11 ArrayCopy, 0x12 ArrayInitData, 0x13 ArrayInitElem,
        0x14 RefTestNonNull, 0x15 RefTestNullable, 0x16 RefCastNonNull, 0x17 RefCastNullable,
        0x18 BrOnCast, 0x19 BrOnCastFail, 0x1a AnyConvertExtern, 0x1b ExternConvertAny, 0x1c RefI31,
        0x1d I31GetS, 0x1e I31GetU, 0x20 StructNewDesc, 0x21 StructNewDefaultDesc, 0x22 RefGetDesc,
        0x23 RefCastDescEqNonNull, 0x24 RefCastDescEqNullable, 0x25 BrOnCastDescEq,
        0x26 BrOnCastDescEqFail,;

    PREFIX_FC: [23] =
        0x00 I32TruncSatF32S, 0x01 I32TruncSatF32U, 0x02 I32TruncSatF64S, 0x03 I32TruncSatF64U,
        0x04 I64TruncSatF32S, 0x05 I64TruncSatF32U, 0x06 I64TruncSatF64S, 0x07 I64TruncSatF64U,
        0x08 MemoryInit, 0x09 DataDrop, 0x0a MemoryCopy, 0x0b MemoryFill, 0x0c TableInit,
        0x0d ElemDrop, 0x0e TableCopy, 0x0f TableGrow, 0x10 TableSize, 0x11 TableFill,
        0x12 MemoryDiscard, 0x13 I64Add128, 0x14 I64Sub128, 0x15 I64MulWideS, 0x16 I64MulWideU,;

    PREFIX_FD: [276] =
        0x00 V128Load, 0x01 V128Load8x8S, 0x02 V128Load8x8U, 0x03 V128Load16x4S, 0x04 V128Load16x4U,
        0x05 V128Load32x2S, 0x06 V128Load32x2U, 0x07 V128Load8Splat, 0x08 V128Load16Splat,
        0x09 V128Load32Splat, 0x0a V128Load64Splat, 0x0b V128Store, 0x0c V128Const,
        0x0d I8x16Shuffle, 0x0e I8x16Swizzle, 0x0f I8x16Splat, 0x10 I16x8Splat, 0x11 I32x4Splat,
        0x12 I64x2Splat, 0x13 F32x4Splat, 0x14 F64x2Splat, 0x15 I8x16ExtractLaneS,
        0x16 I8x16ExtractLaneU, 0x17 I8x16ReplaceLane, 0x18 I16x8ExtractLaneS,
        0x19 I16x8ExtractLaneU, 0x1a I16x8ReplaceLane, 0x1b I32x4ExtractLane, 0x1c I32x4ReplaceLane,
        0x1d I64x2ExtractLane, 0x1e I64x2ReplaceLane, 0x1f F32x4ExtractLane, 0x20 F32x4ReplaceLane,
        0x21 F64x2ExtractLane, 0x22 F64x2ReplaceLane, 0x23 I8x16Eq, 0x24 I8x16Ne, 0x25 I8x16LtS,
        0x26 I8x16LtU, 0x27 I8x16GtS, 0x28 I8x16GtU, 0x29 I8x16LeS, 0x2a I8x16LeU, 0x2b I8x16GeS,
        0x2c I8x16GeU, 0x2d I16x8Eq, 0x2e I16x8Ne, 0x2f I16x8LtS, 0x30 I16x8LtU, 0x31 I16x8GtS,
        0x32 I16x8GtU, 0x33 I16x8LeS, 0x34 I16x8LeU, 0x35 I16x8GeS, 0x36 I16x8GeU, 0x37 I32x4Eq,
        0x38 I32x4Ne, 0x39 I32x4LtS, 0x3a I32x4LtU, 0x3b I32x4GtS, 0x3c I32x4GtU, 0x3d I32x4LeS,
        0x3e I32x4LeU, 0x3f I32x4GeS, 0x40 I32x4GeU, 0x41 F32x4Eq, 0x42 F32x4Ne, 0x43 F32x4Lt,
        0x44 F32x4Gt, 0x45 F32x4Le, 0x46 F32x4Ge, 0x47 F64x2Eq, 0x48 F64x2Ne, 0x49 F64x2Lt,
        0x4a F64x2Gt, 0x4b F64x2Le, 0x4c F64x2Ge, 0x4d V128Not, 0x4e V128And, 0x4f V128AndNot,
        0x50 V128Or, 0x51 V128Xor, 0x52 V128Bitselect, 0x53 V128AnyTrue, 0x54 V128Load8Lane,
        0x55 V128Load16Lane, 0x56 V128Load32Lane, 0x57 V128Load64Lane, 0x58 V128Store8Lane,
        0x59 V128Store16Lane, 0x5a V128Store32Lane, 0x5b V128Store64Lane, 0x5c V128Load32Zero,
        0x5d V128Load64Zero, 0x5e F32x4DemoteF64x2Zero, 0x5f F64x2PromoteLowF32x4, 0x60 I8x16Abs,
        0x61 I8x16Neg, 0x62 I8x16Popcnt, 0x63 I8x16AllTrue, 0x64 I8x16Bitmask,
        0x65 I8x16NarrowI16x8S, 0x66 I8x16NarrowI16x8U, 0x67 F32x4Ceil, 0x68 F32x4Floor,
        0x69 F32x4Trunc, 0x6a F32x4Nearest, 0x6b I8x16Shl, 0x6c I8x16ShrS, 0x6d I8x16ShrU,
        0x6e I8x16Add, 0x6f I8x16AddSatS, 0x70 I8x16AddSatU, 0x71 I8x16Sub, 0x72 I8x16SubSatS,
        0x73 I8x16SubSatU, 0x74 F64x2Ceil, 0x75 F64x2Floor, 0x76 I8x16MinS, 0x77 I8x16MinU,
        0x78 I8x16MaxS, 0x79 I8x16MaxU, 0x7a F64x2Trunc, 0x7b I8x16AvgrU,
        0x7c I16x8ExtAddPairwiseI8x16S, 0x7d I16x8ExtAddPairwiseI8x16U,
        0x7e I32x4ExtAddPairwiseI16x8S, 0x7f I32x4ExtAddPairwiseI16x8U, 0x80 I16x8Abs,
        0x81 I16x8Neg, 0x82 I16x8Q15MulrSatS, 0x83 I16x8AllTrue, 0x84 I16x8Bitmask,
        0x85 I16x8NarrowI32x4S, 0x86 I16x8NarrowI32x4U, 0x87 I16x8ExtendLowI8x16S,
        0x88 I16x8ExtendHighI8x16S, 0x89 I16x8ExtendLowI8x16U, 0x8a I16x8ExtendHighI8x16U,
        0x8b I16x8Shl, 0x8c I16x8ShrS, 0x8d I16x8ShrU, 0x8e I16x8Add, 0x8f I16x8AddSatS,
        0x90 I16x8AddSatU, 0x91 I16x8Sub, 0x92 I16x8SubSatS, 0x93 I16x8SubSatU, 0x94 F64x2Nearest,
        0x95 I16x8Mul, 0x96 I16x8MinS, 0x97 I16x8MinU, 0x98 I16x8MaxS, 0x99 I16x8MaxU,
        0x9b I16x8AvgrU, 0x9c I16x8ExtMulLowI8x16S, 0x9d I16x8ExtMulHighI8x16S,
        0x9e I16x8ExtMulLowI8x16U, 0x9f I16x8ExtMulHighI8x16U, 0xa0 I32x4Abs, 0xa1 I32x4Neg,
        0xa3 I32x4AllTrue, 0xa4 I32x4Bitmask, 0xa7 I32x4ExtendLowI16x8S, 0xa8 I32x4ExtendHighI16x8S,
        0xa9 I32x4ExtendLowI16x8U, 0xaa I32x4ExtendHighI16x8U, 0xab I32x4Shl, 0xac I32x4ShrS,
        0xad I32x4ShrU, 0xae I32x4Add, 0xb1 I32x4Sub, 0xb5 I32x4Mul, 0xb6 I32x4MinS, 0xb7 I32x4MinU,
        0xb8 I32x4MaxS, 0xb9 I32x4MaxU, 0xba I32x4DotI16x8S, 0xbc I32x4ExtMulLowI16x8S,
        0xbd I32x4ExtMulHighI16x8S, 0xbe I32x4ExtMulLowI16x8U, 0xbf I32x4ExtMulHighI16x8U,
        0xc0 I64x2Abs, 0xc1 I64x2Neg, 0xc3 I64x2AllTrue, 0xc4 I64x2Bitmask,
        0xc7 I64x2ExtendLowI32x4S, 0xc8 I64x2ExtendHighI32x4S, 0xc9 I64x2ExtendLowI32x4U,
        0xca I64x2ExtendHighI32x4U, 0xcb I64x2Shl, 0xcc I64x2ShrS, 0xcd I64x2ShrU, 0xce I64x2Add,
        0xd1 I64x2Sub, 0xd5 I64x2Mul, 0xd6 I64x2Eq, 0xd7 I64x2Ne, 0xd8 I64x2LtS, 0xd9 I64x2GtS,
        0xda I64x2LeS, 0xdb I64x2GeS, 0xdc I64x2ExtMulLowI32x4S, 0xdd I64x2ExtMulHighI32x4S,
        0xde I64x2ExtMulLowI32x4U, 0xdf I64x2ExtMulHighI32x4U, 0xe0 F32x4Abs, 0xe1 F32x4Neg,
        0xe3 F32x4Sqrt, 0xe4 F32x4Add, 0xe5 F32x4Sub, 0xe6 F32x4Mul, 0xe7 F32x4Div, 0xe8 F32x4Min,
        0xe9 F32x4Max, 0xea F32x4PMin, 0xeb F32x4PMax, 0xec F64x2Abs, 0xed F64x2Neg, 0xef F64x2Sqrt,
        0xf0 F64x2Add, 0xf1 F64x2Sub, 0xf2 F64x2Mul, 0xf3 F64x2Div, 0xf4 F64x2Min, 0xf5 F64x2Max,
        0xf6 F64x2PMin, 0xf7 F64x2PMax, 0xf8 I32x4TruncSatF32x4S, 0xf9 I32x4TruncSatF32x4U,
        0xfa F32x4ConvertI32x4S, 0xfb F32x4ConvertI32x4U, 0xfc I32x4TruncSatF64x2SZero,
        0xfd I32x4TruncSatF64x2UZero, 0xfe F64x2ConvertLowI32x4S, 0xff F64x2ConvertLowI32x4U,
        0x100 I8x16RelaxedSwizzle, 0x101 I32x4RelaxedTruncF32x4S, 0x102 I32x4RelaxedTruncF32x4U,
        0x103 I32x4RelaxedTruncF64x2SZero, 0x104 I32x4RelaxedTruncF64x2UZero,
        0x105 F32x4RelaxedMadd, 0x106 F32x4RelaxedNmadd, 0x107 F64x2RelaxedMadd,
        0x108 F64x2RelaxedNmadd, 0x109 I8x16RelaxedLaneselect, 0x10a I16x8RelaxedLaneselect,
        0x10b I32x4RelaxedLaneselect, 0x10c I64x2RelaxedLaneselect, 0x10d F32x4RelaxedMin,
        0x10e F32x4RelaxedMax, 0x10f F64x2RelaxedMin, 0x110 F64x2RelaxedMax,
        0x111 I16x8RelaxedQ15mulrS, 0x112 I16x8RelaxedDotI8x16I7x16S,
        0x113 I32x4RelaxedDotI8x16I7x16AddS,;

    PREFIX_FE: [115] =
        0x00 MemoryAtomicNotify, 0x01 MemoryAtomicWait32, 0x02 MemoryAtomicWait64, 0x03 AtomicFence,
        0x04 Pause, 0x10 I32AtomicLoad, 0x11 I64AtomicLoad, 0x12 I32AtomicLoad8U,
        0x13 I32AtomicLoad16U, 0x14 I64AtomicLoad8U, 0x15 I64AtomicLoad16U, 0x16 I64AtomicLoad32U,
        0x17 I32AtomicStore, 0x18 I64AtomicStore, 0x19 I32AtomicStore8, 0x1a I32AtomicStore16,
        0x1b I64AtomicStore8, 0x1c I64AtomicStore16, 0x1d I64AtomicStore32, 0x1e I32AtomicRmwAdd,
        0x1f I64AtomicRmwAdd, 0x20 I32AtomicRmw8AddU, 0x21 I32AtomicRmw16AddU,
        0x22 I64AtomicRmw8AddU, 0x23 I64AtomicRmw16AddU, 0x24 I64AtomicRmw32AddU,
        0x25 I32AtomicRmwSub, 0x26 I64AtomicRmwSub, 0x27 I32AtomicRmw8SubU, 0x28 I32AtomicRmw16SubU,
        0x29 I64AtomicRmw8SubU, 0x2a I64AtomicRmw16SubU, 0x2b I64AtomicRmw32SubU,
        0x2c I32AtomicRmwAnd, 0x2d I64AtomicRmwAnd, 0x2e I32AtomicRmw8AndU, 0x2f I32AtomicRmw16AndU,
        0x30 I64AtomicRmw8AndU, 0x31 I64AtomicRmw16AndU, 0x32 I64AtomicRmw32AndU,
        0x33 I32AtomicRmwOr, 0x34 I64AtomicRmwOr, 0x35 I32AtomicRmw8OrU, 0x36 I32AtomicRmw16OrU,
        0x37 I64AtomicRmw8OrU, 0x38 I64AtomicRmw16OrU, 0x39 I64AtomicRmw32OrU, 0x3a I32AtomicRmwXor,
        0x3b I64AtomicRmwXor, 0x3c I32AtomicRmw8XorU, 0x3d I32AtomicRmw16XorU,
        0x3e I64AtomicRmw8XorU, 0x3f I64AtomicRmw16XorU, 0x40 I64AtomicRmw32XorU,
        0x41 I32AtomicRmwXchg, 0x42 I64AtomicRmwXchg, 0x43 I32AtomicRmw8XchgU,
        0x44 I32AtomicRmw16XchgU, 0x45 I64AtomicRmw8XchgU, 0x46 I64AtomicRmw16XchgU,
        0x47 I64AtomicRmw32XchgU, 0x48 I32AtomicRmwCmpxchg, 0x49 I64AtomicRmwCmpxchg,
        0x4a I32AtomicRmw8CmpxchgU, 0x4b I32AtomicRmw16CmpxchgU, 0x4c I64AtomicRmw8CmpxchgU,
        0x4d I64AtomicRmw16CmpxchgU, 0x4e I64AtomicRmw32CmpxchgU, 0x4f GlobalAtomicGet,
        0x50 GlobalAtomicSet, 0x51 GlobalAtomicRmwAdd, 0x52 GlobalAtomicRmwSub,
        0x53 GlobalAtomicRmwAnd, 0x54 GlobalAtomicRmwOr, 0x55 GlobalAtomicRmwXor,
        0x56 GlobalAtomicRmwXchg, 0x57 GlobalAtomicRmwCmpxchg, 0x58 TableAtomicGet,
        0x59 TableAtomicSet, 0x5a TableAtomicRmwXchg, 0x5b TableAtomicRmwCmpxchg,
        0x5c StructAtomicGet, 0x5d StructAtomicGetS, 0x5e StructAtomicGetU, 0x5f StructAtomicSet,
        0x60 StructAtomicRmwAdd, 0x61 StructAtomicRmwSub, 0x62 StructAtomicRmwAnd,
        0x63 StructAtomicRmwOr, 0x64 StructAtomicRmwXor, 0x65 StructAtomicRmwXchg,
        0x66 StructAtomicRmwCmpxchg, 0x67 ArrayAtomicGet, 0x68 ArrayAtomicGetS,
        0x69 ArrayAtomicGetU, 0x6a ArrayAtomicSet, 0x6b ArrayAtomicRmwAdd, 0x6c ArrayAtomicRmwSub,
        0x6d ArrayAtomicRmwAnd, 0x6e ArrayAtomicRmwOr, 0x6f ArrayAtomicRmwXor,
        0x70 ArrayAtomicRmwXchg, 0x71 ArrayAtomicRmwCmpxchg, 0x72 RefI31Shared,;
}
