//! What is known of a function before it runs.

use upshift_abi::hints::{FunctionHints, Priority};

/// What compilation hints or an earlier run say about a function.
///
/// The first three are those of the section `metadata.code.compilation_priority` of the
/// WebAssembly proposal for compilation hints (phase 2, overview of July 2025); the last is that of
/// our own section `metadata.code.upshift_units`, or from the trace of an earlier run. A hint may
/// be wrong: what a policy does with it must be bearable then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hint {
    /// The order in which functions want to be compiled for the first time; 0 is first.
    pub compilation: Option<u32>,
    /// The order in which functions want to be optimized: about the negative logarithm of the
    /// probability that the function is on top of the stack, so lower is hotter. The proposal
    /// leaves the base open; policies take 2.
    pub optimization: Option<u32>,
    /// Whether the function runs once only (an optimization priority of 127).
    pub run_once: bool,
    /// Budget units that the function is expected to use in the whole run.
    pub expected_units: Option<u64>,
}

impl Hint {
    /// What hints of a module say of a function; `None` if nothing that policies use.
    pub fn of(hints: &FunctionHints) -> Option<Self> {
        let optimization = hints.priority.and_then(|priority| priority.optimization);
        let run_once = optimization == Some(Priority::RUN_ONCE);
        let hint = Self {
            compilation: hints.priority.map(|priority| priority.compilation),
            optimization: optimization.filter(|_| !run_once),
            run_once,
            expected_units: hints.units,
        };
        (hint != Self::default()).then_some(hint)
    }

    /// The budget units that the function is expected to use if the whole program uses that many;
    /// `None` where the hint says nothing of the kind.
    ///
    /// A measured or estimated number is taken as it is; a priority means its share of the
    /// program's units; a function that runs once is expected to use none.
    pub fn expected(&self, program_units: f64) -> Option<f64> {
        if let Some(units) = self.expected_units {
            return Some(units as f64);
        }
        if self.run_once {
            return Some(0.0);
        }
        let priority = self.optimization?;
        Some(program_units * (-f64::from(priority)).exp2())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_of_a_module_are_taken_over() {
        let priority = |optimization| FunctionHints {
            priority: Some(Priority {
                compilation: 4,
                optimization,
            }),
            ..FunctionHints::default()
        };
        let hint = |hints| Hint::of(&hints).unwrap();
        assert_eq!(Hint::of(&FunctionHints::default()), None);
        assert_eq!(hint(priority(None)).compilation, Some(4));
        assert_eq!(hint(priority(Some(3))).optimization, Some(3));
        assert!(!hint(priority(Some(3))).run_once);
        let once = hint(priority(Some(127)));
        assert!(once.run_once && once.optimization.is_none());
        let units = FunctionHints {
            units: Some(9),
            ..FunctionHints::default()
        };
        assert_eq!(hint(units).expected_units, Some(9));
    }

    #[test]
    fn what_is_expected_of_a_function() {
        assert_eq!(Hint::default().expected(1e6), None);
        let priority = Hint {
            optimization: Some(3),
            ..Hint::default()
        };
        assert_eq!(priority.expected(1e6), Some(125_000.0));
        let once = Hint {
            run_once: true,
            ..priority
        };
        assert_eq!(once.expected(1e6), Some(0.0));
        let measured = Hint {
            expected_units: Some(77),
            ..once
        };
        assert_eq!(measured.expected(1e6), Some(77.0));
    }
}
