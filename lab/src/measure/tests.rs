//! Measurements of small programs, computed by hand.

use upshift_tiering::policy::Hint;

use super::hints::{Origin, hints};
use super::rental::{Paid, Rule, pay};
use super::*;
use crate::machine::tests::workload;
use crate::trace::{Function, Header};

/// A program whose functions take 100 ns to compile at the top level, where they are twice as fast,
/// and have this work at level 0, half of it in each of two slices.
fn program(module: u8, work: &[f64]) -> (Trace, Workload) {
    let costs = vec![(0.0, 100.0); work.len()];
    let part = |(function, &ns): (usize, &f64)| (function, 1.0, ns, ns / 2.0, ns / 4.0);
    let parts: Vec<_> = work.iter().enumerate().map(part).collect();
    let function = |number| Function {
        index: 10 * number,
        ..Function::default()
    };
    let trace = Trace {
        header: Header {
            module: [module; 32],
            ..Header::default()
        },
        functions: (0..work.len() as u32).map(function).collect(),
        slices: Vec::new(),
        complete: true,
    };
    (trace, workload(&costs, &[(5.0, &parts), (5.0, &parts)]))
}

/// What a rule pays for the first of two inputs of one program, beside another program.
fn paid(rule: &str, source: &str) -> Paid {
    let programs = [
        program(1, &[1_000.0, 400.0, 40.0]),
        program(2, &[4_000.0, 10.0]),
        program(1, &[20.0, 4_000.0, 4_000.0]),
    ];
    let runs = programs
        .each_ref()
        .map(|(trace, workload)| Recorded { trace, workload });
    let hints = hints(source.parse().unwrap(), runs[0], &runs[1..]).unwrap();
    let others = [runs[1].workload, runs[2].workload];
    pay(rule.parse().unwrap(), runs[0].workload, &others, &hints)
}

#[test]
fn rules_of_ski_rental_by_hand() {
    let cost = |rule: &str| paid(rule, "none").cost;
    // Rents of 500, 200 and 20, at a price of 100 each.
    assert_eq!(cost("at:1"), 200.0 + 200.0 + 20.0);
    assert_eq!(paid("at:1", "none").optimum, 220.0);
    assert_eq!(paid("at:1", "none").ratio(), 420.0 / 220.0);
    assert_eq!(paid("at:0.1", "none").worst, 110.0 / 20.0);
    assert_eq!(cost("at:0"), 300.0);
    assert_eq!(cost("at:inf"), 720.0);
    assert_eq!(cost("at:3"), 400.0 + 200.0 + 20.0);
    // The functions of the others rent for 10, 2000, 2000, 2000 and 5: 1203 on average.
    let part = 100.0 / 1203.0;
    let exponential = 3.0 * (100.0 * part + 100.0);
    assert!((cost("exponential") - exponential).abs() < 1e-9);
    // Best for the others: as early as possible behind what the idle ones rent, a tenth.
    let fitted = paid("fitted", "none").part.unwrap();
    assert!(fitted > 0.1 && fitted < 0.11, "{fitted}");
    for wrong in ["at", "at:-1", "hinted:0", "best", "random:1"] {
        assert!(wrong.parse::<Rule>().is_err(), "{wrong}");
    }
}

#[test]
fn predictions_move_what_is_paid_by_hand() {
    let cost = |source: &str| paid("hinted:0.5", source).cost;
    // Without: at the price. Right: half the price before buying, and never for the third.
    assert_eq!(cost("none"), 420.0);
    assert_eq!(cost("own"), 150.0 + 150.0 + 20.0);
    // Another input: the first is expected to be idle and buys at twice the price; the third is
    // expected to be busy and would buy at half.
    assert_eq!(cost("other"), 300.0 + 150.0 + 20.0);
    // Inverted: the first is expected to be as idle as the third is, and the second as it is.
    assert_eq!(cost("inverted"), 300.0 + 150.0 + 20.0);
    // Only what paid in the other run is known: the second buys at half the price.
    assert_eq!(cost("other-hot"), 200.0 + 150.0 + 20.0);
    assert_eq!(cost("own-hot"), 150.0 + 150.0 + 20.0);
    // Another program: two functions, of which the second is idle, so it buys at twice the price.
    assert_eq!(cost("wrong"), 150.0 + 300.0 + 20.0);
}

#[test]
fn hints_are_of_the_same_functions() {
    let (mut first, second) = (program(1, &[1.0, 400.0]), program(1, &[7.0, 0.0, 50.0]));
    // The first input's recording knows the functions 10 and 20.
    first.0.functions[0].index = 10;
    first.0.functions[1].index = 20;
    let run = |(trace, workload): &'static (Trace, Workload)| Recorded { trace, workload };
    let (first, second): (&_, &_) = (Box::leak(first.into()), Box::leak(second.into()));
    let expected = |hints: Vec<Option<Hint>>| -> Vec<_> {
        let units = hints.into_iter().map(|hint| hint.unwrap().expected_units);
        units.map(|units| units.unwrap() > 100).collect()
    };
    let found = hints(Origin::Other, run(first), &[run(second)]).unwrap();
    assert_eq!(expected(found), [false, true]);
    // The other way round there is nothing about function 0.
    let found = hints(Origin::Other, run(second), &[run(first)]).unwrap();
    assert_eq!(found[0].unwrap().expected_units, Some(0));
    assert_eq!(expected(found), [false, false, true]);
    assert_eq!(hints(Origin::Wrong, run(first), &[run(second)]), None);
}
