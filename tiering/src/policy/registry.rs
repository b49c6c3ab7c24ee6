//! The built-in policies by name, with every parameter's name, type, unit, default and help.

use std::sync::Arc;

use upshift_knobs::types::Type;
use upshift_knobs::{Shape, Value, ValueError, Values, Variant};

use super::Policy;

/// Declares a built-in policy and its parameters, once: its struct, its defaults, its entry in the
/// registry and its spec come from this table. The line of help, and below it the source of the
/// policy's formula, become the documentation of the struct.
macro_rules! policy {
    (
        $(#[$doc:meta])*
        $policy:ident = $name:literal, $help:literal {
            $($field:ident: $rust:ty = $default:expr, $param:literal, $type:expr,
                $param_help:literal;)*
        }
    ) => {
        #[doc = $help]
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $policy {
            $(#[doc = concat!("`", $param, "`: ", $param_help, ".")] pub $field: $rust,)*
        }

        impl Default for $policy {
            fn default() -> Self {
                Self { $($field: ($type.read)($default),)* }
            }
        }

        impl $policy {
            /// The policy's entry in the registry.
            pub(super) const VARIANT: upshift_knobs::Variant = upshift_knobs::Variant {
                name: $name,
                help: $help,
                params: &[$(upshift_knobs::Param {
                    name: $param,
                    values: $type.values,
                    default: $default,
                    help: $param_help,
                },)*],
            };

            /// The spec that recreates this policy.
            pub(super) fn to_spec(&self) -> String {
                #[allow(unused_mut, reason = "some policies have no parameters")]
                let mut spec = $name.to_string();
                $(
                    let value = ($type.show)(&self.$field);
                    spec += &format!(":{}={}", $param, $type.values.spell(&value));
                )*
                spec
            }

            pub(super) fn make(
                params: &[(&'static str, upshift_knobs::Value)],
            ) -> std::sync::Arc<dyn super::Policy> {
                #[allow(unused_mut, reason = "some policies have no parameters")]
                let mut policy = Self::default();
                for (name, value) in params {
                    match *name {
                        $($param => policy.$field = ($type.read)(value.clone()),)*
                        _ => unreachable!("the table has no such parameter: {name} {value:?}"),
                    }
                }
                std::sync::Arc::new(policy)
            }
        }
    };
}
pub(super) use policy;

/// Creates a policy from the parameters that were set.
type Make = fn(&[(&'static str, Value)]) -> Arc<dyn Policy>;

/// Lists the built-in policies, in the order in which help shows them.
macro_rules! list {
    ($($policy:path),* $(,)?) => {
        const VARIANTS: &[Variant] = &[$(<$policy>::VARIANT,)*];
        const MAKERS: &[Make] = &[$(<$policy>::make,)*];
    };
}

list! {
    super::constant::Never,
    super::constant::FirstCall,
    super::constant::Eager,
    super::constant::FixedBudget,
    super::cost::CostModel,
    super::v8::V8Budget,
    super::spidermonkey::SmCost,
    super::jsc::JscPoints,
    super::hotspot::HotSpot,
    super::dotnet::DotNet,
    super::wizard::Wizard,
    super::jikes::Jikes,
    super::truffle::Truffle,
    super::ski_rental::SkiRental,
    super::ski_rental::AverageSkiRental,
    super::ski_rental::HintedSkiRental,
}

/// The policy of engines that set none: the cost model.
pub fn default() -> Arc<dyn Policy> {
    Arc::new(super::CostModel::default())
}

/// The built-in policies: names, help and parameters, in the order in which help shows them.
pub fn builtin() -> &'static [Variant] {
    VARIANTS
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
            "sm-cost:level=10",
            "dotnet:quiet-ms=soon",
        ] {
            assert!(from_spec(spec).is_err(), "{spec}");
        }
    }
}
