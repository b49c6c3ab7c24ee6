//! The built-in policies by name, with every parameter's name, unit, default and help.

use std::sync::Arc;

use upshift_knobs::types::{self, Type};
use upshift_knobs::{Param, Shape, Value, ValueError, Values, Variant};

use super::Policy;

/// Creates a policy from the parameters that were set.
type Make = fn(&[(&'static str, Value)]) -> Arc<dyn Policy>;

/// Declares the parameters of each built-in policy, once: its struct, its defaults, its entry in
/// the registry and its spec come from this table.
macro_rules! policies {
    ($(
        $policy:ident = $name:literal, $help:literal {
            $($field:ident = $default:literal, $param:literal, $type:expr, $param_help:literal;)*
        }
    )*) => {
        $(
            #[doc = $help]
            #[derive(Clone, Debug, PartialEq)]
            pub struct $policy {
                $(#[doc = $param_help] pub $field: f64,)*
            }

            impl Default for $policy {
                fn default() -> Self {
                    Self { $($field: $default,)* }
                }
            }

            impl $policy {
                /// The spec that recreates this policy.
                pub(super) fn to_spec(&self) -> String {
                    let mut params: Vec<String> = Vec::new();
                    $(params.push(format!(concat!($param, "={}"), self.$field));)*
                    params.insert(0, $name.to_string());
                    params.join(":")
                }

                fn make(params: &[(&'static str, Value)]) -> Arc<dyn Policy> {
                    #[allow(unused_mut, reason = "some policies have no parameters")]
                    let mut policy = Self::default();
                    for (name, value) in params {
                        match (*name, value) {
                            $(($param, Value::Real(value)) => policy.$field = *value,)*
                            _ => unreachable!("the table has no such parameter: {name}"),
                        }
                    }
                    Arc::new(policy)
                }
            }
        )*

        const VARIANTS: &[Variant] = &[$(Variant {
            name: $name,
            help: $help,
            params: &[$(Param {
                name: $param,
                values: $type.values,
                default: Value::Real($default),
                help: $param_help,
            },)*],
        },)*];

        /// In the order of the variants.
        const MAKERS: &[Make] = &[$($policy::make,)*];
    };
}

policies! {
    Never = "never", "Nothing is ever optimized." {}

    FirstCall = "first-call", "Every function is optimized as soon as it has code." {}

    FixedBudget = "fixed-budget",
        "A function is optimized after the same amount of work, whatever its size." {
        units = 1_000_000.0, "units", types::real("units", 1.0, 1e18),
            "work until something is optimized";
        slices = 4.0, "slices", types::real("", 1.0, 1000.0),
            "how often the policy is asked until then";
    }

    CostModel = "cost-model",
        "A function is optimized once its work so far could have paid for the compilation." {
        alpha = 1.0, "alpha", types::real("", 0.0, 1000.0),
            "fraction of the break-even point to wait for; less is earlier";
        fixed_us = 100.0, "fixed-us", types::real("us", 0.0, 1e9), "cost of any compilation";
        ns_per_byte = 1250.0, "ns-per-byte", types::real("ns", 0.0, 1e9),
            "cost of a compilation for each byte of the body";
        measured = 0.0, "measured", types::real("", 0.0, 1.0),
            "1: use the measured cost per byte as soon as there is one";
        speedup = 1.5, "speedup", types::real("", 1.01, 1000.0),
            "how much faster optimized code is";
        unit_ns = 1.0, "unit-ns", types::real("ns", 0.001, 1e6),
            "time that a budget unit stands for at least";
        max_unit_ns = 4.0, "max-unit-ns", types::real("ns", 0.001, 1e6),
            "time that a budget unit stands for at most";
        feedback = 0.0, "feedback", types::real("requests", 0.0, 1e6),
            "queue length per thread that doubles the threshold; 0: never";
        slices = 4.0, "slices", types::real("", 1.0, 1000.0),
            "how often the policy is asked until the threshold";
    }
}

/// The policy of engines that set none: the cost model.
pub fn default() -> Arc<dyn Policy> {
    Arc::new(CostModel::default())
}

/// Creates a built-in policy from `name` or `name:param=value:param=value`.
///
/// # Errors
///
/// If there is no such policy or parameter, or a value is out of its range.
pub fn from_spec(spec: &str) -> Result<Arc<dyn Policy>, ValueError> {
    POLICY.values.parse(spec).map(POLICY.read)
}

/// What an option that chooses a policy takes. A policy that is not built in is shown as it says.
pub(crate) const POLICY: Type<Arc<dyn Policy>> = Type {
    values: Values::of(Shape::Variant(VARIANTS)),
    read: |value| match value {
        Value::Variant(index, params) => MAKERS[index](&params),
        _ => default(),
    },
    show: |policy| Value::Text(policy.spec()),
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_is_made_again_from_its_spec() {
        for variant in VARIANTS {
            let policy = from_spec(variant.name).unwrap();
            let spec = policy.spec();
            assert!(spec.starts_with(variant.name), "{spec}");
            assert_eq!(from_spec(&spec).unwrap().spec(), spec);
        }
    }

    #[test]
    fn bad_specs_are_refused() {
        for spec in [
            "fastest",
            "never:x=1",
            "cost-model:alpha",
            "cost-model:alpha=-1",
            "cost-model:alpha=nan",
        ] {
            assert!(from_spec(spec).is_err(), "{spec}");
        }
    }
}
