//! References that only suspended frames hold, while host values are collected.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use upshift::{Caller, ExternRef, Linker, Module, Store};

use crate::{block_on, host_fn, in_every_mode, on_new_threads, pending};

/// A value that counts how many of its kind exist.
struct Counted(Arc<AtomicUsize>, i32);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

type Count = Arc<AtomicUsize>;

fn make(mut caller: Caller<'_, Count>, n: i32) -> Option<ExternRef> {
    let count = caller.data().clone();
    count.fetch_add(1, Ordering::Relaxed);
    Some(ExternRef::new(&mut caller, Counted(count, n)))
}

/// Panics if the value was collected or is another one.
fn check(caller: Caller<'_, Count>, value: Option<ExternRef>, n: i32) {
    let value = value.expect("not null");
    let data = value.data(&caller).downcast_ref::<Counted>();
    assert_eq!(data.expect("one of ours").1, n);
}

/// Each level holds values of its own in locals and in registers, while the innermost one makes so
/// many that unreachable ones are collected.
const HOLDER: &str = r#"(module
    (import "host" "make" (func $make (param i32) (result externref)))
    (import "host" "check" (func $check (param externref i32)))
    (import "host" "descend" (func $descend (param i32) (result i32)))
    (func $churn (param $n i32) (result i32) (local $i i32)
        (loop $again
            (drop (call $make (local.get $i)))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $i) (local.get $n))))
        (local.get $i))
    (func (export "hold") (param $depth i32) (result i32)
        (local $a externref) (local $b externref) (local $c externref) (local $result i32)
        (local.set $a (call $make (i32.add (local.get $depth) (i32.const 100))))
        (local.set $b (call $make (i32.add (local.get $depth) (i32.const 200))))
        (local.set $c (call $make (i32.add (local.get $depth) (i32.const 300))))
        (if (i32.eqz (local.get $depth))
            (then (local.set $result (call $churn (i32.const 3000))))
            (else (local.set $result
                (call $descend (i32.sub (local.get $depth) (i32.const 1))))))
        (call $check (local.get $a) (i32.add (local.get $depth) (i32.const 100)))
        (call $check (local.get $b) (i32.add (local.get $depth) (i32.const 200)))
        (call $check (local.get $c) (i32.add (local.get $depth) (i32.const 300)))
        (local.get $result)))"#;

#[test]
fn frames_on_all_stacks_are_searched() {
    in_every_mode(|engine| {
        let module = Module::new(engine, HOLDER).unwrap();
        let mut linker = Linker::<Count>::new(engine);
        linker.func_wrap("host", "make", make).unwrap();
        linker.func_wrap("host", "check", check).unwrap();
        let descend = host_fn(|mut caller: Caller<'_, Count>, (depth,): (i32,)| {
            Box::new(async move {
                pending(depth as u32 % 2).await;
                let hold = caller.get_export("hold").unwrap().into_func().unwrap();
                let hold = hold.typed::<i32, i32>(&caller)?;
                match depth % 3 {
                    0 => hold.call_async(&mut caller, depth).await,
                    1 => Box::pin(hold.call_async(&mut caller, depth)).await,
                    _ => block_on(hold.call_async(&mut caller, depth)),
                }
            })
        });
        linker.func_wrap_async("host", "descend", descend).unwrap();
        let count = Count::default();
        let mut store = Store::new(engine, count.clone());
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let hold = instance
            .get_typed_func::<i32, i32>(&mut store, "hold")
            .unwrap();
        for depth in [0, 1, 5] {
            assert_eq!(block_on(hold.call_async(&mut store, depth)).unwrap(), 3000);
            // They were collected meanwhile.
            assert!(count.load(Ordering::Relaxed) < 2000);
        }
        assert_eq!(
            on_new_threads(hold.call_async(&mut store, 4)).0.unwrap(),
            3000
        );
        store.gc();
        assert_eq!(count.load(Ordering::Relaxed), 0);
    });
}
