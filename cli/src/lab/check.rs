//! `upshift lab check`: how well this machine measures.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use upshift::Result;
use upshift_lab::experiment::{Experiment, Places, Program, read_experiment, run_process};
use upshift_lab::host::{Sensitivity, findings};

use crate::report;

const NOTES: &str = "\
The same program is run again and again, under two names that mean the same. The interval of their
ratio is the noise: an effect within it can't be told from none. Without a program, a loop of about
a tenth of a second is run, which shows the machine at its best.

Examples:
  upshift lab check                              the machine
  upshift lab check --processes 30 prog.wasm x   with a program of one's own

Exit codes:
  0  done, whatever was found
  1  the program can't be run";

/// A loop without memory, some hundred million steps long.
const LOOP: &str = r#"(module (func (export "_start") (local $n i64) (local $x i64)
  (local.set $n (i64.const 100000000))
  (loop $again
    (local.set $x (i64.add (i64.mul (local.get $x) (i64.const 6364136223846793005)) (i64.const 1)))
    (local.set $n (i64.sub (local.get $n) (i64.const 1)))
    (br_if $again (i64.ne (local.get $n) (i64.const 0))))
  (if (i64.eqz (local.get $x)) (then unreachable))))
"#;

/// Say what disturbs measurements on this machine, and how small an effect it can show
#[derive(Args, Debug)]
#[command(after_help = NOTES)]
pub struct Arguments {
    /// Processes under each of the two names
    #[arg(
        long,
        value_name = "N",
        default_value = "10",
        value_parser = clap::value_parser!(u32).range(2..=10_000)
    )]
    processes: u32,

    /// The program and its arguments
    #[arg(value_name = "FILE [ARGS]", trailing_var_arg = true)]
    program: Vec<String>,
}

/// Checks.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut text = String::new();
    for finding in findings() {
        let mark = if finding.problem.is_some() { '!' } else { ' ' };
        let _ = write!(text, "{mark} {:<28} {}", finding.about, finding.found);
        if let Some(problem) = finding.problem {
            let _ = write!(text, ": {problem}");
        }
        text.push('\n');
    }
    report::out(&text)?;
    let mut loop_file = None;
    let (file, args) = match arguments.program.split_first() {
        Some((file, args)) => (PathBuf::from(file), args.to_vec()),
        None => {
            let name = format!("upshift-check-{}.wat", std::process::id());
            let path = std::env::temp_dir().join(name);
            std::fs::write(&path, LOOP).context("cannot write the program")?;
            (loop_file.insert(path).clone(), Vec::new())
        }
    };
    let measured = measure(arguments.processes, file, args);
    if let Some(path) = loop_file {
        let _ = std::fs::remove_file(path);
    }
    let (first, second, anomalies) = measured?;
    for (what, first, second) in [("wall", first.0, second.0), ("cpu", first.1, second.1)] {
        let found = Sensitivity::new(&first, &second).context("nothing was measured")?;
        let (smallest, percent) = (found.smallest, found.smallest * 100.0);
        let processes = arguments.processes;
        let one = found.processes_for(0.01, processes as usize);
        report::out(&format!(
            "  {what:<5} the same twice: {:.4} [{:.4}, {:.4}]; {processes} processes show effects \
             of {percent:.2} %{}\n",
            found.ratio.value,
            found.ratio.low,
            found.ratio.high,
            match smallest > 0.01 {
                true => format!(", {one} would show 1 %"),
                false => String::new(),
            }
        ))?;
    }
    if anomalies > 0 {
        let all = arguments.processes * 2;
        report::out(&format!(
            "! {anomalies} of {all} processes were disturbed (load, stolen time)\n"
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Wall and processor times.
type Times = (Vec<f64>, Vec<f64>);

/// The times under both names, and how many processes were disturbed.
fn measure(processes: u32, file: PathBuf, args: Vec<String>) -> Result<(Times, Times, u32)> {
    let empty = "[measure]\nmode = 'wall'\n[grid]\nthreads = 0\n[programs]\nuse = 'x'";
    let experiment = Experiment {
        programs: vec![Program {
            name: "x".into(),
            file: Some(file.canonicalize().unwrap_or(file).display().to_string()),
            args,
            ..Program::default()
        }],
        ..read_experiment(empty)?
    };
    let plan = experiment.plan()?;
    let places = Places {
        folder: std::env::current_dir().context("cannot find the current folder")?,
        traces: Vec::new(),
    };
    let engine = std::env::current_exe().context("cannot find this command's own file")?;
    let mut times = [Times::default(), Times::default()];
    let mut disturbed = 0;
    // The first process of all warms caches of the system, and doesn't count.
    for number in 0..=processes * 2 {
        // Either name is first as often: a machine that slows down is no difference.
        let which = (number.div_ceil(2) % 2) as usize;
        let layout = number / 2;
        let samples = run_process(&experiment, &places, &engine, &plan.cells[0], layout);
        let samples = samples.map_err(anyhow::Error::msg)?;
        if number == 0 {
            continue;
        }
        // The experiment's processes have one iteration.
        let sample = samples.first().context("a process has a sample")?;
        disturbed += u32::from(!sample.anomalies.is_empty());
        let metric = |name: &str| sample.metrics.get(name).copied().unwrap_or(f64::NAN);
        times[which].0.push(metric("wall"));
        times[which].1.push(metric("cpu"));
    }
    let [first, second] = times;
    Ok((first, second, disturbed))
}
