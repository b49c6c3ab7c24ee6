//! Jitdump files, read by a parser of their own that follows the format's specification: each piece
//! of code is there with its name, origin and the bytes that memory has, in every execution mode,
//! also where a place is used again. `cli/tests/cli_cases/perf.rs` has `perf` read them.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use upshift::knobs::{self, Group};
use upshift::profiler::{CodeKey, Detail, LogConfig, symbol};
use upshift::{Config, Engine, JitDump, Linker, Module, Store, Strategy, Switching};
use upshift_spectest::Mode;

/// A folder of one test, removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("upshift-jitdump-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A `JIT_CODE_LOAD` record, and the `JIT_CODE_DEBUG_INFO` record before it.
#[derive(Debug)]
struct Loaded {
    time: u64,
    thread: u32,
    address: u64,
    index: u64,
    name: String,
    bytes: Vec<u8>,
    /// Address, line and file.
    lines: Vec<(u64, u32, String)>,
}

/// What a jitdump file says.
struct Contents {
    pieces: Vec<Loaded>,
    is_closed: bool,
}

/// Reads fields one behind the other.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len);
        self.0 = rest;
        taken
    }

    fn word(&mut self) -> u32 {
        u32::from_ne_bytes(self.take(4).try_into().unwrap())
    }

    fn long(&mut self) -> u64 {
        u64::from_ne_bytes(self.take(8).try_into().unwrap())
    }

    fn string(&mut self) -> String {
        let len = self.0.iter().position(|&byte| byte == 0).expect("a NUL");
        let text = self.take(len + 1);
        String::from_utf8(text[..len].to_vec()).unwrap()
    }
}

fn read(path: &Path) -> Contents {
    let bytes = fs::read(path).unwrap();
    let mut fields = Fields(&bytes);
    assert_eq!(fields.word(), 0x4a69_5444, "the magic number");
    assert_eq!(
        (fields.word(), fields.word()),
        (1, 40),
        "version and length"
    );
    assert_eq!(fields.word(), 62, "the architecture: x86-64");
    fields.word();
    assert_eq!(fields.word(), std::process::id());
    let mut time = fields.long();
    assert_eq!(fields.long(), 0, "flags: the clock is the monotonic one");
    let mut contents = Contents {
        pieces: Vec::new(),
        is_closed: false,
    };
    let mut lines = Vec::new();
    while !fields.0.is_empty() {
        assert!(!contents.is_closed, "a record behind the last one");
        let (kind, len, at) = (fields.word(), fields.word(), fields.long());
        assert!(at >= time, "times are in order");
        time = at;
        let mut body = Fields(fields.take(len as usize - 16));
        match kind {
            0 => contents
                .pieces
                .push(load(&mut body, at, std::mem::take(&mut lines))),
            2 => lines = debug_info(&mut body),
            3 => contents.is_closed = true,
            other => panic!("a record of kind {other}"),
        }
        assert!(
            body.0.is_empty(),
            "{} bytes are left of {kind}",
            body.0.len()
        );
    }
    assert!(lines.is_empty(), "lines without code");
    let indexes = contents.pieces.iter().map(|piece| piece.index);
    assert!(indexes.eq(0..contents.pieces.len() as u64), "numbers");
    contents
}

fn load(body: &mut Fields<'_>, time: u64, lines: Vec<(u64, u32, String)>) -> Loaded {
    assert_eq!(body.word(), std::process::id());
    let thread = body.word();
    let (runs_at, address) = (body.long(), body.long());
    assert_eq!(runs_at, address);
    let (len, index) = (body.long(), body.long());
    let name = body.string();
    Loaded {
        time,
        thread,
        address,
        index,
        name,
        bytes: body.take(len as usize).to_vec(),
        lines,
    }
}

fn debug_info(body: &mut Fields<'_>) -> Vec<(u64, u32, String)> {
    body.long();
    let count = body.long();
    let line = |_| {
        let (address, line) = (body.long(), body.word());
        assert_eq!(body.word(), 0, "the discriminator");
        (address, line, body.string())
    };
    (0..count).map(line).collect()
}

/// What memory has at an address.
fn memory(address: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let memory = File::open("/proc/self/mem").unwrap();
    memory.read_exact_at(&mut bytes, address).unwrap();
    bytes
}

