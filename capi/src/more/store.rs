//! What a store has besides items: data of the host, limits, time, and ways to interrupt it.

use std::ffi::c_void;
use std::time::{Duration, Instant};

use upshift::{InterruptHandle, StoreLimitsBuilder};

use super::error::{Failure, failure, finish};
use crate::given;
use crate::store::{Finalizer, HostData, wasm_store_t};
use crate::vector::Out;

#[unsafe(no_mangle)]
extern "C" fn upshift_store_copy(store: Option<&wasm_store_t>) -> Option<Box<wasm_store_t>> {
    Some(Box::new(wasm_store_t(store?.0.clone())))
}

#[unsafe(no_mangle)]
extern "C" fn upshift_store_data(store: Option<&wasm_store_t>) -> *mut c_void {
    given(store, "store").0.with(|context| {
        let data = context.data().host.as_ref();
        data.map_or(std::ptr::null_mut(), HostData::get)
    })
}

#[unsafe(no_mangle)]
extern "C" fn upshift_store_set_data(
    store: Option<&wasm_store_t>,
    data: *mut c_void,
    finalizer: Option<Finalizer>,
) {
    let data = HostData::new(data, finalizer);
    given(store, "store")
        .0
        .with(|mut context| context.data_mut().host = Some(data));
}

/// `upshift_limits_t`: negative numbers stand for no limit of bytes and elements, and for the
/// default numbers of items.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct upshift_limits_t {
    memory_bytes: i64,
    table_elements: i64,
    instances: i64,
    tables: i64,
    memories: i64,
}

#[unsafe(no_mangle)]
extern "C" fn upshift_store_set_limits(
    store: Option<&wasm_store_t>,
    limits: Option<&upshift_limits_t>,
) -> Failure {
    let limits = *given(limits, "limits");
    let mut builder = StoreLimitsBuilder::new();
    type Setter = fn(StoreLimitsBuilder, usize) -> StoreLimitsBuilder;
    let settings: [(i64, Setter); 5] = [
        (limits.memory_bytes, StoreLimitsBuilder::memory_size),
        (limits.table_elements, StoreLimitsBuilder::table_elements),
        (limits.instances, StoreLimitsBuilder::instances),
        (limits.tables, StoreLimitsBuilder::tables),
        (limits.memories, StoreLimitsBuilder::memories),
    ];
    for (limit, set) in settings {
        if let Ok(limit) = usize::try_from(limit) {
            builder = set(builder, limit);
        }
    }
    failure(given(store, "store").0.with_store(|store| {
        store.data_mut().limits = builder.build();
        store.limiter(|data| &mut data.limits);
    }))
}

#[unsafe(no_mangle)]
extern "C" fn upshift_store_set_timeout(store: Option<&wasm_store_t>, nanoseconds: u64) -> Failure {
    let deadline = Instant::now().checked_add(Duration::from_nanos(nanoseconds));
    failure(
        given(store, "store")
            .0
            .with_store(|store| store.set_deadline(deadline)),
    )
}

#[unsafe(no_mangle)]
extern "C" fn upshift_store_clear_timeout(store: Option<&wasm_store_t>) -> Failure {
    failure(given(store, "store").0.with_store(|store| store.disarm()))
}

#[unsafe(no_mangle)]
extern "C" fn upshift_store_gc(store: Option<&wasm_store_t>) -> Failure {
    failure(given(store, "store").0.with_store(|store| store.gc()))
}

#[unsafe(no_mangle)]
extern "C" fn upshift_store_set_fuel(store: Option<&wasm_store_t>, fuel: u64) -> Failure {
    let store = &given(store, "store").0;
    failure(store.with(|mut context| context.set_fuel(fuel)))
}

#[unsafe(no_mangle)]
extern "C" fn upshift_store_get_fuel(store: Option<&wasm_store_t>, out: Out<'_, u64>) -> Failure {
    let store = &given(store, "store").0;
    finish(store.with(|context| context.get_fuel()), out)
}

#[unsafe(no_mangle)]
extern "C" fn upshift_store_set_epoch_deadline(
    store: Option<&wasm_store_t>,
    ticks_beyond_current: u64,
) {
    given(store, "store")
        .0
        .with(|mut context| context.set_epoch_deadline(ticks_beyond_current));
}

/// What interrupts the calls of a store.
pub(crate) struct upshift_interrupt_handle_t(InterruptHandle);

#[unsafe(no_mangle)]
extern "C" fn upshift_store_interrupt_handle(
    store: Option<&wasm_store_t>,
) -> Option<Box<upshift_interrupt_handle_t>> {
    let handle = given(store, "store").0.interrupt_handle().clone();
    Some(Box::new(upshift_interrupt_handle_t(handle)))
}

#[unsafe(no_mangle)]
extern "C" fn upshift_interrupt_handle_interrupt(handle: Option<&upshift_interrupt_handle_t>) {
    given(handle, "handle").0.interrupt();
}

#[unsafe(no_mangle)]
extern "C" fn upshift_interrupt_handle_disarm(handle: Option<&upshift_interrupt_handle_t>) {
    given(handle, "handle").0.disarm();
}

#[unsafe(no_mangle)]
extern "C" fn upshift_interrupt_handle_delete(handle: Option<Box<upshift_interrupt_handle_t>>) {
    drop(handle);
}
