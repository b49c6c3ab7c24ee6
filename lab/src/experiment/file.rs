//! The file of an experiment, in TOML. Each error has its line; an unknown name the nearest one.
//!
//! ```toml
//! title = "JIT compilation policy for modern machines"
//! claim = ["K1"]
//!
//! [programs]
//! use = ["python/{short,long}", "loop"]  # traces python/short.trace and so on
//!
//! [[program]]                            # more about one of them, where needed
//! name = "loop"
//! file = "loop.wasm"                     # for `mode = "wall"`
//! args = ["1000"]
//! invoke = "run"                         # an exported function, instead of the program's start
//!
//! [measure]
//! mode = "trace"                         # or "wall", "both", "imported"
//! cores = [1, 2]
//! processes = 15
//! iterations = 100                       # by the clock only: in each process
//! classify = "thread_cpu"                # what warm-up is judged by: wall, cpu or thread_cpu
//! stop = "ci:0.02:max=40"
//!
//! [base]
//! policy = "never"
//!
//! [grid]                                 # options of `-T`, and speed, compile, work
//! policy = ["cost-model:alpha={0.1,1}", "v8-budget"]
//! threads = [1, 2]
//! [grid.W]                               # options of `-W`, `-C` and `-D`, by the clock only
//! layout-seed = [1, 2, 3]
//!
//! [[exclude]]
//! threads = 2
//! cores = 1
//!
//! [[verdict]]
//! id = "K1"
//! text = "aggressive compilation gains nothing on one core"
//! cores = 1
//! holds = "ci_low(ratio(wall, 'alpha=0.1', 'alpha=1')) > 0.98"
//! refuted = "ci_high(ratio(wall, 'alpha=0.1', 'alpha=1')) < 0.95"
//! effect = "ratio(wall, 'alpha=0.1', 'alpha=1')"
//! ```

use std::ops::Range;

use toml::de::DeValue;
use upshift_tiering::file::{FileError, Source};
use upshift_tiering::{TieringConfig, options};

use super::metric::{Of, WALL, metrics};
use super::selectors;
use super::setup::{HINTS, PARTS, SCALES, workers};
use super::table::Table;
use super::{
    BY, Experiment, Lists, Measure, Mode, Order, Program, SOURCES, Settings, Statement, Stop, Test,
};
use crate::measure::hints::Origin;
use crate::predicate::{CLASS, ParseError, Predicate, Quantity};
use crate::workload::Scale;

/// Groups of options that the engine has besides those of tiering.
const GROUPS: [&str; 3] = ["C", "D", "W"];

/// Iterations of a process at most: as many as its standard error has room for.
pub const MAX_ITERATIONS: u32 = 5000;

/// Reads an experiment.
///
/// # Errors
///
/// If the text is not TOML, names what does not exist, lacks what is needed, has a value that does
/// not fit, or a verdict about settings that no cell has. Options of `[grid.W]` and the like are
/// not known here: the command line checks them.
pub fn read(text: &str) -> Result<Experiment, FileError> {
    let (source, table) = Source::parse(text)?;
    let file = Table {
        source,
        at: 0..0,
        table: &table,
    };
    file.only(
        "name",
        &[
            "title", "claim", "programs", "program", "measure", "base", "grid", "exclude",
            "verdict",
        ],
    )?;
    let measure = measure(file.table("measure")?.as_ref())?;
    let mode = measure.mode;
    let mut grid = match file.table("grid")? {
        Some(table) => lists(&table, mode)?,
        None => Lists::new(),
    };
    let cores = match file.table("measure")? {
        Some(table) => table.values("cores")?,
        None => None,
    };
    if let Some((values, at)) = cores {
        if grid.iter().any(|(name, _)| name == "cores") {
            return Err(source.error(at, "`cores` stands in [grid] already"));
        }
        for cores in &values {
            check(source, &at, "cores", cores, mode)?;
        }
        grid.push(("cores".into(), values));
    }
    let base = match file.table("base")? {
        Some(table) => Some(settings(&table, mode)?),
        None => None,
    };
    if mode == Mode::Both {
        both(&file, &grid)?;
    }
    let mut exclude = Vec::new();
    for table in file.tables("exclude")? {
        exclude.push(lists(&table, mode)?);
    }
    let mut verdicts = Vec::new();
    let tables = file.tables("verdict")?;
    for table in &tables {
        let statement: Statement = statement(table, &measure)?;
        if verdicts
            .iter()
            .any(|known: &Statement| known.id == statement.id)
        {
            let problem = format!("the verdict `{}` is there twice", statement.id);
            return table.fail(table.place("id"), problem);
        }
        verdicts.push(statement);
    }
    let experiment = Experiment {
        title: file.text("title")?.unwrap_or_default(),
        claims: file
            .values("claim")?
            .map_or_else(Vec::new, |claims| claims.0),
        programs: programs(&file)?,
        measure,
        base,
        grid,
        exclude,
        verdicts,
    };
    selectors::check(&experiment, &tables)?;
    Ok(experiment)
}

