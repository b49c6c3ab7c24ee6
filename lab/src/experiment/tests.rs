//! Tests of files and plans.

use super::*;

/// A file with something of everything.
const FILE: &str = r#"
title = "A title"
claim = ["K1", "K2"]
[programs]
use = ["python/{short,long}", "loop"]
[[program]]
name = "loop"
trace = "loops/one.trace"
[measure]
cores = [1, 2]
processes = 3
seed = 9
stop = "ci:0.02:max=40"
metrics = ["wall"]
[base]
policy = "never"
threads = 1
[grid]
policy = ["cost-model:alpha={0.1,1}", "v8-budget"]
threads = [1, 2]
osr = [true, false]
speed = [1, 2.5]
[[exclude]]
threads = 2
cores = 1
[[verdict]]
id = "K1"
text = "one"
cores = 1
where = { osr = true }
holds = "max(over_never, 'alpha=1') < 1"
refuted = "min(over_never, 'alpha=1') > 1"
effect = "geomean(median(wall, ''))"
[[verdict]]
id = "K2"
text = "two"
not-testable = "no such machine"
"#;

fn read(text: &str) -> Experiment {
    read_experiment(text).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_file_is_read_whole() {
    let experiment = read(FILE);
    let names: Vec<_> = experiment.programs.iter().map(|one| &one.name).collect();
    assert_eq!(names, ["python/short", "python/long", "loop"]);
    assert_eq!(
        experiment.programs[2].trace.as_deref(),
        Some("loops/one.trace")
    );
    assert_eq!(experiment.claims, ["K1", "K2"]);
    assert_eq!(
        experiment.measure.stop,
        Stop::Interval {
            half_width: 0.02,
            most: 40
        }
    );
    let osr = experiment.grid.iter().find(|(name, _)| name == "osr");
    assert_eq!(osr.unwrap().1, ["y", "n"]);
    let only = &experiment.verdicts[0].only;
    assert_eq!(only["cores"], "1");
    assert_eq!(only["osr"], "y");
    assert!(matches!(experiment.verdicts[1].test, Test::NotTestable(_)));
}

/// A verdict about settings that no cell has is refused before anything runs.
#[test]
fn selectors_that_select_nothing_are_refused() {
    let cases = [
        (
            "'alpha=1') < 1",
            "'alhpa=1') < 1",
            "line 31: `holds`: no cell has a setting `alhpa`; did you mean `alpha`?",
        ),
        (
            "'alpha=1') > 1",
            "'alpha=0.2') > 1",
            "line 32: `refuted`: no cell's `alpha` is `0.2`; did you mean `0.1`?",
        ),
        (
            "median(wall, '')",
            "median(wall, 'rule=jikes')",
            "line 33: `effect`: no cell's `rule` is `jikes`; \
             there are cost-model, never, v8-budget",
        ),
        (
            "median(wall, '')",
            "median(wall, 'rule=v8-budget,alpha=1.0')",
            "line 33: `effect`: no cell has all of 'rule=v8-budget,alpha=1.0'",
        ),
        // What `cores` leaves over is what counts: the exclusion leaves one thread.
        (
            "median(wall, '')",
            "median(wall, 'threads=2')",
            "line 33: `effect`: no cell's `threads` is `2`; did you mean `1`?",
        ),
        (
            "cores = 1\nwhere",
            "cores = 3\nwhere",
            "line 29: no cell's `cores` is `3`; did you mean `1`?",
        ),
        (
            "where = { osr = true }",
            "where = { osr = true, speed = 3 }",
            "line 30: no cell's `speed` is `3`; did you mean `1`?",
        ),
    ];
    for (right, wrong, expected) in cases {
        assert!(FILE.contains(right), "{right}");
        let error = read_experiment(&FILE.replace(right, wrong)).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    // Numbers are the same however they are written; what is not planned can't be checked.
    read(&FILE.replace("'alpha=1') < 1", "'alpha=1.0,base=no') < 1"));
    let imported = FILE.replace("[measure]", "[measure]\nmode = 'imported'");
    read(&imported.replace("'alpha=1') < 1", "'alhpa=1') < 1"));
}

#[test]
fn a_plan_has_each_combination_once_and_the_base() {
    let plan = read(FILE).plan().unwrap();
    // Three policies and the base on one thread, three on two threads but not on one core; two
    // values of OSR, two of speed, three programs.
    let expected = ((3 + 1) * 2 + 3) * 2 * 2 * 3;
    assert_eq!(plan.cells.len(), expected);
    assert!(plan.cells.is_sorted_by_key(|cell| cell.id));
    let has = |pairs: &[(&str, &str)]| {
        let matches = |cell: &&Cell| pairs.iter().all(|pair| cell.settings[pair.0] == pair.1);
        plan.cells.iter().filter(matches).count()
    };
    assert_eq!(has(&[("threads", "2"), ("cores", "1")]), 0);
    assert_eq!(has(&[("policy", "never")]), 2 * 2 * 2 * 3);
    assert_eq!(
        has(&[("policy", "cost-model:alpha=0.1"), ("cores", "1")]),
        12
    );
    let shards: Vec<_> = (0..5)
        .map(|index| plan.clone().shard(Shard { index, of: 5 }))
        .collect();
    let mut all: Vec<_> = shards
        .iter()
        .flat_map(|shard| shard.cells.clone())
        .collect();
    all.sort_by_key(|cell| cell.id);
    assert_eq!(all, plan.cells);
    assert!(shards.iter().all(|shard| shard.cells.len() > expected / 10));
}

#[test]
fn ids_change_with_whatever_changes_results() {
    let plan = |text: &str| read(text).plan().unwrap();
    let id = |plan: &Plan| plan.cells[0].id;
    let first = plan(FILE);
    assert_eq!(first, plan(&FILE.replace("A title", "Another title")));
    assert_eq!(first, plan(&FILE.replace("processes = 3", "processes = 5")));
    assert_ne!(id(&first), id(&plan(&FILE.replace("seed = 9", "seed = 8"))));
    let found = first.find(id(&first)).unwrap();
    assert_eq!(found, &first.cells[0]);
    assert_eq!(id(&first).to_string().parse(), Ok(id(&first)));
    assert!("00".parse::<CellId>().is_err());
}

#[test]
fn a_hundred_thousand_cells_are_planned_and_too_many_refused() {
    let list = |name: &str, count: usize| {
        let values: Vec<String> = (1..=count).map(|value| value.to_string()).collect();
        format!("{name} = [{}]\n", values.join(","))
    };
    let text = |work: usize| {
        let grid = list("speed", 50) + &list("compile", 40) + &list("work", work);
        format!("[programs]\nuse = ['a']\n[grid]\n{grid}")
    };
    assert_eq!(read(&text(50)).plan().unwrap().cells.len(), 100_000);
    let error = read(&text(2501)).plan().unwrap_err();
    assert_eq!(error, PlanError::TooMany(50 * 40 * 2501));
    let many = read("[programs]\nuse = ['a']\n[measure]\nprocesses = 4294967295");
    let (cells, each) = (1, u32::MAX);
    assert_eq!(many.plan(), Err(PlanError::Processes { cells, each }));
    let error = read("[grid]\npolicy = 'never'").plan().unwrap_err();
    assert_eq!(error, PlanError::Empty);
}

#[test]
fn errors_name_the_line_and_what_was_probably_meant() {
    for (from, to, message) in [
        (
            "title = ",
            "tittle = ",
            "line 2: there is no name `tittle`; did you mean `title`?",
        ),
        (
            "seed = 9",
            "sed = 9",
            "line 12: there is no setting of [measure] `sed`; did you mean `seed`?",
        ),
        (
            "policy = [\"cost-model:",
            "policy = [\"cost-modle:",
            "line 19: -T policy takes",
        ),
        (
            "threads = [1, 2]",
            "treads = [1, 2]",
            "line 20: there is no setting `treads`; did you mean `threads`?",
        ),
        (
            "threads = [1, 2]",
            "evidence = true",
            "line 20: `evidence` is not simulated: use `mode = \"wall\"`",
        ),
        (
            "speed = [1, 2.5]",
            "speed = [0]",
            "line 22: `speed` is a factor from 0.000001 to 1000000, not `0`",
        ),
        (
            "speed = [1, 2.5]",
            "W.layout-seed = 1",
            "line 22: options of -W are not simulated: use `mode = \"wall\"`",
        ),
        (
            "max(over_never, 'alpha=1') < 1",
            "max(over_nevr, 'alpha=1') < 1",
            "line 31: there is no metric `over_nevr`; did you mean `over_never`?",
        ),
        (
            "max(over_never, 'alpha=1') < 1",
            "max(over_never, 'alpha=1')",
            "line 31: `holds`: column 27: expected `<`, `<=`, `>` or `>=`",
        ),
        (
            "ci:0.02:max=40",
            "ci:0.02",
            "line 13: `ci:0.02` is no rule to stop: write `fixed` or `ci:0.02:max=40`",
        ),
        ("{0.1,1}", "{0.1,1", "line 19: the braces of"),
        (
            "not-testable = ",
            "holds = ",
            "line 37: `holds`: column 1: `no` is no function",
        ),
        ("id = \"K2\"\n", "", "line 34: [[verdict]] needs `id`"),
        (
            "id = \"K2\"\n",
            "id = \"K1\"\n",
            "line 35: the verdict `K1` is there twice",
        ),
    ] {
        let error = read_experiment(&FILE.replace(from, to)).unwrap_err();
        let error = error.to_string();
        assert!(error.starts_with(message), "{error}");
    }
}

#[test]
fn shards_are_counted_from_zero() {
    assert_eq!("3/16".parse(), Ok(Shard { index: 3, of: 16 }));
    for wrong in ["16/16", "3", "a/b", "-1/2", "0/0"] {
        assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
    }
}

#[test]
fn statements_together() {
    use Outcome::{Holds, NotTestable, Partly, Refuted, Undecided};
    for (outcomes, all) in [
        (vec![], Undecided),
        (vec![Holds, Holds], Holds),
        (vec![Holds, Refuted], Partly),
        (vec![Refuted, Refuted], Refuted),
        (vec![Refuted, Undecided], Refuted),
        (vec![Undecided, Partly], Partly),
        (vec![NotTestable], NotTestable),
        (vec![NotTestable, Undecided], Undecided),
    ] {
        assert_eq!(Outcome::of_all(&outcomes), all, "{outcomes:?}");
    }
}

/// The file with iterations by the clock.
fn with_iterations() -> String {
    FILE.replace(
        "[measure]",
        "[measure]\nmode = \"wall\"\niterations = 100\nclassify = \"cpu\"",
    )
    .replace("speed = [1, 2.5]", "W.layout-seed = [1]")
    .replace(
        "max(over_never, 'alpha=1') < 1",
        "share(class, '', 'flat') < 1",
    )
    .replace("min(over_never, 'alpha=1') > 1", "median(steady, '') > 1")
    .replace(
        "trace = \"loops/one.trace\"",
        "file = \"one.wasm\"\ninvoke = \"run\"",
    )
}

/// The file by the clock and simulated.
fn by_both() -> String {
    FILE.replace("[measure]", "[measure]\nmode = \"both\"")
        .replace("speed = [1, 2.5]", "")
        .replace("policy = \"never\"", "policy = \"never\"\nby = \"clock\"")
}

#[test]
fn iterations_are_by_the_clock_and_each_cell_of_both_is_there_twice() {
    let wall = with_iterations();
    let experiment = read(&wall);
    let Measure {
        iterations,
        classify,
        ..
    } = &experiment.measure;
    assert_eq!((*iterations, classify.as_str()), (100, "cpu"));
    assert_eq!(experiment.programs[2].invoke.as_deref(), Some("run"));
    let cells = experiment.plan().unwrap().cells;
    let once = read(&wall.replace("iterations = 100", "iterations = 101"));
    assert_ne!(cells[0].id, once.plan().unwrap().cells[0].id);

    let both = by_both();
    let plan = read(&both).plan().unwrap();
    let count = |by: &str| plan.of(|settings| settings["by"] == by).cells.len();
    // As in the plan above without speeds: the base is by the clock only.
    let grid = (3 * 2 + 3) * 2 * 3;
    assert_eq!((count("clock"), count("trace")), (grid + 2 * 2 * 3, grid));
}

#[test]
fn what_iterations_and_both_can_not_do_is_said_with_its_line() {
    let (wall, both) = (with_iterations(), by_both());
    for (text, from, to, message) in [
        (
            FILE,
            "[measure]",
            "[measure]\niterations = 2",
            "line 10: a simulation has one iteration; use `mode = \"wall\"`",
        ),
        (
            &both,
            "[measure]",
            "[measure]\niterations = 2",
            "line 10: a simulation has one iteration, so both have",
        ),
        (
            &wall,
            "= 100",
            "= 5001",
            "line 12: `iterations` is a number from 1 to 5000",
        ),
        (
            &wall,
            "iterations = 100",
            "iterations = 1",
            "line 13: `classify` is about `iterations`, of which there is one",
        ),
        (
            &wall,
            "\"cpu\"",
            "\"cpi\"",
            "line 13: there is no classify `cpi`; did you mean `cpu`?",
        ),
        (
            &wall,
            "median(steady, '')",
            "median(guest_cpu, '')",
            "line 36: `guest_cpu` is of whole processes, and these have iterations",
        ),
        (
            FILE,
            "min(over_never, 'alpha=1') > 1",
            "share(class, '', 'flat') > 1",
            "line 32: `class` is of series of iterations",
        ),
        (
            &both,
            "cores = [1, 2]",
            "",
            "line 9: `mode = \"both\"` needs `cores`",
        ),
        (
            &both,
            "osr = [true, false]",
            "speed = 2",
            "line 23: `speed` is for simulations: use `mode = \"trace\"`",
        ),
        (
            &both,
            "osr = [true, false]",
            "evidence = true",
            "line 23: `evidence` is not simulated: use `mode = \"wall\"`",
        ),
        (
            &both,
            "osr = [true, false]",
            "switching = \"zeal\"",
            "line 23: ",
        ),
        (
            &both,
            "osr = [true, false]",
            "by = \"clock\"",
            "line 23: `by` is in the grid of each experiment",
        ),
        (
            &both,
            "by = \"clock\"",
            "by = \"clocks\"",
            "line 18: there is no value of `by` `clocks`; did you mean `clock`?",
        ),
    ] {
        let error = read_experiment(&text.replace(from, to)).unwrap_err();
        let error = error.to_string();
        assert!(error.starts_with(message), "{to}: {error}");
    }
}
