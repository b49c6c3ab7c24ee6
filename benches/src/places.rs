//! Where the source tree and the corpus are, found at run time: a program that was built in one
//! checkout and copied elsewhere must not read or write in the first.
//!
//! The tree has the kernels, the manifest and the drivers. It is what `--tree` or `UPSHIFT_TREE`
//! names, else the first folder above the current one that is such a tree, else the first above
//! this executable. The corpus has the large programs and other engines: what `--corpus` or
//! `UPSHIFT_CORPUS` names, else `corpus/` in the tree. Nothing is ever fetched from here.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context, Result, bail, ensure};

/// The manifest's path in the tree, by which a tree is known.
pub const MANIFEST: &str = "tests/programs/programs.json";

/// The folders that measuring needs.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// The root of a source tree.
    pub tree: PathBuf,
    /// The folder of what `scripts/fetch-corpus` brings.
    pub corpus: PathBuf,
}

impl Places {
    /// The folder for what is made while measuring, in the tree's build folder.
    ///
    /// # Errors
    ///
    /// If it can't be made.
    pub fn scratch(&self) -> Result<PathBuf> {
        let folder = self.tree.join("target/benches");
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        Ok(folder)
    }

    fn new(tree: Option<PathBuf>, corpus: Option<PathBuf>) -> Result<Self> {
        let tree = match tree.or_else(|| env::var_os("UPSHIFT_TREE").map(PathBuf::from)) {
            Some(tree) => {
                ensure!(
                    is_tree(&tree),
                    "`{}` is no source tree of Upshift: it has no {MANIFEST}",
                    tree.display()
                );
                tree
            }
            None => search()?,
        };
        let corpus = corpus.or_else(|| env::var_os("UPSHIFT_CORPUS").map(PathBuf::from));
        if let Some(corpus) = &corpus {
            ensure!(corpus.is_dir(), "`{}` is no folder", corpus.display());
        }
        let corpus = corpus.unwrap_or_else(|| tree.join("corpus"));
        // Tasks name files to processes that may run in other folders.
        Ok(Self {
            tree: std::path::absolute(tree)?,
            corpus: std::path::absolute(corpus)?,
        })
    }
}

fn is_tree(folder: &Path) -> bool {
    folder.join(MANIFEST).is_file()
}

/// The tree around the current folder, or else around this executable.
fn search() -> Result<PathBuf> {
    let starts = [env::current_dir().ok(), env::current_exe().ok()];
    for start in starts.iter().flatten() {
        if let Some(tree) = start.ancestors().find(|folder| is_tree(folder)) {
            return Ok(tree.to_path_buf());
        }
    }
    bail!(
        "neither the current folder nor this program lies in a source tree of Upshift, which has \
         the kernels; name one by --tree or UPSHIFT_TREE"
    )
}

static PLACES: OnceLock<Places> = OnceLock::new();

/// Names the places; what is `None` is searched for.
///
/// # Errors
///
/// If a named folder is not what it should be, or no tree is found.
pub fn name(tree: Option<PathBuf>, corpus: Option<PathBuf>) -> Result<()> {
    let places = Places::new(tree, corpus)?;
    let named = PLACES.set(places);
    named.map_err(|_| anyhow::anyhow!("the places are known already"))
}

/// The places, searched for if none were named.
///
/// # Errors
///
/// If no tree is found.
pub fn find() -> Result<&'static Places> {
    if let Some(places) = PLACES.get() {
        return Ok(places);
    }
    let places = Places::new(None, None)?;
    Ok(PLACES.get_or_init(|| places))
}
