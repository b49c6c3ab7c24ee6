//! The code space from the system's view: which pages can be written, and how much memory code
//! takes.

mod support;

use std::fs;
use std::sync::Arc;

use upshift_abi::{CompileUnit, CompiledFunction, DefinedFuncIndex, Tier};
use upshift_runtime::{CodeMapping, CodeRef, ModuleCode, Runtime, RuntimeConfig};

const FUNC: DefinedFuncIndex = DefinedFuncIndex(0);

const BOTH: [CodeMapping; 2] = [CodeMapping::MemoryFile, CodeMapping::Anonymous];

fn module(code_mapping: CodeMapping) -> Arc<ModuleCode> {
    module_of(&support::runtime(RuntimeConfig {
        code_mapping,
        ..RuntimeConfig::default()
    }))
}

fn module_of(runtime: &Arc<Runtime>) -> Arc<ModuleCode> {
    support::module(runtime, "(module (func))", support::no_hooks())
}

fn place(module: &ModuleCode, bytes: usize) -> CodeRef {
    let code = CompiledFunction {
        code: (0..bytes).map(|n| n as u8).collect(),
        ..CompiledFunction::default()
    };
    module
        .place(FUNC, CompileUnit::Function, Tier::Baseline, 0, code)
        .unwrap()
}

/// A line of `/proc/self/maps`: addresses, rights, offset, device and inode.
struct Mapping {
    start: usize,
    end: usize,
    rights: String,
    file: String,
}

fn mappings() -> Vec<Mapping> {
    let text = fs::read_to_string("/proc/self/maps").unwrap();
    let mapping = |line: &str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let (start, end) = fields[0].split_once('-').unwrap();
        let hex = |digits| usize::from_str_radix(digits, 16).unwrap();
        Mapping {
            start: hex(start),
            end: hex(end),
            rights: fields[1].into(),
            file: format!("{} {}", fields[3], fields[4]),
        }
    };
    text.lines().map(mapping).collect()
}

/// The mapping that holds the code.
fn mapping_of(code: &CodeRef) -> Mapping {
    let addr = code.addr().get();
    let found = mappings().into_iter();
    let mut found = found.filter(|mapping| (mapping.start..mapping.end).contains(&addr));
    found.next().expect("code is mapped")
}

#[test]
fn code_is_writable_nowhere() {
    for kind in BOTH {
        let module = module(kind);
        let code = place(&module, 10_000);
        assert_eq!(code.bytes()[9_999], 9_999_usize as u8);
        let own = mapping_of(&code);
        assert_eq!(own.rights, "r-xs", "{kind:?}");
        let same = |mapping: &&Mapping| mapping.file == own.file;
        let all = mappings();
        let writable = all.iter().filter(same).find(|m| m.rights.contains('w'));
        assert!(
            writable.is_none(),
            "{kind:?}: {:x?}",
            writable.map(|m| m.start)
        );
    }
}

/// Bytes of the code's mapping that are in memory.
fn resident(code_start: usize) -> usize {
    let text = fs::read_to_string("/proc/self/smaps").unwrap();
    let mut lines = text.lines();
    let start = format!("{code_start:x}-");
    lines.find(|line| line.starts_with(&start)).unwrap();
    let rss = lines.find_map(|line| line.strip_prefix("Rss:")).unwrap();
    let kilobytes = rss.trim().strip_suffix(" kB").unwrap();
    kilobytes.parse::<usize>().unwrap() << 10
}

#[test]
fn pages_without_code_go_back_to_the_system() {
    const PIECE: usize = 50_000;
    const PIECES: usize = 200;
    for kind in BOTH {
        let module = module(kind);
        let codes: Vec<_> = (0..PIECES).map(|_| place(&module, PIECE)).collect();
        let start = mapping_of(&codes[0]).start;
        let sum = |code: &CodeRef| {
            code.bytes()
                .iter()
                .map(|&byte| u64::from(byte))
                .sum::<u64>()
        };
        let sums: u64 = codes.iter().map(sum).sum();
        assert!(sums > 0 && resident(start) >= PIECE * PIECES, "{kind:?}");

        // The remaining code is unchanged.
        let mut codes = codes.into_iter();
        let kept = codes.nth(PIECES / 2).unwrap();
        let before = sum(&kept);
        for code in codes {
            module.retire(code);
        }
        module.runtime().collect_garbage();
        assert!(resident(start) < PIECE * (PIECES / 2 + 5), "{kind:?}");
        assert_eq!(sum(&kept), before);

        let runtime = module.runtime().clone();
        drop((module, kept));
        assert!(resident(start) < 2 * PIECE, "{kind:?}: {}", resident(start));
        drop(runtime);
    }
}

#[test]
fn deferred_code_is_written_where_it_was_placed() {
    for seed in [0, 7] {
        let config = RuntimeConfig {
            layout_seed: seed,
            ..RuntimeConfig::default()
        };
        let runtime = support::runtime(config);
        let (first, other) = (module_of(&runtime), module_of(&runtime));
        first.defer_writes();
        let mut codes = Vec::new();
        for n in 0..300 {
            codes.push(place(&first, 1 + n * 37 % 5000));
            // Between the others, and before them.
            if n % 50 == 0 {
                codes.push(place(&other, 3000));
            }
        }
        first.write_deferred().unwrap();
        codes.push(place(&first, 100));
        for code in &codes {
            let right = code.bytes().iter().enumerate();
            let mut right = right.map(|(n, &byte)| byte == n as u8);
            assert!(right.all(|right| right), "{} bytes", code.len());
        }
    }
}

#[test]
fn deferred_code_that_is_dropped_is_not_written() {
    let runtime = support::runtime(RuntimeConfig::default());
    let (first, other) = (module_of(&runtime), module_of(&runtime));
    first.defer_writes();
    let addr = place(&first, 5000).addr();
    let dropped = place(&first, 5000);
    drop((first, dropped));
    let code = place(&other, 9000);
    assert_eq!(code.addr(), addr, "the place is used again");
    assert_eq!(code.bytes()[8999], 8999_usize as u8);
}
