//! The built-in policies by name, with every parameter's name, unit, default and help.

use std::sync::Arc;

use super::Policy;
use crate::config::{ConfigError, Spec};

/// An entry of the registry: a parameter of a built-in policy.
#[derive(Clone, Copy, Debug)]
pub struct ParamInfo {
    /// The parameter's name in specs and descriptions.
    pub name: &'static str,
    /// The unit of the parameter's value; empty if it has none.
    pub unit: &'static str,
    /// The default value.
    pub default: f64,
    /// A line of help.
    pub help: &'static str,
}

/// An entry of the registry: a built-in policy.
#[derive(Clone, Copy, Debug)]
pub struct PolicyInfo {
    /// The policy's name in specs and descriptions.
    pub name: &'static str,
    /// A line of help.
    pub help: &'static str,
    /// The policy's parameters.
    pub params: &'static [ParamInfo],
    make: Make,
}

/// Creates a policy from its parameters.
type Make = fn(&[(&str, f64)]) -> Result<Arc<dyn Policy>, ConfigError>;

/// Declares the parameters of each built-in policy, once: its struct, its defaults, its entry in
/// the registry and its spec come from this table.
macro_rules! policies {
    ($(
        $type:ident = $name:literal, $help:literal {
            $($field:ident = $default:literal, $param:literal, $unit:literal, $param_help:literal;)*
        }
    )*) => {
        $(
            #[doc = $help]
            #[derive(Clone, Debug, PartialEq)]
            pub struct $type {
                $(#[doc = $param_help] pub $field: f64,)*
            }

            impl Default for $type {
                fn default() -> Self {
                    Self { $($field: $default,)* }
                }
            }

            impl $type {
                /// The spec that recreates this policy.
                pub(super) fn to_spec(&self) -> String {
                    let mut params: Vec<String> = Vec::new();
                    $(params.push(format!(concat!($param, "={}"), self.$field));)*
                    params.insert(0, $name.to_string());
                    params.join(":")
                }

                fn make(params: &[(&str, f64)]) -> Result<Arc<dyn Policy>, ConfigError> {
                    #[allow(unused_mut)]
                    let mut policy = Self::default();
                    for &(name, value) in params {
                        if !(value.is_finite() && value >= 0.0) {
                            return Err(ConfigError::bad(name, value));
                        }
                        match name {
                            $($param => policy.$field = value,)*
                            _ => {
                                let name = format!(concat!($name, ":{}"), name);
                                return Err(ConfigError::UnknownName(name));
                            }
                        }
                    }
                    Ok(Arc::new(policy))
                }
            }
        )*

        /// Every built-in policy.
        pub const REGISTRY: &[PolicyInfo] = &[$(PolicyInfo {
            name: $name,
            help: $help,
            params: &[$(ParamInfo {
                name: $param,
                unit: $unit,
                default: $default,
                help: $param_help,
            },)*],
            make: $type::make,
        },)*];
    };
}

policies! {
    Never = "never", "Nothing is ever optimized." {}

    FirstCall = "first-call", "Every function is optimized as soon as it has code." {}

    FixedBudget = "fixed-budget",
        "A function is optimized after the same amount of work, whatever its size." {
        units = 1_000_000.0, "units", "units", "work until something is optimized";
        slices = 4.0, "slices", "", "how often the policy is asked until then";
    }

    CostModel = "cost-model",
        "A function is optimized once its work so far could have paid for the compilation." {
        alpha = 1.0, "alpha", "", "fraction of the break-even point to wait for; less is earlier";
        fixed_us = 100.0, "fixed-us", "us", "cost of any compilation";
        ns_per_byte = 1250.0, "ns-per-byte", "ns",
            "cost of a compilation for each byte of the body";
        measured = 0.0, "measured", "", "1: use the measured cost per byte as soon as there is one";
        speedup = 1.5, "speedup", "", "how much faster optimized code is; at least 1.01";
        unit_ns = 1.0, "unit-ns", "ns", "time that a budget unit stands for at least";
        max_unit_ns = 4.0, "max-unit-ns", "ns", "time that a budget unit stands for at most";
        feedback = 0.0, "feedback", "requests",
            "queue length per thread that doubles the threshold; 0: never";
        slices = 4.0, "slices", "", "how often the policy is asked until the threshold";
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
/// If there is no such policy or parameter, or a value is not a number of at least 0.
pub fn from_spec(spec: &str) -> Result<Arc<dyn Policy>, ConfigError> {
    let Spec { name, params } = Spec::parse(spec)?;
    let number = |(param, value): (_, &str)| match value.parse() {
        Ok(number) => Ok((param, number)),
        Err(_) => Err(ConfigError::bad(param, value)),
    };
    let params: Vec<_> = params.into_iter().map(number).collect::<Result<_, _>>()?;
    make(name, &params)
}

/// Creates a built-in policy from a TOML table: `name`, and parameters as keys.
///
/// # Errors
///
/// As [`from_spec`].
pub fn from_table(table: &toml::Table) -> Result<Arc<dyn Policy>, ConfigError> {
    let mut name = None;
    let mut params = Vec::new();
    for (key, value) in table {
        match value {
            toml::Value::String(text) if key == "name" => name = Some(text.as_str()),
            toml::Value::Integer(n) => params.push((key.as_str(), *n as f64)),
            toml::Value::Float(n) => params.push((key.as_str(), *n)),
            _ => return Err(ConfigError::bad(key, value)),
        }
    }
    let name = name.ok_or_else(|| ConfigError::Toml("the policy has no `name`".to_string()))?;
    make(name, &params)
}

fn make(name: &str, params: &[(&str, f64)]) -> Result<Arc<dyn Policy>, ConfigError> {
    let info = REGISTRY.iter().find(|info| info.name == name);
    let info = info.ok_or_else(|| ConfigError::bad("policy", name))?;
    (info.make)(params)
}

/// The help text: one line for each policy and parameter.
pub fn help() -> String {
    let mut out = String::new();
    for policy in REGISTRY {
        out.push_str(&format!("  {:<20} {}\n", policy.name, policy.help));
        for ParamInfo {
            name,
            unit,
            default,
            help,
        } in policy.params
        {
            let space = if unit.is_empty() { "" } else { " " };
            out.push_str(&format!("    {name:<18} {help} [{default}{space}{unit}]\n"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_is_made_again_from_its_spec() {
        for info in REGISTRY {
            let policy = from_spec(info.name).unwrap();
            let spec = policy.spec();
            assert!(spec.starts_with(info.name), "{spec}");
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
