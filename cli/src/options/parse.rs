//! The parser of the command line: clap's arguments, and their conversion to options.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser};
use upshift::knobs::Group;
use upshift_knobs::nearest;

use super::guest::{Dir, Guest, Inherited};
use super::{Command, Options, StatsFormat, file, knobs};
use crate::preload::Preloads;
use crate::{bindgen, compile, completion, explore, export, hints, lab, man, report};

const EXAMPLES: &str = "\
Examples:
  upshift                                  run a built-in program and watch it tier up
  upshift hello.wasm a b                   run a WASI program with arguments
  upshift --dir . --env LANG=C tool.wasm   let it see this directory and a variable
  upshift --invoke add math.wat 40 2       call one exported function, print its results
  upshift --preload env=lib.wasm x.wasm    let it import what another module exports
  upshift --config fast.toml x.wasm        take options from a file
  upshift --stats -T mode=baseline x.wasm  see what was compiled, without the optimizer
  upshift -D story x.wasm                  tell the story of any program's tier-up
  upshift -D events=x.log x.wasm           record every decision and compilation
  upshift report --format firefox x.log    make a profile, trace or table of that
  upshift help report                      list what can be made of it
  upshift --profile-out x.prof x.wasm      keep what got hot
  upshift --profile-in x.prof x.wasm       optimize that from the start
  upshift compile x.wasm -o x.cwasm        compile it ahead of time
  upshift explore x.wasm -o x.html         see what its functions become in each tier
  upshift hints help                       note in a module what a run of it did
  upshift bindgen libfoo.wasm              write Rust that calls a module's functions
  upshift lab help                         study tiering: record, simulate, bound, compare

Options come before FILE; what follows it belongs to the program. Grouped options take
NAME=VALUE,...: `-T help`, `-C help`, `-W help` and `-D help` list them.

Exit codes: the program's own;
  1    it could not be run, or a report could not be written
  2    wrong usage
  124  its time was over (-W timeout=1.5s)
  129, 130, 143  SIGHUP, SIGINT, SIGTERM ended it
  134  it trapped";

#[derive(Parser, Debug)]
#[command(
    name = "upshift",
    version,
    about = "Runs WebAssembly: starts in a baseline JIT at once, optimizes hot functions in the \
             background",
    after_help = EXAMPLES,
    override_usage = "upshift [run] [OPTIONS] [FILE [ARGS]...]"
)]
struct Arguments {
    #[command(flatten)]
    run: RunArguments,
}

/// What a run of a program is given.
#[derive(Args, Clone, Debug)]
pub struct RunArguments {
    /// Let the program see a directory, under another name if given; with :ro it can't change it
    #[arg(long = "dir", value_name = "HOST[::GUEST][:ro]")]
    dirs: Vec<String>,

    /// Set an environment variable; without a value, pass this process's on
    #[arg(long = "env", value_name = "NAME[=VALUE]")]
    env: Vec<String>,

    /// Pass all environment variables of this process on
    #[arg(long)]
    env_inherit: bool,

    /// What the program is told to be called; its file's name otherwise
    #[arg(long, value_name = "NAME")]
    argv0: Option<String>,

    /// Let the program import the exports of a module by this name; it gets WASI as the program
    /// does, and the modules before it
    #[arg(long = "preload", value_name = "NAME=FILE")]
    preloads: Vec<String>,

    /// Take grouped options from a file (TOML), by name or in tables named `tiering`, `compile`,
    /// `wasm` and `debug`; those of the command line go before
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    config: Option<PathBuf>,

    /// Call this exported function with ARGS instead of the program's start
    #[arg(long, value_name = "NAME")]
    invoke: Option<String>,

    /// Run the program so often in this process, each time in a new instance, with code and
    /// counters of the times before; with --invoke, call the function so often. --stats has the
    /// time of each
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    iterations: Option<u32>,

    /// Optimize from the start what this profile of an earlier run shows to be hot
    #[arg(long, value_name = "FILE")]
    profile_in: Option<PathBuf>,

