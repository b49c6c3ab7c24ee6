//! Profiles of modules: what a run has shown, kept for the next start of the same module.
//!
//! A profile says which functions and loops optimized code was requested for, in which order, how
//! much work each function has done, and which functions indirect calls have called. It belongs to
//! one module, whose digest it has, and to no processor, engine or configuration.
//!
//! A profile decides when code is compiled and what the optimizer guesses, and never what a program
//! computes: functions and loops that do not exist are refused or skipped, guesses are compared
//! with what happens. So a forged one costs at most time, as much as optimizing the whole
//! module takes.
//!
//! ```text
//! magic (8 bytes), version, digest of the module (32 bytes), functions, levels
//! requests: count, then for each the function, 0 or 1 + the loop, the level
//! work:     count, then for each function the distance from the one before, units
//! targets:  count, then for each pair of cells the distance from the one before, the function
//! digest of all that precedes (32 bytes)
//! ```
//!
//! Numbers are in LEB128, digests SHA-256.

use std::collections::HashSet;
use std::fmt;

use sha2::{Digest, Sha256};
use upshift_abi::codec::{Decoder, Encoder, Malformed};
use upshift_abi::{CompileUnit, DefinedFuncIndex, FuncIndex, LoopIndex};

use crate::policy::Level;

/// What a profile starts with.
const MAGIC: &[u8; 8] = b"upshiftP";

/// The version of the format.
const VERSION: u64 = 1;

/// The most functions that a module has.
const MAX_FUNCS: u32 = 1 << 20;

/// The SHA-256 digest of a module in the binary format.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ModuleDigest(pub [u8; 32]);

impl ModuleDigest {
    /// The digest of a module. Reads all bytes: about a millisecond for two megabytes, or less
    /// where the processor has instructions for it.
    pub fn of(wasm: &[u8]) -> Self {
        Self(Sha256::digest(wasm).into())
    }
}

/// In hexadecimal digits.
impl fmt::Display for ModuleDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ModuleDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A function, or one loop of it, for which a run had optimized code requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RecordedRequest {
    /// The function.
    pub func: DefinedFuncIndex,
    /// The whole function, or a loop that needed an OSR entry.
    pub unit: CompileUnit,
    /// The level of the code.
    pub level: Level,
}

/// What a run has shown of a module; see the [module](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleProfile {
    pub(crate) module: ModuleDigest,
    /// How many functions the module defines.
    pub(crate) functions: u32,
    /// How many levels the engine's ladder had.
    pub(crate) levels: u8,
    pub(crate) requests: Vec<RecordedRequest>,
    /// Budget units by function, sorted.
    pub(crate) work: Vec<(DefinedFuncIndex, u64)>,
    /// Functions by the pair of cells that noted them, sorted; see [`upshift_abi::targets`].
    pub(crate) targets: Vec<(u32, FuncIndex)>,
}

/// The reason why a profile is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// The bytes are something else.
    #[error("this is no profile of a module")]
    NotAProfile,
    /// The profile is from a version of Upshift whose format differs.
    #[error("the profile has format {0}, and this version of Upshift reads format {VERSION}")]
    Version(u64),
    /// The bytes are not those that were written.
    #[error("the profile is damaged: it is incomplete, or was changed")]
    Damaged,
    /// The profile has a right checksum, and no sense.
    #[error("the profile makes no sense: {0}")]
    Malformed(#[from] Malformed),
    /// The profile is of another module, or of another version of it.
    #[error("the profile is of another module: of {profile}, not of {module}")]
    OtherModule {
        /// The digest of the profile's module.
        profile: ModuleDigest,
        /// The digest of the module at hand.
        module: ModuleDigest,
    },
    /// The module has been given a profile before.
    #[error("the module has a profile already")]
    GivenBefore,
}

impl ModuleProfile {
    /// The digest of the module that it is of.
    pub fn module(&self) -> ModuleDigest {
        self.module
    }

    /// What optimized code was requested for, in the order of the requests.
    pub fn requests(&self) -> &[RecordedRequest] {
        &self.requests
    }

