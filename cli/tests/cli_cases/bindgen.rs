//! `upshift bindgen`: bindings on standard output or in a file, and errors that say where.

use std::fs;

use crate::{Ran, command, file, upshift};

const MODULE: &str = r#"(module
    (memory (export "memory") 1)
    (func (export "sum") (param $bytes i32) (param $length i32) (result i32) (i32.const 0)))"#;

#[test]
fn bindings_are_printed_or_written() {
    let module = file("sums.wasm", wat::parse_str(MODULE).unwrap());
    let printed = upshift(&["bindgen", &module]).success();
    let method = "pub fn sum(&mut self, bytes: i32, length: i32) -> ::upshift::Result<i32> {";
    assert!(
        printed.contains("pub struct Sums {") && printed.contains(method),
        "{printed}"
    );

    let config = file("sums.toml", r#"functions = ["sum(bytes: &[u8]) -> u32"]"#);
    let output = file("sums.rs", "");
    let args = [
        "bindgen", "--config", &config, "--name", "adder", "-o", &output, &module,
    ];
    assert_eq!(upshift(&args).success(), "");
    let written = fs::read_to_string(&output).unwrap();
    let method = "pub fn sum(&mut self, bytes: &[u8]) -> ::upshift::Result<u32> {";
    assert!(
        written.contains("pub struct Adder {") && written.contains(method),
        "{written}"
    );
}

#[test]
fn what_has_no_bindings_is_said() {
    let module = file("no_sums.wasm", wat::parse_str(MODULE).unwrap());
    let config = file("no_sums.toml", "functions = [\n  \"sums()\"\n]");
    let error = upshift(&["bindgen", "--config", &config, &module]).failure(1);
    assert!(
        error.contains("line 2: the module has no export `sums`; it has sum"),
        "{error}"
    );
    assert!(error.contains("no_sums.toml"), "{error}");
    let error = upshift(&["bindgen", &config]).failure(1);
    assert!(
        error.contains("no WebAssembly module in the binary format"),
        "{error}"
    );
    let error = upshift(&["bindgen", "missing.wasm"]).failure(1);
    assert!(error.contains("cannot read `missing.wasm`"), "{error}");
    upshift(&["bindgen", "--conf", &module]).failure(2);
    assert!(upshift(&["help", "bindgen"]).success().contains("--config"));
}

/// The examples' bindings are committed, so that they are built without the modules; rustfmt has
/// set other spaces and commas.
#[test]
fn the_examples_have_what_the_command_prints() {
    let tokens = |text: &str| text.replace([' ', '\n', ','], "");
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    for (example, module) in [
        ("sqlite", "sqlite3"),
        ("markdown", "markdown"),
        ("template", "template"),
    ] {
        let config = format!("examples/{example}/{module}.toml");
        let module = format!("corpus/reactors/{module}.wasm");
        let mut command = command(&["bindgen", "--config", &config, &module]);
        let printed = Ran::from(command.current_dir(root).output().unwrap()).success();
        let file = format!("{root}/examples/{example}/bindings.rs");
        let committed = fs::read_to_string(&file).unwrap();
        assert!(
            tokens(&printed) == tokens(&committed),
            "{file} is not what is printed"
        );
    }
}
