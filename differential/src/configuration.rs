//! The configurations of Upshift in which programs run: every mode of the specification's tests,
//! virtual time, each option that changes code or switching, by itself, and each mode with what
//! pauses code: epochs and fuel.

use std::sync::LazyLock;

use upshift::knobs::{self, Group, Info, KnobKind};
use upshift::tiering::Latency;
use upshift::{Config, Engine, Store, Switching};
use upshift_spectest::Mode;

/// An engine in one configuration.
pub struct Configuration {
    /// What distinguishes it: a mode's name, or an option as the command line takes it.
    pub name: String,
    /// The engine.
    pub engine: Engine,
    /// Which bits computed NaNs have.
    pub nans: Nans,
    /// Which vector operators there are.
    pub vectors: Vectors,
    /// Whether programs consume fuel.
    pub fuel: Fuel,
    /// What happens in the middle of programs, and must not be seen in what they do.
    pub pauses: Pauses,
}

/// What happens in the middle of programs, and must not be seen in what they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pauses {
    /// Nothing.
    None,
    /// At each look for a deadline, a function of the host.
    Callbacks,
    /// At each look for a deadline, a function of the host and a yield.
    Yields,
    /// A yield whenever so much fuel was used.
    YieldsByFuel(u64),
}

/// Whether programs consume fuel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fuel {
    /// They don't.
    Unlimited,
    /// They do: what is left after each call is compared too.
    Consumed,
}

/// Which bits computed NaNs have. Programs leave them open where they convert between floats, so
/// that only configurations with the same choice agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nans {
    /// Those that the processor gives them.
    Computed,
    /// The same for all.
    Canonical,
}

/// Which vector operators there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vectors {
    /// All; relaxed ones choose what this processor does.
    Native,
    /// All; relaxed ones choose what another processor does.
    Other,
    /// None: modules that have one are refused.
    None,
}

/// The modes in which each program runs, then the configurations of which each program has some.
pub struct Configurations {
    /// In which each program runs.
    pub modes: Vec<Configuration>,
    /// Each with one option changed.
    pub ablations: Vec<Configuration>,
    /// The modes with pauses by epochs.
    pub paused: Vec<Configuration>,
    /// The modes with fuel, without and with pauses by it.
    pub fueled: Vec<Configuration>,
}

/// All configurations. Engines are made once, as each has a code space of its own.
pub static ALL: LazyLock<Configurations> = LazyLock::new(|| {
    let modes = Mode::all()
        .iter()
        .filter(|mode| **mode != Mode::TieredBackground);
    let mut virtual_time = Mode::TieredSync.config();
    virtual_time.switching(Switching::Virtual(Latency {
        fixed: 40,
        per_byte: 1,
    }));
    let modes: Vec<_> = modes
        .map(|mode| (mode.to_string(), mode.config()))
        .chain([("virtual".to_string(), virtual_time)])
        .collect();
    let with = |what: &str, pauses| {
        let modes = modes.iter();
        let modes = modes.map(|(name, config)| {
            let mut config = config.clone();
            match pauses {
                Pauses::Callbacks | Pauses::Yields => config.epoch_interruption(true),
                Pauses::None | Pauses::YieldsByFuel(_) => config.consume_fuel(true),
            };
            let found = configuration(format!("{name} with {what}"), &config);
            Configuration { pauses, ..found }
        });
        modes.collect::<Vec<_>>()
    };
    Configurations {
        paused: [("epochs", Pauses::Callbacks), ("yields", Pauses::Yields)]
            .into_iter()
            .flat_map(|(what, pauses)| with(what, pauses))
            .collect(),
        fueled: [
            ("fuel", Pauses::None),
            ("yields by fuel", Pauses::YieldsByFuel(10)),
        ]
        .into_iter()
        .flat_map(|(what, pauses)| with(what, pauses))
        .collect(),
        modes: modes
            .into_iter()
            .map(|(name, config)| configuration(name, &config))
            .collect(),
        ablations: ablations(),
    }
});

fn configuration(name: String, config: &Config) -> Configuration {
    let engine = Engine::new(config).expect("an engine can be made");
    with_engine(name, engine, config)
}

fn with_engine(name: String, engine: Engine, config: &Config) -> Configuration {
    let entries = knobs::entries(config);
    let is = |name, value| {
        let mut entries = entries.iter();
        entries.any(|entry| entry.info.name == name && entry.value == value)
    };
    let nans = if is("canonicalize-nans", "y") {
        Nans::Canonical
    } else {
        Nans::Computed
    };
    let vectors = if is("cpu", "baseline") {
        Vectors::None
    } else if is("cpu", "native") && is("relaxed-simd-deterministic", "n") {
        Vectors::Native
    } else {
        Vectors::Other
    };
    let fuel = match Store::new(&engine, ()).get_fuel() {
        Ok(_) => Fuel::Consumed,
        Err(_) => Fuel::Unlimited,
    };
    Configuration {
        name,
        engine,
        nans,
        vectors,
        fuel,
        pauses: Pauses::None,
    }
}

/// Options beside ablations that change code.
const ALSO: [&str; 9] = [
    "eager",
    "opt-level",
    "regalloc",
    "spectre",
    "branch-hinting",
    "canonicalize-nans",
    "bounds",
    "relaxed-simd-deterministic",
    "layout-seed",
];

/// One configuration for each option and value that is not the default: zeal, in which code of both
/// compilers runs, but tiering in order where zeal does not ask for the option.
fn ablations() -> Vec<Configuration> {
    let mut found = Vec::new();
    let entries = knobs::entries(&Config::new());
    for entry in &entries {
        let info = &entry.info;
        if info.kind != KnobKind::Ablation && !ALSO.contains(&info.name) {
            continue;
        }
        for value in values(info) {
            if value == entry.value {
                continue;
            }
            let mode = match info.group {
                // Trials compare with code that threads of their own compile.
                Group::Tiering if info.name == "evidence" => Mode::TieredBackground,
                Group::Tiering => Mode::TieredSync,
                _ => Mode::Zeal,
            };
            let mut config = mode.config();
            knobs::set(&mut config, info.group, info.name, &value).expect("a value of the option");
            // Some values need what this machine lacks.
            if let Ok(engine) = Engine::new(&config) {
                let name = format!("-{} {}={value}", info.group.letter(), info.name);
                found.push(with_engine(name, engine, &config));
            }
        }
    }
    found
}

/// The values of an option: its names, or where it is a number, some.
fn values(info: &Info) -> Vec<String> {
    let names = info.values.names();
    if names.is_empty() {
        return vec!["0".to_string(), "3".to_string()];
    }
    names.iter().map(|name| (*name).to_string()).collect()
}

impl Configurations {
    /// Every configuration.
    pub fn iter(&self) -> impl Iterator<Item = &Configuration> {
        let configurations = self.modes.iter().chain(&self.ablations);
        configurations.chain(&self.paused).chain(&self.fueled)
    }
}
