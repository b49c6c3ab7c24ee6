//! A trace as work to be done: for each slice, how long each function takes at each level.

use std::ops::RangeInclusive;

use crate::machine::Job;
use crate::trace::{Counting, Function, Loop, Slice, Trace};

/// The highest number of levels.
pub const LEVELS: usize = 4;

/// What a program does, independent of the levels at which it runs.
///
/// Within a slice, work is spread evenly: half of the slice is half of each count. Times follow
/// from the recorded ones: the slice's counts at the times of level 0 explain its recorded time up
/// to a factor (caches, phases of the data), which is taken to be the same at all levels.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    pub(crate) functions: Vec<Code>,
    pub(crate) stretches: Vec<Stretch>,
    /// The loops that ran in each part, one part after the other: the loop's index and its
    /// iterations.
    pub(crate) loops: Vec<(u32, f64)>,
    /// For each level whether its code counts.
    pub(crate) counting: Vec<Counting>,
    /// Bytes of the bodies of all functions of the module.
    pub(crate) module_bytes: u64,
    /// The number of all functions of the module.
    pub(crate) module_funcs: u32,
}

/// What is known of a function's code.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Code {
    pub(crate) body_bytes: u32,
    pub(crate) loops: Vec<Loop>,
    /// The part of its iterations that are made in calls which last.
    pub(crate) lasting: f64,
    /// What compiling an OSR entry takes, as a part of what compiling the function takes.
    pub(crate) osr_part: f64,
    /// For each level, nanoseconds of compiling.
    pub(crate) compile_ns: Vec<f64>,
    /// For each level, bytes of code.
    pub(crate) code_bytes: Vec<u32>,
}

/// The work of a slice.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Stretch {
    /// Time that is the same at all levels.
    pub(crate) host_ns: f64,
    /// What functions do, by ascending function.
    pub(crate) parts: Vec<Part>,
    /// The positions of those parts whose functions do nothing in any slice before.
    pub(crate) first_uses: Vec<u32>,
}

/// What one function does in a slice. One cache line: a simulation reads all parts in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Part {
    pub(crate) function: usize,
    /// How often the function was entered.
    pub(crate) entries: f64,
    /// How often its loops repeated.
    pub(crate) iterations: f64,
    /// The range in [`Workload::loops`].
    pub(crate) loops: (u32, u32),
    /// Nanoseconds of the whole part at each level.
    pub(crate) ns: [f64; LEVELS],
}

/// Factors that make another program, compiler or machine of a trace. Each is in
/// [`FACTORS`](Self::FACTORS), or times may not be finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// How much faster code of the levels above 0 is.
    pub speed: f64,
    /// How much longer compiling at these levels takes.
    pub compile: f64,
    /// How much more the program does, in each slice.
    pub work: f64,
}

impl Scale {
    /// The possible factors.
    pub const FACTORS: RangeInclusive<f64> = 1e-6..=1e6;
}

impl Default for Scale {
    fn default() -> Self {
        Self {
            speed: 1.0,
            compile: 1.0,
            work: 1.0,
        }
    }
}

impl Workload {
    /// The work of a trace that keeps the rules of its format, as all do that were read.
    ///
    /// Time between slices, and time of slices without counts or whose counts take no time, counts
    /// as time outside of WebAssembly.
    pub fn new(trace: &Trace) -> Self {
        let mut end = trace.slices.first().map_or(0, |slice| slice.from);
        let mut loops = Vec::new();
        let stretch = |slice: &Slice| {
            let gap = slice.from - end;
            end = slice.to;
            stretch(slice, gap, &trace.functions, &mut loops)
        };
        let mut stretches: Vec<_> = trace.slices.iter().map(stretch).collect();
        find_first_uses(&mut stretches, trace.functions.len());
        let levels = trace.header.levels.iter();
        let bytes = trace.functions.iter();
        let bytes = bytes.map(|function| u64::from(function.body_bytes));
        Self {
            functions: trace.functions.iter().map(Code::new).collect(),
            counting: levels.map(|level| level.counting).collect(),
            module_bytes: trace.header.module_bytes.max(bytes.sum()),
            module_funcs: trace.header.module_funcs.max(trace.functions.len() as u32),
            stretches,
            loops,
        }
    }

    /// The number of levels.
    pub fn levels(&self) -> usize {
        self.counting.len()
    }

    /// The number of functions, those included that the program doesn't use.
    pub fn functions(&self) -> usize {
        self.functions.len()
    }

    /// The same with other figures.
    #[must_use]
    pub fn scaled(&self, scale: Scale) -> Self {
        let mut scaled = self.clone();
        let loops = scaled.loops.iter_mut();
        loops.for_each(|(_, iterations)| *iterations *= scale.work);
        for code in &mut scaled.functions {
            let times = code.compile_ns.iter_mut().skip(1);
            times.for_each(|time| *time *= scale.compile);
        }
        for stretch in &mut scaled.stretches {
            stretch.host_ns *= scale.work;
            for part in &mut stretch.parts {
                part.entries *= scale.work;
                part.iterations *= scale.work;
                part.ns.iter_mut().for_each(|time| *time *= scale.work);
                part.ns
                    .iter_mut()
                    .skip(1)
                    .for_each(|time| *time /= scale.speed);
            }
        }
        scaled
    }

