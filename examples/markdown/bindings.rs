//! Bindings of `corpus/reactors/markdown.wasm`, made by `upshift bindgen`.

/// The library `Markdown`: a WebAssembly module with a store of its own.
///
/// It is also an `upshift::guest::Library`: its memory, its allocator, callbacks.
#[derive(Debug)]
pub struct Markdown {
    library: ::upshift::guest::Library<()>,
    to_html: ::upshift::TypedFunc<(u32, u32, u32), u32>,
}

#[allow(dead_code, clippy::all)]
impl Markdown {
    /// Makes an instance of the module, and checks that its functions are those that
    /// these bindings were made for.
    pub fn new(
        module: &::upshift::Module,
        wasi: ::upshift::wasi::WasiCtx,
    ) -> ::upshift::Result<Self> {
        let state = ::upshift::guest::State::with_wasi((), wasi);
        let store = ::upshift::Store::new(module.engine(), state);
        Self::with_store(module, store)
    }

    /// Like `new`, in a store that has for example limits or a deadline.
    pub fn with_store(
        module: &::upshift::Module,
        store: ::upshift::Store<::upshift::guest::State<()>>,
    ) -> ::upshift::Result<Self> {
        let mut linker = ::upshift::Linker::new(module.engine());
        ::upshift::wasi::add_to_linker(&mut linker, ::upshift::guest::State::wasi_mut)?;
        let mut library =
            ::upshift::guest::Library::with_store(module, store, &linker, ["malloc", "free"])?;
        Ok(Self {
            to_html: library.func("to_html")?,
            library,
        })
    }

    /// Calls `to_html`.
    pub fn to_html(
        &mut self,
        text: &str,
        tables: bool,
    ) -> ::upshift::Result<::core::option::Option<::std::string::String>> {
        // What a call that failed has left.
        self.library.end_loans()?;
        let text_at = self.library.lend(text.as_bytes())?;
        let result_at = self.to_html.call(
            self.library.store_mut(),
            (text_at, text.len() as u32, u32::from(tables)),
        )?;
        let result = self.library.c_text(result_at)?;
        self.library
            .free(::upshift::guest::Ptr::<u8>::at(result_at))?;
        self.library.end_loans()?;
        Ok(result)
    }
}

impl ::std::ops::Deref for Markdown {
    type Target = ::upshift::guest::Library<()>;

    fn deref(&self) -> &Self::Target {
        &self.library
    }
}

impl ::std::ops::DerefMut for Markdown {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.library
    }
}
