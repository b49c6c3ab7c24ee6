//! Totals over the events of a log, which `--stats` prints and reports contain.

use std::collections::BTreeMap;
use std::fmt;

use upshift_abi::Tier;

use crate::event::{Activity, Event};
use crate::figures::figures;
use crate::key::{CodeKey, FuncKey, Nanos, grouped};
use crate::names::Names;
use crate::text::Text;

/// Declares [`Stats`] from the one list of counters.
macro_rules! counters {
    ($($(#[doc = $doc:literal])* $name:ident = $label:literal;)*) => {
        figures! {
            /// Totals since the log's start.
            #[derive(Clone, Debug, Default, PartialEq)]
            Stats {
                $($(#[doc = $doc])* $name: u64,)*
                /// The time from the log's start until these totals were read.
                elapsed: Nanos,
                /// When optimized code was first published or entered from a running loop.
                first_tier_up: Option<Nanos>,
                /// When optimized code was last published, or an OSR entry last became ready.
                last_tier_up: Option<Nanos>,
                /// The totals of the baseline compiler.
                baseline: TierStats,
                /// The totals of the optimizer.
                optimizer: TierStats,
                /// The totals of each level of the ladder, lowest first.
                levels: Vec<LevelStats>,
                /// How often each loop entered its OSR entry.
                osr_loops: OsrCounts,
            }
        }

        impl Stats {
            /// Adds the totals of other threads.
            pub(crate) fn add(&mut self, other: &Stats) {
                let queue_high_water = self.queue_high_water.max(other.queue_high_water);
                $(self.$name += other.$name;)*
                self.queue_high_water = queue_high_water;
                self.baseline.add(&other.baseline);
                self.optimizer.add(&other.optimizer);
                for (level, stats) in other.levels.iter().enumerate() {
                    self.level_mut(level).add(&stats.totals);
                }
                // `None` is less than any time.
                self.last_tier_up = self.last_tier_up.max(other.last_tier_up);
                let firsts = [self.first_tier_up, other.first_tier_up];
                self.first_tier_up = firsts.into_iter().flatten().min();
                for (&key, count) in &other.osr_loops.0 {
                    *self.osr_loops.0.entry(key).or_default() += count;
                }
            }

            /// Each counter with its label, in the order of the table.
            pub fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$(($label, self.$name),)*].into_iter()
            }
        }
    };
}

counters! {
    /// Modules loaded.
    modules_loaded = "modules loaded";
    /// Functions that the loaded modules define.
    functions_defined = "functions defined";
    /// Functions compiled at their first call; not those that were compiled eagerly.
    functions_called = "functions compiled at first call";
    /// How often a budget was exhausted.
    budgets_exhausted = "budgets exhausted";
    /// Requests for optimized code, those included that were dropped.
    requests_queued = "requests made";
    /// Requests that were declined because the same unit was under way already.
    requests_deduplicated = "requests deduplicated";
    /// Requests that were dropped: the queue was full, or the module or the engine was gone.
    requests_dropped = "requests dropped";
    /// The longest queue, in requests.
    queue_high_water = "longest queue";
    /// How often a running loop entered optimized code.
    osr_entries = "OSR entries";
    /// Functions whose tiers were compared.
    functions_compared = "functions compared";
    /// Functions that were sent back to baseline code, as their optimized code was slower.
    functions_sent_back = "functions sent back";
    /// Functions that keep the code that they have.
    functions_pinned = "functions pinned";
    /// Bytes of code that was replaced and retired.
    retired_bytes = "code bytes retired";
    /// Samples in code of functions.
    samples_guest = "samples in functions";
    /// Samples in host functions, builtins and other code of the engine.
    samples_host = "samples in the host";
    /// Samples of threads that compiled code that they waited for.
    samples_compile = "samples in compilers";
    /// Samples of threads that used no processor time.
    samples_idle = "samples of idle threads";
    /// Samples of threads that did not answer in time.
    samples_missed = "samples missed";
    /// Events that a log of limited capacity dropped.
    events_forgotten = "events forgotten";
    /// Events that the log does not have, since a thread recorded them faster than they were
    /// written. They are counted in all other figures.
    events_lost = "events lost";
}

figures! {
    /// The totals of one tier's compiler.
    #[derive(Clone, Debug, Default, PartialEq)]
    TierStats {
        /// Functions compiled, recompilations included.
        functions: u64,
        /// OSR entries compiled.
        osr_units: u64,
        /// Compilations that ended with an error.
        failures: u64,
        /// Compilations that exceeded a limit.
        refused: u64,
        /// Bytes of the bodies compiled; a body counts once per compilation.
        body_bytes: u64,
        /// Bytes of machine code emitted.
        code_bytes: u64,
        /// Sum of the compilations' wall times.
        time: Nanos,
        /// Sum of the processor times of the threads that compiled.
        cpu: Nanos,
        /// Wall time of the longest compilation.
        longest: Nanos,
        /// Sum of the times that requests waited in the queue.
        queue_wait: Nanos,
    }
}

figures! {
    /// The totals of one level of the ladder.
    #[derive(Clone, Debug, Default, PartialEq)]
    LevelStats {
        /// The level's name.
        name: Text,
        /// The totals of its compiler.
        totals: TierStats,
    }
}

impl TierStats {
    fn add(&mut self, other: &TierStats) {
        self.functions += other.functions;
        self.osr_units += other.osr_units;
        self.failures += other.failures;
        self.refused += other.refused;
        self.body_bytes += other.body_bytes;
        self.code_bytes += other.code_bytes;
        self.time.0 += other.time.0;
        self.cpu.0 += other.cpu.0;
        self.longest = self.longest.max(other.longest);
        self.queue_wait.0 += other.queue_wait.0;
    }

    /// Body bytes compiled per second of compile time, in millions.
    pub fn megabytes_per_second(&self) -> f64 {
        if self.time.0 == 0 {
            return 0.0;
        }
        self.body_bytes as f64 * 1e3 / self.time.0 as f64
    }
}

/// How often each loop entered its OSR entry; serialized as a list of `{module, func, loop,
/// entries}`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OsrCounts(pub BTreeMap<(FuncKey, u32), u64>);

impl Stats {
    /// The totals of the tier.
    pub fn tier(&self, tier: Tier) -> &TierStats {
        match tier {
            Tier::Baseline => &self.baseline,
            Tier::Optimizer => &self.optimizer,
        }
    }

    /// Names the levels, and adds those that have compiled nothing.
    pub fn name_levels(&mut self, names: &Names) {
        for (level, name) in names.levels().into_iter().enumerate() {
            self.level_mut(level);
            self.levels[level].name = name;
        }
    }

    fn level_mut(&mut self, level: usize) -> &mut TierStats {
        while self.levels.len() <= level {
            let name = format!("level {}", self.levels.len()).into();
            let totals = TierStats::default();
            self.levels.push(LevelStats { name, totals });
        }
        &mut self.levels[level].totals
    }

    /// Adds something to the totals of the code's kind of compiler, and to those of its level.
    fn count(&mut self, code: CodeKey, add: impl Fn(&mut TierStats)) {
        add(match code.tier {
            Tier::Baseline => &mut self.baseline,
            Tier::Optimizer => &mut self.optimizer,
        });
        add(self.level_mut(code.level.into()));
    }

    /// Adds an event to the totals.
    pub fn apply(&mut self, at: Nanos, event: &Event) {
        match *event {
            Event::ModuleLoaded { functions, .. } => {
                self.modules_loaded += 1;
                self.functions_defined += u64::from(functions);
            }
            Event::FirstCall { .. } => self.functions_called += 1,
            Event::CompileStarted { .. }
            | Event::Dequeued { .. }
            | Event::Decided { .. }
            | Event::ModuleIdentified { .. }
            | Event::Lost { .. } => {}
            Event::CompileFinished {
                code,
                body_bytes,
                code_bytes,
                time,
                cpu_time,
                queue_wait,
                ..
            } => {
                let (functions, osr_units) = match code.loop_number() {
                    None => (1, 0),
                    Some(_) => (0, 1),
                };
                let compilation = TierStats {
                    functions,
                    osr_units,
                    body_bytes: body_bytes.into(),
                    code_bytes: code_bytes.into(),
                    time,
                    cpu: cpu_time,
                    longest: time,
                    queue_wait,
                    ..TierStats::default()
                };
                self.count(code, |totals| totals.add(&compilation));
            }
            Event::CompileFailed { code, .. } => self.count(code, |totals| totals.failures += 1),
            Event::CompileRefused { code, .. } => self.count(code, |totals| totals.refused += 1),
            Event::BudgetExhausted { .. } => self.budgets_exhausted += 1,
            Event::RequestQueued { queue_length, .. } => {
                self.requests_queued += 1;
                self.queue_high_water = self.queue_high_water.max(u64::from(queue_length));
            }
            Event::RequestDeduplicated { .. } => self.requests_deduplicated += 1,
            Event::RequestDropped { .. } => self.requests_dropped += 1,
            Event::Published { code, .. } => self.tier_up(at, code),
            Event::OsrReady { .. } => {}
            Event::OsrEntered { code, .. } => {
                self.osr_entries += 1;
                if let Some(number) = code.loop_number() {
                    *self.osr_loops.0.entry((code.func, number)).or_default() += 1;
                }
                self.tier_up(at, code);
            }
            Event::Retired { code_bytes, .. } => self.retired_bytes += u64::from(code_bytes),
            Event::Pinned { .. } => self.functions_pinned += 1,
            Event::Sample { activity, .. } => {
                *match activity {
                    Activity::Guest => &mut self.samples_guest,
                    Activity::Host => &mut self.samples_host,
                    Activity::Compile => &mut self.samples_compile,
                    Activity::Idle => &mut self.samples_idle,
                    Activity::Missed => &mut self.samples_missed,
                } += 1;
            }
            Event::TiersCompared { kept, .. } => {
                self.functions_compared += 1;
                self.functions_sent_back += u64::from(kept.tier == Tier::Baseline);
            }
        }
    }

    fn tier_up(&mut self, at: Nanos, code: CodeKey) {
        if code.tier == Tier::Optimizer {
            self.first_tier_up.get_or_insert(at);
            self.last_tier_up = Some(at);
        }
    }
}

/// Formats one figure of a tier.
type ShowCell = fn(&TierStats) -> String;

impl fmt::Display for Stats {
    /// The table that `--stats` prints.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: [(&str, ShowCell); 10] = [
            ("functions compiled", |tier| grouped(tier.functions)),
            ("OSR entries compiled", |tier| grouped(tier.osr_units)),
            ("failures", |tier| grouped(tier.failures)),
            ("over a limit", |tier| grouped(tier.refused)),
            ("Wasm bytes", |tier| grouped(tier.body_bytes)),
            ("code bytes", |tier| grouped(tier.code_bytes)),
            ("compile time", |tier| tier.time.to_string()),
            ("processor time of it", |tier| tier.cpu.to_string()),
            ("MB per second", |tier| {
                format!("{:.2}", tier.megabytes_per_second())
            }),
            ("longest compilation", |tier| tier.longest.to_string()),
        ];
        let width = |level: &LevelStats| (level.name.chars().count() + 2).max(14);
        write!(f, "{:<34}", "tier")?;
        for level in &self.levels {
            write!(f, "{:>1$}", level.name, width(level))?;
        }
        writeln!(f)?;
        for (label, show) in rows {
            write!(f, "{label:<34}")?;
            for level in &self.levels {
                write!(f, "{:>1$}", show(&level.totals), width(level))?;
            }
            writeln!(f)?;
        }
        if let Some(mean) = self
            .optimizer
            .queue_wait
            .0
            .checked_div(self.requests_queued)
        {
            writeln!(f, "{:<34}{:>14}", "mean wait in the queue", Nanos(mean))?;
        }
        for (label, at) in [
            ("first use of optimized code", self.first_tier_up),
            ("last change to optimized code", self.last_tier_up),
        ] {
            if let Some(at) = at {
                writeln!(f, "{label:<34}{at:>14}")?;
            }
        }
        for (label, count) in self.counters().filter(|&(_, count)| count > 0) {
            writeln!(f, "{label:<34}{:>14}", grouped(count))?;
        }
        writeln!(f, "{:<34}{:>14}", "elapsed", self.elapsed)
    }
}

