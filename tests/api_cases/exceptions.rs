//! Exceptions at the API: thrown and caught on both sides, in both forms of the proposal, by tags
//! that instances share, and across host functions.

use upshift::{
    AsContextMut, Caller, Engine, ExnRef, Extern, Func, FuncType, Instance, Linker, Module, Ref,
    Store, Tag, TagType, ThrownException, Val, ValType, WasmBacktrace,
};

use super::super::{in_every_mode, instance};

/// A tag with one integer.
pub(super) fn int_tag(store: &mut Store<()>) -> Tag {
    let engine = store.engine().clone();
    let ty = FuncType::new(&engine, [ValType::I32], []);
    Tag::new(store, &TagType::new(ty)).expect("no results")
}

fn call_i32(store: &mut Store<()>, instance: &Instance, name: &str, argument: i32) -> i32 {
    let func = instance.get_typed_func::<i32, i32>(&mut *store, name);
    let result = func.expect("exported").call(&mut *store, argument);
    result.unwrap_or_else(|error| panic!("{name}({argument}): {error:?}"))
}

/// Throws the argument if it is odd, in a function of its own, in each form of clause.
const FORMS: &str = r#"(module
    (tag $odd (param i32))
    (tag $other (param i32))
    (func $throw (param i32)
        (if (i32.and (local.get 0) (i32.const 1)) (then (throw $odd (local.get 0)))))
    (func (export "catch") (param i32) (result i32)
        (block $caught (result i32)
            (try_table (catch $other $caught) (catch $odd $caught) (call $throw (local.get 0)))
            (return (i32.const 0))))
    (func (export "catch_ref") (param i32) (result i32) (local exnref)
        (block $caught (result i32 exnref)
            (try_table (catch_ref $odd $caught) (call $throw (local.get 0)))
            (return (i32.const 0)))
        (local.set 1)
        (drop)
        (block $again (result i32)
            (try_table (catch $odd $again) (throw_ref (local.get 1)))
            (unreachable)))
    (func (export "catch_all") (param i32) (result i32)
        (block $caught
            (try_table (catch_all $caught) (call $throw (local.get 0)))
            (return (i32.const 0)))
        (local.get 0))
    (func (export "catch_all_ref") (param i32) (result i32)
        (block $again (result i32)
            (try_table (catch $odd $again)
                (throw_ref (block $caught (result exnref)
                    (try_table (catch_all_ref $caught) (call $throw (local.get 0)))
                    (return (i32.const 0)))))
            (unreachable)))
    (func (export "outer") (param i32) (result i32)
        (block $caught (result i32)
            (try_table (catch $odd $caught)
                (try_table (catch $other $caught) (call $throw (local.get 0))))
            (return (i32.const 0))))
    (func (export "try") (param i32) (result i32)
        try (result i32)
            (call $throw (local.get 0)) (i32.const 0)
        catch $other
        catch $odd
        end)
    (func (export "rethrow") (param i32) (result i32)
        try (result i32)
            try (result i32)
                (call $throw (local.get 0)) (i32.const 0)
            catch $odd
                drop rethrow 0
            end
        catch $odd
        end)
    (func (export "rethrow_outer") (param i32) (result i32)
        try (result i32)
            try (result i32)
                (call $throw (local.get 0)) (i32.const 0)
            catch_all
                try
                    (throw $other (i32.const 77))
                catch_all
                    rethrow 1
                end
                unreachable
            end
        catch $odd
        end)
    (func (export "delegate") (param i32) (result i32)
        try $outer (result i32)
            try (result i32)
                try
                    (call $throw (local.get 0))
                delegate $outer
                (i32.const 0)
            catch_all
                unreachable
            end
        catch $odd
        end)
    (func (export "old_catch_all") (param i32) (result i32)
        try
            (call $throw (local.get 0)) (return (i32.const 0))
        catch_all
        end
        (local.get 0)))"#;

#[test]
fn each_form_of_clause_catches() {
    in_every_mode(|engine| {
        let (mut store, instance) = instance(engine, FORMS);
        let forms: Vec<String> = instance
            .exports(&mut store)
            .map(|export| export.name().to_string())
            .collect();
        assert_eq!(forms.len(), 10);
        for _ in 0..3 {
            for form in &forms {
                for n in 0..20 {
                    let expected = if n % 2 == 1 { n } else { 0 };
                    assert_eq!(call_i32(&mut store, &instance, form, n), expected, "{form}");
                }
            }
        }
    });
}

