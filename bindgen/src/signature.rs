//! The types of C functions as Rust users want to call them, and the notation for them.
//!
//! A module says only that a function takes an `i32`; whether that is a number, a handle, or the
//! address of bytes whose length the next parameter has, stands in a signature:
//!
//! ```text
//! crc32(crc: u32, data: &[u8]) -> u32
//! open = sqlite3_open(path: cstr, db: out *Db) -> i32
//! ```
//!
//! | notation | parameters in WebAssembly | in Rust |
//! |---|---|---|
//! | `bool`, `i8` to `u32` | the value as `i32` | the same |
//! | `i64`, `u64`, `f32`, `f64` | the value | the same |
//! | `v128` | the value | `V128` |
//! | `externref` | the reference | `Option<ExternRef>` |
//! | `funcref` | the reference | `Option<Func>` |
//! | `exnref` | the reference | `Option<ExnRef>` |
//! | `*T` | an address | `Ptr<T>` |
//! | `&T`, `&mut T` | the address of a copy, which is copied back for `mut` | `&T`, `&mut T` |
//! | `out T` | the address of zeroes | none: a further result, `T` |
//! | `&[T]`, `&mut [T]` | address and number of elements of a copy | the same |
//! | `&[T; _]`, `&mut [T; _]` | the address alone | `&[T]`, `&mut [T]` |
//! | `&str` | address and length in bytes | the same |
//! | `cstr` | the address of bytes that end with a zero | `&str` |
//!
//! Results are values, `*T`, several of these as `(A, B)`, or `cstr` and `owned cstr`, which become
//! `Option<String>`; what is owned is freed in the module.

use crate::BindError;

/// A number that a parameter, a result or a field has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// A C `bool`: any value but 0 is true.
    Bool,
    /// `signed char`
    I8,
    /// `unsigned char`
    U8,
    /// `short`
    I16,
    /// `unsigned short`
    U16,
    /// `int`, `long`
    I32,
    /// `unsigned`, `size_t`
    U32,
    /// `long long`
    I64,
    /// `unsigned long long`
    U64,
    /// `float`
    F32,
    /// `double`
    F64,
    /// A vector of 128 bits.
    V128,
}

impl Scalar {
    const ALL: [(Self, &'static str); 12] = [
        (Self::Bool, "bool"),
        (Self::I8, "i8"),
        (Self::U8, "u8"),
        (Self::I16, "i16"),
        (Self::U16, "u16"),
        (Self::I32, "i32"),
        (Self::U32, "u32"),
        (Self::I64, "i64"),
        (Self::U64, "u64"),
        (Self::F32, "f32"),
        (Self::F64, "f64"),
        (Self::V128, "v128"),
    ];

    fn named(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, known)| *known == name);
        found.map(|&(scalar, _)| scalar)
    }

    /// The type's name in Rust.
    pub fn name(self) -> &'static str {
        match self {
            Self::V128 => "::upshift::V128",
            other => Self::ALL[other as usize].1,
        }
    }

    /// The type that passes it in WebAssembly.
    pub(crate) fn wire(self) -> Wire {
        match self {
            Self::I64 | Self::U64 => Wire::I64,
            Self::F32 => Wire::F32,
            Self::F64 => Wire::F64,
            Self::V128 => Wire::V128,
            _ => Wire::I32,
        }
    }
}

/// What a reference that has no place in a memory refers to. It may be null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference {
    /// A value of the host.
    Extern,
    /// A function.
    Func,
    /// An exception.
    Exn,
}

impl Reference {
    fn named(name: &str) -> Option<Self> {
        [Self::Extern, Self::Func, Self::Exn]
            .into_iter()
            .find(|it| it.notation() == name)
    }

