//! Core dumps: taken in every mode, and read back as a debugger would.

mod reading;

use upshift::knobs::{self, Group};
use upshift::{
    Caller, Config, Engine, Func, Global, GlobalType, Instance, Linker, Memory, MemoryType, Module,
    Mutability, SharedMemory, Store, Strategy, TimedOut, Trap, Val, ValType, WasmCoreDump,
};
use upshift_spectest::Mode;

use reading::{Read, frame, read};

const MODULE: &str = r#"(module $crashes
    (import "host" "shared" (global $imported (mut i64)))
    (import "host" "memory" (memory $imported 1))
    (import "host" "back" (func $back (param i32)))
    (memory $m (export "memory") 2 5)
    (memory $n i64 1)
    (global $g (export "g") (mut i32) (i32.const -7))
    (global $f f64 (f64.const 1.5))
    (global $v v128 (v128.const i64x2 1 2))
    (global $r (mut externref) (ref.null extern))
    (data (memory $m) (i32.const 70000) "evidence")
    (func $inner (export "inner") (param $a i32) (param $b i64) (result f64)
        (local $x f32) (local $y f64) (local $z v128) (local $w i32)
        (local.set $x (f32.const 2.5))
        (local.set $y (f64.convert_i32_s (local.get $a)))
        (local.set $w (i32.mul (local.get $a) (i32.const 3)))
        (i64.store $n (i64.const 9) (local.get $b))
        (global.set $g (local.get $w))
        (unreachable))
    (func $outer (export "outer") (param $n i32) (result f64) (local $k i64)
        (local.set $k (i64.const -1))
        (f64.add (f64.const 1) (call $inner (local.get $n) (i64.const 0x1122334455))))
    (func (export "around") (param i32) (call $back (local.get 0)))
    (func $deep (export "deep") (param i32) (result i32)
        (i32.add (i32.const 1) (call $deep (local.get 0))))
    (func (export "spin") (loop (br 0))))"#;

/// A store with two instances of the module; returns the second one.
fn store(engine: &Engine) -> (Store<()>, Instance) {
    let module = Module::new(engine, MODULE).unwrap();
    let mut store = Store::new(engine, ());
    let mut linker = Linker::<()>::new(engine);
    let ty = GlobalType::new(ValType::I64, Mutability::Var);
    let shared = Global::new(&mut store, ty, Val::I64(1 << 40)).unwrap();
    linker.define(&store, "host", "shared", shared).unwrap();
    let memory = Memory::new(&mut store, MemoryType::new(1, None)).unwrap();
    memory.write(&mut store, 65535, &[77]).unwrap();
    linker.define(&store, "host", "memory", memory).unwrap();
    let back = |mut caller: Caller<'_, ()>, n: i32| {
        let outer = caller.get_export("outer").unwrap().into_func().unwrap();
        let outer = outer.typed::<i32, f64>(&caller)?;
        outer.call(&mut caller, n).map(drop)
    };
    linker.func_wrap("host", "back", back).unwrap();
    linker.instantiate(&mut store, &module).unwrap();
    let second = linker.instantiate(&mut store, &module).unwrap();
    (store, second)
}

fn engine_of(mut config: Config) -> Engine {
    Engine::new(config.coredump_on_trap(true)).unwrap()
}

fn in_every_mode(test: impl Fn(&Engine)) {
    for &mode in Mode::all() {
        eprintln!("mode {mode}");
        test(&engine_of(mode.config()));
    }
}

/// Engines with baseline code only, and how they differ.
fn baseline_engines() -> Vec<(&'static str, Engine)> {
    let config = |change: fn(&mut Config)| {
        let mut config = Config::new();
        change(config.strategy(Strategy::Baseline));
        engine_of(config)
    };
    let mut counting = Config::new();
    knobs::set(&mut counting, Group::Tiering, "policy", "never").unwrap();
    vec![
        ("plain", config(|_| {})),
        ("naive", config(|config| _ = config.tiers(["naive"]))),
        ("fuel", config(|config| _ = config.consume_fuel(true))),
        ("counting", engine_of(counting)),
    ]
}

/// The dump of the error, read back.
fn dump_of(store: &mut Store<()>, error: &upshift::Error) -> Read {
    let dump: &WasmCoreDump = error.downcast_ref().expect("a core dump");
    read(&dump.serialize(store, "crashes.wasm"))
}

