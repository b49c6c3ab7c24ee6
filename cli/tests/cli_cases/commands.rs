//! Commands around a run: completion, manual pages, preloaded modules, files of options, colour.

use std::ffi::OsStr;
use std::process::Command;

use crate::{file, path, upshift};

const COMMANDS: [&str; 8] = [
    "run",
    "report",
    "explore",
    "bindgen",
    "hints",
    "lab",
    "completion",
    "man",
];

#[test]
fn help_lists_the_commands_and_each_teaches() {
    let help = upshift(&["help"]).success();
    for name in COMMANDS {
        assert!(help.contains(&format!("\n  {name} ")), "{name}: {help}");
        let help = upshift(&["help", name]).success();
        assert!(help.contains("Examples:"), "{name}: {help}");
        assert!(help.contains("Usage: upshift"), "{name}: {help}");
    }
    let stderr = upshift(&["help", "explor"]).failure(2);
    assert!(
        stderr.contains("did you mean `upshift explore`?"),
        "{stderr}"
    );
    let stderr = upshift(&["help", "zzzz"]).failure(2);
    assert!(stderr.contains("there are run, report"), "{stderr}");
    let stderr = upshift(&["explor"]).failure(1);
    assert!(
        stderr.contains("did you mean `upshift explore`?"),
        "{stderr}"
    );
}

#[test]
fn shells_complete_commands_and_options() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = upshift(&["completion", shell]).success();
        for part in ["explore", "simulate", "profile-in", "env-inherit"] {
            assert!(script.contains(part), "{shell}: {part}");
        }
    }
    let stderr = upshift(&["completion", "bsh"]).failure(2);
    assert!(
        stderr.contains("bash") && stderr.contains("zsh"),
        "{stderr}"
    );
    // Bash, where it is, takes the script and completes a command's name.
    let folder = path("completion");
    std::fs::create_dir_all(&folder).unwrap();
    let script = folder.join("upshift.bash");
    std::fs::write(&script, upshift(&["completion", "bash"]).success()).unwrap();
    let ask = format!(
        "source '{}'; COMP_WORDS=(upshift expl); COMP_CWORD=1; _upshift upshift expl upshift; \
         echo \"${{COMPREPLY[@]}}\"",
        script.display()
    );
    if let Ok(output) = Command::new("bash").args(["-c", &ask]).output() {
        let reply = String::from_utf8_lossy(&output.stdout);
        assert_eq!(reply.trim(), "explore", "{output:?}");
    }
}

#[test]
fn manual_pages_are_printed_and_written() {
    let page = upshift(&["man"]).success();
    for part in [
        ".TH upshift 1",
        "max\\-stack",
        "ski\\-rental",
        ".SH EXTRA",
        "explore",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let folder = path("man");
    let _ = std::fs::remove_dir_all(&folder);
    let folder = folder.display().to_string();
    upshift(&["man", "-o", &folder]).success();
    for name in [
        "",
        "-report",
        "-explore",
        "-lab",
        "-lab-run",
        "-hints-write",
        "-man",
    ] {
        let page = std::fs::read_to_string(format!("{folder}/upshift{name}.1")).unwrap();
        assert!(page.contains(".SH SYNOPSIS"), "{name}: {page}");
    }
    let stderr = upshift(&["man", "-o", "/dev/null/x"]).failure(1);
    assert!(stderr.contains("cannot create `/dev/null/x`"), "{stderr}");
}

#[test]
fn a_program_imports_from_preloaded_modules() {
    let counter = file(
        "counter.wat",
        r#"(module (global $n (mut i32) (i32.const 0))
            (func (export "_initialize") (global.set $n (i32.const 40)))
            (func (export "next") (result i32)
                (global.set $n (i32.add (global.get $n) (i32.const 1))) (global.get $n)))"#,
    );
    let twice = file(
        "twice.wat",
        r#"(module (import "counter" "next" (func $next (result i32)))
            (func (export "twice") (result i32) (drop (call $next)) (call $next)))"#,
    );
    let program = file(
        "preloading.wat",
        r#"(module (import "lib" "twice" (func $twice (result i32)))
            (func (export "f") (result i32) (call $twice)))"#,
    );
    let (counter, lib) = (format!("counter={counter}"), format!("lib={twice}"));
    let arguments = [
        "--preload",
        &counter,
        "--preload",
        &lib,
        "--invoke",
        "f",
        &program,
    ];
    assert_eq!(upshift(&arguments).success().trim(), "42");
    // Each of several runs has instances of its own.
    let repeated = [&["--iterations", "2"], &arguments[..]].concat();
    assert_eq!(upshift(&repeated).success().trim(), "42\n44");
    let stderr = upshift(&["--preload", &lib, "--invoke", "f", &program]).failure(1);
    assert!(stderr.contains("cannot preload `lib` from"), "{stderr}");
    assert!(stderr.contains("counter::next"), "{stderr}");
    let stderr = upshift(&["--preload", "lib", &program]).failure(2);
    assert!(
        stderr.contains("--preload takes NAME=FILE, not `lib`"),
        "{stderr}"
    );
}

