//! Typed calls whose values stay in registers, at the limits of native signatures: each kind of
//! result, the last signature that is native and the first that is not, failures of each.

use std::panic::{AssertUnwindSafe, catch_unwind};

use upshift::{
    Caller, Engine, ExternRef, Func, Linker, Module, Result, Store, Trap, WasmParams, WasmResults,
};

use crate::in_every_mode;

/// An instance whose export `pass` passes its arguments to the host function and returns the
/// results.
fn pass_through<P: WasmParams, R: WasmResults>(
    engine: &Engine,
    ty: &str,
    params: u32,
    host: impl FnOnce(&mut Store<u64>) -> Func,
) -> (Store<u64>, upshift::TypedFunc<P, R>) {
    let arguments: String = (0..params).map(|n| format!("(local.get {n}) ")).collect();
    let text = format!(
        r#"(module (import "host" "f" (func $f {ty}))
            (func (export "pass") {ty} (call $f {arguments})))"#
    );
    let module = Module::new(engine, text).unwrap();
    let mut store = Store::new(engine, 0);
    let func = host(&mut store);
    let mut linker = Linker::new(engine);
    linker.define(&store, "host", "f", func).unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let pass = instance.get_typed_func::<P, R>(&mut store, "pass").unwrap();
    (store, pass)
}

#[test]
fn results_of_every_type() {
    in_every_mode(|engine| {
        let (mut store, pass) =
            pass_through::<i32, i32>(engine, "(param i32) (result i32)", 1, |store| {
                Func::wrap(store, |x: i32| x.wrapping_neg())
            });
        assert_eq!(pass.call(&mut store, i32::MIN + 1).unwrap(), i32::MAX);
        let (mut store, pass) =
            pass_through::<i64, i64>(engine, "(param i64) (result i64)", 1, |store| {
                Func::wrap(store, |x: i64| !x)
            });
        assert_eq!(pass.call(&mut store, 1_i64 << 63).unwrap(), i64::MAX);
        let (mut store, pass) =
            pass_through::<f32, f32>(engine, "(param f32) (result f32)", 1, |store| {
                Func::wrap(store, |x: f32| -x)
            });
        assert_eq!(pass.call(&mut store, 1.5_f32).unwrap(), -1.5_f32);
        let (mut store, pass) =
            pass_through::<f64, f64>(engine, "(param f64) (result f64)", 1, |store| {
                Func::wrap(store, |x: f64| x / 4.0)
            });
        assert_eq!(pass.call(&mut store, 1e300_f64).unwrap(), 0.25e300_f64);
        let (mut store, pass) = pass_through::<u64, ()>(engine, "(param i64)", 1, |store| {
            Func::wrap(store, |mut caller: Caller<'_, u64>, x: u64| {
                *caller.data_mut() += x;
            })
        });
        let () = pass.call(&mut store, 5_u64).unwrap();
        let () = pass.call(&mut store, 6_u64).unwrap();
        assert_eq!(*store.data(), 11);
    });
}

#[test]
fn all_argument_registers_and_one_more() {
    type Full = (
        i32,
        f64,
        i64,
        f32,
        i32,
        f64,
        i64,
        f32,
        i32,
        f64,
        f32,
        f64,
        f32,
    );
    in_every_mode(|engine| {
        let ty = "(param i32 f64 i64 f32 i32 f64 i64 f32 i32 f64 f32 f64 f32) (result f64)";
        let full: Full = (1, 2.0, 3, 4.0, 5, 6.0, 7, 8.0, 9, 10.0, 11.0, 12.0, 13.0);
        // Weights make the positions distinguishable.
        #[allow(clippy::too_many_arguments, reason = "as many as there are registers")]
        fn sum(
            a: i32,
            b: f64,
            c: i64,
            d: f32,
            e: i32,
            f: f64,
            g: i64,
            h: f32,
            i: i32,
            j: f64,
            k: f32,
            l: f64,
            m: f32,
        ) -> f64 {
            let ints = [i64::from(a), c, i64::from(e), g, i64::from(i)];
            let floats = [
                b,
                f64::from(d),
                f,
                f64::from(h),
                j,
                f64::from(k),
                l,
                f64::from(m),
            ];
            let ints = ints
                .iter()
                .zip(1_i32..)
                .map(|(&x, w)| x as f64 * f64::from(w));
            let floats = floats.iter().zip(6_i32..).map(|(&x, w)| x * f64::from(w));
            ints.chain(floats).sum()
        }
        let expected = sum(1, 2.0, 3, 4.0, 5, 6.0, 7, 8.0, 9, 10.0, 11.0, 12.0, 13.0);
        let (mut store, pass) =
            pass_through::<Full, f64>(engine, ty, 13, |store| Func::wrap(store, sum));
        assert_eq!(pass.call(&mut store, full).unwrap(), expected);

        // A sixth integer goes to the stack, so the function is called with an array.
        type Six = (i64, i64, i64, i64, i64, i64);
        let ty = "(param i64 i64 i64 i64 i64 i64) (result i64)";
        let (mut store, pass) = pass_through::<Six, i64>(engine, ty, 6, |store| {
            let digits = |a: i64, b: i64, c: i64, d: i64, e: i64, f: i64| {
                [a, b, c, d, e, f].iter().fold(0, |sum, x| sum * 10 + x)
            };
            Func::wrap(store, digits)
        });
        let digits = pass.call(&mut store, (1, 2, 3, 4, 5, 6)).unwrap();
        assert_eq!(digits, 123_456);
    });
}

