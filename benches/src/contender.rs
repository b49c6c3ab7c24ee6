//! The contenders: every engine in each of its configurations, and how to start it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use upshift::Config;
use upshift::knobs::{self, Group};
use upshift::profiler::{Detail, LogConfig};

use crate::dropped::Reason;
use crate::engines::{Engine, Upshift, Wasmi, Wasmtime};
use crate::places;
use crate::record::{EngineInfo, Suite};

/// An engine in one configuration.
#[derive(Clone, Debug)]
pub struct Contender {
    /// The engine's entry in the results.
    pub info: EngineInfo,
    /// How the engine is started.
    pub start: Start,
}

impl Contender {
    /// Whether the contender can run programs that start threads: Upshift and native programs can;
    /// the other engines have no WASI threads, or not as they are started here.
    pub fn has_wasi_threads(&self) -> bool {
        matches!(self.start, Start::Native) || self.info.id.starts_with("upshift")
    }
}

/// How a contender is started.
#[derive(Clone, Debug)]
pub enum Start {
    /// This program, in a process of its own: the engine is linked into it.
    Linked,
    /// A program that runs JavaScript, with the driver in `drivers/`.
    JavaScript {
        /// The program.
        program: PathBuf,
        /// Its options.
        options: Vec<&'static str>,
    },
    /// wazero's command.
    Wazero {
        /// The program.
        program: PathBuf,
    },
    /// The same C program, compiled for this machine.
    Native,
}

/// Creates the engine of a [`Start::Linked`] contender.
///
/// Upshift's configurations are what their flags say: options of the command line, as `name=value`,
/// with commas between them. `suite` matters for single compilers: for loading they compile
/// everything at once, and everywhere else each function when it is first called, as far as the
/// engine can. `layout` seeds the places of Upshift's code.
///
/// # Errors
///
/// If there is no such engine, or no such option.
pub fn linked_engine(id: &str, flags: &str, suite: Suite, layout: u32) -> Result<Box<dyn Engine>> {
    let eager = suite == Suite::Load;
    Ok(match id {
        "wasmtime" => Box::new(Wasmtime::cranelift()),
        "wasmtime-winch" => Box::new(Wasmtime::winch()),
        "wasmtime-epochs" => Box::new(Wasmtime::cranelift().with_epochs()),
        "wasmtime-fuel" => Box::new(Wasmtime::cranelift().with_fuel()),
        "wasmi" if eager => Box::new(Wasmi::eager()),
        "wasmi" => Box::new(Wasmi::lazy()),
        #[cfg(feature = "wasmer")]
        "wasmer-singlepass" => Box::new(crate::engines::Wasmer),
        _ if id.starts_with("upshift") => {
            let mut config = settings(flags)?;
            config.layout_seed(layout);
            config.eager(eager && flags.contains("mode="));
            if suite == Suite::Kernels {
                config.event_log(LogConfig {
                    detail: Detail::Events,
                    ..LogConfig::default()
                });
            }
            Box::new(Upshift::new(id, config))
        }
        _ => bail!("there is no engine `{id}` in this program"),
    })
}

/// Reads options as the command line has them, whatever their group. Of two with one name it sets
/// tiering's.
///
/// # Errors
///
/// If there is no such option, or its value makes no sense.
pub fn settings(flags: &str) -> Result<Config> {
    let mut config = Config::new();
    for setting in flags.split(',').filter(|setting| !setting.is_empty()) {
        let (name, value) = setting
            .split_once('=')
            .with_context(|| format!("`{setting}`: NAME=VALUE is needed"))?;
        let known = knobs::all().into_iter().find(|info| info.name == name);
        let group = known.map_or(Group::Tiering, |info| info.group);
        knobs::set(&mut config, group, name, value)?;
    }
    Ok(config)
}

/// A configuration of Upshift that the user made up: `ID=NAME=VALUE,NAME=VALUE`.
///
/// # Errors
///
/// If there is no such option.
pub fn variant(text: &str) -> Result<Contender> {
    let (id, flags) = text.split_once('=').unwrap_or((text, ""));
    settings(flags)?;
    let id = format!("upshift-{id}");
    Ok(Contender {
        info: info(&id, &id, env!("CARGO_PKG_VERSION"), flags),
        start: Start::Linked,
    })
}

fn info(id: &str, name: &str, version: &str, flags: &str) -> EngineInfo {
    EngineInfo {
        id: id.into(),
        name: name.into(),
        version: version.into(),
        flags: flags.into(),
        lazy: LAZY.contains(&id),
    }
}

/// Engines that don't compile when they load a module, in any configuration.
const LAZY: [&str; 4] = ["upshift", "upshift-sync", "node", "bun"];

