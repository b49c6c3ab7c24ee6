//! The options of `-W` that limit the program's resources.

use upshift::wasi::DEFAULT_THREAD_LIMIT;
use upshift::{StoreLimits, StoreLimitsBuilder};
use upshift_knobs::{knobs, types};

use super::Around;

/// The limits of the program; `None` is no limit.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    memory_size: Option<usize>,
    table_elements: Option<u64>,
    instances: Option<u64>,
    memories: Option<u64>,
    tables: Option<u64>,
    threads: u64,
    trap: bool,
    fuel: Option<u64>,
}

impl Default for Limits {
    /// No limits, but for threads.
    fn default() -> Self {
        Self {
            memory_size: None,
            table_elements: None,
            instances: None,
            memories: None,
            tables: None,
            threads: DEFAULT_THREAD_LIMIT as u64,
            trap: false,
            fuel: None,
        }
    }
}

impl Limits {
    /// How many threads the program may have besides its first one.
    pub fn threads(&self) -> usize {
        self.threads as usize
    }

    /// The fuel of each thread's store, if the program consumes fuel.
    pub fn fuel(&self) -> Option<u64> {
        self.fuel
    }

    /// The limits for a store.
    pub fn build(&self) -> StoreLimits {
        let count = |limit: Option<u64>| limit.map_or(usize::MAX, |limit| limit as usize);
        StoreLimitsBuilder::new()
            .memory_size(self.memory_size.unwrap_or(usize::MAX))
            .table_elements(count(self.table_elements))
            .instances(count(self.instances))
            .memories(count(self.memories))
            .tables(count(self.tables))
            .trap_on_grow_failure(self.trap)
            .build()
    }
}

const ANY: u64 = u64::MAX;

knobs! {
    /// The options.
    pub const LIMITS: Around {
        Wasm "max-memory-size": Limit types::size_or_none(0, ANY) => limits.memory_size,
            "what each memory may have";
        Wasm "max-table-elements": Limit types::count_or_none("elements", 0, ANY)
            => limits.table_elements,
            "elements that each table may have";
        Wasm "max-instances": Limit types::count_or_none("instances", 0, ANY) => limits.instances,
            "instances that the program may consist of";
        Wasm "max-memories": Limit types::count_or_none("memories", 0, ANY) => limits.memories,
            "memories that the program may have";
        Wasm "max-tables": Limit types::count_or_none("tables", 0, ANY) => limits.tables,
            "tables that the program may have";
        Wasm "max-threads": Limit types::count("threads", 0, ANY) => limits.threads,
            "threads that the program may have besides its first one";
        Wasm "fuel": Limit types::count_or_none("units", 0, ANY) => limits.fuel,
            "what the operators of each of its threads may cost together, most of them a unit";
        Wasm "trap-on-grow-failure": Mode types::SWITCH => limits.trap,
            "trap where memory.grow or table.grow would return -1";
    }
}
