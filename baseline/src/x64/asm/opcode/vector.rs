//! Opcodes of the instructions on vectors, each in its legacy form and in its VEX form.
//!
//! The legacy form overwrites its first operand and wants memory operands of 16 bytes aligned. The
//! VEX form has a destination of its own and takes any address; AVX brings it. Both have the same
//! opcode, so one table serves both.

use super::{Encoding, Map, Op, Prefix, VexOp, op};

/// An instruction on vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VecOp {
    pub(in crate::x64::asm) legacy: Op,
    pub(in crate::x64::asm) vex: VexOp,
}

impl VecOp {
    const fn new(encoding: Encoding) -> Self {
        Self {
            legacy: Op::new(encoding),
            vex: VexOp::new(encoding),
        }
    }
}

const fn np(opcode: u8) -> Encoding {
    op(Map::M0f, opcode)
}

const fn p66(opcode: u8) -> Encoding {
    op(Map::M0f, opcode).prefix(Prefix::P66)
}

const fn f3(opcode: u8) -> Encoding {
    op(Map::M0f, opcode).prefix(Prefix::F3)
}

const fn f2(opcode: u8) -> Encoding {
    op(Map::M0f, opcode).prefix(Prefix::F2)
}

const fn p66_38(opcode: u8) -> Encoding {
    op(Map::M0f38, opcode).prefix(Prefix::P66)
}

const fn p66_3a(opcode: u8) -> Encoding {
    op(Map::M0f3a, opcode).prefix(Prefix::P66)
}

/// Makes the constants, and for the test the list of them with their names in the manual.
macro_rules! opcodes {
    ($($operands:ident { $($name:ident = $encoding:expr;)* })*) => {
        impl VecOp {$($(
            #[doc = concat!("`", stringify!($name), "`.")]
            pub(crate) const $name: VecOp = VecOp::new($encoding);
        )*)*}

        #[cfg(test)]
        const TABLE: &[(&str, Encoding, tests::Operands)] = &[
            $($((stringify!($name), $encoding, tests::Operands::$operands)),*),*
        ];
    };
}