#[test]
fn a_dump_has_frames_memories_and_globals() {
    in_every_mode(|engine| {
        let (mut store, instance) = store(engine);
        let around = instance.get_typed_func::<i32, ()>(&mut store, "around");
        let error = around.unwrap().call(&mut store, 14).unwrap_err();
        assert_eq!(error.to_string(), Trap::Unreachable.to_string());
        assert_eq!(error.downcast_ref(), Some(&Trap::Unreachable));
        let dump: &WasmCoreDump = error.downcast_ref().unwrap();
        assert_eq!((dump.instances().len(), dump.modules().len()), (2, 1));
        assert_eq!((dump.memories().len(), dump.globals().len()), (5, 9));
        let names: Vec<_> = dump
            .frames()
            .iter()
            .map(|frame| frame.func_name())
            .collect();
        assert_eq!(names, [Some("inner"), Some("outer"), Some("around")]);
        let read = dump_of(&mut store, &error);
        assert_eq!(read.name, "crashes.wasm");
        assert_eq!(read.modules, ["crashes"]);
        let functions: Vec<_> = read.frames.iter().map(|frame| frame.func).collect();
        assert_eq!(functions, [1, 2, 3]);
        assert!(
            read.frames
                .iter()
                .all(|frame| frame.instance == 1 && frame.offset > 0)
        );
        assert_eq!(read.frames[0].locals.len(), 6);
        let [first, second] = &read.instances[..] else {
            panic!("two instances")
        };
        let [imported, memory, other] = second.memories[..] else {
            panic!("three memories")
        };
        assert_eq!(first.memories[0], imported);
        assert_eq!(first.globals[0], second.globals[0]);
        assert_eq!(second.globals.len(), 5);
        let text: Vec<u8> = (70000..70008).map(|at| read.bytes[&(memory, at)]).collect();
        assert_eq!(text, b"evidence");
        assert_eq!(read.bytes[&(imported, 65535)], 77);
        assert_eq!(read.bytes[&(other, 9)], 0x55);
        assert_eq!(read.bytes.get(&(first.memories[2], 9)), None);
        let ty = read.memories[memory as usize];
        assert_eq!((ty.initial, ty.maximum), (2, Some(5)));
        assert!(read.memories[other as usize].memory64);
        // i32.const 42, end
        assert_eq!(read.globals[second.globals[1] as usize], [0x41, 42, 0x0b]);
        // i64.const 1 << 40, end
        assert_eq!(read.globals[second.globals[0] as usize].len(), 8);
        assert_eq!(read.globals[second.globals[4] as usize], [0xd0, 0x6f, 0x0b]);
    });
}

/// Values that are listed are right in every mode, and all are known in baseline code.
#[test]
fn locals_are_right_or_missing() {
    let check = |engine: &Engine, all: bool| {
        let (mut store, instance) = store(engine);
        let around = instance.get_typed_func::<i32, ()>(&mut store, "around");
        let error = around.unwrap().call(&mut store, 14).unwrap_err();
        let read = dump_of(&mut store, &error);
        let inner = ["14", "73588229205", "2.5", "14.0", "?", "42"];
        frame(&read.frames[0], all, &inner, &[]);
        frame(&read.frames[1], all, &["14", "-1"], &["1.0"]);
        frame(&read.frames[2], all, &["14"], &[]);
    };
    in_every_mode(|engine| check(engine, false));
    for (name, engine) in baseline_engines() {
        eprintln!("baseline {name}");
        let mut store = Store::new(&engine, ());
        let _ = store.set_fuel(1 << 40);
        drop(store);
        if name != "fuel" {
            check(&engine, true);
        }
    }
}

