//! First-call thunks as x86-64's bytes, and what placing code relies on.
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
