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
//!
//! [measure]
//! mode = "trace"                         # or "wall", "imported"
//! cores = [1, 2]
//! processes = 15
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

use super::metric::{WALL, metrics};
use super::setup::{HINTS, PARTS, SCALES};
use super::table::Table;
use super::{Experiment, Lists, Measure, Mode, Order, Program, Settings, Statement, Stop, Test};
use crate::measure::hints::Origin;
use crate::predicate::{ParseError, Predicate, Quantity};

/// Groups of options that the engine has besides those of tiering.
const GROUPS: [&str; 3] = ["C", "D", "W"];

/// Reads an experiment.
///
/// # Errors
///
/// If the text is not TOML, names what does not exist, lacks what is needed, or has a value that
/// does not fit. Options of `[grid.W]` and the like are not known here: the command line checks
/// them.
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
    let mut exclude = Vec::new();
    for table in file.tables("exclude")? {
        exclude.push(lists(&table, mode)?);
    }
    let mut verdicts = Vec::new();
    for table in file.tables("verdict")? {
        verdicts.push(statement(&table, mode)?);
    }
    Ok(Experiment {
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
    })
}

fn measure(table: Option<&Table<'_>>) -> Result<Measure, FileError> {
    let mut measure = Measure {
        mode: Mode::Trace,
        processes: 1,
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
        ("imported", Mode::Imported),
    ];
    measure.mode = table.choice("mode", &modes, measure.mode)?;
    measure.processes = table.number("processes", measure.processes)?;
    if measure.processes == 0 {
        return table.fail(table.at.clone(), "`processes` is at least 1");
    }
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
            check_metric(table.source, &at, name, measure.mode)?;
        }
        measure.metrics = names;
    }
    Ok(measure)
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
            &["name", "trace", "file", "args", "options", "stdin"],
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
            if mode == Mode::Trace {
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
        }
    }
    if known.contains(&name) {
        return Ok(());
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
        return match factor.filter(|factor| *factor > 0.0 && factor.is_finite()) {
            Some(_) => Ok(()),
            None => error(format!("`{name}` is a factor above 0, not `{value}`")),
        };
    }
    if name == HINTS && mode == Mode::Trace {
        return value.parse::<Origin>().map(|_| ()).or_else(error);
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
    match TieringConfig::default().set(name, value) {
        Ok(()) => Ok(()),
        Err(problem) => error(problem.to_string()),
    }
}

/// Refuses a metric that does not exist.
fn check_metric(
    source: Source<'_>,
    at: &Range<usize>,
    name: &str,
    mode: Mode,
) -> Result<(), FileError> {
    let known: Vec<&'static str> = match mode {
        Mode::Imported => return Ok(()),
        Mode::Trace => metrics().map(|metric| metric.name).collect(),
        Mode::Wall => WALL.iter().map(|metric| metric.name).collect(),
    };
    match known.contains(&name) {
        true => Ok(()),
        false => Err(source.unknown(at.clone(), "metric", name, &known)),
    }
}

fn statement(table: &Table<'_>, mode: Mode) -> Result<Statement, FileError> {
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
        Some(table) => settings(&table, mode)?,
        None => Settings::new(),
    };
    only.extend(table.text("cores")?.map(|cores| ("cores".into(), cores)));
    let condition = |name: &str| match table.text(name)? {
        Some(text) => {
            let condition = Predicate::parse(&text).map_err(|error| at(table, name, &error))?;
            known_metrics(table, name, &condition.metrics(), mode)?;
            Ok(Some(condition))
        }
        None => Ok(None),
    };
    let effect = match table.text("effect")? {
        Some(text) => {
            let effect = Quantity::parse(&text).map_err(|error| at(table, "effect", &error))?;
            known_metrics(table, "effect", &effect.metrics(), mode)?;
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
    mode: Mode,
) -> Result<(), FileError> {
    let at = table.place(name);
    let mut metrics = metrics.iter();
    metrics.try_for_each(|metric| check_metric(table.source, &at, metric, mode))
}
