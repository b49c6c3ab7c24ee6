//! `-D jitdump`: what `perf` makes of the file, and what happens where it can't be written.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::{command, file, path};

/// A program that takes some tenths of a second, in a loop with calls.
const BUSY: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write"
        (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 16) "done\n")
    (func $leaf (param $n i32) (result i32) (local $x i32)
        (loop $next
            (local.set $x (i32.add (i32.mul (local.get $x) (i32.const 31)) (local.get $n)))
            (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (local.get $x))
    (func (export "_start") (local $n i32) (local $sum i32)
        (local.set $n (i32.const 3000))
        (loop $next
            (local.set $sum (i32.add (local.get $sum) (call $leaf (i32.const 100000))))
            (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (i32.store (i32.const 8) (local.get $sum))
        (i32.store (i32.const 0) (i32.const 16))
        (i32.store (i32.const 4) (i32.const 5))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#;

/// An empty folder of one test.
fn folder(name: &str) -> PathBuf {
    let folder = path(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("the folder is writable");
    folder
}

/// The files in a folder whose names begin and end so.
fn files(folder: &Path, begin: &str, end: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let fits = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with(begin) && name.ends_with(end)
    };
    paths.filter(fits).collect()
}

fn perf(folder: &Path, args: &[&str]) -> Option<Output> {
    let mut perf = Command::new("perf");
    // It notes build ids of what it saw in a folder of its own.
    perf.args(args).current_dir(folder).env("HOME", folder);
    perf.output().ok()
}

/// `perf record`, `inject` and `report` find functions by name, and `objdump` finds the code and
/// its lines in what `inject` made.
#[test]
fn perf_names_functions_and_shows_their_code() {
    let folder = folder("perf");
    let program = file("perf.wat", BUSY);
    let upshift = env!("CARGO_BIN_EXE_upshift");
    let record = ["record", "-q", "-k", "mono", "-e", "cpu-clock", "-F", "500"];
    let Some(output) = perf(
        &folder,
        &[&record[..], &["-o", "try.data", "true"]].concat(),
    ) else {
        eprintln!("SKIPPED: there is no perf (Debian's package `linux-perf`)");
        return;
    };
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        eprintln!("SKIPPED: perf can't record here: {stderr}");
        return;
    }
    let ran = |args: &[&str]| {
        let output = perf(&folder, args).expect("perf is there");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{args:?}: {stderr}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let run = ["-o", "perf.data", upshift, "-D", "jitdump", &program];
    ran(&[&record[..], &run].concat());
    let dumps = files(&folder, "jit-", ".dump");
    assert_eq!(dumps.len(), 1, "the current folder has the file");
    ran(&["inject", "--jit", "-i", "perf.data", "-o", "jit.data"]);
    let report = ran(&["report", "-i", "jit.data", "--stdio", "--sort", "sym"]);
    assert!(report.contains("leaf [optimizer]"), "{report}");
    // Most of the time is in it.
    let line = report
        .lines()
        .find(|line| line.contains("leaf [optimizer]"));
    let share = line.and_then(|line| line.trim().split('%').next()?.parse().ok());
    assert!(share > Some(50.0), "{report}");
    let images = files(&folder, "jitted-", ".so");
    assert!(images.len() > 4, "{images:?}");
    check_image(&images);
}

/// The image of the optimized function has its instructions and, as lines, offsets in the module.
fn check_image(images: &[PathBuf]) {
    let objdump = |args: &[&str], image: &Path| {
        let output = Command::new("objdump").args(args).arg(image).output();
        output
            .ok()
            .map(|it| String::from_utf8_lossy(&it.stdout).into_owned())
    };
    let mut images = images.iter();
    let leaf = images.find(|image| {
        objdump(&["-t"], image).is_some_and(|symbols| symbols.contains("leaf [optimizer]"))
    });
    let Some(leaf) = leaf else {
        eprintln!("SKIPPED: there is no objdump (Debian's package `binutils`)");
        return;
    };
    let code = objdump(&["-d"], leaf).unwrap();
    assert!(code.contains("imul") && code.contains("ret"), "{code}");
    let lines = objdump(&["--dwarf=decodedline"], leaf).unwrap();
    assert!(lines.contains("module"), "{lines}");
}

/// The program goes on where its code can't be written: the file ends behind its last whole record,
/// and the command says so at the end.
#[test]
fn a_full_disk_stops_the_file_and_not_the_program() {
    let folder = folder("jitdump-full");
    let program = file("jitdump-full.wat", BUSY.replace("3000", "10"));
    // A file may have 512 bytes.
    let script = r#"ulimit -f 1; exec "$0" -D "jitdump=$1" "$2""#;
    let output = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_upshift")])
        .arg(&folder)
        .arg(&program)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.stdout, b"done\n", "{stderr}");
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("error: cannot write `"), "{stderr}");
    let dump = &files(&folder, "jit-", ".dump")[0];
    let bytes = std::fs::read(dump).unwrap();
    assert!(bytes.len() >= 40 && bytes.len() <= 1024, "{}", bytes.len());
    let mut rest = &bytes[40..];
    while !rest.is_empty() {
        let len = u32::from_ne_bytes(rest[4..8].try_into().unwrap());
        rest = &rest[len as usize..];
    }
    let missing = folder.join("missing");
    let argument = format!("jitdump={}", missing.display());
    let output = command(&["-D", &argument, &program]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("cannot create `"), "{stderr}");
}
