//! Results as a table: a row for each sample, a column for each setting and metric.

use std::collections::BTreeSet;
use std::io::{self, Write};

use super::record::Line;

/// Writes the samples of results as CSV (RFC 4180): program, settings, process, iteration, metrics,
/// environment, anomalies. What a sample lacks is an empty field.
///
/// # Errors
///
/// Those of the writer.
pub fn write_csv(lines: &[Line], mut out: impl Write) -> io::Result<()> {
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
        fields.extend([sample.environment.clone(), sample.anomalies.join("; ")]);
        row(&mut out, fields)?;
    }
    out.flush()
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
        write_csv(&lines, &mut out).unwrap();
        let expected = "id,program,cores,policy,process,iteration,\
                        cpu,wall,environment,anomalies\r\n\
                        x,\"a,\"\"b\"\"\",,never,0,0,,0.5,,\r\n\
                        x,c,2,,0,0,0.0000001,,,\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
