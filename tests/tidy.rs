//! What every file of the project keeps to, so that it need not be looked for in reviews.
//!
//! Rust files open with what they are for, stay readable in size and width, keep `unsafe` where it
//! is allowed and skip no test; comments and documents say who does what; documents name only what
//! exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Lines that a file may have.
const MAX_LINES: usize = 1000;

/// Columns that a line of a Rust file may have.
const MAX_COLUMNS: usize = 100;

/// Words that leave open which thread, function or user they mean.
const VAGUE: &[&str] = &[
    "anybody",
    "anyone",
    "everybody",
    "everyone",
    "nobody",
    "somebody",
    "someone",
    "whoever",
];

/// Where `unsafe` code may be: the runtime, and what of the library hands it raw values, stored
/// code, or data that stays on its thread; tests, benchmarks and examples that make or call machine
/// code themselves, or vouch for what they have stored, as the command does if its user says so; a
/// library that hosts pass addresses to, and a program that exports functions; what asks the system
/// for a child process; the types of unsafe functions, whose crate forbids unsafe code; and the C
/// API, which reads and writes what its callers point to, and exports functions by name.
const UNSAFE_ALLOWED: &[&str] = &[
    "runtime/abi/src/builtin/x64.rs",
    "runtime/src",
    "runtime/tests",
    "spectest/tests/stored.rs",
    "cli/src/compile.rs",
    "src/func",
    "src/func.rs",
    "src/module/serialized.rs",
    "src/store/owned.rs",
    "src/words.rs",
    "baseline/tests/numeric.rs",
    "capi/src",
    "benches/benches/placement.rs",
    "benches/benches/start.rs",
    "examples/containerd/src/main.rs",
    "tests/fork.rs",
    "tests/programs/bindings/alike.rs",
    "tests/programs/debug/lines.rs",
    "tests/programs/libraries/reactors/markdown/src/lib.rs",
    "tests/signal_masks.rs",
    "tests/stored.rs",
    "tests/unchecked.rs",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The project's files with an extension, by their paths from its root: what git tracks, or, in a
/// copy without a repository, what its folders hold.
fn files(extension: &str) -> Vec<(String, String)> {
    let mut paths = tracked().unwrap_or_else(|| {
        let mut found = Vec::new();
        collect(&root(), &mut found);
        found
    });
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    assert!(
        !paths.is_empty(),
        "no .{extension} files below {:?}",
        root()
    );
    paths.sort();
    let text = |path: PathBuf| {
        let text = fs::read_to_string(root().join(&path)).expect("text");
        (path.to_string_lossy().into_owned(), text)
    };
    paths.into_iter().map(text).collect()
}

/// What git tracks and has not been deleted; `None` if git or the repository is missing.
fn tracked() -> Option<Vec<PathBuf>> {
    let mut git = Command::new("git");
    let output = git.args(["ls-files", "-z"]).current_dir(root()).output();
    let output = output.ok().filter(|output| output.status.success())?;
    let names = String::from_utf8(output.stdout).expect("names in UTF-8");
    let paths = names.split_terminator('\0').map(PathBuf::from);
    let paths: Vec<PathBuf> = paths.filter(|path| root().join(path).exists()).collect();
    // Nothing is tracked where the copy lies inside a foreign repository.
    (!paths.is_empty()).then_some(paths)
}

fn collect(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a readable folder") {
        let path = entry.expect("a readable folder").path();
        let name = path.file_name().expect("a name").to_string_lossy();
        if !path.is_dir() {
            let path = path.strip_prefix(root()).expect("below the root");
            found.push(path.to_owned());
        } else if !name.starts_with('.') && !["target", "corpus"].contains(&&*name) {
            collect(&path, found);
        }
    }
}

/// Fails with all complaints at once.
fn assert_none(complaints: Vec<String>, rule: &str) {
    assert!(
        complaints.is_empty(),
        "{rule}:\n  {}",
        complaints.join("\n  ")
    );
}

#[test]
fn files_open_with_what_they_are_for() {
    let without = files("rs")
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//!"));
    let paths = without.map(|(path, _)| path).collect();
    assert_none(
        paths,
        "each .rs file opens with a `//!` comment that says what it is for",
    );
}

#[test]
fn files_are_short_and_narrow() {
    let mut complaints = Vec::new();
    for (path, text) in files("rs") {
        let lines = text.lines().count();
        if lines > MAX_LINES {
            complaints.push(format!("{path}: {lines} lines"));
        }
        for (number, line) in (1..).zip(text.lines()) {
            let columns = line.chars().count();
            if columns > MAX_COLUMNS {
                complaints.push(format!("{path}:{number}: {columns} columns"));
            }
        }
    }
    let rule = format!("a file has at most {MAX_LINES} lines of {MAX_COLUMNS} columns");
    assert_none(complaints, &rule);
}