/// Checks what an experiment needs whose cells are measured and simulated.
fn both(file: &Table<'_>, grid: &Lists) -> Result<(), FileError> {
    if let Some(table) = file.table("grid")?
        && table.get(BY).is_some()
    {
        return table.fail(
            table.place(BY),
            "`by` is in the grid of each experiment of `mode = \"both\"`: `clock` and `trace`",
        );
    }
    // The base's cells have what the grid says and the base does not.
    let in_grid = grid.iter().any(|(name, _)| name == "cores");
    if !in_grid {
        return file.fail(
            file.place("measure"),
            "`mode = \"both\"` needs `cores`: by the clock, processes would have all cores of the \
             machine, and simulations two",
        );
    }
    Ok(())
}

fn measure(table: Option<&Table<'_>>) -> Result<Measure, FileError> {
    let mut measure = Measure {
        mode: Mode::Trace,
        processes: 1,
        iterations: 1,
        classify: "wall".into(),
        order: Order::Random,
        seed: 1,
        stop: Stop::Fixed,
        metrics: Vec::new(),
        effort: 400,
    };
    let Some(table) = table else {
        return Ok(measure);
    };
    table.only(
        "setting of [measure]",
        &[
            "mode",
            "processes",
            "iterations",
            "classify",
            "order",
            "seed",
            "stop",
            "cores",
            "metrics",
            "effort",
        ],
    )?;
    let modes = [
        ("trace", Mode::Trace),
        ("wall", Mode::Wall),
        ("both", Mode::Both),
        ("imported", Mode::Imported),
    ];
    measure.mode = table.choice("mode", &modes, measure.mode)?;
    measure.processes = table.number("processes", measure.processes)?;
    if measure.processes == 0 {
        return table.fail(table.at.clone(), "`processes` is at least 1");
    }
    iterations(table, &mut measure)?;
    let orders = [("random", Order::Random), ("listed", Order::Listed)];
    measure.order = table.choice("order", &orders, measure.order)?;
    measure.seed = table.number("seed", measure.seed)?;
    measure.effort = table.number("effort", measure.effort)?;
    if let Some(stop) = table.text("stop")? {
        let at = table.place("stop");
        let error = |problem| table.source.error(at, problem);
        measure.stop = stop_rule(&stop, measure.processes).map_err(error)?;
    }
    if let Some((names, at)) = table.texts("metrics")? {
        for name in &names {
            check_metric(table.source, &at, name, &measure)?;
        }
        measure.metrics = names;
    }
    Ok(measure)
}

