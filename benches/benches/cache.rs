//! What a second start costs, which finds in a cache on disk what the first one has left there:
//! from a module's bytes, in a new engine, to the module and to the end of a short run.
//!
//! `cargo bench -p upshift-benches --features cache --bench cache`, with the libraries of
//! `scripts/build-libraries`; without the feature Wasmtime has no cache. Starts with and without a
//! cache take turns. The least of all rounds is printed, as wall time and as processor time of all
//! threads: what disturbs a start makes it longer.

use upshift::CacheConfig;
use upshift_benches::corpus::{self, Size};
use upshift_benches::engines::{Engine, Job, Scratch, Upshift, Wasmtime};
use upshift_benches::measure::{Cost, Stopwatch};
use upshift_benches::table::Table;

/// Starts of each kind.
const ROUNDS: usize = 25;

/// An engine, and the least costs of its starts.
struct Starter {
    name: &'static str,
    engine: Box<dyn Engine>,
    loaded: Cost,
    finished: Cost,
}

const NEVER: Cost = Cost {
    wall: f64::INFINITY,
    cpu: f64::INFINITY,
};

impl Starter {
    fn new(name: &'static str, engine: impl Engine + 'static) -> Self {
        Self {
            name,
            engine: Box::new(engine),
            loaded: NEVER,
            finished: NEVER,
        }
    }

    /// Starts once. What happens when the module is dropped does not count: a process that serves
    /// does not end.
    fn start(&mut self, wasm: &[u8], job: &Job) {
        let watch = Stopwatch::start();
        let module = self.engine.load(wasm).expect("the module is valid");
        let loaded = watch.elapsed();
        module.run(job).expect("it does not trap");
        let finished = watch.elapsed();
        self.loaded = least(self.loaded, loaded);
        self.finished = least(self.finished, finished);
    }
}

fn least(one: Cost, other: Cost) -> Cost {
    Cost {
        wall: one.wall.min(other.wall),
        cpu: one.cpu.min(other.cpu),
    }
}

/// The engines, of which those with a cache use the folders.
fn starters(ours: &Scratch, _theirs: &Scratch) -> Vec<Starter> {
    let mut config = upshift::Config::new();
    let mut cache = CacheConfig::new();
    config.cache(Some(cache.with_directory(ours.path()).clone()));
    vec![
        Starter::new("Upshift", Upshift::tiered()),
        Starter::new("Upshift, cached", Upshift::new("cached", config)),
        Starter::new("Wasmtime", Wasmtime::cranelift()),
        #[cfg(feature = "cache")]
        Starter::new(
            "Wasmtime, cached",
            Wasmtime::cranelift()
                .with_cache(_theirs.path())
                .expect("the folder can be used"),
        ),
    ]
}

fn main() {
    for library in corpus::libraries().expect("the manifest") {
        if !["zlib_crc32", "quickjs"].contains(&library.name.as_str()) {
            continue;
        }
        let wasm = library.wasm().expect("it was built");
        let (short, long) = (library.job(Size::Test), library.job(Size::Iteration));
        let folders = [(); 2].map(|()| Scratch::new().expect("a folder can be made"));
        let mut starters = starters(&folders[0], &folders[1]);
        for starter in &starters {
            // The first start of each fills its cache: a longer run, then the module is dropped.
            let module = starter.engine.load(&wasm).expect("the module is valid");
            module.run(&long).expect("it does not trap");
        }
        for _ in 0..ROUNDS {
            for starter in &mut starters {
                starter.start(&wasm, &short);
            }
        }
        let title = format!("{}: ms of a start (processor time)", library.name);
        let mut table = Table::new(title, ["to the module", "to the end of a run"]);
        let cell = |cost: Cost| format!("{:.2} ({:.2})", cost.wall * 1e3, cost.cpu * 1e3);
        for starter in &starters {
            table.push(
                starter.name,
                vec![cell(starter.loaded), cell(starter.finished)],
            );
        }
        println!("{table}");
    }
}