#[test]
fn failures_come_back_whatever_the_result() {
    fn fail<T>(fails: i32, value: T) -> Result<T> {
        if fails == 0 {
            return Ok(value);
        }
        Err(Trap::Unreachable.into())
    }
    in_every_mode(|engine| {
        macro_rules! check {
            ($ty:ty, $wasm:literal, $value:expr) => {
                let ty = concat!("(param i32) ", $wasm);
                let (mut store, pass) = pass_through::<i32, $ty>(engine, ty, 1, |store| {
                    Func::wrap(store, |fails: i32| fail::<$ty>(fails, $value))
                });
                for fails in [0, 1, 0, 1, 0] {
                    let result = pass.call(&mut store, fails);
                    if fails == 0 {
                        assert_eq!(result.unwrap(), $value);
                    } else {
                        let trap = result.unwrap_err().downcast::<Trap>().unwrap();
                        assert_eq!(trap, Trap::Unreachable);
                    }
                }
            };
        }
        check!((), "", ());
        check!(i32, "(result i32)", -1_i32);
        check!(i64, "(result i64)", -1_i64);
        check!(f32, "(result f32)", 0.5_f32);
        check!(f64, "(result f64)", 0.5_f64);
        check!((i32, f64), "(result i32 f64)", (1_i32, 0.5_f64));
    });
}

#[test]
fn references_stay_in_their_store() {
    in_every_mode(|engine| {
        type Value = Option<ExternRef>;
        let ty = "(param externref) (result externref)";
        let (mut store, pass) =
            pass_through::<Value, Value>(engine, ty, 1, |store| Func::wrap(store, |x: Value| x));
        let value = ExternRef::new(&mut store, 5_u8);
        let back = pass.call(&mut store, Some(value)).unwrap().unwrap();
        assert_eq!(back.data(&store).downcast_ref::<u8>(), Some(&5));
        assert!(pass.call(&mut store, None).unwrap().is_none());
        let mut other = Store::new(engine, 0_u64);
        let foreign = ExternRef::new(&mut other, 6_u8);
        let call = AssertUnwindSafe(|| pass.call(&mut store, Some(foreign)));
        assert!(catch_unwind(call).is_err(), "a reference of another store");

        let ty = "(param funcref) (result funcref)";
        let (mut store, pass) =
            pass_through::<Option<Func>, Option<Func>>(engine, ty, 1, |store| {
                Func::wrap(store, |x: Option<Func>| x)
            });
        let seven = Func::wrap(&mut store, || 7);
        let back = pass.call(&mut store, Some(seven)).unwrap().unwrap();
        let seven = back.typed::<(), i32>(&store).unwrap();
        assert_eq!(seven.call(&mut store, ()).unwrap(), 7);
    });
}

#[test]
fn a_failure_that_the_host_handles_leaves_its_caller_intact() {
    in_every_mode(|engine| {
        let text = r#"(module
            (import "host" "try" (func $try (param i32) (result i32)))
            (func (export "fail") (param i32) (result f64) unreachable)
            (func (export "outer") (param i64 i64 i64 i64 i64 i64) (result i64)
                (i64.add (i64.extend_i32_s (call $try (i32.const 1)))
                    (i64.add (i64.add (local.get 0) (i64.mul (local.get 1) (i64.const 10)))
                        (i64.add
                            (i64.add
                                (i64.mul (local.get 2) (i64.const 100))
                                (i64.mul (local.get 3) (i64.const 1000)))
                            (i64.add
                                (i64.mul (local.get 4) (i64.const 10000))
                                (i64.mul (local.get 5) (i64.const 100000))))))))"#;
        let module = Module::new(engine, text).unwrap();
        let mut linker = Linker::new(engine);
        let attempt = |mut caller: Caller<'_, ()>, x: i32| {
            let fail = caller.get_export("fail").unwrap().into_func().unwrap();
            let fail = fail.typed::<i32, f64>(&caller).unwrap();
            i32::from(fail.call(&mut caller, x).is_err())
        };
        linker.func_wrap("host", "try", attempt).unwrap();
        let mut store = Store::new(engine, ());
        let instance = linker.instantiate(&mut store, &module).unwrap();
        type Six = (i64, i64, i64, i64, i64, i64);
        let outer = instance
            .get_typed_func::<Six, i64>(&mut store, "outer")
            .unwrap();
        for _ in 0..20 {
            let sum = outer.call(&mut store, (1, 2, 3, 4, 5, 6)).unwrap();
            assert_eq!(sum, 654_322);
        }
    });
}