const VALUES: &str = r#"(module
    (import "host" "fail" (func $fail (param i32)))
    (memory 1)
    (table 4 funcref)
    (elem (i32.const 0) $id)
    (type $id (func (param i32) (result i32)))
    (func $id (type $id) (local.get 0))
    ;; Changes registers that calls preserve.
    (func $busy (param $n i32) (result i32) (local $a i32) (local $b i32) (local $c i32)
        (local.set $a (call $id (i32.const 1)))
        (local.set $b (call $id (i32.const 2)))
        (local.set $c (call $id (i32.const 3)))
        (loop
            (local.set $a (i32.add (local.get $a) (call $id (local.get $b))))
            (local.set $c (i32.xor (local.get $c) (call $id (local.get $a))))
            (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (i32.add (local.get $a) (local.get $c)))
    ;; Everything of it is in registers when it divides by zero.
    (func (export "divides") (param $n i32) (result i64)
        (local $i i32) (local $sum i64) (local $half f64) (local $third f32) (local $last i32)
        (loop
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (local.set $sum (i64.add (local.get $sum)
                (i64.extend_i32_u (i32.mul (local.get $i) (local.get $i)))))
            (local.set $half (f64.mul (f64.convert_i32_s (local.get $i)) (f64.const 0.5)))
            (local.set $third (f32.convert_i32_s (local.get $i)))
            (local.set $last (i32.div_u (i32.const 100) (i32.sub (local.get $n) (local.get $i))))
            (br 0))
        (unreachable))
    ;; The same with calls, around which locals are in registers that calls preserve.
    (func (export "calls") (param $n i32) (result i64)
        (local $i i32) (local $sum i64) (local $half f64) (local $last i32)
        (loop
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u (local.get $i))))
            (local.set $half (f64.mul (f64.convert_i32_s (local.get $i)) (f64.const 0.5)))
            (local.set $last (i32.add (call $busy (local.get $i)) (local.get $last)))
            (local.set $last (i32.sub (local.get $last) (local.get $last)))
            (if (i32.eq (local.get $i) (local.get $n)) (then
                (drop (i32.load (i32.const -4)))))
            (br 0))
        (unreachable))
    ;; Each frame has other values, in the same registers.
    (func $recursive (export "recursive") (param $n i32) (result i32)
        (local $a i32) (local $b i64) (local $c i32) (local $d f64) (local $e i32)
        (local.set $a (i32.mul (local.get $n) (i32.const 10)))
        (local.set $b (i64.sub (i64.const 0) (i64.extend_i32_u (local.get $n))))
        (local.set $c (call $busy (i32.const 1)))
        (local.set $c (i32.add (local.get $n) (i32.const 1000)))
        (local.set $d (f64.convert_i32_s (local.get $n)))
        (local.set $e (i32.add (local.get $a) (local.get $c)))
        (if (i32.eqz (local.get $n)) (then
            (drop (call_indirect (type $id) (i32.const 1) (i32.const 3)))))
        (i32.add (local.get $a) (i32.add (local.get $c) (i32.add (local.get $e)
            (call $recursive (i32.sub (local.get $n) (i32.const 1)))))))
    (func (export "hosts") (param $n i32) (result i32)
        (local $a i32) (local $b i64)
        (local.set $a (i32.mul (local.get $n) (i32.const 2)))
        (local.set $b (i64.extend_i32_u (i32.mul (local.get $n) (i32.const 3))))
        (i32.add (i32.const 5) (i32.add (local.get $a) (block (result i32)
            (call $fail (i32.const 1)) (i32.wrap_i64 (local.get $b))))))
    (func (export "fills") (param $n i32) (local $a i32)
        (local.set $a (i32.add (local.get $n) (i32.const 1)))
        (memory.fill (i32.const 65000) (local.get $a) (local.get $n))
        (drop (call $id (local.get $a))))
    ;; A local is assigned what cannot be computed; it keeps its value.
    (func (export "keeps") (param $a i32) (param $b i32) (result i32) (local $f f64)
        (local.set $f (f64.const 1e300))
        (local.set $a (i32.add (local.get $a) (local.get $b)))
        (local.set $a (i32.trunc_f64_s (local.get $f)))
        (local.get $a))
    ;; A local's old value is needed no more when the loop begins again.
    (func (export "dead") (param $n i32) (result i32) (local $x i32) (local $i i32)
        (loop (result i32)
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (drop (i32.div_u (i32.const 1) (i32.sub (local.get $n) (local.get $i))))
            (local.set $x (i32.mul (local.get $i) (i32.const 3)))
            (drop (i32.load (local.get $x)))
            (br 0)))
)"#;

/// Calls the export with an argument; checks the innermost frames' values.
fn values(engine: &Engine, name: &str, args: &[i32], all: bool, frames: &[(&[&str], &[&str])]) {
    let module = Module::new(engine, VALUES).unwrap();
    let mut store = Store::new(engine, ());
    let _ = store.set_fuel(1 << 40);
    let fail = Func::wrap(&mut store, |_: i32| -> upshift::Result<()> {
        Err(std::io::Error::other("fails").into())
    });
    let instance = Instance::new(&mut store, &module, &[fail.into()]).unwrap();
    let func = instance.get_func(&mut store, name).unwrap();
    let args: Vec<Val> = args.iter().map(|&arg| Val::I32(arg)).collect();
    let mut results = vec![Val::I32(0); func.ty(&store).results().len()];
    let error = func.call(&mut store, &args, &mut results).unwrap_err();
    let read = dump_of(&mut store, &error);
    assert!(read.frames.len() >= frames.len(), "{name}");
    for (read, (locals, operands)) in read.frames.iter().zip(frames) {
        frame(read, all, locals, operands);
    }
}

