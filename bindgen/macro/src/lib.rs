//! The macro `upshift::bindgen!`, a thin front of `upshift_bindgen`.

#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};

use proc_macro::TokenStream;
use proc_macro2::Span;
use syn::parse::{Parse, ParseStream};
use syn::{Ident, LitStr, Token};
use upshift_bindgen::Bindings;

/// Typed bindings of a WebAssembly module: a struct with a method for each function that it
/// exports, and a trait for each module that it imports functions from.
///
/// ```ignore
/// upshift::bindgen!("libs/zlib.wasm", config = "libs/zlib.toml");
///
/// let mut zlib = Zlib::load()?;
/// let checksum = zlib.crc32(0, b"upshift")?;
/// ```
///
/// Paths start at the package's folder. The compiled program contains the module. Options:
///
/// - `config = "FILE"`: signatures and more about the module's functions, in TOML;
/// - `inline = "TOML"`: the same, on the spot;
/// - `name = Zlib`: the name of the struct, instead of the file's.
///
/// The struct has `load` for programs that make one instance, `new` for those that load the module
/// once and make several, and `with_store` for those that limit them; it dereferences to
/// `upshift::guest::Library`, which has memory, allocator and callbacks. If the module imports
/// functions, these take what implements the traits, and `upshift::wasi::WasiCtx` if some are
/// WASI's. The notation of signatures and the file: see the package `upshift-bindgen`.
///
/// # Errors
///
/// A file that can't be read, a damaged module and a signature that contradicts it are compile
/// errors.
#[proc_macro]
pub fn bindgen(input: TokenStream) -> TokenStream {
    let generated = syn::parse::<Options>(input).and_then(|options| options.generate());
    generated
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}

/// What the macro was given.
struct Options {
    module: LitStr,
    config: Option<LitStr>,
    inline: Option<LitStr>,
    name: Option<Ident>,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut options = Self {
            module: input.parse()?,
            config: None,
            inline: None,
            name: None,
        };
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if input.is_empty() {
                break;
            }
            let option: Ident = input.parse()?;
            input.parse::<Token![=]>()?;
            match option.to_string().as_str() {
                "config" => options.config = Some(input.parse()?),
                "inline" => options.inline = Some(input.parse()?),
                "name" => options.name = Some(input.parse()?),
                _ => {
                    let message = "expected `config`, `inline` or `name`";
                    return Err(syn::Error::new(option.span(), message));
                }
            }
        }
        match (&options.config, &options.inline) {
            (Some(_), Some(inline)) => Err(syn::Error::new(
                inline.span(),
                "`inline` stands for a `config` file: give one of them",
            )),
            _ => Ok(options),
        }
    }
}

impl Options {
    fn generate(&self) -> syn::Result<proc_macro2::TokenStream> {
        let module = path(&self.module);
        let wasm = read(&module, &self.module)?;
        let name = match &self.name {
            Some(name) => name.to_string(),
            None => module
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
        };
        let mut text = String::new();
        let config = match (&self.config, &self.inline) {
            (Some(file), _) => {
                let path = path(file);
                let bytes = read(&path, file)?;
                // So that a change of the file is a change of the program.
                let included = path.to_string_lossy();
                text += &format!("const _: &[u8] = ::core::include_bytes!({included:?});\n");
                String::from_utf8(bytes).map_err(|error| at(file, &path, &error))?
            }
            (None, Some(inline)) => inline.value(),
            (None, None) => String::new(),
        };
        let bindings = Bindings {
            wasm: &wasm,
            name: &name,
            config: &config,
            include: Some(&module.to_string_lossy()),
        };
        let about = self
            .config
            .as_ref()
            .or(self.inline.as_ref())
            .unwrap_or(&self.module);
        text += &bindings
            .generate()
            .map_err(|error| syn::Error::new(about.span(), error))?;
        text.parse()
            .map_err(|error| syn::Error::new(Span::call_site(), format!("bindings: {error}")))
    }
}

/// A path from the folder of the package that is compiled.
fn path(literal: &LitStr) -> PathBuf {
    let folder = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    Path::new(&folder).join(literal.value())
}

fn read(path: &Path, literal: &LitStr) -> syn::Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| at(literal, path, &error))
}

fn at(literal: &LitStr, path: &Path, error: &dyn std::fmt::Display) -> syn::Error {
    syn::Error::new(literal.span(), format!("{}: {error}", path.display()))
}
