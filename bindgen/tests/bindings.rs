//! The text of bindings, and what there are none of.

#![forbid(unsafe_code)]

use std::path::Path;

use upshift_bindgen::Bindings;

const SHAPES: &[u8] = include_bytes!("../../tests/programs/bindings/shapes.wasm");
const CONFIG: &str = include_str!("../../tests/programs/bindings/shapes.toml");

fn generate(wasm: &[u8], config: &str) -> Result<String, String> {
    let bindings = Bindings {
        wasm,
        name: "shapes",
        config,
        include: None,
    };
    bindings.generate().map_err(|error| error.to_string())
}

/// Compares with a file beside this one, which `BLESS=1` writes.
fn check_golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = text
        .lines()
        .zip(expected.lines())
        .find(|(new, old)| new != old);
    assert!(
        text == expected,
        "{} differs; BLESS=1 writes it; first: {differs:?}",
        path.display()
    );
}

#[test]
fn debug_information_becomes_bindings() {
    check_golden("dwarf.txt", &generate(SHAPES, "").unwrap());
}

#[test]
fn a_configuration_becomes_bindings() {
    check_golden("configured.txt", &generate(SHAPES, CONFIG).unwrap());
}

#[test]
fn types_alone_become_bindings() {
    let text = r#"(module
        (type $f (func (param i32 i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
        (import "a-b" "log" (func (param i32) (result f64)))
        (import "a-b" "both" (func (param f32) (result i64 f64)))
        (func (export "get-Value") (param $first i32) (param i64) (result f32) (f32.const 0))
        (func $self (export "self") (param $self i32) (param $result i32))
        (func (export "new"))
        (global (export "count") (mut i64) (i64.const 0))
        (global (export "Ratio") f32 (f32.const 0.5))
        (global (export "two") (mut f64) (f64.const 0))
        (global (export "__heap_base") i32 (i32.const 0))
        (global (export "mask") (mut v128) (v128.const i64x2 0 0))
        (global (export "callee") (ref $f) (ref.func $self))
        (global (export "object") (mut externref) (ref.null extern))
        (global (export "handler") (mut funcref) (ref.null func))
        (func (export "two") (result i32 i64) (i32.const 0) (i64.const 0))
        (func (export "not-null") (param (ref extern)))
        (func (export "references") (param externref funcref exnref) (result exnref funcref)
            (local.get 2) (local.get 1))
        (func (export "vector") (param v128) (result v128) (local.get 0)))"#;
    check_golden(
        "types.txt",
        &generate(&wat::parse_str(text).unwrap(), "").unwrap(),
    );
}

/// Beside `values.wat` lies the same in the binary format, for the macro.
#[test]
fn values_in_the_binary_format_are_those_in_text() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/programs/bindings");
    let text = std::fs::read_to_string(folder.join("values.wat")).unwrap();
    let wasm = wat::parse_str(text).unwrap();
    let path = folder.join("values.wasm");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &wasm).unwrap();
    }
    assert!(std::fs::read(&path).unwrap() == wasm, "BLESS=1 writes it");
}

/// Two structs of one name have different layouts, a third one is like the first.
#[test]
fn structs_alike_in_name_only_differ() {
    let wasm = include_bytes!("../../tests/programs/bindings/alike.wasm");
    check_golden("alike.txt", &generate(wasm, "").unwrap());
}