// Groups by operands, see `tests::Operands`.
opcodes! {
    Three {
        PADDB = p66(0xfc); PADDW = p66(0xfd); PADDD = p66(0xfe); PADDQ = p66(0xd4);
        PSUBB = p66(0xf8); PSUBW = p66(0xf9); PSUBD = p66(0xfa); PSUBQ = p66(0xfb);
        PADDSB = p66(0xec); PADDSW = p66(0xed); PADDUSB = p66(0xdc); PADDUSW = p66(0xdd);
        PSUBSB = p66(0xe8); PSUBSW = p66(0xe9); PSUBUSB = p66(0xd8); PSUBUSW = p66(0xd9);
        PMULLW = p66(0xd5); PMULHW = p66(0xe5); PMULHUW = p66(0xe4); PMULLD = p66_38(0x40);
        PMULHRSW = p66_38(0x0b); PMULUDQ = p66(0xf4); PMULDQ = p66_38(0x28);
        PMADDWD = p66(0xf5); PMADDUBSW = p66_38(0x04); PAVGB = p66(0xe0); PAVGW = p66(0xe3);
        PMINSB = p66_38(0x38); PMINUB = p66(0xda); PMINSW = p66(0xea); PMINUW = p66_38(0x3a);
        PMINSD = p66_38(0x39); PMINUD = p66_38(0x3b); PMAXSB = p66_38(0x3c); PMAXUB = p66(0xde);
        PMAXSW = p66(0xee); PMAXUW = p66_38(0x3e); PMAXSD = p66_38(0x3d); PMAXUD = p66_38(0x3f);
        PCMPEQB = p66(0x74); PCMPEQW = p66(0x75); PCMPEQD = p66(0x76); PCMPEQQ = p66_38(0x29);
        PCMPGTB = p66(0x64); PCMPGTW = p66(0x65); PCMPGTD = p66(0x66); PCMPGTQ = p66_38(0x37);
        PAND = p66(0xdb); PANDN = p66(0xdf); POR = p66(0xeb); PXOR = p66(0xef);
        PSLLW = p66(0xf1); PSLLD = p66(0xf2); PSLLQ = p66(0xf3);
        PSRLW = p66(0xd1); PSRLD = p66(0xd2); PSRLQ = p66(0xd3);
        PSRAW = p66(0xe1); PSRAD = p66(0xe2);
        PACKSSWB = p66(0x63); PACKSSDW = p66(0x6b); PACKUSWB = p66(0x67); PACKUSDW = p66_38(0x2b);
        PUNPCKLBW = p66(0x60); PUNPCKLWD = p66(0x61); PUNPCKLDQ = p66(0x62);
        PUNPCKLQDQ = p66(0x6c); PUNPCKHBW = p66(0x68); PUNPCKHWD = p66(0x69);
        PHADDW = p66_38(0x01); PHADDD = p66_38(0x02); PUNPCKHDQ = p66(0x6a);
        PUNPCKHQDQ = p66(0x6d); PSHUFB = p66_38(0x00);
        ADDPS = np(0x58); ADDPD = p66(0x58); SUBPS = np(0x5c); SUBPD = p66(0x5c);
        MULPS = np(0x59); MULPD = p66(0x59); DIVPS = np(0x5e); DIVPD = p66(0x5e);
        MINPS = np(0x5d); MINPD = p66(0x5d); MAXPS = np(0x5f); MAXPD = p66(0x5f);
        ANDPS = np(0x54); ANDPD = p66(0x54); ANDNPS = np(0x55); ANDNPD = p66(0x55);
        ORPS = np(0x56); ORPD = p66(0x56); XORPS = np(0x57); XORPD = p66(0x57);
        UNPCKLPS = np(0x14);
    }
    ThreeImm {
        PALIGNR = p66_3a(0x0f); CMPPS = np(0xc2); CMPPD = p66(0xc2); SHUFPS = np(0xc6);
        INSERTPS = p66_3a(0x21);
    }
    Two {
        PABSB = p66_38(0x1c); PABSW = p66_38(0x1d); PABSD = p66_38(0x1e);
        PMOVSXBW = p66_38(0x20); PMOVSXWD = p66_38(0x23); PMOVSXDQ = p66_38(0x25);
        PMOVZXBW = p66_38(0x30); PMOVZXWD = p66_38(0x33); PMOVZXDQ = p66_38(0x35);
        SQRTPS = np(0x51); SQRTPD = p66(0x51); CVTDQ2PS = np(0x5b); CVTDQ2PD = f3(0xe6);
        CVTTPS2DQ = f3(0x5b); CVTTPD2DQ = p66(0xe6); CVTPD2PS = p66(0x5a); CVTPS2PD = np(0x5a);
        MOVDDUP = f2(0x12); PTEST = p66_38(0x17); MOVAPS = np(0x28);
    }
    TwoImm {
        PSHUFD = p66(0x70); PSHUFLW = f2(0x70); ROUNDPS = p66_3a(0x08); ROUNDPD = p66_3a(0x09);
    }
    // Loads of a number that clear the rest; between registers they merge instead.
    Load {
        MOVSS = f3(0x10); MOVSD = f2(0x10);
    }
    Store {
        MOVSS_STORE = f3(0x11); MOVSD_STORE = f2(0x11);
    }
    // From the lanes to an integer register.
    Mask {
        PMOVMSKB = p66(0xd7); MOVMSKPS = np(0x50); MOVMSKPD = p66(0x50);
    }
    // From an integer register or memory to a lane.
    Insert {
        PINSRB = p66_3a(0x20); PINSRW = p66(0xc4); PINSRD = p66_3a(0x22);
        PINSRQ = p66_3a(0x22).w1();
    }
    // From a lane to an integer register or memory.
    Extract {
        PEXTRB = p66_3a(0x14); PEXTRW = p66_3a(0x15); PEXTRD = p66_3a(0x16);
        PEXTRQ = p66_3a(0x16).w1();
    }
    // Shifts by a constant; the digit is in ModRM's register field.
    ShiftImm {
        PSLLW_IMM = p66(0x71).digit(6); PSLLD_IMM = p66(0x72).digit(6);
        PSLLQ_IMM = p66(0x73).digit(6); PSRLW_IMM = p66(0x71).digit(2);
        PSRLD_IMM = p66(0x72).digit(2); PSRLQ_IMM = p66(0x73).digit(2);
        PSRAW_IMM = p66(0x71).digit(4); PSRAD_IMM = p66(0x72).digit(4);
    }
    // Only in VEX: a product and a sum that are rounded once, `dst * a + b` and `b - dst * a`.
    Fused {
        VFMADD213PS = p66_38(0xa8); VFMADD213PD = p66_38(0xa8).w1();
        VFNMADD213PS = p66_38(0xac); VFNMADD213PD = p66_38(0xac).w1();
    }
}

#[cfg(test)]
mod tests;
