//! How fast the baseline compiles a module: megabytes of code section per second, nanoseconds per
//! operator and bytes of code per byte of body, in processor time of one thread.
//!
//! ```text
//! cargo run --release -p upshift-baseline --example compile_speed -- module.wasm [rounds]
//! ```

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use upshift_abi::facts::decode;
use upshift_abi::{CompileRequest, Compiler, ModuleFacts};
use upshift_baseline::{Baseline, BaselineOptions, Counters};
use wasmparser::{BinaryReader, FuncValidatorAllocations, FunctionBody};

fn main() {
    let mut args = std::env::args().skip(1);
    let path = args
        .next()
        .expect("usage: compile_speed module.wasm [rounds]");
    let rounds = args
        .next()
        .map_or(3, |rounds| rounds.parse().expect("a number"));
    let wasm = std::fs::read(path).expect("readable");
    let mut facts = decode(&wasm).expect("valid").facts;
    facts.number_types();
    let operators = count_operators(&facts, &wasm);
    let section = f64::from(facts.code_section_bytes);
    println!(
        "{} functions, {:.1} MB of code, {operators} operators",
        facts.bodies.len(),
        section / 1e6
    );
    let report = |name: &str, time: Duration, code: usize| {
        let seconds = time.as_secs_f64();
        println!(
            "{name:24} {:8.1} ms {:7.1} MB/s {:6.1} ns/operator {:6.2} code bytes per byte",
            seconds * 1e3,
            section / seconds / 1e6,
            seconds * 1e9 / operators as f64,
            code as f64 / section,
        );
    };
    report(
        "validate only",
        best(rounds, || validate(&facts, &wasm)).0,
        0,
    );
    let counters = Counters {
        entry: Some(10),
        loops: Some(5),
    };
    for (name, counters) in [("no counters", Counters::default()), ("counters", counters)] {
        let compiler = Baseline::new(BaselineOptions {
            counters,
            ..BaselineOptions::default()
        });
        for with in [false, true] {
            let (time, code) = best(rounds, || compile(&compiler, &facts, &wasm, with));
            let what = if with { "validate, compile" } else { "compile" };
            report(&format!("{what}, {name}"), time, code);
        }
    }
}

/// The processor time of the calling thread, which other processes do not add to.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The shortest of several runs. Each says how long it took and how much it made.
fn best(rounds: u32, mut run: impl FnMut() -> (Duration, usize)) -> (Duration, usize) {
    (0..rounds)
        .map(|_| run())
        .min()
        .expect("at least one round")
}

fn count_operators(facts: &ModuleFacts, wasm: &[u8]) -> u64 {
    let mut count = 0;
    for range in &facts.bodies {
        let bytes = &wasm[range.start as usize..range.end as usize];
        let body = FunctionBody::new(BinaryReader::new(bytes, u64::from(range.start)));
        count += body
            .get_operators_reader()
            .expect("valid")
            .into_iter()
            .count() as u64;
    }
    count
}

fn validate(facts: &ModuleFacts, wasm: &[u8]) -> (Duration, usize) {
    let validators = decode(wasm).expect("valid").validators;
    let start = cpu_time();
    let mut allocations = FuncValidatorAllocations::default();
    for (range, to_validate) in facts.bodies.iter().zip(validators) {
        let bytes = &wasm[range.start as usize..range.end as usize];
        let body = FunctionBody::new(BinaryReader::new(bytes, u64::from(range.start)));
        let mut validator = to_validate.into_validator(allocations);
        validator.validate(&body).expect("valid");
        allocations = validator.into_allocations();
    }
    (cpu_time() - start, 0)
}

fn compile(compiler: &Baseline, facts: &ModuleFacts, wasm: &[u8], with: bool) -> (Duration, usize) {
    let mut validators = decode(wasm).expect("valid").validators.into_iter();
    let mut session = compiler.session();
    let start = cpu_time();
    let mut code = 0;
    for func in facts.defined_funcs() {
        let mut request = CompileRequest::new(facts, wasm, func);
        if with {
            request.validate = validators.next();
        }
        code += session.compile(request).expect("compiles").code.len();
    }
    (cpu_time() - start, code)
}
