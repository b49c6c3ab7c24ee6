//! Configurations of every mode, and of what changes where code is inlined, entered or optimized.

use upshift::knobs::{self, Group};
use upshift::tiering::Latency;
use upshift::{Config, Switching};
use upshift_spectest::Mode;

/// A mode with one option by name.
pub type Setting = (Mode, Group, &'static str, &'static str);

/// Options by which code is made in other ways.
const OPTIONS: [Setting; 9] = [
    (Mode::Optimizer, Group::Compile, "opt-level", "speed"),
    (Mode::Optimizer, Group::Compile, "inline", "none"),
    (Mode::Optimizer, Group::Compile, "regalloc", "single-pass"),
    (Mode::Zeal, Group::Compile, "opt-level", "speed"),
    (Mode::Zeal, Group::Compile, "eager", "y"),
    (Mode::Baseline, Group::Compile, "register-locals", "n"),
    (Mode::Baseline, Group::Compile, "loop-lookahead", "0"),
    (Mode::TieredSync, Group::Tiering, "osr", "n"),
    (Mode::TieredBackground, Group::Tiering, "evidence", "on"),
];

/// Configurations by name: of all modes, of modes with such options and with more of them, and in
/// virtual time.
pub fn configs(more: &[Setting]) -> Vec<(String, Config)> {
    let modes = Mode::all().iter();
    let mut configs: Vec<_> = modes
        .map(|mode| (mode.to_string(), mode.config()))
        .collect();
    for &(mode, group, name, value) in OPTIONS.iter().chain(more) {
        let mut config = mode.config();
        knobs::set(&mut config, group, name, value).unwrap();
        configs.push((format!("{mode}, {name}={value}"), config));
    }
    let mut virtual_time = Mode::TieredSync.config();
    virtual_time.switching(Switching::Virtual(Latency {
        fixed: 40,
        per_byte: 1,
    }));
    configs.push(("virtual".to_string(), virtual_time));
    configs
}

/// The configurations of some modes with a change, which has a name.
pub fn changed(
    what: &str,
    change: impl Fn(&mut Config) -> &mut Config,
) -> impl Iterator<Item = (String, Config)> {
    let modes = [
        Mode::Baseline,
        Mode::Optimizer,
        Mode::TieredSync,
        Mode::Zeal,
    ];
    modes.into_iter().map(move |mode| {
        let mut config = mode.config();
        change(&mut config);
        (format!("{mode}, {what}"), config)
    })
}