    /// What a job takes, in nanoseconds.
    pub fn job_ns(&self, job: Job) -> f64 {
        self.functions[job.function].job_ns(job)
    }

    /// What each function takes at each level over the whole run, in nanoseconds.
    pub fn level_ns(&self) -> Vec<Vec<f64>> {
        let levels = self.levels();
        let totals = self.totals();
        totals.iter().map(|all| all[..levels].to_vec()).collect()
    }

    /// The functions in the order of their first use.
    pub(crate) fn by_first_use(&self) -> Vec<usize> {
        let first = |stretch: &Stretch| {
            let first = stretch.first_uses.iter();
            first
                .map(|&position| stretch.parts[position as usize].function)
                .collect::<Vec<_>>()
        };
        self.stretches.iter().flat_map(first).collect()
    }

    /// For each function, its time at each level over the whole run.
    pub(crate) fn totals(&self) -> Vec<[f64; LEVELS]> {
        let mut totals = vec![[0.0; LEVELS]; self.functions.len()];
        for part in self.stretches.iter().flat_map(|stretch| &stretch.parts) {
            let total = totals[part.function].iter_mut();
            total.zip(part.ns).for_each(|(total, ns)| *total += ns);
        }
        totals
    }

    /// The loops that ran in a part, and how often each repeated.
    pub(crate) fn loops(&self, part: &Part) -> &[(u32, f64)] {
        &self.loops[part.loops.0 as usize..part.loops.1 as usize]
    }

    /// The calls and iterations of the busiest function.
    pub(crate) fn most_events(&self) -> f64 {
        let mut units = vec![0.0; self.functions.len()];
        for part in self.stretches.iter().flat_map(|stretch| &stretch.parts) {
            units[part.function] += part.entries + part.iterations;
        }
        units.into_iter().fold(0.0, f64::max)
    }
}

impl Code {
    /// What compiling the function, or an OSR entry of it, takes at a level at least.
    pub(crate) fn least_ns(&self, level: usize) -> f64 {
        match level {
            0 => self.compile_ns[0],
            _ => self.compile_ns[level] * self.osr_part.min(1.0),
        }
    }

    /// [`least_ns`](Self::least_ns) at all levels.
    pub(crate) fn least(&self) -> impl Iterator<Item = f64> {
        (0..self.compile_ns.len()).map(|level| self.least_ns(level))
    }

    fn new(function: &Function) -> Self {
        let costs = function.costs.iter();
        Self {
            body_bytes: function.body_bytes,
            loops: function.loops.clone(),
            lasting: function.lasting,
            osr_part: function.osr_part.unwrap_or(1.0),
            compile_ns: costs.clone().map(|cost| cost.compile_ns).collect(),
            code_bytes: costs.map(|cost| cost.code_bytes).collect(),
        }
    }
}

impl Part {
    /// The time at the fastest level.
    pub(crate) fn fastest(&self, levels: usize) -> f64 {
        self.ns[..levels]
            .iter()
            .copied()
            .fold(f64::INFINITY, f64::min)
    }
}

/// The least time of a slice's counts, in nanoseconds, that the slice's recorded time is compared
/// with. Counts that take less explain nothing, and the factor between the two would be no number.
const LEAST_NS: f64 = 1e-3;

/// The work of a slice that follows a time without one.
fn stretch(
    slice: &Slice,
    gap: u64,
    functions: &[Function],
    loops: &mut Vec<(u32, f64)>,
) -> Stretch {
    let mut parts: Vec<Part> = Vec::new();
    for count in &slice.counts {
        let function = count.function as usize;
        if parts.last().is_none_or(|part| part.function != function) {
            let next = loops.len() as u32;
            parts.push(Part {
                function,
                loops: (next, next),
                ..Part::default()
            });
        }
        let part = parts.last_mut().expect("one was pushed");
        let units = count.units as f64;
        match count.site.checked_sub(1) {
            None => part.entries = units,
            Some(index) => {
                part.iterations += units;
                loops.push((index, units));
                part.loops.1 += 1;
            }
        }
        for (ns, cost) in part.ns.iter_mut().zip(&functions[function].costs) {
            *ns += units * cost.unit_ns[count.site as usize];
        }
    }
    let in_wasm = (slice.to - slice.from - slice.host_ns) as f64;
    let mut host_ns = (slice.host_ns + gap) as f64;
    let modelled: f64 = parts.iter().map(|part| part.ns[0]).sum();
    if modelled >= LEAST_NS {
        let factor = in_wasm / modelled;
        parts
            .iter_mut()
            .flat_map(|part| &mut part.ns)
            .for_each(|ns| *ns *= factor);
    } else {
        host_ns += in_wasm;
    }
    Stretch {
        host_ns,
        parts,
        first_uses: Vec::new(),
    }
}

/// Finds the first part of each of so many functions.
pub(crate) fn find_first_uses(stretches: &mut [Stretch], functions: usize) {
    let mut is_used = vec![false; functions];
    for stretch in stretches {
        let positions = (0..).zip(&stretch.parts);
        let first =
            positions.filter(|(_, part)| !std::mem::replace(&mut is_used[part.function], true));
        stretch.first_uses = first.map(|(position, _)| position).collect();
    }
}
