//! One run of a job under a sampler, and the time that each function took itself. What was inlined
//! counts for the function that it is from, so that the tiers can be compared.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use upshift::Module;
use upshift::profiler::{Activity, Event, Names, Nanos, Record};
use upshift::tiering::FunctionSamples;

use crate::engines::{Job, Loaded, Outcome};

/// The times of one run.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// Functions by index.
    pub functions: BTreeMap<u32, Function>,
    /// Seconds of processor time between two samples, as they came.
    pub interval: f64,
}

/// A function in one run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Function {
    /// Its name in reports.
    pub name: String,
    /// Samples in its code.
    pub samples: u32,
    /// Bytes of its code, without its copies in other functions; 0 if it has none of its own.
    pub code_bytes: u32,
}

impl Profile {
    /// Seconds in a function's own code.
    pub fn seconds(&self, function: u32) -> f64 {
        let samples = self.functions.get(&function).map_or(0, |f| f.samples);
        f64::from(samples) * self.interval
    }

    /// Seconds in code of all functions.
    pub fn total(&self) -> f64 {
        let samples = self.functions.values().map(|f| f.samples);
        f64::from(samples.sum::<u32>()) * self.interval
    }
}

/// Runs a job of a module whose engine stores events and takes samples.
///
/// # Errors
///
/// If the job fails, or is too short.
pub fn run(module: &Module, job: &Job) -> Result<(Profile, Outcome)> {
    let outcome = Loaded::run(module, job)?;
    let engine = module.engine();
    let samples = engine.samples();
    let total = samples.total();
    ensure!(total.cpu > Nanos(0), "it is too short to be sampled");
    let log = engine.event_log();
    let mut profile = attribute(&samples.bodies, &log.records(), &log.names());
    let busy = total.count - samples.of(Activity::Idle).count;
    profile.interval = total.cpu.0 as f64 / 1e9 / busy as f64;
    Ok((profile, outcome))
}

/// The samples by function, with the bytes of its code.
fn attribute(samples: &[FunctionSamples], records: &[Record], names: &Names) -> Profile {
    let mut functions: BTreeMap<u32, Function> = BTreeMap::new();
    for record in records {
        if let Event::Published {
            code: key,
            code_bytes,
            ..
        }
        | Event::OsrReady {
            code: key,
            code_bytes,
            ..
        } = &record.event
        {
            let function = functions
                .entry(key.func.func.0)
                .or_insert_with(|| Function {
                    name: names.of(key.func),
                    ..Function::default()
                });
            function.code_bytes += code_bytes;
        }
    }
    for row in samples {
        let function = functions.entry(row.func.func.0);
        let function = function.or_insert_with(|| Function {
            name: names.of(row.func),
            ..Function::default()
        });
        function.samples += row.sum.count as u32;
    }
    Profile {
        functions,
        interval: 0.0,
    }
}

#[cfg(test)]
mod tests {
    use upshift::profiler::{CodeKey, FuncKey, ModuleKey};
    use upshift::tiering::{Level, SampleSum};
    use upshift_abi::{CompileUnit, DefinedFuncIndex};

    use super::*;

    #[test]
    fn samples_and_bytes_count_for_their_function() {
        let record = |func, address, code_bytes| Record {
            at: Nanos(0),
            cpu: Nanos(0),
            thread: 0,
            event: Event::Published {
                code: CodeKey::new(
                    FuncKey {
                        module: ModuleKey(0),
                        func: DefinedFuncIndex(func),
                    },
                    CompileUnit::Function,
                    upshift_abi::Tier::Baseline,
                ),
                address,
                code_bytes,
            },
        };
        let records = [record(1, 1000, 100), record(2, 2000, 16)];
        let row = |func, count| FunctionSamples {
            func: FuncKey {
                module: ModuleKey(0),
                func: DefinedFuncIndex(func),
            },
            level: Level(0),
            sum: SampleSum {
                count,
                cpu: Nanos(0),
            },
        };
        let samples = [row(1, 2), row(2, 1), row(3, 5)];
        let profile = attribute(&samples, &records, &Names::default());
        assert_eq!(profile.functions[&1].samples, 2);
        assert_eq!(profile.functions[&2].samples, 1);
        assert_eq!(profile.functions[&2].code_bytes, 16);
        let inlined = &profile.functions[&3];
        assert_eq!((inlined.samples, inlined.code_bytes), (5, 0));
    }
}
