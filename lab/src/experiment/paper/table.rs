//! The list of papers in `papers/README.md`.

use super::super::{Claim, Effect, Judgement, Mode, Outcome};
use super::Paper;

/// A Markdown table of papers, a row for each claim, and how many verdicts are the same where an
/// experiment was done again.
pub fn table(papers: &[Paper]) -> String {
    let mut text = String::from(
        "| Paper | Claim | Number | Verdict | Effect here [95 %] | Again, elsewhere | Machine | \
         Build |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    let mut repeated = 0;
    let mut same = 0;
    for paper in papers {
        let name = paper
            .folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        let Claim {
            paper: title,
            venue,
            ..
        } = &paper.claim;
        for claim in &paper.claim.claims {
            let (verdict, effect) = ruling(&paper.judgement, &claim.id);
            let verdict_cell = match (verdict, paper.is_pending()) {
                (_, true) => "not run yet".to_owned(),
                (Some(verdict), false) => verdict.to_string(),
                (None, false) => String::new(),
            };
            let mut again = Vec::new();
            for replication in &paper.again {
                let (there, effect) = ruling(&replication.judgement, &claim.id);
                let Some(there) = there.filter(|there| *there != Outcome::NotTestable) else {
                    continue;
                };
                repeated += 1;
                same += usize::from(verdict == Some(there));
                again.push(format!("{there}, {}", interval(effect)));
            }
            let machine = match paper.experiment.measure.mode {
                Mode::Trace => "simulated".to_owned(),
                _ => paper.judgement.machines.join("; "),
            };
            let cells = [
                format!("[{title}]({name}/README.md) ({venue})"),
                claim.text.clone(),
                claim.number.clone(),
                verdict_cell,
                interval(effect),
                again.join("; "),
                machine,
                paper.judgement.builds.join("; "),
            ];
            let cells = cells.map(|cell| cell.replace('|', "\\|").replace('\n', " "));
            text += &format!("| {} |\n", cells.join(" | "));
        }
    }
    if repeated > 0 {
        text += &format!(
            "\n{repeated} verdicts were given again from traces of another machine, {same} of them \
             the same.\n"
        );
    }
    text
}

/// What a judgement says of a claim.
fn ruling(judgement: &Judgement, id: &str) -> (Option<Outcome>, Option<Effect>) {
    let ruling = judgement.statements.iter().find(|ruling| ruling.id == id);
    (
        ruling.map(|ruling| ruling.verdict),
        ruling.and_then(|ruling| ruling.effect),
    )
}

/// An effect with its interval, if it has one; empty for none.
fn interval(effect: Option<Effect>) -> String {
    let Some(effect) = effect else {
        return String::new();
    };
    let [value, low, high] = [effect.value, effect.low, effect.high].map(short);
    match low == high {
        true => value,
        false => format!("{value} [{low}, {high}]"),
    }
}

/// Three significant digits or so.
fn short(value: f64) -> String {
    let magnitude = value.abs();
    match magnitude {
        _ if magnitude >= 100.0 => format!("{value:.0}"),
        _ if magnitude >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}
