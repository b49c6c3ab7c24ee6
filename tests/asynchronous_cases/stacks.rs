//! The stacks of asynchronous calls: their limits, their ends, their sizes.

use std::hint::black_box;
use std::process::Command;

use upshift::{Caller, Config, Engine, Func, Linker, Module, Store, Trap};

use crate::{block_on, host_fn, in_every_mode, on_new_threads, pending, waiting_instance};

/// Recurses as deep as it is told, and waits at the bottom.
const RECURSION: &str = r#"(module
    (import "host" "wait" (func $wait (param i32) (result i32)))
    (func $down (export "down") (param $n i32) (result i32)
        (if (result i32) (i32.eqz (local.get $n))
            (then (call $wait (i32.const 1)))
            (else (i32.add (i32.const 1) (call $down (i32.sub (local.get $n) (i32.const 1))))))))"#;

#[test]
fn recursion_ends_in_a_trap() {
    in_every_mode(|engine| {
        let (mut store, instance) = waiting_instance(engine, RECURSION);
        let down = instance
            .get_typed_func::<i32, i32>(&mut store, "down")
            .unwrap();
        for _ in 0..3 {
            let error = block_on(down.call_async(&mut store, i32::MAX)).unwrap_err();
            assert_eq!(error.downcast_ref(), Some(&Trap::StackOverflow));
            let (result, polls) = on_new_threads(down.call_async(&mut store, 1000));
            assert_eq!((result.unwrap(), polls), (1001, 2));
        }
    });
}

/// A call has its own stack, however little its thread has.
#[test]
fn threads_with_little_stack_run_deep_calls() {
    let engine = Engine::default();
    let (mut store, instance) = waiting_instance(&engine, RECURSION);
    let down = instance
        .get_typed_func::<i32, i32>(&mut store, "down")
        .unwrap();
    let small = std::thread::Builder::new().stack_size(128 << 10);
    let depth = small.spawn(move || block_on(down.call_async(&mut store, 4000)));
    assert_eq!(depth.unwrap().join().unwrap().unwrap(), 4001);
}

/// The deepest recursion that returns.
fn depth(config: &Config) -> i32 {
    let (mut store, instance) = waiting_instance(&Engine::new(config).unwrap(), RECURSION);
    let down = instance
        .get_typed_func::<i32, i32>(&mut store, "down")
        .unwrap();
    let (mut low, mut high) = (0, 1 << 24);
    while low + 1 < high {
        let middle = i32::midpoint(low, high);
        match block_on(down.call_async(&mut store, middle)) {
            Ok(_) => low = middle,
            Err(error) => {
                assert_eq!(error.downcast_ref(), Some(&Trap::StackOverflow));
                high = middle;
            }
        }
    }
    low
}

#[test]
fn sizes_are_kept() {
    let sized = |stack: usize, wasm: usize| {
        let mut config = Config::new();
        config.strategy(upshift::Strategy::Baseline);
        config.async_stack_size(stack).max_wasm_stack(wasm);
        f64::from(depth(&config))
    };
    // WebAssembly's limit counts, then the size of the stack less what is the host's.
    let half = sized(2 << 20, 512 << 10);
    assert!((1.9..2.1).contains(&(sized(2 << 20, 1 << 20) / half)));
    assert!((0.9..1.1).contains(&(sized(768 << 10, 1 << 20) / half)));
    assert!((7.8..8.2).contains(&(sized(16 << 20, 4 << 20) / half)));
    let mut small = Config::new();
    small.async_stack_size(64 << 10);
    let error = Engine::new(&small).unwrap_err().to_string();
    assert!(error.contains("async_stack_size"), "{error}");
}

/// With and without stacks that are kept, zeroed or not.
#[test]
fn pools_of_all_kinds() {
    for (keep, zeroing) in [(0, false), (1, false), (1, true), (100, true)] {
        let mut config = Config::new();
        config.async_stacks_kept(keep).async_stack_zeroing(zeroing);
        let engine = Engine::new(&config).unwrap();
        let (mut store, instance) = waiting_instance(&engine, RECURSION);
        let (mut other, second) = waiting_instance(&engine, RECURSION);
        let down = instance
            .get_typed_func::<i32, i32>(&mut store, "down")
            .unwrap();
        let also = second
            .get_typed_func::<i32, i32>(&mut other, "down")
            .unwrap();
        for _ in 0..100 {
            let mut outer = Box::pin(down.call_async(&mut store, 10));
            assert!(crate::poll_once(outer.as_mut()).is_pending());
            assert_eq!(block_on(also.call_async(&mut other, 20)).unwrap(), 21);
            assert_eq!(block_on(outer).unwrap(), 11);
        }
    }
}

/// A stack's worth of frames of a host function.
#[inline(never)]
fn overflow(n: u32) -> u32 {
    let frame = black_box([n; 256]);
    if n == 0 {
        0
    } else {
        overflow(n - 1) + black_box(frame)[3]
    }
}

const CHILD: &str = "UPSHIFT_TEST_OVERFLOWS_A_FIBER";

/// A host function that uses up the stack ends the process, with a message that names the cause.
#[test]
fn host_functions_that_overflow_are_found_out() {
    if std::env::var_os(CHILD).is_some() {
        let mut store = Store::new(&Engine::default(), ());
        let func = Func::wrap_async(&mut store, |_: Caller<'_, ()>, (n,): (u32,)| {
            Box::new(async move {
                pending(1).await;
                overflow(n)
            })
        });
        let func = func.typed::<u32, u32>(&store).unwrap();
        let (result, _) = on_new_threads(func.call_async(&mut store, 100));
        eprintln!("small: {result:?}");
        let _ = block_on(func.call_async(&mut store, 1 << 20));
        return;
    }
    let test = "asynchronous_cases::stacks::host_functions_that_overflow_are_found_out";
    let mut child = Command::new(std::env::current_exe().unwrap());
    let output = child
        .args([test, "--exact", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(message.contains("small: Ok"), "{message}");
    assert!(message.contains("async_stack_size"), "{message}");
}

/// The host has as much stack below WebAssembly's limit as on a thread.
#[test]
fn host_functions_have_room_at_the_deepest() {
    in_every_mode(|engine| {
        let module = Module::new(engine, RECURSION).unwrap();
        let mut linker = Linker::<u32>::new(engine);
        let wait = host_fn(|mut caller: Caller<'_, u32>, (_,): (i32,)| {
            Box::new(async move {
                // Some 100 KiB.
                *caller.data_mut() += overflow(80).min(1);
                pending(1).await;
                0
            })
        });
        linker.func_wrap_async("host", "wait", wait).unwrap();
        let mut store = Store::new(engine, 0);
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let down = instance
            .get_typed_func::<i32, i32>(&mut store, "down")
            .unwrap();
        let (mut low, mut high) = (0, 1 << 22);
        while low + 1 < high {
            let middle = i32::midpoint(low, high);
            match block_on(down.call_async(&mut store, middle)) {
                Ok(_) => low = middle,
                Err(_) => high = middle,
            }
        }
        assert!(low > 5000 && *store.data() > 3);
    });
}
