//! Bindings of `corpus/reactors/sqlite3.wasm`, made by `upshift bindgen`.

/// The library `Sqlite`: a WebAssembly module with a store of its own.
///
/// It is also an `upshift::guest::Library`: its memory, its allocator, callbacks.
#[derive(Debug)]
#[allow(clippy::type_complexity)]
pub struct Sqlite {
    library: ::upshift::guest::Library<()>,
    step: ::upshift::TypedFunc<u32, i32>,
    reset: ::upshift::TypedFunc<u32, i32>,
    exec: ::upshift::TypedFunc<(u32, u32, u32, u32, u32), i32>,
    finalize: ::upshift::TypedFunc<u32, i32>,
    prepare: ::upshift::TypedFunc<(u32, u32, u32, u32, u32), i32>,
    column_text: ::upshift::TypedFunc<(u32, i32), u32>,
    error_message: ::upshift::TypedFunc<u32, u32>,
    value_double: ::upshift::TypedFunc<u32, f64>,
    result_double: ::upshift::TypedFunc<(u32, f64), ()>,
    column_double: ::upshift::TypedFunc<(u32, i32), f64>,
    bind_double: ::upshift::TypedFunc<(u32, i32, f64), i32>,
    bind_text: ::upshift::TypedFunc<(u32, i32, u32, u32, i32), i32>,
    version: ::upshift::TypedFunc<(), u32>,
    close: ::upshift::TypedFunc<u32, i32>,
    create_function: ::upshift::TypedFunc<(u32, u32, i32, i32, u32, u32, u32, u32), i32>,
    open: ::upshift::TypedFunc<(u32, u32), i32>,
}

