//! Options of `-W` that limit what the program may take.

use upshift::knobs::{Group, Kind, Knob, KnobValue as _};
use upshift::{StoreLimits, StoreLimitsBuilder};

use super::Around;

/// What the program may take; `None` is as much as there is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    memory_size: Option<usize>,
    table_elements: Option<u64>,
    instances: Option<u64>,
    memories: Option<u64>,
    tables: Option<u64>,
    trap: bool,
}

impl Limits {
    /// As a store takes them.
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

/// Defines the options: name, type, field and help of each.
macro_rules! limits {
    ($($name:literal: $ty:ty = $field:ident, $help:literal;)*) => {
        /// The options.
        pub const LIMITS: &[Knob<Around>] = &[$(Knob {
            group: Group::Wasm,
            name: $name,
            kind: Kind::Mode,
            values: <$ty>::VALUES,
            help: $help,
            set: |around, text| {
                around.limits.$field = <$ty>::parse(text)?;
                Some(())
            },
            get: |around| around.limits.$field.spell(),
        },)*];
    };
}

limits! {
    "max-memory-size": Option<usize> = memory_size, "bytes that each memory may have";
    "max-table-elements": Option<u64> = table_elements, "elements that each table may have";
    "max-instances": Option<u64> = instances, "instances that the program may consist of";
    "max-memories": Option<u64> = memories, "memories that the program may have";
    "max-tables": Option<u64> = tables, "tables that the program may have";
    "trap-on-grow-failure": bool = trap, "trap where memory.grow or table.grow would return -1";
}
