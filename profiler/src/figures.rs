//! The macro that declares structs of figures, which the page of reports describes.

/// Declares a struct of figures, whose descriptions the page of reports repeats. A figure that a
/// log does not have is its default when the log is read.
macro_rules! figures {
    ($(#[$meta:meta])* $name:ident {
        $($(#[doc = $doc:literal])* $field:ident: $ty:ty,)*
    }) => {
        $(#[$meta])*
        #[cfg_attr(
            feature = "serde",
            derive(serde::Serialize, serde::Deserialize),
            serde(default)
        )]
        pub struct $name { $($(#[doc = $doc])* pub $field: $ty,)* }

        #[cfg(all(test, feature = "serde"))]
        impl $crate::random::Random for $name {
            fn random(rng: &mut fastrand::Rng) -> Self {
                Self { $($field: $crate::random::Random::random(rng),)* }
            }
        }

        #[cfg(test)]
        impl $name {
            /// Each figure with its description.
            pub(crate) const DESCRIPTIONS: &'static [$crate::reports::Described] =
                &[$((stringify!($field), &[$($doc),*]),)*];
        }
    };
}

pub(crate) use figures;
