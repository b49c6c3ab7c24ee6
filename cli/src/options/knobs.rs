//! The command's own grouped options, and the search of all grouped options by name.

use std::path::PathBuf;
use std::time::Duration;

use upshift::Config;
use upshift::knobs::{self, Entry, Group, Info, KnobError};
use upshift_knobs::{Knob, Shape, TimeUnit, types};

use super::Options;
use super::guest::{Clocks, GUEST};
use super::limits::{LIMITS, Limits};

/// The values of the grouped options that are the command's own.
#[derive(Clone, Debug, Default)]
pub struct Around {
    /// Whether to tell the story of the run.
    pub story: bool,
    /// The function whose code to print instead of running the program.
    pub dump: Option<String>,
    /// The file for the event log.
    pub events: Option<PathBuf>,
    /// The file for a trace for trace viewers.
    pub trace: Option<PathBuf>,
    /// Whether to print the engine's warnings.
    pub log: bool,
    /// Whether to write a symbol map for `perf`.
    pub perf_map: bool,
    /// The folder for a jitdump file.
    pub jitdump: Option<PathBuf>,
    /// The file for the tree of calls.
    pub calls: Option<PathBuf>,
    /// Which functions' calls are in it, if not all.
    pub calls_of: Option<String>,
    /// The file for the coverage.
    pub coverage: Option<PathBuf>,
    /// The file for a core dump.
    pub coredump: Option<PathBuf>,
    /// The time after which to interrupt the program.
    pub timeout: Option<Duration>,
    /// The program's clocks.
    pub clocks: Clocks,
    /// The seed of the program's random bytes; without one they are the system's.
    pub random_seed: Option<u64>,
    /// The limits of the program.
    pub limits: Limits,
    /// Whether the command itself reads the run's events at its end; no option sets it.
    pub reads_events: bool,
}

impl Around {
    /// Whether an option needs the events of the run.
    pub fn needs_events(&self) -> bool {
        self.keeps_events() || self.events.is_some() || self.perf_map
    }

    /// Whether an option needs all events of the run at its end.
    pub fn keeps_events(&self) -> bool {
        self.story || self.trace.is_some() || self.reads_events
    }
}

/// All grouped options that are the command's own.
fn own() -> impl Iterator<Item = &'static Knob<Around>> {
    AROUND.iter().chain(GUEST).chain(LIMITS)
}

upshift_knobs::knobs! {
    /// What an option of the command does.
    const AROUND: Around {
        Wasm "timeout": Limit types::time_or_none(TimeUnit::Seconds) => timeout,
            "end the program after this time, with exit code 124";
        Debug "story": Trace types::SWITCH => story,
            "after the run, tell what happened in one screenful";
        Debug "dump": Trace types::text("a function's name or index, as shown anywhere") => dump,
            "print what both compilers make of a function, and run nothing";
        Debug "events": Trace types::PATH => events,
            "write all tiering events to a file as they happen, one JSON object per line";
        Debug "trace": Trace types::PATH => trace,
            "write a trace that trace viewers (chrome://tracing, Perfetto) open";
        Debug "log": Trace types::SWITCH => log,
            "print what the engine warns of: what the system refused, and what it does instead";
        Debug "perf-map": Trace types::SWITCH => perf_map,
            "write /tmp/perf-PID.map, so that `perf report` names functions";
        Debug "calls": Trace types::PATH => calls,
            "write the tree of all calls to a file, with arguments and results";
        Debug "calls-of": Trace types::text("a function's name, with * for any text, or index")
            => calls_of,
            "have only these functions in the tree of calls";
        Debug "coverage": Trace types::PATH => coverage,
            "write what has run and how often: for lcov, by lines, if there is debug information, \
             else by instructions; or as .json";
        Debug "jitdump": Trace types::FOLDER => jitdump,
            "write jit-PID.dump to a folder, by which `perf inject --jit` names and shows code";
        Debug "coredump": Trace types::PATH => coredump,
            "if the program fails, write the state of its stack, memories and globals to a file";
    }
}

/// Every grouped option.
pub fn infos() -> Vec<Info> {
    let own = own().map(|knob| knob.info);
    own.chain(knobs::all()).collect()
}

/// Separates settings at commas, but for those in the value of an option that takes a list:
/// `tiers=a,b,osr=off` are two settings.
pub fn separate(group: Group, text: &str) -> Vec<String> {
    let takes_list = |setting: &str| {
        let name = setting.split('=').next();
        let infos = knobs::all().into_iter();
        let mut named = infos.filter(|info| info.group == group && Some(info.name) == name);
        named.any(|info| matches!(info.values.shape, Shape::List(_)))
    };
    let mut settings: Vec<String> = Vec::new();
    for piece in text.split(',') {
        match settings.last_mut() {
            Some(last) if !piece.contains('=') && takes_list(last) => {
                *last += "+";
                *last += piece;
            }
            _ => settings.push(piece.to_owned()),
        }
    }
    settings
}

/// Sets one `NAME=VALUE` or `NAME`.
pub fn apply(options: &mut Options, group: Group, setting: &str) -> Result<(), KnobError> {
    let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
    let named = |info: &Info| info.group == group && info.name == name;
    if let Some(knob) = own().find(|knob| named(&knob.info)) {
        knob.apply(&mut options.around, value)?;
        let fuel = options.around.limits.fuel();
        options.config.consume_fuel(fuel.is_some());
        return Ok(());
    }
    let engine = knobs::all();
    if engine.iter().any(named) {
        return knobs::set(&mut options.config, group, name, value);
    }
    Err(KnobError::unknown(group, name, &infos()))
}

/// The options of a group, from the registry.
pub fn help(group: Group) -> String {
    let around = Around::default();
    let own = own().map(|knob| knob.entry(&around));
    let entries: Vec<Entry> = knobs::entries(&Config::new())
        .into_iter()
        .chain(own)
        .filter(|entry| entry.info.group == group)
        .collect();
    let what = match group {
        Group::Tiering => "tiering: when functions change tiers",
        Group::Compile => "compilation: how code is made",
        Group::Wasm => "WebAssembly: what the program may do and use",
        Group::Debug => "debugging: what is recorded and shown",
    };
    let letter = group.letter();
    let title = format!("{what} (-{letter} NAME=VALUE,...)\n\n");
    title + &knobs::help(&entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An option's name is unique among all groups, so that it can be given without one.
    #[test]
    fn no_option_has_the_name_of_one_of_the_engine() {
        for knob in own() {
            let name = knob.info.name;
            assert!(knobs::all().iter().all(|info| info.name != name), "{name}");
            assert_eq!(own().filter(|other| other.info.name == name).count(), 1);
        }
    }
}
