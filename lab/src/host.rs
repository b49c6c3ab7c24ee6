//! The machine that measures: what disturbs times on it, and how small an effect it can show.

use std::fs;

use crate::stats::estimate::{Pair, ratio};

/// Something about the machine that matters for measurements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is about.
    pub about: &'static str,
    /// What was found.
    pub found: String,
    /// What it does to measurements, if it does anything.
    pub problem: Option<&'static str>,
}

/// What a machine's files say about how well it measures. Files that are missing give no finding.
pub fn findings() -> Vec<Finding> {
    let read = |path: &str| {
        let text = fs::read_to_string(path).ok()?;
        Some(text.trim().to_owned())
    };
    let finding = |about, found: String, problem: Option<&'static str>| Finding {
        about,
        found,
        problem,
    };
    let mut findings = Vec::new();
    let machine = upshift_profiler::format::Machine::current();
    let cores = machine.cores;
    findings.push(finding(
        "cores",
        format!("{cores} ({})", machine.cpu),
        (cores < 2).then_some("compile threads and the program share one core"),
    ));
    findings.push(finding(
        "hypervisor",
        if machine.hypervisor { "yes" } else { "no" }.into(),
        machine
            .hypervisor
            .then_some("other guests take time and caches: see stolen time"),
    ));
    if let Some(governor) = machine.governor {
        let varies = governor != "performance";
        let problem = varies.then_some("the clock follows the load: set `performance`");
        findings.push(finding("frequency governor", governor, problem));
    }
    if let Some(turbo) = read("/sys/devices/system/cpu/intel_pstate/no_turbo") {
        let on = turbo == "0";
        let problem = on.then_some("the clock depends on heat and on how many cores are busy");
        findings.push(finding(
            "turbo",
            if on { "on" } else { "off" }.into(),
            problem,
        ));
    }
    if let Some(smt) = read("/sys/devices/system/cpu/smt/active") {
        let on = smt == "1";
        let problem = on.then_some("two cores may be one: a compile thread slows the program");
        findings.push(finding(
            "hardware threads",
            if on { "on" } else { "off" }.into(),
            problem,
        ));
    }
    if let Some(quota) = read("/sys/fs/cgroup/cpu.max") {
        let limited = !quota.starts_with("max");
        let problem = limited.then_some("threads are stopped when the quota is used up");
        findings.push(finding("quota of the control group", quota, problem));
    }
    if let Some(random) = read("/proc/sys/kernel/randomize_va_space") {
        let on = random != "0";
        // Not a problem: layouts that vary are what processes are repeated for.
        findings.push(finding(
            "random addresses",
            if on { "yes" } else { "no" }.into(),
            None,
        ));
    }
    if let Some(load) = read("/proc/loadavg") {
        let first = load.split(' ').next().unwrap_or_default().to_owned();
        let busy = first.parse::<f64>().is_ok_and(|load| load > 0.5);
        let problem = busy.then_some("something else is running");
        findings.push(finding("load", first, problem));
    }
    findings
}

/// What the machine did to processes so far: stolen time, and what waits for cores.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Noise {
    /// Seconds for which the hypervisor ran other guests, of all cores.
    pub stolen: f64,
    /// Threads that ran or waited for a core, on average over the last minute.
    pub load: f64,
}

impl Noise {
    /// The state now; zero where the system does not say.
    pub fn now() -> Self {
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        let first = stat.lines().next().unwrap_or_default();
        let stolen = first
            .split_whitespace()
            .nth(8)
            .and_then(|ticks| ticks.parse::<f64>().ok());
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').next().and_then(|load| load.parse().ok());
        Self {
            // Linux counts in hundredths of a second, whatever its own clock is.
            stolen: stolen.unwrap_or(0.0) / 100.0,
            load: load.unwrap_or(0.0),
        }
    }

    /// What was unusual since then, about a process that took so many seconds.
    pub fn since(self, wall: f64) -> Vec<String> {
        let now = Self::now();
        let cores = std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64);
        let mut found = Vec::new();
        let stolen = (now.stolen - self.stolen) / wall;
        if stolen > 0.02 {
            found.push(format!("stolen {:.1} %", stolen * 100.0));
        }
        // The process itself and its compile threads may keep all cores busy.
        if self.load > cores + 1.0 {
            found.push(format!("load {:.1}", self.load));
        }
        found
    }
}

/// How small an effect times of this machine can show, from times of one program under two names
/// that mean the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sensitivity {
    /// The ratio of the two medians, 1 without noise, and its interval.
    pub ratio: crate::stats::estimate::Estimate,
    /// The smallest change, as a share, that the interval of a ratio would not hide: its larger
    /// half.
    pub smallest: f64,
}

impl Sensitivity {
    /// From the times of the two; `None` without any.
    pub fn new(first: &[f64], second: &[f64]) -> Option<Self> {
        let ratio = ratio(Pair {
            variant: second,
            base: first,
        })?;
        let above = (ratio.high - 1.0).abs();
        let below = (1.0 - ratio.low).abs();
        Some(Self {
            ratio,
            smallest: above.max(below),
        })
    }

    /// How many processes would show an effect, where `processes` show the
    /// [`smallest`](Self::smallest) one: intervals shrink with the root of the number.
    pub fn processes_for(&self, effect: f64, processes: usize) -> f64 {
        (processes as f64 * (self.smallest / effect).powi(2)).ceil()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_effect_grows_with_the_noise() {
        let steady = [1.0, 1.001, 0.999, 1.0, 1.0005, 0.9995, 1.0, 1.0];
        let noisy = steady.map(|time| 1.0 + (time - 1.0) * 50.0);
        let of = |times: &[f64]| Sensitivity::new(times, times).unwrap();
        assert!(of(&steady).smallest < 0.002, "{:?}", of(&steady));
        assert!(of(&noisy).smallest > 0.01, "{:?}", of(&noisy));
        let double = of(&steady).processes_for(of(&steady).smallest / 2.0, 8);
        assert_eq!(double, 32.0);
        assert_eq!(Sensitivity::new(&[], &steady), None);
    }

    #[test]
    fn this_machine_says_something() {
        let findings = findings();
        assert!(findings.iter().any(|finding| finding.about == "cores"));
        let noise = Noise {
            stolen: Noise::now().stolen - 1.0,
            load: 1e6,
        };
        assert_eq!(noise.since(2.0).len(), 2, "{:?}", noise.since(2.0));
    }
}
