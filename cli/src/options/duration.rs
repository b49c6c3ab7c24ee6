//! Lengths of time on the command line.

use std::time::Duration;

/// How they are written.
pub const VALUES: &str = "a time like 500ms, 1.5s, 2m or 1h (a bare number is seconds)";

/// Units, those that end like others first.
const UNITS: [(&str, f64); 6] = [
    ("ns", 1e-9),
    ("us", 1e-6),
    ("ms", 1e-3),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3600.0),
];

/// The time that the text means; `None` if it means none.
pub fn parse(text: &str) -> Option<Duration> {
    let unit = |&(unit, seconds)| Some((text.strip_suffix(unit)?, seconds));
    let (number, seconds) = UNITS.iter().find_map(unit).unwrap_or((text, 1.0));
    let digits = |c: char| c.is_ascii_digit() || c == '.';
    if !number.chars().all(digits) {
        return None;
    }
    let number: f64 = number.parse().ok()?;
    // A float of seconds is not exact to the nanosecond; nobody means fractions of one.
    let nanoseconds = (number * seconds * 1e9).round();
    (nanoseconds < u64::MAX as f64).then(|| Duration::from_nanos(nanoseconds as u64))
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
            ("7ns", 7),
            ("0.1", 100_000_000),
            ("3", 3_000_000_000),
            ("0s", 0),
        ];
        for (text, nanoseconds) in good {
            assert_eq!(
                parse(text),
                Some(Duration::from_nanos(nanoseconds)),
                "{text}"
            );
        }
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
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
