//! What several tasks are given: a trace, a machine, options of tiering.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use upshift::tiering::TieringConfig;
use upshift::{Printable, Result};
use upshift_knobs::KnobError;
use upshift_lab::experiment::{SetupError, simulation};
use upshift_lab::simulate::Setup;
use upshift_lab::trace::{MAX_SLOWDOWN, Trace};
use upshift_lab::workload::{Scale, Workload};

use crate::report;

/// A recorded run, and what it is imagined to be.
#[derive(Args, Debug)]
pub struct Recorded {
    /// The recorded run
    #[arg(value_name = "TRACE")]
    trace: PathBuf,

    /// Imagine another program or compiler: speed (of code above the lowest tier), compile (time
    /// above the lowest tier) or work, times a factor
    #[arg(long, value_name = "WHAT=FACTOR")]
    scale: Vec<String>,
}

/// The machine on which a run is simulated.
#[derive(Args, Debug)]
pub struct Place {
    /// Cores of the simulated machine
    #[arg(
        long,
        value_name = "N",
        default_value = "2",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    cores: u32,

    /// For 0, 1, ... busy compile threads, the factor by which they slow the program down beyond
    /// their share of the cores [default: as recorded]
    #[arg(long, value_name = "F,F,...", value_delimiter = ',', value_parser = slowdown)]
    slowdown: Vec<f64>,
}

impl Recorded {
    /// The run as work to be done, or what is wrong with the factors.
    pub fn workload(&self) -> Result<Result<(Trace, Workload), String>> {
        let mut factors = Scale::default();
        for text in &self.scale {
            if let Err(message) = scale(&mut factors, text) {
                return Ok(Err(message));
            }
        }
        let trace = trace(&self.trace)?;
        if !trace.complete {
            report::warning(&format!(
                "`{}` was not recorded to the program's end",
                Printable(self.trace.display())
            ));
        }
        let workload = Workload::new(&trace).scaled(factors);
        Ok(Ok((trace, workload)))
    }
}

impl Place {
    /// Cores of the machine.
    pub fn cores(&self) -> u32 {
        self.cores
    }

    /// The simulation of an engine with these options.
    pub fn setup(&self, config: &TieringConfig, trace: &Trace) -> Result<Setup, SetupError> {
        let mut setup = simulation(config, &trace.header, self.cores)?;
        if !self.slowdown.is_empty() {
            setup.machine.slowdown.clone_from(&self.slowdown);
        }
        Ok(setup)
    }
}

/// This machine, in a line.
pub fn this_machine() -> String {
    let machine = upshift::profiler::format::Machine::current();
    let (cpu, cores, kernel) = (machine.cpu, machine.cores, machine.kernel);
    let virtual_machine = if machine.hypervisor { ", virtual" } else { "" };
    format!("{cpu}, {cores} cores{virtual_machine}, Linux {kernel}")
}

/// Reads a trace.
pub fn trace(path: &Path) -> Result<Trace> {
    let cannot = || format!("cannot read `{}`", Printable(path.display()));
    let bytes = fs::read(path).with_context(cannot)?;
    Trace::read(&bytes).with_context(cannot)
}

/// The options of `-T`, from their texts.
pub fn tiering(settings: &[String]) -> Result<TieringConfig, KnobError> {
    let mut config = TieringConfig::default();
    for setting in settings.iter().flat_map(|text| text.split(',')) {
        let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
        config.set(name, value)?;
    }
    Ok(config)
}

fn slowdown(text: &str) -> Result<f64, String> {
    let factor = text.parse().ok();
    let factor = factor.filter(|factor: &f64| (1.0..=MAX_SLOWDOWN).contains(factor));
    factor.ok_or_else(|| format!("a factor from 1 to {MAX_SLOWDOWN} is needed"))
}

fn possible_factors() -> String {
    let (least, most) = (Scale::FACTORS.start(), Scale::FACTORS.end());
    format!("from {least} to {most}")
}

fn scale(factors: &mut Scale, text: &str) -> Result<(), String> {
    let wrong = || {
        let factors = possible_factors();
        format!("--scale {text}: `speed=F`, `compile=F` or `work=F` is needed, F {factors}")
    };
    let (what, factor) = text.split_once('=').ok_or_else(wrong)?;
    let factor: f64 = factor.parse().map_err(|_| wrong())?;
    if !Scale::FACTORS.contains(&factor) {
        return Err(wrong());
    }
    match what {
        "speed" => factors.speed = factor,
        "compile" => factors.compile = factor,
        "work" => factors.work = factor,
        _ => return Err(wrong()),
    }
    Ok(())
}
