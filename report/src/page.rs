//! The page: its parts put together into one file.

use serde_json::{Value, json};
use upshift_plot::html::escape;

use crate::compare;
use crate::run::{self, Functions, Input};

/// The script, in the order in which its parts use each other.
const SCRIPT: &[&str] = &[
    include_str!("page/util.js"),
    include_str!("page/model.js"),
    include_str!("page/inspector.js"),
    include_str!("page/timeline.js"),
    include_str!("page/table.js"),
    include_str!("page/functions.js"),
    include_str!("page/residency.js"),
    include_str!("page/overview.js"),
    include_str!("page/compare.js"),
    include_str!("page/selftest.js"),
    include_str!("page/app.js"),
];

/// A part of the page that is drawn already: HTML with pictures and tables.
#[derive(Clone, Debug)]
pub struct Section {
    /// What stands in its address: lower-case letters.
    pub id: &'static str,
    /// What its tab is called.
    pub title: &'static str,
    /// Its content, with all text escaped.
    pub html: String,
}

/// A report under construction.
#[derive(Debug, Default)]
pub struct Report {
    /// What the page is called.
    pub title: String,
    /// The run that is shown, and one that it is compared with: two at most.
    pub runs: Vec<Input>,
    /// Further sections.
    pub sections: Vec<Section>,
}

impl Report {
    /// The page, as HTML. Takes time and memory in proportion to the logs.
    pub fn render(&self) -> String {
        let sections = self.sections.iter().map(|Section { id, title, html }| {
            format!(
                "<section class=\"static\" id=\"tab-{id}\" role=\"tabpanel\" \
                 aria-labelledby=\"to-{id}\" data-title=\"{}\" hidden>\n{html}</section>\n",
                escape(title)
            )
        });
        let sections: String = sections.collect();
        let labels: Vec<_> = self.runs.iter().map(|run| run.label.as_str()).collect();
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n\
             <style>\n{style}{pictures}</style>\n</head>\n<body>\n<header>\n\
             <div class=\"title\"><h1>{title}</h1><small>{labels}</small>\
             <button id=\"theme\" title=\"light or dark ( t )\">light / dark</button></div>\n\
             <div id=\"tabs\" role=\"tablist\" aria-label=\"Parts of the report\"></div>\n\
             </header>\n<main>\n<noscript>This page needs its script.</noscript>\n\
             {sections}</main>\n\
             <script type=\"application/json\" id=\"data\">{data}</script>\n\
             <script>\n(() => {{\n\"use strict\";\n{script}}})();\n</script>\n</body>\n</html>\n",
            title = escape(&self.title),
            labels = escape(&labels.join(" and ")),
            style = include_str!("page/style.css"),
            pictures = upshift_plot::PICTURE_STYLE,
            data = embedded(&self.data()),
            script = SCRIPT.concat(),
        )
    }

    fn data(&self) -> Value {
        // Functions of both runs have the same rows, so that they can be compared.
        let mut functions = Functions::default();
        for run in &self.runs {
            functions.add_all(&run.log);
        }
        let runs: Vec<_> = self
            .runs
            .iter()
            .map(|input| run::json(input, &functions))
            .collect();
        let comparison = match &*self.runs {
            [first, second, ..] => compare::json(first, second, &functions),
            _ => Value::Null,
        };
        json!({ "runs": runs, "comparison": comparison })
    }
}

/// JSON that can stand inside a script element: nothing in it ends that or opens a comment.
pub(crate) fn embedded(data: &Value) -> String {
    data.to_string().replace('<', "\\u003c")
}
