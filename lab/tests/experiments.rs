//! Experiments on recorded runs, through the public interface: killed and resumed, in shards and
//! merged, judged, and the folder of a paper.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use upshift_lab::experiment::{
    Environment, Experiment, Line, MergeError, Mixing, Mode, Outcome, Paper, PaperError, Places,
    Plan, Progress, ResultsError, Resume, Shard, merge, read_experiment, read_results, run_traces,
    table_of_papers,
};
use upshift_lab::trace::{Cost, Count, Counting, Function, Header, Level, Loop, Slice, Trace};

const FILE: &str = r#"
title = "Earlier is better for programs that last"
[programs]
use = ["short", "long"]
[measure]
processes = 2
cores = [1, 2]
effort = 20
[base]
policy = "never"
[grid]
policy = ["fixed-budget:units={2000,50000,5000000}", "ski-rental:random=y"]
queue = ["fifo", "random"]
[[verdict]]
id = "E1"
text = "early is better where the program is long"
holds = "ratio(wall, 'units=2000', 'base=yes') < 0.9"
refuted = "ratio(wall, 'units=2000', 'base=yes') > 1"
effect = "ratio(wall, 'units=2000', 'base=yes')"
[[verdict]]
id = "E2"
text = "late is as good on one core"
cores = 1
holds = "max(over_relaxed, 'units=5000000') < 1"
refuted = "min(over_relaxed, 'units=5000000') >= 1"
"#;

/// A folder that is removed at the end of the test.
struct Folder(PathBuf);