/// All contenders on this machine: engines that are linked in, and those that are installed.
///
/// # Errors
///
/// If the source tree is not found.
pub fn all() -> Result<Vec<Contender>> {
    let lock = Lock(include_str!("../../Cargo.lock"));
    let upshift = env!("CARGO_PKG_VERSION");
    let (wasmtime, wasmi) = (lock.version("wasmtime")?, lock.version("wasmi")?);
    let linked = [
        info("upshift", "Upshift", upshift, ""),
        info(
            "upshift-sync",
            "Upshift, synchronous",
            upshift,
            "switching=sync",
        ),
        info(
            "upshift-baseline",
            "Upshift baseline",
            upshift,
            "mode=baseline",
        ),
        info(
            "upshift-optimizer",
            "Upshift optimizer",
            upshift,
            "mode=optimizer",
        ),
        info(
            "upshift-counters-none",
            "no counters",
            upshift,
            "policy=never,call-units=none,loop-units=none",
        ),
        info(
            "upshift-counters-calls",
            "calls counted",
            upshift,
            "policy=never,loop-units=none",
        ),
        info(
            "upshift-counters-loops",
            "loops counted",
            upshift,
            "policy=never,call-units=none",
        ),
        info(
            "upshift-counters-all",
            "both counted",
            upshift,
            "policy=never",
        ),
        info("wasmtime", "Wasmtime Cranelift", &wasmtime, "cache off"),
        info(
            "wasmtime-winch",
            "Wasmtime Winch",
            &wasmtime,
            "strategy=winch, tail calls off, cache off",
        ),
        info(
            "wasmtime-epochs",
            "Wasmtime, epochs",
            &wasmtime,
            "epoch_interruption",
        ),
        info("wasmtime-fuel", "Wasmtime, fuel", &wasmtime, "consume_fuel"),
        info(
            "wasmi",
            "wasmi",
            &wasmi,
            "loading: eager translation; running: lazy",
        ),
        #[cfg(feature = "wasmer")]
        info(
            "wasmer-singlepass",
            "Wasmer Singlepass",
            &lock.version("wasmer")?,
            "",
        ),
    ];
    let mut all: Vec<Contender> = linked
        .into_iter()
        .map(|info| Contender {
            info,
            start: Start::Linked,
        })
        .collect();
    all.extend(javascript());
    if let Some(program) = installed("wazero") {
        let version = version(&program, "version").unwrap_or_else(|| "unknown".into());
        all.push(Contender {
            info: info("wazero", "wazero", &version, "run"),
            start: Start::Wazero { program },
        });
    }
    if native_folder()?.is_dir() {
        all.push(Contender {
            info: info("native", "native code", "clang", "-O2"),
            start: Start::Native,
        });
    }
    Ok(all)
}

/// V8 and JavaScriptCore, in the configurations that isolate their compilers.
fn javascript() -> Vec<Contender> {
    let mut found = Vec::new();
    if let Some(program) = installed("node") {
        let version = version(&program, "--version").unwrap_or_else(|| "unknown".into());
        for (id, name, options) in [
            ("node", "V8", &[][..]),
            (
                "node-liftoff",
                "V8 Liftoff",
                &["--liftoff-only", "--no-wasm-lazy-compilation"][..],
            ),
            (
                "node-turbofan",
                "V8 TurboFan",
                &["--no-liftoff", "--no-wasm-lazy-compilation"][..],
            ),
        ] {
            found.push(Contender {
                info: info(id, name, &format!("node {version}"), &options.join(" ")),
                start: Start::JavaScript {
                    program: program.clone(),
                    options: options.to_vec(),
                },
            });
        }
    }
    if let Some(program) = installed("bun") {
        let version = version(&program, "--version").unwrap_or_else(|| "unknown".into());
        found.push(Contender {
            info: info("bun", "JavaScriptCore", &format!("bun {version}"), ""),
            start: Start::JavaScript {
                program,
                options: Vec::new(),
            },
        });
    }
    found
}

/// Why an engine that a suite is about does not take part here.
pub fn why_missing(id: &str) -> Reason {
    match id {
        "native" => Reason::Native,
        "wasmer-singlepass" => Reason::Feature,
        _ => Reason::Engine,
    }
}

/// The folder of the programs that `scripts/build-native` builds.
///
/// # Errors
///
/// If the corpus is not found.
pub fn native_folder() -> Result<PathBuf> {
    Ok(places::find()?.corpus.join(".native"))
}

/// The path of a program that `scripts/fetch-engines` downloaded, or else one on the search path.
fn installed(name: &str) -> Option<PathBuf> {
    let fetched = places::find().map(|places| places.corpus.join(".engines").join(name));
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&on_path).map(|folder| folder.join(name));
    fetched
        .into_iter()
        .chain(folders)
        .find(|path| path.is_file())
}

fn version(program: &Path, option: &str) -> Option<String> {
    let output = std::process::Command::new(program).arg(option).output();
    let output = output.ok().filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout);
    Some(text.lines().next()?.trim_start_matches('v').to_string())
}

/// The versions of what is linked in, as they were when this was built.
struct Lock(&'static str);

impl Lock {
    fn version(&self, package: &str) -> Result<String> {
        let entry = format!("name = \"{package}\"\nversion = \"");
        let at = self.0.find(&entry).map(|at| at + entry.len());
        let rest = at.map(|at| &self.0[at..]);
        let version = rest.and_then(|rest| rest.split('"').next());
        Ok(version
            .with_context(|| format!("Cargo.lock does not name `{package}`"))?
            .to_string())
    }
}
