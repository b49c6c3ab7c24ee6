//! The struct with a method for each exported function.

use super::{Text, Types, from_wire, result_wire, several, shown, to_wire, tuple, wires};
use crate::plan::{GlobalMethods, Method, Plan};
use crate::signature::{ParamType, Reference, ResultType, Scalar, Wire};

/// What the generics of a plan's struct are.
struct Generics {
    /// Behind `impl`: `<H: EnvImports>`.
    declared: String,
    /// Behind the struct's name: `<H>`.
    used: String,
    /// The type of the host.
    host: String,
}

impl Generics {
    fn new(plan: &Plan) -> Self {
        if plan.traits.is_empty() {
            return Self {
                declared: String::new(),
                used: String::new(),
                host: "()".to_owned(),
            };
        }
        let traits: Vec<&str> = plan.traits.iter().map(|host| host.name.as_str()).collect();
        Self {
            declared: format!("<{}: {}>", plan.generic, traits.join(" + ")),
            used: format!("<{}>", plan.generic),
            host: plan.generic.clone(),
        }
    }
}

pub(super) fn library(text: &mut Text, plan: &Plan, include: Option<&str>) {
    let name = &plan.name;
    let generics = Generics::new(plan);
    let Generics {
        declared,
        used,
        host,
    } = &generics;
    text.line(format!(
        "/// The library `{name}`: a WebAssembly module with a store of its own."
    ));
    text.line("///");
    text.line("/// It is also an `upshift::guest::Library`: its memory, its allocator, callbacks.");
    for (function, why) in &plan.skipped {
        let function = shown(function);
        text.line(format!("// `{function}` has no method: {why}."));
    }
    text.line("#[derive(Debug)]");
    if plan.methods.iter().any(|method| method.params.len() > 6) {
        text.line("#[allow(clippy::type_complexity)]");
    }
    text.line(format!("pub struct {name}{declared} {{"));
    text.line(format!("library: ::upshift::guest::Library<{host}>,"));
    for method in &plan.methods {
        let (params, result) = (params(method), result_wire(method));
        let ty = format!("::upshift::TypedFunc<{params}, {result}>");
        text.line(format!("{}: {ty},", method.name));
    }
    for global in &plan.globals {
        text.line(format!("{}: ::upshift::Global,", global.get));
    }
    text.line("}");
    text.line("");
    // A program rarely calls all functions of a library, whose names are not Rust's.
    text.line("#[allow(dead_code, clippy::all)]");
    text.line(format!("impl{declared} {name}{used} {{"));
    constructors(text, plan, &generics, include);
    for method in &plan.methods {
        text.line("");
        export(text, plan, method);
    }
    for global in &plan.globals {
        text.line("");
        accessors(text, global);
    }
    text.line("}");
    text.line("");
    let library = format!("::upshift::guest::Library<{host}>");
    text.line(format!(
        "impl{declared} ::std::ops::Deref for {name}{used} {{"
    ));
    text.line(format!("type Target = {library};"));
    text.line("");
    text.line("fn deref(&self) -> &Self::Target {");
    text.line("&self.library");
    text.line("}");
    text.line("}");
    text.line("");
    text.line(format!(
        "impl{declared} ::std::ops::DerefMut for {name}{used} {{"
    ));
    text.line("fn deref_mut(&mut self) -> &mut Self::Target {");
    text.line("&mut self.library");
    text.line("}");
    text.line("}");
}

