//! Totals over the events of a log, which `--stats` prints and reports contain.

use std::collections::BTreeMap;
use std::fmt;

use upshift_abi::Tier;

use crate::event::Event;
use crate::figures::figures;
use crate::key::{CodeKey, FuncKey, Nanos, grouped};

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

    fn tier_mut(&mut self, tier: Tier) -> &mut TierStats {
        match tier {
            Tier::Baseline => &mut self.baseline,
            Tier::Optimizer => &mut self.optimizer,
        }
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
                let tier = self.tier_mut(code.tier);
                match code.loop_number() {
                    None => tier.functions += 1,
                    Some(_) => tier.osr_units += 1,
                }
                tier.body_bytes += u64::from(body_bytes);
                tier.code_bytes += u64::from(code_bytes);
                tier.time.0 += time.0;
                tier.cpu.0 += cpu_time.0;
                tier.longest = tier.longest.max(time);
                tier.queue_wait.0 += queue_wait.0;
            }
            Event::CompileFailed { code, .. } => self.tier_mut(code.tier).failures += 1,
            Event::CompileRefused { code, .. } => self.tier_mut(code.tier).refused += 1,
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
        let rows: [(&str, ShowCell); 9] = [
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
        ];
        writeln!(f, "{:<34}{:>14}{:>14}", "tier", "baseline", "optimizer")?;
        for (label, show) in rows {
            writeln!(
                f,
                "{label:<34}{:>14}{:>14}",
                show(&self.baseline),
                show(&self.optimizer)
            )?;
        }
        for (label, tier) in [("baseline", &self.baseline), ("optimizer", &self.optimizer)] {
            if tier.longest.0 > 0 {
                writeln!(
                    f,
                    "{:<34}{:>14}",
                    format!("longest compilation, {label}"),
                    tier.longest
                )?;
            }
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
    fn the_table_names_both_tiers() {
        let mut stats = Stats::default();
        let entry = code(CompileUnit::Loop(LoopIndex(1)), Tier::Optimizer);
        stats.apply(Nanos(20), &finished(entry, 1_500_000));
        stats.apply(Nanos(30), &entered(entry));
        let table = stats.to_string();
        assert!(table.contains("OSR entries"), "{table}");
        assert!(table.contains("1.50 ms"), "{table}");
    }
}
