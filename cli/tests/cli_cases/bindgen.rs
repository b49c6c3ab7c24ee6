//! `upshift bindgen`: bindings on standard output or in a file, and errors that say where.

use std::fs;

use crate::{file, upshift};

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
