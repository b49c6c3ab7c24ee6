//! `--invoke`: calls one exported function with arguments given as text.

use anyhow::{Context as _, ensure};

use crate::run::Program;
use upshift::{Instance, Printable, Result, Store, Val, ValType};

/// The arguments don't fit the function: wrong usage rather than a failed run.
#[derive(Debug)]
pub struct UsageError(pub String);

impl std::fmt::Display for UsageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// Calls the function and returns its results, one per line.
pub fn call(
    store: &mut Store<Program>,
    instance: Instance,
    name: &str,
    args: &[String],
) -> Result<String> {
    let func = instance.get_func(&mut *store, name);
    let func = func.with_context(|| no_function(store, instance, name))?;
    let ty = func.ty(&*store);
    let expected = ty.params().len();
    ensure!(
        args.len() == expected,
        UsageError(format!(
            "`{}` has type {ty} and takes {expected} arguments, not {}",
            Printable(name),
            args.len()
        ))
    );
    let params = ty.params().zip(args).map(|(ty, text)| {
        parse(ty, text)
            .ok_or_else(|| UsageError(format!("`{}` is no value of type {ty}", Printable(text))))
    });
    let params = params.collect::<Result<Vec<Val>, _>>()?;
    let mut results: Vec<Val> = ty.results().map(Val::default_for_ty).collect();
    func.call(&mut *store, &params, &mut results)?;
    Ok(results.iter().map(|value| show(value) + "\n").collect())
}

fn no_function(store: &mut Store<Program>, instance: Instance, name: &str) -> String {
    let name = Printable(name);
    match exported_functions(store, instance).as_str() {
        "" => format!("no function is exported as `{name}`; the module exports none"),
        names => format!("no function is exported as `{name}`; there are {names}"),
    }
}

/// The names of all exported functions, as a list in a sentence.
pub fn exported_functions(store: &mut Store<Program>, instance: Instance) -> String {
    let functions: Vec<_> = instance
        .exports(store)
        .filter_map(|export| {
            let name = format!("`{}`", Printable(export.name()));
            export.into_extern().into_func().map(|_| name)
        })
        .collect();
    functions.join(", ")
}

/// Parses a number: decimal or `0x` integers, signed or unsigned; floats as Rust writes them;
/// vectors as `0x` integers.
fn parse(ty: ValType, text: &str) -> Option<Val> {
    Some(match ty {
        ValType::I32 => {
            let value = integer(text)?;
            let unsigned = || u32::try_from(value).ok().map(u32::cast_signed);
            Val::I32(i32::try_from(value).ok().or_else(unsigned)?)
        }
        ValType::I64 => {
            let value = integer(text)?;
            let unsigned = || u64::try_from(value).ok().map(u64::cast_signed);
            Val::I64(i64::try_from(value).ok().or_else(unsigned)?)
        }
        ValType::F32 => text.parse::<f32>().ok()?.into(),
        ValType::F64 => text.parse::<f64>().ok()?.into(),
        ValType::V128 => Val::V128(vector(text)?.into()),
        ValType::Ref(_) if text == "null" => Val::default_for_ty(ty),
        ValType::Ref(_) => return None,
    })
}

fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = text
        .strip_prefix('-')
        .map_or((false, text), |digits| (true, digits));
    let value = match digits.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => digits.parse(),
    };
    let value = i128::from(value.ok()?);
    Some(if negative { -value } else { value })
}

/// Parses a vector: the number that its bits are, in hexadecimal.
fn vector(text: &str) -> Option<u128> {
    u128::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

/// A value as it is printed.
pub fn show(value: &Val) -> String {
    match value {
        Val::I32(value) => value.to_string(),
        Val::I64(value) => value.to_string(),
        Val::F32(bits) => f32::from_bits(*bits).to_string(),
        Val::F64(bits) => f64::from_bits(*bits).to_string(),
        Val::V128(value) => value.to_string(),
        Val::FuncRef(None) | Val::ExternRef(None) | Val::ExnRef(None) => "null".into(),
        Val::FuncRef(Some(_)) => "<funcref>".into(),
        Val::ExternRef(Some(_)) => "<externref>".into(),
        Val::ExnRef(Some(_)) => "<exnref>".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_signed_or_unsigned() {
        assert_eq!(parse(ValType::I32, "-1").unwrap().i32(), Some(-1));
        assert_eq!(parse(ValType::I32, "4294967295").unwrap().i32(), Some(-1));
        assert_eq!(parse(ValType::I32, "0x10").unwrap().i32(), Some(16));
        assert!(parse(ValType::I32, "4294967296").is_none());
        assert!(parse(ValType::I32, "ten").is_none());
        assert_eq!(
            parse(ValType::I64, "0xffffffffffffffff").unwrap().i64(),
            Some(-1)
        );
    }

    #[test]
    fn floats_and_references() {
        assert_eq!(parse(ValType::F32, "1.5").unwrap().f32(), Some(1.5));
        assert!(parse(ValType::EXTERNREF, "null").is_some());
        assert!(parse(ValType::FUNCREF, "f").is_none());
    }
}
