//! Exceptions: handlers of calls, and regions of both forms in every unit that can be compiled.

mod common;

use common::{Module, checked, compile, optimizer};
use upshift_abi::{Builtin, CompileUnit, CompiledFunction, Compiler, LoopIndex, RelocationTarget};
use upshift_optimizer::{Inline, OptLevel, Optimizer, OptimizerOptions, Regalloc};

/// Regions around loops, loops in clauses, `rethrow` out of both, and functions to inline.
const MODULE: &str = r#"(module
    (type $t (func (param i32 f64 v128) (result i32 i64 f32)))
    (import "m" "f" (func $f (param i32) (result i32)))
    (import "m" "many" (func $many (type $t)))
    (import "m" "tag" (tag $imported (param i32)))
    (table 2 funcref)
    (tag $a (param i32 v128 f64))
    (tag $none)
    (func $throws (param i32) (result i32)
      (if (i32.eqz (local.get 0))
        (then (throw $a (i32.const 1) (v128.const i64x2 1 2) (f64.const 3))))
      (call $f (local.get 0)))
    (func $region (param i32) (result i32)
      (block (try_table (catch_all 0) (return (call $f (local.get 0)))))
      (i32.const -1))
    (func $loops (param i32) (result i32) (local i64 f64)
      (local.set 2 (f64.const 1))
      (loop $again (result i32)
        (block $values (result i32 v128 f64)
          (block $ref (result i32 exnref)
            (i32.const 5)
            (try_table (param i32)
              (catch $a $values) (catch_ref $imported $ref) (catch $none $again)
              (drop)
              (loop $inner (param) (result)
                (local.set 1 (i64.add (local.get 1) (i64.const 1)))
                (local.set 0 (call $throws (local.get 0)))
                (local.set 0 (call $region (local.get 0)))
                (drop (drop (drop (call_indirect (type $t)
                  (local.get 0) (local.get 2) (v128.const i64x2 3 4) (i32.const 0)))))
                (br_if $inner (local.get 0))))
            (return (i32.const 0)))
          (throw_ref))
        (local.set 2)
        (drop)
        (br_if $again (i32.wrap_i64 (local.get 1)))))
    (func $older (param i32) (result i32) (local v128 f64)
      i32.const 7
      try $outer (result i32)
        local.get 0
        call $throws
      catch $a
        local.set 2
        local.set 1
        try $inner
          loop $first
            local.get 0
            call $region
            local.tee 0
            br_if $first
          end
          try
            try
              local.get 0
              call $f
              drop
            delegate $inner
          delegate 2
        catch_all
          block
            loop $second
              local.get 0
              i32.const 1
              i32.sub
              local.tee 0
              br_if $second
              local.get 0
              if rethrow $inner end
            end
            rethrow $outer
          end
        end
      catch_all
        loop (result i32)
          i32.const 3
          rethrow $outer
        end
      end
      i32.add)
)"#;

#[test]
fn every_unit_compiles_with_every_option() {
    let module = Module::new(MODULE);
    for opt_level in [OptLevel::None, OptLevel::Speed] {
        for regalloc in [Regalloc::Backtracking, Regalloc::SinglePass] {
            for inline in [Inline::None, Inline::All] {
                let optimizer = Optimizer::new(OptimizerOptions {
                    opt_level,
                    regalloc,
                    inline,
                    ..checked()
                });
                let optimizer = optimizer.unwrap();
                for (func, unit) in module.units() {
                    let compiled = compile(&optimizer, &module, func, unit).unwrap();
                    check_handlers(&compiled);
                }
            }
        }
    }
}

/// Handlers belong to call sites, in order, and lie in the code.
fn check_handlers(compiled: &CompiledFunction) {
    let Some(details) = &compiled.sites.details else {
        return;
    };
    assert!(details.handlers.is_sorted_by(|a, b| a.call < b.call));
    for handler in &details.handlers {
        assert!(compiled.sites.call_at(handler.call).is_some());
        assert!(handler.target.0 < compiled.code.len() as u32);
    }
}

/// How many calls have a handler, and how many have none.
fn calls(compiled: &CompiledFunction) -> [usize; 2] {
    let sites = &compiled.sites;
    let handled = sites
        .calls
        .iter()
        .filter(|call| sites.handler_of(call.code).is_some());
    let handled = handled.count();
    [handled, sites.calls.len() - handled]
}

/// How often the code refers to a builtin.
fn uses(compiled: &CompiledFunction, builtin: Builtin) -> usize {
    let target = RelocationTarget::Builtin(builtin);
    let relocations = compiled.relocations.iter();
    relocations
        .filter(|relocation| relocation.target == target)
        .count()
}