    /// The budget units that functions have used, by function. Optimized code does not count, so
    /// these are the units up to then.
    pub fn work(&self) -> &[(DefinedFuncIndex, u64)] {
        &self.work
    }

    /// The only functions that indirect calls have called, by the number of the pair of cells that
    /// noted them ([`upshift_abi::targets`]).
    pub fn targets(&self) -> &[(u32, FuncIndex)] {
        &self.targets
    }

    /// The profile as bytes, which [`from_bytes`](Self::from_bytes) reads: some four bytes for each
    /// function that was called.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut to = Encoder::default();
        to.raw(MAGIC);
        to.number(VERSION);
        to.raw(&self.module.0);
        to.number(self.functions);
        to.byte(self.levels);
        to.count(self.requests.len());
        for request in &self.requests {
            to.number(request.func.0);
            to.number(match request.unit {
                CompileUnit::Function => 0,
                CompileUnit::Loop(index) => 1 + u64::from(index.0),
            });
            to.byte(request.level.0);
        }
        to.count(self.work.len());
        let mut next = 0;
        for &(func, units) in &self.work {
            to.number(func.0 - next);
            to.number(units);
            next = func.0 + 1;
        }
        to.count(self.targets.len());
        let mut next = 0;
        for &(pair, func) in &self.targets {
            to.number(pair - next);
            to.number(func.0);
            next = pair + 1;
        }
        let digest = Sha256::digest(&to.0);
        to.raw(&digest);
        to.0
    }

    /// Reads a profile.
    ///
    /// # Errors
    ///
    /// If the bytes are no profile, are incomplete or were changed.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ProfileError> {
        let mut from = Decoder::new(bytes);
        if from.raw(MAGIC.len()) != Ok(MAGIC) {
            return Err(ProfileError::NotAProfile);
        }
        let version = from.number().map_err(|_| ProfileError::Damaged)?;
        if version != VERSION {
            return Err(ProfileError::Version(version));
        }
        let header = bytes.len() - from.left();
        let end = bytes.len().checked_sub(32).filter(|&end| end >= header);
        let (content, digest) = bytes.split_at(end.ok_or(ProfileError::Damaged)?);
        if *digest != *Sha256::digest(content) {
            return Err(ProfileError::Damaged);
        }
        Ok(Self::decode(Decoder::new(&content[header..]))?)
    }

    fn decode(mut from: Decoder<'_>) -> Result<Self, Malformed> {
        let mut module = ModuleDigest([0; 32]);
        module.0.copy_from_slice(from.raw(32)?);
        let functions = from.number_u32()?;
        if functions > MAX_FUNCS {
            return Err(from.malformed("more functions than a module has"));
        }
        let known = |from: &Decoder<'_>, func: u32| match func < functions {
            true => Ok(DefinedFuncIndex(func)),
            false => Err(from.malformed("no such function")),
        };
        let levels = from.byte()?;
        let mut requests = Vec::new();
        let mut seen = HashSet::new();
        for _ in 0..from.count(3)? {
            let func = from.number_u32()?;
            let func = known(&from, func)?;
            let unit = match from.number_u32()? {
                0 => CompileUnit::Function,
                number => CompileUnit::Loop(LoopIndex(number - 1)),
            };
            let level = Level(from.byte()?);
            if level == Level::FIRST || level.0 >= levels {
                return Err(from.malformed("no such level"));
            }
            if !seen.insert((func, unit)) {
                return Err(from.malformed("a second request"));
            }
            requests.push(RecordedRequest { func, unit, level });
        }
        let mut work = Vec::new();
        let mut next = 0;
        for _ in 0..from.count(2)? {
            let func = ascending(&mut from, &mut next)?;
            work.push((known(&from, func)?, from.number()?));
        }
        let mut targets = Vec::new();
        let mut next = 0;
        for _ in 0..from.count(2)? {
            let pair = ascending(&mut from, &mut next)?;
            targets.push((pair, FuncIndex(from.number_u32()?)));
        }
        from.finish()?;
        Ok(Self {
            module,
            functions,
            levels,
            requests,
            work,
            targets,
        })
    }
}