/// Checks all of these functions; `all` says that nothing may be missing.
fn all_values(engine: &Engine, all: bool) {
    // The last one is assigned before it is read, wherever the loop begins.
    let divides = ["20", "20", "2870", "10.0", "20.0", "!100"];
    values(engine, "divides", &[20], all, &[(&divides, &["100", "!0"])]);
    let calls = ["9", "9", "45", "4.5", "0"];
    values(engine, "calls", &[9], all, &[(&calls, &["-4"])]);
    let frames: Vec<[String; 6]> = (0..30)
        .map(|n| {
            let float = format!("{n}.0");
            let texts = [n, 10 * n, -n, n + 1000, 0, 11 * n + 1000].map(|n: i32| n.to_string());
            let [n, a, b, c, _, e] = texts;
            [n, a, b, c, float, e]
        })
        .collect();
    let frames: Vec<Vec<&str>> = frames
        .iter()
        .map(|frame| frame.iter().map(String::as_str).collect())
        .collect();
    let operands: Vec<Vec<&str>> = frames.iter().map(|f| vec![f[1], f[3], f[5]]).collect();
    let mut expected: Vec<(&[&str], &[&str])> = frames
        .iter()
        .zip(&operands)
        .map(|(locals, operands)| (&locals[..], &operands[..]))
        .collect();
    expected[0].1 = &["1", "3"];
    values(engine, "recursive", &[29], all, &expected);
    let hosts: &[(&[&str], &[&str])] = &[(&["7", "14", "21"], &["5", "14"])];
    values(engine, "hosts", &[7], all, hosts);
    let fills: &[(&[&str], &[&str])] = &[(&["1000", "1001"], &["65000", "1001", "1000"])];
    values(engine, "fills", &[1000], all, fills);
    values(
        engine,
        "keeps",
        &[3, 4],
        all,
        &[(&["7", "4", "1e300"], &["1e300"])],
    );
    let dead: &[(&[&str], &[&str])] = &[(&["9", "!24", "9"], &["1", "!0"])];
    values(engine, "dead", &[9], all, dead);
    let dead: &[(&[&str], &[&str])] = &[(&["90000", "65535", "21845"], &["65535"])];
    values(engine, "dead", &[90000], all, dead);
}

#[test]
fn values_in_baseline_code_are_known() {
    for (name, engine) in baseline_engines() {
        eprintln!("baseline {name}");
        // Code that keeps constants in registers, as the tier `naive` does, knows fewer operands.
        all_values(&engine, name == "plain");
    }
}

#[test]
fn values_are_right_or_missing_in_every_mode() {
    in_every_mode(|engine| {
        for _ in 0..3 {
            all_values(engine, false);
        }
    });
}

#[test]
fn a_deep_stack_is_cut_in_the_middle() {
    in_every_mode(|engine| {
        let (mut store, instance) = store(engine);
        let deep = instance.get_typed_func::<i32, i32>(&mut store, "deep");
        let error = deep.unwrap().call(&mut store, 1).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Trap::StackOverflow));
        let dump: &WasmCoreDump = error.downcast_ref().unwrap();
        assert_eq!(dump.frames().len(), 8192);
        assert!(dump.omitted() > 0);
        let bytes = dump.serialize(&mut store, "deep");
        assert!(bytes.len() < 1 << 20);
        let read = read(&bytes);
        assert_eq!(read.frames.len(), 8192);
        for read in &read.frames {
            frame(read, false, &["1"], &["1"]);
        }
    });
    for (name, engine) in baseline_engines()
        .into_iter()
        .filter(|(name, _)| *name != "fuel")
    {
        eprintln!("baseline {name}");
        let (mut store, instance) = store(&engine);
        let deep = instance.get_typed_func::<i32, i32>(&mut store, "deep");
        let error = deep.unwrap().call(&mut store, 1).unwrap_err();
        let read = dump_of(&mut store, &error);
        assert_eq!(read.frames[0].instance, 1);
        frame(&read.frames[1], true, &["1"], &["1"]);
        frame(&read.frames[8191], true, &["1"], &["1"]);
    }
}

