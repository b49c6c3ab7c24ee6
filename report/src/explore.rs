//! The page of `upshift explore`: a module's functions, each in all of its forms, side by side.
//!
//! Every line knows the place in the module that it comes from, so the page shows what an
//! instruction of WebAssembly has become in each form.

use serde_json::{Value, json};
use upshift_plot::html::escape;

use crate::page::embedded;

const SCRIPT: &[&str] = &[
    include_str!("page/util.js"),
    include_str!("page/explore.js"),
];

/// A line of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The offset in the module's bytes of the instruction that the line comes from; `None` for
    /// what comes from none, such as a label.
    pub offset: Option<u32>,
    /// The text.
    pub text: String,
}

/// A form of a function.
#[derive(Clone, Debug)]
pub struct Form {
    /// What is said of this one, such as its size.
    pub note: String,
    /// Its lines.
    pub lines: Vec<Line>,
}

/// A function of the module.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its index in the module.
    pub index: u32,
    /// Its name, or what it is called without one.
    pub name: String,
    /// The bytes of its body.
    pub bytes: u32,
    /// Where its body lies in the module: lines from elsewhere are of inlined functions.
    pub body: std::ops::Range<u32>,
    /// Its forms, in the order of [`Explorer::forms`].
    pub forms: Vec<Form>,
}

/// The page.
#[derive(Clone, Debug)]
pub struct Explorer {
    /// What the page is called.
    pub title: String,
    /// What it was made with, and what is left out, in a sentence or two.
    pub about: String,
    /// The names of the forms; the first is WebAssembly's text.
    pub forms: Vec<&'static str>,
    /// The functions.
    pub functions: Vec<Function>,
}

impl Explorer {
    /// The page, as HTML: one file that makes no network request.
    pub fn render(&self) -> String {
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n\
             <style>\n{style}{own}</style>\n</head>\n<body class=\"explore\">\n<header>\n\
             <div class=\"title\"><h1>{title}</h1><small>{about}</small>\
             <button id=\"theme\" title=\"light or dark ( t )\">light / dark</button></div>\n\
             </header>\n<noscript>This page needs its script.</noscript>\n\
             <main id=\"explore\"></main>\n\
             <script type=\"application/json\" id=\"data\">{data}</script>\n\
             <script>\n(() => {{\n\"use strict\";\n{script}}})();\n</script>\n</body>\n</html>\n",
            title = escape(&self.title),
            about = escape(&self.about),
            style = include_str!("page/style.css"),
            own = include_str!("page/explore.css"),
            data = embedded(&self.data()),
            script = SCRIPT.concat(),
        )
    }

    fn data(&self) -> Value {
        let functions = self.functions.iter().map(|function| {
            let forms = function.forms.iter().map(|form| {
                let offsets: Vec<_> = form.lines.iter().map(|line| line.offset).collect();
                let lines: Vec<_> = form.lines.iter().map(|line| &*line.text).collect();
                // Lines as one text: much shorter than a string for each, and no slower to read.
                json!({ "note": form.note, "offsets": offsets, "text": lines.join("\n") })
            });
            json!({
                "index": function.index,
                "name": function.name,
                "bytes": function.bytes,
                "body": [function.body.start, function.body.end],
                "forms": forms.collect::<Vec<_>>(),
            })
        });
        json!({ "forms": self.forms, "functions": functions.collect::<Vec<_>>() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_their_places_stand_in_the_data_and_nothing_ends_the_script() {
        let line = |offset, text: &str| Line {
            offset,
            text: text.into(),
        };
        let page = Explorer {
            title: "a <b>".into(),
            about: "all & more".into(),
            forms: vec!["WebAssembly"],
            functions: vec![Function {
                index: 7,
                name: "</script><i>".into(),
                bytes: 5,
                body: 30..35,
                forms: vec![Form {
                    note: "5 bytes".into(),
                    lines: vec![line(Some(31), "i32.const 1"), line(None, "<end>")],
                }],
            }],
        }
        .render();
        assert!(page.contains("<title>a &lt;b&gt;</title>"), "{page}");
        assert!(page.contains("all &amp; more"));
        let (_, data) = page.split_once("id=\"data\">").unwrap();
        let (data, _) = data.split_once("</script>").unwrap();
        let data: Value = serde_json::from_str(data).unwrap();
        let expected = json!({
            "forms": ["WebAssembly"],
            "functions": [{
                "index": 7, "name": "</script><i>", "bytes": 5, "body": [30, 35],
                "forms": [{
                    "note": "5 bytes", "offsets": [31, null], "text": "i32.const 1\n<end>",
                }],
            }],
        });
        assert_eq!(data, expected);
        for outside in ["http://", "https://", "src=", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
    }
}
