//! SQLite, compiled to WebAssembly, as a library: queries, rows that come to a closure, and an SQL
//! function in Rust.
//!
//! `scripts/build-libraries` makes the module. `bindings.rs` is what `upshift bindgen --config
//! examples/sqlite/sqlite3.toml corpus/reactors/sqlite3.wasm` prints; `upshift::bindgen!` would do
//! without a file, where the module exists when the program is compiled.

mod bindings;

use anyhow::Context as _;
use bindings::{Sqlite, Sqlite3};
use upshift::guest::{Ptr, State};
use upshift::wasi::WasiCtxBuilder;
use upshift::{Caller, Engine, Module, Result};

/// What SQLite's functions return if all went well, and if a row or no more row is there.
const OK: i32 = 0;
const ROW: i32 = 100;
const DONE: i32 = 101;

/// Text that SQLite is to copy, and the encoding of a function's names.
const TRANSIENT: i32 = -1;
const UTF8: i32 = 1;

fn main() -> Result<()> {
    let path = std::env::args().nth(1);
    let path = path.as_deref().unwrap_or("corpus/reactors/sqlite3.wasm");
    let module = Module::from_file(&Engine::default(), path)
        .with_context(|| format!("`{path}`: scripts/build-libraries makes it"))?;
    let (version, heights) = mountains(&module)?;
    println!("SQLite {version}, in a sandbox");
    for (name, feet) in heights {
        println!("{name}: {feet:.0} feet");
    }
    Ok(())
}

/// Makes a database of mountains; returns SQLite's version, and the highest, in feet.
pub(crate) fn mountains(module: &Module) -> Result<(String, Vec<(String, f64)>)> {
    let mut sqlite = Sqlite::new(module, WasiCtxBuilder::new().build()?)?;
    let (code, database) = sqlite.open(":memory:")?;
    check(&mut sqlite, database, code)?;

    execute(
        &mut sqlite,
        database,
        "CREATE TABLE mountain(name TEXT, metres REAL)",
    )?;
    let insert = "INSERT INTO mountain VALUES (?, ?)";
    let (code, statement) = sqlite.prepare(database, insert, Ptr::NULL)?;
    check(&mut sqlite, database, code)?;
    for (name, metres) in [
        ("Zugspitze", 2962.0),
        ("Säntis", 2502.0),
        ("Mont Blanc", 4806.0),
    ] {
        sqlite.bind_text(statement, 1, name, TRANSIENT)?;
        sqlite.bind_double(statement, 2, metres)?;
        anyhow::ensure!(sqlite.step(statement)? == DONE, "the row is not inserted");
        sqlite.reset(statement)?;
    }
    sqlite.finalize(statement)?;

    // An SQL function in Rust: SQLite calls the closure, and the closure calls SQLite.
    let feet = sqlite.add_callback(feet)?;
    let code = sqlite.create_function(database, "feet", 1, UTF8, 0, feet, 0, 0)?;
    check(&mut sqlite, database, code)?;

    let query = "SELECT name, feet(metres) FROM mountain ORDER BY metres DESC LIMIT 2";
    let (code, statement) = sqlite.prepare(database, query, Ptr::NULL)?;
    check(&mut sqlite, database, code)?;
    let mut rows = Vec::new();
    while sqlite.step(statement)? == ROW {
        let name = sqlite.column_text(statement, 0)?.unwrap_or_default();
        rows.push((name, sqlite.column_double(statement, 1)?));
    }
    sqlite.finalize(statement)?;
    let code = sqlite.close(database)?;
    check(&mut sqlite, database, code)?;
    let version = sqlite.version()?.unwrap_or_default();
    Ok((version, rows))
}

/// `feet(metres)`, as SQLite calls it: with a context for the result, and the addresses of values.
fn feet(mut caller: Caller<'_, State<()>>, context: u32, _: i32, values: u32) -> Result<()> {
    let (memory, ()) = State::of(&mut caller)?;
    let first = memory.read(Ptr::<u32>::at(values))?;
    let value = State::func::<u32, f64>(&mut caller, "sqlite3_value_double")?;
    let result = State::func::<(u32, f64), ()>(&mut caller, "sqlite3_result_double")?;
    let metres = value.call(&mut caller, first)?;
    result.call(&mut caller, (context, metres / 0.3048))
}

fn execute(sqlite: &mut Sqlite, database: Ptr<Sqlite3>, sql: &str) -> Result<()> {
    let code = sqlite.exec(database, sql, 0, 0, Ptr::NULL)?;
    check(sqlite, database, code)
}

fn check(sqlite: &mut Sqlite, database: Ptr<Sqlite3>, code: i32) -> Result<()> {
    if code == OK {
        return Ok(());
    }
    let message = sqlite.error_message(database)?.unwrap_or_default();
    anyhow::bail!("SQLite says {code}: {message}")
}