    /// The type's name in WebAssembly and in signatures.
    pub fn notation(self) -> &'static str {
        match self {
            Self::Extern => "externref",
            Self::Func => "funcref",
            Self::Exn => "exnref",
        }
    }

    /// The type's name in Rust.
    pub fn name(self) -> &'static str {
        match self {
            Self::Extern => "::core::option::Option<::upshift::ExternRef>",
            Self::Func => "::core::option::Option<::upshift::Func>",
            Self::Exn => "::core::option::Option<::upshift::ExnRef>",
        }
    }
}

/// A type of WebAssembly that signatures are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    I32,
    I64,
    F32,
    F64,
    V128,
    Ref(Reference),
}

/// What has a place in the module's memory, and references, which have none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A number.
    Scalar(Scalar),
    /// The address of something.
    Pointer(Box<Item>),
    /// A struct, or the name of something that only addresses of are known.
    Named(String),
    /// So many elements.
    Array(Box<Item>, u32),
    /// Nothing that is known.
    Void,
    /// A reference, outside of memory.
    Reference(Reference),
}

/// The type of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParamType {
    /// A number or an address.
    Value(Item),
    /// Passed by the address of a copy.
    Ref {
        /// What the address is of.
        item: Item,
        /// Whether it is copied back.
        mutable: bool,
    },
    /// A result that is written to an address.
    Out(Item),
    /// Elements, passed by the address of a copy.
    Slice {
        /// What the elements are.
        item: Item,
        /// Whether they are copied back.
        mutable: bool,
        /// Whether their number is passed, too.
        counted: bool,
    },
    /// Text with its length.
    Str,
    /// Text that ends with a zero.
    CStr,
}

/// The type of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResultType {
    /// A number or an address.
    Value(Item),
    /// The address of text that ends with a zero, or null.
    CStr {
        /// Whether the caller frees it.
        owned: bool,
    },
}

/// A parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: ParamType,
}

/// How a function is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The method's name; the function's own if none is given.
    pub method: Option<String>,
    /// The function's name in the module; for an import, behind its module's and a dot.
    pub name: String,
    /// What it takes.
    pub params: Vec<Param>,
    /// What it returns.
    pub result: Option<ResultType>,
    /// What it returns besides, by further results: numbers and addresses.
    pub more: Vec<Item>,
}

impl Signature {
    /// Reads the notation.
    ///
    /// # Errors
    ///
    /// Says where in the text something else was expected.
    pub fn parse(text: &str) -> Result<Self, BindError> {
        let mut parser = Parser {
            text,
            at: 0,
            depth: 0,
        };
        let signature = parser.signature()?;
        parser.end()?;
        Ok(signature)
    }
}

/// Reads a struct's fields: `x: f64, name: [u8; 16]`.
///
/// # Errors
///
/// Says where in the text something else was expected.
pub(crate) fn parse_fields(text: &str) -> Result<Vec<(String, Item)>, BindError> {
    let mut parser = Parser {
        text,
        at: 0,
        depth: 0,
    };
    let mut fields = Vec::new();
    while !parser.rest().is_empty() {
        let name = parser.word("a field's name")?;
        parser.expect(":")?;
        fields.push((name, parser.item()?));
        if !parser.take(",") {
            break;
        }
    }
    parser.end()?;
    Ok(fields)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    /// The types that contain the one that is being read.
    depth: usize,
}

/// How deep types may be nested.
const MAX_DEPTH: usize = 16;

impl<'a> Parser<'a> {
    /// What has not been read, without spaces in front.
    fn rest(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let trimmed = rest.trim_start();
        self.at += rest.len() - trimmed.len();
        trimmed
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.rest().strip_prefix(token);
        let is_word = |text: &str| text.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        let found = found.is_some_and(|rest| !(is_word(token) && is_word(rest)));
        if found {
            self.at += token.len();
        }
        found
    }

    fn expect(&mut self, token: &str) -> Result<(), BindError> {
        match self.take(token) {
            true => Ok(()),
            false => Err(self.unexpected(&format!("`{token}`"))),
        }
    }