    /// Write a profile after the run: what got hot, in which order; may be the file of --profile-in
    #[arg(long, value_name = "FILE")]
    profile_out: Option<PathBuf>,

    /// Let the program be a file that `upshift compile` wrote: its code is run as it is found
    #[arg(long)]
    allow_precompiled: bool,

    /// Print what was compiled, when and at which cost, after the run
    #[arg(
        long,
        value_name = "FORMAT",
        require_equals = true,
        num_args = 0..=1,
        default_missing_value = "table"
    )]
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

impl RunArguments {
    /// The settings of `-T`, one each.
    pub fn tiering_settings(&self) -> Vec<String> {
        let settings = self.tiering.iter();
        let separate = settings.flat_map(|text| knobs::separate(Group::Tiering, text));
        separate
            .filter(|setting| !setting.starts_with("tiers="))
            .collect()
    }
}

/// Defines the commands besides `run`: a name, a variant of [`Command`], and the module with its
/// `Arguments`.
macro_rules! commands {
    ($($name:literal => $variant:ident($module:ident);)*) => {
        /// The names of the commands besides `run`.
        const COMMANDS: &[&str] = &[$($name),*];

        /// The command of a name, from the arguments behind it; `None` if there is none.
        fn command(name: &str, args: &[OsString]) -> Option<Command> {
            match name {
                $($name => Some(match $module::Arguments::try_parse_from(args) {
                    Ok(arguments) => Command::$variant(arguments),
                    Err(error) => refused(&error),
                }),)*
                _ => None,
            }
        }

        /// The whole command line: commands, options and arguments, as shells and manual pages
        /// have it.
        pub fn tree() -> clap::Command {
            let run = RunArguments::augment_args(clap::Command::new("run"));
            let run = run.about("Runs a program; `run` can be left out").after_help(EXAMPLES);
            top().subcommand(run)$(.subcommand({
                let command = $module::Arguments::command();
                command.name($name).bin_name(concat!("upshift ", $name)).display_name($name)
            }))*
        }
    };
}
commands! {
    "report" => Report(export);
    "compile" => Compile(compile);
    "explore" => Explore(explore);
    "bindgen" => Bindgen(bindgen);
    "hints" => Hints(hints);
    "lab" => Lab(lab);
    "completion" => Completion(completion);
    "man" => Man(man);
}

/// The command without its subcommands.
fn top() -> clap::Command {
    Arguments::command()
}

/// The list of commands for help.
fn list() -> String {
    let mut list = String::from("Commands (`upshift help NAME` has examples of each):\n");
    for command in tree().get_subcommands() {
        let about = command
            .get_about()
            .map(ToString::to_string)
            .unwrap_or_default();
        list += &format!("  {:<11} {about}\n", command.get_name());
    }
    list
}

/// What to say of a word that may be meant as a command; empty if none is like it.
pub fn unknown_command(word: &str) -> String {
    let known = COMMANDS.iter().copied().chain(["run", "help"]);
    let near = nearest(word, known);
    near.map_or_else(String::new, |near| {
        format!("there is no command `{word}`; did you mean `upshift {near}`?")
    })
}

/// Parses the command line, and prints help or an error if necessary.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Command {
    let mut args: Vec<OsString> = args.into_iter().collect();
    if args.get(1).is_some_and(|arg| arg == "help") {
        // `help report` is `report --help`. No program is run by this.
        args.remove(1);
        match args.get(1).map(|arg| arg.to_string_lossy().into_owned()) {
            Some(name) if COMMANDS.contains(&&*name) => {}
            Some(name) if name != "run" && !name.starts_with('-') => {
                let advice = match unknown_command(&name) {
                    advice if advice.is_empty() => format!(
                        "there is no command `{name}`; there are run, {}",
                        COMMANDS.join(", ")
                    ),
                    advice => advice,
                };
                report::error_line(&advice);
                return Command::Done(ExitCode::from(2));
            }
            _ => args.truncate(1),
        }
        args.push("--help".into());
    }
    let name = args.get(1).and_then(|arg| arg.to_str()).map(str::to_owned);
    if let Some(name) = name {
        let rest = [&args[..1], &args[2..]].concat();
        if let Some(command) = command(&name, &rest) {
            return command;
        }
        if name == "run" {
            args = rest;
        }
    }
    let matches = top()
        .after_help(format!("{}\n{EXAMPLES}", list()))
        .try_get_matches_from(args);
    let arguments = matches.and_then(|matches| Arguments::from_arg_matches(&matches));
    let arguments = match arguments {
        Ok(arguments) => arguments,
        Err(error) => return refused(&error),
    };
    match interpret(arguments.run) {
        Ok(command) => command,
        Err(message) => {
            report::error_line(&message);
            Command::Done(ExitCode::from(2))
        }
    }
}

