//! The programs to run, from the manifests `tests/programs/programs.json` and
//! `tests/programs/libraries/libraries.json`.
//!
//! Kernels are small programs of one idea each, committed with their sources. Libraries are real
//! ones with a small program around them, built by `scripts/build-libraries`. Programs are large,
//! built by others, and fetched by `scripts/fetch-corpus`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::engines::{Driver, Job, Outcome};
use crate::places::{self, Places};

/// The workload of a program that is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// A workload of milliseconds in any tier.
    Test,
    /// For kernels and libraries, about ten milliseconds in optimized code: what an iteration needs
    /// for its own cost not to matter. For programs the same as `Test`.
    Iteration,
    /// A workload of about half a second or more in optimized code.
    Bench,
    /// A workload of about ten seconds, for programs: enough for slow compilers to pay off.
    Longest,
}

/// A small program of one idea.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// Its name, which is also the name of its file.
    pub name: String,
    /// Its file, in the binary or the text format.
    pub path: PathBuf,
    scales: Scales,
}

/// The argument of a kernel or library, by size; without one it runs the size for tests.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scales {
    iteration: u64,
    bench: u64,
}

impl Scales {
    fn job(self, name: &str, size: Size) -> Job {
        let mut args = vec![name.to_owned()];
        match size {
            Size::Test => {}
            Size::Iteration => args.push(self.iteration.to_string()),
            Size::Bench | Size::Longest => args.push(self.bench.to_string()),
        }
        Job {
            args,
            ..Job::default()
        }
    }
}

impl Kernel {
    /// The module in the binary format.
    ///
    /// # Errors
    ///
    /// If the file can't be read or its text not be assembled.
    pub fn wasm(&self) -> Result<Vec<u8>> {
        read_wasm(&self.path)
    }

    /// The job that runs the kernel.
    pub fn job(&self, size: Size) -> Job {
        self.scales.job(&self.name, size)
    }
}

/// A real library with a small program around it.
#[derive(Clone, Debug)]
pub struct Library {
    /// Its name, which is also the name of its file.
    pub name: String,
    entry: LibraryEntry,
    places: Places,
}

/// A library in its manifest.
#[derive(Clone, Debug, Deserialize)]
struct LibraryEntry {
    /// What the program does, in a few words.
    about: String,
    iteration: u64,
    bench: u64,
    /// Whether the program starts threads.
    #[serde(default)]
    threads: bool,
    /// What a correct run prints after the name: for the size of tests, of an iteration, and of a
    /// benchmark.
    checksums: [String; 3],
}

impl Library {
    /// What the program does, in a few words.
    pub fn about(&self) -> &str {
        &self.entry.about
    }

    /// The path of the library's module, whether it exists or not.
    pub fn path(&self) -> PathBuf {
        let folder = self.places.corpus.join("libraries");
        folder.join(&self.name).with_extension("wasm")
    }

    /// The module in the binary format.
    ///
    /// # Errors
    ///
    /// If the library has not been built; the message says how to.
    pub fn wasm(&self) -> Result<Vec<u8>> {
        let path = self.path();
        std::fs::read(&path).with_context(|| {
            format!(
                "cannot read `{}`; run scripts/build-libraries first",
                path.display()
            )
        })
    }

    /// The job that runs the library.
    pub fn job(&self, size: Size) -> Job {
        let LibraryEntry {
            iteration, bench, ..
        } = self.entry;
        let driver = if self.entry.threads {
            Driver::Threads
        } else {
            Driver::Command
        };
        Job {
            driver,
            ..Scales { iteration, bench }.job(&self.name, size)
        }
    }

    /// The outcome of a correct run.
    pub fn outcome(&self, size: Size) -> Outcome {
        let [test, iteration, bench] = &self.entry.checksums;
        let checksum = match size {
            Size::Test => test,
            Size::Iteration => iteration,
            Size::Bench | Size::Longest => bench,
        };
        Outcome {
            exit: 0,
            stdout: format!("{} {checksum}\n", self.name).into_bytes(),
            files: BTreeMap::new(),
        }
    }
}

