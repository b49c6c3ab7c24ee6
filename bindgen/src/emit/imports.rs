//! The traits that a host implements, and the functions that call them.

use super::{Text, Types, from_wire, result_wire, several, shown, to_wire, wires};
use crate::plan::{HostTrait, Method, Plan};
use crate::signature::{ParamType, ResultType};

pub(super) fn traits(text: &mut Text, plan: &Plan) {
    for host in &plan.traits {
        text.line("");
        text.line(format!(
            "/// What `{}` provides to the module `{}`.",
            shown(&host.module),
            plan.name
        ));
        text.line(format!(
            "pub trait {}: ::core::marker::Send + 'static {{",
            host.name
        ));
        for (index, method) in host.methods.iter().enumerate() {
            if index > 0 {
                text.line("");
            }
            text.line(format!(
                "/// The import `{}.{}`.",
                shown(&host.module),
                shown(&method.function)
            ));
            let types = Types(plan);
            let (params, result) = (types.params(method), types.result(method));
            if method.params.len() > 5 {
                text.line("#[allow(clippy::too_many_arguments)]");
            }
            let memory = match plan.has_memory {
                true => ", memory: &mut ::upshift::guest::GuestMemory<'_>",
                false => "",
            };
            text.line(format!(
                "fn {}(&mut self{memory}{params}) -> ::upshift::Result<{result}>;",
                method.name
            ));
        }
        text.line("}");
    }
}

/// The statements that define the host's functions in a linker.
pub(super) fn definitions(text: &mut Text, plan: &Plan) {
    for host in &plan.traits {
        for method in &host.methods {
            definition(text, plan, host, method);
        }
    }
}

fn definition(text: &mut Text, plan: &Plan, host: &HostTrait, method: &Method) {
    text.line("linker.func_wrap(");
    text.line(format!("{:?},", host.module));
    text.line(format!("{:?},", method.function));
    let params = method.params.iter().map(|param| {
        let wires = wires(param);
        let name = &param.name;
        match &param.ty {
            ParamType::Value(_) => format!(", {name}: {}", wires[0]),
            _ if wires.len() == 2 => format!(", {name}_at: u32, {name}_len: u32"),
            _ => format!(", {name}_at: u32"),
        }
    });
    let params: String = params.collect();
    let generic = &plan.generic;
    let caller = format!("mut caller: ::upshift::Caller<'_, ::upshift::guest::State<{generic}>>");
    let result = result_wire(method);
    text.line(format!(
        "|{caller}{params}| -> ::upshift::Result<{result}> {{"
    ));
    match plan.has_memory {
        true => text.line("let (mut memory, host) = ::upshift::guest::State::of(&mut caller)?;"),
        false => text.line("let host = &mut caller.data_mut().host;"),
    }
    let mut arguments = vec!["host".to_owned()];
    if plan.has_memory {
        arguments.push("&mut memory".to_owned());
    }
    let types = Types(plan);
    let mut outs = Vec::new();
    let mut back = Vec::new();
    for param in &method.params {
        let name = &param.name;
        let at = format!("::upshift::guest::Ptr::at({name}_at)");
        match &param.ty {
            ParamType::Value(item) => arguments.push(from_wire(item, name)),
            ParamType::Str => {
                text.line(format!(
                    "let {name} = memory.text({at}, {name}_len)?.to_owned();"
                ));
                arguments.push(format!("&{name}"));
            }
            ParamType::CStr => {
                text.line(format!("let {name} = memory.c_text({at})?.to_owned();"));
                arguments.push(format!("&{name}"));
            }
            ParamType::Slice { item, mutable, .. } => {
                let read = format!("read_vec::<{}>({at}, {name}_len)?", types.item(item));
                arguments.push(lent(text, name, &read, *mutable));
                if *mutable {
                    back.push(format!("memory.write_all({at}, &{name})?;"));
                }
            }
            ParamType::Ref { item, mutable } => {
                let read = format!("read::<{}>({at})?", types.item(item));
                arguments.push(lent(text, name, &read, *mutable));
                if *mutable {
                    back.push(format!("memory.write({at}, &{name})?;"));
                }
            }
            ParamType::Out(_) => {
                outs.push(name.clone());
                back.push(format!("memory.write({at}, &{name})?;"));
            }
        }
    }
    // Several traits may have a method of this name.
    let call = format!("{}::{}({})?", host.name, method.name, arguments.join(", "));
    let has_result = method.result.is_some();
    let results: Vec<String> = has_result
        .then(|| "result".to_owned())
        .into_iter()
        .chain(outs)
        .collect();
    let several = several(method);
    match &several {
        Some(items) => {
            text.line(format!("let results = {call};"));
            for (n, out) in results.iter().skip(1).enumerate() {
                text.line(format!("let {out} = results.{};", items.len() + n));
            }
        }
        None if results.is_empty() => text.line(format!("{call};")),
        None => text.line(format!("let {} = {call};", super::tuple(results))),
    }
    back.iter().for_each(|line| text.line(line));
    if let Some(items) = several {
        let items = items.iter().enumerate();
        let words = items.map(|(n, item)| to_wire(item, &format!("results.{n}")));
        text.line(format!("Ok({})", super::tuple(words.collect())));
    } else {
        return_one(text, method);
    }
    text.line("},");
    text.line(")?;");
}

/// Returns the one result of a host's function, or none.
fn return_one(text: &mut Text, method: &Method) {
    match &method.result {
        Some(ResultType::Value(item)) => text.line(format!("Ok({})", to_wire(item, "result"))),
        _ => text.line("Ok(())"),
    }
}

/// Reads what a parameter leads to into a variable; returns the argument that lends it.
fn lent(text: &mut Text, name: &str, read: &str, mutable: bool) -> String {
    let mutable = if mutable { "mut " } else { "" };
    text.line(format!("let {mutable}{name} = memory.{read};"));
    format!("&{mutable}{name}")
}
