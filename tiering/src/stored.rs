//! Code that another process has compiled: kept as bytes, and taken instead of compiling.
//!
//! Pieces of code are decoded one by one, when they are wanted. The code is run as it is: who
//! supplies it ([`ModuleTiers::supply`]) vouches for it.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use upshift_abi::codec::{Decoder, Encoder, Malformed};
use upshift_abi::{
    CompileUnit, CompiledFunction, DefinedFuncIndex, LoopIndex, ModuleFacts, stored,
};
use upshift_profiler::Nanos;

use crate::config::Mode;
use crate::function::Function;
use crate::home::CodeHome;
use crate::lifecycle::{LoopPhase, Phase};
use crate::module::ModuleTiers;
use crate::policy::{Level, PolicyEvent, Recorded};
use crate::profile::RecordedRequest;
use crate::sessions::CompileSessions;
use crate::state::LevelCode;

/// Compiled code of a module as bytes, by function, unit and level.
#[derive(Debug, Default)]
pub struct StoredCode {
    bytes: Bytes,
    /// An entry of [`ENTRY`] bytes for each piece, in the order of functions, units and levels.
    /// They stay as they are in a file: there may be tens of thousands, of which a run wants a few.
    index: Bytes,
}

/// Bytes of an entry of the index: the numbers of function and unit, the level, the length of the
/// piece, its start (8 bytes) and its checksum.
const ENTRY: usize = 28;

/// A piece of code.
#[derive(Clone, Debug)]
struct Piece {
    of: RecordedRequest,
    bytes: Range<usize>,
    /// CRC-32 of the bytes.
    checksum: u32,
}

impl Piece {
    fn order(of: &RecordedRequest) -> impl Ord + use<> {
        (of.func, unit_number(of.unit), of.level)
    }

    fn encode(&self, to: &mut Encoder) {
        let len = u32::try_from(self.bytes.len()).expect("code of one function");
        let level = u32::from(self.of.level.0);
        for word in [self.of.func.0, unit_number(self.of.unit), level, len] {
            to.raw(&word.to_le_bytes());
        }
        to.raw(&(self.bytes.start as u64).to_le_bytes());
        to.raw(&self.checksum.to_le_bytes());
    }

    /// Reads an entry of the index; `None` if there can be no such piece.
    fn decode(entry: &[u8]) -> Option<Self> {
        let word = |n: usize| {
            let mut word = [0; 4];
            word.copy_from_slice(&entry[4 * n..][..4]);
            u32::from_le_bytes(word)
        };
        let start = u64::from(word(4)) | u64::from(word(5)) << 32;
        let start = usize::try_from(start).ok()?;
        let of = RecordedRequest {
            func: DefinedFuncIndex(word(0)),
            unit: match word(1) {
                0 => CompileUnit::Function,
                number => CompileUnit::Loop(LoopIndex(number - 1)),
            },
            level: Level(u8::try_from(word(2)).ok()?),
        };
        Some(Self {
            of,
            bytes: start..start.checked_add(word(3) as usize)?,
            checksum: word(6),
        })
    }
}

/// The number by which a unit is known in files.
fn unit_number(unit: CompileUnit) -> u32 {
    match unit {
        CompileUnit::Function => 0,
        CompileUnit::Loop(index) => 1 + index.0,
    }
}

/// Stored code while it is collected.
#[derive(Default)]
struct Collected {
    bytes: Vec<u8>,
    pieces: Vec<Piece>,
}

impl Collected {
    fn insert(&mut self, of: RecordedRequest, code: &CompiledFunction) {
        let start = self.bytes.len();
        let mut to = Encoder(std::mem::take(&mut self.bytes));
        stored::encode(code, &mut to);
        self.bytes = to.0;
        self.push(of, start);
    }

    /// Adds the piece that begins at `start`.
    fn push(&mut self, of: RecordedRequest, start: usize) {
        self.pieces.push(Piece {
            of,
            bytes: start..self.bytes.len(),
            checksum: crc32fast::hash(&self.bytes[start..]),
        });
    }

