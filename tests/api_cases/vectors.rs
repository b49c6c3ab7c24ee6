//! Vectors at the borders: between Rust and WebAssembly, between functions, on the stack; and what
//! relaxed operators choose.

use std::fmt::Write;

use upshift::{
    Caller, Config, Engine, Func, Global, GlobalType, Linker, MissingFeature, Module, Mutability,
    Store, Strategy, V128, Val, ValType, knobs,
};

use crate::{in_every_mode, instance};

fn bytes(first: u8) -> V128 {
    V128::from(std::array::from_fn(|n| first + n as u8))
}

#[test]
fn vectors_pass_between_rust_and_webassembly() {
    in_every_mode(|engine| {
        let module = Module::new(
            engine,
            r#"(module
                (import "host" "mix" (func $mix (param v128 i32 v128) (result v128 f64 v128)))
                (import "host" "global" (global $global (mut v128)))
                (global (export "constant") v128 (v128.const i32x4 1 2 3 4))
                (func (export "call") (param v128 i32) (result v128 f64)
                    (local $last v128)
                    (call $mix (local.get 0) (local.get 1) (global.get $global))
                    (global.set $global)))"#,
        );
        let module = module.expect("a valid module");
        let mut store = Store::new(engine, 0u32);
        let ty = GlobalType::new(ValType::V128, Mutability::Var);
        let global = Global::new(&mut store, ty, bytes(100).into()).expect("of the type");
        let mut linker = Linker::new(engine);
        let mix = |mut caller: Caller<'_, u32>, a: V128, n: i32, b: V128| {
            *caller.data_mut() += 1;
            (b, f64::from(n), a)
        };
        let mix = Func::wrap(&mut store, mix);
        linker.define(&store, "host", "mix", mix).unwrap();
        linker.define(&store, "host", "global", global).unwrap();
        let instance = linker.instantiate(&mut store, &module).unwrap();

        let call = instance.get_typed_func::<(V128, i32), (V128, f64)>(&mut store, "call");
        let call = call.expect("of the type");
        for n in 0..200 {
            let held = global.get(&mut store).unwrap_v128();
            let results = call.call(&mut store, (bytes(n as u8), n)).unwrap();
            assert_eq!(results, (held, f64::from(n)));
            assert_eq!(global.get(&mut store).v128(), Some(bytes(n as u8)));
        }
        assert_eq!(*store.data(), 200);
        let constant = instance.get_global(&mut store, "constant").unwrap();
        let expected = 0x00000004_00000003_00000002_00000001;
        assert_eq!(constant.get(&mut store).unwrap_v128().as_u128(), expected);
        let call = instance.get_func(&mut store, "call").unwrap();
        let mut results = [Val::I32(0), Val::I32(0)];
        let arguments = [bytes(7).into(), Val::I32(5)];
        call.call(&mut store, &arguments, &mut results).unwrap();
        assert_eq!(results[1].f64(), Some(5.0));
    });
}

