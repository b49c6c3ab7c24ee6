//! Value kinds: the properties of a value's type that matter to machine code.
//!
//! A [`ValType`](crate::ValType) is a type of WebAssembly; several of them may be the same to
//! machine code. A [`Kind`] determines which registers a value is in, how many of its bits are
//! significant, and how much of a frame it takes. All code that depends on this matches on these
//! enums without a catch-all arm, so that the compiler lists the places that a new kind concerns.

/// Declares [`Kind`] and the list of all of them.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident,)*) => {
        /// The machine representation of a value.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
        }

        impl Kind {
            /// Every kind.
            pub const ALL: [Kind; [$(Kind::$kind),*].len()] = [$(Kind::$kind),*];
        }
    };
}

kinds! {
    /// 32-bit integer. The upper half of its register or slot is undefined at a call.
    I32,
    /// 64-bit integer, or a pointer that is no reference.
    I64,
    /// 32-bit float.
    F32,
    /// 64-bit float.
    F64,
    /// 128-bit vector.
    V128,
    /// A reference: one machine word, null is zero. Kept apart from [`I64`](Kind::I64), so that
    /// live references can be found in registers and frames.
    Ref,
}

/// A class of registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RegClass {
    /// General-purpose registers.
    Int,
    /// SSE registers, for floats and vectors.
    Float,
}

/// The number of significant bits of a value in a register or slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Width {
    /// 32 bits.
    W32,
    /// 64 bits.
    W64,
    /// 128 bits.
    W128,
}

/// Bytes of a *word*: the unit in which frames and stack arguments are divided.
pub const WORD_BYTES: u32 = 8;

impl Kind {
    /// The class of registers for values of the kind.
    #[inline]
    pub const fn class(self) -> RegClass {
        match self {
            Kind::I32 | Kind::I64 | Kind::Ref => RegClass::Int,
            Kind::F32 | Kind::F64 | Kind::V128 => RegClass::Float,
        }
    }

    /// The number of significant bits.
    #[inline]
    pub const fn width(self) -> Width {
        match self {
            Kind::I32 | Kind::F32 => Width::W32,
            Kind::I64 | Kind::F64 | Kind::Ref => Width::W64,
            Kind::V128 => Width::W128,
        }
    }

    /// Whether the value is a reference, which a collector must find.
    #[inline]
    pub const fn is_ref(self) -> bool {
        match self {
            Kind::Ref => true,
            Kind::I32 | Kind::I64 | Kind::F32 | Kind::F64 | Kind::V128 => false,
        }
    }

    /// The number of words that a value takes in a frame or among stack arguments.
    #[inline]
    pub const fn words(self) -> u32 {
        self.width().words()
    }
}

impl RegClass {
    /// Both classes.
    pub const ALL: [RegClass; 2] = [RegClass::Int, RegClass::Float];
}

impl Width {
    /// The number of bytes of a value.
    #[inline]
    pub const fn bytes(self) -> u32 {
        match self {
            Width::W32 => 4,
            Width::W64 => 8,
            Width::W128 => 16,
        }
    }

    /// The number of words that a value takes in a frame or among stack arguments.
    #[inline]
    pub const fn words(self) -> u32 {
        self.bytes().div_ceil(WORD_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_hold_their_values() {
        for kind in Kind::ALL {
            let slot = kind.words() * WORD_BYTES;
            assert!(slot >= kind.width().bytes(), "{kind:?}");
            assert!(slot - kind.width().bytes() < WORD_BYTES, "{kind:?}");
        }
        assert_eq!(Kind::V128.words(), 2);
        assert_eq!(
            Kind::ALL
                .map(Kind::is_ref)
                .iter()
                .filter(|is_ref| **is_ref)
                .count(),
            1
        );
    }
}
