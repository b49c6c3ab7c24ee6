//! Jikes RVM's policy: samples, and the expectation that a function has as long to run as it ran.

use std::time::Duration;

use upshift_knobs::{TimeUnit, Value, types};

use super::registry::policy;
use super::threshold::leave_loop;
use super::{
    Budget, Decision, Lane, Level, Memo, Needs, Policy, PolicyEvent, Reason, Request, View,
};

policy! {
    ///
    /// Jikes RVM 3.1, `rvm/src/org/jikesrvm/adaptive/controller/AnalyticModel.java` and
    /// `recompilation/CompilerDNA.java`; Arnold, Fink, Grove, Hind, Sweeney: *Adaptive optimization
    /// in the Jalapeño JVM*, OOPSLA 2000. A function is expected to run for as long again as the
    /// samples say it ran: T = samples * quantum. It is compiled at the level j with the least
    /// cost(j) + T * speedup(i) / speedup(j), if that is less than T; the request's priority is the
    /// difference. cost(j) is the body over the level's compile rate. Samples decay by 1.1 in 100
    /// ticks. The defaults are those of IA32: speedups 1, 4.03, 5.88 and 5.93 over the first
    /// level, rates 39.5, 18.5 and 17.3 bytes a millisecond. Where a loop goes on in old code after
    /// the function was compiled, it is left by on-stack replacement.
    ///
    /// It decides on samples alone: an engine with this policy has a sampler, whose period is the
    /// quantum. In virtual time and with zeal switching there are no samples, so it optimizes
    /// nothing, and a warning says so.
    ///
    /// Jikes' levels are the ladder's, from below. With `measured`, what this engine has measured
    /// replaces the defaults, which are those of a processor and compilers of 2007.
    Jikes = "jikes",
        "Jikes RVM's: the level that pays most, if a function runs as long again as it ran" {
        quantum: Duration = Value::Time(Duration::from_millis(4)), "quantum-ms",
            types::time(TimeUnit::Milliseconds),
            "mean time between two samples";
        samples: f64 = Value::Real(3.0), "samples", types::real("samples", 1.0, 1e6),
            "samples of a function until it is considered again";
        decay: f64 = Value::Real(1.1), "decay", types::real("", 1.0, 1e6),
            "what samples are divided by in each decay time";
        decay_after: f64 = Value::Real(100.0), "decay-after", types::real("samples", 1.0, 1e9),
            "decay time, in quanta";
        measured: bool = Value::Switch(true), "measured", types::SWITCH,
            "use measured compile times and speedups as soon as there are any";
        speedup1: f64 = Value::Real(4.03), "speedup1", types::real("", 0.01, 1000.0),
            "speed of level 1 over level 0";
        speedup2: f64 = Value::Real(5.88), "speedup2", types::real("", 0.01, 1000.0),
            "speed of level 2 over level 0";
        speedup3: f64 = Value::Real(5.93), "speedup3", types::real("", 0.01, 1000.0),
            "speed of level 3 over level 0";
        rate1: f64 = Value::Real(39.5), "rate1", types::real("bytes per ms", 1e-6, 1e9),
            "bytes of body that level 1 compiles in a millisecond";
        rate2: f64 = Value::Real(18.5), "rate2", types::real("bytes per ms", 1e-6, 1e9),
            "bytes of body that level 2 compiles in a millisecond";
        rate3: f64 = Value::Real(17.3), "rate3", types::real("bytes per ms", 1e-6, 1e9),
            "bytes of body that level 3 compiles in a millisecond";
        osr: bool = Value::Switch(true), "osr", types::SWITCH,
            "leave loops whose function was requested before";
    }
}

impl Jikes {
    /// Units after which a loop in old code is looked at again.
    const LOOK: u32 = 1_000_000;