    fn unexpected(&mut self, expected: &str) -> BindError {
        let rest = self.rest();
        let found = match rest.chars().next() {
            None => "the end".to_owned(),
            Some(_) => format!("`{}`", rest.chars().take(12).collect::<String>()),
        };
        let text = self.text;
        BindError::new(format!(
            "in `{text}`: expected {expected}, found {found} (column {})",
            self.at + 1
        ))
    }

    fn end(&mut self) -> Result<(), BindError> {
        match self.rest() {
            "" => Ok(()),
            _ => Err(self.unexpected("the end")),
        }
    }

    fn word(&mut self, what: &str) -> Result<String, BindError> {
        let rest = self.rest();
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.'));
        match &rest[..end.unwrap_or(rest.len())] {
            "" => Err(self.unexpected(what)),
            word => {
                self.at += word.len();
                Ok(word.to_owned())
            }
        }
    }

    /// A function's name, in quotes where it has characters that words don't have.
    fn name(&mut self) -> Result<String, BindError> {
        let Some(quoted) = self.rest().strip_prefix('"') else {
            return self.word("a function's name");
        };
        let Some(end) = quoted.find('"') else {
            return Err(self.unexpected("a name in quotes"));
        };
        self.at += end + 2;
        Ok(quoted[..end].to_owned())
    }

    fn signature(&mut self) -> Result<Signature, BindError> {
        let first = self.name()?;
        let (method, name) = match self.take("=") {
            true => (Some(first), self.name()?),
            false => (None, first),
        };
        self.expect("(")?;
        let mut params = Vec::new();
        while !self.take(")") {
            let name = self.word("a parameter's name or `)`")?;
            self.expect(":")?;
            let ty = self.param_type()?;
            params.push(Param { name, ty });
            if !self.take(",") {
                self.expect(")")?;
                break;
            }
        }
        let mut more = Vec::new();
        let result = match self.take("->") {
            false => None,
            true if self.take("(") => {
                let first = ResultType::Value(self.value()?);
                while self.take(",") {
                    more.push(self.value()?);
                }
                self.expect(")")?;
                Some(first)
            }
            true => Some(self.result_type()?),
        };
        Ok(Signature {
            method,
            name,
            params,
            result,
            more,
        })
    }

    fn param_type(&mut self) -> Result<ParamType, BindError> {
        if self.take("out") {
            return Ok(ParamType::Out(self.item()?));
        }
        if self.take("cstr") {
            return Ok(ParamType::CStr);
        }
        if !self.take("&") {
            return Ok(ParamType::Value(self.value()?));
        }
        let mutable = self.take("mut");
        if !mutable && self.take("str") {
            return Ok(ParamType::Str);
        }
        if !self.take("[") {
            let item = self.item()?;
            return Ok(ParamType::Ref { item, mutable });
        }
        let item = self.item()?;
        if self.take("]") {
            return Ok(ParamType::Slice {
                item,
                mutable,
                counted: true,
            });
        }
        self.expect(";")?;
        if self.take("_") {
            self.expect("]")?;
            return Ok(ParamType::Slice {
                item,
                mutable,
                counted: false,
            });
        }
        let item = Item::Array(Box::new(item), self.length()?);
        Ok(ParamType::Ref { item, mutable })
    }

    fn result_type(&mut self) -> Result<ResultType, BindError> {
        if self.take("owned") {
            self.expect("cstr")?;
            return Ok(ResultType::CStr { owned: true });
        }
        if self.take("cstr") {
            return Ok(ResultType::CStr { owned: false });
        }
        Ok(ResultType::Value(self.value()?))
    }

    /// What a function takes or returns without memory.
    fn value(&mut self) -> Result<Item, BindError> {
        let at = self.at;
        match self.item()? {
            item @ (Item::Scalar(_) | Item::Pointer(_) | Item::Reference(_)) => Ok(item),
            _ => {
                self.at = at;
                Err(self.unexpected("a number, `*`, `&`, `out` or `cstr`"))
            }
        }
    }