/// More vectors than there are registers for arguments, for results, and for values.
#[test]
fn many_vectors_find_room() {
    let mut text = String::from("(module (func $rotate (param");
    let count = 20;
    let types = " v128".repeat(count);
    write!(text, "{types}) (result{types})").unwrap();
    for n in 0..count {
        write!(text, " (local.get {})", (n + 1) % count).unwrap();
    }
    write!(
        text,
        r#") (func (export "run") (param i32) (result{types}) (local $n i32)"#
    )
    .unwrap();
    for n in 0..count {
        write!(text, " (v128.const i64x2 {n} -{n})").unwrap();
    }
    // A loop whose parameters are all of them, which the optimizer enters in the middle.
    write!(
        text,
        "(loop $next (param{types}) (result{types})
            (call $rotate)
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $n) (local.get 0)))))
         (func (export \"trap\") (param i32) (result{types}) (call 1 (local.get 0)) (unreachable)))"
    )
    .unwrap();
    in_every_mode(|engine| {
        let (mut store, instance) = instance(engine, &text);
        let run = instance.get_func(&mut store, "run").unwrap();
        for rounds in [1, 7, 1_000, 20_003] {
            let mut results = vec![Val::I32(0); count];
            run.call(&mut store, &[Val::I32(rounds)], &mut results)
                .unwrap();
            for (n, value) in results.iter().enumerate() {
                let expected = ((n + rounds as usize) % count) as u64;
                let expected = u128::from(expected.wrapping_neg()) << 64 | u128::from(expected);
                assert_eq!(value.unwrap_v128().as_u128(), expected, "result {n}");
            }
        }
        let trap = instance.get_func(&mut store, "trap").unwrap();
        let mut results = vec![Val::I32(0); count];
        let error = trap.call(&mut store, &[Val::I32(3)], &mut results);
        assert_eq!(
            error.unwrap_err().downcast_ref(),
            Some(&upshift::Trap::Unreachable)
        );
    });
}

/// A byte lane is no condition, though both are bytes to the optimizer: masks and tables keep their
/// meaning.
#[test]
fn lanes_have_all_their_bits() {
    let text = r#"(module
        (func (export "mask8") (param i32) (result i32)
            (i32.and (i8x16.extract_lane_u 3 (i8x16.splat (local.get 0))) (i32.const 1)))
        (func (export "mask16") (param i32) (result i32)
            (i32.and (i16x8.extract_lane_u 3 (i16x8.splat (local.get 0))) (i32.const 255)))
        (func (export "table") (param i32) (result i32)
            (block $default
                (block $1 (block $0
                    (br_table $0 $1 $0 $1 $0 $1 $0 $1 $default
                        (i8x16.extract_lane_u 0 (i8x16.splat (local.get 0)))))
                    (return (i32.const 10)))
                (return (i32.const 11)))
            (i32.const 99))
        (func (export "condition") (param i32) (result i32)
            (i32.and (v128.any_true (i8x16.splat (local.get 0))) (i32.const 1))))"#;
    in_every_mode(|engine| {
        let (mut store, instance) = instance(engine, text);
        let mut check = |name: &str, expected: fn(u32) -> u32| {
            let func = instance.get_typed_func::<u32, u32>(&mut store, name);
            let func = func.expect("of the type");
            for number in (0..300).chain([0xffff, 0x1_0000, u32::MAX]) {
                let result = func.call(&mut store, number).unwrap();
                assert_eq!(result, expected(number), "{name} {number}");
            }
        };
        check("mask8", |number| number & 1);
        check("mask16", |number| number & 255);
        check("table", |number| match number & 255 {
            byte @ 0..8 => 10 + byte % 2,
            _ => 99,
        });
        check("condition", |number| u32::from(number & 255 != 0));
    });
}

/// The relaxed operators with the number of their operands.
const RELAXED: [(&str, usize); 20] = [
    ("i8x16.relaxed_swizzle", 2),
    ("i32x4.relaxed_trunc_f32x4_s", 1),
    ("i32x4.relaxed_trunc_f32x4_u", 1),
    ("i32x4.relaxed_trunc_f64x2_s_zero", 1),
    ("i32x4.relaxed_trunc_f64x2_u_zero", 1),
    ("f32x4.relaxed_madd", 3),
    ("f32x4.relaxed_nmadd", 3),
    ("f64x2.relaxed_madd", 3),
    ("f64x2.relaxed_nmadd", 3),
    ("i8x16.relaxed_laneselect", 3),
    ("i16x8.relaxed_laneselect", 3),
    ("i32x4.relaxed_laneselect", 3),
    ("i64x2.relaxed_laneselect", 3),
    ("f32x4.relaxed_min", 2),
    ("f32x4.relaxed_max", 2),
    ("f64x2.relaxed_min", 2),
    ("f64x2.relaxed_max", 2),
    ("i16x8.relaxed_q15mulr_s", 2),
    ("i16x8.relaxed_dot_i8x16_i7x16_s", 2),
    ("i32x4.relaxed_dot_i8x16_i7x16_add_s", 3),
];