/// Reads `iterations` and `classify`.
fn iterations(table: &Table<'_>, measure: &mut Measure) -> Result<(), FileError> {
    let clocked = match measure.mode {
        Mode::Wall => Ok(()),
        Mode::Trace => Err("a simulation has one iteration; use `mode = \"wall\"`"),
        Mode::Both => Err("a simulation has one iteration, so both have; use `mode = \"wall\"`"),
        Mode::Imported => Err("imported results have the iterations that their lines say"),
    };
    measure.iterations = table.number("iterations", measure.iterations)?;
    let at = table.place("iterations");
    if !(1..=MAX_ITERATIONS).contains(&measure.iterations) {
        return table.fail(
            at,
            format!("`iterations` is a number from 1 to {MAX_ITERATIONS}"),
        );
    }
    if let (2.., Err(problem)) = (measure.iterations, clocked) {
        return table.fail(at, problem);
    }
    if measure.mode == Mode::Imported {
        let classify = table.text("classify")?;
        measure.classify = classify.unwrap_or_else(|| "wall".into());
        return Ok(());
    }
    let times = ["wall", "cpu", "thread_cpu"].map(|name| (name, name));
    measure.classify = table.choice("classify", &times, "wall")?.to_owned();
    if table.get("classify").is_some() && measure.iterations == 1 {
        let problem = "`classify` is about `iterations`, of which there is one";
        return table.fail(table.place("classify"), problem);
    }
    Ok(())
}

/// `fixed`, or `ci:0.02:max=40`.
fn stop_rule(text: &str, processes: u32) -> Result<Stop, String> {
    let wrong = || format!("`{text}` is no rule to stop: write `fixed` or `ci:0.02:max=40`");
    if text == "fixed" {
        return Ok(Stop::Fixed);
    }
    let parts = text
        .strip_prefix("ci:")
        .and_then(|rest| rest.split_once(":max="));
    let (half_width, most) = parts.ok_or_else(wrong)?;
    let half_width: f64 = half_width.parse().map_err(|_| wrong())?;
    let most: u32 = most.parse().map_err(|_| wrong())?;
    if !(half_width > 0.0 && half_width < 1.0) {
        return Err("half of an interval is between 0 and 1, as a share of the median".into());
    }
    if most < processes {
        return Err(format!(
            "`max` is at least the number of processes, {processes}"
        ));
    }
    Ok(Stop::Interval { half_width, most })
}

fn programs(file: &Table<'_>) -> Result<Vec<Program>, FileError> {
    let mut programs: Vec<Program> = Vec::new();
    for table in file.tables("program")? {
        table.only(
            "setting of [[program]]",
            &[
                "name", "trace", "file", "args", "options", "invoke", "stdin",
            ],
        )?;
        let Some(name) = table.text("name")? else {
            return table.fail(table.at.clone(), "[[program]] needs a `name`");
        };
        if programs.iter().any(|program| program.name == name) {
            return table.fail(table.at.clone(), format!("`{name}` is there twice"));
        }
        let texts = |name: &str| Ok(table.texts(name)?.map_or_else(Vec::new, |found| found.0));
        programs.push(Program {
            name,
            trace: table.text("trace")?,
            file: table.text("file")?,
            args: texts("args")?,
            options: texts("options")?,
            invoke: table.text("invoke")?,
            stdin: table.text("stdin")?,
        });
    }
    let Some(table) = file.table("programs")? else {
        return Ok(programs);
    };
    table.only("setting of [programs]", &["use"])?;
    let Some((names, _)) = table.values("use")? else {
        return Ok(programs);
    };
    let used = names.into_iter().map(|name| {
        let known = programs.iter().find(|program| program.name == name);
        known.cloned().unwrap_or_else(|| Program {
            name,
            ..Program::default()
        })
    });
    Ok(used.collect())
}

/// Settings with their values.
fn lists(table: &Table<'_>, mode: Mode) -> Result<Lists, FileError> {
    let mut lists = Lists::new();
    for (key, value) in table.table {
        let name = &**key.get_ref();
        if let DeValue::Table(group) = value.get_ref() {
            let group = Table {
                source: table.source,
                at: value.span(),
                table: group,
            };
            if !GROUPS.contains(&name) {
                return Err(table.source.unknown(key.span(), "group", name, &GROUPS));
            }
            if matches!(mode, Mode::Trace | Mode::Both) {
                return table.fail(
                    key.span(),
                    format!("options of -{name} are not simulated: use `mode = \"wall\"`"),
                );
            }
            for key in group.table.keys() {
                let option = &**key.get_ref();
                let values = group.values(option)?.map_or_else(Vec::new, |found| found.0);
                lists.push((format!("{name}.{option}"), values));
            }
            continue;
        }
        let Some((values, at)) = table.values(name)? else {
            continue;
        };
        check_name(table.source, key.span(), name, mode)?;
        for value in &values {
            check(table.source, &at, name, value, mode)?;
        }
        lists.push((name.to_owned(), values));
    }
    Ok(lists)
}