    /// Takes over the other's pieces that are not among these.
    fn add(&mut self, other: &StoredCode) {
        let has: HashSet<_> = self.pieces.iter().map(|piece| piece.of).collect();
        for piece in other.pieces().filter(|piece| !has.contains(&piece.of)) {
            if let Some(bytes) = other.of(&piece) {
                let start = self.bytes.len();
                self.bytes.extend_from_slice(bytes);
                self.push(piece.of, start);
            }
        }
    }

    fn finish(mut self) -> StoredCode {
        self.pieces.sort_by_key(|piece| Piece::order(&piece.of));
        let mut index = Encoder::default();
        self.pieces
            .iter()
            .for_each(|piece| piece.encode(&mut index));
        StoredCode {
            bytes: self.bytes.into(),
            index: index.0.into(),
        }
    }
}

impl StoredCode {
    /// How many pieces of code there are.
    pub fn len(&self) -> usize {
        self.index.len() / ENTRY
    }

    /// Whether there is no code.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Whether all of these are among its pieces.
    pub fn contains(&self, pieces: &[RecordedRequest]) -> bool {
        pieces.iter().all(|piece| self.find(piece).is_some())
    }

    /// Whether no piece is damaged. Reads all of them.
    pub fn is_intact(&self) -> bool {
        self.pieces().all(|piece| self.of(&piece).is_some())
    }

    /// The code itself, of which [`encode_index`](Self::encode_index) says what is where.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Writes which pieces there are.
    pub fn encode_index(&self, to: &mut Encoder) {
        to.sized(&self.index);
    }

    /// Reads what [`encode_index`](Self::encode_index) wrote into `index`, for these bytes.
    ///
    /// # Errors
    ///
    /// If it is not that. Pieces themselves, and where they are, are looked at when they are
    /// wanted.
    pub fn decode(from: &mut Decoder<'_>, index: &Bytes, bytes: Bytes) -> Result<Self, Malformed> {
        let index = index.slice_ref(from.sized()?);
        match index.len() % ENTRY {
            0 => Ok(Self { bytes, index }),
            _ => Err(from.malformed("a part of an entry")),
        }
    }

    fn pieces(&self) -> impl Iterator<Item = Piece> + '_ {
        self.index.chunks_exact(ENTRY).filter_map(Piece::decode)
    }

    fn find(&self, of: &RecordedRequest) -> Option<Piece> {
        let order = Piece::order(of);
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            let piece = Piece::decode(&self.index[middle * ENTRY..][..ENTRY])?;
            match Piece::order(&piece.of).cmp(&order) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return Some(piece),
            }
        }
        None
    }

    /// The bytes of a piece, unless they are damaged.
    fn of(&self, piece: &Piece) -> Option<&[u8]> {
        let bytes = self.bytes.get(piece.bytes.clone())?;
        (crc32fast::hash(bytes) == piece.checksum).then_some(bytes)
    }

    /// The piece of code, if it is there.
    fn get(&self, facts: &ModuleFacts, of: RecordedRequest) -> Option<CompiledFunction> {
        let Some(bytes) = self.of(&self.find(&of)?) else {
            log::warn!("stored code of {} is not used: it is damaged", of.func);
            return None;
        };
        let mut from = Decoder::new(bytes);
        let code = stored::decode(&mut from, facts);
        let code = code.and_then(|code| from.finish().map(|()| code));
        code.inspect_err(|error| log::warn!("stored code of {} is not used: {error}", of.func))
            .ok()
    }
}

impl<M: CodeHome> ModuleTiers<M> {
    /// Has the module take this code instead of compiling. It is run as it is, so it must be what
    /// [`stored_code`](Self::stored_code) returned for the same module, in an engine of the same
    /// build with the same compilers. For a module that nothing has called yet; a second supply
    /// changes nothing.
    pub fn supply(&self, code: StoredCode) {
        self.state.earlier.supply(code);
    }

    /// The code that it was supplied with.
    pub fn supplied(&self) -> Option<&StoredCode> {
        self.state.earlier.supplied()
    }

    /// Which pieces of code [`stored_code`](Self::stored_code) would take from the functions.
    pub fn code_pieces(&self, home: &Arc<M>) -> Vec<RecordedRequest> {
        let mut pieces = Vec::new();
        self.with_code(home, |function| {
            let piece = |(unit, LevelCode { level, .. })| RecordedRequest {
                func: function.index,
                unit,
                level,
            };
            pieces.extend(function.storable().into_iter().map(piece));
        });
        pieces
    }