#[test]
fn deadlines_have_dumps_and_host_functions_alone_have_none() {
    in_every_mode(|engine| {
        let (mut store, instance) = store(engine);
        let spin = instance
            .get_typed_func::<(), ()>(&mut store, "spin")
            .unwrap();
        // The time may be over before the function is compiled.
        let frames = (0..10).map(|n| {
            let limit = store.arm_timeout(std::time::Duration::from_millis(10 << n));
            let error = spin.call(&mut store, ()).unwrap_err();
            drop(limit);
            assert!(error.is::<TimedOut>());
            let dump: Option<&WasmCoreDump> = error.downcast_ref();
            dump.map_or(0, |dump| dump.frames().len())
        });
        assert_eq!({ frames }.find(|&frames| frames > 0), Some(1));
    });
    let (mut store, instance) = store(&Engine::default());
    let outer = instance
        .get_typed_func::<i32, f64>(&mut store, "outer")
        .unwrap();
    let error = outer.call(&mut store, 1).unwrap_err();
    assert!(!error.is::<WasmCoreDump>(), "not without the option");
}

#[test]
fn start_functions_and_exceptions_have_dumps() {
    in_every_mode(|engine| {
        let mut store = Store::new(engine, ());
        let module = r#"(module (func $start unreachable) (start $start))"#;
        let module = Module::new(engine, module).unwrap();
        let error = Instance::new(&mut store, &module, &[]).unwrap_err();
        assert_eq!(dump_of(&mut store, &error).frames.len(), 1);
        let module = r#"(module (tag $t)
            (func (export "caught") (block $b (try_table (catch $t $b) (throw $t))))
            (func $throws (throw $t))
            (func (export "thrown") (local i32)
                (local.set 0 (i32.const 6)) (call $throws) (drop (local.get 0))))"#;
        let module = Module::new(engine, module).unwrap();
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let mut call = |name| {
            let func = instance.get_typed_func::<(), ()>(&mut store, name).unwrap();
            func.call(&mut store, ())
        };
        call("caught").unwrap();
        let error = call("thrown").unwrap_err();
        let read = dump_of(&mut store, &error);
        assert_eq!(read.frames.len(), 2);
        frame(&read.frames[1], false, &["6"], &[]);
    });
}

#[test]
fn shared_and_large_memories_are_dumped() {
    in_every_mode(|engine| {
        let mut store = Store::new(engine, ());
        let module = r#"(module
            (import "" "shared" (memory 1 2 shared))
            (memory $large i64 4096)
            (func (export "f")
                (i32.store8 (i32.const 5) (i32.const 9))
                (i64.store8 $large (i64.const 200000001) (i64.const 8))
                unreachable))"#;
        let module = Module::new(engine, module).unwrap();
        let shared = SharedMemory::new(engine, MemoryType::shared(1, 2)).unwrap();
        let instance = Instance::new(&mut store, &module, &[shared.into()]).unwrap();
        let f = instance.get_typed_func::<(), ()>(&mut store, "f").unwrap();
        let error = f.call(&mut store, ()).unwrap_err();
        let dump: &WasmCoreDump = error.downcast_ref().unwrap();
        assert_eq!(dump.memories().len(), 1);
        let bytes = dump.serialize(&mut store, "f");
        assert!(bytes.len() < 1000);
        let read = read(&bytes);
        let [shared, large] = read.instances[0].memories[..] else {
            panic!("two memories")
        };
        assert!(read.memories[shared as usize].shared);
        assert_eq!(read.memories[large as usize].initial, 4096);
        assert_eq!(read.bytes[&(shared, 5)], 9);
        assert_eq!(read.bytes[&(large, 200_000_001)], 8);
    });
}

/// So many scattered bytes that each in a segment of its own would be too many for tools.
#[test]
fn scattered_bytes_take_a_bounded_number_of_segments() {
    let engine = engine_of(Config::new());
    let mut store = Store::new(&engine, ());
    let module = r#"(module (memory (export "memory") 8192) (func (export "f") unreachable))"#;
    let module = Module::new(&engine, module).unwrap();
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let memory = instance.get_memory(&mut store, "memory").unwrap();
    for at in memory.data_mut(&mut store).chunks_mut(4096) {
        at[17] = 1;
    }
    let f = instance.get_typed_func::<(), ()>(&mut store, "f").unwrap();
    let error = f.call(&mut store, ()).unwrap_err();
    let read = dump_of(&mut store, &error);
    assert!(read.segments < 100_000);
    assert_eq!(read.bytes.len(), 8192 * 16);
}
