//! The text of bindings.
//!
//! Every path begins with `::`, so that the text means the same wherever it stands.

mod exports;
mod imports;
mod structs;

use crate::plan::{Method, Plan};
use crate::signature::{Item, Param, ParamType, ResultType, Scalar};

/// The items for a plan; they contain the module where a path for `include_bytes!` is given.
pub(crate) fn items(plan: &Plan, include: Option<&str>) -> String {
    let mut text = Text::default();
    exports::library(&mut text, plan, include);
    imports::traits(&mut text, plan);
    structs::structs(&mut text, plan);
    text.text
}

/// Lines of Rust.
#[derive(Default)]
struct Text {
    text: String,
    /// Blocks that are open.
    depth: usize,
}

impl Text {
    /// Appends a line; one that begins or ends with a bracket ends or begins a block.
    fn line(&mut self, line: impl AsRef<str>) {
        let line = line.as_ref();
        if line.starts_with(['}', ')']) {
            self.depth = self.depth.saturating_sub(1);
        }
        if !line.is_empty() {
            self.text.extend(std::iter::repeat_n("    ", self.depth));
            self.text.push_str(line);
        }
        self.text.push('\n');
        if line.ends_with(['{', '(']) {
            self.depth += 1;
        }
    }
}

/// Names of the types and the module in signatures.
struct Types<'a>(&'a Plan);

impl Types<'_> {
    /// The name of a type in Rust.
    fn item(&self, item: &Item) -> String {
        match item {
            Item::Scalar(scalar) => scalar.name().to_owned(),
            Item::Pointer(item) => format!("::upshift::guest::Ptr<{}>", self.item(item)),
            Item::Array(item, length) => format!("[{}; {length}]", self.item(item)),
            Item::Void => "u8".to_owned(),
            Item::Reference(reference) => reference.name().to_owned(),
            Item::Named(name) => match self.0.structs.get(name) {
                Some(found) => found.name.clone(),
                None => self.0.opaque[name].clone(),
            },
        }
    }

    /// The type of a parameter of a method; `None` if it has none.
    fn param(&self, ty: &ParamType) -> Option<String> {
        let reference = |mutable| if mutable { "&mut " } else { "&" };
        Some(match ty {
            ParamType::Value(item) => self.item(item),
            ParamType::Ref { item, mutable } => reference(*mutable).to_owned() + &self.item(item),
            ParamType::Slice { item, mutable, .. } => {
                format!("{}[{}]", reference(*mutable), self.item(item))
            }
            ParamType::Str | ParamType::CStr => "&str".to_owned(),
            ParamType::Out(_) => return None,
        })
    }

    /// The names and types of a method's parameters, each behind a comma.
    fn params(&self, method: &Method) -> String {
        let params = method.params.iter().filter_map(|param| {
            let ty = self.param(&param.ty)?;
            Some(format!(", {}: {ty}", param.name))
        });
        params.collect()
    }

    /// The type that a method returns: the result, and what it writes.
    fn result(&self, method: &Method) -> String {
        let result = method.result.as_ref().map(|result| match result {
            ResultType::Value(item) => self.item(item),
            ResultType::CStr { .. } => "::core::option::Option<::std::string::String>".to_owned(),
        });
        let more = method.more.iter().map(|item| self.item(item));
        let outs = method.params.iter().filter_map(|param| match &param.ty {
            ParamType::Out(item) => Some(self.item(item)),
            _ => None,
        });
        tuple(result.into_iter().chain(more).chain(outs).collect())
    }
}

/// A name of the module's in a comment, where it neither ends the line nor turns its direction.
fn shown(name: &str) -> String {
    let shown = |c: char| match c {
        '"' | '\'' => c.to_string(),
        c => c.escape_debug().to_string(),
    };
    name.chars().map(shown).collect()
}

/// One of them, or a tuple of several or none.
fn tuple(parts: Vec<String>) -> String {
    match <[String; 1]>::try_from(parts) {
        Ok([part]) => part,
        Err(parts) => format!("({})", parts.join(", ")),
    }
}

/// The type that passes a value in WebAssembly, where addresses and lengths are unsigned.
fn wire(item: &Item) -> &'static str {
    match item {
        Item::Scalar(Scalar::I8 | Scalar::I16) => "i32",
        Item::Scalar(Scalar::Bool | Scalar::U8 | Scalar::U16) => "u32",
        Item::Scalar(scalar) => scalar.name(),
        Item::Reference(reference) => reference.name(),
        _ => "u32",
    }
}

/// A value as WebAssembly passes it.
fn to_wire(item: &Item, value: &str) -> String {
    match item {
        Item::Scalar(scalar) if scalar.name() == wire(item) => value.to_owned(),
        Item::Scalar(_) => format!("{}::from({value})", wire(item)),
        Item::Reference(_) => value.to_owned(),
        _ => format!("{value}.address()"),
    }
}

/// A value as Rust has it.
fn from_wire(item: &Item, value: &str) -> String {
    match item {
        Item::Scalar(Scalar::Bool) => format!("{value} != 0"),
        Item::Scalar(scalar) if scalar.name() == wire(item) => value.to_owned(),
        // C passes what is smaller than 32 bits in 32 of them.
        Item::Scalar(scalar) => format!("{value} as {}", scalar.name()),
        Item::Reference(_) => value.to_owned(),
        _ => format!("::upshift::guest::Ptr::at({value})"),
    }
}

/// The types that a parameter has in WebAssembly.
fn wires(param: &Param) -> Vec<&'static str> {
    match &param.ty {
        ParamType::Value(item) => vec![wire(item)],
        ParamType::Str | ParamType::Slice { counted: true, .. } => vec!["u32", "u32"],
        _ => vec!["u32"],
    }
}

/// The type that a function returns in WebAssembly.
fn result_wire(method: &Method) -> String {
    let first = method.result.as_ref().map(|result| match result {
        ResultType::Value(item) => wire(item),
        ResultType::CStr { .. } => "u32",
    });
    let more = method.more.iter().map(wire);
    tuple(first.into_iter().chain(more).map(str::to_owned).collect())
}

/// The results of a function that has several.
fn several(method: &Method) -> Option<Vec<&Item>> {
    let Some(ResultType::Value(first)) = &method.result else {
        return None;
    };
    let all = std::iter::once(first).chain(&method.more);
    (!method.more.is_empty()).then(|| all.collect())
}
