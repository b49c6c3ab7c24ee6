//! The scratch registers, which are lent for a few instructions.
//!
//! `r11` and `xmm15` are never allocated. Code that needs one asks the assembler for it and gets a
//! [`Scratch`]: whatever is called in between and wants it too fails in debug builds, and it is
//! given back wherever the scope is left. Release builds keep no account. Outside of this module's
//! parent the registers have no names of their own: encoders get them from
//! [`reg`](Scratch::reg), and `asm!` defines `scratch` and `fscratch` only where it is passed one.
//! Numbers made by [`Reg::from_index`] and dynasm's own names are not checked.

#[cfg(debug_assertions)]
use std::{cell::Cell, rc::Rc};

use upshift_abi::RegClass;

#[cfg(debug_assertions)]
use super::RegSet;
use super::{FSCRATCH, Reg, SCRATCH};

/// Which scratch registers are lent.
#[derive(Default)]
pub(crate) struct ScratchRegs {
    #[cfg(debug_assertions)]
    lent: Rc<Cell<RegSet>>,
}

/// A scratch register, for as long as this lives.
pub(crate) struct Scratch {
    reg: Reg,
    #[cfg(debug_assertions)]
    lent: Rc<Cell<RegSet>>,
}

impl ScratchRegs {
    /// Lends the scratch register of a class.
    #[inline]
    pub(crate) fn lend(&self, class: RegClass) -> Scratch {
        let reg = match class {
            RegClass::Int => SCRATCH,
            RegClass::Float => FSCRATCH,
        };
        #[cfg(debug_assertions)]
        {
            let mut lent = self.lent.get();
            assert!(!lent.has(reg), "the scratch register {reg:?} is in use");
            lent.add(reg);
            self.lent.set(lent);
        }
        Scratch {
            reg,
            #[cfg(debug_assertions)]
            lent: self.lent.clone(),
        }
    }
}

impl Scratch {
    /// The register.
    #[inline]
    pub(crate) fn reg(&self) -> Reg {
        self.reg
    }
}

#[cfg(debug_assertions)]
impl Drop for Scratch {
    fn drop(&mut self) {
        self.lent.set(self.lent.get().minus(self.reg.bit()));
    }
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use super::*;

    #[test]
    fn a_scratch_register_is_given_back() {
        let regs = ScratchRegs::default();
        let first = regs.lend(RegClass::Int).reg();
        let again = regs.lend(RegClass::Int);
        let other = regs.lend(RegClass::Float);
        assert_eq!(first, again.reg());
        assert_ne!(first, other.reg());
    }

    #[test]
    #[should_panic(expected = "the scratch register r11 is in use")]
    fn a_scratch_register_is_lent_once() {
        let regs = ScratchRegs::default();
        let _held = regs.lend(RegClass::Int);
        regs.lend(RegClass::Int);
    }
}