    /// Calls `visit` with each function that has state of its own: those that were called.
    fn with_code(&self, home: &Arc<M>, mut visit: impl FnMut(Function<'_, M>)) {
        let state = &self.state;
        for (func, cell) in home.facts().defined_funcs().zip(&state.funcs) {
            if cell.get().is_some() {
                visit(state.function(home, func));
            }
        }
    }

    /// The code that the module's functions have now, and what it was supplied with besides. What
    /// the runtime did not keep the artifact of is compiled again, as compilers are now told.
    pub fn stored_code(&self, home: &Arc<M>) -> StoredCode {
        let state = &self.state;
        let mut stored = Collected::default();
        let mut sessions = CompileSessions::new(&state.shared);
        self.with_code(home, |function| function.store(&mut stored, &mut sessions));
        if let Some(supplied) = state.earlier.supplied() {
            stored.add(supplied);
        }
        stored.finish()
    }
}

impl<M: CodeHome> Function<'_, M> {
    /// The code that calls of the function run, and its OSR entries.
    fn storable(&self) -> Vec<(CompileUnit, LevelCode<M::Code>)> {
        if self.phase() == Phase::Pinned {
            // Its code may be without counters, and another run may decide otherwise.
            return Vec::new();
        }
        let current = self.state.installed().current.clone();
        let function = current.map(|code| (CompileUnit::Function, code));
        let loops = self.state.loop_states().iter();
        let entries = loops.filter(|one| one.phase.get() == LoopPhase::Ready);
        let entries = entries.filter_map(|one| Some((CompileUnit::Loop(one.index), one.ready()?)));
        function.into_iter().chain(entries).collect()
    }

    /// Adds that code.
    fn store(&self, to: &mut Collected, sessions: &mut CompileSessions<'_>) {
        for (unit, LevelCode { level, code, .. }) in self.storable() {
            let artifact = M::artifact(&code).or_else(|| {
                let mut request = self.compile_request();
                request.unit = unit;
                request.profile = self.state.account.profile();
                let targets = self.module.earlier.with_targets(&**self.home);
                request.targets = (level > Level::FIRST).then_some(&targets);
                let key = self.code_key(unit, level);
                sessions.compile(key, request, Nanos(0)).ok()
            });
            if let Some(artifact) = artifact {
                let func = self.index;
                to.insert(RecordedRequest { func, unit, level }, &artifact);
            }
        }
    }

    /// Code of the unit that was supplied.
    pub(crate) fn supplied(&self, unit: CompileUnit, level: Level) -> Option<CompiledFunction> {
        let func = self.index;
        let supplied = self.module.earlier.supplied()?;
        supplied.get(self.home.facts(), RecordedRequest { func, unit, level })
    }

    /// Whether code of the unit was supplied.
    pub(crate) fn is_supplied(&self, unit: CompileUnit, level: Level) -> bool {
        let func = self.index;
        let supplied = self.module.earlier.supplied();
        let piece = RecordedRequest { func, unit, level };
        supplied.is_some_and(|supplied| supplied.find(&piece).is_some())
    }

    /// The supplied code that the function can begin with where code of `level` is wanted, and its
    /// level: optimized code at once, if the policy wants what an earlier run has requested.
    pub(crate) fn supplied_first_code(&self, level: Level) -> Option<(Level, CompiledFunction)> {
        let shared = self.shared();
        let top = shared.ladder.top();
        let unit = CompileUnit::Function;
        let may_rise = shared.config.mode == Mode::Tiered && self.module.driver.begins_optimized();
        if level == Level::FIRST && may_rise && self.is_supplied(unit, top) {
            let event = PolicyEvent::Recorded(Recorded {
                order: 0,
                level: top,
                site: None,
            });
            let wanted = self.decide(event).function;
            if wanted.is_some_and(|wanted| shared.ladder.clamp(wanted.level) == top) {
                return Some((top, self.supplied(unit, top)?));
            }
        }
        Some((level, self.supplied(unit, level)?))
    }
}
