//! Registers that an instruction or a protocol of several steps fixes, held by tokens.
//!
//! Division works on `rdx:rax`, shifts count in `cl`, and the callee of an indirect call waits in
//! `r10` while the arguments are set up. Code that needs such a register asks the generator for it,
//! which moves its owner elsewhere, and gets a [`Held`]: the proof that the register is a temporary
//! of the current operator. The assembler's methods that read or change the register take the
//! token, so that they can't be called before it is free. A token ends by being given back or
//! pushed as an operand; debug builds panic where one is lost otherwise.
//!
//! The numbers of these registers are private to this module, except for `rax`, which is the result
//! register too. A token has no size: release builds do what they would do with bare registers.

use std::marker::PhantomData;

use upshift_abi::Kind;
use upshift_abi::callconv::INT_ARGS;

use self::number::Number;
use crate::func_gen::FuncGen;
use crate::reg::{Reg, RegSet};
use crate::value::Value;

mod number {
    /// The register of a type.
    pub trait Number {
        const REG: super::Reg;
    }
}

/// A register that some code fixes.
pub(crate) trait FixedReg: Number {}

macro_rules! fixed_registers {
    ($($(#[$doc:meta])* $name:ident = $number:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) enum $name {}

        impl Number for $name {
            const REG: Reg = Reg::from_index($number);
        }

        impl FixedReg for $name {}
    )*

        /// Integer registers that no code fixes.
        pub(crate) const UNFIXED: RegSet = RegSet(RegSet::INTS.0 $(& !(1 << $number))*);
    };
}

fixed_registers! {
    /// `rax`: the dividend, then the quotient.
    Rax = 0;
    /// `rcx`: the amount of a shift.
    Rcx = 1;
    /// `rdx`: the dividend's high half, then the remainder.
    Rdx = 2;
    /// `r10`: no argument register and not preserved by calls.
    R10 = 10;
}

/// The proof that a fixed register is a temporary of the current operator.
#[must_use]
#[derive(Debug)]
pub(crate) struct Held<R: FixedReg>(PhantomData<R>);

const _: () = assert!(size_of::<Held<Rax>>() == 0);

impl<R: FixedReg> Held<R> {
    fn new() -> Self {
        Held(PhantomData)
    }

    /// The register, to be named in instructions while the token lives.
    #[inline]
    pub(crate) fn reg(&self) -> Reg {
        R::REG
    }

    /// Ends the token, for the new owner of the register.
    #[inline]
    fn end(self) -> Reg {
        std::mem::forget(self);
        R::REG
    }
}

impl<R: FixedReg> Drop for Held<R> {
    #[inline]
    fn drop(&mut self) {
        if cfg!(debug_assertions) && !std::thread::panicking() {
            panic!("{:?} is held, but neither given back nor pushed", R::REG);
        }
    }
}

/// Lends a register to code at the function's entry, where nothing is live but arguments.
#[inline]
pub(crate) fn at_entry<R: FixedReg>(emit: impl FnOnce(&Held<R>)) {
    const {
        let mut args = 0;
        while args < INT_ARGS.len() {
            assert!(INT_ARGS[args].0 as usize != R::REG.index());
            args += 1;
        }
        assert!(!RegSet::CALLEE_SAVED.has(R::REG));
    }
    let held = Held::new();
    emit(&held);
    held.end();
}

impl FuncGen<'_> {
    /// Makes a fixed register a temporary; its owner is moved elsewhere.
    ///
    /// To be called before the operands that it might move are popped.
    pub(crate) fn take<R: FixedReg>(&mut self) -> Held<R> {
        self.vacate(R::REG);
        Held::new()
    }

    /// Makes a fixed register a temporary if it has no owner.
    #[inline]
    pub(crate) fn take_if_free<R: FixedReg>(&mut self) -> Option<Held<R>> {
        let free = self.state.regs.free.has(R::REG);
        free.then(|| self.take())
    }

    /// Makes a fixed register a temporary, unless its owner is the operand at a depth: `None`, and
    /// [`load_fixed`](Self::load_fixed) of that operand makes the token.
    pub(crate) fn take_for_operand<R: FixedReg>(&mut self, depth: usize) -> Option<Held<R>> {
        let operand = self.state.stack[self.state.stack.len() - 1 - depth];
        let owns = matches!(operand, Value::Reg(_, reg) if reg == R::REG);
        (!owns).then(|| self.take())
    }

    /// Brings a popped operand to a fixed register, which [`take_for_operand`] has taken for it.
    ///
    /// [`take_for_operand`]: Self::take_for_operand
    pub(crate) fn load_fixed<R: FixedReg>(
        &mut self,
        held: Option<Held<R>>,
        popped: Value,
    ) -> Held<R> {
        self.load_operand(R::REG, popped);
        match popped {
            Value::Reg(_, reg) if reg == R::REG => {
                debug_assert!(held.is_none(), "{reg:?} is held twice");
                held.unwrap_or_else(Held::new)
            }
            _ => {
                self.state.discard(popped);
                held.expect("a register that the operand does not own was taken")
            }
        }
    }

    /// Pops the topmost operand into a fixed register.
    pub(crate) fn pop_fixed<R: FixedReg>(&mut self) -> Held<R> {
        let held = self.take_for_operand(0);
        let value = self.state.pop();
        self.load_fixed(held, value)
    }

    /// Frees a fixed register.
    #[inline]
    pub(crate) fn give_back<R: FixedReg>(&mut self, held: Held<R>) {
        self.state.release(held.end());
    }

    /// Pushes the contents of a fixed register, which becomes the operand's own.
    #[inline]
    pub(crate) fn push_held<R: FixedReg>(&mut self, kind: Kind, held: Held<R>) {
        self.push_reg(kind, held.end());
    }

    /// Takes a register from its owner, which moves to another register or to its home slot.
    fn vacate(&mut self, reg: Reg) {
        if self.state.regs.free.has(reg) {
            self.state.regs.free.remove(reg);
            return;
        }
        let other = self.state.regs.free.and(RegSet::class(reg.class()));
        let other = other
            .minus(RegSet::CALLEE_SAVED)
            .or(other.and(self.frame.saved()))
            .first();
        let holder = self.state.regs.holder[reg.index()];
        if self.state.regs.locals.has(reg) {
            let home = self.state.regs.home(reg);
            if let Some(other) = other {
                self.masm.mov(other, reg);
                self.state.unbind(holder);
                self.state.regs.free.remove(other);
                self.state.bind(holder, other, home);
            } else {
                self.unbind_local(holder);
            }
        } else {
            debug_assert!(
                self.state.regs.stack.has(reg),
                "{reg:?} is a temporary already"
            );
            if let Some(other) = other {
                self.masm.mov(other, reg);
                let regs = &mut self.state.regs;
                regs.stack.remove(reg);
                regs.stack.add(other);
                regs.free.remove(other);
                regs.holder[other.index()] = holder;
                let kind = self.state.stack[holder as usize].kind();
                self.state.stack[holder as usize] = Value::Reg(kind, other);
            } else {
                self.spill(reg);
                self.state.regs.free.remove(reg);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Home;
    use crate::testing::with_gen;

    /// A generator in which `rdx` holds a local and `rcx` an operand.
    fn with_owners(run: impl FnOnce(&mut FuncGen<'_>)) {
        with_gen(|generator| {
            let state = &mut generator.state;
            state.declare_locals(Kind::I32, 1);
            state.regs.free.remove(Rdx::REG);
            state.bind(0, Rdx::REG, Home::Stale);
            state.regs.free.remove(Rcx::REG);
            state.push(Value::Reg(Kind::I32, Rcx::REG));
            run(generator);
        });
    }

    #[test]
    fn owners_move_elsewhere() {
        with_owners(|generator| {
            let rdx = generator.take::<Rdx>();
            let rcx = generator.take::<Rcx>();
            let local = generator.state.locals[0].reg.expect("registers are free");
            assert_ne!(local, rdx.reg());
            assert_eq!(generator.state.regs.home(local), Home::Stale);
            assert!(matches!(generator.state.stack[..], [Value::Reg(_, reg)] if reg != rcx.reg()));
            generator.give_back(rdx);
            generator.give_back(rcx);
            generator.state.check();
        });
    }

    #[test]
    fn an_operand_stays_in_its_register() {
        with_owners(|generator| {
            let written = generator.masm.total_len();
            let rcx = generator.pop_fixed::<Rcx>();
            assert_eq!(generator.masm.total_len(), written);
            generator.push_held(Kind::I32, rcx);
            let rax = generator.pop_fixed::<Rax>();
            assert!(generator.masm.total_len() > written);
            generator.give_back(rax);
            generator.state.check();
        });
    }

    #[test]
    fn only_free_registers_are_taken_if_free() {
        with_owners(|generator| {
            assert!(generator.take_if_free::<Rdx>().is_none());
            let rax = generator.take_if_free::<Rax>().expect("it is free");
            generator.give_back(rax);
        });
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "rdx is held, but neither given back nor pushed")]
    fn a_lost_token_is_found() {
        with_owners(|generator| drop(generator.take::<Rdx>()));
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "rdx is a temporary already")]
    fn a_register_is_held_once() {
        with_owners(|generator| {
            let _held = generator.take::<Rdx>();
            let _again = generator.take::<Rdx>();
        });
    }
}
