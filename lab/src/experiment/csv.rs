//! Results as a table: a row for each sample, a column for each setting and metric.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use super::record::Line;
use super::{Sample, Series};
use crate::stats::warmup::{Class, INCONSISTENT, common_class};

/// Writes the samples of results as CSV (RFC 4180): program, settings, process, iteration, metrics,
/// environment, anomalies. What a sample lacks is an empty field.
///
/// Where processes have series of iterations, `class` is that of the process by the metric
/// `classify`, `pair` the one of all processes of the program with these settings (or
/// inconsistent), and `segment` counts the changepoints before the iteration; that of an outlier is
/// negative, from -1 for the first segment.
///
/// # Errors
///
/// Those of the writer.
pub fn write_csv(lines: &[Line], classify: &str, mut out: impl Write) -> io::Result<()> {
    let classes = Classes::of(lines, classify);
    let samples = || {
        lines.iter().filter_map(|line| match line {
            Line::Sample(sample) => Some(sample),
            _ => None,
        })
    };
    let settings: BTreeSet<&str> = samples()
        .flat_map(|sample| sample.settings.keys().map(String::as_str))
        .collect();
    let metrics: BTreeSet<&str> = samples()
        .flat_map(|sample| sample.metrics.keys().map(String::as_str))
        .collect();
    let mut header = vec!["id", "program"];
    header.extend(&settings);
    header.extend(["process", "iteration"]);
    header.extend(&metrics);
    if classes.is_some() {
        header.extend(["class", "pair", "segment"]);
    }
    header.extend(["environment", "anomalies"]);
    row(&mut out, header.iter().map(|name| (*name).to_owned()))?;
    for sample in samples() {
        let mut fields = vec![sample.id.clone(), sample.program.clone()];
        let setting = |name: &&str| sample.settings.get(*name).cloned().unwrap_or_default();
        fields.extend(settings.iter().map(setting));
        fields.extend([sample.process.to_string(), sample.iteration.to_string()]);
        let metric = |name: &&str| {
            let value = sample.metrics.get(*name);
            value.map_or_else(String::new, ToString::to_string)
        };
        fields.extend(metrics.iter().map(metric));
        fields.extend(classes.iter().flat_map(|classes| classes.fields(sample)));
        fields.extend([sample.environment.clone(), sample.anomalies.join("; ")]);
        row(&mut out, fields)?;
    }
    out.flush()
}

/// The series of all processes.
struct Classes {
    processes: BTreeMap<(String, u32), Series>,
    /// The class of each cell.
    pairs: BTreeMap<String, String>,
}

impl Classes {
    /// `None` if no process has a series.
    fn of(lines: &[Line], classify: &str) -> Option<Self> {
        let mut samples: BTreeMap<(String, u32), Vec<&Sample>> = BTreeMap::new();
        for line in lines {
            if let Line::Sample(sample) = line {
                let process = (sample.id.clone(), sample.process);
                samples.entry(process).or_default().push(sample);
            }
        }
        let processes: BTreeMap<_, Series> = samples
            .into_iter()
            .filter_map(|(process, samples)| Some((process, Series::of(&samples, classify)?)))
            .collect();
        let mut pairs: BTreeMap<String, Vec<Class>> = BTreeMap::new();
        for ((id, _), series) in &processes {
            pairs
                .entry(id.clone())
                .or_default()
                .push(series.warmup.class);
        }
        let name = |classes: Vec<Class>| {
            let class = common_class(classes);
            class.map_or_else(|| INCONSISTENT.to_owned(), |class| class.to_string())
        };
        let pairs = pairs.into_iter().map(|(id, classes)| (id, name(classes)));
        let pairs: BTreeMap<_, _> = pairs.collect();
        (!processes.is_empty()).then_some(Self { processes, pairs })
    }

    /// The fields of a sample; empty if its process has no series.
    fn fields(&self, sample: &Sample) -> [String; 3] {
        let process = (sample.id.clone(), sample.process);
        let Some(Series { warmup, .. }) = self.processes.get(&process) else {
            return Default::default();
        };
        let iteration = sample.iteration as usize;
        let mut segments = warmup.segments.iter();
        let segment = segments.position(|segment| segment.iterations.contains(&iteration));
        let outlier = warmup.outliers.binary_search(&iteration).is_ok();
        let segment = segment.map_or_else(String::new, |segment| match outlier {
            true => format!("-{}", segment + 1),
            false => segment.to_string(),
        });
        [
            warmup.class.to_string(),
            self.pairs[&sample.id].clone(),
            segment,
        ]
    }
}

fn row(out: &mut impl Write, fields: impl IntoIterator<Item = String>) -> io::Result<()> {
    let quoted = fields
        .into_iter()
        .map(|field| match field.contains([',', '"', '\n', '\r']) {
            true => format!("\"{}\"", field.replace('"', "\"\"")),
            false => field,
        });
    let line = quoted.collect::<Vec<_>>().join(",");
    write!(out, "{line}\r\n")
}

#[cfg(test)]
mod tests {
    use super::super::Sample;
    use super::*;

    #[test]
    fn each_sample_is_a_row_with_all_columns() {
        let sample = |program: &str, setting: (&str, &str), metric: (&str, f64)| {
            Line::Sample(Sample {
                id: "x".into(),
                program: program.into(),
                settings: [(setting.0.into(), setting.1.into())].into(),
                metrics: [(metric.0.into(), metric.1)].into(),
                ..Sample::default()
            })
        };
        let lines = [
            sample("a,\"b\"", ("policy", "never"), ("wall", 0.5)),
            sample("c", ("cores", "2"), ("cpu", 1e-7)),
        ];
        let mut out = Vec::new();
        write_csv(&lines, "wall", &mut out).unwrap();
        let expected = "id,program,cores,policy,process,iteration,\
                        cpu,wall,environment,anomalies\r\n\
                        x,\"a,\"\"b\"\"\",,never,0,0,,0.5,,\r\n\
                        x,c,2,,0,0,0.0000001,,,\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn iterations_have_classes_and_segments() {
        let mut lines = Vec::new();
        for (process, fast) in [(0, 0.1), (1, 0.5)] {
            lines.extend((0..40).map(|iteration| {
                let noise = f64::from(iteration % 3) * 1e-4;
                let time = if iteration < 10 { 0.5 } else { fast } + noise;
                Line::Sample(Sample {
                    id: "x".into(),
                    process,
                    iteration,
                    metrics: [("cpu".into(), time)].into(),
                    ..Sample::default()
                })
            }));
        }
        let mut out = Vec::new();
        write_csv(&lines, "cpu", &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let rows: Vec<&str> = text.lines().collect();
        let head = "id,program,process,iteration,cpu,class,pair,segment,environment,anomalies";
        assert_eq!(rows[0], head);
        assert_eq!(rows[10], "x,,0,9,0.5,warmup,inconsistent,0,,");
        assert_eq!(rows[13], "x,,0,12,0.1,warmup,inconsistent,1,,");
        assert_eq!(rows[41], "x,,1,0,0.5,flat,inconsistent,0,,");
    }
}
