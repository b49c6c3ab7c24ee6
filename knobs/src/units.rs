//! Numbers with suffixes: sizes in powers of 1024, and times.

use std::time::Duration;

/// A unit of time, for numbers that have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeUnit {
    /// 10⁻³ seconds.
    Milliseconds,
    /// Seconds.
    Seconds,
}

impl TimeUnit {
    fn seconds(self) -> f64 {
        match self {
            TimeUnit::Milliseconds => 1e-3,
            TimeUnit::Seconds => 1.0,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            TimeUnit::Milliseconds => "milliseconds",
            TimeUnit::Seconds => "seconds",
        }
    }
}

/// Suffixes of times with their seconds, those that end like others first.
const TIMES: [(&str, f64); 7] = [
    ("ns", 1e-9),
    ("us", 1e-6),
    ("µs", 1e-6),
    ("ms", 1e-3),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3600.0),
];

/// The time that a text means; without a suffix it is in the unit. `None` if it means none.
pub(crate) fn parse_time(text: &str, bare: TimeUnit) -> Option<Duration> {
    let suffixed = |&(suffix, seconds)| Some((text.strip_suffix(suffix)?, seconds));
    let found = TIMES.iter().find_map(suffixed);
    let (number, seconds) = found.unwrap_or((text, bare.seconds()));
    let number = decimal(number)?;
    // A float of seconds is not exact to the nanosecond.
    let nanoseconds = (number * seconds * 1e9).round();
    (nanoseconds < u64::MAX as f64).then(|| Duration::from_nanos(nanoseconds as u64))
}

/// A number without sign and exponent.
pub(crate) fn decimal(text: &str) -> Option<f64> {
    let plain = text.chars().all(|c| c.is_ascii_digit() || c == '.');
    if plain { text.parse().ok() } else { None }
}

/// An integer, with `K`, `M` or `G` behind it in either case, also as `KiB` and `KB`. All of them
/// mean powers of 1024, as memory is measured in.
pub(crate) fn parse_integer(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// A count: as a size, but not in bytes.
pub(crate) fn parse_count(text: &str) -> Option<u64> {
    let in_bytes = text.ends_with(['b', 'B']);
    (!in_bytes).then(|| parse_integer(text))?
}

/// A size in the largest unit of which it is a multiple.
pub(crate) fn spell_size(bytes: u64) -> String {
    for (shift, suffix) in [(30, "G"), (20, "M"), (10, "K")] {
        if bytes > 0 && bytes.trailing_zeros() >= shift {
            return format!("{}{suffix}", bytes >> shift);
        }
    }
    bytes.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        let good = [
            ("500ms", 500_000_000),
            ("1.5s", 1_500_000_000),
            ("2m", 120_000_000_000),
            ("1h", 3_600_000_000_000),
            ("250us", 250_000),
            ("250µs", 250_000),
            ("7ns", 7),
            ("0.1", 100_000_000),
            ("3", 3_000_000_000),
            ("0s", 0),
        ];
        for (text, nanoseconds) in good {
            let time = Duration::from_nanos(nanoseconds);
            assert_eq!(parse_time(text, TimeUnit::Seconds), Some(time), "{text}");
            let spelled = format!("{time:?}");
            assert_eq!(parse_time(&spelled, TimeUnit::Milliseconds), Some(time));
        }
        let time = parse_time("20", TimeUnit::Milliseconds);
        assert_eq!(time, Some(Duration::from_millis(20)));
        for text in [
            "",
            "s",
            "ms",
            "-1s",
            "1d",
            "1e3s",
            "nan",
            "inf",
            "1 s",
            "1.2.3s",
            "9999999999h",
        ] {
            assert_eq!(parse_time(text, TimeUnit::Seconds), None, "{text}");
        }
    }

    #[test]
    fn sizes_are_read() {
        let good = [
            ("0", 0),
            ("65536", 65536),
            ("64k", 65536),
            ("64K", 65536),
            ("64KiB", 65536),
            ("1MiB", 1 << 20),
            ("1mb", 1 << 20),
            ("2G", 2 << 30),
            ("12b", 12),
        ];
        for (text, bytes) in good {
            assert_eq!(parse_integer(text), Some(bytes), "{text}");
            assert_eq!(parse_integer(&spell_size(bytes)), Some(bytes), "{text}");
        }
        for text in ["", "k", "-1", "1.5M", "64X", "1 K", "99999999999G", "0x10"] {
            assert_eq!(parse_integer(text), None, "{text}");
        }
        assert_eq!(parse_count("3k"), Some(3072));
        assert_eq!([parse_count("1kb"), parse_count("4b")], [None, None]);
    }
}