#[test]
fn what_nothing_catches_is_an_error_that_names_the_tag() {
    const MODULE: &str = r#"(module
        (tag $failed (param i32 f64 externref))
        (tag (export "plain"))
        (func $inner (throw $failed (i32.const -3) (f64.const 1.5) (ref.null extern)))
        (func (export "named") (call $inner))
        (func (export "other") (throw 1)))"#;
    in_every_mode(|engine| {
        let (mut store, instance) = instance(engine, MODULE);
        for (func, text, depth) in [
            (
                "named",
                "an exception was not caught: tag `failed`, values i32 -3, f64 1.5, externref null",
                2,
            ),
            ("other", "an exception was not caught: tag `plain`", 1),
        ] {
            let func = instance.get_typed_func::<(), ()>(&mut store, func).unwrap();
            let error = func.call(&mut store, ()).unwrap_err();
            let thrown: &ThrownException = error.downcast_ref().expect("the exception");
            assert_eq!(thrown.to_string(), text);
            let backtrace: &WasmBacktrace = error.downcast_ref().expect("a backtrace");
            assert_eq!(backtrace.frames().len(), depth, "{error:?}");
            assert!(store.has_pending_exception());
            assert!(store.take_pending_exception().is_some());
            assert!(!store.has_pending_exception());
        }
    });
}

/// Calls the imported function, and returns what it throws with the imported tag.
const CATCHING: &str = r#"(module
    (import "" "tag" (tag $tag (param i32)))
    (import "" "f" (func $f (param i32)))
    (func (export "run") (param i32) (result i32)
        (block $caught (result i32)
            (try_table (catch $tag $caught) (call $f (local.get 0)))
            (i32.const -1))))"#;

#[test]
fn a_host_function_throws_and_passes_on() {
    in_every_mode(|engine| {
        let mut store = Store::new(engine, ());
        let tag = int_tag(&mut store);
        let module = Module::new(engine, CATCHING).unwrap();
        let throwing = Func::wrap(&mut store, move |mut caller: Caller<'_, ()>, n: i32| {
            if n < 10 {
                return Ok(());
            }
            let exception = ExnRef::new(&mut caller, &tag, &[n.into()])?;
            caller.as_context_mut().throw(exception)
        });
        let inner = Instance::new(&mut store, &module, &[tag.into(), throwing.into()]).unwrap();
        let inner_run = inner.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
        assert_eq!(inner_run.call(&mut store, 9).unwrap(), -1);
        assert_eq!(inner_run.call(&mut store, 10).unwrap(), 10);

        // WebAssembly throws, a host function passes the error on, WebAssembly catches.
        let passing = Func::wrap(&mut store, move |mut caller: Caller<'_, ()>, n: i32| {
            let throw = throwing.typed::<i32, ()>(&caller)?;
            throw
                .call(&mut caller, n)
                .map_err(|error| error.context("passed on"))
        });
        let outer = Instance::new(&mut store, &module, &[tag.into(), passing.into()]).unwrap();
        assert_eq!(call_i32(&mut store, &outer, "run", 42), 42);

        // One that the host catches is not thrown again by another error.
        let catching = Func::wrap(&mut store, move |mut caller: Caller<'_, ()>, n: i32| {
            let throw = throwing.typed::<i32, ()>(&caller)?;
            let error = throw.call(&mut caller, n).unwrap_err();
            assert!(error.is::<ThrownException>());
            let exception = caller.as_context_mut().take_pending_exception();
            assert_eq!(exception.unwrap().field(&mut caller, 0)?.unwrap_i32(), n);
            Err::<(), _>(error)
        });
        let third = Instance::new(&mut store, &module, &[tag.into(), catching.into()]).unwrap();
        let run = third.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
        let error = run.call(&mut store, 43).unwrap_err();
        assert!(error.is::<ThrownException>(), "{error:?}");
        assert!(!store.has_pending_exception());
    });
}

/// An error throws the exception that it stands for, and no other one that was thrown meanwhile, in
/// this store or another.
#[test]
fn an_error_throws_no_exception_but_its_own() {
    in_every_mode(|engine| {
        let module = Module::new(engine, CATCHING).unwrap();
        let mut other_store = Store::new(engine, ());
        let other_tag = int_tag(&mut other_store);
        let foreign = ExnRef::new(&mut other_store, &other_tag, &[1.into()]).unwrap();
        let foreign = std::sync::Mutex::new(Some(other_store.throw::<()>(foreign).unwrap_err()));

        let mut store = Store::new(engine, ());
        let tag = int_tag(&mut store);
        let failing = Func::wrap(&mut store, move |mut caller: Caller<'_, ()>, n: i32| {
            let first = ExnRef::new(&mut caller, &tag, &[1.into()])?;
            let first = caller.as_context_mut().throw::<()>(first).unwrap_err();
            let second = ExnRef::new(&mut caller, &tag, &[2.into()])?;
            let second = caller.as_context_mut().throw::<()>(second).unwrap_err();
            Err::<(), _>(match n {
                0 => foreign.lock().unwrap().take().expect("called once"),
                1 => first,
                _ => second,
            })
        });
        let instance = Instance::new(&mut store, &module, &[tag.into(), failing.into()]).unwrap();
        let run = instance
            .get_typed_func::<i32, i32>(&mut store, "run")
            .unwrap();
        for n in [0, 1] {
            let error = run.call(&mut store, n).unwrap_err();
            assert!(error.is::<ThrownException>(), "{error:?}");
        }
        assert_eq!(run.call(&mut store, 2).unwrap(), 2);
    });
}

