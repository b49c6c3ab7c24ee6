//! A library in Rust, compiled to WebAssembly: Markdown to HTML, in a sandbox.
//!
//! `scripts/build-libraries` makes the module; `bindings.rs` is what `upshift bindgen --config
//! examples/markdown/markdown.toml corpus/reactors/markdown.wasm` prints.

mod bindings;

use anyhow::Context as _;
use bindings::Markdown;
use upshift::wasi::WasiCtxBuilder;
use upshift::{Engine, Module, Result};

fn main() -> Result<()> {
    let path = "corpus/reactors/markdown.wasm";
    let module = Module::from_file(&Engine::default(), path)
        .with_context(|| format!("`{path}`: scripts/build-libraries makes it"))?;
    print!("{}", page(&module)?);
    Ok(())
}

/// A page of HTML.
pub(crate) fn page(module: &Module) -> Result<String> {
    let mut markdown = Markdown::new(module, WasiCtxBuilder::new().build()?)?;
    let text = "# Tiers\n\n| tier | is |\n|---|---|\n| baseline | fast to compile |\n";
    markdown
        .to_html(text, true)?
        .context("text without a zero has HTML")
}
