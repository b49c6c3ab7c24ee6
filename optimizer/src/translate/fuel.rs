//! Fuel: the instructions that take it from the store.
//!
//! The store's counter has what is left at each instruction, so traps need nothing; what is called
//! where less than nothing is left may fill it again. Subtracting from it in memory would be the
//! slowest chain of a loop or a short function, each subtraction waiting for the one before to come
//! back from there: a variable of the frontend has the same value, and a charge subtracts from that
//! and stores it. It is loaded at the entry, and again behind whatever may have changed the
//! counter: calls, and the beginning of handlers.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value, types};
use cranelift_frontend::{FunctionBuilder, Variable};
use upshift_abi::fuel::{BEYOND_FUEL_LOG2, Charge, Charges};
use upshift_abi::vmctx::{VmContext, VmStore};
use upshift_abi::{Builtin, IndexKind, TrapCode};
use wasmparser::FunctionBody;

use super::{Region, Translator, fixed, trusted};
use crate::signature::POINTER;
use crate::trap;

/// Where code finds fuel.
#[derive(Clone, Copy)]
pub(crate) struct Fuel {
    /// The `VmStore*`.
    store: Value,
    /// What is left.
    left: Variable,
}

impl Fuel {
    /// Finds the store and what it has left, in the function's entry block.
    pub(super) fn enter(builder: &mut FunctionBuilder<'_>, vmctx: Value) -> Self {
        let flags = fixed(builder.func, Region::Context);
        let offset = VmContext::STORE.disp();
        let fuel = Self {
            store: builder.ins().load(POINTER, flags, vmctx, offset),
            left: builder.declare_var(types::I64),
        };
        fuel.load(builder);
        fuel
    }

    /// Sets the variable to what is in memory.
    fn load(self, builder: &mut FunctionBuilder<'_>) {
        let flags = trusted(builder.func, Region::Fuel);
        let offset = VmStore::FUEL.disp();
        let left = builder.ins().load(types::I64, flags, self.store, offset);
        builder.def_var(self.left, left);
    }
}

impl Translator<'_> {
    /// The charges of a body that is about to be translated.
    pub(super) fn charges(&self, body: &FunctionBody<'_>) -> Charges {
        match self.fuel {
            Some(_) => Charges::of(body),
            None => Charges::default(),
        }
    }

    /// Takes what the operators from the current one on cost.
    pub(super) fn charge(&mut self, charge: Charge) {
        let Some(fuel) = self.fuel.filter(|_| self.control.is_reachable()) else {
            return;
        };
        let before = self.builder.use_var(fuel.left);
        let left = match charge.units {
            0 => before,
            units => {
                let left = self.ins().iadd_imm_s(before, -i64::from(units));
                self.set_fuel_left(fuel, left);
                left
            }
        };
        if charge.checked {
            self.call_without_fuel(left);
        }
    }

    /// Takes a unit for each byte or element of the range that an operator is about to work on. The
    /// size is what the operator takes from the stack.
    pub(crate) fn charge_items(&mut self, kind: IndexKind, size: Value) {
        let Some(fuel) = self.fuel else {
            return;
        };
        let known = self.known(size);
        let known = known.filter(|size| size >> BEYOND_FUEL_LOG2 == 0);
        let before = self.builder.use_var(fuel.left);
        let left = match known {
            Some(0) => return,
            Some(size) => self.ins().iadd_imm_s(before, -(size as i64)),
            None => {
                let size = self.index_to_i64(kind, size);
                if kind == IndexKind::I64 {
                    let beyond = self.ins().ushr_imm_u(size, i64::from(BEYOND_FUEL_LOG2));
                    self.ins()
                        .trapnz(beyond, trap::to_clif(TrapCode::OutOfFuel));
                }
                self.ins().isub(before, size)
            }
        };
        self.set_fuel_left(fuel, left);
        self.call_without_fuel(left);
    }

    /// Notes that what is left may have been changed by other code.
    pub(crate) fn forget_fuel(&mut self) {
        if let Some(fuel) = self.fuel {
            fuel.load(&mut self.builder);
        }
    }

    fn set_fuel_left(&mut self, fuel: Fuel, left: Value) {
        let flags = trusted(self.builder.func, Region::Fuel);
        self.ins()
            .store(flags, left, fuel.store, VmStore::FUEL.disp());
        self.builder.def_var(fuel.left, left);
    }

    /// Calls the runtime if less than nothing is left: it traps, or there is more afterwards.
    fn call_without_fuel(&mut self, left: Value) {
        let is_gone = self.ins().icmp_imm_s(IntCC::SignedLessThan, left, 0);
        self.call_stub_if(is_gone, Builtin::OutOfFuel);
    }
}