/// Settings with one value each.
fn settings(table: &Table<'_>, mode: Mode) -> Result<Settings, FileError> {
    let mut settings = Settings::new();
    for (name, mut values) in lists(table, mode)? {
        if values.len() > 1 {
            return table.fail(table.at.clone(), format!("`{name}` has several values"));
        }
        settings.extend(values.pop().map(|value| (name, value)));
    }
    Ok(settings)
}

/// Refuses a setting that does not exist, or not in this mode.
fn check_name(
    source: Source<'_>,
    at: Range<usize>,
    name: &str,
    mode: Mode,
) -> Result<(), FileError> {
    let mut known = vec!["cores"];
    match mode {
        Mode::Imported => return Ok(()),
        Mode::Wall => known.extend(options().map(|knob| knob.info.name)),
        Mode::Trace => {
            known.extend(PARTS.iter().chain(&SCALES).chain([&HINTS]));
            known.extend(metrics().flat_map(|metric| metric.settings));
            known.dedup();
        }
        Mode::Both => known.extend(PARTS.iter().chain([&BY])),
    }
    if known.contains(&name) {
        return Ok(());
    }
    if mode == Mode::Both && (name == HINTS || SCALES.contains(&name)) {
        let problem = format!("`{name}` is for simulations: use `mode = \"trace\"`");
        return Err(source.error(at, problem));
    }
    if options().any(|knob| knob.info.name == name) {
        let problem = format!("`{name}` is not simulated: use `mode = \"wall\"`");
        return Err(source.error(at, problem));
    }
    Err(source.unknown(at, "setting", name, &known))
}

/// Refuses a value that does not fit its setting.
fn check(
    source: Source<'_>,
    at: &Range<usize>,
    name: &str,
    value: &str,
    mode: Mode,
) -> Result<(), FileError> {
    let error = |problem: String| Err(source.error(at.clone(), problem));
    if mode == Mode::Imported {
        return Ok(());
    }
    if SCALES.contains(&name) {
        let factor = value.parse::<f64>().ok();
        let (least, most) = (Scale::FACTORS.start(), Scale::FACTORS.end());
        return match factor.filter(|factor| Scale::FACTORS.contains(factor)) {
            Some(_) => Ok(()),
            None => error(format!(
                "`{name}` is a factor from {least} to {most}, not `{value}`"
            )),
        };
    }
    if name == HINTS && mode == Mode::Trace {
        return value.parse::<Origin>().map(|_| ()).or_else(error);
    }
    if name == BY && mode == Mode::Both {
        return match SOURCES.contains(&value) {
            true => Ok(()),
            false => Err(source.unknown(at.clone(), "value of `by`", value, &SOURCES)),
        };
    }
    if name == "cores" {
        return match value.parse::<u32>() {
            Ok(1..=1024) => Ok(()),
            _ => error(format!("`cores` is a number from 1 to 1024, not `{value}`")),
        };
    }
    if options().all(|knob| knob.info.name != name) {
        return Ok(());
    }
    let mut config = TieringConfig::default();
    if let Err(problem) = config.set(name, value) {
        return error(problem.to_string());
    }
    match workers(&config, 1) {
        Err(problem) if mode != Mode::Wall => error(problem.to_string()),
        _ => Ok(()),
    }
}