#[cfg(test)]
mod tests {
    use upshift_abi::{CompileUnit, DefinedFuncIndex, LoopIndex};

    use super::*;
    use crate::key::ModuleKey;

    fn code(unit: CompileUnit, tier: Tier) -> CodeKey {
        let func = FuncKey {
            module: ModuleKey(0),
            func: DefinedFuncIndex(3),
        };
        CodeKey::new(func, unit, tier)
    }

    fn finished(code: CodeKey, time: u64) -> Event {
        Event::CompileFinished {
            code,
            body_bytes: 1_000,
            code_bytes: 4_000,
            time: Nanos(time),
            cpu_time: Nanos(time / 2),
            queue_wait: Nanos(5),
            loops: None,
        }
    }

    fn entered(code: CodeKey) -> Event {
        let address = 16;
        Event::OsrEntered { code, address }
    }

    #[test]
    fn totals_by_tier_and_loop() {
        let mut stats = Stats::default();
        let baseline = code(CompileUnit::Function, Tier::Baseline);
        let entry = code(CompileUnit::Loop(LoopIndex(1)), Tier::Optimizer);
        stats.apply(Nanos(10), &finished(baseline, 20_000));
        stats.apply(Nanos(20), &finished(entry, 1_000_000));
        stats.apply(Nanos(30), &entered(entry));
        stats.apply(Nanos(40), &entered(entry));
        assert_eq!(stats.baseline.functions, 1);
        assert_eq!(stats.optimizer.osr_units, 1);
        assert_eq!(stats.osr_loops.0[&(entry.func, 1)], 2);
        assert_eq!(stats.first_tier_up, Some(Nanos(30)));
        assert_eq!(stats.last_tier_up, Some(Nanos(40)));
        assert!((stats.baseline.megabytes_per_second() - 50.0).abs() < 1e-9);
    }

