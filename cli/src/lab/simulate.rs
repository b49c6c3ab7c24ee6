//! `upshift lab simulate`: what a recorded run would take under a policy.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use upshift::Result;
use upshift_lab::log_diff::in_words;
use upshift_lab::simulate::{Keep, Simulation, simulate};
use upshift_lab::trace::Trace;
use upshift_lab::workload::Workload;

use super::input::{Place, Recorded, tiering};
use super::misused;
use crate::report;

/// Compute what a recorded run would take under a policy, with the engine's own policy and queue
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    recorded: Recorded,

    #[command(flatten)]
    place: Place,

    /// Tiering: policy, queue, threads and limits, as for `upshift run`; may be repeated
    #[arg(short = 'T', value_name = "NAME=VALUE,...")]
    tiering: Vec<String>,

    /// Print each decision: when, which function, why
    #[arg(long)]
    decisions: bool,

    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

/// Simulates and prints the figures.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let config = match tiering(&arguments.tiering) {
        Ok(config) => config,
        Err(error) => return misused(&error.to_string()),
    };
    let (trace, workload) = match arguments.recorded.workload()? {
        Ok(read) => read,
        Err(message) => return misused(&message),
    };
    let mut setup = match arguments.place.setup(&config, &trace) {
        Ok(setup) => setup,
        Err(error) => return misused(&error.to_string()),
    };
    if arguments.decisions {
        setup.decisions = Keep::All;
    }
    let simulation = simulate(&workload, &setup).whole()?;
    let text = match arguments.json {
        true => json(&simulation, &workload),
        false => table(&simulation, &workload, &trace),
    };
    report::out(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn table(simulation: &Simulation, workload: &Workload, trace: &Trace) -> String {
    let mut text = String::new();
    for decided in &simulation.decisions {
        let name = &trace.functions[decided.function].name;
        let (at, decision) = (decided.at_ns / 1e6, in_words(&decided.logged()));
        let _ = writeln!(text, "{at:12.3} ms  {name:<32} {decision}");
    }
    let outcome = &simulation.outcome;
    for (name, ns) in [
        ("wall", outcome.wall_ns),
        ("program's CPU", outcome.guest_ns),
        ("compile CPU", outcome.compile_ns),
        ("stood still", outcome.paused_ns),
        ("lost to slower code", outcome.lost_ns),
    ] {
        let _ = writeln!(text, "{name:<24}{:12.3} ms", ns / 1e6);
    }
    for (level, ns) in trace.header.levels.iter().zip(&outcome.residency_ns) {
        let name = format!("in {}", level.name);
        let _ = writeln!(text, "{name:<24}{:12.3} ms", ns / 1e6);
    }
    for (name, number) in [
        ("compilations", outcome.jobs.len() as u64),
        (
            "  not worth their time",
            outcome.wasted(workload).len() as u64,
        ),
        ("questions to the policy", simulation.asked),
        ("requests", simulation.requests),
        ("  withdrawn", simulation.withdrawn),
        ("  dropped, queue full", simulation.dropped),
        ("  dropped, stale", simulation.stale),
        ("code", outcome.code_bytes(workload)),
    ] {
        let unit = if name == "code" { " bytes" } else { "" };
        let _ = writeln!(text, "{name:<24}{number:12}{unit}");
    }
    text
}

fn json(simulation: &Simulation, workload: &Workload) -> String {
    let outcome = &simulation.outcome;
    let object = serde_json::json!({
        "wall_ns": outcome.wall_ns,
        "guest_ns": outcome.guest_ns,
        "compile_ns": outcome.compile_ns,
        "paused_ns": outcome.paused_ns,
        "lost_ns": outcome.lost_ns,
        "residency_ns": outcome.residency_ns,
        "compilations": outcome.jobs.len(),
        "wasted": outcome.wasted(workload).len(),
        "asked": simulation.asked,
        "requests": simulation.requests,
        "withdrawn": simulation.withdrawn,
        "dropped": simulation.dropped,
        "stale": simulation.stale,
        "code_bytes": outcome.code_bytes(workload),
    });
    format!("{object}\n")
}
