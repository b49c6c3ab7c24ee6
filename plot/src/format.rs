//! Formatting of numbers, quantities and dates for people.

/// The text where there is no number.
pub const NOTHING: &str = "–";

/// A number with that many significant digits, in full: no exponents, thin spaces between
/// thousands.
pub fn significant(value: f64, digits: i32) -> String {
    if !value.is_finite() {
        return NOTHING.to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    // Rounding first: 9.996 has one digit more before the point than it seems to have.
    let places = |value: f64| digits - 1 - value.abs().log10().floor() as i32;
    let scale = 10_f64.powi(places(value));
    let rounded = (value * scale).round() / scale;
    let decimals = places(rounded).clamp(0, 12) as usize;
    group(&format!("{rounded:.decimals$}"))
}

/// A whole number with thin spaces between thousands.
pub fn whole(value: u64) -> String {
    group(&value.to_string())
}

fn group(number: &str) -> String {
    let (sign, number) = number
        .strip_prefix('-')
        .map_or(("", number), |rest| ("−", rest));
    let (whole, fraction) = number.split_at(number.find('.').unwrap_or(number.len()));
    let mut grouped = String::from(sign);
    for (index, digit) in whole.chars().enumerate() {
        let following = whole.len() - index;
        if index > 0 && following.is_multiple_of(3) && whole.len() > 4 {
            grouped.push('\u{2009}');
        }
        grouped.push(digit);
    }
    grouped + fraction
}

/// A unit to show values in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unit {
    /// How many of this unit one base unit (second, byte) is.
    pub factor: f64,
    /// The symbol.
    pub symbol: &'static str,
}

impl Unit {
    /// Seconds, recorded in seconds.
    pub const S: Self = Self::new(1.0, "s");
    /// Milliseconds, recorded in seconds.
    pub const MS: Self = Self::new(1e3, "ms");
    /// Megabytes, of a million bytes.
    pub const MB: Self = Self::new(1e-6, "MB");
    /// Nanoseconds, recorded in nanoseconds.
    pub const NS: Self = Self::new(1.0, "ns");
    /// Microseconds, recorded in nanoseconds.
    pub const NS_AS_US: Self = Self::new(1e-3, "µs");
    /// Megabytes per second.
    pub const MB_PER_S: Self = Self::new(1e-6, "MB/s");
    /// A ratio.
    pub const TIMES: Self = Self::new(1.0, "×");

    const fn new(factor: f64, symbol: &'static str) -> Self {
        Self { factor, symbol }
    }

    /// The unit for times of at most `most` seconds.
    pub fn of_seconds(most: f64) -> Self {
        match most {
            most if most >= 1.0 => Self::S,
            most if most >= 1e-3 => Self::MS,
            most if most >= 1e-6 => Self::new(1e6, "µs"),
            _ => Self::new(1e9, "ns"),
        }
    }

    /// The unit for sizes of at most `most` bytes.
    pub fn of_bytes(most: f64) -> Self {
        match most {
            most if most >= 1e9 => Self::new(1e-9, "GB"),
            most if most >= 1e6 => Self::MB,
            most if most >= 1e3 => Self::new(1e-3, "kB"),
            _ => Self::new(1.0, "B"),
        }
    }

    /// The number without the symbol.
    pub fn number(self, value: f64) -> String {
        significant(value * self.factor, 3)
    }

    /// A round value for an axis: number and symbol without needless digits.
    pub fn text_of_tick(self, value: f64) -> String {
        // Rounded to nine digits, as round values have no more.
        let number = group(&format!("{:.9}", value * self.factor));
        let number = number.trim_end_matches('0').trim_end_matches('.');
        format!("{number}\u{a0}{}", self.symbol)
    }

    /// The number with the symbol.
    pub fn text(self, value: f64) -> String {
        if value.is_finite() {
            format!("{}\u{a0}{}", self.number(value), self.symbol)
        } else {
            NOTHING.to_owned()
        }
    }
}

/// A time in its best unit.
pub fn seconds(value: f64) -> String {
    Unit::of_seconds(value.abs()).text(value)
}

/// A size in its best unit.
pub fn bytes(value: f64) -> String {
    Unit::of_bytes(value.abs()).text(value)
}

/// A round time for an axis.
pub fn seconds_of_tick(value: f64) -> String {
    Unit::of_seconds(value * 1.000_001).text_of_tick(value)
}

/// A round size for an axis.
pub fn bytes_of_tick(value: f64) -> String {
    Unit::of_bytes(value * 1.000_001).text_of_tick(value)
}

/// A round number for an axis.
pub fn number_of_tick(value: f64) -> String {
    Unit::TIMES.text_of_tick(value).replace("\u{a0}×", "")
}

/// A time in UTC, from seconds since 1970.
pub fn moment(seconds: u64) -> String {
    let (mut days, of_day) = (seconds / 86_400, seconds % 86_400);
    let mut year = 1970;
    while days >= days_in_year(year) {
        days -= days_in_year(year);
        year += 1;
    }
    let february = days_in_year(year) - 337;
    let mut month = 0;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    format!(
        "{year}-{:02}-{:02} {:02}:{:02} UTC",
        month + 1,
        days + 1,
        of_day / 3600,
        of_day / 60 % 60
    )
}

fn days_in_year(year: u64) -> u64 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    365 + u64::from(leap)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_significant_ones() {
        assert_eq!(significant(1.2345, 3), "1.23");
        assert_eq!(significant(9.996, 3), "10.0");
        assert_eq!(significant(0.001_234, 3), "0.00123");
        assert_eq!(significant(1234.5, 3), "1230");
        assert_eq!(significant(1_234_567.0, 3), "1\u{2009}230\u{2009}000");
        assert_eq!(significant(-2.0, 2), "−2.0");
        assert_eq!(significant(0.0, 3), "0");
    }

    #[test]
    fn what_is_not_a_number_is_not_printed() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(significant(value, 3), NOTHING);
            assert_eq!(Unit::S.text(value), NOTHING);
        }
    }

    #[test]
    fn units_follow_the_value() {
        assert_eq!(seconds(0.0123), "12.3\u{a0}ms");
        assert_eq!(seconds(2.5e-5), "25.0\u{a0}µs");
        assert_eq!(bytes(65.8e6), "65.8\u{a0}MB");
        assert_eq!(bytes(12.0), "12.0\u{a0}B");
        assert_eq!(seconds_of_tick(0.02), "20\u{a0}ms");
        assert_eq!(seconds_of_tick(1e-3), "1\u{a0}ms");
        assert_eq!(bytes_of_tick(5e6), "5\u{a0}MB");
        assert_eq!(number_of_tick(0.1 + 0.2), "0.3");
        assert_eq!(number_of_tick(100.0), "100");
    }

    #[test]
    fn moments_are_calendar_dates() {
        assert_eq!(moment(0), "1970-01-01 00:00 UTC");
        assert_eq!(moment(951_782_400), "2000-02-29 00:00 UTC");
        assert_eq!(moment(1_795_349_999), "2026-11-22 12:19 UTC");
        assert_eq!(moment(1_798_761_599), "2026-12-31 23:59 UTC");
    }
}
