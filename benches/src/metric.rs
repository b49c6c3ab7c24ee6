//! The figures, each with its unit and which way is better.

use serde::{Deserialize, Serialize};

/// What a figure counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Nanoseconds.
    Nanoseconds,
    /// Bytes.
    Bytes,
}

macro_rules! metrics {
    ($($(#[$doc:meta])* $name:ident: $unit:ident, $title:literal;)*) => {
        /// A figure. Less is better, whichever it is: speeds are derived where they are shown.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Metric { $($(#[$doc])* $name,)* }

        impl Metric {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// What it counts in.
            pub fn unit(self) -> Unit {
                match self { $(Self::$name => Unit::$unit,)* }
            }

            /// What to call it over a column.
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

metrics! {
    /// From the module's bytes in memory to a module that can be instantiated.
    LoadWall: Seconds, "load";
    /// Processor time of the same, all threads.
    LoadCpu: Seconds, "load, CPU";
    /// From the module's bytes to the end of the first run.
    FirstResult: Seconds, "first result";
    /// Wall time of the process's main work: load and all runs.
    TotalWall: Seconds, "wall";
    /// Processor time of the same, all threads.
    TotalCpu: Seconds, "CPU";
    /// Wall time of an iteration at the end of the warmup: the median of the last half.
    SteadyWall: Seconds, "steady";
    /// Processor time of the same.
    SteadyCpu: Seconds, "steady, CPU";
    /// The process's greatest resident set.
    PeakMemory: Bytes, "peak memory";
    /// Machine code that was generated.
    MachineCode: Bytes, "machine code";
    /// One more instance of a loaded module, dropped again.
    Instance: Nanoseconds, "instance";
    /// A call from the host to a Wasm function and back.
    HostToWasm: Nanoseconds, "host to Wasm";
    /// A call from Wasm to a host function and back.
    WasmToHost: Nanoseconds, "Wasm to host";
    /// A direct call in a module.
    Direct: Nanoseconds, "direct";
    /// A call through a table.
    Indirect: Nanoseconds, "indirect";
    /// A call to another instance's function, through an import.
    Import: Nanoseconds, "import";
}

impl Metric {
    /// Calls by kind, in the order in which they are shown.
    pub const CALLS: [Self; 5] = [
        Self::HostToWasm,
        Self::WasmToHost,
        Self::Direct,
        Self::Indirect,
        Self::Import,
    ];
}
