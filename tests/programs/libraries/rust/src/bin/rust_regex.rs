//! The `regex` crate looks for patterns in prose, and captures what they match.

use libraries::{Random, mix, prose, run};
use regex::Regex;

const PATTERNS: [&str; 5] = [
    r"\b(\w*)tion\b",
    r"(?:an|be|con)+re?[a-n]*",
    r"(\d{2,})\s+(\w+)",
    r"(?m)^[a-m]+\s.*(men|st)$",
    r"(?i)PRE\w*?(?:or|in)(?:\s|$)",
];

fn main() {
    run("rust_regex", 1, |scale| {
        let text = prose(&mut Random::default(), 1 << 13);
        let compiled = PATTERNS.map(|pattern| Regex::new(pattern).expect("a pattern"));
        let mut sum = 0;
        for _ in 0..scale {
            for regex in &compiled {
                for found in regex.captures_iter(&text) {
                    let group = found.get(1).map_or(0, |group| group.len());
                    let whole = found.get(0).expect("the match");
                    sum = mix(sum, (whole.start() * 64 + group) as u64);
                }
            }
        }
        sum
    });
}
