//! The cache on disk: a second start finds what got hot in the first, and whatever is wrong with
//! the folder or its files is no error of the program.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process;

use upshift::knobs::{self, Group};
use upshift::{CacheConfig, Config, Engine, Instance, Module, Store, Trap};
use upshift_spectest::Mode;

/// A loop and a function that get hot, a table, and a trap above a million.
const TEXT: &str = r#"(module
    (type $t (func (param i64) (result i64)))
    (table funcref (elem $leaf))
    (memory 1)
    (func $leaf (type $t) (i64.mul (local.get 0) (i64.const 3)))
    (func (export "run") (param $n i64) (result i64) (local $sum i64)
        (if (i64.gt_u (local.get $n) (i64.const 1000000)) (then unreachable))
        (loop $next
            (i64.store (i32.const 8) (i64.add (i64.load (i32.const 8)) (local.get $n)))
            (local.set $sum (i64.add (local.get $sum)
                (call_indirect (type $t) (local.get $n) (i32.const 0))))
            (local.set $n (i64.sub (local.get $n) (i64.const 1)))
            (br_if $next (i64.ne (local.get $n) (i64.const 0))))
        (local.get $sum)))"#;

fn scratch(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("upshift-api-{name}-{}", process::id()));
    let _ = fs::remove_dir_all(&path);
    path
}

fn engine(folder: &Path, options: &[(&str, &str)]) -> Engine {
    let mut config = Config::new();
    for (name, value) in options {
        knobs::set(&mut config, Group::Tiering, name, value).unwrap();
    }
    with_cache(config, folder)
}

fn with_cache(mut config: Config, folder: &Path) -> Engine {
    let mut cache = CacheConfig::new();
    cache.with_directory(folder);
    config.cache(Some(cache));
    Engine::new(&config).unwrap()
}

const HOT: &[(&str, &str)] = &[("switching", "sync"), ("policy", "fixed-budget:units=1000")];

fn run(module: &Module, n: i64) -> upshift::Result<i64> {
    let mut store = Store::new(module.engine(), ());
    let instance = Instance::new(&mut store, module, &[])?;
    instance
        .get_typed_func::<i64, i64>(&mut store, "run")?
        .call(&mut store, n)
}

fn check(module: &Module) {
    for n in [1, 10, 5_000] {
        assert_eq!(run(module, n).unwrap(), 3 * n * (n + 1) / 2);
    }
    let trap = run(module, 2_000_000).unwrap_err();
    assert_eq!(trap.downcast_ref(), Some(&Trap::Unreachable));
}

/// The files of entries, with their contents.
fn entries(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let paths = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let paths = paths.filter(|path| path.extension().is_some());
    let mut entries: Vec<_> = paths
        .map(|path| (path.clone(), fs::read(&path).unwrap()))
        .collect();
    entries.sort();
    entries
}

/// A folder with the entry of a run.
fn filled(name: &str) -> PathBuf {
    let folder = scratch(name);
    let module = Module::new(&engine(&folder, HOT), TEXT).unwrap();
    check(&module);
    drop(module);
    assert!(!entries(&folder).is_empty());
    folder
}

#[test]
fn a_second_start_optimizes_before_anything_runs() {
    let folder = filled("second");
    let engine = engine(&folder, &[]);
    let module = Module::new(&engine, TEXT).unwrap();
    engine.wait_idle();
    assert_eq!(engine.event_log().stats().functions_called, 0);
    assert!(engine.code_stats().optimizer > 0);
    check(&module);
    // All its code came from the cache.
    let stats = engine.event_log().stats();
    assert_eq!(stats.baseline.functions + stats.optimizer.functions, 0);
    // Nothing new got hot, so nothing is written.
    assert!(!module.update_cache().unwrap());
    fs::remove_dir_all(folder).unwrap();
}

