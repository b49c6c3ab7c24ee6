//! Loading from files: what is read is what runs, and what can't be read or is invalid is refused.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use upshift::{Config, Engine, Instance, Module, Store};

/// A folder for files of one test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

/// A module of several pieces in a file, whose last function returns `result`.
fn large_module(result: &str) -> Vec<u8> {
    let filler = "(func (result i32) i32.const 70000 i32.const 80000 i32.add)".repeat(2000);
    let data = "x".repeat(3 << 20);
    let text = format!(
        "(module (memory 64) {filler} (func (export \"f\") (result i32) {result})
             (data (i32.const 0) \"{data}\"))"
    );
    wat::parse_str(text).unwrap()
}

#[test]
fn a_file_that_changes_after_loading_changes_nothing() {
    let folder = Folder::new("changing-module");
    let wasm = large_module("i32.const 7");
    let path = folder.file("changing.wasm", &wasm);
    for eager in [false, true] {
        fs::write(&path, &wasm).unwrap();
        let engine = Engine::new(Config::new().eager(eager)).unwrap();
        let module = Module::from_file(&engine, &path).unwrap();
        // Zeros in place of bodies that were validated, then an empty file: had the process mapped
        // it, the next access would end the process with SIGBUS.
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.write_all_at(&vec![0; wasm.len()], 0).unwrap();
        file.set_len(0).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let f = instance.get_typed_func::<(), i32>(&mut store, "f").unwrap();
        assert_eq!(f.call(&mut store, ()).unwrap(), 7);
    }
}

#[test]
fn files_are_refused_with_the_errors_of_their_bytes() {
    let folder = Folder::new("refused-modules");
    let wasm = large_module("i32.const 7");
    let invalid = large_module("i64.const 7");
    let engine = Engine::default();
    let cases = [
        ("cut", &wasm[..wasm.len() - 1]),
        ("cut-in-code", &wasm[..1000]),
        ("magic-only", b"\0asm"),
        ("shorter", b"\0as"),
        ("empty", b""),
        ("invalid", &invalid[..]),
    ];
    for (name, bytes) in cases {
        let path = folder.file(name, bytes);
        let from_file = Module::from_file(&engine, &path).expect_err(name);
        let from_memory = Module::new(&engine, bytes).expect_err(name);
        assert_eq!(
            from_file.root_cause().to_string(),
            from_memory.root_cause().to_string()
        );
        assert!(
            format!("{from_file:#}").contains("cannot load `"),
            "{from_file:#}"
        );
        let validated = Module::validate(&engine, bytes).expect_err(name);
        if bytes.starts_with(b"\0asm") {
            assert_eq!(validated.to_string(), from_memory.to_string());
        }
    }
    let missing = Module::from_file(&engine, folder.0.join("missing")).unwrap_err();
    assert!(missing.downcast_ref::<std::io::Error>().is_some());
    let directory = Module::from_file(&engine, &folder.0).unwrap_err();
    assert!(
        format!("{directory:#}").contains("cannot read the module"),
        "{directory:#}"
    );
    let text = folder.file("text", b"(module (func (export \"f\")))");
    Module::from_file(&engine, text).unwrap();
}

#[test]
fn a_pipe_can_be_loaded() {
    let folder = Folder::new("piped-module");
    let path = folder.0.join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).unwrap();
    let wasm = large_module("i32.const 7");
    std::thread::scope(|scope| {
        scope.spawn(|| fs::write(&path, &wasm).unwrap());
        Module::from_file(&Engine::default(), &path).unwrap();
    });
}
