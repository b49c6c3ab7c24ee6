//! Options by name, engines that say why they can't be made, and figures of tiering.

use std::ffi::c_char;

use anyhow::{Context as _, Result};
use upshift::Engine;
use upshift::knobs::{self, Group};

use super::error::{Failure, failure, finish};
use super::text;
use crate::given;
use crate::store::{wasm_config_t, wasm_engine_t};
use crate::vector::{Bytes, Out, put};

/// The group of options with the letter that the command line has for it.
fn group(letter: c_char) -> Result<Group> {
    let letter = char::from(letter.cast_unsigned());
    let group = Group::ALL
        .into_iter()
        .find(|group| group.letter() == letter);
    group.with_context(|| format!("options are in the groups T, C, W and D, not `{letter}`"))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn upshift_config_set(
    config: Option<&mut wasm_config_t>,
    letter: c_char,
    name: *const c_char,
    value: *const c_char,
) -> Failure {
    let config = &mut given(config, "config").0;
    // SAFETY: the caller passes text that ends with a NUL.
    let (name, value) = unsafe { (text(name, "name"), text(value, "value")) };
    let set = || Ok(knobs::set(config, group(letter)?, name?, value?)?);
    failure(set())
}

#[unsafe(no_mangle)]
unsafe extern "C" fn upshift_config_get(
    config: Option<&wasm_config_t>,
    letter: c_char,
    name: *const c_char,
    out: Out<'_, Bytes>,
) -> Failure {
    let config = &given(config, "config").0;
    // SAFETY: the caller passes text that ends with a NUL.
    let name = unsafe { text(name, "name") };
    let value = || {
        let (group, name) = (group(letter)?, name?);
        let mut entries = knobs::entries(config).into_iter();
        let entry = entries.find(|entry| entry.info.group == group && entry.info.name == name);
        let entry =
            entry.with_context(|| format!("there is no option -{} {name}", group.letter()))?;
        Ok(Bytes::from_text(&entry.value))
    };
    finish(value(), out)
}

#[unsafe(no_mangle)]
extern "C" fn upshift_config_describe(config: Option<&wasm_config_t>, out: Out<'_, Bytes>) {
    let entries = knobs::entries(&given(config, "config").0);
    let lines = entries.iter().map(|entry| {
        let (letter, name) = (entry.info.group.letter(), entry.info.name);
        format!("-{letter} {name}={}: {}\n", entry.value, entry.info.help)
    });
    put(out, Bytes::from_text(&lines.collect::<String>()));
}

#[unsafe(no_mangle)]
extern "C" fn upshift_config_consume_fuel(config: Option<&mut wasm_config_t>, enable: bool) {
    given(config, "config").0.consume_fuel(enable);
}

#[unsafe(no_mangle)]
extern "C" fn upshift_config_epoch_interruption(config: Option<&mut wasm_config_t>, enable: bool) {
    given(config, "config").0.epoch_interruption(enable);
}

#[unsafe(no_mangle)]
extern "C" fn upshift_engine_new(
    config: Option<Box<wasm_config_t>>,
    out: Out<'_, Option<Box<wasm_engine_t>>>,
) -> Failure {
    let engine = Engine::new(&given(config, "config").0);
    finish(
        engine.map(|engine| Some(Box::new(wasm_engine_t(engine)))),
        out,
    )
}

#[unsafe(no_mangle)]
extern "C" fn upshift_engine_copy(engine: Option<&wasm_engine_t>) -> Option<Box<wasm_engine_t>> {
    Some(Box::new(wasm_engine_t(engine?.0.clone())))
}

#[unsafe(no_mangle)]
extern "C" fn upshift_engine_wait_idle(engine: Option<&wasm_engine_t>) {
    given(engine, "engine").0.wait_idle();
}

#[unsafe(no_mangle)]
extern "C" fn upshift_engine_increment_epoch(engine: Option<&wasm_engine_t>) {
    given(engine, "engine").0.increment_epoch();
}

/// `upshift_stats_t`.
#[repr(C)]
pub(crate) struct upshift_stats_t {
    modules_loaded: u64,
    functions_defined: u64,
    functions_called: u64,
    requests: u64,
    requests_dropped: u64,
    longest_queue: u64,
    osr_entries: u64,
    functions_pinned: u64,
    baseline_compiled: u64,
    optimizer_compiled: u64,
    optimizer_failures: u64,
    baseline_code: u64,
    optimizer_code: u64,
    trampoline_code: u64,
    retired_code: u64,
    freed_code: u64,
}

#[unsafe(no_mangle)]
extern "C" fn upshift_engine_stats(engine: Option<&wasm_engine_t>, out: Out<'_, upshift_stats_t>) {
    let engine = &given(engine, "engine").0;
    let (stats, code) = (engine.event_log().stats(), engine.code_stats());
    let bytes = |bytes: usize| bytes as u64;
    let stats = upshift_stats_t {
        modules_loaded: stats.modules_loaded,
        functions_defined: stats.functions_defined,
        functions_called: stats.functions_called,
        requests: stats.requests_queued,
        requests_dropped: stats.requests_dropped,
        longest_queue: stats.queue_high_water,
        osr_entries: stats.osr_entries,
        functions_pinned: stats.functions_pinned,
        baseline_compiled: stats.baseline.functions,
        optimizer_compiled: stats.optimizer.functions + stats.optimizer.osr_units,
        optimizer_failures: stats.optimizer.failures,
        baseline_code: bytes(code.baseline),
        optimizer_code: bytes(code.optimizer),
        trampoline_code: bytes(code.trampolines),
        retired_code: bytes(code.retired),
        freed_code: bytes(code.freed),
    };
    put(out, stats);
}
