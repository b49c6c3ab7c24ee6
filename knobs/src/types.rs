//! Which values a field of some Rust type takes, and how they become that type.

use std::path::PathBuf;
use std::time::Duration;

use crate::units::TimeUnit;
use crate::value::{Shape, Value, Values};

/// The values of a field, and both ways between them and its type.
#[derive(Clone, Copy, Debug)]
pub struct Type<T: 'static> {
    /// What the field takes.
    pub values: Values,
    /// A field's content from a value that [`Values::parse`] returned.
    pub read: fn(Value) -> T,
    /// The value of a field's content.
    pub show: fn(&T) -> Value,
}

/// Yes or no.
pub const SWITCH: Type<bool> = Type {
    values: Values::of(Shape::Switch),
    read: |value| value == Value::Switch(true),
    show: |content| Value::Switch(*content),
};

/// Defines the type for integers of one width in one shape, and that with `none`.
macro_rules! integers {
    ($(
        $name:ident, $optional:ident: $type:ty, $shape:ident { $($unit:ident)? },
        $what:literal;
    )*) => {$(
        #[doc = $what]
        pub const fn $name($($unit: &'static str,)? least: u64, most: u64) -> Type<$type> {
            Type {
                values: Values::of(Shape::$shape { $($unit,)? least, most }),
                read: |value| number(&value).unwrap_or_default() as $type,
                show: |content| Value::Number(*content as u64),
            }
        }

        #[doc = $what]
        /// Also `none`.
        pub const fn $optional(
            $($unit: &'static str,)?
            least: u64,
            most: u64,
        ) -> Type<Option<$type>> {
            Type {
                values: Values::or_none(Shape::$shape { $($unit,)? least, most }),
                read: |value| number(&value).map(|number| number as $type),
                show: |content| content.map_or(Value::None, |number| Value::Number(number as u64)),
            }
        }
    )*};
}
integers! {
    count_u32, count_u32_or_none: u32, Number { unit },
        "A number of units in a range of 32-bit numbers.";
    count, count_or_none: u64, Number { unit }, "A number of units in a range.";
    size_u32, size_u32_or_none: u32, Size {}, "A number of bytes in a range of 32-bit numbers.";
    size, size_or_none: usize, Size {}, "A number of bytes in a range.";
}

fn number(value: &Value) -> Option<u64> {
    match *value {
        Value::Number(number) => Some(number),
        _ => None,
    }
}

/// A number of units that may have a fraction, in a range.
pub const fn real(unit: &'static str, least: f64, most: f64) -> Type<f64> {
    Type {
        values: Values::of(Shape::Real { unit, least, most }),
        read: |value| match value {
            Value::Real(number) => number,
            _ => 0.0,
        },
        show: |content| Value::Real(*content),
    }
}

/// A length of time; a bare number is in the unit.
pub const fn time(bare: TimeUnit) -> Type<Duration> {
    Type {
        values: Values::of(Shape::Time { bare }),
        read: |value| duration(&value).unwrap_or_default(),
        show: |content| Value::Time(*content),
    }
}

/// A length of time, or `none`; a bare number is in the unit.
pub const fn time_or_none(bare: TimeUnit) -> Type<Option<Duration>> {
    Type {
        values: Values::or_none(Shape::Time { bare }),
        read: |value| duration(&value),
        show: |content| content.map_or(Value::None, Value::Time),
    }
}

fn duration(value: &Value) -> Option<Duration> {
    match *value {
        Value::Time(time) => Some(time),
        _ => None,
    }
}

/// Any text, which is what the argument says.
pub const fn text(what: &'static str) -> Type<Option<String>> {
    Type {
        values: Values::of(Shape::Text(what)),
        read: string,
        show: |content| content.clone().map_or(Value::None, Value::Text),
    }
}

/// A file name.
pub const PATH: Type<Option<PathBuf>> = path(Shape::Text("a file name"));

/// The name of a folder; without a value, the current one.
pub const FOLDER: Type<Option<PathBuf>> = path(Shape::Folder);

const fn path(shape: Shape) -> Type<Option<PathBuf>> {
    Type {
        values: Values::of(shape),
        read: |value| string(value).map(PathBuf::from),
        show: |content| {
            let path = content.as_ref().map(|path| path.display().to_string());
            path.map_or(Value::None, Value::Text)
        },
    }
}

fn string(value: Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

/// Makes the [`Type`] of an enum without fields from the names of its values.
///
/// ```
/// use upshift_knobs::choices;
/// use upshift_knobs::types::Type;
///
/// #[derive(Clone, Copy, Debug, PartialEq)]
/// enum Gear {
///     First,
///     Second,
/// }
///
/// const GEAR: Type<Gear> = choices!(Gear { "first" => First, "second" => Second });
/// assert_eq!((GEAR.read)(GEAR.values.parse("second").unwrap()), Gear::Second);
/// assert!(GEAR.values.parse("third").is_err());
/// ```
#[macro_export]
macro_rules! choices {
    ($type:ty { $($name:literal => $value:ident),+ $(,)? }) => {
        $crate::types::Type::<$type> {
            values: $crate::Values::of($crate::Shape::Choice(&[$($name),+])),
            read: |value| {
                const ALL: &[$type] = &[$(<$type>::$value),+];
                match value {
                    $crate::Value::Choice(index) => ALL[index],
                    _ => ALL[0],
                }
            },
            show: |content| {
                let name = match content { $(<$type>::$value => $name),+ };
                let names = [$($name),+];
                $crate::Value::Choice(names.iter().position(|other| *other == name).unwrap_or(0))
            },
        }
    };
}