    fn item(&mut self) -> Result<Item, BindError> {
        if self.depth > MAX_DEPTH {
            return Err(self.unexpected("a type that is not nested as deeply"));
        }
        self.depth += 1;
        let item = self.item_within();
        self.depth -= 1;
        item
    }

    fn item_within(&mut self) -> Result<Item, BindError> {
        if self.take("*") {
            return Ok(Item::Pointer(Box::new(self.item()?)));
        }
        if self.take("[") {
            let item = self.item()?;
            self.expect(";")?;
            return Ok(Item::Array(Box::new(item), self.length()?));
        }
        let name = self.word("a type")?;
        Ok(match Scalar::named(&name) {
            Some(scalar) => Item::Scalar(scalar),
            None if name == "void" => Item::Void,
            None => match Reference::named(&name) {
                Some(reference) => Item::Reference(reference),
                None => Item::Named(name),
            },
        })
    }

    /// The rest of an array's type, behind the semicolon.
    fn length(&mut self) -> Result<u32, BindError> {
        let word = self.word("a number of elements")?;
        let Ok(length) = word.parse() else {
            self.at -= word.len();
            return Err(self.unexpected("a number of elements"));
        };
        self.expect("]")?;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ty(text: &str) -> ParamType {
        let signature = Signature::parse(&format!("f(x: {text})")).unwrap();
        signature.params[0].ty.clone()
    }

    #[test]
    fn each_notation_is_read() {
        let byte = Item::Scalar(Scalar::U8);
        assert_eq!(ty("u8"), ParamType::Value(byte.clone()));
        assert_eq!(
            ty("*Db"),
            ParamType::Value(Item::Pointer(Box::new(Item::Named("Db".into()))))
        );
        let slice = |mutable, counted| ParamType::Slice {
            item: byte.clone(),
            mutable,
            counted,
        };
        assert_eq!(ty("&[u8]"), slice(false, true));
        assert_eq!(ty("&mut [u8; _]"), slice(true, false));
        let array = Item::Array(Box::new(byte.clone()), 16);
        let item = array.clone();
        assert_eq!(
            ty("&mut [u8; 16]"),
            ParamType::Ref {
                item,
                mutable: true
            }
        );
        assert_eq!(ty("out [u8; 16]"), ParamType::Out(array));
        assert_eq!(ty("&str"), ParamType::Str);
        assert_eq!(ty(" cstr "), ParamType::CStr);
        // A name that begins as a notation does.
        let item = Item::Named("output".into());
        assert_eq!(
            ty("&output"),
            ParamType::Ref {
                item,
                mutable: false
            }
        );

        let signature = Signature::parse("free = \"a-b\"() -> owned cstr").unwrap();
        assert_eq!(signature.method.as_deref(), Some("free"));
        assert_eq!(signature.name, "a-b");
        assert_eq!(signature.result, Some(ResultType::CStr { owned: true }));
        let signature = Signature::parse("divide(a: i64, b: i64) -> (i64, *node)").unwrap();
        let first = ResultType::Value(Item::Scalar(Scalar::I64));
        let second = Item::Pointer(Box::new(Item::Named("node".into())));
        assert_eq!(
            (signature.result, signature.more),
            (Some(first), vec![second])
        );
    }

    #[test]
    fn errors_say_where() {
        let error = |text| Signature::parse(text).unwrap_err().to_string();
        let deep = format!("f(a: {})", "*".repeat(1_000_000));
        for (text, place) in [
            ("f", "expected `(`, found the end (column 2)"),
            ("f(a b)", "expected `:`, found `b)` (column 5)"),
            (
                "f(a: [u8; x])",
                "expected a number of elements, found `x])` (column 11)",
            ),
            ("f(a: Point)", "found `Point)` (column 6)"),
            ("f() -> u8 x", "expected the end, found `x` (column 11)"),
            ("\"f", "expected a name in quotes"),
            (&deep, "not nested as deeply, found `***"),
        ] {
            assert!(error(text).contains(place), "{}", error(text));
        }
    }
}
