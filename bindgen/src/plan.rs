//! What will be generated: the module's functions with the best signature that is known of each.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use wasmparser::{FuncType, RefType, ValType};

use crate::config::Config;
use crate::layout::Structs;
use crate::module::{Function, ModuleFacts};
use crate::names::{Names, camel, snake};
use crate::signature::{Item, Param, ParamType, Reference, ResultType, Scalar, Signature, Wire};
use crate::{BindError, Debug};

/// All that is generated for a module.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The name of the struct.
    pub(crate) name: String,
    /// The names of the functions that take and give back memory.
    pub(crate) allocator: [String; 2],
    pub(crate) has_memory: bool,
    pub(crate) imports_wasi: bool,
    pub(crate) methods: Vec<Method>,
    pub(crate) globals: Vec<GlobalMethods>,
    pub(crate) traits: Vec<HostTrait>,
    pub(crate) structs: Structs,
    /// Names of which only addresses are known: as in the module, and in Rust.
    pub(crate) opaque: BTreeMap<String, String>,
    /// The name of the host's type.
    pub(crate) generic: String,
    /// Functions without a method, and why.
    pub(crate) skipped: Vec<(String, String)>,
}

/// A function.
#[derive(Debug)]
pub(crate) struct Method {
    pub(crate) name: String,
    /// The name in the module.
    pub(crate) function: String,
    pub(crate) params: Vec<Param>,
    pub(crate) result: Option<ResultType>,
    /// Further results.
    pub(crate) more: Vec<Item>,
}

/// A global that the module exports.
#[derive(Debug)]
pub(crate) struct GlobalMethods {
    /// The name of the method that reads it, and of the one that sets it if it can be set.
    pub(crate) get: String,
    pub(crate) set: Option<String>,
    /// The name in the module.
    pub(crate) global: String,
    pub(crate) wire: Wire,
}

/// The functions of a module that the host implements.
#[derive(Debug)]
pub(crate) struct HostTrait {
    pub(crate) name: String,
    pub(crate) module: String,
    pub(crate) methods: Vec<Method>,
}

/// The most parameters, and the most results, that typed functions have.
const MAX_VALUES: usize = 16;

/// Exports that are no functions of the library's.
const INTERNAL: &[&str] = &["_initialize", "__wasm_call_ctors", "cabi_realloc"];

const WASI: &[&str] = &["wasi_snapshot_preview1", "wasi_unstable"];

impl Plan {
    /// Brings together what the module, its debug information and the configuration say.
    pub(crate) fn new(
        name: &str,
        facts: &ModuleFacts,
        debug: Debug,
        config: &Config,
    ) -> Result<Self, BindError> {
        let name = camel(config.name.as_deref().unwrap_or(name));
        let mut types = Names::with(&[&name]);
        let mut plan = Self {
            name,
            allocator: allocator(facts, config),
            has_memory: facts.has_memory,
            imports_wasi: false,
            methods: Vec::new(),
            globals: Vec::new(),
            traits: Vec::new(),
            structs: Structs::new(&config.structs, debug.structs, &mut types)?,
            opaque: BTreeMap::new(),
            generic: String::new(),
            skipped: Vec::new(),
        };
        let mut opaque = BTreeSet::new();
        plan.exports(facts, &debug.functions, config, &mut opaque)?;
        plan.imports(facts, config, &mut types, &mut opaque)?;
        let known = |name: &String| plan.structs.get(name).is_some();
        let fields = plan.structs.iter().flat_map(|found| &found.fields);
        fields.for_each(|field| named_in(&field.item, &mut opaque));
        opaque.retain(|name| !known(name));
        let opaque = opaque.into_iter().map(|name| {
            let in_rust = types.distinct(camel(&name));
            (name, in_rust)
        });
        plan.opaque = opaque.collect();
        plan.generic = types.distinct("H".to_owned());
        Ok(plan)
    }