#[allow(dead_code, clippy::all)]
impl Sqlite {
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
            step: library.func("sqlite3_step")?,
            reset: library.func("sqlite3_reset")?,
            exec: library.func("sqlite3_exec")?,
            finalize: library.func("sqlite3_finalize")?,
            prepare: library.func("sqlite3_prepare_v2")?,
            column_text: library.func("sqlite3_column_text")?,
            error_message: library.func("sqlite3_errmsg")?,
            value_double: library.func("sqlite3_value_double")?,
            result_double: library.func("sqlite3_result_double")?,
            column_double: library.func("sqlite3_column_double")?,
            bind_double: library.func("sqlite3_bind_double")?,
            bind_text: library.func("sqlite3_bind_text")?,
            version: library.func("sqlite3_libversion")?,
            close: library.func("sqlite3_close")?,
            create_function: library.func("sqlite3_create_function")?,
            open: library.func("sqlite3_open")?,
            library,
        })
    }

    /// Calls `sqlite3_step`.
    pub fn step(
        &mut self,
        statement: ::upshift::guest::Ptr<Sqlite3Stmt>,
    ) -> ::upshift::Result<i32> {
        let result = self
            .step
            .call(self.library.store_mut(), statement.address())?;
        Ok(result)
    }

    /// Calls `sqlite3_reset`.
    pub fn reset(
        &mut self,
        statement: ::upshift::guest::Ptr<Sqlite3Stmt>,
    ) -> ::upshift::Result<i32> {
        let result = self
            .reset
            .call(self.library.store_mut(), statement.address())?;
        Ok(result)
    }

    /// Calls `sqlite3_exec`.
    pub fn exec(
        &mut self,
        database: ::upshift::guest::Ptr<Sqlite3>,
        sql: &str,
        row: u32,
        context: u32,
        error: ::upshift::guest::Ptr<u8>,
    ) -> ::upshift::Result<i32> {
        // What a call that failed has left.
        self.library.end_loans()?;
        let sql_at = self.library.lend_c_text(sql)?;
        let result = self.exec.call(
            self.library.store_mut(),
            (database.address(), sql_at, row, context, error.address()),
        )?;
        self.library.end_loans()?;
        Ok(result)
    }

    /// Calls `sqlite3_finalize`.
    pub fn finalize(
        &mut self,
        statement: ::upshift::guest::Ptr<Sqlite3Stmt>,
    ) -> ::upshift::Result<i32> {
        let result = self
            .finalize
            .call(self.library.store_mut(), statement.address())?;
        Ok(result)
    }

    /// Calls `sqlite3_prepare_v2`.
    pub fn prepare(
        &mut self,
        database: ::upshift::guest::Ptr<Sqlite3>,
        sql: &str,
        rest: ::upshift::guest::Ptr<u8>,
    ) -> ::upshift::Result<(i32, ::upshift::guest::Ptr<Sqlite3Stmt>)> {
        // What a call that failed has left.
        self.library.end_loans()?;
        let sql_at = self.library.lend(sql.as_bytes())?;
        let statement_at = self
            .library
            .lend_zeroes::<::upshift::guest::Ptr<Sqlite3Stmt>>()?;
        let result = self.prepare.call(
            self.library.store_mut(),
            (
                database.address(),
                sql_at,
                sql.len() as u32,
                statement_at,
                rest.address(),
            ),
        )?;
        let statement = self
            .library
            .memory()?
            .read::<::upshift::guest::Ptr<Sqlite3Stmt>>(::upshift::guest::Ptr::at(statement_at))?;
        self.library.end_loans()?;
        Ok((result, statement))
    }

    /// Calls `sqlite3_column_text`.
    pub fn column_text(
        &mut self,
        statement: ::upshift::guest::Ptr<Sqlite3Stmt>,
        column: i32,
    ) -> ::upshift::Result<::core::option::Option<::std::string::String>> {
        let result_at = self
            .column_text
            .call(self.library.store_mut(), (statement.address(), column))?;
        let result = self.library.c_text(result_at)?;
        Ok(result)
    }

    /// Calls `sqlite3_errmsg`.
    pub fn error_message(
        &mut self,
        database: ::upshift::guest::Ptr<Sqlite3>,
    ) -> ::upshift::Result<::core::option::Option<::std::string::String>> {
        let result_at = self
            .error_message
            .call(self.library.store_mut(), database.address())?;
        let result = self.library.c_text(result_at)?;
        Ok(result)
    }

    /// Calls `sqlite3_value_double`.
    pub fn value_double(
        &mut self,
        value: ::upshift::guest::Ptr<Sqlite3Value>,
    ) -> ::upshift::Result<f64> {
        let result = self
            .value_double
            .call(self.library.store_mut(), value.address())?;
        Ok(result)
    }

    /// Calls `sqlite3_result_double`.
    pub fn result_double(
        &mut self,
        context: ::upshift::guest::Ptr<Sqlite3Context>,
        value: f64,
    ) -> ::upshift::Result<()> {
        self.result_double
            .call(self.library.store_mut(), (context.address(), value))?;
        Ok(())
    }

    /// Calls `sqlite3_column_double`.
    pub fn column_double(
        &mut self,
        statement: ::upshift::guest::Ptr<Sqlite3Stmt>,
        column: i32,
    ) -> ::upshift::Result<f64> {
        let result = self
            .column_double
            .call(self.library.store_mut(), (statement.address(), column))?;
        Ok(result)
    }

    /// Calls `sqlite3_bind_double`.
    pub fn bind_double(
        &mut self,
        statement: ::upshift::guest::Ptr<Sqlite3Stmt>,
        index: i32,
        value: f64,
    ) -> ::upshift::Result<i32> {
        let result = self.bind_double.call(
            self.library.store_mut(),
            (statement.address(), index, value),
        )?;
        Ok(result)
    }

    /// Calls `sqlite3_bind_text`.
    pub fn bind_text(
        &mut self,
        statement: ::upshift::guest::Ptr<Sqlite3Stmt>,
        index: i32,
        text: &str,
        lifetime: i32,
    ) -> ::upshift::Result<i32> {
        // What a call that failed has left.
        self.library.end_loans()?;
        let text_at = self.library.lend(text.as_bytes())?;
        let result = self.bind_text.call(
            self.library.store_mut(),
            (
                statement.address(),
                index,
                text_at,
                text.len() as u32,
                lifetime,
            ),
        )?;
        self.library.end_loans()?;
        Ok(result)
    }

    /// Calls `sqlite3_libversion`.
    pub fn version(&mut self) -> ::upshift::Result<::core::option::Option<::std::string::String>> {
        let result_at = self.version.call(self.library.store_mut(), ())?;
        let result = self.library.c_text(result_at)?;
        Ok(result)
    }

    /// Calls `sqlite3_close`.
    pub fn close(&mut self, database: ::upshift::guest::Ptr<Sqlite3>) -> ::upshift::Result<i32> {
        let result = self
            .close
            .call(self.library.store_mut(), database.address())?;
        Ok(result)
    }

    /// Calls `sqlite3_create_function`.
    pub fn create_function(
        &mut self,
        database: ::upshift::guest::Ptr<Sqlite3>,
        name: &str,
        arguments: i32,
        encoding: i32,
        context: u32,
        function: u32,
        step: u32,
        end: u32,
    ) -> ::upshift::Result<i32> {
        // What a call that failed has left.
        self.library.end_loans()?;
        let name_at = self.library.lend_c_text(name)?;
        let result = self.create_function.call(
            self.library.store_mut(),
            (
                database.address(),
                name_at,
                arguments,
                encoding,
                context,
                function,
                step,
                end,
            ),
        )?;
        self.library.end_loans()?;
        Ok(result)
    }

    /// Calls `sqlite3_open`.
    pub fn open(&mut self, path: &str) -> ::upshift::Result<(i32, ::upshift::guest::Ptr<Sqlite3>)> {
        // What a call that failed has left.
        self.library.end_loans()?;
        let path_at = self.library.lend_c_text(path)?;
        let database_at = self
            .library
            .lend_zeroes::<::upshift::guest::Ptr<Sqlite3>>()?;
        let result = self
            .open
            .call(self.library.store_mut(), (path_at, database_at))?;
        let database = self
            .library
            .memory()?
            .read::<::upshift::guest::Ptr<Sqlite3>>(::upshift::guest::Ptr::at(database_at))?;
        self.library.end_loans()?;
        Ok((result, database))
    }
}

impl ::std::ops::Deref for Sqlite {
    type Target = ::upshift::guest::Library<()>;

    fn deref(&self) -> &Self::Target {
        &self.library
    }
}

impl ::std::ops::DerefMut for Sqlite {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.library
    }
}

/// Something that the module calls `sqlite3`; only addresses of it
/// are known.
#[derive(Debug)]
#[allow(dead_code)]
pub enum Sqlite3 {}

/// Something that the module calls `sqlite3_context`; only addresses of it
/// are known.
#[derive(Debug)]
#[allow(dead_code)]
pub enum Sqlite3Context {}

/// Something that the module calls `sqlite3_stmt`; only addresses of it
/// are known.
#[derive(Debug)]
#[allow(dead_code)]
pub enum Sqlite3Stmt {}

/// Something that the module calls `sqlite3_value`; only addresses of it
/// are known.
#[derive(Debug)]
#[allow(dead_code)]
pub enum Sqlite3Value {}
