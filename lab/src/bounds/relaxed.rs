//! Lower bounds of the time to the end, from a machine that can do more than the real one.

use super::single;
use crate::machine::Machine;
use crate::workload::{LEVELS, Part, Stretch, Workload};

/// A lower bound for any number of compile threads and cores: each level of each function is
/// compiled from the start on, by a thread of its own.
///
/// *Proof.* Let `T(x)` be when a run has done the part `x` of the program. No schedule has code of
/// a level before its compilation could be over, so at each time each function's code here is at
/// least as fast as in any other run at that time, and gets faster as time passes. Where two runs
/// meet at the same `(x, T)`, this one does not go on slower, so it is never overtaken. At the
/// first use of a function it goes on at the earlier of two times: after compiling at level 0, or
/// when its code is there. Another run that comes later does one of these, and both are later for
/// it.
pub fn infinite(workload: &Workload) -> f64 {
    let relaxation = Relaxation {
        workload,
        capacity: Capacity::Infinite,
        fixed: Vec::new(),
        from: 0.0,
    };
    relaxation.walk()
}

/// A lower bound for this machine, and for any with fewer compile threads, fewer cores, or threads
/// that disturb each other more.
///
/// *Proof.* With `k` threads on `n` cores, at most `K(T) = min(k T, n T - F(x))` nanoseconds of
/// compiling are done by the time `T`, where `F(x)` is the least that the guest itself has needed
/// of the cores: [`free`](super::free) of what it has done. What runs at `T` is a set of functions
/// at levels whose compile times are in sum at most `K(T)`, each of them at most `T`. The
/// relaxation lets the machine choose at each moment anew, and divide: it runs at the speed of the
/// best fractional choice (greedily by gain over cost, on the concave hull of each function's
/// levels), which is at least that of any set. This speed depends on the slice and on `T` alone and
/// grows with `T`, so the argument of [`infinite`] holds. Besides, the processor time of all is at
/// least [`single()`], of which `min(n, k + 1)` threads do at most that many nanoseconds in each.
pub fn relaxed(workload: &Workload, machine: &Machine) -> f64 {
    let (cores, workers) = threads(machine);
    let relaxation = Relaxation {
        workload,
        capacity: Capacity::Shared { cores, workers },
        fixed: Vec::new(),
        from: 0.0,
    };
    let running = cores.min(workers + 1.0);
    relaxation.walk().max(single(workload) / running)
}

/// Cores and compile threads. A guest that compiles itself is one thread on one core.
fn threads(machine: &Machine) -> (f64, f64) {
    match machine.workers {
        0 => (1.0, 1.0),
        workers => (machine.cores.into(), workers.into()),
    }
}

/// How much has been compiled by some time, at most.
#[derive(Clone, Debug)]
pub(super) enum Capacity {
    Infinite,
    /// As in the proof of [`relaxed`].
    Shared {
        cores: f64,
        workers: f64,
    },
    /// Threads on cores of their own that are free from these times on, in ascending order.
    From(Vec<f64>),
}

/// What has been compiled by some time, and how that grows until the next time at which its growth
/// changes.
#[derive(Clone, Copy)]
struct Compiled {
    amount: f64,
    growth: f64,
    until: f64,
}

impl Capacity {
    /// At a time, when the guest has needed at least `free` nanoseconds.
    fn at(&self, time: f64, free: f64) -> Compiled {
        let steady = |amount: f64, growth| Compiled {
            amount: amount.max(0.0),
            growth,
            until: f64::INFINITY,
        };
        match self {
            Capacity::Infinite => steady(f64::INFINITY, 0.0),
            Capacity::Shared { cores, workers } => {
                let (own, left) = (workers * time, cores * time - free);
                if own <= left {
                    return steady(own, *workers);
                }
                let until = match cores > workers {
                    true => free / (cores - workers),
                    false => f64::INFINITY,
                };
                Compiled {
                    until,
                    ..steady(left, *cores)
                }
            }
            Capacity::From(times) => {
                let free = times.iter().take_while(|from| **from <= time);
                let spans = free.map(|from| time - from);
                let (amount, growth) =
                    spans.fold((0.0, 0.0), |(sum, count), span| (sum + span, count + 1.0));
                let next = times.get(growth as usize).copied();
                Compiled {
                    until: next.unwrap_or(f64::INFINITY),
                    ..steady(amount, growth)
                }
            }
        }
    }
}

/// A machine with a capacity for compiling that it may divide and deal anew at each moment.
pub(super) struct Relaxation<'a> {
    pub(super) workload: &'a Workload,
    pub(super) capacity: Capacity,
    /// For each function whose levels are not dealt but become ready at a time: levels and times.
    /// Empty: none.
    pub(super) fixed: Vec<Vec<(usize, f64)>>,
    /// The time before which no other compilation begins.
    pub(super) from: f64,
}

/// Compilations that take less, in nanoseconds, count as free: what they save over what they take
/// would be no number, and the bound remains one.
const LEAST_NS: f64 = 1e-6;

/// How fast a stretch is at some time, until a later time.
struct Speed {
    /// Nanoseconds for the whole stretch.
    ns: f64,
    /// By how much that falls in each nanosecond.
    fall: f64,
    until: f64,
}

