//! What each program here has besides the library: one numeric argument in, one checksum out, and
//! data to work on that is the same everywhere.

use std::fmt::Write as _;

/// The same sequence everywhere: xorshift64*.
pub struct Random(u64);

impl Default for Random {
    fn default() -> Self {
        Self(0x9E37_79B9_7F4A_7C15)
    }
}

impl Random {
    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below a limit.
    pub fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 20) % limit
    }
}

/// Order-sensitive mixing of one more value into a checksum.
pub fn mix(sum: u64, value: u64) -> u64 {
    let mixed = value
        .wrapping_add(0x9E37_79B9_7F4A_7C15)
        .wrapping_add(sum << 6)
        .wrapping_add(sum >> 2);
    (sum ^ mixed).wrapping_mul(0xff51_afd7_ed55_8ccd)
}

/// Words, numbers and lines.
pub fn prose(random: &mut Random, bytes: usize) -> String {
    const PARTS: [&str; 12] = [
        "an", "be", "con", "de", "er", "in", "ly", "men", "or", "pre", "st", "tion",
    ];
    let mut text = String::with_capacity(bytes + 64);
    while text.len() < bytes {
        match random.below(12) {
            0 => write!(text, "{}", random.below(100_000)).expect("a string has room"),
            _ => {
                for _ in 0..=random.below(3) {
                    text.push_str(PARTS[random.below(12) as usize]);
                }
            }
        }
        text.push(if random.below(9) == 0 { '\n' } else { ' ' });
    }
    text.truncate(bytes);
    text
}

/// Runs a program: prints its name and what it computes for the size that the argument says.
pub fn run(name: &str, default: u32, program: impl FnOnce(u32) -> u64) {
    let scale = std::env::args().nth(1);
    let scale = scale
        .and_then(|scale| scale.parse().ok())
        .unwrap_or(default);
    println!("{name} {:016x}", program(scale));
}
