//! The sampler's signal: an embedder's own handler of it still gets what the sampler did not send.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use upshift_baseline::TrampolineCompiler;
use upshift_runtime::{Runtime, RuntimeConfig, SamplerConfig};

static SEEN: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(_: libc::c_int) {
    SEEN.fetch_add(1, Ordering::Relaxed);
}

fn raise() {
    // SAFETY: a signal that has a handler.
    assert_eq!(unsafe { libc::raise(libc::SIGPROF) }, 0);
}

#[test]
fn an_embedders_handler_gets_its_own_signals() {
    let handler = count as *const () as libc::sighandler_t;
    // SAFETY: the handler only adds to an atomic number.
    unsafe { libc::signal(libc::SIGPROF, handler) };
    raise();
    let runtime = Runtime::new(RuntimeConfig::default(), Box::new(TrampolineCompiler)).unwrap();
    let config = SamplerConfig {
        period: Duration::from_millis(1),
        seed: 1,
    };
    runtime.start_sampler(config, Box::new(|_| {})).unwrap();
    raise();
    raise();
    assert_eq!(SEEN.load(Ordering::Relaxed), 3);
}
