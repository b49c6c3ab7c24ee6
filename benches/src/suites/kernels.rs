//! Code quality: kernels of one idea each, in each compiler's code, compilation apart.
//!
//! Kernels run on one thread, so processor time it is, as for compile speed.

use anyhow::{Context, Result, ensure};
use upshift::Strategy;

use super::{Options, progress};
use crate::corpus::{self, Kernel, Size};
use crate::engines::{Engine, Loaded, Outcome, Upshift, Wasmtime};
use crate::measure::{geomean, interleave, median_cost, time};
use crate::report::{Cell, Table};

/// Measures run time: seconds in the first table, ratios to Wasmtime's Cranelift in the second.
///
/// # Errors
///
/// If an engine fails, or two disagree about a result.
pub fn run(options: &Options) -> Result<[Table; 2]> {
    let engines: [Box<dyn Engine>; 4] = [
        Box::new(Wasmtime::cranelift()),
        Box::new(Wasmtime::winch()),
        Box::new(Upshift::eager(Strategy::Baseline)),
        Box::new(Upshift::eager(Strategy::Optimizer)),
    ];
    let names: Vec<_> = engines.iter().map(|engine| engine.name()).collect();
    let mut seconds = Table::new(
        "Kernels: seconds of processor time, without compilation",
        &names,
    );
    for kernel in corpus::kernels()? {
        if options.wants(&kernel.name) {
            progress(&kernel.name);
            let cells =
                measure(&kernel, &engines, options.rounds).with_context(|| kernel.name.clone())?;
            seconds.push(&kernel.name, cells);
        }
    }
    let ratios = ratios(&seconds);
    Ok([seconds, ratios])
}

fn measure(kernel: &Kernel, engines: &[Box<dyn Engine>], rounds: usize) -> Result<Vec<Cell>> {
    let wasm = kernel.wasm()?;
    let job = kernel.job(Size::Bench);
    // Winch refuses tail calls and most reference types; anybody else's refusal is a failure.
    let mut loaded: Vec<Option<Box<dyn Loaded>>> = Vec::new();
    for engine in engines {
        let module = engine.load(&wasm);
        let optional = engine.name().contains("winch");
        loaded.push(match module {
            Err(_) if optional => None,
            module => Some(module.with_context(|| engine.name())?),
        });
    }
    let present: Vec<usize> = (0..engines.len())
        .filter(|&i| loaded[i].is_some())
        .collect();
    let mut first: Option<Outcome> = None;
    let costs = interleave(present.len(), rounds, |contender| {
        let module = loaded[present[contender]].as_ref();
        let (cost, outcome) = time(|| module.expect("only present engines take part").run(&job));
        let name = engines[present[contender]].name();
        let outcome = outcome.with_context(|| name.clone())?;
        let expected = first.get_or_insert_with(|| outcome.clone());
        ensure!(
            *expected == outcome,
            "{name}: {outcome:?}, others {expected:?}"
        );
        Ok(cost)
    })?;
    let mut cells = vec![Cell::none(); engines.len()];
    for (contender, costs) in present.iter().zip(&costs) {
        cells[*contender] = Cell::new(median_cost(costs).cpu, 3);
    }
    Ok(cells)
}

/// Each column over the first one, and the geometric mean of each.
fn ratios(seconds: &Table) -> Table {
    let title = format!("Kernels: time over {}'s", seconds.columns[0]);
    let mut table = Table::new(title, &seconds.columns[1..]);
    for row in &seconds.rows {
        let base = row.cells[0].value;
        let ratio = |cell: &Cell| match (cell.value, base) {
            (Some(value), Some(base)) => Cell::new(value / base, 2),
            _ => Cell::none(),
        };
        table.push(&row.name, row.cells[1..].iter().map(ratio).collect());
    }
    let means = (0..table.columns.len()).map(|column| {
        let values = table.rows.iter().filter_map(|row| row.cells[column].value);
        geomean(values).map_or(Cell::none(), |mean| Cell::new(mean, 2))
    });
    let means = means.collect();
    table.push("geometric mean", means);
    table
}
