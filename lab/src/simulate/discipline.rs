//! Queue disciplines: which waiting request is compiled next.

use std::fmt;
use std::str::FromStr;

use upshift_tiering::policy::Request;

use crate::machine::Unit;

/// Declares the disciplines by name.
macro_rules! disciplines {
    ($($(#[$attribute:meta])* $name:ident = $text:literal,)*) => {
        /// Which waiting request is compiled next. Among equals, the one that has waited longest.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Discipline {
            $($(#[$attribute])* $name,)*
            /// Any, by a generator with this seed: `random:SEED`.
            Random(u64),
        }

        impl Discipline {
            /// The names, `random` left out.
            pub const NAMES: &'static [&'static str] = &[$($text,)*];
        }

        impl fmt::Display for Discipline {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Discipline::$name => f.write_str($text),)*
                    Discipline::Random(seed) => write!(f, "random:{seed}"),
                }
            }
        }

        impl FromStr for Discipline {
            type Err = UnknownDiscipline;

            fn from_str(text: &str) -> Result<Self, UnknownDiscipline> {
                let seed = text.strip_prefix("random:").and_then(|seed| seed.parse().ok());
                match text {
                    $($text => Ok(Discipline::$name),)*
                    _ => seed.map(Discipline::Random).ok_or_else(|| UnknownDiscipline(text.into())),
                }
            }
        }
    };
}

disciplines! {
    /// The one that has waited longest.
    Fifo = "fifo",
    /// The one that was requested last.
    Lifo = "lifo",
    /// The engine's: the first lane that is not empty, and in it the one that has waited longest.
    #[default]
    Lanes = "lanes",
    /// The highest priority that the policy gave.
    Priority = "priority",
    /// HotSpot's: the highest (rate + 1) (calls + 1) (iterations + 1).
    Hottest = "hottest",
    /// The most units per byte of body: work so far over what compiling costs.
    Density = "density",
    /// The shortest body.
    Shortest = "shortest",
}

/// A name that stands for no discipline.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no queue discipline `{0}`; there are {known} and random:SEED", known = known())]
pub struct UnknownDiscipline(pub String);

fn known() -> String {
    Discipline::NAMES.join(", ")
}

/// A request that waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) function: usize,
    pub(super) unit: Unit,
    pub(super) request: Request,
    /// When it was requested, in nanoseconds.
    pub(super) since: f64,
}

/// What disciplines know of a waiting request's function.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heat {
    pub(super) rate: f64,
    pub(super) calls: f64,
    pub(super) iterations: f64,
    pub(super) body_bytes: f64,
}

/// The waiting requests, in the order in which they were made.
#[derive(Debug)]
pub(super) struct Queue {
    discipline: Discipline,
    waiting: Vec<Waiting>,
    random: fastrand::Rng,
}

impl Queue {
    pub(super) fn new(discipline: Discipline) -> Self {
        let seed = match discipline {
            Discipline::Random(seed) => seed,
            _ => 0,
        };
        Self {
            discipline,
            waiting: Vec::new(),
            random: fastrand::Rng::with_seed(seed),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn push(&mut self, waiting: Waiting) {
        self.waiting.push(waiting);
    }

    /// Gives a waiting request another urgency.
    pub(super) fn reprioritise(&mut self, function: usize, unit: Unit, request: Request) {
        let mut waiting = self.waiting.iter_mut();
        if let Some(one) = waiting.find(|one| one.function == function && one.unit == unit) {
            one.request = request;
        }
    }

    /// Takes the next request.
    pub(super) fn pop(&mut self, heat: impl Fn(usize) -> Heat) -> Option<Waiting> {
        let mut best: Option<(f64, usize)> = None;
        for (position, one) in self.waiting.iter().enumerate() {
            let rank = match self.discipline {
                Discipline::Random(_) => self.random.f64(),
                discipline => discipline.rank(one, position, heat(one.function)),
            };
            if best.is_none_or(|(highest, _)| rank > highest) {
                best = Some((rank, position));
            }
        }
        best.map(|(_, position)| self.waiting.remove(position))
    }
}

impl Discipline {
    /// How early a request is served: the higher the earlier.
    fn rank(self, waiting: &Waiting, position: usize, heat: Heat) -> f64 {
        match self {
            Discipline::Fifo | Discipline::Random(_) => 0.0,
            Discipline::Lifo => position as f64,
            Discipline::Lanes => -f64::from(waiting.request.lane as u8),
            Discipline::Priority => waiting.request.priority,
            Discipline::Hottest => (heat.rate + 1.0) * (heat.calls + 1.0) * (heat.iterations + 1.0),
            Discipline::Density => (heat.calls + heat.iterations) / heat.body_bytes.max(1.0),
            Discipline::Shortest => -heat.body_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use upshift_tiering::Level;
    use upshift_tiering::policy::Lane;

    use super::*;

    fn order(discipline: Discipline) -> Vec<usize> {
        let mut queue = Queue::new(discipline);
        for (function, lane, priority) in [
            (0, Lane::Normal, 1.0),
            (1, Lane::Low, 5.0),
            (2, Lane::Urgent, 0.0),
            (3, Lane::Normal, 2.0),
        ] {
            queue.push(Waiting {
                function,
                unit: Unit::Function,
                request: Request::new(Level(1), lane).with_priority(priority),
                since: 0.0,
            });
        }
        let heat = |function: usize| Heat {
            rate: [0.0, 3.0, 0.0, 0.0][function],
            calls: [10.0, 3.0, 1.0, 20.0][function],
            iterations: [0.0, 0.0, 9.0, 0.0][function],
            body_bytes: [10.0, 1.0, 5.0, 100.0][function],
        };
        std::iter::from_fn(|| queue.pop(heat))
            .map(|one| one.function)
            .collect()
    }

    #[test]
    fn orders_by_hand() {
        assert_eq!(order(Discipline::Fifo), [0, 1, 2, 3]);
        assert_eq!(order(Discipline::Lifo), [3, 2, 1, 0]);
        assert_eq!(order(Discipline::Lanes), [2, 0, 3, 1]);
        assert_eq!(order(Discipline::Priority), [1, 3, 0, 2]);
        // 11, 16, 20, 21.
        assert_eq!(order(Discipline::Hottest), [3, 2, 1, 0]);
        // 1, 3, 2, 0.2.
        assert_eq!(order(Discipline::Density), [1, 2, 0, 3]);
        assert_eq!(order(Discipline::Shortest), [1, 2, 0, 3]);
        assert_eq!(order(Discipline::Random(1)), order(Discipline::Random(1)));
        let orders = (0..50).map(|seed| order(Discipline::Random(seed)));
        assert!(orders.collect::<std::collections::BTreeSet<_>>().len() > 10);
    }

    #[test]
    fn names_are_read_back() {
        for name in Discipline::NAMES.iter().chain(&["random:7"]) {
            assert_eq!(name.parse::<Discipline>().unwrap().to_string(), *name);
        }
        let error = "hotest".parse::<Discipline>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "no queue discipline `hotest`; there are fifo, lifo, lanes, priority, hottest, \
             density, shortest and random:SEED"
        );
    }
}