impl Relaxation<'_> {
    /// When the program ends.
    pub(super) fn walk(&self) -> f64 {
        let levels = self.workload.levels();
        let mut used = vec![false; self.workload.functions.len()];
        let (mut time, mut free) = (0.0_f64, 0.0);
        for stretch in &self.workload.stretches {
            for part in &stretch.parts {
                if !std::mem::replace(&mut used[part.function], true) {
                    let first = self.workload.functions[part.function].compile_ns[0];
                    time = (time + first).min(time.max(self.earliest(part.function)));
                }
            }
            time = self.cross(stretch, time, free);
            free += stretch.host_ns;
            free += stretch
                .parts
                .iter()
                .map(|part| part.fastest(levels))
                .sum::<f64>();
        }
        time
    }

    fn fixed(&self, function: usize) -> &[(usize, f64)] {
        self.fixed.get(function).map_or(&[], Vec::as_slice)
    }

    /// When code of a level above 0 is there at the earliest.
    fn earliest(&self, function: usize) -> f64 {
        let fixed = self.fixed(function).iter().map(|&(_, ready)| ready);
        let compile = self.workload.functions[function].least().skip(1);
        let dealt = compile.map(|time| self.from + time);
        fixed.chain(dealt).fold(f64::INFINITY, f64::min)
    }

    /// When a stretch ends that is begun at `time`.
    fn cross(&self, stretch: &Stretch, mut time: f64, free: f64) -> f64 {
        let mut left = 1.0;
        loop {
            let speed = self.speed(stretch, time, free);
            if speed.ns <= 0.0 {
                return time;
            }
            // The time falls exponentially with the part that is done; without `fall`, evenly.
            let end = match speed.fall > 0.0 {
                true => time - speed.ns / speed.fall * (-speed.fall * left).exp_m1(),
                false => time + speed.ns * left,
            };
            if end <= speed.until {
                return end;
            }
            let span = speed.until - time;
            left -= match speed.fall > 0.0 {
                true => -(-speed.fall * span / speed.ns).ln_1p() / speed.fall,
                false => span / speed.ns,
            };
            left = left.max(0.0);
            time = speed.until;
        }
    }

    /// The speed of the best fractional choice.
    fn speed(&self, stretch: &Stretch, time: f64, free: f64) -> Speed {
        let compiled = self.capacity.at(time, free);
        let mut speed = Speed {
            ns: stretch.host_ns,
            fall: 0.0,
            until: compiled.until,
        };
        let mut gains = Vec::new();
        for part in &stretch.parts {
            speed.ns += self.part(part, time, &mut speed.until, &mut gains);
        }
        gains.sort_by(|first, second| second.density().total_cmp(&first.density()));
        let mut amount = compiled.amount;
        for gain in gains {
            if gain.cost <= amount {
                speed.ns -= gain.ns;
                amount -= gain.cost;
                continue;
            }
            speed.ns -= gain.density() * amount;
            speed.fall = gain.density() * compiled.growth;
            if speed.fall > 0.0 {
                let full = time + (gain.cost - amount) / compiled.growth;
                speed.until = speed.until.min(full);
            }
            break;
        }
        // Rounding must not make a time that does not pass.
        speed.until = speed.until.max(time.next_up());
        speed
    }

    /// The time of a part without what can be dealt, and, by decreasing density, what can.
    fn part(&self, part: &Part, time: f64, until: &mut f64, gains: &mut Vec<Gain>) -> f64 {
        let mut level = 0;
        let mut waits = |at: f64| {
            if at > time {
                *until = until.min(at);
            }
            at > time
        };
        for &(fixed, ready) in self.fixed(part.function) {
            if !waits(ready) {
                level = level.max(fixed);
            }
        }
        let mut ns = part.ns[level];
        // What a level needs to be compiled, and what it saves; of those that can be there.
        let mut compile = [0.0; LEVELS];
        let levels = self.workload.functions[part.function].least();
        let levels = compile
            .iter_mut()
            .zip(levels)
            .map(|(ns, least)| *ns = least);
        let levels = levels.count();
        let mut points = [(f64::INFINITY, 0.0); LEVELS];
        for other in 1..levels {
            let saves = part.ns[level] - part.ns[other];
            let mut fixed = self.fixed(part.function).iter();
            let is_fixed = fixed.any(|&(fixed, _)| fixed == other);
            if saves > 0.0 && !is_fixed && !waits(self.from + compile[other]) {
                points[other] = (compile[other], saves);
            }
        }
        let mut reached = (0.0, 0.0);
        while let Some(gain) = steepest(&points, reached) {
            reached = (reached.0 + gain.cost, reached.1 + gain.ns);
            match gain.cost >= LEAST_NS {
                true => gains.push(gain),
                false => ns -= gain.ns,
            }
        }
        ns
    }
}

/// A compilation, or the rest of one to a higher level, and the time that it saves in a stretch.
#[derive(Clone, Copy)]
struct Gain {
    cost: f64,
    ns: f64,
}

impl Gain {
    fn density(self) -> f64 {
        self.ns / self.cost
    }
}

/// The next piece of the concave hull over some points, from one on it.
fn steepest(points: &[(f64, f64)], from: (f64, f64)) -> Option<Gain> {
    let gains = points.iter().map(|&(cost, ns)| Gain {
        cost: (cost - from.0).max(0.0),
        ns: ns - from.1,
    });
    let better = gains.filter(|gain| gain.ns > 0.0 && gain.cost.is_finite());
    better.max_by(|first, second| {
        let density = first.density().total_cmp(&second.density());
        density.then(first.ns.total_cmp(&second.ns))
    })
}