    #[test]
    fn the_table_has_a_column_for_each_level() {
        let mut stats = Stats::default();
        let entry = code(CompileUnit::Loop(LoopIndex(1)), Tier::Optimizer);
        let whole = code(CompileUnit::Function, Tier::Optimizer);
        stats.apply(Nanos(20), &finished(entry.at_level(2), 1_500_000));
        stats.apply(Nanos(30), &entered(entry.at_level(2)));
        stats.apply(Nanos(40), &finished(whole, 700_000));
        let mut names = Names::default();
        let levels = ["naive", "cranelift-none", "cranelift-speed"];
        names.set_levels(levels.map(Text::from).to_vec());
        stats.name_levels(&names);
        let counted = |level: usize| {
            let totals = &stats.levels[level].totals;
            (totals.functions, totals.osr_units)
        };
        assert_eq!([0, 1, 2].map(counted), [(0, 0), (1, 0), (0, 1)]);
        assert_eq!(
            (stats.optimizer.functions, stats.optimizer.osr_units),
            (1, 1)
        );
        let table = stats.to_string();
        let row = |label: &str| {
            let row = table.lines().find(|line| line.starts_with(label));
            let row = row.unwrap_or_else(|| panic!("no {label} in\n{table}"));
            row[label.len()..]
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(row("tier"), "naive cranelift-none cranelift-speed");
        assert_eq!(row("OSR entries compiled"), "0 0 1");
        assert_eq!(row("longest compilation"), "0.0 us 0.70 ms 1.50 ms");
    }

    #[test]
    fn totals_of_threads_add_up_by_level() {
        let mut sum = Stats::default();
        let mut thread = Stats::default();
        let whole = code(CompileUnit::Function, Tier::Optimizer).at_level(2);
        thread.apply(Nanos(20), &finished(whole, 1_000));
        sum.add(&thread);
        sum.add(&thread);
        assert_eq!(sum.levels.len(), 3);
        assert_eq!(sum.levels[2].totals.functions, 2);
    }
}
