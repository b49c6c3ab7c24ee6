//! The modules of this crate import each other without a cycle, so each can be understood and
//! changed with only those below it in mind.
//!
//! A module here is a file or folder directly in `src`: what lies in one folder may refer to its
//! siblings. The root, `lib.rs`, puts the parts together and imports all of them, so a path through
//! its re-exports (`crate::Store`) closes a cycle as well.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Name of the root module in the graph.
const ROOT: &str = "lib";

type Graph = BTreeMap<String, BTreeSet<String>>;

/// The files of a folder and of the folders in it.
fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The text without comments and without its test module, which stands last.
fn code_of(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let lines = text.lines().map(|line| line.split("//").next().unwrap());
    lines.collect::<Vec<_>>().join("\n")
}

/// The identifier that the text begins with.
fn identifier(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    &text[..end.unwrap_or(text.len())]
}

/// The first names of all paths that begin with `crate::`, those in braces included.
fn names_after_crate(code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, path) in code.match_indices("crate::") {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &code[at + path.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            names.insert(identifier(rest).to_owned());
            continue;
        };
        let mut depth = 0;
        let mut item = String::new();
        for c in group.chars() {
            match c {
                '}' if depth == 0 => break,
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    names.insert(identifier(item.trim()).to_owned());
                    item.clear();
                }
                _ => item.push(c),
            }
        }
        names.insert(identifier(item.trim()).to_owned());
    }
    names.remove("");
    names
}

/// The import graph of a crate's sources.
fn import_graph(src: &Path) -> Graph {
    let mut files = Vec::new();
    rust_files(src, &mut files);
    let module_of = |file: &Path| {
        let first = file.strip_prefix(src).unwrap().components().next().unwrap();
        let name = first.as_os_str().to_str().unwrap();
        name.trim_end_matches(".rs").to_owned()
    };
    let modules: BTreeSet<String> = files.iter().map(|file| module_of(file)).collect();
    let mut graph = Graph::new();
    for file in &files {
        let module = module_of(file);
        let imports = graph.entry(module.clone()).or_default();
        if module == ROOT {
            imports.extend(modules.iter().filter(|&other| other != ROOT).cloned());
            continue;
        }
        let code = code_of(&fs::read_to_string(file).unwrap());
        // In a folder, `super` is a sibling; in a file of its own it is the root.
        let is_folder = file.parent() != Some(src);
        let leaves = code.contains(if is_folder { "super::super" } else { "super::" });
        assert!(!leaves, "{} imports by `super`", file.display());
        for name in names_after_crate(&code) {
            let known = modules.contains(&name);
            imports.insert(if known { name } else { ROOT.to_owned() });
        }
        imports.remove(&module);
    }
    graph
}

/// A path from the module back to itself, if there is one.
fn cycle_through<'g>(graph: &'g Graph, module: &'g str) -> Option<Vec<&'g str>> {
    let mut paths = vec![vec![module]];
    let mut seen = BTreeSet::new();
    while let Some(path) = paths.pop() {
        for import in &graph[path[path.len() - 1]] {
            let path = [&path[..], &[import.as_str()]].concat();
            if import == module {
                return Some(path);
            }
            if seen.insert(import) {
                paths.push(path);
            }
        }
    }
    None
}

#[test]
fn no_module_imports_itself_through_others() {
    let graph = import_graph(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    for module in ["code", "sys", "error", "store", "trap", ROOT] {
        assert!(graph.contains_key(module), "no module `{module}`");
    }
    assert!(graph["code"].contains("sys") && graph["store"].contains("code"));
    for module in graph.keys() {
        let cycle = cycle_through(&graph, module);
        assert!(cycle.is_none(), "imports in a circle: {cycle:?}");
    }
}

#[test]
fn imports_are_recognized() {
    let code = code_of(
        "use crate::a::B;\nuse crate::{b, c::{D, e}, F};\n// crate::not\n\
         fn f() { crate::g::h(); other_crate::x() }\n#[cfg(test)]\nmod tests { use crate::t; }",
    );
    let names = names_after_crate(&code);
    assert_eq!(names.iter().collect::<Vec<_>>(), ["F", "a", "b", "c", "g"]);
}
