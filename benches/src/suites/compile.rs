//! Compile speed: a whole large module, validated and compiled by one thread.
//!
//! One thread's work is measured in its processor time: on a quiet machine that is the time that
//! passes, and on a busy one it still means the same.

use anyhow::{Context, Result};
use upshift::Strategy;

use super::{Options, progress};
use crate::corpus::{self, Program};
use crate::engines::{Engine, Upshift, Wasmtime};
use crate::measure::{interleave, median_cost, time};
use crate::report::{Cell, Table};

/// Smaller modules say more about constant costs than about speed.
const LARGE: u64 = 5_000_000;

/// Measures baseline compilers, one table of MB of code section per second.
///
/// `slow` adds the optimizing compilers, which take ten times longer.
///
/// # Errors
///
/// If the corpus is missing or an engine fails.
pub fn run(options: &Options, slow: bool) -> Result<Table> {
    let mut engines: Vec<Box<dyn Engine>> = vec![
        Box::new(Upshift::eager(Strategy::Baseline)),
        Box::new(Wasmtime::winch()),
    ];
    if slow {
        engines.push(Box::new(Upshift::eager(Strategy::Optimizer)));
        engines.push(Box::new(Wasmtime::cranelift()));
    }
    let mut columns = vec!["MB of code".to_string()];
    columns.extend(engines.iter().map(|engine| engine.name()));
    let title = "Compile speed, one thread, validation included: MB of code section per second of processor time";
    let mut table = Table::new(title, columns);
    for program in corpus::programs()? {
        if options.wants(&program.name) {
            let row = measure(&program, &engines, options.rounds)?;
            table.rows.extend(row);
        }
    }
    Ok(table)
}

fn measure(
    program: &Program,
    engines: &[Box<dyn Engine>],
    rounds: usize,
) -> Result<Option<crate::report::Row>> {
    let wasm = program.wasm()?;
    let code = corpus::code_section_bytes(&wasm)?;
    if code < LARGE {
        return Ok(None);
    }
    progress(&format!("the compilation of {}", program.name));
    let costs = interleave(engines.len(), rounds, |engine| {
        let engine = &engines[engine];
        let (cost, module) = time(|| engine.load(&wasm));
        module.with_context(|| format!("{}: {}", engine.name(), program.name))?;
        Ok(cost)
    })?;
    let megabytes = code as f64 / 1e6;
    let speeds = costs.iter().map(|costs| megabytes / median_cost(costs).cpu);
    let mut cells = vec![Cell::new(megabytes, 1)];
    cells.extend(speeds.map(|speed| Cell::new(speed, 2)));
    Ok(Some(crate::report::Row {
        name: program.name.clone(),
        cells,
    }))
}
