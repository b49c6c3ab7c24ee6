//! SQLite as a library: from native code, in Upshift and in Wasmtime, doing the same.
//!
//! `cargo bench -p upshift-benches --bench ffi`, with the libraries of `scripts/build-libraries`
//! and a C compiler for the native one, which is built from the same sources.
//!
//! Measured are the time until a first query has its answer, from the module's bytes on (natively
//! from the start of the process's work), a transaction of insertions, a query over them, and the
//! cost of one call. What is printed are medians and minima of the time that passes, each round in
//! another order.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs, str};

use anyhow::{Context as _, Result};
use upshift_benches::places;

const ROUNDS: usize = 9;
const ROWS: u32 = 20_000;
const CALLS: u32 = 1_000_000;

/// What is measured, in the order of [`Times`].
const PHASES: [&str; 4] = ["first answer", "insertions", "query", "1,000,000 calls"];

type Times = [Duration; 4];

/// Does the work once; the number is what the query computes.
type Measured<'a> = dyn Fn() -> Result<(Times, f64)> + 'a;

const CREATE: &str = "CREATE TABLE t(a REAL, b REAL)\0";
const BEGIN: &str = "BEGIN\0";
const COMMIT: &str = "COMMIT\0";
const INSERT: &str = "INSERT INTO t VALUES (?, ?)\0";
const QUERY: &str = "SELECT sum(a * b) FROM (SELECT a, b FROM t ORDER BY b, a)\0";

/// Defines the same work for each crate: the two APIs have the same names.
macro_rules! measured {
    ($name:ident, $api:ident, $context:ty, $link:path) => {
        fn $name(
            engine: &$api::Engine,
            wasm: &[u8],
            context: $context,
        ) -> Result<(Times, f64), $api::Error> {
            let clock = Instant::now();
            let module = $api::Module::new(engine, wasm)?;
            let mut linker = $api::Linker::new(engine);
            $link(&mut linker, |context| context)?;
            let mut store = $api::Store::new(engine, context);
            let instance = linker.instantiate(&mut store, &module)?;
            macro_rules! func {
                ($func:literal, $types:ty) => {
                    instance.get_typed_func::<$types, i32>(&mut store, $func)?
                };
            }
            let memory = instance
                .get_memory(&mut store, "memory")
                .expect("it is exported");
            let malloc = func!("malloc", i32);
            let open = func!("sqlite3_open", (i32, i32));
            let exec = func!("sqlite3_exec", (i32, i32, i32, i32, i32));
            let prepare = func!("sqlite3_prepare_v2", (i32, i32, i32, i32, i32));
            let bind = func!("sqlite3_bind_double", (i32, i32, f64));
            let step = func!("sqlite3_step", i32);
            let reset = func!("sqlite3_reset", i32);
            let version = func!("sqlite3_libversion", ());
            let column =
                instance.get_typed_func::<(i32, i32), f64>(&mut store, "sqlite3_column_double")?;
            if let Ok(start) = instance.get_typed_func::<(), ()>(&mut store, "_initialize") {
                start.call(&mut store, ())?;
            }
            // A place for the text of a statement, and behind it for a result.
            let text = malloc.call(&mut store, 256)?;
            let out = text + 248;
            macro_rules! run {
                ($sql:expr) => {{
                    memory.write(&mut store, text as usize, $sql.as_bytes())?;
                    exec.call(&mut store, (database!(), text, 0, 0, 0))?
                }};
            }
            macro_rules! result {
                () => {{
                    let mut bytes = [0; 4];
                    memory.read(&store, out as usize, &mut bytes)?;
                    i32::from_le_bytes(bytes)
                }};
            }
            memory.write(&mut store, text as usize, b":memory:\0")?;
            open.call(&mut store, (text, out))?;
            let database = result!();
            macro_rules! database {
                () => {
                    database
                };
            }
            macro_rules! statement {
                ($sql:expr) => {{
                    memory.write(&mut store, text as usize, $sql.as_bytes())?;
                    prepare.call(&mut store, (database, text, -1, out, 0))?;
                    result!()
                }};
            }
            assert_eq!(run!(CREATE), 0);
            let one = statement!("SELECT 1\0");
            assert_eq!(step.call(&mut store, one)?, 100);
            assert_eq!(column.call(&mut store, (one, 0))?, 1.0);
            let first = clock.elapsed();

            let clock = Instant::now();
            assert_eq!(run!(BEGIN), 0);
            let insert = statement!(INSERT);
            for row in 0..ROWS {
                bind.call(&mut store, (insert, 1, f64::from(row)))?;
                bind.call(&mut store, (insert, 2, f64::from(row * 7919 % 1000)))?;
                assert_eq!(step.call(&mut store, insert)?, 101);
                reset.call(&mut store, insert)?;
            }
            assert_eq!(run!(COMMIT), 0);
            let insertions = clock.elapsed();

            let clock = Instant::now();
            let query = statement!(QUERY);
            assert_eq!(step.call(&mut store, query)?, 100);
            let sum = column.call(&mut store, (query, 0))?;
            let queried = clock.elapsed();

            let clock = Instant::now();
            for _ in 0..CALLS {
                version.call(&mut store, ())?;
            }
            Ok(([first, insertions, queried, clock.elapsed()], sum))
        }
    };
}