/// A large program that others built.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// Its name.
    pub name: String,
    /// What the program does in the benchmarks, in one sentence.
    pub about: String,
    module: String,
    args: Vec<String>,
    bench: Option<Vec<String>>,
    longest: Option<Vec<String>>,
    #[serde(default)]
    driver: Driver,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    mounts: BTreeMap<String, String>,
    #[serde(default)]
    outputs: Vec<String>,
    /// The digest of a correct run of the size for tests, where the engine that tests compare with
    /// does not run the program in time; by Node.js 24.
    digest: Option<String>,
    #[serde(skip)]
    places: Places,
    /// The exit code of a correct run.
    #[serde(default)]
    pub exit: i32,
}

impl Program {
    /// The path of the program's module, whether it exists or not.
    pub fn path(&self) -> PathBuf {
        self.places.corpus.join(&self.module)
    }

    /// The module in the binary format.
    ///
    /// # Errors
    ///
    /// If the corpus has not been fetched; the message says how to.
    pub fn wasm(&self) -> Result<Vec<u8>> {
        let path = self.path();
        std::fs::read(&path).with_context(|| {
            format!(
                "cannot read `{}`; run scripts/fetch-corpus first",
                path.display()
            )
        })
    }

    /// The program's arguments, if it has a workload of the size.
    fn args(&self, size: Size) -> Option<&Vec<String>> {
        match size {
            Size::Test | Size::Iteration => Some(&self.args),
            Size::Bench => self.bench.as_ref(),
            Size::Longest => self.longest.as_ref(),
        }
    }

    /// Whether the program has a workload of the size.
    pub fn has(&self, size: Size) -> bool {
        self.args(size).is_some()
    }

    /// The digest of a correct run, if it is known without running the program in another engine.
    pub fn digest(&self, size: Size) -> Option<&str> {
        let known = matches!(size, Size::Test | Size::Iteration);
        self.digest.as_deref().filter(|_| known)
    }

    /// The job that runs the program; with the workload for tests, if it has none of the size.
    pub fn job(&self, size: Size) -> Job {
        let mounts = self.mounts.iter();
        Job {
            args: self.args(size).unwrap_or(&self.args).clone(),
            env: self.env.clone().into_iter().collect(),
            mounts: mounts
                .map(|(guest, host)| (guest.clone(), self.places.tree.join(host)))
                .collect(),
            outputs: self.outputs.clone(),
            driver: self.driver,
        }
    }
}

/// A large module that is loaded and not run, because it imports more than WASI.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadOnly {
    /// Its name.
    pub name: String,
    /// What the module is, in one sentence.
    pub about: String,
    module: String,
    /// Whether tests compile the module: then it is fetched with the programs.
    #[serde(default)]
    pub tested: bool,
    /// Proposals that the module needs beyond those that Upshift has.
    #[serde(default)]
    pub needs: Vec<String>,
    #[serde(skip)]
    places: Places,
}

impl LoadOnly {
    /// The path of the module, whether it exists or not.
    pub fn path(&self) -> PathBuf {
        self.places.corpus.join(&self.module)
    }
}

/// The libraries' manifest, as far as running them needs it; `scripts/libraries.py` reads the rest.
#[derive(Deserialize)]
struct Libraries {
    libraries: BTreeMap<String, LibraryEntry>,
}

/// The manifest's part for the benchmarks; `scripts/fetch-corpus` reads the rest.
#[derive(Deserialize)]
struct Manifest {
    programs: Vec<Program>,
    #[serde(default)]
    modules: Vec<LoadOnly>,
    kernels: BTreeMap<String, Scales>,
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}

fn manifest() -> Result<Manifest> {
    let places = places::find()?;
    let mut manifest: Manifest = read_json(&places.tree.join(places::MANIFEST))?;
    for program in &mut manifest.programs {
        program.places.clone_from(places);
    }
    for module in &mut manifest.modules {
        module.places.clone_from(places);
    }
    Ok(manifest)
}

