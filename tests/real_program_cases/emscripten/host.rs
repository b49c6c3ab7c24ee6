//! What the host does, for either engine.

use std::fmt;

use anyhow::Result;

/// The host's part of a run.
#[derive(Default)]
pub struct State {
    /// The number of calls of imports.
    calls: u64,
    /// The digest of these calls, later also of the memory.
    digest: Digest,
    /// What was written to standard output and standard error.
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    /// Milliseconds, one more each time that the guest asks.
    clock: u32,
    /// What the guest told JavaScript last, by `emscripten_asm_const_int`.
    pub told: i32,
}

/// FNV-1a over words.
struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Digest {
    fn add(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x100_0000_01b3);
    }

    fn add_bytes(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.add(u64::from_le_bytes(word));
        }
    }
}

impl State {
    /// Notes a call of an import.
    pub fn note(&mut self, name: &str, arguments: &[u64]) {
        self.calls += 1;
        self.digest.add_bytes(name.as_bytes());
        for &argument in arguments {
            self.digest.add(argument);
        }
    }

    /// Adds the memory to the digest.
    pub fn note_memory(&mut self, bytes: &[u8]) {
        self.digest.add_bytes(bytes);
    }

    /// The number of calls that were noted.
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// The digest of all that was noted.
    pub fn digest(&self) -> u64 {
        self.digest.0
    }
}

/// Why a host function does not return to the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The program has ended, with this exit code.
    Exit(i32),
    /// The program gives up.
    Abort,
    /// `longjmp`: execution goes on behind the last `invoke_…`.
    LongJump,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for Stop {}

/// The guest, as host functions access it.
pub trait Guest {
    /// The host's part of the run.
    fn state(&mut self) -> &mut State;
    /// Copies bytes out of the memory.
    fn read(&mut self, at: u32, bytes: &mut [u8]);
    /// Copies bytes into the memory.
    fn write(&mut self, at: u32, bytes: &[u8]);
    /// Makes the memory at least so large; whether it is now.
    fn grow_to(&mut self, bytes: u32) -> bool;

    /// A word in the memory.
    fn word(&mut self, at: u32) -> u32 {
        let mut word = [0; 4];
        self.read(at, &mut word);
        u32::from_le_bytes(word)
    }
}

/// Answers the call of an import. Arguments and the result are bit patterns.
pub fn answer(guest: &mut impl Guest, name: &str, arguments: &[u64]) -> Result<u64, Stop> {
    let argument = |index: usize| arguments[index] as u32;
    match name {
        "exit" | "proc_exit" => return Err(Stop::Exit(arguments[0] as i32)),
        "abort" | "_abort_js" | "__assert_fail" => return Err(Stop::Abort),
        "_emscripten_throw_longjmp" => return Err(Stop::LongJump),
        "fd_write" => {
            let total = write(guest, argument(0), argument(1), argument(2));
            guest.write(argument(3), &total.to_le_bytes());
        }
        "emscripten_memcpy_big" | "emscripten_memcpy_js" => {
            let mut bytes = vec![0; argument(2) as usize];
            guest.read(argument(1), &mut bytes);
            guest.write(argument(0), &bytes);
        }
        "emscripten_get_heap_max" => return Ok(1 << 31),
        "emscripten_resize_heap" => return Ok(guest.grow_to(argument(0)).into()),
        "emscripten_get_now" | "emscripten_date_now" => {
            let state = guest.state();
            state.clock += 1;
            return Ok(f64::from(state.clock).to_bits());
        }
        "clock_time_get" => {
            let state = guest.state();
            state.clock += 1;
            let nanoseconds = u64::from(state.clock) * 1_000_000;
            guest.write(argument(2), &nanoseconds.to_le_bytes());
        }
        "environ_sizes_get" => {
            guest.write(argument(0), &[0; 4]);
            guest.write(argument(1), &[0; 4]);
        }
        "emscripten_asm_const_int" => {
            let told = guest.word(argument(2)) as i32;
            guest.state().told = told;
        }
        _ => {}
    }
    Ok(0)
}

/// Appends what vectors of bytes say to an output; returns how many they are.
fn write(guest: &mut impl Guest, fd: u32, vectors: u32, count: u32) -> u32 {
    let mut total = 0;
    for vector in (vectors..).step_by(8).take(count as usize) {
        let (at, length) = (guest.word(vector), guest.word(vector + 4));
        let mut bytes = vec![0; length as usize];
        guest.read(at, &mut bytes);
        let state = guest.state();
        match fd {
            1 => state.stdout.extend(bytes),
            _ => state.stderr.extend(bytes),
        }
        total += length;
    }
    total
}