/// What each relaxed operator makes of values for which processors differ; NaNs are all one.
fn relaxed_results(config: &mut Config, strategy: Strategy) -> Vec<u128> {
    let engine = Engine::new(config.strategy(strategy).canonicalize_nans(true)).unwrap();
    let mut text = String::from("(module");
    for (operator, operands) in RELAXED {
        let operands_text: String = (0..operands).map(|n| format!("(local.get {n})")).collect();
        write!(
            text,
            r#"(func (export "{operator}") (param v128 v128 v128) (result v128)
                ({operator} {operands_text}))"#
        )
        .unwrap();
    }
    text.push(')');
    let (mut store, instance) = instance(&engine, &text);
    let floats = |a: f32, b: f32, c: f32, d: f32| {
        let bits = [a, b, c, d].map(|float| u128::from(float.to_bits()));
        V128::from(bits[3] << 96 | bits[2] << 64 | bits[1] << 32 | bits[0])
    };
    let values = [
        floats(f32::NAN, 3e9, -3e9, 5e9),
        floats(0.0, -0.0, 1.000_000_1, f32::INFINITY),
        floats(-0.0, 0.0, 1.000_000_1, -1.0),
        V128::from([0x80; 16]),
        V128::from([0x7f; 16]),
        bytes(240),
        bytes(9),
    ];
    let mut results = Vec::new();
    for (operator, _) in RELAXED {
        let name = operator;
        let func = instance.get_typed_func::<(V128, V128, V128), V128>(&mut store, name);
        let func = func.expect("of the type");
        for a in values {
            for b in values {
                let c = values[results.len() % values.len()];
                results.push(func.call(&mut store, (a, b, c)).unwrap().as_u128());
            }
        }
    }
    results
}

#[test]
fn both_tiers_choose_alike_where_the_standard_leaves_a_choice() {
    let mut seen = Vec::new();
    for cpu in ["native", "sse41"] {
        for deterministic in [false, true] {
            let mut config = Config::new();
            config.relaxed_simd_deterministic(deterministic);
            knobs::set(&mut config, knobs::Group::Compile, "cpu", cpu).unwrap();
            if deterministic && (cpu == "sse41" || !std::is_x86_feature_detected!("fma")) {
                let engine = Engine::new(&config).unwrap();
                let text = "(module (func (param v128 v128) (result v128)
                    (f32x4.relaxed_min (local.get 0) (local.get 1))))";
                let error = Module::new(&engine, text).unwrap_err();
                assert!(format!("{error:#}").contains("FMA"), "{error:#}");
                continue;
            }
            let baseline = relaxed_results(&mut config, Strategy::Baseline);
            let optimizer = relaxed_results(&mut config, Strategy::Optimizer);
            let per_operator = baseline.len() / RELAXED.len();
            for (n, (a, b)) in baseline.iter().zip(&optimizer).enumerate() {
                let (operator, case) = (RELAXED[n / per_operator].0, n % per_operator);
                assert_eq!(a, b, "{operator}, case {case}, {cpu}, {deterministic}");
            }
            seen.push(baseline);
        }
    }
    assert!(seen.windows(2).all(|pair| pair[0] != pair[1]));
}

#[test]
fn an_old_processor_refuses_vectors_by_name() {
    let mut config = Config::new();
    knobs::set(&mut config, knobs::Group::Compile, "cpu", "baseline").unwrap();
    let engine = Engine::new(&config).unwrap();
    let error = Module::new(&engine, "(module (func (param v128)))").unwrap_err();
    assert!(format!("{error:#}").contains("SSE4.1"), "{error:#}");
    assert!(error.downcast_ref::<MissingFeature>().is_some());
}
