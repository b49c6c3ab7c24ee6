//! `-D coverage`: which functions, instructions and branches of a program have run, and how often.
//!
//! What is counted are blocks of instructions that run one after the other, both directions of each
//! branch with a condition, and each target of a `br_table`; an instruction has run as often as its
//! block. Where a trap or an exception ends a block, those behind it count as well.
//!
//! The file is what its name says: for `.json` an object with every function, block and branch;
//! else lcov's format, by the lines of the source, if the module has debug information, and
//! otherwise the text of the functions with a count before each line.

mod lcov;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use serde_json::json;
use upshift::observe::{Block, BranchCounter, InstrumentedFunc, OperatorKind, TableCounter};
use upshift::{Module, Printable, PrintableLines, Result};

use crate::output::Output;
use crate::{report, text};

/// The coverage of the program's module: what is counted, and where it is to be written.
#[derive(Clone, Debug)]
pub struct Coverage {
    path: PathBuf,
    plan: Arc<Mutex<Plan>>,
}

/// What is counted of the program's module, which is loaded first.
#[derive(Debug, Default)]
struct Plan {
    functions: Vec<Counted>,
    /// Whether another module has followed.
    complete: bool,
}

/// What is counted of a function.
#[derive(Debug)]
struct Counted {
    index: u32,
    name: String,
    blocks: Vec<(Block, u32)>,
    branches: Vec<(u32, BranchCounter)>,
    tables: Vec<(u32, TableCounter)>,
    /// The offsets of what computes something.
    instructions: Vec<u32>,
}

/// How often what is counted of a function has run.
struct Function<'p> {
    index: u32,
    name: &'p str,
    blocks: Vec<(Block, u64)>,
    /// Offset, and how often the condition held and did not.
    branches: Vec<(u32, (u64, u64))>,
    /// Offset, and how often each target of a `br_table` was taken, the default one last.
    tables: Vec<(u32, &'p [u64])>,
    instructions: &'p [u32],
}

impl Function<'_> {
    /// How often the function has been called, as far as its first block tells.
    fn calls(&self) -> u64 {
        self.blocks.first().map_or(0, |&(_, count)| count)
    }

    /// How often the instruction at an offset has run; `None` if it is in no block.
    fn count_at(&self, offset: u32) -> Option<u64> {
        let behind = self
            .blocks
            .partition_point(|(block, _)| block.start() <= offset);
        let (_, count) = self.blocks[..behind].last()?;
        Some(*count)
    }

    /// The instructions, with how often each has run.
    fn instructions(&self) -> impl Iterator<Item = (u32, u64)> {
        let offsets = self.instructions.iter();
        offsets.filter_map(|&offset| Some((offset, self.count_at(offset)?)))
    }
}

