//! `upshift lab show`: what is in a trace.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use upshift::{Printable, Result};
use upshift_lab::workload::Workload;

use super::input::trace;
use crate::report;

/// Show what a trace has: program, machine, and what its functions take in each tier
#[derive(Args, Debug)]
pub struct Arguments {
    /// The recorded run
    #[arg(value_name = "TRACE")]
    trace: PathBuf,

    /// How many functions to list, those with the most time in the lowest tier first
    #[arg(long, value_name = "N", default_value = "20")]
    top: usize,
}

/// Prints it.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let trace = trace(&arguments.trace)?;
    let (header, slices) = (&trace.header, &trace.slices);
    let mut text = String::new();
    let seconds = |ns: u64| ns as f64 / 1e9;
    let program: Vec<&str> = [&header.program]
        .into_iter()
        .chain(&header.arguments)
        .map(String::as_str)
        .collect();
    let _ = writeln!(text, "program      {}", Printable(program.join(" ")));
    let _ = writeln!(text, "machine      {}", Printable(&header.machine));
    let _ = writeln!(text, "settings     {}", Printable(&header.settings));
    let _ = writeln!(
        text,
        "functions    {} of {} were called",
        trace.functions.len(),
        header.module_funcs
    );
    let end = slices.last().map_or(0, |slice| slice.to);
    let host: u64 = slices.iter().map(|slice| slice.host_ns).sum();
    let _ = writeln!(
        text,
        "time         {:.3} s, of which {:.3} s outside of WebAssembly, in {} slices",
        seconds(end),
        seconds(host),
        slices.len()
    );
    let beside = header.slowdown.iter().map(|factor| format!("{factor:.2}"));
    let beside: Vec<String> = beside.collect();
    let _ = writeln!(
        text,
        "slowdown     {} beside 0, 1, ... compile threads",
        beside.join(", ")
    );
    let asking = header.ask_ns;
    let _ = writeln!(
        text,
        "asking       {asking:.0} ns for a question to the policy"
    );
    let workload = Workload::new(&trace);
    let totals = workload.level_ns();
    let functions = || trace.functions.iter().enumerate();
    for (number, level) in header.levels.iter().enumerate() {
        let ns: f64 = totals.iter().map(|levels| levels[number]).sum();
        let compile: f64 = functions()
            .map(|(_, one)| one.costs[number].compile_ns)
            .sum();
        let _ = writeln!(
            text,
            "in {:<18} {:10.1} ms, and {:.1} ms to compile all",
            level.name,
            ns / 1e6,
            compile / 1e6
        );
    }
    let mut order: Vec<usize> = (0..totals.len()).collect();
    order.sort_by(|&one, &other| totals[other][0].total_cmp(&totals[one][0]));
    let _ = write!(text, "\n{:<40}{:>8}", "function", "bytes");
    for level in &header.levels {
        let name: String = level.name.chars().take(12).collect();
        let _ = write!(text, "{name:>14} ms {:>9} ms", "compile");
    }
    text.push('\n');
    for &position in order.iter().take(arguments.top) {
        let function = &trace.functions[position];
        let name: String = Printable(&function.name)
            .to_string()
            .chars()
            .take(39)
            .collect();
        let _ = write!(text, "{name:<40}{:>8}", function.body_bytes);
        for (ns, cost) in totals[position].iter().zip(&function.costs) {
            let _ = write!(text, "{:17.2}{:13.3}", ns / 1e6, cost.compile_ns / 1e6);
        }
        text.push('\n');
    }
    report::out(&text)?;
    Ok(ExitCode::SUCCESS)
}
