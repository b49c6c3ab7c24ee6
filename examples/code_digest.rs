//! A digest of the machine code that both compilers make of modules, in each configuration that
//! changes it.
//!
//! Compilation is a pure function, so equal output before and after a change proves that the change
//! leaves the code alone:
//!
//! ```text
//! cargo run --release --example code_digest -- corpus/python.wasm corpus/ruby.wasm > before
//! ```
//!
//! Each line has the configuration, the file, the number of compiled units, the bytes of code and
//! an FNV-1a hash over code, relocations, trap sites and call sites. The optimizer compiles every
//! n-th function only, and its first OSR entry, so that a large module takes seconds: `--every N`
//! chooses n (64), and `--every 1` compiles all.

use upshift_abi::compiler::CompileUnit;
use upshift_abi::facts::decode;
use upshift_abi::{
    CompileRequest, CompiledFunction, Compiler, DefinedFuncIndex, LoopIndex, MemoryBounds,
    MemoryOptions, SpectreMitigation,
};
use upshift_baseline::{Ablation, Baseline, BaselineOptions, Counters, Features};
use upshift_optimizer::{Cpu, MemoryBase, Optimizer, OptimizerOptions};

/// FNV-1a with 64 bits.
struct Digest(u64);

impl Digest {
    fn bytes(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn word(&mut self, word: u32) {
        self.bytes(&word.to_le_bytes());
    }

    fn function(&mut self, function: &CompiledFunction) {
        self.bytes(&function.code);
        for relocation in &function.relocations {
            self.word(relocation.offset.0);
            self.bytes(relocation.target.to_string().as_bytes());
            self.word(relocation.addend as u32);
        }
        for site in &function.sites.traps {
            self.word(site.code.0);
            self.word(site.wasm.0);
            self.bytes(format!("{:?}", site.trap).as_bytes());
        }
        for site in &function.sites.calls {
            self.word(site.code.0);
            self.word(site.wasm.0);
        }
        self.word(function.frame_size);
    }
}

/// How a configuration of this name catches accesses beyond memories.
fn bounds(name: &str) -> MemoryBounds {
    match name.contains("bounds=explicit") {
        true => MemoryBounds::Explicit,
        false => MemoryBounds::GuardPages,
    }
}

/// The baseline's configurations: the default, and each choice that changes the code.
fn baselines() -> Vec<(&'static str, BaselineOptions)> {
    let counters = Counters {
        entry: Some(10),
        loops: Some(5),
    };
    let counting = BaselineOptions {
        counters,
        ..BaselineOptions::default()
    };
    let plain = BaselineOptions::default();
    vec![
        ("baseline", plain),
        ("baseline,counters", counting),
        (
            "baseline,counters,osr=no",
            BaselineOptions {
                osr: false,
                ..counting
            },
        ),
        ("baseline,bounds=explicit", plain),
        (
            "baseline,bounds=explicit,spectre=all",
            BaselineOptions {
                spectre: SpectreMitigation::All,
                ..counting
            },
        ),
        (
            "baseline,spectre=none,nans",
            BaselineOptions {
                spectre: SpectreMitigation::None,
                canonicalize_nans: true,
                ..plain
            },
        ),
        (
            "baseline,cpu=none",
            BaselineOptions {
                features: Features::default(),
                ..counting
            },
        ),
        (
            "baseline,ablated",
            BaselineOptions {
                ablation: Ablation::NONE,
                ..counting
            },
        ),
    ]
}

/// The optimizer's configurations.
fn optimizers() -> Vec<(&'static str, OptimizerOptions)> {
    let plain = OptimizerOptions::default();
    vec![
        ("optimizer", plain.clone()),
        (
            "optimizer,bounds=explicit,spectre=all",
            OptimizerOptions {
                spectre: SpectreMitigation::All,
                ..plain.clone()
            },
        ),
        (
            "optimizer,cpu=baseline,base=register",
            OptimizerOptions {
                cpu: Cpu::Baseline,
                memory_base: MemoryBase::Register,
                canonicalize_nans: true,
                ..plain
            },
        ),
    ]
}

fn main() {
    let mut every = 64;
    let mut files = Vec::new();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        if arg == "--every" {
            let n = args.next().expect("--every N");
            every = n.parse().expect("--every takes a number");
        } else {
            files.push(arg);
        }
    }
    assert!(
        !files.is_empty(),
        "usage: code_digest [--every N] module.wasm..."
    );
    for file in &files {
        let wasm = std::fs::read(file).expect("a readable file");
        let mut facts = decode(&wasm).expect("a valid module").facts;
        facts.number_types();
        for (name, options) in baselines() {
            facts.plan_for(MemoryOptions::with_bounds(bounds(name)));
            report(name, file, &Baseline::new(options), &facts, &wasm, 1);
        }
        for (name, options) in optimizers() {
            facts.plan_for(MemoryOptions::with_bounds(bounds(name)));
            let optimizer = Optimizer::new(options).expect("a supported processor");
            report(name, file, &optimizer, &facts, &wasm, every);
        }
    }
}

/// Compiles every n-th function, and its first loop where the compiler makes OSR entries.
fn report(
    name: &str,
    file: &str,
    compiler: &dyn Compiler,
    facts: &upshift_abi::ModuleFacts,
    wasm: &[u8],
    every: usize,
) {
    let mut digest = Digest(0xcbf2_9ce4_8422_2325);
    let (mut units, mut bytes) = (0, 0);
    let mut session = compiler.session();
    let entries = compiler.tier() == upshift_abi::Tier::Optimizer;
    for func in (0..facts.bodies.len() as u32).step_by(every) {
        let whole = CompileRequest::new(facts, wasm, DefinedFuncIndex(func));
        let mut requests = vec![whole];
        if entries {
            let mut entry = CompileRequest::new(facts, wasm, DefinedFuncIndex(func));
            entry.unit = CompileUnit::Loop(LoopIndex(0));
            requests.push(entry);
        }
        for request in requests {
            match session.compile(request) {
                Ok(function) => {
                    units += 1;
                    bytes += function.code.len();
                    digest.function(&function);
                }
                Err(error) => digest.bytes(error.to_string().as_bytes()),
            }
        }
    }
    println!("{name} {file} {units} {bytes} {:016x}", digest.0);
}