fn constructors(text: &mut Text, plan: &Plan, generics: &Generics, include: Option<&str>) {
    let host = match plan.traits.is_empty() {
        true => String::new(),
        false => format!(", host: {}", plan.generic),
    };
    let wasi = if plan.imports_wasi {
        ", wasi: ::upshift::wasi::WasiCtx"
    } else {
        ""
    };
    let host_value = if plan.traits.is_empty() { "()" } else { "host" };
    let state = match plan.imports_wasi {
        true => format!("::upshift::guest::State::with_wasi({host_value}, wasi)"),
        false => format!("::upshift::guest::State::new({host_value})"),
    };
    if let Some(path) = include {
        text.line("/// The module that these bindings were made of.");
        text.line(format!(
            "pub const WASM: &'static [u8] = ::core::include_bytes!({path:?});"
        ));
        text.line("");
        text.line(
            "/// Compiles [`WASM`](Self::WASM) with a default engine, and makes an instance.",
        );
        text.line("/// Programs that make several load the module once, and use `new`.");
        let rest = format!("{}{}", &host, &wasi);
        let params = rest.strip_prefix(", ").unwrap_or("");
        text.line(format!(
            "pub fn load({params}) -> ::upshift::Result<Self> {{"
        ));
        text.line("let engine = ::upshift::Engine::default();");
        let host = if host.is_empty() { "" } else { ", host" };
        let wasi = if wasi.is_empty() { "" } else { ", wasi" };
        text.line("let module = ::upshift::Module::new(&engine, Self::WASM)?;");
        text.line(format!("Self::new(&module{host}{wasi})"));
        text.line("}");
        text.line("");
    }
    text.line("/// Makes an instance of the module, and checks that its functions are those that");
    text.line("/// these bindings were made for.");
    let params = format!("module: &::upshift::Module{host}{wasi}");
    text.line(format!(
        "pub fn new({params}) -> ::upshift::Result<Self> {{"
    ));
    text.line(format!("let state = {state};"));
    text.line("let store = ::upshift::Store::new(module.engine(), state);");
    text.line("Self::with_store(module, store)");
    text.line("}");
    text.line("");
    text.line("/// Like `new`, in a store that has for example limits or a deadline.");
    text.line("pub fn with_store(");
    text.line("module: &::upshift::Module,");
    let state = format!("::upshift::guest::State<{}>", generics.host);
    text.line(format!("store: ::upshift::Store<{state}>,"));
    text.line(") -> ::upshift::Result<Self> {");
    let mutable = if plan.traits.is_empty() && !plan.imports_wasi {
        ""
    } else {
        "mut "
    };
    text.line(format!(
        "let {mutable}linker = ::upshift::Linker::new(module.engine());"
    ));
    if plan.imports_wasi {
        let get = "::upshift::guest::State::wasi_mut";
        text.line(format!(
            "::upshift::wasi::add_to_linker(&mut linker, {get})?;"
        ));
    }
    super::imports::definitions(text, plan);
    let [malloc, free] = &plan.allocator;
    text.line("let mut library = ::upshift::guest::Library::with_store(");
    text.line("module,");
    text.line("store,");
    text.line("&linker,");
    text.line(format!("[{malloc:?}, {free:?}],"));
    text.line(")?;");
    text.line("Ok(Self {");
    for method in &plan.methods {
        text.line(format!(
            "{}: library.func({:?})?,",
            method.name, method.function
        ));
    }
    for global in &plan.globals {
        let (name, (ty, _)) = (&global.get, type_names(global.wire));
        let ty = format!("::upshift::ValType::{ty}");
        text.line(format!(
            "{name}: library.global({:?}, {ty})?,",
            global.global
        ));
    }
    text.line("library,");
    text.line("})");
    text.line("}");
}

/// The name of a type in `ValType`, and in Rust.
fn type_names(wire: Wire) -> (&'static str, &'static str) {
    match wire {
        Wire::I32 => ("I32", "i32"),
        Wire::I64 => ("I64", "i64"),
        Wire::F32 => ("F32", "f32"),
        Wire::F64 => ("F64", "f64"),
        Wire::V128 => ("V128", Scalar::V128.name()),
        Wire::Ref(reference) => {
            let ty = match reference {
                Reference::Extern => "EXTERNREF",
                Reference::Func => "FUNCREF",
                Reference::Exn => "EXNREF",
            };
            (ty, reference.name())
        }
    }
}

/// The name of a type's values in `Val`, and in the names of its methods that return one.
fn value_names(wire: Wire) -> (&'static str, &'static str) {
    match wire {
        Wire::Ref(Reference::Extern) => ("ExternRef", "extern_ref"),
        Wire::Ref(Reference::Func) => ("FuncRef", "func_ref"),
        Wire::Ref(Reference::Exn) => ("ExnRef", "exn_ref"),
        number => (type_names(number).0, number.name()),
    }
}