    /// How much faster code of the level is than code of level 0.
    fn speedup(&self, view: &View, level: Level) -> f64 {
        let preset = match level.0 {
            0 => 1.0,
            1 => self.speedup1,
            2 => self.speedup2,
            _ => self.speedup3,
        };
        let measured = view.at(level).speedup.filter(|_| self.measured);
        measured.unwrap_or(preset).max(0.01)
    }

    /// Milliseconds that compiling the function at the level takes.
    fn cost(&self, view: &View, level: Level) -> f64 {
        let preset = match level.0 {
            0 | 1 => self.rate1,
            2 => self.rate2,
            _ => self.rate3,
        };
        let bytes = f64::from(view.body_bytes);
        match view.at(level).ns_per_byte.filter(|_| self.measured) {
            Some(per_byte) => per_byte * bytes * 1e-6,
            None => bytes / preset,
        }
    }

    /// Adds samples to what the memo holds, which decays by its age.
    fn count(&self, memo: &mut Memo, samples: u32, view: &View) -> f64 {
        let quantum = (self.quantum.as_nanos() as f64).max(1.0);
        let ticks = view.now.0.saturating_sub(memo.words[1]) as f64 / quantum;
        let left = memo.real(0) * self.decay.powf(-ticks / self.decay_after);
        let left = left + f64::from(samples);
        memo.set_real(0, left);
        memo.words[1] = view.now.0;
        left
    }

    /// The best level above the function's and the milliseconds that the function takes with it,
    /// if it would take `future` as it is; `None` if nothing is better than that.
    fn best(&self, view: &View, future: f64) -> Option<(Level, f64)> {
        let now = self.speedup(view, view.level);
        let levels = (view.level.next().0..=view.top().0).map(Level);
        let time = |level| self.cost(view, level) + future * now / self.speedup(view, level);
        let times = levels.map(|level| (level, time(level)));
        let best = times.min_by(|(_, a), (_, b)| a.total_cmp(b))?;
        (best.1 < future).then_some(best)
    }

    fn sampled(&self, memo: &mut Memo, samples: u32, view: &View) -> Decision {
        let count = self.count(memo, samples, view);
        let wait = Decision::wait(Budget::Units(Self::LOOK));
        // Considered at every third sample, not at each.
        memo.words[2] += u64::from(samples);
        if (memo.words[2] as f64) < self.samples {
            let reason = Reason::new("few samples").with("samples", count);
            return wait.because(reason);
        }
        memo.words[2] = 0;
        let future = count * self.quantum.as_secs_f64() * 1e3;
        let reason = |text| {
            Reason::new(text)
                .with("samples", count)
                .with("future_ms", future)
        };
        let best = self.best(view, future);
        let Some((level, time)) = best.filter(|_| view.can_rise()) else {
            return wait.because(reason("best as it is"));
        };
        memo.words[3] = level.0.into();
        let request = Request::new(level, Lane::Normal).with_priority(future - time);
        wait.with_function(request)
            .because(reason("pays").with("best_ms", time))
    }
}

impl Policy for Jikes {
    fn spec(&self) -> String {
        self.to_spec()
    }

    fn needs(&self) -> Needs {
        Needs::samples(self.quantum)
    }

    /// The memo: decayed samples, the time of the last one, samples since the function was
    /// considered, the level that was requested last.
    fn on(&self, memo: &mut Memo, event: PolicyEvent, view: &View) -> Decision {
        let wait = Decision::wait(Budget::Units(Self::LOOK));
        match event {
            PolicyEvent::Sampled(samples) => self.sampled(memo, samples, view),
            PolicyEvent::Loop(_) if self.osr && memo.words[3] > 0 => {
                let level = Level(memo.words[3].min(u64::from(view.top().0)) as u8);
                let reason = Reason::new("old code").with("level", level.0.into());
                leave_loop(wait, event, Request::new(level, Lane::Urgent)).because(reason)
            }
            _ => wait.because(Reason::new("no sample")),
        }
    }
}