impl Folder {
    /// With the traces of two programs.
    fn new(name: &str) -> Self {
        let folder = format!("upshift-experiments-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        fs::remove_dir_all(&folder).ok();
        fs::create_dir_all(&folder).unwrap();
        for (name, milliseconds) in [("short", 3), ("long", 60)] {
            let path = folder.join(format!("{name}.trace"));
            let file = fs::File::create(path).unwrap();
            program(milliseconds).write(file).unwrap();
        }
        Self(folder)
    }

    fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// Four functions with a loop each, the first of which is the hottest.
fn program(milliseconds: u64) -> Trace {
    let level = |name: &str, counting| Level {
        name: name.into(),
        counting,
    };
    let function = |index: u32| {
        let cost = |compile_ns: f64, unit_ns: f64| Cost {
            compile_ns,
            code_bytes: 1000,
            unit_ns: vec![unit_ns; 2],
        };
        Function {
            index,
            name: format!("f{index}"),
            body_bytes: 300 + 100 * index,
            loops: vec![Loop::default()],
            lasting: 0.0,
            osr_part: None,
            costs: vec![cost(20_000.0, 4.0), cost(600_000.0, 2.0)],
        }
    };
    let slice = |number: u64| {
        let counts = (0..4).flat_map(|function| {
            let units = 100_000 >> (2 * function);
            [(0, 1 + units / 50), (1, units)].map(|(site, units)| Count {
                function,
                site,
                units,
            })
        });
        Slice {
            from: number * 1_000_000,
            to: (number + 1) * 1_000_000,
            host_ns: 50_000,
            counts: counts.collect(),
        }
    };
    Trace {
        header: Header {
            program: "made up".into(),
            levels: vec![
                level("baseline", Counting::Counts),
                level("cranelift-speed", Counting::Silent),
            ],
            ..Header::default()
        },
        functions: (0..4).map(function).collect(),
        slices: (0..milliseconds).map(slice).collect(),
        complete: true,
    }
}

fn experiment() -> (Experiment, Plan) {
    let experiment = read_experiment(FILE).unwrap_or_else(|error| panic!("{error}"));
    let plan = experiment.plan().unwrap();
    (experiment, plan)
}

/// Runs a plan, stopping after so many processes.
fn run(
    folder: &Folder,
    plan: &Plan,
    file: &Path,
    resume: Resume,
    most: usize,
) -> Result<Progress, ResultsError> {
    let (experiment, _) = experiment();
    let places = Places {
        folder: folder.0.clone(),
        traces: Vec::new(),
    };
    let stop = AtomicBool::new(false);
    let tell = |progress: Progress| {
        assert_eq!(progress.failed, 0);
        stop.fetch_or(progress.measured >= most, Ordering::Relaxed);
    };
    let environment = Environment::current("test");
    let output = (file, resume, &environment);
    run_traces(&experiment, plan, &places, output, 2, &stop, &tell)
}

fn lines(file: &Path) -> Vec<Line> {
    read_results(file)
        .unwrap_or_else(|error| panic!("{error}"))
        .0
}

/// The lines as one file's, but for the time.
fn merged(files: &[&Path]) -> Vec<Line> {
    let files = files.iter().map(|file| lines(file));
    let mut lines = merge(files, Mode::Trace, Mixing::Refuse).unwrap();
    for line in &mut lines {
        if let Line::Environment(environment) = line {
            environment.started = 0;
        }
    }
    lines
}

#[test]
fn a_run_that_is_killed_anywhere_is_resumed_to_the_same_results() {
    let folder = Folder::new("resume");
    let (_, plan) = experiment();
    let whole = folder.join("whole.jsonl");
    let progress = run(&folder, &plan, &whole, Resume::New, usize::MAX).unwrap();
    let samples = (4 + 1) * 2 * 2 * 2 * 2;
    assert_eq!((progress.planned, progress.measured), (samples, samples));
    let bytes = fs::read(&whole).unwrap();
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..10 {
        let part = folder.join("part.jsonl");
        // As a killed process leaves it: cut at any byte.
        let length = random.usize(..bytes.len());
        fs::write(&part, &bytes[..length]).unwrap();
        let before = lines(&part).len();
        let progress = run(&folder, &plan, &part, Resume::Resume, usize::MAX).unwrap();
        assert!(progress.measured <= samples && progress.measured + before >= samples);
        assert_eq!(merged(&[&part]), merged(&[&whole]), "cut at {length}");
    }
    let progress = run(&folder, &plan, &whole, Resume::Resume, usize::MAX).unwrap();
    assert_eq!(progress.planned, 0);
    assert_eq!(fs::read(&whole).unwrap(), bytes);
    // A torn line behind the last sample is cut off too, though nothing is written over it.
    fs::write(&whole, [&bytes[..], b"{\"sample\":{\"id\":\"f"].concat()).unwrap();
    let progress = run(&folder, &plan, &whole, Resume::Resume, usize::MAX).unwrap();
    assert_eq!(progress.planned, 0);
    assert_eq!(fs::read(&whole).unwrap(), bytes);
    let error = run(&folder, &plan, &whole, Resume::New, 1).unwrap_err();
    assert!(error.to_string().contains("--resume"), "{error}");
}

#[test]
fn a_run_that_is_stopped_keeps_what_it_has() {
    let folder = Folder::new("stop");
    let (_, plan) = experiment();
    let file = folder.join("results.jsonl");
    let progress = run(&folder, &plan, &file, Resume::New, 5).unwrap();
    assert!((5..=7).contains(&progress.measured), "{progress:?}");
    let samples = lines(&file).into_iter();
    let samples = samples.filter(|line| matches!(line, Line::Sample(_)));
    assert_eq!(samples.count(), progress.measured);
}

#[test]
fn a_whole_line_that_is_no_result_is_an_error() {
    let folder = Folder::new("broken");
    let file = folder.join("results.jsonl");
    fs::write(
        &file,
        "{\"kind\":\"program\",\"program\":\"a\",\"digest\":\"b\"}\n{\"ki\n{",
    )
    .unwrap();
    let error = read_results(&file).unwrap_err().to_string();
    assert!(error.contains("line 2: "), "{error}");
}

#[test]
fn shards_make_the_same_results_as_a_whole_run() {
    let folder = Folder::new("shards");
    let (_, plan) = experiment();
    let whole = folder.join("whole.jsonl");
    run(&folder, &plan, &whole, Resume::New, usize::MAX).unwrap();
    let shards = [0, 1, 2].map(|index| {
        let file = folder.join(&format!("shard-{index}.jsonl"));
        let shard = plan.clone().shard(Shard { index, of: 3 });
        run(&folder, &shard, &file, Resume::New, usize::MAX).unwrap();
        file
    });
    let files: Vec<&Path> = shards.iter().map(PathBuf::as_path).collect();
    let all = merged(&files);
    assert_eq!(all, merged(&[&whole]));
    // In another order, twice, and what was merged before: the same.
    let twice: Vec<&Path> = files.iter().rev().chain(&files).copied().collect();
    assert_eq!(merged(&twice), all);
    let again = merge([all.clone(), all.clone()], Mode::Trace, Mixing::Refuse);
    assert_eq!(again.unwrap(), all);
}

#[test]
fn what_is_not_comparable_is_not_merged() {
    let folder = Folder::new("mixed");
    let (experiment, plan) = experiment();
    let file = folder.join("results.jsonl");
    run(&folder, &plan, &file, Resume::New, 20).unwrap();
    let first = lines(&file);
    let change = |change: &dyn Fn(&mut Line)| {
        let mut lines = first.clone();
        lines.iter_mut().for_each(change);
        lines
    };
    let on = |name: &'static str, build: &'static str| {
        change(&move |line| match line {
            Line::Environment(line) => {
                line.environment = name.into();
                line.build = build.into();
                line.host = name.into();
            }
            Line::Sample(sample) => {
                sample.environment = name.into();
                sample.process += 7;
            }
            _ => {}
        })
    };
    let both = |other: Vec<Line>, mode, mixing| merge([first.clone(), other], mode, mixing);
    let error = both(on("other", "test"), Mode::Wall, Mixing::Refuse).unwrap_err();
    assert!(matches!(error, MergeError::Machines(_)), "{error}");
    let error = both(on("other", "1.0"), Mode::Wall, Mixing::ByMachine).unwrap_err();
    assert!(matches!(error, MergeError::Builds(_)), "{error}");
    assert!(both(on("other", "test"), Mode::Wall, Mixing::ByMachine).is_ok());
    assert!(both(on("other", "1.0"), Mode::Trace, Mixing::Refuse).is_ok());
    let other = change(&|line| {
        if let Line::Program(program) = line {
            program.digest.push('0');
        }
    });
    let error = both(other, Mode::Trace, Mixing::Refuse).unwrap_err();
    assert!(matches!(error, MergeError::Program(_)), "{error}");
    let other = change(&|line| {
        if let Line::Sample(sample) = line {
            sample.metrics.values_mut().for_each(|value| *value += 1.0);
        }
    });
    let error = both(other, Mode::Trace, Mixing::Refuse).unwrap_err();
    assert!(matches!(error, MergeError::Differs(_)), "{error}");
    // By machine, each program counts once for each.
    let all = both(on("other", "test"), Mode::Wall, Mixing::ByMachine).unwrap();
    let samples = all.iter().filter_map(|line| match line {
        Line::Sample(sample) => Some(sample),
        _ => None,
    });
    let rows = upshift_lab::experiment::rows(&experiment, samples, Mixing::ByMachine);
    assert!(
        rows.rows
            .iter()
            .any(|row| row.program.ends_with(" on other"))
    );
}

#[test]
fn the_folder_of_a_paper_is_judged_and_judged_again() {
    let folder = Folder::new("paper");
    let (_, plan) = experiment();
    let paper = folder.join("author-2000");
    fs::create_dir_all(paper.join("results")).unwrap();
    run(
        &folder,
        &plan,
        &paper.join("results/all.jsonl"),
        Resume::New,
        usize::MAX,
    )
    .unwrap();
    fs::write(paper.join("experiment.toml"), FILE).unwrap();
    fs::write(paper.join("README.md"), "# A paper\n").unwrap();
    let claim = "paper = 'A paper'\nauthors = 'A. Author'\nvenue = 'Here 2000'\n\
                 source = 'none'\n\
                 [[claim]]\nid = 'E1'\ntext = 'early | is better'\nnumber = '10 %'\n\
                 read = 'paper'\n\
                 [[claim]]\nid = 'E2'\ntext = 'late too'\nread = 'paper'\n";
    fs::write(paper.join("claim.toml"), claim).unwrap();
    let read = || Paper::read(&paper);
    let first = read().unwrap();
    let verdicts: Vec<_> = first
        .judgement
        .statements
        .iter()
        .map(|one| one.verdict)
        .collect();
    assert_eq!(
        verdicts,
        [Outcome::Holds, Outcome::Refuted],
        "{:?}",
        first.judgement
    );
    assert_eq!(first.judgement.verdict, Outcome::Partly);
    assert_eq!((first.judgement.missing, first.judgement.strangers), (0, 0));
    let effect = first.judgement.statements[0].effect.unwrap();
    assert!(effect.low <= effect.value && effect.value < 0.9 && effect.high < 0.9);
    assert_eq!(first.judgement.statements[0].programs.len(), 2);
    assert!(matches!(first.verify(), Err(PaperError::Differs(..))));
    first.bless().unwrap();
    read().unwrap().verify().unwrap();
    let table = table_of_papers(&[read().unwrap()]);
    assert!(
        table.contains("early \\| is better | 10 % | holds | 0."),
        "{table}"
    );

    let verdict = paper.join("verdict.json");
    let text = fs::read_to_string(&verdict).unwrap();
    fs::write(&verdict, text.replace("\"refuted\"", "\"undecided\"")).unwrap();
    let error = read().unwrap().verify().unwrap_err().to_string();
    assert!(error.ends_with("E2 was undecided, is refuted"), "{error}");
    // Results that are no longer those of the experiment are not judged.
    fs::write(
        paper.join("experiment.toml"),
        FILE.replace("cores = [1, 2]", "cores = [1, 2]\nseed = 5"),
    )
    .unwrap();
    let changed = read().unwrap();
    assert_eq!(changed.judgement.verdict, Outcome::Undecided);
    assert!(changed.judgement.strangers > 0 && changed.verify().is_err());
    // Each statement has its claim.
    fs::write(paper.join("claim.toml"), claim.replace("'E2'", "'E3'")).unwrap();
    let error = read().unwrap_err().to_string();
    assert!(error.contains("`E2` is no claim"), "{error}");
}

/// What claims need beside what a run takes: figures of the trace, fitted to other programs or told
/// by them, with settings of their own.
#[test]
fn figures_of_claims_have_their_settings_and_other_programs() {
    let folder = Folder::new("figures");
    let text = r#"
[programs]
use = ["short", "long"]
[measure]
metrics = ["rent_ratio", "rent_part", "gain_of_top", "remaining_over_past", "over_optimum"]
[grid]
policy = ["never", "hinted-ski-rental:lambda=0.01"]
rent = ["at:inf", "fitted"]
top = 0.25
at = 1
hints = ["none", "other"]
switching = "sync"
cores = 1
"#;
    let experiment = read_experiment(text).unwrap();
    let plan = experiment.plan().unwrap();
    let file = folder.join("out.jsonl");
    let places = Places {
        folder: folder.0.clone(),
        traces: Vec::new(),
    };
    let stop = AtomicBool::new(false);
    let environment = Environment::current("test");
    let output = (file.as_path(), Resume::New, &environment);
    run_traces(&experiment, &plan, &places, output, 1, &stop, &|_| {}).unwrap();
    let figure = |program: &str, wanted: &[(&str, &str)], metric: &str| {
        let lines = lines(&file);
        let samples = lines.iter().filter_map(|line| match line {
            Line::Sample(sample) => Some(sample),
            _ => None,
        });
        let mut samples = samples.filter(|sample| {
            let mut wanted = wanted.iter();
            sample.program == program
                && wanted.all(|(name, value)| sample.settings[*name] == *value)
        });
        samples.next().unwrap().metrics[metric]
    };
    let never = [("rent", "at:inf"), ("policy", "never"), ("hints", "none")];
    // Of four functions with 64, 16, 4 and 1 of 85 parts of the work, one saves 64.
    let gain = figure("long", &never, "gain_of_top");
    assert!((gain - 64.0 / 85.0).abs() < 0.01, "{gain}");
    // The busiest functions of the long program run for much longer than it takes to break even.
    assert!(figure("long", &never, "remaining_over_past") > 1.0);
    // What is never compiled rents for all of its time, however the machine is simulated.
    let [rent, simulated] = ["rent_ratio", "over_optimum"].map(|one| figure("long", &never, one));
    assert!(
        rent > 2.0 && (rent - simulated).abs() < 1e-6,
        "{rent}, {simulated}"
    );
    // A part that is fitted to the short program is not the one that is fitted to the long one.
    let fitted = [("rent", "fitted"), ("policy", "never"), ("hints", "none")];
    let [short, long] = ["short", "long"].map(|one| figure(one, &fitted, "rent_part"));
    assert!(short < long, "{short}, {long}");
    // The short run of the program tells nothing wrong of the long one's busiest functions.
    let hinted = |hints| {
        let told = [
            ("rent", "fitted"),
            ("policy", "hinted-ski-rental:lambda=0.01"),
        ];
        let told = [told[0], told[1], ("hints", hints)];
        figure("long", &told, "over_optimum")
    };
    assert!(hinted("other") != hinted("none"));
    let wrong = read_experiment(&text.replace("\"other\"", "\"another\"")).unwrap_err();
    assert!(
        wrong.to_string().contains("hints come from one of"),
        "{wrong}"
    );
}

#[test]
fn the_examples_are_experiments() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/experiments");
    let mut found = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            let text = fs::read_to_string(&path).unwrap();
            let experiment = read_experiment(&text);
            let experiment =
                experiment.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert!(!experiment.plan().unwrap().cells.is_empty());
            found += 1;
        }
    }
    assert_eq!(found, 5);
}
