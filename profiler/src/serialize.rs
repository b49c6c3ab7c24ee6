//! How keys, counts and numbers are serialized and read back, where that is not field by field.

use std::collections::BTreeMap;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};
use serde::ser::{Serialize, Serializer};
use upshift_abi::{CompileUnit, DefinedFuncIndex, LoopIndex};

use crate::key::{CodeKey, FuncKey, ModuleKey, ReqId, TIERS, tier_name};
use crate::stats::OsrCounts;
use crate::text::Real;

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(rename = "FuncKey")]
struct FuncRow {
    module: ModuleKey,
    func: u32,
}

impl Serialize for FuncKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (module, func) = (self.module, self.func.0);
        FuncRow { module, func }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for FuncKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let FuncRow { module, func } = FuncRow::deserialize(deserializer)?;
        let func = DefinedFuncIndex(func);
        Ok(Self { module, func })
    }
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(rename = "CodeKey")]
struct CodeRow {
    module: ModuleKey,
    func: u32,
    #[serde(rename = "loop")]
    loop_number: Option<u32>,
    tier: crate::text::Text,
    level: u8,
    req: Option<u32>,
}

impl Serialize for CodeKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let row = CodeRow {
            module: self.func.module,
            func: self.func.func.0,
            loop_number: self.loop_number(),
            tier: tier_name(self.tier).into(),
            level: self.level,
            req: self.req.number(),
        };
        row.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for CodeKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let row = CodeRow::deserialize(deserializer)?;
        let tier = TIERS
            .into_iter()
            .find(|&tier| tier_name(tier) == row.tier)
            .ok_or_else(|| D::Error::invalid_value(Unexpected::Str(&row.tier), &"a tier"))?;
        let func = FuncKey {
            module: row.module,
            func: DefinedFuncIndex(row.func),
        };
        let unit = row
            .loop_number
            .map_or(CompileUnit::Function, |n| CompileUnit::Loop(LoopIndex(n)));
        let req = row.req.map_or(ReqId::NONE, ReqId);
        Ok(Self::new(func, unit, tier)
            .at_level(row.level)
            .with_req(req))
    }
}

#[derive(serde::Serialize, serde::Deserialize)]
struct OsrRow {
    module: u32,
    func: u32,
    #[serde(rename = "loop")]
    loop_number: u32,
    entries: u64,
}

impl Serialize for OsrCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|(&(key, loop_number), &entries)| OsrRow {
            module: key.module.0,
            func: key.func.0,
            loop_number,
            entries,
        }))
    }
}

impl<'de> Deserialize<'de> for OsrCounts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let rows = Vec::<OsrRow>::deserialize(deserializer)?;
        let counts: BTreeMap<_, _> = rows
            .into_iter()
            .map(|row| {
                let func = FuncKey {
                    module: ModuleKey(row.module),
                    func: DefinedFuncIndex(row.func),
                };
                ((func, row.loop_number), row.entries)
            })
            .collect();
        Ok(Self(counts))
    }
}

/// The strings that stand for numbers that JSON does not have.
const SPECIAL: [(&str, f64); 3] = [
    ("inf", f64::INFINITY),
    ("-inf", f64::NEG_INFINITY),
    ("nan", f64::NAN),
];

impl Serialize for Real {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match SPECIAL.iter().find(|(_, value)| Real(*value) == *self) {
            Some((name, _)) => serializer.serialize_str(name),
            None => serializer.serialize_f64(self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Real {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RealVisitor;
        impl Visitor<'_> for RealVisitor {
            type Value = Real;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number, or `inf`, `-inf` or `nan`")
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Real, E> {
                Ok(Real(value))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Real, E> {
                Ok(Real(value as f64))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Real, E> {
                Ok(Real(value as f64))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Real, E> {
                let found = SPECIAL.iter().find(|(name, _)| *name == text);
                found
                    .map(|&(_, value)| Real(value))
                    .ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(RealVisitor)
    }
}