#[test]
fn comments_and_documents_say_who_does_what() {
    let mut complaints = Vec::new();
    for (path, text) in files("rs").into_iter().chain(files("md")) {
        for (number, line) in (1..).zip(text.lines()) {
            let prose = if path.ends_with(".md") {
                line
            } else {
                line.split_once("//").map_or("", |(_, comment)| comment)
            };
            let prose = prose.to_lowercase();
            let mut words = prose.split(|c: char| !c.is_alphanumeric());
            if let Some(word) = words.find(|word| VAGUE.contains(word)) {
                complaints.push(format!("{path}:{number}: {word}"));
            }
        }
    }
    assert_none(
        complaints,
        "prose names the thread, store, function or user that it means",
    );
}

#[test]
fn unsafe_code_is_where_it_is_allowed() {
    let under = |path: &str, place: &str| {
        let rest = path.strip_prefix(place);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let uses = |text: &str| {
        text.lines().any(|line| {
            let code = line.split("//").next().unwrap_or_default();
            // The keyword as text is one of a list of keywords.
            let code = code.replace("\"unsafe\"", "");
            let mut words = code.split(|c: char| !c.is_alphanumeric() && c != '_');
            words.any(|word| word == "unsafe")
        })
    };
    let mut complaints = Vec::new();
    let mut used = BTreeSet::new();
    for (path, text) in files("rs") {
        if path == file!() || !uses(&text) {
            continue;
        }
        match UNSAFE_ALLOWED.iter().find(|place| under(&path, place)) {
            Some(place) => _ = used.insert(place),
            None => complaints.push(path),
        }
    }
    assert_none(
        complaints,
        "unsafe code outside of the places that tests/tidy.rs lists",
    );
    let unused = UNSAFE_ALLOWED
        .iter()
        .filter(|allowed| !used.contains(allowed));
    let unused = unused.map(|allowed| allowed.to_string()).collect();
    assert_none(
        unused,
        "tests/tidy.rs lists places for unsafe code that have none",
    );
}

#[test]
fn no_test_is_ignored() {
    // Written in two parts, so that this file does not contain it.
    let attribute = concat!("#[", "ignore");
    let with = files("rs")
        .into_iter()
        .filter(|(_, text)| text.contains(attribute));
    assert_none(
        with.map(|(path, _)| path).collect(),
        "tests that are ignored prove nothing",
    );
}

/// What stands between single backquotes, outside of code blocks.
fn quoted(text: &str) -> Vec<&str> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            inside = !inside;
        } else if !inside {
            found.extend(line.split('`').skip(1).step_by(2));
        }
    }
    found
}

/// Whether the text is a path of a file or folder, as documents write it.
fn is_path(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    let ends = [".rs", ".md", ".toml", ".mjs", ".json"];
    text.chars().all(plain) && (text.ends_with('/') || ends.iter().any(|end| text.ends_with(end)))
        || text.chars().all(plain) && text.contains('/') && !text.starts_with('/')
}

#[test]
fn the_architecture_names_what_exists() {
    let architecture = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("it exists");
    let sources = files("rs");
    let mut complaints = Vec::new();
    for name in quoted(&architecture) {
        if is_path(name) {
            // Paths are from the root, or from the folder that the section is about.
            let suffix = format!("/{}", name.trim_end_matches('/'));
            let known = root().join(name).exists()
                || sources
                    .iter()
                    .any(|(path, _)| format!("/{path}").ends_with(&suffix))
                || sources
                    .iter()
                    .any(|(path, _)| path.contains(&format!("{suffix}/")));
            if !known {
                complaints.push(format!("`{name}` is no file or folder"));
            }
            continue;
        }
        // Types, functions and constants: the last part of a path of identifiers.
        let last = name.rsplit("::").next().unwrap_or(name);
        let identifier = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let is_name = last.len() > 2 && last.chars().all(identifier);
        let is_item = is_name && (last.contains('_') || last.chars().any(char::is_uppercase));
        if is_item
            && !sources
                .iter()
                .any(|(path, text)| path != file!() && has_word(text, last))
        {
            complaints.push(format!("`{name}` is not in the source"));
        }
    }
    assert_none(complaints, "ARCHITECTURE.md names what does not exist");
}

fn has_word(text: &str, word: &str) -> bool {
    let edge = |c: Option<char>| !c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    text.match_indices(word).any(|(at, _)| {
        edge(text[..at].chars().next_back()) && edge(text[at + word.len()..].chars().next())
    })
}

#[test]
fn the_architecture_names_each_package() {
    let architecture = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("it exists");
    let mut complaints = Vec::new();
    for (path, text) in files("toml") {
        if !path.ends_with("Cargo.toml") {
            continue;
        }
        let name = text.lines().find_map(|line| line.strip_prefix("name = "));
        let name = name.unwrap_or_default().trim_matches('"').to_owned();
        if !architecture.contains(&format!("`{name}`")) {
            complaints.push(format!("{path}: {name}"));
        }
    }
    assert_none(complaints, "packages that ARCHITECTURE.md does not name");
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut complaints = Vec::new();
    for (path, text) in files("md") {
        let folder = root().join(&path);
        let folder = folder.parent().expect("a folder");
        for link in text.split("](").skip(1) {
            let target = link.split([')', '#', ' ']).next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") && !folder.join(target).exists() {
                complaints.push(format!("{path}: {target}"));
            }
        }
    }
    assert_none(complaints, "links to files that don't exist");
}
