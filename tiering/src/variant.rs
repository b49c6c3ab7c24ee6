//! Tables of objects that options choose by name: policies and queue disciplines.

/// Declares an object that can be chosen by name, and its parameters, once: its struct, its
/// defaults, its entry in a registry and its spec come from this table. The line of help, and below
/// it the source of the object's formula, become the documentation of the struct.
macro_rules! variant {
    (
        dyn $trait:path;
        $(#[$doc:meta])*
        $object:ident = $name:literal, $help:literal {
            $($field:ident: $rust:ty = $default:expr, $param:literal, $type:expr,
                $param_help:literal;)*
        }
    ) => {
        #[doc = $help]
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $object {
            $(#[doc = concat!("`", $param, "`: ", $param_help, ".")] pub $field: $rust,)*
        }

        impl Default for $object {
            fn default() -> Self {
                Self { $($field: ($type.read)($default),)* }
            }
        }

        impl $object {
            /// The entry in the registry.
            pub(crate) const VARIANT: upshift_knobs::Variant = upshift_knobs::Variant {
                name: $name,
                help: $help,
                params: &[$(upshift_knobs::Param {
                    name: $param,
                    values: $type.values,
                    default: $default,
                    help: $param_help,
                },)*],
            };

            /// The spec that recreates this object.
            pub(crate) fn to_spec(&self) -> String {
                #[allow(unused_mut, reason = "some have no parameters")]
                let mut spec = $name.to_string();
                $(
                    let value = ($type.show)(&self.$field);
                    spec += &format!(":{}={}", $param, $type.values.spell(&value));
                )*
                spec
            }

            pub(crate) fn make(
                params: &[(&'static str, upshift_knobs::Value)],
            ) -> std::sync::Arc<dyn $trait> {
                #[allow(unused_mut, reason = "some have no parameters")]
                let mut object = Self::default();
                for (name, value) in params {
                    match *name {
                        $($param => object.$field = ($type.read)(value.clone()),)*
                        _ => unreachable!("the table has no such parameter: {name} {value:?}"),
                    }
                }
                std::sync::Arc::new(object)
            }
        }
    };
}

/// Lists objects that [`variant!`] has declared, in the order in which help shows them.
macro_rules! list {
    (dyn $trait:path; $($object:path),* $(,)?) => {
        const VARIANTS: &[upshift_knobs::Variant] = &[$(<$object>::VARIANT,)*];

        /// Creates an object from the parameters that were set; in the order of the variants.
        const MAKERS: &[fn(&[(&'static str, upshift_knobs::Value)]) -> std::sync::Arc<dyn $trait>] =
            &[$(<$object>::make,)*];
    };
}

pub(crate) use {list, variant};
