//! Values of two words in locals, operands, arguments and results: the checker follows what is
//! emitted for them. The generator is called directly, to have more of them than programs do.

use std::rc::Rc;

use upshift_abi::Kind;

use crate::func_gen::FuncGen;
use crate::signature::CallSignature;
use crate::testing::with_gen;
use crate::value::Value;

const LOCALS: [Kind; 5] = [Kind::I32, Kind::V128, Kind::V128, Kind::F64, Kind::V128];

/// Begins a function with parameters and further locals of these kinds.
fn begin(generator: &mut FuncGen<'_>, params: &[Kind], locals: &[Kind]) {
    let results = [];
    generator.input.sig = Rc::new(CallSignature::of_kinds(params, &results));
    generator.state.declare_params(params.iter().copied());
    for &kind in locals {
        generator.state.declare_locals(kind, 1);
    }
    generator.check_start();
    generator.prologue();
    end_operator(generator);
}

fn end_operator(generator: &mut FuncGen<'_>) {
    generator.check_operator();
    generator.state.regs.pins = crate::reg::RegSet::NONE;
    generator.state.check();
}

/// Pushes a value of the kind as an operator's result, in a register.
fn push_result(generator: &mut FuncGen<'_>, kind: Kind) {
    let reg = generator.alloc(kind.class());
    generator.push_reg(kind, reg);
    end_operator(generator);
}

/// Pushes operands of each kind: results, constants and locals, more than there are registers.
fn push_operands(generator: &mut FuncGen<'_>) {
    for round in 0..9 {
        for kind in [Kind::V128, Kind::I32, Kind::F64] {
            push_result(generator, kind);
        }
        generator.state.push(Value::Const(Kind::V128, round));
        end_operator(generator);
        for local in 0..LOCALS.len() as u32 {
            generator.visit_local_get(local);
            end_operator(generator);
        }
    }
}

#[test]
fn locals_and_operands_are_brought_to_their_slots() {
    with_gen(|generator| {
        begin(generator, &[], &LOCALS);
        push_operands(generator);
        generator.flush_stack(generator.state.stack.len());
        end_operator(generator);
        generator.check_home_slots();
        // Locals that operands stand for are assigned.
        for local in [1, 4] {
            generator.visit_local_get(local);
            end_operator(generator);
            push_result(generator, Kind::V128);
            generator.visit_local_set(local);
            end_operator(generator);
        }
        generator.flush_stack(generator.state.stack.len());
        for reg in generator.state.regs.dirty {
            generator.clean(reg);
        }
        end_operator(generator);
        generator.check_home_slots();
        // Without the vectors, what follows lies elsewhere.
        generator.state.truncate(0);
        end_operator(generator);
        push_operands(generator);
        generator.flush_stack(generator.state.stack.len());
        end_operator(generator);
        generator.check_home_slots();
    });
}

#[test]
fn parameters_are_received() {
    for count in [3, 40] {
        let params: Vec<Kind> = LOCALS.repeat(count / 3);
        with_gen(|generator| {
            begin(generator, &params, &LOCALS);
            for reg in generator.state.regs.dirty {
                generator.clean(reg);
            }
            end_operator(generator);
            generator.check_home_slots();
        });
    }
}

#[test]
fn arguments_and_results_are_passed() {
    for count in [2, 40] {
        let kinds: Vec<Kind> = LOCALS.repeat(count / 2);
        with_gen(|generator| {
            begin(generator, &[], &LOCALS);
            push_result(generator, Kind::V128);
            for &kind in &kinds {
                push_result(generator, kind);
            }
            let sig = CallSignature::of_kinds(&kinds, &kinds);
            generator.flush_many(kinds.len());
            generator.check_begin_fork();
            generator.emit_args(&sig);
            generator.check_end_fork();
            generator.input.sig = Rc::new(sig);
            generator.emit_return();
            end_operator(generator);
        });
    }
}

#[test]
fn many_are_moved_down() {
    with_gen(|generator| {
        begin(generator, &[], &LOCALS);
        push_result(generator, Kind::I64);
        push_result(generator, Kind::V128);
        let from = generator.state.stack.len();
        let kinds: Vec<Kind> = LOCALS.repeat(8);
        for &kind in &kinds {
            push_result(generator, kind);
        }
        generator.flush_stack(generator.state.stack.len());
        end_operator(generator);
        assert!(generator.conform_many(1, from, kinds.len()));
        let mut slot = generator.state.slot_before(1);
        generator.checked(|_, checker| {
            for (i, kind) in kinds.iter().enumerate() {
                slot = slot.next(kind.width());
                let symbol = checker.machine.operands[from + i];
                checker.check_slot(slot, symbol, kind.width());
            }
        });
    });
}
