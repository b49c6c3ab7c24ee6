//! The command line: what clap parses, and the grouped options behind `-T`, `-C`, `-W` and `-D`.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use upshift::Config;
use upshift::knobs::{self, Group, Kind, Knob, KnobError, KnobValue as _};
use upshift::tiering::TieringConfig;

use crate::report;

const EXAMPLES: &str = "\
Examples:
  upshift                                  run a built-in program and watch it tier up
  upshift hello.wasm a b                   run a WASI program with arguments
  upshift --dir . --env LANG=C tool.wasm   let it see this directory and a variable
  upshift --invoke add math.wat 40 2       call one exported function, print its results
  upshift --stats -T mode=baseline x.wasm  see what was compiled, without the optimizer
  upshift -D story x.wasm                  tell the story of any program's tier-up

Options come before FILE; what follows it belongs to the program. Grouped options take
NAME=VALUE,...: `-T help`, `-C help`, `-W help` and `-D help` list them.

Exit status: the program's own; 134 if it trapped, 1 if it could not be run, 2 for wrong usage.";

#[derive(Parser, Debug)]
#[command(
    name = "upshift",
    version,
    about = "Runs WebAssembly: starts in a baseline JIT at once, optimizes hot functions in the background",
    after_help = EXAMPLES,
    override_usage = "upshift [run] [OPTIONS] [FILE [ARGS]...]"
)]
struct Arguments {
    /// Let the program see a directory, under another name if given
    #[arg(long = "dir", value_name = "HOST[::GUEST]")]
    dirs: Vec<String>,

    /// Set an environment variable; without a value, pass this process's on
    #[arg(long = "env", value_name = "NAME[=VALUE]")]
    env: Vec<String>,

    /// Call this exported function with ARGS instead of the program's start
    #[arg(long, value_name = "NAME")]
    invoke: Option<String>,

    /// Print what was compiled, when and at which cost, after the run
    #[arg(long, value_name = "FORMAT", require_equals = true, num_args = 0..=1, default_missing_value = "table")]
    stats: Option<StatsFormat>,

    /// Tiering: when functions change tiers
    #[arg(short = 'T', value_name = "NAME=VALUE,...")]
    tiering: Vec<String>,

    /// Compilation: how code is made
    #[arg(short = 'C', value_name = "NAME=VALUE,...")]
    compile: Vec<String>,

    /// WebAssembly: what the program may do and use
    #[arg(short = 'W', value_name = "NAME=VALUE,...")]
    wasm: Vec<String>,

    /// Debugging: what is recorded and shown
    #[arg(short = 'D', value_name = "NAME=VALUE,...")]
    debug: Vec<String>,

    /// The program (.wasm, .wat, or - for standard input) and its arguments
    #[arg(value_name = "FILE [ARGS]", trailing_var_arg = true)]
    file_and_args: Vec<OsString>,
}

/// How `--stats` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StatsFormat {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// What to run, and how.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The program; `-` is standard input.
    pub file: PathBuf,
    /// What follows it.
    pub args: Vec<String>,
    /// Host and guest names of directories.
    pub dirs: Vec<(PathBuf, String)>,
    /// Environment variables.
    pub env: Vec<(String, String)>,
    /// The function to call.
    pub invoke: Option<String>,
    /// How to print statistics.
    pub stats: Option<StatsFormat>,
    /// How the engine works.
    pub config: Config,
    /// What else to do around the run.
    pub around: Around,
}

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
    /// Write a symbol map for `perf`.
    pub perf_map: bool,
    /// Interrupt the program after this time.
    pub timeout: Option<Duration>,
}

impl Around {
    /// Whether something of this needs the events of the run.
    pub fn needs_events(&self) -> bool {
        self.story || self.events.is_some() || self.trace.is_some() || self.perf_map
    }
}