measured!(
    in_upshift,
    upshift,
    upshift::wasi::WasiCtx,
    upshift::wasi::add_to_linker
);
measured!(
    in_wasmtime,
    wasmtime,
    wasmtime_wasi::p1::WasiP1Ctx,
    wasmtime_wasi::p1::add_to_linker_sync
);

/// The same in C; prints nanoseconds and the sum.
const NATIVE: &str = r#"
#include <stdio.h>
#include <time.h>
#include "sqlite3.h"
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}
int main(void) {
    const char *(*volatile version)(void) = sqlite3_libversion;
    sqlite3 *db;
    sqlite3_stmt *s;
    double start = now();
    sqlite3_open(":memory:", &db);
    sqlite3_exec(db, CREATE, 0, 0, 0);
    sqlite3_prepare_v2(db, "SELECT 1", -1, &s, 0);
    sqlite3_step(s);
    double first = now() - start;
    start = now();
    sqlite3_exec(db, "BEGIN", 0, 0, 0);
    sqlite3_prepare_v2(db, INSERT, -1, &s, 0);
    for (unsigned row = 0; row < ROWS; row++) {
        sqlite3_bind_double(s, 1, row);
        sqlite3_bind_double(s, 2, row * 7919 % 1000);
        sqlite3_step(s);
        sqlite3_reset(s);
    }
    sqlite3_exec(db, "COMMIT", 0, 0, 0);
    double insertions = now() - start;
    start = now();
    sqlite3_prepare_v2(db, QUERY, -1, &s, 0);
    sqlite3_step(s);
    double sum = sqlite3_column_double(s, 0), query = now() - start;
    start = now();
    for (int n = 0; n < CALLS; n++) version();
    printf("%.0f %.0f %.0f %.0f %.17g\n", first, insertions, query, now() - start, sum);
}
"#;

/// Builds the native program, and says how long that took.
fn build(sources: &Path, folder: &Path) -> Result<(PathBuf, Duration)> {
    let (main, program) = (folder.join("native.c"), folder.join("native"));
    fs::write(&main, NATIVE)?;
    let text = |name: &str, value: &str| format!("-D{name}=\"{}\"", value.trim_end_matches('\0'));
    let clock = Instant::now();
    let built = Command::new("cc")
        .args(["-O2", "-DSQLITE_THREADSAFE=0", "-DSQLITE_TEMP_STORE=3"])
        .args(["-DSQLITE_OMIT_LOAD_EXTENSION", "-DSQLITE_OMIT_WAL"])
        .args(["-DSQLITE_OMIT_DEPRECATED", "-DSQLITE_DEFAULT_MEMSTATUS=0"])
        .args([
            text("CREATE", CREATE),
            text("INSERT", INSERT),
            text("QUERY", QUERY),
        ])
        .args([format!("-DROWS={ROWS}"), format!("-DCALLS={CALLS}")])
        .arg("-I")
        .arg(sources)
        .args([&main, &sources.join("sqlite3.c")])
        .args(["-lm", "-o"])
        .arg(&program)
        .status()
        .context("there is no C compiler")?;
    anyhow::ensure!(built.success(), "the native library is not built");
    Ok((program, clock.elapsed()))
}

