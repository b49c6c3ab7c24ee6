//! Call hooks and limiters that wait: with their calls, on the same thread and on others, and not
//! where nothing can wait.

use std::panic::{AssertUnwindSafe, catch_unwind};

use async_trait::async_trait;
use upshift::CallHook::{self, CallingHost, CallingWasm, ReturningFromHost, ReturningFromWasm};
use upshift::{
    CallHookHandler, Caller, Engine, Instance, Linker, Memory, MemoryType, Module, Ref,
    ResourceLimiterAsync, Result, SharedMemory, Store, StoreContextMut, Table, TableType, Trap,
};

use crate::{block_on, define_wait, host_fn, in_every_mode, on_new_threads, pending, poll_once};

const TEXT: &str = r#"(module
    (import "host" "wait" (func $wait (param i32) (result i32)))
    (import "host" "back" (func $back))
    (memory (export "memory") 1 100)
    (table (export "table") 1 100 funcref)
    (func (export "wait") (param i32) (result i32) (call $wait (local.get 0)))
    (func (export "back") (call $back))
    (func (export "nothing"))
    (func (export "trap") (unreachable))
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
    (func (export "extend") (param i32) (result i32)
        (table.grow (ref.null func) (local.get 0))))"#;

/// What a hook and a limiter were told, and what they are to do.
#[derive(Default)]
struct Told {
    changes: Vec<CallHook>,
    /// How often they are pending each time.
    waits: u32,
    /// The change at which the hook fails: the n-th.
    fail_at: Option<usize>,
    /// Whether it panics instead.
    panics: bool,
    /// What the limiter was asked: current and desired size.
    asked: Vec<(usize, usize)>,
    failed: usize,
    /// The largest size that it allows; none, if it is to fail.
    most: Option<usize>,
}

struct Tells;

#[async_trait]
impl CallHookHandler<Told> for Tells {
    async fn handle_call_event(
        &self,
        mut store: StoreContextMut<'_, Told>,
        change: CallHook,
    ) -> Result<()> {
        pending(store.data().waits).await;
        let told = store.data_mut();
        told.changes.push(change);
        let fails = told.fail_at == Some(told.changes.len() - 1);
        assert!(!(fails && told.panics), "the hook panics");
        match fails {
            true => Err(anyhow::anyhow!("the hook fails")),
            false => Ok(()),
        }
    }
}

impl Told {
    async fn ask(&mut self, current: usize, desired: usize) -> Result<bool> {
        pending(self.waits).await;
        self.asked.push((current, desired));
        let most = self
            .most
            .ok_or_else(|| anyhow::anyhow!("the limiter fails"))?;
        Ok(desired <= most)
    }
}

#[async_trait]
impl ResourceLimiterAsync for Told {
    async fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> Result<bool> {
        self.ask(current, desired).await
    }

    fn memory_grow_failed(&mut self, _: upshift::Error) -> Result<()> {
        self.failed += 1;
        Ok(())
    }

    async fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> Result<bool> {
        self.ask(current, desired).await
    }
}

fn linker(engine: &Engine) -> Linker<Told> {
    let mut linker = Linker::new(engine);
    define_wait(&mut linker);
    let back = host_fn(|mut caller: Caller<'_, Told>, (): ()| {
        Box::new(async move {
            let nothing = caller.get_export("nothing").and_then(|it| it.into_func());
            let nothing = nothing.unwrap().typed::<(), ()>(&caller)?;
            nothing.call_async(&mut caller, ()).await?;
            nothing.call(&mut caller, ())
        })
    });
    linker.func_wrap_async("host", "back", back).unwrap();
    linker
}

fn store(engine: &Engine) -> (Store<Told>, Instance) {
    let mut store = Store::new(engine, Told::default());
    let module = Module::new(engine, TEXT).unwrap();
    let instance = linker(engine).instantiate(&mut store, &module).unwrap();
    (store, instance)
}

fn told(store: &mut Store<Told>) -> Vec<CallHook> {
    std::mem::take(&mut store.data_mut().changes)
}

#[test]
fn hooks_wait_at_each_change() {
    in_every_mode(|engine| {
        let (mut store, instance) = store(engine);
        store.call_hook_async(Tells);
        let wait = instance
            .get_typed_func::<i32, i32>(&mut store, "wait")
            .unwrap();
        for waits in 0..3 {
            store.data_mut().waits = waits;
            let (result, polls) = on_new_threads(wait.call_async(&mut store, 2));
            assert_eq!((result.unwrap(), polls), (2, 3 + 4 * waits as usize));
            let changes = [
                CallingWasm,
                CallingHost,
                ReturningFromHost,
                ReturningFromWasm,
            ];
            assert_eq!(told(&mut store), changes);
        }
        let trap = instance
            .get_typed_func::<(), ()>(&mut store, "trap")
            .unwrap();
        let error = block_on(trap.call_async(&mut store, ())).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Trap::Unreachable));
        assert_eq!(told(&mut store), [CallingWasm, ReturningFromWasm]);
        for fail_at in 0..4 {
            store.data_mut().fail_at = Some(fail_at);
            let error = block_on(wait.call_async(&mut store, 1)).unwrap_err();
            assert_eq!(error.to_string(), "the hook fails");
            let told = told(&mut store);
            assert_eq!(
                told.len(),
                if fail_at == 0 {
                    1
                } else {
                    (fail_at + 2).min(4)
                }
            );
        }
    });
}

