//! The built-in policies by name, with every parameter's name, type, unit, default and help.

use std::sync::Arc;

use upshift_knobs::types::Type;
use upshift_knobs::{Shape, Value, ValueError, Values, Variant};

use super::Policy;
use crate::variant::list;

/// Declares a built-in policy and its parameters; see [`variant!`](crate::variant::variant).
macro_rules! policy {
    ($($policy:tt)*) => { crate::variant::variant! { dyn crate::policy::Policy; $($policy)* } };
}
pub(super) use policy;

list! { dyn Policy;
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
