//! Fuel: the instructions that take it from the store.
//!
//! Each charge subtracts from the store's counter in memory, which so has what is left at each
//! instruction. The address of the store is loaded each time: it would take a register from code
//! that has few to spare.

use upshift_abi::fuel::{BEYOND_FUEL_LOG2, Charge};
use upshift_abi::vmctx::{VmContext, VmStore};
use upshift_abi::{Builtin, IndexKind, TrapCode};

use crate::asm::encode::{Mem, Op, OperandSize, Shift};
use crate::asm::{Cc, asm};
use crate::func_gen::FuncGen;
use crate::reg::{Reg, Scratch};
use crate::value::Value;

/// The counter, of the store that a register points to.
fn counter(store: Reg) -> Mem {
    Mem::base(store, VmStore::FUEL.disp())
}

impl FuncGen<'_> {
    /// Takes what the operators from the current one on cost.
    #[cold]
    pub(crate) fn charge(&mut self, charge: Charge) {
        if !self.cursor.reachable {
            return;
        }
        debug_assert!(!self.masm.flags_live, "segments begin behind conditions");
        let scratch = self.load_store();
        let counter = counter(scratch.reg());
        match immediate(u64::from(charge.units)) {
            Some(units) if units > 0 => self.masm.sub_mem_imm(OperandSize::S64, counter, units),
            _ => self.masm.cmp_mem_imm(OperandSize::S64, counter, 0),
        }
        drop(scratch);
        if charge.checked {
            self.call_stub_if(Cc::L, Builtin::OutOfFuel);
        }
    }

    /// Takes a unit for each byte or element of the range that an operator is about to work on; its
    /// size is the topmost operand. No register but the scratch one changes.
    pub(crate) fn charge_items(&mut self, kind: IndexKind) {
        if !self.input.options.fuel {
            return;
        }
        let Some(&size) = self.state.stack.last() else {
            return;
        };
        match size {
            Value::Const(_, 0) => return,
            Value::Const(_, size) if immediate(size).is_some() => {
                let scratch = self.load_store();
                let size = immediate(size).unwrap_or_default();
                self.masm
                    .sub_mem_imm(OperandSize::S64, counter(scratch.reg()), size);
            }
            _ => {
                let scratch = self.masm.scratch();
                if kind == IndexKind::I64 {
                    self.load_value(scratch.reg(), size);
                    self.masm.shift_imm(
                        Shift::Shr,
                        OperandSize::S64,
                        scratch.reg(),
                        BEYOND_FUEL_LOG2,
                    );
                    self.trap_if(Cc::Ne, TrapCode::OutOfFuel);
                }
                self.load_value(scratch.reg(), size);
                asm!(self.masm, scratch
                    ; mov vmctx, [vmctx + VmContext::STORE.disp()]
                    ; sub [vmctx + VmStore::FUEL.disp()], scratch
                );
                // Flags survive.
                self.reload_vmctx();
            }
        }
        self.call_stub_if(Cc::L, Builtin::OutOfFuel);
    }

    /// Loads the address of the store.
    fn load_store(&mut self) -> Scratch {
        let scratch = self.masm.scratch();
        self.masm.rm(
            Op::MOV.wide(),
            scratch.reg(),
            Mem::base(Reg::VMCTX, VmContext::STORE.disp()),
        );
        scratch
    }
}

/// A number of units as an operand.
fn immediate(units: u64) -> Option<i32> {
    i32::try_from(units).ok()
}