/// A hook's panic goes on where the call is polled, or was made, and the store keeps the hook.
#[test]
fn panics_of_hooks_go_on_in_the_caller() {
    in_every_mode(|engine| {
        for waits in [None, Some(0), Some(2)] {
            let (mut store, instance) = store(engine);
            match waits {
                Some(_) => store.call_hook_async(Tells),
                None => store.call_hook(|mut store, change| {
                    let told = store.data_mut();
                    told.changes.push(change);
                    let last = told.changes.len() - 1;
                    assert!(told.fail_at != Some(last), "the hook panics");
                    Ok(())
                }),
            }
            (store.data_mut().panics, store.data_mut().waits) = (true, waits.unwrap_or(0));
            let wait = instance
                .get_typed_func::<i32, i32>(&mut store, "wait")
                .unwrap();
            for fail_at in [0, 1, 2, 3, 4] {
                store.data_mut().fail_at = Some(fail_at);
                let call = AssertUnwindSafe(|| block_on(wait.call_async(&mut store, 1)));
                let panic = catch_unwind(call).err();
                let message = panic.as_deref().map(|it| it.downcast_ref().copied());
                let expected = (fail_at < 4).then_some(Some("the hook panics"));
                assert_eq!((fail_at, message), (fail_at, expected));
                assert!(told(&mut store).len() > fail_at.min(3));
            }
        }
    });
}

/// A synchronous call is refused before it begins; one within an asynchronous call too, while an
/// asynchronous one within it is told.
#[test]
fn hooks_that_cannot_wait_refuse() {
    in_every_mode(|engine| {
        let (mut store, instance) = store(engine);
        store.call_hook_async(Tells);
        let nothing = instance
            .get_typed_func::<(), ()>(&mut store, "nothing")
            .unwrap();
        let error = nothing.call(&mut store, ()).unwrap_err().to_string();
        assert!(error.contains("asynchronous call hook"), "{error}");
        assert_eq!(told(&mut store), []);
        let back = instance
            .get_typed_func::<(), ()>(&mut store, "back")
            .unwrap();
        store.data_mut().waits = 1;
        let error = block_on(back.call_async(&mut store, ()))
            .unwrap_err()
            .to_string();
        assert!(error.contains("asynchronous call hook"), "{error}");
        let inner = [CallingWasm, ReturningFromWasm];
        let expected = [
            &[CallingWasm, CallingHost][..],
            &inner,
            &[ReturningFromHost, ReturningFromWasm],
        ];
        assert_eq!(told(&mut store), expected.concat());
        // A hook that does not wait replaces it.
        store.call_hook(|mut store, change| {
            store.data_mut().changes.push(change);
            Ok(())
        });
        nothing.call(&mut store, ()).unwrap();
        assert_eq!(told(&mut store), inner);
    });
}

/// Dropping a call while its hook or limiter waits ends it; the store can be used again.
#[test]
fn calls_are_dropped_while_their_hooks_wait() {
    in_every_mode(|engine| {
        let (mut store, instance) = store(engine);
        store.call_hook_async(Tells);
        let wait = instance
            .get_typed_func::<i32, i32>(&mut store, "wait")
            .unwrap();
        for polls in 1..12 {
            store.data_mut().waits = 2;
            {
                let mut call = Box::pin(wait.call_async(&mut store, 1));
                for _ in 0..polls {
                    if poll_once(call.as_mut()).is_ready() {
                        break;
                    }
                }
            }
            store.data_mut().waits = 0;
            told(&mut store);
            assert_eq!(block_on(wait.call_async(&mut store, 1)).unwrap(), 1);
            assert_eq!(told(&mut store).len(), 4);
        }
    });
}

/// What a hook calls synchronously can't suspend the call that the hook is part of.
#[test]
fn what_hooks_call_does_not_wait() {
    in_every_mode(|engine| {
        let (mut store, instance) = store(engine);
        let wait = instance
            .get_typed_func::<i32, i32>(&mut store, "wait")
            .unwrap();
        store.call_hook(move |mut store, change| {
            if change == CallingWasm {
                let error = wait.call(&mut store, 1).unwrap_err().to_string();
                assert!(error.contains("synchronous call"), "{error}");
                store.data_mut().asked.push((1, 1));
            }
            Ok(())
        });
        let nothing = instance
            .get_typed_func::<(), ()>(&mut store, "nothing")
            .unwrap();
        block_on(nothing.call_async(&mut store, ())).unwrap();
        assert_eq!(store.data().asked, [(1, 1)]);
    });
}

