//! Whole programs: from the module's bytes to the program's end, compilation included.

use anyhow::{Context, Result, ensure};

use super::{Options, progress};
use crate::corpus::{self, Program, Size};
use crate::engines::{Engine, Outcome, Upshift, Wasmtime};
use crate::measure::{Cost, interleave, median_cost, time};
use crate::report::{Cell, Table};

/// Measures wall and processor time of short and long runs: a table for each.
///
/// `slow` adds Wasmtime with Cranelift, which compiles whole modules first.
///
/// # Errors
///
/// If the corpus is missing, an engine fails, or two disagree about a result.
pub fn run(options: &Options, slow: bool) -> Result<[Table; 2]> {
    let mut engines: Vec<Box<dyn Engine>> = vec![
        Box::new(Upshift::tiered()),
        Box::new(Upshift::baseline()),
        Box::new(Upshift::optimizer()),
        Box::new(Wasmtime::winch()),
    ];
    if slow {
        engines.push(Box::new(Wasmtime::cranelift()));
    }
    let table = |size| -> Result<Table> {
        let title = match size {
            Size::Test => {
                "Programs, short runs: load, compile and run; seconds, and seconds of processor time"
            }
            Size::Bench => {
                "Programs, longer runs: load, compile and run; seconds, and seconds of processor time"
            }
        };
        let columns = engines.iter().flat_map(|e| [e.name(), "cpu".into()]);
        let mut table = Table::new(title, columns);
        for program in corpus::programs()? {
            let exists = size == Size::Test || program.has_bench();
            if exists && options.wants(&program.name) {
                progress(&program.name);
                let costs = measure(&program, size, &engines, options.rounds)
                    .with_context(|| program.name.clone())?;
                let cells = costs
                    .iter()
                    .flat_map(|c| [Cell::new(c.wall, 3), Cell::new(c.cpu, 3)]);
                table.push(&program.name, cells.collect());
            }
        }
        Ok(table)
    };
    Ok([table(Size::Test)?, table(Size::Bench)?])
}

fn measure(
    program: &Program,
    size: Size,
    engines: &[Box<dyn Engine>],
    rounds: usize,
) -> Result<Vec<Cost>> {
    let wasm = program.wasm()?;
    let job = program.job(size);
    let mut first: Option<Outcome> = None;
    let costs = interleave(engines.len(), rounds, |contender| {
        let engine = &engines[contender];
        let (cost, outcome) = time(|| engine.load(&wasm)?.run(&job));
        let outcome = outcome.with_context(|| engine.name())?;
        let expected = first.get_or_insert_with(|| outcome.clone());
        let name = engine.name();
        ensure!(
            *expected == outcome,
            "{name}: {outcome:?}, others {expected:?}"
        );
        Ok(cost)
    })?;
    Ok(costs.iter().map(|costs| median_cost(costs)).collect())
}
