//! The metrics, each with its unit.

use serde::{Deserialize, Serialize};

/// The unit of a metric.
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
        /// A metric. Less is better for all of them: speeds are derived where they are shown.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Metric { $($(#[$doc])* $name,)* }

        impl Metric {
            /// All metrics.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The unit of the metric.
            pub fn unit(self) -> Unit {
                match self { $(Self::$name => Unit::$unit,)* }
            }

            /// The heading of a column.
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

metrics! {
    /// Wall time from the module's bytes in memory to a module that can be instantiated.
    LoadWall: Seconds, "load";
    /// Processor time from the module's bytes to a module that can be instantiated, all threads.
    LoadCpu: Seconds, "load, CPU";
    /// Wall time from the module's bytes to the end of the first run.
    FirstResult: Seconds, "first result";
    /// Wall time of the process's main work: load and all runs.
    TotalWall: Seconds, "wall";
    /// Processor time of the process's main work: load and all runs, all threads.
    TotalCpu: Seconds, "CPU";
    /// Wall time of an iteration at the end of the warmup: the median of the last half.
    SteadyWall: Seconds, "steady";
    /// Processor time of an iteration at the end of the warmup: the median of the last half.
    SteadyCpu: Seconds, "steady, CPU";
    /// The process's greatest resident set.
    PeakMemory: Bytes, "peak memory";
    /// Bytes of machine code that were generated.
    MachineCode: Bytes, "machine code";
    /// Time to create one more instance of a loaded module and drop it.
    Instance: Nanoseconds, "instance";
    /// Time of a call from the host to a Wasm function and back.
    HostToWasm: Nanoseconds, "host to Wasm";
    /// Time of a call from Wasm to a host function and back.
    WasmToHost: Nanoseconds, "Wasm to host";
    /// Time of a direct call in a module.
    Direct: Nanoseconds, "direct";
    /// Time of a call through a table.
    Indirect: Nanoseconds, "indirect";
    /// Time of a call to another instance's function, through an import.
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
