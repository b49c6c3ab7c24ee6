//! What the checker does where exceptions are thrown and caught.

use upshift_abi::exception;
use upshift_abi::{ValType, Width};

use super::model::{Content, Symbol};
use crate::func_gen::FuncGen;
use crate::reg::Reg;

/// Where the generator tells the checker what it does. In release builds these do nothing.
impl FuncGen<'_> {
    /// A call that throws right here, or a jump to the dispatch, would find what the clauses of a
    /// region need: all locals, and the operands below the block.
    pub(crate) fn check_exceptional_edge(&mut self, frame: usize, height: usize) {
        self.checked(|_, checker| {
            let stale = &checker.machine.stale_locals;
            assert!(
                stale.is_empty(),
                "locals that are not in their slots where an exception is thrown: {stale:?}"
            );
            checker.check_dead(frame);
            checker.check_operands_below(height);
            checker.check_context();
        });
    }

    /// A block begins that has caught an exception: from here on only home slots count.
    pub(crate) fn check_catch(&mut self, height: usize) {
        self.checked(|_, checker| {
            checker.machine.truncate(height);
            checker.machine.begin_epoch(height);
        });
    }

    /// The code of a dispatch begins, with an exception in the register.
    pub(crate) fn check_begin_dispatch(&mut self, exception: Reg, height: usize) {
        self.checked(|_, checker| {
            checker.machine.truncate(height);
            checker.machine.begin_dispatch(exception);
            checker.thrown = checker.machine.caught;
        });
    }

    /// A call has returned at the beginning of a dispatch, and the exception was kept for it.
    pub(crate) fn check_kept_exception(&mut self, exception: Reg) {
        self.checked(|_, checker| checker.machine.begin_clause(exception));
    }

    /// The code of a dispatch ends.
    pub(crate) fn check_end_dispatch(&mut self) {
        self.checked(|_, checker| checker.machine.caught = None);
    }

    /// A clause gets the exception in the register, and pushes its values.
    pub(crate) fn check_begin_clause(&mut self, exception: Reg, types: &[ValType]) {
        self.checked(|_, checker| {
            let machine = &mut checker.machine;
            machine.begin_clause(exception);
            for (kind, offset) in exception::fields(types) {
                let symbol = machine.result(kind.width());
                machine.put_in_field(exception, offset.disp(), symbol);
                machine.push(symbol, kind.width());
            }
        });
    }

    /// A clause pushes the exception, too.
    pub(crate) fn check_passed_ref(&mut self) {
        self.checked(|_, checker| {
            let caught = checker.machine.caught.expect("a dispatch is written");
            checker.machine.push(caught, Width::W64);
        });
    }

    /// Another clause, or what follows the last one, finds the exception in the register.
    pub(crate) fn check_end_clause(&mut self, exception: Reg) {
        self.checked(|this, checker| {
            checker.machine.truncate(this.state.stack.len());
            checker.machine.begin_clause(exception);
        });
    }

    /// The register has an exception that was made.
    pub(crate) fn check_made_exception(&mut self, reg: Reg) {
        self.checked(|_, checker| {
            let made = checker.machine.result(Width::W64);
            checker.machine.regs[reg.index()] = Content::Whole(made);
            checker.thrown = Some(made);
        });
    }

    /// The operand at a position is an exception, which is being thrown.
    pub(crate) fn check_thrown_operand(&mut self, position: usize) {
        self.checked(|_, checker| checker.thrown = Some(checker.machine.operands[position]));
    }

    /// The register has the exception that is being thrown.
    pub(crate) fn check_thrown_in(&mut self, reg: Reg) {
        self.checked(|_, checker| {
            let thrown: Symbol = checker.thrown.expect("it is known");
            checker.check_reg(reg, thrown, Width::W64);
        });
    }

    /// The topmost operands are in the exception to which a register points.
    pub(crate) fn check_thrown_values(&mut self, exception: Reg, types: &[ValType]) {
        self.checked(|this, checker| {
            let from = this.state.stack.len() - types.len();
            let fields = exception::fields(types).zip(&checker.machine.operands[from..]);
            for ((kind, offset), &symbol) in fields {
                checker.check_outside(exception, offset.disp(), symbol, kind.width());
            }
        });
    }
}
