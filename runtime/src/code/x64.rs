//! First-call thunks and call counters as x86-64's bytes, and what placing code relies on.
//!
//! x86-64 keeps instruction fetch coherent with stores: a thread that reads a code address,
//! published with a release store, fetches the bytes that were written before it. Other processors
//! need a barrier in each thread.

/// Bytes from one first-call thunk to the next.
pub const THUNK_SIZE: usize = 16;

/// The n-th thunk, at an address: `push n; jmp [cell]`.
///
/// # Panics
///
/// If the cell is not within ±2 GiB: both are in one code space.
pub fn thunk(n: u32, at: usize, cell: usize) -> [u8; THUNK_SIZE] {
    const END: usize = 11;
    let mut bytes = [0xcc; THUNK_SIZE];
    bytes[0] = 0x68; // push imm32
    bytes[1..5].copy_from_slice(&n.to_le_bytes());
    bytes[5..7].copy_from_slice(&[0xff, 0x25]); // jmp [rip + disp32]
    let distance = cell as i64 - (at + END) as i64;
    let distance = i32::try_from(distance).expect("the code space is smaller than 2 GiB");
    bytes[7..END].copy_from_slice(&distance.to_le_bytes());
    bytes
}

/// The addresses in a call counter.
#[derive(Clone, Copy, Debug)]
pub struct CounterTargets {
    /// The 4-byte cell that each call takes from.
    pub cell: usize,
    /// Where calls go that leave less than 0 in the cell.
    pub exhausted: usize,
    /// Where all other calls go.
    pub code: usize,
}

/// Bytes of a call counter.
pub const COUNTER_SIZE: usize = 21;

/// A call counter at an address: `sub dword [cell], weight; js exhausted; jmp code`. It changes no
/// register and no stack, so it can stand before any function's code.
///
/// # Panics
///
/// If a target is not within ±2 GiB: all are in one code space.
pub fn counter(at: usize, weight: u32, targets: CounterTargets) -> [u8; COUNTER_SIZE] {
    let mut bytes = [0; COUNTER_SIZE];
    let distance = |end: usize, target: usize| {
        let distance = target as i64 - (at + end) as i64;
        let distance = i32::try_from(distance).expect("the code space is smaller than 2 GiB");
        distance.to_le_bytes()
    };
    bytes[..2].copy_from_slice(&[0x81, 0x2d]); // sub dword [rip + disp32], imm32
    bytes[2..6].copy_from_slice(&distance(10, targets.cell));
    bytes[6..10].copy_from_slice(&weight.to_le_bytes());
    bytes[10..12].copy_from_slice(&[0x0f, 0x88]); // js rel32
    bytes[12..16].copy_from_slice(&distance(16, targets.exhausted));
    bytes[16] = 0xe9; // jmp rel32
    bytes[17..].copy_from_slice(&distance(COUNTER_SIZE, targets.code));
    bytes
}
