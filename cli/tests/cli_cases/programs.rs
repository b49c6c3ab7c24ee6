//! Programs: output, arguments, variables, directories, exit codes, functions by name.

use crate::{MATH, command, file, path, upshift, upshift_in_every_mode, upshift_with_input};

/// A program that prints its arguments or variables, as it gets them from WASI: `args` or
/// `environ`.
pub fn echo(what: &str) -> String {
    format!(
        r#"(module
            (import "wasi_snapshot_preview1" "{what}_get" (func $get (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "{what}_sizes_get"
                (func $sizes (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_write"
                (func $write (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (func (export "_start")
                (drop (call $sizes (i32.const 0) (i32.const 4)))
                (drop (call $get (i32.const 1024) (i32.const 4096)))
                (i32.store (i32.const 8) (i32.const 4096))
                (i32.store (i32.const 12) (i32.load (i32.const 4)))
                (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 16)))))"#
    )
}

fn exits_with(code: i32) -> String {
    format!(
        r#"(module
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") 1)
            (func (export "_start") (call $exit (i32.const {code}))))"#
    )
}

#[test]
fn arguments_follow_the_file() {
    let program = file("arguments.wat", echo("args"));
    let args = [program.as_str(), "a", "--env", "-T", "", "ü"];
    upshift_in_every_mode(&args, |ran| {
        assert_eq!(ran.success(), "arguments.wat\0a\0--env\0-T\0\0ü\0");
    });
    assert_eq!(
        upshift(&["run", &program, "run"]).success(),
        "arguments.wat\0run\0"
    );
}

#[test]
fn variables_are_set_or_passed_on() {
    let program = file("variables.wat", echo("environ"));
    assert_eq!(upshift(&[&program]).success(), "");
    let mut command = command(&["--env", "A=1=2", "--env", "PASSED", &program]);
    let output = command.env("PASSED", "on").output().unwrap();
    assert_eq!(output.stdout, b"A=1=2\0PASSED=on\0");
}

#[test]
fn exit_codes_pass_through() {
    for code in [0, 1, 2, 42, 134, 255] {
        let program = file(&format!("exit-{code}.wat"), exits_with(code));
        let ran = upshift(&[&program]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(code), ""));
    }
}

#[test]
fn functions_are_invoked_by_name() {
    let math = file("invoke.wat", MATH);
    upshift_in_every_mode(&["--invoke", "add", &math, "40", "2"], |ran| {
        assert_eq!(ran.success(), "42\n");
    });
    let results = |args: &[&str]| upshift(args).success();
    assert_eq!(results(&["--invoke", "add", &math, "-1", "0x10"]), "15\n");
    assert_eq!(
        results(&["--invoke", "divide", &math, "-7", "2"]),
        "-3\n-1\n"
    );
    assert_eq!(results(&["--invoke", "half", &math, "1"]), "0.5\n");
    assert_eq!(results(&["--invoke", "half", &math, "inf"]), "inf\n");
}

#[test]
fn standard_input_is_a_module_too() {
    let binary = wat::parse_str(MATH).unwrap();
    for module in [MATH.as_bytes(), &binary] {
        let ran = upshift_with_input(&["--invoke", "add", "-", "1", "2"], module);
        assert_eq!(ran.success(), "3\n");
    }
}

#[test]
fn a_library_says_what_it_offers() {
    let math = file("library.wat", MATH);
    let ran = upshift(&[&math]);
    assert_eq!(ran.code, Some(0));
    assert!(
        ran.stderr.contains("`add`, `divide`, `half`"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_directory_is_visible_under_its_name() {
    let folder = path("visible");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("note.txt"), "read through WASI").unwrap();
    let program = file("directory.wat", READS_A_FILE);
    let dir = format!("{}::/data", folder.display());
    upshift_in_every_mode(&["--dir", &dir, &program], |ran| {
        assert_eq!(ran.success(), "read through WASI");
    });
    let stderr = upshift(&[&program]).failure(134);
    assert!(
        stderr.contains("unreachable"),
        "without the directory: {stderr}"
    );
}

/// Opens `note.txt` in the first directory, and prints its first bytes.
const READS_A_FILE: &str = r#"(module
    (import "wasi_snapshot_preview1" "path_open"
        (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 64) "note.txt")
    (func (export "_start")
        (if (call $open (i32.const 3) (i32.const 0) (i32.const 64) (i32.const 8) (i32.const 0)
                (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 0))
            (then unreachable))
        (i32.store (i32.const 8) (i32.const 1024))
        (i32.store (i32.const 12) (i32.const 100))
        (if (call $read (i32.load (i32.const 0)) (i32.const 8) (i32.const 1) (i32.const 16))
            (then unreachable))
        (i32.store (i32.const 12) (i32.load (i32.const 16)))
        (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 16)))))"#;

/// Code that is compiled when a module is loaded reaches every kind of mapping.
#[test]
fn eager_code_is_written_to_anonymous_memory_too() {
    let program = file("eager-anonymous.wat", crate::MATH);
    for mapping in ["code-mapping=anonymous", "code-mapping=memory-file"] {
        let args = [
            "-C", "eager", "-W", mapping, "--invoke", "add", &program, "1", "2",
        ];
        assert_eq!(upshift(&args).success(), "3\n");
    }
}
