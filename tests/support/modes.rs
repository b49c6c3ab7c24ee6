//! One engine for each execution mode, shared by the tests of a process.

use std::sync::LazyLock;

use upshift::Engine;
use upshift_spectest::Mode;

static ENGINES: LazyLock<Vec<(Mode, Engine)>> = LazyLock::new(|| {
    let engine = |&mode: &Mode| (mode, mode.engine().expect("an engine can be made"));
    Mode::all().iter().map(engine).collect()
});

/// Every execution mode with its engine.
pub fn engines() -> impl Iterator<Item = (Mode, &'static Engine)> {
    ENGINES.iter().map(|(mode, engine)| (*mode, engine))
}