/// Refuses a metric that does not exist, or not of what is measured.
fn check_metric(
    source: Source<'_>,
    at: &Range<usize>,
    name: &str,
    measure: &Measure,
) -> Result<(), FileError> {
    let repeats = measure.iterations > 1;
    let has = |of: Of| match of {
        Of::Each => true,
        Of::Process => !repeats && measure.mode == Mode::Wall,
        Of::Iteration => repeats || measure.mode == Mode::Both,
        Of::Series => repeats,
    };
    let clocked = || {
        WALL.iter()
            .filter(|metric| has(metric.of))
            .map(|metric| metric.name)
    };
    let mut known: Vec<&'static str> = match measure.mode {
        Mode::Imported => return Ok(()),
        Mode::Trace => metrics().map(|metric| metric.name).collect(),
        Mode::Wall => clocked().collect(),
        Mode::Both => clocked()
            .chain(metrics().map(|metric| metric.name))
            .collect(),
    };
    if repeats {
        known.push(CLASS);
    }
    if known.contains(&name) {
        return Ok(());
    }
    let there = WALL.iter().find(|metric| metric.name == name);
    let problem = match there.map(|metric| metric.of) {
        Some(Of::Process) if measure.mode == Mode::Wall => {
            format!("`{name}` is of whole processes, and these have iterations")
        }
        Some(Of::Iteration | Of::Series) if measure.mode == Mode::Wall => {
            format!("`{name}` is of iterations: set `iterations` in [measure]")
        }
        None if name == CLASS => {
            "`class` is of series of iterations: use `mode = \"wall\"` with `iterations`".into()
        }
        _ => return Err(source.unknown(at.clone(), "metric", name, &known)),
    };
    Err(source.error(at.clone(), problem))
}

fn statement(table: &Table<'_>, measure: &Measure) -> Result<Statement, FileError> {
    table.only(
        "setting of [[verdict]]",
        &[
            "id",
            "text",
            "cores",
            "where",
            "holds",
            "partly",
            "refuted",
            "effect",
            "not-testable",
        ],
    )?;
    let need = |name: &str| match table.text(name)? {
        Some(text) => Ok(text),
        None => table.fail(table.at.clone(), format!("[[verdict]] needs `{name}`")),
    };
    let mut only = match table.table("where")? {
        Some(table) => settings(&table, measure.mode)?,
        None => Settings::new(),
    };
    only.extend(table.text("cores")?.map(|cores| ("cores".into(), cores)));
    let condition = |name: &str| match table.text(name)? {
        Some(text) => {
            let condition = Predicate::parse(&text).map_err(|error| at(table, name, &error))?;
            known_metrics(table, name, &condition.metrics(), measure)?;
            Ok(Some(condition))
        }
        None => Ok(None),
    };
    let effect = match table.text("effect")? {
        Some(text) => {
            let effect = Quantity::parse(&text).map_err(|error| at(table, "effect", &error))?;
            known_metrics(table, "effect", &effect.metrics(), measure)?;
            Some(effect)
        }
        None => None,
    };
    let test = match (
        condition("holds")?,
        condition("refuted")?,
        table.text("not-testable")?,
    ) {
        (Some(holds), Some(refuted), None) => Test::Conditions {
            holds,
            partly: condition("partly")?,
            refuted,
        },
        (None, None, Some(reason)) => Test::NotTestable(reason),
        _ => {
            let needed = "[[verdict]] needs `holds` and `refuted`, or `not-testable` with a reason";
            return table.fail(table.at.clone(), needed);
        }
    };
    Ok(Statement {
        id: need("id")?,
        text: need("text")?,
        only,
        test,
        effect,
    })
}

/// The error in an expression.
fn at(table: &Table<'_>, name: &str, error: &ParseError) -> FileError {
    let at = table.place(name);
    table.source.error(at, format!("`{name}`: {error}"))
}

fn known_metrics(
    table: &Table<'_>,
    name: &str,
    metrics: &std::collections::BTreeSet<&str>,
    measure: &Measure,
) -> Result<(), FileError> {
    let at = table.place(name);
    let mut metrics = metrics.iter();
    metrics.try_for_each(|metric| check_metric(table.source, &at, metric, measure))
}