    fn exports(
        &mut self,
        facts: &ModuleFacts,
        debug: &HashMap<u32, Signature>,
        config: &Config,
        opaque: &mut BTreeSet<String>,
    ) -> Result<(), BindError> {
        let find = |name: &str| facts.exports.iter().find(|export| export.name == name);
        for (line, signature) in &config.functions {
            if find(&signature.name).is_none() {
                let names = facts.exports.iter().map(|export| export.name.as_str());
                let error = unknown("export", &signature.name, names);
                return Err(error.at_line(*line));
            }
        }
        let mut names = Names::with(&["new", "with_store", "load", "module", "library"]);
        for export in &facts.exports {
            let own = config
                .functions
                .iter()
                .find(|(_, own)| own.name == export.name);
            let is_internal = self.allocator.contains(&export.name)
                || INTERNAL.contains(&export.name.as_str())
                || config.skips(&export.name);
            if is_internal && own.is_none() {
                continue;
            }
            let found = match own {
                Some((line, own)) => {
                    let checked = self.check(own, &export.ty, &export.name);
                    checked.map_err(|error| error.at_line(*line))?;
                    Ok(own.clone())
                }
                None => match debug.get(&export.index) {
                    // Variable arguments, for one, are not in it.
                    Some(known) if self.check(known, &export.ty, &export.name).is_ok() => {
                        let name = export.name.clone();
                        Ok(Signature {
                            name,
                            ..known.clone()
                        })
                    }
                    _ => signature_of(export, facts),
                },
            };
            match found {
                Ok(signature) => self.methods.push(method(signature, &mut names, opaque)),
                Err(why) => self.skipped.push((export.name.clone(), why)),
            }
        }
        // Functions have had their choice of names.
        for global in &facts.globals {
            // Of the linker's own: `__stack_pointer`, `__heap_base` and their like.
            if global.name.starts_with("__") || config.skips(&global.name) {
                continue;
            }
            let Some(wire) = wire_of(global.ty.content_type) else {
                let why = format!("it is a {}", global.ty.content_type);
                self.skipped.push((global.name.clone(), why));
                continue;
            };
            let name = snake(&global.name);
            let mutable = global.ty.mutable;
            let set = mutable.then(|| names.distinct(format!("set_{name}")));
            self.globals.push(GlobalMethods {
                get: names.distinct(name),
                set,
                global: global.name.clone(),
                wire,
            });
        }
        Ok(())
    }

    fn imports(
        &mut self,
        facts: &ModuleFacts,
        config: &Config,
        types: &mut Names,
        opaque: &mut BTreeSet<String>,
    ) -> Result<(), BindError> {
        let full_name = |import: &Function| format!("{}.{}", import.from, import.name);
        let full_names: Vec<String> = facts.imports.iter().map(full_name).collect();
        for (line, signature) in &config.imports {
            if !full_names.contains(&signature.name) {
                let names = full_names.iter().map(String::as_str);
                return Err(unknown("import", &signature.name, names).at_line(*line));
            }
        }
        let mut names = Vec::new();
        let mut places = HashMap::new();
        let mut known = HashSet::new();
        for (import, full_name) in facts.imports.iter().zip(&full_names) {
            if WASI.contains(&import.from.as_str()) {
                self.imports_wasi = true;
                continue;
            }
            let own = config
                .imports
                .iter()
                .find(|(_, own)| own.name == *full_name);
            let mut signature = match own {
                Some((line, own)) => {
                    let checked = self.check(own, &import.ty, full_name);
                    let checked = checked.and_then(|()| fits_import(own, facts.has_memory));
                    checked.map_err(|error| error.at_line(*line))?;
                    own.clone()
                }
                None => signature_of(import, facts).map_err(|why| {
                    BindError::new(format!("the import `{full_name}` can't be bound: {why}"))
                })?,
            };
            signature.name.clone_from(&import.name);
            let place = *places.entry(&import.from).or_insert_with(|| {
                self.traits.push(HostTrait {
                    name: types.distinct(format!("{}Imports", camel(&import.from))),
                    module: import.from.clone(),
                    methods: Vec::new(),
                });
                names.push(Names::default());
                self.traits.len() - 1
            });
            // A function may be imported twice.
            if known.insert((&import.from, &import.name)) {
                let methods = &mut self.traits[place].methods;
                methods.push(method(signature, &mut names[place], opaque));
            }
        }
        Ok(())
    }