/// Reads a number as its distance from the least that it can be.
fn ascending(from: &mut Decoder<'_>, next: &mut u32) -> Result<u32, Malformed> {
    let distance = from.number_u32()?;
    let sum = next.checked_add(distance).filter(|&sum| sum < u32::MAX);
    let number = sum.ok_or(from.malformed("a number of more than 32 bits"))?;
    *next = number + 1;
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile() -> ModuleProfile {
        let request = |func, unit, level| RecordedRequest {
            func: DefinedFuncIndex(func),
            unit,
            level: Level(level),
        };
        ModuleProfile {
            module: ModuleDigest::of(b"a module"),
            functions: 400,
            levels: 3,
            requests: vec![
                request(300, CompileUnit::Loop(LoopIndex(2)), 2),
                request(7, CompileUnit::Function, 1),
                request(300, CompileUnit::Function, 2),
            ],
            work: vec![(DefinedFuncIndex(0), 5), (DefinedFuncIndex(399), u64::MAX)],
            targets: vec![(0, FuncIndex(8)), (200, FuncIndex(3))],
        }
    }

    /// Bytes with a checksum that is right.
    fn sealed(content: &[u8]) -> Vec<u8> {
        [content, &Sha256::digest(content)].concat()
    }

    #[test]
    fn what_is_written_is_read() {
        let profile = profile();
        let bytes = profile.to_bytes();
        assert_eq!(ModuleProfile::from_bytes(&bytes), Ok(profile));
        assert!(bytes.len() < 120, "{}", bytes.len());
    }

    #[test]
    fn every_damage_is_found() {
        let bytes = profile().to_bytes();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                let refused = ModuleProfile::from_bytes(&damaged).unwrap_err();
                match at {
                    0..8 => assert_eq!(refused, ProfileError::NotAProfile),
                    8 if bit < 7 => assert!(matches!(refused, ProfileError::Version(_))),
                    _ => assert!(!matches!(refused, ProfileError::Malformed(_)), "{at}"),
                }
            }
            let cut = ModuleProfile::from_bytes(&bytes[..at]).unwrap_err();
            assert!(
                matches!(cut, ProfileError::NotAProfile | ProfileError::Damaged),
                "{at}"
            );
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(
            ModuleProfile::from_bytes(&longer),
            Err(ProfileError::Damaged)
        );
    }

    /// Whatever the content, it is read or refused, and what is read can be written.
    #[test]
    fn what_was_forged_is_read_or_refused() {
        let bytes = profile().to_bytes();
        let content = &bytes[..bytes.len() - 32];
        let mut read = 0;
        for at in 9..content.len() {
            for value in [0, 1, 2, 0x7f, 0x80, 0xff] {
                let mut forged = content.to_vec();
                forged[at] = value;
                if let Ok(profile) = ModuleProfile::from_bytes(&sealed(&forged)) {
                    read += 1;
                    assert_eq!(ModuleProfile::from_bytes(&profile.to_bytes()), Ok(profile));
                }
            }
        }
        assert!(read > 100, "{read}");
    }

    #[test]
    fn what_can_not_be_is_refused() {
        let refused = |change: fn(&mut ModuleProfile)| {
            let mut profile = profile();
            change(&mut profile);
            match ModuleProfile::from_bytes(&profile.to_bytes()) {
                Err(ProfileError::Malformed(Malformed { what, .. })) => what,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(
            refused(|profile| profile.functions = 300),
            "no such function"
        );
        assert_eq!(refused(|profile| profile.levels = 2), "no such level");
        let none = |profile: &mut ModuleProfile| profile.requests[0].level = Level(0);
        assert_eq!(refused(none), "no such level");
        let twice = |profile: &mut ModuleProfile| profile.requests[0] = profile.requests[1];
        assert_eq!(refused(twice), "a second request");
        let many = |profile: &mut ModuleProfile| profile.functions = MAX_FUNCS + 1;
        assert_eq!(refused(many), "more functions than a module has");
    }
}
