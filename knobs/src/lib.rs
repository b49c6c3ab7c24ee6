//! Options that are set by name and text: what each takes, one parser for each kind of value, help,
//! and errors that list what there is.
//!
//! A [`Knob`] is a row of a table: name, group, kind, values with unit and range, a line of help,
//! and the field that it sets. Tables stand where the fields are (tiering's in `upshift-tiering`,
//! the engine's in `upshift`, the command's in `upshift-cli`), all made by [`knobs!`]; the command
//! line, its help, the reference page and the benchmarks' variants are made from the rows.
//!
//! - `value`: the shapes of values, their parser and spelling;
//! - `units`: numbers with suffixes, for sizes and times;
//! - `types`: which shape a Rust type has;
//! - `help`: the text of `help`;
//! - `error`: what is said about names and values that don't exist.
//!
//! # Invariants
//!
//! - Knows no option, no engine and no command line but the groups' letters.
//! - A value reaches a field only if it is in the range of the option's row.

#![forbid(unsafe_code)]

mod error;
mod help;
pub mod types;
mod units;
mod value;

use std::fmt;

pub use error::{KnobError, did_you_mean, nearest};
pub use help::{Entry, help};
pub use units::TimeUnit;
pub use value::{Param, Shape, Value, ValueError, Values, Variant};

/// Which part of the system an option is about; one letter of the command line each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// When functions change tiers.
    Tiering,
    /// How code is made.
    Compile,
    /// What WebAssembly may do and use.
    Wasm,
    /// What is recorded and shown.
    Debug,
}

impl Group {
    /// All groups.
    pub const ALL: [Group; 4] = [Group::Tiering, Group::Compile, Group::Wasm, Group::Debug];

    /// Its letter on the command line.
    pub fn letter(self) -> char {
        match self {
            Group::Tiering => 'T',
            Group::Compile => 'C',
            Group::Wasm => 'W',
            Group::Debug => 'D',
        }
    }
}

/// What an option is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KnobKind {
    /// Chooses between ways to work.
    Mode,
    /// Switches something off to study it; never changes a result.
    Ablation,
    /// Moves a threshold or a size; never changes a result.
    Tuning,
    /// Bounds what a program may take, and ends it or refuses more beyond that.
    Limit,
    /// Lets modules use a proposal to the standard, or refuses those that do.
    Feature,
    /// Records, shows or checks what happens.
    Trace,
}

impl fmt::Display for KnobKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            KnobKind::Mode => "mode",
            KnobKind::Ablation => "ablation",
            KnobKind::Tuning => "tuning",
            KnobKind::Limit => "limit",
            KnobKind::Feature => "feature",
            KnobKind::Trace => "trace",
        })
    }
}

/// What there is to know about an option, whatever it belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Info {
    /// What it is about.
    pub group: Group,
    /// Its name, unique in its group.
    pub name: &'static str,
    /// What it is for.
    pub kind: KnobKind,
    /// The values that it takes, with unit and range.
    pub values: Values,
    /// What it does, in one line.
    pub help: &'static str,
}

/// An option of a `C`: a row of a table.
#[derive(Clone, Copy, Debug)]
pub struct Knob<C: 'static> {
    /// What it is.
    pub info: Info,
    /// Sets it to a value that [`Values::parse`] returned.
    pub set: fn(&mut C, Value),
    /// Returns its value.
    pub get: fn(&C) -> Value,
}

impl<C> Knob<C> {
    /// Sets the option.
    ///
    /// # Errors
    ///
    /// If the text is no value of it, or out of its range.
    pub fn apply(&self, target: &mut C, text: &str) -> Result<(), KnobError> {
        let value = self.info.values.parse(text);
        let value = value.map_err(|error| KnobError::value(&self.info, error))?;
        (self.set)(target, value);
        Ok(())
    }

    /// The option with its value in the target, as help and reports show it.
    pub fn entry(&self, target: &C) -> Entry {
        let value = (self.get)(target);
        Entry {
            info: self.info,
            value: self.info.values.spell(&value),
        }
    }
}

/// Makes a table of [`Knob`]s of one type. Each row names the group, the option, its kind, the
/// [type](types::Type) of its values, the field, and the line of help.
///
/// ```
/// use upshift_knobs::{Knob, knobs, types};
///
/// #[derive(Default)]
/// struct Oven {
///     degrees: u32,
///     grill: bool,
/// }
///
/// knobs! {
///     const OVEN: Oven {
///         Wasm "degrees": Tuning types::count_u32("degrees", 0, 250) => degrees,
///             "how hot it gets";
///         Wasm "grill": Mode types::SWITCH => grill, "whether heat comes from above";
///     }
/// }
///
/// let mut oven = Oven::default();
/// OVEN[0].apply(&mut oven, "180").unwrap();
/// assert_eq!(oven.degrees, 180);
/// let error = OVEN[0].apply(&mut oven, "300").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "-W degrees takes a number of degrees from 0 to 250, not `300`"
/// );
/// ```
#[macro_export]
macro_rules! knobs {
    (
        $(#[$attribute:meta])*
        $vis:vis const $table:ident: $target:ty {
            $(
                $group:ident $name:literal: $kind:ident $type:expr => $($field:ident).+,
                $help:literal;
            )*
        }
    ) => {
        $(#[$attribute])*
        $vis const $table: &[$crate::Knob<$target>] = &[$($crate::Knob {
            info: $crate::Info {
                group: $crate::Group::$group,
                name: $name,
                kind: $crate::KnobKind::$kind,
                values: $type.values,
                help: $help,
            },
            set: |target, value| target.$($field).+ = ($type.read)(value),
            get: |target| ($type.show)(&target.$($field).+),
        },)*];
    };
}
