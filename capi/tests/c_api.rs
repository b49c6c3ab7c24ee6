//! The C API as C programs see it: the headers with the system's compilers, what they declare
//! against what the library exports, and programs that use it, in every strategy.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::{env, fs};

/// The folder of the package.
fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder of the shared library: cargo puts it beside this test, which links the same package.
fn library_dir() -> PathBuf {
    let test = env::current_exe().expect("the path of this test");
    let dir = test.parent().expect("a folder").to_owned();
    let library = dir.join("libupshift_capi.so");
    assert!(library.exists(), "{} is missing", library.display());
    dir
}

/// A folder for what this test makes.
fn scratch() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

const STRICT: [&str; 5] = ["-Wall", "-Wextra", "-pedantic", "-Werror", "-pthread"];

fn run(command: &mut Command) -> Output {
    let output = command.output();
    output.unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"))
}

/// Runs a command that must succeed; returns what it printed.
fn run_well(command: &mut Command) -> String {
    let output = run(command);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{error}",
        output.status
    );
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn include() -> String {
    format!("-I{}", package().join("include").display())
}

/// Compiles C files to a program that uses the shared library.
fn compile(name: &str, sources: &[PathBuf]) -> PathBuf {
    let (program, library) = (scratch().join(name), library_dir());
    let mut cc = Command::new("cc");
    cc.args(["-std=c11", "-g"]).args(STRICT).arg(include());
    cc.args(sources).arg("-o").arg(&program);
    cc.arg(format!("-L{}", library.display()))
        .arg("-lupshift_capi");
    cc.arg(format!("-Wl,-rpath,{}", library.display()));
    run_well(&mut cc);
    program
}

/// The program of `tests/c`, compiled once.
fn checks() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let files = fs::read_dir(package().join("tests/c")).expect("a folder");
        let files = files.map(|file| file.expect("a file").path());
        let sources: Vec<PathBuf> = files
            .filter(|path| path.extension().is_some_and(|found| found == "c"))
            .collect();
        compile("checks", &sources)
    })
}

fn check_in(mode: &str) {
    run_well(Command::new(checks()).arg(mode).current_dir(scratch()));
}

#[test]
fn programs_work_in_the_baseline() {
    check_in("baseline");
}

#[test]
fn programs_work_in_the_optimizer() {
    check_in("optimizer");
}

#[test]
fn programs_work_while_functions_change_tiers() {
    check_in("tiered");
}

#[test]
fn programs_work_while_tiers_change_at_random() {
    check_in("zeal");
}

#[test]
fn mistakes_end_the_process_with_a_message() {
    let cases = [
        ("null", "`func` is NULL"),
        ("kind", "a module, trap or foreign object was passed"),
        ("stream", "by the function of a stream"),
    ];
    for (what, message) in cases {
        let output = run(Command::new(checks()).args(["misuse", what]));
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            output.status.signal(),
            Some(libc::SIGABRT),
            "{what}: {error}"
        );
        assert!(error.contains(message), "{what}: {error}");
    }
}

#[test]
fn the_example_works() {
    let program = compile("plugin", &[package().join("examples/plugin.c")]);
    let found = run_well(Command::new(&program).args(["some", "words  more"]));
    assert_eq!(found, "word 1: some\nword 2: words\nword 3: more\n");
    let output = run(&mut Command::new(&program));
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("the plugin failed: unreachable"), "{text}");
    assert!(text.contains("plugin!scan"), "{text}");
}

const HEADERS: [&str; 2] = ["wasm.h", "upshift.h"];

/// Checks that a compiler accepts each header alone and twice.
fn accepts(compiler: &str, language: &str, standard: &str) {
    for header in HEADERS {
        let source = scratch().join(format!("include-{header}.{language}"));
        let text = format!("#include \"{header}\"\n#include \"{header}\"\n");
        fs::write(&source, text).expect("a writable folder");
        let mut command = Command::new(compiler);
        command.arg(standard).args(STRICT).arg(include());
        run_well(command.arg("-fsyntax-only").arg(&source));
    }
}

#[test]
fn the_headers_are_c11() {
    accepts("cc", "c", "-std=c11");
}

#[test]
fn the_headers_are_c_plus_plus() {
    if Command::new("c++").arg("--version").output().is_ok() {
        accepts("c++", "cc", "-std=c++11");
    }
}

/// Whether a character can be part of a name of C.
fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The names of this API that stand before an opening parenthesis.
fn called(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices('(').filter_map(|(at, _)| {
        let before = text[..at].trim_end();
        let start = before.rfind(|c| !is_name(c)).map_or(0, |at| at + 1);
        let name = &before[start..];
        (name.starts_with("wasm_") || name.starts_with("upshift_")).then_some(name)
    })
}

#[test]
fn the_headers_declare_what_the_library_exports() {
    let source = scratch().join("declarations.c");
    fs::write(&source, "#include \"upshift.h\"\n").expect("a writable folder");
    let text = run_well(
        Command::new("cc")
            .args(["-E", "-P"])
            .arg(include())
            .arg(&source),
    );
    // Functions that the header defines stand behind `static inline`; what they call is declared.
    let inline: BTreeSet<&str> = text
        .split("static inline")
        .skip(1)
        .filter_map(|text| called(text).next())
        .collect();
    assert!(inline.len() > 20, "{inline:?}");
    let declared: BTreeSet<&str> = called(&text)
        .filter(|name| !inline.contains(name))
        .collect();
    let library = library_dir().join("libupshift_capi.so");
    let symbols = run_well(
        Command::new("nm")
            .args(["-D", "--defined-only"])
            .arg(library),
    );
    let names = symbols
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2));
    let exported: BTreeSet<&str> = names.collect();
    let missing: Vec<_> = declared.difference(&exported).collect();
    assert!(
        missing.is_empty(),
        "declared, but not exported: {missing:?}"
    );
    let hidden: Vec<_> = exported.difference(&declared).collect();
    assert!(hidden.is_empty(), "exported, but not declared: {hidden:?}");
    assert!(exported.len() > 300, "{}", exported.len());
}

#[test]
fn the_header_numbers_traps_as_the_engine_does() {
    let header = fs::read_to_string(package().join("include/upshift.h")).expect("the header");
    for &code in upshift::Trap::ALL {
        let mut name = String::from("UPSHIFT_TRAP");
        for c in format!("{code:?}").chars() {
            if c.is_ascii_uppercase() {
                name.push('_');
            }
            name.push(c.to_ascii_uppercase());
        }
        let line = format!("  {name} = {}", code as u8);
        let found = header
            .lines()
            .any(|found| found.trim_end_matches(',') == line);
        assert!(found, "`{line}` is not in the header");
    }
    let count = header.matches("  UPSHIFT_TRAP_").count();
    assert_eq!(count, upshift::Trap::ALL.len());
}

/// The file for pkg-config names what the package of the library builds.
#[test]
fn the_library_has_the_name_that_programs_link() {
    let manifest = fs::read_to_string(package().join("library/Cargo.toml")).expect("a manifest");
    let template = fs::read_to_string(package().join("upshift.pc.in")).expect("the template");
    assert!(manifest.contains("name = \"upshift\"\ncrate-type = [\"cdylib\", \"staticlib\"]"));
    assert!(template.contains("-L${libdir} -lupshift\n"), "{template}");
}