fn compiled(text: &str) -> CompiledFunction {
    compile(&optimizer(), &Module::new(text), 0, CompileUnit::Function).unwrap()
}

#[test]
fn calls_in_regions_have_handlers() {
    let code = compiled(
        r#"(module
            (import "m" "f" (func $f))
            (func
                (call $f)
                (block (try_table (catch_all 0) (call $f) (call $f)))
                (try_table (call $f))
                (call $f)))"#,
    );
    assert_eq!(calls(&code), [2, 3]);
    assert_eq!(uses(&code, Builtin::Throw), 0);
}

#[test]
fn what_no_clause_fits_leaves_the_function() {
    let code = compiled(
        r#"(module
            (import "m" "f" (func $f))
            (tag $t)
            (func (block (try_table (catch $t 0) (call $f)))))"#,
    );
    // The call that throws on.
    assert_eq!(calls(&code), [1, 1]);
    assert_eq!(uses(&code, Builtin::Throw), 1);
    let tail = compiled(
        r#"(module
            (import "m" "f" (func $f))
            (func (try_table (catch_all 0) (return_call $f))))"#,
    );
    assert_eq!(calls(&tail), [0, 1]);
    assert!(tail.sites.details.is_none());
}

#[test]
fn a_copy_throws_to_the_clause_around_its_call() {
    let text = |clause: &str| {
        format!(
            "(module (tag $t) (tag $u)
                (func (block $l (try_table ({clause}) (call 1))))
                (func (throw $t)))"
        )
    };
    let direct = compiled(&text("catch $t $l"));
    assert_eq!(uses(&direct, Builtin::ExceptionNew), 0);
    assert!(direct.sites.calls.is_empty());
    let other = compiled(&text("catch $u $l"));
    assert_eq!(uses(&other, Builtin::ExceptionNew), 1);
    assert_eq!(uses(&other, Builtin::Throw), 1);
}

#[test]
fn code_without_regions_has_no_handlers() {
    let code =
        compiled(r#"(module (import "m" "f" (func $f)) (tag $t) (func (call $f) (throw $t)))"#);
    // The import, and what makes the exception and throws it.
    assert_eq!(calls(&code), [0, 3]);
    assert!(code.sites.details.is_none());
}

/// The work for many regions in each other, each of which can throw to all around it, is in
/// proportion to the body; with the backtracking register allocator this takes minutes.
#[test]
fn deep_regions_compile() {
    let depth = 1000;
    let open = (0..depth).map(|n| {
        let local = n % 100 + 1;
        format!("(block (try_table (catch $t 0) (local.set {local} (i32.const {n})) (call $f)")
    });
    let open: String = open.collect();
    let uses: String = (1..=100)
        .map(|n| format!("(call $use (local.get {n}))"))
        .collect();
    let locals = "i32 ".repeat(100);
    let close = "))".repeat(depth);
    let text = format!(
        r#"(module
            (import "m" "f" (func $f))
            (import "m" "use" (func $use (param i32)))
            (tag $t)
            (func (param i32) (local {locals}) {open} {close} {uses}))"#
    );
    let module = Module::new(&text);
    let code = optimizer()
        .session()
        .compile(module.request(0, CompileUnit::Function))
        .unwrap();
    assert_eq!(calls(&code), [depth, 101]);
}

#[test]
fn an_osr_entry_keeps_the_regions_around_it() {
    let module = Module::new(
        r#"(module
            (import "m" "f" (func $f))
            (func (param i32)
                (call $f)
                (block
                    (try_table (catch_all 0)
                        (loop (call $f) (br_if 0 (local.get 0)))))
                (call $f)))"#,
    );
    let entry = CompileUnit::Loop(LoopIndex(0));
    let code = compile(&optimizer(), &module, 0, entry).unwrap();
    assert_eq!(calls(&code), [1, 1]);
}

/// Clauses are counted where they are declared: ten thousand of a thousand values each are some
/// kilobytes of a module, and would be millions of instructions where their block ends.
#[test]
fn clauses_are_counted_before_they_are_made() {
    let clauses = "(catch $t $l)".repeat(1000);
    let values = "i64 ".repeat(900);
    let text = format!(
        r#"(module
            (import "m" "f" (func $f))
            (tag $t (param {values}))
            (func (result {values})
                (block $l (result {values})
                    (try_table {clauses} (call $f))
                    (unreachable))))"#
    );
    let module = Module::new(&text);
    let request = module.request(0, CompileUnit::Function);
    let refused = optimizer().session().compile(request).unwrap_err();
    assert!(
        refused.to_string().contains("of body make more than"),
        "{refused}"
    );
}
