//! Verdicts: what the results say about each statement of the experiment.

use upshift_lab::experiment::{Effect, Judgement};
use upshift_plot::format::significant;
use upshift_plot::html::escape;

/// The table of verdicts.
pub(super) fn html(judgement: &Judgement) -> String {
    let effect = |effect: &Effect| {
        let [value, low, high] = [effect.value, effect.low, effect.high].map(|n| significant(n, 3));
        format!("{value} [{low}, {high}]")
    };
    let mut html = format!(
        "<h2>{}</h2><p class=\"about\">{} samples say: <b>{}</b>. {} cells of the plan have none, \
         {} samples belong to no cell.</p><table class=\"list\"><thead><tr><th>statement</th>\
         <th>verdict</th><th>effect, 95 % interval</th><th></th></tr></thead><tbody>",
        escape(&judgement.title),
        judgement.samples,
        judgement.verdict,
        judgement.missing,
        judgement.strangers
    );
    for ruling in &judgement.statements {
        html += &format!(
            "<tr><th scope=\"row\">{}: {}</th><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(&ruling.id),
            escape(&ruling.text),
            ruling.verdict,
            ruling.effect.as_ref().map_or("–".into(), effect),
            escape(ruling.reason.as_deref().unwrap_or(""))
        );
    }
    html += "</tbody></table>";
    let facts = [
        ("builds", &judgement.builds),
        ("machines", &judgement.machines),
    ];
    for (name, values) in facts {
        html += &format!(
            "<p class=\"hint\">{name}: {}</p>",
            escape(&values.join("; "))
        );
    }
    html
}