#[test]
fn options_come_from_a_file_and_the_command_line_goes_before() {
    let program = file(
        "configured.wat",
        "(module (func (export \"_start\") (loop (br 0))))",
    );
    let config = file(
        "options.toml",
        "timeout = '50ms'\n[tiering]\nmode = 'baseline'\n",
    );
    let stderr = upshift(&["--config", &config, &program]).failure(124);
    assert!(stderr.contains("timed out after 50ms"), "{stderr}");
    assert!(stderr.contains("(baseline)"), "{stderr}");
    let stderr = upshift(&["-W", "timeout=60ms", "--config", &config, &program]).failure(124);
    assert!(stderr.contains("timed out after 60ms"), "{stderr}");
    let wrong = file("wrong.toml", "\n[compile]\nopt-lvel = 'none'\n");
    let stderr = upshift(&["--config", &wrong, &program]).failure(2);
    let message = "line 3: there is no option `opt-lvel`; did you mean `opt-level`?";
    assert!(
        stderr.contains("wrong.toml`, ") && stderr.contains(message),
        "{stderr}"
    );
    let stderr = upshift(&["--config", "no-such.toml", &program]).failure(2);
    assert!(stderr.contains("cannot read `no-such.toml`"), "{stderr}");
}

#[test]
fn colour_is_where_it_is_wanted() {
    let colored = |variables: &[(&str, &str)], arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_upshift"));
        command
            .args(arguments)
            .env_remove("NO_COLOR")
            .env_remove("CLICOLOR_FORCE");
        command.envs(
            variables
                .iter()
                .map(|(name, value)| (OsStr::new(name), OsStr::new(value))),
        );
        let output = command.output().expect("the command runs");
        String::from_utf8_lossy(&output.stderr).contains("\u{1b}[")
    };
    let missing: &[&str] = &["/no/such/file.wasm"];
    for arguments in [missing, &["--no-such-option"]] {
        assert!(!colored(&[], arguments), "a pipe has no colours");
        assert!(
            colored(&[("CLICOLOR_FORCE", "1")], arguments),
            "{arguments:?}"
        );
        assert!(!colored(
            &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")],
            arguments
        ));
    }
}

#[test]
fn what_is_no_module_is_called_what_it_is() {
    let component = file("component.wasm", b"\0asm\x0d\0\x01\0");
    let stderr = upshift(&[&component]).failure(1);
    assert!(stderr.contains("this is a component"), "{stderr}");
    let gc = file(
        "gc.wat",
        "(module (type (func)) (type (struct (field i32))))",
    );
    let stderr = upshift(&[&gc]).failure(1);
    assert!(
        stderr.contains("Upshift does not support GC (type 1 needs `gc`"),
        "{stderr}"
    );
}
