//! Sections of made-up results.

use upshift_lab::experiment::Sample;

use super::*;

fn sample(program: &str, settings: &[(&str, &str)], process: u32, metrics: &[(&str, f64)]) -> Line {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Line::Sample(Sample {
        program: program.into(),
        settings: settings.iter().map(owned).collect(),
        process,
        metrics: metrics
            .iter()
            .map(|&(name, value)| (name.to_owned(), value))
            .collect(),
        ..Sample::default()
    })
}

/// Two programs under three policies with three numbers of threads, three processes each.
fn lines() -> Vec<Line> {
    let mut lines = Vec::new();
    for program in ["python/short", "<clang>"] {
        for (p, policy) in ["never", "cost-model", "v8-budget"].into_iter().enumerate() {
            for threads in ["1", "2", "4"] {
                for process in 0..3 {
                    let wall = 2.0 - 0.3 * p as f64 + 0.01 * f64::from(process);
                    let cpu = wall * 1.2 + threads.parse::<f64>().unwrap() * 0.1;
                    let metrics = [
                        ("wall", wall),
                        ("cpu", cpu),
                        ("never", 2.0),
                        ("iar", 1.2),
                        ("relaxed", 1.1),
                        ("free", 0.9),
                    ];
                    let settings = [("policy", policy), ("threads", threads)];
                    lines.push(sample(program, &settings, process, &metrics));
                }
            }
        }
    }
    lines
}

fn section<'a>(sections: &'a [Section], id: &str) -> &'a str {
    let found = sections.iter().find(|section| section.id == id);
    &found.unwrap_or_else(|| panic!("no section {id}")).html
}

#[test]
fn results_have_a_table_maps_fronts_and_bounds() {
    let sections = sections(&lines(), None, "wall");
    let ids: Vec<_> = sections.iter().map(|section| section.id).collect();
    assert_eq!(ids, ["results", "grid", "pareto", "bounds"]);
    let table = section(&sections, "results");
    assert_eq!(table.matches("<tr>").count(), 1 + 2 * 3 * 3);
    assert!(table.contains("cost-model, threads=2"), "{table}");
    assert_eq!(
        section(&sections, "grid").matches("class=\"heat h").count(),
        2 * 9
    );
    assert!(section(&sections, "pareto").contains("class=\"front\""));
    let bounds = section(&sections, "bounds");
    assert!(bounds.contains("no policy is below"), "{bounds}");
    for section in &sections {
        assert!(!section.html.contains("<clang>"), "{}", section.id);
        assert!(section.html.contains("&lt;clang&gt;"), "{}", section.id);
        assert!(!section.html.contains("NaN"), "{}", section.id);
    }
}

#[test]
fn iterations_are_cut_and_classified() {
    let mut lines = Vec::new();
    for iteration in 0..40 {
        let noise = f64::from(iteration % 3) * 0.0001;
        let wall = if iteration < 10 { 0.5 } else { 0.1 } + noise;
        let Line::Sample(sample) = sample("nbody", &[("policy", "never")], 0, &[("wall", wall)])
        else {
            unreachable!()
        };
        lines.push(Line::Sample(Sample {
            iteration,
            ..sample
        }));
    }
    let sections = sections(&lines, None, "wall");
    let html = section(&sections, "warmup");
    assert!(html.contains("warmup, steady from iteration 10"), "{html}");
    assert_eq!(html.matches("class=\"mean\"").count(), 2);
}

/// Three processes, of which one never becomes fast: each is a line, and so is the median.
#[test]
fn all_processes_of_a_pair_are_drawn() {
    let mut lines = Vec::new();
    for process in 0..3 {
        for iteration in 0..40 {
            let noise = f64::from((iteration + process) % 3) * 0.0001;
            let is_slow = iteration < 10 || process == 2;
            let wall = if is_slow { 0.5 } else { 0.1 } + noise;
            let settings = [("policy", "never")];
            let Line::Sample(sample) = sample("nbody", &settings, process, &[("wall", wall)])
            else {
                unreachable!()
            };
            lines.push(Line::Sample(Sample {
                iteration,
                ..sample
            }));
        }
    }
    let sections = sections(&lines, None, "wall");
    let html = section(&sections, "warmup");
    assert_eq!(html.matches("class=\"process\"").count(), 3);
    assert_eq!(html.matches("class=\"median\"").count(), 1);
    // Two of the three have a changepoint; means would overlap.
    assert_eq!(html.matches("class=\"cut-line\"").count(), 2);
    assert_eq!(html.matches("class=\"mean\"").count(), 0);
    let about = "3 processes (2 warmup, 1 flat), steady from iteration 0 to 10";
    assert!(html.contains(about), "{html}");
}

#[test]
fn nothing_is_drawn_of_nothing() {
    assert!(sections(&[], None, "wall").is_empty());
}

#[test]
fn each_number_of_cores_has_a_front_and_bounds_of_its_own() {
    let mut lines = Vec::new();
    for cores in ["1", "2"] {
        for (policy, wall) in [("never", 2.0), ("eager", 1.5)] {
            let relaxed = 1.0 / cores.parse::<f64>().unwrap();
            let metrics = [("wall", wall), ("cpu", wall), ("relaxed", relaxed)];
            let settings = [("policy", policy), ("cores", cores)];
            lines.push(sample("lua", &settings, 0, &metrics));
        }
    }
    let sections = sections(&lines, None, "wall");
    for id in ["pareto", "bounds"] {
        let html = section(&sections, id);
        assert_eq!(html.matches("<figure>").count(), 2, "{id}");
        for cores in ["cores=1", "cores=2"] {
            // In the caption, and in no name.
            assert_eq!(html.matches(cores).count(), 1, "{id}: {html}");
        }
    }
    let table = section(&sections, "results");
    let rows = ["eager, cores=1", "eager, cores=2", "never, cores=1"];
    let places = rows.map(|row| table.find(row).unwrap());
    assert!(places.is_sorted(), "{table}");
}