#[test]
fn tags_are_told_apart_by_identity() {
    const THROWING: &str = r#"(module
        (tag $mine (export "tag") (param i32))
        (func (export "f") (param i32) (throw $mine (local.get 0))))"#;
    in_every_mode(|engine| {
        let mut store = Store::new(engine, ());
        let throwing = Module::new(engine, THROWING).unwrap();
        let catching = Module::new(engine, CATCHING).unwrap();
        let a = Instance::new(&mut store, &throwing, &[]).unwrap();
        let b = Instance::new(&mut store, &throwing, &[]).unwrap();
        let [tag_a, tag_b] = [a, b].map(|it| it.get_tag(&mut store, "tag").unwrap());
        assert!(!Tag::eq(&tag_a, &tag_b, &store));
        let f = a.get_func(&mut store, "f").unwrap();
        let same = Instance::new(&mut store, &catching, &[tag_a.into(), f.into()]).unwrap();
        let other = Instance::new(&mut store, &catching, &[tag_b.into(), f.into()]).unwrap();
        for n in 0..5 {
            assert_eq!(call_i32(&mut store, &same, "run", n), n);
            let run = other.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
            let error = run.call(&mut store, n).unwrap_err();
            assert!(error.is::<ThrownException>());
            let exception = store.take_pending_exception().unwrap();
            assert_eq!(exception.tag(&mut store).unwrap(), tag_a);
        }
        let ty = FuncType::new(engine, [ValType::I64], []);
        let unlike = Tag::new(&mut store, &TagType::new(ty)).unwrap();
        let error = Instance::new(&mut store, &catching, &[unlike.into(), f.into()]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "incompatible import type for `::tag`: expected tag (i32) -> (), found tag (i64) -> ()"
        );
    });
}

#[test]
fn the_api_describes_tags_and_checks_values() {
    let engine = Engine::default();
    let module = Module::new(&engine, CATCHING).unwrap();
    let ty = module.imports().next().unwrap().ty();
    assert_eq!(ty.to_string(), "tag (i32) -> ()");
    assert_eq!(ty.unwrap_tag().ty().params().len(), 1);
    let mut store = Store::new(&engine, ());
    let with_result = FuncType::new(&engine, [], [ValType::I32]);
    assert!(Tag::new(&mut store, &TagType::new(with_result)).is_err());
    let tag = int_tag(&mut store);
    assert_eq!(tag.ty(&store).ty().params().next(), Some(ValType::I32));
    assert!(ExnRef::new(&mut store, &tag, &[]).is_err());
    assert!(ExnRef::new(&mut store, &tag, &[Val::I64(1)]).is_err());
    let exception = ExnRef::new(&mut store, &tag, &[Val::I32(5)]).unwrap();
    assert_eq!(exception.fields(&mut store).unwrap().len(), 1);
    assert!(exception.field(&mut store, 1).is_err());
    let mut linker = Linker::<()>::new(&engine);
    linker
        .define_unknown_imports_as_default_values(&mut store, &module)
        .unwrap();
    linker.instantiate(&mut store, &module).unwrap();
}

/// The error for an exception shows its first values only.
#[test]
fn an_error_shows_few_of_an_exceptions_values() {
    let params = "v128 ".repeat(1000);
    let values = "(v128.const i64x2 -1 -1)".repeat(1000);
    let text = format!(
        r#"(module (tag $wide (param {params})) (func (export "f") {values} (throw $wide)))"#
    );
    let engine = Engine::default();
    let (mut store, instance) = instance(&engine, &text);
    let f = instance.get_typed_func::<(), ()>(&mut store, "f").unwrap();
    let text = format!("{:#}", f.call(&mut store, ()).unwrap_err());
    assert!(
        text.contains(", v128 0xffffffffffffffffffffffffffffffff and 984 more"),
        "{text}"
    );
    assert!(text.len() < 1500, "{text}");
}

