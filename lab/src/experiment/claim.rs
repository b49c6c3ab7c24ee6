//! What a paper claims: the file `claim.toml`.
//!
//! ```toml
//! paper = "JIT compilation policy for modern machines"
//! authors = "P. A. Kulkarni"
//! venue = "OOPSLA 2011"
//! source = "https://doi.org/10.1145/2048066.2048126"
//!
//! [[claim]]
//! id = "K1"
//! text = "an aggressive policy gains nothing on one core"
//! number = "0 %"
//! read = "abstract"
//! ```

use upshift_tiering::file::{FileError, Source};

use super::table::Table;

/// The content of `claim.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The title of the paper, or of the engine's rule.
    pub paper: String,
    /// Its authors.
    pub authors: String,
    /// Where and when it was published.
    pub venue: String,
    /// Its address.
    pub source: String,
    /// What it claims.
    pub claims: Vec<Claimed>,
}

/// One claim of a paper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// Its id, as the experiment's statements have it.
    pub id: String,
    /// What it says.
    pub text: String,
    /// Its number, as the paper has it; empty without one.
    pub number: String,
    /// Where it was read: the paper, its abstract, the source, or a text that quotes it.
    pub read: String,
}

impl Claim {
    /// Parses the file.
    ///
    /// # Errors
    ///
    /// If it is not TOML, names what does not exist, or lacks something.
    pub fn parse(text: &str) -> Result<Self, FileError> {
        let (source, table) = Source::parse(text)?;
        let file = Table {
            source,
            at: 0..0,
            table: &table,
        };
        file.only("name", &["paper", "authors", "venue", "source", "claim"])?;
        let mut claims = Vec::new();
        for table in file.tables("claim")? {
            table.only("name of [[claim]]", &["id", "text", "number", "read"])?;
            claims.push(Claimed {
                id: need(&table, "id")?,
                text: need(&table, "text")?,
                number: table.text("number")?.unwrap_or_default(),
                read: need(&table, "read")?,
            });
        }
        Ok(Self {
            paper: need(&file, "paper")?,
            authors: need(&file, "authors")?,
            venue: need(&file, "venue")?,
            source: need(&file, "source")?,
            claims,
        })
    }
}

fn need(table: &Table<'_>, name: &str) -> Result<String, FileError> {
    match table.text(name)? {
        Some(text) => Ok(text),
        None => table.fail(table.at.clone(), format!("`{name}` is missing")),
    }
}
