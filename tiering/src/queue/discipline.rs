//! What a queue discipline is: which of the waiting requests a compile thread takes next.
//!
//! The choice is pure: it depends on the requests and on nothing else, so the engine's queue and a
//! simulation share it.

use std::fmt::Debug;

use upshift_abi::{CompileUnit, DefinedFuncIndex};
use upshift_profiler::{FuncKey, ModuleKey, Nanos};

use crate::policy::{Lane, Level, Request};

/// How a function has run, and what compiling it costs, at the moment of a choice.
///
/// Times are those of tiering's clock; counts are estimates as in a policy's
/// [`View`](crate::policy::View).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Figures {
    /// The length of the function's body, in bytes.
    pub body_bytes: u32,
    /// Budget units used since the function's first code was installed.
    pub units: u64,
    /// Calls since then.
    pub calls: u64,
    /// Iterations of the function's loops since then.
    pub iterations: u64,
    /// Calls and iterations per millisecond, lately; 0 where the function has come to a rest.
    pub rate: f64,
    /// Time since the last event of the function's running code.
    pub idle: Nanos,
    /// Measured nanoseconds of compilation per byte of body at the request's level; `None` before
    /// there is a measurement.
    pub ns_per_byte: Option<f64>,
    /// Measured factor by which code of the request's level is faster than that of level 0; `None`
    /// before there is a measurement.
    pub speedup: Option<f64>,
}

/// A request that waits for a compile thread.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Waiting {
    /// The function.
    pub func: FuncKey,
    /// The whole function, or one of its loops.
    pub unit: CompileUnit,
    /// What is requested, and how urgently. For a discipline that
    /// [watches](Discipline::watches), the urgency is that of the function's latest request.
    pub request: Request,
    /// The request's number in the order of arrival.
    pub order: u64,
    /// How long it has waited. Kept only for a discipline that [watches](Discipline::watches).
    pub waited: Nanos,
    /// How the function has run. Kept only for a discipline that [watches](Discipline::watches).
    pub figures: Figures,
}

impl Waiting {
    /// A request that has just arrived, of a function of which nothing is known.
    pub fn new(func: FuncKey, unit: CompileUnit, request: Request) -> Self {
        Self {
            func,
            unit,
            request,
            order: 0,
            waited: Nanos(0),
            figures: Figures::default(),
        }
    }
}

impl Default for Waiting {
    fn default() -> Self {
        let func = FuncKey {
            module: ModuleKey(0),
            func: DefinedFuncIndex(0),
        };
        let request = Request::new(Level(1), Lane::Normal);
        Self::new(func, CompileUnit::Function, request)
    }
}

/// Decides which of the waiting requests a compile thread takes next.
///
/// ```
/// use upshift_tiering::queue::{Discipline, Waiting};
///
/// /// The function with the longest body first.
/// #[derive(Debug)]
/// struct Longest;
///
/// impl Discipline for Longest {
///     fn spec(&self) -> String {
///         "longest".into()
///     }
///
///     fn watches(&self) -> bool {
///         true
///     }
///
///     fn rank(&self, waiting: &Waiting) -> f64 {
///         f64::from(waiting.figures.body_bytes)
///     }
/// }
///
/// let mut waiting = [Waiting::default(); 3];
/// waiting[1].figures.body_bytes = 70;
/// waiting[2].figures.body_bytes = 50;
/// assert_eq!(Longest.choose(&waiting), 1);
/// ```
pub trait Discipline: Send + Sync + Debug {
    /// The discipline's name and parameters. For built-in ones [`from_spec`](super::from_spec)
    /// recreates the discipline from it; for an embedder's own it names it in reports.
    fn spec(&self) -> String;

    /// Whether ranks depend on what changes while a request waits: its age, its function's figures,
    /// and the urgency of the function's latest request. These are then read anew before each
    /// choice, which takes about a tenth of a microsecond for each request that waits.
    fn watches(&self) -> bool {
        false
    }

    /// The request's rank: the highest is next, of equals the one that arrived first. What is not a
    /// number is last.
    fn rank(&self, waiting: &Waiting) -> f64;

    /// The index of the next request. There is at least one; they are in no particular order.
    /// Called by compile threads, under the queue's lock.
    fn choose(&self, waiting: &[Waiting]) -> usize {
        let rank = |waiting: &Waiting| match self.rank(waiting) {
            rank if rank.is_nan() => f64::NEG_INFINITY,
            rank => rank,
        };
        let ranked = waiting.iter().map(rank).enumerate();
        let best = ranked.max_by(|&(a, rank_a), &(b, rank_b)| {
            let earlier = waiting[b].order.cmp(&waiting[a].order);
            rank_a.total_cmp(&rank_b).then(earlier)
        });
        best.map_or(0, |(index, _)| index)
    }
}

/// What becomes of the requests that wait when a compile thread is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The request with this index is compiled.
    Compile(usize),
    /// The request with this index is dropped: its function has had no event for a time. Then the
    /// question is asked again.
    Drop(usize),
}

/// What becomes of the requests that wait when a compile thread is free; `None` if none waits.
///
/// Those of functions that have had no event for longer than `stale` are dropped first. Figures are
/// up to date if the discipline [watches](Discipline::watches), or if there is a `stale`.
pub fn next(
    discipline: &dyn Discipline,
    stale: Option<Nanos>,
    waiting: &[Waiting],
) -> Option<Next> {
    let is_stale = |waiting: &Waiting| stale.is_some_and(|after| waiting.figures.idle > after);
    if let Some(index) = waiting.iter().position(is_stale) {
        return Some(Next::Drop(index));
    }
    // A discipline of an embedder's may choose what is not there.
    let last = waiting.len().checked_sub(1)?;
    Some(Next::Compile(discipline.choose(waiting).min(last)))
}