#[test]
fn a_stale_reference_is_an_error() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let tag = int_tag(&mut store);
    let stale = {
        let mut scope = upshift::RootScope::new(&mut store);
        ExnRef::new(&mut scope, &tag, &[1.into()]).unwrap()
    };
    assert!(stale.fields(&mut store).is_ok(), "not collected yet");
    store.gc();
    assert!(stale.fields(&mut store).is_err());
    let kept = ExnRef::new(&mut store, &tag, &[2.into()]).unwrap();
    assert!(
        stale.tag(&mut store).is_err(),
        "even if the memory is used again"
    );
    store.gc();
    assert_eq!(kept.field(&mut store, 0).unwrap().unwrap_i32(), 2);
    assert!(
        store
            .throw::<()>(stale)
            .unwrap_err()
            .downcast_ref::<ThrownException>()
            .is_none()
    );
}

#[test]
fn references_to_exceptions_are_values_of_the_api() {
    const MODULE: &str = r#"(module
        (tag $int (export "int") (param i32))
        (global (export "global") (mut exnref) (ref.null exn))
        (table (export "table") 2 exnref)
        (func (export "same") (param exnref) (result exnref) (local.get 0))
        (func (export "value") (param exnref) (result i32)
            (block $caught (result i32)
                (try_table (catch $int $caught) (throw_ref (local.get 0)))
                (unreachable))))"#;
    in_every_mode(|engine| {
        let (mut store, instance) = instance(engine, MODULE);
        let tag = instance.get_tag(&mut store, "int").unwrap();
        let exception = ExnRef::new(&mut store, &tag, &[7.into()]).unwrap();
        let same = instance
            .get_typed_func::<Option<ExnRef>, Option<ExnRef>>(&mut store, "same")
            .unwrap();
        assert_eq!(
            same.call(&mut store, Some(exception)).unwrap(),
            Some(exception)
        );
        assert_eq!(same.call(&mut store, None).unwrap(), None);
        let value = instance
            .get_typed_func::<Option<ExnRef>, i32>(&mut store, "value")
            .unwrap();
        assert_eq!(value.call(&mut store, Some(exception)).unwrap(), 7);
        let error = value.call(&mut store, None).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&upshift::Trap::NullReference));
        let global = instance.get_global(&mut store, "global").unwrap();
        global.set(&mut store, exception.into()).unwrap();
        assert_eq!(global.get(&mut store).unwrap_exn_ref(), Some(exception));
        assert!(global.set(&mut store, Val::ExternRef(None)).is_err());
        let table = instance.get_table(&mut store, "table").unwrap();
        table.set(&mut store, 1, Ref::from(exception)).unwrap();
        store.gc();
        assert!(matches!(table.get(&mut store, 1), Some(Ref::Exn(Some(it))) if it == exception));
        assert!(matches!(table.get(&mut store, 0), Some(Ref::Exn(None))));
    });
}

/// Traps, interruptions and other errors pass all clauses.
#[test]
fn clauses_catch_exceptions_only() {
    const MODULE: &str = r#"(module
        (import "" "fail" (func $fail))
        (func $trap unreachable)
        (func (export "trap")
            (block $caught (try_table (catch_all $caught) (call $trap))))
        (func (export "own") try unreachable catch_all end)
        (func (export "fail") try (call $fail) catch_all end)
        (tag $t)
        (func (export "storm")
            (loop $again
                (block $caught (result exnref)
                    (try_table (catch_all_ref $caught) (throw $t))
                    (unreachable))
                (drop)
                (br $again)))
        (func $spin (loop (br 0)))
        (func (export "spin") try (call $spin) catch_all end))"#;
    in_every_mode(|engine| {
        let mut store = Store::new(engine, ());
        let module = Module::new(engine, MODULE).unwrap();
        let fail = Func::wrap(&mut store, || -> upshift::Result<()> {
            anyhow::bail!("failed")
        });
        let imports: [Extern; 1] = [fail.into()];
        let instance = Instance::new(&mut store, &module, &imports).unwrap();
        let mut call = |name: &str| {
            let func = instance.get_typed_func::<(), ()>(&mut store, name).unwrap();
            if ["spin", "storm"].contains(&name) {
                let soon = std::time::Instant::now() + std::time::Duration::from_millis(20);
                store.set_deadline(Some(soon));
            }
            func.call(&mut store, ()).unwrap_err()
        };
        for name in ["trap", "own"] {
            assert_eq!(call(name).downcast_ref(), Some(&upshift::Trap::Unreachable));
        }
        assert_eq!(call("fail").to_string(), "failed");
        for name in ["spin", "storm"] {
            let error = call(name);
            assert!(error.is::<upshift::TimedOut>(), "{name}: {error:?}");
        }
    });
}