/// Options by the texts of each group, each text with one or more settings.
///
/// # Errors
///
/// Exits with status 2, after a line that says what is wrong with one of them.
pub fn of_groups(groups: &[(Group, &[String])]) -> Result<Options, ExitCode> {
    let mut options = Options::default();
    for (group, setting) in settings(groups) {
        knobs::apply(&mut options, group, &setting).map_err(|error| {
            report::error_line(&error.to_string());
            ExitCode::from(2)
        })?;
    }
    Ok(options)
}

/// All settings in texts that may have several, with their groups.
fn settings(groups: &[(Group, &[String])]) -> impl Iterator<Item = (Group, String)> {
    groups.iter().flat_map(|&(group, texts)| {
        let settings = texts
            .iter()
            .flat_map(move |text| knobs::separate(group, text));
        settings.map(move |setting| (group, setting))
    })
}

/// Prints help, or what is wrong with the arguments.
fn refused(error: &clap::Error) -> Command {
    let printed = error.print().map_err(report::Closed::mark);
    let code = match printed.context("cannot write help") {
        Ok(()) => ExitCode::from(error.exit_code() as u8),
        Err(error) => report::failure(&error),
    };
    Command::Done(code)
}

/// The command that the arguments of a run stand for: a run, the story of the embedded example, or
/// the end after help was printed.
///
/// # Errors
///
/// What is wrong with the arguments.
pub fn interpret(arguments: RunArguments) -> Result<Command, String> {
    let mut options = Options::default();
    if let Some(path) = &arguments.config {
        file::apply(&mut options, path)?;
    }
    let groups = [
        (Group::Tiering, &arguments.tiering[..]),
        (Group::Compile, &arguments.compile),
        (Group::Wasm, &arguments.wasm),
        (Group::Debug, &arguments.debug),
    ];
    for (group, setting) in settings(&groups) {
        if setting == "help" {
            let printed = report::out(&knobs::help(group));
            let code = printed.map_or_else(|error| report::failure(&error), |()| ExitCode::SUCCESS);
            return Ok(Command::Done(code));
        }
        knobs::apply(&mut options, group, &setting).map_err(|error| error.to_string())?;
    }
    options.stats = arguments.stats;
    options.invoke = arguments.invoke;
    options.preloads = Preloads::parse(&arguments.preloads)?;
    options.iterations = arguments.iterations;
    options.profile_in = arguments.profile_in;
    options.profile_out = arguments.profile_out;
    options.allow_precompiled = arguments.allow_precompiled;
    let variables = arguments.env.iter().map(|text| variable(text));
    options.guest = Guest {
        dirs: arguments.dirs.iter().map(|dir| Dir::parse(dir)).collect(),
        env: variables.collect::<Result<_, _>>()?,
        inherited: match arguments.env_inherit {
            true => Inherited::All,
            false => Inherited::Nothing,
        },
        argv0: arguments.argv0,
    };
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
    let profile = options.profile_in.is_some() || options.profile_out.is_some();
    let program = options.invoke.is_some() || options.iterations.is_some();
    let program = program || !options.preloads.is_empty();
    if profile || program || !options.guest.is_empty() {
        return Err("these options need a FILE to run; see `upshift --help`".into());
    }
    Ok(Command::Story(Box::new(options)))
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
