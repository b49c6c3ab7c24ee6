//! A library in Go, compiled to WebAssembly: Go's templates over JSON, in a sandbox.
//!
//! `scripts/build-libraries` makes the module; `bindings.rs` is what `upshift bindgen --config
//! examples/template/template.toml corpus/reactors/template.wasm` prints.

mod bindings;

use anyhow::Context as _;
use bindings::Template;
use upshift::wasi::WasiCtxBuilder;
use upshift::{Engine, Module, Result};

fn main() -> Result<()> {
    let path = "corpus/reactors/template.wasm";
    let module = Module::from_file(&Engine::default(), path)
        .with_context(|| format!("`{path}`: scripts/build-libraries makes it"))?;
    println!("{}", letter(&module)?);
    Ok(())
}

/// A text made from a template.
pub(crate) fn letter(module: &Module) -> Result<String> {
    let mut template = Template::new(module, WasiCtxBuilder::new().build()?)?;
    let form =
        "Dear {{.name}}, {{range $i, $tier := .tiers}}{{if $i}} and {{end}}{{$tier}}{{end}}.";
    let data = r#"{"name": "reader", "tiers": ["baseline", "optimizer"]}"#;
    template
        .render(form, data)?
        .context("a template has a text")
}
