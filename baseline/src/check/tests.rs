//! Faults that are made on purpose are found, and compiling without them finds none.

use std::cell::Cell;
use std::sync::Once;

use upshift_abi::compiler::CompileRequest;
use upshift_abi::facts::decode;

use crate::asm::record::faults::{Fault, Plan};
use crate::options::{Ablation, BaselineOptions, Counters};
use crate::session::compile_with_fault;

/// A module in which every kind of merge happens, between states that differ.
const MERGES: &str = include_str!("merges.wat");

/// What became of the occasions for a fault.
#[derive(Debug, Default)]
struct Tally {
    found: u32,
    /// The functions and occasions where nothing was found.
    missed: Vec<(String, u32)>,
}

/// Compiles each function with the fault at each occasion for it.
fn tally(fault: Fault, options: &BaselineOptions) -> Tally {
    silence_planned_panics();
    let wasm = wat::parse_str(MERGES).expect("a valid module");
    let mut facts = decode(&wasm).expect("a valid module").facts;
    facts.number_types();
    let mut tally = Tally::default();
    for func in facts.defined_funcs() {
        for occasion in 0..1000 {
            let request = CompileRequest::new(&facts, &wasm, func);
            let plan = Plan {
                fault,
                occasion,
                done: false,
            };
            let (done, panicked) = quietly(|| compile_with_fault(options, request, plan));
            let name = || facts.func_name(facts.func_index(func)).unwrap_or("");
            match (done, panicked) {
                (false, _) => break,
                (true, true) => tally.found += 1,
                (true, false) => tally.missed.push((name().into(), occasion)),
            }
        }
    }
    println!("{fault:?}: {tally:?}");
    tally
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

fn quietly<T>(run: impl FnOnce() -> T) -> T {
    QUIET.set(true);
    let result = run();
    QUIET.set(false);
    result
}

/// Panics that [`quietly`] expects print nothing.
fn silence_planned_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                print(info);
            }
        }));
    });
}

fn with_counters() -> BaselineOptions {
    BaselineOptions {
        counters: Counters {
            entry: Some(10),
            loops: Some(300),
        },
        osr: true,
        ..BaselineOptions::default()
    }
}

/// All occasions for the fault are found, and there are at least so many.
fn always_found(fault: Fault, at_least: u32) {
    let tally = tally(fault, &with_counters());
    assert!(tally.missed.is_empty(), "{fault:?}: {:?}", tally.missed);
    assert!(tally.found >= at_least, "{fault:?}: {}", tally.found);
}

#[test]
fn a_broken_cycle_of_moves_is_found() {
    always_found(Fault::BrokenCycle, 4);
}

#[test]
fn a_missing_move_is_found() {
    always_found(Fault::SkippedMove, 20);
}

#[test]
fn a_move_to_the_wrong_register_is_found() {
    always_found(Fault::WrongRegister, 20);
}

#[test]
fn a_missing_store_is_found() {
    always_found(Fault::SkippedStore, 40);
}

#[test]
fn an_access_to_the_wrong_slot_is_found() {
    always_found(Fault::WrongSlot, 60);
}

#[test]
fn a_label_that_takes_a_slot_for_up_to_date_is_found() {
    always_found(Fault::ForgottenDirty, 1);
}

#[test]
fn a_misread_assignment_is_found() {
    always_found(Fault::WrongTarget, 4);
}

#[test]
fn a_loop_that_copies_too_few_slots_is_found() {
    always_found(Fault::ShortCopy, 1);
}

#[test]
fn the_module_compiles_without_faults() {
    let on = Ablation::default();
    let ablations = [
        on,
        Ablation {
            registers_across_labels: false,
            ..on
        },
        Ablation {
            register_locals: false,
            ..on
        },
        Ablation {
            target_locals: false,
            ..on
        },
    ];
    for ablation in ablations {
        let options = BaselineOptions {
            ablation,
            ..with_counters()
        };
        // There are more occasions than this for nothing: it never comes.
        let wasm = wat::parse_str(MERGES).expect("a valid module");
        let mut facts = decode(&wasm).expect("a valid module").facts;
        facts.number_types();
        for func in facts.defined_funcs() {
            let plan = Plan {
                fault: Fault::ShortCopy,
                occasion: u32::MAX,
                done: false,
            };
            let request = CompileRequest::new(&facts, &wasm, func);
            assert_eq!(compile_with_fault(&options, request, plan), (false, false));
        }
    }
}
