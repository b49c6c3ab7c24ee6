//! Each folder of `papers/` is judged again: the committed results must say what the committed
//! verdict says, and the table of all must be that of the verdicts.

use std::fs;
use std::path::{Path, PathBuf};

use upshift_lab::experiment::{Paper, table_of_papers};

/// The folders of papers, by name.
fn folders() -> Vec<PathBuf> {
    let papers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../papers");
    let Ok(entries) = fs::read_dir(papers) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.expect("the folder can be read").path());
    let mut folders: Vec<PathBuf> = paths.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

#[test]
fn every_verdict_is_what_the_results_say() {
    let mut papers = Vec::new();
    let mut failed = Vec::new();
    for folder in folders() {
        let verified = Paper::read(&folder).and_then(|paper| {
            let verified = paper.verify();
            papers.push(paper);
            verified
        });
        failed.extend(verified.err().map(|error| error.to_string()));
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../papers/README.md");
    let readme = fs::read_to_string(readme).expect("papers/README.md can be read");
    // The page says what the verdicts say, once it has their table.
    let table = table_of_papers(&papers);
    let header = table.lines().next().unwrap_or_default();
    assert!(
        !readme.contains(header) || readme.contains(&table),
        "write the table again: upshift lab verify papers/* --table"
    );
}