impl Coverage {
    /// Coverage that is written to a file after the run.
    ///
    /// # Errors
    ///
    /// If the file can't be created.
    pub fn new(path: &Path) -> Result<(Self, Output)> {
        let output = Output::create(path);
        let output =
            output.with_context(|| format!("cannot create `{}`", Printable(path.display())))?;
        let coverage = Self {
            path: path.to_owned(),
            plan: Arc::default(),
        };
        Ok((coverage, output))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts what a function of the program's module does.
    pub fn count(&self, func: &mut InstrumentedFunc<'_>) {
        let mut plan = self.plan();
        let last = plan.functions.last().map(|last| last.index);
        plan.complete |= last.is_some_and(|last| func.index() <= last);
        if plan.complete {
            return;
        }
        let operators = func.operators();
        let blocks = func.blocks().into_iter();
        let blocks = blocks.map(|block| (block, func.count_block(block)));
        let blocks = blocks.collect();
        let branches = operators.iter().filter_map(|&operator| {
            let counter = func.count_branch(operator)?;
            Some((operator.offset(), counter))
        });
        let branches = branches.collect();
        let tables = operators.iter().filter_map(|&operator| {
            let counter = func.count_table(operator)?;
            Some((operator.offset(), counter))
        });
        let tables = tables.collect();
        let computes = operators
            .iter()
            .filter(|operator| operator.kind() != OperatorKind::Structure);
        plan.functions.push(Counted {
            index: func.index(),
            name: match func.demangled_name() {
                Some(name) => Printable(name).to_string(),
                None => format!("func[{}]", func.index()),
            },
            blocks,
            branches,
            tables,
            instructions: computes.map(|operator| operator.offset()).collect(),
        });
    }

    /// Writes the file, and a summary to standard error.
    ///
    /// # Errors
    ///
    /// If either can't be written.
    pub fn write(&self, module: &Module, output: Output) -> io::Result<()> {
        let plan = self.plan();
        let counters = module.counters();
        let functions = plan.functions.iter().map(|func| Function {
            index: func.index,
            name: &func.name,
            blocks: func
                .blocks
                .iter()
                .map(|&(block, counter)| (block, counters[counter as usize]))
                .collect(),
            branches: func
                .branches
                .iter()
                .map(|&(offset, counter)| (offset, counter.directions(&counters)))
                .collect(),
            tables: func
                .tables
                .iter()
                .map(|&(offset, counter)| (offset, counter.targets(&counters)))
                .collect(),
            instructions: &func.instructions,
        });
        let functions: Vec<Function<'_>> = functions.collect();
        output.write(|file| self.write_file(module, &functions, file))?;
        report::err(&summary(&functions))
    }

    fn write_file(
        &self,
        module: &Module,
        functions: &[Function<'_>],
        file: File,
    ) -> io::Result<()> {
        let mut out = BufWriter::new(file);
        if self.path.extension().is_some_and(|it| it == "json") {
            serde_json::to_writer_pretty(&mut out, &to_json(functions))?;
            out.write_all(b"\n")?;
        } else {
            let lines = lcov::lines(module, functions);
            match lines.is_empty() {
                true => write_text(module, functions, &mut out)?,
                false => lcov::write(&lines, &mut out)?,
            }
        }
        out.flush()
    }
}

/// Part of a whole, in percent.
fn share(part: usize, all: usize) -> String {
    let percent = match all {
        0 => 100.0,
        all => 100.0 * part as f64 / all as f64,
    };
    format!("{part} of {all} ({percent:.1} %)")
}

fn summary(functions: &[Function<'_>]) -> String {
    let called = functions.iter().filter(|func| func.calls() > 0).count();
    let counts = || functions.iter().flat_map(Function::instructions);
    let ran = counts().filter(|&(_, count)| count > 0).count();
    let branches = functions.iter().flat_map(|func| &func.branches);
    let directions = branches.flat_map(|&(_, (taken, not_taken))| [taken, not_taken]);
    let tables = functions.iter().flat_map(|func| &func.tables);
    let targets = tables.flat_map(|(_, counts)| counts.iter().copied());
    let directions = directions.chain(targets);
    let gone = directions.clone().filter(|&count| count > 0).count();
    format!(
        "\ncoverage: functions {}\n          instructions {}\n          branch directions {}\n",
        share(called, functions.len()),
        share(ran, counts().count()),
        share(gone, directions.count()),
    )
}

fn to_json(functions: &[Function<'_>]) -> serde_json::Value {
    let function = |func: &Function<'_>| {
        let blocks = func.blocks.iter().map(
            |(block, count)| json!({ "start": block.start(), "end": block.end(), "count": count }),
        );
        let branches = func.branches.iter().map(|(offset, (taken, not_taken))| {
            json!({ "offset": offset, "true": taken, "false": not_taken })
        });
        let tables = func
            .tables
            .iter()
            .map(|(offset, targets)| json!({ "offset": offset, "targets": targets }));
        json!({
            "index": func.index,
            "name": func.name,
            "calls": func.calls(),
            "blocks": blocks.collect::<Vec<_>>(),
            "branches": branches.collect::<Vec<_>>(),
            "tables": tables.collect::<Vec<_>>(),
        })
    };
    let functions: Vec<_> = functions.iter().map(function).collect();
    json!({ "functions": functions })
}

/// Writes the text of the functions, each line with how often it has run, and branches with both
/// directions.
fn write_text(
    module: &Module,
    functions: &[Function<'_>],
    out: &mut impl io::Write,
) -> io::Result<()> {
    let indexes = functions.iter().map(|func| func.index);
    let mut texts = text::lines(module, indexes).map_err(io::Error::other)?;
    for func in functions {
        writeln!(out, "{:>12}  {}", func.calls(), func.name)?;
        let branches: HashMap<u32, (u64, u64)> = func.branches.iter().copied().collect();
        let tables: HashMap<u32, &[u64]> = func.tables.iter().copied().collect();
        let counts: HashMap<u32, u64> = func.instructions().collect();
        for line in texts.remove(&func.index).unwrap_or_default() {
            let count = counts.get(&line.offset).map(u64::to_string);
            let count = count.unwrap_or_default();
            write!(
                out,
                "{count:>12}  {:#08x}  {}",
                line.offset,
                PrintableLines(&line.text)
            )?;
            if let Some((taken, not_taken)) = branches.get(&line.offset) {
                write!(out, "  ;; true {taken}, false {not_taken}")?;
            }
            if let Some(targets) = tables.get(&line.offset) {
                write!(out, "  ;; targets {targets:?}")?;
            }
            writeln!(out)?;
        }
        writeln!(out)?;
    }
    Ok(())
}
