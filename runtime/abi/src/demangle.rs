//! Names of functions as their programmers wrote them.
//!
//! Compilers of Rust and C++ put types and paths into names (*mangling*). Everything that shows a
//! function shows [`shown`]; everything that looks a function up by name takes both forms. Without
//! the feature `demangle` both are the same.

use std::borrow::Cow;
#[cfg(feature = "demangle")]
use std::fmt::{self, Write};

/// The longest name that is demangled, in bytes; and the longest result. Names are chosen by a
/// module's author, and a short one can stand for a very long one.
#[cfg(feature = "demangle")]
const LONGEST: usize = 8 << 10;

/// The name that a compiler of Rust or C++ has mangled, as it was written; `None` if it is no such
/// name, or stands for more than 8 KiB. Hashes that a compiler of Rust appends are left out.
#[cfg(feature = "demangle")]
pub fn demangled(name: &str) -> Option<String> {
    if name.len() > LONGEST || !(name.starts_with("_Z") || name.starts_with("_R")) {
        return None;
    }
    let mut out = Bounded(String::new());
    if let Ok(rust) = rustc_demangle::try_demangle(name) {
        write!(out, "{rust:#}").ok()?;
    } else {
        let options = cpp_demangle::DemangleOptions::new().recursion_limit(MAX_DEPTH);
        let symbol = cpp_demangle::Symbol::new(name).ok()?;
        symbol.structured_demangle(&mut out, &options).ok()?;
    }
    Some(out.0)
}

/// How deep a name of C++ may be nested.
#[cfg(feature = "demangle")]
const MAX_DEPTH: u32 = 64;

/// Always `None`: the feature `demangle` is off.
#[cfg(not(feature = "demangle"))]
pub fn demangled(_name: &str) -> Option<String> {
    None
}

/// The name to show: [`demangled`], else the name itself.
pub fn shown(name: &str) -> Cow<'_, str> {
    demangled(name).map_or(Cow::Borrowed(name), Cow::Owned)
}

/// Text of at most [`LONGEST`] bytes.
#[cfg(feature = "demangle")]
struct Bounded(String);

#[cfg(feature = "demangle")]
impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > LONGEST {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

#[cfg(all(test, feature = "demangle"))]
mod tests {
    use super::*;

    #[test]
    fn names_of_rust_and_cpp() {
        let shown = |name| shown(name).into_owned();
        let legacy = "_ZN4core3fmt9Formatter9write_str17h0123456789abcdefE";
        assert_eq!(shown(legacy), "core::fmt::Formatter::write_str");
        assert_eq!(shown("_RNvC6_123foo3bar"), "123foo::bar");
        assert_eq!(
            shown("_ZN3foo3barERKSsi"),
            "foo::bar(std::string const&, int)"
        );
        assert_eq!(shown("_Z3maxIiET_S0_S0_"), "int max<int>(int, int)");
        for plain in ["memcpy", "_start", "_Zebra", "_R", "", "main.run", "_ZN"] {
            assert_eq!(shown(plain), plain);
        }
    }

    /// A name of some hundred bytes, of which each part contains the one before twice.
    #[test]
    fn short_names_of_long_ones() {
        let mut name = "_Z1f1AIiiE".to_owned();
        for n in 0..60 {
            name += &match n {
                0 => "S_IS_S_E".to_owned(),
                n => format!("S_IS{0}_S{0}_E", (b'0' + (n % 10)) as char),
            };
        }
        assert!(demangled(&name).is_none_or(|text| text.len() <= LONGEST));
        assert_eq!(demangled(&format!("_Z{}", "P".repeat(7_000))), None);
        assert_eq!(demangled(&format!("_Z1f{}i", "P".repeat(7_000))), None);
        assert_eq!(demangled(&format!("_Z1f{}i", "P".repeat(70_000))), None);
    }
}
