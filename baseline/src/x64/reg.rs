//! Registers, sets of them, and the roles that some have throughout a function.
//!
//! `rdi` holds the `VmContext*` from prologue to epilogue (reloaded behind calls), where callees
//! expect it too. `r11` and `xmm15` are scratch: free between any two instructions that don't say
//! otherwise, never live from one operator to the next. `rsp` and `rbp` are the frame's. All
//! others are allocated; those that single instructions fix are held by tokens of
//! [`fixed`](crate::fixed).

mod scratch;

use std::fmt;

use upshift_abi::RegClass;
use upshift_abi::callconv::{CALLEE_SAVED, Gpr, Xmm};

pub(crate) use scratch::{Scratch, ScratchRegs};

/// The integer scratch register.
const SCRATCH: Reg = Reg(11);
/// The float scratch register.
const FSCRATCH: Reg = Reg(31);

/// A general-purpose register (0–15) or an SSE register (16–31).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Reg(u8);

#[allow(missing_docs)]
impl Reg {
    pub(crate) const RAX: Reg = Reg(0);
    pub(crate) const RSP: Reg = Reg(4);
    pub(crate) const RBP: Reg = Reg(5);
    pub(crate) const RSI: Reg = Reg(6);
    pub(crate) const XMM0: Reg = Reg(16);
}

impl Reg {
    /// Holds the `VmContext*`.
    pub(crate) const VMCTX: Reg = Reg(7);

    /// The register with the number.
    #[inline]
    pub(crate) const fn from_index(index: u32) -> Self {
        debug_assert!(index < 32);
        Reg(index as u8)
    }

    /// Its number: 16 and above for SSE registers.
    #[inline]
    pub(crate) const fn index(self) -> usize {
        (self.0 & 31) as usize
    }

    /// Whether it is one of those that are [lent](Scratch).
    pub(crate) const fn is_scratch(self) -> bool {
        self.0 == SCRATCH.0 || self.0 == FSCRATCH.0
    }

    /// Its encoding.
    #[inline]
    pub(crate) const fn hw(self) -> u8 {
        self.0 & 15
    }

    /// Its class.
    #[inline]
    pub(crate) const fn class(self) -> RegClass {
        if self.0 < 16 {
            RegClass::Int
        } else {
            RegClass::Float
        }
    }

    /// The set of this register alone.
    #[inline]
    pub(crate) const fn bit(self) -> RegSet {
        RegSet(1 << (self.0 & 31))
    }
}

impl From<Gpr> for Reg {
    fn from(reg: Gpr) -> Self {
        Reg(reg.0)
    }
}

impl From<Xmm> for Reg {
    fn from(reg: Xmm) -> Self {
        Reg(16 + reg.0)
    }
}

/// dynasm's dynamic operands.
impl From<Reg> for u8 {
    #[inline]
    fn from(reg: Reg) -> u8 {
        reg.hw()
    }
}

impl fmt::Debug for Reg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 16] = [
            "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11",
            "r12", "r13", "r14", "r15",
        ];
        match self.class() {
            RegClass::Int => f.write_str(NAMES[self.index()]),
            RegClass::Float => write!(f, "xmm{}", self.hw()),
        }
    }
}

/// A set of registers.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct RegSet(pub(crate) u32);

impl RegSet {
    /// No register.
    pub(crate) const NONE: RegSet = RegSet(0);
    /// The integer registers that are allocated.
    pub(crate) const INTS: RegSet = RegSet(
        0xffff & !(Reg::RSP.bit().0 | Reg::RBP.bit().0 | Reg::VMCTX.bit().0 | SCRATCH.bit().0),
    );
    /// The float registers that are allocated.
    pub(crate) const FLOATS: RegSet = RegSet(0xffff_0000 & !FSCRATCH.bit().0);
    /// All that are allocated.
    pub(crate) const ALL: RegSet = RegSet(Self::INTS.0 | Self::FLOATS.0);
    /// Those that calls preserve, and that a function must preserve for its caller.
    pub(crate) const CALLEE_SAVED: RegSet = {
        let mut set = 0;
        let mut i = 0;
        while i < CALLEE_SAVED.len() {
            set |= 1 << CALLEE_SAVED[i].0;
            i += 1;
        }
        RegSet(set)
    };
    /// Registers without a fixed use in some instruction or at a call's return: the best homes
    /// for locals.
    pub(crate) const UNTASKED: RegSet = RegSet(Self::ALL.0 & !0b0000_0111 & !(1 << 16));

    /// The allocated registers of a class.
    #[inline]
    pub(crate) const fn class(class: RegClass) -> Self {
        match class {
            RegClass::Int => Self::INTS,
            RegClass::Float => Self::FLOATS,
        }
    }

    /// Whether the register is in the set.
    #[inline]
    pub(crate) const fn has(self, reg: Reg) -> bool {
        self.0 & reg.bit().0 != 0
    }

    /// Whether there is none.
    #[inline]
    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Adds a register.
    #[inline]
    pub(crate) fn add(&mut self, reg: Reg) {
        self.0 |= reg.bit().0;
    }

    /// Takes a register out.
    #[inline]
    pub(crate) fn remove(&mut self, reg: Reg) {
        self.0 &= !reg.bit().0;
    }

    /// Those in both.
    #[inline]
    pub(crate) const fn and(self, other: RegSet) -> Self {
        RegSet(self.0 & other.0)
    }

    /// Those in either.
    #[inline]
    pub(crate) const fn or(self, other: RegSet) -> Self {
        RegSet(self.0 | other.0)
    }

    /// Those not in the other.
    #[inline]
    pub(crate) const fn minus(self, other: RegSet) -> Self {
        RegSet(self.0 & !other.0)
    }

    /// The one with the lowest number.
    #[inline]
    pub(crate) const fn first(self) -> Option<Reg> {
        if self.0 == 0 {
            None
        } else {
            Some(Reg::from_index(self.0.trailing_zeros()))
        }
    }

    /// Its registers from the highest number down.
    pub(crate) fn rev(self) -> impl Iterator<Item = Reg> {
        (0..32)
            .rev()
            .map(Reg::from_index)
            .filter(move |reg| self.has(*reg))
    }

    /// How many there are.
    #[inline]
    pub(crate) const fn len(self) -> u32 {
        self.0.count_ones()
    }
}

impl Iterator for RegSet {
    type Item = Reg;

    #[inline]
    fn next(&mut self) -> Option<Reg> {
        let first = self.first()?;
        self.0 &= self.0 - 1;
        Some(first)
    }
}

impl fmt::Debug for RegSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(*self).finish()
    }
}
