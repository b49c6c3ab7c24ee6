//! `upshift lab bounds`: how fast a recorded run could be.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use upshift::Result;
use upshift::tiering::TieringConfig;
use upshift_lab::bounds::{Bounds, Effort};

use super::input::{Place, Recorded};
use super::misused;
use crate::report;

/// Compute how fast a recorded run could be: lower bounds, and schedules that reach some time
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    recorded: Recorded,

    #[command(flatten)]
    place: Place,

    /// Compile threads; 0 is one less than the cores, at least one
    #[arg(long, value_name = "N", default_value = "0")]
    threads: u32,

    /// Schedules that the search for a good one may try
    #[arg(long, value_name = "N", default_value = "2000")]
    effort: usize,

    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

/// Computes and prints the bounds.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut config = TieringConfig::default();
    config.knobs.threads = arguments.threads;
    let (trace, workload) = match arguments.recorded.workload()? {
        Ok(read) => read,
        Err(message) => return misused(&message),
    };
    let machine = arguments.place.setup(&config, &trace)?.machine;
    let effort = Effort {
        runs: arguments.effort,
    };
    let bounds = Bounds::new(&workload, &machine, effort);
    report::out(&match arguments.json {
        true => json(&bounds),
        false => table(&bounds),
    })?;
    Ok(ExitCode::SUCCESS)
}

fn table(bounds: &Bounds) -> String {
    let units = bounds.threshold.units;
    let threshold = format!("best threshold, {units:.0} units");
    let mut text = String::new();
    for (name, ns, what) in [
        ("free", bounds.free, "compiling takes no time"),
        (
            "infinite",
            bounds.infinite,
            "a compile thread for each function",
        ),
        (
            "relaxed",
            bounds.relaxed,
            "compilations may be divided: no policy is below",
        ),
        (
            "iar",
            bounds.iar.wall_ns,
            "a good schedule, known in advance",
        ),
        (
            &threshold,
            bounds.threshold.wall_ns,
            "one constant, in hindsight",
        ),
        (
            "single",
            bounds.single,
            "least CPU time: one core, the program's thread compiles",
        ),
        ("never", bounds.never, "no tier-up"),
    ] {
        let (ms, ratio) = (ns / 1e6, ns / bounds.relaxed);
        let _ = writeln!(
            text,
            "{name:<32}{ms:12.3} ms {ratio:7.3} of relaxed  {what}"
        );
    }
    text
}

fn json(bounds: &Bounds) -> String {
    let object = serde_json::json!({
        "never_ns": bounds.never,
        "free_ns": bounds.free,
        "single_ns": bounds.single,
        "infinite_ns": bounds.infinite,
        "relaxed_ns": bounds.relaxed,
        "iar_ns": bounds.iar.wall_ns,
        "threshold_ns": bounds.threshold.wall_ns,
        "threshold_units": bounds.threshold.units.is_finite().then_some(bounds.threshold.units),
    });
    format!("{object}\n")
}
