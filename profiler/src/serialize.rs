//! How keys and counts are serialized, where that is not field by field.

use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::key::{CodeKey, FuncKey, tier_name};
use crate::stats::OsrCounts;

impl Serialize for FuncKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("FuncKey", 2)?;
        out.serialize_field("module", &self.module)?;
        out.serialize_field("func", &self.func.0)?;
        out.end()
    }
}

impl Serialize for CodeKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("CodeKey", 4)?;
        out.serialize_field("module", &self.func.module)?;
        out.serialize_field("func", &self.func.func.0)?;
        out.serialize_field("loop", &self.loop_number())?;
        out.serialize_field("tier", &tier_name(self.tier))?;
        out.end()
    }
}

impl Serialize for OsrCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(serde::Serialize)]
        struct Row {
            module: u32,
            func: u32,
            #[serde(rename = "loop")]
            loop_number: u32,
            entries: u64,
        }
        serializer.collect_seq(self.0.iter().map(|(&(key, loop_number), &entries)| Row {
            module: key.module.0,
            func: key.func.0,
            loop_number,
            entries,
        }))
    }
}