/// A loop for an OSR entry, a function that is called from it and one that is inlined into it, and
/// a call of the host.
const PROGRAM: &str = r#"(module $program
    (import "host" "see" (func $see (param i32)))
    (memory 1)
    (func $small (param i32) (result i32) (i32.mul (local.get 0) (i32.const 7)))
    (func $callee (param $n i32) (result i32)
        (i32.store (i32.const 8) (local.get $n))
        (if (result i32) (i32.and (local.get $n) (i32.const 1))
            (then (i32.add (call $small (local.get $n)) (i32.load (i32.const 8))))
            (else (local.get $n))))
    (func $run (export "run") (param $n i32) (local $sum i32)
        (loop $next
            (local.set $sum (i32.add (local.get $sum) (call $callee (local.get $n))))
            (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (call $see (local.get $sum))))"#;

/// Loads the program and runs it some times. What it loaded stays placed with the store.
fn run(engine: &Engine, program: &str) -> (Store<()>, Module) {
    let module = Module::new(engine, program).unwrap();
    let mut linker = Linker::new(engine);
    linker.func_wrap("host", "see", |_: i32| {}).unwrap();
    let mut store = Store::new(engine, ());
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let run = instance
        .get_typed_func::<i32, ()>(&mut store, "run")
        .unwrap();
    for _ in 0..10 {
        run.call(&mut store, 3_000).unwrap();
        engine.wait_idle();
    }
    (store, module)
}

/// An engine that dumps its code, and logs where it published some.
fn engine(
    mut config: Config,
    folder: &Folder,
    settings: &[(Group, &str, &str)],
) -> (Engine, JitDump) {
    let dump = JitDump::create(&folder.0).unwrap();
    config.jit_dump(&dump).event_log(LogConfig {
        detail: Detail::Events,
        capacity: None,
    });
    for &(group, name, value) in settings {
        knobs::set(&mut config, group, name, value).unwrap();
    }
    (Engine::new(&config).unwrap(), dump)
}

/// Where the log says that code was published: key, address and bytes.
fn published(engine: &Engine) -> Vec<(CodeKey, u64, u32)> {
    let log = engine.event_log();
    log.collect();
    let records = log.records();
    let placed = records.iter().filter_map(|record| record.event.placed());
    placed.collect()
}

#[test]
fn all_code_is_there_with_its_bytes_in_every_mode() {
    let mut kinds = BTreeSet::new();
    for mode in Mode::all() {
        eprintln!("mode {mode}");
        let folder = Folder::new();
        let keep = [(Group::Tiering, "retire", "n")];
        let (engine, dump) = engine(mode.config(), &folder, &keep);
        let (_store, module) = run(&engine, PROGRAM);
        dump.finish().unwrap();
        let contents = read(dump.path());
        assert!(contents.is_closed);
        let names = engine.event_log().names();
        let published = published(&engine);
        assert!(!published.is_empty());
        for (code, address, code_bytes) in published {
            let mut pieces = contents.pieces.iter();
            let piece = pieces.rfind(|piece| piece.address == address);
            let piece = piece.unwrap_or_else(|| panic!("no record of {code:?}"));
            let name = symbol(&names.of(code.func), code.unit, names.level(code));
            assert_eq!(piece.name, name);
            assert_eq!(piece.bytes.len(), code_bytes as usize);
            assert!(!piece.lines.is_empty(), "{name}: no lines");
            kinds.insert(name);
        }
        for piece in &contents.pieces {
            let end = piece.address + piece.bytes.len() as u64;
            assert_eq!(
                memory(piece.address, piece.bytes.len()),
                piece.bytes,
                "{}",
                piece.name
            );
            assert!(piece.thread > 0 && piece.time > 0);
            let mut last = piece.address;
            for (address, line, file) in &piece.lines {
                assert!((last..end).contains(address), "{piece:?}");
                assert!((*line as usize) < module.wasm().len(), "{piece:?}");
                assert_eq!(file, "program");
                last = *address;
            }
        }
        let has = |name: &str| contents.pieces.iter().any(|piece| piece.name == name);
        for name in [
            "[first-call thunks]",
            "[trampoline into WebAssembly]",
            "[trampoline to the host]",
        ] {
            assert!(has(name), "{mode}: no {name}");
        }
    }
    let expected = [
        "run [baseline]",
        "callee [baseline]",
        "callee [optimizer]",
        "run loop 0 [optimizer]",
    ];
    for name in expected {
        assert!(kinds.contains(name), "no {name}: {kinds:?}");
    }
}

/// Where code is placed at an address that was used before, the later record tells what is there.
#[test]
fn places_that_are_used_again_have_later_records() {
    let folder = Folder::new();
    let mut config = Config::new();
    config
        .strategy(Strategy::Tiered)
        .switching(Switching::Zeal { seed: 3 });
    let (engine, dump) = engine(config, &folder, &[]);
    let mut reused = 0;
    for round in 0..20 {
        let program = PROGRAM.replace("const 7", &format!("const {}", 1_000 + round));
        let program = program.replace("callee", &format!("callee{round}"));
        let (_store, _module) = run(&engine, &program);
        let contents = read(dump.path());
        assert!(!contents.is_closed);
        // What memory has of a function's installed code is what the last record of the place says.
        let mut current = BTreeSet::new();
        for (place, piece) in contents.pieces.iter().enumerate() {
            let end = piece.address + piece.bytes.len() as u64;
            let later = &contents.pieces[place + 1..];
            let overlaps = |other: &&Loaded| {
                other.address < end && piece.address < other.address + other.bytes.len() as u64
            };
            match later.iter().find(overlaps) {
                Some(other) => {
                    reused += usize::from(other.bytes != piece.bytes);
                    assert!(other.time > piece.time);
                }
                None => {
                    current.insert((piece.address, place));
                }
            }
        }
        let live = |name: &str| contents.pieces.iter().rposition(|piece| piece.name == name);
        let name = format!("callee{round} [baseline]");
        let place = live(&name).unwrap_or_else(|| panic!("no {name}"));
        let piece = &contents.pieces[place];
        if current.contains(&(piece.address, place)) {
            assert_eq!(
                memory(piece.address, piece.bytes.len()),
                piece.bytes,
                "{name}"
            );
        }
    }
    assert!(reused > 0, "no place was used again");
    dump.finish().unwrap();
    assert!(read(dump.path()).is_closed);
}

/// Asking for source locations changes no code: an engine without a file has the same bytes.
#[test]
fn dumping_changes_no_code() {
    let folder = Folder::new();
    for tier in ["baseline", "optimizer"] {
        let keep = [
            (Group::Tiering, "mode", tier),
            (Group::Tiering, "retire", "n"),
        ];
        let (dumped, dump) = engine(Config::new(), &folder, &keep);
        let _running = run(&dumped, PROGRAM);
        dump.finish().unwrap();
        let mut plain = Config::new();
        for (group, name, value) in keep {
            knobs::set(&mut plain, group, name, value).unwrap();
        }
        plain.event_log(LogConfig {
            detail: Detail::Events,
            capacity: None,
        });
        let plain = Engine::new(&plain).unwrap();
        let _also = run(&plain, PROGRAM);
        let lens = |engine: &Engine| -> Vec<_> {
            let codes = published(engine).into_iter();
            codes.map(|(code, _, len)| (code.func.func, len)).collect()
        };
        assert_eq!(lens(&dumped), lens(&plain), "{tier}");
    }
}

#[test]
fn a_file_of_an_earlier_process_is_replaced_and_links_are_not_followed() {
    let folder = Folder::new();
    let victim = folder.0.join("victim");
    fs::write(&victim, "precious").unwrap();
    let path = folder.0.join(format!("jit-{}.dump", std::process::id()));
    std::os::unix::fs::symlink(&victim, &path).unwrap();
    let dump = JitDump::create(&folder.0).unwrap();
    assert_eq!(dump.path(), path);
    drop(dump);
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    let contents = read(&path);
    assert!(contents.is_closed && contents.pieces.is_empty());
    let missing = folder.0.join("missing");
    let error = JitDump::create(&missing).unwrap_err();
    assert!(
        format!("{error:#}").contains("cannot create `"),
        "{error:#}"
    );
}
