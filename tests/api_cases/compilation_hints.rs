//! Compilation hints: what policies and the optimizer make of them, and that no result depends on
//! them.

use upshift::hints::{self, CallTarget, CompilationHints, Priority};
use upshift::knobs::{self, Group};
use upshift::profiler::{Detail, Event, LogConfig};
use upshift::{Config, Engine, Instance, Module, Store, Tier};
use upshift_abi::FuncIndex;

use crate::in_every_mode;

/// The export calls `$leaf` by a table, in a loop.
const TEXT: &str = r#"(module
    (type $t (func (param i64) (result i64)))
    (import "" "" (func $host))
    (table funcref (elem $leaf $other))
    (func $leaf (type $t) (i64.mul (local.get 0) (i64.const 3)))
    (func $other (type $t) (i64.add (local.get 0) (i64.const 5)))
    (func $wrong (param i32))
    (func (export "run") (param $n i64) (result i64) (local $sum i64)
        (loop $next
            (local.set $sum (i64.add (local.get $sum)
                (call_indirect (type $t) (local.get $n)
                    (i32.wrap_i64 (i64.and (i64.shr_u (local.get $n) (i64.const 4))
                        (i64.const 1))))))
            (local.set $n (i64.sub (local.get $n) (i64.const 1)))
            (br_if $next (i64.ne (local.get $n) (i64.const 0))))
        (local.get $sum)))"#;

const LEAF: FuncIndex = FuncIndex(1);
const OTHER: FuncIndex = FuncIndex(2);
const WRONG: FuncIndex = FuncIndex(3);
const RUN: FuncIndex = FuncIndex(4);

fn expected(n: i64) -> i64 {
    (1..=n)
        .map(|n| if n >> 4 & 1 == 0 { n * 3 } else { n + 5 })
        .sum()
}

/// The program with the hints that `change` makes.
fn program(change: impl FnOnce(&mut CompilationHints)) -> Vec<u8> {
    let mut hints = CompilationHints::default();
    change(&mut hints);
    hints::write(&wat::parse_str(TEXT).unwrap(), &hints).unwrap()
}

/// Where the indirect call is in the body of the export.
fn call_offset() -> u32 {
    let mut config = Config::new();
    config
        .strategy(upshift::Strategy::Baseline)
        .note_call_targets(true);
    let engine = Engine::new(&config).unwrap();
    let module = Module::new(&engine, TEXT).unwrap();
    run(&engine, &module, 10);
    let known = module.call_targets();
    assert_eq!(known.len(), 1, "{known:?}");
    assert_eq!(known[0].target, LEAF);
    known[0].offset
}

fn run(engine: &Engine, module: &Module, n: i64) -> i64 {
    let mut store = Store::new(engine, ());
    let host = upshift::Func::wrap(&mut store, || {});
    let instance = Instance::new(&mut store, module, &[host.into()]).unwrap();
    let run = instance
        .get_typed_func::<i64, i64>(&mut store, "run")
        .unwrap();
    run.call(&mut store, n).unwrap()
}

#[test]
fn hints_of_targets_change_no_result() {
    let at = call_offset();
    for func in [LEAF, OTHER, WRONG, FuncIndex(0), RUN, FuncIndex(u32::MAX)] {
        let target = CallTarget { func, percent: 100 };
        let wasm = program(|hints| hints.of(RUN).targets.push((at, vec![target])));
        in_every_mode(|engine| {
            let module = Module::new(engine, &wasm).unwrap();
            for n in [1, 15, 16, 5_000] {
                assert_eq!(run(engine, &module, n), expected(n), "{func:?} {n}");
            }
        });
    }
}

/// What hints name is inlined behind a comparison, without a profile.
#[test]
fn the_optimizer_takes_the_hint_of_a_target() {
    let at = call_offset();
    let len = |func, percent, read| {
        let target = CallTarget { func, percent };
        let wasm = program(|hints| hints.of(RUN).targets.push((at, vec![target])));
        let engine = Engine::new(Config::new().wasm_compilation_hints(read)).unwrap();
        let module = Module::new(&engine, &wasm).unwrap();
        let code = module.compile_func(RUN.0, Tier::Optimizer).unwrap();
        code.code.len()
    };
    let plain = len(LEAF, 100, false);
    assert!(len(LEAF, 100, true) > plain);
    assert!(len(LEAF, 90, true) > plain);
    assert_eq!(len(LEAF, 50, true), plain, "too few");
    assert_eq!(len(WRONG, 100, true), plain, "of another type");
    assert_eq!(len(FuncIndex(99), 100, true), plain, "there is none");
}

/// The units that the export had used when it was first requested, in virtual time.
fn requested_at(wasm: &[u8], read: bool) -> Option<u64> {
    let mut config = Config::new();
    config.wasm_compilation_hints(read).event_log(LogConfig {
        detail: Detail::Events,
        capacity: None,
    });
    for (name, value) in [("policy", "hinted-ski-rental"), ("switching", "virtual")] {
        knobs::set(&mut config, Group::Tiering, name, value).unwrap();
    }
    let engine = Engine::new(&config).unwrap();
    let module = Module::new(&engine, wasm).unwrap();
    assert_eq!(run(&engine, &module, 200_000), expected(200_000));
    let mut units = 0;
    for record in engine.event_log().records() {
        match record.event {
            Event::BudgetExhausted {
                func, units: now, ..
            } if func.func.0 == RUN.0 - 1 => {
                units = now;
            }
            Event::RequestQueued { code, .. } if code.func.func.0 == RUN.0 - 1 => {
                return Some(units);
            }
            _ => {}
        }
    }
    None
}

#[test]
fn hinted_ski_rental_buys_by_the_hints_of_the_module() {
    let plain = requested_at(&program(|_| {}), true).unwrap();
    let hinted = |change: fn(&mut CompilationHints)| requested_at(&program(change), true);
    let much = |hints: &mut CompilationHints| hints.of(RUN).units = Some(1 << 40);
    let early = hinted(much).unwrap();
    assert!(early < plain, "{early} {plain}");
    let hot = |hints: &mut CompilationHints| {
        hints.of(RUN).priority = Some(Priority {
            compilation: 0,
            optimization: Some(0),
        });
    };
    assert_eq!(hinted(hot), Some(early));
    let once = |hints: &mut CompilationHints| {
        hints.of(RUN).priority = Some(Priority {
            compilation: 0,
            optimization: Some(Priority::RUN_ONCE),
        });
    };
    assert!(hinted(once).is_none_or(|late| late > plain));
    assert_eq!(requested_at(&program(much), false), Some(plain), "not read");
}