/// Code is run as it is found, so it is neither written where others can write nor read there.
#[test]
fn code_is_kept_where_no_other_user_can_write() {
    let codes = |folder: &Path| {
        let is_code = |(path, _): &(PathBuf, _)| path.extension().is_some_and(|it| it == "code");
        entries(folder)
            .iter()
            .filter(|entry| is_code(entry))
            .count()
    };
    let folder = filled("private");
    assert_eq!(codes(&folder), 1);
    let compiled = |folder: &Path| {
        let engine = engine(folder, HOT);
        check(&Module::new(&engine, TEXT).unwrap());
        let stats = engine.event_log().stats();
        stats.baseline.functions + stats.optimizer.functions
    };
    assert_eq!(compiled(&folder), 0);
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o775)).unwrap();
    assert!(compiled(&folder) > 0, "what is found there is not run");
    fs::remove_dir_all(&folder).unwrap();
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(compiled(&folder) > 0);
    assert_eq!(codes(&folder), 0);
    assert!(!entries(&folder).is_empty(), "profiles are kept");
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn code_can_be_left_out() {
    let folder = scratch("profiles");
    let mut config = Config::new();
    let mut cache = CacheConfig::new();
    cache.with_directory(&folder).with_code(false);
    config.cache(Some(cache));
    let module = Module::new(&Engine::new(&config).unwrap(), TEXT).unwrap();
    check(&module);
    check(&module);
    drop(module);
    let no_profile = |(path, _): &(PathBuf, _)| path.extension().is_none_or(|it| it != "profile");
    assert!(!entries(&folder).iter().any(no_profile));
    let _ = fs::remove_dir_all(folder);
}

#[test]
fn an_entry_is_written_when_it_is_asked_for() {
    let folder = scratch("asked");
    let module = Module::new(&engine(&folder, HOT), TEXT).unwrap();
    assert!(!module.update_cache().unwrap(), "nothing has run");
    assert!(entries(&folder).is_empty());
    check(&module);
    assert!(module.update_cache().unwrap());
    assert!(!module.update_cache().unwrap());
    let written = entries(&folder);
    drop(module);
    assert_eq!(entries(&folder), written);
    let none = Module::new(&Engine::default(), TEXT).unwrap();
    assert!(!none.update_cache().unwrap());
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn every_mode_computes_the_same_with_what_another_has_left() {
    let folder = filled("modes");
    for mode in Mode::all() {
        for _ in 0..2 {
            eprintln!("mode {mode}");
            let engine = with_cache(mode.engine().unwrap().config().clone(), &folder);
            check(&Module::new(&engine, TEXT).unwrap());
        }
    }
    fs::remove_dir_all(folder).unwrap();
}

/// Whichever byte of an entry is changed, and wherever it is cut off, the program runs, and the
/// entry goes.
#[test]
fn damaged_entries_are_dropped() {
    let folder = filled("damaged");
    let entries = entries(&folder);
    for (path, content) in &entries {
        let starts_without = |bytes: &[u8]| {
            fs::write(path, bytes).unwrap();
            let engine = engine(&folder, &[("policy", "never"), ("threads", "1")]);
            let module = Module::new(&engine, TEXT).unwrap();
            assert_eq!(run(&module, 3).unwrap(), 18);
            drop(module);
            // What the run has compiled stands there now, or nothing.
            let now = fs::read(path);
            assert!(now.map_or(true, |now| now != bytes), "{path:?}");
        };
        let stride = (content.len() / 400).max(1);
        for at in (0..content.len()).step_by(stride) {
            let mut damaged = content.clone();
            damaged[at] ^= 0x10;
            starts_without(&damaged);
        }
        for len in (0..content.len()).step_by(7 * stride) {
            starts_without(&content[..len]);
        }
    }
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_folder_that_can_not_be_used_is_done_without() {
    for folder in ["/proc/nowhere", "/dev/null"] {
        let module = Module::new(&engine(Path::new(folder), HOT), TEXT).unwrap();
        check(&module);
        assert!(!module.update_cache().unwrap());
    }
    // One that goes away meanwhile.
    let folder = scratch("gone");
    let module = Module::new(&engine(&folder, HOT), TEXT).unwrap();
    check(&module);
    fs::remove_dir_all(&folder).unwrap();
    assert!(module.update_cache().is_err());
    drop(module);
    assert!(!folder.exists());
}

/// Modules with the same folder, on several threads, as several processes would.
#[test]
fn a_folder_is_shared() {
    let folder = scratch("shared");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    check(&Module::new(&engine(&folder, HOT), TEXT).unwrap());
                }
            });
        }
    });
    check(&Module::new(&engine(&folder, &[]), TEXT).unwrap());
    fs::remove_dir_all(folder).unwrap();
}