/// The methods of a global.
fn accessors(text: &mut Text, global: &GlobalMethods) {
    let GlobalMethods {
        get,
        set,
        global,
        wire,
    } = global;
    let (_, ty) = type_names(*wire);
    let (variant, unwrapped) = value_names(*wire);
    text.line(format!("/// The value of `{}`.", shown(global)));
    text.line(format!("pub fn {get}(&mut self) -> {ty} {{"));
    text.line(format!(
        "self.{get}.get(self.library.store_mut()).unwrap_{unwrapped}()"
    ));
    text.line("}");
    let Some(set) = set else {
        return;
    };
    let bits = match wire {
        Wire::F32 | Wire::F64 => "value.to_bits()",
        Wire::I32 | Wire::I64 | Wire::V128 | Wire::Ref(_) => "value",
    };
    let value = format!("::upshift::Val::{variant}({bits})");
    text.line("");
    text.line(format!("/// Sets `{}`.", shown(global)));
    text.line(format!(
        "pub fn {set}(&mut self, value: {ty}) -> ::upshift::Result<()> {{"
    ));
    text.line(format!("self.{get}.set(self.library.store_mut(), {value})"));
    text.line("}");
}

/// The types of a function's parameters in WebAssembly.
fn params(method: &Method) -> String {
    let wires: Vec<&str> = method.params.iter().flat_map(wires).collect();
    match wires.as_slice() {
        [one] => (*one).to_owned(),
        wires => format!("({})", wires.join(", ")),
    }
}

fn export(text: &mut Text, plan: &Plan, method: &Method) {
    let types = Types(plan);
    text.line(format!("/// Calls `{}`.", shown(&method.function)));
    let (params, returned) = (types.params(method), types.result(method));
    let name = &method.name;
    text.line(format!(
        "pub fn {name}(&mut self{params}) -> ::upshift::Result<{returned}> {{"
    ));
    let mut arguments = Vec::new();
    let lends = method
        .params
        .iter()
        .any(|param| !matches!(param.ty, ParamType::Value(_)));
    if lends {
        text.line("// What a call that failed has left.");
        text.line("self.library.end_loans()?;");
    }
    for param in &method.params {
        let name = &param.name;
        let loan = match &param.ty {
            ParamType::Value(item) => {
                arguments.push(to_wire(item, name));
                continue;
            }
            ParamType::Ref { .. } => format!("lend(::core::slice::from_ref({name}))"),
            ParamType::Slice { .. } => format!("lend({name})"),
            ParamType::Str => format!("lend({name}.as_bytes())"),
            ParamType::CStr => format!("lend_c_text({name})"),
            ParamType::Out(item) => format!("lend_zeroes::<{}>()", types.item(item)),
        };
        text.line(format!("let {name}_at = self.library.{loan}?;"));
        arguments.push(format!("{name}_at"));
        if let ParamType::Str | ParamType::Slice { counted: true, .. } = param.ty {
            arguments.push(format!("{name}.len() as u32"));
        }
    }
    let arguments = match arguments.as_slice() {
        [one] => one.clone(),
        all => format!("({})", all.join(", ")),
    };
    let call = format!("self.{name}.call(self.library.store_mut(), {arguments})?");
    let mut results = Vec::new();
    match &method.result {
        None => text.line(format!("{call};")),
        Some(_) if !method.more.is_empty() => {
            text.line(format!("let results = {call};"));
            let items = several(method).into_iter().flatten().enumerate();
            results.extend(items.map(|(n, item)| from_wire(item, &format!("results.{n}"))));
        }
        Some(ResultType::Value(item)) => {
            text.line(format!("let result = {call};"));
            results.push(from_wire(item, "result"));
        }
        Some(ResultType::CStr { owned }) => {
            text.line(format!("let result_at = {call};"));
            text.line("let result = self.library.c_text(result_at)?;");
            if *owned {
                let at = "::upshift::guest::Ptr::<u8>::at(result_at)";
                text.line(format!("self.library.free({at})?;"));
            }
            results.push("result".to_owned());
        }
    }
    for param in &method.params {
        let name = &param.name;
        let at = format!("::upshift::guest::Ptr::at({name}_at)");
        match &param.ty {
            ParamType::Ref { mutable: true, .. } => {
                text.line(format!("*{name} = self.library.memory()?.read({at})?;"));
            }
            ParamType::Slice { mutable: true, .. } => {
                text.line(format!("self.library.memory()?.read_all({at}, {name})?;"));
            }
            ParamType::Out(item) => {
                let item = types.item(item);
                let read = format!("self.library.memory()?.read::<{item}>({at})?");
                text.line(format!("let {name} = {read};"));
                results.push(name.clone());
            }
            _ => {}
        }
    }
    if lends {
        text.line("self.library.end_loans()?;");
    }
    text.line(format!("Ok({})", tuple(results)));
    text.line("}");
}