/// All kernels, by name.
///
/// # Errors
///
/// If the manifest can't be read, or names a kernel that does not exist.
pub fn kernels() -> Result<Vec<Kernel>> {
    let folder = places::find()?.tree.join("tests/programs/kernels");
    let kernel = |(name, scales): (String, Scales)| {
        let files = ["wasm", "wat"].map(|ext| folder.join(&name).with_extension(ext));
        let path = files.into_iter().find(|path| path.exists());
        let path = path.with_context(|| format!("there is no kernel `{name}`"))?;
        Ok(Kernel { name, path, scales })
    };
    manifest()?.kernels.into_iter().map(kernel).collect()
}

/// All libraries, by name, whether built or not.
///
/// # Errors
///
/// If their manifest can't be read.
pub fn libraries() -> Result<Vec<Library>> {
    let places = places::find()?;
    let path = "tests/programs/libraries/libraries.json";
    let manifest: Libraries = read_json(&places.tree.join(path))?;
    let library = |(name, entry)| Library {
        name,
        entry,
        places: places.clone(),
    };
    Ok(manifest.libraries.into_iter().map(library).collect())
}

/// All programs, in the manifest's order, whether fetched or not.
///
/// # Errors
///
/// If the manifest can't be read.
pub fn programs() -> Result<Vec<Program>> {
    Ok(manifest()?.programs)
}

/// All modules that are only loaded, in the manifest's order, whether fetched or not.
///
/// # Errors
///
/// If the manifest can't be read.
pub fn modules() -> Result<Vec<LoadOnly>> {
    Ok(manifest()?.modules)
}

fn read_wasm(path: &Path) -> Result<Vec<u8>> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    let wasm = wat::parse_bytes(&bytes).with_context(|| path.display().to_string())?;
    Ok(match wasm {
        Cow::Borrowed(_) => bytes,
        Cow::Owned(wasm) => wasm,
    })
}

/// Bytes of a module's code section; 0 if it has none.
///
/// Reads the headers of sections only: a parent process that has held a large module in memory
/// passes its own peak on to the processes that it starts, as far as the system's accounts go.
///
/// # Errors
///
/// If the file can't be read, or is no module in the binary format.
pub fn code_section_bytes(path: &Path) -> Result<u64> {
    const CODE: u8 = 10;
    let failed = || path.display().to_string();
    let mut file = BufReader::new(File::open(path).with_context(failed)?);
    let mut magic = [0; 8];
    file.read_exact(&mut magic).with_context(failed)?;
    ensure!(magic.starts_with(b"\0asm"), "{}: no module", failed());
    let mut id = [0];
    while file.read(&mut id).with_context(failed)? == 1 {
        let size = read_leb128(&mut file).with_context(failed)?;
        if id[0] == CODE {
            return Ok(size);
        }
        file.seek_relative(i64::try_from(size)?)
            .with_context(failed)?;
    }
    Ok(0)
}

/// An unsigned number of at most 32 bits.
fn read_leb128(file: &mut impl Read) -> Result<u64> {
    let mut value = 0;
    for shift in (0..35).step_by(7) {
        let mut byte = [0];
        file.read_exact(&mut byte)?;
        value |= u64::from(byte[0] & 0x7f) << shift;
        if byte[0] & 0x80 == 0 {
            return Ok(value);
        }
    }
    bail!("a section's size has more than five bytes")
}

/// Checks that a module needs nothing beyond the proposals that are supported.
///
/// # Errors
///
/// If it does; the message names the proposal.
pub fn check_features(wasm: &[u8]) -> Result<()> {
    let features = upshift_abi::Features::all().flags();
    wasmparser::Validator::new_with_features(features).validate_all(wasm)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_section_is_found_without_reading_the_rest() {
        for kernel in kernels().unwrap() {
            if kernel
                .path
                .extension()
                .is_some_and(|extension| extension == "wasm")
            {
                let wasm = kernel.wasm().unwrap();
                let mut payloads = wasmparser::Parser::new(0).parse_all(&wasm);
                let parsed = payloads.find_map(|payload| match payload.unwrap() {
                    wasmparser::Payload::CodeSectionStart {
                        unchecked_range, ..
                    } => Some(unchecked_range.end - unchecked_range.start),
                    _ => None,
                });
                assert_eq!(code_section_bytes(&kernel.path).unwrap(), parsed.unwrap());
            }
        }
    }
}
