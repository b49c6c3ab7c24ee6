//! Calls in both directions with raw values: all types, through every way of calling.

#![cfg(feature = "wat")]

use upshift::{
    Caller, ExternRef, Func, FuncType, Instance, Linker, Module, Ref, Result, Store, Val, ValRaw,
    ValType,
};
use upshift_spectest::Mode;

const TEXT: &str = r#"(module
    (import "host" "mixed" (func $mixed
        (param i32 i64 f32 f64 v128 externref funcref)
        (result funcref externref v128 f64 f32 i64 i32)))
    (func (export "run")
        (param i32 i64 f32 f64 v128 externref funcref)
        (result funcref externref v128 f64 f32 i64 i32)
        (call $mixed (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4)
            (local.get 5) (local.get 6)))
    (func (export "none"))
    (func (export "traps") (param i32) (result i32)
        (i32.div_s (i32.const 1) (local.get 0))))"#;

/// Returns its arguments in the opposite order.
fn reverse(
    mut caller: Caller<'_, u32>,
    values: &mut [std::mem::MaybeUninit<ValRaw>],
) -> Result<()> {
    *caller.data_mut() += 1;
    values.reverse();
    Ok(())
}

fn ty(engine: &upshift::Engine) -> FuncType {
    let params = [
        ValType::I32,
        ValType::I64,
        ValType::F32,
        ValType::F64,
        ValType::V128,
        ValType::EXTERNREF,
        ValType::FUNCREF,
    ];
    let results = params.into_iter().rev();
    FuncType::new(engine, params, results)
}

#[test]
fn raw_values_pass_in_both_directions() {
    for mode in Mode::all() {
        eprintln!("mode {mode}");
        let engine = upshift::Engine::new(&mode.config()).unwrap();
        let module = Module::new(&engine, TEXT).unwrap();
        let mut store = Store::new(&engine, 0);
        let mut linker = Linker::new(&engine);
        let host = ty(&engine);
        // SAFETY: the results are the arguments in the opposite order, as the types are.
        unsafe { linker.func_new_unchecked("host", "mixed", host, reverse) }.unwrap();
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let run = instance.get_func(&mut store, "run").unwrap();
        for n in 0..300 {
            let reference = ExternRef::new(&mut store, n);
            let extern_ref = Val::ExternRef(Some(reference)).to_raw(&mut store).unwrap();
            let func_ref = Val::FuncRef(Some(run)).to_raw(&mut store).unwrap();
            let mut values = [
                ValRaw::i32(-n),
                ValRaw::i64(i64::MIN + i64::from(n)),
                ValRaw::f32(1.5_f32.to_bits()),
                ValRaw::f64(2.5_f64.to_bits()),
                ValRaw::v128(u128::MAX / 3),
                extern_ref,
                func_ref,
            ];
            // SAFETY: so many values of these types are the function's.
            unsafe { run.call_unchecked(&mut store, &mut values) }.unwrap();
            // SAFETY: the function has just returned them.
            let [func, value] = [(0, ValType::FUNCREF), (1, ValType::EXTERNREF)]
                .map(|(n, ty)| unsafe { Val::from_raw(&mut store, values[n], ty) });
            assert!(matches!(func.as_ref(), Some(Ref::Func(Some(func))) if func == run));
            let value = value.unwrap_extern_ref().expect("not null");
            assert_eq!(value.data(&store).downcast_ref::<i32>(), Some(&n));
            assert_eq!(values[2].get_v128(), u128::MAX / 3);
            assert_eq!(f64::from_bits(values[3].get_f64()), 2.5);
            assert_eq!(f32::from_bits(values[4].get_f32()), 1.5);
            assert_eq!(values[5].get_i64(), i64::MIN + i64::from(n));
            assert_eq!(values[6].get_i32(), -n);
        }
        assert_eq!(*store.data(), 300);
    }
}

#[test]
fn functions_without_values_and_traps() {
    let engine = upshift::Engine::default();
    let module = Module::new(&engine, TEXT).unwrap();
    let mut store = Store::new(&engine, 0);
    let host = ty(&engine);
    // SAFETY: as above.
    let mixed = unsafe { Func::new_unchecked(&mut store, host, reverse) };
    let instance = Instance::new(&mut store, &module, &[mixed.into()]).unwrap();
    let none = instance.get_func(&mut store, "none").unwrap();
    // SAFETY: the function takes and returns nothing.
    unsafe { none.call_unchecked(&mut store, &mut []) }.unwrap();
    let traps = instance.get_func(&mut store, "traps").unwrap();
    let mut values = [ValRaw::i32(0)];
    // SAFETY: the function takes and returns one i32.
    let error = unsafe { traps.call_unchecked(&mut store, &mut values) }.unwrap_err();
    let trap = error.downcast_ref();
    assert_eq!(trap, Some(&upshift::Trap::IntegerDivideByZero));
}

#[test]
#[should_panic(expected = "0 values where 1 are needed")]
fn too_few_values_are_refused() {
    let engine = upshift::Engine::default();
    let mut store = Store::new(&engine, ());
    let func = Func::wrap(&mut store, |n: i32| n);
    // SAFETY: the call panics before it uses any value.
    let _ = unsafe { func.call_unchecked(&mut store, &mut []) };
}
