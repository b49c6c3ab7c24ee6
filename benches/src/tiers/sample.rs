//! One run of a job under a sampler, and the time that each function took itself.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use rustix::time::{ClockId, clock_gettime};
use upshift::profiler::{Event, Names, Record};
use upshift::{Module, Sampler};

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
    /// Bytes of its code.
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

/// The longest run, in seconds, that there is room for samples of.
const LONGEST: f64 = 120.0;

/// Runs a job of a module whose engine stores events.
///
/// # Errors
///
/// If the job fails, or takes too long.
pub fn run(module: &Module, job: &Job, interval: Duration) -> Result<(Profile, Outcome)> {
    let capacity = (LONGEST / interval.as_secs_f64()) as usize;
    let sampler = Sampler::start(interval, capacity)?;
    let began = thread_time();
    let outcome = Loaded::run(module, job);
    let seconds = thread_time() - began;
    let samples = sampler.stop();
    let outcome = outcome?;
    ensure!(samples.lost == 0, "it takes more than {LONGEST} s");
    ensure!(!samples.pcs.is_empty(), "it is too short to be sampled");
    let log = module.engine().event_log();
    let mut profile = attribute(&samples.pcs, &log.records(), &log.names());
    profile.interval = seconds / samples.pcs.len() as f64;
    Ok((profile, outcome))
}

/// Seconds of processor time of the calling thread. A thread that others keep from running gets one
/// signal when it goes on, however many were due, so samples are spread over this time.
fn thread_time() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// Counts samples by the function whose code they are in; those elsewhere are left out. No code is
/// freed while a job runs in one tier, so the last code at an address is the only one.
fn attribute(pcs: &[u64], records: &[Record], names: &Names) -> Profile {
    let mut code: BTreeMap<u64, (u64, u32)> = BTreeMap::new();
    let mut functions: BTreeMap<u32, Function> = BTreeMap::new();
    for record in records {
        let (Event::Published {
            code: key,
            address,
            code_bytes,
        }
        | Event::OsrReady {
            code: key,
            address,
            code_bytes,
        }) = &record.event
        else {
            continue;
        };
        let index = key.func.func.0;
        code.insert(*address, (*address + u64::from(*code_bytes), index));
        let function = functions.entry(index).or_insert_with(|| Function {
            name: names.of(key.func),
            ..Function::default()
        });
        function.code_bytes += code_bytes;
    }
    for pc in pcs {
        if let Some((_, (end, index))) = code.range(..=pc).next_back()
            && pc < end
        {
            functions
                .get_mut(index)
                .expect("added with its code")
                .samples += 1;
        }
    }
    Profile {
        functions,
        interval: 0.0,
    }
}

#[cfg(test)]
mod tests {
    use upshift::profiler::{CodeKey, FuncKey, ModuleKey, Nanos};
    use upshift_abi::{CompileUnit, DefinedFuncIndex};

    use super::*;

    #[test]
    fn samples_count_for_the_function_whose_code_they_are_in() {
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
        let pcs = [999, 1000, 1099, 1100, 2015, 2016];
        let profile = attribute(&pcs, &records, &Names::default());
        assert_eq!(profile.functions[&1].samples, 2);
        assert_eq!(profile.functions[&2].samples, 1);
        assert_eq!(profile.functions[&2].code_bytes, 16);
    }
}
