//! The queue of waiting requests. Which is next is the engine's choice ([`queue::next`]).

use upshift_profiler::{FuncKey, Nanos};
use upshift_tiering::policy::Request;
use upshift_tiering::queue::{self, Discipline, Figures, Next};

use crate::machine::Unit;

/// A request that waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) function: usize,
    pub(super) unit: Unit,
    /// When it was requested, in nanoseconds.
    pub(super) since: f64,
    /// What the discipline saw of it when it was pushed, or when it was taken.
    pub(super) seen: queue::Waiting,
}

impl Waiting {
    pub(super) fn new(
        function: usize,
        key: FuncKey,
        unit: Unit,
        request: Request,
        since: f64,
    ) -> Self {
        Self {
            function,
            unit,
            since,
            seen: queue::Waiting::new(key, unit.into(), request),
        }
    }
}

/// The waiting requests, in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Vec<Waiting>,
    /// What the discipline sees of each, in the same order.
    seen: Vec<queue::Waiting>,
    /// How many requests there have been.
    requests: u64,
}

/// What becomes of a request that is taken.
#[derive(Debug)]
pub(super) enum Taken {
    Compile(Waiting),
    /// Dropped, because its function has had no event for a time.
    Stale(Waiting),
}

impl Queue {
    /// Whether a request for the function waits.
    pub(super) fn has(&self, function: usize) -> bool {
        self.waiting.iter().any(|one| one.function == function)
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The number of the next request.
    pub(super) fn next_number(&self) -> u64 {
        self.requests
    }

    pub(super) fn push(&mut self, mut waiting: Waiting) {
        waiting.seen.order = self.requests;
        self.requests += 1;
        self.seen.push(waiting.seen);
        self.waiting.push(waiting);
    }

    /// Gives what waits of a function another urgency.
    pub(super) fn reprioritise(&mut self, function: usize, latest: Request) {
        for (one, seen) in self.waiting.iter().zip(&mut self.seen) {
            if one.function == function && one.unit == Unit::Function {
                seen.request.lane = latest.lane;
                seen.request.priority = latest.priority;
            }
        }
    }

    /// Takes the next request at the time `now`. `look` returns the figures of a function, for the
    /// level of a request.
    pub(super) fn pop(
        &mut self,
        discipline: &dyn Discipline,
        stale: Option<Nanos>,
        now: f64,
        look: impl Fn(&Waiting) -> Figures,
    ) -> Option<Taken> {
        if discipline.watches() || stale.is_some() {
            for (one, seen) in self.waiting.iter().zip(&mut self.seen) {
                seen.waited = Nanos((now - one.since) as u64);
                seen.figures = look(one);
            }
        }
        Some(match queue::next(discipline, stale, &self.seen)? {
            Next::Compile(index) => Taken::Compile(self.remove(index)),
            Next::Drop(index) => Taken::Stale(self.remove(index)),
        })
    }

    fn remove(&mut self, index: usize) -> Waiting {
        let seen = self.seen.remove(index);
        Waiting {
            seen,
            ..self.waiting.remove(index)
        }
    }
}

#[cfg(test)]
mod tests {
    use upshift_abi::DefinedFuncIndex;
    use upshift_profiler::ModuleKey;
    use upshift_tiering::Level;
    use upshift_tiering::policy::Lane;

    use super::*;

    fn key(function: usize) -> FuncKey {
        FuncKey {
            module: ModuleKey(0),
            func: DefinedFuncIndex(function as u32),
        }
    }

    fn queue() -> Queue {
        let mut queue = Queue::default();
        for (function, lane, priority) in [
            (0, Lane::Normal, 1.0),
            (1, Lane::Low, 5.0),
            (2, Lane::Urgent, 0.0),
            (3, Lane::Normal, 2.0),
        ] {
            let request = Request::new(Level(1), lane).with_priority(priority);
            queue.push(Waiting::new(
                function,
                key(function),
                Unit::Function,
                request,
                0.0,
            ));
        }
        queue
    }

    /// The functions of the queue in the order in which they are taken; stale ones from 100 on.
    fn order(mut queue: Queue, spec: &str, stale: Option<Nanos>) -> Vec<usize> {
        let discipline = upshift_tiering::queue::from_spec(spec).unwrap();
        let look = |one: &Waiting| {
            let mut figures = Figures::default();
            figures.rate = [0.0, 3.0, 0.0, 0.0][one.function];
            figures.calls = [10, 3, 1, 20][one.function];
            figures.iterations = [0, 0, 9, 0][one.function];
            figures.body_bytes = [10, 1, 5, 100][one.function];
            figures.idle = Nanos([0, 0, 0, 70][one.function]);
            figures
        };
        let taken = std::iter::from_fn(|| queue.pop(&*discipline, stale, 9.0, look));
        taken
            .map(|taken| match taken {
                Taken::Compile(one) => one.function,
                Taken::Stale(one) => 100 + one.function,
            })
            .collect()
    }

    #[test]
    fn the_engines_disciplines_order_the_queue() {
        assert_eq!(order(queue(), "fifo", None), [0, 1, 2, 3]);
        assert_eq!(order(queue(), "lanes", None), [2, 0, 3, 1]);
        assert_eq!(order(queue(), "v8-prio", None), [1, 3, 0, 2]);
        // 11, 16, 20, 21.
        assert_eq!(order(queue(), "hottest", None), [3, 2, 1, 0]);
        assert_eq!(order(queue(), "shortest", None), [1, 2, 0, 3]);
    }

    #[test]
    fn what_is_stale_goes_first_and_urgencies_change() {
        let stale = Some(Nanos(69));
        assert_eq!(order(queue(), "fifo", stale), [103, 0, 1, 2]);
        assert_eq!(order(queue(), "fifo", Some(Nanos(70))), [0, 1, 2, 3]);
        let mut changed = queue();
        let request = Request::new(Level(1), Lane::High).with_priority(9.0);
        changed.reprioritise(0, request);
        assert_eq!(order(changed, "v8-prio", None), [0, 1, 3, 2]);
    }
}