    /// Checks that a signature is one of a function of the type, and that all its types are known.
    fn check(&self, signature: &Signature, ty: &FuncType, name: &str) -> Result<(), BindError> {
        for param in &signature.params {
            let item = match &param.ty {
                ParamType::Ref { item, .. } | ParamType::Out(item) => item,
                ParamType::Slice { item, .. } => item,
                ParamType::Value(_) | ParamType::Str | ParamType::CStr => continue,
            };
            if self.structs.size_and_align(item).is_none() {
                return Err(BindError::new(format!(
                    "the layout of `{}` of `{name}` is not known: describe it in `[structs]`, or \
                     pass its address (`*{}`)",
                    param.name,
                    match item {
                        Item::Named(name) => name,
                        _ => "void",
                    }
                )));
            }
        }
        let params: Vec<Wire> = signature.params.iter().flat_map(wires).collect();
        let first = signature.result.as_ref().map(result_wire);
        let more = signature.more.iter().map(item_wire);
        let results: Vec<Wire> = first.into_iter().chain(more).collect();
        let wire = |types: &[ValType]| types.iter().map(|&ty| wire_of(ty)).collect();
        let own: Option<Vec<Wire>> = wire(ty.params());
        let own_results: Option<Vec<Wire>> = wire(ty.results());
        if own.as_ref() == Some(&params) && own_results.as_ref() == Some(&results) {
            return match (params.len(), results.len()) {
                (..=MAX_VALUES, ..=MAX_VALUES) => Ok(()),
                (params, results) => {
                    let what = too_many(params, results);
                    Err(BindError::new(format!("`{name}` has {what}")))
                }
            };
        }
        let list = |types: &[ValType]| {
            let names: Vec<String> = types.iter().map(ValType::to_string).collect();
            names.join(", ")
        };
        let names = |wires: &[Wire]| {
            let names: Vec<&str> = wires.iter().map(|wire| wire.name()).collect();
            names.join(", ")
        };
        Err(BindError::new(format!(
            "`{name}` is ({}) -> ({}) in the module, and its signature means ({}) -> ({})",
            list(ty.params()),
            list(ty.results()),
            names(&params),
            names(&results),
        )))
    }
}

impl Wire {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::V128 => "v128",
            Self::Ref(reference) => reference.notation(),
        }
    }
}

fn wire_of(ty: ValType) -> Option<Wire> {
    Some(match ty {
        ValType::I32 => Wire::I32,
        ValType::I64 => Wire::I64,
        ValType::F32 => Wire::F32,
        ValType::F64 => Wire::F64,
        ValType::V128 => Wire::V128,
        ValType::Ref(RefType::EXTERNREF) => Wire::Ref(Reference::Extern),
        ValType::Ref(RefType::FUNCREF) => Wire::Ref(Reference::Func),
        ValType::Ref(RefType::EXNREF) => Wire::Ref(Reference::Exn),
        // References that are never null, or to functions of one type.
        ValType::Ref(_) => return None,
    })
}

/// What a parameter is in WebAssembly.
fn wires(param: &Param) -> Vec<Wire> {
    match &param.ty {
        ParamType::Value(item) => vec![item_wire(item)],
        ParamType::Str | ParamType::Slice { counted: true, .. } => vec![Wire::I32; 2],
        _ => vec![Wire::I32],
    }
}

fn result_wire(result: &ResultType) -> Wire {
    match result {
        ResultType::Value(item) => item_wire(item),
        ResultType::CStr { .. } => Wire::I32,
    }
}

fn item_wire(item: &Item) -> Wire {
    match item {
        Item::Scalar(scalar) => scalar.wire(),
        Item::Reference(reference) => Wire::Ref(*reference),
        _ => Wire::I32,
    }
}

fn too_many(params: usize, results: usize) -> String {
    match params {
        ..=MAX_VALUES => format!("{results} results, more than {MAX_VALUES}"),
        _ => format!("{params} parameters, more than {MAX_VALUES}"),
    }
}