const AROUND: &[Knob<Around>] = &[
    Knob {
        group: Group::Wasm,
        name: "timeout",
        kind: Kind::Mode,
        values: "seconds",
        help: "interrupt the program after this time",
        set: |around, text| {
            around.timeout = Some(Duration::try_from_secs_f64(text.parse().ok()?).ok()?);
            Some(())
        },
        get: |around| {
            around
                .timeout
                .map_or("none".into(), |time| time.as_secs_f64().to_string())
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

/// What the command line asks for.
pub enum Command {
    /// Run a program.
    Run(Box<Options>),
    /// Run the embedded example.
    Story(Box<Options>),
    /// Nothing more: help was printed, or an error.
    Done(ExitCode),
}

/// Reads the command line, and prints help or an error if that is what it asks for.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Command {
    let mut args: Vec<OsString> = args.into_iter().collect();
    if args.get(1).is_some_and(|arg| arg == "run") {
        args.remove(1);
    }
    let arguments = match Arguments::try_parse_from(args) {
        Ok(arguments) => arguments,
        Err(error) => {
            // A closed pipe is no reason to complain.
            let _ = error.print();
            return Command::Done(ExitCode::from(error.exit_code() as u8));
        }
    };
    match interpret(arguments) {
        Ok(command) => command,
        Err(message) => {
            report::error_line(&message);
            Command::Done(ExitCode::from(2))
        }
    }
}

fn interpret(arguments: Arguments) -> Result<Command, String> {
    let mut options = Options::default();
    let groups = [
        (Group::Tiering, &arguments.tiering),
        (Group::Compile, &arguments.compile),
        (Group::Wasm, &arguments.wasm),
        (Group::Debug, &arguments.debug),
    ];
    for (group, settings) in groups {
        for setting in settings.iter().flat_map(|settings| settings.split(',')) {
            if setting == "help" {
                report::out(&help(group));
                return Ok(Command::Done(ExitCode::SUCCESS));
            }
            apply(&mut options, group, setting).map_err(|error| error.to_string())?;
        }
    }
    options.stats = arguments.stats;
    options.invoke = arguments.invoke;
    options.dirs = arguments.dirs.iter().map(|dir| directory(dir)).collect();
    options.env = arguments
        .env
        .iter()
        .map(|text| variable(text))
        .collect::<Result<_, _>>()?;
    let mut rest = arguments.file_and_args.into_iter();
    let Some(file) = rest.next() else {
        return no_file(options);
    };
    options.file = file.into();
    let text = |arg: OsString| {
        arg.into_string()
            .map_err(|arg| format!("the argument `{}` is not Unicode", arg.display()))
    };
    options.args = rest.map(text).collect::<Result<_, _>>()?;
    Ok(Command::Run(Box::new(options)))
}

fn no_file(options: Options) -> Result<Command, String> {
    if options.invoke.is_some() || !options.dirs.is_empty() || !options.env.is_empty() {
        return Err("these options need a FILE to run; see `upshift --help`".into());
    }
    Ok(Command::Story(Box::new(options)))
}

/// Sets one `NAME=VALUE` or `NAME`.
fn apply(options: &mut Options, group: Group, setting: &str) -> Result<(), KnobError> {
    let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
    match AROUND
        .iter()
        .find(|knob| knob.group == group && knob.name == name)
    {
        Some(knob) => knob.apply(&mut options.around, value),
        None => knobs::set(&mut options.config, group, name, value),
    }
}

/// `HOST` or `HOST::GUEST`.
fn directory(text: &str) -> (PathBuf, String) {
    let (host, guest) = text.split_once("::").unwrap_or((text, text));
    (host.into(), guest.into())
}

/// `NAME=VALUE`, or `NAME` of this process.
fn variable(text: &str) -> Result<(String, String), String> {
    if let Some((name, value)) = text.split_once('=') {
        return Ok((name.into(), value.into()));
    }
    let value = std::env::var(text);
    let value = value.map_err(|_| format!("--env {text}: this process has no such variable"))?;
    Ok((text.into(), value))
}

/// The options of a group, from the registry.
fn help(group: Group) -> String {
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
    let command = AROUND.iter().filter(|knob| knob.group == group);
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