#[test]
fn what_makes_no_sense_is_said() {
    let module = r#"(module
        (import "env" "f" (func (param i32 i32)))
        (memory (export "memory") 1)
        (func (export "g") (param i32 i32) (result i32) (i32.const 0)))"#;
    let wasm = wat::parse_str(module).unwrap();
    for (config, message) in [
        (
            r#"functions = ["g(a: i64) -> i32"]"#,
            "line 1: `g` is (i32, i32) -> (i32) in the module, and its signature means (i64) -> (",
        ),
        (
            r#"functions = ["h()"]"#,
            "line 1: the module has no export `h`; it has g",
        ),
        (
            r#"functions = ["g(a: &P, b: i32) -> i32"]"#,
            "the layout of `a` of `g` is not known",
        ),
        (
            r#"functions = ["g(a: &[*P]) -> *void", "g("]"#,
            "line 1: in `g(`: expected",
        ),
        (
            "\nimports = [\"env.f(a: &[u8; _], n: u32)\"]",
            "line 2: `a` is passed without its length",
        ),
        (
            r#"imports = ["env.g()"]"#,
            "the module has no import `env.g`; it has env.f",
        ),
        (
            r#"functions = ["g(a: i32, b: i32) -> (i32, i64)"]"#,
            "line 1: `g` is (i32, i32) -> (i32) in the module, and its signature means (i32, i32) \
             -> (i32, i64)",
        ),
        (r#"function = []"#, "there is no option `function`"),
    ] {
        let error = generate(&wasm, config).unwrap_err();
        assert!(error.contains(message), "{error}");
    }
    for (module, message) in [
        (
            r#"(module (import "env" "memory" (memory 1)))"#,
            "imports the memory `env.memory`",
        ),
        (r#"(module (memory i64 1))"#, "64-bit addresses"),
        (r#"(component)"#, "this is a component"),
    ] {
        let error = generate(&wat::parse_str(module).unwrap(), "").unwrap_err();
        assert!(error.contains(message), "{error}");
    }
    assert!(
        generate(b"(module)", "")
            .unwrap_err()
            .contains("binary format")
    );
}

/// A damaged module, or debug information, is an error or makes other bindings, nothing worse.
#[test]
fn damaged_modules_do_no_harm() {
    let mut wasm = SHAPES.to_vec();
    for at in 0..wasm.len() {
        for change in [0x01, 0x80, 0xff] {
            wasm[at] ^= change;
            let _ = generate(&wasm, CONFIG);
            let _ = generate(&wasm, "");
            wasm[at] ^= change;
        }
        let _ = generate(&SHAPES[..at], "");
    }
}

/// The lines of bindings outside of comments, where no name of a module can begin one.
fn code_lines(text: &str) -> Vec<&str> {
    let lines = text.split(['\n', '\r']).map(str::trim);
    lines.filter(|line| !line.starts_with("//")).collect()
}

#[test]
fn names_stay_in_their_comments_and_apart() {
    let text = r#"(module
        (import "a" "log" (func (param i32)))
        (import "b" "log" (func))
        (import "h\npwned!();" "x\rpwned!();" (func))
        (memory 1)
        (func (export "f\npwned!();") (param i32 i32 i32))
        (func (export "g\n\"\\*/{}pwned!();") (param (ref extern)))
        (global (export "i\npwned!();") i32 (i32.const 0))
        (func (export "k") (param i32 i32)))"#;
    let wasm = wat::parse_str(text).unwrap();
    let config = "functions = [\"k(text: cstr, text_at: *h)\"]\n[structs]\nh = \"x: u8\"";
    let text = generate(&wasm, config).unwrap();
    let injected = code_lines(&text)
        .into_iter()
        .find(|line| line.starts_with("pwned") || line.contains("}pwned"));
    assert_eq!(injected, None, "{text}");
    // Two traits have a method `log`; the struct `H` is not the host's type.
    assert!(
        text.contains("AImports::log(host, &mut memory, p0)?"),
        "{text}"
    );
    assert!(text.contains("BImports::log(host, &mut memory)?"), "{text}");
    assert!(text.contains("pub struct Shapes<H_2: AImports"), "{text}");
    // The address of the first is a variable with the second's name.
    assert!(
        text.contains("text: &str, text_at_2: ::upshift::guest::Ptr<H>"),
        "{text}"
    );
}

#[test]
fn many_names_alike_differ() {
    const COUNT: u32 = 20_000;
    let mut text = "(module (func $f)".to_owned();
    for index in 0..COUNT {
        // Sixteen digits of two kinds, neither of which is in an identifier.
        let digits = format!("{index:016b}").replace('0', "-").replace('1', "+");
        text += &format!("(export \"a{digits}\" (func $f))");
    }
    text += ")";
    let text = generate(&wat::parse_str(&text).unwrap(), "").unwrap();
    assert!(text.contains(&format!("a_{COUNT}:")));
}

#[test]
fn what_typed_functions_do_not_have_is_said() {
    let params = "i32 ".repeat(17);
    let module = format!(
        r#"(module (import "env" "f" (func (param i32 i32))) (func (export "g") (param {params})))"#
    );
    let wasm = wat::parse_str(&module).unwrap();
    let params: Vec<String> = (0..17).map(|index| format!("p{index}: i32")).collect();
    let config = format!("functions = [\"g({})\"]", params.join(", "));
    let error = generate(&wasm, &config).unwrap_err();
    assert!(
        error.contains("line 1: `g` has 17 parameters, more than 16"),
        "{error}"
    );
    let results = "i32 ".repeat(17);
    let module = format!(r#"(module (func (export "h") (result {results}) unreachable))"#);
    let text = generate(&wat::parse_str(&module).unwrap(), "").unwrap();
    assert!(
        text.contains("`h` has no method: it has 17 results, more than 16"),
        "{text}"
    );
    let error = generate(&wasm, "imports = [\"env.f(text: &str)\"]").unwrap_err();
    assert!(
        error.contains("line 1: the module has no memory that `text`"),
        "{error}"
    );
}