fn native(program: &Path) -> Result<(Times, f64)> {
    let output = Command::new(program).output()?.stdout;
    let words: Vec<_> = str::from_utf8(&output)?.split_whitespace().collect();
    let mut times = Times::default();
    for (time, word) in times.iter_mut().zip(&words) {
        *time = Duration::from_nanos(word.parse()?);
    }
    Ok((times, words[4].parse()?))
}

fn main() -> Result<()> {
    if env::args().any(|argument| argument == "--test") {
        return Ok(());
    }
    let corpus = &places::find()?.corpus;
    let wasm = fs::read(corpus.join("reactors/sqlite3.wasm"))
        .context("scripts/build-libraries makes it")?;
    let folder = env::temp_dir().join(format!("upshift-ffi-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let (program, built) = build(&corpus.join(".sources/sqlite"), &folder)?;
    let upshift = |strategy| {
        let engine = upshift::Engine::new(upshift::Config::new().strategy(strategy));
        let (engine, wasm) = (engine, &wasm);
        move || -> Result<(Times, f64)> {
            let engine = engine
                .as_ref()
                .map_err(|error| anyhow::anyhow!("{error}"))?;
            in_upshift(engine, wasm, upshift::wasi::WasiCtxBuilder::new().build()?)
        }
    };
    let wasmtime = wasmtime::Engine::default();
    let contenders: [(&str, Box<Measured<'_>>); 4] = [
        ("native", Box::new(|| native(&program))),
        ("upshift", Box::new(upshift(upshift::Strategy::Tiered))),
        (
            "upshift optimizer",
            Box::new(upshift(upshift::Strategy::Optimizer)),
        ),
        (
            "wasmtime",
            Box::new(|| {
                let wasi = wasmtime_wasi::WasiCtxBuilder::new().build_p1();
                in_wasmtime(&wasmtime, &wasm, wasi).map_err(|error| anyhow::anyhow!("{error:?}"))
            }),
        ),
    ];
    let mut times = vec![[const { Vec::new() }; 4]; contenders.len()];
    let mut sums = Vec::new();
    for round in 0..ROUNDS {
        let mut order: Vec<_> = (0..contenders.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for n in order {
            let (measured, sum) = contenders[n].1()?;
            sums.push(sum);
            for (phase, time) in measured.into_iter().enumerate() {
                times[n][phase].push(time);
            }
        }
    }
    assert!(
        sums.iter().all(|sum| *sum == sums[0]),
        "all compute the same"
    );
    fs::remove_dir_all(folder)?;
    println!("SQLite, {ROWS} rows; medians of {ROUNDS}, ms (the least)");
    println!(
        "{:20}{}",
        "",
        PHASES.map(|phase| format!("{phase:>22}")).concat()
    );
    for ((name, _), times) in contenders.iter().zip(&mut times) {
        let cell = |times: &mut Vec<Duration>| {
            times.sort();
            let ms = |time: Duration| time.as_secs_f64() * 1e3;
            format!("{:>13.2} ({:.2})", ms(times[times.len() / 2]), ms(times[0]))
        };
        let cells = times.iter_mut().map(|times| format!("{:>22}", cell(times)));
        println!("{name:20}{}", cells.collect::<String>());
    }
    println!(
        "building the native library took {:.1} s",
        built.as_secs_f64()
    );
    Ok(())
}