/// The signature that the function's own type gives: numbers.
fn signature_of(function: &Function, facts: &ModuleFacts) -> Result<Signature, String> {
    let number = |ty: &ValType| {
        let scalar = match wire_of(*ty) {
            Some(Wire::I32) => Scalar::I32,
            Some(Wire::I64) => Scalar::I64,
            Some(Wire::F32) => Scalar::F32,
            Some(Wire::F64) => Scalar::F64,
            Some(Wire::V128) => Scalar::V128,
            Some(Wire::Ref(reference)) => return Ok(Item::Reference(reference)),
            None => return Err(format!("it takes or returns a {ty}")),
        };
        Ok(Item::Scalar(scalar))
    };
    let (params, results) = (function.ty.params(), function.ty.results());
    if params.len().max(results.len()) > MAX_VALUES {
        return Err(format!("it has {}", too_many(params.len(), results.len())));
    }
    let names = facts.locals.get(&function.index);
    let params = params.iter().enumerate().map(|(index, ty)| {
        let name = names.and_then(|names| names.get(&(index as u32)));
        Ok(Param {
            name: name.cloned().unwrap_or_else(|| format!("p{index}")),
            ty: ParamType::Value(number(ty)?),
        })
    });
    let params = params.collect::<Result<_, String>>()?;
    let mut results = results.iter().map(number);
    let result = results.next().transpose()?.map(ResultType::Value);
    let more = results.collect::<Result<_, _>>()?;
    Ok(Signature {
        method: None,
        name: function.name.clone(),
        params,
        result,
        more,
    })
}

/// Whether the host can be given such parameters, and asked for such a result.
fn fits_import(signature: &Signature, has_memory: bool) -> Result<(), BindError> {
    let in_memory = |param: &&Param| !matches!(&param.ty, ParamType::Value(_));
    if !has_memory && let Some(param) = signature.params.iter().find(in_memory) {
        return Err(BindError::new(format!(
            "the module has no memory that `{}` could be in",
            param.name
        )));
    }
    let uncounted = |param: &&Param| matches!(&param.ty, ParamType::Slice { counted: false, .. });
    if let Some(param) = signature.params.iter().find(uncounted) {
        return Err(BindError::new(format!(
            "`{}` is passed without its length, so that the host can't see where it ends: take \
             its address (`*T`)",
            param.name
        )));
    }
    if let Some(ResultType::CStr { .. }) = signature.result {
        return Err(BindError::new(
            "the host can't return text: return an address (`*u8`)",
        ));
    }
    Ok(())
}

fn method(signature: Signature, names: &mut Names, opaque: &mut BTreeSet<String>) -> Method {
    let name = snake(signature.method.as_deref().unwrap_or(&signature.name));
    let mut taken = Names::with(&["self", "result", "results", "memory", "host", "caller"]);
    let params = signature.params.into_iter().map(|param| {
        match &param.ty {
            ParamType::Value(item) | ParamType::Ref { item, .. } => named_in(item, opaque),
            ParamType::Out(item) | ParamType::Slice { item, .. } => named_in(item, opaque),
            ParamType::Str | ParamType::CStr => {}
        }
        Param {
            name: taken.distinct_with(snake(&param.name), &["_at", "_len"]),
            ty: param.ty,
        }
    });
    let params = params.collect();
    if let Some(ResultType::Value(item)) = &signature.result {
        named_in(item, opaque);
    }
    signature
        .more
        .iter()
        .for_each(|item| named_in(item, opaque));
    Method {
        name: names.distinct(name),
        function: signature.name,
        params,
        result: signature.result,
        more: signature.more,
    }
}

/// Collects the names in a type.
fn named_in(item: &Item, names: &mut BTreeSet<String>) {
    match item {
        Item::Named(name) => {
            names.insert(name.clone());
        }
        Item::Pointer(item) | Item::Array(item, _) => named_in(item, names),
        Item::Scalar(_) | Item::Void | Item::Reference(_) => {}
    }
}

fn allocator(facts: &ModuleFacts, config: &Config) -> [String; 2] {
    let usual = ["malloc", "free"].map(str::to_owned);
    // The second ones are those of some versions of Emscripten.
    let known = [["malloc", "free"], ["_malloc", "_free"]];
    let exports = |name: &str| facts.exports.iter().any(|export| export.name == name);
    let found = known
        .into_iter()
        .find(|names| names.iter().all(|name| exports(name)));
    let found = found.map_or(usual, |names| names.map(str::to_owned));
    config.allocator.clone().unwrap_or(found)
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> BindError {
    let mut known: Vec<&str> = known.collect();
    known.sort_unstable();
    let known = match known.len() {
        0 => "none".to_owned(),
        1..=20 => known.join(", "),
        more => format!("{} and {} more", known[..20].join(", "), more - 20),
    };
    BindError::new(format!("the module has no {what} `{name}`; it has {known}"))
}
