//! What a build, an engine and a processor must have in common for one's code to run in the other.

use std::fmt::Write as _;
use std::mem::size_of;
use std::path::Path;
use std::time::UNIX_EPOCH;

use upshift_abi::vmctx::VmContext;
use upshift_abi::{Builtin, TrapCode};
use upshift_optimizer::Optimizer;

use crate::Config;

/// What code of an engine relies on, as text: two engines with the same text can exchange code. The
/// configuration is as the engine has fitted it.
pub(crate) fn text(config: &Config, optimizer: &Optimizer) -> String {
    let mut text = concat!("upshift ", env!("CARGO_PKG_VERSION")).to_owned();
    let mut add = |name: &str, value: &dyn std::fmt::Debug| {
        write!(text, " {name}={value:?}").expect("strings don't fail");
    };
    add("baseline", &config.baseline);
    add("optimizer", &config.optimizer);
    add("tiers", &config.tiers);
    add("memory", &config.runtime.memory);
    add("features", &config.features);
    add("branch-hints", &config.branch_hinting);
    add("compilation-hints", &config.compilation_hints);
    add("sites", &config.count_sites);
    add("sources", &config.tiering.sources);
    add("context", &size_of::<VmContext>());
    let builtins: Vec<_> = Builtin::ALL.iter().map(|builtin| builtin.name()).collect();
    add("builtins", &builtins);
    add("traps", &TrapCode::ALL);
    // Last, as many of Cranelift's settings follow from the options.
    text + " " + &optimizer.target()
}

/// The program that this is, by its file: a new build of the same version has another. Unknown
/// where the system does not tell.
pub(crate) fn program() -> String {
    let data = std::env::current_exe().and_then(|path| Path::metadata(&path));
    let Ok(data) = data else {
        return "unknown".into();
    };
    let changed = data.modified().ok();
    let changed = changed.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    format!("{} {:?}", data.len(), changed)
}
