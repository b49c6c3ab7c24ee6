//! The grouped options that are the command's own, in the form of the engine's registry.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use upshift::Config;
use upshift::knobs::{self, Group, Kind, Knob, KnobError, KnobValue as _};
use upshift::tiering::TieringConfig;

use super::guest::{Clocks, GUEST};
use super::limits::{LIMITS, Limits};
use super::{Options, duration};

/// Options of the command that are none of the engine's.
#[derive(Clone, Debug, Default)]
pub struct Around {
    /// Tell the story of the run.
    pub story: bool,
    /// A function whose code to print instead of running the program.
    pub dump: Option<String>,
    /// Where to write the event log.
    pub events: Option<PathBuf>,
    /// Where to write a trace for trace viewers.
    pub trace: Option<PathBuf>,
    /// Print the engine's warnings.
    pub log: bool,
    /// Write a symbol map for `perf`.
    pub perf_map: bool,
    /// Interrupt the program after this time.
    pub timeout: Option<Duration>,
    /// What time it is for the program.
    pub clocks: Clocks,
    /// The seed of the program's random bytes; without one they are the system's.
    pub random_seed: Option<u64>,
    /// What the program may take.
    pub limits: Limits,
}

impl Around {
    /// Whether something of this needs the events of the run.
    pub fn needs_events(&self) -> bool {
        self.story || self.events.is_some() || self.trace.is_some() || self.perf_map
    }
}

/// All options that are none of the engine's.
fn own() -> impl Iterator<Item = &'static Knob<Around>> {
    AROUND.iter().chain(GUEST).chain(LIMITS)
}

const AROUND: &[Knob<Around>] = &[
    Knob {
        group: Group::Wasm,
        name: "timeout",
        kind: Kind::Mode,
        values: duration::VALUES,
        help: "end the program after this time, with exit code 124",
        set: |around, text| {
            around.timeout = Some(duration::parse(text)?);
            Some(())
        },
        get: |around| {
            around
                .timeout
                .map_or("none".into(), |time| format!("{time:?}"))
        },
    },
    Knob {
        group: Group::Debug,
        name: "story",
        kind: Kind::Trace,
        values: bool::VALUES,
        help: "after the run, tell what happened in one screenful",
        set: |around, text| {
            around.story = bool::parse(text)?;
            Some(())
        },
        get: |around| around.story.spell(),
    },
    Knob {
        group: Group::Debug,
        name: "dump",
        kind: Kind::Trace,
        values: "a function's name or index",
        help: "print what both compilers make of a function, and run nothing",
        set: |around, text| {
            around.dump = Some(Some(text).filter(|text| !text.is_empty())?.into());
            Some(())
        },
        get: |around| around.dump.clone().unwrap_or_else(|| "none".into()),
    },
    Knob {
        group: Group::Debug,
        name: "events",
        kind: Kind::Trace,
        values: "a file name",
        help: "write all tiering events to a file, one JSON object per line",
        set: |around, text| set_path(&mut around.events, text),
        get: |around| spell_path(around.events.as_ref()),
    },
    Knob {
        group: Group::Debug,
        name: "trace",
        kind: Kind::Trace,
        values: "a file name",
        help: "write a trace that trace viewers (chrome://tracing, Perfetto) open",
        set: |around, text| set_path(&mut around.trace, text),
        get: |around| spell_path(around.trace.as_ref()),
    },
    Knob {
        group: Group::Debug,
        name: "log",
        kind: Kind::Trace,
        values: bool::VALUES,
        help: "print what the engine warns of: what the system refused, and what it does instead",
        set: |around, text| {
            around.log = bool::parse(text)?;
            Some(())
        },
        get: |around| around.log.spell(),
    },
    Knob {
        group: Group::Debug,
        name: "perf-map",
        kind: Kind::Trace,
        values: bool::VALUES,
        help: "write /tmp/perf-PID.map, so that `perf report` names functions",
        set: |around, text| {
            around.perf_map = bool::parse(text)?;
            Some(())
        },
        get: |around| around.perf_map.spell(),
    },
];

fn set_path(path: &mut Option<PathBuf>, text: &str) -> Option<()> {
    *path = Some(Some(text).filter(|text| !text.is_empty())?.into());
    Some(())
}

fn spell_path(path: Option<&PathBuf>) -> String {
    path.map_or_else(|| "none".into(), |path| path.display().to_string())
}

/// Sets one `NAME=VALUE` or `NAME`.
pub fn apply(options: &mut Options, group: Group, setting: &str) -> Result<(), KnobError> {
    let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
    match own().find(|knob| knob.group == group && knob.name == name) {
        Some(knob) => knob.apply(&mut options.around, value),
        None => knobs::set(&mut options.config, group, name, value),
    }
}

/// The options of a group, from the registry.
pub fn help(group: Group) -> String {
    let config = Config::new();
    let around = Around::default();
    let engine = knobs::all().filter(|knob| knob.group == group);
    let engine = engine.map(|knob| {
        (
            knob.name,
            knob.values,
            knob.kind,
            knob.help,
            (knob.get)(&config),
        )
    });
    let command = own().filter(|knob| knob.group == group);
    let command = command.map(|knob| {
        (
            knob.name,
            knob.values,
            knob.kind,
            knob.help,
            (knob.get)(&around),
        )
    });
    let mut out = match group {
        Group::Tiering => TieringConfig::help() + "\ncounters:\n",
        _ => format!("options of -{} (name=value):\n", group.letter()),
    };
    for (name, values, kind, help, default) in engine.chain(command) {
        let kind = kind.to_string();
        let _ = writeln!(out, "  {name:<24} {kind:<9} {help}: {values} [{default}]");
    }
    out
}