#[test]
fn limiters_wait() {
    in_every_mode(|engine| {
        let (mut store, instance) = store(engine);
        store.limiter_async(|told| told);
        store.data_mut().most = Some(3 << 16);
        let grow = instance
            .get_typed_func::<i32, i32>(&mut store, "grow")
            .unwrap();
        let extend = instance
            .get_typed_func::<i32, i32>(&mut store, "extend")
            .unwrap();
        for waits in [2, 0] {
            store.data_mut().waits = waits;
            let polls = waits as usize + 1;
            let (grown, polled) = on_new_threads(grow.call_async(&mut store, 1));
            assert_eq!((grown.unwrap(), polled), (2 - waits as i32 / 2, polls));
            let (refused, polled) = on_new_threads(grow.call_async(&mut store, 9));
            assert_eq!((refused.unwrap(), polled), (-1, polls));
            let (extended, polled) = on_new_threads(extend.call_async(&mut store, 5));
            assert_eq!(
                (extended.unwrap(), polled),
                (6 - 5 * (waits as i32 / 2), polls)
            );
        }
        store.data_mut().most = Some(usize::MAX);
        assert_eq!(block_on(grow.call_async(&mut store, 1000)).unwrap(), -1);
        assert_eq!(store.data().failed, 1, "beyond the maximum");
        store.data_mut().most = None;
        let error = block_on(grow.call_async(&mut store, 1)).unwrap_err();
        assert_eq!(error.to_string(), "the limiter fails");
    });
}

/// Instances, memories and tables that the embedder makes and grows.
#[test]
fn limiters_wait_for_the_embedder() {
    in_every_mode(|engine| {
        let mut store = Store::new(engine, Told::default());
        store.limiter_async(|told| told);
        let module = Module::new(engine, TEXT).unwrap();
        let linker = linker(engine);
        (store.data_mut().waits, store.data_mut().most) = (1, Some(2 << 16));
        let error = linker
            .instantiate(&mut store, &module)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("asynchronous call hook or limiter"),
            "{error}"
        );
        let (made, polls) = on_new_threads(linker.instantiate_async(&mut store, &module));
        made.unwrap();
        assert_eq!(
            (polls, &store.data().asked[..]),
            (3, &[(0, 1 << 16), (0, 1)][..])
        );
        let ty = MemoryType::new(1, None);
        assert!(Memory::new(&mut store, ty).is_err());
        let memory = block_on(Memory::new_async(&mut store, ty)).unwrap();
        assert!(memory.grow(&mut store, 1).is_err());
        assert_eq!(block_on(memory.grow_async(&mut store, 1)).unwrap(), 1);
        assert!(
            block_on(memory.grow_async(&mut store, 1)).is_err(),
            "the limit is 2"
        );
        let ty = TableType::new(upshift::RefType::FUNCREF, 1, None);
        let table = block_on(Table::new_async(&mut store, ty, Ref::Func(None))).unwrap();
        assert!(table.grow(&mut store, 1, Ref::Func(None)).is_err());
        let grown = block_on(table.grow_async(&mut store, 1, Ref::Func(None)));
        assert_eq!((grown.unwrap(), table.size(&store)), (1, 2));
        store.data_mut().most = Some(0);
        assert!(block_on(linker.instantiate_async(&mut store, &module)).is_err());
    });
}

/// Other threads wait to grow a shared memory meanwhile, so its limiter may not.
#[test]
fn limiters_of_shared_memories_answer_at_once() {
    in_every_mode(|engine| {
        let mut store = Store::new(engine, Told::default());
        let text = r#"(module (import "" "" (memory 1 9 shared))
            (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))"#;
        let module = Module::new(engine, text).unwrap();
        let memory = SharedMemory::new(engine, MemoryType::shared(1, 9)).unwrap();
        let instance = Instance::new(&mut store, &module, &[memory.clone().into()]).unwrap();
        store.limiter_async(|told| told);
        store.data_mut().most = Some(2 << 16);
        let grow = instance
            .get_typed_func::<i32, i32>(&mut store, "grow")
            .unwrap();
        assert_eq!(block_on(grow.call_async(&mut store, 1)).unwrap(), 1);
        assert_eq!(block_on(grow.call_async(&mut store, 1)).unwrap(), -1);
        store.data_mut().waits = 1;
        let error = block_on(grow.call_async(&mut store, 1))
            .unwrap_err()
            .to_string();
        assert!(error.contains("did not answer at once"), "{error}");
        assert_eq!(memory.grow(1).unwrap(), 2, "its lock is free");
    });
}
